//! Promises about agents' worlds.

use core_types::agents::Added;
use core_types::worlds::{World, WorldChange};
use core_types::{AgentId, Page, WorldId};
use serde_json::json;
use uuid::Uuid;

use super::Stores;
use super::scene::{ALL, Sure, agent, agent_id, at, object};

fn world(number: u128, agent_id: AgentId) -> World {
    World {
        id: WorldId::new(Uuid::from_u128(0x6000 + number)),
        agent_id,
        name: format!("World {number}"),
        server_id: None,
        metadata: object(json!({"k": "v"})),
        created_at: at(50),
    }
}

async fn two_agents(stores: &Stores) -> (AgentId, AgentId) {
    for number in [1, 2] {
        stores.agents.add(agent(number), Vec::new()).await.sure();
    }
    (agent_id(1), agent_id(2))
}

/// A taken id is left as it is, and a world needs its agent.
pub async fn a_world_is_given_back_as_it_was_stored(stores: Stores) {
    let (one, _) = two_agents(&stores).await;
    assert_eq!(stores.worlds.add(world(1, one)).await.sure(), Some(Added::New(world(1, one))));
    let other = World { name: "Other".to_owned(), ..world(1, one) };
    assert_eq!(stores.worlds.add(other).await.sure(), Some(Added::Existing(world(1, one))));
    assert_eq!(stores.worlds.find(one, world(1, one).id).await.sure(), Some(world(1, one)));
    assert_eq!(stores.worlds.add(world(2, agent_id(9))).await.sure(), None);
}

/// Others' worlds are not found, listed or changed.
pub async fn an_agent_has_only_its_own_worlds(stores: Stores) {
    let (one, two) = two_agents(&stores).await;
    stores.worlds.add(world(1, one)).await.sure();
    stores.worlds.add(world(2, two)).await.sure();
    let taken = world(1, one).id;
    assert_eq!(stores.worlds.find(two, taken).await.sure(), None);
    assert_eq!(stores.worlds_of(two).await, [world(2, two)]);
    let change = WorldChange { name: Some("Mine".to_owned()), metadata: None };
    assert_eq!(stores.worlds.update(two, taken, change).await.sure(), None);
    assert_eq!(stores.worlds.find(one, taken).await.sure(), Some(world(1, one)));
}

/// Pages know the length of the list; only the worlds of running agents are listed together.
pub async fn worlds_are_listed_oldest_first(stores: Stores) {
    let (one, two) = two_agents(&stores).await;
    for (number, age) in [(3, 9), (1, 7), (2, 9)] {
        stores.worlds.add(World { created_at: at(age), ..world(number, one) }).await.sure();
    }
    stores.worlds.add(world(4, two)).await.sure();
    let names: Vec<_> = stores.worlds_of(one).await.into_iter().map(|world| world.name).collect();
    assert_eq!(names, ["World 1", "World 3", "World 2"]);
    let part = stores.worlds.list(one, Page { offset: 2, limit: 1 }).await.sure();
    assert_eq!((part.items.first().map(|world| world.name.clone()), part.total), (Some("World 2".to_owned()), 3));

    assert_eq!(stores.worlds.of_running(None, ALL).await.sure().items, []);
    let running = stores.running_agent(5).await;
    let of_running = stores.worlds.of_running(None, ALL).await.sure();
    assert_eq!((of_running.items, of_running.total), (stores.worlds_of(running).await, 1));
}

/// Keys of the metadata are added or replaced, and the others stay.
pub async fn a_change_of_a_world_adds_to_its_metadata(stores: Stores) {
    let (one, _) = two_agents(&stores).await;
    stores.worlds.add(world(1, one)).await.sure();
    let id = world(1, one).id;
    let change = WorldChange { name: Some("W2".to_owned()), metadata: Some(object(json!({"z": 1}))) };
    let changed = stores.worlds.update(one, id, change).await.sure().sure();
    assert_eq!((changed.name.as_str(), &changed.metadata), ("W2", &object(json!({"k": "v", "z": 1}))));
    let change = WorldChange { name: None, metadata: Some(object(json!({"k": null}))) };
    let changed = stores.worlds.update(one, id, change).await.sure().sure();
    assert_eq!((changed.name.as_str(), &changed.metadata), ("W2", &object(json!({"k": null, "z": 1}))));
    assert_eq!(stores.worlds.find(one, id).await.sure(), Some(changed));
    assert_eq!(stores.worlds.update(one, world(9, one).id, WorldChange::default()).await.sure(), None);
}
