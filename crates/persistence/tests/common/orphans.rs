//! Deliveries whose messages vanished by a way that the store does not know.

use core_types::agents::Agent;
use core_types::character::Character;
use core_types::deliveries::{ClaimRequest, DeliveryState, Shares};
use core_types::memory::{AgentPlane, Room};
use core_types::messaging::{EventBody, PostOutcome};
use core_types::worlds::World;
use core_types::{AgentId, ChannelId, DeliveryId, JsonObject, MessageServerId, Timestamp};
use doolittle_persistence::Store;
use uuid::Uuid;

use crate::posts::post;

/// What a stranger does.
pub const DELETE: &str = "DELETE FROM messages WHERE content = 'vanishes'";

const NOW: Timestamp = Timestamp::from_millis(5);

fn agent() -> (Agent, AgentPlane) {
    let id = AgentId::new(Uuid::from_u128(0xa1));
    let character = Character { name: "Ada".to_owned(), ..Character::default() };
    let agent = Agent { id, character, enabled: true, running: false, owner: None, created_at: NOW, updated_at: NOW };
    let world = World {
        id: id.world_of(MessageServerId::DEFAULT),
        agent_id: id,
        name: "World".to_owned(),
        server_id: None,
        metadata: JsonObject::new(),
        created_at: NOW,
    };
    let room = Room {
        id: id.room_of(ChannelId::new(Uuid::from_u128(0xff))),
        agent_id: id,
        world_id: world.id,
        channel_id: None,
        name: "Room".to_owned(),
        kind: "SELF".to_owned(),
        source: "test".to_owned(),
        server_id: None,
        metadata: JsonObject::new(),
        created_at: NOW,
    };
    (agent, AgentPlane { world, room, entities: Vec::new() })
}

async fn say(store: &Store, number: u128, channel: u128, listener: AgentId, content: &str) -> DeliveryId {
    let post = post(number, channel, vec![listener.into()], content);
    let PostOutcome::Posted(posted) = store.messages().post(post).await.unwrap() else { panic!("not posted") };
    posted.deliveries.first().unwrap().id
}

/// They end, their readers are told, and what waits behind and beside them is claimed.
pub async fn are_cancelled<F: Future<Output = ()>>(store: &Store, delete: impl FnOnce() -> F) {
    let (agent, own) = agent();
    let id = agent.id;
    store.agents().add(agent, Vec::new()).await.unwrap();
    store.agents().start(id, own, NOW).await.unwrap().unwrap();
    let lost = [say(store, 1, 1, id, "vanishes").await, say(store, 2, 2, id, "vanishes").await, say(store, 3, 2, id, "vanishes").await];
    let kept = [say(store, 4, 2, id, "stays").await, say(store, 5, 3, id, "stays").await];
    delete().await;

    let mut claimed = Vec::new();
    while claimed.len() < kept.len() {
        let request = ClaimRequest {
            limit: 1,
            shares: Shares { per_agent: 9, per_tenant: 9, per_agent_of_tenants: 9 },
            held: Vec::new(),
            now: Timestamp::from_millis(9),
            lease_until: Timestamp::from_millis(99),
        };
        let round = store.deliveries().claim(request).await.unwrap();
        assert!(!round.is_empty(), "there is one to be had");
        claimed.extend(round.into_iter().map(|claimed| claimed.delivery.id));
    }

    claimed.sort_unstable();
    assert_eq!(claimed, kept);
    for id in lost {
        assert_eq!(store.deliveries().find(id).await.unwrap().unwrap().state, DeliveryState::Cancelled);
    }
    let events = store.messages().events(ChannelId::new(Uuid::from_u128(2)), 3, 10).await.unwrap();
    let ends: Vec<_> = events
        .into_iter()
        .map(|event| match event.body {
            EventBody::Complete(Some(completion)) => completion.delivery_id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ends, lost.get(1..).unwrap());
}
