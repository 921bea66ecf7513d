//! Which memories are meant.

use serde_json::Value;

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
}
