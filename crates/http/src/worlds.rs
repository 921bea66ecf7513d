//! Agents' worlds: `/api/agents/worlds` and `/api/agents/{id}/worlds`.

use actix_web::http::StatusCode;
use actix_web::web::{get, patch, post};
use core_types::worlds::NewWorld;
use uuid::Uuid;

use crate::app::State;
use crate::envelope::{Envelope, ok, page, success};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::{AgentsRead, AgentsWrite};
use crate::extract::{AgentPath, Authorized, JsonBody, Query, WorldPath};
use crate::once::Once;
use crate::openapi::params::ListPart;
use crate::routing::Routes;
use crate::wire::worlds::{
    ChangedWorld, HadWorld, NewWorldBody, ShownWorld, WantedWorld, WorldChangeBody, WorldList, wanted_world, world_change,
};

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/agents/worlds", [get().to(of_running)]);
    routes.at("/agents/{agent_id}/worlds", [get().to(list), post().to(create)]);
    routes.at("/agents/{agent_id}/worlds/{world_id}", [get().to(show), patch().to(update)]);
}

/// Lists the worlds of all agents that run.
#[utoipa::path(
    get,
    path = "/api/agents/worlds",
    params(ListPart),
    responses(
        (status = 200, body = Envelope<WorldList>, headers(("X-Total-Count" = u64, description = "How long the whole list is"))),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn of_running(caller: Authorized<AgentsRead>, state: State, query: Query) -> ApiResult {
    let worlds = state.services.worlds.of_running(&caller, query.list()?).await?;
    Ok(page(worlds.total, WorldList::of(&worlds.items)))
}

/// Lists an agent's worlds.
#[utoipa::path(
    get,
    path = "/api/agents/{agent_id}/worlds",
    params(AgentPath, ListPart),
    responses(
        (status = 200, body = Envelope<WorldList>, headers(("X-Total-Count" = u64, description = "How long the whole list is"))),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 422, description = "UNPROCESSABLE_ENTITY"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn list(caller: Authorized<AgentsRead>, state: State, id: AgentPath, query: Query) -> ApiResult {
    let part = query.list().map_err(ApiError::unprocessable)?;
    let worlds = state.services.worlds.list(&caller, id.0, part).await?;
    Ok(page(worlds.total, WorldList::of(&worlds.items)))
}

/// Shows a world.
#[utoipa::path(
    get,
    path = "/api/agents/{agent_id}/worlds/{world_id}",
    params(AgentPath, WorldPath),
    responses((status = 200, body = Envelope<ShownWorld>), (status = 404, description = "AGENT_NOT_FOUND WORLD_NOT_FOUND")),
)]
async fn show(caller: Authorized<AgentsRead>, state: State, agent: AgentPath, id: WorldPath) -> ApiResult {
    let world = state.services.worlds.get(&caller, agent.0, id.0).await?;
    Ok(ok(ShownWorld::from(&world)))
}

/// Creates a world; with `worldId` and no name, only tells of one that the agent has.
#[utoipa::path(
    post,
    path = "/api/agents/{agent_id}/worlds",
    params(AgentPath, Once),
    request_body = NewWorldBody,
    responses(
        (status = 201, body = Envelope<ShownWorld>),
        (status = 200, body = Envelope<HadWorld>, description = "The agent has that world."),
        (status = 404, description = "AGENT_NOT_FOUND WORLD_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
    ),
)]
async fn create(caller: Authorized<AgentsWrite>, state: State, agent: AgentPath, once: Once, body: JsonBody) -> ApiResult {
    let worlds = &state.services.worlds;
    let make = async |id: Option<Uuid>, body| {
        Ok(match wanted_world(body)? {
            WantedWorld::New(new) => {
                let new = NewWorld { id: id.map(Into::into), ..new };
                success(StatusCode::CREATED, ShownWorld::from(&worlds.create(&caller, agent.0, new).await?))
            }
            WantedWorld::Existing(id) => ok(HadWorld::from(&worlds.get(&caller, agent.0, id).await?)),
        })
    };
    once.json(&caller, &state, body.0, make).await
}

/// Changes a world.
#[utoipa::path(
    patch,
    path = "/api/agents/{agent_id}/worlds/{world_id}",
    params(AgentPath, WorldPath),
    request_body = WorldChangeBody,
    responses((status = 200, body = Envelope<ChangedWorld>), (status = 404, description = "AGENT_NOT_FOUND WORLD_NOT_FOUND")),
)]
async fn update(caller: Authorized<AgentsWrite>, state: State, agent: AgentPath, id: WorldPath, body: JsonBody) -> ApiResult {
    let world = state.services.worlds.update(&caller, agent.0, id.0, world_change(body.0)?).await?;
    Ok(ok(ChangedWorld::from(&world)))
}
