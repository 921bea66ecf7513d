//! Each caller's own line: so many requests of one caller are worked on at once, so many more wait, in order, and the rest is refused.
//! So whoever floods the server waits behind itself and behind nobody else. The owner, whose server it is, has no line.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use core_types::Caller;
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::errors::{ApiError, Code};
use crate::limits;

/// All lines with somebody in them.
pub(crate) struct Lines {
    /// How many of a caller are served at once.
    at_once: usize,
    lines: Mutex<HashMap<String, Arc<Line>>>,
}

struct Line {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A place among the requests that are worked on.
pub(crate) struct Served {
    lines: Arc<Lines>,
    name: String,
    permit: Option<OwnedSemaphorePermit>,
}

/// A place in a line.
struct Waiting<'l>(&'l AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Lines {
    /// Lines in which so many of a caller are served at once.
    pub(crate) fn new(at_once: usize) -> Arc<Self> {
        Arc::new(Self { at_once, lines: Mutex::default() })
    }

    /// Waits for a caller's turn.
    pub(crate) async fn turn(self: &Arc<Self>, caller: &Caller) -> Result<Option<Served>, ApiError> {
        if caller.credential().is_none() {
            return Ok(None);
        }
        let name = caller.name();
        let line = self.line(&name);
        let mut served = Served { lines: Arc::clone(self), name, permit: Arc::clone(&line.places).try_acquire_owned().ok() };
        if served.permit.is_none() {
            let place = line.waiting.fetch_add(1, Ordering::Relaxed) + 1;
            let _waiting = Waiting(&line.waiting);
            if place > limits::CALLER_WAITING {
                let message = format!(
                    "{} requests of this key are worked on and {} wait: send them one after the other",
                    self.at_once,
                    limits::CALLER_WAITING
                );
                return Err(ApiError::new(Code::RateLimitExceeded, message)
                    .retry_after(Duration::from_secs(1))
                    .detailed(json!({ "place": place })));
            }
            served.permit = Arc::clone(&line.places).acquire_owned().await.ok();
        }
        Ok(Some(served))
    }

    fn line(&self, name: &str) -> Arc<Line> {
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get(name) {
            return Arc::clone(line);
        }
        let line = Arc::new(Line { places: Arc::new(Semaphore::new(self.at_once)), waiting: AtomicUsize::new(0) });
        lines.insert(name.to_owned(), Arc::clone(&line));
        line
    }
}

impl Drop for Served {
    /// A line in which nobody is left is forgotten.
    fn drop(&mut self) {
        drop(self.permit.take());
        let mut lines = self.lines.lines.lock();
        let left =
            lines.get(&self.name).is_some_and(|line| line.places.available_permits() == self.lines.at_once && Arc::strong_count(line) == 1);
        if left {
            lines.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use core_types::{Credential, Permission, Reach, Tenant};
    use futures_util::FutureExt as _;

    use super::*;

    fn caller(name: &str) -> Caller {
        let reach = Reach { tenant: Tenant::new(name).unwrap(), servers: Vec::new(), person: None };
        Caller::tenant(Arc::new(Credential { key: None, permissions: vec![Permission::AgentsRead], reach, expires_at: None }))
    }

    #[tokio::test]
    async fn a_flood_waits_behind_itself_and_its_end_is_refused() {
        let lines = Lines::new(limits::CALLER_AT_ONCE);
        let (flood, other) = (caller("flood"), caller("other"));
        let mut served = Vec::new();
        for _ in 0..limits::CALLER_AT_ONCE {
            served.push(lines.turn(&flood).now_or_never().unwrap().unwrap());
        }
        let mut waiting: Vec<_> = (0..limits::CALLER_WAITING).map(|_| Box::pin(lines.turn(&flood))).collect();
        for turn in &mut waiting {
            assert!(turn.as_mut().now_or_never().is_none());
        }
        let refused = lines.turn(&flood).now_or_never().unwrap().err().unwrap();
        assert!(refused.body()["error"]["details"]["place"].as_u64() > u64::try_from(limits::CALLER_WAITING).ok());
        // Nobody else waits for them.
        assert!(lines.turn(&other).now_or_never().unwrap().unwrap().is_some());
        assert!(lines.turn(&Caller::owner()).now_or_never().unwrap().unwrap().is_none());
        served.pop();
        assert!(waiting.remove(0).now_or_never().unwrap().unwrap().is_some());
        drop((served, waiting));
        drop(lines.turn(&flood).now_or_never().unwrap().unwrap());
        assert!(lines.lines.lock().is_empty(), "no line is left");
    }
}
