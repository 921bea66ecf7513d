//! What agents did: `/api/agents/{id}/runs`, `/api/agents/{id}/logs`, and the panels of their plugins.

use actix_web::web::{delete, get};
use core_types::Page;
use core_types::runs::{LogFilter, LogLevel, RunFilter};

use crate::app::State;
use crate::envelope::{Envelope, gone, ok, page};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::{AgentsRead, AgentsWrite};
use crate::extract::{AgentPath, Authorized, LogPath, Query, RunPath};
use crate::limits;
use crate::routing::Routes;
use crate::wire::runs::{DetailWire, LevelName, LogWire, RunsWire};

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/agents/{agent_id}/logs", [get().to(logs)]);
    routes.at("/agents/{agent_id}/logs/{log_id}", [delete().to(remove_log)]);
    routes.at("/agents/{agent_id}/runs", [get().to(list)]);
    routes.at("/agents/{agent_id}/runs/{run_id}", [get().to(show)]);
    routes.at("/agents/{agent_id}/panels", [get().to(panels)]);
}

/// Lists an agent's log, the newest line first.
#[utoipa::path(
    get,
    path = "/api/agents/{agent_id}/logs",
    params(
        AgentPath,
        ("level" = Option<LevelName>, Query, description = "Only lines of this level"),
        ("type" = Option<String>, Query, description = "Only lines of this kind, such as `action` or `useModel:TEXT_SMALL`"),
        ("roomId" = Option<Uuid>, Query, description = "Only lines about this room"),
        ("since" = Option<String>, Query, description = "Only lines from then on: epoch milliseconds, or an ISO 8601 time"),
        ("until" = Option<String>, Query, description = "Only lines up to then"),
        ("excludeTypes" = Option<Vec<String>>, Query, description = "No lines of these kinds; the first 50 count"),
        ("limit" = Option<u32>, Query, description = "How many lines; 10 where absent. Also `count`", maximum = 1000),
        ("offset" = Option<u32>, Query, description = "How many lines to leave out at the beginning"),
    ),
    responses((status = 200, body = Envelope<Vec<LogWire>>), (status = 404, description = "AGENT_NOT_FOUND"), (status = 503, description = "OVERLOADED")),
)]
async fn logs(caller: Authorized<AgentsRead>, state: State, id: AgentPath, query: Query) -> ApiResult {
    let entries = state.services.runs.logs(&caller, id.0, log_filter(&query)?).await?;
    Ok(ok(entries.iter().map(LogWire::from).collect::<Vec<_>>()))
}

/// Deletes a line of an agent's log; a line that there is not is deleted already.
#[utoipa::path(
    delete,
    path = "/api/agents/{agent_id}/logs/{log_id}",
    params(AgentPath, LogPath),
    responses((status = 204), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn remove_log(caller: Authorized<AgentsWrite>, state: State, agent: AgentPath, id: LogPath) -> ApiResult {
    state.services.runs.remove_log(&caller, agent.0, id.0).await?;
    Ok(gone())
}

/// Lists an agent's runs, the newest first.
#[utoipa::path(
    get,
    path = "/api/agents/{agent_id}/runs",
    params(
        AgentPath,
        ("roomId" = Option<Uuid>, Query, description = "Only runs in this room"),
        ("status" = Option<String>, Query, description = "Only runs of this status; other words ask for all"),
        ("from" = Option<String>, Query, description = "Only runs from then on: epoch milliseconds, or an ISO 8601 time"),
        ("to" = Option<String>, Query, description = "Only runs up to then"),
        ("limit" = Option<u32>, Query, description = "How many runs; 20 where absent", maximum = 100),
        ("offset" = Option<u32>, Query, description = "How many runs to leave out at the beginning"),
    ),
    responses(
        (status = 200, body = Envelope<RunsWire>, headers(("X-Total-Count" = u64, description = "How long the whole list is"))),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn list(caller: Authorized<AgentsRead>, state: State, id: AgentPath, query: Query) -> ApiResult {
    let (filter, part) = run_filter(&query)?;
    let runs = state.services.runs.list(&caller, id.0, filter, part).await?;
    Ok(page(runs.total, RunsWire::of(&runs, part)))
}

/// Shows a run with what happened in it; one that is not known looks as if it had just started.
#[utoipa::path(
    get,
    path = "/api/agents/{agent_id}/runs/{run_id}",
    params(AgentPath, RunPath),
    responses((status = 200, body = Envelope<DetailWire>), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn show(caller: Authorized<AgentsRead>, state: State, agent: AgentPath, id: RunPath) -> ApiResult {
    let detail = state.services.runs.get(&caller, agent.0, id.0).await?;
    Ok(ok(DetailWire::of(agent.0, id.0, detail.as_ref())))
}

/// Lists the pages of an agent's plugins. There are none.
#[utoipa::path(
    get,
    path = "/api/agents/{agent_id}/panels",
    params(AgentPath),
    responses((status = 200, body = Envelope<Vec<Object>>), (status = 404, description = "AGENT_NOT_FOUND")),
)]
async fn panels(caller: Authorized<AgentsRead>, state: State, id: AgentPath) -> ApiResult {
    state.services.agents.get(&caller, id.0).await?;
    Ok(ok([(); 0]))
}

fn run_filter(query: &Query) -> ApiResult<(RunFilter, Page)> {
    let filter = RunFilter {
        room: query.id("roomId", "room")?,
        // Words that are no status, `all` among them, ask for every run.
        status: query.first("status").and_then(|status| status.to_ascii_lowercase().parse().ok()),
        from: query.moment("from")?,
        to: query.moment("to")?,
    };
    let limit = query.count("limit")?.unwrap_or(limits::RUN_PAGE).min(limits::MAX_RUN_PAGE);
    Ok((filter, Page { offset: query.count("offset")?.unwrap_or(0), limit }))
}

fn log_filter(query: &Query) -> ApiResult<LogFilter> {
    let bad_level = |_| ApiError::bad_request("level must be debug, info, warn or error");
    let level = query.first("level").map(|level| level.to_ascii_lowercase().parse::<LogLevel>().map_err(bad_level)).transpose()?;
    Ok(LogFilter {
        room: query.id("roomId", "room")?,
        kind: query.first("type").map(str::to_owned),
        since: query.moment("since")?,
        until: query.moment("until")?,
        level,
        exclude: query.all("excludeTypes").take(limits::EXCLUDED_TYPES).map(str::to_owned).collect(),
        offset: query.count("offset")?.unwrap_or(0),
        limit: query.page(&["limit", "count"], limits::LOG_PAGE)?,
        ..LogFilter::default()
    })
}
