//! Message servers: `/api/messaging/message-servers` and its aliases.

use std::collections::BTreeMap;

use actix_web::web::{ServiceConfig, get};
use core_types::MessageServerId;
use serde_json::json;

use crate::app::State;
use crate::envelope::ok;
use crate::errors::ApiResult;
use crate::extract::permission::MessagesRead;
use crate::extract::{Authorized, ServerPath};
use crate::routing::{at, servers};
use crate::wire::channels::{ChannelWire, ServerWire};

pub(crate) fn routes(config: &mut ServiceConfig) {
    at(config, "/messaging/message-server/current", [get().to(current)]);
    at(config, servers!(""), [get().to(list)]);
    at(config, servers!("/{server_id}/channels"), [get().to(channels)]);
}

async fn list(caller: Authorized<MessagesRead>, state: State) -> ApiResult {
    let servers = state.services.channels.servers(&caller).await?;
    let servers: Vec<_> = servers.iter().map(ServerWire::from).collect();
    Ok(ok(json!({ "messageServers": servers, "servers": servers })))
}

async fn current(_: Authorized<MessagesRead>) -> ApiResult {
    Ok(ok(json!({ "messageServerId": MessageServerId::DEFAULT, "serverId": MessageServerId::DEFAULT })))
}

async fn channels(caller: Authorized<MessagesRead>, state: State, id: ServerPath) -> ApiResult {
    let channels = state.services.channels.list(&caller, id.0).await?;
    let channels: Vec<_> = channels.iter().map(ChannelWire::from).collect();
    Ok(ok(BTreeMap::from([("channels", channels)])))
}
