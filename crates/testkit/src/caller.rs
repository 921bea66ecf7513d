//! Callers of a test server: plain HTTP/1.1 over a socket each, so that a test controls every byte that is sent.

#![expect(clippy::missing_panics_doc, reason = "in a test, what must work and does not is a failure")]

mod answer;
mod events;
mod record;
mod wire;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

pub use answer::Answer;
pub use events::{Event, Events};
pub use record::Record;

use crate::house::PATIENCE;
use crate::spec;
use wire::Connection;

/// How much of a body is shown where a request is.
const SHOWN: usize = 200;

/// A request, before a caller's own headers are added.
#[derive(Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

impl Request {
    /// A request with this method to this path and query, which are sent as they are.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None, chunked: false }
    }

    /// A `GET`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A `POST` of a JSON body.
    pub fn post(target: &str, body: &Value) -> Self {
        Self::new("POST", target).json(body)
    }

    /// Adds a header; a name that is there already is sent twice.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives the request a body of these bytes, without saying of which type.
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Some(bytes.into());
        self
    }

    /// Gives the request these bytes as its JSON body, whatever they are.
    pub fn json_bytes(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.header("content-type", "application/json").body(bytes)
    }

    /// Gives the request a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.json_bytes(body.to_string())
    }

    /// Sends the body in chunks, without saying how long it is.
    pub fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {} {:?}", self.method, self.target, self.headers)?;
        let Some(body) = &self.body else { return Ok(()) };
        let shown = String::from_utf8_lossy(body.get(..SHOWN).unwrap_or(body));
        write!(formatter, " {} bytes {shown:?}", body.len())
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// Nobody listens at the address.
    NoServer(SocketAddr, std::io::Error),
    /// The connection ended before an answer had begun.
    Nothing,
    /// There was no whole answer in this time.
    TooLate(Duration),
}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoServer(address, _) => write!(formatter, "no server at {address}"),
            Self::Nothing => formatter.write_str("the connection ends without an answer"),
            Self::TooLate(patience) => write!(formatter, "no answer within {patience:?}"),
        }
    }
}

impl std::error::Error for Unanswered {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoServer(_, error) => Some(error),
            Self::Nothing | Self::TooLate(_) => None,
        }
    }
}

/// Somebody who calls a server. Everything that comes back goes into the server's [`Record`].
#[derive(Debug, Clone)]
pub struct Caller {
    address: SocketAddr,
    source: Option<IpAddr>,
    headers: Vec<(String, String)>,
    record: Record,
    documented: bool,
}

impl Caller {
    /// Somebody who calls our own server: what it answers is held against its document.
    pub(crate) const fn new(address: SocketAddr, record: Record) -> Self {
        Self { address, source: None, headers: Vec::new(), record, documented: true }
    }

    /// Somebody who calls whatever server is at this address, with a record of his own.
    pub fn of(address: SocketAddr) -> Self {
        Self { documented: false, ..Self::new(address, Record::default()) }
    }

    /// The same caller, speaking from this address of this machine.
    pub fn speaking_from(&self, source: IpAddr) -> Self {
        Self { source: Some(source), ..self.clone() }
    }

    /// The same caller, who sends this header with every request that has none of this name.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut headers = self.headers.clone();
        headers.push((name.to_owned(), value.to_owned()));
        Self { headers, ..self.clone() }
    }

    /// The same caller with a key.
    pub fn with_key(&self, key: &str) -> Self {
        self.with("x-api-key", key)
    }

    /// The same caller with a key as a bearer token.
    pub fn with_bearer(&self, key: &str) -> Self {
        self.with("authorization", &format!("Bearer {key}"))
    }

    /// `GET`.
    pub async fn get(&self, target: &str) -> Answer {
        self.send(Request::get(target)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, target: &str) -> Answer {
        self.send(Request::new("DELETE", target)).await
    }

    /// `POST` of a JSON body.
    pub async fn post(&self, target: &str, body: &Value) -> Answer {
        self.send(Request::post(target, body)).await
    }

    /// `PATCH` with a JSON body.
    pub async fn patch(&self, target: &str, body: &Value) -> Answer {
        self.send(Request::new("PATCH", target).json(body)).await
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: Request) -> Answer {
        let what = format!("{} {}", request.method, request.target);
        self.attempt(request, PATIENCE).await.unwrap_or_else(|unanswered| panic!("{what}: {unanswered:?}"))
    }

    /// Sends a request and reads the whole answer, if there is one in time.
    pub async fn attempt(&self, request: Request, patience: Duration) -> Result<Answer, Unanswered> {
        let (method, target) = (request.method.clone(), request.target.clone());
        let exchange = async {
            let mut connection = self.open(request).await?;
            let head = connection.head().await.ok_or(Unanswered::Nothing)?;
            let body = if method == "HEAD" { Vec::new() } else { connection.rest(&head).await };
            if self.documented {
                spec::check(&method, &target, head.status, head.header("content-type"), &body);
            }
            Ok(Answer::new(head, body, self.record.clone()))
        };
        timeout(patience, exchange).await.unwrap_or(Err(Unanswered::TooLate(patience)))
    }

    /// Sends a request that is answered by a stream of events, and reads its head.
    pub async fn events(&self, request: Request) -> Events {
        match self.attempt_events(request, PATIENCE).await {
            Ok(Ok(events)) => events,
            Ok(Err(answer)) => panic!("no stream but {answer}"),
            Err(unanswered) => panic!("a stream should begin: {unanswered:?}"),
        }
    }

    /// Sends a request that is answered by a stream of events, and reads its head; anything but 200 is read whole.
    pub async fn attempt_events(&self, request: Request, patience: Duration) -> Result<Result<Events, Answer>, Unanswered> {
        let opening = async {
            let mut connection = self.open(request).await?;
            let head = connection.head().await.ok_or(Unanswered::Nothing)?;
            if head.status == 200 {
                return Ok(Ok(Events::new(connection, head, self.record.clone())));
            }
            let body = connection.rest(&head).await;
            Ok(Err(Answer::new(head, body, self.record.clone())))
        };
        timeout(patience, opening).await.unwrap_or(Err(Unanswered::TooLate(patience)))
    }

    async fn open(&self, mut request: Request) -> Result<Connection, Unanswered> {
        for (name, value) in &self.headers {
            if !request.has(name) {
                request.headers.push((name.clone(), value.clone()));
            }
        }
        if !request.has("host") {
            request.headers.push(("host".to_owned(), self.address.to_string()));
        }
        let connection = Connection::send(self.address, self.source, &request, self.record.clone()).await;
        connection.map_err(|error| Unanswered::NoServer(self.address, error))
    }
}
