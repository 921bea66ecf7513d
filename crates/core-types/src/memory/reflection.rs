//! Looking back at a conversation: what an agent has not thought over yet, and what it keeps of it.

use async_trait::async_trait;

use crate::memory::{Entity, Memory};
use crate::{AgentId, MemoryId, RoomId, StoreResult};

/// What was said in a room since the agent last looked back there.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreflected {
    /// The memories of the conversation, oldest first.
    pub said: Vec<Memory>,
    /// The newest facts of the room, newest first, so that they are not found again.
    pub facts: Vec<Memory>,
    /// Whom the memories and the facts are from.
    pub entities: Vec<Entity>,
    /// Up to where this goes.
    pub upto: i64,
}

/// What comes of looking back.
#[derive(Debug, Clone, PartialEq)]
pub struct Reflection {
    /// Whose.
    pub agent: AgentId,
    /// Where.
    pub room: RoomId,
    /// [`Unreflected::upto`] of what was looked at.
    pub upto: i64,
    /// What is kept, each with the memory that it was concluded from.
    pub kept: Vec<(MemoryId, Memory)>,
}

/// Where it is kept how far agents have looked back. Every method is one transaction.
#[async_trait]
pub trait ReflectionRepository: Send + Sync {
    /// What was said in the room since the agent last looked back, at most the newest `limit` memories, with at most
    /// `limit` facts.
    async fn unreflected(&self, agent: AgentId, room: RoomId, limit: u32) -> StoreResult<Unreflected>;

    /// Keeps what came of it and moves on, both or neither. What was concluded from a memory that is gone by now is not
    /// kept, and neither is what is known under its id already. Returns how many are new; `None`, with nothing kept, where
    /// the room is gone or somebody has looked further already.
    async fn reflect(&self, reflection: Reflection) -> StoreResult<Option<u64>>;

    /// Rooms in which `least` memories or more are not looked back at, of those in which something was said lately; at
    /// most `limit`.
    async fn rooms_to_reflect(&self, least: u32, limit: u32) -> StoreResult<Vec<(AgentId, RoomId)>>;
}
