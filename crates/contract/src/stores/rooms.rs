//! Promises about agents' rooms.

use core_types::agents::Added;
use core_types::memory::{AgentPlane, Room, RoomQuery, RoomState};
use core_types::messaging::MessageServer;
use core_types::rooms::{GROUP_KIND, PlacedRoom};
use core_types::worlds::World;
use core_types::{AgentId, Page, RoomId};
use serde_json::json;
use uuid::Uuid;

use super::Stores;
use super::scene::{ALL, Sure, agent, agent_id, at, channel_id, object, plane, server};

/// A room that a caller made.
fn made(number: u128, agent: AgentId) -> AgentPlane {
    let AgentPlane { world, room, entities } = plane(agent, channel_id(number), &[]);
    let room = Room {
        id: RoomId::new(Uuid::from_u128(0x7000 + number)),
        channel_id: None,
        name: format!("Room {number}"),
        metadata: object(json!({"k": "v"})),
        created_at: at(9),
        ..room
    };
    AgentPlane { world, room, entities }
}

async fn names(stores: &Stores, agent: AgentId) -> Vec<String> {
    stores.rooms.list(agent, ALL).await.sure().items.into_iter().map(|placed| placed.room.name).collect()
}

/// A taken id is left as it is, and a room needs its agent.
pub async fn a_room_comes_with_its_world_and_its_agent(stores: Stores) {
    let one = stores.agents.add(agent(1), Vec::new()).await.sure().into_inner().id;
    let given = made(1, one);
    let placed = PlacedRoom { room: given.room.clone(), world: Some(given.world.clone()) };
    assert_eq!(stores.rooms.add(given.clone()).await.sure(), Some(Added::New(placed.clone())));
    assert_eq!(stores.worlds_of(one).await, std::slice::from_ref(&given.world));
    let context = stores.memories.room_context(one, RoomQuery::conversation(given.room.id, 1, 1)).await.sure();
    assert_eq!(context.state, RoomState::Followed);
    let other = AgentPlane { room: Room { name: "Other".to_owned(), ..given.room.clone() }, ..given };
    assert_eq!(stores.rooms.add(other).await.sure(), Some(Added::Existing(placed.clone())));
    assert_eq!(stores.rooms.find(one, placed.room.id).await.sure(), Some(placed));
    assert_eq!(stores.rooms.add(made(2, agent_id(9))).await.sure(), None);
    let nowhere = AgentPlane { world: World { id: Uuid::from_u128(1).into(), ..made(3, one).world }, ..made(3, one) };
    let room = stores.rooms.add(nowhere).await.sure().sure().into_inner();
    assert_eq!(room.world, stores.worlds.find(one, room.room.world_id).await.sure());
}

/// Others' rooms are not found, listed, named or deleted.
pub async fn an_agent_has_only_its_own_rooms(stores: Stores) {
    for number in [1, 2] {
        stores.agents.add(agent(number), Vec::new()).await.sure();
    }
    let (one, two) = (agent_id(1), agent_id(2));
    let id = stores.rooms.add(made(1, one)).await.sure().sure().into_inner().room.id;
    assert_eq!(stores.rooms.find(two, id).await.sure(), None);
    assert_eq!(names(&stores, two).await, [""; 0]);
    assert_eq!(stores.rooms.rename(two, id, "Mine".to_owned()).await.sure(), None);
    assert!(!stores.rooms.remove(two, id).await.sure());
    assert_eq!(names(&stores, one).await, ["Room 1"]);
    let renamed = stores.rooms.rename(one, id, "Hall".to_owned()).await.sure().sure();
    assert_eq!(stores.rooms.find(one, id).await.sure(), Some(renamed));
    assert_eq!(names(&stores, one).await, ["Hall"]);
    assert!(stores.rooms.remove(one, id).await.sure());
    assert!(!stores.rooms.remove(one, id).await.sure());
    assert_eq!(names(&stores, one).await, [""; 0]);
}

/// Those of channels among them; a page knows the length of the list.
pub async fn rooms_are_listed_oldest_first(stores: Stores) {
    let agent = stores.running_agent(1).await;
    for (number, age) in [(1, 30), (2, 10), (3, 20)] {
        let given = made(number, agent);
        stores.rooms.add(AgentPlane { room: Room { created_at: at(age), ..given.room.clone() }, ..given }).await.sure();
    }
    assert_eq!(names(&stores, agent).await, ["Room", "Room 2", "Room 3", "Room 1"]);
    let part = stores.rooms.list(agent, Page { offset: 2, limit: 1 }).await.sure();
    assert_eq!((part.items.first().map(|placed| placed.room.name.as_str()), part.total), (Some("Room 3"), 4));
}

/// One of each agent; rooms of another kind or another message server are none of it.
pub async fn the_rooms_of_a_group_are_found_together(stores: Stores) {
    let MessageServer { id: server_id, .. } = server(1);
    let mut expected = Vec::new();
    for number in [1, 2] {
        let id = stores.agents.add(agent(number), Vec::new()).await.sure().into_inner().id;
        let given = made(number, id);
        let room = Room { kind: GROUP_KIND.to_owned(), server_id: Some(server_id), ..given.room.clone() };
        expected.push((id, room.id));
        stores.rooms.add(AgentPlane { room, ..given }).await.sure();
        let given = made(number + 10, id);
        let other = Room { server_id: Some(server_id), ..given.room.clone() };
        stores.rooms.add(AgentPlane { room: other, ..given }).await.sure();
    }
    assert_eq!(stores.rooms.of_group(server_id).await.sure(), expected);
    assert_eq!(stores.rooms.of_group(server(2).id).await.sure(), []);
}
