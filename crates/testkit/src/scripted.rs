//! A scripted model behind a real loopback port: a server whose every answer is written down before. It speaks OpenAI's
//! chat completions and Anthropic's messages, as it is asked; says and hears what a script gives it as bytes; and [`vectors`] are for
//! its embeddings.

mod api;
mod completions;
mod embeddings;
mod messages;
mod reply;
mod wire;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use api::Api;
pub use embeddings::vectors;
pub use reply::Reply;
use wire::Request;

/// A request that the scripted model received.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its path, such as `/v1/chat/completions`.
    pub path: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body; null where it is not JSON.
    pub body: Value,
    /// Its body as it came.
    pub bytes: Vec<u8>,
}

impl Recorded {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

type Script = Box<dyn Fn(&Recorded) -> Reply + Send + Sync>;

struct Shared {
    script: Script,
    requests: Mutex<Vec<Recorded>>,
    seen: watch::Sender<usize>,
    abandoned: watch::Sender<usize>,
}

/// The server. It ends, with all its connections, when this is dropped.
pub struct ScriptedModel {
    base_url: String,
    shared: Arc<Shared>,
    server: AbortHandle,
}

impl ScriptedModel {
    /// Serves these replies, one to each request; then 400.
    pub async fn start(replies: impl IntoIterator<Item = Reply>) -> std::io::Result<Self> {
        let queue = Mutex::new(replies.into_iter().collect::<VecDeque<_>>());
        Self::answering(move |_| locked(&queue).pop_front().unwrap_or_else(|| Reply::refusal(400, "the script is over"))).await
    }

    /// The same, for tests.
    ///
    /// # Panics
    /// Where no port can be had.
    pub async fn serving(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::start(replies).await.unwrap_or_else(|error| panic!("no scripted model: {error}"))
    }

    /// Serves what `script` says to the JSON of a request; 404 at the paths of no API that it speaks.
    pub async fn answering(script: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> std::io::Result<Self> {
        let spoken = move |request: &Recorded| match Api::at(&request.path) {
            Some(_) => script(&request.body),
            None => Reply::status(404, r#"{"error":{"message":"no such path"}}"#),
        };
        Self::on_port(0, spoken).await
    }

    /// Serves, on this port of 127.0.0.1 (0 is any free one), what `script` says to a request of any path.
    pub async fn on_port(port: u16, script: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let base_url = format!("http://{}/v1", listener.local_addr()?);
        let shared = Arc::new(Shared {
            script: Box::new(script),
            requests: Mutex::default(),
            seen: watch::Sender::new(0),
            abandoned: watch::Sender::new(0),
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { base_url, shared, server })
    }

    /// The value for `OPENAI_BASE_URL` and `ANTHROPIC_BASE_URL`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        locked(&self.shared.requests).clone()
    }

    /// Waits until this many requests have come.
    pub async fn requests_seen(&self, count: usize) {
        // Fails only without a sender, and `shared` holds it.
        let _ = self.shared.seen.subscribe().wait_for(|seen| *seen >= count).await;
    }

    /// Waits until this many callers have left before the end of their answer.
    pub async fn callers_left(&self, count: usize) {
        let mut abandoned = self.shared.abandoned.subscribe();
        // As above.
        let _ = abandoned.wait_for(|left| *left >= count).await;
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl std::fmt::Debug for ScriptedModel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ScriptedModel").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, which ends the connections.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(exchange(socket, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

/// One request and its answer; the connection ends with it.
async fn exchange(socket: TcpStream, shared: Arc<Shared>) {
    let (mut reading, mut writing) = socket.into_split();
    let Ok(request) = wire::read_request(&mut reading).await else { return };
    let (api, reply) = answer(&request, &shared);
    tokio::select! {
        () = wire::left(&mut reading) => shared.abandoned.send_modify(|count| *count += 1),
        _ = reply.write(api, &request.body, &mut writing) => {}
    }
}

fn answer(request: &Request, shared: &Shared) -> (Api, Reply) {
    let Request { path, headers, body, bytes } = request.clone();
    let recorded = Recorded { path, headers, body, bytes };
    locked(&shared.requests).push(recorded.clone());
    let reply = (shared.script)(&recorded);
    shared.seen.send_modify(|count| *count += 1);
    (Api::at(&recorded.path).unwrap_or(Api::Completions), reply)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
