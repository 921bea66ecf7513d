//! Promises about finding memories by their words.

use core_types::AgentId;
use core_types::deliveries::DeliveryState;
use core_types::memory::{FACTS, KNOWLEDGE, KeywordSearch, MESSAGES, Memory, MemoryChange, MemoryFilter, RoomQuery};
use core_types::messaging::MessageChange;
use serde_json::json;

use super::Stores;
use super::scene::{Sure, agent, at, channel_id, finish_as, memory, memory_id, object, person};

/// Stores these texts as memories of one table, numbered from 1.
async fn remember(stores: &Stores, agent: AgentId, table: &str, texts: &[&str]) {
    let memories = (1..).zip(texts).map(|(number, text)| Memory {
        table: table.to_owned(),
        created_at: at(i64::try_from(number).sure()),
        ..memory(number, agent, channel_id(1), person(1), text)
    });
    assert_eq!(stores.memories.add(memories.collect()).await.sure(), texts.len() as u64);
}

async fn search(stores: &Stores, agent: AgentId, filter: MemoryFilter, text: &str, limit: u32) -> Vec<String> {
    let found = stores.memories.search(agent, filter, KeywordSearch::new(text, limit)).await.sure();
    let ranking: Vec<f64> = found.iter().map(|ranked| ranked.score).collect();
    assert!(ranking.is_sorted_by(|one, other| one >= other) && ranking.iter().all(|score| score.is_finite()), "{ranking:?}");
    found.into_iter().map(|ranked| ranked.memory.text().to_owned()).collect()
}

async fn found(stores: &Stores, agent: AgentId, text: &str) -> Vec<String> {
    search(stores, agent, MemoryFilter::table(MESSAGES), text, 10).await
}

/// Any of the words is enough.
pub async fn words_are_found_whatever_their_case_accents_and_plural(stores: Stores) {
    let agent = stores.running_agent(1).await;
    remember(&stores, agent, MESSAGES, &["The Café opens at nine.", "Ponies like apples", "nothing to see"]).await;
    for asked in ["cafe", "CAFÉS?", "cafe\u{301}", "when does the café open", "the ＣＡＦＥ"] {
        assert_eq!(found(&stores, agent, asked).await, ["The Café opens at nine."], "{asked}");
    }
    for asked in ["pony", "an apple", "xylophone ponies"] {
        assert_eq!(found(&stores, agent, asked).await, ["Ponies like apples"], "{asked}");
    }
    assert_eq!(found(&stores, agent, "xylophone").await, [""; 0]);
    assert_eq!(found(&stores, agent, "pon").await, [""; 0], "words are found whole");
}

/// Nothing in it is an operator.
pub async fn any_text_may_be_asked_for(stores: Stores) {
    let agent = stores.running_agent(1).await;
    remember(&stores, agent, MESSAGES, &["say \"hello\" & wave", "near misses or not"]).await;
    for asked in ["\"hello", "hello*", "hel''lo hello", "words:hello", "hello AND (", "^hello", "-hello", "hello:*", "!hello|&", "hello\\"]
    {
        assert_eq!(found(&stores, agent, asked).await.first().map(String::as_str), Some("say \"hello\" & wave"), "{asked}");
    }
    assert_eq!(found(&stores, agent, "NEAR(misses, 2)").await, ["near misses or not"]);
    for asked in ["", " ", "\"", "'", "*", "()", "\u{0}", "\u{1f986}", "--", ";DROP TABLE memories", "\u{feff}"] {
        assert_eq!(found(&stores, agent, asked).await, [""; 0], "{asked:?}");
    }
    let long = "hello ".repeat(20_000);
    assert_eq!(found(&stores, agent, &long).await.len(), 1);
}

/// Chinese, Japanese, Korean and Thai among others; and a text may be very long or hold no word at all.
pub async fn text_without_spaces_is_found_by_its_parts(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let endless = "字".repeat(50_000);
    let odd = ["私は猫が好きです", "今日は天気がいい", "학교에서 만나요", "ฉันรักแมว", "", "\u{1f986}", endless.as_str()];
    remember(&stores, agent, MESSAGES, &odd).await;
    for (asked, expected) in [("猫", odd[0]), ("天気", odd[1]), ("今日の天気", odd[1]), ("학교", odd[2]), ("แมว", odd[3]), ("字", odd[6])]
    {
        assert_eq!(found(&stores, agent, asked).await.first().map(String::as_str), Some(expected), "{asked}");
    }
    assert_eq!(found(&stores, agent, "犬").await, [""; 0]);
}

/// More of the words, and more often, is better; of equals the newest comes first.
pub async fn rare_and_repeated_words_come_first(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let texts = ["tea", "tea tea", "tea and biscuit", "water", "tea"];
    remember(&stores, agent, MESSAGES, &texts).await;
    assert_eq!(found(&stores, agent, "biscuit with tea").await.first().map(String::as_str), Some("tea and biscuit"));
    assert_eq!(found(&stores, agent, "tea").await.len(), 4);
    let two = stores.memories.search(agent, MemoryFilter::table(MESSAGES), KeywordSearch::new("tea", 10)).await.sure();
    let place = |number| two.iter().position(|ranked| ranked.memory.id == memory_id(number)).sure();
    assert!(place(5) < place(1), "{two:?}");
    assert!(place(2) < place(3), "{two:?}");
}

/// Finds by a word among so few candidates.
async fn among(stores: &Stores, agent: AgentId, filter: MemoryFilter, text: &str, candidates: u32) -> Vec<u128> {
    let search = KeywordSearch { candidates, ..KeywordSearch::new(text, 10) };
    let mut found: Vec<u128> =
        stores.memories.search(agent, filter, search).await.sure().iter().map(|ranked| ranked.memory.id.uuid().as_u128()).collect();
    found.sort_unstable();
    found.iter().map(|id| id - memory_id(0).uuid().as_u128()).collect()
}

/// However well older ones fit; what a filter does not let pass takes nobody's place.
pub async fn of_too_many_hits_the_newest_are_ranked(stores: Stores) {
    let agent = stores.running_agent(1).await;
    remember(&stores, agent, MESSAGES, &["tea tea tea", "tea", "water", "tea", "tea"]).await;
    let elsewhere = (11..14).map(|number| memory(number, agent, channel_id(2), person(1), "tea"));
    stores.memories.add(elsewhere.collect()).await.sure();
    let everywhere = MemoryFilter::table(MESSAGES);
    assert_eq!(among(&stores, agent, everywhere.clone(), "tea", 7).await, [1, 2, 4, 5, 11, 12, 13]);
    assert_eq!(among(&stores, agent, everywhere.clone(), "tea", 6).await, [2, 4, 5, 11, 12, 13]);
    assert_eq!(among(&stores, agent, everywhere.clone(), "tea", 2).await, [12, 13]);
    let room = stores.memories.find(agent, memory_id(1)).await.sure().sure().room_id;
    let there = MemoryFilter { rooms: vec![room], ..everywhere };
    assert_eq!(among(&stores, agent, there.clone(), "tea", 4).await, [1, 2, 4, 5]);
    assert_eq!(among(&stores, agent, there, "tea", 2).await, [4, 5]);
}

/// A word that is everywhere says nothing, and must not hide an old memory that has a rare one.
pub async fn words_that_too_many_memories_have_count_only_alone(stores: Stores) {
    let agent = stores.running_agent(1).await;
    remember(&stores, agent, MESSAGES, &["tea and biscuit", "tea", "tea", "tea"]).await;
    let everywhere = || MemoryFilter::table(MESSAGES);
    assert_eq!(among(&stores, agent, everywhere(), "tea, biscuit", 2).await, [1]);
    assert_eq!(among(&stores, agent, everywhere(), "tea, biscuit", 4).await, [1, 2, 3, 4]);
    assert_eq!(among(&stores, agent, everywhere(), "tea", 2).await, [3, 4]);
}

/// The best of those that pass, even where many others fit better.
pub async fn filters_count_before_the_ranking(stores: Stores) {
    let one = stores.running_agent(1).await;
    let two = stores.agents.add(agent(2), Vec::new()).await.sure().into_inner().id;
    let best: Vec<&str> = vec!["fox fox fox"; 50];
    remember(&stores, one, MESSAGES, &best).await;
    let elsewhere = |number, agent, channel, from, text: &str| memory(number, agent, channel_id(channel), person(from), text);
    let others = vec![
        elsewhere(101, one, 2, 1, "a fox in a sentence with many other words in it"),
        elsewhere(102, one, 1, 2, "a fox of somebody else, quite a long way down the list"),
        Memory { table: FACTS.to_owned(), ..elsewhere(103, one, 1, 1, "foxes are red") },
        Memory { metadata: object(json!({"type": "custom"})), ..elsewhere(104, one, 1, 1, "one fox that is marked among the unmarked") },
        elsewhere(105, two, 1, 1, "a fox that the other agent saw"),
    ];
    stores.memories.add(others).await.sure();
    let messages = || MemoryFilter::table(MESSAGES);
    for (agent, filter, expected) in [
        (one, messages().in_room(one.room_of(channel_id(2))), "a fox in"),
        (one, MemoryFilter { entity: Some(person(2)), ..messages() }, "a fox of"),
        (one, MemoryFilter::table(FACTS), "foxes are"),
        (one, MemoryFilter { metadata: vec![("type".to_owned(), json!("custom"))], ..messages() }, "one fox"),
        (one, MemoryFilter { from: Some(at(50)), ..messages() }, "fox fox"),
        (two, messages(), "a fox that"),
        (two, MemoryFilter::default(), "a fox that"),
    ] {
        let found = search(&stores, agent, filter.clone(), "fox", 3).await;
        assert!(found.len() == 1 && found.iter().all(|text| text.starts_with(expected)), "{filter:?}: {found:?}");
    }
    assert_eq!(search(&stores, one, messages(), "fox", 3).await.len(), 3);
    assert_eq!(search(&stores, one, MemoryFilter::default(), "foxes", 100).await.len(), 54);
}

/// After every way by which a memory changes or goes.
pub async fn only_what_is_remembered_now_is_found(stores: Stores) {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let mut finish = finish_as(&claimed, DeliveryState::Ignored, at(1));
    let heard = agent.memory_of(claimed.message.id);
    finish.memories = vec![Memory { id: heard, ..memory(1, agent, channel, person(1), "the first kangaroo") }];
    stores.deliveries.finish(finish).await.sure().sure();
    assert_eq!(found(&stores, agent, "kangaroo").await, ["the first kangaroo"]);

    let change = MessageChange { content: Some("the second wombat".to_owned()), ..MessageChange::default() };
    stores.messages.update(stores.place(claimed.message.id).await, change, at(2)).await.sure().sure();
    assert_eq!(found(&stores, agent, "kangaroo").await, [""; 0]);
    assert_eq!(found(&stores, agent, "wombat").await, ["the second wombat"]);

    let content = |text: &str| MemoryChange { content: Some(object(json!({"text": text}))), metadata: None };
    stores.memories.update(agent, heard, content("a third quokka")).await.sure().sure();
    assert_eq!(found(&stores, agent, "wombat").await, [""; 0]);
    assert_eq!(found(&stores, agent, "quokka").await, ["a third quokka"]);
    stores.memories.update(agent, heard, MemoryChange { content: None, metadata: Some(object(json!({}))) }).await.sure().sure();
    assert_eq!(found(&stores, agent, "quokka").await, ["a third quokka"]);
    stores.memories.update(agent, heard, content("")).await.sure().sure();
    assert_eq!(found(&stores, agent, "quokka").await, [""; 0]);
    stores.memories.update(agent, heard, content("a fourth koala")).await.sure().sure();

    stores.messages.remove(stores.place(claimed.message.id).await, at(3)).await.sure();
    assert_eq!(found(&stores, agent, "koala").await, [""; 0]);
    for round in 0..3 {
        stores.memories.add(vec![memory(9, agent, channel, person(1), "an emu")]).await.sure();
        assert_eq!(found(&stores, agent, "emu").await, ["an emu"]);
        match round {
            0 => drop(stores.memories.remove_all(agent, MemoryFilter::id(memory_id(9))).await.sure()),
            1 => drop(stores.messages.clear(channel, at(4)).await.sure()),
            _ => drop(stores.channels.remove(channel, at(5)).await.sure()),
        }
        assert_eq!(found(&stores, agent, "emu").await, [""; 0], "{round}");
    }
    stores.memories.add(vec![memory(9, agent, channel, person(1), "an emu")]).await.sure();
    stores.agents.remove(agent, at(6)).await.sure().sure();
    stores.agents.add(super::scene::agent(1), Vec::new()).await.sure();
    assert_eq!(found(&stores, agent, "emu").await, [""; 0]);
}

/// A few of the best fragments, and no other table.
pub async fn a_room_context_brings_knowledge_that_bears_on_the_message(stores: Stores) {
    let agent = stores.running_agent(1).await;
    remember(&stores, agent, KNOWLEDGE, &["The gate opens at nine.", "The gate is green.", "Bread is baked daily.", "gate gate"]).await;
    stores.memories.add(vec![memory(9, agent, channel_id(1), person(1), "the gate was open")]).await.sure();
    let about = |about: &str, knowledge| RoomQuery {
        knowledge,
        about: about.to_owned(),
        ..RoomQuery::conversation(agent.room_of(channel_id(2)), 5, 5)
    };
    let recalled = |query| {
        let memories = stores.memories.clone();
        async move {
            let context = memories.room_context(agent, query).await.sure();
            context.knowledge.iter().map(|memory| memory.text().to_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(recalled(about("When does the gate open?", 1)).await, ["The gate opens at nine."]);
    assert_eq!(recalled(about("gate", 10)).await.len(), 3);
    assert_eq!(recalled(about("gate", 0)).await, [""; 0]);
    assert_eq!(recalled(about("?!", 10)).await, [""; 0]);
    assert_eq!(recalled(about("cheese", 10)).await, [""; 0]);
}

/// Finishes a delivery that keeps these texts as memories, numbered from 1.
async fn keep(stores: &Stores, texts: &[&str]) -> AgentId {
    let (agent, channel, claimed) = stores.claimed_message().await;
    let mut finish = finish_as(&claimed, DeliveryState::Ignored, at(1));
    finish.memories = (1..).zip(texts).map(|(number, text)| memory(number, agent, channel, person(1), text)).collect();
    stores.deliveries.finish(finish).await.sure().sure();
    agent
}

/// What a finish keeps waits for it, and is done once, also where it has no words. What is added is findable at once.
pub async fn what_was_kept_before_can_be_made_findable(stores: Stores) {
    let agent = keep(&stores, &["a kangaroo", "\u{1f44d}", "a wombat"]).await;
    stores.memories.add(vec![memory(9, agent, channel_id(1), person(1), "found already")]).await.sure();
    for (limit, count) in [(2, 2), (10, 1), (10, 0)] {
        assert_eq!(stores.memories.index_words(limit).await.sure(), count, "of {limit}");
    }
    for (asked, text) in [("kangaroo", "a kangaroo"), ("wombats", "a wombat"), ("found", "found already")] {
        assert_eq!(found(&stores, agent, asked).await, [text]);
    }
    assert_eq!(found(&stores, agent, "\u{1f44d}").await, [""; 0]);
}

/// Other metadata makes no words: what waits for the index waits on, and what is in it stays there.
pub async fn a_change_of_metadata_alone_leaves_it_to_be_made_findable(stores: Stores) {
    let agent = keep(&stores, &["a kangaroo"]).await;
    let change = |seen: bool| MemoryChange { content: None, metadata: Some(object(json!({"seen": seen}))) };
    stores.memories.update(agent, memory_id(1), change(true)).await.sure().sure();
    assert_eq!(stores.memories.index_words(10).await.sure(), 1);
    assert_eq!(found(&stores, agent, "kangaroo").await, ["a kangaroo"]);
    stores.memories.update(agent, memory_id(1), change(false)).await.sure().sure();
    assert_eq!(stores.memories.index_words(10).await.sure(), 0);
    assert_eq!(found(&stores, agent, "kangaroo").await, ["a kangaroo"]);
}
