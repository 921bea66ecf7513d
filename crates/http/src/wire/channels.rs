//! Channels on the wire.

use std::str::FromStr;

use core_types::messaging::{Channel, ChannelChange, MAX_PARTICIPANTS, NewChannel};
use core_types::{ChannelId, EntityId, JsonObject, MessageServerId};
use serde::Serialize;

use crate::errors::{ApiError, ApiResult};
use crate::extract::{Fields, Query};
use crate::limits;
use crate::wire::messages::Iso;

/// The spellings of a message server's id in a body.
pub(crate) const SERVER: &[&str] = &["message_server_id", "messageServerId", "server_id", "serverId"];

/// The spellings of a channel's participants in a body.
const PARTICIPANTS: &[&str] = &["participantCentralUserIds", "participantIds", "participants"];

/// A channel; its participants are asked for apart.
#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChannelWire<'a> {
    id: ChannelId,
    message_server_id: MessageServerId,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
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
#[derive(Serialize)]
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

/// Reads the creation of a channel.
pub(crate) fn new_channel(body: JsonObject) -> ApiResult<NewChannel> {
    let mut fields = Fields::new(body);
    Ok(NewChannel {
        server_id: fields.required_id(SERVER)?,
        name: fields.required_text(&["name"], limits::NAME_CHARS)?,
        kind: fields.text(&["type"], limits::NAME_CHARS)?.unwrap_or_else(|| "GROUP".to_owned()),
        source_type: fields.text(&["sourceType", "source_type"], limits::NAME_CHARS)?,
        source_id: fields.text(&["sourceId", "source_id"], limits::NAME_CHARS)?,
        topic: fields.text(&["topic", "description"], limits::TOPIC_CHARS)?,
        metadata: fields.object(&["metadata"])?.unwrap_or_default(),
        participants: fields.ids(PARTICIPANTS, MAX_PARTICIPANTS)?.unwrap_or_default(),
    })
}

/// Reads a change of a channel. What is no field of a change is ignored.
pub(crate) fn channel_change(body: JsonObject) -> ApiResult<ChannelChange> {
    let mut fields = Fields::new(body);
    Ok(ChannelChange {
        name: fields.text(&["name"], limits::NAME_CHARS)?,
        metadata: fields.object(&["metadata"])?,
        participants: fields.ids(PARTICIPANTS, MAX_PARTICIPANTS)?,
    })
}

/// Reads the two of a direct channel and its message server.
pub(crate) fn two(query: &Query) -> ApiResult<(MessageServerId, [EntityId; 2])> {
    let (target, current): (EntityId, EntityId) = (query.required_id("targetUserId")?, query.required_id("currentUserId")?);
    if target == current {
        return Err(ApiError::bad_request("Cannot create DM channel with oneself"));
    }
    Ok((query.id("dmServerId", "server")?.unwrap_or(MessageServerId::DEFAULT), [current, target]))
}

/// Reads the agent that a body is about.
pub(crate) fn agent<T: FromStr>(body: JsonObject) -> ApiResult<T> {
    Fields::new(body).required_id(&["agentId", "agent_id"])
}
