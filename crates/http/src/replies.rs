//! Waiting for a reply: until its end, or the server's.

use std::sync::Arc;

use bytes::Bytes;
use core_types::messaging::{Message, ReplyStream};
use core_types::{Caller, JsonObject};
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;

use crate::app::{State, dismissed};
use crate::sse::frame;
use crate::wire::messages::BusMessage;
use crate::wire::replies::{ChunkWire, Ending, ErrorWire, Step};

/// A reply that is being waited for. Dropping it cancels nothing.
pub(crate) struct Replies {
    stream: Box<dyn ReplyStream>,
    closing: BoxFuture<'static, ()>,
    dismissed: BoxFuture<'static, ()>,
    message: Arc<Message>,
}

impl Replies {
    /// Waits for the reply to `message` for somebody.
    pub(crate) fn new(stream: Box<dyn ReplyStream>, state: &State, caller: &Caller, message: Arc<Message>) -> Self {
        let dismissed = Box::pin(dismissed(state, caller));
        Self { stream, closing: Box::pin(state.closing()), dismissed, message }
    }

    /// Waits for the end.
    pub(crate) async fn ending(mut self) -> Ending {
        loop {
            if let Step::End(ending) = self.next().await {
                return ending;
            }
        }
    }

    /// The events of the transport `sse`: the message, pieces of the reply, and exactly one end.
    pub(crate) fn frames(self) -> impl Stream<Item = Bytes> {
        let first = frame("user_message", None, &BusMessage::from(&*self.message));
        let rest = stream::unfold(Some(self), |waiting| async move {
            let mut replies = waiting?;
            match replies.next().await {
                Step::Piece(chunk) => Some((frame("chunk", None, &ChunkWire::from(&*chunk)), Some(replies))),
                Step::End(ending) => Some((last_frame(ending), None)),
            }
        });
        stream::once(std::future::ready(first)).chain(rest)
    }

    async fn next(&mut self) -> Step {
        tokio::select! {
            biased;
            () = &mut self.dismissed => Step::End(Ending::dismissed()),
            event = self.stream.next() => event.map_or_else(|| Step::End(Ending::stopped()), |event| Step::of(event, self.message.id)),
            () = &mut self.closing => Step::End(Ending::stopped()),
        }
    }
}

fn last_frame(ending: Ending) -> Bytes {
    match ending {
        Ending::Content(content) => frame("done", None, &complete(content)),
        Ending::Failure(code, reason) => frame("error", None, &ErrorWire::new(code, &reason)),
    }
}

/// elizaOS's web UI goes by `type`, not by the event's name.
fn complete(mut content: JsonObject) -> JsonObject {
    content.insert("type".to_owned(), Value::from("complete"));
    content
}
