//! Promises about what agents remember.

use core_types::deliveries::DeliveryState;
use core_types::memory::{
    COUNTED, DOCUMENTS, FACTS, KNOWLEDGE, MESSAGES, Memory, MemoryChange, MemoryFilter, Origin, RoomContext, RoomQuery, RoomState, Source,
    Trust,
};
use core_types::{AgentId, ChannelId, Page, RunId, WorldId};
use serde_json::json;
use uuid::Uuid;

use super::Stores;
use super::scene::{ALL, Sure, agent, at, channel_id, finish_as, memory, memory_id, message_id, object, only, person};

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
        origin: Origin {
            message: Some(message_id(1)),
            author: Some(person(1)),
            channel: Some(channel_id(1)),
            run: Some(RunId::new(Uuid::from_u128(5))),
            trust: Some(Trust::Participant),
        },
        ..memory(1, agent, channel_id(1), person(1), "")
    };
    assert_eq!(stores.memories.add(vec![first.clone()]).await.sure(), 1);
    let again = memory(1, agent, channel_id(1), person(2), "other");
    assert_eq!(stores.memories.add(vec![again, memory(2, agent, channel_id(1), person(1), "two")]).await.sure(), 1);
    let list = stores.memories.list(agent, MemoryFilter::table(MESSAGES), Page::first(10)).await.sure().items;
    assert_eq!(list.len(), 2);
    assert!(list.contains(&first), "{list:?}");
    assert_eq!(stores.memories.find(agent, memory_id(1)).await.sure(), Some(first));
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
    let list = |filter, limit| {
        let memories = stores.memories.clone();
        async move { memories.list(agent, filter, Page::first(limit)).await.sure().items }
    };
    let table = MemoryFilter::table;
    assert_eq!(texts(&list(table(MESSAGES), 10).await), ["messages 4", "messages 3", "messages 1", "messages 2"]);
    assert_eq!(texts(&list(table(MESSAGES).in_room(agent.room_of(here)), 2).await), ["messages 3", "messages 1"]);
    assert_eq!(texts(&list(table(FACTS), 10).await), ["facts 5"]);
    assert_eq!(texts(&list(table("anything").in_room(agent.room_of(here)), 10).await), ["anything 6"]);
    assert_eq!(texts(&list(table("nothing"), 10).await), [""; 0]);
    assert_eq!(list(MemoryFilter::default(), 10).await.len(), 6);
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

    let context = stores.memories.room_context(agent, RoomQuery::conversation(agent.room_of(channel), 3, 2)).await.sure();
    assert_eq!(context.state, RoomState::Followed);
    let recent: Vec<_> = context.recent.iter().map(|memory| (memory.id, memory.entity_id, memory.text.as_str())).collect();
    let said = |number: u128, text| (memory_id(number), person(1), text);
    assert_eq!(recent, [said(2, "messages 2"), said(3, "messages 3"), said(4, "messages 4")]);
    assert_eq!(texts(&context.facts), ["facts 8", "facts 7"]);
    let entity = only(context.entities);
    assert_eq!((entity.id, entity.agent_id, entity.names.len()), (person(1), agent, 1));
}

/// Which is no error.
pub async fn nothing_is_known_of_an_unknown_room(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let nothing =
        RoomContext { state: RoomState::None, recent: Vec::new(), facts: Vec::new(), knowledge: Vec::new(), entities: Vec::new() };
    assert_eq!(stores.memories.room_context(agent, RoomQuery::conversation(agent.room_of(channel_id(1)), 10, 10)).await.sure(), nothing);
    assert_eq!(stores.worlds_of(super::scene::agent_id(9)).await, []);
}

/// Even in the same room and under the same names.
pub async fn an_agent_sees_only_its_own(stores: Stores) {
    let one = stores.running_agent(1).await;
    let two = stores.agents.add(agent(2), Vec::new()).await.sure().into_inner().id;
    stores.memories.add(vec![memory(1, one, channel_id(1), person(1), "mine")]).await.sure();
    assert_eq!(stores.memories.list(two, MemoryFilter::table(MESSAGES), Page::first(10)).await.sure().items, []);
    assert_eq!(
        stores.memories.list(two, MemoryFilter::table(MESSAGES).in_room(one.room_of(channel_id(1))), Page::first(10)).await.sure().items,
        []
    );
    let context = stores.memories.room_context(two, RoomQuery::conversation(one.room_of(channel_id(1)), 10, 10)).await.sure();
    assert_eq!(context.recent, []);
    assert_eq!(stores.worlds_of(two).await, []);
    assert_eq!(stores.memories.find(two, memory_id(1)).await.sure(), None);
    assert_eq!(stores.memories.find_all(two, MemoryFilter::default(), vec![memory_id(1)]).await.sure(), []);
    let change = MemoryChange { content: Some(object(json!({"text": "yours"}))), metadata: None };
    assert_eq!(stores.memories.update(two, memory_id(1), change).await.sure(), None);
    assert_eq!(stores.memories.remove_all(two, MemoryFilter::id(memory_id(1))).await.sure(), 0);
    assert_eq!(texts(&stores.memories.list(one, MemoryFilter::default(), ALL).await.sure().items), ["mine"]);
}

/// The whole length, whatever part is shown.
pub async fn a_page_of_memories_knows_the_length_of_the_list(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let memories = (1..=5).map(|number| aged(number, agent, channel_id(1), MESSAGES, i64::try_from(number).sure())).collect();
    stores.memories.add(memories).await.sure();
    for (offset, limit, shown) in [(0, 2, 2), (4, 2, 1), (5, 2, 0), (9, 0, 0), (0, 9, 5), (u32::MAX, u32::MAX, 0)] {
        let page = stores.memories.list(agent, MemoryFilter::table(MESSAGES), Page { offset, limit }).await.sure();
        assert_eq!((page.items.len(), page.total), (shown, Some(5)), "{offset} {limit}");
    }
    let part = stores.memories.list(agent, MemoryFilter::table(MESSAGES), Page { offset: 1, limit: 2 }).await.sure();
    assert_eq!(texts(&part.items), ["messages 4", "messages 3"]);
}

/// What a page costs does not grow with the list.
pub async fn a_long_list_of_memories_is_not_counted_but_at_its_end(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let list = async |offset, limit| stores.memories.list(agent, MemoryFilter::table(MESSAGES), Page { offset, limit }).await.sure();
    let some = |numbers: std::ops::RangeInclusive<u128>| {
        stores.memories.add(numbers.map(|number| aged(number, agent, channel_id(1), MESSAGES, 1)).collect())
    };
    some(1..=COUNTED.into()).await.sure();
    assert_eq!(list(0, 2).await.total, Some(COUNTED.into()));
    some(5_001..=5_001).await.sure();
    assert_eq!(list(0, 2).await.total, None);
    assert_eq!(list(COUNTED - 1, 2).await.total, None, "the page is full");
    assert_eq!(list(COUNTED, 2).await.total, Some(u64::from(COUNTED) + 1));
}

/// Each condition alone; two together mean both.
pub async fn memories_are_filtered_by_what_they_are_and_where_they_come_from(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let plain = |number| aged(number, agent, channel_id(1), FACTS, i64::try_from(number).sure());
    let run = RunId::new(Uuid::from_u128(7));
    let origin = Origin { message: Some(message_id(3)), author: Some(person(3)), run: Some(run), ..Origin::default() };
    let metadata = object(json!({"type": "custom", "n": 1, "on": true, "other": {"type": "x"}, "quote": "a \"b\" \u{e9}"}));
    stores
        .memories
        .add(vec![
            plain(1),
            Memory { entity_id: person(2), world_id: Some(WorldId::new(Uuid::from_u128(9))), ..plain(2) },
            Memory { origin, ..plain(3) },
            Memory { metadata, ..plain(4) },
        ])
        .await
        .sure();
    let with = |key: &str, value| MemoryFilter { metadata: vec![(key.to_owned(), value)], ..MemoryFilter::default() };
    let of = |source| MemoryFilter { source: Some(source), ..MemoryFilter::default() };
    let all = MemoryFilter::default();
    for (filter, expected) in [
        (MemoryFilter { entity: Some(person(2)), ..all.clone() }, "2"),
        (MemoryFilter { world: Some(WorldId::new(Uuid::from_u128(9))), ..all.clone() }, "2"),
        (MemoryFilter { from: Some(at(2)), to: Some(at(3)), ..all.clone() }, "32"),
        (MemoryFilter { to: Some(at(1)), ..all.clone() }, "1"),
        (MemoryFilter { rooms: vec![agent.room_of(channel_id(2))], ..all.clone() }, ""),
        (MemoryFilter { rooms: vec![agent.room_of(channel_id(2)), agent.room_of(channel_id(1))], ..all.clone() }, "4321"),
        (MemoryFilter { tables: vec![MESSAGES.to_owned(), FACTS.to_owned()], ..all.clone() }, "4321"),
        (MemoryFilter { id: Some(memory_id(3)), ..all }, "3"),
        (with("type", json!("custom")), "4"),
        (with("type", json!("x")), ""),
        (with("n", json!(1)), "4"),
        (with("n", json!("1")), ""),
        (with("on", json!(true)), "4"),
        (with("quote", json!("a \"b\" \u{e9}")), "4"),
        (with("missing", json!("")), ""),
        (MemoryFilter { entity: Some(person(2)), ..with("type", json!("custom")) }, ""),
        (of(Source::Message(message_id(3))), "3"),
        (of(Source::Author(person(3))), "3"),
        (of(Source::Author(person(1))), ""),
        (of(Source::Run(run)), "3"),
    ] {
        let listed = stores.memories.list(agent, filter.clone(), ALL).await.sure();
        let numbers: String = texts(&listed.items).concat().replace("facts ", "");
        assert_eq!(numbers, expected, "{filter:?}");
        let ids = (1..=9).map(memory_id).collect();
        let found = stores.memories.find_all(agent, filter.clone(), ids).await.sure();
        assert_eq!(found.len(), expected.len(), "{filter:?}");
    }
}

/// The rest stays, and nothing is made where there is nothing.
pub async fn a_change_of_a_memory_replaces_what_it_names(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let first = Memory { metadata: object(json!({"a": 1})), ..memory(1, agent, channel_id(1), person(1), "one") };
    stores.memories.add(vec![first.clone()]).await.sure();
    let content = object(json!({"text": "two", "k": []}));
    let change = MemoryChange { content: Some(content.clone()), metadata: None };
    let changed = Memory { content, ..first };
    assert_eq!(stores.memories.update(agent, memory_id(1), change).await.sure(), Some(changed.clone()));
    let change = MemoryChange { content: None, metadata: Some(object(json!({"b": 2}))) };
    let changed = Memory { metadata: object(json!({"b": 2})), ..changed };
    assert_eq!(stores.memories.update(agent, memory_id(1), change).await.sure(), Some(changed.clone()));
    assert_eq!(stores.memories.update(agent, memory_id(1), MemoryChange::default()).await.sure(), Some(changed.clone()));
    assert_eq!(stores.memories.find(agent, memory_id(1)).await.sure(), Some(changed));
    assert_eq!(stores.memories.update(agent, memory_id(2), MemoryChange::default()).await.sure(), None);
}

/// However many there are.
pub async fn all_that_a_filter_means_is_deleted_and_nothing_else(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let mut memories: Vec<_> = (1..=1_203).map(|number| aged(number, agent, channel_id(1), MESSAGES, 1)).collect();
    memories.push(aged(5_000, agent, channel_id(1), FACTS, 1));
    memories.push(aged(5_001, agent, channel_id(2), MESSAGES, 1));
    stores.memories.add(memories).await.sure();
    let here = MemoryFilter::table(MESSAGES).in_room(agent.room_of(channel_id(1)));
    assert_eq!(stores.memories.remove_all(agent, MemoryFilter::id(memory_id(7))).await.sure(), 1);
    assert_eq!(stores.memories.remove_all(agent, here.clone()).await.sure(), 1_202);
    assert_eq!(stores.memories.remove_all(agent, here).await.sure(), 0);
    assert_eq!(stores.memories.list(agent, MemoryFilter::default(), ALL).await.sure().total, Some(2));
}

/// And only with theirs.
pub async fn fragments_go_with_their_document(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let fragment = |number, document| Memory { document_id: Some(memory_id(document)), ..aged(number, agent, channel_id(1), KNOWLEDGE, 1) };
    let document = |number| aged(number, agent, channel_id(1), DOCUMENTS, 1);
    let memories = vec![document(1), fragment(2, 1), fragment(3, 1), document(4), fragment(5, 4)];
    assert_eq!(stores.memories.add(memories.clone()).await.sure(), 5);
    assert_eq!(stores.memories.add(memories).await.sure(), 0);
    let of_first = MemoryFilter { document: Some(memory_id(1)), ..MemoryFilter::default() };
    assert_eq!(stores.memories.list(agent, of_first, ALL).await.sure().total, Some(2));
    assert_eq!(stores.memories.remove_all(agent, MemoryFilter::id(memory_id(1))).await.sure(), 1);
    let left = stores.memories.list(agent, MemoryFilter::default(), ALL).await.sure();
    assert_eq!(texts(&left.items), ["knowledge 5", "documents 4"]);
}
