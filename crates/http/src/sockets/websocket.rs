//! A websocket that carries a session, or is about to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason};
use realtime::{Frame, Via, engine};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::errors::{ApiError, ApiResult};
use crate::limits;
use crate::sockets::driver::{Direct, Input, Link};
use crate::sockets::outbox::End;

/// So many bytes are taken out of the outbox at once.
const TAKEN_BYTES: usize = 64 * 1024;
/// A client that does not take its good-bye within this time goes without.
const GOODBYE: Duration = Duration::from_secs(1);

/// A websocket before anything is said on it.
pub(crate) struct Websocket {
    sender: actix_ws::Session,
    receiver: AggregatedMessageStream,
}

/// Takes a request for a websocket.
pub(crate) fn accept(request: &HttpRequest, payload: web::Payload) -> ApiResult<(HttpResponse, Websocket)> {
    let (response, sender, receiver) =
        actix_ws::handle(request, payload).map_err(|error| ApiError::bad_request(format!("Not a request for a websocket: {error}")))?;
    let receiver =
        receiver.max_frame_size(limits::SOCKET_MESSAGE_BYTES).aggregate_continuations().max_continuation_size(limits::SOCKET_MESSAGE_BYTES);
    Ok((response, Websocket { sender, receiver }))
}

impl Websocket {
    /// Carries a session from now on.
    pub(crate) fn carry(self, link: Arc<Link>) {
        actix_web::rt::spawn(self.run(link, 0, None));
    }

    /// Knocks at a session that polls carry, to take over from them.
    pub(crate) fn knock(self, link: Arc<Link>) {
        actix_web::rt::spawn(async move {
            let (sender, receiver) = mpsc::channel(4);
            let number = link.knocks.fetch_add(1, Ordering::Relaxed) + 1;
            if link.inputs.send(Input::Knock(number, sender)).await.is_ok() {
                self.run(link, number, Some(receiver)).await;
            }
        });
    }

    async fn run(self, link: Arc<Link>, number: u64, knocking: Option<mpsc::Receiver<Direct>>) {
        let Self { mut sender, receiver } = self;
        let mut sending = sender.clone();
        let end = tokio::select! {
            () = send(&mut sending, &link, knocking) => link.outbox.end(),
            () = receive(&mut sender, receiver, &link) => None,
            // A client that does not read would keep the sending side waiting for ever.
            end = over(&link) => Some(end),
        };
        let _ = link.inputs.send(Input::Lost(number)).await;
        let reason = end.map(|end| match end {
            End::Closed => CloseReason::from(CloseCode::Normal),
            End::Lagged => {
                (CloseCode::Again, "Too much waits for this client: connect again and join with the last seq that was seen").into()
            }
        });
        let _ = timeout(GOODBYE, sender.close(reason)).await;
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
async fn send(sender: &mut actix_ws::Session, link: &Link, knocking: Option<mpsc::Receiver<Direct>>) {
    if let Some(mut direct) = knocking {
        loop {
            match direct.recv().await {
                Some(Direct::Frame(frame)) => {
                    if put(sender, frame).await.is_err() {
                        return;
                    }
                }
                Some(Direct::TakeOver) => break,
                None => return,
            }
        }
    }
    loop {
        let frames = link.outbox.take(TAKEN_BYTES).await;
        if frames.is_empty() {
            return;
        }
        for frame in frames {
            if put(sender, frame).await.is_err() {
                return;
            }
        }
    }
}

async fn put(sender: &mut actix_ws::Session, frame: Frame) -> Result<(), actix_ws::Closed> {
    match frame {
        Frame::Text(text) => sender.text(text).await,
        Frame::Binary(bytes) => sender.binary(bytes).await,
    }
}

/// Hands on what the client sends, as fast as its session takes it.
async fn receive(sender: &mut actix_ws::Session, mut receiver: AggregatedMessageStream, link: &Link) {
    while let Some(Ok(message)) = receiver.recv().await {
        let input = match message {
            AggregatedMessage::Text(text) => match engine::Packet::decode(&text) {
                Ok(packet) => Input::Packet(packet, Via::Websocket),
                Err(_) => Input::Malformed,
            },
            AggregatedMessage::Binary(bytes) => Input::Packet(engine::Packet::Binary(bytes), Via::Websocket),
            AggregatedMessage::Ping(bytes) => {
                if sender.pong(&bytes).await.is_err() {
                    return;
                }
                continue;
            }
            AggregatedMessage::Pong(_) => continue,
            AggregatedMessage::Close(_) => return,
        };
        if link.inputs.send(input).await.is_err() {
            return;
        }
    }
}
