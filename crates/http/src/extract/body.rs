//! JSON bodies.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use bytes::BytesMut;
use core_types::json::{has_more_values, object_has_nul};
use core_types::{Caller, JsonObject};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde_json::error::Category;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use crate::app::State;
use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::still_counts;
use crate::limits;
use crate::lines::Served;

/// The JSON object that a request carries. No body is `{}`, so that the route says what it misses.
pub(crate) struct JsonBody(pub(crate) JsonObject);

impl FromRequest for JsonBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(&request, payload).await?;
            if bytes.is_empty() {
                return Ok(Self(JsonObject::new()));
            }
            still_counts(&request)?;
            check_type(request.headers())?;
            if bytes.len() <= limits::READ_AT_ONCE_BYTES {
                return parse(&bytes).map(Self);
            }
            // Whoever is served by the same worker does not wait for it.
            spawn_blocking(move || parse(&bytes)).await.map_err(ApiError::internal)?.map(Self)
        })
    }
}

/// A place among the requests of a caller that have a large body, which is kept with its request until that is answered or given up.
struct LargeTurn {
    _served: Served,
}

/// Gives the place of a large body up before its request is answered: what it brought is stored, or it brought nothing large, and what goes
/// on is a wait.
pub(crate) fn body_is_done(request: &HttpRequest) {
    request.extensions_mut().remove::<LargeTurn>();
}

/// Reads a body. Where it is large it waits for its caller's turn: before any of it is read if its length is announced, else as soon as it
/// shows.
async fn read(request: &HttpRequest, mut payload: Payload) -> ApiResult<BytesMut> {
    let limit = request.app_data::<State>().map_or(limits::BODY_BYTES, |state| state.settings.body_limit);
    let announced = content_length(request.headers());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let small = limits::LARGE_BODY_BYTES.min(limit);
    let mut body = BytesMut::with_capacity(announced.unwrap_or_default().min(small));
    // The wait for a turn is not the sender's, and costs it none of its time.
    let mut time = limits::BODY_TIME;
    if announced.is_none_or(|length| length <= small) && ends_within(&mut payload, &mut body, small, &mut time).await? {
        return Ok(body);
    }
    if body.len() > limit {
        return Err(too_large(limit));
    }
    wait_for_turn(request).await?;
    if ends_within(&mut payload, &mut body, limit, &mut time).await? { Ok(body) } else { Err(too_large(limit)) }
}

/// Reads on until a body ends, or until there is more of it than so many bytes. Says whether it has ended. What that takes is taken off
/// the time that is left.
async fn ends_within(payload: &mut Payload, body: &mut BytesMut, most: usize, time: &mut Duration) -> ApiResult<bool> {
    let began = Instant::now();
    let reading = async {
        while body.len() <= most {
            match payload.next().await {
                Some(Ok(piece)) => body.extend_from_slice(&piece),
                Some(Err(_)) => return Err(unreadable()),
                None => return Ok(true),
            }
        }
        Ok(false)
    };
    let late = |_| ApiError::new(Code::RequestTimeout, "The request body did not arrive in time");
    let has_ended = timeout(*time, reading).await.map_err(late)?;
    *time = time.saturating_sub(began.elapsed());
    has_ended
}

/// Waits until so few other requests of the caller with a large body are worked on that there is a place for this one.
async fn wait_for_turn(request: &HttpRequest) -> ApiResult<()> {
    let known = request.app_data::<State>().cloned().zip(request.extensions().get::<Caller>().cloned());
    let Some((state, caller)) = known else { return Ok(()) };
    if let Some(served) = state.large_lines.turn(&caller).await? {
        request.extensions_mut().insert(LargeTurn { _served: served });
    }
    Ok(())
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(Code::PayloadTooLarge, format!("The request body is larger than {limit} bytes"))
}

fn unreadable() -> ApiError {
    ApiError::bad_request("The request body ended early")
}

fn check_type(headers: &HeaderMap) -> ApiResult<()> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    if !text(header::CONTENT_TYPE).contains("application/json") {
        return Err(ApiError::new(Code::InvalidContentType, "Content-Type must be application/json"));
    }
    match text(header::CONTENT_ENCODING).as_str() {
        "" | "identity" => Ok(()),
        _ => Err(ApiError::new(Code::UnsupportedMediaType, "The body must not be compressed")),
    }
}

fn parse(bytes: &[u8]) -> ApiResult<JsonObject> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if has_more_values(bytes, limits::BODY_VALUES) {
        return Err(ApiError::new(Code::InvalidJson, format!("The request body has more than {} values", limits::BODY_VALUES)));
    }
    let object: JsonObject = serde_json::from_slice(bytes).map_err(|error| {
        ApiError::new(
            Code::InvalidJson,
            match error.classify() {
                // serde quotes the offending value here, which may be long.
                Category::Data => "The request body must be a JSON object".to_owned(),
                Category::Io | Category::Syntax | Category::Eof => format!("The request body is not valid JSON: {error}"),
            },
        )
    })?;
    if object_has_nul(&object) {
        return Err(ApiError::new(Code::InvalidJson, "The request body contains the character U+0000"));
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use actix_web::error::PayloadError;
    use actix_web::test::TestRequest;
    use bytes::Bytes;
    use futures_util::{poll, stream};
    use serde_json::Value;
    use tokio::runtime;
    use tokio::time::sleep;

    use super::*;

    /// A body of so many large pieces, each of which takes so long to arrive.
    fn slow(pieces: usize, pause: Duration) -> Payload {
        let pieces = stream::iter(0..pieces).then(move |_| async move {
            sleep(pause).await;
            Ok::<_, PayloadError>(Bytes::from(vec![b'x'; 2 * limits::LARGE_BODY_BYTES]))
        });
        Payload::Stream { payload: Box::pin(pieces) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_body_has_its_time_once_whether_its_length_is_announced_or_not() {
        let nearly_half = (limits::BODY_TIME / 2).saturating_sub(Duration::from_secs(1));
        let announced = TestRequest::default().insert_header((header::CONTENT_LENGTH, 6 * limits::LARGE_BODY_BYTES)).to_http_request();
        for request in [TestRequest::default().to_http_request(), announced] {
            let read_in_time = read(&request, slow(2, nearly_half)).await.unwrap();
            assert_eq!(read_in_time.len(), 4 * limits::LARGE_BODY_BYTES);
            let began = Instant::now();
            let late = read(&request, slow(3, nearly_half)).await.unwrap_err();
            assert_eq!(late.body()["error"]["code"], "REQUEST_TIMEOUT");
            assert_eq!(began.elapsed().as_secs(), limits::BODY_TIME.as_secs());
        }
    }

    /// A request whose body is an object with a text of so many bytes.
    fn sent(bytes: usize) -> LocalBoxFuture<'static, ApiResult<JsonBody>> {
        let body = format!("{{\"text\":\"{}\"}}", "x".repeat(bytes));
        let request = TestRequest::default().insert_header((header::CONTENT_TYPE, "application/json")).set_payload(body);
        let (request, mut payload) = request.to_http_parts();
        JsonBody::from_request(&request, &mut payload)
    }

    #[test]
    fn what_is_large_is_not_read_where_others_are_served() {
        let runtime = runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (release, held) = mpsc::channel::<()>();
            // The only thread beside this one is busy.
            let busy = spawn_blocking(move || held.recv());
            assert!(sent(limits::READ_AT_ONCE_BYTES / 2).await.is_ok());
            let mut large = sent(limits::READ_AT_ONCE_BYTES);
            assert!(poll!(&mut large).is_pending());
            release.send(()).unwrap();
            assert!(busy.await.unwrap().is_ok());
            let JsonBody(read) = large.await.unwrap();
            assert_eq!(read.get("text").and_then(Value::as_str).map(str::len), Some(limits::READ_AT_ONCE_BYTES));
        });
    }
}
