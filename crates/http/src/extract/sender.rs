//! What the headers of a post say.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::HeaderValue;
use actix_web::{FromRequest, HttpRequest};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::errors::{ApiError, ApiResult};
use crate::limits;
use crate::openapi::params;

/// The headers of a request that posts a message.
pub(crate) struct Sender {
    /// `X-Entity-Id`, unchecked: it stands in for a missing author.
    pub(crate) entity: Option<String>,
    /// `Idempotency-Key`.
    pub(crate) idempotency_key: Option<String>,
}

impl FromRequest for Sender {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let header = |name| request.headers().get(name);
        let entity = header("x-entity-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
        ready(idempotency_key(request).map(|idempotency_key| Self { entity, idempotency_key }))
    }
}

impl IntoParams for Sender {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        vec![
            params::header("X-Entity-Id", text, "The id of the author, where the body of a message to a channel names none"),
            idempotency_key_parameter(),
        ]
    }
}

/// The `Idempotency-Key` of a request, for the document.
pub(crate) fn idempotency_key_parameter() -> Parameter {
    let key = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(limits::IDEMPOTENCY_KEY_CHARS));
    let key = key.pattern(Some("^[!-~]+$")).build();
    params::header("Idempotency-Key", key, "Of visible ASCII characters; the same key again gets the first answer again")
}

/// The `Idempotency-Key` of a request.
pub(crate) fn idempotency_key(request: &HttpRequest) -> ApiResult<Option<String>> {
    request.headers().get("idempotency-key").map(read).transpose()
}

fn read(value: &HeaderValue) -> ApiResult<String> {
    let visible = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let key = value.to_str().ok().filter(visible).filter(|text| text.len() <= limits::IDEMPOTENCY_KEY_CHARS);
    key.map(str::to_owned).ok_or_else(|| {
        ApiError::bad_request(format!("Idempotency-Key must be 1 to {} visible ASCII characters", limits::IDEMPOTENCY_KEY_CHARS))
    })
}
