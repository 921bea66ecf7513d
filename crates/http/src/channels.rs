//! Channels: `/api/messaging/channels` and its alias.

use actix_web::http::StatusCode;
use actix_web::web::{ServiceConfig, delete, get, patch, post};
use core_types::EntityId;
use serde_json::json;

use crate::app::State;
use crate::envelope::{gone, ok, success};
use crate::errors::ApiResult;
use crate::extract::permission::{MessagesRead, MessagesWrite};
use crate::extract::{AgentPath, Authorized, ChannelPath, JsonBody, Query};
use crate::routing::{at, channels};
use crate::wire::channels::{ChannelWire, CreatedChannel, agent, channel_change, new_channel, two};

pub(crate) fn routes(config: &mut ServiceConfig) {
    at(config, channels!(""), [post().to(create)]);
    at(config, "/messaging/dm-channel", [get().to(direct)]);
    at(config, channels!("/{channel_id}"), [get().to(show), patch().to(update), delete().to(remove)]);
    at(config, channels!("/{channel_id}/details"), [get().to(show)]);
    at(config, channels!("/{channel_id}/participants"), [get().to(participants)]);
    at(config, channels!("/{channel_id}/agents"), [get().to(agents), post().to(join)]);
    at(config, channels!("/{channel_id}/agents/{agent_id}"), [delete().to(leave)]);
}

async fn create(caller: Authorized<MessagesWrite>, state: State, body: JsonBody) -> ApiResult {
    let channel = state.services.channels.create(&caller, new_channel(body.0)?).await?;
    Ok(success(StatusCode::CREATED, CreatedChannel::from(&channel)))
}

async fn show(caller: Authorized<MessagesRead>, state: State, id: ChannelPath) -> ApiResult {
    let channel = state.services.channels.get(&caller, id.0).await?;
    Ok(ok(ChannelWire::from(&channel)))
}

async fn participants(caller: Authorized<MessagesRead>, state: State, id: ChannelPath) -> ApiResult {
    Ok(ok(state.services.channels.participants(&caller, id.0).await?))
}

async fn direct(caller: Authorized<MessagesWrite>, state: State, query: Query) -> ApiResult {
    let (server, two) = two(&query)?;
    let channel = state.services.channels.direct(&caller, server, two).await?;
    Ok(ok(ChannelWire::from(&channel)))
}

async fn update(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath, body: JsonBody) -> ApiResult {
    let channel = state.services.channels.update(&caller, id.0, channel_change(body.0)?).await?;
    Ok(ok(ChannelWire::from(&channel)))
}

/// All who take part, people too, as elizaOS answers it.
async fn agents(caller: Authorized<MessagesRead>, state: State, id: ChannelPath) -> ApiResult {
    let participants = state.services.channels.participants(&caller, id.0).await?;
    Ok(ok(json!({ "channelId": id.0, "participants": participants })))
}

async fn join(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath, body: JsonBody) -> ApiResult {
    let who: EntityId = agent(body.0)?;
    state.services.channels.join(&caller, id.0, who).await?;
    Ok(success(StatusCode::CREATED, json!({ "channelId": id.0, "agentId": who, "message": "Agent added to channel successfully" })))
}

async fn leave(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath, who: AgentPath) -> ApiResult {
    state.services.channels.leave(&caller, id.0, who.0.into()).await?;
    Ok(ok(json!({ "channelId": id.0, "agentId": who.0, "message": "Agent removed from channel successfully" })))
}

async fn remove(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath) -> ApiResult {
    state.services.channels.remove(&caller, id.0).await?;
    Ok(gone())
}
