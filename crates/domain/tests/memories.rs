//! Recall by words and by meaning together.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use core_types::memory::{
    EmbeddingProgress, FoundMemories, MESSAGES, Memory, MemoryChange, MemoryFilter, MemorySearch, MemoryService, Nearest, Origin,
    Shortfall, Similar, VectorError, VectorIndex,
};
use core_types::{AgentId, Caller, JsonObject, MemoryId, Page, RoomId, ServiceError, StoreResult, Thing, Timestamp};
use doolittle_domain::Memories;
use serde_json::json;
use testkit::house::{House, Plan, person};
use testkit::scripted_provider::ScriptedProvider;
use uuid::Uuid;

/// What a ranking by meaning says, once.
type Said = Result<Vec<Similar>, VectorError>;

/// A ranking by meaning that says what it is told.
struct Index(Mutex<Option<Said>>);

#[async_trait]
impl VectorIndex for Index {
    async fn nearest(&self, _: AgentId, filter: &MemoryFilter, _: &str, limit: u32) -> Result<Nearest, VectorError> {
        assert_eq!((filter, limit), (&MemoryFilter::table(MESSAGES), 100), "as deep as the ranking by words");
        let said = self.0.lock().unwrap().take().unwrap();
        said.map(|memories| Nearest { memories, shortfalls: vec![Shortfall::Loading] })
    }

    async fn progress(&self, _: AgentId) -> StoreResult<EmbeddingProgress> {
        Ok(EmbeddingProgress { model: Some("a/model".to_owned()), ..EmbeddingProgress::default() })
    }
}

fn id(number: u128) -> MemoryId {
    MemoryId::new(Uuid::from_u128(number))
}

/// A house with an agent that remembers these texts, numbered from 1.
async fn remembering(texts: &[&str]) -> (House, AgentId) {
    let house = House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await;
    let agent = house.agent_named("Eliza").await;
    let memories = (1..).zip(texts).map(|(number, text)| Memory {
        id: id(number),
        agent_id: agent,
        table: MESSAGES.to_owned(),
        room_id: RoomId::new(agent.uuid()),
        world_id: None,
        entity_id: person(1),
        content: JsonObject::from_iter([("text".to_owned(), json!(text))]),
        metadata: JsonObject::new(),
        unique: true,
        created_at: Timestamp::from_millis(1),
        origin: Origin::default(),
        document_id: None,
    });
    house.store.memories().add(memories.collect()).await.unwrap();
    (house, agent)
}

/// What is found with this ranking by meaning.
async fn search(house: &House, agent: AgentId, said: Option<Said>, limit: u32, threshold: Option<f64>) -> FoundMemories {
    let index = said.map(|said| Arc::new(Index(Mutex::new(Some(said)))) as Arc<dyn VectorIndex>);
    let memories = Memories {
        agents: house.store.agents(),
        access: doolittle_domain::Access::new(house.store.access()),
        memories: house.store.memories(),
        messages: house.store.messages(),
        vectors: index,
        reads: house.agents.reads.clone(),
    };
    let search = MemorySearch { text: "a red kite".to_owned(), filter: MemoryFilter::table(MESSAGES), limit, threshold };
    memories.search(&Caller::owner(), agent, search).await.unwrap()
}

fn shown(found: &FoundMemories) -> Vec<(&str, bool, bool)> {
    found.memories.iter().map(|found| (found.memory.text(), found.by_words, found.by_meaning)).collect()
}

const TEXTS: [&str; 4] = ["red kite red kite", "a kite that flew", "a bird of prey", "bread"];

fn near(number: u128, similarity: f64) -> Similar {
    Similar { id: id(number), similarity }
}

#[tokio::test]
async fn what_both_rankings_have_comes_first_and_each_says_what_found_it() {
    let (house, agent) = remembering(&TEXTS).await;
    let found = search(&house, agent, Some(Ok(vec![near(3, 0.9), near(2, 0.8)])), 10, None).await;
    assert!(found.by_meaning);
    assert_eq!(shown(&found), [("a kite that flew", true, true), ("red kite red kite", true, false), ("a bird of prey", false, true)]);
    let similarities: Vec<f64> = found.memories.iter().map(|found| found.similarity).collect();
    assert_eq!(similarities, [0.8, 1.0, 0.9]);
    let first = search(&house, agent, Some(Ok(vec![near(2, 0.8)])), 1, None).await;
    assert_eq!(shown(&first), [("a kite that flew", true, true)]);
}

#[tokio::test]
async fn without_meaning_it_is_words_alone_whatever_the_reason() {
    let (house, agent) = remembering(&TEXTS).await;
    let failed = || VectorError::Failed("the model is gone".into());
    for (said, shortfalls) in [
        (None, vec![]),
        (Some(Err(VectorError::NoModel)), vec![]),
        (Some(Err(VectorError::Resting)), vec![Shortfall::NoAnswer]),
        (Some(Err(failed())), vec![Shortfall::NoAnswer]),
    ] {
        let found = search(&house, agent, said, 10, None).await;
        assert!(!found.by_meaning);
        assert_eq!(found.shortfalls, shortfalls);
        assert_eq!(shown(&found), [("red kite red kite", true, false), ("a kite that flew", true, false)]);
    }
    let nothing_near = search(&house, agent, Some(Ok(Vec::new())), 10, None).await;
    assert!(nothing_near.by_meaning);
    assert_eq!(nothing_near.shortfalls, [Shortfall::Loading]);
    let score = nothing_near.memories[0].score;
    assert!((score - 1.0).abs() < 1e-9, "a ranking that found nothing does not count: {score}");
}

#[tokio::test]
async fn a_threshold_leaves_out_what_is_less_similar() {
    let (house, agent) = remembering(&TEXTS).await;
    let said = || Some(Ok(vec![near(3, 0.9), near(2, 0.2), near(4, -0.5)]));
    assert_eq!(search(&house, agent, said(), 10, None).await.memories.len(), 4);
    let found = search(&house, agent, said(), 10, Some(0.5)).await;
    assert_eq!(shown(&found), [("red kite red kite", true, false), ("a bird of prey", false, true)]);
}

#[tokio::test]
async fn what_an_index_still_has_and_the_store_has_no_more_is_left_out() {
    let (house, agent) = remembering(&TEXTS).await;
    let stranger = house.agent_named("Other").await;
    let found = search(&house, agent, Some(Ok(vec![near(99, 0.9), near(3, 0.8)])), 10, None).await;
    assert_eq!(found.memories.len(), 3);
    assert_eq!(search(&house, stranger, Some(Ok(vec![near(3, 0.8)])), 10, None).await.memories, []);
    let memories = Memories {
        agents: house.store.agents(),
        access: doolittle_domain::Access::new(house.store.access()),
        memories: house.store.memories(),
        messages: house.store.messages(),
        vectors: None,
        reads: house.agents.reads.clone(),
    };
    let unknown = memories.get(&Caller::owner(), AgentId::new(Uuid::from_u128(9)), id(1)).await;
    assert!(matches!(unknown, Err(ServiceError::NotFound(Thing::Agent))), "{unknown:?}");
}

#[tokio::test]
async fn a_list_of_large_memories_is_shorter_and_whoever_goes_on_gets_all() {
    let (house, agent) = remembering(&["1", "2", "3", "4", "5"]).await;
    let memories = house.store.memories();
    for number in [1, 2, 3, 5] {
        let metadata = JsonObject::from_iter([("note".to_owned(), json!("é".repeat(3 << 19)))]);
        let change = MemoryChange { content: None, metadata: Some(metadata) };
        memories.update(agent, id(number), change).await.unwrap();
    }
    let (mut pages, mut offset) = (Vec::new(), 0);
    loop {
        let page = Page { offset, limit: 100 };
        let listed = memories.list(agent, MemoryFilter::table(MESSAGES), page).await.unwrap();
        assert_eq!(listed.total, Some(5), "of the whole list");
        if listed.items.is_empty() {
            break;
        }
        offset += u32::try_from(listed.items.len()).unwrap();
        pages.push(listed.items.into_iter().map(|memory| memory.id).collect::<Vec<_>>());
    }
    assert_eq!(pages, [vec![id(5), id(4), id(3)], vec![id(2), id(1)]]);
}
