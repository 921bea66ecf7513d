//! The repositories on SQLite: plain functions, one writer, many readers.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use core_types::deliveries::DeliveryWorker;
use core_types::{Ids, StoreResult};
use diesel::RunQueryDsl;
use diesel::SqliteConnection as Conn;

use crate::error::OpenError;
use crate::options::Options;

/// A unit of work over a connection.
macro_rules! work {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($argument:tt)*) -> $answer:ty $body:block) => {
        $(#[$meta])* $vis fn $name($($argument)*) -> $answer $body
    };
}

/// Runs a query or another unit of work.
macro_rules! run {
    ($work:expr) => {
        $work
    };
}

/// Runs a unit of work in a transaction of its own and waits for its commit.
macro_rules! in_tx {
    ($db:expr, |$conn:ident| $work:expr) => {
        $db.writer.run(crate::sqlite::writer::Durability::Synced, move |$conn: &mut Conn| $work).await?
    };
}

/// The same for what a power cut may undo, since it is then done again.
macro_rules! in_passing_tx {
    ($db:expr, |$conn:ident| $work:expr) => {
        $db.writer.run(crate::sqlite::writer::Durability::Written, move |$conn: &mut Conn| $work).await?
    };
}

/// Runs a unit of work that reads with one statement.
macro_rules! in_read {
    ($db:expr, |$conn:ident| $work:expr) => {
        $db.readers.run(move |$conn: &mut Conn| $work).await?
    };
}

/// Runs a unit of work that reads with several statements, which all see the same state.
macro_rules! in_snapshot {
    ($db:expr, |$conn:ident| $work:expr) => {
        $db.readers.run(move |conn: &mut Conn| diesel::Connection::transaction(conn, |$conn| $work)).await?
    };
}

/// The end of a choice of rows to delete, by the table's name in it; there is only one writer.
macro_rules! passing_over_locked {
    ($table:literal) => {
        ""
    };
}

/// A table with this database's types.
macro_rules! table {
    ($($table:tt)*) => {
        diesel::table! {
            use diesel::sql_types::*;
            use crate::sqlite::types::{IdSql, JsonSql};
            $($table)*
        }
    };
}

/// How many bytes a column of JSON has, as a piece of SQL. Only the heads of the rows are read for it.
macro_rules! json_bytes {
    ($column:literal) => {
        concat!("octet_length(", $column, ")")
    };
}

/// A key of a JSON object as the text of its value, or null.
macro_rules! json_key {
    ($column:literal, $key:expr) => {
        diesel::dsl::sql::<diesel::sql_types::Nullable<diesel::sql_types::Text>>(concat!($column, " -> "))
            .bind::<diesel::sql_types::Text, _>($key)
    };
}

#[path = "../repos/access.rs"]
mod access;
#[path = "../repos/agents.rs"]
mod agents;
mod along;
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
mod keeper;
#[path = "../repos/keys.rs"]
mod keys;
#[path = "../repos/keywords.rs"]
mod keywords;
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
mod readers;
#[path = "../repos/reflection.rs"]
mod reflection;
mod rewrite;
#[path = "../repos/rooms.rs"]
mod rooms;
pub(crate) mod rows;
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
mod wal;
mod words;
#[path = "../repos/worlds.rs"]
mod worlds;
mod writer;
mod writes;

/// An open SQLite database.
pub(crate) struct Db {
    writer: writer::Writer,
    readers: readers::Readers,
    ids: Arc<dyn Ids>,
    /// Whether there may be memories that are not findable yet.
    unindexed: AtomicBool,
}

impl Db {
    /// Opens the file, brings it up to date and starts the writer.
    pub(crate) async fn open(path: PathBuf, options: Options, ids: Arc<dyn Ids>) -> Result<Self, OpenError> {
        let naming = Arc::clone(&ids);
        let opened = tokio::task::spawn_blocking(move || {
            // A log is made of what is on the disk, also where the last sync of an earlier process has failed.
            let rewritten = if options.log.is_some() { rewrite::log(&path) } else { Ok(()) };
            rewritten.map_err(|error| OpenError::Unwritable { path: path.clone(), source: Box::new(error) })?;
            let mut keeper = options.log.as_ref().map(|log| keeper::Keeper::begin(&path, log, naming)).transpose()?;
            let mut conn = connect::for_writing(&path, &options)?;
            let held = keeper.as_mut().map_or(Ok(()), keeper::Keeper::hold);
            held.map_err(|error| OpenError::Log { source: Box::new(error) })?;
            connect::migrate(&path, &mut conn, options.log.is_some())?;
            let readers = readers::Readers::open(&path, &options)?;
            let writer = writer::Writer::start(conn, path, options, keeper)?;
            Ok((writer, readers))
        });
        let (writer, readers) = opened.await.map_err(|error| OpenError::Failed { source: Box::new(error) })??;
        Ok(Self { writer, readers, ids, unindexed: AtomicBool::new(true) })
    }

    /// Has deliveries claimed for this worker along with what makes them due.
    pub(crate) fn claims_along(&self, worker: Weak<dyn DeliveryWorker>) -> bool {
        self.writer.attend(worker);
        true
    }

    /// Makes what was committed a part of the log that is kept, where one is.
    pub(crate) async fn keep_log(&self) -> StoreResult<()> {
        self.writer.keep().await
    }

    /// Commits what is queued, moves the write-ahead log into the file and stops the writer.
    pub(crate) async fn close(&self) {
        self.readers.close();
        self.writer.close().await;
    }
}
