//! Channels: `/api/messaging/channels` and its alias.

use actix_web::http::StatusCode;
use actix_web::web::{ServiceConfig, delete, get, post};

use crate::app::State;
use crate::envelope::{gone, ok, success};
use crate::errors::ApiResult;
use crate::extract::permission::{MessagesRead, MessagesWrite};
use crate::extract::{Authorized, ChannelPath, JsonBody};
use crate::routing::{at, channels};
use crate::wire::channels::{ChannelWire, CreatedChannel, new_channel};

pub(crate) fn routes(config: &mut ServiceConfig) {
    at(config, channels!(""), [post().to(create)]);
    at(config, channels!("/{channel_id}"), [get().to(show), delete().to(remove)]);
    at(config, channels!("/{channel_id}/details"), [get().to(show)]);
    at(config, channels!("/{channel_id}/participants"), [get().to(participants)]);
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

async fn remove(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath) -> ApiResult {
    state.services.channels.remove(&caller, id.0).await?;
    Ok(gone())
}
