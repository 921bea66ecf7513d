//! Agents and memories for tests that care for little else.

use core_types::agents::Agent;
use core_types::character::Character;
use core_types::memory::{MESSAGES, Memory, Origin};
use core_types::{AgentId, EntityId, JsonObject, MemoryId, RoomId, Timestamp};
use uuid::Uuid;

/// An agent with this number.
pub fn agent(number: u128) -> Agent {
    Agent {
        id: AgentId::new(Uuid::from_u128(number)),
        character: Character { name: format!("Agent {number}"), ..Character::default() },
        enabled: true,
        running: false,
        owner: None,
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(1),
    }
}

/// A memory with this number of the agent with that one.
pub fn memory(number: u128, agent: u128) -> Memory {
    Memory {
        id: MemoryId::new(Uuid::from_u128(number)),
        agent_id: AgentId::new(Uuid::from_u128(agent)),
        table: MESSAGES.to_owned(),
        room_id: RoomId::new(Uuid::from_u128(1)),
        world_id: None,
        entity_id: EntityId::new(Uuid::from_u128(1)),
        content: JsonObject::new(),
        metadata: JsonObject::new(),
        unique: true,
        created_at: Timestamp::from_millis(1),
        origin: Origin::default(),
        document_id: None,
    }
}
