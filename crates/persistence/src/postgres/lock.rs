//! The advisory lock that keeps a second server off a database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use core_types::error::chain;
use core_types::{StoreError, StoreResult};
use diesel::result::Error as QueryError;
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::SimpleAsyncConnection as _;
use diesel_async::pooled_connection::PoolableConnection as _;
use tokio::time::timeout;

use super::connect::Connector;
use super::{Conn, RunQueryDsl};
use crate::error::OpenError;

/// The lock's number: "doolittl" in ASCII.
const KEY: i64 = 0x646f_6f6c_6974_746c;
/// A server that was killed holds its lock until PostgreSQL notices; so long is waited for that.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);
/// How long the lock's connection may take to answer before it counts as lost.
const ANSWER: Duration = Duration::from_secs(5);
/// PostgreSQL notices within 20 s where the machine at the other end is gone, instead of hours.
const KEEPALIVE: &str = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 2";

/// Whether the lock is held, as far as is known here: the number of the connection that holds it, or 0. That follows the connection's end
/// at once, which nobody has to ask for.
#[derive(Clone, Default)]
pub(super) struct Held(Arc<AtomicU64>);

impl Held {
    /// Whether it is.
    pub(super) fn is_sure(&self) -> bool {
        AtomicU64::load(&self.0, Ordering::Acquire) != 0
    }

    /// What a unit of work is to end with, which is about to be committed: it is undone where somebody else may have the lock by now.
    pub(super) fn still<T, E: From<QueryError>>(&self, done: Result<T, E>) -> Result<T, E> {
        // To the caller that is a connection which is lost.
        if self.is_sure() { done } else { done.and(Err(QueryError::BrokenTransactionManager.into())) }
    }

    fn by(&self, connection: u64) {
        self.0.store(connection, Ordering::Release);
    }

    /// A later connection may hold it already.
    fn no_more_by(&self, connection: u64) {
        let _ = self.0.compare_exchange(connection, 0, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// The lock, held as long as its connection lives.
pub(super) struct Lock {
    conn: Conn,
    session: Session,
    /// The connection's number.
    number: u64,
    held: Held,
    /// Whether it has been told that the connection is lost.
    told: bool,
}

/// A session of PostgreSQL: the number of its process may be another's later, the two together not.
#[derive(QueryableByName)]
struct Session {
    #[diesel(sql_type = Integer)]
    pid: i32,
    #[diesel(sql_type = Text)]
    started: String,
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    granted: bool,
}

/// Takes the lock on a connection of its own.
pub(super) async fn take(connector: &Connector) -> Result<Lock, OpenError> {
    take_after(connector, None, Held::default()).await
}

/// Takes the lock, which a lost session of our own may still hold.
async fn take_after(connector: &Connector, lost: Option<&Session>, held: Held) -> Result<Lock, OpenError> {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let failed = |error: QueryError| OpenError::Failed { source: Box::new(error) };
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let ended = held.clone();
    let mut conn = connector.connect_to_hold(move || ended.no_more_by(number)).await?;
    conn.batch_execute(KEEPALIVE).await.map_err(failed)?;
    if let Some(lost) = lost {
        end(&mut conn, lost).await.map_err(failed)?;
    }
    for _ in 0..TRIES {
        if try_take(&mut conn).await.map_err(failed)? {
            let session = session_of(&mut conn).await.map_err(failed)?;
            let mut lock = Lock { conn, session, number, held, told: false };
            lock.note_held();
            return Ok(lock);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(OpenError::InUse { place: connector.place().to_owned() })
}

async fn try_take(conn: &mut Conn) -> QueryResult<bool> {
    let answer: Answer = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS granted").bind::<BigInt, _>(KEY).get_result(conn).await?;
    Ok(answer.granted)
}

async fn session_of(conn: &mut Conn) -> QueryResult<Session> {
    let own = "SELECT pid, backend_start::text AS started FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    diesel::sql_query(own).get_result(conn).await
}

/// Ends a session where it still is.
async fn end(conn: &mut Conn, Session { pid, started }: &Session) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2")
        .bind::<Integer, _>(*pid)
        .bind::<Text, _>(started)
        .execute(conn)
        .await?;
    Ok(())
}

impl Lock {
    /// Whether it is held, for whoever asks.
    pub(super) fn held(&self) -> Held {
        self.held.clone()
    }

    /// Notes that it is held. The connection may have ended just before, and then nothing else would take that back.
    fn note_held(&mut self) {
        self.told = false;
        self.held.by(self.number);
        if self.conn.is_broken() {
            self.held.no_more_by(self.number);
        }
    }

    /// Makes sure of the lock: over a new connection where the old one is lost. `false` where another server has it.
    pub(super) async fn hold(&mut self, connector: &Connector) -> StoreResult<bool> {
        let asked = timeout(ANSWER, diesel::sql_query("SELECT 1").execute(&mut self.conn)).await;
        let lost = match asked {
            Ok(Ok(_)) => {
                self.note_held();
                return Ok(true);
            }
            Ok(Err(error)) => chain(&error),
            Err(elapsed) => elapsed.to_string(),
        };
        self.held.no_more_by(self.number);
        if !self.told {
            log::warn!("the connection that holds the lock on the database is lost, and nothing is written until it is held again: {lost}");
        }
        self.told = true;
        match timeout(ANSWER, take_after(connector, Some(&self.session), self.held.clone())).await {
            Ok(Ok(lock)) => {
                *self = lock;
                Ok(true)
            }
            Ok(Err(OpenError::InUse { .. })) => Ok(false),
            Ok(Err(error)) => Err(StoreError::Unavailable(Box::new(error))),
            Err(elapsed) => Err(StoreError::Unavailable(Box::new(elapsed))),
        }
    }

    /// Gives the lock back now, rather than when PostgreSQL notices that the connection is gone.
    pub(super) async fn release(mut self) {
        self.held.no_more_by(self.number);
        let released = diesel::sql_query("SELECT pg_advisory_unlock($1)").bind::<BigInt, _>(KEY).execute(&mut self.conn).await;
        if let Err(error) = released {
            log::warn!("the lock on the database goes with its connection: {error}");
        }
    }
}
