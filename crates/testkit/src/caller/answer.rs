//! What came back.

use serde_json::Value;

use super::Record;
use super::wire::Head;

/// The content type of an answer that says nothing about it in a snapshot.
const JSON: &str = "application/json; charset=utf-8";

/// Headers that a snapshot shows.
const SHOWN: [&str; 4] = ["content-type", "retry-after", "idempotency-replayed", "cache-control"];

/// An answer. It displays as a snapshot: the status line, headers that matter, and the body without what differs from
/// run to run.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    head: Head,
    record: Record,
}

impl Answer {
    pub(super) const fn new(head: Head, body: Vec<u8>, record: Record) -> Self {
        Self { status: head.status, body, head, record }
    }

    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// Asserts the success envelope, and returns the data.
    #[track_caller]
    pub fn data(&self, status: u16) -> Value {
        let body = if self.body.is_empty() { Value::Null } else { self.json() };
        let success = body.get("success") == Some(&Value::Bool(true));
        assert!(self.status == status && success && body.get("data").is_some(), "{status} was expected: {self}");
        body.get("data").cloned().unwrap_or_default()
    }

    /// Asserts the error envelope, and returns the message.
    #[track_caller]
    pub fn error(&self, status: u16, code: &str) -> String {
        let body = self.json();
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let is_error = body.get("success") == Some(&Value::Bool(false)) && text("/error/code").as_deref() == Some(code);
        assert!(self.status == status && is_error, "{status} {code} was expected: {self}");
        assert_eq!(self.header("content-type"), Some(JSON));
        text("/error/message").filter(|message| !message.is_empty()).unwrap_or_else(|| panic!("an error without a message: {self}"))
    }

    /// Asserts that there is no body, and the status.
    #[track_caller]
    pub fn empty(&self, status: u16) {
        assert!(self.status == status && self.body.is_empty(), "{status} without a body was expected: {self}");
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.status, self.head.reason)?;
        for name in SHOWN {
            if let Some(value) = self.header(name).filter(|value| *value != JSON) {
                write!(formatter, "\n{name}: {value}")?;
            }
        }
        let text = match serde_json::from_slice::<Value>(&self.body) {
            Ok(json) => format!("{json:#}"),
            Err(_) => self.text(),
        };
        if text.is_empty() { Ok(()) } else { write!(formatter, "\n{}", self.record.redacted(&text)) }
    }
}
