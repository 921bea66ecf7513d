//! Messages: those of a channel, single ones, and the doors `submit`, `action`, `ingest-external` and `complete`.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{ServiceConfig, delete, get, patch, post};
use core_types::messaging::{Door, PostReceipt};
use serde_json::{Value, json};

use crate::app::State;
use crate::envelope::{gone, ok, respond, success, warned};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::{MessagesRead, MessagesWrite};
use crate::extract::{Authorized, ChannelPath, JsonBody, MessagePath, Query, Sender};
use crate::limits;
use crate::replies::Replies;
use crate::routing::{at, channels};
use crate::sse;
use crate::wire::channels::agent;
use crate::wire::messages::{BusMessage, FoundWire, MessageWire, TitleWire};
use crate::wire::posts::{PostedWire, Transport, completed, ingested, message_change, message_search, submitted, to_channel};
use crate::wire::replies::Ending;

pub(crate) fn routes(config: &mut ServiceConfig) {
    at(config, channels!("/{channel_id}/messages"), [get().to(list), post().to(send), delete().to(clear)]);
    at(config, channels!("/{channel_id}/messages/{message_id}"), [delete().to(remove)]);
    at(config, channels!("/{channel_id}/generate-title"), [post().to(title)]);
    at(config, "/messaging/messages/search", [post().to(search)]);
    at(config, "/messaging/messages/{message_id}", [get().to(show), patch().to(edit)]);
    at(config, "/messaging/submit", [post().to(submit)]);
    at(config, "/messaging/action", [post().to(action)]);
    at(config, "/messaging/action/{message_id}", [patch().to(edit)]);
    at(config, "/messaging/{_:ingest-external|external-messages}", [post().to(ingest)]);
    at(config, "/messaging/complete", [post().to(complete)]);
}

async fn list(caller: Authorized<MessagesRead>, state: State, id: ChannelPath, query: Query) -> ApiResult {
    let (before, limit) = (query.moment("before")?, query.page(&["limit"], limits::PAGE)?);
    let messages = state.services.messaging.list(&caller, id.0, before, limit).await?;
    let messages: Vec<_> = messages.iter().map(MessageWire::listed).collect();
    Ok(ok(BTreeMap::from([("messages", messages)])))
}

async fn send(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath, sender: Sender, JsonBody(mut body): JsonBody) -> ApiResult {
    let transport = Transport::take(&mut body)?;
    let message = to_channel(id.0, body, sender)?;
    let messaging = &state.services.messaging;
    if transport == Transport::Websocket {
        let receipt = messaging.post(&caller, message).await?;
        return Ok(replayed(&receipt, respond(StatusCode::CREATED, &PostedWire::of(&receipt, None))));
    }
    let (receipt, replies) = messaging.exchange(&caller, message).await?;
    let replies = Replies::new(replies, &state, receipt.message.clone());
    match transport {
        Transport::Sse => Ok(replayed(&receipt, sse::respond(replies.frames()))),
        Transport::Http | Transport::Websocket => Ok(replayed(&receipt, answered(&receipt, replies.ending().await)?)),
    }
}

async fn clear(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath) -> ApiResult {
    state.services.messaging.clear(&caller, id.0).await?;
    Ok(gone())
}

async fn remove(caller: Authorized<MessagesWrite>, state: State, channel: ChannelPath, id: MessagePath) -> ApiResult {
    state.services.messaging.remove(&caller, channel.0, id.0).await?;
    Ok(gone())
}

async fn show(caller: Authorized<MessagesRead>, state: State, id: MessagePath) -> ApiResult {
    let message = state.services.messaging.get(&caller, id.0).await?;
    Ok(ok(MessageWire::listed(&message)))
}

async fn edit(caller: Authorized<MessagesWrite>, state: State, id: MessagePath, body: JsonBody) -> ApiResult {
    let message = state.services.messaging.edit(&caller, id.0, message_change(body.0)?).await?;
    Ok(ok(MessageWire::stored(&message)))
}

async fn search(caller: Authorized<MessagesRead>, state: State, body: JsonBody) -> ApiResult {
    let found = state.services.messaging.search(&caller, message_search(body.0)?).await?;
    Ok(ok(FoundWire::from(&found)))
}

async fn title(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath, query: Query, body: JsonBody) -> ApiResult {
    let (before, limit) = (query.moment("before")?, query.page(&["limit"], limits::PAGE)?);
    let title = state.services.messaging.title(&caller, id.0, agent(body.0)?, before, limit).await?;
    Ok(ok(TitleWire::of(id.0, &title)))
}

async fn action(caller: Authorized<MessagesWrite>, state: State, sender: Sender, body: JsonBody) -> ApiResult {
    let receipt = state.services.messaging.post(&caller, submitted(Door::Action, body.0, sender)?).await?;
    Ok(replayed(&receipt, success(StatusCode::CREATED, MessageWire::stored(&receipt.message))))
}

async fn submit(caller: Authorized<MessagesWrite>, state: State, sender: Sender, body: JsonBody) -> ApiResult {
    let receipt = state.services.messaging.post(&caller, submitted(Door::Submit, body.0, sender)?).await?;
    let answer = warned(StatusCode::CREATED, MessageWire::stored(&receipt.message), &receipt.warnings);
    Ok(replayed(&receipt, answer))
}

async fn ingest(caller: Authorized<MessagesWrite>, state: State, sender: Sender, body: JsonBody) -> ApiResult {
    let receipt = state.services.messaging.post(&caller, ingested(body.0, sender)?).await?;
    let mut answer = json!({
        "success": true,
        "message": "Message ingested and published to bus",
        "data": { "messageId": receipt.message.id },
    });
    if let (Value::Object(answer), false) = (&mut answer, receipt.warnings.is_empty()) {
        answer.insert("warnings".to_owned(), json!(receipt.warnings));
    }
    Ok(replayed(&receipt, respond(StatusCode::ACCEPTED, &answer)))
}

async fn complete(caller: Authorized<MessagesWrite>, state: State, body: JsonBody) -> ApiResult {
    let (channel, server) = completed(body.0)?;
    state.services.messaging.complete(&caller, channel).await?;
    let data = json!({ "channelId": channel, "serverId": server, "messageServerId": server });
    let answer = json!({ "success": true, "message": "Message completion announced", "data": data });
    Ok(respond(StatusCode::OK, &answer))
}

/// Says on an answer that it is the first one again.
fn replayed(receipt: &PostReceipt, mut answer: HttpResponse) -> HttpResponse {
    if receipt.repeated {
        let name = HeaderName::from_static("idempotency-replayed");
        answer.headers_mut().insert(name, HeaderValue::from_static("true"));
    }
    answer
}

/// The answer of the transport `http`.
fn answered(receipt: &PostReceipt, ending: Ending) -> ApiResult {
    match ending {
        Ending::Content(content) => Ok(respond(StatusCode::CREATED, &PostedWire::of(receipt, Some(&content)))),
        Ending::Failure(code, reason) => Err(ApiError::new(code, reason).beside("userMessage", json!(BusMessage::from(&*receipt.message)))),
    }
}
