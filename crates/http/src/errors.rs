//! The one table from what went wrong to a code and a status, and the answer made of it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use core_types::error::Source;
use core_types::error::chain;
use core_types::{InvalidCode, JsonObject, ServiceError, Thing};
use derive_more::Display;
use serde_json::{Value, json};

use crate::envelope;

/// The codes on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidId,
    BadRequest,
    CreateError,
    UpdateError,
    NoAgent,
    InvalidJson,
    InvalidContentType,
    Unauthorized,
    Forbidden,
    NotFound,
    AgentNotFound,
    ServerNotFound,
    ChannelNotFound,
    MessageNotFound,
    WorldNotFound,
    ParticipantNotFound,
    RequestTimeout,
    Conflict,
    PayloadTooLarge,
    UnsupportedMediaType,
    UnprocessableEntity,
    RateLimitExceeded,
    UploadRateLimitExceeded,
    InternalServerError,
    ProcessingError,
    Overloaded,
    Unavailable,
    ReplyTimeout,
}

impl Code {
    /// The table: the code's name and its status.
    pub(crate) const fn row(self) -> (&'static str, StatusCode) {
        match self {
            Self::InvalidId => ("INVALID_ID", StatusCode::BAD_REQUEST),
            Self::BadRequest => ("BAD_REQUEST", StatusCode::BAD_REQUEST),
            Self::CreateError => ("CREATE_ERROR", StatusCode::BAD_REQUEST),
            Self::UpdateError => ("UPDATE_ERROR", StatusCode::BAD_REQUEST),
            Self::NoAgent => ("NO_AGENT", StatusCode::BAD_REQUEST),
            Self::InvalidJson => ("INVALID_JSON", StatusCode::BAD_REQUEST),
            Self::InvalidContentType => ("INVALID_CONTENT_TYPE", StatusCode::BAD_REQUEST),
            Self::Unauthorized => ("UNAUTHORIZED", StatusCode::UNAUTHORIZED),
            Self::Forbidden => ("FORBIDDEN", StatusCode::FORBIDDEN),
            Self::NotFound => ("NOT_FOUND", StatusCode::NOT_FOUND),
            Self::AgentNotFound => ("AGENT_NOT_FOUND", StatusCode::NOT_FOUND),
            Self::ServerNotFound => ("SERVER_NOT_FOUND", StatusCode::NOT_FOUND),
            Self::ChannelNotFound => ("CHANNEL_NOT_FOUND", StatusCode::NOT_FOUND),
            Self::MessageNotFound => ("MESSAGE_NOT_FOUND", StatusCode::NOT_FOUND),
            Self::WorldNotFound => ("WORLD_NOT_FOUND", StatusCode::NOT_FOUND),
            Self::ParticipantNotFound => ("PARTICIPANT_NOT_FOUND", StatusCode::NOT_FOUND),
            Self::RequestTimeout => ("REQUEST_TIMEOUT", StatusCode::REQUEST_TIMEOUT),
            Self::Conflict => ("CONFLICT", StatusCode::CONFLICT),
            Self::PayloadTooLarge => ("PAYLOAD_TOO_LARGE", StatusCode::PAYLOAD_TOO_LARGE),
            Self::UnsupportedMediaType => ("UNSUPPORTED_MEDIA_TYPE", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::UnprocessableEntity => ("UNPROCESSABLE_ENTITY", StatusCode::UNPROCESSABLE_ENTITY),
            Self::RateLimitExceeded => ("RATE_LIMIT_EXCEEDED", StatusCode::TOO_MANY_REQUESTS),
            Self::UploadRateLimitExceeded => ("UPLOAD_RATE_LIMIT_EXCEEDED", StatusCode::TOO_MANY_REQUESTS),
            Self::InternalServerError => ("INTERNAL_SERVER_ERROR", StatusCode::INTERNAL_SERVER_ERROR),
            Self::ProcessingError => ("PROCESSING_ERROR", StatusCode::INTERNAL_SERVER_ERROR),
            Self::Overloaded => ("OVERLOADED", StatusCode::SERVICE_UNAVAILABLE),
            Self::Unavailable => ("UNAVAILABLE", StatusCode::SERVICE_UNAVAILABLE),
            Self::ReplyTimeout => ("REPLY_TIMEOUT", StatusCode::GATEWAY_TIMEOUT),
        }
    }

    /// The code's name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        self.row().0
    }
}

impl From<InvalidCode> for Code {
    fn from(code: InvalidCode) -> Self {
        match code {
            InvalidCode::Create => Self::CreateError,
            InvalidCode::Update => Self::UpdateError,
            InvalidCode::NoAgent => Self::NoAgent,
        }
    }
}

impl From<Thing> for Code {
    fn from(thing: Thing) -> Self {
        match thing {
            Thing::Agent => Self::AgentNotFound,
            Thing::Server => Self::ServerNotFound,
            Thing::Channel => Self::ChannelNotFound,
            Thing::Message => Self::MessageNotFound,
            Thing::World => Self::WorldNotFound,
            Thing::Participant => Self::ParticipantNotFound,
        }
    }
}

/// An error on its way out. What it shows is for the caller; its source is only for the log.
#[derive(Debug, Display)]
#[display("{message}")]
pub(crate) struct ApiError {
    code: Code,
    message: String,
    /// Boxed, to keep every `ApiResult` small.
    more: Box<More>,
}

#[derive(Debug, Default)]
struct More {
    details: Option<Value>,
    retry_after: Option<Duration>,
    beside: JsonObject,
    source: Option<Source>,
}

/// The answer of a handler.
pub(crate) type ApiResult<T = HttpResponse> = Result<T, ApiError>;

impl ApiError {
    /// An error with a code and a message for the caller.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), more: Box::default() }
    }

    /// A rejected request with the code `BAD_REQUEST`.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, message)
    }

    /// The same error as a route says it that only the reference page has: there, what makes no sense is 422.
    pub(crate) fn unprocessable(self) -> Self {
        let code = if self.code == Code::BadRequest { Code::UnprocessableEntity } else { self.code };
        Self { code, ..self }
    }

    /// No route has this path and method.
    pub(crate) fn no_route() -> Self {
        Self::new(Code::NotFound, "API endpoint not found")
    }

    /// A defect of the server; `source` goes to the log.
    pub(crate) fn internal(source: impl Into<Source>) -> Self {
        Self::new(Code::InternalServerError, "Internal server error").caused_by(source.into())
    }

    /// The same error with one more key beside `error` in the body.
    pub(crate) fn beside(mut self, key: &str, value: Value) -> Self {
        self.more.beside.insert(key.to_owned(), value);
        self
    }

    /// The same error with the time after which it may be asked again.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.more.retry_after = Some(wait);
        self
    }

    fn caused_by(mut self, source: Source) -> Self {
        self.more.source = Some(source);
        self
    }

    fn detailed(mut self, details: Value) -> Self {
        self.more.details = Some(details);
        self
    }

    fn body(&self) -> Value {
        let mut error = JsonObject::new();
        error.insert("code".to_owned(), Value::from(self.code.name()));
        error.insert("message".to_owned(), Value::from(self.message.as_str()));
        if let Some(details) = &self.more.details {
            error.insert("details".to_owned(), details.clone());
        }
        let mut body = JsonObject::new();
        body.insert("success".to_owned(), Value::Bool(false));
        body.insert("error".to_owned(), Value::Object(error));
        body.extend(self.more.beside.clone());
        Value::Object(body)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code.row().1
    }

    fn error_response(&self) -> HttpResponse {
        if let Some(source) = &self.more.source {
            log::error!("{}: {}", self.message, chain(source.as_ref()));
        }
        let mut response = envelope::respond(self.status_code(), &self.body());
        if let Some(wait) = self.more.retry_after {
            // A fraction of a second still is a wait; 0 would invite a storm.
            response.headers_mut().insert(RETRY_AFTER, wait.as_secs().max(1).into());
        }
        response
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        let message = error.to_string();
        match error {
            // elizaOS repeats the reason here, and its clients show it.
            ServiceError::Invalid { code: InvalidCode::Create, .. } => {
                Self::new(Code::CreateError, message.clone()).detailed(Value::String(message))
            }
            ServiceError::Invalid { code, .. } => Self::new(code.into(), message),
            ServiceError::NotFound(thing) => Self::new(thing.into(), message).detailed(json!({})),
            ServiceError::Conflict { .. } => Self::new(Code::Conflict, message),
            ServiceError::Forbidden { .. } => Self::new(Code::Forbidden, message),
            ServiceError::Overloaded { retry_after, .. } => Self::new(Code::Overloaded, message).retry_after(retry_after),
            ServiceError::Model(_) => Self::new(Code::ProcessingError, message),
            ServiceError::Unavailable(source) => Self::new(Code::Unavailable, message).caused_by(source),
            ServiceError::Internal(source) => Self::new(Code::InternalServerError, message).caused_by(source),
        }
    }
}
