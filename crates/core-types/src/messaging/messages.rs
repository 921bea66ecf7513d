//! Messages: the entity, where it is kept, and the service that a transport calls.

use std::sync::Arc;

use async_trait::async_trait;

use crate::messaging::{ChannelEvent, EventBody, EventStream, NewMessage, PostMessage, PostOutcome, PostReceipt, ReplyForm, ReplyStream};
use crate::{AgentId, Caller, ChannelId, EntityId, Json, MessageId, MessageServerId, Reach, ServiceResult, StoreResult, Timestamp};

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
    pub raw: Option<Json>,
    /// Where it comes from, such as `client_chat` or `agent_response`.
    pub source_type: Option<String>,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// Free-form.
    pub metadata: Json,
    /// The message that it answers, if that exists.
    pub in_reply_to: Option<MessageId>,
    /// Its place in the channel: counts up from 1, shared with the channel's other events.
    pub seq: i64,
    /// When it was stored: strictly increasing within a channel.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
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
    pub raw: Option<Json>,
    /// Where it comes from.
    pub source_type: Option<String>,
    /// Its id at that place.
    pub source_id: Option<String>,
    /// Free-form.
    pub metadata: Json,
    /// The message that it answers; kept only if there is one of this id.
    pub in_reply_to: Option<MessageId>,
}

/// What changes of a message; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MessageChange {
    /// Another text, not empty.
    pub content: Option<String>,
    /// Another form of its source.
    pub raw: Option<Json>,
    /// Another source.
    pub source_type: Option<String>,
    /// Metadata in place of what is there.
    pub metadata: Option<Json>,
    /// Another author.
    pub author_id: Option<EntityId>,
    /// The message that it answers; kept only if there is one of this id.
    pub in_reply_to: Option<MessageId>,
}

/// Which messages to search for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageSearch {
    /// Words that must all occur in the text, in any case; none for every text.
    pub words: Vec<String>,
    /// Of this channel only.
    pub channel: Option<ChannelId>,
    /// Of this author only.
    pub author: Option<EntityId>,
    /// Not older than this.
    pub from: Option<Timestamp>,
    /// Not newer than this.
    pub to: Option<Timestamp>,
    /// Pass over this many that fit.
    pub offset: u32,
    /// At most this many.
    pub limit: u32,
}

/// A part of a channel's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageWindow {
    /// Only newer ones.
    pub after: Option<Timestamp>,
    /// Only older ones.
    pub before: Option<Timestamp>,
    /// At most this many: the newest, or the oldest where there is only an `after`.
    pub limit: u32,
}

/// So many messages one search looks at, and no more of them than come to so many bytes: texts, forms of their sources and metadata
/// together.
pub const SEARCHED: u32 = 20_000;
/// See [`SEARCHED`].
pub const SEARCHED_BYTES: u64 = 64 << 20;

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundMessages {
    /// The messages, newest first.
    pub messages: Vec<Message>,
    /// Where the search gave up after [`SEARCHED`] messages or [`SEARCHED_BYTES`], or with [`PAGE_BYTES`] of them in the answer: nothing
    /// older than this is in it. `None` where it looked at everything, or found as many as were asked for.
    pub searched_to: Option<Timestamp>,
}

/// The state of a channel's messages: while it is the same, so is every page of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelVersion {
    /// The sequence number of the last event; everything that changes a message is one.
    pub seq: i64,
    /// When the last message was posted and when the channel was made, which tell it from an earlier one of the same id.
    pub last_message_at: Timestamp,
    /// See `last_message_at`.
    pub created_at: Timestamp,
}

/// Where a message stands, which tells it from another that had its id before or will have it: clients choose ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessagePlace {
    /// Its id.
    pub id: MessageId,
    /// Its channel.
    pub channel_id: ChannelId,
    /// Its place in the channel.
    pub seq: i64,
}

impl Message {
    /// Where it stands.
    pub fn place(&self) -> MessagePlace {
        MessagePlace { id: self.id, channel_id: self.channel_id, seq: self.seq }
    }
}

/// The most bytes of a page of messages: their texts, forms of their sources and metadata together. A page that would have more is
/// shorter than was asked for, and has at least one message, whatever its size. So it is with pages of other things, by what of them may
/// be long; whoever goes on behind the last of each page gets all.
pub const PAGE_BYTES: usize = 8 << 20;

/// The same for events: each reader of a channel has a page of them before it, for as long as its client takes.
pub const EVENTS_BYTES: usize = 128 << 10;

/// A page of a channel's messages, for a reader who may know it.
#[derive(Debug, Clone, PartialEq)]
pub enum MessagePage {
    /// The channel is in the version that the reader knows.
    Known,
    /// The messages, newest first, as they were in this version of the channel or later; no version of an unknown channel.
    Read(Option<ChannelVersion>, Vec<Message>),
}

impl MessagePage {
    /// The messages, where they were read.
    pub fn messages(self) -> Vec<Message> {
        match self {
            Self::Known => Vec::new(),
            Self::Read(_, messages) => messages,
        }
    }
}

/// Where messages and channel events are kept. Every method is one transaction; one that the caller stops waiting for
/// may still commit, which is why callers choose ids.
#[async_trait]
pub trait MessageRepository: Send + Sync {
    /// Stores a message with its place, its event, its deliveries and its idempotency record.
    async fn post(&self, post: PostMessage) -> StoreResult<PostOutcome>;

    /// The message with this id.
    async fn find(&self, id: MessageId) -> StoreResult<Option<Message>>;

    /// Up to `limit` messages of a channel older than `before`, and no more than [`PAGE_BYTES`], newest first, unless the reader
    /// knows them: the channel is still in the version `known`. Empty only where there are none, as in an unknown channel; so
    /// whoever goes on before the oldest of each page gets all.
    async fn page(
        &self,
        channel: ChannelId,
        before: Option<Timestamp>,
        limit: u32,
        known: Option<ChannelVersion>,
    ) -> StoreResult<MessagePage>;

    /// [`page`](Self::page) for a reader who knows nothing.
    async fn list(&self, channel: ChannelId, before: Option<Timestamp>, limit: u32) -> StoreResult<Vec<Message>> {
        Ok(self.page(channel, before, limit, None).await?.messages())
    }

    /// A part of a channel's messages, newest first. Empty for an unknown channel.
    async fn window(&self, channel: ChannelId, window: MessageWindow) -> StoreResult<Vec<Message>>;

    /// Messages of any channel, newest first.
    async fn search(&self, reach: Option<&Reach>, search: MessageSearch) -> StoreResult<FoundMessages>;

    /// Changes a message, and the text that agents remember of it. Returns it as it is afterwards with what the readers
    /// of its channel are told; `None` where it stands there no more.
    async fn update(
        &self,
        message: MessagePlace,
        change: MessageChange,
        now: Timestamp,
    ) -> StoreResult<Option<(Arc<Message>, ChannelEvent)>>;

    /// Deletes a message, and what agents remember of it; its open deliveries end as cancelled. Returns what its channel's readers are
    /// told, in order; nothing where it stands there no more.
    async fn remove(&self, message: MessagePlace, now: Timestamp) -> StoreResult<Vec<ChannelEvent>>;

    /// Deletes all messages of a channel, and the conversation that agents remember of it; its open deliveries end as
    /// cancelled. Returns what the channel's readers are told, in order; nothing for an unknown channel.
    async fn clear(&self, channel: ChannelId, now: Timestamp) -> StoreResult<Vec<ChannelEvent>>;

    /// Adds an event to a channel's order; `None` for an unknown channel.
    async fn announce(&self, channel: ChannelId, body: EventBody, now: Timestamp) -> StoreResult<Option<ChannelEvent>>;

    /// Up to `limit` events of a channel after `seq`, oldest first, and no more than [`EVENTS_BYTES`] of messages, but one event at least;
    /// so none are left only where there are none in the answer.
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

/// What became of making a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Title {
    /// The model named the conversation.
    Made(String),
    /// The model had no answer.
    Blank,
    /// There are fewer than [`TITLE_MESSAGES`] messages.
    TooShort,
}

/// So many messages a conversation needs before it is worth a title.
pub const TITLE_MESSAGES: usize = 4;

/// What a transport can ask about messages.
#[async_trait]
pub trait MessagingService: Send + Sync {
    /// Posts a message: when this returns, the message and the deliveries to its agents are on disk.
    async fn post(&self, caller: &Caller, message: NewMessage) -> ServiceResult<PostReceipt>;

    /// Posts a message that one agent must answer and returns the reply as it is made.
    async fn exchange(&self, caller: &Caller, message: NewMessage, form: ReplyForm) -> ServiceResult<(PostReceipt, Box<dyn ReplyStream>)>;

    /// Up to `limit` messages of a channel older than `before`, and no more than [`PAGE_BYTES`], newest first, unless the reader
    /// knows them: the channel is still in the version `known`. Empty only where there are none, as in an unknown channel.
    async fn page(
        &self,
        caller: &Caller,
        channel: ChannelId,
        before: Option<Timestamp>,
        limit: u32,
        known: Option<ChannelVersion>,
    ) -> ServiceResult<MessagePage>;

    /// [`page`](Self::page) for a reader who knows nothing.
    async fn list(&self, caller: &Caller, channel: ChannelId, before: Option<Timestamp>, limit: u32) -> ServiceResult<Vec<Message>> {
        Ok(self.page(caller, channel, before, limit, None).await?.messages())
    }

    /// One message.
    async fn get(&self, caller: &Caller, id: MessageId) -> ServiceResult<Message>;

    /// Messages of any channel, newest first.
    async fn search(&self, caller: &Caller, search: MessageSearch) -> ServiceResult<FoundMessages>;

    /// Changes a message.
    async fn edit(&self, caller: &Caller, id: MessageId, change: MessageChange) -> ServiceResult<Arc<Message>>;

    /// Deletes a message of a channel; one that is not there is gone already.
    async fn remove(&self, caller: &Caller, channel: ChannelId, id: MessageId) -> ServiceResult<()>;

    /// Deletes all messages of a channel; an unknown one has none.
    async fn clear(&self, caller: &Caller, channel: ChannelId) -> ServiceResult<()>;

    /// A title for a conversation, from up to `limit` messages older than `before`, by the small model of a running agent.
    async fn title(
        &self,
        caller: &Caller,
        channel: ChannelId,
        agent: AgentId,
        before: Option<Timestamp>,
        limit: u32,
    ) -> ServiceResult<Title>;

    /// Tells the readers of a channel that a message was dealt with elsewhere.
    async fn complete(&self, caller: &Caller, channel: ChannelId) -> ServiceResult<()>;

    /// The same of a message's channel; returns the message.
    async fn complete_message(&self, caller: &Caller, id: MessageId) -> ServiceResult<Message>;

    /// Reads what happens on a channel: from after sequence number `after`, or from now on.
    async fn subscribe(&self, caller: &Caller, channel: ChannelId, after: Option<i64>) -> ServiceResult<Box<dyn EventStream>>;

    /// [`subscribe`](Self::subscribe) to a channel that there may not be yet: its events are read as soon as there are any.
    async fn await_channel(&self, caller: &Caller, channel: ChannelId, after: Option<i64>) -> ServiceResult<Box<dyn EventStream>>;
}
