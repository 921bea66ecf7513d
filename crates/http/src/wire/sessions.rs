//! Sessions on the wire.

use core_types::messaging::{Message, MessageWindow, PostReceipt};
use core_types::sessions::{NewSession, Renewal, Session, SessionCount, SessionMessage, SessionMessages, SessionTimeout, TimeoutChange};
use core_types::{AgentId, ChannelId, EntityId, JsonObject, Listed, MessageId, Page, SessionId, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::{Fields, Query, Sender};
use crate::limits::{MAX_PAGE, MAX_SESSION_MESSAGES, PAGE, SESSION_CONTENT_CHARS, SESSION_METADATA_CHARS, SHOWN_CHARS};
use crate::wire::messages::{BusMessage, Iso, Metadata};
use crate::wire::posts::TransportName;

const AGENT: &[&str] = &["agentId", "agent_id"];
const USER: &[&str] = &["userId", "user_id"];

/// A session to open.
#[derive(ToSchema)]
#[schema(as = NewSession)]
#[expect(dead_code, reason = "the schema of what `new_session` reads")]
pub(crate) struct SessionBody {
    #[serde(rename = "agentId")]
    #[schema(value_type = Uuid)]
    agent_id: (),
    /// Who speaks with the agent.
    #[serde(rename = "userId")]
    #[schema(value_type = Uuid)]
    user_id: (),
    /// Anything, up to 10 240 characters of JSON; it is given back, and comes with every message.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// What is not said here follows from the agent's settings and the server's.
    #[serde(rename = "timeoutConfig")]
    timeout_config: Option<TimeoutBody>,
}

/// When a session ends. Numbers may also be texts of digits.
#[derive(ToSchema)]
#[schema(as = SessionTimeout)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `timeout_change` reads")]
pub(crate) struct TimeoutBody {
    /// After so many minutes without anything happening, it ends.
    #[schema(example = 30)]
    timeout_minutes: Option<u32>,
    /// Whether anything that happens starts this time anew.
    auto_renew: Option<bool>,
    /// After so many minutes it ends in any case.
    #[schema(example = 720)]
    max_duration_minutes: Option<u32>,
    /// So many minutes before its end, it is near it.
    warning_threshold_minutes: Option<u32>,
}

/// A message in a session.
#[derive(ToSchema)]
#[schema(as = SessionMessage)]
#[expect(dead_code, reason = "the schema of what `session_message` reads")]
pub(crate) struct SessionMessageBody {
    #[schema(min_length = 1, max_length = 4_000, example = "Good day!")]
    content: String,
    /// Files: objects with a `url`.
    #[schema(value_type = Option<Vec<Object>>)]
    attachments: Option<()>,
    /// Anything, up to 10 240 characters of JSON.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// How the reply comes: `http`, `sse` or `websocket`. Also `mode`.
    #[schema(value_type = Option<TransportName>)]
    transport: Option<()>,
}

/// Reads a session to open.
pub(crate) fn new_session(body: JsonObject) -> ApiResult<NewSession> {
    let mut fields = Fields::new(body);
    let mut said = |names| fields.value(names).filter(|value| value.as_str() != Some(""));
    let (agent, user) = (said(AGENT), said(USER));
    let missing = [agent.is_none().then_some("agentId"), user.is_none().then_some("userId")];
    let (Some(agent), Some(user)) = (agent, user) else {
        let names: Vec<_> = missing.into_iter().flatten().collect();
        let message = format!("Missing required fields: {}", names.join(", "));
        return Err(invalid(message, json!({ "missingFields": names })));
    };
    Ok(NewSession {
        id: None,
        agent_id: id("agentId", &agent)?,
        user_id: id("userId", &user)?,
        metadata: metadata(&mut fields)?,
        timeout: match fields.object(&["timeoutConfig", "timeout_config"]).map_err(|_| bad_timeout())? {
            Some(timeout) => timeout_change(timeout)?,
            None => TimeoutChange::default(),
        },
    })
}

/// Reads what changes of a session's times.
pub(crate) fn timeout_change(body: JsonObject) -> ApiResult<TimeoutChange> {
    let mut fields = Fields::new(body);
    let mut minutes = |names: &[&str]| match fields.value(names) {
        None => Ok(None),
        Some(Value::Number(number)) => number.as_u64().and_then(|number| u32::try_from(number).ok()).map(Some).ok_or_else(bad_timeout),
        Some(Value::String(text)) => text.trim().parse().map(Some).map_err(|_| bad_timeout()),
        Some(_) => Err(bad_timeout()),
    };
    Ok(TimeoutChange {
        timeout_minutes: minutes(&["timeoutMinutes"])?,
        max_duration_minutes: minutes(&["maxDurationMinutes"])?,
        warning_threshold_minutes: minutes(&["warningThresholdMinutes"])?,
        auto_renew: match fields.value(&["autoRenew"]) {
            None => None,
            Some(Value::Bool(renews)) => Some(renews),
            Some(Value::String(text)) => Some(text.trim().parse().map_err(|_| bad_timeout())?),
            Some(_) => return Err(bad_timeout()),
        },
    })
}

/// Reads a message in a session.
pub(crate) fn session_message(body: JsonObject, sender: Sender) -> ApiResult<SessionMessage> {
    let mut fields = Fields::new(body);
    let content = fields.required_text(&["content"], SESSION_CONTENT_CHARS).map_err(ApiError::into_validation)?;
    let attachments = match fields.value(&["attachments"]) {
        Some(Value::Array(files)) if files.iter().all(Value::is_object) => Some(Value::Array(files)),
        None => None,
        Some(_) => return Err(invalid("attachments must be an array of objects", json!({ "reason": "attachments is no array" }))),
    };
    Ok(SessionMessage { content, attachments, metadata: metadata(&mut fields)?, idempotency_key: sender.idempotency_key })
}

/// Reads which messages of a session are asked for.
pub(crate) fn window(query: &Query) -> ApiResult<MessageWindow> {
    let moment = |name: &str| {
        query.moment(name).map_err(|error| {
            let value: String = query.first(name).unwrap_or_default().chars().take(SHOWN_CHARS).collect();
            let message = format!("Invalid pagination parameter '{name}': {error}");
            invalid(message, json!({ "parameter": name, "value": value, "reason": error.to_string() }))
        })
    };
    let limit = query.first("limit").and_then(|text| text.parse::<i64>().ok()).unwrap_or(PAGE.into());
    let limit = u32::try_from(limit.clamp(1, MAX_SESSION_MESSAGES.into())).unwrap_or(PAGE);
    Ok(MessageWindow { after: moment("after")?, before: moment("before")?, limit })
}

/// Reads which part of the list of sessions is asked for.
pub(crate) fn session_page(query: &Query) -> ApiResult<Page> {
    let limit = query.page(&["limit"], MAX_PAGE).map_err(ApiError::into_validation)?;
    Ok(Page { offset: query.count("offset").map_err(ApiError::into_validation)?.unwrap_or(0), limit })
}

fn metadata(fields: &mut Fields) -> ApiResult<JsonObject> {
    let metadata = fields.object(&["metadata"]).map_err(ApiError::into_validation)?.unwrap_or_default();
    if json!(metadata).to_string().chars().count() > SESSION_METADATA_CHARS {
        let reason = format!("Metadata has more than {SESSION_METADATA_CHARS} characters");
        return Err(invalid(format!("Invalid metadata: {reason}"), json!({ "reason": reason })));
    }
    Ok(metadata)
}

fn id<T: std::str::FromStr>(name: &str, value: &Value) -> ApiResult<T> {
    let id = value.as_str().and_then(|text| text.parse().ok());
    id.ok_or_else(|| {
        let shown: String = value.as_str().unwrap_or_default().chars().take(SHOWN_CHARS).collect();
        let message = format!("Invalid UUID format for field '{name}'");
        invalid(message, json!({ "providedValue": shown, "expectedFormat": "UUID" }))
    })
}

fn bad_timeout() -> ApiError {
    let reason = "timeoutMinutes, maxDurationMinutes and warningThresholdMinutes are whole numbers, autoRenew is true or false";
    invalid(format!("Invalid timeout configuration: {reason}"), json!({ "reason": reason }))
}

fn invalid(message: impl Into<String>, details: Value) -> ApiError {
    ApiError::new(Code::ValidationError, message).detailed(details)
}

/// A session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
pub(crate) struct SessionWire<'a> {
    #[schema(value_type = Uuid)]
    session_id: SessionId,
    /// Where its messages are.
    #[schema(value_type = Uuid)]
    channel_id: ChannelId,
    #[schema(value_type = Uuid)]
    agent_id: AgentId,
    #[schema(value_type = Uuid)]
    user_id: EntityId,
    created_at: Iso,
    last_activity: Iso,
    #[schema(value_type = Object)]
    metadata: &'a JsonObject,
    expires_at: Iso,
    timeout_config: TimeoutWire,
    /// How often its end was put off.
    renewal_count: u32,
    /// How many milliseconds are left.
    #[schema(example = 1_800_000)]
    time_remaining: i64,
    /// Whether it is about to end.
    #[schema(example = false)]
    is_near_expiration: bool,
}

/// When a session ends.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionTimes)]
struct TimeoutWire {
    #[schema(example = 30)]
    timeout_minutes: u32,
    auto_renew: bool,
    #[schema(example = 720)]
    max_duration_minutes: u32,
    #[schema(example = 5)]
    warning_threshold_minutes: u32,
}

impl From<SessionTimeout> for TimeoutWire {
    fn from(timeout: SessionTimeout) -> Self {
        Self {
            timeout_minutes: timeout.timeout_minutes,
            auto_renew: timeout.auto_renew,
            max_duration_minutes: timeout.max_duration_minutes,
            warning_threshold_minutes: timeout.warning_threshold_minutes,
        }
    }
}

impl<'a> SessionWire<'a> {
    /// A session as it is now.
    pub(crate) fn of(session: &'a Session, now: Timestamp) -> Self {
        Self {
            session_id: session.id,
            channel_id: session.channel_id,
            agent_id: session.agent_id,
            user_id: session.user_id,
            created_at: Iso(session.created_at),
            last_activity: Iso(session.last_activity),
            metadata: &session.metadata,
            expires_at: Iso(session.expires_at),
            timeout_config: session.timeout.into(),
            renewal_count: session.renewals,
            time_remaining: session.remaining(now),
            is_near_expiration: session.is_near_end(now),
        }
    }
}

/// Sessions, the oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionList<'a> {
    sessions: Vec<SessionWire<'a>>,
    /// How many go on.
    total: u64,
    stats: SessionStats,
}

/// How many sessions there are.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "they are elizaOS's")]
struct SessionStats {
    total_sessions: u64,
    active_sessions: u64,
    /// That are over and not yet forgotten.
    expired_sessions: u64,
}

impl<'a> SessionList<'a> {
    /// A part of the list.
    pub(crate) fn of(listed: &'a Listed<Session>, count: SessionCount, now: Timestamp) -> Self {
        let stats = SessionStats { total_sessions: count.active + count.over, active_sessions: count.active, expired_sessions: count.over };
        Self { sessions: listed.items.iter().map(|session| SessionWire::of(session, now)).collect(), total: listed.total, stats }
    }
}

/// How sessions are doing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionHealth)]
pub(crate) struct HealthWire {
    #[schema(example = "healthy")]
    status: &'static str,
    active_sessions: u64,
    timestamp: Iso,
    /// How many are about to end.
    expiring_soon: u64,
    /// For how many seconds the server has been running.
    uptime: f64,
}

impl HealthWire {
    /// How they are doing now.
    pub(crate) fn of(count: SessionCount, started: Timestamp, now: Timestamp) -> Self {
        let uptime = std::time::Duration::from_millis((now.millis() - started.millis()).unsigned_abs());
        Self {
            status: "healthy",
            active_sessions: count.active,
            timestamp: Iso(now),
            expiring_soon: count.near_end,
            uptime: uptime.as_secs_f64(),
        }
    }
}

/// How a session stands after a message.
#[derive(Serialize, Clone, Copy, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionStatus)]
pub(crate) struct StatusWire {
    expires_at: Iso,
    renewal_count: u32,
    /// Whether the message put its end off.
    was_renewed: bool,
    #[schema(example = false)]
    is_near_expiration: bool,
}

impl StatusWire {
    /// How it stands now.
    pub(crate) fn of(renewal: &Renewal, now: Timestamp) -> Self {
        let session = &renewal.session;
        Self {
            expires_at: Iso(session.expires_at),
            renewal_count: session.renewals,
            was_renewed: renewal.renewed,
            is_near_expiration: session.is_near_end(now),
        }
    }
}

/// The answer to a message in a session. `data` has the same once more, for the official client.
#[derive(Serialize, ToSchema)]
#[schema(as = PostedSessionMessage)]
pub(crate) struct SessionPostedWire<'a> {
    data: PostedInSession<'a>,
    #[serde(flatten)]
    same: PostedInSession<'a>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    #[schema(value_type = Option<Vec<String>>)]
    warnings: &'a [String],
}

/// A message that was posted in a session.
#[derive(Serialize, Clone, Copy, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PostedInSession<'a> {
    #[schema(example = true)]
    success: bool,
    user_message: UserMessage<'a>,
    /// The reply, where it was waited for: `text`, `thought`, `actions`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    agent_response: Option<&'a JsonObject>,
    session_status: StatusWire,
}

/// The message in the bus form, as elizaOS sends it, and with the keys that its client's types promise.
#[derive(Serialize, Clone, Copy, ToSchema)]
#[schema(as = UserMessageOfSession)]
pub(crate) struct UserMessage<'a> {
    #[serde(flatten)]
    bus: BusMessage<'a>,
    #[serde(rename = "authorId")]
    #[schema(value_type = Uuid)]
    author: EntityId,
    #[serde(rename = "createdAt")]
    created: Iso,
}

impl<'a> From<&'a Message> for UserMessage<'a> {
    fn from(message: &'a Message) -> Self {
        Self { bus: BusMessage::from(message), author: message.author_id, created: Iso(message.created_at) }
    }
}

impl<'a> SessionPostedWire<'a> {
    /// The answer, with the reply where it was waited for.
    pub(crate) fn of(receipt: &'a PostReceipt, session_status: StatusWire, agent_response: Option<&'a JsonObject>) -> Self {
        let same = PostedInSession { success: true, user_message: UserMessage::from(&*receipt.message), agent_response, session_status };
        Self { data: same, same, warnings: &receipt.warnings }
    }
}

/// Messages of a session, the newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionMessages)]
pub(crate) struct SessionMessagesWire<'a> {
    messages: Vec<SessionMessageWire<'a>>,
    has_more: bool,
    /// What to go on with; absent where there are no messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursors: Option<Cursors>,
}

/// The times of the oldest and of the newest message of a page.
#[derive(Serialize, ToSchema)]
struct Cursors {
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    before: Timestamp,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    after: Timestamp,
}

/// A message of a session.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageOfSession)]
struct SessionMessageWire<'a> {
    #[schema(value_type = Uuid)]
    id: MessageId,
    #[schema(example = "Good day!")]
    content: &'a str,
    #[schema(value_type = Uuid)]
    author_id: EntityId,
    /// Whether it is a reply of the agent.
    is_agent: bool,
    created_at: Iso,
    #[schema(value_type = Object)]
    metadata: Metadata<'a>,
}

impl<'a> From<&'a Message> for SessionMessageWire<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            id: message.id,
            content: &message.content,
            author_id: message.author_id,
            is_agent: message.source_type.as_deref() == Some("agent_response"),
            created_at: Iso(message.created_at),
            metadata: Metadata::shown(message),
        }
    }
}

impl<'a> From<&'a SessionMessages> for SessionMessagesWire<'a> {
    fn from(found: &'a SessionMessages) -> Self {
        let (newest, oldest) = (found.messages.first(), found.messages.last());
        let cursors = newest.zip(oldest).map(|(newest, oldest)| Cursors { before: oldest.created_at, after: newest.created_at });
        Self { messages: found.messages.iter().map(SessionMessageWire::from).collect(), has_more: found.has_more, cursors }
    }
}

/// The answer to the end of a session. `data` has the same once more, for the official client.
#[derive(Serialize, ToSchema)]
#[schema(as = ClosedSession)]
pub(crate) struct ClosedWire {
    #[schema(example = true)]
    success: bool,
    message: String,
    data: Closed,
}

#[derive(Serialize, ToSchema)]
struct Closed {
    #[schema(example = true)]
    success: bool,
    message: String,
}

impl ClosedWire {
    /// The answer.
    pub(crate) fn of(id: SessionId) -> Self {
        let message = format!("Session {id} deleted successfully");
        Self { success: true, message: message.clone(), data: Closed { success: true, message } }
    }
}
