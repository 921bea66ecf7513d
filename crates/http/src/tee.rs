//! Signed answers under evidence from the hardware: `/api/tee`.

use actix_web::web::{get, post};

use crate::app::State;
use crate::envelope::{Envelope, ok};
use crate::errors::ApiResult;
use crate::extract::permission::{AgentsRead, SystemRead};
use crate::extract::{AgentPath, Authorized, JsonBody, Query};
use crate::openapi::params::Nonce;
use crate::routing::Routes;
use crate::wire::tee::{
    AttestationBody, AttestedAgent, AttestedAgents, AttestedLogs, AttestedStatus, FreshAttestation, LogsBody, log_query, nonce, report_data,
};

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/tee/status", [get().to(status)]);
    routes.at("/tee/attestation", [post().to(attest)]);
    routes.at("/tee/agents", [get().to(agents)]);
    routes.at("/tee/agents/{agent_id}", [get().to(agent)]);
    routes.at("/tee/logs", [post().to(logs)]);
}

/// Shows what attests this server: its key, and evidence that the key belongs to the machine.
#[utoipa::path(
    get,
    path = "/api/tee/status",
    params(Nonce),
    responses((status = 200, body = Envelope<AttestedStatus>), (status = 503, description = "TEE_UNAVAILABLE")),
)]
async fn status(caller: Authorized<SystemRead>, state: State, query: Query) -> ApiResult {
    let answer = state.services.tee.status(&caller, nonce(&query)?).await?;
    Ok(ok(answer.as_object()))
}

/// Has the hardware make fresh evidence, about the server's key and the caller's report data together.
///
/// The evidence is about their hash, never about the caller's bytes as they are, since whoever chose those freely could have the
/// machine vouch for another key.
#[utoipa::path(
    post,
    path = "/api/tee/attestation",
    request_body = AttestationBody,
    responses(
        (status = 200, body = Envelope<FreshAttestation>),
        (status = 503, description = "OVERLOADED TEE_UNAVAILABLE"),
    ),
)]
async fn attest(caller: Authorized<SystemRead>, state: State, JsonBody(body): JsonBody) -> ApiResult {
    let answer = state.services.tee.attest(&caller, report_data(body)?).await?;
    Ok(ok(answer.as_object()))
}

/// Lists the agents, signed.
#[utoipa::path(
    get,
    path = "/api/tee/agents",
    params(Nonce),
    responses((status = 200, body = Envelope<AttestedAgents>), (status = 503, description = "TEE_UNAVAILABLE")),
)]
async fn agents(caller: Authorized<AgentsRead>, state: State, query: Query) -> ApiResult {
    let answer = state.services.tee.agents(&caller, nonce(&query)?).await?;
    Ok(ok(answer.as_object()))
}

/// Shows an agent with its character and the hash of that, signed. Secrets are masked.
#[utoipa::path(
    get,
    path = "/api/tee/agents/{agent_id}",
    params(AgentPath, Nonce),
    responses(
        (status = 200, body = Envelope<AttestedAgent>),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 503, description = "TEE_UNAVAILABLE"),
    ),
)]
async fn agent(caller: Authorized<AgentsRead>, state: State, id: AgentPath, query: Query) -> ApiResult {
    let answer = state.services.tee.agent(&caller, id.0, nonce(&query)?).await?;
    Ok(ok(answer.as_object()))
}

/// Reads the logs of all agents or of one, the newest line first, signed.
#[utoipa::path(
    post,
    path = "/api/tee/logs",
    request_body = LogsBody,
    responses((status = 200, body = Envelope<AttestedLogs>), (status = 503, description = "OVERLOADED TEE_UNAVAILABLE")),
)]
async fn logs(caller: Authorized<AgentsRead>, state: State, JsonBody(body): JsonBody) -> ApiResult {
    let (query, nonce) = log_query(body)?;
    let answer = state.services.tee.logs(&caller, query, nonce).await?;
    Ok(ok(answer.as_object()))
}
