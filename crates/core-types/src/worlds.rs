//! Worlds: the message servers as agents see them, and what callers add to these.

use async_trait::async_trait;

use crate::agents::Added;
use crate::page::{Listed, Page};
use crate::{AgentId, Caller, JsonObject, MessageServerId, Reach, ServiceResult, StoreResult, Timestamp, WorldId};

/// A message server as one agent sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// Its id, derived from the agent and the server (§7.3).
    pub id: WorldId,
    /// Whose it is.
    pub agent_id: AgentId,
    /// Its name.
    pub name: String,
    /// The message server; none for the agent's own world and for those that a caller made for no server.
    pub server_id: Option<MessageServerId>,
    /// Free-form.
    pub metadata: JsonObject,
    /// When it came to be.
    pub created_at: Timestamp,
}

/// What changes of a world; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WorldChange {
    /// Another name, not empty.
    pub name: Option<String>,
    /// Keys of the metadata that are set to these values; the others stay.
    pub metadata: Option<JsonObject>,
}

/// Where worlds are kept. Every method is one transaction and, but for `of_running`, sees only the given agent's rows.
#[async_trait]
pub trait WorldRepository: Send + Sync {
    /// Stores a world; where the id is taken, changes nothing and returns what is there. `None` where its agent does not
    /// exist.
    async fn add(&self, world: World) -> StoreResult<Option<Added<World>>>;

    /// One world of an agent.
    async fn find(&self, agent: AgentId, id: WorldId) -> StoreResult<Option<World>>;

    /// An agent's worlds, oldest first, and no more than [`PAGE_BYTES`](crate::messaging::PAGE_BYTES).
    async fn list(&self, agent: AgentId, page: Page) -> StoreResult<Listed<World>>;

    /// The worlds of all running agents, oldest first, as many as in [`list`](Self::list).
    async fn of_running(&self, reach: Option<&Reach>, page: Page) -> StoreResult<Listed<World>>;

    /// Changes a world of an agent and returns it as it is afterwards; `None` for an unknown one.
    async fn update(&self, agent: AgentId, id: WorldId, change: WorldChange) -> StoreResult<Option<World>>;
}

/// A world that a caller wants to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewWorld {
    /// The id that it shall have; a new one where absent. What has it already is found.
    pub id: Option<WorldId>,
    /// Its name, not empty.
    pub name: String,
    /// The message server that it stands for, if any.
    pub server_id: Option<MessageServerId>,
    /// Free-form.
    pub metadata: JsonObject,
}

/// What a transport can ask about worlds.
#[async_trait]
pub trait WorldService: Send + Sync {
    /// An agent's worlds, oldest first.
    async fn list(&self, caller: &Caller, agent: AgentId, page: Page) -> ServiceResult<Listed<World>>;

    /// The worlds of all running agents, oldest first.
    async fn of_running(&self, caller: &Caller, page: Page) -> ServiceResult<Listed<World>>;

    /// One world of an agent.
    async fn get(&self, caller: &Caller, agent: AgentId, id: WorldId) -> ServiceResult<World>;

    /// Creates a world of an agent.
    async fn create(&self, caller: &Caller, agent: AgentId, world: NewWorld) -> ServiceResult<World>;

    /// Changes a world of an agent.
    async fn update(&self, caller: &Caller, agent: AgentId, id: WorldId, change: WorldChange) -> ServiceResult<World>;
}
