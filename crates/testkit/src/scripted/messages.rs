//! Anthropic's messages, as its server writes them.

use serde_json::{Value, json};

use super::api::{Said, Stream, halves, messages_of};

pub(super) fn stream(request: &Value, said: Said<'_>) -> Stream {
    let pieces = match said {
        Said::Text(pieces) => pieces.iter().map(|piece| delta(0, &json!({"type": "text_delta", "text": piece}))).collect(),
        Said::Calls(calls) => calls.iter().enumerate().flat_map(|(index, call)| call_events(index, call)).collect(),
    };
    let start = json!({"type": "message_start", "message": message(request, &[], None, 0)});
    let mut opening = [event(&start), event(&json!({"type": "ping"}))].concat();
    let mut closing = Vec::new();
    if let Said::Text(_) = said {
        opening.extend(block_start(0, &json!({"type": "text", "text": ""})));
        closing.extend(block_stop(0));
    }
    let delta = json!({"stop_reason": stop_reason(said), "stop_sequence": null});
    closing.extend(event(&json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": said.len()}})));
    closing.extend(event(&json!({"type": "message_stop"})));
    Stream { opening, pieces, closing }
}

pub(super) fn document(request: &Value, said: Said<'_>) -> Value {
    let content: Vec<_> = match said {
        Said::Text(pieces) => vec![json!({"type": "text", "text": pieces.concat()})],
        Said::Calls(calls) => calls.iter().enumerate().map(|(index, (name, arguments))| tool_use(index, name, arguments)).collect(),
    };
    message(request, &content, Some(stop_reason(said)), said.len())
}

pub(super) fn refusal(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"})
}

fn event(document: &Value) -> Vec<u8> {
    let kind = document.get("type").and_then(Value::as_str).unwrap_or_default();
    format!("event: {kind}\ndata: {document}\n\n").into_bytes()
}

fn message(request: &Value, content: &[Value], stop_reason: Option<&str>, output: usize) -> Value {
    json!({
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": request.get("model"),
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": {"input_tokens": messages_of(request), "output_tokens": output},
    })
}

fn block_start(index: usize, block: &Value) -> Vec<u8> {
    event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

fn delta(index: usize, delta: &Value) -> Vec<u8> {
    event(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

fn block_stop(index: usize) -> Vec<u8> {
    event(&json!({"type": "content_block_stop", "index": index}))
}

fn call_events(index: usize, (name, arguments): &(String, Value)) -> Vec<Vec<u8>> {
    let halves = halves(arguments).map(|half| delta(index, &json!({"type": "input_json_delta", "partial_json": half})));
    let [first, second] = halves;
    vec![block_start(index, &tool_use(index, name, &json!({}))), first, second, block_stop(index)]
}

fn tool_use(index: usize, name: &str, input: &Value) -> Value {
    json!({"type": "tool_use", "id": format!("toolu_{index}"), "name": name, "input": input})
}

const fn stop_reason(said: Said<'_>) -> &'static str {
    match said {
        Said::Text(_) => "end_turn",
        Said::Calls(_) => "tool_use",
    }
}
