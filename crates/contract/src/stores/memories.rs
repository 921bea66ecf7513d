//! Promises about what agents remember.

use core_types::deliveries::DeliveryState;
use core_types::memory::{FACTS, MESSAGES, Memory, RoomContext, RoomState};
use core_types::{AgentId, ChannelId};
use serde_json::json;

use super::Stores;
use super::scene::{Sure, agent, at, channel_id, finish_as, memory, object, only, person};

fn aged(number: u128, agent: AgentId, channel: ChannelId, table: &str, age: i64) -> Memory {
    let text = format!("{table} {number}");
    Memory { table: table.to_owned(), created_at: at(age), ..memory(number, agent, channel, person(1), &text) }
}

fn texts(memories: &[Memory]) -> Vec<&str> {
    memories.iter().map(Memory::text).collect()
}

/// The first one stays; the others of the same call are stored.
pub async fn a_memory_whose_id_is_taken_is_left_as_it_is(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let first = Memory {
        content: object(json!({"text": "one", "actions": ["REPLY"], "a": null})),
        metadata: object(json!({"type": "message", "nul": "\u{0}"})),
        unique: false,
        ..memory(1, agent, channel_id(1), person(1), "")
    };
    assert_eq!(stores.memories.add(vec![first.clone()]).await.sure(), 1);
    let again = memory(1, agent, channel_id(1), person(2), "other");
    assert_eq!(stores.memories.add(vec![again, memory(2, agent, channel_id(1), person(1), "two")]).await.sure(), 1);
    let list = stores.memories.list(agent, MESSAGES, None, 10).await.sure();
    assert_eq!(list.len(), 2);
    assert!(list.contains(&first), "{list:?}");
    assert_eq!(stores.memories.add(Vec::new()).await.sure(), 0);
}

/// Of the same age, the later stored is newer.
pub async fn memories_are_listed_newest_first_by_table_and_room(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let (here, there) = (channel_id(1), channel_id(2));
    let memories = vec![
        aged(1, agent, here, MESSAGES, 20),
        aged(2, agent, here, MESSAGES, 10),
        aged(3, agent, here, MESSAGES, 20),
        aged(4, agent, there, MESSAGES, 30),
        aged(5, agent, here, FACTS, 99),
        aged(6, agent, here, "anything", 1),
    ];
    stores.memories.add(memories).await.sure();
    let list = |table: &'static str, room, limit| {
        let memories = stores.memories.clone();
        async move { memories.list(agent, table, room, limit).await.sure() }
    };
    assert_eq!(texts(&list(MESSAGES, None, 10).await), ["messages 4", "messages 3", "messages 1", "messages 2"]);
    assert_eq!(texts(&list(MESSAGES, Some(agent.room_of(here)), 2).await), ["messages 3", "messages 1"]);
    assert_eq!(texts(&list(FACTS, None, 10).await), ["facts 5"]);
    assert_eq!(texts(&list("anything", Some(agent.room_of(here)), 10).await), ["anything 6"]);
    assert_eq!(texts(&list("nothing", None, 10).await), [""; 0]);
}

/// The newest of each, the conversation in its order.
pub async fn a_room_context_shows_conversation_facts_and_people(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let mut finish = finish_as(&claimed, DeliveryState::Ignored, at(1));
    finish.room_state = Some(RoomState::Followed);
    finish.plane.as_mut().sure().entities.extend(super::scene::plane(agent, channel, &[person(2)]).entities);
    stores.deliveries.finish(finish).await.sure().sure();
    let mut memories: Vec<_> = (1..=4).map(|number| aged(number, agent, channel, MESSAGES, i64::try_from(number).sure())).collect();
    memories.extend((5..=8).map(|number| aged(number, agent, channel, FACTS, i64::try_from(number).sure())));
    memories.push(aged(9, agent, channel_id(2), MESSAGES, 50));
    stores.memories.add(memories).await.sure();

    let context = stores.memories.room_context(agent, agent.room_of(channel), 3, 2).await.sure();
    assert_eq!(context.state, RoomState::Followed);
    assert_eq!(texts(&context.recent), ["messages 2", "messages 3", "messages 4"]);
    assert_eq!(texts(&context.facts), ["facts 8", "facts 7"]);
    let entity = only(context.entities);
    assert_eq!((entity.id, entity.agent_id, entity.names.len()), (person(1), agent, 1));
}

/// Which is no error.
pub async fn nothing_is_known_of_an_unknown_room(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let nothing = RoomContext { state: RoomState::None, recent: Vec::new(), facts: Vec::new(), entities: Vec::new() };
    assert_eq!(stores.memories.room_context(agent, agent.room_of(channel_id(1)), 10, 10).await.sure(), nothing);
    assert_eq!(stores.worlds_of(super::scene::agent_id(9)).await, []);
}

/// Even in the same room and under the same names.
pub async fn an_agent_sees_only_its_own(stores: Stores) {
    let one = stores.running_agent(1).await;
    let two = stores.agents.add(agent(2), Vec::new()).await.sure().into_inner().id;
    stores.memories.add(vec![memory(1, one, channel_id(1), person(1), "mine")]).await.sure();
    assert_eq!(stores.memories.list(two, MESSAGES, None, 10).await.sure(), []);
    assert_eq!(stores.memories.list(two, MESSAGES, Some(one.room_of(channel_id(1))), 10).await.sure(), []);
    let context = stores.memories.room_context(two, one.room_of(channel_id(1)), 10, 10).await.sure();
    assert_eq!(context.recent, []);
    assert_eq!(stores.worlds_of(two).await, []);
}
