//! `/api/agents`

use actix_web::http::StatusCode;
use actix_web::web::{delete, get, patch, post};

use crate::app::State;
use crate::envelope::{Envelope, gone, ok, success};
use crate::errors::ApiResult;
use crate::extract::permission::{AgentsRead, AgentsWrite};
use crate::extract::{AgentPath, Authorized, JsonBody};
use crate::once::Once;
use crate::routing::Routes;
use crate::wire::agents::{AgentChange, AgentList, AgentState, AgentWire, CreatedWire, NewAgent, creation};

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/agents", [get().to(list), post().to(create)]);
    routes.at("/agents/{agent_id}", [get().to(show), patch().to(update), delete().to(remove)]);
    routes.at("/agents/{agent_id}/start", [post().to(start)]);
    routes.at("/agents/{agent_id}/stop", [post().to(stop)]);
    routes.at("/agents/{agent_id}/restart", [post().to(restart)]);
}

/// Lists the agents.
#[utoipa::path(get, path = "/api/agents", responses((status = 200, body = Envelope<AgentList>), (status = 503, description = "OVERLOADED")))]
async fn list(caller: Authorized<AgentsRead>, state: State) -> ApiResult {
    let agents = state.services.agents.list(&caller).await?;
    Ok(ok(AgentList::of(&agents, &caller)))
}

/// Shows an agent with its character. Secrets are masked.
#[utoipa::path(
    get,
    path = "/api/agents/{agent_id}",
    params(AgentPath),
    responses((status = 200, body = Envelope<AgentWire>), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn show(caller: Authorized<AgentsRead>, state: State, id: AgentPath) -> ApiResult {
    let view = state.services.agents.get(&caller, id.0).await?;
    Ok(ok(AgentWire::from(&view)))
}

/// Creates an agent of a character.
///
/// The agent's id is the character's, or is made of its name, so that the same character again is the same agent: the
/// answer says `existing`, and nothing changes.
#[utoipa::path(
    post,
    path = "/api/agents",
    params(Once),
    request_body = NewAgent,
    responses(
        (status = 201, body = Envelope<CreatedWire>),
        (status = 400, description = "CREATE_ERROR"),
        (status = 409, description = "CONFLICT"),
    ),
)]
async fn create(caller: Authorized<AgentsWrite>, state: State, once: Once, body: JsonBody) -> ApiResult {
    let make = async |_, body| {
        let mut created = state.services.agents.create(&caller, creation(body)?).await?;
        Ok(success(StatusCode::CREATED, CreatedWire::of(&mut created)))
    };
    once.json(&caller, &state, body.0, make).await
}

/// Changes an agent's character.
///
/// Each key that is there replaces what the character has, `null` takes it away; `settings` and `secrets` are merged.
#[utoipa::path(
    patch,
    path = "/api/agents/{agent_id}",
    params(AgentPath),
    request_body = AgentChange,
    responses(
        (status = 200, body = Envelope<AgentWire>),
        (status = 400, description = "UPDATE_ERROR"),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
    ),
)]
async fn update(caller: Authorized<AgentsWrite>, state: State, id: AgentPath, body: JsonBody) -> ApiResult {
    let view = state.services.agents.update(&caller, id.0, body.0).await?;
    Ok(ok(AgentWire::from(&view)))
}

/// Deletes an agent with its memories, rooms, runs and logs. Messages in channels stay.
#[utoipa::path(
    delete,
    path = "/api/agents/{agent_id}",
    params(AgentPath),
    responses((status = 204), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn remove(caller: Authorized<AgentsWrite>, state: State, id: AgentPath) -> ApiResult {
    state.services.agents.remove(&caller, id.0).await?;
    Ok(gone())
}

/// Starts an agent; one that runs already stays as it is.
#[utoipa::path(
    post,
    path = "/api/agents/{agent_id}/start",
    params(AgentPath),
    responses((status = 200, body = Envelope<AgentState>), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn start(caller: Authorized<AgentsWrite>, state: State, id: AgentPath) -> ApiResult {
    let agent = state.services.agents.start(&caller, id.0).await?;
    Ok(ok(AgentState::of(&agent)))
}

/// Stops a running agent. What it is answering is answered after its next start.
#[utoipa::path(
    post,
    path = "/api/agents/{agent_id}/stop",
    params(AgentPath),
    responses((status = 200, body = Envelope<AgentState>), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn stop(caller: Authorized<AgentsWrite>, state: State, id: AgentPath) -> ApiResult {
    let agent = state.services.agents.stop(&caller, id.0).await?;
    Ok(ok(AgentState::stopped(&agent)))
}

/// Stops an agent and starts it again.
#[utoipa::path(
    post,
    path = "/api/agents/{agent_id}/restart",
    params(AgentPath),
    responses((status = 200, body = Envelope<AgentState>), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn restart(caller: Authorized<AgentsWrite>, state: State, id: AgentPath) -> ApiResult {
    let agent = state.services.agents.restart(&caller, id.0).await?;
    Ok(ok(AgentState::of(&agent)))
}
