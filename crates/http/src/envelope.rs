//! The JSON envelope: `{success: true, data}`; errors have theirs in `errors`.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::errors::ApiError;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The answer where all went well.
#[derive(Serialize, ToSchema)]
pub(crate) struct Envelope<T> {
    #[schema(example = true)]
    success: bool,
    data: T,
}

/// The answer where all went well, and there is something to know.
#[derive(Serialize, ToSchema)]
pub(crate) struct Warned<'a, T> {
    #[schema(example = true)]
    success: bool,
    data: T,
    /// What will have no effect, or could not be looked at.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    #[schema(value_type = Option<Vec<String>>)]
    warnings: &'a [String],
}

/// `{success: true, data}` with a status.
pub(crate) fn success(status: StatusCode, data: impl Serialize) -> HttpResponse {
    respond(status, &Envelope { success: true, data })
}

/// `{success: true, data}` with status 200.
pub(crate) fn ok(data: impl Serialize) -> HttpResponse {
    success(StatusCode::OK, data)
}

/// A part of a list: `{success: true, data}`, and in a header how long the whole list is, where that is known.
pub(crate) fn page(total: impl Into<Option<u64>>, data: impl Serialize) -> HttpResponse {
    counted(total, ok(data))
}

/// The same answer with a header that says how long the whole list is.
pub(crate) fn counted(total: impl Into<Option<u64>>, mut answer: HttpResponse) -> HttpResponse {
    if let Some(total) = total.into() {
        answer.headers_mut().insert(HeaderName::from_static("x-total-count"), total.into());
    }
    answer
}

/// `{success: true, data, warnings}`; without warnings the key is absent.
pub(crate) fn warned(status: StatusCode, data: impl Serialize, warnings: &[String]) -> HttpResponse {
    respond(status, &Warned { success: true, data, warnings })
}

/// The body of [`ok`], to keep.
pub(crate) fn write(data: impl Serialize) -> Result<Bytes, ApiError> {
    let body = serde_json::to_vec(&Envelope { success: true, data }).map_err(ApiError::internal)?;
    Ok(body.into())
}

/// Status 200 with a body that was written before.
pub(crate) fn written(body: Bytes) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, JSON)).body(body)
}

/// A status with a body that was kept.
pub(crate) fn stored(status: StatusCode, body: String) -> HttpResponse {
    HttpResponse::build(status).insert_header((CONTENT_TYPE, JSON)).body(body)
}

/// Any JSON body, for the few routes that have no envelope in the contract.
pub(crate) fn respond(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(bytes) => HttpResponse::build(status).insert_header((CONTENT_TYPE, JSON)).body(bytes),
        Err(error) => ApiError::internal(error).error_response(),
    }
}

/// 204, without a body.
pub(crate) fn gone() -> HttpResponse {
    HttpResponse::NoContent().finish()
}
