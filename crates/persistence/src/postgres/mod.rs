//! The repositories on PostgreSQL: async functions over a pool of connections, without libpq.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;

use core_types::deliveries::DeliveryWorker;
use core_types::{Ids, StoreError, StoreResult};
use diesel_async::AsyncPgConnection as Conn;
use diesel_async::RunQueryDsl;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use tokio::sync::Mutex;

use crate::error::OpenError;
use crate::options::Options;

/// A unit of work over a connection.
macro_rules! work {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($argument:tt)*) -> $answer:ty $body:block) => {
        $(#[$meta])* $vis async fn $name($($argument)*) -> $answer $body
    };
}

/// Runs a query or another unit of work.
macro_rules! run {
    ($work:expr) => {
        $work.await
    };
}

/// Runs a unit of work in a transaction of its own and waits for its commit. It goes on where the caller stops waiting: a
/// connection that came back in the middle would keep its locks. Nothing is begun, and nothing committed, while another server may work
/// on the database. A connection on which it was refused, since nothing may be written there, is noted to be replaced.
macro_rules! in_tx {
    ($db:expr, |$conn:ident| $work:expr) => {{
        let (held, refusals) = ($db.sure_of_lock()?, $db.refusals.clone());
        let mut pooled = $db.connection().await?;
        let running = tokio::spawn(async move {
            let conn: &mut Conn = &mut pooled;
            let done = diesel_async::AsyncConnection::transaction(conn, async move |$conn: &mut Conn| held.still($work.await)).await;
            refusals.note(&done);
            done
        });
        running.await.map_err(crate::error::cut_short)?
    }};
}

/// The same for what a power cut may undo, since it is then done again. Saying so would cost here what it saves.
macro_rules! in_passing_tx {
    ($($tx:tt)*) => {
        in_tx!($($tx)*)
    };
}

/// Runs a unit of work that reads with one statement.
macro_rules! in_read {
    ($db:expr, |$conn:ident| $work:expr) => {{
        let mut pooled = $db.connection().await?;
        let $conn: &mut Conn = &mut pooled;
        $work.await
    }};
}

/// Runs a unit of work that reads with several statements, which all see the same state; to its end, like `in_tx!`.
macro_rules! in_snapshot {
    ($db:expr, |$conn:ident| $work:expr) => {{
        let mut pooled = $db.connection().await?;
        let running = tokio::spawn(async move {
            let conn: &mut Conn = &mut pooled;
            conn.build_transaction().read_only().repeatable_read().run(async move |$conn: &mut Conn| $work.await).await
        });
        running.await.map_err(crate::error::cut_short)?
    }};
}

/// The end of a choice of rows to delete, by the table's name in it: what somebody else has locked is passed over, since that
/// one may be waiting for another of these rows.
macro_rules! passing_over_locked {
    ($table:literal) => {
        concat!(" FOR UPDATE OF ", $table, " SKIP LOCKED")
    };
}

/// A table with this database's types.
macro_rules! table {
    ($($table:tt)*) => {
        diesel::table! {
            use diesel::sql_types::*;
            use crate::postgres::types::{IdSql, JsonSql};
            $($table)*
        }
    };
}

/// How many bytes a column of JSON has, as a piece of SQL.
macro_rules! json_bytes {
    ($column:literal) => {
        concat!("octet_length(", $column, "::text)")
    };
}

/// A key of a JSON object as the text of its value, or null.
macro_rules! json_key {
    ($column:literal, $key:expr) => {
        diesel::dsl::sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>(concat!("(", $column, " -> "))
            .bind::<diesel::sql_types::Text, _>($key)
            .sql(")::text")
    };
}

#[path = "../repos/access.rs"]
mod access;
#[path = "../repos/agents.rs"]
mod agents;
#[path = "../repos/channels.rs"]
mod channels;
#[path = "../repos/claims.rs"]
mod claims;
#[path = "../repos/columns.rs"]
mod columns;
pub(crate) mod connect;
#[path = "../repos/deliveries.rs"]
mod deliveries;
#[path = "../repos/edits.rs"]
mod edits;
#[path = "../repos/events.rs"]
mod events;
#[path = "../repos/finish.rs"]
mod finish;
#[path = "../repos/gone.rs"]
mod gone;
#[path = "../repos/idempotency.rs"]
mod idempotency;
#[path = "../repos/jobs.rs"]
mod jobs;
#[path = "../repos/keys.rs"]
mod keys;
#[path = "../repos/keywords.rs"]
mod keywords;
mod lock;
#[path = "../repos/media.rs"]
mod media;
#[path = "../repos/members.rs"]
mod members;
#[path = "../repos/memories.rs"]
mod memories;
#[path = "../repos/messages.rs"]
mod messages;
#[path = "../repos/moving.rs"]
mod moving;
#[path = "../repos/plane.rs"]
mod plane;
#[path = "../repos/prepared.rs"]
mod prepared;
mod queue;
#[path = "../repos/reflection.rs"]
mod reflection;
mod refusals;
#[path = "../repos/rooms.rs"]
mod rooms;
#[path = "../repos/runs.rs"]
mod runs;
#[path = "../repos/schema.rs"]
mod schema;
#[path = "../repos/search.rs"]
mod search;
#[path = "../repos/servers.rs"]
mod servers;
#[path = "../repos/sessions.rs"]
mod sessions;
#[path = "../repos/thinning.rs"]
mod thinning;
mod types;
#[path = "../repos/vectors.rs"]
mod vectors;
mod words;
#[path = "../repos/worlds.rs"]
mod worlds;
mod writes;

pub(crate) use connect::describe;

/// An open PostgreSQL database.
pub(crate) struct Db {
    pool: Pool<Conn>,
    connector: connect::Connector,
    patience: Duration,
    lock: Mutex<Option<lock::Lock>>,
    held: lock::Held,
    refusals: refusals::Refusals,
    ids: Arc<dyn Ids>,
    /// Whether there may be memories that are not findable yet.
    unindexed: AtomicBool,
}

impl Db {
    /// Connects, takes the lock and brings the database up to date.
    pub(crate) async fn open(url: &str, options: &Options, ids: Arc<dyn Ids>) -> Result<Self, OpenError> {
        let connector = connect::Connector::probe(url).await?;
        let lock = lock::take(&connector).await?;
        connect::migrate(connector.connect_to_open().await?).await?;
        let refusals = refusals::Refusals::default();
        let pool = connector.clone().pool(options, refusals.clone())?;
        let held = lock.held();
        let (patience, lock, unindexed) = (options.patience, Mutex::new(Some(lock)), AtomicBool::new(true));
        Ok(Self { pool, connector, patience, lock, held, refusals, ids, unindexed })
    }

    /// How the connections are protected, for a person.
    pub(crate) const fn transport(&self) -> &'static str {
        self.connector.transport()
    }

    /// Whether this server still has the lock. Where its connection was lost, the lock is taken again; `false` where
    /// another server was faster.
    pub(crate) async fn still_owner(&self) -> StoreResult<bool> {
        let mut slot = self.lock.lock().await;
        let Some(lock) = slot.as_mut() else { return Err(StoreError::Unavailable("the database is closed".into())) };
        lock.hold(&self.connector).await
    }

    /// Here each transaction has a connection of its own, and a claim within it would keep the locks of what others wait for.
    #[expect(clippy::unused_self, reason = "SQLite's has a use for it")]
    pub(crate) fn claims_along(&self, _worker: Weak<dyn DeliveryWorker>) -> bool {
        false
    }

    /// Fails where nobody knows that the lock is held.
    fn sure_of_lock(&self) -> StoreResult<lock::Held> {
        let lost = || StoreError::Unavailable("the connection that holds the lock on the database is lost".into());
        if self.held.is_sure() { Ok(self.held.clone()) } else { Err(lost()) }
    }

    async fn connection(&self) -> StoreResult<Object<Conn>> {
        tokio::time::timeout(self.patience, self.pool.get())
            .await
            .map_err(|elapsed| StoreError::Unavailable(Box::new(elapsed)))?
            .map_err(|error| StoreError::Unavailable(Box::new(error)))
    }

    /// Takes no more work and gives the lock back.
    pub(crate) async fn close(&self) {
        self.pool.close();
        if let Some(lock) = self.lock.lock().await.take() {
            lock.release().await;
        }
    }
}
