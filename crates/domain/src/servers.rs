//! Message servers, and which agents listen on them.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::bus::EventBus;
use core_types::messaging::{ChannelRepository, Linked, MessageServer, NewServer, ServerChange, ServerRepository, ServerService};
use core_types::{AgentId, Caller, Clock, Ids, Listed, MessageServerId, Page, Permission, ServiceError, ServiceResult, Thing, Timestamp};

use crate::permission::{Access, require};
use crate::places::LongReads;
use crate::tell::tell;
use crate::whole::whole;

/// How many channels of a message server that is removed are looked at at once.
const PORTION: u32 = 100;

/// Creates, shows, changes and deletes message servers.
pub struct Servers {
    /// Where message servers are kept.
    pub servers: Arc<dyn ServerRepository>,
    /// Where their channels are kept.
    pub channels: Arc<dyn ChannelRepository>,
    /// What callers can reach.
    pub access: Access,
    /// Who is told of channels that went with their server.
    pub bus: Arc<dyn EventBus>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where new ids come from.
    pub ids: Arc<dyn Ids>,
    /// The places that lists take.
    pub reads: LongReads,
}

#[async_trait]
impl ServerService for Servers {
    async fn list(&self, caller: &Caller, page: Page) -> ServiceResult<Listed<MessageServer>> {
        require(caller, Permission::MessagesRead)?;
        let _place = self.reads.place(caller).await?;
        Ok(self.servers.list(caller.reach(), page).await?)
    }

    async fn create(&self, caller: &Caller, new: NewServer) -> ServiceResult<MessageServer> {
        require(caller, Permission::MessagesWrite)?;
        let now = self.clock.now();
        let server = MessageServer {
            id: new.id.unwrap_or_else(|| MessageServerId::new(self.ids.uuid())),
            name: new.name,
            source_type: new.source_type,
            source_id: new.source_id,
            metadata: new.metadata,
            owner: caller.makes_for(),
            created_at: now,
            updated_at: now,
        };
        Ok(self.servers.add(server).await?.into_inner())
    }

    async fn get(&self, caller: &Caller, id: MessageServerId) -> ServiceResult<MessageServer> {
        require(caller, Permission::MessagesRead)?;
        self.access.to(caller, Wanted::Server(id)).await?;
        self.servers.find(id).await?.ok_or(ServiceError::NotFound(Thing::Server))
    }

    async fn update(&self, caller: &Caller, id: MessageServerId, change: ServerChange) -> ServiceResult<MessageServer> {
        require(caller, Permission::MessagesWrite)?;
        self.access.to(caller, Wanted::OwnServer(id)).await?;
        self.servers.update(id, change, self.clock.now()).await?.ok_or(ServiceError::NotFound(Thing::Server))
    }

    async fn remove(&self, caller: &Caller, id: MessageServerId) -> ServiceResult<()> {
        require(caller, Permission::MessagesWrite)?;
        self.access.to(caller, Wanted::OwnServer(id)).await?;
        if id == MessageServerId::DEFAULT {
            return Err(ServiceError::forbidden("The default server cannot be deleted: every agent listens there"));
        }
        let (servers, channels) = (Arc::clone(&self.servers), Arc::clone(&self.channels));
        let (bus, now) = (Arc::clone(&self.bus), self.clock.now());
        whole(async move {
            let has_removed = remove_channels(channels.as_ref(), bus.as_ref(), id, now).await?;
            match servers.remove(id, now).await? {
                Some(ends) => tell(bus.as_ref(), ends).await,
                // Two remove it at once, and the other has come to the end of it.
                None if has_removed => {}
                None => return Err(ServiceError::NotFound(Thing::Server)),
            }
            Ok(())
        })
        .await
    }

    async fn link(&self, caller: &Caller, id: MessageServerId, agent: AgentId) -> ServiceResult<()> {
        require(caller, Permission::AgentsWrite)?;
        self.access.to(caller, Wanted::OwnServer(id)).await?;
        // An agent that is only shared would stay tied here when it is shared no more.
        self.access.to(caller, Wanted::OwnAgent(agent)).await?;
        match self.servers.link(id, agent).await? {
            Linked::Yes => Ok(()),
            Linked::NoServer => Err(ServiceError::NotFound(Thing::Server)),
            Linked::NoAgent => Err(ServiceError::NotFound(Thing::Agent)),
        }
    }

    async fn unlink(&self, caller: &Caller, id: MessageServerId, agent: AgentId) -> ServiceResult<()> {
        require(caller, Permission::AgentsWrite)?;
        self.access.to(caller, Wanted::OwnServer(id)).await?;
        if self.servers.find(id).await?.is_none() {
            return Err(ServiceError::NotFound(Thing::Server));
        }
        Ok(self.servers.unlink(id, agent).await?)
    }

    async fn agents(&self, caller: &Caller, id: MessageServerId, page: Page) -> ServiceResult<Listed<AgentId>> {
        require(caller, Permission::AgentsRead)?;
        self.access.to(caller, Wanted::Server(id)).await?;
        Ok(self.servers.agents(caller.reach(), id, page).await?)
    }

    async fn of_agent(&self, caller: &Caller, agent: AgentId, page: Page) -> ServiceResult<Listed<MessageServerId>> {
        require(caller, Permission::AgentsRead)?;
        self.access.to(caller, Wanted::Agent(agent)).await?;
        Ok(self.servers.of_agent(caller.reach(), agent, page).await?)
    }
}

/// Removes the channels of a message server one by one, and tells of each before the next: what is gone is told also where that fails.
/// What comes meanwhile is left to the removal of the server itself. Returns whether there was any.
async fn remove_channels(
    channels: &dyn ChannelRepository,
    bus: &dyn EventBus,
    server: MessageServerId,
    now: Timestamp,
) -> ServiceResult<bool> {
    let mut has_removed = false;
    loop {
        let oldest = channels.list(None, server, Page::first(PORTION)).await?.items;
        let there: Vec<_> = oldest.into_iter().filter(|channel| channel.created_at <= now).map(|channel| channel.id).collect();
        if there.is_empty() {
            return Ok(has_removed);
        }
        for channel in there {
            if let Some(end) = channels.remove(channel, now).await? {
                has_removed = true;
                tell(bus, vec![end]).await;
            }
        }
    }
}
