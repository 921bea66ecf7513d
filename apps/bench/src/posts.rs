//! What users of the load write, and where.

use std::fmt;

use serde_json::{Value, json};

use crate::api::SERVER;

/// What they say in turn. The offline model has an answer to each.
pub const TEXTS: [&str; 8] = [
    "Hello, how can you help me?",
    "I am a little worried about my exam next week.",
    "My mother calls every day and asks whether I have eaten.",
    "I cannot sleep before a long journey, and tomorrow is one.",
    "Do you think that I should write to him again?",
    "Because I promised it, and I do not like to break a promise.",
    "Yesterday I dreamt of the house in which I grew up.",
    "You always say that. Perhaps you are right.",
];

/// The source of the messages.
pub const SOURCE: &str = "bench";

/// The name that they are shown by.
pub const NAME: &str = "Bench";

/// A user of the load, by number; displays as their id, which is the same in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User(pub u32);

impl fmt::Display for User {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "be0c0000-0000-4000-8000-{:012x}", self.0)
    }
}

/// What one of the texts is, whatever its number.
pub fn text(number: usize) -> &'static str {
    TEXTS.get(number % TEXTS.len()).copied().unwrap_or_default()
}

/// The raw message of a submit, as clients of elizaOS send it.
pub fn raw(text: &str) -> Value {
    json!({ "text": text, "thought": "Somebody has to say something", "actions": ["REPLY"] })
}

/// The metadata of a submit.
pub fn metadata() -> Value {
    json!({ "agentName": NAME, "attachments": [] })
}

/// The body of a submit.
pub fn submit(channel: &str, author: User, text: &str) -> Value {
    json!({
        "channel_id": channel,
        "message_server_id": SERVER,
        "author_id": author.to_string(),
        "content": text,
        "source_type": SOURCE,
        "raw_message": raw(text),
        "metadata": metadata(),
    })
}

/// The body of a message to an agent whose reply is in the answer.
pub fn to_agent(author: User, agent: &str, text: &str) -> Value {
    json!({
        "author_id": author.to_string(),
        "message_server_id": SERVER,
        "content": text,
        "source_type": SOURCE,
        "transport": "http",
        "metadata": { "isDm": true, "channelType": "DM", "targetUserId": agent },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_ids_of_their_own_that_any_server_takes() {
        assert_eq!(User(1).to_string(), "be0c0000-0000-4000-8000-000000000001");
        assert_eq!(User(u32::MAX).to_string(), "be0c0000-0000-4000-8000-0000ffffffff");
    }

    #[test]
    fn there_is_always_something_to_say() {
        assert_eq!((text(0), text(8), text(usize::MAX)), (TEXTS[0], TEXTS[0], TEXTS[7]));
    }
}
