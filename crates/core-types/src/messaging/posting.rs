//! Posting: what a caller sends, what is written of it, and what the caller is told.

use std::sync::Arc;

use serde_json::Value;

use crate::deliveries::Delivery;
use crate::jobs::{JobDraft, JobTerms};
use crate::messaging::{Channel, Message, MessageDraft};
use crate::sessions::Renewal;
use crate::{AgentId, ChannelId, EntityId, JsonObject, MessageId, MessageServerId, Reach, SessionId, Timestamp};

/// The door by which a message comes in; it decides who may speak and what the defaults are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `POST .../channels/{id}/messages`
    Channel,
    /// `POST /api/messaging/submit`
    Submit,
    /// `POST /api/messaging/action`: what an agent is doing, for people to see
    Action,
    /// `POST /api/messaging/ingest-external`
    Ingest,
    /// An event of a socket
    Socket,
    /// `POST /api/messaging/sessions/{id}/messages`: in the session's own channel
    Session(SessionId),
    /// `POST /api/messaging/jobs`: in a channel that is made for it
    Job(JobTerms),
}

impl Door {
    /// The name under which idempotency keys of this door are kept.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Submit => "submit",
            Self::Action => "action",
            Self::Ingest => "ingest",
            Self::Socket => "socket",
            Self::Session(_) => "session",
            Self::Job(_) => "job",
        }
    }

    /// Whether the owner may post in the name of an agent here.
    pub const fn agents_may_speak(self) -> bool {
        matches!(self, Self::Submit | Self::Action)
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
    /// The session that it is in, where it was posted in one just now.
    pub renewal: Option<Box<Renewal>>,
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
    /// None: it is no contribution to the conversation, and counts as nobody's turn.
    Nobody,
    /// Every running agent in the channel except the author; each decides for itself whether it answers.
    Listeners,
    /// The same, but one must answer: this agent if it is among them, else the first by join order. Without any, the
    /// message is not stored.
    OneAnswers(Option<AgentId>),
}

/// What a post writes besides its message, in the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// That something happened in a session: it must go on, and have the channel of the message.
    Session(SessionId),
    /// A job that the reply completes. An answer must be required.
    Job(JobDraft),
}

/// Everything that one post writes.
#[derive(Debug, Clone, PartialEq)]
pub struct PostMessage {
    /// The message.
    pub draft: MessageDraft,
    /// Whether its id is the poster's choice, which may not be that of a reply to come.
    pub id_is_chosen: bool,
    /// The channel to create if there is none of the draft's id, with its participants.
    pub create_channel: Option<(Channel, Vec<EntityId>)>,
    /// Which agents hear of it.
    pub wake: Wake,
    /// Whether the author may be an agent of this server.
    pub author_may_be_agent: bool,
    /// What makes it repeatable: the caller's key, the id that the caller chose, or both. Any of them that is known names
    /// the first post; all are kept with this one.
    pub idempotency: Vec<IdempotencyKey>,
    /// What is written besides.
    pub beside: Option<Beside>,
    /// Whether `source_type` and `source_id` name the message for good: a repeat is answered with the first.
    pub once_per_source: bool,
    /// How far the poster sees; to everything where absent. What is out of reach is not there.
    pub reach: Option<Reach>,
    /// The agents for which nothing more may wait: a message that one of them would hear is not written.
    pub full: Vec<AgentId>,
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
    /// The session that it is in, where it was written just now.
    pub renewal: Option<Box<Renewal>>,
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
    /// The channel to create has the id of one that was somebody else's until lately. Nothing was written.
    ChannelWasAnothers,
    /// The channel to create names a message server that does not exist. Nothing was written.
    NoServer,
    /// A reply was required and no running agent listens. Nothing was written.
    NoAgent,
    /// The author is an agent of this server and may not be. Nothing was written.
    AuthorIsAgent,
    /// Too much waits already for this agent, which would hear the message. Nothing was written.
    AgentFull(AgentId),
    /// There is no such session with this channel. Nothing was written.
    NoSession,
    /// The session is over. Nothing was written.
    SessionOver,
    /// There are as many jobs as there may be, and none of them is over. Nothing was written.
    TooManyJobs,
}
