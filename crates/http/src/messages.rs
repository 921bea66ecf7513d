//! Messages: those of a channel, single ones, and the doors `submit`, `action`, `ingest-external` and `complete`.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::{delete, get, patch, post};
use actix_web::{HttpRequest, HttpResponse};
use core_types::Caller;
use core_types::messaging::{Door, MessagePage, NewMessage, PostReceipt};
use serde_json::json;

use crate::app::State;
use crate::envelope::{Envelope, Warned, gone, ok, respond, success, warned, write, written};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::{MessagesRead, MessagesWrite};
use crate::extract::{Authorized, ChannelPath, JsonBody, MessagePath, Query, Sender, body_is_done};
use crate::limits;
use crate::pages::{Page, PageOf};
use crate::replies::Replies;
use crate::routing::Routes;
use crate::sse;
use crate::unread::only_reads;
use crate::wire::channels::{AgentBody, agent};
use crate::wire::messages::{BusMessage, FoundWire, MessageList, MessageWire, TitleWire};
use crate::wire::posts::{
    ChannelMessageBody, Completed, CompletedBody, CompletedWire, IngestedBody, IngestedWire, MessageChangeBody, PostedWire, SearchBody,
    SubmittedBody, Transport, completed, ingested, ingested_all, message_change, message_search, submitted, to_channel,
};
use crate::wire::replies::Ending;

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/messaging/central-channels/{channel_id}/messages", [get().to(list), post().to(send), delete().to(clear)]);
    routes.at("/messaging/central-channels/{channel_id}/messages/{message_id}", [delete().to(remove)]);
    routes.at("/messaging/central-channels/{channel_id}/generate-title", [post().to(title)]);
    routes.at("/messaging/messages/search", [post().to(search).wrap(from_fn(only_reads))]);
    routes.at("/messaging/messages/{message_id}", [get().to(show), patch().to(edit)]);
    routes.at("/messaging/submit", [post().to(submit)]);
    routes.at("/messaging/action", [post().to(action)]);
    routes.at("/messaging/action/{message_id}", [patch().to(edit)]);
    routes.at("/messaging/ingest-external", [post().to(ingest)]);
    routes.at("/messaging/complete", [post().to(complete)]);
}

/// Lists messages of a channel, the newest first; none where there is no such channel.
///
/// Large messages make the list shorter than `limit`; it is empty only where there are no older ones.
#[utoipa::path(
    get,
    path = "/api/messaging/central-channels/{channel_id}/messages",
    params(
        ChannelPath,
        ("limit" = Option<u32>, Query, description = "How many messages; 50 where absent", maximum = 1000),
        ("before" = Option<String>, Query, description = "Only older ones: epoch milliseconds, or an ISO 8601 time"),
    ),
    responses((status = 200, body = Envelope<MessageList>)),
)]
async fn list(caller: Authorized<MessagesRead>, state: State, id: ChannelPath, query: Query) -> ApiResult {
    let (before, limit) = (query.moment("before")?, query.page(&["limit"], limits::PAGE)?);
    let place = PageOf { channel: id.0, before, limit };
    let kept = state.pages.get(&place);
    let known = kept.as_ref().map(|page| page.version);
    let page = state.services.messaging.page(&caller, id.0, before, limit, known).await?;
    Ok(match (page, kept) {
        (MessagePage::Known, Some(kept)) => written(kept.body),
        (MessagePage::Known, None) => return Err(ApiError::internal("a page is said to be known that is not kept")),
        (MessagePage::Read(version, messages), _) => {
            let body = write(MessageList::of(&messages))?;
            if let Some(version) = version {
                state.pages.keep(place, Page { version, body: body.clone() });
            }
            written(body)
        }
    })
}

/// Posts a message to a channel.
///
/// The agents in it answer. `transport` says how the reply comes: with `http` it is in the answer, with `sse` the answer is a
/// stream of events (`user_message`, `chunk`s, then `done` or `error`), with `websocket`, or none, it is elsewhere: on the
/// channel's events and on sockets.
#[utoipa::path(
    post,
    path = "/api/messaging/central-channels/{channel_id}/messages",
    params(ChannelPath, Sender),
    request_body = ChannelMessageBody,
    responses(
        (status = 201, body = PostedWire),
        (status = 400, description = "NO_AGENT"),
        (status = 200, body = String, content_type = "text/event-stream", description = "With `transport` `sse`."),
        (status = 404, description = "CHANNEL_NOT_FOUND SERVER_NOT_FOUND"),
        (status = 409, description = "CONFLICT REPLY_CANCELLED"),
        (status = 500, description = "PROCESSING_ERROR"),
        (status = 503, description = "OVERLOADED"),
        (status = 504, description = "REPLY_TIMEOUT"),
    ),
)]
async fn send(
    caller: Authorized<MessagesWrite>,
    state: State,
    id: ChannelPath,
    sender: Sender,
    request: HttpRequest,
    JsonBody(mut body): JsonBody,
) -> ApiResult {
    let transport = Transport::take(&mut body)?;
    let message = to_channel(id.0, body, sender)?;
    let messaging = &state.services.messaging;
    if transport == Transport::Sse {
        state.streams.reserve(&request, &caller)?;
    }
    if transport == Transport::Websocket {
        let receipt = messaging.post(&caller, message).await?;
        return Ok(replayed(&receipt, respond(StatusCode::CREATED, &PostedWire::of(&receipt, None))));
    }
    let (receipt, replies) = messaging.exchange(&caller, message, transport.form()).await?;
    body_is_done(&request);
    let replies = Replies::new(replies, &state, &caller, receipt.message.clone());
    match transport {
        Transport::Sse => Ok(replayed(&receipt, sse::respond(replies.frames()))),
        Transport::Http | Transport::Websocket => Ok(replayed(&receipt, answered(&receipt, replies.ending().await)?)),
    }
}

/// Deletes the messages of a channel, if there is one.
#[utoipa::path(
    delete,
    path = "/api/messaging/central-channels/{channel_id}/messages",
    params(ChannelPath),
    responses((status = 204)),
)]
async fn clear(caller: Authorized<MessagesWrite>, state: State, id: ChannelPath) -> ApiResult {
    state.services.messaging.clear(&caller, id.0).await?;
    Ok(gone())
}

/// Deletes a message; one that there is not is deleted already.
#[utoipa::path(
    delete,
    path = "/api/messaging/central-channels/{channel_id}/messages/{message_id}",
    params(ChannelPath, MessagePath),
    responses((status = 204)),
)]
async fn remove(caller: Authorized<MessagesWrite>, state: State, channel: ChannelPath, id: MessagePath) -> ApiResult {
    state.services.messaging.remove(&caller, channel.0, id.0).await?;
    Ok(gone())
}

/// Shows a message.
#[utoipa::path(
    get,
    path = "/api/messaging/messages/{message_id}",
    params(MessagePath),
    responses((status = 200, body = Envelope<MessageWire>), (status = 404, description = "MESSAGE_NOT_FOUND")),
)]
async fn show(caller: Authorized<MessagesRead>, state: State, id: MessagePath) -> ApiResult {
    let message = state.services.messaging.get(&caller, id.0).await?;
    Ok(ok(MessageWire::listed(&message)))
}

/// Changes a message.
#[utoipa::path(
    patch,
    path = "/api/messaging/messages/{message_id}",
    params(MessagePath),
    request_body = MessageChangeBody,
    responses((status = 200, body = Envelope<MessageWire>), (status = 404, description = "MESSAGE_NOT_FOUND")),
)]
async fn edit(caller: Authorized<MessagesWrite>, state: State, id: MessagePath, body: JsonBody) -> ApiResult {
    let message = state.services.messaging.edit(&caller, id.0, message_change(body.0)?).await?;
    Ok(ok(MessageWire::stored(&message)))
}

/// Searches messages for words, the newest first.
///
/// A message is found that contains every word, in any case. Where there are many messages, only the newest are looked at;
/// `searchedTo` says how far.
#[utoipa::path(
    post,
    path = "/api/messaging/messages/search",
    request_body = SearchBody,
    responses((status = 200, body = Envelope<FoundWire>), (status = 503, description = "OVERLOADED")),
)]
async fn search(caller: Authorized<MessagesRead>, state: State, body: JsonBody) -> ApiResult {
    let found = state.services.messaging.search(&caller, message_search(body.0)?).await?;
    Ok(ok(FoundWire::from(&found)))
}

/// Makes a title for a conversation, by the model of an agent that runs.
///
/// A title tells what is said there, and so the key must be one that may read messages, too.
#[utoipa::path(
    post,
    path = "/api/messaging/central-channels/{channel_id}/generate-title",
    params(
        ChannelPath,
        ("limit" = Option<u32>, Query, description = "How many messages; 50 where absent", maximum = 1000),
        ("before" = Option<String>, Query, description = "Only older ones: epoch milliseconds, or an ISO 8601 time"),
    ),
    request_body = AgentBody,
    responses(
        (status = 200, body = Envelope<TitleWire>),
        (status = 404, description = "AGENT_NOT_FOUND CHANNEL_NOT_FOUND"),
        (status = 500, description = "PROCESSING_ERROR"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn title(
    caller: Authorized<MessagesWrite>,
    _: Authorized<MessagesRead>,
    state: State,
    id: ChannelPath,
    query: Query,
    body: JsonBody,
) -> ApiResult {
    let (before, limit) = (query.moment("before")?, query.page(&["limit"], limits::PAGE)?);
    let title = state.services.messaging.title(&caller, id.0, agent(body.0)?, before, limit).await?;
    Ok(ok(TitleWire::of(id.0, &title)))
}

/// Posts what an agent says while it acts. Nobody answers it.
#[utoipa::path(
    post,
    path = "/api/messaging/action",
    params(Sender),
    request_body = SubmittedBody,
    responses(
        (status = 201, body = Envelope<MessageWire>),
        (status = 404, description = "CHANNEL_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
    ),
)]
async fn action(caller: Authorized<MessagesWrite>, state: State, sender: Sender, body: JsonBody) -> ApiResult {
    let receipt = state.services.messaging.post(&caller, submitted(Door::Action, body.0, sender)?).await?;
    Ok(replayed(&receipt, success(StatusCode::CREATED, MessageWire::stored(&receipt.message))))
}

/// Posts a message of any author, an agent's among them. The other agents of the channel answer.
///
/// With `agentId` in the place of an author, as the official client sends it, that agent is the author, and server, source and raw
/// message may be left out.
#[utoipa::path(
    post,
    path = "/api/messaging/submit",
    params(Sender),
    request_body = SubmittedBody,
    responses(
        (status = 201, body = Warned<MessageWire>),
        (status = 404, description = "CHANNEL_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
    ),
)]
async fn submit(caller: Authorized<MessagesWrite>, state: State, sender: Sender, body: JsonBody) -> ApiResult {
    let receipt = state.services.messaging.post(&caller, submitted(Door::Submit, body.0, sender)?).await?;
    let answer = warned(StatusCode::CREATED, MessageWire::stored(&receipt.message), &receipt.warnings);
    Ok(replayed(&receipt, answer))
}

/// Posts a message from another platform. The agents of the channel answer.
///
/// Several at once are understood, too, as the official client sends them: `{platform, channelId, messages: [{id, authorId, content,
/// timestamp, metadata?}]}`, of which there may be 100. An author that is no id gets one, made of the platform and the name.
#[utoipa::path(
    post,
    path = "/api/messaging/ingest-external",
    params(Sender),
    request_body = IngestedBody,
    responses(
        (status = 202, body = IngestedWire),
        (status = 404, description = "CHANNEL_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
    ),
)]
async fn ingest(caller: Authorized<MessagesWrite>, state: State, sender: Sender, JsonBody(mut body): JsonBody) -> ApiResult {
    if let Some(messages) = ingested_all(&mut body)? {
        return ingest_all(&caller, &state, messages).await;
    }
    let receipt = state.services.messaging.post(&caller, ingested(body, sender)?).await?;
    Ok(replayed(&receipt, respond(StatusCode::ACCEPTED, &IngestedWire::of(&receipt))))
}

/// One after the other, in their order. A message is known by its platform and its id there, so that the same again, after
/// something went wrong in between, doubles nothing.
async fn ingest_all(caller: &Caller, state: &State, messages: Vec<NewMessage>) -> ApiResult {
    let mut taken = Vec::with_capacity(messages.len());
    for message in messages {
        taken.push(state.services.messaging.post(caller, message).await?.message.id);
    }
    Ok(respond(StatusCode::ACCEPTED, &IngestedWire::of_all(taken)))
}

/// Tells the readers of a channel that a message was dealt with. `messageId` alone is understood, too: the message's channel is told.
#[utoipa::path(
    post,
    path = "/api/messaging/complete",
    request_body = CompletedBody,
    responses((status = 200, body = CompletedWire), (status = 404, description = "CHANNEL_NOT_FOUND MESSAGE_NOT_FOUND")),
)]
async fn complete(caller: Authorized<MessagesWrite>, state: State, body: JsonBody) -> ApiResult {
    let messaging = &state.services.messaging;
    let (channel, server) = match completed(body.0)? {
        Completed::Channel(channel, server) => {
            messaging.complete(&caller, channel).await?;
            (channel, server)
        }
        Completed::Message(id) => {
            let message = messaging.complete_message(&caller, id).await?;
            (message.channel_id, message.server_id)
        }
    };
    Ok(respond(StatusCode::OK, &CompletedWire::of(channel, server)))
}

/// Says on an answer that it is the first one again.
pub(crate) fn replayed(receipt: &PostReceipt, answer: HttpResponse) -> HttpResponse {
    repeated(receipt.repeated, answer)
}

/// The same where it is known whether it is.
pub(crate) fn repeated(is_repeated: bool, mut answer: HttpResponse) -> HttpResponse {
    if is_repeated {
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
