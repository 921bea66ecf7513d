//! Channels and message servers.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::bus::{BusEvent, EventBus, Topic};
use core_types::messaging::{
    Channel, ChannelAdded, ChannelEvent, ChannelRepository, ChannelService, EventBody, MessageRepository, MessageServer, NewChannel,
    ServerRepository,
};
use core_types::{Caller, ChannelId, Clock, EntityId, Ids, MessageServerId, Permission, ServiceError, ServiceResult, Thing};

use crate::permission::require;
use crate::whole::whole;

/// Creates, shows and deletes channels.
pub struct Channels {
    /// Where message servers are kept.
    pub servers: Arc<dyn ServerRepository>,
    /// Where channels are kept.
    pub channels: Arc<dyn ChannelRepository>,
    /// Where messages are kept; a deleted channel's last event follows its others.
    pub messages: Arc<dyn MessageRepository>,
    /// Who is told.
    pub bus: Arc<dyn EventBus>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where new ids come from.
    pub ids: Arc<dyn Ids>,
}

#[async_trait]
impl ChannelService for Channels {
    async fn servers(&self, caller: &Caller) -> ServiceResult<Vec<MessageServer>> {
        require(caller, Permission::MessagesRead)?;
        Ok(self.servers.list().await?)
    }

    async fn list(&self, caller: &Caller, server: MessageServerId) -> ServiceResult<Vec<Channel>> {
        require(caller, Permission::MessagesRead)?;
        Ok(self.channels.list(server).await?)
    }

    async fn create(&self, caller: &Caller, new: NewChannel) -> ServiceResult<Channel> {
        require(caller, Permission::MessagesWrite)?;
        let now = self.clock.now();
        let channel = Channel {
            id: ChannelId::new(self.ids.uuid()),
            server_id: new.server_id,
            name: new.name,
            kind: new.kind,
            source_type: new.source_type,
            source_id: new.source_id,
            topic: new.topic,
            metadata: new.metadata,
            created_at: now,
            updated_at: now,
        };
        match self.channels.add(channel, new.participants).await? {
            ChannelAdded::New(channel) | ChannelAdded::Existing(channel) => Ok(channel),
            ChannelAdded::NoServer => Err(ServiceError::NotFound(Thing::Server)),
        }
    }

    async fn get(&self, caller: &Caller, id: ChannelId) -> ServiceResult<Channel> {
        require(caller, Permission::MessagesRead)?;
        self.channels.find(id).await?.ok_or(ServiceError::NotFound(Thing::Channel))
    }

    async fn participants(&self, caller: &Caller, id: ChannelId) -> ServiceResult<Vec<EntityId>> {
        require(caller, Permission::MessagesRead)?;
        Ok(self.channels.participants(id).await?)
    }

    async fn remove(&self, caller: &Caller, id: ChannelId) -> ServiceResult<()> {
        require(caller, Permission::MessagesWrite)?;
        let (channels, messages, bus, now) =
            (Arc::clone(&self.channels), Arc::clone(&self.messages), Arc::clone(&self.bus), self.clock.now());
        whole(async move {
            let last = messages.last_seq(id).await?.unwrap_or(0);
            if channels.remove(id, now).await? {
                let event = ChannelEvent { channel_id: id, seq: last + 1, body: EventBody::ChannelDeleted, created_at: now };
                bus.publish(Topic::Channel(id), BusEvent::Channel(Arc::new(event))).await;
            }
            Ok(())
        })
        .await
    }
}
