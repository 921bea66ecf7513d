//! Which database to open, and how.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use core_types::Clock;

/// A database product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SQLite, in a file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// Which database to open. `Display` and `Debug` never show a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// The SQLite database in this file; created where there is none, in a directory that exists.
    Sqlite(PathBuf),
    /// The PostgreSQL database at this `postgres://` URL. `sslmode` is `disable`, `prefer` (the default: encrypted where
    /// the server's certificate can be verified, else not), or `require`, `verify-ca` or `verify-full` (which all
    /// verify the certificate and the name).
    Postgres(String),
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "SQLite at {}", path.display()),
            Self::Postgres(url) => formatter.write_str(&crate::postgres::describe(url)),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Target({self})")
    }
}

/// A log of all that is committed, kept beside the database for the way back to a moment.
#[derive(Clone)]
pub struct LogOptions {
    /// The directory that it is kept in.
    pub dir: PathBuf,
    /// What time commits are given.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for LogOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LogOptions({})", self.dir.display())
    }
}

/// Bounds on what the store takes and holds.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a call waits for a place in the write queue or for a connection before it is `Unavailable`.
    pub patience: Duration,
    /// SQLite: how long a connection waits for another process's lock.
    pub busy_timeout: Duration,
    /// SQLite: the most jobs that wait for the writer.
    pub write_queue: usize,
    /// SQLite: the most connections that read at once.
    pub readers: u32,
    /// SQLite: the most KiB of pages that the writer caches.
    pub writer_cache_kib: u32,
    /// SQLite: the most KiB of pages that each reader caches.
    pub reader_cache_kib: u32,
    /// SQLite: the log that is kept; none where this is absent.
    pub log: Option<LogOptions>,
    /// PostgreSQL: the most connections, beside the one that holds the lock.
    pub connections: u32,
    /// PostgreSQL: the longest that a statement may take.
    pub statement_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(5),
            busy_timeout: Duration::from_secs(5),
            write_queue: 1024,
            readers: 4,
            writer_cache_kib: 4096,
            reader_cache_kib: 1024,
            log: None,
            connections: 12,
            statement_timeout: Duration::from_secs(30),
        }
    }
}
