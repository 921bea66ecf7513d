//! Sessions: `/api/messaging/sessions`. As with elizaOS, what they answer has no envelope, and their errors say when they happened.

use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{delete, get, patch, post};
use actix_web::{Error, HttpRequest, HttpResponse, Route};
use core_types::messaging::PostReceipt;
use core_types::sessions::{NewSession, Session};
use serde_json::json;
use uuid::Uuid;

use crate::app::{Shared, State};
use crate::envelope::{counted, respond};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::{MessagesRead, MessagesWrite};
use crate::extract::{Authorized, JsonBody, Query, Sender, SessionPath, body_is_done};
use crate::messages::replayed;
use crate::once::Once;
use crate::replies::Replies;
use crate::routing::Routes;
use crate::sse;
use crate::wire::posts::Transport;
use crate::wire::replies::Ending;
use crate::wire::sessions::{
    ClosedWire, HealthWire, SessionBody, SessionList, SessionMessageBody, SessionMessagesWire, SessionPostedWire, SessionWire, StatusWire,
    TimeoutBody, UserMessage, new_session, session_message, session_page, timeout_change, window,
};

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/messaging/sessions", [get().to(list), post().to(open)].map(stamped));
    routes.at("/messaging/sessions/health", [get().to(health)].map(stamped));
    routes.at("/messaging/sessions/{session_id}", [get().to(show), delete().to(close)].map(stamped));
    routes.at("/messaging/sessions/{session_id}/messages", [get().to(messages), post().to(send)].map(stamped));
    routes.at("/messaging/sessions/{session_id}/renew", [post().to(renew)].map(stamped));
    routes.at("/messaging/sessions/{session_id}/timeout", [patch().to(limit)].map(stamped));
    routes.at("/messaging/sessions/{session_id}/heartbeat", [post().to(heartbeat)].map(stamped));
}

/// Opens a session of a person with an agent that runs.
///
/// It ends when nothing happens in it for a time. Times that are out of bounds are brought into them.
#[utoipa::path(
    post,
    path = "/api/messaging/sessions",
    params(Once),
    request_body = SessionBody,
    responses(
        (status = 201, body = SessionWire),
        (status = 400, description = "VALIDATION_ERROR"),
        (status = 404, description = "AGENT_NOT_FOUND SESSION_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn open(caller: Authorized<MessagesWrite>, state: State, once: Once, body: JsonBody) -> ApiResult {
    let make = async |id: Option<Uuid>, body| {
        let new = NewSession { id: id.map(Into::into), ..new_session(body)? };
        Ok(shown(StatusCode::CREATED, &state, &state.services.sessions.open(&caller, new).await?))
    };
    once.json(&caller, &state, body.0, make).await
}

/// Lists the sessions that go on, the oldest first.
#[utoipa::path(
    get,
    path = "/api/messaging/sessions",
    params(
        ("limit" = Option<u32>, Query, description = "How many sessions; 1000 where absent", maximum = 1000),
        ("offset" = Option<u32>, Query, description = "How many sessions to leave out at the beginning"),
    ),
    responses(
        (status = 200, body = SessionList, headers(("X-Total-Count" = u64, description = "How long the whole list is"))),
        (status = 400, description = "VALIDATION_ERROR"),
    ),
)]
async fn list(caller: Authorized<MessagesRead>, state: State, query: Query) -> ApiResult {
    let (listed, count) = state.services.sessions.list(&caller, session_page(&query)?).await?;
    let sessions = SessionList::of(&listed, count, state.services.clock.now());
    Ok(counted(listed.total, respond(StatusCode::OK, &sessions)))
}

/// Says how many sessions there are.
#[utoipa::path(get, path = "/api/messaging/sessions/health", responses((status = 200, body = HealthWire)))]
async fn health(caller: Authorized<MessagesRead>, state: State) -> ApiResult {
    let count = state.services.sessions.count(&caller).await?;
    Ok(respond(StatusCode::OK, &HealthWire::of(count, state.started, state.services.clock.now())))
}

/// Shows a session.
#[utoipa::path(
    get,
    path = "/api/messaging/sessions/{session_id}",
    params(SessionPath),
    responses(
        (status = 200, body = SessionWire),
        (status = 404, description = "SESSION_NOT_FOUND"),
        (status = 410, description = "SESSION_EXPIRED"),
    ),
)]
async fn show(caller: Authorized<MessagesRead>, state: State, id: SessionPath) -> ApiResult {
    let session = state.services.sessions.get(&caller, id.0).await?;
    Ok(shown(StatusCode::OK, &state, &session))
}

/// Ends a session. Its channel and its messages stay.
#[utoipa::path(
    delete,
    path = "/api/messaging/sessions/{session_id}",
    params(SessionPath),
    responses((status = 200, body = ClosedWire), (status = 404, description = "SESSION_NOT_FOUND")),
)]
async fn close(caller: Authorized<MessagesWrite>, state: State, id: SessionPath) -> ApiResult {
    state.services.sessions.close(&caller, id.0).await?;
    Ok(respond(StatusCode::OK, &ClosedWire::of(id.0)))
}

/// Posts a message in a session.
///
/// The agent always answers. `transport` says how the reply comes, as it does with channels. The session is renewed where it
/// renews itself; `sessionStatus` says until when it goes on.
#[utoipa::path(
    post,
    path = "/api/messaging/sessions/{session_id}/messages",
    params(SessionPath, Sender),
    request_body = SessionMessageBody,
    responses(
        (status = 201, body = SessionPostedWire),
        (status = 200, body = String, content_type = "text/event-stream", description = "With `transport` `sse`."),
        (status = 400, description = "VALIDATION_ERROR NO_AGENT"),
        (status = 404, description = "SESSION_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
        (status = 410, description = "SESSION_EXPIRED"),
        (status = 500, description = "PROCESSING_ERROR"),
        (status = 503, description = "OVERLOADED"),
        (status = 504, description = "REPLY_TIMEOUT"),
    ),
)]
async fn send(
    request: HttpRequest,
    caller: Authorized<MessagesWrite>,
    state: State,
    id: SessionPath,
    sender: Sender,
    JsonBody(mut body): JsonBody,
) -> ApiResult {
    let transport = Transport::take(&mut body).map_err(ApiError::into_validation)?;
    let message = session_message(body, sender)?;
    let (sessions, now) = (&state.services.sessions, state.services.clock.now());
    if transport == Transport::Websocket {
        let (receipt, renewal) = sessions.post(&caller, id.0, message).await?;
        let answer = SessionPostedWire::of(&receipt, StatusWire::of(&renewal, now), None);
        return Ok(replayed(&receipt, respond(StatusCode::CREATED, &answer)));
    }
    if transport == Transport::Sse {
        state.streams.reserve(&request, &caller)?;
    }
    let (receipt, renewal, replies) = sessions.exchange(&caller, id.0, message, transport.form()).await?;
    body_is_done(&request);
    let replies = Replies::new(replies, &state, &caller, receipt.message.clone());
    match transport {
        Transport::Sse => Ok(replayed(&receipt, sse::respond(replies.frames()))),
        Transport::Http | Transport::Websocket => {
            let ending = replies.ending().await;
            let status = StatusWire::of(&renewal, state.services.clock.now());
            Ok(replayed(&receipt, answered(&receipt, status, ending)?))
        }
    }
}

/// Lists messages of a session, the newest first. Of those after a moment, the oldest are told.
#[utoipa::path(
    get,
    path = "/api/messaging/sessions/{session_id}/messages",
    params(
        SessionPath,
        ("limit" = Option<String>, Query, description = "1 to 100: a number beyond counts as the nearest, anything else as 50"),
        ("before" = Option<String>, Query, description = "Only older ones: epoch milliseconds, or an ISO 8601 time"),
        ("after" = Option<String>, Query, description = "Only newer ones: epoch milliseconds, or an ISO 8601 time"),
    ),
    responses(
        (status = 200, body = SessionMessagesWire),
        (status = 400, description = "VALIDATION_ERROR"),
        (status = 404, description = "SESSION_NOT_FOUND"),
        (status = 410, description = "SESSION_EXPIRED"),
    ),
)]
async fn messages(caller: Authorized<MessagesRead>, state: State, id: SessionPath, query: Query) -> ApiResult {
    let found = state.services.sessions.messages(&caller, id.0, window(&query)?).await?;
    Ok(respond(StatusCode::OK, &SessionMessagesWire::from(&found)))
}

/// Puts the end of a session off, also where it does not renew itself.
#[utoipa::path(
    post,
    path = "/api/messaging/sessions/{session_id}/renew",
    params(SessionPath),
    responses(
        (status = 200, body = SessionWire),
        (status = 400, description = "SESSION_RENEWAL_FAILED"),
        (status = 404, description = "SESSION_NOT_FOUND"),
        (status = 410, description = "SESSION_EXPIRED"),
    ),
)]
async fn renew(caller: Authorized<MessagesWrite>, state: State, id: SessionPath) -> ApiResult {
    let session = state.services.sessions.renew(&caller, id.0).await?;
    Ok(shown(StatusCode::OK, &state, &session))
}

/// Changes the times of a session.
#[utoipa::path(
    patch,
    path = "/api/messaging/sessions/{session_id}/timeout",
    params(SessionPath),
    request_body = TimeoutBody,
    responses(
        (status = 200, body = SessionWire),
        (status = 400, description = "VALIDATION_ERROR"),
        (status = 404, description = "SESSION_NOT_FOUND"),
        (status = 410, description = "SESSION_EXPIRED"),
    ),
)]
async fn limit(caller: Authorized<MessagesWrite>, state: State, id: SessionPath, body: JsonBody) -> ApiResult {
    let session = state.services.sessions.limit(&caller, id.0, timeout_change(body.0)?).await?;
    Ok(shown(StatusCode::OK, &state, &session))
}

/// Says that somebody is still there, which renews a session that renews itself.
#[utoipa::path(
    post,
    path = "/api/messaging/sessions/{session_id}/heartbeat",
    params(SessionPath),
    responses(
        (status = 200, body = SessionWire),
        (status = 404, description = "SESSION_NOT_FOUND"),
        (status = 410, description = "SESSION_EXPIRED"),
    ),
)]
async fn heartbeat(caller: Authorized<MessagesWrite>, state: State, id: SessionPath) -> ApiResult {
    let session = state.services.sessions.touch(&caller, id.0).await?;
    Ok(shown(StatusCode::OK, &state, &session))
}

fn shown(status: StatusCode, shared: &Shared, session: &Session) -> HttpResponse {
    respond(status, &SessionWire::of(session, shared.services.clock.now()))
}

/// The answer of the transport `http`.
fn answered(receipt: &PostReceipt, status: StatusWire, ending: Ending) -> ApiResult {
    match ending {
        Ending::Content(content) => Ok(respond(StatusCode::CREATED, &SessionPostedWire::of(receipt, status, Some(&content)))),
        Ending::Failure(code, reason) => Err(ApiError::new(code, reason)
            .beside("userMessage", json!(UserMessage::from(&*receipt.message)))
            .beside("sessionStatus", json!(status))),
    }
}

/// The same route, whose errors say when they happened.
fn stamped(route: Route) -> Route {
    route.wrap(from_fn(stamp))
}

async fn stamp(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let now = request.app_data::<State>().map(|state| state.services.clock.now());
    let response = next.call(request).await?;
    let error = response.response().error().and_then(Error::as_error::<ApiError>);
    let Some(body) = error.zip(now).map(|(error, now)| error.stamped(now).to_string()) else { return Ok(response) };
    Ok(response.map_body(|_, _| body.boxed()))
}
