//! Showing a reply while it is made: pieces go out in order, on the first attempt only, and never after the reply was
//! made moot.

use std::sync::Arc;

use core_types::bus::{BusEvent, ReplyChunk, Topic};
use core_types::models::TextSink;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::Mind;
use crate::active::ActiveRun;

/// Takes pieces of the visible reply.
pub(super) struct Shower<'a> {
    active: &'a ActiveRun,
    /// Unbounded, since a model's output is bounded and the bus never waits.
    pieces: mpsc::UnboundedSender<ReplyChunk>,
    blank: ReplyChunk,
    progress: Mutex<Progress>,
    first_attempt: bool,
}

/// What was shown so far.
#[derive(Default)]
struct Progress {
    /// How many pieces.
    pieces: u32,
    /// White space that is shown once something follows it: the reply begins and ends without.
    gap: String,
}

impl Progress {
    /// What of a piece can be shown now.
    fn take(&mut self, piece: &str) -> Option<String> {
        let text = if self.pieces == 0 { piece.trim_start() } else { piece };
        let solid = text.trim_end();
        if solid.is_empty() {
            if self.pieces > 0 {
                self.gap.push_str(text);
            }
            return None;
        }
        let shown = format!("{}{solid}", self.gap);
        text.get(solid.len()..).unwrap_or_default().clone_into(&mut self.gap);
        self.pieces += 1;
        Some(shown)
    }
}

impl TextSink for Shower<'_> {
    fn push(&self, piece: &str) {
        if !self.first_attempt {
            return;
        }
        let mut progress = self.progress.lock();
        let index = progress.pieces;
        if let Some(text) = progress.take(&piece.replace('\0', ""))
            && self.active.show()
        {
            // The receiver is gone only when the run is.
            let _ = self.pieces.send(ReplyChunk { text, index, ..self.blank.clone() });
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
    let shower = Shower { active, pieces, blank, progress: Mutex::default(), first_attempt: delivery.attempt == 1 };
    let forward = async move {
        while let Some(chunk) = receiver.recv().await {
            bus.publish(topic, BusEvent::Chunk(Arc::new(chunk))).await;
        }
    };
    (shower, forward)
}

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn what_is_shown_is_the_trimmed_text_however_it_comes() {
        for pieces in [&[" \n Hello", " ", "there. \n", "\n"][..], &["Hello there."], &["  ", "Hello", " there.  "]] {
            let mut progress = Progress::default();
            let shown: String = pieces.iter().filter_map(|piece| progress.take(piece)).collect();
            assert_eq!(shown, pieces.concat().trim());
            assert_eq!(shown, "Hello there.");
        }
    }
}
