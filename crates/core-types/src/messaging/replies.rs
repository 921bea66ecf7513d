//! Waiting for a reply.

use std::sync::Arc;

use async_trait::async_trait;

use crate::MessageId;
use crate::bus::ReplyChunk;
use crate::messaging::Message;

/// How a caller waits for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyForm {
    /// Piece by piece, as it is made.
    Pieces,
    /// Its end alone, so that no piece wakes the caller.
    Whole,
}

/// What a caller that waits for a reply is told, in this order: pieces, where they are wanted, then exactly one end.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyEvent {
    /// A piece of the text; an end with the whole text follows.
    Chunk(Arc<ReplyChunk>),
    /// The agent replied with this message.
    Replied(Arc<Message>),
    /// The agent chose not to answer, or a newer message made this one moot.
    Silent {
        /// The newer message.
        superseded_by: Option<MessageId>,
    },
    /// There will be no reply; the message says why.
    Failed(String),
    /// There will be no reply, since what was asked, who was asked, or the reply itself was deleted; the message says which.
    Deleted(String),
    /// The reply was not made in time. The agent goes on; the reply will be in the channel.
    TimedOut,
}

/// A reply being waited for. Dropping it cancels nothing.
#[async_trait]
pub trait ReplyStream: Send {
    /// The next event; `None` after the end.
    async fn next(&mut self) -> Option<ReplyEvent>;
}
