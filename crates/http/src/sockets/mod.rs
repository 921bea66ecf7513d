//! Socket.IO: `/socket.io/`, by polls and by websockets. The protocol is `realtime`'s; here are the requests that carry it, the
//! task of each session (`driver.rs`), what clients ask for (`calls.rs`), and who hears what (`rooms.rs`).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, get, post};
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError};
use auth::Class;
use bytes::Bytes;
use bytestring::ByteString;
use realtime::{Frame, Session, Via, engine};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::app::State;
use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::Query;
use crate::gate;
use crate::holdings::{Lack, Part};
use crate::limits;
use crate::rates;
use crate::routing::Routes;
use crate::sockets::driver::{Carrier, Driver, Input, Knocker, Link, token};
use crate::sockets::parcel::Parcel;
use crate::unread::Unread;

mod calls;
mod driver;
pub(crate) mod hub;
mod messages;
mod outbox;
mod parcel;
pub(crate) mod rooms;
mod websocket;

/// The version of Engine.IO that is spoken.
const VERSION: &str = "4";
/// The packet that ends a session.
const CLOSE: &str = "1";

/// The only path of Socket.IO.
pub(crate) const PATH: &str = "/socket.io";

pub(crate) fn public_routes(routes: &mut Routes) {
    routes.at(PATH, [get().to(open_or_read).wrap(from_fn(check)), post().to(write).wrap(from_fn(check))]);
}

/// Lets in whoever may knock: a key may still come, but a server without one answers only this machine here too.
async fn check(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<State>().cloned() else {
        return Ok(request.into_response(ApiError::internal("the application has no state").error_response()));
    };
    // As `wanted` reads it: a `sid` without a value is none.
    let opens = Query::read(request.query_string()).ok().is_none_or(|query| query.first("sid").is_none());
    match knocker(&request, &state, opens) {
        Ok(knocker) => {
            request.extensions_mut().insert(knocker);
            next.call(request).await
        }
        Err(error) => Ok(request.into_response(error.error_response())),
    }
}

/// Who knocks. Whoever is known opens sessions at a rate, and a wrong key is a guess and counts where it comes from. Who shows none yet is
/// not counted, and so not shut out by what others at the same place guess: how many such sessions there are has bounds of its own.
fn knocker(request: &ServiceRequest, state: &State, opens: bool) -> ApiResult<Knocker> {
    let knocking = gate::knocking(request, state);
    let caller = knocking.as_ref().ok().and_then(Option::as_ref);
    let client = rates::client(request, state, caller);
    let counts = if caller.is_some() { opens } else { gate::shows_key(request) };
    let rated = client.as_ref().filter(|_| counts).and_then(|client| rates::count_client(state, Class::Api, client));
    match rated.and_then(|rated| rated.refusal()) {
        Some(refusal) => Err(refusal),
        None => Ok(Knocker { caller: knocking?, client }),
    }
}

/// Opens a session of Socket.IO, or reads what there is for one.
///
/// `EIO` is 4, `transport` is `polling` or `websocket`. Without `sid` a session is opened and greeted; with it, a poll waits for the
/// next packets, and a websocket takes over from polls. What goes over sockets is told in `docs/api-design.md`.
#[utoipa::path(
    get,
    path = "/socket.io",
    params(
        ("EIO" = String, Query, description = "The version of Engine.IO: 4"),
        ("transport" = String, Query, description = "`polling` or `websocket`"),
        ("sid" = Option<String>, Query, description = "The session; without it a new one is opened"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 101, description = "With `transport` `websocket`."),
        (status = 400, description = "BAD_REQUEST"),
        (status = 403, description = "FORBIDDEN"),
        (status = 429, description = "RATE_LIMIT_EXCEEDED"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
pub(crate) async fn open_or_read(state: State, query: Query, request: HttpRequest, payload: web::Payload) -> ApiResult {
    let (via, session) = wanted(&state, &query)?;
    match (via, session) {
        (Via::Polling, None) => {
            let link = open(&state, &request, Via::Polling)?;
            Ok(polled(encoded(&link.outbox.take_now(limits::POLL_BYTES).unwrap_or_default())))
        }
        (Via::Polling, Some(link)) => poll(&state, &request, &link).await,
        (Via::Websocket, None) => {
            // Refused before a session is opened for it.
            let (response, socket) = websocket::accept(&request, payload)?;
            let link = open(&state, &request, Via::Websocket)?;
            socket.carry(state, link);
            Ok(response)
        }
        (Via::Websocket, Some(link)) => {
            if link.carrier() == Carrier::Websocket {
                return Err(bad(3, "Bad request"));
            }
            let (response, socket) = websocket::accept(&request, payload)?;
            socket.knock(state, link);
            Ok(response)
        }
    }
}

/// Takes what a client of Socket.IO sends by polls.
#[utoipa::path(
    post,
    path = "/socket.io",
    params(
        ("EIO" = String, Query, description = "The version of Engine.IO: 4"),
        ("transport" = String, Query, description = "`polling`"),
        ("sid" = String, Query, description = "The session"),
    ),
    request_body(content = String, content_type = "text/plain"),
    responses(
        (status = 200, body = String, content_type = "text/html"),
        (status = 400, description = "BAD_REQUEST"),
        (status = 403, description = "FORBIDDEN"),
        (status = 408, description = "REQUEST_TIMEOUT"),
        (status = 413, description = "PAYLOAD_TOO_LARGE"),
        (status = 429, description = "RATE_LIMIT_EXCEEDED"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
pub(crate) async fn write(state: State, query: Query, request: HttpRequest, payload: web::Payload) -> ApiResult {
    let (Via::Polling, Some(link)) = wanted(&state, &query)? else { return Err(bad(2, "Bad handshake method")) };
    if link.posting.swap(true, Ordering::AcqRel) {
        // Two payloads would mix their packets.
        let _ = link.inputs.send(Input::Malformed).await;
        return Err(bad(3, "Another payload of the session is under way"));
    }
    let _posting = Posting(Arc::clone(&link));
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let (bytes, part) = posted(&state, &link, announced, payload).await?;
    let packets = ByteString::try_from(bytes).ok().map(|text| engine::decode_payload(&text, limits::SOCKET_PACKETS));
    let Some(Ok(packets)) = packets else {
        let _ = link.inputs.send(Input::Malformed).await;
        return Err(bad(3, "The payload cannot be read"));
    };
    for packet in packets {
        if !link.hand_on(packet, Via::Polling, part.clone()).await {
            return Err(bad(1, "Session ID unknown"));
        }
    }
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/html")).insert_header((CACHE_CONTROL, "no-store")).body("ok"))
}

/// Reads what a client posts, while its session goes on; with the part that it takes of what is counted, if it is large. Whoever has shown
/// no key may post little.
async fn posted(state: &State, link: &Link, announced: Option<usize>, payload: web::Payload) -> ApiResult<(Bytes, Option<Arc<Part>>)> {
    let caller = link.caller();
    let limit = if caller.is_some() { limits::SOCKET_MESSAGE_BYTES } else { limits::SMALL_MESSAGE_BYTES };
    let too_large = || ApiError::new(Code::PayloadTooLarge, format!("A payload has at most {limit} bytes"));
    // No more is read than was announced: a request that asks for another protocol may go on for ever.
    let most = announced.unwrap_or(limit);
    if most > limit {
        return Err(too_large());
    }
    let large = caller.filter(|_| most > limits::SMALL_MESSAGE_BYTES);
    let part = large.map(|caller| state.incoming.take(caller.makes_for(), most)).transpose().map_err(refusal)?;
    let read = tokio::select! {
        read = timeout(limits::BODY_TIME, payload.to_bytes_limited(most)) => read,
        _ = link.outbox.ended() => return Err(bad(1, "Session ID unknown")),
    };
    let bytes = read
        .map_err(|_| ApiError::new(Code::RequestTimeout, "The payload did not arrive in time"))?
        .map_err(|_| too_large())?
        .map_err(|_| bad(3, "The payload ended early"))?;
    Ok((bytes, part.map(Arc::new)))
}

fn refusal(lack: Lack) -> ApiError {
    ApiError::overloaded(match lack {
        Lack::Everybodys => "Too many large payloads are being posted; try again later",
        Lack::Tenants => "Too many large payloads of this tenant are being posted; try again later",
    })
}

/// What a request is about: how, and of which session.
fn wanted(state: &State, query: &Query) -> ApiResult<(Via, Option<Arc<Link>>)> {
    let via = match query.first("transport") {
        Some("polling") => Via::Polling,
        Some("websocket") => Via::Websocket,
        _ => return Err(bad(0, "Transport unknown")),
    };
    if query.first("EIO") != Some(VERSION) {
        return Err(bad(5, "Unsupported protocol version"));
    }
    let session = match query.first("sid") {
        None => None,
        Some(id) => Some(state.sockets.get(id).ok_or_else(|| bad(1, "Session ID unknown"))?),
    };
    Ok((via, session))
}

/// An error in both forms: the envelope, and Engine.IO's own with its number.
fn bad(number: u8, message: &'static str) -> ApiError {
    ApiError::bad_request(message).beside("code", number.into()).beside("message", Value::from(message))
}

/// Opens a session. Its greeting waits in its outbox.
fn open(state: &State, request: &HttpRequest, via: Via) -> ApiResult<Arc<Link>> {
    let knocker = request.extensions_mut().remove::<Knocker>().ok_or_else(|| ApiError::internal("a session without a knocker"))?;
    let (sender, inputs) = mpsc::channel(limits::SOCKET_INPUTS);
    let id = token(state)?;
    let (session, greeting) = Session::open(&id, via, Instant::now().into_std());
    let link = Arc::new(Link::new(via, sender));
    let slot = state.sockets.take_in(id, Arc::clone(&link), &knocker)?;
    link.outbox.push(greeting);
    actix_web::rt::spawn(Driver::new(state.clone(), slot, session, inputs, knocker).run());
    Ok(link)
}

/// Waits until there is something for a session.
async fn poll(state: &State, request: &HttpRequest, link: &Arc<Link>) -> ApiResult {
    if link.polling.swap(true, Ordering::AcqRel) {
        // Two polls would share the packets between them.
        let _ = link.inputs.send(Input::Malformed).await;
        return Err(bad(3, "Another poll of the session is under way"));
    }
    let _polling = Polling(Arc::clone(link));
    let at_once = || link.outbox.take_now(limits::POLL_BYTES).unwrap_or_else(|| vec![engine::Packet::Noop.encode().into()]);
    let parcels = match link.carrier() {
        Carrier::Websocket => return Err(bad(3, "The session has a websocket")),
        Carrier::Upgrading => at_once(),
        Carrier::Polls => tokio::select! {
            parcels = link.outbox.take(limits::POLL_BYTES) => parcels,
            () = link.end_poll.notified() => at_once(),
        },
    };
    answered(&state.unread, request, link, &parcels)
}

/// Answers a poll with what was taken out for it. What is large counts for the session's caller until it is taken, as with REST.
fn answered(unread: &Unread, request: &HttpRequest, link: &Link, parcels: &[Parcel]) -> ApiResult {
    let answer = encoded(parcels);
    if let Some(caller) = link.caller() {
        if let Err(error) = unread.reserve(request, &caller, answer.len()) {
            // What was taken out is lost with this answer: the client connects again, and says what it has seen.
            link.outbox.lag();
            return Err(error);
        }
        request.extensions_mut().insert(caller);
    }
    Ok(polled(answer))
}

/// However a poll ends, another may follow.
struct Polling(Arc<Link>);

impl Drop for Polling {
    fn drop(&mut self) {
        self.0.polling.store(false, Ordering::Release);
    }
}

/// However a post ends, another may follow.
struct Posting(Arc<Link>);

impl Drop for Posting {
    fn drop(&mut self) {
        self.0.posting.store(false, Ordering::Release);
    }
}

/// What a poll is told; the end of the session where there is nothing more.
fn encoded(parcels: &[Parcel]) -> String {
    let frames: Vec<Frame> = parcels.iter().map(|parcel| parcel.frame().clone()).collect();
    if frames.is_empty() { CLOSE.to_owned() } else { engine::encode_payload(&frames) }
}

/// The answer to a poll.
fn polled(payload: String) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; charset=UTF-8")).insert_header((CACHE_CONTROL, "no-store")).body(payload)
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::test::TestRequest;
    use core_types::{Caller, Credential, Permission, Reach, Tenant};

    use super::*;
    use crate::holdings::Stock;
    use crate::sockets::outbox::End;

    /// A session of a tenant.
    fn link() -> Link {
        let reach = Reach { tenant: Tenant::new("one").unwrap(), servers: Vec::new(), person: None };
        let credential = Credential { key: None, permissions: vec![Permission::MessagesRead], reach, expires_at: None };
        let link = Link::new(Via::Polling, mpsc::channel(1).0);
        link.known(&Caller::tenant(Arc::new(credential)), &Stock::new(limits::OUTGOING_BYTES));
        link
    }

    #[tokio::test]
    async fn a_poll_whose_answer_there_is_no_room_for_is_refused_and_its_session_ends() {
        const LARGE: usize = 100_000;
        let unread = Unread::new(4 * LARGE);
        // The tenant may leave as much as one that is large.
        let poll = |link: &Link, bytes: usize| {
            let request = TestRequest::default().to_http_request();
            let answer = answered(&unread, &request, link, &[Frame::Text("x".repeat(bytes).into()).into()]);
            (request, answer)
        };
        let (first, second) = (link(), link());
        let (untaken, answer) = poll(&first, LARGE);
        assert_eq!((answer.unwrap().status(), first.outbox.end()), (StatusCode::OK, None));
        let (_, refused) = poll(&second, LARGE);
        assert_eq!(refused.unwrap_err().status_code(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(second.outbox.end(), Some(End::Lagged), "what was taken out is lost");
        let (_, small) = poll(&first, 1_000);
        assert_eq!((small.unwrap().status(), first.outbox.end()), (StatusCode::OK, None));
        drop(untaken);
        let (_, next) = poll(&first, LARGE);
        assert!(next.is_ok());
    }
}
