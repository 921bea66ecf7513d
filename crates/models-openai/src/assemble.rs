//! Putting a response together, from the chunks of a stream or from one document.

use core_types::models::{TextResponse, TextSink, ToolCall, Usage};
use serde::Deserialize;
use serde_json::{Map, Value};

/// More calls in one response than any agent makes.
const MOST_CALLS: usize = 128;

/// A chunk of a streamed completion, or a whole one: the two differ in `delta` and `message`.
#[derive(Debug, Deserialize)]
pub(crate) struct Chunk {
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<WireUsage>,
    /// What went wrong at the service after it had begun to answer.
    pub(crate) error: Option<Value>,
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

/// A response in the making.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    text: String,
    calls: Vec<PartialCall>,
    usage: Usage,
    model: Option<String>,
    answered: bool,
    finished: bool,
}

#[derive(Debug, Default)]
struct PartialCall {
    index: usize,
    id: String,
    name: String,
    arguments: String,
}

impl Assembly {
    /// Takes the next chunk; its text goes to `sink`.
    pub(crate) fn take(&mut self, chunk: Chunk, sink: &dyn TextSink) {
        if let Some(model) = chunk.model.filter(|model| !model.is_empty()) {
            self.model = Some(model);
        }
        if let Some(usage) = chunk.usage {
            self.usage = Usage { input: usage.prompt_tokens.unwrap_or(0), output: usage.completion_tokens.unwrap_or(0) };
        }
        // Only one choice is asked for.
        for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index == 0) {
            self.answered = true;
            self.finished |= choice.finish_reason.is_some();
            if let Some(delta) = choice.delta {
                self.take_delta(delta, sink);
            }
        }
    }

    /// Whether any answer has come.
    pub(crate) const fn answered(&self) -> bool {
        self.answered
    }

    /// Whether the model said that it is done.
    pub(crate) const fn finished(&self) -> bool {
        self.finished
    }

    /// The response; `asked` is the model's name where the service gave none.
    pub(crate) fn response(self, asked: &str) -> TextResponse {
        let calls = self.calls.into_iter().filter(|call| !call.name.is_empty()).map(PartialCall::call).collect();
        TextResponse { text: self.text, calls, usage: self.usage, model: self.model.unwrap_or_else(|| asked.to_owned()) }
    }

    fn take_delta(&mut self, delta: Delta, sink: &dyn TextSink) {
        let content = text_of(&delta.content);
        for piece in [content, delta.refusal.unwrap_or_default()] {
            if !piece.is_empty() {
                self.text.push_str(&piece);
                sink.push(&piece);
            }
        }
        for (position, call) in delta.tool_calls.into_iter().flatten().enumerate() {
            self.take_call(position, call);
        }
    }

    fn take_call(&mut self, position: usize, delta: CallDelta) {
        let index = delta.index.unwrap_or(position);
        let id = delta.id.unwrap_or_default();
        // Some services give every call the index 0 and tell them apart by their ids.
        let known = self
            .calls
            .iter()
            .rposition(|call| call.index == index)
            .filter(|at| id.is_empty() || self.calls.get(*at).is_some_and(|call| call.id.is_empty() || call.id == id));
        if known.is_none() {
            if self.calls.len() >= MOST_CALLS {
                return;
            }
            self.calls.push(PartialCall { index, ..PartialCall::default() });
        }
        let at = known.unwrap_or(self.calls.len() - 1);
        let Some(call) = self.calls.get_mut(at) else { return };
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
}

impl PartialCall {
    fn call(self) -> ToolCall {
        let id = if self.id.is_empty() { format!("call_{}", self.index) } else { self.id };
        let arguments = serde_json::from_str::<Map<String, Value>>(&self.arguments).unwrap_or_default();
        ToolCall { id, name: self.name, arguments: Value::Object(arguments) }
    }
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
    use serde_json::{Value, json};

    use super::Assembly;

    fn assemble(chunks: Vec<Value>) -> TextResponse {
        let mut assembly = Assembly::default();
        for chunk in chunks {
            assembly.take(serde_json::from_value(chunk).expect("a chunk"), &NoSink);
        }
        assembly.response("asked")
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

    #[test]
    fn the_number_of_calls_has_a_bound() {
        let many = (0..1000).map(|index| json!([{"index": index, "function": {"name": "X"}}])).collect();
        assert_eq!(calls(many).len(), super::MOST_CALLS);
    }
}
