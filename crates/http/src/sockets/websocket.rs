//! A websocket that carries a session, or is about to.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use actix_ws::{CloseCode, CloseReason, Closed, Item, MessageStream};
use bytes::Bytes;
use futures_util::stream::pending;
use parking_lot::Mutex;
use realtime::{Frame, Via, engine};
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use crate::app::State;
use crate::errors::{ApiError, ApiResult};
use crate::limits;
use crate::sockets::driver::{Direct, Input, Link};
use crate::sockets::messages::{Allowance, Message, Messages};
use crate::sockets::outbox::{End, Outbox};

/// So many bytes are taken out of the outbox at once.
const TAKEN_BYTES: usize = 16 * 1024;
/// A frame of more bytes is sent in frames of so many: a connection has a copy of its own of what it is about to send.
const PIECE: usize = 64 * 1024;
/// A client that does not take its good-bye within this time goes without.
const GOODBYE: Duration = Duration::from_secs(1);

/// A websocket before anything is said on it.
pub(crate) struct Websocket {
    sender: Sender,
    messages: Messages,
    /// Ends with the connection.
    connection: MessageStream,
}

/// Takes a request for a websocket.
pub(crate) fn accept(request: &HttpRequest, payload: web::Payload) -> ApiResult<(HttpResponse, Websocket)> {
    // The library reads nothing: see `messages.rs`.
    let mut nothing: Payload = Payload::Stream { payload: Box::pin(pending::<Result<Bytes, PayloadError>>()) };
    let nothing = web::Payload::from_request(request, &mut nothing).into_inner().map_err(|error| ApiError::internal(error.to_string()))?;
    let (response, session, connection) =
        actix_ws::handle(request, nothing).map_err(|error| ApiError::bad_request(format!("Not a request for a websocket: {error}")))?;
    let leaving = Arc::<Leaving>::default();
    let sender = Sender { session, leaving: Arc::clone(&leaving) };
    let response = response.map_body(|_, body| BoxBody::new(Body { frames: body, leaving, asked_for: 0 }));
    Ok((response, Websocket { sender, messages: Messages::of(payload), connection }))
}

/// How many bytes were handed to a connection and have not left for the system yet. What hands them on, hands on all that there is.
#[derive(Default)]
struct Leaving {
    bytes: Mutex<usize>,
    left: Notify,
}

impl Leaving {
    /// Waits until they are few.
    async fn room(&self) {
        while *self.bytes.lock() > limits::LEAVING_BYTES {
            self.left.notified().await;
        }
    }

    fn add(&self, bytes: usize) {
        *self.bytes.lock() += bytes;
    }

    /// So many of them have left.
    fn less(&self, bytes: usize) {
        let mut all = self.bytes.lock();
        *all = all.saturating_sub(bytes);
        drop(all);
        self.left.notify_one();
    }
}

/// Sends on a websocket, and counts what is to leave.
#[derive(Clone)]
struct Sender {
    session: actix_ws::Session,
    leaving: Arc<Leaving>,
}

impl Sender {
    /// Hands on a frame. One that is large goes in pieces, each once most of those before it have left.
    async fn frame(&mut self, frame: &Frame, outbox: &Outbox) -> Result<(), Closed> {
        if frame.len() > PIECE {
            return self.pieces(frame, outbox).await;
        }
        self.leaving.add(on_the_wire(frame.len()));
        match frame {
            Frame::Text(text) => self.session.text(text.clone()).await,
            Frame::Binary(bytes) => self.session.binary(bytes.clone()).await,
        }
    }

    async fn pieces(&mut self, frame: &Frame, outbox: &Outbox) -> Result<(), Closed> {
        let bytes = match frame {
            Frame::Text(text) => text.as_bytes(),
            Frame::Binary(bytes) => bytes,
        };
        let mut pieces = bytes.chunks(PIECE).peekable();
        let mut is_first = true;
        while let Some(piece) = pieces.next() {
            self.leaving.room().await;
            outbox.touch();
            self.leaving.add(on_the_wire(piece.len()));
            // A copy, since a part would keep all of it while it cannot leave.
            let piece = Bytes::copy_from_slice(piece);
            let item = match frame {
                _ if pieces.peek().is_none() => Item::Last(piece),
                _ if !is_first => Item::Continue(piece),
                Frame::Text(_) => Item::FirstText(piece),
                Frame::Binary(_) => Item::FirstBinary(piece),
            };
            is_first = false;
            self.session.continuation(item).await?;
        }
        Ok(())
    }

    async fn pong(&mut self, data: &[u8]) -> Result<(), Closed> {
        self.leaving.add(on_the_wire(data.len()));
        self.session.pong(data).await
    }
}

/// How many bytes a frame of a server has with its head (RFC 6455, 5.2).
fn on_the_wire(data: usize) -> usize {
    let head = match data {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    head + data
}

/// The body of a websocket's answer, which tells what leaves.
struct Body {
    frames: BoxBody,
    leaving: Arc<Leaving>,
    /// How many bytes were asked for last.
    asked_for: usize,
}

impl MessageBody for Body {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.frames.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        // Whoever asks again has sent nearly all of what it got.
        let sent = std::mem::take(&mut this.asked_for);
        if sent > 0 {
            this.leaving.less(sent);
        }
        let next = this.frames.as_pin_mut().poll_next(context);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            this.asked_for = bytes.len();
        }
        next
    }
}

impl Drop for Body {
    /// Nobody waits for what will never leave.
    fn drop(&mut self) {
        self.leaving.less(usize::MAX);
    }
}

impl Websocket {
    /// Carries a session from now on.
    pub(crate) fn carry(self, state: State, link: Arc<Link>) {
        actix_web::rt::spawn(self.run(state, link, 0, None));
    }

    /// Knocks at a session that polls carry, to take over from them.
    pub(crate) fn knock(self, state: State, link: Arc<Link>) {
        actix_web::rt::spawn(async move {
            let (sender, receiver) = mpsc::channel(4);
            let number = link.knocks.fetch_add(1, Ordering::Relaxed) + 1;
            if link.inputs.send(Input::Knock(number, sender)).await.is_ok() {
                self.run(state, link, number, Some(receiver)).await;
            }
        });
    }

    async fn run(self, state: State, link: Arc<Link>, number: u64, knocking: Option<mpsc::Receiver<Direct>>) {
        let Self { mut sender, mut messages, mut connection } = self;
        let mut sending = sender.clone();
        let reason = tokio::select! {
            () = send(&mut sending, &link, knocking) => link.outbox.end().map(good_bye),
            reason = receive(&mut sender, &mut messages, &link, Allowance::new(&link, &state.incoming)) => reason,
            _ = connection.recv() => None,
            // A client that does not read would keep the sending side waiting for ever.
            end = over(&link) => Some(good_bye(end)),
        };
        // Nothing is read any more, and nothing of it kept.
        drop(messages);
        let _ = link.inputs.send(Input::Lost(number)).await;
        let _ = timeout(GOODBYE, sender.session.close(reason)).await;
    }
}

/// What a client is told at the end of its session.
fn good_bye(end: End) -> CloseReason {
    match end {
        End::Closed => CloseReason::from(CloseCode::Normal),
        End::Lagged => (CloseCode::Again, "Too much waits for this client: connect again and join with the last seq that was seen").into(),
    }
}

/// Waits until the session is over, and a little longer where what waits may still be sent.
async fn over(link: &Link) -> End {
    let end = link.outbox.ended().await;
    if end == End::Closed {
        sleep(GOODBYE).await;
    }
    end
}

/// Sends what waits for the client, once it is this websocket's turn.
async fn send(sender: &mut Sender, link: &Link, knocking: Option<mpsc::Receiver<Direct>>) {
    if let Some(mut direct) = knocking {
        loop {
            match direct.recv().await {
                Some(Direct::Frame(frame)) => {
                    if sender.frame(&frame, &link.outbox).await.is_err() {
                        return;
                    }
                }
                Some(Direct::TakeOver) => break,
                None => return,
            }
        }
    }
    loop {
        // What cannot leave yet waits in the outbox, where it is known how long.
        sender.leaving.room().await;
        let parcels = link.outbox.take(TAKEN_BYTES).await;
        if parcels.is_empty() {
            return;
        }
        for parcel in parcels {
            if sender.frame(parcel.frame(), &link.outbox).await.is_err() {
                return;
            }
        }
    }
}

/// Hands on what the client sends, as fast as its session takes it. Returns what there is to be said at the end.
async fn receive(sender: &mut Sender, messages: &mut Messages, link: &Link, mut allowance: Allowance<'_>) -> Option<CloseReason> {
    loop {
        let message = match messages.next(&mut allowance).await {
            Ok(message) => message,
            Err(end) => return end,
        };
        let packet = match message {
            Message::Text(text) => engine::Packet::decode(&text).ok(),
            Message::Binary(bytes) => Some(engine::Packet::Binary(bytes)),
            Message::Ping(bytes) => {
                if sender.pong(&bytes).await.is_err() {
                    return None;
                }
                continue;
            }
            Message::Pong => continue,
            Message::Close => return None,
        };
        let goes_on = match packet {
            Some(packet) => link.hand_on(packet, Via::Websocket, allowance.part()).await,
            None => link.inputs.send(Input::Malformed).await.is_ok(),
        };
        if !goes_on {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;

    use actix_http::ws::{OpCode, Parser};
    use actix_web::test::TestRequest;
    use bytes::BytesMut;
    use futures_util::{poll, stream};

    use super::*;

    /// A websocket, and what is sent on it.
    fn opened() -> (Websocket, Pin<Box<BoxBody>>) {
        let headers = [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let request = headers.into_iter().fold(TestRequest::default(), TestRequest::insert_header);
        let (request, mut payload) = request.to_http_parts();
        let payload = web::Payload::from_request(&request, &mut payload).into_inner().unwrap();
        let (response, websocket) = accept(&request, payload).unwrap();
        (websocket, Box::pin(response.into_body()))
    }

    #[tokio::test]
    async fn what_is_to_leave_is_counted_to_the_byte() {
        let (Websocket { mut sender, connection: _connection, .. }, mut body) = opened();
        for bytes in [0, 125, 126, 65_535, 65_536] {
            sender.frame(&Frame::Text("x".repeat(bytes).into()), &Outbox::default()).await.unwrap();
            sender.frame(&Frame::Binary(vec![0_u8; bytes].into()), &Outbox::default()).await.unwrap();
        }
        sender.pong(b"alive").await.unwrap();
        let leaving = || *sender.leaving.bytes.lock();
        let next = poll_fn(|context| body.as_mut().poll_next(context)).await;
        assert_eq!(leaving(), next.unwrap().unwrap().len());
        let mut next = poll_fn(|context| body.as_mut().poll_next(context));
        assert!(poll!(&mut next).is_pending());
        assert_eq!(leaving(), 0);
    }

    #[tokio::test]
    async fn a_large_frame_leaves_in_pieces_and_no_more_of_it_is_copied_than_leaves() {
        let (Websocket { mut sender, connection: _connection, .. }, mut body) = opened();
        let (leaving, outbox) = (Arc::clone(&sender.leaving), Outbox::default());
        // It is cut within letters.
        let text = format!("x{}", "ä".repeat(PIECE));
        for (frame, kind) in [(Frame::Text(text.clone().into()), OpCode::Text), (Frame::Binary(text.clone().into()), OpCode::Binary)] {
            let (mut wire, mut pongs) = (BytesMut::new(), sender.clone());
            {
                let mut sending = pin!(sender.frame(&frame, &outbox));
                loop {
                    let sent = poll!(&mut sending);
                    assert!(*leaving.bytes.lock() <= limits::LEAVING_BYTES + on_the_wire(PIECE) + on_the_wire(0));
                    pongs.pong(b"").await.unwrap();
                    while let Poll::Ready(Some(bytes)) = poll!(poll_fn(|context| body.as_mut().poll_next(context))) {
                        wire.extend_from_slice(&bytes.unwrap());
                    }
                    if sent.is_ready() {
                        break;
                    }
                }
            }
            let (mut whole, mut kinds) = (Vec::new(), Vec::new());
            while let Some((is_last, kind, data)) = Parser::parse(&mut wire, false, PIECE).unwrap() {
                if kind != OpCode::Pong {
                    kinds.push((kind, is_last));
                    whole.extend_from_slice(&data.unwrap());
                }
            }
            assert_eq!(kinds, [(kind, false), (OpCode::Continue, false), (OpCode::Continue, true)]);
            assert!(whole == text.as_bytes());
            assert!(wire.is_empty());
        }
    }

    #[tokio::test]
    async fn no_more_is_handed_to_a_connection_than_leaves() {
        let leaving = Arc::<Leaving>::default();
        let pieces = [100_000, 1].map(|bytes| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; bytes])));
        let streamed = HttpResponse::Ok().streaming(stream::iter(pieces)).into_body();
        let mut body = Box::pin(Body { frames: streamed, leaving: Arc::clone(&leaving), asked_for: 0 });
        leaving.room().await;
        leaving.add(100_000);
        leaving.add(1);
        let mut room = pin!(leaving.room());
        assert!(poll!(&mut room).is_pending());
        let mut ask = async || poll_fn(|context| body.as_mut().poll_next(context)).await.is_some();
        assert!(ask().await);
        assert!(poll!(&mut room).is_pending(), "it was handed on, and has not left");
        assert!(ask().await);
        room.await;
        leaving.add(100_000);
        drop(body);
        leaving.room().await;
    }
}
