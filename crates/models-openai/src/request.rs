//! The body of a request, and which of its fields a server may not know.

use core_types::models::TextRequest;
use outbound::models::{Manner, shortest_decimal};
use serde_json::{Value, json};

use crate::messages::messages;

/// A field of the request that some servers refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `stream_options`; without it there is no usage.
    StreamOptions,
    /// `tools`.
    Tools,
    /// `temperature`.
    Temperature,
    /// `max_completion_tokens` or `max_tokens`: the other of the two is sent instead.
    TokenLimit,
}

/// The body of a request. `modern_limit` says whether the limit is called `max_completion_tokens`, which OpenAI's newer
/// models insist on and few others know.
pub(crate) fn body(request: &TextRequest, manner: Manner<'_, Field>, modern_limit: bool) -> Value {
    let mut body = json!({"model": manner.model, "messages": messages(request, manner.images), "stream": true});
    let Some(fields) = body.as_object_mut() else { return body };
    let limit = if modern_limit == manner.without(Field::TokenLimit) { "max_tokens" } else { "max_completion_tokens" };
    fields.insert(limit.to_owned(), json!(request.max_output_tokens));
    if !manner.without(Field::StreamOptions) {
        fields.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    if let Some(temperature) = request.temperature.filter(|_| !manner.without(Field::Temperature)) {
        fields.insert("temperature".to_owned(), shortest_decimal(temperature));
    }
    if !request.tools.is_empty() && !manner.without(Field::Tools) {
        let tools = request.tools.iter().map(|tool| {
            let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
            json!({"type": "function", "function": function})
        });
        fields.insert("tools".to_owned(), tools.collect());
    }
    body
}

/// The field of `sent` that a server says it does not know, by the text of its refusal.
pub(crate) fn refused_field(sent: &Value, refusal: &str) -> Option<Field> {
    let candidates = [
        (Field::StreamOptions, "stream_options", "stream_options"),
        (Field::TokenLimit, "max_tokens", "max_tokens"),
        (Field::TokenLimit, "max_completion_tokens", "max_completion_tokens"),
        (Field::Temperature, "temperature", "temperature"),
        (Field::Tools, "tools", "tool"),
    ];
    outbound::models::refused_field(sent, refusal, &candidates)
}

#[cfg(test)]
mod tests {
    use core_types::models::{TextRequest, ToolSpec};
    use outbound::models::Manner;
    use serde_json::json;
    use testkit::asking::greeting;

    use super::{Field, body, refused_field};

    fn request() -> TextRequest {
        let tool = ToolSpec { name: "T".to_owned(), description: "d".to_owned(), parameters: json!({"type": "object"}) };
        TextRequest { system: "s".to_owned(), turns: Vec::new(), tools: vec![tool], temperature: Some(0.7), ..greeting() }
    }

    #[test]
    fn a_request_has_all_fields_and_can_do_without_some() {
        let manner = Manner { model: "m", images: true, at_default_address: true, left_out: &[] };
        let full = body(&request(), manner, true);
        assert_eq!(
            full,
            json!({
                "model": "m", "messages": [{"role": "system", "content": "s"}], "stream": true, "max_completion_tokens": 50,
                "stream_options": {"include_usage": true}, "temperature": 0.7,
                "tools": [{"type": "function", "function": {"name": "T", "description": "d", "parameters": {"type": "object"}}}],
            })
        );
        let all = [Field::StreamOptions, Field::Tools, Field::Temperature, Field::TokenLimit];
        let least = body(&request(), Manner { left_out: &all, ..manner }, true);
        assert_eq!(least, json!({"model": "m", "messages": [{"role": "system", "content": "s"}], "stream": true, "max_tokens": 50}));
    }

    #[test]
    fn a_field_is_left_out_only_where_the_server_says_so() {
        let sent = body(&request(), Manner { model: "m", images: false, at_default_address: false, left_out: &[] }, false);
        for (refusal, field) in [
            ("registry.ollama.ai/library/gemma3:latest does not support tools", Some(Field::Tools)),
            (r#""auto" tool choice requires --enable-auto-tool-choice"#, Some(Field::Tools)),
            ("Unrecognized request argument supplied: stream_options", Some(Field::StreamOptions)),
            ("Unsupported value: 'temperature' does not support 0.7 with this model", Some(Field::Temperature)),
            ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", Some(Field::TokenLimit)),
            ("`temperature` is deprecated for this model.", Some(Field::Temperature)),
            ("temperature must be at most 2", None),
            ("This model's maximum context length is 8192 tokens", None),
            ("unknown model", None),
        ] {
            assert_eq!(refused_field(&sent, refusal), field, "{refusal}");
        }
    }
}
