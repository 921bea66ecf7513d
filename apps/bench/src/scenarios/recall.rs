//! Recall by meaning from many memories of one agent, in this process: the index, the loading of vectors from a database, and
//! the writing of new ones. The vectors are made up, in clusters, as those of models are.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use core_types::agents::Agent;
use core_types::character::Character;
use core_types::embeddings::{Embedder, Embedders, NewVector, Quantised, Space, SpaceId, TextRole, Wanting};
use core_types::memory::{MESSAGES, Memory, MemoryFilter, Origin, VectorIndex as _};
use core_types::models::ModelError;
use core_types::{AgentId, EntityId, Ids, JsonObject, MemoryId, RoomId, Timestamp};
use persistence::{Options, Store, Target};
use recall::{Limits, Recall};
use rusqlite::{Connection, params};
use serde_json::json;
use uuid::Uuid;

use crate::cli::{Common, RecallArgs, RecallFillArgs};
use crate::failure::{During, Failure, Outcome, say};
use crate::figures::{Latencies, Line, float, mib, rounded};
use crate::machine;
use crate::target::{Place, parameters};

/// The number of memories against which insertion into more is held.
const FEW: u32 = 10_000;
/// Clusters of vectors.
const CLUSTERS: u64 = 1_000;
/// Questions, and how many answers each wants.
const QUESTIONS: u64 = 200;
const ANSWERS: usize = 10;
/// Memories that are inserted one by one to see how long that takes.
const INSERTS: u64 = 500;
/// The numbers of questions and of inserted memories, far from those of stored ones.
const OF_QUESTIONS: u64 = 1 << 40;
const OF_INSERTS: u64 = 1 << 41;
/// Rows in a transaction of the filling.
const GROUP: u64 = 10_000;
/// How long loading may take.
const PATIENCE: Duration = Duration::from_mins(10);

const MODEL: &str = "bench/clusters";
const DATABASE: &str = "recall.db";

pub(super) fn run(arguments: &RecallArgs, common: &Common) -> Outcome<Line> {
    let dimension = usize::from(arguments.dimensions);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.during("starting the asynchronous runtime")?;
    let place = Place::new(common)?;
    // In processes of their own, so that this one's memory is that of recall alone.
    fill(&place.path().join("few"), FEW, arguments.dimensions)?;
    fill(&place.path().join("many"), arguments.memories, arguments.dimensions)?;
    let few = runtime.block_on(async {
        let few = Opened::open(&place.path().join("few"), dimension).await?;
        few.loaded().await?;
        few.insert().await
    })?;
    let (many, found, load, resident, line) = runtime.block_on(async {
        let many = Opened::open(&place.path().join("many"), dimension).await?;
        let load = many.loaded().await?;
        say(format!("loaded in {} ms", load.as_millis()));
        let (searches, found) = many.search().await?;
        let resident = machine::resident(std::process::id()).map_err(Failure::new)?;
        let inserts = many.insert().await?;
        let line = Line::new("recall", parameters(common)).latencies(&searches).resident(Some(resident));
        Ok::<_, Failure>((inserts, found, load, resident, line))
    })?;
    say("comparing with a full scan");
    let share = share_of_exact(&found, u64::from(arguments.memories), dimension);
    let mut line = line;
    line.parameters.insert("memories".to_owned(), json!(arguments.memories));
    line.parameters.insert("dimensions".to_owned(), json!(arguments.dimensions));
    let insert_ratio = many.quantile_ms(0.5).zip(few.quantile_ms(0.5)).map(|(many, few)| rounded(many / few));
    Ok(line
        .with("recall_at_10", json!(rounded(share)))
        .with("load_ms", json!(rounded(load.as_secs_f64() * 1e3)))
        .with("insert_p50_ms", json!(many.quantile_ms(0.5)))
        .with("insert_p50_ms_at_10000", json!(few.quantile_ms(0.5)))
        .with("insert_ratio", json!(insert_ratio))
        .with("bytes_per_memory", json!(rounded(mib(resident.now) * 1_048_576.0 / float(u64::from(arguments.memories))))))
}

/// Numbers that look like chance (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Around 0, nearly normal: the sum of four even ones.
    fn number(&mut self) -> f32 {
        let bits = self.next();
        let part = |place: u32| f32::from(u16::try_from(bits >> (16 * place) & 0xffff).unwrap_or_default()) / 65_535.0 - 0.5;
        part(0) + part(1) + part(2) + part(3)
    }
}

/// The vector of a number, of length 1: that of its cluster, and as much of its own.
fn vector(number: u64, dimension: usize) -> Vec<f32> {
    let own_seed = Chance(number).next();
    let (mut cluster, mut own) = (Chance(Chance(own_seed % CLUSTERS).next()), Chance(own_seed));
    let vector: Vec<f32> = (0..dimension).map(|_| cluster.number() + own.number()).collect();
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.into_iter().map(|number| number / length).collect()
}

fn memory_id(number: u64) -> MemoryId {
    MemoryId::new(Uuid::from_u64_pair(0x6d65_6d6f, number))
}

fn agent_id() -> AgentId {
    AgentId::of_name("Bench")
}

/// Ids that nothing here asks for.
pub(super) struct NoIds;

impl Ids for NoIds {
    fn uuid(&self) -> Uuid {
        Uuid::nil()
    }
}

/// A model that knows the vectors of questions, and never finishes any other.
struct Numbers(usize);

#[async_trait]
impl Embedder for Numbers {
    fn model(&self) -> &str {
        MODEL
    }

    async fn space(&self) -> Result<Space, ModelError> {
        Ok(space(self.0))
    }

    fn batch(&self) -> usize {
        1
    }

    async fn embed(&self, role: TextRole, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        if role == TextRole::Passage {
            std::future::pending::<()>().await;
        }
        Ok(texts.iter().map(|text| vector(text.parse().unwrap_or_default(), self.0)).collect())
    }
}

struct OneModel(Arc<Numbers>);

impl Embedders for OneModel {
    fn current(&self) -> Option<Arc<dyn Embedder>> {
        Some(Arc::<Numbers>::clone(&self.0))
    }

    fn of_space(&self, _space: &Space) -> Option<Arc<dyn Embedder>> {
        self.current()
    }
}

fn space(dimension: usize) -> Space {
    Space { model: MODEL.to_owned(), dimension, version: String::new() }
}

async fn open(directory: &Path) -> Outcome<Store> {
    let target = Target::Sqlite(directory.join(DATABASE));
    persistence::open(&target, Options::default(), Arc::new(NoIds)).await.during("opening the database")
}

/// Fills a database in a process of its own.
fn fill(directory: &Path, memories: u32, dimensions: u16) -> Outcome<()> {
    std::fs::create_dir(directory).during("making a directory")?;
    let began = Instant::now();
    let program = std::env::current_exe().during("finding this program")?;
    let mut command = std::process::Command::new(program);
    command.arg("recall-fill").args(["--memories", &memories.to_string(), "--dimensions", &dimensions.to_string(), "--into"]);
    let status = command.arg(directory).status().during("filling the database")?;
    if !status.success() {
        return Err(Failure::new(format!("filling the database ended with {status}")));
    }
    say(format!("{memories} memories were stored in {} s", began.elapsed().as_secs()));
    Ok(())
}

/// The process that fills a database: the schema and the agent by the server's own means, the rows by SQLite's.
pub(super) fn fill_here(arguments: &RecallFillArgs) -> Outcome<()> {
    let dimension = usize::from(arguments.stored.dimensions);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().during("starting the asynchronous runtime")?;
    let space = runtime.block_on(async {
        let store = open(&arguments.into).await?;
        let character = Character { name: "Bench".to_owned(), ..Character::default() };
        let (created_at, updated_at) = (Timestamp::from_millis(0), Timestamp::from_millis(0));
        let agent = Agent { id: agent_id(), character, enabled: true, running: false, owner: None, created_at, updated_at };
        store.agents().add(agent, Vec::new()).await.during("adding the agent")?;
        let space = store.vectors().space(space(dimension)).await.during("adding the space")?;
        store.close().await;
        Ok::<_, Failure>(space)
    })?;
    let mut connection = Connection::open(arguments.into.join(DATABASE)).during("opening the database")?;
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -65536").during("preparing the database")?;
    let memories = u64::from(arguments.stored.memories);
    let mut first = 0;
    while first < memories {
        let last = memories.min(first + GROUP);
        insert_rows(&mut connection, first..last, dimension, space).during("storing memories")?;
        first = last;
    }
    connection.close().map_err(|(_, error)| error).during("closing the database")?;
    // What is still to be written to the disk would otherwise be written while inserts are measured.
    let synced = std::fs::File::open(arguments.into.join(DATABASE)).and_then(|file| file.sync_all());
    synced.during("syncing the database")
}

fn insert_rows(connection: &mut Connection, numbers: std::ops::Range<u64>, dimension: usize, space: SpaceId) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut memory = transaction.prepare(
            "INSERT INTO memories (ordinal, id, agent_id, table_name, room_id, entity_id, content, metadata, is_unique, created_at, \
             words_version, embedded) VALUES (?1, ?2, ?3, 'messages', ?4, ?3, ?5, '{}', 1, ?1, 1, 1)",
        )?;
        let mut row = transaction.prepare(
            "INSERT INTO memory_vectors (memory_ordinal, memory_id, agent_id, space_id, table_name, room_id, entity_id, created_at, \
             scale, numbers) VALUES (?1, ?2, ?3, ?4, 'messages', ?5, ?3, ?1, ?6, ?7)",
        )?;
        let agent = *agent_id().uuid().as_bytes();
        for number in numbers {
            let (id, room) = (*memory_id(number).uuid().as_bytes(), *room(number).uuid().as_bytes());
            let ordinal = i64::try_from(number).unwrap_or_default() + 1;
            let content = json!({"text": format!("This is what was said as number {number} of many, and it is as long as a message.")});
            memory.execute(params![ordinal, id, agent, room, content.to_string()])?;
            let Quantised { numbers, scale } = Quantised::of(&vector(number, dimension));
            let numbers: Vec<u8> = numbers.into_iter().map(i8::cast_unsigned).collect();
            row.execute(params![ordinal, id, agent, space.0, room, f64::from(scale), numbers])?;
        }
    }
    transaction.commit()
}

/// One of a hundred rooms.
fn room(number: u64) -> RoomId {
    RoomId::new(Uuid::from_u64_pair(0x726f_6f6d, number % 100))
}

/// A database with recall at work on it.
struct Opened {
    store: Store,
    recall: Arc<Recall>,
    space: SpaceId,
    dimension: usize,
    began: Instant,
    working: tokio::task::JoinHandle<()>,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.working.abort();
    }
}

impl Opened {
    async fn open(directory: &Path, dimension: usize) -> Outcome<Self> {
        let store = open(directory).await?;
        let space = store.vectors().space(space(dimension)).await.during("finding the space")?;
        let models = OneModel(Arc::new(Numbers(dimension)));
        let recall = Arc::new(Recall::new(store.vectors(), Arc::new(models), Limits::default()));
        let began = Instant::now();
        let running = Arc::clone(&recall);
        let working = tokio::spawn(async move { running.run().await });
        Ok(Self { store, recall, space, dimension, began, working })
    }

    /// How long it took until all vectors were in memory.
    async fn loaded(&self) -> Outcome<Duration> {
        while !self.recall.is_loaded() {
            if self.began.elapsed() > PATIENCE {
                return Err(Failure::new("the vectors are not loaded in time"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(self.began.elapsed())
    }

    /// How long questions take, one after the other, and what they find.
    async fn search(&self) -> Outcome<(Latencies, Vec<Vec<MemoryId>>)> {
        let (mut latencies, mut found) = (Latencies::new(), Vec::new());
        let filter = MemoryFilter::table(MESSAGES);
        let limit = u32::try_from(ANSWERS).unwrap_or(u32::MAX);
        for warming in [true, false] {
            for question in 0..if warming { QUESTIONS / 10 } else { QUESTIONS } {
                let text = (OF_QUESTIONS + question).to_string();
                let began = Instant::now();
                let nearest = self.recall.nearest(agent_id(), &filter, &text, limit).await.during("searching")?;
                let took = began.elapsed();
                if !warming {
                    latencies.record(took);
                    found.push(nearest.memories.iter().map(|similar| similar.id).collect());
                }
            }
        }
        Ok((latencies, found))
    }

    /// How long it takes to store a memory, to store its vector, and to have it in the index.
    async fn insert(&self) -> Outcome<Latencies> {
        let mut latencies = Latencies::new();
        for number in OF_INSERTS..OF_INSERTS + INSERTS {
            let content = JsonObject::from_iter([("text".to_owned(), json!(format!("inserted as number {number}")))]);
            let memory = Memory {
                id: memory_id(number),
                agent_id: agent_id(),
                table: MESSAGES.to_owned(),
                room_id: room(number),
                world_id: None,
                entity_id: EntityId::new(agent_id().uuid()),
                content: content.clone(),
                metadata: JsonObject::new(),
                unique: true,
                created_at: Timestamp::from_millis(0),
                origin: Origin::default(),
                document_id: None,
            };
            let new =
                NewVector { of: Wanting { memory: memory.id, content }, vector: Some(Quantised::of(&vector(number, self.dimension))) };
            let before = self.recall.vectors();
            let began = Instant::now();
            self.store.memories().add(vec![memory]).await.during("storing a memory")?;
            self.store.vectors().put(self.space, vec![new]).await.during("storing a vector")?;
            self.recall.catch_up().await.during("following the store")?;
            latencies.record(began.elapsed());
            if self.recall.vectors() <= before {
                return Err(Failure::new("a new vector is not in memory"));
            }
        }
        Ok(latencies)
    }
}

/// Which part of the exact answers was found: the nearest by all digits, over all memories.
fn share_of_exact(found: &[Vec<MemoryId>], memories: u64, dimension: usize) -> f64 {
    let questions: Vec<Vec<f32>> = (0..found.len() as u64).map(|question| vector(OF_QUESTIONS + question, dimension)).collect();
    let processors = machine::processors().max(1) as u64;
    let parts: Vec<Vec<Vec<(f32, u64)>>> = std::thread::scope(|scope| {
        let part = |part: u64| {
            let questions = &questions;
            scope.spawn(move || nearest_of(questions, (part..memories).step_by(usize::try_from(processors).unwrap_or(1)), dimension))
        };
        let running: Vec<_> = (0..processors).map(part).collect();
        running.into_iter().map(|running| running.join().unwrap_or_default()).collect()
    });
    let mut hits = 0_u64;
    for (question, found) in found.iter().enumerate() {
        let mut best: Vec<(f32, u64)> = parts.iter().filter_map(|part| part.get(question)).flatten().copied().collect();
        best.sort_by(|one, other| other.0.total_cmp(&one.0));
        hits += best.iter().take(ANSWERS).filter(|(_, number)| found.contains(&memory_id(*number))).count() as u64;
    }
    float(hits) / float((found.len() * ANSWERS).max(1) as u64)
}

/// The best of some memories for each question.
fn nearest_of(questions: &[Vec<f32>], numbers: impl Iterator<Item = u64>, dimension: usize) -> Vec<Vec<(f32, u64)>> {
    let mut best: Vec<Vec<(f32, u64)>> = vec![Vec::new(); questions.len()];
    for number in numbers {
        let vector = vector(number, dimension);
        for (question, best) in questions.iter().zip(&mut best) {
            let cosine = dot(question, &vector);
            if best.len() < ANSWERS || best.last().is_some_and(|worst| worst.0 < cosine) {
                let place = best.partition_point(|other| other.0 >= cosine);
                best.insert(place, (cosine, number));
                best.truncate(ANSWERS);
            }
        }
    }
    best
}

/// In eight sums, which the compiler makes one instruction of.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    for (one, other) in one.chunks(8).zip(other.chunks(8)) {
        for (sum, (one, other)) in sums.iter_mut().zip(one.iter().zip(other)) {
            *sum += one * other;
        }
    }
    sums.iter().sum()
}
