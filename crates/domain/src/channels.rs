//! Channels.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::bus::EventBus;
use core_types::ids::string_to_uuid;
use core_types::messaging::{
    Channel, ChannelAdded, ChannelChange, ChannelRepository, ChannelService, MAX_PARTICIPANTS, Membership, MessageServer, NewChannel,
    ServerRepository, SyncedChannel,
};
use core_types::{
    Caller, ChannelId, Clock, EntityId, Ids, JsonObject, Listed, MessageServerId, Page, Permission, ServiceError, ServiceResult, Thing,
};
use serde_json::json;
use tokio::sync::Mutex;

use crate::permission::{Access, own_name, require, require_voice};
use crate::places::LongReads;
use crate::tell::tell;
use crate::whole::whole;

/// The kind of a channel of two.
const DIRECT: &str = "DM";

/// Creates, shows, changes and deletes channels.
pub struct Channels {
    /// Where message servers are kept.
    pub servers: Arc<dyn ServerRepository>,
    /// Where channels are kept.
    pub channels: Arc<dyn ChannelRepository>,
    /// What callers can reach.
    pub access: Access,
    /// Who is told.
    pub bus: Arc<dyn EventBus>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where new ids come from.
    pub ids: Arc<dyn Ids>,
    /// Where reads wait that may take long.
    pub reads: LongReads,
    /// One at a time looks for a channel of two that cannot have its own id.
    pub turn: Mutex<()>,
}

#[async_trait]
impl ChannelService for Channels {
    async fn list(&self, caller: &Caller, server: MessageServerId, page: Page) -> ServiceResult<Listed<Channel>> {
        require(caller, Permission::MessagesRead)?;
        self.access.to(caller, Wanted::Server(server)).await?;
        let _place = self.reads.place(caller).await?;
        Ok(self.channels.list(caller.reach(), server, page).await?)
    }

    async fn create(&self, caller: &Caller, new: NewChannel) -> ServiceResult<Channel> {
        require(caller, Permission::MessagesWrite)?;
        self.access.to(caller, Wanted::Server(new.server_id)).await?;
        self.add(caller, new.id.unwrap_or_else(|| ChannelId::new(self.ids.uuid())), new).await
    }

    async fn sync(&self, caller: &Caller, server: MessageServerId, there: Vec<SyncedChannel>) -> ServiceResult<()> {
        require(caller, Permission::MessagesWrite)?;
        // Their ids follow from the server, which must not be shared then.
        self.access.to(caller, Wanted::OwnServer(server)).await?;
        let MessageServer { source_type, owner, .. } = self.servers.find(server).await?.ok_or(ServiceError::NotFound(Thing::Server))?;
        let now = self.clock.now();
        let synced = there.into_iter().map(|channel| Channel {
            id: ChannelId::new(string_to_uuid(&format!("{server}:{}", channel.source_id))),
            server_id: server,
            name: channel.name,
            kind: channel.kind,
            source_type: Some(source_type.clone()),
            source_id: Some(channel.source_id),
            topic: None,
            metadata: JsonObject::new(),
            owner: owner.clone(),
            created_at: now,
            updated_at: now,
        });
        let (channels, bus, synced) = (Arc::clone(&self.channels), Arc::clone(&self.bus), synced.collect());
        whole(async move {
            let told = channels.sync(server, synced, now).await?.ok_or(ServiceError::NotFound(Thing::Server))?;
            tell(bus.as_ref(), told).await;
            Ok(())
        })
        .await
    }

    async fn get(&self, caller: &Caller, id: ChannelId) -> ServiceResult<Channel> {
        require(caller, Permission::MessagesRead)?;
        self.access.to(caller, Wanted::Channel(id)).await?;
        self.channels.find(id).await?.ok_or(ServiceError::NotFound(Thing::Channel))
    }

    async fn direct(&self, caller: &Caller, server: MessageServerId, mut two: [EntityId; 2]) -> ServiceResult<Channel> {
        require(caller, Permission::MessagesWrite)?;
        let [one, other] = two;
        if !caller.may_speak_as(one) {
            require_voice(caller, other)?;
        }
        let known = server == MessageServerId::DEFAULT
            || (self.servers.find(server).await?.is_some() && self.access.reaches(caller, Wanted::Server(server)).await?);
        let server_id = if known { server } else { MessageServerId::DEFAULT };
        // Ids compare like their texts, by which elizaOS sorts.
        two.sort_unstable();
        let [first, second] = two;
        let name = format!("DM-{first}-{second}");
        // The id follows from the two, so that parallel calls make one channel; each tenant has its own.
        let owner = caller.makes_for();
        let id = ChannelId::new(string_to_uuid(&own_name(owner.as_ref(), &format!("{server_id}:{name}"))));
        if let Some(channel) = self.channels.find_named(owner.as_ref(), server_id, DIRECT, &name).await? {
            return Ok(channel);
        }
        let metadata = JsonObject::from_iter([("user1".to_owned(), json!(first)), ("user2".to_owned(), json!(second))]);
        let new = NewChannel {
            id: Some(id),
            server_id,
            name,
            kind: DIRECT.to_owned(),
            source_type: None,
            source_id: None,
            topic: None,
            metadata,
            participants: vec![first, second],
        };
        match self.added(caller, id, new.clone()).await? {
            Some(channel) => Ok(channel),
            None => self.elsewhere(caller, new).await,
        }
    }

    async fn update(&self, caller: &Caller, id: ChannelId, change: ChannelChange) -> ServiceResult<Channel> {
        require(caller, Permission::MessagesWrite)?;
        self.access.to(caller, Wanted::OwnChannel(id)).await?;
        let (channels, bus, now) = (Arc::clone(&self.channels), Arc::clone(&self.bus), self.clock.now());
        whole(async move {
            let (channel, told) = channels.update(id, change, now).await?.ok_or(ServiceError::NotFound(Thing::Channel))?;
            tell(bus.as_ref(), told).await;
            Ok(channel)
        })
        .await
    }

    async fn participants(&self, caller: &Caller, id: ChannelId) -> ServiceResult<Vec<EntityId>> {
        require(caller, Permission::MessagesRead)?;
        self.access.to(caller, Wanted::Channel(id)).await?;
        Ok(self.channels.participants(id).await?)
    }

    async fn join(&self, caller: &Caller, id: ChannelId, who: EntityId) -> ServiceResult<()> {
        require(caller, Permission::MessagesWrite)?;
        // Whoever is one person may come in where it sees in, and lets nobody in but where it made the channel.
        let wanted = if caller.may_speak_as(who) { Wanted::Channel(id) } else { Wanted::OwnChannel(id) };
        self.access.to(caller, wanted).await?;
        // Who was sent away meanwhile does not come back by this.
        match self.channels.join(id, who, caller.reach()).await? {
            Membership::Changed(_) | Membership::AsBefore => Ok(()),
            Membership::Full => {
                Err(ServiceError::conflict(format!("The channel has {MAX_PARTICIPANTS} participants, the most that it may have")))
            }
            Membership::NoChannel => Err(ServiceError::NotFound(Thing::Channel)),
        }
    }

    async fn leave(&self, caller: &Caller, id: ChannelId, who: EntityId) -> ServiceResult<()> {
        require(caller, Permission::MessagesWrite)?;
        // Whoever is one person may leave, and sends nobody away who is another.
        let wanted = if caller.may_speak_as(who) { Wanted::Channel(id) } else { Wanted::OwnChannel(id) };
        self.access.to(caller, wanted).await?;
        let (channels, bus, now) = (Arc::clone(&self.channels), Arc::clone(&self.bus), self.clock.now());
        whole(async move {
            match channels.leave(id, who, now).await? {
                Membership::Changed(told) => {
                    tell(bus.as_ref(), told).await;
                    Ok(())
                }
                Membership::AsBefore | Membership::Full => Err(ServiceError::NotFound(Thing::Participant)),
                Membership::NoChannel => Err(ServiceError::NotFound(Thing::Channel)),
            }
        })
        .await
    }

    async fn remove(&self, caller: &Caller, id: ChannelId) -> ServiceResult<()> {
        require(caller, Permission::MessagesWrite)?;
        self.access.to(caller, Wanted::OwnChannel(id)).await?;
        let (channels, bus, now) = (Arc::clone(&self.channels), Arc::clone(&self.bus), self.clock.now());
        whole(async move {
            if let Some(end) = channels.remove(id, now).await? {
                tell(bus.as_ref(), vec![end]).await;
            }
            Ok(())
        })
        .await
    }
}

impl Channels {
    /// The channel of two whose id, which can be worked out, somebody else has taken: nobody is kept from talking by that. The name tells
    /// which channel it is, and one call after another looks for it, so that there is one.
    async fn elsewhere(&self, caller: &Caller, new: NewChannel) -> ServiceResult<Channel> {
        let _turn = self.turn.lock().await;
        if let Some(channel) = self.channels.find_named(caller.makes_for().as_ref(), new.server_id, DIRECT, &new.name).await? {
            return Ok(channel);
        }
        self.add(caller, ChannelId::new(self.ids.uuid()), new).await
    }

    async fn add(&self, caller: &Caller, id: ChannelId, new: NewChannel) -> ServiceResult<Channel> {
        let added = self.added(caller, id, new).await?;
        added.ok_or_else(|| {
            ServiceError::conflict("A channel of this id is somebody else's, or was within the last day. Choose another id for the new one")
        })
    }

    /// A channel of this id, new or as it was; `None` where it is somebody else's.
    async fn added(&self, caller: &Caller, id: ChannelId, new: NewChannel) -> ServiceResult<Option<Channel>> {
        let now = self.clock.now();
        let channel = Channel {
            id,
            server_id: new.server_id,
            name: new.name,
            kind: new.kind,
            source_type: new.source_type,
            source_id: new.source_id,
            topic: new.topic,
            metadata: new.metadata,
            owner: caller.makes_for(),
            created_at: now,
            updated_at: now,
        };
        match self.channels.add(channel, new.participants).await? {
            // Ids can be chosen, and who guessed one should not read what another then says there.
            ChannelAdded::Existing(other) if other.owner != caller.makes_for() => Ok(None),
            ChannelAdded::WasAnothers => Ok(None),
            ChannelAdded::New(channel) | ChannelAdded::Existing(channel) => Ok(Some(channel)),
            ChannelAdded::NoServer => Err(ServiceError::NotFound(Thing::Server)),
        }
    }
}
