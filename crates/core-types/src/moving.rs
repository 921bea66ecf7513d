//! Moving in and out: what is an agent's own, page by page, and what another server has left behind.

use async_trait::async_trait;

use crate::memory::{Entity, Memory, Room, RoomState};
use crate::messaging::MessageDraft;
use crate::worlds::World;
use crate::{AgentId, ChannelId, EntityId, JsonObject, RoomId, StoreResult, Timestamp, WorldId};

/// Somebody in a room of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Participant {
    /// Whose room it is.
    pub agent_id: AgentId,
    /// The room.
    pub room_id: RoomId,
    /// Who takes part.
    pub entity_id: EntityId,
    /// How the agent stands to the room, where this is the agent itself and it has decided that.
    pub state: Option<RoomState>,
}

/// Something that is an agent's own.
#[derive(Debug, Clone, PartialEq)]
pub enum Belonging {
    /// A world.
    World(World),
    /// Somebody it knows.
    Entity(Entity),
    /// A room; its world need not exist.
    Room(Room),
    /// Somebody in a room, which must be there before.
    Participant(Participant),
    /// Something it remembers.
    Memory(Box<Memory>),
}

impl Belonging {
    /// Whose it is.
    pub fn agent(&self) -> AgentId {
        match self {
            Self::World(world) => world.agent_id,
            Self::Entity(entity) => entity.agent_id,
            Self::Room(room) => room.agent_id,
            Self::Participant(participant) => participant.agent_id,
            Self::Memory(memory) => memory.agent_id,
        }
    }
}

/// A message that was posted elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct PastMessage {
    /// The message.
    pub draft: MessageDraft,
    /// When it was posted there.
    pub created_at: Timestamp,
    /// When it last changed there.
    pub updated_at: Timestamp,
}

/// What became of a thing that was brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Brought {
    /// It is stored now.
    New,
    /// It was there before, and is as it was.
    Existing,
    /// Another agent's, or another channel's, has its id. Nothing was written of it.
    Taken,
    /// What it belongs to is not here: its agent, or the room that it takes part in. Nothing was written of it.
    Homeless,
}

/// Brings things as they were elsewhere: nobody is told, and nobody answers. Every method is one transaction.
#[async_trait]
pub trait ArrivalRepository: Send + Sync {
    /// Stores those of these things that are not there; a fragment whose document is not there becomes a memory of its own.
    /// Returns what became of each.
    async fn bring(&self, things: Vec<Belonging>) -> StoreResult<Vec<Brought>>;

    /// Stores those of these messages that are not there, as the latest of their channel and in this order. Each keeps its time
    /// unless that is not later than the message before it. Returns what became of each; all are homeless in an unknown
    /// channel.
    async fn bring_messages(&self, channel: ChannelId, messages: Vec<PastMessage>) -> StoreResult<Vec<Brought>>;

    /// Says that an agent has looked back at all that it remembers of the rooms where it never has, and counts these.
    async fn looked_back(&self, agent: AgentId) -> StoreResult<u64>;
}

/// Reads everything that is an agent's own, in an order that does not depend on the database.
#[async_trait]
pub trait BelongingsRepository: Send + Sync {
    /// Worlds by id, from the first one behind `after` on.
    async fn worlds(&self, agent: AgentId, after: Option<WorldId>, limit: u32) -> StoreResult<Vec<World>>;

    /// Entities by id.
    async fn entities(&self, agent: AgentId, after: Option<EntityId>, limit: u32) -> StoreResult<Vec<Entity>>;

    /// Rooms by id.
    async fn rooms(&self, agent: AgentId, after: Option<RoomId>, limit: u32) -> StoreResult<Vec<Room>>;

    /// Who takes part in the agent's rooms, by room and entity.
    async fn participants(&self, agent: AgentId, after: Option<(RoomId, EntityId)>, limit: u32) -> StoreResult<Vec<Participant>>;

    /// Memories in the order in which they were stored, each with its place in it.
    async fn memories(&self, agent: AgentId, after: i64, limit: u32) -> StoreResult<Vec<(i64, Memory)>>;
}

/// What can be read of a database of elizaOS 1.7.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ElizaOsRows {
    /// `message_servers`, oldest first.
    Servers,
    /// `agents`, oldest first.
    Agents,
    /// `message_server_agents`.
    ServerAgents,
    /// `worlds`, oldest first.
    Worlds,
    /// `entities`, oldest first.
    Entities,
    /// `rooms`, oldest first.
    Rooms,
    /// `participants`, each with `room_agent_id`, whose room it is, and with `entity_agent_id`, `entity_names` and
    /// `entity_metadata` of its entity, if that is there.
    Participants,
    /// `memories`, documents before others, oldest first.
    Memories,
    /// `channels`, oldest first, each with the list of its `participants`.
    Channels,
    /// `central_messages`, channel by channel, oldest first.
    Messages,
}

/// A database of elizaOS as it is at one moment. Rows are objects with the names of columns; times in them are ISO 8601, in UTC
/// where they have no offset.
#[async_trait]
pub trait ElizaOsDatabase: Send {
    /// Its tables with how many rows each has, by name.
    async fn tables(&mut self) -> StoreResult<Vec<(String, u64)>>;

    /// Begins to read these rows, in place of those that were being read.
    async fn read(&mut self, rows: ElizaOsRows) -> StoreResult<()>;

    /// The next rows, at most so many; none at the end.
    async fn next(&mut self, limit: u32) -> StoreResult<Vec<JsonObject>>;
}
