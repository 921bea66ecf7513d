//! The verbs `import` and `export`: moving in and out, while no server runs on the data directory.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::{MovingError, MovingPorts, Progress};
use persistence::Store;

use crate::exit::{Exit, Failure};

pub mod export;
pub mod import;
mod report;

/// How often it is told how far it is, where nobody watches a terminal.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// The same on a terminal.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// What moving works on.
fn ports(store: &Store) -> MovingPorts {
    MovingPorts {
        agents: store.agents(),
        secrets: store.secrets(),
        servers: store.servers(),
        channels: store.channels(),
        arrivals: store.arrivals(),
        belongings: store.belongings(),
    }
}

/// Tells on standard error how far it is, now and then.
fn progress() -> Progress {
    let every = if io::stderr().is_terminal() { SHOW_EVERY } else { TELL_EVERY };
    let last = Mutex::new(Instant::now());
    Arc::new(move |kind, count| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < every {
            return;
        }
        *last = Instant::now();
        // Nobody reads along; it goes on all the same.
        let _ = writeln!(io::stderr(), "{kind}: {count}");
    })
}

/// Why it ended early, with what to do about it.
fn failed(error: &MovingError, what_now: &str) -> Failure {
    let (exit, advice) = match error {
        MovingError::Store(_) => (Exit::Database, what_now),
        MovingError::Line { .. } | MovingError::CutOff { .. } | MovingError::Io(_) => (Exit::Failure, what_now),
        MovingError::Newer { .. } | MovingError::NoAgent | MovingError::Vault(_) => (Exit::Failure, ""),
    };
    Failure::of(exit, error, advice)
}
