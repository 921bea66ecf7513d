//! As much HTTP/1.1 as a caller needs: one exchange a connection.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::net::tcp::OwnedReadHalf;
use tokio::task::AbortHandle;

use super::{Record, Request};

/// Bytes of a chunk where the body is sent in chunks.
const CHUNK: usize = 16 * 1024;

/// The status line and headers of an answer, names in lower case.
#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == Some("chunked")
    }
}

/// A connection on which a request is on its way.
pub(super) struct Connection {
    socket: OwnedReadHalf,
    writer: AbortHandle,
    received: Vec<u8>,
    record: Record,
}

impl Connection {
    pub(super) async fn send(address: SocketAddr, source: Option<IpAddr>, request: &Request, record: Record) -> std::io::Result<Self> {
        let bytes = written(request);
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = source {
            socket.bind((source, 0).into())?;
        }
        let (socket, mut writing) = socket.connect(address).await?.into_split();
        // Beside the reading: a server that refuses early stops reading, and what counts is what it says.
        let writer = tokio::spawn(async move {
            let _ = writing.write_all(&bytes).await;
            // Kept open, because closing would look as if the caller had left.
            std::future::pending::<()>().await;
        });
        Ok(Self { socket, writer: writer.abort_handle(), received: Vec::new(), record })
    }

    /// Reads on; `false` at the end.
    async fn read_on(&mut self) -> bool {
        let before = self.received.len();
        let read = self.socket.read_buf(&mut self.received).await.unwrap_or(0);
        self.record.hear(self.received.get(before..).unwrap_or_default());
        read > 0
    }

    /// The head of the answer; `None` where the connection ends before it does.
    pub(super) async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                let text = String::from_utf8_lossy(self.received.get(..end)?).into_owned();
                self.received.drain(..end + 4);
                return parsed(&text);
            }
            if !self.read_on().await {
                return None;
            }
        }
    }

    /// The whole body.
    pub(super) async fn rest(&mut self, head: &Head) -> Vec<u8> {
        let mut body = Vec::new();
        if head.is_chunked() {
            while let Some(chunk) = self.chunk().await {
                body.extend(chunk);
            }
            return body;
        }
        let length = head.header("content-length").map_or(usize::MAX, |length| length.parse().unwrap_or(usize::MAX));
        let length = if matches!(head.status, 204 | 304) { 0 } else { length };
        while self.received.len() < length && self.read_on().await {}
        std::mem::take(&mut self.received)
    }

    /// The next chunk; `None` at the end of the body. Giving up the wait loses nothing.
    pub(super) async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(line) = find(&self.received, b"\r\n") {
                let size = usize::from_str_radix(std::str::from_utf8(self.received.get(..line)?).ok()?, 16).ok()?;
                let (begin, end) = (line + 2, line + 2 + size);
                if self.received.len() >= end + 2 {
                    let chunk = self.received.get(begin..end)?.to_vec();
                    self.received.drain(..end + 2);
                    return (size > 0).then_some(chunk);
                }
            }
            if !self.read_on().await {
                return None;
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

fn written(request: &Request) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        // Writing to a String cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let body = request.body.as_deref().unwrap_or_default();
    if request.chunked {
        head.push_str("transfer-encoding: chunked\r\n");
    } else if request.body.is_some() && !request.has("content-length") {
        let _ = write!(head, "content-length: {}\r\n", body.len());
    }
    let mut bytes = format!("{head}connection: close\r\n\r\n").into_bytes();
    if request.chunked {
        for chunk in body.chunks(CHUNK) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    } else {
        bytes.extend_from_slice(body);
    }
    bytes
}

fn parsed(text: &str) -> Option<Head> {
    let mut lines = text.lines();
    let (_, line) = lines.next()?.split_once(' ')?;
    let (status, reason) = line.split_once(' ').unwrap_or((line, ""));
    let headers =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    Some(Head { status: status.parse().ok()?, reason: reason.to_owned(), headers })
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
