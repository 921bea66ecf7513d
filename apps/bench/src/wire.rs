//! As much HTTP/1.1 as measuring needs: one kept connection, one request at a time, answers whose length is told. Requests
//! are bytes that were made before the measuring began.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;

use derive_more::{Display, Error, From};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The most headers of an answer.
const HEADERS: usize = 64;

/// The most bytes of a head.
const HEAD_BYTES: usize = 64 * 1024;

/// Bytes that are read at once where nothing is known of the length.
const READ: usize = 16 * 1024;

/// Why there is no answer.
#[derive(Debug, Display, Error, From)]
pub enum WireError {
    /// The system would not carry it.
    #[display("the connection failed")]
    Io(io::Error),
    /// The server closed the connection before the answer was complete.
    #[display("the server closed the connection after {received} bytes of an answer")]
    #[from(ignore)]
    Closed {
        /// Bytes of the answer that had come.
        received: usize,
    },
    /// What came is no answer that can be measured.
    #[display("{_0}")]
    #[from(ignore)]
    Malformed(#[error(not(source))] &'static str),
}

/// Where things are in what was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// The body's place in the received bytes, whether or not all of it has come.
    pub body: Range<usize>,
    /// Whether the server closes the connection after this answer.
    pub last: bool,
    /// Whether it says when to ask again.
    pub retry_after: bool,
}

/// Reads the head of an answer; `None` while it is not complete.
pub fn head(received: &[u8]) -> Result<Option<Head>, WireError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(received).map_err(|_| WireError::Malformed("the answer is no HTTP/1.1"))?;
    let httparse::Status::Complete(start) = parsed else {
        return if received.len() > HEAD_BYTES { Err(WireError::Malformed("the head of the answer does not end")) } else { Ok(None) };
    };
    let status = response.code.ok_or(WireError::Malformed("the answer has no status"))?;
    let (mut length, mut last, mut retry_after) = (None, response.version == Some(0), false);
    for header in response.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).ok();
            let told: Option<usize> = text.and_then(|text| text.trim().parse().ok());
            length = Some(told.ok_or(WireError::Malformed("the answer's content-length is no number"))?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(WireError::Malformed("the answer is a stream, which this client does not measure"));
        } else if header.name.eq_ignore_ascii_case("connection") {
            last = header.value.eq_ignore_ascii_case(b"close");
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            retry_after = true;
        }
    }
    let length = match (length, status) {
        (Some(length), _) => length,
        (None, 204 | 304) => 0,
        (None, 100..=199) => return Err(WireError::Malformed("the server sent an interim answer")),
        (None, _) => return Err(WireError::Malformed("the answer does not tell its length")),
    };
    let end = start.checked_add(length).ok_or(WireError::Malformed("the answer's content-length is beyond all bounds"))?;
    Ok(Some(Head { status, body: start..end, last, retry_after }))
}

/// A complete answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
    /// Whether the server closes the connection now.
    pub last: bool,
    /// Whether it says when to ask again.
    pub retry_after: bool,
}

/// What has been received of one answer.
#[derive(Debug, Default)]
struct Received {
    bytes: Vec<u8>,
    head: Option<Head>,
}

impl Received {
    fn clear(&mut self) {
        self.bytes.clear();
        self.head = None;
    }

    /// Looks at what has come; returns how many bytes are missing, 0 where the answer is complete.
    fn missing(&mut self) -> Result<usize, WireError> {
        if self.head.is_none() {
            self.head = head(&self.bytes)?;
        }
        let Some(head) = &self.head else { return Ok(READ) };
        if self.bytes.len() > head.body.end {
            return Err(WireError::Malformed("the server sent more than the answer"));
        }
        Ok(head.body.end - self.bytes.len())
    }

    fn answer(&self) -> Option<Answer<'_>> {
        let head = self.head.as_ref()?;
        Some(Answer { status: head.status, body: self.bytes.get(head.body.clone())?, last: head.last, retry_after: head.retry_after })
    }
}

/// A connection to the server.
pub struct Connection {
    stream: TcpStream,
    received: Received,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self, WireError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Received::default() })
    }

    /// Sends a request and reads its answer. After an error the connection is of no more use.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>, WireError> {
        self.received.clear();
        self.stream.write_all(request).await?;
        let mut missing = READ;
        while missing > 0 {
            self.received.bytes.reserve(missing.max(READ));
            if self.stream.read_buf(&mut self.received.bytes).await? == 0 {
                return Err(WireError::Closed { received: self.received.bytes.len() });
            }
            missing = self.received.missing()?;
        }
        self.received.answer().ok_or(WireError::Malformed("the answer is incomplete"))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const PONG: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\ndate: now\r\n\r\npong";

    fn malformed(received: &[u8]) -> &'static str {
        match head(received) {
            Err(WireError::Malformed(why)) => why,
            other => panic!("{other:?} of {:?}", String::from_utf8_lossy(received)),
        }
    }

    #[test]
    fn an_answer_that_comes_in_any_two_pieces_is_the_same() {
        for cut in 0..PONG.len() {
            let mut received = Received::default();
            received.bytes.extend_from_slice(&PONG[..cut]);
            assert!(received.missing().unwrap() > 0, "cut at {cut}");
            received.bytes.extend_from_slice(&PONG[cut..]);
            assert_eq!(received.missing().unwrap(), 0, "cut at {cut}");
            assert_eq!(received.answer(), Some(Answer { status: 200, body: b"pong", last: false, retry_after: false }));
        }
    }

    #[test]
    fn the_length_of_a_body_is_what_the_answer_says() {
        for (answer, status, length, last) in [
            ("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n", 201, 0, false),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204, 0, false),
            ("HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n", 304, 0, false),
            ("HTTP/1.1 429 Too Many Requests\r\nCONTENT-LENGTH: 7\r\nConnection: close\r\n\r\n", 429, 7, true),
            ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n", 200, 1, true),
            ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n", 200, 1, false),
        ] {
            let head = head(answer.as_bytes()).unwrap().unwrap();
            assert_eq!((head.status, head.body.len(), head.last), (status, length, last), "{answer}");
        }
    }

    #[test]
    fn what_cannot_be_measured_is_an_error_and_no_answer() {
        for (received, why) in [
            ("SSH-2.0-OpenSSH\r\n\r\n", "no HTTP"),
            ("HTTP/1.1 200 OK\r\n\r\n", "its length"),
            ("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n", "no number"),
            ("HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n", "beyond all bounds"),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "stream"),
            ("HTTP/1.1 100 Continue\r\n\r\n", "interim"),
        ] {
            assert!(malformed(received.as_bytes()).contains(why), "{received}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_BYTES));
        assert!(malformed(endless.as_bytes()).contains("does not end"));
    }

    #[test]
    fn more_than_the_answer_is_an_error() {
        let mut received = Received::default();
        received.bytes.extend_from_slice(PONG);
        received.bytes.extend_from_slice(b"HTTP");
        assert!(matches!(received.missing(), Err(WireError::Malformed(_))));
    }

    /// A server that says these pieces to whoever has sent `ping`, and then closes.
    async fn saying(pieces: &'static [&'static [u8]]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            for piece in pieces {
                let mut asked = [0; 4];
                stream.read_exact(&mut asked).await.unwrap();
                assert_eq!(&asked, b"ping");
                for part in piece.chunks(11) {
                    stream.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn a_connection_carries_one_exchange_after_the_other() {
        let mut connection = Connection::open(saying(&[PONG, PONG]).await).await.unwrap();
        for _ in 0..2 {
            assert_eq!(connection.exchange(b"ping").await.unwrap(), Answer { status: 200, body: b"pong", last: false, retry_after: false });
        }
        assert!(connection.exchange(b"ping").await.is_err(), "the server has left");
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error() {
        let mut connection = Connection::open(saying(&[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\npong"]).await).await.unwrap();
        let error = connection.exchange(b"ping").await.unwrap_err();
        assert!(matches!(error, WireError::Closed { received: 42 }), "{error:?}");
    }
}
