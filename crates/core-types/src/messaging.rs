//! The central plane: message servers, channels, messages and what happens on a channel.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agents::Added;
use crate::bus::ReplyChunk;
use crate::deliveries::{Delivery, DeliveryState};
use crate::{
    AgentId, Caller, ChannelId, DeliveryId, EntityId, JsonObject, MessageId, MessageServerId, ServiceResult, StoreResult, Timestamp,
};

/// A message server: a group of channels.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageServer {
    /// Its id.
    pub id: MessageServerId,
    /// Its name.
    pub name: String,
    /// Where it comes from, such as `eliza_default`.
    pub source_type: String,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// Free-form.
    pub metadata: JsonObject,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its id.
    pub id: ChannelId,
    /// The message server that it belongs to.
    pub server_id: MessageServerId,
    /// Its name.
    pub name: String,
    /// `DM`, `GROUP`, ... (contract §2.6); any text is kept.
    pub kind: String,
    /// Where it comes from.
    pub source_type: Option<String>,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// Free-form; given back exactly.
    pub metadata: JsonObject,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The metadata flag of a channel that lets agents answer agents.
pub const ALLOW_AGENT_TO_AGENT: &str = "allowAgentToAgent";

/// Agent turns after the last human message, at which talk among agents stops.
pub const MAX_AGENT_TURNS: i32 = 8;

/// Whether an agent in a channel of this kind always answers (contract §6.3).
pub fn always_answers(kind: &str) -> bool {
    ["DM", "VOICE_DM", "SELF", "API"].contains(&kind.to_ascii_uppercase().as_str())
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its channel.
    pub channel_id: ChannelId,
    /// The channel's message server.
    pub server_id: MessageServerId,
    /// Who wrote it.
    pub author_id: EntityId,
    /// The author's name as the sender gave it.
    pub author_name: Option<String>,
    /// Its text.
    pub content: String,
    /// The message as its source had it: `text`, `thought`, `actions`, `attachments`, ...
    pub raw: Option<Value>,
    /// Where it comes from, such as `client_chat` or `agent_response`.
    pub source_type: Option<String>,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// Free-form.
    pub metadata: JsonObject,
    /// The message that it answers, if that exists.
    pub in_reply_to: Option<MessageId>,
    /// Its place in the channel: counts up from 1, shared with the channel's other events.
    pub seq: i64,
    /// When it was stored: strictly increasing within a channel.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// What kind of thing happened on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, derive_more::Display, derive_more::FromStr)]
#[serde(rename_all = "snake_case")]
#[display(rename_all = "snake_case")]
#[from_str(rename_all = "snake_case")]
pub enum EventKind {
    /// A message was posted. Its payload is the message, or `null` once that is deleted.
    Message,
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

/// A message on its way in, before it has a place in its channel.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageDraft {
    /// The id that it will have.
    pub id: MessageId,
    /// Its channel.
    pub channel_id: ChannelId,
    /// Who wrote it.
    pub author_id: EntityId,
    /// The author's name as the sender gave it.
    pub author_name: Option<String>,
    /// Its text.
    pub content: String,
    /// The message as its source had it.
    pub raw: Option<Value>,
    /// Where it comes from.
    pub source_type: Option<String>,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// Free-form.
    pub metadata: JsonObject,
    /// The message that it answers; kept only if there is one of this id.
    pub in_reply_to: Option<MessageId>,
}

/// A write that can be repeated: the same key with the same body gets the first answer, with another body a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose key it is (`Caller::name`).
    pub caller: String,
    /// Which operation it is for.
    pub route: String,
    /// The key itself.
    pub key: String,
    /// A hash of everything that the caller sent.
    pub body_hash: [u8; 32],
}

/// Which agents of the channel are woken by a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Every running agent in the channel except the author; each decides for itself whether it answers.
    Listeners,
    /// The same, but one must answer: this agent if it is among them, else the first by join order. Without any, the
    /// message is not stored.
    OneAnswers(Option<AgentId>),
}

/// Everything that one post writes.
#[derive(Debug, Clone, PartialEq)]
pub struct PostMessage {
    /// The message.
    pub draft: MessageDraft,
    /// The channel to create if there is none of the draft's id, with its participants.
    pub create_channel: Option<(Channel, Vec<EntityId>)>,
    /// Which agents hear of it.
    pub wake: Wake,
    /// Whether the author may be an agent of this server.
    pub author_may_be_agent: bool,
    /// What makes it repeatable: the caller's key, the id that the caller chose, or both. Any of them that is known names
    /// the first post; all are kept with this one.
    pub idempotency: Vec<IdempotencyKey>,
    /// Whether `source_type` and `source_id` name the message for good: a repeat is answered with the first.
    pub once_per_source: bool,
    /// The present moment; `created_at` is this or 1 ms after the channel's last message, whichever is later.
    pub now: Timestamp,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    /// The message in its place.
    pub message: Arc<Message>,
    /// The message's deliveries; the one that must answer first.
    pub deliveries: Vec<Delivery>,
    /// Whether the channel was created for it.
    pub created_channel: bool,
}

/// What became of a post.
#[derive(Debug, Clone, PartialEq)]
pub enum PostOutcome {
    /// It was written.
    Posted(Posted),
    /// It had been written before, by the same key, the same id with the same body, or from the same source.
    Repeated(Posted),
    /// The key or the message id was used before with another body. Nothing was written.
    Conflict,
    /// There is no such channel. Nothing was written.
    NoChannel,
    /// The channel to create names a message server that does not exist. Nothing was written.
    NoServer,
    /// A reply was required and no running agent listens. Nothing was written.
    NoAgent,
    /// The author is an agent of this server and may not be. Nothing was written.
    AuthorIsAgent,
}

/// Where messages and channel events are kept. Every method is one transaction; one that the caller stops waiting for
/// may still commit, which is why callers choose ids.
#[async_trait]
pub trait MessageRepository: Send + Sync {
    /// Stores a message with its place, its event, its deliveries and its idempotency record.
    async fn post(&self, post: PostMessage) -> StoreResult<PostOutcome>;

    /// The message with this id.
    async fn find(&self, id: MessageId) -> StoreResult<Option<Message>>;

    /// Up to `limit` messages of a channel older than `before`, newest first. Empty for an unknown channel.
    async fn list(&self, channel: ChannelId, before: Option<Timestamp>, limit: u32) -> StoreResult<Vec<Message>>;

    /// Adds an event to a channel's order; `None` for an unknown channel.
    async fn announce(&self, channel: ChannelId, body: EventBody, now: Timestamp) -> StoreResult<Option<ChannelEvent>>;

    /// Up to `limit` events of a channel after `seq`, oldest first.
    async fn events(&self, channel: ChannelId, after: i64, limit: u32) -> StoreResult<Vec<ChannelEvent>>;

    /// The sequence number of a channel's last event, 0 where nothing happened; `None` for an unknown channel.
    async fn last_seq(&self, channel: ChannelId) -> StoreResult<Option<i64>>;

    /// The time of the newest event beyond the newest `keep` of the whole store; `None` where there are no more than those.
    async fn events_beyond(&self, keep: u32) -> StoreResult<Option<Timestamp>>;

    /// Forgets up to `limit` channel events from before `before`, oldest first; returns how many. Messages stay.
    async fn prune_events(&self, before: Timestamp, limit: u32) -> StoreResult<u64>;

    /// Forgets up to `limit` idempotency records from before `before`; returns how many.
    async fn prune_idempotency(&self, before: Timestamp, limit: u32) -> StoreResult<u64>;
}

/// Where message servers are kept.
#[async_trait]
pub trait ServerRepository: Send + Sync {
    /// Stores a message server; where the id is taken, changes nothing and returns what is there.
    async fn add(&self, server: MessageServer) -> StoreResult<Added<MessageServer>>;

    /// The message server with this id.
    async fn find(&self, id: MessageServerId) -> StoreResult<Option<MessageServer>>;

    /// All message servers, oldest first.
    async fn list(&self) -> StoreResult<Vec<MessageServer>>;
}

/// What became of the creation of a channel.
#[derive(Debug, Clone, PartialEq)]
pub enum ChannelAdded {
    /// It is stored now.
    New(Channel),
    /// This was stored under the same id before, and is unchanged.
    Existing(Channel),
    /// Its message server does not exist. Nothing was written.
    NoServer,
}

/// Where channels and their participants are kept.
#[async_trait]
pub trait ChannelRepository: Send + Sync {
    /// Stores a channel with its participants; duplicates among them collapse.
    async fn add(&self, channel: Channel, participants: Vec<EntityId>) -> StoreResult<ChannelAdded>;

    /// The channel with this id.
    async fn find(&self, id: ChannelId) -> StoreResult<Option<Channel>>;

    /// The channels of a message server, oldest first. Empty for an unknown server.
    async fn list(&self, server: MessageServerId) -> StoreResult<Vec<Channel>>;

    /// Who takes part in a channel, by join order. Empty for an unknown channel.
    async fn participants(&self, id: ChannelId) -> StoreResult<Vec<EntityId>>;

    /// Deletes a channel with its messages, events and participants, and what agents remember of its messages; its open
    /// deliveries end as cancelled. Returns whether it existed.
    async fn remove(&self, id: ChannelId, now: Timestamp) -> StoreResult<bool>;
}

/// The door by which a message comes in; it decides who may speak and what the defaults are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `POST .../channels/{id}/messages`
    Channel,
    /// `POST /api/messaging/submit`
    Submit,
    /// `POST /api/messaging/ingest-external`
    Ingest,
}

impl Door {
    /// The name under which idempotency keys of this door are kept.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Submit => "submit",
            Self::Ingest => "ingest",
        }
    }

    /// Whether the owner may post in the name of an agent here.
    pub const fn agents_may_speak(self) -> bool {
        matches!(self, Self::Submit)
    }
}

/// A message that a caller wants to post. One call for every door.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// The door it came by.
    pub door: Door,
    /// The id that the caller chose for it.
    pub id: Option<MessageId>,
    /// Its channel.
    pub channel_id: ChannelId,
    /// Its message server; the channel's own counts where the channel exists.
    pub server_id: MessageServerId,
    /// Who wrote it.
    pub author_id: EntityId,
    /// The author's name.
    pub author_name: Option<String>,
    /// Its text, not empty.
    pub content: String,
    /// The message as its source had it.
    pub raw: Option<Value>,
    /// Where it comes from.
    pub source_type: Option<String>,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// Free-form.
    pub metadata: JsonObject,
    /// The message that it answers.
    pub in_reply_to: Option<MessageId>,
    /// The caller's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

/// A posted message and what a caller should know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct PostReceipt {
    /// The message as it is stored.
    pub message: Arc<Message>,
    /// Whether it had been posted before.
    pub repeated: bool,
    /// What the caller may not expect, such as "no agent listens in this channel".
    pub warnings: Vec<String>,
}

/// What a caller that waits for a reply is told, in this order: pieces, then exactly one end.
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
    /// The reply was not made in time. The agent goes on; the reply will be in the channel.
    TimedOut,
}

/// A reply being waited for. Dropping it cancels nothing.
#[async_trait]
pub trait ReplyStream: Send {
    /// The next event; `None` after the end.
    async fn next(&mut self) -> Option<ReplyEvent>;
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
}

/// A channel that a caller wants to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChannel {
    /// The message server.
    pub server_id: MessageServerId,
    /// The name, not empty.
    pub name: String,
    /// The kind; `GROUP` where none was given.
    pub kind: String,
    /// Where it comes from.
    pub source_type: Option<String>,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// What it is about.
    pub topic: Option<String>,
    /// Free-form.
    pub metadata: JsonObject,
    /// Who takes part.
    pub participants: Vec<EntityId>,
}

/// What a transport can ask about messages.
#[async_trait]
pub trait MessagingService: Send + Sync {
    /// Posts a message: when this returns, the message and the deliveries to its agents are on disk.
    async fn post(&self, caller: &Caller, message: NewMessage) -> ServiceResult<PostReceipt>;

    /// Posts a message that one agent must answer and returns the reply as it is made.
    async fn exchange(&self, caller: &Caller, message: NewMessage) -> ServiceResult<(PostReceipt, Box<dyn ReplyStream>)>;

    /// Up to `limit` messages of a channel older than `before`, newest first. Empty for an unknown channel.
    async fn list(&self, caller: &Caller, channel: ChannelId, before: Option<Timestamp>, limit: u32) -> ServiceResult<Vec<Message>>;

    /// Tells the readers of a channel that a message was dealt with elsewhere.
    async fn complete(&self, caller: &Caller, channel: ChannelId) -> ServiceResult<()>;

    /// Reads what happens on a channel: from after sequence number `after`, or from now on.
    async fn subscribe(&self, caller: &Caller, channel: ChannelId, after: Option<i64>) -> ServiceResult<Box<dyn EventStream>>;
}

/// What a transport can ask about channels and message servers.
#[async_trait]
pub trait ChannelService: Send + Sync {
    /// All message servers, oldest first.
    async fn servers(&self, caller: &Caller) -> ServiceResult<Vec<MessageServer>>;

    /// The channels of a message server, oldest first. Empty for an unknown server.
    async fn list(&self, caller: &Caller, server: MessageServerId) -> ServiceResult<Vec<Channel>>;

    /// Creates a channel.
    async fn create(&self, caller: &Caller, channel: NewChannel) -> ServiceResult<Channel>;

    /// One channel.
    async fn get(&self, caller: &Caller, id: ChannelId) -> ServiceResult<Channel>;

    /// Who takes part in a channel, by join order. Empty for an unknown channel.
    async fn participants(&self, caller: &Caller, id: ChannelId) -> ServiceResult<Vec<EntityId>>;

    /// Deletes a channel; an unknown one is gone already.
    async fn remove(&self, caller: &Caller, id: ChannelId) -> ServiceResult<()>;
}
