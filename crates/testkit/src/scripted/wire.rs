//! As much HTTP/1.1 as a scripted server needs: one request a connection.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The largest request that is read.
const MOST_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Value,
    pub(super) bytes: Vec<u8>,
}

pub(super) async fn read_request(socket: &mut OwnedReadHalf) -> std::io::Result<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(request) = parse(&bytes) {
            return Ok(request);
        }
        if bytes.len() > MOST_BYTES || socket.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
}

/// The request, once all of it is there.
fn parse(bytes: &[u8]) -> Option<Request> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or(Some(0), |(_, value)| value.parse().ok())?;
    let body = bytes.get(end + 4..)?.get(..length)?;
    Some(Request { path, headers, body: serde_json::from_slice(body).unwrap_or_default(), bytes: body.to_vec() })
}

/// Waits until the other side closes the connection.
pub(super) async fn left(socket: &mut OwnedReadHalf) {
    let mut ignored = [0; 1024];
    while matches!(socket.read(&mut ignored).await, Ok(count) if count > 0) {}
}

/// An answer of known length.
pub(super) async fn write_whole(
    socket: &mut OwnedWriteHalf,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Scripted\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        head.push_str("content-type: application/json\r\n");
    }
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    socket.write_all(&[head.as_bytes(), b"\r\n", body].concat()).await
}

/// The head of an event stream in chunks.
pub(super) async fn begin_stream(socket: &mut OwnedWriteHalf) -> std::io::Result<()> {
    socket.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await
}

/// A portion of the stream, as one chunk.
pub(super) async fn write_portion(socket: &mut OwnedWriteHalf, portion: &[u8]) -> std::io::Result<()> {
    let mut chunk = format!("{:x}\r\n", portion.len()).into_bytes();
    chunk.extend_from_slice(portion);
    chunk.extend_from_slice(b"\r\n");
    socket.write_all(&chunk).await?;
    socket.flush().await
}

/// The end of the stream in good order.
pub(super) async fn end_stream(socket: &mut OwnedWriteHalf) -> std::io::Result<()> {
    socket.write_all(b"0\r\n\r\n").await
}
