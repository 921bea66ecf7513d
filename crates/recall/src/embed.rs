//! Making vectors of what has none, or one of another model than the present one.

use std::sync::Arc;
use std::time::Duration;

use core_types::embeddings::{Embedder, NewVector, Quantised, SpaceId, TextRole, Wanting};
use core_types::error::chain;
use core_types::models::ModelError;
use core_types::{MemoryId, StoreError};
use derive_more::{Display, Error, From};
use tokio::time::sleep;

use crate::meter::Pace;
use crate::recall::{Known, Recall, cut};

/// The pause where there is nothing to do.
const IDLE: Duration = Duration::from_secs(1);
/// The most texts of one call, whatever the model says.
const MOST: usize = 256;
/// The first pause after a failure; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// After so many failures with the same texts, each is tried alone.
const TRIES: u32 = 3;
/// So many memories that no vector could be made of are set aside; for so long they are not tried again.
const ASIDE: usize = 500;
const ASIDE_FOR: Duration = Duration::from_mins(10);

/// Why no vectors were made.
#[derive(Debug, Display, Error, From)]
enum Unmade {
    /// The model did not make them.
    #[display("the embedding model failed")]
    Model(ModelError),
    /// The store did not take them.
    #[display("vectors cannot be kept")]
    Store(StoreError),
}

impl Unmade {
    /// Whether one of the texts may be what is wrong.
    const fn is_about_a_text(&self) -> bool {
        matches!(self, Self::Model(ModelError::Rejected { .. } | ModelError::Unreadable { .. }))
    }

    const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Model(error) => error.retry_after(),
            Self::Store(_) => None,
        }
    }
}

/// What is under way.
struct Work {
    embedder: Arc<dyn Embedder>,
    space: SpaceId,
    dimension: usize,
    pace: Pace,
    failures: u32,
    aside: Vec<MemoryId>,
    since_aside: tokio::time::Instant,
}

impl Recall {
    /// Makes vectors until it is dropped; at once ends where no model is set up.
    pub(crate) async fn embed(&self) {
        let Some(embedder) = self.embedders.current() else { return };
        let mut failures = 0;
        let (space, dimension) = loop {
            match self.enter(&embedder).await {
                Ok(entered) => break entered,
                Err(error) => {
                    failures += 1;
                    self.pause(failures, &error).await;
                }
            }
        };
        let pace = Pace::new(self.limits.rate);
        let mut work = Work { embedder, space, dimension, pace, failures: 0, aside: Vec::new(), since_aside: tokio::time::Instant::now() };
        loop {
            match self.step(&mut work).await {
                Ok(true) => {}
                Ok(false) => {
                    if !work.aside.is_empty() && work.since_aside.elapsed() > ASIDE_FOR {
                        work.aside.clear();
                    }
                    sleep(IDLE).await;
                }
                Err(error) => {
                    work.failures += 1;
                    self.pause(work.failures, &error).await;
                }
            }
        }
    }

    /// The space of the present model.
    async fn enter(&self, embedder: &Arc<dyn Embedder>) -> Result<(SpaceId, usize), Unmade> {
        let space = embedder.space().await?;
        let dimension = space.dimension;
        let id = self.store.space(space.clone()).await?;
        self.spaces.write().insert(id, Known { space, embedder: Some(Arc::clone(embedder)) });
        *self.current.write() = Some(id);
        Ok((id, dimension))
    }

    /// Makes vectors of some memories; `false` where there are none that want one.
    async fn step(&self, work: &mut Work) -> Result<bool, Unmade> {
        let batch = work.embedder.batch().clamp(1, MOST);
        let limit = u32::try_from(batch).unwrap_or(u32::MAX);
        let mut wanting = self.store.wanting(limit, work.aside.clone()).await?;
        if wanting.is_empty() {
            wanting = self.store.outdated(work.space, limit, work.aside.clone()).await?;
        }
        if wanting.is_empty() {
            return Ok(false);
        }
        work.pace.wait().await;
        let made = match self.make(work, wanting.clone()).await {
            Err(error) if wanting.len() > 1 && (error.is_about_a_text() || work.failures >= TRIES) => self.one_by_one(work, wanting).await,
            Err(error) if wanting.len() == 1 && (error.is_about_a_text() || work.failures >= TRIES) => {
                Self::set_aside(work, &wanting, &error);
                if error.is_about_a_text() { Ok(()) } else { Err(error) }
            }
            made => made,
        };
        made?;
        work.failures = 0;
        *self.problem.lock() = None;
        Ok(true)
    }

    /// A text that no vector can be made of must not keep the others from theirs.
    async fn one_by_one(&self, work: &mut Work, wanting: Vec<Wanting>) -> Result<(), Unmade> {
        for one in wanting {
            work.pace.wait().await;
            if let Err(error) = self.make(work, vec![one.clone()]).await {
                Self::set_aside(work, &[one], &error);
                if !error.is_about_a_text() {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn set_aside(work: &mut Work, wanting: &[Wanting], error: &Unmade) {
        if work.aside.len() + wanting.len() > ASIDE {
            work.aside.clear();
        }
        work.since_aside = tokio::time::Instant::now();
        for Wanting { memory, .. } in wanting {
            log::warn!("no vector can be made of memory {memory}, it is tried again later: {}", chain(error));
            work.aside.push(*memory);
        }
    }

    /// Makes vectors of these memories and keeps them.
    async fn make(&self, work: &mut Work, wanting: Vec<Wanting>) -> Result<(), Unmade> {
        let texts: Vec<String> = wanting.iter().map(text).filter(|text| !text.is_empty()).map(str::to_owned).collect();
        let made = if texts.is_empty() { Vec::new() } else { work.embedder.embed(TextRole::Passage, &texts).await? };
        if made.len() != texts.len() || made.iter().any(|vector| vector.len() != work.dimension) {
            let (provider, dimension) = (work.embedder.model().to_owned(), work.dimension);
            let message = format!("it holds no vector of {dimension} numbers for each text");
            return Err(ModelError::Unreadable { provider, message }.into());
        }
        work.pace.made(texts.len());
        self.meter.lock().count(texts.len());
        let mut made = made.into_iter();
        let vectors = wanting.into_iter().map(|of| {
            let vector = if text(&of).is_empty() { None } else { made.next().map(|vector| Quantised::of(&vector)) };
            NewVector { of, vector }
        });
        self.store.put(work.space, vectors.collect()).await?;
        self.kept.notify_one();
        Ok(())
    }

    /// Waits longer the more often it failed.
    async fn pause(&self, failures: u32, error: &Unmade) {
        let told = chain(error);
        let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let pause = doubled.max(error.retry_after().unwrap_or_default()).min(LONGEST_PAUSE);
        // The first time, and then as the pauses grow; not every time.
        if failures.is_power_of_two() {
            log::warn!("no vectors of memories are made, tried again in {} s: {told}", pause.as_secs());
        }
        *self.problem.lock() = Some(match error {
            Unmade::Model(error) => error.to_string(),
            Unmade::Store(_) => error.to_string(),
        });
        sleep(pause).await;
    }
}

fn text(wanting: &Wanting) -> &str {
    cut(wanting.content.get("text").and_then(|text| text.as_str()).unwrap_or_default()).trim()
}
