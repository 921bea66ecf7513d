//! Messages on the wire: the `camelCase` form of the central plane, and the `snake_case` form of elizaOS's bus.

use std::borrow::Cow;

use core_types::messaging::{FoundMessages, Message, Title};
use core_types::{ChannelId, EntityId, JsonObject, MessageId, MessageServerId, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// A message of the central plane.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageWire<'a> {
    id: MessageId,
    channel_id: ChannelId,
    message_server_id: MessageServerId,
    author_id: EntityId,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_display_name: Option<&'a str>,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_message: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a str>,
    metadata: Cow<'a, JsonObject>,
    in_reply_to_root_message_id: Option<MessageId>,
    seq: i64,
    created_at: Iso,
    updated_at: Iso,
    #[serde(rename = "created_at")]
    created_at_millis: Timestamp,
    #[serde(rename = "updated_at")]
    updated_at_millis: Timestamp,
}

impl<'a> MessageWire<'a> {
    /// The message as it was stored.
    pub(crate) fn stored(message: &'a Message) -> Self {
        Self {
            id: message.id,
            channel_id: message.channel_id,
            message_server_id: message.server_id,
            author_id: message.author_id,
            author_display_name: message.author_name.as_deref(),
            content: &message.content,
            raw_message: message.raw.as_ref(),
            source_type: message.source_type.as_deref(),
            source_id: message.source_id.as_deref(),
            metadata: Cow::Borrowed(&message.metadata),
            in_reply_to_root_message_id: message.in_reply_to,
            seq: message.seq,
            created_at: Iso(message.created_at),
            updated_at: Iso(message.updated_at),
            created_at_millis: message.created_at,
            updated_at_millis: message.updated_at,
        }
    }

    /// The message as lists and events show it: `thought`, `actions` and `attachments` of the raw message are in the
    /// metadata too, where clients look for them.
    pub(crate) fn listed(message: &'a Message) -> Self {
        let mut wire = Self::stored(message);
        let Some(Value::Object(raw)) = &message.raw else { return wire };
        for key in ["thought", "actions", "attachments"] {
            if let Some(value) = raw.get(key).filter(|value| !value.is_null()) {
                wire.metadata.to_mut().insert(key.to_owned(), value.clone());
            }
        }
        wire
    }
}

/// What the bus form has under names of its own.
#[derive(Serialize, Clone, Copy)]
pub(crate) struct BusFields<'a> {
    channel_id: ChannelId,
    message_server_id: MessageServerId,
    server_id: MessageServerId,
    author_id: EntityId,
    #[serde(skip_serializing_if = "Option::is_none")]
    author_display_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_message: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to_message_id: Option<MessageId>,
}

/// A message in the bus form: `userMessage` in answers and streams.
#[derive(Serialize, Clone, Copy)]
pub(crate) struct BusMessage<'a> {
    id: MessageId,
    #[serde(flatten)]
    pub(crate) own: BusFields<'a>,
    content: &'a str,
    created_at: Timestamp,
    metadata: &'a JsonObject,
}

impl<'a> From<&'a Message> for BusMessage<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            id: message.id,
            own: BusFields {
                channel_id: message.channel_id,
                message_server_id: message.server_id,
                server_id: message.server_id,
                author_id: message.author_id,
                author_display_name: message.author_name.as_deref(),
                source_type: message.source_type.as_deref(),
                source_id: message.source_id.as_deref(),
                raw_message: message.raw.as_ref(),
                in_reply_to_message_id: message.in_reply_to,
            },
            content: &message.content,
            created_at: message.created_at,
            metadata: &message.metadata,
        }
    }
}

/// What a search of messages found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FoundWire<'a> {
    messages: Vec<MessageWire<'a>>,
    /// Nothing older than this was looked at; a search with this as `to` goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    searched_to: Option<Iso>,
}

impl<'a> From<&'a FoundMessages> for FoundWire<'a> {
    fn from(found: &'a FoundMessages) -> Self {
        Self { messages: found.messages.iter().map(MessageWire::listed).collect(), searched_to: found.searched_to.map(Iso) }
    }
}

/// A title of a conversation, or why there is none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TitleWire<'a> {
    title: Option<&'a str>,
    channel_id: ChannelId,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl<'a> TitleWire<'a> {
    /// What became of making a title for a channel.
    pub(crate) fn of(channel_id: ChannelId, title: &'a Title) -> Self {
        let (title, reason) = match title {
            Title::Made(title) => (Some(title.as_str()), None),
            Title::Blank => (None, Some("The model had no title")),
            Title::TooShort => (None, Some("Not enough messages to generate a title")),
        };
        Self { title, channel_id, reason }
    }
}

/// A moment as JavaScript's `toISOString` writes it.
#[derive(Clone, Copy)]
pub(crate) struct Iso(pub(crate) Timestamp);

impl Serialize for Iso {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.iso())
    }
}
