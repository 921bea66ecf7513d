//! The body of a request, and which of its fields a model may not know.

use core_types::models::TextRequest;
use outbound::models::{Manner, shortest_decimal};
use serde_json::{Value, json};

use crate::messages::messages;

/// The tokens that a model may spend on thoughts where it cannot be asked not to think.
pub const THOUGHT_TOKENS: u32 = 4096;

/// A field of the request that some models refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `temperature`, which newer models do not have.
    Temperature,
    /// `tools`.
    Tools,
    /// `thinking` of type `disabled`; `between_tools` is sent instead, the word of those that know no `disabled`.
    NoThinking,
    /// `thinking` of type `between_tools`; without it the model thinks.
    ThinkingBetweenTools,
}

pub(crate) fn body(request: &TextRequest, manner: Manner<'_, Field>) -> Value {
    let thinking = match (manner.without(Field::NoThinking), manner.without(Field::ThinkingBetweenTools)) {
        (false, _) => Some("disabled"),
        (true, false) => Some("between_tools"),
        (true, true) => None,
    };
    let thoughts = if thinking.is_some() { 0 } else { THOUGHT_TOKENS };
    let mut body = json!({
        "model": manner.model,
        "max_tokens": request.max_output_tokens.saturating_add(thoughts),
        "messages": messages(request, manner.images),
        "stream": true,
    });
    let Some(fields) = body.as_object_mut() else { return body };
    if !request.system.trim().is_empty() {
        fields.insert("system".to_owned(), json!(request.system));
    }
    if let Some(kind) = thinking {
        fields.insert("thinking".to_owned(), json!({"type": kind}));
    }
    if let Some(temperature) = request.temperature.filter(|_| !manner.without(Field::Temperature)) {
        fields.insert("temperature".to_owned(), shortest_decimal(temperature.clamp(0.0, 1.0)));
    }
    if !request.tools.is_empty() && !manner.without(Field::Tools) {
        let tools =
            request.tools.iter().map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters}));
        fields.insert("tools".to_owned(), tools.collect());
    }
    body
}

/// The field of `sent` that a model says it does not know, by the text of its refusal.
pub(crate) fn refused_field(sent: &Value, refusal: &str) -> Option<Field> {
    let disabled = sent.pointer("/thinking/type").and_then(Value::as_str) == Some("disabled");
    let thinking = if disabled { Field::NoThinking } else { Field::ThinkingBetweenTools };
    let candidates =
        [(thinking, "thinking", "thinking"), (Field::Temperature, "temperature", "temperature"), (Field::Tools, "tools", "tool")];
    outbound::models::refused_field(sent, refusal, &candidates)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
