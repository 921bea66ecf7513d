//! Rooms, and groups of agents.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::agents::{Added, AgentRepository};
use core_types::ids::create_unique_uuid;
use core_types::memory::{AgentPlane, Entity, MESSAGES, MemoryFilter, MemoryRepository, Room};
use core_types::rooms::{CreatedGroup, GROUP_KIND, NewGroup, NewRoom, PlacedRoom, RoomRepository, RoomService};
use core_types::worlds::{World, WorldRepository};
use core_types::{
    AgentId, Caller, Clock, JsonObject, Listed, MessageServerId, Page, Permission, RoomId, ServiceError, ServiceResult, Thing, Timestamp,
    WorldId,
};

use crate::permission::{Access, require};
use crate::places::LongReads;
use crate::whole::whole;

/// How often another id is tried where one is taken.
const ID_TRIES: i64 = 16;

/// Creates, shows, names and deletes agents' rooms.
#[derive(Clone)]
pub struct Rooms {
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// What callers can reach.
    pub access: Access,
    /// Where worlds are kept.
    pub worlds: Arc<dyn WorldRepository>,
    /// Where rooms are kept.
    pub rooms: Arc<dyn RoomRepository>,
    /// What is remembered of rooms.
    pub memories: Arc<dyn MemoryRepository>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The places that lists take.
    pub reads: LongReads,
}

#[async_trait]
impl RoomService for Rooms {
    async fn list(&self, caller: &Caller, agent: AgentId, page: Page) -> ServiceResult<Listed<PlacedRoom>> {
        require(caller, Permission::MemoriesRead)?;
        self.name_of(caller, agent).await?;
        let _place = self.reads.place(caller).await?;
        Ok(self.rooms.list(agent, page).await?)
    }

    async fn get(&self, caller: &Caller, agent: AgentId, id: RoomId) -> ServiceResult<PlacedRoom> {
        require(caller, Permission::MemoriesRead)?;
        self.name_of(caller, agent).await?;
        self.rooms.find(agent, id).await?.ok_or(ServiceError::NotFound(Thing::Room))
    }

    async fn create(&self, caller: &Caller, agent: AgentId, new: NewRoom) -> ServiceResult<PlacedRoom> {
        require(caller, Permission::MemoriesWrite)?;
        let name = self.name_of(caller, agent).await?;
        let world = match new.world_id {
            Some(id) => Some(self.worlds.find(agent, id).await?.ok_or(ServiceError::NotFound(Thing::World))?),
            None => None,
        };
        let now = self.clock.now();
        // Ids follow from the moment, as with elizaOS; of two rooms of one moment the second is of the next.
        for later in 0..ID_TRIES {
            let moment = now.plus_millis(later).millis();
            let made_of = |text: String| create_unique_uuid(agent, &text);
            let (room_id, world_id) = match new.id {
                Some(id) => (id, WorldId::new(made_of(format!("world-{id}")))),
                None => (RoomId::new(made_of(format!("room-{moment}"))), WorldId::new(made_of(format!("world-{moment}")))),
            };
            let world = world.clone().unwrap_or_else(|| World {
                id: world_id,
                agent_id: agent,
                name: format!("World for {}", new.name),
                server_id: new.server_id,
                metadata: JsonObject::new(),
                created_at: now,
            });
            let room = Room {
                id: room_id,
                agent_id: agent,
                world_id: world.id,
                channel_id: None,
                name: new.name.clone(),
                kind: new.kind.clone(),
                source: new.source.clone(),
                server_id: new.server_id,
                metadata: new.metadata.clone(),
                created_at: now,
            };
            match self.rooms.add(plane(world, room, name.clone())).await? {
                Some(Added::New(room)) => return Ok(room),
                Some(Added::Existing(room)) if new.id.is_some() => return Ok(room),
                Some(Added::Existing(_)) => {}
                None => return Err(ServiceError::NotFound(Thing::Agent)),
            }
        }
        Err(ServiceError::conflict("Too many rooms are made at once; try again"))
    }

    async fn rename(&self, caller: &Caller, agent: AgentId, id: RoomId, name: String) -> ServiceResult<PlacedRoom> {
        require(caller, Permission::MemoriesWrite)?;
        self.name_of(caller, agent).await?;
        self.rooms.rename(agent, id, name).await?.ok_or(ServiceError::NotFound(Thing::Room))
    }

    async fn remove(&self, caller: &Caller, agent: AgentId, id: RoomId) -> ServiceResult<()> {
        require(caller, Permission::MemoriesWrite)?;
        self.name_of(caller, agent).await?;
        self.rooms.find(agent, id).await?.ok_or(ServiceError::NotFound(Thing::Room))?;
        let rooms = self.clone();
        whole(async move { rooms.forget(agent, id).await }).await
    }

    async fn create_group(&self, caller: &Caller, group: NewGroup) -> ServiceResult<CreatedGroup> {
        require(caller, Permission::MemoriesWrite)?;
        self.access.to(caller, Wanted::Server(group.server_id)).await?;
        let now = self.clock.now();
        let mut created = CreatedGroup { rooms: Vec::new(), missing: Vec::new() };
        for agent in &group.agents {
            let reached = self.access.reaches(caller, Wanted::OwnAgent(*agent)).await?;
            let added = match self.agents.find(*agent).await?.filter(|_| reached) {
                Some(found) => self.rooms.add(room_of_group(&group, *agent, found.character.name, now)).await?,
                None => None,
            };
            match added {
                Some(added) => created.rooms.push(added.into_inner().room),
                None => created.missing.push(*agent),
            }
        }
        if created.rooms.is_empty() { Err(ServiceError::NotFound(Thing::Agent)) } else { Ok(created) }
    }

    async fn remove_group(&self, caller: &Caller, server: MessageServerId) -> ServiceResult<()> {
        require(caller, Permission::MemoriesWrite)?;
        let (rooms, group) = (self.clone(), self.own_rooms_of_group(caller, server).await?);
        whole(async move {
            for (agent, room) in group {
                rooms.forget(agent, room).await?;
            }
            Ok(())
        })
        .await
    }

    async fn clear_group(&self, caller: &Caller, server: MessageServerId) -> ServiceResult<()> {
        require(caller, Permission::MemoriesWrite)?;
        let (memories, group) = (Arc::clone(&self.memories), self.own_rooms_of_group(caller, server).await?);
        whole(async move {
            for (agent, room) in group {
                memories.remove_all(agent, MemoryFilter::table(MESSAGES).in_room(room)).await?;
            }
            Ok(())
        })
        .await
    }
}

impl Rooms {
    /// The name of an agent that exists and is the caller's.
    async fn name_of(&self, caller: &Caller, agent: AgentId) -> ServiceResult<String> {
        self.access.to(caller, Wanted::OwnAgent(agent)).await?;
        let found = self.agents.find(agent).await?.ok_or(ServiceError::NotFound(Thing::Agent))?;
        Ok(found.character.name)
    }

    /// The rooms of a group, of those agents that are the caller's.
    async fn own_rooms_of_group(&self, caller: &Caller, server: MessageServerId) -> ServiceResult<Vec<(AgentId, RoomId)>> {
        self.access.to(caller, Wanted::Server(server)).await?;
        let mut own = Vec::new();
        for (agent, room) in self.rooms.of_group(server).await? {
            if self.access.reaches(caller, Wanted::OwnAgent(agent)).await? {
                own.push((agent, room));
            }
        }
        Ok(own)
    }

    /// Memories first, so that a removal that is cut short can be repeated.
    async fn forget(&self, agent: AgentId, room: RoomId) -> ServiceResult<()> {
        self.memories.remove_all(agent, MemoryFilter::default().in_room(room)).await?;
        self.rooms.remove(agent, room).await?;
        Ok(())
    }
}

/// A room with the agent alone in it.
fn plane(world: World, room: Room, agent_name: String) -> AgentPlane {
    let agent = room.agent_id;
    let own = Entity { id: agent.into(), agent_id: agent, names: vec![agent_name], metadata: JsonObject::new() };
    AgentPlane { world, room, entities: vec![own] }
}

fn room_of_group(group: &NewGroup, agent: AgentId, agent_name: String, now: Timestamp) -> AgentPlane {
    let world = World {
        id: agent.world_of(group.server_id),
        agent_id: agent,
        name: group.name.clone(),
        server_id: Some(group.server_id),
        metadata: JsonObject::new(),
        created_at: now,
    };
    let room = Room {
        id: RoomId::new(create_unique_uuid(agent, &format!("group:{}", group.server_id))),
        agent_id: agent,
        // A world of another id has no row here: one id can be one agent's world only.
        world_id: group.world_id.unwrap_or(world.id),
        channel_id: None,
        name: group.name.clone(),
        kind: GROUP_KIND.to_owned(),
        source: group.source.clone(),
        server_id: Some(group.server_id),
        metadata: group.metadata.clone(),
        created_at: now,
    };
    plane(world, room, agent_name)
}
