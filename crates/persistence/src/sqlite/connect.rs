//! Opening connections to a SQLite file.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::sqlite::Sqlite;
use diesel::{Connection, ConnectionError};

use super::{Conn, keeper, rewrite};
use crate::care::{self, CareError};
use crate::error::OpenError;
use crate::migrate::{self, State};
use crate::options::Options;

/// Commits are safe from a power cut from now on; so they are at first.
const SYNCED: &str = "PRAGMA synchronous = FULL;";
/// Commits are safe from the end of the process from now on. The next synced one makes them safe from a power cut too.
const WRITTEN: &str = "PRAGMA synchronous = NORMAL;";

/// When the write-ahead log has so many pages, it is moved into the file.
pub(super) const CHECKPOINT: u32 = 4_000;

/// What commits promise from now on. The log is moved into the file by synced ones alone: it is synced before that, and where this
/// fails with anything in it that was not, nobody would be told. Where a log is kept, the writer says when what is kept of it may go.
pub(super) fn commits(synced: bool, options: &Options) -> String {
    let (level, checkpoint) = if synced { (SYNCED, CHECKPOINT) } else { (WRITTEN, 0) };
    let checkpoint = if options.log.is_some() { 0 } else { checkpoint };
    format!("{level} PRAGMA wal_autocheckpoint = {checkpoint};")
}

/// Opens the connection that writes. The file is created where there is none, for its owner alone. What a sync before could not
/// write is written again.
pub(crate) fn for_writing(path: &Path, options: &Options) -> Result<Conn, OpenError> {
    writing(path, options, true)
}

/// The same where nothing was committed since the write-ahead log was written again.
pub(super) fn again(path: &Path, options: &Options) -> Result<Conn, OpenError> {
    writing(path, options, false)
}

fn writing(path: &Path, options: &Options, doubtful: bool) -> Result<Conn, OpenError> {
    create(path).map_err(|error| OpenError::Unwritable { path: path.to_path_buf(), source: Box::new(error) })?;
    let mut conn = connect(path)?;
    if doubtful {
        rewrite::log(path).map_err(|error| OpenError::Unwritable { path: path.to_path_buf(), source: Box::new(error) })?;
    }
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; {} PRAGMA foreign_keys = ON; \
         PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{}; \
         PRAGMA journal_size_limit = 67108864;",
        options.busy_timeout.as_millis(),
        commits(true, options),
        options.writer_cache_kib,
    ))
    .map_err(|error| refusal(path, &error.to_string(), Box::new(error)))?;
    Ok(conn)
}

/// Makes an empty file where there is none. SQLite gives the files that it puts beside it the same permissions.
fn create(path: &Path) -> io::Result<()> {
    let mut new = OpenOptions::new();
    new.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
    match new.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The settings of a connection that only reads.
pub(super) fn for_reading(options: &Options) -> String {
    format!(
        "PRAGMA busy_timeout = {}; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{};",
        options.busy_timeout.as_millis(),
        options.reader_cache_kib,
    )
}

/// The path as SQLite takes it. A relative one is made to start with `./`, so that none is read as a URI or as
/// `:memory:`.
pub(crate) fn address(path: &Path) -> Result<String, OpenError> {
    let plain = if path.is_absolute() { path.to_path_buf() } else { Path::new(".").join(path) };
    plain
        .into_os_string()
        .into_string()
        .map_err(|_| OpenError::Unwritable { path: path.to_path_buf(), source: "the path is not valid Unicode".into() })
}

fn connect(path: &Path) -> Result<Conn, OpenError> {
    Conn::establish(&address(path)?).map_err(|error| match error {
        ConnectionError::BadConnection(message) => refusal(path, &message.clone(), message.into()),
        other => refusal(path, &other.to_string(), Box::new(other)),
    })
}

/// Runs the migrations that are pending. Where no log is kept of what they write, one that was kept before is over.
pub(crate) fn migrate(path: &Path, conn: &mut Conn, is_logged: bool) -> Result<(), OpenError> {
    if !is_logged && migrate::status_of::<Sqlite, _>(conn, &migrate::SQLITE)?.iter().any(|status| status.state == State::Pending) {
        part_from_log(path)?;
    }
    migrate::bring_up::<Sqlite, _>(conn, &migrate::SQLITE).map_err(|error| match error {
        OpenError::Migration { source } => match refusal(path, &source.to_string(), source) {
            OpenError::Failed { source } => OpenError::Migration { source },
            refused => refused,
        },
        other => other,
    })
}

/// Which migrations the file has. A file that is not there has none, and is not made.
pub(crate) fn status(path: &Path) -> Result<Vec<migrate::Status>, OpenError> {
    if !path.exists() {
        return migrate::none_applied::<Sqlite>(&migrate::SQLITE);
    }
    // A connection that writes would move the write-ahead log into the file, of which a log may be kept.
    let applied = care::applied(path).map_err(|error| match error {
        CareError::Database { path, source } => refusal(&path, &source.to_string(), source),
        other => OpenError::Failed { source: Box::new(other) },
    })?;
    migrate::status_among::<Sqlite>(applied, &migrate::SQLITE)
}

/// Undoes the newest migration of the file.
pub(crate) fn revert(path: &Path) -> Result<String, OpenError> {
    part_from_log(path)?;
    migrate::revert_newest::<Sqlite, _>(&mut for_writing(path, &Options::default())?, &migrate::SQLITE)
}

fn part_from_log(path: &Path) -> Result<(), OpenError> {
    keeper::forget(path).map_err(|error| OpenError::Log { source: Box::new(error) })
}

/// The names of all migrations, oldest first.
pub(crate) fn names() -> Result<Vec<String>, OpenError> {
    migrate::names::<Sqlite>(&migrate::SQLITE)
}

/// What SQLite's refusal means to whoever opens the file; known by its text, since the code is not passed on.
fn refusal(path: &Path, said: &str, source: core_types::error::Source) -> OpenError {
    let path = path.to_path_buf();
    let says = |texts: &[&str]| texts.iter().any(|text| said.to_lowercase().contains(text));
    if says(&["not a database", "malformed"]) {
        OpenError::Corrupt { path, source }
    } else if says(&["unable to open", "readonly", "disk is full", "disk i/o error", "permission"]) {
        OpenError::Unwritable { path, source }
    } else {
        OpenError::Failed { source }
    }
}
