//! Messages: those of a channel, and the doors `submit`, `ingest-external` and `complete`.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{ServiceConfig, get, post};
use core_types::messaging::PostReceipt;
use serde_json::{Value, json};

use crate::app::State;
use crate::envelope::{ok, respond, warned};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::{MessagesRead, MessagesWrite};
use crate::extract::{Authorized, ChannelPath, JsonBody, Query, Sender};
use crate::limits;
use crate::replies::Replies;
use crate::routing::{at, channels};
use crate::sse;
use crate::wire::messages::{BusMessage, MessageWire};
use crate::wire::posts::{PostedWire, Transport, completed, ingested, submitted, to_channel};
use crate::wire::replies::Ending;

pub(crate) fn routes(config: &mut ServiceConfig) {
    at(config, channels!("/{channel_id}/messages"), [get().to(list), post().to(send)]);
    at(config, "/messaging/submit", [post().to(submit)]);
    at(config, "/messaging/ingest-external", [post().to(ingest)]);
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

async fn submit(caller: Authorized<MessagesWrite>, state: State, sender: Sender, body: JsonBody) -> ApiResult {
    let receipt = state.services.messaging.post(&caller, submitted(body.0, sender)?).await?;
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
