//! Message servers, `/api/messaging/message-servers` and its aliases, and the agents that listen on them.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{ServiceConfig, delete, get, patch, post};
use core_types::MessageServerId;
use serde_json::json;

use crate::app::State;
use crate::envelope::{gone, ok, page, success};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::{AgentsRead, AgentsWrite, MessagesRead, MessagesWrite};
use crate::extract::{AgentPath, Authorized, JsonBody, Query, ServerPath};
use crate::routing::{agent_servers, at, servers};
use crate::wire::channels::{ChannelWire, agent};
use crate::wire::servers::{LinkWire, ServerWire, ShownServer, new_server, server_change};

pub(crate) fn routes(config: &mut ServiceConfig) {
    at(config, "/messaging/message-server/current", [get().to(current)]);
    at(config, servers!(""), [get().to(list), post().to(create)]);
    at(config, servers!("/{server_id}"), [get().to(show), patch().to(update), delete().to(remove)]);
    at(config, servers!("/{server_id}/channels"), [get().to(channels)]);
    at(config, servers!("/{server_id}/agents"), [get().to(agents), post().to(add)]);
    at(config, servers!("/{server_id}/agents/{agent_id}"), [delete().to(unlink)]);
    at(config, agent_servers!(""), [get().to(of_agent)]);
    at(config, agent_servers!("/{server_id}"), [post().to(link), delete().to(unlink)]);
}

async fn list(caller: Authorized<MessagesRead>, state: State, query: Query) -> ApiResult {
    let listed = state.services.servers.list(&caller, query.list()?).await?;
    let servers: Vec<_> = listed.items.iter().map(ServerWire::from).collect();
    Ok(page(listed.total, json!({ "messageServers": servers, "servers": servers })))
}

async fn current(_: Authorized<MessagesRead>) -> ApiResult {
    Ok(ok(json!({ "messageServerId": MessageServerId::DEFAULT, "serverId": MessageServerId::DEFAULT })))
}

async fn create(caller: Authorized<MessagesWrite>, state: State, body: JsonBody) -> ApiResult {
    let server = state.services.servers.create(&caller, new_server(body.0)?).await?;
    Ok(success(StatusCode::CREATED, ShownServer::from(&server)))
}

async fn show(caller: Authorized<MessagesRead>, state: State, id: ServerPath) -> ApiResult {
    let server = state.services.servers.get(&caller, id.0).await?;
    Ok(ok(ShownServer::from(&server)))
}

async fn update(caller: Authorized<MessagesWrite>, state: State, id: ServerPath, body: JsonBody) -> ApiResult {
    let change = server_change(body.0).map_err(ApiError::unprocessable)?;
    let server = state.services.servers.update(&caller, id.0, change).await?;
    Ok(ok(ShownServer::from(&server)))
}

async fn remove(caller: Authorized<MessagesWrite>, state: State, id: ServerPath) -> ApiResult {
    state.services.servers.remove(&caller, id.0).await?;
    Ok(gone())
}

async fn channels(caller: Authorized<MessagesRead>, state: State, id: ServerPath, query: Query) -> ApiResult {
    let listed = state.services.channels.list(&caller, id.0, query.list()?).await?;
    let channels: Vec<_> = listed.items.iter().map(ChannelWire::from).collect();
    Ok(page(listed.total, BTreeMap::from([("channels", channels)])))
}

async fn agents(caller: Authorized<AgentsRead>, state: State, id: ServerPath, query: Query) -> ApiResult {
    let agents = state.services.servers.agents(&caller, id.0, query.list()?).await?;
    Ok(page(agents.total, json!({ "messageServerId": id.0, "serverId": id.0, "agents": agents.items })))
}

async fn of_agent(caller: Authorized<AgentsRead>, state: State, id: AgentPath, query: Query) -> ApiResult {
    let servers = state.services.servers.of_agent(&caller, id.0, query.list()?).await?;
    Ok(page(servers.total, json!({ "agentId": id.0, "messageServers": servers.items, "servers": servers.items })))
}

/// Ties the agent that the body names.
async fn add(caller: Authorized<AgentsWrite>, state: State, server: ServerPath, body: JsonBody) -> ApiResult {
    link(caller, state, AgentPath(agent(body.0)?), server).await
}

async fn link(caller: Authorized<AgentsWrite>, state: State, agent: AgentPath, server: ServerPath) -> ApiResult {
    state.services.servers.link(&caller, server.0, agent.0).await?;
    Ok(success(StatusCode::CREATED, LinkWire::new(server.0, agent.0, "Agent added to message server successfully")))
}

async fn unlink(caller: Authorized<AgentsWrite>, state: State, agent: AgentPath, server: ServerPath) -> ApiResult {
    state.services.servers.unlink(&caller, server.0, agent.0).await?;
    Ok(ok(LinkWire::new(server.0, agent.0, "Agent removed from message server successfully")))
}
