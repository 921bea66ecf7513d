//! Each caller's own line: so many requests of one caller are worked on at once, so many more wait, in order, and the rest is refused.
//! So whoever floods the server waits behind itself and behind nobody else. The owner, whose server it is, has no line.

use std::collections::HashMap;
use std::sync::Arc;
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
    lines: Mutex<HashMap<String, Line>>,
}

struct Line {
    places: Arc<Semaphore>,
    /// How many are in it: those that are served, and those that wait.
    count: usize,
}

/// A place among the requests that are worked on. What it holds is given up before its line is left.
pub(crate) struct Served {
    _permit: Option<OwnedSemaphorePermit>,
    _line: InLine,
}

/// Keeps a caller's line for as long as somebody is in it.
struct InLine {
    lines: Arc<Lines>,
    name: String,
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
        let (places, count, line) = self.enter(caller.name());
        if let Ok(permit) = Arc::clone(&places).try_acquire_owned() {
            return Ok(Some(Served { _permit: Some(permit), _line: line }));
        }
        let place = count.saturating_sub(self.at_once);
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
        let permit = places.acquire_owned().await.ok();
        Ok(Some(Served { _permit: permit, _line: line }))
    }

    /// Puts one more into a caller's line. Returns how many are in it then.
    fn enter(self: &Arc<Self>, name: String) -> (Arc<Semaphore>, usize, InLine) {
        let mut lines = self.lines.lock();
        let line = lines.entry(name.clone()).or_insert_with(|| Line { places: Arc::new(Semaphore::new(self.at_once)), count: 0 });
        line.count += 1;
        (Arc::clone(&line.places), line.count, InLine { lines: Arc::clone(self), name })
    }
}

impl Drop for InLine {
    /// A line in which nobody is left is forgotten.
    fn drop(&mut self) {
        let mut lines = self.lines.lines.lock();
        if let Some(line) = lines.get_mut(&self.name) {
            line.count -= 1;
            if line.count == 0 {
                lines.remove(&self.name);
            }
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
        assert!(lines.lines.lock().is_empty(), "no line is left");
    }

    #[tokio::test]
    async fn whoever_gives_up_waiting_is_in_no_line_any_more() {
        let lines = Lines::new(1);
        let caller = caller("one");
        let served = lines.turn(&caller).now_or_never().unwrap().unwrap();
        for _ in 0..2 * limits::CALLER_WAITING {
            let mut waiting = Box::pin(lines.turn(&caller));
            assert!(waiting.as_mut().now_or_never().is_none(), "those who gave up are in nobody's way");
        }
        let mut last = Box::pin(lines.turn(&caller));
        assert!(last.as_mut().now_or_never().is_none());
        drop(served);
        assert_eq!(lines.lines.lock().len(), 1, "somebody waits still");
        drop(last);
        assert!(lines.lines.lock().is_empty(), "no line is left");
    }
}
