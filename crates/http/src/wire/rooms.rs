//! Rooms and groups on the wire.

use core_types::memory::Room;
use core_types::rooms::{CreatedGroup, NewGroup, NewRoom, PlacedRoom};
use core_types::{AgentId, ChannelId, JsonObject, MessageServerId, RoomId, Timestamp, WorldId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::Fields;
use crate::limits::{GROUP_AGENTS, NAME_CHARS};
use crate::wire::channels::SERVER;

/// Rooms of an agent, the oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoomList<'a> {
    rooms: Vec<RoomWire<'a>>,
}

impl<'a> RoomList<'a> {
    /// These rooms.
    pub(crate) fn of(rooms: &'a [PlacedRoom]) -> Self {
        Self { rooms: rooms.iter().map(|placed| RoomWire { world_name: None, ..RoomWire::from(placed) }).collect() }
    }
}

/// A room: a channel as an agent sees it, or one that was made for it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Room)]
pub(crate) struct RoomWire<'a> {
    #[schema(value_type = Uuid)]
    id: RoomId,
    #[schema(example = "Lobby")]
    name: &'a str,
    /// Its channel; the room itself where it has none.
    #[schema(value_type = Uuid)]
    channel_id: ChannelId,
    #[schema(value_type = Uuid)]
    agent_id: AgentId,
    #[schema(value_type = Option<Uuid>)]
    message_server_id: Option<MessageServerId>,
    #[schema(value_type = Option<Uuid>)]
    server_id: Option<MessageServerId>,
    #[schema(value_type = Uuid)]
    world_id: WorldId,
    /// The name of its world, where one room is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "World for Lobby")]
    world_name: Option<&'a str>,
    #[serde(rename = "type")]
    #[schema(example = "DM")]
    kind: &'a str,
    #[schema(example = "client")]
    source: &'a str,
    #[schema(value_type = Object)]
    metadata: &'a JsonObject,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    created_at: Timestamp,
}

impl<'a> From<&'a PlacedRoom> for RoomWire<'a> {
    fn from(placed: &'a PlacedRoom) -> Self {
        let PlacedRoom { room, world } = placed;
        let server = room.server_id.or_else(|| world.as_ref().and_then(|world| world.server_id));
        Self {
            id: room.id,
            name: &room.name,
            channel_id: room.channel_id.unwrap_or_else(|| ChannelId::new(room.id.uuid())),
            agent_id: room.agent_id,
            message_server_id: server,
            server_id: server,
            world_id: room.world_id,
            world_name: world.as_ref().map(|world| world.name.as_str()),
            kind: &room.kind,
            source: &room.source,
            metadata: &room.metadata,
            created_at: room.created_at,
        }
    }
}

/// A room to be made.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewRoom)]
#[expect(dead_code, reason = "the schema of what `new_room` reads")]
pub(crate) struct NewRoomBody {
    #[schema(min_length = 1, max_length = 256, example = "Lobby")]
    name: String,
    /// `DM` where absent.
    #[serde(rename = "type")]
    #[schema(max_length = 256, example = "DM")]
    kind: Option<String>,
    /// `client` where absent.
    #[schema(max_length = 256)]
    source: Option<String>,
    /// The world that it lies in; a new one where absent.
    #[schema(value_type = Option<Uuid>)]
    world_id: Option<()>,
    /// The message server that it stands for.
    #[schema(value_type = Option<Uuid>)]
    message_server_id: Option<()>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
}

/// Reads the creation of a room.
pub(crate) fn new_room(body: JsonObject) -> ApiResult<NewRoom> {
    let mut fields = Fields::new(body);
    Ok(NewRoom {
        id: None,
        name: name(&mut fields)?,
        kind: fields.text(&["type"], NAME_CHARS)?.unwrap_or_else(|| "DM".to_owned()),
        source: fields.text(&["source"], NAME_CHARS)?.unwrap_or_else(|| "client".to_owned()),
        world_id: fields.id(&["worldId"])?,
        server_id: fields.id(SERVER)?,
        metadata: fields.metadata()?.unwrap_or_default(),
    })
}

/// A change of a room.
#[derive(ToSchema)]
#[schema(as = RoomChange)]
#[expect(dead_code, reason = "the schema of what `room_change` reads")]
pub(crate) struct RoomChangeBody {
    #[schema(min_length = 1, max_length = 256, example = "Hall")]
    name: String,
}

/// Reads a change of a room: its name.
pub(crate) fn room_change(body: JsonObject) -> ApiResult<String> {
    name(&mut Fields::new(body))
}

fn name(fields: &mut Fields) -> ApiResult<String> {
    fields.text(&["name"], NAME_CHARS)?.ok_or_else(|| ApiError::new(Code::MissingParam, "Room name is required"))
}

/// A group to be made: a room for each of its agents.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NewGroup)]
#[expect(dead_code, reason = "the schema of what `new_group` reads")]
pub(crate) struct NewGroupBody {
    /// Its agents, at least one.
    #[schema(value_type = Vec<Uuid>, min_items = 1, max_items = 1000)]
    agent_ids: Vec<()>,
    #[schema(max_length = 256, example = "Team")]
    name: Option<String>,
    /// The world that the rooms lie in; each agent's own for the message server where absent.
    #[schema(value_type = Option<Uuid>)]
    world_id: Option<()>,
    /// `client` where absent.
    #[schema(max_length = 256)]
    source: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
}

/// A group that a caller wants.
pub(crate) struct WantedGroup {
    /// The group; without agents where it is [`Self::of_server`].
    pub(crate) group: NewGroup,
    /// Whether its agents are those of the message server, which is what the official client means: it names none.
    pub(crate) of_server: bool,
}

/// Reads the creation of a group.
pub(crate) fn wanted_group(server_id: MessageServerId, body: JsonObject) -> ApiResult<WantedGroup> {
    let mut fields = Fields::new(body);
    let agents: Option<Vec<AgentId>> = fields.ids(&["agentIds"], GROUP_AGENTS)?;
    let name = fields.text(&["name"], NAME_CHARS)?;
    let of_server = agents.is_none() && name.is_some();
    let agents = agents.unwrap_or_default();
    if agents.is_empty() && !of_server {
        return Err(ApiError::bad_request("agentIds must be a non-empty array"));
    }
    let group = NewGroup {
        server_id,
        agents,
        name: name.unwrap_or_else(|| "Group".to_owned()),
        world_id: fields.id(&["worldId"])?,
        source: fields.text(&["source"], NAME_CHARS)?.unwrap_or_else(|| "client".to_owned()),
        metadata: fields.metadata()?.unwrap_or_default(),
    };
    Ok(WantedGroup { group, of_server })
}

/// A room of a group.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroupRoom<'a> {
    #[schema(value_type = Uuid)]
    id: RoomId,
    #[schema(value_type = Uuid)]
    agent_id: AgentId,
    #[schema(example = "Team")]
    name: &'a str,
    #[schema(example = "client")]
    source: &'a str,
    #[schema(value_type = Uuid)]
    world_id: WorldId,
    #[serde(rename = "type")]
    #[schema(example = "API")]
    kind: &'a str,
    #[schema(value_type = Object)]
    metadata: &'a JsonObject,
}

impl<'a> From<&'a Room> for GroupRoom<'a> {
    fn from(room: &'a Room) -> Self {
        Self {
            id: room.id,
            agent_id: room.agent_id,
            name: &room.name,
            source: &room.source,
            world_id: room.world_id,
            kind: &room.kind,
            metadata: &room.metadata,
        }
    }
}

/// A group of which some agents do not exist.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartialGroup<'a> {
    #[schema(example = false)]
    success: bool,
    /// The rooms that are there.
    data: Vec<GroupRoom<'a>>,
    errors: Vec<GroupError>,
}

/// Why an agent has no room of a group.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GroupError {
    #[schema(value_type = Uuid)]
    agent_id: AgentId,
    #[schema(example = "AGENT_NOT_FOUND")]
    code: &'static str,
    #[schema(example = "Agent not found")]
    message: String,
}

impl<'a> PartialGroup<'a> {
    /// What came of a group.
    pub(crate) fn of(group: &'a CreatedGroup) -> Self {
        let errors = group.missing.iter().map(|agent_id| GroupError {
            agent_id: *agent_id,
            code: Code::AgentNotFound.name(),
            message: core_types::ServiceError::NotFound(core_types::Thing::Agent).to_string(),
        });
        Self { success: false, data: rooms_of(group), errors: errors.collect() }
    }
}

/// A group of a message server's agents: the rooms, and the world of the first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerGroup<'a> {
    #[schema(value_type = Option<Uuid>)]
    world_id: Option<WorldId>,
    rooms: Vec<GroupRoom<'a>>,
}

impl<'a> From<&'a CreatedGroup> for ServerGroup<'a> {
    fn from(group: &'a CreatedGroup) -> Self {
        Self { world_id: group.rooms.first().map(|room| room.world_id), rooms: rooms_of(group) }
    }
}

/// The rooms of a group, as elizaOS answers; or with a world.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema of both answers")]
pub(crate) enum MadeGroup<'a> {
    Rooms(Vec<GroupRoom<'a>>),
    OfServer(ServerGroup<'a>),
}

/// The rooms of a group.
pub(crate) fn rooms_of(group: &CreatedGroup) -> Vec<GroupRoom<'_>> {
    group.rooms.iter().map(GroupRoom::from).collect()
}
