//! Replies on the wire: what `http` waits for and `sse` ends with.

use std::sync::Arc;

use core_types::bus::ReplyChunk;
use core_types::messaging::{Message, ReplyEvent};
use core_types::{AgentId, ChannelId, Json, JsonObject, MessageId};
use serde::Serialize;
use serde_json::json;

use crate::errors::Code;

/// What came while waiting for a reply.
pub(crate) enum Step {
    /// A piece of its text.
    Piece(Arc<ReplyChunk>),
    /// The end.
    End(Ending),
}

/// How waiting for a reply ended.
pub(crate) enum Ending {
    /// The reply's content, or the sign that there is none on purpose.
    Content(JsonObject),
    /// There is none; the code and the reason.
    Failure(Code, String),
}

impl Step {
    /// What an event of the service means to one who waits for the answer to `message`.
    pub(crate) fn of(event: ReplyEvent, message: MessageId) -> Self {
        Self::End(match event {
            ReplyEvent::Chunk(chunk) => return Self::Piece(chunk),
            ReplyEvent::Replied(reply) => Ending::Content(content(&reply)),
            ReplyEvent::Silent { superseded_by } => Ending::Content(silence(message, superseded_by)),
            ReplyEvent::Failed(reason) => Ending::Failure(Code::ProcessingError, reason),
            ReplyEvent::Deleted(reason) => Ending::Failure(Code::ReplyCancelled, reason),
            ReplyEvent::TimedOut => {
                let reason = "The agent did not reply in time; it goes on, and a later reply will be in the channel";
                Ending::Failure(Code::ReplyTimeout, reason.to_owned())
            }
        })
    }
}

impl Ending {
    /// The end of waiting where what the caller showed counts no longer.
    pub(crate) fn dismissed() -> Self {
        Self::Failure(Code::Unauthorized, "The key counts no longer; the message is stored and is answered".to_owned())
    }

    /// The end of waiting where the server stops first.
    pub(crate) fn stopped() -> Self {
        Self::Failure(Code::Unavailable, "The server is stopping; the message is stored and is answered after the next start".to_owned())
    }
}

/// A reply as elizaOS's content object.
fn content(reply: &Message) -> JsonObject {
    let mut content = reply.raw.as_ref().map(Json::to_object).unwrap_or_default();
    content.insert("text".to_owned(), json!(reply.content));
    content.insert("responseId".to_owned(), json!(reply.id));
    content.insert("messageId".to_owned(), json!(reply.id));
    // elizaOS says which of its providers were asked, of which there are none here, and whether the text is all there is to it.
    content.entry("providers").or_insert_with(|| json!([]));
    let is_simple = content.get("actions").is_none_or(|actions| *actions == json!(["REPLY"]));
    content.entry("simple").or_insert(is_simple.into());
    if let Some(answered) = reply.in_reply_to {
        content.insert("inReplyTo".to_owned(), json!(answered));
    }
    content
}

fn silence(answers: MessageId, superseded_by: Option<MessageId>) -> JsonObject {
    let mut content = JsonObject::new();
    content.insert("actions".to_owned(), json!(["IGNORE"]));
    content.insert("inReplyTo".to_owned(), json!(answers));
    if let Some(newer) = superseded_by {
        content.insert("supersededBy".to_owned(), json!(newer));
    }
    content
}

/// A piece of a reply: with elizaOS's keys, and with those that its web UI reads.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChunkWire<'a> {
    message_id: MessageId,
    chunk: &'a str,
    index: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
    in_reply_to: MessageId,
    agent_id: AgentId,
    channel_id: ChannelId,
}

impl<'a> From<&'a ReplyChunk> for ChunkWire<'a> {
    fn from(chunk: &'a ReplyChunk) -> Self {
        Self {
            message_id: chunk.reply_id,
            chunk: &chunk.text,
            index: chunk.index,
            kind: "chunk",
            text: &chunk.text,
            in_reply_to: chunk.answers,
            agent_id: chunk.agent_id,
            channel_id: chunk.channel_id,
        }
    }
}

/// The data of the event `error`.
#[derive(Serialize)]
pub(crate) struct ErrorWire<'a> {
    error: &'a str,
    code: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'a> ErrorWire<'a> {
    /// An error event's data.
    pub(crate) const fn new(code: Code, error: &'a str) -> Self {
        Self { error, code: code.name(), kind: "error" }
    }
}
