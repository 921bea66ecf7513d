//! JSON bodies.

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, Bytes};
use actix_web::{FromRequest, HttpRequest};
use core_types::JsonObject;
use core_types::json::object_has_nul;
use futures_util::future::LocalBoxFuture;
use serde_json::error::Category;
use tokio::time::timeout;

use crate::app::State;
use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::still_counts;
use crate::limits;

/// The JSON object that a request carries. No body is `{}`, so that the route says what it misses.
pub(crate) struct JsonBody(pub(crate) JsonObject);

impl FromRequest for JsonBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = request.app_data::<State>().map_or(limits::BODY_BYTES, |state| state.settings.body_limit);
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload).into_inner();
        Box::pin(async move {
            if content_length(request.headers()).is_some_and(|length| length > limit) {
                return Err(too_large(limit));
            }
            let payload = payload.map_err(|_| unreadable())?;
            let bytes = read(payload, limit).await?;
            if bytes.is_empty() {
                return Ok(Self(JsonObject::new()));
            }
            still_counts(&request)?;
            check_type(request.headers())?;
            parse(&bytes).map(Self)
        })
    }
}

async fn read(payload: web::Payload, limit: usize) -> ApiResult<Bytes> {
    match timeout(limits::BODY_TIME, payload.to_bytes_limited(limit)).await {
        Err(_) => Err(ApiError::new(Code::RequestTimeout, "The request body did not arrive in time")),
        Ok(Err(_)) => Err(too_large(limit)),
        Ok(Ok(Err(_))) => Err(unreadable()),
        Ok(Ok(Ok(bytes))) => Ok(bytes),
    }
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
