//! Messages on the wire: the `camelCase` form of the central plane, and the `snake_case` form of elizaOS's bus.

use core_types::json::Entries;
use core_types::messaging::{FoundMessages, Message, Title};
use core_types::{ChannelId, EntityId, Json, MessageId, MessageServerId, Timestamp};
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// Messages of a channel, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct MessageList<'a> {
    messages: Vec<MessageWire<'a>>,
}

impl<'a> MessageList<'a> {
    /// These messages.
    pub(crate) fn of(messages: &'a [Message]) -> Self {
        Self { messages: messages.iter().map(MessageWire::listed).collect() }
    }
}

/// A message in a channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Message)]
pub(crate) struct MessageWire<'a> {
    #[schema(value_type = Uuid)]
    id: MessageId,
    #[schema(value_type = Uuid)]
    channel_id: ChannelId,
    #[schema(value_type = Uuid)]
    message_server_id: MessageServerId,
    #[schema(value_type = Uuid)]
    author_id: EntityId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Ann")]
    author_display_name: Option<&'a str>,
    #[schema(example = "Good day!")]
    content: &'a str,
    /// The message as its platform has it; of an agent's reply, its content with `thought` and `actions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    raw_message: Option<&'a Json>,
    /// Which platform it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "eliza_gui")]
    source_type: Option<&'a str>,
    /// Its id on that platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a str>,
    #[schema(value_type = Object)]
    metadata: Metadata<'a>,
    #[schema(value_type = Option<Uuid>)]
    in_reply_to_root_message_id: Option<MessageId>,
    /// Its place in the channel.
    #[schema(example = 7)]
    seq: i64,
    created_at: Iso,
    updated_at: Iso,
    /// Epoch milliseconds.
    #[serde(rename = "created_at")]
    #[schema(value_type = i64)]
    created_at_millis: Timestamp,
    /// Epoch milliseconds.
    #[serde(rename = "updated_at")]
    #[schema(value_type = i64)]
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
            metadata: Metadata::Stored(&message.metadata),
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
        Self { metadata: Metadata::shown(message), ..Self::stored(message) }
    }
}

/// What of a raw message is shown in the metadata too.
const SHOWN: [&str; 3] = ["thought", "actions", "attachments"];

/// Metadata as it was stored, or with entries of the raw message.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Metadata<'a> {
    Stored(&'a Json),
    Joined(Entries<'a>),
}

impl<'a> Metadata<'a> {
    /// The metadata of a message as lists show it.
    pub(crate) fn shown(message: &'a Message) -> Self {
        let raw = message.raw.as_ref().filter(|raw| SHOWN.iter().any(|key| raw.may_have(key)));
        let mut shown = raw.map(Json::entries).unwrap_or_default();
        shown.retain(|key, value| SHOWN.contains(&key) && value != "null");
        if shown.is_empty() {
            return Self::Stored(&message.metadata);
        }
        let mut metadata = message.metadata.entries();
        metadata.replace(shown);
        Self::Joined(metadata)
    }
}

/// What the bus form has under names of its own.
#[derive(Serialize, Clone, Copy, ToSchema)]
pub(crate) struct BusFields<'a> {
    #[schema(value_type = Uuid)]
    channel_id: ChannelId,
    #[schema(value_type = Uuid)]
    message_server_id: MessageServerId,
    #[schema(value_type = Uuid)]
    server_id: MessageServerId,
    #[schema(value_type = Uuid)]
    author_id: EntityId,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Ann")]
    author_display_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "eliza_gui")]
    source_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    raw_message: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    in_reply_to_message_id: Option<MessageId>,
}

/// A message in the bus form: `userMessage` in answers and streams.
#[derive(Serialize, Clone, Copy, ToSchema)]
pub(crate) struct BusMessage<'a> {
    #[schema(value_type = Uuid)]
    id: MessageId,
    #[serde(flatten)]
    pub(crate) own: BusFields<'a>,
    #[schema(example = "Good day!")]
    content: &'a str,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    created_at: Timestamp,
    #[schema(value_type = Object)]
    metadata: &'a Json,
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
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FoundMessages)]
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
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Title)]
pub(crate) struct TitleWire<'a> {
    #[schema(example = "Help with a bicycle")]
    title: Option<&'a str>,
    #[schema(value_type = Uuid)]
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

impl PartialSchema for Iso {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).examples(["2026-01-31T12:00:00.000Z"]).into()
    }
}

impl ToSchema for Iso {}
