//! What happens on a channel, in the channel's order.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::bus::ReplyChunk;
use crate::deliveries::DeliveryState;
use crate::messaging::{Channel, Message};
use crate::{AgentId, ChannelId, DeliveryId, MessageId, ServiceResult, Timestamp};

/// What kind of thing happened on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, derive_more::Display, derive_more::FromStr)]
#[serde(rename_all = "snake_case")]
#[display(rename_all = "snake_case")]
#[from_str(rename_all = "snake_case")]
pub enum EventKind {
    /// A message was posted. Its payload is the message, or `null` once that is deleted.
    Message,
    /// A message was changed. Its payload is the message as it is now, or `null` once that is deleted.
    MessageUpdated,
    /// A message was deleted: `{messageId}`.
    MessageDeleted,
    /// All messages were deleted.
    ChannelCleared,
    /// The channel was changed. Its payload is the channel as it is now.
    ChannelUpdated,
    /// An agent has dealt with a message: `{deliveryId, messageId, agentId, state, replyId?, supersededBy?, error?}`.
    /// Also told by a client (`POST /api/messaging/complete`), then with the channel alone.
    MessageComplete,
    /// The channel is gone; nothing follows.
    ChannelDeleted,
}

/// A thing that happened on a channel, at its place in the channel's order.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelEvent {
    /// The channel.
    pub channel_id: ChannelId,
    /// Its place: counts up from 1 without gaps, as long as events are retained.
    pub seq: i64,
    /// What happened.
    pub body: EventBody,
    /// When.
    pub created_at: Timestamp,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub enum EventBody {
    /// A message was posted; `None` once it has been deleted.
    Message(Option<Arc<Message>>),
    /// A message was changed, and is like this now; `None` once it has been deleted.
    MessageUpdated(Option<Arc<Message>>),
    /// This message was deleted.
    MessageDeleted(MessageId),
    /// All messages were deleted.
    ChannelCleared,
    /// The channel was changed, and is like this now.
    ChannelUpdated(Arc<Channel>),
    /// An agent has dealt with a message.
    Complete(Option<Completion>),
    /// The channel is gone. Published, never stored: its events went with it.
    ChannelDeleted,
}

impl EventBody {
    /// The kind under which the event is stored and sent.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Message(_) => EventKind::Message,
            Self::MessageUpdated(_) => EventKind::MessageUpdated,
            Self::MessageDeleted(_) => EventKind::MessageDeleted,
            Self::ChannelCleared => EventKind::ChannelCleared,
            Self::ChannelUpdated(_) => EventKind::ChannelUpdated,
            Self::Complete(_) => EventKind::MessageComplete,
            Self::ChannelDeleted => EventKind::ChannelDeleted,
        }
    }
}

/// How an agent's dealing with a message ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Completion {
    /// The delivery that ended.
    pub delivery_id: DeliveryId,
    /// The message that was delivered.
    pub message_id: MessageId,
    /// The agent.
    pub agent_id: AgentId,
    /// How it ended.
    pub state: DeliveryState,
    /// The reply, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_id: Option<MessageId>,
    /// The newer message that made this one moot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<MessageId>,
    /// Why there is no reply, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a reader of a channel's events receives.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamItem {
    /// The next event.
    Event(Arc<ChannelEvent>),
    /// A piece of a reply that is being made.
    Chunk(Arc<ReplyChunk>),
    /// The events of these sequence numbers, first and last, are no longer kept.
    Gap {
        /// The first missing one.
        from: i64,
        /// The last missing one.
        to: i64,
    },
}

/// A reader of a channel's events: in order, without doubles, gaps announced.
#[async_trait]
pub trait EventStream: Send {
    /// The next item; `None` after the channel was deleted. Cancelling the wait loses nothing.
    async fn next(&mut self) -> ServiceResult<Option<StreamItem>>;

    /// The sequence number of the last event that was handed out, or after which the reading began.
    fn position(&self) -> i64;
}
