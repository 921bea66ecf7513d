//! What every agent has of its own: a world, a room and an entity, all with the agent's id (contract §7.3).

use core_types::agents::Agent;
use core_types::memory::{AgentPlane, Entity, Room};
use core_types::worlds::World;
use core_types::{JsonObject, RoomId, WorldId};

/// The agent's own place, where no channel leads.
pub(super) fn own(agent: &Agent) -> AgentPlane {
    let name = &agent.character.name;
    let world_id = WorldId::new(agent.id.uuid());
    AgentPlane {
        world: World {
            id: world_id,
            agent_id: agent.id,
            name: format!("{name}'s World"),
            server_id: None,
            metadata: JsonObject::new(),
            created_at: agent.created_at,
        },
        room: Room {
            id: RoomId::new(agent.id.uuid()),
            agent_id: agent.id,
            world_id,
            channel_id: None,
            name: name.clone(),
            kind: "SELF".to_owned(),
            source: "elizaos".to_owned(),
            server_id: None,
            metadata: JsonObject::new(),
            created_at: agent.created_at,
        },
        entities: vec![Entity { id: agent.id.into(), agent_id: agent.id, names: vec![name.clone()], metadata: JsonObject::new() }],
    }
}
