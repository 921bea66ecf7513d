//! What a transport can ask about memories.

use async_trait::async_trait;

use crate::memory::{EmbeddingProgress, ListedMemories, Memory, MemoryChange, MemoryFilter, Shortfall, Source};
use crate::messaging::Message;
use crate::page::Page;
use crate::{AgentId, Caller, MemoryId, RoomId, ServiceResult};

/// What to recall.
#[derive(Debug, Clone, PartialEq)]
pub struct MemorySearch {
    /// Any text, not empty.
    pub text: String,
    /// Among which memories.
    pub filter: MemoryFilter,
    /// At most so many.
    pub limit: u32,
    /// Only what is at least as similar, -1 to 1.
    pub threshold: Option<f64>,
}

/// A memory that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundMemory {
    /// The memory.
    pub memory: Memory,
    /// Its place among the others as a number: 1 for the first of every ranking.
    pub score: f64,
    /// How well it fits, whatever else there is: the cosine where the ranking by meaning found it; otherwise its score by
    /// words as a part of the best one.
    pub similarity: f64,
    /// Whether it shares words with the question.
    pub by_words: bool,
    /// Whether it is near in meaning.
    pub by_meaning: bool,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundMemories {
    /// Best first.
    pub memories: Vec<FoundMemory>,
    /// Whether meaning was looked at; not without an embedding model that answers.
    pub by_meaning: bool,
    /// What is missing from the ranking by meaning.
    pub shortfalls: Vec<Shortfall>,
}

/// Why an agent remembers something.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The memory, with its origin.
    pub memory: Memory,
    /// The message that it was made of, if that still exists.
    pub message: Option<Message>,
}

/// What a transport can ask about memories. Agents see only what is their own, and an agent that does not run remembers
/// all the same.
#[async_trait]
pub trait MemoryService: Send + Sync {
    /// The memories that pass the filter, newest first; fewer than asked for where they are large.
    async fn list(&self, caller: &Caller, agent: AgentId, filter: MemoryFilter, page: Page) -> ServiceResult<ListedMemories>;

    /// One memory.
    async fn get(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<Memory>;

    /// Where a memory comes from.
    async fn why(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<Reason>;

    /// What bears on a text: by words, and by meaning where there is an embedding model.
    async fn search(&self, caller: &Caller, agent: AgentId, search: MemorySearch) -> ServiceResult<FoundMemories>;

    /// How far the making of vectors for an agent's memories has come.
    async fn embeddings(&self, caller: &Caller, agent: AgentId) -> ServiceResult<EmbeddingProgress>;

    /// Changes a memory.
    async fn update(&self, caller: &Caller, agent: AgentId, id: MemoryId, change: MemoryChange) -> ServiceResult<Memory>;

    /// Deletes a memory, and with a document its fragments.
    async fn remove(&self, caller: &Caller, agent: AgentId, id: MemoryId) -> ServiceResult<()>;

    /// Forgets the conversations, facts and documents of an agent; of these rooms only, where there are any. Knowledge
    /// goes with its documents, and tables of other names stay. Returns how many memories there were.
    async fn clear(&self, caller: &Caller, agent: AgentId, rooms: Vec<RoomId>) -> ServiceResult<u64>;

    /// Forgets everything of one origin. Returns how many memories there were.
    async fn revert(&self, caller: &Caller, agent: AgentId, source: Source) -> ServiceResult<u64>;
}
