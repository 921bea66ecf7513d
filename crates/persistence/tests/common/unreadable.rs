//! A memory whose content was damaged by a way that the store does not know.

use core_types::embeddings::{NewVector, Quantised, Space};
use core_types::error::chain;
use core_types::memory::{FACTS, KeywordSearch, MESSAGES, Memory, MemoryFilter};
use core_types::{AgentId, JsonObject, Page};
use doolittle_persistence::Store;
use uuid::Uuid;

use crate::memories::{agent, memory};

/// What a stranger does: the facts are damaged, and all memories wait to be findable by their words.
pub const DAMAGE: &str = "UPDATE memories SET content = '\"hunter2\"' WHERE table_name = 'facts'; UPDATE memories SET words_version = 0";

/// The others are made findable and get their vectors; it is asked for once, and what is in it is told nobody.
pub async fn holds_up_no_other<F: Future<Output = ()>>(store: &Store, damage: impl FnOnce() -> F) {
    let (owner, memories, vectors) = (AgentId::new(Uuid::from_u128(1)), store.memories(), store.vectors());
    store.agents().add(agent(1), Vec::new()).await.unwrap();
    let content = |text: &str| JsonObject::from_iter([("text".to_owned(), text.into())]);
    let of = |number: u128, table: &str| Memory { content: content("a kangaroo"), table: table.to_owned(), ..memory(number, 1) };
    assert_eq!(memories.add(vec![of(1, MESSAGES), of(2, FACTS), of(3, MESSAGES)]).await.unwrap(), 3);
    damage().await;

    for count in [1, 1, 1, 0] {
        assert_eq!(memories.index_words(1).await.unwrap(), count);
    }
    for (table, found) in [(MESSAGES, 2), (FACTS, 0)] {
        let search = KeywordSearch::new("kangaroo", 10);
        assert_eq!(memories.search(owner, MemoryFilter::table(table), search).await.unwrap().len(), found, "{table}");
    }

    let space = vectors.space(Space { model: "a/model".to_owned(), dimension: 8, version: String::new() }).await.unwrap();
    let wanting = vectors.wanting(10, Vec::new()).await.unwrap();
    let texts: Vec<bool> = wanting.iter().map(|of| of.content.contains_key("text")).collect();
    assert_eq!(texts, [true, false, true], "the newest first");
    let made = wanting.into_iter().map(|of| {
        let vector = of.content.contains_key("text").then(|| Quantised::of(&[1.0; 8]));
        NewVector { of, vector }
    });
    assert_eq!(vectors.put(space, made.collect()).await.unwrap(), 2);
    assert_eq!(vectors.wanting(10, Vec::new()).await.unwrap(), []);

    let Err(error) = memories.list(owner, MemoryFilter::table(FACTS), Page::first(10)).await else { panic!("it was read") };
    let told = chain(&error);
    assert!(told.contains("not the JSON that belongs there") && !told.contains("hunter2"), "{told}");
}
