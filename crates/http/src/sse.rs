//! Server-sent events: frames, heartbeats and the answer that carries them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use bytes::Bytes;
use futures_util::Stream;
use serde::Serialize;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::limits;

const HEARTBEAT: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// One event: its name, its id if it can be resumed from, and its data as one line of JSON.
pub(crate) fn frame(event: &str, id: Option<i64>, data: &impl Serialize) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    // A value that cannot be written is a defect, but no reason to cut the stream: `null` keeps the frame well-formed.
    let data = serde_json::to_string(data).unwrap_or_else(|error| {
        log::error!("an event cannot be written: {error}");
        "null".to_owned()
    });
    Bytes::from(format!("{id}event: {event}\ndata: {data}\n\n"))
}

/// The hint how long to wait before connecting again.
pub(crate) fn retry_hint() -> Bytes {
    Bytes::from(format!("retry: {}\n\n", limits::RETRY_MILLIS))
}

/// An endless answer of frames.
pub(crate) fn respond(frames: impl Stream<Item = Bytes> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        // nginx would otherwise collect frames before it passes them on.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(Beating::new(Box::pin(frames)))
}

/// Frames with a comment whenever there was nothing for a while. A reader that left is only noticed by writing to it.
struct Beating<S> {
    frames: Pin<Box<S>>,
    pause: Interval,
}

impl<S> Beating<S> {
    fn new(frames: Pin<Box<S>>) -> Self {
        let mut pause = interval_at(Instant::now() + limits::HEARTBEAT, limits::HEARTBEAT);
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { frames, pause }
    }
}

impl<S: Stream<Item = Bytes>> Stream for Beating<S> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(frame) = self.frames.as_mut().poll_next(context) {
            self.pause.reset();
            return Poll::Ready(frame.map(Ok));
        }
        self.pause.poll_tick(context).map(|_| Some(Ok(HEARTBEAT)))
    }
}
