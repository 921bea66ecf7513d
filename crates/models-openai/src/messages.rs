//! The conversation as the API wants it.

use std::net::IpAddr;

use core_types::models::{Attachment, Role, TextRequest, ToolCall, Turn};
use serde_json::{Value, json};
use url::{Host, Url};

/// The `messages` of a request. Images go along where the model can see them and can reach them; other attachments are
/// mentioned by name.
pub(crate) fn messages(request: &TextRequest, images: bool) -> Vec<Value> {
    let several = several_people(&request.turns);
    let system = (!request.system.is_empty()).then(|| json!({"role": "system", "content": request.system}));
    system.into_iter().chain(request.turns.iter().filter_map(|turn| message(turn, several, images))).collect()
}

/// Names are only of use, and only cost tokens, where more than one person speaks.
fn several_people(turns: &[Turn]) -> bool {
    let mut people = turns.iter().filter(|turn| turn.role == Role::User && !turn.author.is_empty()).map(|turn| &turn.author);
    people.next().is_some_and(|first| people.any(|other| other != first))
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
    let (seen, mentioned): (Vec<_>, Vec<_>) = turn.attachments.iter().partition(|attachment| images && can_be_seen(attachment));
    let mut text = if several && !turn.author.is_empty() { format!("{}: {}", turn.author, turn.text) } else { turn.text.clone() };
    for attachment in mentioned {
        let title = if attachment.title.is_empty() { "without a name" } else { &attachment.title };
        let kind = if attachment.content_type.is_empty() { "unknown type" } else { &attachment.content_type };
        text.push_str("\n[attached: ");
        text.extend([title, ", ", kind, "]"]);
    }
    if seen.is_empty() {
        return Value::String(text);
    }
    let words = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
    let pictures = seen.into_iter().map(|image| json!({"type": "image_url", "image_url": {"url": image.url}}));
    words.into_iter().chain(pictures).collect()
}

/// An image that the provider can fetch itself: one on this machine or network would make it refuse the whole request.
fn can_be_seen(attachment: &Attachment) -> bool {
    let url = Url::parse(&attachment.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    attachment.content_type.starts_with("image/") && url.is_some_and(|url| is_public(&url))
}

fn is_public(url: &Url) -> bool {
    let address = match url.host() {
        Some(Host::Domain(name)) => return name.contains('.') && !matches!(name.rsplit('.').next(), Some("local" | "localhost")),
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        None => return false,
    };
    match address.to_canonical() {
        IpAddr::V4(address) => !(address.is_loopback() || address.is_private() || address.is_link_local() || address.is_unspecified()),
        IpAddr::V6(address) => {
            !(address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local() || address.is_unspecified())
        }
    }
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
