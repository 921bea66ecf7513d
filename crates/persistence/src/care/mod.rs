//! Care of a SQLite file: copying it while a server works on it, checking it, mending what is derived, and putting what was
//! logged since a copy into that copy.
//!
//! All of this goes on connections of its own, beside the store's, and blocks: call it where blocking is fine. No connection of
//! these moves the write-ahead log into the file, so that whoever keeps the log misses nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use core_types::error::Source;
use derive_more::{Display, Error};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

mod check;
mod copy;
pub(crate) mod log;
mod mend;

pub use check::{Check, Checked, KnownFile, Problem, check, known_files};
pub use copy::{Copied, copy};
pub use log::{Replayed, forget_log, log_of, log_place, replay};
pub use mend::{forget_vectors, forget_words, reindex};

/// How long a connection waits for another one's lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a file could not be cared for.
#[derive(Debug, Display, Error)]
pub enum CareError {
    /// SQLite refused.
    #[display("the database {} cannot be worked on", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[error(source)]
        source: Source,
    },
    /// A file cannot be read or written.
    #[display("{} cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[error(source)]
        source: Source,
    },
    /// What is in a file does not mean anything.
    #[display("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl CareError {
    pub(crate) fn database(path: &Path) -> impl Fn(rusqlite::Error) -> Self + '_ {
        move |error| Self::Database { path: path.to_path_buf(), source: Box::new(error) }
    }

    pub(crate) fn file(path: &Path) -> impl Fn(std::io::Error) -> Self + '_ {
        move |error| Self::File { path: path.to_path_buf(), source: Box::new(error) }
    }
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Others may work on it meanwhile.
    Shared,
    /// Nobody does, and nothing is written, not even beside it.
    Frozen,
}

fn open(path: &Path, access: Access) -> Result<Connection, CareError> {
    let failed = CareError::database(path);
    let plain =
        crate::sqlite::connect::address(path).map_err(|error| CareError::Database { path: path.to_path_buf(), source: Box::new(error) })?;
    let conn = match access {
        Access::Shared => Connection::open_with_flags(plain, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX),
        Access::Frozen => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_with_flags(format!("file:{}?immutable=1", escaped(&plain)), flags)
        }
    };
    let conn = conn.map_err(&failed)?;
    conn.busy_timeout(PATIENCE).map_err(&failed)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(&failed)?;
    conn.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = ON;").map_err(&failed)?;
    Ok(conn)
}

/// A connection that keeps the write-ahead log where it is, also when all others end: it does not move it, and the last one would.
pub(crate) fn hold(path: &Path) -> Result<Connection, CareError> {
    let conn = open(path, Access::Shared)?;
    // It counts once it has read.
    schema_of(&conn).map_err(CareError::database(path))?;
    Ok(conn)
}

/// A path within a URI.
fn escaped(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// The newest migration that the file has, such as `0007`; `None` where it has none. Changes nothing.
pub fn schema(path: &Path) -> Result<Option<String>, CareError> {
    schema_of(&open(path, Access::Shared)?).map_err(CareError::database(path))
}

/// The migrations that the file has, newest first. Changes nothing.
pub(crate) fn applied(path: &Path) -> Result<Vec<String>, CareError> {
    let failed = CareError::database(path);
    let conn = open(path, Access::Shared)?;
    if schema_of(&conn).map_err(&failed)?.is_none() {
        return Ok(Vec::new());
    }
    let mut statement = conn.prepare("SELECT version FROM __diesel_schema_migrations ORDER BY version DESC").map_err(&failed)?;
    let versions = statement.query_map([], |row| row.get(0)).map_err(&failed)?;
    versions.collect::<Result<_, _>>().map_err(&failed)
}

fn schema_of(conn: &Connection) -> rusqlite::Result<Option<String>> {
    let known = "SELECT count(*) FROM sqlite_schema WHERE name = '__diesel_schema_migrations'";
    if conn.query_row(known, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(None);
    }
    conn.query_row("SELECT max(version) FROM __diesel_schema_migrations", [], |row| row.get(0))
}
