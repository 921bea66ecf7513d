//! Bodies that post a message, and the answer to them.

use core_types::ids::{parse_uuid, string_to_uuid};
use core_types::messaging::{Door, MessageChange, MessageSearch, NewMessage, PostReceipt, ReplyForm};
use core_types::{ChannelId, EntityId, Json, JsonObject, MessageId, MessageServerId};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::{Fields, Sender};
use crate::limits::{CONTENT_CHARS, INGESTED, MAX_PAGE, NAME_CHARS, PAGE, SEARCH_WORDS};
use crate::wire::channels::SERVER;
use crate::wire::messages::{BusFields, BusMessage, MessageWire};
use crate::wire::servers::ServerReference;

const CHANNEL: &[&str] = &["channel_id", "channelId"];
const AUTHOR: &[&str] = &["author_id", "authorId"];
const RAW: &[&str] = &["raw_message", "rawMessage"];
const SOURCE_TYPE: &[&str] = &["source_type", "sourceType"];
const IN_REPLY_TO: &[&str] = &["in_reply_to_message_id", "inReplyToMessageId", "inReplyToRootMessageId", "inReplyTo"];

/// How a caller wants the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In the answer.
    Http,
    /// As a stream of events.
    Sse,
    /// Elsewhere: the answer is only about the message.
    Websocket,
}

impl Transport {
    /// Takes `transport`, or the older `mode`, out of a body.
    pub(crate) fn take(body: &mut JsonObject) -> ApiResult<Self> {
        let (transport, mode) = (body.swap_remove("transport"), body.swap_remove("mode"));
        match transport.filter(|value| !value.is_null()).or(mode) {
            None | Some(Value::Null) => Ok(Self::Websocket),
            Some(Value::String(name)) => match name.as_str() {
                "http" | "sync" => Ok(Self::Http),
                "sse" | "stream" => Ok(Self::Sse),
                "websocket" => Ok(Self::Websocket),
                _ => Err(ApiError::bad_request("Invalid transport. Must be one of: http, sse, websocket, sync, stream")),
            },
            Some(_) => Err(ApiError::bad_request("Invalid transport type. Transport must be a string.")),
        }
    }

    /// How whoever waits for the reply has it.
    pub(crate) const fn form(self) -> ReplyForm {
        match self {
            Self::Sse => ReplyForm::Pieces,
            Self::Http | Self::Websocket => ReplyForm::Whole,
        }
    }
}

/// What every message may say besides. Each field may also be spelt in the other way, with or without underscores.
#[derive(ToSchema)]
#[schema(as = MessageFields)]
#[expect(dead_code, reason = "the schema of what `read` reads")]
struct FieldsBody {
    /// How people call the author.
    #[schema(max_length = 256, example = "Ann")]
    author_display_name: Option<String>,
    /// The message's id, of the client's making: posting it again changes nothing.
    #[serde(rename = "messageId")]
    #[schema(value_type = Option<Uuid>)]
    message_id: Option<()>,
    /// Its id on its platform.
    #[schema(max_length = 256)]
    source_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
}

/// A message to a channel.
#[derive(ToSchema)]
#[schema(as = ChannelMessage)]
#[expect(dead_code, reason = "the schema of what `to_channel` reads")]
pub(crate) struct ChannelMessageBody {
    /// The author; the header `X-Entity-Id` where absent.
    #[schema(value_type = Option<Uuid>)]
    author_id: Option<()>,
    #[schema(min_length = 1, max_length = 100_000, example = "Good day!")]
    content: String,
    /// The message server; the default one where absent. Also `server_id`.
    #[schema(value_type = Option<Uuid>, example = "00000000-0000-0000-0000-000000000000")]
    message_server_id: Option<()>,
    /// How the reply comes. Also `mode`.
    #[schema(value_type = Option<TransportName>)]
    transport: Option<()>,
    /// Which platform it comes from.
    #[schema(max_length = 256, example = "eliza_gui")]
    source_type: Option<String>,
    /// The message as its platform has it.
    #[schema(value_type = Option<Value>)]
    raw_message: Option<()>,
    /// The message that it answers. Also `inReplyToRootMessageId` and `inReplyTo`.
    #[schema(value_type = Option<Uuid>)]
    in_reply_to_message_id: Option<()>,
    #[serde(flatten)]
    more: FieldsBody,
}

/// How the reply to a message comes.
#[derive(ToSchema)]
#[schema(as = Transport, rename_all = "lowercase")]
#[expect(dead_code, reason = "the schema of what `Transport::take` reads")]
pub(crate) enum TransportName {
    Http,
    Sync,
    Sse,
    Stream,
    Websocket,
}

/// A message of any author.
#[derive(ToSchema)]
#[schema(as = SubmittedMessage)]
#[expect(dead_code, reason = "the schema of what `submitted` reads")]
pub(crate) struct SubmittedBody {
    #[schema(value_type = Uuid)]
    channel_id: (),
    /// Also `server_id`.
    #[schema(value_type = Uuid, example = "00000000-0000-0000-0000-000000000000")]
    message_server_id: (),
    #[schema(value_type = Uuid)]
    author_id: (),
    #[schema(min_length = 1, max_length = 100_000, example = "Good day!")]
    content: String,
    /// Which platform it comes from.
    #[schema(min_length = 1, max_length = 256, example = "agent_response")]
    source_type: String,
    /// The message as its platform has it.
    #[schema(value_type = Object)]
    raw_message: (),
    /// The message that it answers. Also `inReplyToRootMessageId` and `inReplyTo`.
    #[schema(value_type = Option<Uuid>)]
    in_reply_to_message_id: Option<()>,
    #[serde(flatten)]
    more: FieldsBody,
}

/// A message from another platform.
#[derive(ToSchema)]
#[schema(as = ExternalMessage)]
#[expect(dead_code, reason = "the schema of what `ingested` reads")]
pub(crate) struct IngestedBody {
    #[schema(value_type = Uuid)]
    channel_id: (),
    /// Also `server_id`.
    #[schema(value_type = Uuid, example = "00000000-0000-0000-0000-000000000000")]
    message_server_id: (),
    #[schema(value_type = Uuid)]
    author_id: (),
    #[schema(min_length = 1, max_length = 100_000, example = "Good day!")]
    content: String,
    /// Which platform it comes from.
    #[schema(max_length = 256, example = "discord")]
    source_type: Option<String>,
    /// The message as its platform has it.
    #[schema(value_type = Option<Value>)]
    raw_message: Option<()>,
    /// The message that it answers. The platform's own ids do not count. Also `inReplyToRootMessageId` and `inReplyTo`.
    #[schema(value_type = Option<Value>)]
    in_reply_to_message_id: Option<()>,
    #[serde(flatten)]
    more: FieldsBody,
}

/// Reads a message to a channel. A missing author is the caller's `X-Entity-Id`, a missing server the default one.
pub(crate) fn to_channel(channel_id: ChannelId, body: JsonObject, sender: Sender) -> ApiResult<NewMessage> {
    let mut fields = Fields::new(body);
    let author_id = match fields.id(AUTHOR)? {
        Some(author) => author,
        None => entity(sender.entity.as_deref())?,
    };
    let server_id = fields.id(SERVER)?.unwrap_or(MessageServerId::DEFAULT);
    let mut message = read(Door::Channel, &mut fields, Addressing { channel: channel_id, server: server_id, author: author_id }, sender)?;
    message.source_type.get_or_insert_with(|| "eliza_gui".to_owned());
    Ok(message)
}

/// Reads a message to `submit` or `action`, which require more than the other doors.
pub(crate) fn submitted(door: Door, mut body: JsonObject, sender: Sender) -> ApiResult<NewMessage> {
    complete_client_message(&mut body);
    let mut fields = Fields::new(body);
    let addressing = Addressing::take(&mut fields)?;
    let message = read(door, &mut fields, addressing, sender)?;
    if message.source_type.is_none() {
        return Err(ApiError::bad_request("Missing required field: source_type"));
    }
    match &message.raw {
        Some(Value::Object(_)) => Ok(message),
        Some(_) => Err(ApiError::bad_request("raw_message must be an object")),
        None => Err(ApiError::bad_request("Missing required field: raw_message")),
    }
}

/// The official client names the agent that speaks, `agentId`, and leaves out what follows from that.
fn complete_client_message(body: &mut JsonObject) {
    let lacks = |body: &JsonObject, names: &[&str]| names.iter().all(|name| body.get(*name).is_none_or(Value::is_null));
    let (true, Some(agent)) = (lacks(body, AUTHOR), body.get("agentId").cloned()) else { return };
    let in_metadata = |key: &str| body.get("metadata").and_then(|metadata| metadata.get(key));
    let said = [("text", body.get("content")), ("thought", in_metadata("thought")), ("actions", in_metadata("actions"))];
    let raw: JsonObject = said.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.clone()))).collect();
    body.insert("author_id".to_owned(), agent);
    for (names, value) in [(SERVER, json!(MessageServerId::DEFAULT)), (SOURCE_TYPE, json!("agent_response")), (RAW, Value::Object(raw))] {
        if lacks(body, names) {
            body.insert(names.first().copied().unwrap_or_default().to_owned(), value);
        }
    }
}

/// Reads a message from another platform. A reply id of that platform's own making is dropped.
pub(crate) fn ingested(mut body: JsonObject, sender: Sender) -> ApiResult<NewMessage> {
    let foreign = |value: &Value| value.as_str().is_none_or(|text| parse_uuid(text).is_err());
    for name in IN_REPLY_TO {
        if body.get(*name).is_some_and(foreign) {
            body.swap_remove(*name);
        }
    }
    let mut fields = Fields::new(body);
    let addressing = Addressing::take(&mut fields)?;
    read(Door::Ingest, &mut fields, addressing, sender)
}

/// Reads several messages of another platform, as the official client hands them in; `None` where the body is one message.
///
/// Authors are known by what their platform calls them: an id, or a text of which an id is made.
pub(crate) fn ingested_all(body: &mut JsonObject) -> ApiResult<Option<Vec<NewMessage>>> {
    if body.get("messages").is_none_or(Value::is_null) {
        return Ok(None);
    }
    let mut fields = Fields::new(std::mem::take(body));
    let platform = fields.required_text(&["platform", "source_type", "sourceType"], NAME_CHARS)?;
    let (channel_id, server_id) = (fields.required_id(CHANNEL)?, fields.id(SERVER)?.unwrap_or(MessageServerId::DEFAULT));
    let messages = fields.objects(&["messages"], INGESTED)?.unwrap_or_default();
    let message = |mut fields: Fields| {
        let author = fields.required_text(AUTHOR, NAME_CHARS)?;
        let mut metadata = fields.object(&["metadata"])?.unwrap_or_default();
        if let Some(time) = fields.moment(&["timestamp"])? {
            metadata.insert("timestamp".to_owned(), time.millis().into());
        }
        Ok(NewMessage {
            door: Door::Ingest,
            id: None,
            channel_id,
            server_id,
            author_id: author.parse().unwrap_or_else(|_| EntityId::new(string_to_uuid(&format!("{platform}:{author}")))),
            author_name: name_in(&metadata),
            content: fields.required_text(&["content"], CONTENT_CHARS)?,
            raw: None,
            source_type: Some(platform.clone()),
            source_id: Some(fields.required_text(&["id", "source_id", "sourceId"], NAME_CHARS)?),
            metadata,
            in_reply_to: None,
            idempotency_key: None,
        })
    };
    messages.into_iter().map(message).collect::<ApiResult<_>>().map(Some)
}

/// A change of a message.
#[derive(ToSchema)]
#[schema(as = MessageChange)]
#[expect(dead_code, reason = "the schema of what `message_change` reads")]
pub(crate) struct MessageChangeBody {
    #[schema(max_length = 100_000, example = "Good evening!")]
    content: Option<String>,
    /// Replaces what there is. Also `rawMessage`.
    #[schema(value_type = Option<Object>)]
    raw_message: Option<()>,
    #[schema(max_length = 256)]
    source_type: Option<String>,
    /// Another author.
    #[schema(value_type = Option<Uuid>)]
    author_id: Option<()>,
    /// Replaces what there is.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// The message that it answers.
    #[schema(value_type = Option<Uuid>)]
    in_reply_to_message_id: Option<()>,
}

/// Reads a change of a message. What is no field of a change is ignored.
pub(crate) fn message_change(body: JsonObject) -> ApiResult<MessageChange> {
    let mut fields = Fields::new(body);
    Ok(MessageChange {
        content: fields.text(&["content"], CONTENT_CHARS)?,
        raw: fields.object(RAW)?.map(Json::from),
        source_type: fields.text(SOURCE_TYPE, NAME_CHARS)?,
        metadata: fields.object(&["metadata"])?.map(Json::from),
        author_id: fields.id(AUTHOR)?,
        in_reply_to: fields.id(IN_REPLY_TO)?,
    })
}

/// A search of messages.
#[derive(ToSchema)]
#[schema(as = MessageSearch)]
#[expect(dead_code, reason = "the schema of what `message_search` reads")]
pub(crate) struct SearchBody {
    /// The words to look for; with none, every message is found.
    #[schema(max_length = 256, example = "bicycle")]
    query: Option<String>,
    /// The same as `query`.
    #[schema(max_length = 256)]
    q: Option<String>,
    /// Only messages of this channel.
    #[schema(value_type = Option<Uuid>)]
    channel_id: Option<()>,
    /// Only messages of this author.
    #[schema(value_type = Option<Uuid>)]
    author_id: Option<()>,
    /// Only messages from then on: epoch milliseconds, or an ISO 8601 time.
    #[schema(value_type = Option<Moment>)]
    from: Option<()>,
    /// Only messages before then.
    #[schema(value_type = Option<Moment>)]
    to: Option<()>,
    /// How many messages; 50 where absent.
    #[schema(maximum = 1000, example = 50)]
    limit: Option<u32>,
    /// How many to leave out at the beginning.
    offset: Option<u32>,
    /// Instead of `offset`, the page, counted from 1.
    page: Option<u32>,
}

/// Epoch milliseconds, or an ISO 8601 time.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema of what `Fields::moment` reads")]
pub(crate) enum Moment {
    Millis(i64),
    Iso(String),
}

/// Reads a search of messages. A page counts from 1, as the official client counts.
pub(crate) fn message_search(body: JsonObject) -> ApiResult<MessageSearch> {
    let mut fields = Fields::new(body);
    let query = fields.text(&["query", "q"], NAME_CHARS)?.unwrap_or_default();
    let words: Vec<String> = query.split_whitespace().map(str::to_owned).collect();
    if words.len() > SEARCH_WORDS {
        return Err(ApiError::bad_request(format!("query has more than {SEARCH_WORDS} words")));
    }
    let limit = fields.count(&["limit"])?.unwrap_or(PAGE).min(MAX_PAGE);
    let page = fields.count(&["page"])?.unwrap_or(1).saturating_sub(1);
    Ok(MessageSearch {
        words,
        channel: fields.id(CHANNEL)?,
        author: fields.id(AUTHOR)?,
        from: fields.moment(&["from"])?,
        to: fields.moment(&["to"])?,
        offset: fields.count(&["offset"])?.unwrap_or_else(|| page.saturating_mul(limit)),
        limit,
    })
}

/// A note that a message was dealt with.
#[derive(ToSchema)]
#[schema(as = Completion)]
#[expect(dead_code, reason = "the schema of what `completed` reads")]
pub(crate) struct CompletedBody {
    #[schema(value_type = Uuid)]
    channel_id: (),
    /// Also `server_id`.
    #[schema(value_type = Uuid, example = "00000000-0000-0000-0000-000000000000")]
    message_server_id: (),
}

/// What was dealt with.
pub(crate) enum Completed {
    /// Something of this channel, on this server.
    Channel(ChannelId, MessageServerId),
    /// This message.
    Message(MessageId),
}

/// Reads a note that a message was dealt with.
pub(crate) fn completed(body: JsonObject) -> ApiResult<Completed> {
    let mut fields = Fields::new(body);
    let message = fields.id(&["messageId", "message_id"])?;
    match (fields.id(CHANNEL)?, message) {
        (None, Some(message)) => Ok(Completed::Message(message)),
        (None, None) => Err(ApiError::bad_request("Missing required field: channel_id")),
        (Some(channel), _) => Ok(Completed::Channel(channel, fields.required_id(SERVER)?)),
    }
}

fn entity(header: Option<&str>) -> ApiResult<EntityId> {
    let text = header.ok_or_else(|| ApiError::bad_request("Missing required field: author_id"))?;
    text.parse().map_err(|_| ApiError::new(Code::InvalidId, "Invalid X-Entity-Id format"))
}

/// Where a message goes and who wrote it.
#[derive(Clone, Copy)]
struct Addressing {
    channel: ChannelId,
    server: MessageServerId,
    author: EntityId,
}

impl Addressing {
    fn take(fields: &mut Fields) -> ApiResult<Self> {
        Ok(Self { channel: fields.required_id(CHANNEL)?, server: fields.required_id(SERVER)?, author: fields.required_id(AUTHOR)? })
    }
}

/// What every door reads alike.
fn read(door: Door, fields: &mut Fields, addressing: Addressing, sender: Sender) -> ApiResult<NewMessage> {
    let metadata = fields.object(&["metadata"])?.unwrap_or_default();
    let named = fields.text(&["author_display_name", "authorDisplayName"], NAME_CHARS)?;
    Ok(NewMessage {
        door,
        id: fields.id(&["messageId", "message_id"])?,
        channel_id: addressing.channel,
        server_id: addressing.server,
        author_id: addressing.author,
        author_name: named.or_else(|| name_in(&metadata)),
        content: fields.required_text(&["content"], CONTENT_CHARS)?,
        raw: fields.value(RAW),
        source_type: fields.text(SOURCE_TYPE, NAME_CHARS)?,
        source_id: fields.text(&["source_id", "sourceId"], NAME_CHARS)?,
        metadata,
        in_reply_to: fields.id(IN_REPLY_TO)?,
        idempotency_key: sender.idempotency_key,
    })
}

/// The author's name where clients of elizaOS put it; shortened, as it was not meant for a field.
fn name_in(metadata: &JsonObject) -> Option<String> {
    let keys = ["user_display_name", "author_display_name", "agentName"];
    let name = keys.iter().find_map(|key| metadata.get(*key)?.as_str().filter(|name| !name.is_empty()))?;
    Some(name.chars().take(NAME_CHARS).collect())
}

/// The answer to a post: the message in both its forms, and under the keys of every release.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PostedMessage)]
pub(crate) struct PostedWire<'a> {
    #[schema(example = true)]
    success: bool,
    data: PostedData<'a>,
    user_message: BusMessage<'a>,
    /// The reply, where it was waited for: `text`, `thought`, `actions`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    agent_response: Option<&'a JsonObject>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

/// A posted message in both its forms.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PostedData<'a> {
    #[serde(flatten)]
    message: MessageWire<'a>,
    #[serde(flatten)]
    bus: BusFields<'a>,
    user_message: BusMessage<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    agent_response: Option<&'a JsonObject>,
}

impl<'a> PostedWire<'a> {
    /// The answer, with the reply where it was waited for.
    pub(crate) fn of(receipt: &'a PostReceipt, agent_response: Option<&'a JsonObject>) -> Self {
        let user_message = BusMessage::from(&*receipt.message);
        let message = MessageWire::stored(&receipt.message);
        let data = PostedData { message, bus: user_message.own, user_message, agent_response };
        Self { success: true, data, user_message, agent_response, warnings: &receipt.warnings }
    }
}

/// The answer to a message from another platform.
#[derive(Serialize, ToSchema)]
#[schema(as = IngestedMessage)]
pub(crate) struct IngestedWire<'a> {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "Message ingested and published to bus")]
    message: &'static str,
    data: IngestedData,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct IngestedData {
    /// The message, where it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    message_id: Option<MessageId>,
    /// The messages, where there could be several, and how many they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Uuid>>)]
    message_ids: Option<Vec<MessageId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    processed: Option<usize>,
}

impl<'a> IngestedWire<'a> {
    /// The answer.
    pub(crate) fn of(receipt: &'a PostReceipt) -> Self {
        let data = IngestedData { message_id: Some(receipt.message.id), message_ids: None, processed: None };
        Self { success: true, message: "Message ingested and published to bus", data, warnings: &receipt.warnings }
    }

    /// The answer to several messages.
    pub(crate) fn of_all(messages: Vec<MessageId>) -> Self {
        let data = IngestedData { message_id: None, processed: Some(messages.len()), message_ids: Some(messages) };
        Self { success: true, message: "Messages ingested and published to bus", data, warnings: &[] }
    }
}

/// The answer to a note that a message was dealt with.
#[derive(Serialize, ToSchema)]
#[schema(as = CompletionAnswer)]
pub(crate) struct CompletedWire {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "Message completion announced")]
    message: &'static str,
    data: CompletedData,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CompletedData {
    /// The official client takes this for its answer.
    #[schema(example = true)]
    success: bool,
    #[schema(value_type = Uuid)]
    channel_id: ChannelId,
    #[serde(flatten)]
    server: ServerReference,
}

impl CompletedWire {
    /// The answer.
    pub(crate) fn of(channel_id: ChannelId, server: MessageServerId) -> Self {
        let data = CompletedData { success: true, channel_id, server: server.into() };
        Self { success: true, message: "Message completion announced", data }
    }
}
