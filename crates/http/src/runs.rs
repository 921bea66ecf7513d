//! What agents did: `/api/agents/{id}/runs`, `/api/agents/{id}/logs`, and the panels of their plugins.

use actix_web::web::{ServiceConfig, delete, get};
use core_types::Page;
use core_types::runs::{LogFilter, LogLevel, RunFilter};
use serde_json::json;

use crate::app::State;
use crate::envelope::{gone, ok, page};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::{AgentsRead, AgentsWrite};
use crate::extract::{AgentPath, Authorized, LogPath, Query, RunPath};
use crate::limits;
use crate::routing::at;
use crate::wire::runs::{DetailWire, LogWire, RunsWire};

pub(crate) fn routes(config: &mut ServiceConfig) {
    at(config, "/agents/{agent_id}/logs", [get().to(logs)]);
    at(config, "/agents/{agent_id}/logs/{log_id}", [delete().to(remove_log)]);
    at(config, "/agents/{agent_id}/runs", [get().to(list)]);
    at(config, "/agents/{agent_id}/runs/{run_id}", [get().to(show)]);
    at(config, "/agents/{agent_id}/panels", [get().to(panels)]);
}

async fn logs(caller: Authorized<AgentsRead>, state: State, id: AgentPath, query: Query) -> ApiResult {
    let entries = state.services.runs.logs(&caller, id.0, log_filter(&query)?).await?;
    Ok(ok(entries.iter().map(LogWire::from).collect::<Vec<_>>()))
}

async fn remove_log(caller: Authorized<AgentsWrite>, state: State, agent: AgentPath, id: LogPath) -> ApiResult {
    state.services.runs.remove_log(&caller, agent.0, id.0).await?;
    Ok(gone())
}

async fn list(caller: Authorized<AgentsRead>, state: State, id: AgentPath, query: Query) -> ApiResult {
    let (filter, part) = run_filter(&query)?;
    let runs = state.services.runs.list(&caller, id.0, filter, part).await?;
    Ok(page(runs.total, RunsWire::of(&runs, part)))
}

async fn show(caller: Authorized<AgentsRead>, state: State, agent: AgentPath, id: RunPath) -> ApiResult {
    let detail = state.services.runs.get(&caller, agent.0, id.0).await?;
    Ok(ok(DetailWire::of(agent.0, id.0, detail.as_ref())))
}

/// Plugins have no pages here, so there is none to show; the agent must exist.
async fn panels(caller: Authorized<AgentsRead>, state: State, id: AgentPath) -> ApiResult {
    state.services.agents.get(&caller, id.0).await?;
    Ok(ok(json!([])))
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
    })
}
