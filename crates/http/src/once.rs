//! Creating once: `Idempotency-Key` on the routes that make something other than a message or a file, which keep their key
//! themselves.

use std::future::{Ready, ready};

use actix_web::body::MessageBody as _;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError as _};
use core_types::error::chain;
use core_types::json::sorted;
use core_types::repeats::{KeptAnswer, KeyedRequest, Turn};
use core_types::{Caller, JsonObject};
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use uuid::Uuid;

use crate::app::State;
use crate::envelope::stored;
use crate::errors::{ApiError, ApiResult};
use crate::extract::{idempotency_key, idempotency_key_parameter};
use crate::messages::repeated;

/// What makes a request repeatable.
pub(crate) struct Once {
    key: Option<String>,
    route: String,
    path: String,
}

impl FromRequest for Once {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let path = request.path().to_owned();
        let route = request.match_pattern().unwrap_or_else(|| path.clone());
        ready(idempotency_key(request).map(|key| Self { key, route, path }))
    }
}

impl IntoParams for Once {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![idempotency_key_parameter()]
    }
}

impl Once {
    /// Carries out a request with a JSON body, unless it was; `make` gets the id that what it makes shall have, if any.
    pub(crate) async fn json(
        self,
        caller: &Caller,
        state: &State,
        body: JsonObject,
        make: impl AsyncFnOnce(Option<Uuid>, JsonObject) -> ApiResult,
    ) -> ApiResult {
        let sent = self.wants(|| sorted(&Value::Object(body.clone())).to_string().into_bytes());
        self.run(caller, state, &sent, async |id| make(id, body).await).await
    }

    /// What was sent, where anybody will ask for it.
    pub(crate) fn wants(&self, sent: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
        if self.key.is_some() { sent() } else { Vec::new() }
    }

    /// The same as `json` where the body is anything.
    pub(crate) async fn run(
        self,
        caller: &Caller,
        state: &State,
        sent: &[u8],
        make: impl AsyncFnOnce(Option<Uuid>) -> ApiResult,
    ) -> ApiResult {
        let Some(key) = self.key else { return make(None).await };
        let mut said = json!([self.path]).to_string().into_bytes();
        said.extend_from_slice(sent);
        let open = match state.services.repeats.begin(caller, KeyedRequest { route: self.route, key, sent: said }).await? {
            Turn::Ours(open) => open,
            Turn::Repeats(answer) => return replay(answer),
        };
        // An answer that says nothing of whether anything was made leaves the key open: the same again finds out.
        let answer = match make(Some(open.id())).await {
            Err(error) if error.status_code().is_client_error() => {
                open.refused().await?;
                return Err(error);
            }
            answer => answer?,
        };
        let (answer, kept) = keep(answer)?;
        if let Err(error) = open.answered(kept).await {
            // What was asked for is done. The same again finds it done.
            log::warn!("an answer could not be kept for its repetition: {}", chain(&error));
        }
        Ok(answer)
    }
}

/// An answer, and what is kept of it.
fn keep(answer: HttpResponse) -> ApiResult<(HttpResponse, KeptAnswer)> {
    let (head, body) = answer.into_parts();
    let bytes = body.try_into_bytes().map_err(|_| ApiError::internal("an answer that is to be kept is a stream"))?;
    let body = String::from_utf8(bytes.to_vec()).map_err(ApiError::internal)?;
    let kept = KeptAnswer { status: head.status().as_u16(), body };
    Ok((head.set_body(bytes).map_into_boxed_body(), kept))
}

/// The first answer again.
fn replay(answer: KeptAnswer) -> ApiResult {
    let status = StatusCode::from_u16(answer.status).map_err(ApiError::internal)?;
    Ok(repeated(true, stored(status, answer.body)))
}
