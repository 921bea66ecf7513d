//! The one table from what went wrong to a code and a status, and the answer made of it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use core_types::error::Source;
use core_types::error::chain;
use core_types::tee::AttestError;
use core_types::{InvalidCode, JsonObject, ServiceError, Thing, Timestamp};
use derive_more::Display;
use serde_json::{Value, json};

use crate::envelope;

/// After how long to ask again, where nothing tells when it will do.
const LATER: Duration = Duration::from_secs(5);

/// Makes the codes and their table.
macro_rules! codes {
    ($($code:ident = $name:literal, $status:ident, $meaning:literal;)*) => {
        /// The codes on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = $meaning] $code,)*
        }

        impl Code {
            /// All of them, in the order of their statuses.
            pub(crate) const ALL: &[Self] = &[$(Self::$code),*];

            /// The code's name on the wire.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$code => $name,)*
                }
            }

            /// The status of an answer with this code.
            pub(crate) const fn status(self) -> StatusCode {
                match self {
                    $(Self::$code => StatusCode::$status,)*
                }
            }

            /// What the code says, for the documents.
            pub(crate) const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$code => $meaning,)*
                }
            }
        }
    };
}

codes! {
    InvalidId = "INVALID_ID", BAD_REQUEST, "An id in the path, the query, the body or `X-Entity-Id` is none.";
    BadRequest = "BAD_REQUEST", BAD_REQUEST, "A field or a parameter is missing, of another type, or beyond its bounds.";
    CreateError = "CREATE_ERROR", BAD_REQUEST, "No agent can be made of this.";
    UpdateError = "UPDATE_ERROR", BAD_REQUEST, "The agent cannot be changed like this.";
    InvalidInput = "INVALID_INPUT", BAD_REQUEST, "A settings file cannot have these names or values.";
    ValidationError = "VALIDATION_ERROR", BAD_REQUEST, "`BAD_REQUEST` of sessions and jobs.";
    SessionRenewalFailed = "SESSION_RENEWAL_FAILED", BAD_REQUEST, "The session lasts as long as a session may already.";
    NoAgent = "NO_AGENT", BAD_REQUEST, "Nobody in the channel would answer.";
    MissingParam = "MISSING_PARAM", BAD_REQUEST, "The name of a room is missing.";
    InvalidRequest = "INVALID_REQUEST", BAD_REQUEST, "The form is none, has no file or more than one, or does not say whose the file is; or there is nothing to say or to hear.";
    InvalidJson = "INVALID_JSON", BAD_REQUEST, "The body is no JSON object, nested too deeply, has too many values, or contains U+0000.";
    InvalidContentType = "INVALID_CONTENT_TYPE", BAD_REQUEST, "The body's type is not `application/json`.";
    Unauthorized = "UNAUTHORIZED", UNAUTHORIZED, "The key is missing or wrong.";
    Forbidden = "FORBIDDEN", FORBIDDEN, "The key does not allow this; or there is no key, and the request is not from this machine.";
    NotFound = "NOT_FOUND", NOT_FOUND, "There is no such route, or not with this method.";
    AgentNotFound = "AGENT_NOT_FOUND", NOT_FOUND, "There is no such agent.";
    ServerNotFound = "SERVER_NOT_FOUND", NOT_FOUND, "There is no such message server.";
    ChannelNotFound = "CHANNEL_NOT_FOUND", NOT_FOUND, "There is no such channel.";
    MessageNotFound = "MESSAGE_NOT_FOUND", NOT_FOUND, "There is no such message.";
    WorldNotFound = "WORLD_NOT_FOUND", NOT_FOUND, "The agent has no such world.";
    ParticipantNotFound = "PARTICIPANT_NOT_FOUND", NOT_FOUND, "The agent does not take part in the channel.";
    MemoryNotFound = "MEMORY_NOT_FOUND", NOT_FOUND, "The agent has no such memory.";
    RoomNotFound = "ROOM_NOT_FOUND", NOT_FOUND, "The agent has no such room.";
    DocumentNotFound = "DOCUMENT_NOT_FOUND", NOT_FOUND, "The agent has no such document.";
    FileNotFound = "FILE_NOT_FOUND", NOT_FOUND, "There is no such file.";
    SessionNotFound = "SESSION_NOT_FOUND", NOT_FOUND, "There is no such session, or none any more.";
    JobNotFound = "JOB_NOT_FOUND", NOT_FOUND, "There is no such job, or none any more.";
    KeyNotFound = "KEY_NOT_FOUND", NOT_FOUND, "There is no such API key, or none any more.";
    RequestTimeout = "REQUEST_TIMEOUT", REQUEST_TIMEOUT, "The body did not arrive in time.";
    Conflict = "CONFLICT", CONFLICT, "The same id or idempotency key was used for another body.";
    ReplyCancelled = "REPLY_CANCELLED", CONFLICT, "There will be no reply: the message, its channel, its agent or the reply itself was deleted meanwhile.";
    SessionExpired = "SESSION_EXPIRED", GONE, "The session has ended. From now on it is not found.";
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", PAYLOAD_TOO_LARGE, "The body is too large.";
    FileTooLarge = "FILE_TOO_LARGE", PAYLOAD_TOO_LARGE, "The file is too large.";
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", UNSUPPORTED_MEDIA_TYPE, "The body is compressed; or the file is of a type that is not taken, or not what it is said to be; or the document is of a type that is not read.";
    RangeNotSatisfiable = "RANGE_NOT_SATISFIABLE", RANGE_NOT_SATISFIABLE, "The file has no such bytes; `Content-Range` says how many it has.";
    UnprocessableEntity = "UNPROCESSABLE_ENTITY", UNPROCESSABLE_ENTITY, "`BAD_REQUEST` of the routes that only the reference page has.";
    RateLimitExceeded = "RATE_LIMIT_EXCEEDED", TOO_MANY_REQUESTS, "Too many requests; `Retry-After` says when to ask again.";
    UploadRateLimitExceeded = "UPLOAD_RATE_LIMIT_EXCEEDED", TOO_MANY_REQUESTS, "Too many uploads; `Retry-After` says when to ask again.";
    InternalServerError = "INTERNAL_SERVER_ERROR", INTERNAL_SERVER_ERROR, "A defect of the server; its log has the cause.";
    ProcessingError = "PROCESSING_ERROR", INTERNAL_SERVER_ERROR, "The agent or its model gave up.";
    TeeUnavailable = "TEE_UNAVAILABLE", SERVICE_UNAVAILABLE, "The server does not attest, or what attests it gives no evidence.";
    Overloaded = "OVERLOADED", SERVICE_UNAVAILABLE, "Too much waits already; `Retry-After` says when to ask again.";
    SpeechUnavailable = "SPEECH_UNAVAILABLE", SERVICE_UNAVAILABLE, "Nothing is set up that speaks, or hears; the message says what to install or set.";
    Unavailable = "UNAVAILABLE", SERVICE_UNAVAILABLE, "The database or the media store cannot be reached, or the server is stopping; `Retry-After` says when to ask again.";
    ReplyTimeout = "REPLY_TIMEOUT", GATEWAY_TIMEOUT, "The agent did not reply in time; a later reply will be in the channel.";
}

impl From<InvalidCode> for Code {
    fn from(code: InvalidCode) -> Self {
        match code {
            InvalidCode::Create => Self::CreateError,
            InvalidCode::Update => Self::UpdateError,
            InvalidCode::NoAgent => Self::NoAgent,
            InvalidCode::Upload => Self::InvalidRequest,
            InvalidCode::Input => Self::InvalidInput,
            InvalidCode::Session => Self::ValidationError,
            InvalidCode::Renewal => Self::SessionRenewalFailed,
            InvalidCode::Request => Self::BadRequest,
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
            Thing::Memory => Self::MemoryNotFound,
            Thing::Room => Self::RoomNotFound,
            Thing::Document => Self::DocumentNotFound,
            Thing::File => Self::FileNotFound,
            Thing::Session => Self::SessionNotFound,
            Thing::Job => Self::JobNotFound,
            Thing::Key => Self::KeyNotFound,
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

    /// Who shows no key, or one that does not count.
    pub(crate) fn unknown_caller() -> Self {
        Self::new(Code::Unauthorized, "Missing or invalid API key: send it as X-API-KEY or Authorization: Bearer")
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

    /// The same error as the routes of speech say it, which call everything `INVALID_REQUEST` that is wrong with a body.
    pub(crate) fn of_speech(self) -> Self {
        let code = if self.code == Code::BadRequest { Code::InvalidRequest } else { self.code };
        Self { code, ..self }
    }

    /// The same error as the routes of sessions and jobs say it, which call everything `VALIDATION_ERROR` that is wrong with what
    /// is asked.
    pub(crate) fn into_validation(self) -> Self {
        if !matches!(self.code, Code::BadRequest | Code::InvalidId) {
            return self;
        }
        // elizaOS has the reason here too.
        let reason = json!({ "reason": self.message });
        Self { code: Code::ValidationError, ..self }.detailed(reason)
    }

    /// No route has this path and method.
    pub(crate) fn no_route() -> Self {
        Self::new(Code::NotFound, "API endpoint not found")
    }

    /// There is no place for it now; in a moment there may be one.
    pub(crate) fn overloaded(message: &str) -> Self {
        Self::new(Code::Overloaded, message).retry_after(LATER)
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

    /// The same error with more about it.
    pub(crate) fn detailed(mut self, details: Value) -> Self {
        self.more.details = Some(details);
        self
    }

    /// What the answer says, and when, as errors of sessions do.
    pub(crate) fn stamped(&self, now: Timestamp) -> Value {
        let mut body = self.body();
        if let Some(error) = body.get_mut("error").and_then(Value::as_object_mut) {
            error.insert("timestamp".to_owned(), Value::from(now.iso()));
        }
        body
    }

    /// What the answer says.
    pub(crate) fn body(&self) -> Value {
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
        self.code.status()
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
            // elizaOS has the reason here too.
            ServiceError::Invalid { code: InvalidCode::Session, .. } => {
                let reason = message.split_once(": ").map_or(message.as_str(), |(_, reason)| reason).to_owned();
                Self::new(Code::ValidationError, message).detailed(json!({ "reason": reason }))
            }
            ServiceError::Invalid { code, .. } => Self::new(code.into(), message),
            ServiceError::SessionExpired => Self::new(Code::SessionExpired, message),
            ServiceError::NotFound(thing) => Self::new(thing.into(), message).detailed(json!({})),
            ServiceError::Conflict { .. } => Self::new(Code::Conflict, message),
            ServiceError::TooLarge { .. } => Self::new(Code::FileTooLarge, message),
            ServiceError::Unsupported { .. } => Self::new(Code::UnsupportedMediaType, message),
            ServiceError::Forbidden { .. } => Self::new(Code::Forbidden, message),
            ServiceError::Overloaded { retry_after, .. } => Self::new(Code::Overloaded, message).retry_after(retry_after),
            ServiceError::Busy { retry_after, place, .. } => {
                Self::new(Code::Overloaded, message).retry_after(retry_after).detailed(json!({ "place": place }))
            }
            ServiceError::SpeechUnavailable { .. } => Self::new(Code::SpeechUnavailable, message),
            ServiceError::Model(_) => Self::new(Code::ProcessingError, message),
            ServiceError::Attestation(AttestError::Off) => Self::new(Code::TeeUnavailable, message),
            ServiceError::Attestation(AttestError::Unavailable(source) | AttestError::Defect(source)) => {
                Self::new(Code::TeeUnavailable, message).caused_by(source)
            }
            ServiceError::Unavailable(source) => Self::new(Code::Unavailable, message).retry_after(LATER).caused_by(source),
            ServiceError::Internal(source) => Self::new(Code::InternalServerError, message).caused_by(source),
        }
    }
}
