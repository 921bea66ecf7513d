//! A guest agent of dstack behind a real socket: it speaks the documented protocol, and what it answers is for the test to say.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinSet};

/// A quote of a real machine. Its signature is right only as it is.
pub const QUOTE: &[u8] = include_bytes!("../../tee/tests/fixtures/tdx_quote");

/// Where in it the report data are.
const REPORT_DATA: std::ops::Range<usize> = 568..632;

/// What the agent answers: a status and a body; nothing keeps the caller waiting for ever.
pub type Said = Option<(u16, String)>;

type Script = Box<dyn Fn(&Value) -> Said + Send + Sync>;

struct Shared {
    script: Script,
    asked: Mutex<Vec<(String, Value)>>,
}

/// The agent. It ends, with all its connections, when this is dropped.
pub struct GuestAgent {
    socket: PathBuf,
    shared: Arc<Shared>,
    server: AbortHandle,
    _directory: tempfile::TempDir,
}

/// The quote as if it were about these report data.
pub fn quote_about(report_data: &[u8]) -> Vec<u8> {
    let mut quote = QUOTE.to_vec();
    if let (Some(place), true) = (quote.get_mut(REPORT_DATA), report_data.len() == REPORT_DATA.len()) {
        place.copy_from_slice(report_data);
    }
    quote
}

/// What an agent says that has such a quote.
pub fn with_quote(quote: &[u8], report_data: &Value) -> Said {
    let body = json!({
        "quote": hex::encode(quote),
        "event_log": r#"[{"imr":3,"event_type":134217729,"digest":"00","event":"app-id","event_payload":"ab"}]"#,
        "report_data": report_data,
        "vm_config": r#"{"cpu_count":1}"#,
    });
    Some((200, body.to_string()))
}

impl GuestAgent {
    /// An agent that does what it is asked.
    pub fn honest() -> Self {
        Self::answering(|asked| {
            let given = asked.get("report_data").unwrap_or(&Value::Null);
            match given.as_str().and_then(|text| hex::decode(text).ok()) {
                Some(bytes) if bytes.len() == REPORT_DATA.len() => with_quote(&quote_about(&bytes), given),
                _ => Some((400, json!({"error": "bad report data"}).to_string())),
            }
        })
    }

    /// An agent that says what the script says to the body of a request.
    ///
    /// # Panics
    /// Where no socket can be had.
    pub fn answering(script: impl Fn(&Value) -> Said + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("no directory for the socket: {error}"));
        let socket = directory.path().join("dstack.sock");
        let listener = UnixListener::bind(&socket).unwrap_or_else(|error| panic!("no socket: {error}"));
        let shared = Arc::new(Shared { script: Box::new(script), asked: Mutex::default() });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared))).abort_handle();
        Self { socket, shared, server, _directory: directory }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What it was asked: the first line of each request, and its body.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for GuestAgent {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A caller who leaves is no failure.
        connections.spawn(async move { drop(answer(stream, &shared).await) });
    }
}

async fn answer(stream: UnixStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).await?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or_default();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push((first.trim().to_owned(), body.clone()));
    let said = if first.starts_with("POST /GetQuote HTTP/1.1") { (shared.script)(&body) } else { Some((404, String::new())) };
    let Some((status, body)) = said else { return std::future::pending().await };
    let head =
        format!("HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.flush().await
}
