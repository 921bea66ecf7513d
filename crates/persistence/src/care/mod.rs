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
use rusqlite::{Connection, ErrorCode, OpenFlags};

mod check;
mod copy;
pub(crate) mod log;
mod look;
mod mend;
mod replay;
mod sealed;
mod times;

pub use check::{Check, Checked, KnownFile, Problem, check, known_files};
pub use copy::{Copied, copy};
pub use log::{forget_log, log_of, log_place};
pub use look::{CheckedLog, LaterLog, Stretch, check_log, later_log};
pub use mend::{forget_vectors, forget_words, reindex};
pub use replay::{LeftOut, Replayed, replay};
pub use sealed::sealed;
pub use times::Disorder;

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
    /// Some of it is in the write-ahead log beside it, which SQLite cannot read where it can write nothing there.
    #[display("the last commits of the database {} are beside it in its -wal file, which can only be read where something can be written", path.display())]
    Unsettled {
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
    /// Others may work on it meanwhile. Where nothing can be written beside it, nobody does, and it is taken for frozen if all of it is in
    /// the file.
    Shared,
    /// Nobody does, and nothing is written, not even beside it.
    Frozen,
}

fn open(path: &Path, access: Access) -> Result<Connection, CareError> {
    Ok(open_as(path, access)?.0)
}

/// Opens a file, and tells as what.
fn open_as(path: &Path, access: Access) -> Result<(Connection, Access), CareError> {
    let conn = connect(path, access)?;
    if access == Access::Frozen {
        return Ok((conn, access));
    }
    // To read a database with a write-ahead log SQLite makes files beside it, if they are not there.
    match conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)) {
        Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) => {
            drop(conn);
            if has_commits_beside(path) {
                return Err(CareError::Unsettled { path: path.to_path_buf(), source: Box::new(error) });
            }
            Ok((connect(path, Access::Frozen)?, Access::Frozen))
        }
        // Whatever else is wrong is for those to tell who look at it.
        _ => Ok((conn, access)),
    }
}

fn connect(path: &Path, access: Access) -> Result<Connection, CareError> {
    let failed = CareError::database(path);
    let flags = match access {
        Access::Shared => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::Frozen => OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
    };
    let conn = Connection::open_with_flags(address(path, access)?, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(&failed)?;
    conn.busy_timeout(PATIENCE).map_err(&failed)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(&failed)?;
    conn.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = ON;").map_err(&failed)?;
    Ok(conn)
}

/// Whether the write-ahead log of a database may have what is not in the file.
fn has_commits_beside(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    match std::fs::metadata(wal) {
        Ok(metadata) => metadata.len() > 0,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

/// A file as SQLite takes it.
fn address(path: &Path, access: Access) -> Result<String, CareError> {
    let plain =
        crate::sqlite::connect::address(path).map_err(|error| CareError::Database { path: path.to_path_buf(), source: Box::new(error) })?;
    Ok(match access {
        Access::Shared => plain,
        Access::Frozen => format!("file:{}?immutable=1&mode=ro", escaped(&plain)),
    })
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;

    use super::*;

    /// A database with a row in the file, and another one in the write-ahead log beside it.
    fn unsettled(directory: &Path) -> PathBuf {
        let path = directory.join("kept.db");
        let conn = Connection::open(directory.join("live.db")).unwrap();
        conn.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE kept (id INTEGER); INSERT INTO kept VALUES (1); \
             PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO kept VALUES (2);",
        )
        .unwrap();
        for end in ["", "-wal"] {
            fs::copy(directory.join(format!("live.db{end}")), directory.join(format!("kept.db{end}"))).unwrap();
        }
        path
    }

    fn rows(conn: &Connection) -> i64 {
        conn.query_row("SELECT count(*) FROM kept", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn where_nothing_can_be_written_a_database_is_read_if_all_of_it_is_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = unsettled(directory.path());
        // Root may write everywhere, but nobody can make a file of this name.
        let in_the_way = directory.path().join("kept.db-shm");
        std::os::unix::fs::symlink("nowhere", &in_the_way).unwrap();
        let Err(CareError::Unsettled { .. }) = open(&path, Access::Shared) else { panic!("commits are passed over") };
        let Err(CareError::Unsettled { .. }) = copy(&path, &directory.path().join("copy.db"), || {}, |_, _| {}) else {
            panic!("commits are left out of a copy")
        };
        assert!(!directory.path().join("copy.db").exists());

        fs::remove_file(directory.path().join("kept.db-wal")).unwrap();
        assert_eq!(rows(&open(&path, Access::Shared).unwrap()), 1);
        let made = copy(&path, &directory.path().join("copy.db"), || {}, |_, _| {}).unwrap();
        assert_eq!(made.schema, None);
        assert_eq!(rows(&open(&directory.path().join("copy.db"), Access::Frozen).unwrap()), 1);
        assert_eq!(schema(&path).unwrap(), None);
    }

    #[test]
    fn where_something_can_be_written_what_is_beside_the_file_is_read_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = unsettled(directory.path());
        assert_eq!(rows(&open(&path, Access::Shared).unwrap()), 2);
        assert_eq!(rows(&open(&path, Access::Frozen).unwrap()), 1);
    }
}
