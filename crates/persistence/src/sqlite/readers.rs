//! The connections that read. A semaphore as large as the pool keeps threads from waiting for a connection.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use core_types::{StoreError, StoreResult};
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error as PoolError, Pool};
use metrics::{Histogram, histogram};
use scheduled_thread_pool::ScheduledThreadPool;
use tokio::sync::Semaphore;

use super::{Conn, connect};
use crate::error::OpenError;
use crate::options::Options;

/// How long an idle connection is kept, for the memory that it holds.
const IDLE: Duration = Duration::from_mins(1);

/// The pool of reading connections.
pub(super) struct Readers {
    pool: Pool<ConnectionManager<Conn>>,
    permits: Arc<Semaphore>,
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
            .min_idle(Some(1))
            .idle_timeout(Some(IDLE))
            .max_lifetime(None)
            // Connections are opened one after the other: it takes a moment, and happens as often as there are readers.
            .thread_pool(Arc::new(ScheduledThreadPool::builder().num_threads(1).thread_name_pattern("sqlite-readers").build()))
            .connection_timeout(options.patience)
            .test_on_check_out(false)
            .connection_customizer(Box::new(ReadOnly { settings: connect::for_reading(options) }))
            .build(ConnectionManager::new(connect::address(path)?))
            .map_err(|error| OpenError::Failed { source: Box::new(error) })?;
        let permits = usize::try_from(readers).unwrap_or(Semaphore::MAX_PERMITS);
        let seconds = histogram!("doolittle_database_seconds", "kind" => "read");
        Ok(Self { pool, permits: Arc::new(Semaphore::new(permits)), patience: options.patience, seconds })
    }

    /// Runs a unit of work on a reading connection, on a thread that may block.
    pub(super) async fn run<T, E, F>(&self, work: F) -> StoreResult<Result<T, E>>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let permit = tokio::time::timeout(self.patience, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|elapsed| StoreError::Unavailable(Box::new(elapsed)))?
            .map_err(|closed| StoreError::Unavailable(Box::new(closed)))?;
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

    /// Refuses every later read.
    pub(super) fn close(&self) {
        self.permits.close();
    }
}
