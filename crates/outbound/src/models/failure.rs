//! From what went wrong to what the caller can do about it.

use core_types::models::ModelError;
use serde_json::Value;

use super::connection::Connection;
use super::dialect::Broken;
use super::service::Asked;
use crate::answer::Answer;
use crate::error::OutboundError;

/// The most characters of a service's explanation that are passed on.
const MOST_CHARS: usize = 300;

/// Codes by which a service says that a quota is used up. It tells that as 429 too, but waiting does not help.
const USED_UP: [&str; 2] = ["insufficient_quota", "enforced_spend_limit_reached"];

/// What a service says about a refusal.
struct Explanation {
    code: String,
    message: String,
}

impl Connection {
    /// The service's name.
    pub(super) fn name(&self) -> String {
        self.profile.name.to_owned()
    }

    /// No whole answer came.
    pub(super) fn transport_error(&self, error: OutboundError) -> ModelError {
        let provider = self.name();
        match error {
            OutboundError::Unreachable { url, source } => {
                log::warn!("{provider} cannot be reached at {url}");
                ModelError::Unreachable { provider, url, source }
            }
            OutboundError::TimedOut { limit, .. } => ModelError::TimedOut { provider, limit },
            OutboundError::TooLarge { .. } => ModelError::Unreadable { provider, message: error.to_string() },
            OutboundError::Cut { .. } => {
                log::debug!("{error}: {error:?}");
                ModelError::CutOff { provider }
            }
            OutboundError::InvalidEndpoint { .. } | OutboundError::Setup { .. } => ModelError::Misconfigured { message: error.to_string() },
        }
    }

    /// The service answered with an error status.
    pub(super) fn status_error(&self, asked: Asked<'_>, answer: &Answer) -> ModelError {
        let provider = self.name();
        let status = answer.status();
        let Explanation { code, message } = self.explain(answer.body());
        match status {
            401 | 403 => self.unauthorized(),
            _ if code == "model_not_found" => self.unknown_model(asked),
            404 if answer.body().is_empty() || message.to_lowercase().contains("model") => self.unknown_model(asked),
            404 => ModelError::Misconfigured {
                message: format!("{} knows no {} (404); check {}", self.endpoint.address(), asked.found_there, self.profile.address),
            },
            429 if USED_UP.contains(&code.as_str()) => ModelError::Rejected { provider, status, message },
            408 | 429 | 500.. => ModelError::Busy { provider, status, retry_after: answer.retry_after() },
            _ => ModelError::Rejected { provider, status, message },
        }
    }

    /// The answer began and then turned out to be none.
    pub(super) fn broken_answer(&self, broken: Broken) -> ModelError {
        let provider = self.name();
        match broken {
            Broken::Unreadable(message) => ModelError::Unreadable { provider, message },
            Broken::Reported { status, message } => {
                let message = self.passed_on(&message);
                match status {
                    Some(401 | 403) => self.unauthorized(),
                    Some(status @ (408 | 429 | 500..)) => ModelError::Busy { provider, status, retry_after: None },
                    Some(status) => ModelError::Rejected { provider, status, message },
                    None => ModelError::Unreadable { provider, message: format!("it reported {message}") },
                }
            }
        }
    }

    fn unauthorized(&self) -> ModelError {
        let setting = self.profile.key.unwrap_or(self.profile.address).to_owned();
        ModelError::Unauthorized { provider: self.name(), setting }
    }

    fn unknown_model(&self, asked: Asked<'_>) -> ModelError {
        ModelError::UnknownModel { provider: self.name(), model: asked.model.to_owned(), setting: asked.setting.to_owned() }
    }

    fn explain(&self, body: &[u8]) -> Explanation {
        let explanation = serde_json::from_slice(body).map_or_else(
            |_| Explanation { code: String::new(), message: String::from_utf8_lossy(body).into_owned() },
            |body| Explanation { code: code(&body), message: explanation(&body) },
        );
        Explanation { message: self.passed_on(&explanation.message), ..explanation }
    }

    /// A service's words, on one line, shortened, and without the key that some of them repeat.
    fn passed_on(&self, message: &str) -> String {
        let hidden = match self.key.as_ref().map(|key| key.reveal().trim()) {
            Some(key) if !key.is_empty() => message.replace(key, "[key]"),
            _ => message.to_owned(),
        };
        let line = hidden
            .split(|char: char| char.is_whitespace() || char.is_control())
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        match line.char_indices().nth(MOST_CHARS) {
            Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
            None if line.is_empty() => "no explanation".to_owned(),
            None => line,
        }
    }
}

/// The explanation in the JSON of an error, in the usual shapes: `{"error": {"message"}}`, `{"error": "..."}`,
/// `{"message"}`, `{"detail"}`, or the inside of the first.
pub fn explanation(body: &Value) -> String {
    let inner = body.get("error").unwrap_or(body);
    let text = |name: &str| inner.get(name).and_then(Value::as_str);
    inner.as_str().or_else(|| text("message")).or_else(|| text("detail")).map_or_else(|| inner.to_string(), str::to_owned)
}

/// The most precise code that the JSON of an error has; empty where it has none.
fn code(body: &Value) -> String {
    let inner = body.get("error").unwrap_or(body);
    let codes = ["/details/error_code", "/code", "/type"];
    codes.iter().find_map(|path| inner.pointer(path)?.as_str()).unwrap_or_default().to_owned()
}
