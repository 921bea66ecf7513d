//! The server itself: its version, its log, its settings, its end.

use actix_web::http::StatusCode;
use actix_web::web::{delete, get, post};
use bytes::Bytes;
use core_types::bus::Lagged;
use core_types::system::LogReader;
use core_types::{Page, Permission};
use futures_util::{Stream, StreamExt, stream};

use crate::app::State;
use crate::envelope::{Envelope, ok, respond};
use crate::errors::ApiResult;
use crate::extract::permission::{MessagesRead, SystemManage};
use crate::extract::{Authorized, JsonBody, Known, Query};
use crate::limits;
use crate::openapi::params::LogConditions;
use crate::routing::Routes;
use crate::sse;
use crate::wire::manage::{
    ChangedWire, ClearedWire, ConfigWire, EnvironmentBody, EnvironmentWire, HelloWire, LogFilter, LogLineWire, LogLinesWire, Seen,
    ServersWire, StoppingWire, ToldBody, VersionWire, changes, told,
};

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/server/hello", [get().to(hello)]);
    routes.at("/server/logs", [get().to(log), post().to(log_by_post), delete().to(clear_log)]);
    routes.at("/server/logs/stream", [get().to(follow_log)]);
    routes.at("/server/debug/servers", [get().to(servers)]);
    routes.at("/server/stop", [post().to(stop)]);
    routes.at("/system/version", [get().to(version)]);
    routes.at("/system/config", [get().to(config)]);
    routes.at("/system/environment", [get().to(environment), post().to(change_environment)]);
}

/// Says hello.
#[utoipa::path(get, path = "/api/server/hello", responses((status = 200, body = HelloWire)))]
async fn hello(_: Known) -> ApiResult {
    Ok(respond(StatusCode::OK, &HelloWire::new()))
}

/// Tells the server's version.
#[utoipa::path(get, path = "/api/system/version", responses((status = 200, body = VersionWire)))]
async fn version(_: Known, state: State) -> ApiResult {
    Ok(respond(StatusCode::OK, &VersionWire::of(&state.settings.version, state.started, state.services.clock.now())))
}

/// Tells what a client must know to speak to the server.
#[utoipa::path(get, path = "/api/system/config", responses((status = 200, body = Envelope<ConfigWire>)))]
async fn config(_: Known, state: State) -> ApiResult {
    Ok(ok(ConfigWire { requires_auth: state.services.keyring.requires_key() }))
}

/// Lists the message servers, in the form of elizaOS's debug routes, and tells what runs, as its client expects.
///
/// Only what the key shows is told. How many streams there are and how much memory is used is of the whole server, and told to
/// whoever has `system:read`.
#[utoipa::path(get, path = "/api/server/debug/servers", responses((status = 200, body = ServersWire), (status = 503, description = "OVERLOADED")))]
async fn servers(caller: Authorized<MessagesRead>, state: State) -> ApiResult {
    let servers = state.services.servers.list(&caller, Page { offset: 0, limit: limits::LIST }).await?.items;
    let agents = state.services.agents.list(&caller).await?;
    let status = if caller.may(Permission::SystemRead) { Some(state.services.system.status().await?) } else { None };
    let seen = Seen {
        servers: &servers,
        agents: &agents,
        connections: status.as_ref().map(|_| state.waiting()),
        memory: status.map(|status| status.memory),
        version: &state.settings.version,
    };
    Ok(respond(StatusCode::OK, &ServersWire::of(&seen)))
}

/// Reads the last lines of the server's log, oldest first.
///
/// The last 1 000 lines are kept, of which the last that fit are told. `level` is met exactly; a level that is not known fits
/// nothing. What names an agent is what has its name or id in it.
#[utoipa::path(
    get,
    path = "/api/server/logs",
    params(LogConditions),
    responses((status = 200, body = LogLinesWire)),
)]
async fn log(caller: Authorized<SystemManage>, state: State, query: Query) -> ApiResult {
    read_log(&caller, &state, &query, None)
}

/// Reads the last lines of the server's log, as elizaOS's panels ask for them. Lines in the body are added to it first, which
/// is what the official client means.
#[utoipa::path(
    post,
    path = "/api/server/logs",
    params(LogConditions),
    request_body = ToldBody,
    responses((status = 200, body = LogLinesWire)),
)]
async fn log_by_post(caller: Authorized<SystemManage>, state: State, query: Query, body: JsonBody) -> ApiResult {
    let lines = told(body.0)?;
    for line in lines.iter().flatten() {
        log::log!(target: "doolittle_http::client", line.level, "{}", line.text);
    }
    read_log(&caller, &state, &query, lines.map(|lines| lines.len()))
}

fn read_log(caller: &Authorized<SystemManage>, state: &State, query: &Query, received: Option<usize>) -> ApiResult {
    let lines = state.services.system.log(caller)?.lines();
    let since = query.moment("since")?.unwrap_or_else(|| state.services.clock.now().plus_millis(-limits::SERVER_LOG_TIME));
    let filter = LogFilter {
        since,
        level: query.first("level"),
        agent_name: query.first("agentName"),
        agent_id: query.first("agentId"),
        limit: query.page(&["limit"], limits::SERVER_LOG_PAGE)?,
    };
    Ok(respond(StatusCode::OK, &LogLinesWire::of(&lines, &filter).after(received)))
}

/// Forgets the lines of the server's log that are kept for the API. What was written elsewhere stays.
#[utoipa::path(delete, path = "/api/server/logs", responses((status = 200, body = ClearedWire)))]
async fn clear_log(caller: Authorized<SystemManage>, state: State) -> ApiResult {
    let cleared = state.services.system.log(&caller)?.clear();
    Ok(respond(StatusCode::OK, &ClearedWire::of(cleared)))
}

/// Follows the server's log: a stream of `log` events, and of `gap` where the reader was too slow and lines are missing.
#[utoipa::path(
    get,
    path = "/api/server/logs/stream",
    responses((status = 200, body = String, content_type = "text/event-stream")),
)]
async fn follow_log(caller: Authorized<SystemManage>, state: State) -> ApiResult {
    let reader = state.services.system.log(&caller)?.follow();
    let hint = stream::once(std::future::ready(sse::retry_hint()));
    Ok(sse::respond(hint.chain(frames(reader).take_until(Box::pin(state.closing())))))
}

fn frames(reader: Box<dyn LogReader>) -> impl Stream<Item = Bytes> {
    stream::unfold(reader, |mut reader| async move {
        let frame = match reader.next().await {
            Ok(Some(line)) => sse::frame("log", None, &LogLineWire::from(&*line)),
            Ok(None) => return None,
            Err(Lagged) => sse::frame("gap", None, &serde_json::json!({})),
        };
        Some((frame, reader))
    })
}

/// Lists the names in the settings file (`.env` of the data directory). Values are never told.
#[utoipa::path(get, path = "/api/system/environment", responses((status = 200, body = EnvironmentWire)))]
async fn environment(caller: Authorized<SystemManage>, state: State) -> ApiResult {
    let names = state.services.system.environment(&caller).await?;
    Ok(respond(StatusCode::OK, &EnvironmentWire::of(&names)))
}

/// Changes the settings file (`.env` of the data directory): sets the names that are given, and removes those with `null`.
///
/// What models need is followed at the next run of each agent, everything else at the next start.
#[utoipa::path(
    post,
    path = "/api/system/environment",
    request_body = EnvironmentBody,
    responses((status = 200, body = ChangedWire), (status = 400, description = "INVALID_INPUT")),
)]
async fn change_environment(caller: Authorized<SystemManage>, state: State, JsonBody(body): JsonBody) -> ApiResult {
    state.services.system.change_environment(&caller, changes(body)?).await?;
    Ok(respond(StatusCode::OK, &ChangedWire::new()))
}

/// Stops the server in order: what is under way may finish, and what is left is taken up at the next start.
#[utoipa::path(post, path = "/api/server/stop", responses((status = 200, body = StoppingWire)))]
async fn stop(caller: Authorized<SystemManage>, state: State) -> ApiResult {
    state.services.system.stop(&caller)?;
    log::info!("the server was told to stop over the API");
    Ok(respond(StatusCode::OK, &StoppingWire::new()))
}
