//! What happens on a channel, as it happens: `GET /api/messaging/channels/{id}/events`.

use actix_web::HttpRequest;
use actix_web::web::get;
use bytes::Bytes;
use core_types::error::chain;
use core_types::messaging::EventStream;
use futures_util::{Stream, StreamExt, stream};

use crate::app::{State, dismissed};
use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::permission::MessagesRead;
use crate::extract::{Authorized, ChannelPath, Query};
use crate::routing::Routes;
use crate::sse;
use crate::wire::events::item;
use crate::wire::replies::ErrorWire;

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/messaging/central-channels/{channel_id}/events", [get().to(read)]);
}

/// Follows a channel: a stream of its events, and of the pieces of replies in the making.
///
/// Every durable event has a number as its id. A reader that comes again with the last one goes on behind it; events that are
/// no longer kept are told as a `gap`. The events: `message`, `message_updated`, `message_deleted`, `message_complete`,
/// `channel_updated`, `channel_cleared`, `channel_deleted`, `chunk`, `gap`, `error`.
#[utoipa::path(
    get,
    path = "/api/messaging/central-channels/{channel_id}/events",
    params(
        ChannelPath,
        ("after" = Option<u64>, Query, description = "The number of the last event that was seen; only later ones come"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The same, as browsers send it when they connect again"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = 404, description = "CHANNEL_NOT_FOUND"),
        (status = 503, description = "OVERLOADED"),
    ),
)]
async fn read(caller: Authorized<MessagesRead>, state: State, id: ChannelPath, query: Query, request: HttpRequest) -> ApiResult {
    let after = position(&request, &query)?;
    state.streams.reserve(&request, &caller)?;
    let events = state.services.messaging.subscribe(&caller, id.0, after).await?;
    let dismissed = dismissed(&state, &caller);
    let hint = stream::once(std::future::ready(sse::retry_hint()));
    // A reader that is cut off by the server's end connects again and resumes.
    let frames = frames(events).take_until(Box::pin(state.closing())).take_until(Box::pin(dismissed));
    Ok(sse::respond(hint.chain(frames)))
}

/// Where to go on: a browser that connects again repeats the old query and adds the header, so the header counts.
fn position(request: &HttpRequest, query: &Query) -> ApiResult<Option<i64>> {
    let header = request.headers().get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let Some(text) = header.filter(|text| !text.is_empty()).or_else(|| query.first("after")) else { return Ok(None) };
    let number = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).and_then(|text| text.parse().ok());
    number.map(Some).ok_or_else(|| ApiError::bad_request("Last-Event-ID and after must be sequence numbers, whole and from 0"))
}

fn frames(events: Box<dyn EventStream>) -> impl Stream<Item = Bytes> {
    stream::unfold(Some(events), |events| async move {
        let mut events = events?;
        match events.next().await {
            Ok(Some(next)) => Some((item(&next), Some(events))),
            Ok(None) => None,
            Err(error) => {
                log::error!("a reader of events was cut off: {}", chain(&error));
                let data = ErrorWire::new(Code::Unavailable, "The events cannot be read now; connect again");
                Some((sse::frame("error", None, &data), None))
            }
        }
    })
}
