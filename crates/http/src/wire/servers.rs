//! Message servers on the wire.

use core_types::messaging::{MessageServer, NewServer, ServerChange};
use core_types::{AgentId, JsonObject, MessageServerId};
use serde::Serialize;

use crate::errors::ApiResult;
use crate::extract::Fields;
use crate::limits::NAME_CHARS;
use crate::wire::messages::Iso;

/// A message server.
#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerWire<'a> {
    id: MessageServerId,
    name: &'a str,
    source_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a str>,
    #[serde(skip_serializing_if = "JsonObject::is_empty")]
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
#[derive(Serialize)]
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

/// What tying an agent to a message server, or untying it, says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinkWire {
    message_server_id: MessageServerId,
    server_id: MessageServerId,
    agent_id: AgentId,
    message: &'static str,
}

impl LinkWire {
    /// The two, and what was done.
    pub(crate) const fn new(server: MessageServerId, agent_id: AgentId, message: &'static str) -> Self {
        Self { message_server_id: server, server_id: server, agent_id, message }
    }
}

/// Reads the creation of a message server.
pub(crate) fn new_server(body: JsonObject) -> ApiResult<NewServer> {
    let mut fields = Fields::new(body);
    Ok(NewServer {
        name: fields.required_text(&["name"], NAME_CHARS)?,
        source_type: fields.required_text(&["sourceType", "source_type"], NAME_CHARS)?,
        source_id: fields.text(&["sourceId", "source_id"], NAME_CHARS)?,
        metadata: fields.object(&["metadata"])?.unwrap_or_default(),
    })
}

/// Reads a change of a message server. What is no field of a change is ignored.
pub(crate) fn server_change(body: JsonObject) -> ApiResult<ServerChange> {
    let mut fields = Fields::new(body);
    Ok(ServerChange { name: fields.text(&["name"], NAME_CHARS)?, metadata: fields.object(&["metadata"])? })
}
