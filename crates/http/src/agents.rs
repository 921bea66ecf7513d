//! `/api/agents`

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{ServiceConfig, delete, get, patch, post};

use crate::app::State;
use crate::envelope::{gone, ok, success};
use crate::errors::ApiResult;
use crate::extract::permission::{AgentsRead, AgentsWrite};
use crate::extract::{AgentPath, Authorized, JsonBody};
use crate::routing::at;
use crate::wire::agents::{AgentState, AgentWire, CreatedWire, ListedAgent, creation};

pub(crate) fn routes(config: &mut ServiceConfig) {
    at(config, "/agents", [get().to(list), post().to(create)]);
    at(config, "/agents/{agent_id}", [get().to(show), patch().to(update), delete().to(remove)]);
    at(config, "/agents/{agent_id}/start", [post().to(start)]);
    at(config, "/agents/{agent_id}/stop", [post().to(stop)]);
    at(config, "/agents/{agent_id}/restart", [post().to(restart)]);
}

async fn list(caller: Authorized<AgentsRead>, state: State) -> ApiResult {
    let agents = state.services.agents.list(&caller).await?;
    let agents: Vec<_> = agents.iter().map(ListedAgent::from).collect();
    Ok(ok(BTreeMap::from([("agents", agents)])))
}

async fn show(caller: Authorized<AgentsRead>, state: State, id: AgentPath) -> ApiResult {
    let view = state.services.agents.get(&caller, id.0).await?;
    Ok(ok(AgentWire::from(&view)))
}

async fn create(caller: Authorized<AgentsWrite>, state: State, body: JsonBody) -> ApiResult {
    let mut created = state.services.agents.create(&caller, creation(body.0)?).await?;
    Ok(success(StatusCode::CREATED, CreatedWire::of(&mut created)))
}

async fn update(caller: Authorized<AgentsWrite>, state: State, id: AgentPath, body: JsonBody) -> ApiResult {
    let view = state.services.agents.update(&caller, id.0, body.0).await?;
    Ok(ok(AgentWire::from(&view)))
}

async fn remove(caller: Authorized<AgentsWrite>, state: State, id: AgentPath) -> ApiResult {
    state.services.agents.remove(&caller, id.0).await?;
    Ok(gone())
}

async fn start(caller: Authorized<AgentsWrite>, state: State, id: AgentPath) -> ApiResult {
    let agent = state.services.agents.start(&caller, id.0).await?;
    Ok(ok(AgentState::of(&agent)))
}

async fn stop(caller: Authorized<AgentsWrite>, state: State, id: AgentPath) -> ApiResult {
    let agent = state.services.agents.stop(&caller, id.0).await?;
    Ok(ok(AgentState::stopped(&agent)))
}

async fn restart(caller: Authorized<AgentsWrite>, state: State, id: AgentPath) -> ApiResult {
    let agent = state.services.agents.restart(&caller, id.0).await?;
    Ok(ok(AgentState::of(&agent)))
}
