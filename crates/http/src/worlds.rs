//! Agents' worlds: `/api/agents/worlds` and `/api/agents/{id}/worlds`.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{ServiceConfig, get, patch, post};

use crate::app::State;
use crate::envelope::{ok, page, success};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::{AgentsRead, AgentsWrite};
use crate::extract::{AgentPath, Authorized, JsonBody, Query, WorldPath};
use crate::routing::at;
use crate::wire::worlds::{ShownWorld, WorldWire, new_world, world_change};

pub(crate) fn routes(config: &mut ServiceConfig) {
    at(config, "/agents/worlds", [get().to(of_running)]);
    at(config, "/agents/{agent_id}/worlds", [get().to(list), post().to(create)]);
    at(config, "/agents/{agent_id}/worlds/{world_id}", [get().to(show), patch().to(update)]);
}

async fn of_running(caller: Authorized<AgentsRead>, state: State, query: Query) -> ApiResult {
    let worlds = state.services.worlds.of_running(&caller, query.list()?).await?;
    let shown: Vec<_> = worlds.items.iter().map(WorldWire::from).collect();
    Ok(page(worlds.total, BTreeMap::from([("worlds", shown)])))
}

async fn list(caller: Authorized<AgentsRead>, state: State, id: AgentPath, query: Query) -> ApiResult {
    let part = query.list().map_err(ApiError::unprocessable)?;
    let worlds = state.services.worlds.list(&caller, id.0, part).await?;
    let shown: Vec<_> = worlds.items.iter().map(WorldWire::from).collect();
    Ok(page(worlds.total, BTreeMap::from([("worlds", shown)])))
}

async fn show(caller: Authorized<AgentsRead>, state: State, agent: AgentPath, id: WorldPath) -> ApiResult {
    let world = state.services.worlds.get(&caller, agent.0, id.0).await?;
    Ok(ok(ShownWorld::from(&world)))
}

async fn create(caller: Authorized<AgentsWrite>, state: State, agent: AgentPath, body: JsonBody) -> ApiResult {
    let world = state.services.worlds.create(&caller, agent.0, new_world(body.0)?).await?;
    Ok(success(StatusCode::CREATED, ShownWorld::from(&world)))
}

async fn update(caller: Authorized<AgentsWrite>, state: State, agent: AgentPath, id: WorldPath, body: JsonBody) -> ApiResult {
    let world = state.services.worlds.update(&caller, agent.0, id.0, world_change(body.0)?).await?;
    Ok(ok(ShownWorld::from(&world)))
}
