//! Promises about the vectors of memories.

use core_types::embeddings::{NewVector, Quantised, Space, SpaceId, VectorRow, Wanting};
use core_types::memory::{DOCUMENTS, FACTS, KNOWLEDGE, MESSAGES, Memory, MemoryChange, MemoryFilter, Source};
use core_types::messaging::MessageChange;
use core_types::{AgentId, MemoryId};
use serde_json::json;

use super::Stores;
use super::scene::{Sure, agent, at, channel_id, finish_as, memory, memory_id, message_id, object, person};

fn space(model: &str) -> Space {
    Space { model: model.to_owned(), dimension: 3, version: "1".to_owned() }
}

fn vector(number: i8) -> Quantised {
    Quantised { numbers: vec![number, -127, 0], scale: 0.007 }
}

/// Keeps a vector of each of these memories.
async fn put(stores: &Stores, space: SpaceId, wanting: Vec<Wanting>, number: i8) -> u64 {
    let vectors = wanting.into_iter().map(|of| NewVector { of, vector: Some(vector(number)) });
    stores.vectors.put(space, vectors.collect()).await.sure()
}

async fn wanting(stores: &Stores) -> Vec<MemoryId> {
    stores.vectors.wanting(100, Vec::new()).await.sure().into_iter().map(|wanting| wanting.memory).collect()
}

async fn rows(stores: &Stores) -> Vec<VectorRow> {
    let mut rows = Vec::new();
    loop {
        let after = rows.last().map_or(i64::MIN, |row: &VectorRow| row.number);
        let page = stores.vectors.since(after, 2).await.sure();
        if page.is_empty() {
            return rows;
        }
        assert!(page.len() <= 2 && page.iter().all(|row| row.number > after));
        rows.extend(page);
    }
}

async fn gone(stores: &Stores) -> Vec<i64> {
    let gone = stores.vectors.gone(0, 1_000).await.sure();
    assert!(gone.is_sorted_by(|one, other| one.place < other.place), "{gone:?}");
    assert_eq!(gone.last().map_or(0, |gone| gone.place), stores.vectors.last_gone().await.sure());
    gone.into_iter().map(|gone| gone.number).collect()
}

/// Stores so many memories of an agent and gives each a vector.
async fn embedded(stores: &Stores, agent: AgentId, count: u128, space: SpaceId) -> Vec<VectorRow> {
    let memories = (1..=count).map(|number| memory(number, agent, channel_id(1), person(1), &format!("text {number}")));
    stores.memories.add(memories.collect()).await.sure();
    let wanting = stores.vectors.wanting(100, Vec::new()).await.sure();
    assert_eq!(put(stores, space, wanting, 1).await, u64::try_from(count).sure());
    rows(stores).await
}

/// The same one the same, another another.
pub async fn a_space_keeps_its_number(stores: Stores) {
    let first = stores.vectors.space(space("a/one")).await.sure();
    let other = stores.vectors.space(Space { version: "2".to_owned(), ..space("a/one") }).await.sure();
    let wider = stores.vectors.space(Space { dimension: 4, ..space("a/one") }).await.sure();
    assert!(first != other && other != wider && first != wider);
    assert_eq!(stores.vectors.space(space("a/one")).await.sure(), first);
    let all = stores.vectors.spaces().await.sure();
    assert_eq!(all.len(), 3);
    assert!(all.contains(&(first, space("a/one"))), "{all:?}");
}

/// The newest first, and no more when it has one.
pub async fn what_is_remembered_wants_a_vector_until_it_has_one(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let space = stores.vectors.space(space("a/one")).await.sure();
    assert_eq!(wanting(&stores).await, []);
    let of = |number| memory(number, agent, channel_id(1), person(1), &format!("text {number}"));
    stores.memories.add(vec![of(1), of(2), Memory { table: FACTS.to_owned(), ..of(3) }]).await.sure();
    assert_eq!(wanting(&stores).await, [memory_id(3), memory_id(2), memory_id(1)]);
    let some = stores.vectors.wanting(1, vec![memory_id(3)]).await.sure();
    assert_eq!(some, [Wanting { memory: memory_id(2), content: object(json!({"text": "text 2"})) }]);

    assert_eq!(put(&stores, space, some, 5).await, 1);
    assert_eq!(wanting(&stores).await, [memory_id(3), memory_id(1)]);
    let [row]: [VectorRow; 1] = rows(&stores).await.try_into().sure();
    let expected = VectorRow {
        number: row.number,
        memory: memory_id(2),
        agent,
        space,
        table: MESSAGES.to_owned(),
        room: agent.room_of(channel_id(1)),
        world: of(2).world_id,
        entity: person(1),
        created_at: at(0),
        vector: vector(5),
    };
    assert_eq!(row, expected);

    // Where there is nothing to make a vector of, that is all.
    let rest = stores.vectors.wanting(100, Vec::new()).await.sure();
    let nothing = rest.into_iter().map(|of| NewVector { of, vector: None }).collect();
    assert_eq!(stores.vectors.put(space, nothing).await.sure(), 0);
    assert_eq!(wanting(&stores).await, []);
    assert_eq!(rows(&stores).await.len(), 1);
    let counts = stores.vectors.counts(agent).await.sure();
    assert_eq!((counts.memories, counts.wanting, counts.spaces), (3, 0, vec![(space, 1)]));
}

/// By every way by which a memory goes.
pub async fn a_vector_goes_with_its_memory(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let space = stores.vectors.space(space("a/one")).await.sure();
    let embed = |stores: Stores| async move {
        let wanting = stores.vectors.wanting(100, Vec::new()).await.sure();
        put(&stores, space, wanting, 1).await
    };
    let mut finish = finish_as(&claimed, core_types::deliveries::DeliveryState::Ignored, at(1));
    finish.memories = vec![Memory { id: agent.memory_of(claimed.message.id), ..memory(1, agent, channel, person(1), "heard") }];
    stores.deliveries.finish(finish).await.sure().sure();
    let mut all = Vec::new();
    for round in 0..5 {
        if round > 0 {
            let document = Memory { table: DOCUMENTS.to_owned(), ..memory(20, agent, channel, person(1), "whole") };
            let fragment =
                Memory { table: KNOWLEDGE.to_owned(), document_id: Some(memory_id(20)), ..memory(21, agent, channel, person(1), "part") };
            stores.memories.add(vec![memory(9, agent, channel, person(1), "an emu"), document, fragment]).await.sure();
        }
        assert!(embed(stores.clone()).await > 0, "{round}");
        let here: Vec<i64> = rows(&stores).await.iter().map(|row| row.number).collect();
        assert!(here.iter().all(|number| !all.contains(number)), "no number is used twice");
        all.extend(here);
        match round {
            0 => drop(stores.messages.remove(stores.place(claimed.message.id).await, at(3)).await.sure()),
            1 => drop(stores.memories.remove_all(agent, MemoryFilter::default()).await.sure()),
            2 => {
                stores.messages.clear(channel, at(4)).await.sure();
                stores.memories.remove_all(agent, MemoryFilter::id(memory_id(20))).await.sure();
            }
            3 => {
                stores.channels.remove(channel, at(5)).await.sure();
                stores.memories.remove_all(agent, MemoryFilter::default()).await.sure();
            }
            _ => drop(stores.agents.remove(agent, at(6)).await.sure()),
        }
        assert_eq!(rows(&stores).await, [], "{round}");
        let mut told = gone(&stores).await;
        told.sort_unstable();
        assert_eq!(told, all, "{round}");
    }
}

/// And what had changed before its vector came gets none.
pub async fn a_memory_of_another_content_wants_another_vector(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let space = stores.vectors.space(space("a/one")).await.sure();
    let mut finish = finish_as(&claimed, core_types::deliveries::DeliveryState::Ignored, at(1));
    let heard = agent.memory_of(claimed.message.id);
    finish.memories = vec![Memory { id: heard, ..memory(1, agent, channel, person(1), "first") }];
    stores.deliveries.finish(finish).await.sure().sure();
    let content = |text: &str| MemoryChange { content: Some(object(json!({"text": text}))), metadata: None };
    let mut numbers = Vec::new();
    for round in 0..3 {
        assert_eq!(wanting(&stores).await, [heard], "{round}");
        let late = stores.vectors.wanting(10, Vec::new()).await.sure();
        stores.memories.update(agent, heard, content(&format!("meanwhile {round}"))).await.sure().sure();
        assert_eq!(put(&stores, space, late, 2).await, 0, "it is not what the vector was made of");
        let wanted = stores.vectors.wanting(10, Vec::new()).await.sure();
        assert_eq!(put(&stores, space, wanted, 3).await, 1);
        assert_eq!(wanting(&stores).await, []);
        let [row]: [VectorRow; 1] = rows(&stores).await.try_into().sure();
        assert!(numbers.iter().all(|number| *number < row.number));
        match round {
            0 => drop(stores.memories.update(agent, heard, content("second")).await.sure().sure()),
            1 => {
                let change = MessageChange { content: Some("third".to_owned()), ..MessageChange::default() };
                stores.messages.update(stores.place(claimed.message.id).await, change, at(2)).await.sure().sure();
            }
            _ => {
                let metadata = MemoryChange { content: None, metadata: Some(object(json!({"a": 1}))) };
                stores.memories.update(agent, heard, metadata).await.sure().sure();
                assert_eq!((wanting(&stores).await, rows(&stores).await), (Vec::new(), vec![row]), "metadata is no content");
                return;
            }
        }
        numbers.push(row.number);
        assert_eq!(gone(&stores).await, numbers);
    }
}

/// One after the other, until none is left in the old one; each memory has one vector at any time.
pub async fn vectors_move_from_one_space_to_another(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let old = stores.vectors.space(space("a/old")).await.sure();
    let before = embedded(&stores, agent, 3, old).await;
    let new = stores.vectors.space(space("b/new")).await.sure();
    assert_eq!(wanting(&stores).await, []);
    for left in (0..3).rev() {
        let some = stores.vectors.outdated(new, 1, Vec::new()).await.sure();
        assert_eq!(put(&stores, new, some, 9).await, 1);
        let counts = stores.vectors.counts(agent).await.sure();
        let expected = [(old, left), (new, 3 - left)].into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>();
        assert_eq!((counts.memories, counts.wanting, counts.spaces), (3, 0, expected));
    }
    assert_eq!(stores.vectors.outdated(new, 10, Vec::new()).await.sure(), []);
    assert_eq!(stores.vectors.outdated(old, 10, vec![memory_id(1)]).await.sure().len(), 2);
    let after = rows(&stores).await;
    assert!(after.len() == 3 && after.iter().all(|row| row.space == new && row.vector == vector(9)), "{after:?}");
    let mut told = gone(&stores).await;
    told.sort_unstable();
    assert_eq!(told, before.iter().map(|row| row.number).collect::<Vec<_>>());
}

/// In the order of their numbers, and only those of the agent.
pub async fn the_store_says_which_vectors_pass_a_filter(stores: Stores) {
    let one = stores.running_agent(1).await;
    let two = stores.agents.add(agent(2), Vec::new()).await.sure().into_inner().id;
    let space = stores.vectors.space(space("a/one")).await.sure();
    let mut marked = memory(2, one, channel_id(1), person(2), "two");
    marked.metadata = object(json!({"type": "custom"}));
    marked.origin.message = Some(message_id(7));
    let plain = memory(1, one, channel_id(1), person(1), "one");
    stores.memories.add(vec![plain, marked, memory(3, two, channel_id(1), person(1), "three")]).await.sure();
    let wanting = stores.vectors.wanting(10, Vec::new()).await.sure();
    assert_eq!(put(&stores, space, wanting, 1).await, 3);
    let all = rows(&stores).await;
    let number = |memory: u128| all.iter().find(|row| row.memory == memory_id(memory)).map(|row| row.number).sure();
    let custom = MemoryFilter { metadata: vec![("type".to_owned(), json!("custom"))], ..MemoryFilter::default() };
    let source = MemoryFilter { source: Some(Source::Message(message_id(7))), ..MemoryFilter::default() };
    let mut both = vec![number(1), number(2)];
    both.sort_unstable();
    for (filter, expected) in [
        (MemoryFilter::default(), both),
        (custom, vec![number(2)]),
        (source, vec![number(2)]),
        (MemoryFilter::id(memory_id(1)), vec![number(1)]),
        (MemoryFilter::id(memory_id(3)), vec![]),
    ] {
        assert_eq!(stores.vectors.passing(one, filter.clone()).await.sure(), expected, "{filter:?}");
    }
}

/// The oldest first.
pub async fn notes_of_goings_are_forgotten_when_told(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let space = stores.vectors.space(space("a/one")).await.sure();
    embedded(&stores, agent, 3, space).await;
    stores.memories.remove_all(agent, MemoryFilter::default()).await.sure();
    let notes = stores.vectors.gone(0, 10).await.sure();
    let [first, second, third]: [_; 3] = notes.clone().try_into().sure();
    assert!(notes.iter().all(|note| note.agent == agent && note.space == space));
    assert_eq!(stores.vectors.gone(first.place, 1).await.sure(), [second]);
    assert_eq!(stores.vectors.forget_gone(second.place, 1).await.sure(), 1);
    assert_eq!(stores.vectors.forget_gone(second.place, 10).await.sure(), 1);
    assert_eq!(stores.vectors.gone(0, 10).await.sure(), [third]);
    assert_eq!(stores.vectors.last_gone().await.sure(), third.place);
}
