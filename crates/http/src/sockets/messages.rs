//! Messages of a websocket (RFC 6455), of which no more is held than its session may send. The library that speaks websockets would hold
//! what comes without a bound: of a frame, it looks at how large it may be only when all of it is there.

use std::sync::Arc;

use actix_http::ws::{OpCode, Parser};
use actix_web::web;
use actix_ws::{CloseCode, CloseReason};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use futures_util::StreamExt;

use crate::holdings::{Part, Stock};
use crate::limits;
use crate::sockets::driver::Link;

/// The most bytes of the head of a frame.
const HEAD: usize = 14;

/// A message of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Text(ByteString),
    Binary(Bytes),
    Ping(Bytes),
    Pong,
    Close,
}

/// Why there are no more messages: the connection is over, or what came is not of the protocol; where there is something to be said of
/// it, that.
pub(crate) type End = Option<CloseReason>;

const OVER: End = None;

fn not_of_the_protocol() -> CloseReason {
    CloseCode::Protocol.into()
}

fn no_text() -> CloseReason {
    CloseCode::Invalid.into()
}

fn too_large() -> CloseReason {
    CloseCode::Size.into()
}

fn too_much() -> CloseReason {
    (CloseCode::Again, "Too many large messages come at once: send it again later").into()
}

/// What comes on a websocket.
pub(crate) struct Messages {
    payload: web::Payload,
    /// What has come of frames that were not looked at yet.
    buffer: BytesMut,
    /// What has come of a message in several frames.
    begun: Option<Begun>,
}

struct Begun {
    is_text: bool,
    bytes: BytesMut,
}

/// How much of what a session sends its transport may hold.
pub(crate) struct Allowance<'a> {
    link: &'a Link,
    stock: &'a Arc<Stock>,
    part: Option<Part>,
}

impl<'a> Allowance<'a> {
    /// Of this session. What is large is counted among all that is.
    pub(crate) fn new(link: &'a Link, stock: &'a Arc<Stock>) -> Self {
        Self { link, stock, part: None }
    }

    /// What the message takes that was held and is whole now, if it is counted.
    pub(crate) fn part(&mut self) -> Option<Arc<Part>> {
        self.part.take().map(Arc::new)
    }

    /// Whether so many bytes of a message may be held; those that are large for as long as the part that is taken for them.
    fn check(&mut self, bytes: usize) -> Result<(), End> {
        if bytes <= limits::SMALL_MESSAGE_BYTES {
            return Ok(());
        }
        let caller = self.link.caller().filter(|_| bytes <= limits::SOCKET_MESSAGE_BYTES);
        let caller = caller.ok_or_else(|| Some(too_large()))?;
        if self.part.is_none() {
            let part = self.stock.take(caller.makes_for(), limits::SOCKET_MESSAGE_BYTES);
            self.part = Some(part.map_err(|_| Some(too_much()))?);
        }
        Ok(())
    }
}

impl Messages {
    /// What comes with this request.
    pub(crate) fn of(payload: web::Payload) -> Self {
        Self { payload, buffer: BytesMut::new(), begun: None }
    }

    /// The next message, whole.
    pub(crate) async fn next(&mut self, allowance: &mut Allowance<'_>) -> Result<Message, End> {
        loop {
            while self.has_frame(allowance)? {
                if let Some(message) = self.frame(allowance)? {
                    return Ok(message);
                }
            }
            if self.buffer.is_empty() {
                // Whoever is silent keeps nothing.
                self.buffer = BytesMut::new();
            }
            let Some(Ok(bytes)) = self.payload.next().await else { return Err(OVER) };
            self.buffer.extend_from_slice(&bytes);
        }
    }

    /// How much of the message that comes is in the frames before.
    fn before(&self) -> usize {
        self.begun.as_ref().map_or(0, |begun| begun.bytes.len())
    }

    /// Whether a whole frame is there. Where only a part of one is, it may be held.
    fn has_frame(&self, allowance: &mut Allowance<'_>) -> Result<bool, End> {
        let Some(announced) = frame_bytes(&self.buffer) else { return Ok(false) };
        if announced > limits::SOCKET_MESSAGE_BYTES + HEAD {
            return Err(Some(too_large()));
        }
        if self.buffer.len() >= announced {
            return Ok(true);
        }
        allowance.check(self.before() + self.buffer.len().saturating_sub(HEAD))?;
        Ok(false)
    }

    /// Takes the frame that is there; the message, where that is whole with it.
    fn frame(&mut self, allowance: &mut Allowance<'_>) -> Result<Option<Message>, End> {
        let parsed = Parser::parse(&mut self.buffer, true, limits::SOCKET_MESSAGE_BYTES).ok().flatten();
        let (is_last, code, data) = parsed.ok_or_else(|| Some(not_of_the_protocol()))?;
        let data = data.unwrap_or_default();
        Ok(Some(match (code, is_last) {
            (OpCode::Ping, true) => Message::Ping(Bytes::copy_from_slice(&data)),
            (OpCode::Pong, true) => Message::Pong,
            (OpCode::Close, true) => Message::Close,
            (OpCode::Text | OpCode::Binary, _) if self.begun.is_none() => {
                allowance.check(data.len())?;
                let is_text = code == OpCode::Text;
                if !is_last {
                    self.begun = Some(Begun { is_text, bytes: BytesMut::from(&*data) });
                    return Ok(None);
                }
                self.whole(is_text, data)?
            }
            (OpCode::Continue, _) => {
                allowance.check(self.before() + data.len())?;
                let mut begun = self.begun.take().ok_or_else(|| Some(not_of_the_protocol()))?;
                begun.bytes.extend_from_slice(&data);
                if !is_last {
                    self.begun = Some(begun);
                    return Ok(None);
                }
                self.whole(begun.is_text, begun.bytes)?
            }
            _ => return Err(Some(not_of_the_protocol())),
        }))
    }

    /// A whole message. It is a copy, or has what it is in for itself: else a few bytes that wait would keep many in memory.
    fn whole(&mut self, is_text: bool, data: BytesMut) -> Result<Message, End> {
        let bytes = if data.len() <= limits::SMALL_MESSAGE_BYTES {
            Bytes::copy_from_slice(&data)
        } else {
            self.buffer = BytesMut::from(&*self.buffer);
            data.freeze()
        };
        if is_text { ByteString::try_from(bytes).map(Message::Text).map_err(|_| Some(no_text())) } else { Ok(Message::Binary(bytes)) }
    }
}

/// How many bytes the frame has that begins like this, with its head; `None` where too little of that has come.
fn frame_bytes(begun: &[u8]) -> Option<usize> {
    let [_, lengths, rest @ ..] = begun else { return None };
    let (head, data) = match lengths & 0x7f {
        126 => (4, u64::from(u16::from_be_bytes(*rest.first_chunk::<2>()?))),
        127 => (10, u64::from_be_bytes(*rest.first_chunk::<8>()?)),
        short => (2, u64::from(short)),
    };
    let mask = if lengths & 0x80 == 0 { 0 } else { 4 };
    Some(usize::try_from(data).unwrap_or(usize::MAX).saturating_add(head + mask))
}

#[cfg(test)]
mod tests {
    use actix_web::FromRequest;
    use actix_web::dev::Payload;
    use actix_web::error::PayloadError;
    use actix_web::test::TestRequest;
    use core_types::{Caller, Credential, Permission, Reach, Tenant};
    use futures_util::{Stream, stream};
    use realtime::Via;
    use tokio::sync::mpsc;

    use super::*;

    const LAST: u8 = 0x80;
    const MORE: u8 = 0;
    const RESERVED: u8 = 0x40;
    const CONTINUE: u8 = 0;
    const TEXT: u8 = 1;
    const BINARY: u8 = 2;
    const PING: u8 = 9;

    /// A frame as clients send it, with a mask that changes nothing.
    fn frame(first: u8, data: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match data.len() {
            short @ 0..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
            middle @ 126..65_536 => {
                frame.push(0xfe);
                frame.extend(u16::try_from(middle).unwrap().to_be_bytes());
            }
            long => {
                frame.push(0xff);
                frame.extend(u64::try_from(long).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend_from_slice(data);
        frame
    }

    /// Messages of a client that sends this, so many bytes at a time, and is silent then.
    fn sent(bytes: &[u8], at_once: usize) -> Messages {
        let pieces: Vec<_> = bytes.chunks(at_once).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        of(stream::iter(pieces).chain(stream::pending()))
    }

    /// Messages of a client from which this comes.
    fn of(pieces: impl Stream<Item = Result<Bytes, PayloadError>> + 'static) -> Messages {
        let mut payload: Payload = Payload::Stream { payload: Box::pin(pieces) };
        Messages::of(web::Payload::from_request(&TestRequest::default().to_http_request(), &mut payload).into_inner().unwrap())
    }

    fn link(caller: Option<&Caller>) -> Link {
        let link = Link::new(Via::Websocket, mpsc::channel(1).0);
        if let Some(caller) = caller {
            link.known(caller, &Stock::new(limits::OUTGOING_BYTES));
        }
        link
    }

    fn tenant() -> Caller {
        let reach = Reach { tenant: Tenant::new("one").unwrap(), servers: Vec::new(), person: None };
        Caller::tenant(Arc::new(Credential { key: None, permissions: vec![Permission::MessagesRead], reach, expires_at: None }))
    }

    #[tokio::test]
    async fn messages_are_read_however_they_come() {
        let long = vec![b'x'; 70_000];
        let sent_bytes = [
            frame(LAST | TEXT, b"one"),
            frame(MORE | BINARY, b"a"),
            frame(LAST | PING, b"p"),
            frame(MORE | CONTINUE, b""),
            frame(LAST | CONTINUE, b"b"),
            frame(LAST | BINARY, &long),
            frame(LAST | TEXT, b""),
        ]
        .concat();
        let (link, stock) = (link(Some(&Caller::owner())), Stock::new(limits::INCOMING_BYTES));
        for at_once in [1, 7, 50_000, usize::MAX] {
            let (mut messages, mut allowance) = (sent(&sent_bytes, at_once), Allowance::new(&link, &stock));
            for expected in [
                Message::Text("one".into()),
                Message::Ping(Bytes::from_static(b"p")),
                Message::Binary(Bytes::from_static(b"ab")),
                Message::Binary(long.clone().into()),
                Message::Text("".into()),
            ] {
                assert_eq!(messages.next(&mut allowance).await.ok(), Some(expected));
            }
        }
    }

    /// With which code this is refused.
    async fn refused(bytes: &[u8], link: &Link, stock: &Arc<Stock>) -> Option<CloseCode> {
        sent(bytes, 10_000).next(&mut Allowance::new(link, stock)).await.err().flatten().map(|reason| reason.code)
    }

    #[tokio::test]
    async fn what_is_not_of_the_protocol_is_the_end_and_the_code_says_so() {
        let (link, stock) = (link(None), Stock::new(limits::INCOMING_BYTES));
        for (bytes, code) in [
            (frame(LAST | CONTINUE, b"x"), CloseCode::Protocol),
            ([frame(MORE | TEXT, b"x"), frame(LAST | TEXT, b"x")].concat(), CloseCode::Protocol),
            (frame(MORE | PING, b"x"), CloseCode::Protocol),
            (frame(LAST | PING, &[b'x'; 126]), CloseCode::Protocol),
            (frame(LAST | RESERVED | TEXT, b"x"), CloseCode::Protocol),
            (frame(LAST | 3, b"x"), CloseCode::Protocol),
            (vec![LAST | TEXT, 0], CloseCode::Protocol),
            (frame(LAST | TEXT, b"\xff"), CloseCode::Invalid),
            ([frame(MORE | TEXT, b"\xc3"), frame(LAST | CONTINUE, b"x")].concat(), CloseCode::Invalid),
        ] {
            assert_eq!(refused(&bytes, &link, &stock).await, Some(code), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn the_end_of_a_connection_has_no_code() {
        let (link, stock) = (link(None), Stock::new(limits::INCOMING_BYTES));
        let begun: Vec<u8> = frame(LAST | TEXT, b"one").into_iter().take(5).collect();
        for error in [None, Some(PayloadError::Incomplete(None))] {
            let pieces = std::iter::once(Ok(Bytes::from(begun.clone()))).chain(error.map(Err));
            let end = of(stream::iter(pieces)).next(&mut Allowance::new(&link, &stock)).await;
            assert!(matches!(end, Err(None)), "{end:?}");
        }
    }

    #[tokio::test]
    async fn who_has_shown_no_key_sends_little_and_nobody_more_than_there_may_be() {
        let stock = Stock::new(limits::INCOMING_BYTES);
        let (stranger, owner) = (link(None), link(Some(&Caller::owner())));
        let small = limits::SMALL_MESSAGE_BYTES;
        assert_eq!(refused(&frame(LAST | TEXT, &vec![b'x'; small]), &stranger, &stock).await, None);
        let large = frame(LAST | TEXT, &vec![b'x'; small + 1]);
        assert_eq!(refused(&large, &owner, &stock).await, None);
        assert_eq!(refused(&large, &stranger, &stock).await, Some(CloseCode::Size));
        // Neither is it waited for.
        let half = vec![b'x'; small / 2 + 1];
        let halves = [frame(MORE | TEXT, &half), frame(MORE | CONTINUE, &half)].concat();
        assert_eq!(refused(&halves, &stranger, &stock).await, Some(CloseCode::Size));
        let begun: Vec<u8> = frame(LAST | TEXT, &vec![b'x'; 2 * small]).into_iter().take(small + 2 * HEAD).collect();
        assert_eq!(refused(&begun, &stranger, &stock).await, Some(CloseCode::Size));
        let endless: Vec<u8> = [vec![LAST | BINARY, 0xff], vec![0x7f; 8], vec![0; 4]].concat();
        assert_eq!(refused(&endless, &owner, &stock).await, Some(CloseCode::Size));
    }

    #[tokio::test]
    async fn what_is_large_counts_until_it_is_looked_at() {
        let stock = Stock::new(4 * limits::SOCKET_MESSAGE_BYTES);
        let link = link(Some(&tenant()));
        let large = frame(LAST | BINARY, &vec![0; limits::SMALL_MESSAGE_BYTES + 1]);
        let (mut messages, mut allowance) = (sent(&large, 10_000), Allowance::new(&link, &stock));
        assert!(messages.next(&mut allowance).await.is_ok());
        let part = allowance.part();
        assert!(part.is_some());
        assert_eq!(refused(&large, &link, &stock).await, Some(CloseCode::Again));
        drop(part);
        assert_eq!(refused(&large, &link, &stock).await, None);
    }
}
