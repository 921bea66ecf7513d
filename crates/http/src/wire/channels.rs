//! Channels on the wire.

use std::str::FromStr;

use core_types::messaging::{Channel, ChannelChange, MAX_PARTICIPANTS, NewChannel, SyncedChannel};
use core_types::{ChannelId, EntityId, JsonObject, MessageServerId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::{Fields, Query};
use crate::limits;
use crate::wire::messages::Iso;

/// The spellings of a message server's id in a body.
pub(crate) const SERVER: &[&str] = &["message_server_id", "messageServerId", "server_id", "serverId"];

/// The spellings of a channel's participants in a body.
const PARTICIPANTS: &[&str] = &["participantCentralUserIds", "participantIds", "participants"];

/// The channels of a message server.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChannelList<'a> {
    channels: Vec<ChannelWire<'a>>,
}

impl<'a> ChannelList<'a> {
    /// These channels.
    pub(crate) fn of(channels: &'a [Channel]) -> Self {
        Self { channels: channels.iter().map(ChannelWire::from).collect() }
    }
}

/// A channel; its participants are asked for apart.
#[derive(Serialize, Clone, Copy, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Channel)]
pub(crate) struct ChannelWire<'a> {
    #[schema(value_type = Uuid)]
    id: ChannelId,
    #[schema(value_type = Uuid)]
    message_server_id: MessageServerId,
    #[schema(example = "General")]
    name: &'a str,
    /// `GROUP`, `DM`, or a word of the platform's own.
    #[serde(rename = "type")]
    #[schema(example = "GROUP")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "eliza_gui")]
    source_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Everything")]
    topic: Option<&'a str>,
    #[schema(value_type = Object)]
    metadata: &'a JsonObject,
    created_at: Iso,
    updated_at: Iso,
}

impl<'a> From<&'a Channel> for ChannelWire<'a> {
    fn from(channel: &'a Channel) -> Self {
        Self {
            id: channel.id,
            message_server_id: channel.server_id,
            name: &channel.name,
            kind: &channel.kind,
            source_type: channel.source_type.as_deref(),
            source_id: channel.source_id.as_deref(),
            topic: channel.topic.as_deref(),
            metadata: &channel.metadata,
            created_at: Iso(channel.created_at),
            updated_at: Iso(channel.updated_at),
        }
    }
}

/// A created channel: inline as released servers answer, and under `channel` as older ones did.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedChannel<'a> {
    #[serde(flatten)]
    inline: ChannelWire<'a>,
    channel: ChannelWire<'a>,
}

impl<'a> From<&'a Channel> for CreatedChannel<'a> {
    fn from(channel: &'a Channel) -> Self {
        let wire = ChannelWire::from(channel);
        Self { inline: wire, channel: wire }
    }
}

/// Who takes part in a channel: people and agents.
#[derive(Serialize, ToSchema)]
#[schema(value_type = Vec<Uuid>)]
pub(crate) struct Participants(pub(crate) Vec<EntityId>);

/// Who takes part in a channel, with the channel.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelAgents {
    #[schema(value_type = Uuid)]
    pub(crate) channel_id: ChannelId,
    #[schema(value_type = Vec<Uuid>)]
    pub(crate) participants: Vec<EntityId>,
}

/// What adding an agent to a channel, or taking it out, says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelAgent {
    /// The official client takes this for its answer.
    #[schema(example = true)]
    success: bool,
    #[schema(value_type = Uuid)]
    channel_id: ChannelId,
    #[schema(value_type = Uuid)]
    agent_id: EntityId,
    #[schema(example = "Agent added to channel successfully")]
    message: &'static str,
}

impl ChannelAgent {
    /// This agent takes part now, or no more.
    pub(crate) const fn of(channel_id: ChannelId, agent_id: EntityId, message: &'static str) -> Self {
        Self { success: true, channel_id, agent_id, message }
    }
}

/// A channel to be made.
#[derive(ToSchema)]
#[schema(as = NewChannel)]
#[expect(dead_code, reason = "the schema of what `new_channel` reads")]
pub(crate) struct NewChannelBody {
    /// Also `messageServerId`, `server_id` and `serverId`. It may be left out where neither `participantCentralUserIds` nor
    /// `sourceType` is there, and is the default one then: clients before 1.7 name none.
    #[schema(value_type = Option<Uuid>, example = "00000000-0000-0000-0000-000000000000")]
    message_server_id: Option<()>,
    #[schema(min_length = 1, max_length = 256, example = "General")]
    name: String,
    /// `GROUP`, `DM`, or a word of the platform's own; `GROUP` where absent.
    #[schema(max_length = 256, example = "GROUP")]
    r#type: Option<String>,
    /// Which platform it is on. Also `source_type`.
    #[serde(rename = "sourceType")]
    #[schema(max_length = 256, example = "eliza_gui")]
    source_type: Option<String>,
    /// Its id on that platform. Also `source_id`.
    #[serde(rename = "sourceId")]
    #[schema(max_length = 256)]
    source_id: Option<String>,
    /// What it is about. Also `description`.
    #[schema(max_length = 2000, example = "Everything")]
    topic: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// Who takes part: people and agents. Also `participantIds` and `participants`.
    #[serde(rename = "participantCentralUserIds")]
    #[schema(value_type = Option<Vec<Uuid>>, max_items = 1000)]
    participants: Option<()>,
}

/// Reads the creation of a channel.
pub(crate) fn new_channel(body: JsonObject) -> ApiResult<NewChannel> {
    let mut fields = Fields::new(body);
    Ok(NewChannel {
        id: None,
        server_id: server(&mut fields)?,
        name: fields.required_text(&["name"], limits::NAME_CHARS)?,
        kind: fields.text(&["type"], limits::NAME_CHARS)?.unwrap_or_else(|| "GROUP".to_owned()),
        source_type: fields.text(&["sourceType", "source_type"], limits::NAME_CHARS)?,
        source_id: fields.text(&["sourceId", "source_id"], limits::NAME_CHARS)?,
        topic: fields.text(&["topic", "description"], limits::TOPIC_CHARS)?,
        metadata: fields.metadata()?.unwrap_or_default(),
        participants: fields.ids(PARTICIPANTS, MAX_PARTICIPANTS)?.unwrap_or_default(),
    })
}

/// The message server of a new channel. Clients before 1.7 name none; those of today, and the reference page, show themselves by
/// keys that those do not send.
fn server(fields: &mut Fields) -> ApiResult<MessageServerId> {
    let is_older = ["participantCentralUserIds", "sourceType", "source_type"].iter().all(|key| !fields.has(key));
    match fields.id(SERVER)? {
        Some(server) => Ok(server),
        None if is_older => Ok(MessageServerId::DEFAULT),
        None => fields.required_id(SERVER),
    }
}

/// A change of a channel.
#[derive(ToSchema)]
#[schema(as = ChannelChange)]
#[expect(dead_code, reason = "the schema of what `channel_change` reads")]
pub(crate) struct ChannelChangeBody {
    #[schema(max_length = 256, example = "General")]
    name: Option<String>,
    /// Replaces what there is.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// Replace those that there are. Also `participantIds` and `participants`.
    #[serde(rename = "participantCentralUserIds")]
    #[schema(value_type = Option<Vec<Uuid>>, max_items = 1000)]
    participants: Option<()>,
}

/// Reads a change of a channel. What is no field of a change is ignored.
pub(crate) fn channel_change(body: JsonObject) -> ApiResult<ChannelChange> {
    let mut fields = Fields::new(body);
    Ok(ChannelChange {
        name: fields.text(&["name"], limits::NAME_CHARS)?,
        metadata: fields.metadata()?,
        participants: fields.ids(PARTICIPANTS, MAX_PARTICIPANTS)?,
    })
}

/// The channels of a message server as its platform has them.
#[derive(ToSchema)]
#[schema(as = SyncedChannels)]
#[expect(dead_code, reason = "the schema of what `synced` reads")]
pub(crate) struct SyncedBody {
    #[schema(max_items = 1000)]
    channels: Vec<SyncedChannelBody>,
}

#[derive(ToSchema)]
#[schema(as = SyncedChannel)]
#[expect(dead_code, reason = "the schema of what `synced` reads")]
struct SyncedChannelBody {
    /// Its id on its platform. Also `source_id`.
    #[serde(rename = "sourceId")]
    #[schema(min_length = 1, max_length = 256, example = "112233")]
    source_id: String,
    #[schema(min_length = 1, max_length = 256, example = "General")]
    name: String,
    /// `GROUP` where absent.
    #[schema(max_length = 256, example = "GROUP")]
    r#type: Option<String>,
}

/// How many channels are as they are on their platform now.
#[derive(Serialize, ToSchema)]
#[schema(as = Synced)]
pub(crate) struct SyncedWire {
    pub(crate) synced: usize,
}

/// Reads channels as another platform has them.
pub(crate) fn synced(body: JsonObject) -> ApiResult<Vec<SyncedChannel>> {
    let channels = Fields::new(body).objects(&["channels"], limits::SYNCED_CHANNELS)?;
    let channels = channels.ok_or_else(|| ApiError::bad_request("Missing required field: channels"))?;
    let channel = |mut fields: Fields| {
        Ok(SyncedChannel {
            source_id: fields.required_text(&["sourceId", "source_id"], limits::NAME_CHARS)?,
            name: fields.required_text(&["name"], limits::NAME_CHARS)?,
            kind: fields.text(&["type"], limits::NAME_CHARS)?.unwrap_or_else(|| "GROUP".to_owned()),
        })
    };
    channels.into_iter().map(channel).collect()
}

/// Reads the two of a direct channel and its message server. Older clients name both in one parameter, with a comma between.
pub(crate) fn two(query: &Query) -> ApiResult<(MessageServerId, [EntityId; 2])> {
    let (target, current): (EntityId, EntityId) = match query.first("participantIds").and_then(|both| both.split_once(',')) {
        Some((current, target)) => (participant(target)?, participant(current)?),
        None => (query.required_id("targetUserId")?, query.required_id("currentUserId")?),
    };
    if target == current {
        return Err(ApiError::bad_request("Cannot create DM channel with oneself"));
    }
    Ok((query.id("dmServerId", "server")?.unwrap_or(MessageServerId::DEFAULT), [current, target]))
}

fn participant(text: &str) -> ApiResult<EntityId> {
    text.parse().map_err(|_| ApiError::new(Code::InvalidId, "Invalid participantIds format"))
}

/// The agent that a request is about.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AgentReference)]
#[expect(dead_code, reason = "the schema of what `agent` reads")]
pub(crate) struct AgentBody {
    /// Also `agent_id`.
    #[schema(value_type = Uuid)]
    agent_id: (),
}

/// Reads the agent that a body is about.
pub(crate) fn agent<T: FromStr>(body: JsonObject) -> ApiResult<T> {
    Fields::new(body).required_id(&["agentId", "agent_id"])
}
