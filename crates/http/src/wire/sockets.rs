//! What goes over sockets: the events of elizaOS's web UI, with the names of every release.

use core_types::bus::ReplyChunk;
use core_types::deliveries::DeliveryState;
use core_types::json::Entries;
use core_types::messaging::{ChannelEvent, Completion, Door, EventBody, Message, NewMessage};
use core_types::system::LogLine;
use core_types::{AgentId, ChannelId, EntityId, Json, JsonObject, MessageId, MessageServerId, Timestamp};
use realtime::Frame;
use realtime::packet::event_frame;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::Fields;
use crate::limits::{CONTENT_CHARS, IDEMPOTENCY_KEY_CHARS, NAME_CHARS};
use crate::wire::channels::ChannelWire;
use crate::wire::manage::{LogLineWire, LogWish};

const CHANNEL: &[&str] = &["channelId", "roomId"];
const SERVER: &[&str] = &["messageServerId", "serverId", "message_server_id", "server_id"];

/// What elizaOS answers where something of a message is missing or ill-formed.
const REQUIRED: &str = "For SEND_MESSAGE: channelId, messageServerId (message_server_id), senderId (author_id), and message are required.";

/// An event of a channel, and the channel's message server where it is known.
pub(crate) struct Told<'a> {
    pub(crate) event: &'a ChannelEvent,
    pub(crate) server: Option<MessageServerId>,
}

/// An event of a channel as clients are told it; `None` for one whose message has been deleted since.
pub(crate) fn told(told: &Told<'_>) -> Option<Frame> {
    let Told { event, server } = told;
    let position = EventPosition {
        channel_id: event.channel_id,
        room_id: event.channel_id,
        server_id: *server,
        message_server_id: *server,
        seq: event.seq,
    };
    Some(match &event.body {
        EventBody::Message(message) | EventBody::MessageUpdated(message) => {
            return message.as_ref().map(|message| broadcast(message, event.seq, None));
        }
        EventBody::MessageDeleted(message_id) => event_frame("messageDeleted", &DeletedWire { message_id: *message_id, position }),
        EventBody::ChannelCleared => event_frame("channelCleared", &position),
        EventBody::ChannelUpdated(channel) => {
            event_frame("channelUpdated", &UpdatedWire { updates: ChannelWire::from(&**channel), position })
        }
        EventBody::Complete(completion) => event_frame("messageComplete", &CompleteWire { position, completion: completion.as_ref() }),
        EventBody::ChannelDeleted => channel_deleted(event.channel_id),
    })
}

/// A channel is gone.
pub(crate) fn channel_deleted(channel: ChannelId) -> Frame {
    event_frame("channelDeleted", &json!({ "channelId": channel, "roomId": channel }))
}

/// Where something happened: the channel, and the event of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventPosition {
    channel_id: ChannelId,
    room_id: ChannelId,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_id: Option<MessageServerId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_server_id: Option<MessageServerId>,
    seq: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeletedWire {
    message_id: MessageId,
    #[serde(flatten)]
    position: EventPosition,
}

#[derive(Serialize)]
struct UpdatedWire<'a> {
    updates: ChannelWire<'a>,
    #[serde(flatten)]
    position: EventPosition,
}

#[derive(Serialize)]
struct CompleteWire<'a> {
    #[serde(flatten)]
    position: EventPosition,
    #[serde(flatten)]
    completion: Option<&'a Completion>,
}

/// A message, with the keys of all the places from which elizaOS sends one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BroadcastWire<'a> {
    id: MessageId,
    sender_id: EntityId,
    sender_name: &'a str,
    text: &'a str,
    channel_id: ChannelId,
    room_id: ChannelId,
    server_id: MessageServerId,
    message_server_id: MessageServerId,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actions: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_message: Option<&'a Json>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_message_id: Option<&'a str>,
    seq: i64,
}

/// A message as clients are told it by the event `seq`; its sender's own copy has the id that the sender gave it.
pub(crate) fn broadcast(message: &Message, seq: i64, client_message_id: Option<&str>) -> Frame {
    let raw: Entries<'_> = message.raw.as_ref().map(Json::entries).unwrap_or_default();
    let shown = |key| raw.raw(key).filter(|value| value.get() != "null");
    let metadata = if message.metadata.may_have("attachments") { message.metadata.entries() } else { Entries::default() };
    let is_action = message.source_type.as_deref() == Some("agent_action");
    event_frame(
        "messageBroadcast",
        &BroadcastWire {
            id: message.id,
            sender_id: message.author_id,
            sender_name: message.author_name.as_deref().unwrap_or("User"),
            text: &message.content,
            channel_id: message.channel_id,
            room_id: message.channel_id,
            server_id: message.server_id,
            message_server_id: message.server_id,
            created_at: message.created_at,
            source: message.source_type.as_deref(),
            thought: shown("thought"),
            actions: shown("actions"),
            attachments: shown("attachments").or_else(|| metadata.raw("attachments")),
            in_reply_to: message.in_reply_to,
            updated_at: (message.updated_at > message.created_at).then_some(message.updated_at),
            raw_message: message.raw.as_ref().filter(|_| is_action),
            client_message_id,
            seq,
        },
    )
}

/// A piece of a reply.
pub(crate) fn chunk(chunk: &ReplyChunk) -> Frame {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire<'a> {
        message_id: MessageId,
        chunk: &'a str,
        index: u32,
        agent_id: AgentId,
        channel_id: ChannelId,
    }
    let ReplyChunk { reply_id, channel_id, agent_id, text, index, .. } = chunk;
    let wire = Wire { message_id: *reply_id, chunk: text, index: *index, agent_id: *agent_id, channel_id: *channel_id };
    event_frame("messageStreamChunk", &wire)
}

/// A reply that has been shown in part and will not be finished.
pub(crate) fn stream_error(channel: ChannelId, reply: MessageId, completion: &Completion) -> Frame {
    let unsaid =
        if completion.state == DeliveryState::Cancelled { "The message or the agent was taken out" } else { "The agent could not reply" };
    let error = completion.error.as_deref().unwrap_or(unsaid);
    let wire = json!({ "messageId": reply, "channelId": channel, "agentId": completion.agent_id, "error": error });
    event_frame("messageStreamError", &wire)
}

/// Events that are no longer kept, the first and the last.
pub(crate) fn gap(from: i64, to: i64) -> Frame {
    event_frame("gap", &json!({ "from": from, "to": to }))
}

/// The greeting of a connected client, in two events.
pub(crate) fn greeting(entity: EntityId, socket_id: &str, now: Timestamp) -> [Frame; 2] {
    [
        event_frame("authenticated", &json!({ "entityId": entity, "timestamp": now })),
        event_frame("connection_established", &json!({ "message": "Connected to Eliza Socket.IO server", "socketId": socket_id })),
    ]
}

/// Something that a client asked for cannot be done.
pub(crate) fn failure(error: &ApiError) -> Value {
    let body = error.body();
    let of = |key| body.get("error").and_then(|error| error.get(key)).cloned().unwrap_or_default();
    json!({ "error": of("message"), "code": of("code") })
}

/// A line of the server's log.
pub(crate) fn log_entry(line: &LogLine) -> Frame {
    event_frame("log_stream", &json!({ "type": "log_entry", "payload": LogLineWire::from(line) }))
}

/// What a client wants to hear.
#[derive(Debug, PartialEq)]
pub(crate) struct Joining {
    /// The channel as the client spells it.
    pub(crate) channel: String,
    /// The agent that the client names; only told back.
    pub(crate) agent: Option<String>,
    /// The number of the last event that the client knows.
    pub(crate) after: Option<i64>,
}

/// Reads what a client wants to hear.
pub(crate) fn joining(payload: JsonObject) -> ApiResult<Joining> {
    let mut fields = Fields::new(payload);
    let channel = fields.text(CHANNEL, NAME_CHARS)?.ok_or_else(|| ApiError::bad_request("channelId is required for joining."))?;
    let after = fields.count(&["lastSeq", "after"])?.map(i64::from);
    Ok(Joining { channel, agent: fields.text(&["agentId"], NAME_CHARS)?, after })
}

/// What a client is told that hears a channel now: in two events of elizaOS, and as the answer to its own.
pub(crate) fn joined(joining: &Joining, socket_id: &str, position: Option<i64>) -> Value {
    let channel = &joining.channel;
    let mut told = json!({
        "message": format!("Socket {socket_id} successfully joined channel {channel}."),
        "channelId": channel,
        "roomId": channel,
    });
    if let Some(told) = told.as_object_mut() {
        if let Some(agent) = &joining.agent {
            told.insert("agentId".to_owned(), agent.as_str().into());
        }
        if let Some(position) = position {
            told.insert("seq".to_owned(), position.into());
        }
    }
    told
}

/// Reads a message that a client sends.
pub(crate) fn sending(payload: JsonObject) -> ApiResult<NewMessage> {
    let raw = Value::Object(payload.clone());
    let mut fields = Fields::new(payload);
    let required = || ApiError::bad_request(REQUIRED);
    let channel_id = fields.id(CHANNEL).ok().flatten().ok_or_else(required)?;
    let server_id = fields.id(SERVER).ok().flatten().ok_or_else(required)?;
    let author_id: EntityId = fields.id(&["senderId", "author_id"]).ok().flatten().ok_or_else(required)?;
    let content = fields.text(&["message", "content"], CONTENT_CHARS)?.ok_or_else(required)?;
    let author_name = fields.text(&["senderName"], NAME_CHARS)?;
    let source_id = fields.text(&["messageId"], NAME_CHARS)?;
    let mut metadata = fields.object(&["metadata"])?.unwrap_or_default();
    if let Some(target) = fields.text(&["targetUserId"], NAME_CHARS)? {
        metadata.entry("targetUserId").or_insert(target.into());
    }
    if let Some(name) = &author_name {
        metadata.entry("user_display_name").or_insert(name.as_str().into());
    }
    if let Some(attachments) = fields.value(&["attachments"]) {
        metadata.entry("attachments").or_insert(attachments);
    }
    Ok(NewMessage {
        door: Door::Socket,
        id: None,
        channel_id,
        server_id,
        author_id,
        author_name,
        content,
        raw: Some(raw),
        source_type: Some(fields.text(&["source"], NAME_CHARS)?.unwrap_or_else(|| "socketio_client".to_owned())),
        idempotency_key: source_id.as_deref().and_then(|id| once(author_id, id)),
        source_id,
        metadata,
        in_reply_to: None,
    })
}

/// Under which key a message is sent once however often it comes: ids that are never used twice, of one sender. Others are
/// counted by some clients, and begin again with each page.
fn once(author: EntityId, client_id: &str) -> Option<String> {
    let id: MessageId = client_id.parse().ok()?;
    Some(format!("{author}:{id}")).filter(|key| key.len() <= IDEMPOTENCY_KEY_CHARS)
}

/// What the sender of a message is told once it is on disk.
pub(crate) fn acknowledged(message: &Message, warnings: &[String]) -> Value {
    let mut told = json!({
        "messageId": message.id,
        "status": "received_by_server_and_processing",
        "channelId": message.channel_id,
        "roomId": message.channel_id,
        "seq": message.seq,
    });
    if let Some(told) = told.as_object_mut() {
        if let Some(client_id) = &message.source_id {
            told.insert("clientMessageId".to_owned(), client_id.as_str().into());
        }
        if !warnings.is_empty() {
            told.insert("warnings".to_owned(), warnings.into());
        }
    }
    told
}

/// What elizaOS says of a message server that there is not.
pub(crate) fn no_server(server: MessageServerId) -> ApiError {
    ApiError::new(Code::ServerNotFound, format!("Server {server} does not exist"))
}

/// Reads which lines of the log a client wants.
pub(crate) fn log_wish(payload: JsonObject) -> ApiResult<LogWish> {
    let mut fields = Fields::new(payload);
    Ok(LogWish { agent_name: fields.text(&["agentName"], NAME_CHARS)?, level: fields.text(&["level"], NAME_CHARS)? })
}

/// Nobody will answer a message.
pub(crate) fn nobody_answers(message: &Message) -> Frame {
    event_frame(
        "messageComplete",
        &EventPosition {
            channel_id: message.channel_id,
            room_id: message.channel_id,
            server_id: Some(message.server_id),
            message_server_id: Some(message.server_id),
            seq: message.seq,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_back_at_joining_is_short() {
        let wanted = |agent: Value| {
            let payload = json!({"channelId": "c", "agentId": agent});
            joining(payload.as_object().unwrap().clone())
        };
        let joining = wanted("a".into()).unwrap();
        assert_eq!(joined(&joining, "s", None)["agentId"], "a");
        assert!(joined(&wanted(Value::Null).unwrap(), "s", None).get("agentId").is_none());
        for too_much in [json!("a".repeat(NAME_CHARS + 1)), json!({"a": "b"})] {
            assert!(wanted(too_much).is_err());
        }
    }
}
