//! Which memories are meant.

use serde_json::Value;

use crate::memory::Memory;
use crate::{EntityId, MemoryId, MessageId, RoomId, RunId, Timestamp, WorldId};

/// One origin of memories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Everything that was made of one message: what the agent heard, what it answered, what it concluded.
    Message(MessageId),
    /// Everything that was made of the messages of one author.
    Author(EntityId),
    /// Everything that one run kept.
    Run(RunId),
}

/// Which memories of an agent are meant: those that fulfil every condition. The default means all of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemoryFilter {
    /// In one of these tables; in any where empty.
    pub tables: Vec<String>,
    /// In one of these rooms; in any where empty.
    pub rooms: Vec<RoomId>,
    /// From or about this entity.
    pub entity: Option<EntityId>,
    /// In this world.
    pub world: Option<WorldId>,
    /// Not older than this.
    pub from: Option<Timestamp>,
    /// Not newer than this.
    pub to: Option<Timestamp>,
    /// With these texts, numbers or booleans in the metadata. A key is of ASCII letters, digits and `_` and does not
    /// begin with a digit.
    pub metadata: Vec<(String, Value)>,
    /// Of this origin.
    pub source: Option<Source>,
    /// Fragments of this document.
    pub document: Option<MemoryId>,
    /// This memory alone.
    pub id: Option<MemoryId>,
}

impl MemoryFilter {
    /// The memories of one table.
    pub fn table(name: impl Into<String>) -> Self {
        Self { tables: vec![name.into()], ..Self::default() }
    }

    /// One memory.
    pub fn id(id: MemoryId) -> Self {
        Self { id: Some(id), ..Self::default() }
    }

    /// The same in one room.
    pub fn in_room(mut self, room: RoomId) -> Self {
        self.rooms = vec![room];
        self
    }

    /// Whether a memory fulfils every condition; whose it is, is not among them.
    pub fn passes(&self, memory: &Memory) -> bool {
        let of = |source| match source {
            Source::Message(message) => memory.origin.message == Some(message),
            Source::Author(author) => memory.origin.author == Some(author),
            Source::Run(run) => memory.origin.run == Some(run),
        };
        (self.tables.is_empty() || self.tables.contains(&memory.table))
            && (self.rooms.is_empty() || self.rooms.contains(&memory.room_id))
            && self.entity.is_none_or(|entity| memory.entity_id == entity)
            && self.world.is_none_or(|world| memory.world_id == Some(world))
            && self.from.is_none_or(|from| memory.created_at >= from)
            && self.to.is_none_or(|to| memory.created_at <= to)
            && self.metadata.iter().all(|(key, value)| memory.metadata.get(key) == Some(value))
            && self.source.is_none_or(of)
            && self.document.is_none_or(|document| memory.document_id == Some(document))
            && self.id.is_none_or(|id| memory.id == id)
    }
}
