//! Message servers, and which agents listen on them.

use async_trait::async_trait;

use crate::agents::Added;
use crate::messaging::ChannelEvent;
use crate::page::{Listed, Page};
use crate::{AgentId, Caller, JsonObject, MessageServerId, Reach, ServiceResult, StoreResult, Tenant, Timestamp};

/// A message server: a group of channels.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageServer {
    /// Its id.
    pub id: MessageServerId,
    /// Its name.
    pub name: String,
    /// Where it comes from, such as `eliza_default`.
    pub source_type: String,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// Free-form.
    pub metadata: JsonObject,
    /// Whose it is; the owner's where absent.
    pub owner: Option<Tenant>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What changes of a message server; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServerChange {
    /// Another name, not empty.
    pub name: Option<String>,
    /// Metadata in place of what is there.
    pub metadata: Option<JsonObject>,
}

/// What became of tying an agent to a message server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// The agent listens there now, or did before.
    Yes,
    /// There is no such message server.
    NoServer,
    /// There is no such agent.
    NoAgent,
}

/// Where message servers are kept. Every method is one transaction, but that what is removed may go in several, its parts first.
#[async_trait]
pub trait ServerRepository: Send + Sync {
    /// Stores a message server; where the id is taken, changes nothing and returns what is there.
    async fn add(&self, server: MessageServer) -> StoreResult<Added<MessageServer>>;

    /// The message server with this id.
    async fn find(&self, id: MessageServerId) -> StoreResult<Option<MessageServer>>;

    /// Message servers, oldest first, and no more than [`PAGE_BYTES`](super::PAGE_BYTES).
    async fn list(&self, reach: Option<&Reach>, page: Page) -> StoreResult<Listed<MessageServer>>;

    /// Changes a message server and returns it as it is afterwards; `None` for an unknown id.
    async fn update(&self, id: MessageServerId, change: ServerChange, now: Timestamp) -> StoreResult<Option<MessageServer>>;

    /// Deletes a message server with its channels and all that a removed channel takes with it
    /// (`ChannelRepository::remove`). Returns the last event of each channel; `None` for an unknown id.
    async fn remove(&self, id: MessageServerId, now: Timestamp) -> StoreResult<Option<Vec<ChannelEvent>>>;

    /// Lets an agent listen on a message server. On the default server every agent listens in any case.
    async fn link(&self, id: MessageServerId, agent: AgentId) -> StoreResult<Linked>;

    /// Lets an agent listen no more; its open deliveries there end as they would.
    async fn unlink(&self, id: MessageServerId, agent: AgentId) -> StoreResult<()>;

    /// The agents that are tied to a message server, in the order in which they were. Empty for an unknown one.
    async fn agents(&self, reach: Option<&Reach>, id: MessageServerId, page: Page) -> StoreResult<Listed<AgentId>>;

    /// The message servers that an agent is tied to, in the order in which it was. Empty for an unknown agent.
    async fn of_agent(&self, reach: Option<&Reach>, agent: AgentId, page: Page) -> StoreResult<Listed<MessageServerId>>;
}

/// A message server that a caller wants to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewServer {
    /// The id that it shall have; a new one where absent. What has it already is found.
    pub id: Option<MessageServerId>,
    /// Its name, not empty.
    pub name: String,
    /// Where it comes from, not empty.
    pub source_type: String,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// Free-form.
    pub metadata: JsonObject,
}

/// What a transport can ask about message servers.
#[async_trait]
pub trait ServerService: Send + Sync {
    /// Message servers, oldest first.
    async fn list(&self, caller: &Caller, page: Page) -> ServiceResult<Listed<MessageServer>>;

    /// Creates a message server.
    async fn create(&self, caller: &Caller, server: NewServer) -> ServiceResult<MessageServer>;

    /// One message server.
    async fn get(&self, caller: &Caller, id: MessageServerId) -> ServiceResult<MessageServer>;

    /// Changes a message server.
    async fn update(&self, caller: &Caller, id: MessageServerId, change: ServerChange) -> ServiceResult<MessageServer>;

    /// Deletes a message server with its channels; the default one is `Forbidden`.
    async fn remove(&self, caller: &Caller, id: MessageServerId) -> ServiceResult<()>;

    /// Lets an agent listen on a message server; again is no error.
    async fn link(&self, caller: &Caller, id: MessageServerId, agent: AgentId) -> ServiceResult<()>;

    /// Lets an agent listen no more; one that did not is no error.
    async fn unlink(&self, caller: &Caller, id: MessageServerId, agent: AgentId) -> ServiceResult<()>;

    /// The agents of a message server. Empty for an unknown one.
    async fn agents(&self, caller: &Caller, id: MessageServerId, page: Page) -> ServiceResult<Listed<AgentId>>;

    /// The message servers of an agent. Empty for an unknown one.
    async fn of_agent(&self, caller: &Caller, agent: AgentId, page: Page) -> ServiceResult<Listed<MessageServerId>>;
}
