//! A connection that is read no faster than it is answered.
//!
//! What speaks HTTP on it takes in whatever a client has sent, parses all of it, and keeps each request until its turn comes and each
//! answer until the client takes it: megabytes, for a client that sends request upon request and reads nothing. Here such a client's
//! requests stay with the kernel, which lets it wait. Nothing is read while an answer is stuck, and while a request is served only its
//! body and [`limits::AHEAD_BYTES`] behind it.

use std::cell::Cell;
use std::io;
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

use crate::layer;
use crate::limits;

/// A connection that is read at its [`Pace`].
pub(crate) struct Paced {
    stream: TcpStream,
    pace: Rc<Pace>,
}

/// How much may be read of a connection, by what it knows itself and by what those say who serve its requests.
#[derive(Default)]
pub(crate) struct Pace {
    /// Whether a request is being served: it is under way, or the body of its answer is.
    busy: Cell<bool>,
    /// Whether the client does not take what is sent to it.
    stuck: Cell<bool>,
    /// Whether something was read since what there was to send was last sent.
    read: Cell<bool>,
    /// How many bytes may be read ahead.
    ahead: Cell<usize>,
    /// How many bytes of the body may be read beside, as its request announced it.
    body: Cell<usize>,
    /// Whoever would read, and may not.
    reader: Cell<Option<Waker>>,
}

impl Pace {
    fn begin(&self, body: usize) {
        self.busy.set(true);
        self.body.set(body);
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
        }
        self.ahead.get().saturating_add(self.body.get())
    }

    fn count(&self, bytes: usize) {
        let body = self.body.get();
        self.body.set(body.saturating_sub(bytes));
        self.ahead.set(self.ahead.get().saturating_sub(bytes.saturating_sub(body)));
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
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, pace: Rc::default() }
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
        if !stuck.get() {
            let mut byte = [0_u8];
            if ready!(self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte)))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        reader.set(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl AsyncRead for Paced {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let most = this.pace.allowance();
        if most == 0 {
            return this.poll_wait(context);
        }
        // A part of the space has to be cleared first, which is not done for nothing.
        ready!(this.stream.poll_read_ready(context))?;
        let filled = space.filled().len();
        let stream = Pin::new(&mut this.stream);
        if space.remaining() <= most {
            ready!(stream.poll_read(context, space))?;
        } else {
            let mut part = ReadBuf::new(space.initialize_unfilled_to(most));
            ready!(stream.poll_read(context, &mut part))?;
            let read = part.filled().len();
            space.advance(read);
        }
        this.pace.count(space.filled().len() - filled);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.pace.stuck.set(written.is_pending());
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

    use actix_http::h1;
    use futures_util::{StreamExt, poll};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::limits::AHEAD_BYTES;

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
        (Paced::new(listener.accept().await.unwrap().0), client)
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
    async fn a_body_is_read_as_it_was_announced_and_little_behind_it() {
        const BODY: usize = 20_000;
        let (mut connection, mut client) = connected().await;
        client.write_all(&[b'x'; 100]).await.unwrap();
        connection.stream.readable().await.unwrap();
        assert_eq!(a_turn(&mut connection).await, Some(100));
        let _served = serving(&connection, BODY);
        client.write_all(&vec![b'x'; BODY + AHEAD_BYTES]).await.unwrap();
        let most = BODY + AHEAD_BYTES - 100;
        let mut taken = 0;
        while taken < most {
            connection.stream.readable().await.unwrap();
            taken += a_turn(&mut connection).await.unwrap();
        }
        assert_eq!(taken, most);
        assert_eq!(a_turn(&mut connection).await, Some(0));
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
