//! Showing a reply while it is made: pieces go out in order, on the first attempt only, and never after the reply was
//! made moot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use core_types::bus::{BusEvent, ReplyChunk, Topic};
use core_types::models::TextSink;
use tokio::sync::mpsc;

use super::Mind;
use crate::active::ActiveRun;

/// Takes pieces of the visible reply.
pub(super) struct Shower<'a> {
    active: &'a ActiveRun,
    /// Unbounded, since a model's output is bounded and the bus never waits.
    pieces: mpsc::UnboundedSender<ReplyChunk>,
    blank: ReplyChunk,
    index: AtomicU32,
    first_attempt: bool,
}

impl TextSink for Shower<'_> {
    fn push(&self, piece: &str) {
        if !piece.is_empty() && self.first_attempt && self.active.show() {
            let index = self.index.fetch_add(1, Ordering::Relaxed);
            // The receiver is gone only when the run is.
            let _ = self.pieces.send(ReplyChunk { text: piece.to_owned(), index, ..self.blank.clone() });
        }
    }
}

/// A sink for the visible reply, and the future that carries its pieces to the channel's readers until the sink is
/// dropped.
pub(super) fn channel<'a>(mind: &Mind<'a>, active: &'a ActiveRun) -> (Shower<'a>, impl Future<Output = ()> + 'a) {
    let delivery = &mind.claimed.delivery;
    let blank = ReplyChunk {
        reply_id: delivery.reply_id,
        answers: delivery.message_id,
        channel_id: mind.claimed.message.channel_id,
        agent_id: delivery.agent_id,
        text: String::new(),
        index: 0,
    };
    let topic = Topic::Channel(blank.channel_id);
    let bus = Arc::clone(&mind.ports.bus);
    let (pieces, mut receiver) = mpsc::unbounded_channel();
    let shower = Shower { active, pieces, blank, index: AtomicU32::new(0), first_attempt: delivery.attempt == 1 };
    let forward = async move {
        while let Some(chunk) = receiver.recv().await {
            bus.publish(topic, BusEvent::Chunk(Arc::new(chunk))).await;
        }
    };
    (shower, forward)
}
