//! Message servers, `/api/messaging/message-servers` and its aliases, and the agents that listen on them.

use actix_web::http::StatusCode;
use actix_web::web::{delete, get, patch, post};
use core_types::MessageServerId;
use core_types::messaging::NewServer;
use uuid::Uuid;

use crate::app::State;
use crate::envelope::{Envelope, gone, ok, page, success};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::{AgentsRead, AgentsWrite, MessagesRead, MessagesWrite};
use crate::extract::{AgentPath, Authorized, JsonBody, Query, ServerPath};
use crate::once::Once;
use crate::openapi::params::ListPart;
use crate::routing::Routes;
use crate::wire::channels::{AgentBody, ChannelList, SyncedBody, SyncedWire, agent, synced};
use crate::wire::servers::{
    AgentServers, LinkWire, NewServerBody, ServerAgents, ServerChangeBody, ServerList, ServerReference, ShownServer, new_server,
    server_change,
};

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/messaging/message-server/current", [get().to(current)]);
    routes.at("/messaging/central-servers", [get().to(list), post().to(create)]);
    routes.at("/messaging/central-servers/{server_id}", [get().to(show), patch().to(update), delete().to(remove)]);
    routes.at("/messaging/central-servers/{server_id}/channels", [get().to(channels)]);
    routes.at("/messaging/central-servers/{server_id}/sync-channels", [post().to(sync)]);
    routes.at("/messaging/central-servers/{server_id}/agents", [get().to(agents), post().to(add)]);
    routes.at("/messaging/central-servers/{server_id}/agents/{agent_id}", [delete().to(unlink)]);
    routes.at("/messaging/agents/{agent_id}/servers", [get().to(of_agent)]);
    routes.at("/messaging/agents/{agent_id}/servers/{server_id}", [post().to(link), delete().to(unlink)]);
}

/// Lists the message servers.
#[utoipa::path(
    get,
    path = "/api/messaging/central-servers",
    params(ListPart),
    responses(
        (status = 200, body = Envelope<ServerList>, headers(("X-Total-Count" = u64, description = "How long the whole list is"))),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn list(caller: Authorized<MessagesRead>, state: State, query: Query) -> ApiResult {
    let listed = state.services.servers.list(&caller, query.list()?).await?;
    Ok(page(listed.total, ServerList::of(&listed.items)))
}

/// Tells the message server that is used where none is named.
#[utoipa::path(get, path = "/api/messaging/message-server/current", responses((status = 200, body = Envelope<ServerReference>)))]
async fn current(_: Authorized<MessagesRead>) -> ApiResult {
    Ok(ok(ServerReference::from(MessageServerId::DEFAULT)))
}

/// Creates a message server.
#[utoipa::path(
    post,
    path = "/api/messaging/central-servers",
    params(Once),
    request_body = NewServerBody,
    responses((status = 201, body = Envelope<ShownServer>), (status = 409, description = "CONFLICT")),
)]
async fn create(caller: Authorized<MessagesWrite>, state: State, once: Once, body: JsonBody) -> ApiResult {
    let make = async |id: Option<Uuid>, body| {
        let new = NewServer { id: id.map(Into::into), ..new_server(body)? };
        Ok(success(StatusCode::CREATED, ShownServer::from(&state.services.servers.create(&caller, new).await?)))
    };
    once.json(&caller, &state, body.0, make).await
}

/// Shows a message server.
#[utoipa::path(
    get,
    path = "/api/messaging/central-servers/{server_id}",
    params(ServerPath),
    responses((status = 200, body = Envelope<ShownServer>), (status = 404, description = "SERVER_NOT_FOUND")),
)]
async fn show(caller: Authorized<MessagesRead>, state: State, id: ServerPath) -> ApiResult {
    let server = state.services.servers.get(&caller, id.0).await?;
    Ok(ok(ShownServer::from(&server)))
}

/// Changes a message server.
#[utoipa::path(
    patch,
    path = "/api/messaging/central-servers/{server_id}",
    params(ServerPath),
    request_body = ServerChangeBody,
    responses(
        (status = 200, body = Envelope<ShownServer>),
        (status = 404, description = "SERVER_NOT_FOUND"),
        (status = 422, description = "UNPROCESSABLE_ENTITY"),
    ),
)]
async fn update(caller: Authorized<MessagesWrite>, state: State, id: ServerPath, body: JsonBody) -> ApiResult {
    let change = server_change(body.0).map_err(ApiError::unprocessable)?;
    let server = state.services.servers.update(&caller, id.0, change).await?;
    Ok(ok(ShownServer::from(&server)))
}

/// Deletes a message server with its channels and their messages. The default one stays.
#[utoipa::path(
    delete,
    path = "/api/messaging/central-servers/{server_id}",
    params(ServerPath),
    responses((status = 204), (status = 403, description = "FORBIDDEN"), (status = 404, description = "SERVER_NOT_FOUND")),
)]
async fn remove(caller: Authorized<MessagesWrite>, state: State, id: ServerPath) -> ApiResult {
    state.services.servers.remove(&caller, id.0).await?;
    Ok(gone())
}

/// Lists the channels of a message server.
#[utoipa::path(
    get,
    path = "/api/messaging/central-servers/{server_id}/channels",
    params(ServerPath, ListPart),
    responses(
        (status = 200, body = Envelope<ChannelList>, headers(("X-Total-Count" = u64, description = "How long the whole list is"))),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn channels(caller: Authorized<MessagesRead>, state: State, id: ServerPath, query: Query) -> ApiResult {
    let listed = state.services.channels.list(&caller, id.0, query.list()?).await?;
    Ok(page(listed.total, ChannelList::of(&listed.items)))
}

/// Brings the channels of a message server to what they are on its platform.
///
/// A channel is known by its `sourceId`: one that is new is created, one that has another name gets it, and what is not named
/// stays.
#[utoipa::path(
    post,
    path = "/api/messaging/central-servers/{server_id}/sync-channels",
    params(ServerPath),
    request_body = SyncedBody,
    responses((status = 200, body = Envelope<SyncedWire>), (status = 404, description = "SERVER_NOT_FOUND")),
)]
async fn sync(caller: Authorized<MessagesWrite>, state: State, id: ServerPath, body: JsonBody) -> ApiResult {
    let channels = synced(body.0)?;
    let answer = SyncedWire { synced: channels.len() };
    state.services.channels.sync(&caller, id.0, channels).await?;
    Ok(ok(answer))
}

/// Lists the agents that listen on a message server.
#[utoipa::path(
    get,
    path = "/api/messaging/central-servers/{server_id}/agents",
    params(ServerPath, ListPart),
    responses(
        (status = 200, body = Envelope<ServerAgents>, headers(("X-Total-Count" = u64, description = "How long the whole list is"))),
    ),
)]
async fn agents(caller: Authorized<AgentsRead>, state: State, id: ServerPath, query: Query) -> ApiResult {
    let agents = state.services.servers.agents(&caller, id.0, query.list()?).await?;
    Ok(page(agents.total, ServerAgents::of(id.0, &agents.items)))
}

/// Lists the message servers that an agent listens on.
#[utoipa::path(
    get,
    path = "/api/messaging/agents/{agent_id}/servers",
    params(AgentPath, ListPart),
    responses(
        (status = 200, body = Envelope<AgentServers>, headers(("X-Total-Count" = u64, description = "How long the whole list is"))),
    ),
)]
async fn of_agent(caller: Authorized<AgentsRead>, state: State, id: AgentPath, query: Query) -> ApiResult {
    let servers = state.services.servers.of_agent(&caller, id.0, query.list()?).await?;
    Ok(page(servers.total, AgentServers::of(id.0, &servers.items)))
}

/// Makes an agent listen on a message server.
#[utoipa::path(
    post,
    path = "/api/messaging/central-servers/{server_id}/agents",
    params(ServerPath),
    request_body = AgentBody,
    responses((status = 201, body = Envelope<LinkWire>), (status = 404, description = "AGENT_NOT_FOUND SERVER_NOT_FOUND")),
)]
async fn add(caller: Authorized<AgentsWrite>, state: State, server: ServerPath, body: JsonBody) -> ApiResult {
    link(caller, state, AgentPath(agent(body.0)?), server).await
}

/// Makes an agent listen on a message server.
#[utoipa::path(
    post,
    path = "/api/messaging/agents/{agent_id}/servers/{server_id}",
    params(AgentPath, ServerPath),
    responses((status = 201, body = Envelope<LinkWire>), (status = 404, description = "AGENT_NOT_FOUND SERVER_NOT_FOUND")),
)]
async fn link(caller: Authorized<AgentsWrite>, state: State, agent: AgentPath, server: ServerPath) -> ApiResult {
    state.services.servers.link(&caller, server.0, agent.0).await?;
    Ok(success(StatusCode::CREATED, LinkWire::new(server.0, agent.0, "Agent added to message server successfully")))
}

/// Makes an agent listen on a message server no longer.
#[utoipa::path(
    delete,
    path = "/api/messaging/central-servers/{server_id}/agents/{agent_id}",
    params(ServerPath, AgentPath),
    responses((status = 200, body = Envelope<LinkWire>), (status = 404, description = "SERVER_NOT_FOUND")),
)]
async fn unlink(caller: Authorized<AgentsWrite>, state: State, agent: AgentPath, server: ServerPath) -> ApiResult {
    state.services.servers.unlink(&caller, server.0, agent.0).await?;
    Ok(ok(LinkWire::new(server.0, agent.0, "Agent removed from message server successfully")))
}
