//! The advisory lock that keeps a second server off a database.

use std::time::Duration;

use diesel::sql_types::{BigInt, Bool};
use diesel::{QueryResult, QueryableByName};

use super::connect::Connector;
use super::{Conn, RunQueryDsl};
use crate::error::OpenError;

/// The lock's number: "doolittl" in ASCII.
const KEY: i64 = 0x646f_6f6c_6974_746c;
/// A server that was killed holds its lock until PostgreSQL notices; so long is waited for that.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(100);

/// The lock, held as long as its connection lives.
pub(super) struct Lock {
    conn: Conn,
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    granted: bool,
}

/// Takes the lock on a connection of its own.
pub(super) async fn take(connector: &Connector) -> Result<Lock, OpenError> {
    let mut conn = connector.connect_to_open().await?;
    // The connection says nothing for as long as the server runs.
    for _ in 0..TRIES {
        if try_take(&mut conn).await.map_err(|error| OpenError::Failed { source: Box::new(error) })? {
            return Ok(Lock { conn });
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(OpenError::InUse { place: connector.place().to_owned() })
}

async fn try_take(conn: &mut Conn) -> QueryResult<bool> {
    let answer: Answer = diesel::sql_query("SELECT pg_try_advisory_lock($1) AS granted").bind::<BigInt, _>(KEY).get_result(conn).await?;
    Ok(answer.granted)
}

impl Lock {
    /// Gives the lock back now, rather than when PostgreSQL notices that the connection is gone.
    pub(super) async fn release(mut self) {
        let released = diesel::sql_query("SELECT pg_advisory_unlock($1)").bind::<BigInt, _>(KEY).execute(&mut self.conn).await;
        if let Err(error) = released {
            log::warn!("the lock on the database goes with its connection: {error}");
        }
    }
}
