//! How the server is doing: `/api/server/*`, `/api/system/status`, `/healthz` and `/health`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::get;
use core_types::agents::AgentCount;
use core_types::error::chain;

use crate::app::{Shared, State};
use crate::envelope::{Envelope, ok, respond};
use crate::errors::ApiResult;
use crate::extract::permission::SystemRead;
use crate::extract::{Authorized, Known};
use crate::routing::Routes;
use crate::wire::system::{Alive, FiguresWire, HealthWire, PingWire, StatusWire};

/// Routes under `/api`.
pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/server/ping", [get().to(ping)]);
    routes.at("/server/status", [get().to(status)]);
    routes.at("/server/health", [get().to(api_health)]);
    routes.at("/system/status", [get().to(figures)]);
}

/// Routes that need no key.
pub(crate) fn public_routes(routes: &mut Routes) {
    routes.at("/healthz", [get().to(alive)]);
    routes.at("/health", [get().to(health)]);
}

/// Says that the server answers.
#[utoipa::path(get, path = "/api/server/ping", responses((status = 200, body = PingWire)))]
async fn ping(_: Known, state: State) -> ApiResult {
    Ok(respond(StatusCode::OK, &PingWire::at(state.services.clock.now())))
}

/// Tells how the server is doing.
#[utoipa::path(get, path = "/api/server/status", responses((status = 200, body = StatusWire)))]
async fn status(_: Authorized<SystemRead>, state: State) -> ApiResult {
    let status = state.services.system.status().await?;
    Ok(respond(StatusCode::OK, &StatusWire::of(&status, &state.settings.version, state.started, state.services.clock.now())))
}

/// Tells how the server is doing, as the reference page has it.
#[utoipa::path(get, path = "/api/system/status", responses((status = 200, body = Envelope<FiguresWire>)))]
async fn figures(_: Authorized<SystemRead>, state: State) -> ApiResult {
    let status = state.services.system.status().await?;
    Ok(ok(FiguresWire::of("healthy", &status, state.started, state.services.clock.now())))
}

/// Says whether somebody would answer: whether the database can be reached and an agent runs.
#[utoipa::path(
    get,
    path = "/api/server/health",
    responses((status = 200, body = HealthWire), (
            status = 503,
            body = HealthWire,
            description = "Nobody would answer.",
            example = json!({
                "status": "DEGRADED", "version": "0.1.0", "timestamp": "2026-01-31T12:00:00.000Z",
                "dependencies": { "agents": "no_agents", "database": "healthy" }, "agentCount": 0,
            })
        )),
)]
async fn api_health(_: Authorized<SystemRead>, state: State) -> HttpResponse {
    rendered(&state).await
}

/// Says whether somebody would answer: whether the database can be reached and an agent runs.
#[utoipa::path(
    get,
    path = "/health",
    responses((status = 200, body = HealthWire), (
            status = 503,
            body = HealthWire,
            description = "Nobody would answer.",
            example = json!({
                "status": "DEGRADED", "version": "0.1.0", "timestamp": "2026-01-31T12:00:00.000Z",
                "dependencies": { "agents": "no_agents", "database": "healthy" }, "agentCount": 0,
            })
        )),
    security(()),
)]
async fn health(state: State) -> HttpResponse {
    rendered(&state).await
}

/// 200 where agents run, else 503, as elizaOS has it: ready means that somebody would answer.
async fn rendered(shared: &Shared) -> HttpResponse {
    let health = checked(shared).await;
    let body = HealthWire::of(health.as_ref(), &shared.settings.version, shared.services.clock.now());
    respond(if body.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}

/// How many agents there are, as a sign that the database answers.
pub(crate) async fn checked(shared: &Shared) -> Option<AgentCount> {
    let health = shared.services.system.health().await;
    health.inspect_err(|error| log::error!("a health check failed: {}", chain(error))).ok()
}

/// Says whether the process answers at all.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Alive)), security(()))]
async fn alive(state: State) -> HttpResponse {
    respond(StatusCode::OK, &Alive::at(state.services.clock.now()))
}
