//! The agent plane: worlds, rooms, entities and memories, each belonging to one agent (contract §7).

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::page::Page;
use crate::worlds::World;
use crate::{
    AgentId, ChannelId, EntityId, JsonObject, MemoryId, MessageId, MessageServerId, RoomId, RunId, StoreResult, Timestamp, WorldId,
};

mod filter;
mod list;
mod recall;
mod reflection;
mod service;

pub use filter::{MemoryFilter, Source};
pub use list::{COUNTED, ListedMemories};
pub use recall::{
    CANDIDATES, EmbeddingProgress, Fused, KeywordSearch, Nearest, RANK_CONSTANT, Ranked, Shortfall, Similar, SpaceProgress, VectorError,
    VectorIndex, fuse,
};
pub use reflection::{Reflection, ReflectionRepository, Unreflected};
pub use service::{FoundMemories, FoundMemory, MemorySearch, MemoryService, Reason};

/// The memory table of conversations.
pub const MESSAGES: &str = "messages";
/// The memory table of facts.
pub const FACTS: &str = "facts";
/// The memory table of whole documents.
pub const DOCUMENTS: &str = "documents";
/// The memory table of the pieces of documents that are recalled.
pub const KNOWLEDGE: &str = "knowledge";
/// The memory table of what names no other.
pub const MEMORIES: &str = "memories";

/// A channel as one agent sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    /// Its id, derived from the agent and the channel (§7.3).
    pub id: RoomId,
    /// Whose it is.
    pub agent_id: AgentId,
    /// The world it lies in.
    pub world_id: WorldId,
    /// The channel; none for the agent's own room and for those that a caller made.
    pub channel_id: Option<ChannelId>,
    /// Its name.
    pub name: String,
    /// `DM`, `GROUP`, `SELF`, ...
    pub kind: String,
    /// Where it comes from.
    pub source: String,
    /// The message server, where it was made for one; else it is that of its world.
    pub server_id: Option<MessageServerId>,
    /// Free-form.
    pub metadata: JsonObject,
    /// When it came to be.
    pub created_at: Timestamp,
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

/// How far what an agent remembers may be trusted, by whose word it is. The least trusted comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, derive_more::Display, derive_more::FromStr)]
#[serde(rename_all = "lowercase")]
#[display(rename_all = "lowercase")]
#[from_str(rename_all = "lowercase")]
pub enum Trust {
    /// Somebody said so in a channel.
    Participant,
    /// The agent said so itself.
    Agent,
    /// Whoever runs the server or wrote the character put it in.
    Owner,
}

/// Where a memory comes from. What is not known, or does not apply, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// The message that it was made of; of a reply, the message that is answered.
    pub message: Option<MessageId>,
    /// Who wrote that message.
    pub author: Option<EntityId>,
    /// Where it was written.
    pub channel: Option<ChannelId>,
    /// The run that kept it.
    pub run: Option<RunId>,
    /// How far it may be trusted.
    pub trust: Option<Trust>,
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
    /// Where it comes from.
    pub origin: Origin,
    /// The document that it is a fragment of; it is deleted with it.
    pub document_id: Option<MemoryId>,
}

/// What changes of a memory; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemoryChange {
    /// Content in place of what is there.
    pub content: Option<JsonObject>,
    /// Metadata in place of what is there.
    pub metadata: Option<JsonObject>,
}

impl Memory {
    /// The memory's text, empty where it has none.
    pub fn text(&self) -> &str {
        self.content.get("text").and_then(|text| text.as_str()).unwrap_or_default()
    }
}

/// What is read of a memory of a conversation before an agent answers there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// The memory.
    pub id: MemoryId,
    /// Who said it.
    pub entity_id: EntityId,
    /// What was said; empty where it was no text.
    pub text: String,
}

/// What is read of a room before an agent answers there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomQuery {
    /// The room.
    pub room: RoomId,
    /// At most so many memories of the conversation.
    pub recent: u32,
    /// At most so many facts.
    pub facts: u32,
    /// At most so many fragments of documents.
    pub knowledge: u32,
    /// The text that the fragments must share words with.
    pub about: String,
    /// Whose facts from other rooms count too: set where nobody else listens.
    pub alone_with: Option<AloneWith>,
}

/// A person with whom an agent is alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AloneWith {
    /// Who that is.
    pub person: EntityId,
    /// Where. What was told in channels of others than this one's owner was not told by the same person: whoever has a key may speak in
    /// anybody's name.
    pub channel: ChannelId,
}

impl RoomQuery {
    /// The conversation and the facts, without knowledge.
    pub const fn conversation(room: RoomId, recent: u32, facts: u32) -> Self {
        Self { room, recent, facts, knowledge: 0, about: String::new(), alone_with: None }
    }
}

/// What an agent knows of a room before it answers there.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomContext {
    /// How it stands to the room.
    pub state: RoomState,
    /// The newest memories of the conversation, oldest first.
    pub recent: Vec<Remembered>,
    /// The newest facts of this room, newest first; then those that the person of `alone_with` told elsewhere.
    pub facts: Vec<Memory>,
    /// The fragments of the agent's documents that bear on what was asked about, best first.
    pub knowledge: Vec<Memory>,
    /// The entities that the recent memories come from.
    pub entities: Vec<Entity>,
}

/// Where memories are kept. Every method but `remove_all` is one transaction, and every one but `index_words` sees only
/// the given agent's rows.
#[async_trait]
pub trait MemoryRepository: Send + Sync {
    /// What the agent knows of a room. For a room it has never been in: nothing but its knowledge.
    async fn room_context(&self, agent: AgentId, query: RoomQuery) -> StoreResult<RoomContext>;

    /// Stores memories; one whose id is taken is left as it is, and so is one whose agent or document is gone. Returns how
    /// many are new. A document comes before its fragments.
    async fn add(&self, memories: Vec<Memory>) -> StoreResult<u64>;

    /// One memory.
    async fn find(&self, agent: AgentId, id: MemoryId) -> StoreResult<Option<Memory>>;

    /// Those memories of `ids` that pass the filter, in no particular order.
    async fn find_all(&self, agent: AgentId, filter: MemoryFilter, ids: Vec<MemoryId>) -> StoreResult<Vec<Memory>>;

    /// The memories that pass the filter, newest first, and no more than [`PAGE_BYTES`](crate::messaging::PAGE_BYTES) of them, but one at
    /// least; so whoever goes on behind the last of each page gets all.
    async fn list(&self, agent: AgentId, filter: MemoryFilter, page: Page) -> StoreResult<ListedMemories>;

    /// The memories that pass the filter and share words with a text, best first. Case, accents and the plural of
    /// English words do not count; neither do very common words, unless there is no other. Any text may be asked for.
    async fn search(&self, agent: AgentId, filter: MemoryFilter, search: KeywordSearch) -> StoreResult<Vec<Ranked>>;

    /// Changes a memory and returns it as it is afterwards.
    async fn update(&self, agent: AgentId, id: MemoryId, change: MemoryChange) -> StoreResult<Option<Memory>>;

    /// Deletes the memories that pass the filter, and with a document its fragments, which do not count. Returns how
    /// many. Works in steps, so that writers never wait long; one that fails leaves the steps before it done.
    async fn remove_all(&self, agent: AgentId, filter: MemoryFilter) -> StoreResult<u64>;

    /// Makes at most `limit` memories findable by their words that are not yet, of any agent; returns how many there
    /// were. What a finish keeps waits for this, since many together cost less; a search does it first. One whose content cannot be read
    /// is found by no words from then on, and holds up no other.
    async fn index_words(&self, limit: u32) -> StoreResult<u32>;
}
