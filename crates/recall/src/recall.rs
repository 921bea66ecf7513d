//! The port over index, models and store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use core_types::embeddings::{Embedder, Embedders, Space, SpaceId, VectorRepository};
use core_types::memory::{EmbeddingProgress, MemoryFilter, Nearest, Shortfall, Similar, SpaceProgress, VectorError, VectorIndex, fuse};
use core_types::{AgentId, MemoryId, StoreResult};
use futures_util::future::join_all;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::follow::Read;
use crate::index::{Index, Shared};
use crate::meter::Meter;
use crate::question::{Asker, Question};

/// A search among more vectors goes to a thread that may be busy for a while.
const AT_ONCE: usize = 16_384;
/// A text is read up to here, in bytes; models read less.
pub(crate) const TEXT: usize = 8_192;

/// What bounds recall by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long an embedding model may take for a question; after that memories are searched by words alone.
    pub question: Duration,
    /// How many vectors are made a second; no bound where there is none.
    pub rate: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { question: Duration::from_secs(2), rate: Some(200) }
    }
}

/// A space, and the model that can ask questions in it, if it is there.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) space: Space,
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
}

/// Ranks memories by meaning.
pub struct Recall {
    pub(crate) store: Arc<dyn VectorRepository>,
    pub(crate) embedders: Arc<dyn Embedders>,
    pub(crate) limits: Limits,
    pub(crate) index: Index,
    pub(crate) spaces: RwLock<HashMap<SpaceId, Known>>,
    /// The space of the present model, once that is known.
    pub(crate) current: RwLock<Option<SpaceId>>,
    pub(crate) loaded: AtomicBool,
    /// Rings when the store has new vectors.
    pub(crate) kept: Notify,
    pub(crate) meter: Mutex<Meter>,
    pub(crate) problem: Mutex<Option<String>>,
    /// One who follows the store at a time.
    pub(crate) read: tokio::sync::Mutex<Read>,
    asker: Asker,
}

impl Recall {
    /// Recall over this store by these models; it has nothing to find until it runs.
    pub fn new(store: Arc<dyn VectorRepository>, embedders: Arc<dyn Embedders>, limits: Limits) -> Self {
        Self {
            store,
            embedders,
            limits,
            index: Index::default(),
            spaces: RwLock::default(),
            current: RwLock::default(),
            loaded: AtomicBool::new(false),
            kept: Notify::new(),
            meter: Mutex::new(Meter::new()),
            problem: Mutex::default(),
            read: tokio::sync::Mutex::default(),
            asker: Asker::new(limits.question),
        }
    }

    /// Loads the vectors, follows the store and makes vectors, until it is dropped.
    pub async fn run(&self) {
        tokio::join!(self.follow(), self.embed());
    }

    /// How many vectors are in memory.
    pub fn vectors(&self) -> usize {
        self.index.len()
    }

    /// Whether all vectors that there were at the start are in memory.
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    fn known(&self, space: SpaceId) -> Option<Known> {
        self.spaces.read().get(&space).cloned()
    }

    /// The vectors of the question in the spaces of these partitions, and what is missing.
    async fn questions(
        &self,
        partitions: Vec<(SpaceId, Shared)>,
        text: &str,
        shortfalls: &mut Vec<Shortfall>,
    ) -> Result<Vec<(Shared, Question)>, VectorError> {
        let mut asked = Vec::new();
        for (space, partition) in partitions {
            match self.known(space) {
                Some(Known { space, embedder: Some(embedder) }) => asked.push((partition, space.dimension, embedder)),
                _ => shortfalls.push(Shortfall::OtherModel),
            }
        }
        shortfalls.dedup();
        let answers = join_all(asked.iter().map(|(_, dimension, embedder)| self.asker.ask(embedder, text, *dimension))).await;
        let (mut questions, mut failures) = (Vec::new(), Vec::new());
        for ((partition, ..), answer) in asked.into_iter().zip(answers) {
            match answer {
                Ok(question) => questions.push((partition, question)),
                Err(error) => failures.push(error),
            }
        }
        match failures.into_iter().next() {
            Some(error) if questions.is_empty() => Err(error),
            Some(_) => {
                shortfalls.push(Shortfall::NoAnswer);
                Ok(questions)
            }
            None => Ok(questions),
        }
    }
}

#[async_trait]
impl VectorIndex for Recall {
    async fn nearest(&self, agent: AgentId, filter: &MemoryFilter, text: &str, limit: u32) -> Result<Nearest, VectorError> {
        if self.embedders.current().is_none() {
            return Err(VectorError::NoModel);
        }
        let mut shortfalls = Vec::new();
        if !self.is_loaded() {
            shortfalls.push(Shortfall::Loading);
        }
        let partitions: Vec<_> = self.index.of(agent).into_iter().filter(|(_, partition)| partition.read().has(&filter.tables)).collect();
        // Where there is nothing to find, no model is asked.
        if partitions.is_empty() {
            return Ok(Nearest { memories: Vec::new(), shortfalls });
        }
        let questions = self.questions(partitions, cut(text), &mut shortfalls).await?;
        let among = if needs_store(filter) {
            let passing = self.store.passing(agent, filter.clone()).await;
            Some(Arc::new(passing.map_err(|error| VectorError::Failed(Box::new(error)))?))
        } else {
            None
        };
        let mut rankings = Vec::with_capacity(questions.len());
        for (partition, question) in questions {
            rankings.push(rank(partition, question, filter, among.clone(), limit).await?);
        }
        Ok(Nearest { memories: merged(&rankings, limit as usize), shortfalls })
    }

    async fn progress(&self, agent: AgentId) -> StoreResult<EmbeddingProgress> {
        let counts = self.store.counts(agent).await?;
        let current = *self.current.read();
        let spaces: Vec<SpaceProgress> = counts
            .spaces
            .iter()
            .filter_map(|(id, memories)| {
                let Known { space, embedder } = self.known(*id)?;
                Some(SpaceProgress { space, memories: *memories, current: Some(*id) == current, searchable: embedder.is_some() })
            })
            .collect();
        let embedded = counts.spaces.iter().filter(|(id, _)| Some(*id) == current).map(|(_, memories)| memories).sum();
        let outdated: u64 = counts.spaces.iter().filter(|(id, _)| Some(*id) != current).map(|(_, memories)| memories).sum();
        let model = self.embedders.current().map(|embedder| embedder.model().to_owned());
        let pending = if model.is_some() { counts.wanting + outdated } else { 0 };
        Ok(EmbeddingProgress {
            model,
            total: counts.memories,
            embedded,
            pending,
            spaces,
            loaded: self.is_loaded(),
            rate: self.meter.lock().rate(),
            rate_limit: self.limits.rate,
            problem: self.problem.lock().clone(),
        })
    }
}

/// The part of a text that is looked at.
pub(crate) fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT)).unwrap_or_default()
}

/// Whether a condition is about what only the store knows.
const fn needs_store(filter: &MemoryFilter) -> bool {
    !filter.metadata.is_empty() || filter.source.is_some() || filter.document.is_some() || filter.id.is_some()
}

async fn rank(
    partition: Shared,
    question: Question,
    filter: &MemoryFilter,
    among: Option<Arc<Vec<i64>>>,
    limit: u32,
) -> Result<Vec<(MemoryId, f64)>, VectorError> {
    let filter = filter.clone();
    let is_small = partition.read().len() <= AT_ONCE;
    let search = move || {
        let among = among.as_ref().map(|among| among.as_slice());
        partition.read().nearest(&question, &filter, among, limit as usize)
    };
    if is_small { Ok(search()) } else { tokio::task::spawn_blocking(search).await.map_err(|error| VectorError::Failed(Box::new(error))) }
}

/// One ranking of those of several spaces. Cosines of different models do not compare, so their places count.
fn merged(rankings: &[Vec<(MemoryId, f64)>], limit: usize) -> Vec<Similar> {
    let cosines: HashMap<MemoryId, f64> = rankings.iter().flatten().copied().collect();
    let rankings: Vec<Vec<MemoryId>> = rankings.iter().map(|ranking| ranking.iter().map(|(id, _)| *id).collect()).collect();
    let places = fuse(&rankings).into_iter().take(limit);
    places.filter_map(|fused| Some(Similar { id: fused.item, similarity: *cosines.get(&fused.item)? })).collect()
}
