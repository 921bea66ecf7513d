//! Rooms: the channels as agents see them, and what callers add to these.

use async_trait::async_trait;

use crate::agents::Added;
use crate::memory::{AgentPlane, Room};
use crate::page::{Listed, Page};
use crate::worlds::World;
use crate::{AgentId, Caller, JsonObject, MessageServerId, RoomId, ServiceResult, StoreResult, WorldId};

/// The kind of rooms that a group of agents has, one each.
pub const GROUP_KIND: &str = "API";

/// A room with the world that it lies in.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedRoom {
    /// The room.
    pub room: Room,
    /// Its world, if the agent has it.
    pub world: Option<World>,
}

/// Where rooms are kept. Every method is one transaction, and every one but `of_group` sees only the given agent's rows.
#[async_trait]
pub trait RoomRepository: Send + Sync {
    /// Makes sure that a world exists, and stores a room and the agent in it, which follows it. Where the id is taken,
    /// changes nothing and returns what is there. `None` where the agent does not exist.
    async fn add(&self, plane: AgentPlane) -> StoreResult<Option<Added<PlacedRoom>>>;

    /// One room of an agent.
    async fn find(&self, agent: AgentId, id: RoomId) -> StoreResult<Option<PlacedRoom>>;

    /// The rooms that an agent takes part in, oldest first, and with their worlds no more than
    /// [`PAGE_BYTES`](crate::messaging::PAGE_BYTES).
    async fn list(&self, agent: AgentId, page: Page) -> StoreResult<Listed<PlacedRoom>>;

    /// The rooms of a group, one of each of its agents: those of kind [`GROUP_KIND`] that were made for this message
    /// server.
    async fn of_group(&self, server: MessageServerId) -> StoreResult<Vec<(AgentId, RoomId)>>;

    /// Names a room and returns it as it is afterwards.
    async fn rename(&self, agent: AgentId, id: RoomId, name: String) -> StoreResult<Option<PlacedRoom>>;

    /// Deletes a room with its participants; not what is remembered of it. Returns whether it was there.
    async fn remove(&self, agent: AgentId, id: RoomId) -> StoreResult<bool>;
}

/// A room that a caller wants to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRoom {
    /// The id that it shall have; a new one where absent. What has it already is found.
    pub id: Option<RoomId>,
    /// Its name, not empty.
    pub name: String,
    /// `DM`, `GROUP`, ...
    pub kind: String,
    /// Where it comes from.
    pub source: String,
    /// The world of the agent that it lies in; a new one where absent.
    pub world_id: Option<WorldId>,
    /// The message server that it stands for.
    pub server_id: Option<MessageServerId>,
    /// Free-form.
    pub metadata: JsonObject,
}

/// A group of agents that a caller wants to create: a room for each.
#[derive(Debug, Clone, PartialEq)]
pub struct NewGroup {
    /// The message server that it stands for, which names it.
    pub server_id: MessageServerId,
    /// Its agents.
    pub agents: Vec<AgentId>,
    /// The name of the rooms.
    pub name: String,
    /// The world that the rooms lie in; each agent's world for the message server where absent.
    pub world_id: Option<WorldId>,
    /// Where it comes from.
    pub source: String,
    /// Free-form.
    pub metadata: JsonObject,
}

/// What came of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedGroup {
    /// The rooms, in the order of their agents.
    pub rooms: Vec<Room>,
    /// The agents that do not exist.
    pub missing: Vec<AgentId>,
}

/// What a transport can ask about rooms.
#[async_trait]
pub trait RoomService: Send + Sync {
    /// The rooms that an agent takes part in, oldest first.
    async fn list(&self, caller: &Caller, agent: AgentId, page: Page) -> ServiceResult<Listed<PlacedRoom>>;

    /// One room of an agent.
    async fn get(&self, caller: &Caller, agent: AgentId, id: RoomId) -> ServiceResult<PlacedRoom>;

    /// Creates a room of an agent, and a world for it where none is named.
    async fn create(&self, caller: &Caller, agent: AgentId, room: NewRoom) -> ServiceResult<PlacedRoom>;

    /// Names a room.
    async fn rename(&self, caller: &Caller, agent: AgentId, id: RoomId, name: String) -> ServiceResult<PlacedRoom>;

    /// Deletes a room and everything that the agent remembers of it.
    async fn remove(&self, caller: &Caller, agent: AgentId, id: RoomId) -> ServiceResult<()>;

    /// Creates a group; rooms that are there already stay as they are. Without any agent that exists it is `NotFound`.
    async fn create_group(&self, caller: &Caller, group: NewGroup) -> ServiceResult<CreatedGroup>;

    /// Deletes the rooms of a group and everything that is remembered of them; nothing where there is no such group.
    async fn remove_group(&self, caller: &Caller, server: MessageServerId) -> ServiceResult<()>;

    /// Forgets everything that was said in a group.
    async fn clear_group(&self, caller: &Caller, server: MessageServerId) -> ServiceResult<()>;
}
