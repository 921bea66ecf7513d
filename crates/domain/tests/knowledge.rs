//! Documents that are handed in, and the texts of characters.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use core_types::agents::{Agent, AgentService, CreateAgent};
use core_types::knowledge::{
    DocumentReader, DocumentText, FilesUnavailable, Format, KnowledgeFile, KnowledgeFiles, KnowledgeService, NewDocument,
    UnreadableDocument,
};
use core_types::memory::{
    DOCUMENTS, KNOWLEDGE, KeywordSearch, ListedMemories, Memory, MemoryChange, MemoryFilter, MemoryRepository, Ranked, RoomContext,
    RoomQuery,
};
use core_types::{AgentId, Caller, Credential, JsonObject, MemoryId, Page, Permission, Reach, ServiceError, StoreResult, Tenant};
use doolittle_domain::{Access, Knowledge, KnowledgePorts};
use parking_lot::Mutex;
use serde_json::json;
use testkit::house::{House, Plan};
use testkit::scripted_provider::ScriptedProvider;
use tokio::sync::Semaphore;

/// Reads no document before it may.
struct Waiting {
    begun: Semaphore,
    may_go_on: Semaphore,
}

#[async_trait]
impl DocumentReader for Waiting {
    async fn read(&self, _: Format, source: Bytes) -> Result<DocumentText, UnreadableDocument> {
        self.begun.add_permits(1);
        let _permit = self.may_go_on.acquire().await.unwrap();
        Ok(DocumentText { text: format!("words of {source:?}"), title: None, headings: false })
    }
}

struct NoFiles;

#[async_trait]
impl KnowledgeFiles for NoFiles {
    async fn find(&self, _: &str) -> Result<Vec<KnowledgeFile>, FilesUnavailable> {
        Ok(Vec::new())
    }

    async fn read(&self, _: &KnowledgeFile) -> Result<Bytes, FilesUnavailable> {
        Err(FilesUnavailable { message: "there are no files here".to_owned() })
    }
}

/// What is known of the calls that add memories.
#[derive(Default)]
struct Adds {
    /// How many memories each of them had.
    sizes: Vec<usize>,
    /// Which of them fails, counted from 1.
    fails: Option<usize>,
    under_way: usize,
    most_at_once: usize,
}

/// The memories of a store, whose additions are watched.
struct Watched {
    store: Arc<dyn MemoryRepository>,
    adds: Mutex<Adds>,
}

impl Watched {
    fn over(house: &House) -> Arc<Self> {
        Arc::new(Self { store: house.store.memories(), adds: Mutex::default() })
    }
}

#[async_trait]
impl MemoryRepository for Watched {
    async fn room_context(&self, agent: AgentId, query: RoomQuery) -> StoreResult<RoomContext> {
        self.store.room_context(agent, query).await
    }

    async fn add(&self, memories: Vec<Memory>) -> StoreResult<u64> {
        {
            let mut adds = self.adds.lock();
            adds.sizes.push(memories.len());
            if adds.fails == Some(adds.sizes.len()) {
                return Err(core_types::StoreError::Unavailable("nothing can be stored for a moment".into()));
            }
            adds.under_way += 1;
            adds.most_at_once = adds.most_at_once.max(adds.under_way);
        }
        let added = self.store.add(memories).await;
        self.adds.lock().under_way -= 1;
        added
    }

    async fn find(&self, agent: AgentId, id: MemoryId) -> StoreResult<Option<Memory>> {
        self.store.find(agent, id).await
    }

    async fn find_all(&self, agent: AgentId, filter: MemoryFilter, ids: Vec<MemoryId>) -> StoreResult<Vec<Memory>> {
        self.store.find_all(agent, filter, ids).await
    }

    async fn list(&self, agent: AgentId, filter: MemoryFilter, page: Page) -> StoreResult<ListedMemories> {
        self.store.list(agent, filter, page).await
    }

    async fn search(&self, agent: AgentId, filter: MemoryFilter, search: KeywordSearch) -> StoreResult<Vec<Ranked>> {
        self.store.search(agent, filter, search).await
    }

    async fn update(&self, agent: AgentId, id: MemoryId, change: MemoryChange) -> StoreResult<Option<Memory>> {
        self.store.update(agent, id, change).await
    }

    async fn remove_all(&self, agent: AgentId, filter: MemoryFilter) -> StoreResult<u64> {
        self.store.remove_all(agent, filter).await
    }

    async fn index_words(&self, limit: u32) -> StoreResult<u32> {
        self.store.index_words(limit).await
    }
}

async fn open() -> House {
    House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await
}

fn knowledge(house: &House, memories: Arc<dyn MemoryRepository>, reader: Arc<dyn DocumentReader>) -> Arc<Knowledge> {
    Arc::new(Knowledge::new(KnowledgePorts {
        agents: house.store.agents(),
        access: Access::new(house.store.access()),
        memories,
        reader,
        files: Arc::new(NoFiles),
        clock: house.clock.clone(),
    }))
}

/// An agent that does not run yet, whose character knows these texts.
async fn knowing(house: &House, caller: &Caller, name: &str, texts: &[&str]) -> Agent {
    let character = CreateAgent::Character(json!({"name": name, "bio": "An agent in a test.", "knowledge": texts}));
    house.agents.create(caller, character).await.unwrap().agent
}

/// A text of so many paragraphs, each a fragment by itself.
fn long(paragraphs: usize) -> String {
    (0..paragraphs).map(|number| format!("{number} {}", "word ".repeat(200))).collect::<Vec<_>>().join("\n\n")
}

fn document(number: u32) -> NewDocument {
    NewDocument { title: None, format: Format::Pdf, source: number.to_string().into(), metadata: JsonObject::new() }
}

#[tokio::test]
async fn so_many_documents_are_taken_in_at_once_and_the_next_waits_a_while() {
    let house = open().await;
    let agent = house.agent_named("Eliza").await;
    let reader = Arc::new(Waiting { begun: Semaphore::new(0), may_go_on: Semaphore::new(0) });
    let knowledge = knowledge(&house, house.store.memories(), reader.clone());
    let add = |number| {
        let knowledge = Arc::clone(&knowledge);
        async move { knowledge.add(&Caller::owner(), agent, document(number)).await }
    };
    let adding: Vec<_> = (0..8).map(|number| tokio::spawn(add(number))).collect();
    reader.begun.acquire_many(8).await.unwrap().forget();
    assert!(matches!(add(8).await, Err(ServiceError::Overloaded { .. })), "not for ever");
    let next = tokio::spawn(add(8));
    reader.may_go_on.add_permits(1);
    for added in adding {
        added.await.unwrap().unwrap();
    }
    assert!(next.await.unwrap().is_ok(), "what is done makes room");
}

#[tokio::test]
async fn a_long_text_of_a_character_is_stored_in_steps_and_gone_on_with_where_it_was_cut_short() {
    let house = open().await;
    let agent = knowing(&house, &Caller::owner(), "Eliza", &[&long(450), "Tea is served."]).await;
    let watched = Watched::over(&house);
    watched.adds.lock().fails = Some(2);
    let knowledge = knowledge(&house, watched.clone(), Arc::new(documents::InProcess));
    assert!(knowledge.follow(&agent).await.is_err(), "the second step fails");
    for _ in 0..2 {
        knowledge.follow(&agent).await.unwrap();
        assert_eq!(watched.adds.lock().sizes, [200, 200, 200, 200, 51, 2], "writers never wait long, and what is whole is left alone");
    }
    for (table, stored) in [(DOCUMENTS, 2), (KNOWLEDGE, 451)] {
        let listed = house.store.memories().list(agent.id, MemoryFilter::table(table), Page::first(1)).await.unwrap();
        assert_eq!(listed.total, Some(stored), "{table}");
    }
}

#[tokio::test]
async fn of_several_changes_of_a_character_the_last_is_followed() {
    let house = open().await;
    let owner = Caller::owner();
    let before = knowing(&house, &owner, "Eliza", &["Tea is served."]).await;
    let change = serde_json::from_value(json!({"knowledge": ["Coffee is served."]})).unwrap();
    house.agents.update(&owner, before.id, change).await.unwrap();
    let knowledge = knowledge(&house, house.store.memories(), Arc::new(documents::InProcess));
    // Whoever made the change before had to wait for its turn.
    knowledge.follow(&before).await.unwrap();
    let known = house.store.memories().list(before.id, MemoryFilter::table(KNOWLEDGE), Page::first(10)).await.unwrap();
    assert_eq!(known.items.iter().map(Memory::text).collect::<Vec<_>>(), ["Coffee is served."]);
}

#[tokio::test]
async fn the_characters_of_one_owner_are_taken_in_one_after_the_other_and_none_is_refused() {
    let house = open().await;
    let reach = Reach { tenant: Tenant::new("one").unwrap(), servers: Vec::new(), person: None };
    let permissions = vec![Permission::AgentsWrite];
    let tenant = Caller::tenant(Arc::new(Credential { key: None, permissions, reach, expires_at: None }));
    for caller in [tenant, Caller::owner()] {
        let watched = Watched::over(&house);
        let knowledge = knowledge(&house, watched.clone(), Arc::new(documents::InProcess));
        let mut following = Vec::new();
        for name in ["Ann", "Ben", "Cleo", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Jon"] {
            let (knowledge, agent) = (Arc::clone(&knowledge), knowing(&house, &caller, name, &["Tea is served."]).await);
            following.push(tokio::spawn(async move { knowledge.follow(&agent).await }));
        }
        for followed in following {
            followed.await.unwrap().unwrap();
        }
        let adds = watched.adds.lock();
        assert_eq!((adds.sizes.len(), adds.most_at_once), (10, 1));
    }
}
