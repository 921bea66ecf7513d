//! A client of Socket.IO on a websocket, as plain as one can be.

#![expect(clippy::missing_panics_doc, reason = "in a test, what must work and does not is a failure")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// What must come has come by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// An event that the server sent: its name and what came with it.
pub type Told = (String, Value);

/// A connected client.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    told: VecDeque<Told>,
    closed: Option<CloseFrame>,
}

impl Socket {
    /// Connects with this `auth`; else what the server says of it.
    pub async fn connect(address: SocketAddr, auth: &Value) -> Result<Self, String> {
        Self::with(address, &[], auth).await
    }

    /// The same, with headers on the request.
    pub async fn with(address: SocketAddr, headers: &[(&str, &str)], auth: &Value) -> Result<Self, String> {
        let mut socket = Self::open(address, headers).await?;
        socket.send(&format!("40{auth}")).await;
        loop {
            let packet = socket.packet().await.ok_or("the server closed the socket")?;
            if packet.starts_with("40") {
                return Ok(socket);
            }
            if let Some(error) = packet.strip_prefix("44") {
                let error: Value = serde_json::from_str(error).unwrap_or_default();
                return Err(error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned());
            }
        }
    }

    /// Opens a session and connects to nothing yet; else the status of the refusal.
    pub async fn open(address: SocketAddr, headers: &[(&str, &str)]) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let (stream, _) = client_async(request(address, headers), stream).await.map_err(|error| match error {
            Error::Http(response) => response.status().as_u16().to_string(),
            other => other.to_string(),
        })?;
        let mut socket = Self { stream, told: VecDeque::new(), closed: None };
        let greeting = socket.packet().await.ok_or("the server closed the socket")?;
        greeting.starts_with('0').then_some(socket).ok_or(greeting)
    }

    /// Sends a packet as it is.
    pub async fn send(&mut self, packet: &str) {
        // Whether the server still listens shows when reading.
        let _ = self.stream.send(Message::text(packet)).await;
    }

    /// Sends an event.
    pub async fn emit(&mut self, name: &str, payload: &Value) {
        self.send(&format!("42{}", json!([name, payload]))).await;
    }

    /// The next packet; `None` where the server has closed the socket.
    pub async fn packet(&mut self) -> Option<String> {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.unwrap_or_else(|_| panic!("nothing came; before that: {:?}", self.told)) {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.send("3").await,
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(Message::Close(frame))) => self.closed = frame,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next event; `None` where the server has closed the socket.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            let packet = self.packet().await?;
            let Some(event) = packet.strip_prefix("42") else { continue };
            let Ok(Value::Array(mut event)) = serde_json::from_str(event) else { panic!("no event: {event}") };
            let payload = event.pop().unwrap_or_default();
            let name = event.pop().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
            self.told.push_back((name.clone(), payload.clone()));
            return Some((name, payload));
        }
    }

    /// What comes with the next event of this name; others are passed over.
    pub async fn until(&mut self, wanted: &str) -> Value {
        loop {
            match self.next().await {
                Some((name, payload)) if name == wanted => return payload,
                Some(_) => {}
                None => panic!("the socket was closed before {wanted:?}: {:?}", self.told),
            }
        }
    }

    /// The names of the next events, up to and with one of this name.
    pub async fn names_until(&mut self, last: &str) -> Vec<String> {
        let mut names = Vec::new();
        while names.last().is_none_or(|name| name != last) {
            let (name, _) = self.next().await.unwrap_or_else(|| panic!("the socket was closed before {last:?}: {names:?}"));
            names.push(name);
        }
        names
    }

    /// Joins a channel, behind an event or from now on; what the server says to that.
    pub async fn join(&mut self, channel: &str, after: Option<i64>) -> Value {
        let mut payload = json!({ "channelId": channel });
        if let (Some(after), Some(payload)) = (after, payload.as_object_mut()) {
            payload.insert("lastSeq".to_owned(), after.into());
        }
        self.emit("message", &json!({ "type": 1, "payload": payload })).await;
        self.until("room_joined").await
    }

    /// Reads to the end, and says with which code and reason the server closed, if it did say.
    pub async fn ending(&mut self) -> Option<(u16, String)> {
        while self.packet().await.is_some() {}
        self.closed.take().map(|frame| (frame.code.into(), frame.reason.to_string()))
    }
}

fn request(address: SocketAddr, headers: &[(&str, &str)]) -> Request {
    let uri = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let mut request = uri.into_client_request().unwrap_or_else(|error| panic!("no request: {error}"));
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let value: HeaderValue = value.parse().unwrap_or_else(|error| panic!("{value}: {error}"));
        request.headers_mut().insert(name, value);
    }
    request
}
