//! What can go wrong, and its translation at this crate's edge.

use std::path::PathBuf;
use std::sync::Arc;

use core_types::StoreError;
use core_types::error::Source;
use derive_more::{Display, Error};
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use tokio::task::JoinError;
use uuid::Uuid;

/// Why a database could not be opened.
#[derive(Debug, Display, Error)]
pub enum OpenError {
    /// The SQLite file cannot be created, read or written.
    #[display("the database file {} cannot be opened for writing", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the database said.
        #[error(source)]
        source: Source,
    },
    /// The SQLite file is damaged or something else.
    #[display("{} is not a database, or is damaged", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the database said.
        #[error(source)]
        source: Source,
    },
    /// The database has a migration that this program does not know.
    #[display("the database was made by a newer version of this program: it has the migration {version}, which this one does not know")]
    Newer {
        /// The unknown migration.
        version: String,
    },
    /// The PostgreSQL URL cannot be read. The source is left out where it could show the password.
    #[display("the PostgreSQL URL cannot be read: {reason}")]
    BadUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// PostgreSQL does not answer, or not to this user.
    #[display("{place} cannot be reached")]
    Unreachable {
        /// Which database, without its password.
        place: String,
        /// What happened.
        #[error(source)]
        source: Source,
    },
    /// It is no database of elizaOS.
    #[display("{place} is no database of elizaOS 1.7.2: it has no table `{missing}`")]
    Foreign {
        /// Which database, without its password.
        place: String,
        /// A table that such a database has.
        missing: String,
    },
    /// Another server works on the same PostgreSQL database.
    #[display("another server uses {place}")]
    InUse {
        /// Which database, without its password.
        place: String,
    },
    /// The log that should be kept of a SQLite database cannot be.
    #[display("no log of the database can be kept")]
    Log {
        /// What happened.
        #[error(source)]
        source: Source,
    },
    /// A SQLite file goes on in a log, and no log is where that should be.
    #[display("{} has no log, although the database goes on in one, which is {lineage}", log.display())]
    Unmounted {
        /// The directory of the logs.
        log: PathBuf,
        /// Which log the database goes on in.
        lineage: String,
    },
    /// The write-ahead log of a SQLite file is damaged in what the log has that is kept of it. The log has what was committed, unless some
    /// of it is left.
    #[display(
        "{} is damaged in what the log in {} has already, so that the database may be a mixture of two states: of what was committed after \
         that it has not all, and may have some{}",
        wal.display(), log.display(),
        left.as_ref().map_or_else(String::new, |why| format!("; what the log has not yet could not be put into it: {why}"))
    )]
    Mixed {
        /// The write-ahead log.
        wal: PathBuf,
        /// The directory of the log that is kept.
        log: PathBuf,
        /// Why what the log had not yet could not be put into it; `None` where it has all that can be read.
        left: Option<String>,
    },
    /// A migration failed; the ones before it are in place.
    #[display("the database cannot be brought up to date")]
    Migration {
        /// What happened.
        #[error(source)]
        source: Source,
    },
    /// Anything else.
    #[display("the database cannot be opened")]
    Failed {
        /// What happened.
        #[error(source)]
        source: Source,
    },
}

/// What a unit of work fails with; the transaction is rolled back.
#[derive(Debug, Display, Error)]
pub(crate) enum Fault {
    /// A statement failed.
    #[display("a statement failed")]
    Query(#[error(source)] QueryError),
    /// A group of units of work could not be committed; this was one of them.
    #[display("the transaction could not be committed")]
    Commit(#[error(source)] Arc<QueryError>),
    /// What is stored, or was handed in, does not mean what it should.
    #[display("{_0}")]
    Defect(#[error(not(source))] String),
    /// What is stored in a column means nothing there. What that is nobody is told: it may be anything, also a secret.
    #[display("what is stored in {column}{} means nothing there", row.map_or_else(String::new, |row| format!(" of the row {row}")))]
    Meaningless {
        /// The table and the column.
        column: &'static str,
        /// The id of the row, where it is known.
        row: Option<Uuid>,
    },
}

impl Fault {
    /// The same of the row with this id.
    pub(crate) fn of(self, row: Uuid) -> Self {
        match self {
            Self::Meaningless { column, .. } => Self::Meaningless { column, row: Some(row) },
            other => other,
        }
    }
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let class = match &fault {
            Fault::Query(error) => classify(error),
            Fault::Commit(error) => classify(error),
            Fault::Defect(_) | Fault::Meaningless { .. } => Class::Defect,
        };
        match class {
            Class::Unavailable => Self::Unavailable(Box::new(fault)),
            Class::ReadOnly => Self::ReadOnly(Box::new(fault)),
            Class::Defect => Self::Defect(Box::new(fault)),
        }
    }
}

/// A unit of work that is rolled back: because it failed, or because its answer is that nothing is written.
#[derive(Debug)]
pub(crate) enum Undo<T> {
    /// It failed.
    Fault(Fault),
    /// This is the answer.
    Answer(T),
}

impl<T> From<QueryError> for Undo<T> {
    fn from(error: QueryError) -> Self {
        Self::Fault(error.into())
    }
}

impl<T> From<Fault> for Undo<T> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The answer of a unit of work, whether it was written or undone.
pub(crate) fn settled<T>(result: Result<T, Undo<T>>) -> Result<T, StoreError> {
    match result {
        Ok(answer) | Err(Undo::Answer(answer)) => Ok(answer),
        Err(Undo::Fault(fault)) => Err(fault.into()),
    }
}

/// What it means that a task which worked on the database did not end by itself.
pub(crate) fn cut_short(error: JoinError) -> StoreError {
    if error.is_panic() { StoreError::Defect(Box::new(error)) } else { StoreError::Unavailable(Box::new(error)) }
}

enum Class {
    Unavailable,
    ReadOnly,
    Defect,
}

/// Neither driver passes its database's error code on, so that some conditions are known by their text alone. The texts
/// are SQLite's result strings and PostgreSQL's untranslated messages.
fn classify(error: &QueryError) -> Class {
    const UNAVAILABLE: [&str; 9] = [
        "database is locked",
        "database table is locked",
        "unable to open database file",
        "deadlock detected",
        "canceling statement due to",
        "terminating connection due to",
        "the database system is",
        "too many clients",
        "remaining connection slots",
    ];
    const READ_ONLY: [&str; 5] =
        ["database or disk is full", "readonly database", "disk I/O error", "could not extend file", "No space left on device"];
    let (kind, information) = match error {
        QueryError::DatabaseError(kind, information) => (kind, information),
        QueryError::RollbackErrorOnCommit { commit_error, .. } => return classify(commit_error),
        // An earlier failure ended the transaction; the next one has a new connection.
        QueryError::BrokenTransactionManager | QueryError::NotInTransaction => return Class::Unavailable,
        _ => return Class::Defect,
    };
    let says = |texts: &[&str]| texts.iter().any(|text| information.message().contains(text));
    match kind {
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::SerializationFailure => {
            Class::Unavailable
        }
        DatabaseErrorKind::ReadOnlyTransaction => Class::ReadOnly,
        _ if says(&UNAVAILABLE) => Class::Unavailable,
        _ if says(&READ_ONLY) => Class::ReadOnly,
        _ => Class::Defect,
    }
}

#[cfg(test)]
mod tests {
    use diesel::result::{DatabaseErrorKind, Error as QueryError};

    use super::{Class, classify};

    fn kind_of(kind: DatabaseErrorKind, message: &str) -> &'static str {
        match classify(&QueryError::DatabaseError(kind, Box::new(message.to_owned()))) {
            Class::Unavailable => "unavailable",
            Class::ReadOnly => "read-only",
            Class::Defect => "defect",
        }
    }

    #[test]
    fn a_database_error_becomes_the_choice_that_the_caller_has() {
        for (kind, message, expected) in [
            (DatabaseErrorKind::Unknown, "database is locked", "unavailable"),
            (DatabaseErrorKind::Unknown, "database or disk is full", "read-only"),
            (DatabaseErrorKind::Unknown, "attempt to write a readonly database", "read-only"),
            (DatabaseErrorKind::UnableToSendCommand, "connection closed", "unavailable"),
            (DatabaseErrorKind::Unknown, "deadlock detected", "unavailable"),
            (DatabaseErrorKind::Unknown, "canceling statement due to lock timeout", "unavailable"),
            (DatabaseErrorKind::ReadOnlyTransaction, "cannot execute INSERT", "read-only"),
            (DatabaseErrorKind::UniqueViolation, "UNIQUE constraint failed", "defect"),
            (DatabaseErrorKind::Unknown, "no such table: agents", "defect"),
        ] {
            assert_eq!(kind_of(kind, message), expected, "{message}");
        }
        for ended in [QueryError::BrokenTransactionManager, QueryError::NotInTransaction] {
            assert!(matches!(classify(&ended), Class::Unavailable), "{ended}");
        }
    }
}
