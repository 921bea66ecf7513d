//! Reading an answer, from the chunks of a stream or from one document.

use core_types::models::Usage;
use outbound::models::{Broken, Draft, Progress, explanation};
use serde::Deserialize;
use serde_json::Value;

/// A chunk of a streamed completion, or a whole one: the two differ in `delta` and `message`.
#[derive(Debug, Deserialize)]
struct Chunk {
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<WireUsage>,
    /// What went wrong at the service after it had begun to answer.
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    index: usize,
    #[serde(alias = "message")]
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Value,
    refusal: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Debug, Deserialize)]
struct CallDelta {
    index: Option<usize>,
    id: Option<String>,
    function: Option<FunctionDelta>,
}

#[derive(Debug, Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    #[serde(default)]
    arguments: Value,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct WireUsage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

/// Reads the data of an event.
pub(crate) fn read_event(data: &str, draft: &mut Draft<'_>) -> Result<Progress, Broken> {
    if data == "[DONE]" {
        return Ok(Progress::Over);
    }
    take(serde_json::from_str(data)?, draft)?;
    Ok(Progress::GoesOn)
}

/// Reads a whole completion.
pub(crate) fn read_document(body: &[u8], draft: &mut Draft<'_>) -> Result<(), Broken> {
    take(serde_json::from_slice(body)?, draft)
}

fn take(chunk: Chunk, draft: &mut Draft<'_>) -> Result<(), Broken> {
    if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
        return Err(reported(&error));
    }
    draft.name_model(chunk.model);
    if let Some(usage) = chunk.usage {
        draft.usage = Usage { input: usage.prompt_tokens.unwrap_or(0), output: usage.completion_tokens.unwrap_or(0) };
    }
    // Only one choice is asked for.
    for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index == 0) {
        draft.begin();
        if choice.finish_reason.is_some() {
            draft.finish();
        }
        if let Some(delta) = choice.delta {
            take_delta(delta, draft);
        }
    }
    Ok(())
}

fn take_delta(delta: Delta, draft: &mut Draft<'_>) {
    draft.say(&text_of(&delta.content));
    draft.say(&delta.refusal.unwrap_or_default());
    for (position, call) in delta.tool_calls.into_iter().flatten().enumerate() {
        take_call(position, call, draft);
    }
}

fn take_call(position: usize, delta: CallDelta, draft: &mut Draft<'_>) {
    let index = delta.index.unwrap_or(position);
    let id = delta.id.unwrap_or_default();
    // Some services give every call the index 0 and tell them apart by their ids.
    let known = draft.call(index).is_some_and(|call| id.is_empty() || call.id.is_empty() || call.id == id);
    let Some(call) = (if known { draft.call(index) } else { draft.begin_call(index) }) else { return };
    if call.id.is_empty() {
        call.id = id;
    }
    let Some(function) = delta.function else { return };
    if call.name.is_empty() {
        call.name = function.name.unwrap_or_default();
    }
    match function.arguments {
        Value::String(piece) => call.arguments.push_str(&piece),
        Value::Object(whole) => call.arguments = Value::Object(whole).to_string(),
        _ => {}
    }
}

/// An error that came where the answer should: some services say its HTTP status as a number.
fn reported(error: &Value) -> Broken {
    let status = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    Broken::Reported { status: status.filter(|status| *status >= 400), message: explanation(error) }
}

/// A text, or the texts of a list of parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use core_types::models::{NoSink, TextResponse, ToolCall, Usage};
    use outbound::models::Draft;
    use serde_json::{Value, json};

    use super::read_event;

    fn assemble(chunks: Vec<Value>) -> TextResponse {
        let mut draft = Draft::new(&NoSink);
        for chunk in chunks {
            read_event(&chunk.to_string(), &mut draft).expect("a chunk");
        }
        draft.response("asked")
    }

    fn calls(deltas: Vec<Value>) -> Vec<ToolCall> {
        assemble(deltas.into_iter().map(|calls| json!({"choices": [{"delta": {"tool_calls": calls}}]})).collect()).calls
    }

    fn call(id: &str, name: &str, arguments: Value) -> ToolCall {
        ToolCall { id: id.to_owned(), name: name.to_owned(), arguments }
    }

    #[test]
    fn text_usage_and_model_are_gathered() {
        let response = assemble(vec![
            json!({"model": "m-2024", "choices": [{"index": 0, "delta": {"role": "assistant", "content": null}}]}),
            json!({"choices": [{"index": 0, "delta": {"content": "He"}}], "usage": null}),
            json!({"choices": [{"index": 1, "delta": {"content": "other"}}]}),
            json!({"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": "llo"}]}, "finish_reason": "stop"}]}),
            json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
        ]);
        let expected =
            TextResponse { text: "Hello".to_owned(), calls: Vec::new(), usage: Usage { input: 3, output: 2 }, model: "m-2024".to_owned() };
        assert_eq!(response, expected);
    }

    #[test]
    fn calls_are_put_together_by_their_index() {
        let got = calls(vec![
            json!([{"index": 0, "id": "a", "function": {"name": "ONE", "arguments": ""}}]),
            json!([{"index": 1, "id": "b", "function": {"name": "TWO", "arguments": "{\"x\""}}]),
            json!([{"index": 0, "function": {"arguments": "{}"}}, {"index": 1, "function": {"arguments": ": 1}"}}]),
        ]);
        assert_eq!(got, [call("a", "ONE", json!({})), call("b", "TWO", json!({"x": 1}))]);
    }

    #[test]
    fn odd_calls_are_understood() {
        let got = calls(vec![
            json!([{"index": 0, "id": "a", "function": {"name": "ONE", "arguments": {"as": "object"}}}]),
            json!([{"index": 0, "id": "b", "function": {"name": "TWO", "arguments": "not json"}}]),
            json!([{"index": 5, "function": {"name": "THREE"}}, {"index": 6, "id": "nameless"}]),
        ]);
        assert_eq!(got, [call("a", "ONE", json!({"as": "object"})), call("b", "TWO", json!({})), call("call_5", "THREE", json!({}))]);
    }
}
