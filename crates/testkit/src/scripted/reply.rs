//! What a scripted model can answer.

use serde_json::{Value, json};
use tokio::net::tcp::OwnedWriteHalf;

use super::wire::{begin_stream, end_stream, write_portion, write_whole};
use crate::gate::Gate;

/// One answer to a chat completion. Texts and tool calls come as an event stream or as one JSON document, as the request
/// wants; their usage counts the messages of the request as input and the pieces or calls as output.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A text in these pieces.
    Text(Vec<String>),
    /// A text whose every piece waits at the gate.
    Held {
        /// The pieces.
        pieces: Vec<String>,
        /// Where each of them waits.
        gate: Gate,
    },
    /// Calls of tools, each a name and its arguments; the arguments are streamed in halves.
    ToolCalls(Vec<(String, Value)>),
    /// A status with a body, JSON unless a header says otherwise.
    Status {
        /// The status.
        code: u16,
        /// Headers to add.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// A stream that ends after these pieces, without saying so; the connection breaks.
    CutAfter(Vec<String>),
    /// Nothing at all, until the caller leaves.
    Silence,
    /// A stream of something that is not a completion.
    Garbage,
    /// This JSON with status 200, whatever was asked for.
    Plain(Value),
    /// The body of an event stream, written in these portions.
    Portions(Vec<Vec<u8>>),
}

impl Reply {
    /// A text that comes word by word.
    pub fn text(text: &str) -> Self {
        Self::Text(text.split_inclusive(' ').map(str::to_owned).collect())
    }

    /// One call of a tool.
    pub fn tool_call(name: &str, arguments: Value) -> Self {
        Self::ToolCalls(vec![(name.to_owned(), arguments)])
    }

    /// A status with a JSON body.
    pub fn status(code: u16, body: &str) -> Self {
        Self::Status { code, headers: Vec::new(), body: body.to_owned() }
    }

    pub(super) async fn write(self, request: &Value, socket: &mut OwnedWriteHalf) -> std::io::Result<()> {
        let wants_stream = request.get("stream") == Some(&Value::Bool(true));
        match self {
            Self::Text(pieces) if wants_stream => write_stream(socket, request, text_deltas(&pieces), pieces.len(), None).await,
            Self::Held { pieces, gate } => write_stream(socket, request, text_deltas(&pieces), pieces.len(), Some(gate)).await,
            Self::ToolCalls(calls) if wants_stream => write_stream(socket, request, call_deltas(&calls), calls.len(), None).await,
            Self::Text(pieces) => write_json(socket, &text_completion(request, &pieces)).await,
            Self::ToolCalls(calls) => write_json(socket, &call_completion(request, &calls)).await,
            Self::Status { code, headers, body } => write_whole(socket, code, &headers, &body).await,
            Self::CutAfter(pieces) => {
                begin_stream(socket).await?;
                for delta in text_deltas(&pieces) {
                    write_portion(socket, &event(&chunk(request, &delta, None))).await?;
                }
                Ok(())
            }
            Self::Silence => std::future::pending().await,
            Self::Garbage => write_portions(socket, &[b"data: <html>this is no completion</html>\n\n".to_vec()]).await,
            Self::Plain(document) => write_json(socket, &document).await,
            Self::Portions(portions) => write_portions(socket, &portions).await,
        }
    }
}

async fn write_json(socket: &mut OwnedWriteHalf, document: &Value) -> std::io::Result<()> {
    write_whole(socket, 200, &[], &document.to_string()).await
}

async fn write_portions(socket: &mut OwnedWriteHalf, portions: &[Vec<u8>]) -> std::io::Result<()> {
    begin_stream(socket).await?;
    for portion in portions {
        write_portion(socket, portion).await?;
        // So that the portions are read one by one where possible.
        tokio::task::yield_now().await;
    }
    end_stream(socket).await
}

async fn write_stream(
    socket: &mut OwnedWriteHalf,
    request: &Value,
    deltas: Vec<Value>,
    output: usize,
    gate: Option<Gate>,
) -> std::io::Result<()> {
    let called_tools = deltas.iter().any(|delta| delta.get("tool_calls").is_some());
    begin_stream(socket).await?;
    write_portion(socket, &event(&chunk(request, &json!({"role": "assistant", "content": ""}), None))).await?;
    for delta in deltas {
        if let Some(gate) = &gate {
            gate.pass().await;
        }
        write_portion(socket, &event(&chunk(request, &delta, None))).await?;
    }
    write_portion(socket, &event(&chunk(request, &json!({}), Some(finish(called_tools))))).await?;
    if request.pointer("/stream_options/include_usage") == Some(&Value::Bool(true)) {
        let last =
            json!({"object": "chat.completion.chunk", "model": request.get("model"), "choices": [], "usage": usage(request, output)});
        write_portion(socket, &event(&last)).await?;
    }
    write_portion(socket, b"data: [DONE]\n\n").await?;
    end_stream(socket).await
}

fn event(document: &Value) -> Vec<u8> {
    format!("data: {document}\n\n").into_bytes()
}

fn chunk(request: &Value, delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": request.get("model"),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    })
}

fn text_deltas(pieces: &[String]) -> Vec<Value> {
    pieces.iter().map(|piece| json!({"content": piece})).collect()
}

fn call_deltas(calls: &[(String, Value)]) -> Vec<Value> {
    let mut deltas = Vec::new();
    for (index, (name, arguments)) in calls.iter().enumerate() {
        let text = arguments.to_string();
        let (first, second) = text.split_at(text.floor_char_boundary(text.len() / 2));
        let head = json!({"index": index, "id": call_id(index), "type": "function", "function": {"name": name, "arguments": ""}});
        deltas.push(json!({"tool_calls": [head]}));
        for half in [first, second] {
            deltas.push(json!({"tool_calls": [{"index": index, "function": {"arguments": half}}]}));
        }
    }
    deltas
}

fn text_completion(request: &Value, pieces: &[String]) -> Value {
    completion(request, &json!({"role": "assistant", "content": pieces.concat()}), false, pieces.len())
}

fn call_completion(request: &Value, calls: &[(String, Value)]) -> Value {
    let calls: Vec<Value> = calls
        .iter()
        .enumerate()
        .map(|(index, (name, arguments))| {
            json!({"id": call_id(index), "type": "function", "function": {"name": name, "arguments": arguments.to_string()}})
        })
        .collect();
    completion(request, &json!({"role": "assistant", "content": null, "tool_calls": calls}), true, calls.len())
}

fn completion(request: &Value, message: &Value, called_tools: bool, output: usize) -> Value {
    json!({
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": request.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": finish(called_tools)}],
        "usage": usage(request, output),
    })
}

const fn finish(called_tools: bool) -> &'static str {
    if called_tools { "tool_calls" } else { "stop" }
}

fn usage(request: &Value, output: usize) -> Value {
    let input = request.get("messages").and_then(Value::as_array).map_or(0, Vec::len);
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

fn call_id(index: usize) -> String {
    format!("call_{index}")
}
