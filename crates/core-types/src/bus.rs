//! The event bus: wake-ups and fan-out. It is never the only copy of anything; a lost event costs latency, not data.

use std::sync::Arc;

use async_trait::async_trait;

use crate::messaging::ChannelEvent;
use crate::{AgentId, ChannelId, DeliveryId, EntityId, MessageId};

/// Where an event is published and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// What happens on one channel.
    Channel(ChannelId),
    /// The same without the pieces of replies, for readers whom these would only wake. It is read and never published on: what is published
    /// on [`Channel`](Self::Channel) is seen here.
    Quiet(ChannelId),
    /// What the workers of this server have to know.
    Work,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum BusEvent {
    /// A committed event of a channel.
    Channel(Arc<ChannelEvent>),
    /// A piece of a reply that is being made; it has no sequence number and is never replayed.
    Chunk(Arc<ReplyChunk>),
    /// A message was committed and deliveries of it wait for their agents.
    DeliveriesReady {
        /// The channel of the message.
        channel: ChannelId,
        /// Its author, whose unfinished earlier message it may supersede.
        author: EntityId,
        /// The message.
        message: MessageId,
        /// The message's place in its channel; it supersedes only what stands before it.
        seq: i64,
        /// The agents that got it, and whether each must answer.
        woken: Arc<[(AgentId, bool)]>,
    },
    /// These deliveries were cancelled, and whoever works on one may stop.
    DeliveriesCancelled(Arc<[DeliveryId]>),
    /// An agent was changed, started, stopped or deleted; on a channel: it has put a reply off.
    AgentChanged(AgentId),
    /// An agent was started anew: whoever works for it begins again.
    AgentRestarted(AgentId),
}

/// A piece of a reply's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyChunk {
    /// The id that the reply message will have.
    pub reply_id: MessageId,
    /// The message that is being answered.
    pub answers: MessageId,
    /// The channel of both.
    pub channel_id: ChannelId,
    /// Who answers.
    pub agent_id: AgentId,
    /// The text of this piece.
    pub text: String,
    /// Counts from 0 per reply.
    pub index: u32,
}

/// A reader was too slow and events were dropped for it. What is durable can be read again from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, derive_more::Display, derive_more::Error)]
#[display("the reader lagged behind and missed events")]
pub struct Lagged;

/// A bus of events. Every reader of a topic sees its events in the order of publication, none from before it
/// subscribed; queues are bounded, and a reader that falls behind is told ([`Lagged`]).
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Hands an event to all present readers of the topic. Never waits for a reader.
    async fn publish(&self, topic: Topic, event: BusEvent);

    /// Starts reading: everything published after this returns is seen.
    async fn subscribe(&self, topic: Topic) -> Box<dyn Subscription>;
}

/// One reader's place on a topic. Dropping it ends the subscription.
#[async_trait]
pub trait Subscription: Send {
    /// The next event; waits for it. Cancelling the wait loses nothing. After [`Lagged`], reading goes on with the
    /// oldest event still held.
    async fn next(&mut self) -> Result<BusEvent, Lagged>;
}
