//! Agents' worlds on the wire.

use core_types::worlds::{NewWorld, World, WorldChange};
use core_types::{AgentId, JsonObject, MessageServerId, WorldId};
use serde::Serialize;

use crate::errors::{ApiError, ApiResult};
use crate::extract::Fields;
use crate::limits::NAME_CHARS;
use crate::wire::channels::SERVER;
use crate::wire::messages::Iso;

/// A world.
#[derive(Serialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorldWire<'a> {
    id: WorldId,
    agent_id: AgentId,
    name: &'a str,
    metadata: &'a JsonObject,
    message_server_id: Option<MessageServerId>,
    created_at: Iso,
}

impl<'a> From<&'a World> for WorldWire<'a> {
    fn from(world: &'a World) -> Self {
        Self {
            id: world.id,
            agent_id: world.agent_id,
            name: &world.name,
            metadata: &world.metadata,
            message_server_id: world.server_id,
            created_at: Iso(world.created_at),
        }
    }
}

/// One world: under `world` as released servers answer, and inline.
#[derive(Serialize)]
pub(crate) struct ShownWorld<'a> {
    world: WorldWire<'a>,
    #[serde(flatten)]
    inline: WorldWire<'a>,
}

impl<'a> From<&'a World> for ShownWorld<'a> {
    fn from(world: &'a World) -> Self {
        let wire = WorldWire::from(world);
        Self { world: wire, inline: wire }
    }
}

/// Reads the creation of a world.
pub(crate) fn new_world(body: JsonObject) -> ApiResult<NewWorld> {
    let mut fields = Fields::new(body);
    let name = fields.text(&["name"], NAME_CHARS)?.ok_or_else(|| ApiError::bad_request("World name is required"))?;
    Ok(NewWorld { name, server_id: fields.id(SERVER)?, metadata: fields.object(&["metadata"])?.unwrap_or_default() })
}

/// Reads a change of a world. The official client sends `settings`, which are a part of the metadata.
pub(crate) fn world_change(body: JsonObject) -> ApiResult<WorldChange> {
    let mut fields = Fields::new(body);
    let mut metadata = fields.object(&["metadata"])?;
    if let Some(settings) = fields.object(&["settings"])? {
        metadata.get_or_insert_default().insert("settings".to_owned(), settings.into());
    }
    Ok(WorldChange { name: fields.text(&["name"], NAME_CHARS)?, metadata })
}
