//! A connection that is read no faster than it is answered.
//!
//! What speaks HTTP on it takes in whatever a client has sent, parses all of it, and keeps each request until its turn comes and each
//! answer until the client takes it: megabytes, for a client that sends request upon request and reads nothing. Here such a client's
//! requests stay with the kernel, which lets it wait. Nothing is read while an answer is stuck, and one request is handed on at a time:
//! its head up to the empty line, then its body, and what came behind it once it is answered. Who speaks HTTP so never has to tell the
//! body, the method or the end of one request from those of the next.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, UPGRADE};
use actix_web::rt::net::TcpStream;
use bytes::Bytes;
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::layer;
use crate::limits;
use crate::server::ConnectionSlot;

/// A connection that is read at its [`Pace`].
pub(crate) struct Paced {
    stream: TcpStream,
    pace: Rc<Pace>,
    /// What was read behind a request, with it: no more than [`limits::AHEAD_BYTES`].
    held: Vec<u8>,
    /// Wakes who would write when its client should have taken what is sent.
    late: Option<Pin<Box<Sleep>>>,
    /// It is given back however the connection ends.
    _slot: ConnectionSlot,
}

/// How much may be read of a connection, by what it knows itself and by what those say who serve its requests.
#[derive(Default)]
pub(crate) struct Pace {
    /// Whether a request is being served: it is under way, or the body of its answer is.
    busy: Cell<bool>,
    /// Whether the client does not take what is sent to it.
    stuck: Cell<bool>,
    /// Until when the client has to take what is sent to it, where that is bounded.
    until: Cell<Option<Instant>>,
    /// Whether something was read since what there was to send was last sent.
    read: Cell<bool>,
    /// How many bytes may be read, up to the next empty line.
    ahead: Cell<usize>,
    /// How many bytes of the body may be read instead, as its request announced it.
    body: Cell<usize>,
    /// How many bytes of the body came with the head, and are read already.
    early: Cell<usize>,
    /// The last bytes that were read in search of an empty line.
    last: Cell<[u8; 3]>,
    /// Whoever would read, and may not.
    reader: Cell<Option<Waker>>,
}

impl Pace {
    fn begin(&self, body: usize) {
        self.busy.set(true);
        self.ahead.set(0);
        self.body.set(body.saturating_sub(self.early.take()));
    }

    /// Gives the connection up where its client does not take what is sent by then; `None` lets it take its time.
    pub(crate) fn take_until(&self, until: Option<Instant>) {
        self.until.set(until);
    }

    /// Until when its client has to take what is sent.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until.get()
    }

    /// How many bytes may be read now.
    fn allowance(&self) -> usize {
        if self.stuck.get() {
            return 0;
        }
        // Requests are looked for when all was read that may be, and answered until one has to wait or there is no other. So when reading
        // begins anew, and nobody waits, all that was read before has been answered.
        let begins = !self.read.replace(true);
        if begins && !self.busy.get() {
            self.ahead.set(limits::AHEAD_BYTES);
            self.body.set(0);
            self.early.set(0);
        }
        match self.body.get() {
            0 => self.ahead.get(),
            body => body,
        }
    }

    /// How many of the bytes that were read are handed on now: what else came is behind a request.
    fn count(&self, read: &[u8]) -> usize {
        let body = self.body.get();
        if body > 0 {
            self.body.set(body.saturating_sub(read.len()));
            return read.len();
        }
        let last = self.last.get();
        let Some(end) = end_of_head(last, read) else {
            self.ahead.set(self.ahead.get().saturating_sub(read.len()));
            self.last.set(last_three(last, read));
            return read.len();
        };
        self.ahead.set(0);
        self.last.set([0; 3]);
        // Where the head is here as a whole, the body goes along with it, and need not be asked for.
        let (head, behind) = read.split_at(end);
        let early = if self.busy.get() { 0 } else { announced(head).min(behind.len()) };
        self.early.set(early);
        end + early
    }

    /// Whoever takes a body has all of it that was read.
    fn hunger(&self) {
        self.ahead.set(limits::AHEAD_BYTES);
        self.go_on();
    }

    /// What there was to send is sent.
    fn flushed(&self) {
        self.read.set(false);
        self.go_on();
    }

    /// Wakes who would read, if it may.
    fn go_on(&self) {
        let may = !self.stuck.get() && (!self.busy.get() || self.ahead.get() > 0 || self.body.get() > 0);
        if may && let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Paced {
    pub(crate) fn new(stream: TcpStream, slot: ConnectionSlot) -> Self {
        Self { stream, pace: Rc::default(), held: Vec::new(), late: None, _slot: slot }
    }

    /// What requests of this connection are served by.
    pub(crate) fn pace(&self) -> Rc<Pace> {
        Rc::clone(&self.pace)
    }

    /// Has the reader wait until it may read; whoever closes is gone all the same, if nothing came before that.
    fn poll_wait(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Pace { busy, stuck, reader, .. } = &*self.pace;
        if !busy.get() && !stuck.get() {
            // First what was read is looked at.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if !stuck.get() && self.held.is_empty() {
            let mut byte = [0_u8];
            if ready!(self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte)))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        reader.set(Some(context.waker().clone()));
        Poll::Pending
    }

    /// Resolves when the time is over in which the client has to take what is sent to it.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(until) = self.pace.until() else {
            self.late = None;
            return Poll::Pending;
        };
        let late = self.late.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if late.deadline() != until {
            late.as_mut().reset(until);
        }
        late.as_mut().poll(context)
    }

    /// Reads at most so many bytes.
    fn poll_some(&mut self, context: &mut Context<'_>, space: &mut ReadBuf<'_>, most: usize) -> Poll<io::Result<()>> {
        // A part of the space has to be cleared first, which is not done for nothing.
        ready!(self.stream.poll_read_ready(context))?;
        let stream = Pin::new(&mut self.stream);
        if space.remaining() <= most {
            return stream.poll_read(context, space);
        }
        let mut part = ReadBuf::new(space.initialize_unfilled_to(most));
        ready!(stream.poll_read(context, &mut part))?;
        let read = part.filled().len();
        space.advance(read);
        Poll::Ready(Ok(()))
    }
}

/// Where the empty line ends that a head ends with, or the last chunk of a body; some bytes of it may have been read before.
fn end_of_head(last: [u8; 3], read: &[u8]) -> Option<usize> {
    const END: &[u8; 4] = b"\r\n\r\n";
    let begun = (1..END.len()).rev().find(|begun| {
        let (before, rest) = END.split_at(*begun);
        last.ends_with(before) && read.starts_with(rest)
    });
    begun.map(|begun| END.len() - begun).or_else(|| read.windows(END.len()).position(|bytes| bytes == END).map(|at| at + END.len()))
}

/// The last three of these bytes.
fn last_three(last: [u8; 3], read: &[u8]) -> [u8; 3] {
    let mut newest = [0; 3];
    let mut all = read.iter().rev().chain(last.iter().rev());
    for byte in newest.iter_mut().rev() {
        *byte = all.next().copied().unwrap_or_default();
    }
    newest
}

/// How long the body is that a head announces; 0 where it says so in no simple way. It only matters for how much is handed on at once.
fn announced(head: &[u8]) -> usize {
    let value = |line: &[u8], name: &str| -> Option<usize> {
        let (field, value) = line.split_at_checked(name.len())?;
        let value = field.eq_ignore_ascii_case(name.as_bytes()).then(|| value.strip_prefix(b":"))??;
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    };
    head.split(|byte| *byte == b'\n').find_map(|line| value(line, CONTENT_LENGTH.as_str())).unwrap_or_default()
}

impl AsyncRead for Paced {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let most = this.pace.allowance();
        if most == 0 {
            return this.poll_wait(context);
        }
        let filled = space.filled().len();
        if this.held.is_empty() {
            ready!(this.poll_some(context, space, most))?;
        } else {
            let count = this.held.len().min(most).min(space.remaining());
            space.put_slice(&this.held.drain(..count).collect::<Vec<_>>());
        }
        let read = space.filled().get(filled..).unwrap_or_default();
        let count = this.pace.count(read);
        if let Some(behind) = read.get(count..).filter(|behind| !behind.is_empty()) {
            this.held.splice(..0, behind.iter().copied());
            space.set_filled(filled + count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.pace.stuck.set(written.is_pending());
        // Whoever takes a little now and then is no peer that takes nothing, and would keep what waits behind that for ever.
        if written.is_pending() && this.poll_late(context).is_ready() {
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.pace.flushed();
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Says on its connection that a request is being served, until it is dropped.
pub(crate) struct Serving(Rc<Pace>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.busy.set(false);
    }
}

/// Begins to serve a request. `None` where it came by no connection of ours, as in tests.
pub(crate) fn serve(request: &mut ServiceRequest) -> Option<Serving> {
    let pace = Rc::clone(request.conn_data::<Rc<Pace>>()?);
    let (head, body) = request.parts_mut();
    let announced = if matches!(body, Payload::None) { Some(0) } else { length(head.headers()) };
    if announced.is_none() {
        let hungry = Hungry { body: body.take(), pace: Rc::clone(&pace) };
        *body = Payload::Stream { payload: Box::pin(hungry) };
    }
    pace.begin(announced.unwrap_or_default());
    Some(Serving(pace))
}

/// How long a body is, where that is said. What goes on in another protocol has no end, whatever is said.
fn length(headers: &HeaderMap) -> Option<usize> {
    let length = headers.get(CONTENT_LENGTH).filter(|_| !headers.contains_key(UPGRADE))?;
    length.to_str().ok()?.trim().parse().ok()
}

/// The answer to a request that was served, or is until all of its body has been sent.
pub(crate) fn answered(response: ServiceResponse<BoxBody>, serving: Option<Serving>) -> ServiceResponse<BoxBody> {
    let Some(serving) = serving else { return response };
    if matches!(response.response().body().size(), BodySize::None | BodySize::Sized(0)) {
        return response;
    }
    response.map_body(|_, body| match body.try_into_bytes() {
        // What is there as a whole is sent before another request is looked at.
        Ok(bytes) => bytes.boxed(),
        Err(body) => layer::until_sent(body, serving),
    })
}

/// A body of unknown length, of which more is read whenever all that came was taken.
struct Hungry {
    body: Payload,
    pace: Rc<Pace>,
}

impl Stream for Hungry {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let next = Pin::new(&mut this.body).poll_next(context);
        // Not when it has ended: what came behind it is no longer its own.
        if next.is_pending() {
            this.pace.hunger();
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    use actix_http::h1;
    use futures_util::{StreamExt, poll};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;
    use crate::limits::AHEAD_BYTES;
    use crate::server::Connections;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    impl Woken {
        /// Whether it was woken since this was asked.
        fn now(&self) -> bool {
            self.0.swap(false, Ordering::Relaxed)
        }
    }

    /// A connection, and the client at its other end.
    async fn connected() -> (Paced, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let slot = Connections::new(1, Vec::new()).take(None).unwrap();
        (Paced::new(listener.accept().await.unwrap().0, slot), client)
    }

    fn serving(connection: &Paced, body: usize) -> Serving {
        connection.pace.begin(body);
        Serving(connection.pace())
    }

    /// Reads until there is nothing more for now, as requests are looked for, and says how much. `None` at the end.
    fn read(connection: &mut Paced, context: &mut Context<'_>) -> Option<usize> {
        let mut taken = 0;
        loop {
            let mut space = [0; 8_192];
            let mut space = ReadBuf::new(&mut space);
            match Pin::new(&mut *connection).poll_read(context, &mut space) {
                Poll::Pending => return Some(taken),
                Poll::Ready(read) => read.unwrap(),
            }
            if space.filled().is_empty() {
                return None;
            }
            taken += space.filled().len();
        }
    }

    /// The same with what ends each turn: sending what there is to send.
    fn turn(connection: &mut Paced, context: &mut Context<'_>) -> Option<usize> {
        let taken = read(connection, context);
        assert!(Pin::new(connection).poll_flush(context).is_ready());
        taken
    }

    async fn a_turn(connection: &mut Paced) -> Option<usize> {
        poll_fn(|context| Poll::Ready(turn(connection, context))).await
    }

    #[tokio::test]
    async fn what_comes_behind_a_request_waits_until_that_is_answered() {
        let (mut connection, mut client) = connected().await;
        client.write_all(&[b'x'; 2 * AHEAD_BYTES + 1]).await.unwrap();
        connection.stream.readable().await.unwrap();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        assert_eq!(turn(&mut connection, &mut context), Some(AHEAD_BYTES));
        assert!(woken.now(), "more has come");
        let served = serving(&connection, 0);
        for _ in 0..3 {
            assert_eq!(turn(&mut connection, &mut context), Some(0));
            assert!(!woken.now(), "it would be asked again and again");
        }
        drop(served);
        assert!(Pin::new(&mut connection).poll_flush(&mut context).is_ready());
        assert!(woken.now(), "the answer is sent");
        assert_eq!(turn(&mut connection, &mut context), Some(AHEAD_BYTES));
        assert_eq!(turn(&mut connection, &mut context), Some(1));
    }

    #[tokio::test]
    async fn nothing_is_read_from_a_client_that_takes_no_answer() {
        let (mut connection, mut client) = connected().await;
        let answer = vec![b'x'; 1 << 20];
        poll_fn(|context| {
            while Pin::new(&mut connection).poll_write(context, &answer).is_ready() {}
            Poll::Ready(())
        })
        .await;
        client.write_all(b"more").await.unwrap();
        connection.stream.readable().await.unwrap();
        assert_eq!(a_turn(&mut connection).await, Some(0));
        let mut taken = vec![0; 1 << 20];
        let taking = async { while client.read(&mut taken).await.unwrap() > 0 {} };
        tokio::select! {
            written = poll_fn(|context| Pin::new(&mut connection).poll_write(context, b"x")) => assert_eq!(written.unwrap(), 1),
            () = taking => panic!("the connection has ended"),
        }
        assert_eq!(a_turn(&mut connection).await, Some(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_take_an_answer_in_its_time_is_given_up() {
        const TIME: Duration = Duration::from_mins(2);
        let (mut connection, _client) = connected().await;
        let answer = vec![b'x'; 1 << 20];
        for (time, expected) in [(None, None), (Some(TIME), Some(ErrorKind::TimedOut))] {
            connection.pace.take_until(time.map(|time| Instant::now() + time));
            let sending = poll_fn(|context| {
                loop {
                    if let Err(error) = ready!(Pin::new(&mut connection).poll_write(context, &answer)) {
                        return Poll::Ready(error.kind());
                    }
                }
            });
            assert_eq!(timeout(2 * TIME, sending).await.ok(), expected);
        }
    }

    #[tokio::test]
    async fn a_client_that_leaves_is_noticed_while_it_is_served() {
        let (mut connection, mut client) = connected().await;
        client.write_all(&[b'x'; AHEAD_BYTES]).await.unwrap();
        connection.stream.readable().await.unwrap();
        assert_eq!(a_turn(&mut connection).await, Some(AHEAD_BYTES));
        let _served = serving(&connection, 0);
        drop(client);
        poll_fn(|context| if read(&mut connection, context).is_none() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    #[tokio::test]
    async fn a_body_is_read_as_it_was_announced_and_nothing_behind_it() {
        const BODY: usize = 20_000;
        let (mut connection, mut client) = connected().await;
        client.write_all(&[b'x'; 100]).await.unwrap();
        connection.stream.readable().await.unwrap();
        assert_eq!(a_turn(&mut connection).await, Some(100));
        let _served = serving(&connection, BODY);
        client.write_all(&vec![b'x'; BODY + AHEAD_BYTES]).await.unwrap();
        let mut taken = 0;
        while taken < BODY {
            connection.stream.readable().await.unwrap();
            taken += a_turn(&mut connection).await.unwrap();
        }
        assert_eq!(taken, BODY);
        assert_eq!(a_turn(&mut connection).await, Some(0));
    }

    #[tokio::test]
    async fn requests_are_handed_on_one_at_a_time_wherever_they_are_cut() {
        let requests: [&[u8]; 4] = [
            b"POST /a HTTP/1.1\r\nHost: a\r\ncontent-LENGTH: 5\r\n\r\n12345",
            b"HEAD /b HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST /c HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
            b"GET /d HTTP/1.1\r\nHost: a\r\n\r\n",
        ];
        let bodies = [5, 0, 4, 0];
        let all = requests.concat();
        for cut in 0..all.len() {
            let (mut connection, mut client) = connected().await;
            let (first, second) = all.split_at(cut);
            client.write_all(first).await.unwrap();
            if !first.is_empty() {
                connection.stream.readable().await.unwrap();
            }
            let mut rest = Some(second);
            for (request, body) in requests.iter().zip(bodies) {
                let (mut taken, mut served) = (0, None);
                while taken < request.len() {
                    let some = a_turn(&mut connection).await.unwrap();
                    taken += some;
                    if some == 0
                        && let Some(rest) = rest.take()
                    {
                        client.write_all(rest).await.unwrap();
                        connection.stream.readable().await.unwrap();
                    }
                    if served.is_none() && taken >= request.len() - body {
                        served = Some(serving(&connection, body));
                    }
                }
                assert_eq!((taken, a_turn(&mut connection).await), (request.len(), Some(0)), "cut at {cut}");
                drop(served);
                assert!(poll_fn(|context| Poll::Ready(Pin::new(&mut connection).poll_flush(context))).await.is_ready());
            }
        }
    }

    #[tokio::test]
    async fn of_a_body_without_a_length_more_is_read_when_all_of_it_was_taken() {
        let pace = Rc::new(Pace::default());
        let (mut sender, payload) = h1::Payload::create(false);
        let mut body = Hungry { body: Payload::H1 { payload }, pace: Rc::clone(&pace) };
        assert!(poll!(body.next()).is_pending());
        assert_eq!(pace.ahead.replace(0), AHEAD_BYTES);
        sender.feed_data(Bytes::from_static(b"x"));
        sender.feed_eof();
        assert!(matches!(poll!(body.next()), Poll::Ready(Some(Ok(_)))));
        assert!(matches!(poll!(body.next()), Poll::Ready(None)));
        assert_eq!(pace.ahead.get(), 0, "what comes behind it is no longer its own");
    }
}
