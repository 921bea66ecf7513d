//! Agents' worlds on the wire.

use core_types::worlds::{NewWorld, World, WorldChange};
use core_types::{AgentId, JsonObject, MessageServerId, WorldId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult};
use crate::extract::{Fields, check_metadata};
use crate::limits::NAME_CHARS;
use crate::wire::channels::SERVER;
use crate::wire::messages::Iso;

/// Worlds of agents.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorldList<'a> {
    worlds: Vec<WorldWire<'a>>,
}

impl<'a> WorldList<'a> {
    /// These worlds.
    pub(crate) fn of(worlds: &'a [World]) -> Self {
        Self { worlds: worlds.iter().map(WorldWire::from).collect() }
    }
}

/// A world of an agent: what its rooms have in common.
#[derive(Serialize, Clone, Copy, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = World)]
struct WorldWire<'a> {
    #[schema(value_type = Uuid)]
    id: WorldId,
    #[schema(value_type = Uuid)]
    agent_id: AgentId,
    #[schema(example = "Lobby")]
    name: &'a str,
    #[schema(value_type = Object)]
    metadata: &'a JsonObject,
    /// The message server that it stands for.
    #[schema(value_type = Option<Uuid>)]
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
#[derive(Serialize, ToSchema)]
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

/// A world after a change, with what the official client takes for its settings.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChangedWorld<'a> {
    #[serde(flatten)]
    shown: ShownWorld<'a>,
    #[schema(value_type = Uuid)]
    world_id: WorldId,
    /// The key `settings` of the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    settings: Option<&'a Value>,
}

impl<'a> From<&'a World> for ChangedWorld<'a> {
    fn from(world: &'a World) -> Self {
        Self { shown: world.into(), world_id: world.id, settings: world.metadata.get("settings") }
    }
}

/// A world that an agent has, as the official client asks for it.
#[derive(Serialize, ToSchema)]
pub(crate) struct HadWorld<'a> {
    #[schema(example = true)]
    success: bool,
    #[serde(flatten)]
    shown: ShownWorld<'a>,
}

impl<'a> From<&'a World> for HadWorld<'a> {
    fn from(world: &'a World) -> Self {
        Self { success: true, shown: world.into() }
    }
}

/// A world to be made.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewWorld)]
#[expect(dead_code, reason = "the schema of what `new_world` reads")]
pub(crate) struct NewWorldBody {
    #[schema(min_length = 1, max_length = 256, example = "Lobby")]
    name: String,
    /// The message server that it stands for.
    #[schema(value_type = Option<Uuid>)]
    message_server_id: Option<()>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
}

/// What a caller wants of an agent's worlds.
pub(crate) enum WantedWorld {
    /// A new one.
    New(NewWorld),
    /// That it is in this one.
    Existing(WorldId),
}

/// Reads the creation of a world. The official client's `addAgentToWorld` only sends `worldId`.
pub(crate) fn wanted_world(body: JsonObject) -> ApiResult<WantedWorld> {
    let mut fields = Fields::new(body);
    let id = fields.id(&["worldId", "world_id"])?;
    match id {
        Some(id) if !fields.has("name") => Ok(WantedWorld::Existing(id)),
        _ => new_world(fields).map(WantedWorld::New),
    }
}

fn new_world(mut fields: Fields) -> ApiResult<NewWorld> {
    let name = fields.text(&["name"], NAME_CHARS)?.ok_or_else(|| ApiError::bad_request("World name is required"))?;
    Ok(NewWorld { id: None, name, server_id: fields.id(SERVER)?, metadata: fields.metadata()?.unwrap_or_default() })
}

/// A change of a world.
#[derive(ToSchema)]
#[schema(as = WorldChange)]
#[expect(dead_code, reason = "the schema of what `world_change` reads")]
pub(crate) struct WorldChangeBody {
    #[schema(max_length = 256, example = "Lobby")]
    name: Option<String>,
    /// Merged with what there is; `null` takes a key away.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// The key `settings` of the metadata.
    #[schema(value_type = Option<Object>)]
    settings: Option<()>,
}

/// Reads a change of a world. The official client sends `settings`, which are a part of the metadata.
pub(crate) fn world_change(body: JsonObject) -> ApiResult<WorldChange> {
    let mut fields = Fields::new(body);
    let mut metadata = fields.object(&["metadata"])?;
    if let Some(settings) = fields.object(&["settings"])? {
        metadata.get_or_insert_default().insert("settings".to_owned(), settings.into());
    }
    if let Some(metadata) = &metadata {
        check_metadata(metadata)?;
    }
    Ok(WorldChange { name: fields.text(&["name"], NAME_CHARS)?, metadata })
}
