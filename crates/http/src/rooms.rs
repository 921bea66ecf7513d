//! Agents' rooms: `/api/agents/{id}/rooms`, which is `/api/memory/{id}/rooms` too; and groups, which are a room for each of
//! several agents.

use actix_web::http::StatusCode;
use actix_web::web::{delete, get, patch, post};
use core_types::rooms::NewRoom;
use core_types::{Caller, Page};
use uuid::Uuid;

use crate::app::State;
use crate::envelope::{Envelope, gone, ok, page, respond, success};
use crate::errors::ApiResult;
use crate::extract::permission::{MemoriesRead, MemoriesWrite};
use crate::extract::{AgentPath, Authorized, JsonBody, Query, RoomPath, ServerPath};
use crate::limits;
use crate::once::Once;
use crate::openapi::params::ListPart;
use crate::routing::Routes;
use crate::wire::rooms::{
    MadeGroup, NewGroupBody, NewRoomBody, PartialGroup, RoomChangeBody, RoomList, RoomWire, ServerGroup, WantedGroup, new_room,
    room_change, rooms_of, wanted_group,
};

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/agents/{agent_id}/rooms", [get().to(list), post().to(create)]);
    routes.at("/agents/{agent_id}/rooms/{room_id}", [get().to(show), patch().to(update), delete().to(remove)]);
    routes.at("/memory/groups/{server_id}", [post().to(create_group), delete().to(remove_group)]);
    routes.at("/memory/groups/{server_id}/memories", [delete().to(clear_group)]);
}

/// Lists the rooms that an agent takes part in.
#[utoipa::path(
    get,
    path = "/api/agents/{agent_id}/rooms",
    params(AgentPath, ListPart),
    responses(
        (status = 200, body = Envelope<RoomList>, headers(("X-Total-Count" = u64, description = "How long the whole list is"))),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn list(caller: Authorized<MemoriesRead>, state: State, agent: AgentPath, query: Query) -> ApiResult {
    let rooms = state.services.rooms.list(&caller, agent.0, query.list()?).await?;
    Ok(page(rooms.total, RoomList::of(&rooms.items)))
}

/// Shows a room.
#[utoipa::path(
    get,
    path = "/api/agents/{agent_id}/rooms/{room_id}",
    params(AgentPath, RoomPath),
    responses((status = 200, body = Envelope<RoomWire>), (status = 404, description = "AGENT_NOT_FOUND ROOM_NOT_FOUND")),
)]
async fn show(caller: Authorized<MemoriesRead>, state: State, agent: AgentPath, id: RoomPath) -> ApiResult {
    let room = state.services.rooms.get(&caller, agent.0, id.0).await?;
    Ok(ok(RoomWire::from(&room)))
}

/// Creates a room, and a world for it where none is named.
#[utoipa::path(
    post,
    path = "/api/agents/{agent_id}/rooms",
    params(AgentPath, Once),
    request_body = NewRoomBody,
    responses(
        (status = 201, body = Envelope<RoomWire>),
        (status = 400, description = "MISSING_PARAM"),
        (status = 404, description = "AGENT_NOT_FOUND WORLD_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
    ),
)]
async fn create(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, once: Once, body: JsonBody) -> ApiResult {
    let make = async |id: Option<Uuid>, body| {
        let new = NewRoom { id: id.map(Into::into), ..new_room(body)? };
        Ok(success(StatusCode::CREATED, RoomWire::from(&state.services.rooms.create(&caller, agent.0, new).await?)))
    };
    once.json(&caller, &state, body.0, make).await
}

/// Names a room.
#[utoipa::path(
    patch,
    path = "/api/agents/{agent_id}/rooms/{room_id}",
    params(AgentPath, RoomPath),
    request_body = RoomChangeBody,
    responses(
        (status = 200, body = Envelope<RoomWire>),
        (status = 400, description = "MISSING_PARAM"),
        (status = 404, description = "AGENT_NOT_FOUND ROOM_NOT_FOUND"),
    ),
)]
async fn update(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, id: RoomPath, body: JsonBody) -> ApiResult {
    let room = state.services.rooms.rename(&caller, agent.0, id.0, room_change(body.0)?).await?;
    Ok(ok(RoomWire::from(&room)))
}

/// Deletes a room and everything that the agent remembers of it.
#[utoipa::path(
    delete,
    path = "/api/agents/{agent_id}/rooms/{room_id}",
    params(AgentPath, RoomPath),
    responses((status = 204), (status = 404, description = "AGENT_NOT_FOUND ROOM_NOT_FOUND")),
)]
async fn remove(caller: Authorized<MemoriesWrite>, state: State, agent: AgentPath, id: RoomPath) -> ApiResult {
    state.services.rooms.remove(&caller, agent.0, id.0).await?;
    Ok(gone())
}

/// Creates a group: a room for each of several agents. 207 where some of them do not exist.
///
/// With a name and no `agentIds` it is a group of all agents of the message server, and the answer tells its world.
#[utoipa::path(
    post,
    path = "/api/memory/groups/{server_id}",
    params(ServerPath, Once),
    request_body = NewGroupBody,
    responses(
        (status = 201, body = Envelope<MadeGroup>),
        (status = 207, body = PartialGroup),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
    ),
)]
async fn create_group(caller: Authorized<MemoriesWrite>, state: State, server: ServerPath, once: Once, body: JsonBody) -> ApiResult {
    let make = async |_, body| make_group(&caller, &state, wanted_group(server.0, body)?).await;
    once.json(&caller, &state, body.0, make).await
}

/// The rooms of a group have ids that follow from it, so that what is there already is found.
async fn make_group(caller: &Caller, state: &State, WantedGroup { mut group, of_server }: WantedGroup) -> ApiResult {
    if of_server {
        let all = Page { offset: 0, limit: u32::try_from(limits::GROUP_AGENTS).unwrap_or(u32::MAX) };
        group.agents = state.services.servers.agents(caller, group.server_id, all).await?.items;
    }
    let group = state.services.rooms.create_group(caller, group).await?;
    if of_server {
        return Ok(success(StatusCode::CREATED, ServerGroup::from(&group)));
    }
    if group.missing.is_empty() {
        return Ok(success(StatusCode::CREATED, rooms_of(&group)));
    }
    Ok(respond(StatusCode::MULTI_STATUS, &PartialGroup::of(&group)))
}

/// Deletes the rooms of a group and everything that is remembered of them.
#[utoipa::path(delete, path = "/api/memory/groups/{server_id}", params(ServerPath), responses((status = 204)))]
async fn remove_group(caller: Authorized<MemoriesWrite>, state: State, server: ServerPath) -> ApiResult {
    state.services.rooms.remove_group(&caller, server.0).await?;
    Ok(gone())
}

/// Forgets everything that was said in a group.
#[utoipa::path(delete, path = "/api/memory/groups/{server_id}/memories", params(ServerPath), responses((status = 204)))]
async fn clear_group(caller: Authorized<MemoriesWrite>, state: State, server: ServerPath) -> ApiResult {
    state.services.rooms.clear_group(&caller, server.0).await?;
    Ok(gone())
}
