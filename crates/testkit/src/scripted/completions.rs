//! OpenAI's chat completions, as a server writes them.

use serde_json::{Value, json};

use super::api::{Said, Stream, halves, messages_of};

pub(super) fn stream(request: &Value, said: Said<'_>) -> Stream {
    let deltas = match said {
        Said::Text(pieces) => pieces.iter().map(|piece| json!({"content": piece})).collect(),
        Said::Calls(calls) => call_deltas(calls),
    };
    let mut closing = chunk(request, &json!({}), Some(finish(said)));
    if request.pointer("/stream_options/include_usage") == Some(&Value::Bool(true)) {
        let model = request.get("model");
        closing.extend(event(&json!({"object": "chat.completion.chunk", "model": model, "choices": [], "usage": usage(request, said)})));
    }
    closing.extend_from_slice(b"data: [DONE]\n\n");
    Stream {
        opening: chunk(request, &json!({"role": "assistant", "content": ""}), None),
        pieces: deltas.iter().map(|delta| chunk(request, delta, None)).collect(),
        closing,
    }
}

pub(super) fn document(request: &Value, said: Said<'_>) -> Value {
    let message = match said {
        Said::Text(pieces) => json!({"role": "assistant", "content": pieces.concat()}),
        Said::Calls(calls) => {
            let calls: Vec<_> =
                calls.iter().enumerate().map(|(index, (name, arguments))| call(index, name, &arguments.to_string())).collect();
            json!({"role": "assistant", "content": null, "tool_calls": calls})
        }
    };
    json!({
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": request.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish(said)}],
        "usage": usage(request, said),
    })
}

pub(super) fn refusal(status: u16, message: &str) -> Value {
    let code = (status == 404).then_some("model_not_found");
    json!({"error": {"message": message, "type": "invalid_request_error", "code": code}})
}

fn event(document: &Value) -> Vec<u8> {
    format!("data: {document}\n\n").into_bytes()
}

fn chunk(request: &Value, delta: &Value, finish: Option<&str>) -> Vec<u8> {
    event(&json!({
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": request.get("model"),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }))
}

fn call_deltas(calls: &[(String, Value)]) -> Vec<Value> {
    let mut deltas = Vec::new();
    for (index, (name, arguments)) in calls.iter().enumerate() {
        deltas.push(json!({"tool_calls": [call(index, name, "")]}));
        for half in halves(arguments) {
            deltas.push(json!({"tool_calls": [{"index": index, "function": {"arguments": half}}]}));
        }
    }
    deltas
}

fn call(index: usize, name: &str, arguments: &str) -> Value {
    json!({"index": index, "id": format!("call_{index}"), "type": "function", "function": {"name": name, "arguments": arguments}})
}

const fn finish(said: Said<'_>) -> &'static str {
    match said {
        Said::Text(_) => "stop",
        Said::Calls(_) => "tool_calls",
    }
}

fn usage(request: &Value, said: Said<'_>) -> Value {
    let (input, output) = (messages_of(request), said.len());
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}
