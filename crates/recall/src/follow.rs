//! Keeping the vectors in memory as the store has them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use core_types::StoreResult;
use core_types::error::chain;
use tokio::time::{Instant, sleep, timeout};

use crate::recall::{Known, Recall};

/// Rows that are read at once.
const PAGE: u32 = 2_000;
/// How often the store is asked for what is new, and for what is gone.
const EVERY: Duration = Duration::from_secs(1);
/// The pause after the store did not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// A note of a going may come so much later than one behind it, where several writers are at work: so long places are read again.
const LATE: Duration = Duration::from_secs(10);
/// So many notes of goings are kept, for other servers over the same database.
const NOTES: i64 = 100_000;

/// How far the store has been read.
pub(crate) struct Read {
    vectors: i64,
    gone: i64,
    /// Up to here notes of goings are forgotten.
    forgotten: i64,
    /// Places that were reached, and when.
    reached: VecDeque<(Instant, i64)>,
}

impl Default for Read {
    fn default() -> Self {
        Self { vectors: i64::MIN, gone: 0, forgotten: 0, reached: VecDeque::new() }
    }
}

impl Recall {
    /// Loads all vectors and then follows what comes and goes, until it is dropped.
    pub(crate) async fn follow(&self) {
        // What goes while vectors are loaded may be loaded all the same, and must go afterwards.
        let gone = self.patiently(|| self.store.last_gone()).await;
        self.read.lock().await.gone = gone;
        self.patiently(|| self.learn_spaces()).await;
        let began = Instant::now();
        loop {
            match self.catch_up().await {
                Ok(()) if !self.loaded.swap(true, Ordering::AcqRel) => {
                    let vectors = self.vectors();
                    if vectors > 0 {
                        log::info!("{vectors} vectors of memories were loaded in {} ms", began.elapsed().as_millis());
                    }
                }
                Ok(()) => {}
                Err(error) => {
                    log::warn!("the vectors of memories cannot be followed and are tried again later: {}", chain(&error));
                    sleep(AFTER_FAILURE).await;
                }
            }
            // Whether the bell or the time comes first, the store is asked.
            let _ = timeout(EVERY, self.kept.notified()).await;
        }
    }

    async fn patiently<T, F: Future<Output = StoreResult<T>>>(&self, ask: impl Fn() -> F) -> T {
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(error) => {
                    log::warn!("the vectors of memories cannot be read and are tried again later: {}", chain(&error));
                    sleep(AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Which spaces there are, and by which models they can be searched.
    async fn learn_spaces(&self) -> StoreResult<()> {
        for (id, space) in self.store.spaces().await? {
            let embedders = std::sync::Arc::clone(&self.embedders);
            let wanted = space.clone();
            // A model may have to be read from a disk.
            let embedder = tokio::task::spawn_blocking(move || embedders.of_space(&wanted)).await.unwrap_or_default();
            self.spaces.write().entry(id).or_insert(Known { space, embedder });
        }
        Ok(())
    }

    /// Takes in what has come to the store, and lets go what has gone from it, up to now. [`Recall::run`] does so again and again.
    pub async fn catch_up(&self) -> StoreResult<()> {
        let read = &mut *self.read.lock().await;
        loop {
            let rows = self.store.since(read.vectors, PAGE).await?;
            let is_last = rows.len() < PAGE as usize;
            if let Some(last) = rows.last() {
                read.vectors = last.number;
            }
            self.index.add(rows);
            if is_last {
                break;
            }
            tokio::task::yield_now().await;
        }
        let mut place = read.gone;
        loop {
            let gone = self.store.gone(place, PAGE).await?;
            self.index.remove(&gone);
            if let Some(last) = gone.last() {
                place = last.place;
            }
            if gone.len() < PAGE as usize {
                break;
            }
        }
        read.reached.push_back((Instant::now(), place));
        while let Some((when, place)) = read.reached.front().copied()
            && when.elapsed() > LATE
        {
            read.gone = read.gone.max(place);
            read.reached.pop_front();
        }
        let old = read.gone.saturating_sub(NOTES);
        // Some at a time, and not for every single one.
        if old - read.forgotten >= i64::from(PAGE) && self.store.forget_gone(old, PAGE).await? < PAGE {
            read.forgotten = old;
        }
        Ok(())
    }
}
