//! The way to a server that is there now and then.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use testkit::caller::{Answer, Caller, Request};
use tokio::sync::{RwLock, RwLockWriteGuard};
use tokio::time::{Instant, sleep};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause before something is asked for again.
const PAUSE: Duration = Duration::from_millis(5);

/// Where the server is, if it is. Who asks for something holds this for as long.
#[derive(Default)]
pub struct Link(RwLock<Option<SocketAddr>>);

impl Link {
    /// Waits until nobody asks for anything, and keeps it so.
    pub async fn hold(&self) -> RwLockWriteGuard<'_, Option<SocketAddr>> {
        self.0.write().await
    }

    /// Does something with the server, where it is there.
    pub async fn with<T>(&self, work: impl AsyncFnOnce(SocketAddr) -> Option<T>) -> Option<T> {
        let address = self.0.read().await;
        match *address {
            Some(address) => work(address).await,
            None => None,
        }
    }

    /// Asks until there is an answer: the same again, since a kill may fall before or after what was asked for.
    pub async fn answer(&self, request: &Request) -> Answer {
        loop {
            if let Some(answer) = self.with(async |address| attempt(address, request).await).await {
                return answer;
            }
            sleep(PAUSE).await;
        }
    }

    /// The same, of what can only be answered with one of these statuses.
    pub async fn done(&self, request: &Request, statuses: &[u16]) -> Answer {
        let answer = self.answer(request).await;
        assert!(statuses.contains(&answer.status), "{request:?}: {answer}");
        answer
    }
}

/// Reads something of a server that goes on, which may be slow on a machine that is busy with other things.
pub async fn read(caller: &Caller, path: &str) -> Answer {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = caller.get(path).await;
        if !matches!(answer.status, 408 | 503) || Instant::now() > end {
            assert_eq!(answer.status, 200, "{path}: {answer}");
            return answer;
        }
        sleep(PAUSE).await;
    }
}

/// A whole answer of a server that is not about to end, if there is one.
async fn attempt(address: SocketAddr, request: &Request) -> Option<Answer> {
    let answer = Caller::of(address).attempt(request.clone(), PATIENCE).await.ok()?;
    let whole = match answer.header("content-length") {
        Some(length) => length.parse() == Ok(answer.body.len()),
        None => answer.status == 204 || serde_json::from_slice::<Value>(&answer.body).is_ok(),
    };
    (whole && !matches!(answer.status, 408 | 503)).then_some(answer)
}
