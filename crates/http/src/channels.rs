//! Channels: `/api/messaging/channels` and its alias.

use actix_web::http::StatusCode;
use actix_web::web::{delete, get, patch, post};
use core_types::EntityId;
use core_types::messaging::NewChannel;
use uuid::Uuid;

use crate::app::State;
use crate::envelope::{Envelope, gone, ok, success};
use crate::errors::ApiResult;
use crate::extract::permission::{MessagesRead, MessagesWrite};
use crate::extract::{AgentPath, Authorized, ChannelPath, JsonBody, Query};
use crate::once::Once;
use crate::routing::Routes;
use crate::wire::channels::{
    AgentBody, ChannelAgent, ChannelAgents, ChannelChangeBody, ChannelWire, CreatedChannel, NewChannelBody, Participants, agent,
    channel_change, new_channel, two,
};

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/messaging/central-channels", [post().to(create)]);
    routes.at("/messaging/dm-channel", [get().to(direct)]);
    routes.at("/messaging/central-channels/{channel_id}", [get().to(show), patch().to(update), delete().to(remove)]);
    routes.at("/messaging/central-channels/{channel_id}/details", [get().to(show)]);
    routes.at("/messaging/central-channels/{channel_id}/participants", [get().to(participants)]);
    routes.at("/messaging/central-channels/{channel_id}/agents", [get().to(agents), post().to(join)]);
    routes.at("/messaging/central-channels/{channel_id}/agents/{agent_id}", [delete().to(leave)]);
}

/// Creates a channel.
#[utoipa::path(
    post,
    path = "/api/messaging/central-channels",
    params(Once),
    request_body = NewChannelBody,
    responses(
        (status = 201, body = Envelope<CreatedChannel>),
        (status = 404, description = "SERVER_NOT_FOUND CHANNEL_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
    ),
)]
async fn create(caller: Authorized<MessagesWrite>, state: State, once: Once, body: JsonBody) -> ApiResult {
    let make = async |id: Option<Uuid>, body| {
        let new = NewChannel { id: id.map(Into::into), ..new_channel(body)? };
        Ok(success(StatusCode::CREATED, CreatedChannel::from(&state.services.channels.create(&caller, new).await?)))
    };
    once.json(&caller, &state, body.0, make).await
}

/// Shows a channel.
#[utoipa::path(
    get,
    path = "/api/messaging/central-channels/{channel_id}",
    params(ChannelPath),
    responses((status = 200, body = Envelope<ChannelWire>), (status = 404, description = "CHANNEL_NOT_FOUND")),
)]
async fn show(caller: Authorized<MessagesRead>, state: State, id: ChannelPath) -> ApiResult {
    let channel = state.services.channels.get(&caller, id.0).await?;
    Ok(ok(ChannelWire::from(&channel)))
}

/// Lists who takes part in a channel: people and agents; nobody where there is no such channel.
#[utoipa::path(
    get,
    path = "/api/messaging/central-channels/{channel_id}/participants",
    params(ChannelPath),
    responses((status = 200, body = Envelope<Participants>)),
)]
async fn participants(caller: Authorized<MessagesRead>, state: State, id: ChannelPath) -> ApiResult {
    Ok(ok(Participants(state.services.channels.participants(&caller, id.0).await?)))
}

/// Finds the direct channel of two, or makes it.
#[utoipa::path(
    get,
    path = "/api/messaging/dm-channel",
    params(
        ("targetUserId" = Option<Uuid>, Query, description = "The one to talk to"),
        ("currentUserId" = Option<Uuid>, Query, description = "The one who talks"),
        ("participantIds" = Option<String>, Query, description = "Instead of these, as older clients have it: the one who talks and the one to talk to, with a comma between"),
        ("dmServerId" = Option<Uuid>, Query, description = "The message server; the default one where absent"),
    ),
    responses((status = 200, body = Envelope<ChannelWire>)),
)]
async fn direct(caller: Authorized<MessagesWrite>, state: State, query: Query) -> ApiResult {
    let (server, two) = two(&query)?;
    let channel = state.services.channels.direct(&caller, server, two).await?;
    Ok(ok(ChannelWire::from(&channel)))
}

/// Changes a channel. Participants that are named replace those that it has.
#[utoipa::path(
    patch,
    path = "/api/messaging/central-channels/{channel_id}",
    params(ChannelPath),
    request_body = ChannelChangeBody,
    responses((status = 200, body = Envelope<ChannelWire>), (status = 404, description = "CHANNEL_NOT_FOUND")),
)]
async fn update(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath, body: JsonBody) -> ApiResult {
    let channel = state.services.channels.update(&caller, id.0, channel_change(body.0)?).await?;
    Ok(ok(ChannelWire::from(&channel)))
}

/// Lists who takes part in a channel, people too, as elizaOS has it.
#[utoipa::path(
    get,
    path = "/api/messaging/central-channels/{channel_id}/agents",
    params(ChannelPath),
    responses((status = 200, body = Envelope<ChannelAgents>)),
)]
async fn agents(caller: Authorized<MessagesRead>, state: State, id: ChannelPath) -> ApiResult {
    let participants = state.services.channels.participants(&caller, id.0).await?;
    Ok(ok(ChannelAgents { channel_id: id.0, participants }))
}

/// Adds an agent to a channel.
#[utoipa::path(
    post,
    path = "/api/messaging/central-channels/{channel_id}/agents",
    params(ChannelPath),
    request_body = AgentBody,
    responses((status = 201, body = Envelope<ChannelAgent>), (status = 404, description = "AGENT_NOT_FOUND CHANNEL_NOT_FOUND")),
)]
async fn join(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath, body: JsonBody) -> ApiResult {
    let who: EntityId = agent(body.0)?;
    state.services.channels.join(&caller, id.0, who).await?;
    Ok(success(StatusCode::CREATED, ChannelAgent::of(id.0, who, "Agent added to channel successfully")))
}

/// Takes an agent out of a channel.
#[utoipa::path(
    delete,
    path = "/api/messaging/central-channels/{channel_id}/agents/{agent_id}",
    params(ChannelPath, AgentPath),
    responses(
        (status = 200, body = Envelope<ChannelAgent>),
        (status = 404, description = "CHANNEL_NOT_FOUND PARTICIPANT_NOT_FOUND"),
    ),
)]
async fn leave(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath, who: AgentPath) -> ApiResult {
    let who = EntityId::from(who.0);
    state.services.channels.leave(&caller, id.0, who).await?;
    Ok(ok(ChannelAgent::of(id.0, who, "Agent removed from channel successfully")))
}

/// Deletes a channel with its messages; one that there is not is deleted already.
#[utoipa::path(
    delete,
    path = "/api/messaging/central-channels/{channel_id}",
    params(ChannelPath),
    responses((status = 204)),
)]
async fn remove(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath) -> ApiResult {
    state.services.channels.remove(&caller, id.0).await?;
    Ok(gone())
}
