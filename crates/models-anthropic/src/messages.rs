//! The conversation as the API wants it: two roles by turns, each with blocks of content, the user's first and last.

use core_types::models::{Attachment, Role, TextRequest, ToolCall, Turn};
use outbound::models::{Contribution, image, is_image, several_people};
use serde_json::{Value, json};

const USER: &str = "user";
const ASSISTANT: &str = "assistant";

/// Stands where the API insists on a message and nobody said anything: before an agent that spoke first, and after one
/// that spoke last, since newer models refuse to go on with a text of their own.
const SILENCE: &str = "…";

/// The image formats that the API knows; it refuses a request with any other.
const FORMATS: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

struct Message {
    role: &'static str,
    content: Vec<Value>,
}

/// The `messages` of a request. Images go along where the model can see them; other attachments are
/// mentioned by name.
pub(crate) fn messages(request: &TextRequest, images: bool) -> Vec<Value> {
    let several = several_people(&request.turns);
    let mut messages: Vec<Message> = Vec::new();
    for turn in &request.turns {
        let Message { role, content } = message(turn, several, images);
        match messages.last_mut() {
            _ if content.is_empty() => {}
            Some(last) if last.role == role => last.content.extend(content),
            _ => messages.push(Message { role, content }),
        }
    }
    let silence = || Message { role: USER, content: vec![text(SILENCE)] };
    if messages.first().is_none_or(|first| first.role != USER) {
        messages.insert(0, silence());
    }
    if messages.last().is_some_and(|last| last.role != USER) {
        messages.push(silence());
    }
    messages.into_iter().map(|message| json!({"role": message.role, "content": message.content})).collect()
}

fn message(turn: &Turn, several: bool, images: bool) -> Message {
    match (turn.role, &turn.call_id) {
        (Role::Tool, Some(id)) => Message { role: USER, content: vec![tool_result(id, &turn.text)] },
        (Role::User | Role::Tool, _) => Message { role: USER, content: contribution(turn, several, images) },
        (Role::Assistant, _) => {
            Message { role: ASSISTANT, content: spoken(&turn.text).into_iter().chain(turn.calls.iter().map(tool_use)).collect() }
        }
    }
}

/// Images come before the words about them, as Anthropic recommends.
fn contribution(turn: &Turn, several: bool, images: bool) -> Vec<Value> {
    let Contribution { text, images } = Contribution::of(turn, several, |attachment| images && can_be_seen(attachment));
    let pictures = images
        .into_iter()
        .filter_map(image)
        .map(|(kind, data)| json!({"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}));
    pictures.chain(spoken(&text)).collect()
}

/// An image of a format that the API knows.
fn can_be_seen(attachment: &Attachment) -> bool {
    is_image(attachment) && FORMATS.contains(&attachment.content_type.as_str())
}

/// The API refuses blank texts.
fn spoken(words: &str) -> Option<Value> {
    (!words.trim().is_empty()).then(|| text(words))
}

fn text(words: &str) -> Value {
    json!({"type": "text", "text": words})
}

fn tool_use(call: &ToolCall) -> Value {
    json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments})
}

fn tool_result(id: &str, words: &str) -> Value {
    match spoken(words) {
        Some(block) => json!({"type": "tool_result", "tool_use_id": id, "content": [block]}),
        None => json!({"type": "tool_result", "tool_use_id": id}),
    }
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
