//! The agent plane: worlds, rooms, entities and memories, each belonging to one agent (contract §7).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::worlds::World;
use crate::{AgentId, ChannelId, EntityId, JsonObject, MemoryId, RoomId, StoreResult, Timestamp, WorldId};

/// The memory table of conversations.
pub const MESSAGES: &str = "messages";
/// The memory table of facts.
pub const FACTS: &str = "facts";

/// A channel as one agent sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    /// Its id, derived from the agent and the channel (§7.3).
    pub id: RoomId,
    /// Whose it is.
    pub agent_id: AgentId,
    /// The world it lies in.
    pub world_id: WorldId,
    /// The channel; none for the agent's own room.
    pub channel_id: Option<ChannelId>,
    /// Its name.
    pub name: String,
    /// `DM`, `GROUP`, `SELF`, ...
    pub kind: String,
    /// Where it comes from.
    pub source: String,
}

/// A person or an agent as one agent knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// Its id; unique together with `agent_id`.
    pub id: EntityId,
    /// Who knows it.
    pub agent_id: AgentId,
    /// The names it goes by, the best known first.
    pub names: Vec<String>,
    /// Free-form.
    pub metadata: JsonObject,
}

/// A world, a room in it and entities in the room, all of one agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentPlane {
    /// The world.
    pub world: World,
    /// The room.
    pub room: Room,
    /// The entities, each of which takes part in the room.
    pub entities: Vec<Entity>,
}

/// How an agent stands to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, derive_more::Display, derive_more::FromStr)]
#[serde(rename_all = "UPPERCASE")]
#[display(rename_all = "UPPERCASE")]
#[from_str(rename_all = "UPPERCASE")]
pub enum RoomState {
    /// It decides message by message.
    None,
    /// It follows the conversation without being asked.
    Followed,
    /// It is silent unless named.
    Muted,
}

/// Something that an agent remembers.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// Its id.
    pub id: MemoryId,
    /// Whose it is.
    pub agent_id: AgentId,
    /// Its table: [`MESSAGES`], [`FACTS`] or any other name.
    pub table: String,
    /// The room it belongs to.
    pub room_id: RoomId,
    /// The world of that room.
    pub world_id: Option<WorldId>,
    /// Whom it is from or about.
    pub entity_id: EntityId,
    /// `text`, `source`, `actions`, `attachments`, `inReplyTo`, ...
    pub content: JsonObject,
    /// `type`, `sourceId` and the like.
    pub metadata: JsonObject,
    /// Whether nothing alike was known.
    pub unique: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Memory {
    /// The memory's text, empty where it has none.
    pub fn text(&self) -> &str {
        self.content.get("text").and_then(|text| text.as_str()).unwrap_or_default()
    }
}

/// What an agent knows of a room before it answers there.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomContext {
    /// How it stands to the room.
    pub state: RoomState,
    /// The newest memories of the conversation, oldest first.
    pub recent: Vec<Memory>,
    /// The newest facts of this room, newest first.
    pub facts: Vec<Memory>,
    /// The entities that the recent memories come from.
    pub entities: Vec<Entity>,
}

/// Where the agent plane is kept. Every method is one transaction and sees only the given agent's rows.
#[async_trait]
pub trait MemoryRepository: Send + Sync {
    /// What the agent knows of a room, with at most `recent` memories of the conversation and `facts` facts. For a room
    /// it has never been in: nothing.
    async fn room_context(&self, agent: AgentId, room: RoomId, recent: u32, facts: u32) -> StoreResult<RoomContext>;

    /// Stores memories; one whose id is taken is left as it is. Returns how many are new.
    async fn add(&self, memories: Vec<Memory>) -> StoreResult<u64>;

    /// Memories of one table, newest first; of one room where given.
    async fn list(&self, agent: AgentId, table: &str, room: Option<RoomId>, limit: u32) -> StoreResult<Vec<Memory>>;
}
