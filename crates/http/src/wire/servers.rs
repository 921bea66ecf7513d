//! Message servers on the wire.

use core_types::messaging::{MessageServer, NewServer, ServerChange};
use core_types::{AgentId, JsonObject, MessageServerId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::ApiResult;
use crate::extract::Fields;
use crate::limits::NAME_CHARS;
use crate::wire::messages::Iso;

/// Message servers, under the names of old and new releases.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerList<'a> {
    message_servers: Vec<ServerWire<'a>>,
    servers: Vec<ServerWire<'a>>,
}

impl<'a> ServerList<'a> {
    /// These message servers.
    pub(crate) fn of(servers: &'a [MessageServer]) -> Self {
        let servers: Vec<_> = servers.iter().map(ServerWire::from).collect();
        Self { message_servers: servers.clone(), servers }
    }
}

/// A message server: a place outside or inside with channels.
#[derive(Serialize, Clone, Copy, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageServer)]
pub(crate) struct ServerWire<'a> {
    #[schema(value_type = Uuid)]
    id: MessageServerId,
    #[schema(example = "Support")]
    name: &'a str,
    #[schema(example = "eliza_default")]
    source_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a str>,
    #[serde(skip_serializing_if = "JsonObject::is_empty")]
    #[schema(value_type = Option<Object>)]
    metadata: &'a JsonObject,
    created_at: Iso,
    updated_at: Iso,
}

impl<'a> From<&'a MessageServer> for ServerWire<'a> {
    fn from(server: &'a MessageServer) -> Self {
        Self {
            id: server.id,
            name: &server.name,
            source_type: &server.source_type,
            source_id: server.source_id.as_deref(),
            metadata: &server.metadata,
            created_at: Iso(server.created_at),
            updated_at: Iso(server.updated_at),
        }
    }
}

/// One message server: inline as the reference page has it, and under `server` as released servers answer a creation.
#[derive(Serialize, ToSchema)]
#[schema(as = ShownMessageServer)]
pub(crate) struct ShownServer<'a> {
    #[serde(flatten)]
    inline: ServerWire<'a>,
    server: ServerWire<'a>,
}

impl<'a> From<&'a MessageServer> for ShownServer<'a> {
    fn from(server: &'a MessageServer) -> Self {
        let wire = ServerWire::from(server);
        Self { inline: wire, server: wire }
    }
}

/// A message server, under the names of old and new releases.
#[derive(Serialize, Clone, Copy, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageServerReference)]
pub(crate) struct ServerReference {
    #[schema(value_type = Uuid)]
    message_server_id: MessageServerId,
    #[schema(value_type = Uuid)]
    server_id: MessageServerId,
}

impl From<MessageServerId> for ServerReference {
    fn from(id: MessageServerId) -> Self {
        Self { message_server_id: id, server_id: id }
    }
}

/// The agents that listen on a message server.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerAgents<'a> {
    #[serde(flatten)]
    server: ServerReference,
    #[schema(value_type = Vec<Uuid>)]
    agents: &'a [AgentId],
}

impl<'a> ServerAgents<'a> {
    /// These agents of this server.
    pub(crate) fn of(server: MessageServerId, agents: &'a [AgentId]) -> Self {
        Self { server: server.into(), agents }
    }
}

/// The message servers that an agent listens on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentServers<'a> {
    #[schema(value_type = Uuid)]
    agent_id: AgentId,
    #[schema(value_type = Vec<Uuid>)]
    message_servers: &'a [MessageServerId],
    #[schema(value_type = Vec<Uuid>)]
    servers: &'a [MessageServerId],
}

impl<'a> AgentServers<'a> {
    /// These servers of this agent.
    pub(crate) const fn of(agent_id: AgentId, servers: &'a [MessageServerId]) -> Self {
        Self { agent_id, message_servers: servers, servers }
    }
}

/// What tying an agent to a message server, or untying it, says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessageServerAgent)]
pub(crate) struct LinkWire {
    #[serde(flatten)]
    server: ServerReference,
    #[schema(value_type = Uuid)]
    agent_id: AgentId,
    #[schema(example = "Agent added to message server successfully")]
    message: &'static str,
}

impl LinkWire {
    /// The two, and what was done.
    pub(crate) fn new(server: MessageServerId, agent_id: AgentId, message: &'static str) -> Self {
        Self { server: server.into(), agent_id, message }
    }
}

/// A message server to be made.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewMessageServer)]
#[expect(dead_code, reason = "the schema of what `new_server` reads")]
pub(crate) struct NewServerBody {
    #[schema(min_length = 1, max_length = 256, example = "Support")]
    name: String,
    /// Which platform it is on.
    #[schema(min_length = 1, max_length = 256, example = "eliza_default")]
    source_type: String,
    /// Its id on that platform.
    #[schema(max_length = 256)]
    source_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
}

/// Reads the creation of a message server.
pub(crate) fn new_server(body: JsonObject) -> ApiResult<NewServer> {
    let mut fields = Fields::new(body);
    Ok(NewServer {
        id: None,
        name: fields.required_text(&["name"], NAME_CHARS)?,
        source_type: fields.required_text(&["sourceType", "source_type"], NAME_CHARS)?,
        source_id: fields.text(&["sourceId", "source_id"], NAME_CHARS)?,
        metadata: fields.metadata()?.unwrap_or_default(),
    })
}

/// A change of a message server.
#[derive(ToSchema)]
#[schema(as = MessageServerChange)]
#[expect(dead_code, reason = "the schema of what `server_change` reads")]
pub(crate) struct ServerChangeBody {
    #[schema(max_length = 256, example = "Support")]
    name: Option<String>,
    /// Replaces what there is.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
}

/// Reads a change of a message server. What is no field of a change is ignored.
pub(crate) fn server_change(body: JsonObject) -> ApiResult<ServerChange> {
    let mut fields = Fields::new(body);
    Ok(ServerChange { name: fields.text(&["name"], NAME_CHARS)?, metadata: fields.metadata()? })
}
