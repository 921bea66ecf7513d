//! An answer as expectations see it.

use serde_json::{Value, json};
use testkit::caller;

/// Status, headers and body of an answer, or of what was made of several.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status, of the last of several.
    pub status: u16,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// The body as JSON, or what was made of it.
    pub json: Option<Value>,
    whole: Option<caller::Answer>,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// An answer that was read to its end.
    pub fn whole(answer: caller::Answer) -> Self {
        Self {
            status: answer.status,
            bytes: answer.body.clone(),
            json: serde_json::from_slice(&answer.body).ok(),
            whole: Some(answer),
            headers: Vec::new(),
        }
    }

    /// What was made of one or more answers.
    pub fn made(status: u16, json: Value) -> Self {
        Self { status, bytes: json.to_string().into_bytes(), json: Some(json), whole: None, headers: Vec::new() }
    }

    /// The same with a header.
    pub fn with_header(mut self, name: &str, value: Option<&str>) -> Self {
        self.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    /// A stream of events that has ended.
    pub fn events(events: &[caller::Event], content_type: Option<&str>) -> Self {
        let text = |event: &caller::Event| event.data.get("chunk").and_then(Value::as_str).unwrap_or_default().to_owned();
        let chunks: String = events.iter().filter(|event| event.name == "chunk").map(text).collect();
        let events: Vec<Value> = events.iter().map(|event| json!({"event": event.name, "data": event.data})).collect();
        Self::made(200, json!({"events": events, "chunks": chunks})).with_header("content-type", content_type)
    }

    /// A header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_lowercase();
        let made = self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        made.or_else(|| self.whole.as_ref().and_then(|whole| whole.header(&name)))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The value that `keep` names: `header etag`, or a path into the body.
    pub fn value(&self, path: &str) -> Option<Value> {
        match path.strip_prefix("header ") {
            Some(name) => self.header(name).map(Value::from),
            None => self.json.as_ref().and_then(|json| crate::pattern::at(json, path)).cloned(),
        }
    }
}
