//! The conversation as the API wants it.

use core_types::models::{Role, TextRequest, ToolCall, Turn};
use outbound::models::{Contribution, image, is_image, several_people};
use serde_json::{Value, json};

/// The `messages` of a request. Images go along where the model can see them; other attachments are
/// mentioned by name.
pub(crate) fn messages(request: &TextRequest, images: bool) -> Vec<Value> {
    let several = several_people(&request.turns);
    let system = (!request.system.is_empty()).then(|| json!({"role": "system", "content": request.system}));
    system.into_iter().chain(request.turns.iter().filter_map(|turn| message(turn, several, images))).collect()
}

fn message(turn: &Turn, several: bool, images: bool) -> Option<Value> {
    match (turn.role, &turn.call_id) {
        (Role::Tool, Some(id)) => Some(json!({"role": "tool", "tool_call_id": id, "content": turn.text})),
        (Role::User | Role::Tool, _) => Some(json!({"role": "user", "content": user_content(turn, several, images)})),
        (Role::Assistant, _) if turn.calls.is_empty() => {
            (!turn.text.is_empty()).then(|| json!({"role": "assistant", "content": turn.text}))
        }
        (Role::Assistant, _) => {
            let text = (!turn.text.is_empty()).then_some(&turn.text);
            Some(json!({"role": "assistant", "content": text, "tool_calls": turn.calls.iter().map(call).collect::<Vec<_>>()}))
        }
    }
}

fn call(call: &ToolCall) -> Value {
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments.to_string()}})
}

fn user_content(turn: &Turn, several: bool, images: bool) -> Value {
    let Contribution { text, images } = Contribution::of(turn, several, |attachment| images && is_image(attachment));
    if images.is_empty() {
        return Value::String(text);
    }
    let words = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
    let pictures = images.into_iter().filter_map(image).map(|(kind, data)| {
        let url = format!("data:{kind};base64,{data}");
        json!({"type": "image_url", "image_url": {"url": url}})
    });
    words.into_iter().chain(pictures).collect()
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
