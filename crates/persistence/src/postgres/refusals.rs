//! Sessions that may not write, and the others of their time.
//!
//! Whether a session may write is settled when it begins: PostgreSQL reads `default_transaction_read_only` then, and one that was made
//! to a server which has become another's standby stays with it. So a session that was refused a write goes on refusing when the
//! database can be written again, and so do the others of the pool. They are not given out any more, and new ones take their places.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::result::{DatabaseErrorKind, Error as QueryError};
use parking_lot::Mutex;

use crate::error::{Fault, Undo};

/// No more often than this the sessions are replaced, of which reading has no need, while nothing can be written.
const PAUSE: Duration = Duration::from_secs(1);

/// When a session was refused a write last, as far as that counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusals(Arc<Mutex<Option<Instant>>>);

impl Refusals {
    /// Takes note where a unit of work ended because its session may not write.
    pub(super) fn note<T, E: Failure>(&self, done: &Result<T, E>) {
        let failure = done.as_ref().err().and_then(E::query);
        if !failure.is_some_and(is_refusal) {
            return;
        }
        let now = Instant::now();
        let mut last = self.0.lock();
        if last.is_none_or(|last| now.duration_since(last) >= PAUSE) {
            log::debug!("PostgreSQL lets a session write nothing; all of them are replaced, since new ones may write");
            *last = Some(now);
        }
    }

    /// Whether a session that was made then may be one that is refused.
    pub(super) fn concern(&self, made: Instant) -> bool {
        self.0.lock().is_some_and(|last| made <= last)
    }
}

/// What a unit of work can fail with.
pub(super) trait Failure {
    /// What the database said, if it is that.
    fn query(&self) -> Option<&QueryError>;
}

impl Failure for QueryError {
    fn query(&self) -> Option<&QueryError> {
        Some(self)
    }
}

impl Failure for Fault {
    fn query(&self) -> Option<&QueryError> {
        match self {
            Self::Query(error) => Some(error),
            Self::Commit(error) => Some(error),
            Self::Defect(_) | Self::Meaningless { .. } => None,
        }
    }
}

impl<T> Failure for Undo<T> {
    fn query(&self) -> Option<&QueryError> {
        match self {
            Self::Fault(fault) => fault.query(),
            Self::Answer(_) => None,
        }
    }
}

/// Whether this is PostgreSQL's `read_only_sql_transaction` (25006).
fn is_refusal(error: &QueryError) -> bool {
    match error {
        QueryError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, _) => true,
        QueryError::RollbackErrorOnCommit { commit_error, .. } => is_refusal(commit_error),
        _ => false,
    }
}
