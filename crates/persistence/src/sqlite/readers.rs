//! The connections that read: one, and more as soon as reads wait for it. A semaphore keeps threads from waiting for a connection.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use core_types::{StoreError, StoreResult};
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error as PoolError, Pool};
use metrics::{Histogram, histogram};
use scheduled_thread_pool::ScheduledThreadPool;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{Conn, connect};
use crate::error::OpenError;
use crate::options::Options;

/// How long an idle connection is kept, for the memory that it holds.
const IDLE: Duration = Duration::from_mins(1);

/// How long a read waits for its turn before there is one more connection, which costs memory and a thread. Most reads take less.
const SOON: Duration = Duration::from_millis(2);

/// How many reads must wait at all before there is one more: more than a start has.
const OFTEN: usize = 32;

/// The pool of reading connections.
pub(super) struct Readers {
    pool: Pool<ConnectionManager<Conn>>,
    permits: Arc<Semaphore>,
    /// How many more reads than there are permits may go on at once.
    spare: AtomicUsize,
    /// How many reads have waited while there could be more permits.
    waits: AtomicUsize,
    patience: Duration,
    /// How long reads take.
    seconds: Histogram,
}

#[derive(Debug)]
struct ReadOnly {
    settings: String,
}

impl CustomizeConnection<Conn, PoolError> for ReadOnly {
    fn on_acquire(&self, conn: &mut Conn) -> Result<(), PoolError> {
        conn.batch_execute(&self.settings).map_err(PoolError::QueryError)
    }
}

impl Readers {
    /// Opens the pool with one connection.
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        let readers = options.readers.max(1);
        let pool = Pool::builder()
            .max_size(readers)
            // One idle would be one beside each that is in use.
            .min_idle(Some(0))
            .idle_timeout(Some(IDLE))
            .max_lifetime(None)
            // Connections are opened one after the other: it takes a moment, and happens as often as there are readers.
            .thread_pool(Arc::new(ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("sqlite-readers").build()))
            .connection_timeout(options.patience)
            .test_on_check_out(false)
            .connection_customizer(Box::new(ReadOnly { settings: connect::for_reading(options) }))
            .build(ConnectionManager::new(connect::address(path)?))
            .map_err(|error| OpenError::Failed { source: Box::new(error) })?;
        drop(pool.get().map_err(|error| OpenError::Failed { source: Box::new(error) })?);
        let spare = usize::try_from(readers).unwrap_or(Semaphore::MAX_PERMITS).saturating_sub(1);
        let seconds = histogram!("doolittle_database_seconds", "kind" => "read");
        Ok(Self {
            pool,
            permits: Arc::new(Semaphore::new(1)),
            spare: AtomicUsize::new(spare),
            waits: AtomicUsize::new(0),
            patience: options.patience,
            seconds,
        })
    }

    /// Runs a unit of work on a reading connection, on a thread that may block.
    pub(super) async fn run<T, E, F>(&self, work: F) -> StoreResult<Result<T, E>>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let permit = self.turn().await?;
        let pool = self.pool.clone();
        let seconds = self.seconds.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let answer = pool.get().map(|mut conn| work(&mut conn));
            seconds.record(began.elapsed());
            drop(permit);
            answer
        });
        reading.await.map_err(|error| StoreError::Defect(Box::new(error)))?.map_err(|error| StoreError::Unavailable(Box::new(error)))
    }

    /// Waits for a turn, within bounds. Where it does not come soon, or many had to wait, there is one permit more while there may be.
    async fn turn(&self) -> StoreResult<OwnedSemaphorePermit> {
        let closed = |closed| StoreError::Unavailable(Box::new(closed));
        if let Ok(turn) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(turn);
        }
        let mut turn = pin!(Arc::clone(&self.permits).acquire_owned());
        if self.spare.load(Ordering::Relaxed) > 0 {
            let is_often = (self.waits.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(OFTEN);
            if !is_often && let Ok(turn) = timeout(SOON, &mut turn).await {
                return turn.map_err(closed);
            }
            if self.spare.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spare| spare.checked_sub(1)).is_ok() {
                self.permits.add_permits(1);
            }
        }
        timeout(self.patience, turn).await.map_err(|elapsed| StoreError::Unavailable(Box::new(elapsed)))?.map_err(closed)
    }

    /// Refuses every later read.
    pub(super) fn close(&self) {
        self.permits.close();
    }
}

#[cfg(test)]
mod tests;
