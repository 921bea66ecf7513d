//! Reading an answer, from the events of a stream or from one document.

use core_types::models::Usage;
use outbound::models::{Broken, Draft, Progress, explanation};
use serde::Deserialize;
use serde_json::Value;

/// An event of a stream.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Message,
    },
    ContentBlockStart {
        index: usize,
        content_block: Block,
    },
    ContentBlockDelta {
        index: usize,
        delta: Delta,
    },
    MessageDelta {
        delta: End,
        usage: Option<WireUsage>,
    },
    MessageStop,
    Error {
        error: Value,
    },
    /// Pings, ends of blocks, and what the API may come to have.
    #[serde(other)]
    Other,
}

/// A whole answer.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Document {
    Message(Message),
    Error { error: Value },
}

/// A message, whole or as a stream begins it.
#[derive(Debug, Deserialize)]
struct Message {
    model: Option<String>,
    #[serde(default)]
    content: Vec<Block>,
    #[serde(flatten)]
    end: End,
    usage: Option<WireUsage>,
}

/// Why the model stopped, once it has.
#[derive(Debug, Deserialize)]
struct End {
    stop_reason: Option<String>,
    stop_details: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block {
    Text {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    /// Thoughts, and blocks of tools that we do not offer.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "input_json_delta")]
    Input {
        #[serde(rename = "partial_json")]
        piece: String,
    },
    #[serde(other)]
    Other,
}

/// What was counted up to now; what came from a cache was read all the same.
#[derive(Debug, Clone, Copy, Deserialize)]
struct WireUsage {
    #[serde(rename = "input_tokens")]
    read: Option<u64>,
    #[serde(rename = "cache_creation_input_tokens")]
    put_in_cache: Option<u64>,
    #[serde(rename = "cache_read_input_tokens")]
    read_from_cache: Option<u64>,
    #[serde(rename = "output_tokens")]
    produced: Option<u64>,
}

/// Reads the data of an event.
pub(crate) fn read_event(data: &str, draft: &mut Draft<'_>) -> Result<Progress, Broken> {
    match serde_json::from_str(data)? {
        Event::MessageStart { message } => take_message(message, draft)?,
        Event::ContentBlockStart { index, content_block } => take_block(index, content_block, draft),
        Event::ContentBlockDelta { index, delta } => take_delta(index, delta, draft),
        Event::MessageDelta { delta, usage } => {
            count(usage, draft);
            take_end(&delta, draft)?;
        }
        Event::MessageStop => return Ok(Progress::Over),
        Event::Error { error } => return Err(reported(&error)),
        Event::Other => {}
    }
    Ok(Progress::GoesOn)
}

/// Reads a whole message.
pub(crate) fn read_document(body: &[u8], draft: &mut Draft<'_>) -> Result<(), Broken> {
    match serde_json::from_slice(body)? {
        Document::Message(message) => take_message(message, draft),
        Document::Error { error } => Err(reported(&error)),
    }
}

fn take_message(message: Message, draft: &mut Draft<'_>) -> Result<(), Broken> {
    draft.begin();
    draft.name_model(message.model);
    count(message.usage, draft);
    for (index, block) in message.content.into_iter().enumerate() {
        take_block(index, block, draft);
    }
    take_end(&message.end, draft)
}

fn take_block(index: usize, block: Block, draft: &mut Draft<'_>) {
    match block {
        Block::Text { text } => draft.say(&text),
        Block::ToolUse { id, name, input } => {
            let Some(call) = draft.begin_call(index) else { return };
            (call.id, call.name) = (id, name);
            // A stream begins with none and brings them in pieces.
            if input.as_object().is_some_and(|whole| !whole.is_empty()) {
                call.arguments = input.to_string();
            }
        }
        Block::Other => {}
    }
}

fn take_delta(index: usize, delta: Delta, draft: &mut Draft<'_>) {
    match delta {
        Delta::Text { text } => draft.say(&text),
        Delta::Input { piece } => {
            if let Some(call) = draft.call(index) {
                call.arguments.push_str(&piece);
            }
        }
        Delta::Other => {}
    }
}

/// What the service itself stopped is no answer, whatever was said before.
fn take_end(end: &End, draft: &mut Draft<'_>) -> Result<(), Broken> {
    let Some(reason) = &end.stop_reason else { return Ok(()) };
    draft.finish();
    if reason != "refusal" {
        return Ok(());
    }
    let why = end.stop_details.as_ref().and_then(|details| details.get("explanation")?.as_str());
    let message = why.map_or_else(|| "the model declined to answer".to_owned(), str::to_owned);
    Err(Broken::Reported { status: Some(200), message })
}

/// Counts only grow, and not every event has them all.
fn count(usage: Option<WireUsage>, draft: &mut Draft<'_>) {
    let Some(usage) = usage else { return };
    let read = [usage.read, usage.put_in_cache, usage.read_from_cache].into_iter().flatten().fold(0, u64::saturating_add);
    let Usage { input, output } = draft.usage;
    draft.usage = Usage { input: input.max(read), output: output.max(usage.produced.unwrap_or(0)) };
}

/// An error that came where the answer should: its type stands for an HTTP status.
fn reported(error: &Value) -> Broken {
    let status = match error.get("type").and_then(Value::as_str).unwrap_or_default() {
        "invalid_request_error" => Some(400),
        "authentication_error" => Some(401),
        "billing_error" => Some(402),
        "permission_error" => Some(403),
        "not_found_error" => Some(404),
        "request_too_large" => Some(413),
        "rate_limit_error" => Some(429),
        "api_error" => Some(500),
        "timeout_error" => Some(504),
        "overloaded_error" => Some(529),
        _ => None,
    };
    Broken::Reported { status, message: explanation(error) }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
