//! Recall over a database, by models that a test can steer.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test prepares may fail only loudly")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use core_types::embeddings::{Embedder, Embedders, Space, TextRole};
use core_types::memory::{
    EmbeddingProgress, FACTS, MESSAGES, Memory, MemoryChange, MemoryFilter, Nearest, Origin, Shortfall, VectorError, VectorIndex,
};
use core_types::models::ModelError;
use core_types::{AgentId, JsonObject, MemoryId, RoomId, Timestamp};
use doolittle_recall::{Limits, Recall};
use serde_json::json;
use testkit::house::{House, PATIENCE, Plan, person};
use testkit::scripted_provider::ScriptedProvider;
use tokio::task::AbortHandle;
use uuid::Uuid;

const DIMENSION: usize = 512;

/// A model that counts words, and can be made to fail.
struct Words {
    name: &'static str,
    /// Refuses passages with this word.
    poison: &'static str,
    /// Answers nothing any more.
    silent: AtomicBool,
    /// Makes no more vectors of passages.
    down: AtomicBool,
    passages: AtomicUsize,
    largest: AtomicUsize,
}

impl Words {
    fn new(name: &'static str) -> Arc<Self> {
        let (silent, down) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { name, poison: "arsenic", silent, down, passages: AtomicUsize::new(0), largest: AtomicUsize::new(0) })
    }
}

fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0_f32; DIMENSION];
    for word in text.to_lowercase().split_whitespace() {
        let hash = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        vector[usize::try_from(hash >> 55).unwrap()] += 1.0;
    }
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt().max(0.001);
    vector.into_iter().map(|number| number / length).collect()
}

#[async_trait]
impl Embedder for Words {
    fn model(&self) -> &str {
        self.name
    }

    async fn space(&self) -> Result<Space, ModelError> {
        Ok(Space { model: self.name.to_owned(), dimension: DIMENSION, version: "1".to_owned() })
    }

    fn batch(&self) -> usize {
        4
    }

    async fn embed(&self, role: TextRole, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let provider = || self.name.to_owned();
        if role == TextRole::Passage {
            if self.down.load(Ordering::SeqCst) {
                return Err(ModelError::CutOff { provider: provider() });
            }
            if texts.iter().any(|text| text.contains(self.poison)) {
                return Err(ModelError::Rejected { provider: provider(), status: 400, message: "poison".to_owned() });
            }
            self.passages.fetch_add(texts.len(), Ordering::SeqCst);
            self.largest.fetch_max(texts.len(), Ordering::SeqCst);
        }
        Ok(texts.iter().map(|text| vector(text)).collect())
    }
}

struct Models {
    current: Option<Arc<Words>>,
    others: Vec<Arc<Words>>,
}

impl Embedders for Models {
    fn current(&self) -> Option<Arc<dyn Embedder>> {
        self.current.clone().map(|model| model as Arc<dyn Embedder>)
    }

    fn of_space(&self, space: &Space) -> Option<Arc<dyn Embedder>> {
        let mut all = self.current.iter().chain(&self.others);
        all.find(|model| model.name == space.model).map(|model| Arc::clone(model) as Arc<dyn Embedder>)
    }
}

/// A house with an agent that remembers these texts, numbered from 1.
struct Scene {
    house: House,
    agent: AgentId,
    running: Mutex<Vec<AbortHandle>>,
}

fn id(number: u128) -> MemoryId {
    MemoryId::new(Uuid::from_u128(number))
}

impl Scene {
    async fn remembering(texts: &[&str]) -> Self {
        let house = House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await;
        let agent = house.agent_named("Eliza").await;
        let scene = Self { house, agent, running: Mutex::default() };
        for (number, text) in (1..).zip(texts) {
            scene.remember(number, MESSAGES, text).await;
        }
        scene
    }

    async fn remember(&self, number: u128, table: &str, text: &str) {
        let memory = Memory {
            id: id(number),
            agent_id: self.agent,
            table: table.to_owned(),
            room_id: RoomId::new(self.agent.uuid()),
            world_id: None,
            entity_id: person(1),
            content: JsonObject::from_iter([("text".to_owned(), json!(text))]),
            metadata: JsonObject::from_iter([("number".to_owned(), json!(u64::try_from(number).unwrap()))]),
            unique: true,
            created_at: Timestamp::from_millis(1),
            origin: Origin::default(),
            document_id: None,
        };
        assert_eq!(self.house.store.memories().add(vec![memory]).await.unwrap(), 1);
    }

    /// Recall by these models, at work, in place of the one before.
    fn recall(&self, current: Option<&Arc<Words>>, others: &[&Arc<Words>]) -> Arc<Recall> {
        let models = Models { current: current.cloned(), others: others.iter().map(|model| Arc::clone(model)).collect() };
        let limits = Limits { question: Duration::from_millis(200), rate: None };
        let recall = Arc::new(Recall::new(self.house.store.vectors(), Arc::new(models), limits));
        let mut running = self.running.lock().unwrap();
        running.drain(..).for_each(|before| before.abort());
        let working = Arc::clone(&recall);
        running.push(tokio::spawn(async move { working.run().await }).abort_handle());
        recall
    }

    /// What is nearest, when things have become as they should be.
    async fn settled(&self, recall: &Recall, is_so: impl Fn(&EmbeddingProgress) -> bool) -> EmbeddingProgress {
        let waiting = async {
            loop {
                let progress = recall.progress(self.agent).await.unwrap();
                if progress.loaded && is_so(&progress) {
                    // Their number alone does not tell: a vector that comes and one that goes may both be still unseen.
                    recall.catch_up().await.unwrap();
                    if progress.spaces.iter().map(|space| space.memories).sum::<u64>() == recall.vectors() as u64 {
                        return progress;
                    }
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap()
    }

    async fn done(&self, recall: &Recall) -> EmbeddingProgress {
        self.settled(recall, |progress| progress.pending == 0).await
    }

    async fn nearest(&self, recall: &Recall, filter: &MemoryFilter, text: &str) -> Result<Nearest, VectorError> {
        recall.nearest(self.agent, filter, text, 10).await
    }

    async fn found(&self, recall: &Recall, text: &str) -> Vec<u128> {
        let nearest = self.nearest(recall, &MemoryFilter::default(), text).await.unwrap();
        assert_eq!(nearest.shortfalls, []);
        nearest.memories.iter().map(|similar| similar.id.uuid().as_u128()).collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.running.lock().unwrap().drain(..).for_each(|running| running.abort());
    }
}

const TEXTS: [&str; 6] = ["alpha beta", "beta gamma", "gamma delta", "delta epsilon", "", "zeta eta theta"];

#[tokio::test]
async fn what_is_remembered_is_found_by_its_meaning_in_batches_of_the_model() {
    let scene = Scene::remembering(&TEXTS).await;
    let model = Words::new("words/one");
    let recall = scene.recall(Some(&model), &[]);
    let progress = scene.done(&recall).await;
    assert_eq!((progress.model.as_deref(), progress.total, progress.embedded), (Some("words/one"), 6, 5));
    assert!(progress.spaces.len() == 1 && progress.spaces[0].current && progress.spaces[0].searchable, "{progress:?}");
    assert!(model.largest.load(Ordering::SeqCst) <= 4 && progress.rate > 0.0);
    assert_eq!(scene.found(&recall, "alpha beta").await[..2], [1, 2]);
    assert_eq!(scene.found(&recall, "zeta").await, [6]);
    assert_eq!(scene.found(&recall, " ").await, [0; 0]);

    scene.remember(7, FACTS, "zeta again").await;
    scene.done(&recall).await;
    let facts = scene.nearest(&recall, &MemoryFilter::table(FACTS), "zeta eta theta").await.unwrap();
    assert_eq!(facts.memories.iter().map(|similar| similar.id).collect::<Vec<_>>(), [id(7)]);
    let marked = MemoryFilter { metadata: vec![("number".to_owned(), json!(2))], ..MemoryFilter::default() };
    let marked = scene.nearest(&recall, &marked, "alpha beta gamma").await.unwrap();
    assert_eq!(marked.memories.iter().map(|similar| similar.id).collect::<Vec<_>>(), [id(2)]);
}

#[tokio::test]
async fn what_changes_or_goes_is_followed_and_a_start_finds_what_there_was() {
    let scene = Scene::remembering(&TEXTS).await;
    let model = Words::new("words/one");
    let mut recall = scene.recall(Some(&model), &[]);
    scene.done(&recall).await;
    for round in 0..2_u8 {
        let (agent, memories) = (scene.agent, scene.house.store.memories());
        let text = format!("kappa {round}");
        let content = JsonObject::from_iter([("text".to_owned(), json!(text))]);
        memories.update(agent, id(2), MemoryChange { content: Some(content), metadata: None }).await.unwrap().unwrap();
        memories.remove_all(agent, MemoryFilter::id(id(3 + u128::from(round)))).await.unwrap();
        scene.settled(&recall, |progress| progress.pending == 0 && progress.embedded == 4 - u64::from(round)).await;
        assert_eq!(scene.found(&recall, &text).await.first(), Some(&2));
        assert_eq!(scene.found(&recall, "kappa").await, [2]);
        let made = model.passages.load(Ordering::SeqCst);
        recall = scene.recall(Some(&model), &[]);
        scene.done(&recall).await;
        assert_eq!(model.passages.load(Ordering::SeqCst), made, "nothing is made twice");
        assert_eq!(scene.found(&recall, "alpha").await, [1]);
    }
}

#[tokio::test]
async fn another_model_hides_nothing_while_it_takes_over() {
    let scene = Scene::remembering(&TEXTS).await;
    let old = Words::new("words/old");
    scene.done(&scene.recall(Some(&old), &[])).await;
    scene.remember(7, MESSAGES, "alpha omega").await;

    // The new one makes nothing yet; the old one answers for what it made.
    let new = Words::new("words/new");
    new.down.store(true, Ordering::SeqCst);
    let recall = scene.recall(Some(&new), &[&old]);
    let progress = scene.settled(&recall, |progress| progress.problem.is_some() && progress.spaces.len() == 1).await;
    assert_eq!((progress.embedded, progress.pending), (0, 6));
    assert!(!progress.spaces[0].current && progress.spaces[0].searchable);
    assert_eq!(scene.found(&recall, "alpha").await, [1]);

    // Half of the way.
    let stores = scene.house.store.vectors();
    let space = stores.space(new.space().await.unwrap()).await.unwrap();
    let wanting = stores.wanting(1, Vec::new()).await.unwrap();
    let made = wanting.into_iter().map(|of| core_types::embeddings::NewVector {
        vector: Some(core_types::embeddings::Quantised::of(&vector(of.content["text"].as_str().unwrap()))),
        of,
    });
    stores.put(space, made.collect()).await.unwrap();
    let progress = scene.settled(&recall, |progress| progress.embedded == 1).await;
    assert_eq!((progress.pending, progress.spaces.len()), (5, 2));
    let mut found = scene.found(&recall, "alpha").await;
    found.sort_unstable();
    assert_eq!(found, [1, 7], "both are searched together");

    new.down.store(false, Ordering::SeqCst);
    let progress = scene.done(&recall).await;
    assert!(progress.embedded == 6 && progress.spaces.len() == 1 && progress.problem.is_none(), "{progress:?}");
    let mut found = scene.found(&recall, "alpha").await;
    found.sort_unstable();
    assert_eq!(found, [1, 7]);
}

#[tokio::test]
async fn it_is_said_where_the_model_of_some_vectors_is_gone() {
    let scene = Scene::remembering(&TEXTS).await;
    scene.done(&scene.recall(Some(&Words::new("words/old")), &[])).await;
    let new = Words::new("words/new");
    new.down.store(true, Ordering::SeqCst);
    let recall = scene.recall(Some(&new), &[]);
    let progress = scene.settled(&recall, |progress| progress.spaces.len() == 1).await;
    assert!(!progress.spaces[0].searchable && progress.pending == 5);
    let nearest = scene.nearest(&recall, &MemoryFilter::default(), "alpha").await.unwrap();
    assert_eq!((nearest.memories, nearest.shortfalls), (Vec::new(), vec![Shortfall::OtherModel]));
    new.down.store(false, Ordering::SeqCst);
    scene.done(&recall).await;
    assert_eq!(scene.found(&recall, "alpha").await, [1]);
}

#[tokio::test]
async fn a_text_that_is_refused_keeps_no_other_from_its_vector() {
    let scene = Scene::remembering(&["alpha", "beta", "some arsenic", "gamma", "delta", "epsilon"]).await;
    let recall = scene.recall(Some(&Words::new("words/one")), &[]);
    let progress = scene.settled(&recall, |progress| progress.embedded == 5).await;
    assert_eq!((progress.total, progress.pending), (6, 1));
    assert_eq!(scene.found(&recall, "gamma").await, [4]);
}

#[tokio::test]
async fn a_model_that_does_not_answer_holds_nobody_up() {
    let scene = Scene::remembering(&TEXTS).await;
    let model = Words::new("words/one");
    let recall = scene.recall(Some(&model), &[]);
    scene.done(&recall).await;
    model.silent.store(true, Ordering::SeqCst);
    let all = MemoryFilter::default();
    let late = scene.nearest(&recall, &all, "alpha").await;
    assert!(matches!(late, Err(VectorError::Failed(_))), "{late:?}");
    let began = std::time::Instant::now();
    for _ in 0..20 {
        let resting = scene.nearest(&recall, &all, "alpha").await;
        assert!(matches!(resting, Err(VectorError::Resting)), "{resting:?}");
    }
    assert!(began.elapsed() < Duration::from_millis(200), "it is not waited for again");
    let nothing = scene.nearest(&recall, &MemoryFilter::table("nothing"), "alpha").await.unwrap();
    assert_eq!(nothing, Nearest::default(), "where there is nothing to find, nobody is asked");
}

#[tokio::test]
async fn without_a_model_there_is_no_ranking_and_before_loading_it_is_said() {
    let scene = Scene::remembering(&TEXTS).await;
    let none = scene.recall(None, &[]);
    assert!(matches!(scene.nearest(&none, &MemoryFilter::default(), "alpha").await, Err(VectorError::NoModel)));
    let progress = none.progress(scene.agent).await.unwrap();
    assert_eq!((progress.model, progress.total, progress.pending), (None, 6, 0));

    let models = Models { current: Some(Words::new("words/one")), others: Vec::new() };
    let idle = Recall::new(scene.house.store.vectors(), Arc::new(models), Limits::default());
    let early = scene.nearest(&idle, &MemoryFilter::default(), "alpha").await.unwrap();
    assert_eq!(early.shortfalls, [Shortfall::Loading]);
}
