//! How the server is doing: `/api/server/*`, `/api/system/status`, `/healthz`, `/health`, and what is at `/`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{ServiceConfig, get};
use core_types::agents::AgentCount;
use core_types::error::chain;
use core_types::system::Status;
use core_types::{JsonObject, ServiceResult};
use serde_json::{Value, json};

use crate::app::{Shared, State};
use crate::envelope::{ok, respond};
use crate::errors::ApiResult;
use crate::extract::Authorized;
use crate::extract::permission::SystemRead;
use crate::routing::at;

/// Routes under `/api`.
pub(crate) fn routes(config: &mut ServiceConfig) {
    at(config, "/server/ping", [get().to(ping)]);
    at(config, "/server/status", [get().to(status)]);
    at(config, "/server/health", [get().to(api_health)]);
    at(config, "/system/status", [get().to(figures)]);
}

/// Routes that need no key.
pub(crate) fn public_routes(config: &mut ServiceConfig) {
    at(config, "/", [get().to(root)]);
    at(config, "/healthz", [get().to(alive)]);
    at(config, "/health", [get().to(health)]);
}

async fn ping(_: Authorized<SystemRead>, state: State) -> ApiResult {
    let now = state.services.clock.now();
    let data = json!({ "message": "Server is healthy", "timestamp": now.iso(), "pong": true });
    Ok(respond(StatusCode::OK, &json!({ "pong": true, "timestamp": now, "success": true, "data": data })))
}

async fn status(_: Authorized<SystemRead>, state: State) -> ApiResult {
    let status = state.services.system.status().await?;
    let mut body = json!({
        "status": "ok",
        "agentCount": status.agents.running,
        "timestamp": state.services.clock.now().iso(),
        "version": state.settings.version,
    });
    if let Value::Object(body) = &mut body {
        body.extend(shown(&state, status));
    }
    Ok(respond(StatusCode::OK, &body))
}

async fn figures(_: Authorized<SystemRead>, state: State) -> ApiResult {
    let status = state.services.system.status().await?;
    let mut data = JsonObject::from_iter([("status".to_owned(), json!("healthy"))]);
    data.extend(shown(&state, status));
    Ok(ok(data))
}

/// The figures of the reference page: seconds, bytes and numbers of agents.
fn shown(shared: &Shared, status: Status) -> JsonObject {
    let uptime = shared.services.clock.now().millis().saturating_sub(shared.started.millis()) / 1_000;
    JsonObject::from_iter([
        ("uptime".to_owned(), json!(uptime)),
        ("memory".to_owned(), json!({ "used": status.memory.used, "total": status.memory.total })),
        ("agents".to_owned(), json!({ "active": status.agents.running, "total": status.agents.total })),
    ])
}

async fn api_health(_: Authorized<SystemRead>, state: State) -> HttpResponse {
    let health = state.services.system.health().await;
    rendered(&state, health)
}

async fn health(state: State) -> HttpResponse {
    let health = state.services.system.health().await;
    rendered(&state, health)
}

/// 200 where agents run, else 503, as elizaOS has it: ready means that somebody would answer.
fn rendered(shared: &Shared, health: ServiceResult<AgentCount>) -> HttpResponse {
    let (agents, database, count) = match health {
        Ok(AgentCount { running: 0, .. }) => ("no_agents", "healthy", json!(0)),
        Ok(count) => ("healthy", "healthy", json!(count.running)),
        Err(error) => {
            log::error!("a health check failed: {}", chain(&error));
            ("unknown", "unavailable", Value::Null)
        }
    };
    let ready = agents == "healthy";
    let body = json!({
        "status": if ready { "OK" } else { "DEGRADED" },
        "version": shared.settings.version,
        "timestamp": shared.services.clock.now().iso(),
        "dependencies": { "agents": agents, "database": database },
        "agentCount": count,
    });
    respond(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}

/// Whether the process answers at all.
async fn alive(state: State) -> HttpResponse {
    respond(StatusCode::OK, &json!({ "status": "ok", "timestamp": state.services.clock.now().iso() }))
}

async fn root(state: State) -> HttpResponse {
    ok(json!({ "name": "Doolittle", "version": state.settings.version, "api": "/api", "health": "/healthz" }))
}
