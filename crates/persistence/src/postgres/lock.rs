//! The advisory lock that keeps a second server off a database.

use std::time::Duration;

use core_types::error::chain;
use core_types::{StoreError, StoreResult};
use diesel::sql_types::{BigInt, Bool, Integer, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::SimpleAsyncConnection as _;
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

/// The lock, held as long as its connection lives.
pub(super) struct Lock {
    conn: Conn,
    session: Session,
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
    take_after(connector, None).await
}

/// Takes the lock, which a lost session of our own may still hold.
async fn take_after(connector: &Connector, lost: Option<&Session>) -> Result<Lock, OpenError> {
    let failed = |error: diesel::result::Error| OpenError::Failed { source: Box::new(error) };
    let mut conn = connector.connect_to_open().await?;
    conn.batch_execute(KEEPALIVE).await.map_err(failed)?;
    if let Some(lost) = lost {
        end(&mut conn, lost).await.map_err(failed)?;
    }
    // The connection says nothing between two questions whether it is still there.
    for _ in 0..TRIES {
        if try_take(&mut conn).await.map_err(failed)? {
            let session = session_of(&mut conn).await.map_err(failed)?;
            return Ok(Lock { conn, session });
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
    /// Makes sure of the lock: over a new connection where the old one is lost. `false` where another server has it.
    pub(super) async fn hold(&mut self, connector: &Connector) -> StoreResult<bool> {
        let asked = timeout(ANSWER, session_of(&mut self.conn)).await;
        let lost = match asked {
            Ok(Ok(_)) => return Ok(true),
            Ok(Err(error)) => chain(&error),
            Err(elapsed) => elapsed.to_string(),
        };
        log::warn!("the connection that holds the lock on the database is lost: {lost}");
        match timeout(ANSWER, take_after(connector, Some(&self.session))).await {
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
        let released = diesel::sql_query("SELECT pg_advisory_unlock($1)").bind::<BigInt, _>(KEY).execute(&mut self.conn).await;
        if let Err(error) = released {
            log::warn!("the lock on the database goes with its connection: {error}");
        }
    }
}
