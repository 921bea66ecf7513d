//! From what went wrong to what the caller can do about it.

use core_types::models::{ModelError, ModelSize};
use outbound::{Answer, OutboundError};
use serde_json::Value;

use crate::provider::Setup;

/// The most characters of a service's explanation that are passed on.
const MOST_CHARS: usize = 300;

/// What a service says about a refusal.
struct Explanation {
    code: String,
    message: String,
}

impl Setup {
    /// No whole answer came.
    pub(crate) fn transport_error(&self, error: OutboundError) -> ModelError {
        let provider = self.name();
        match error {
            OutboundError::Unreachable { url, source } => ModelError::Unreachable { provider, url, source },
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
    pub(crate) fn status_error(&self, size: ModelSize, answer: &Answer) -> ModelError {
        let provider = self.name();
        let status = answer.status();
        let Explanation { code, message } = self.explain(answer.body());
        match status {
            401 | 403 => ModelError::Unauthorized { provider, setting: self.key_setting().to_owned() },
            _ if code == "model_not_found" => self.unknown_model(size),
            404 if answer.body().is_empty() || message.to_lowercase().contains("model") => self.unknown_model(size),
            404 => ModelError::Misconfigured {
                message: format!("{} knows no chat completions (404); check {}", self.endpoint.address(), self.service.profile().address),
            },
            // A used-up quota is told as 429 too, but waiting does not help.
            429 if code == "insufficient_quota" => ModelError::Rejected { provider, status, message },
            408 | 429 | 500.. => ModelError::Busy { provider, status, retry_after: answer.retry_after() },
            _ => ModelError::Rejected { provider, status, message },
        }
    }

    /// The service reported an error after it had begun to answer with status 200.
    pub(crate) fn reported_error(&self, error: &Value) -> ModelError {
        let provider = self.name();
        let status = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let message = self.passed_on(&explained(error).message);
        match status {
            Some(401 | 403) => ModelError::Unauthorized { provider, setting: self.key_setting().to_owned() },
            Some(status @ (408 | 429 | 500..)) => ModelError::Busy { provider, status, retry_after: None },
            Some(status @ 400..) => ModelError::Rejected { provider, status, message },
            _ => ModelError::Unreadable { provider, message: format!("it reported {message}") },
        }
    }

    fn unknown_model(&self, size: ModelSize) -> ModelError {
        let profile = self.service.profile();
        let names = match size {
            ModelSize::Small => &profile.small,
            ModelSize::Large => &profile.large,
        };
        ModelError::UnknownModel { provider: self.name(), model: self.model(size).to_owned(), setting: names.setting.to_owned() }
    }

    fn explain(&self, body: &[u8]) -> Explanation {
        let explanation = serde_json::from_slice(body).map_or_else(
            |_| Explanation { code: String::new(), message: String::from_utf8_lossy(body).into_owned() },
            |body| explained(&body),
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

/// The usual shapes: `{"error": {"message", "code"}}`, `{"error": "..."}`, `{"message"}`, `{"detail"}`, or the inside of
/// the first.
fn explained(body: &Value) -> Explanation {
    let inner = body.get("error").unwrap_or(body);
    let text = |name: &str| inner.get(name).and_then(Value::as_str).map(str::to_owned);
    let code = text("code").or_else(|| text("type")).unwrap_or_default();
    let message = inner.as_str().map(str::to_owned).or_else(|| text("message")).or_else(|| text("detail"));
    Explanation { code, message: message.unwrap_or_else(|| inner.to_string()) }
}
