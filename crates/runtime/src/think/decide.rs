//! Whether to answer: by rule where there is one, else by what the model says (contract §6.3).

use core_types::deliveries::Claimed;
use core_types::memory::{RoomContext, RoomState};
use core_types::messaging::is_direct;
use core_types::models::TextResponse;
use serde_json::Value;

use super::{answers_the_agent, response};
use crate::agent::ReadyAgent;
use crate::record::room_kind;

/// What the rules say; `None` leaves it to the model.
pub(super) fn by_rule(ready: &ReadyAgent, claimed: &Claimed, room: &RoomContext) -> Option<bool> {
    if claimed.delivery.must_answer {
        return Some(true);
    }
    let named = names(&claimed.message.content, &ready.agent.character.name);
    if room.state == RoomState::Muted && !named {
        return Some(false);
    }
    let settings = &ready.settings;
    if settings.flag("BOOTSTRAP_DEFLLMOFF") && room.state == RoomState::None {
        return Some(false);
    }
    let kind = room_kind(claimed);
    let source = claimed.message.source_type.as_deref().unwrap_or_default();
    let listed = |names: [&str; 2], value: &str, whole: bool| {
        let value = value.to_uppercase();
        names.iter().flat_map(|name| settings.list(name)).any(|entry| if whole { value == entry } else { value.contains(&entry) })
    };
    let answers = named
        || room.state == RoomState::Followed
        || is_direct(&kind)
        || source.contains("client_chat")
        || is_mentioned(claimed)
        || answers_the_agent(claimed, room)
        || listed(["ALWAYS_RESPOND_CHANNELS", "SHOULD_RESPOND_BYPASS_TYPES"], &kind, true)
        || listed(["ALWAYS_RESPOND_SOURCES", "SHOULD_RESPOND_BYPASS_SOURCES"], source, false);
    answers.then_some(true)
}

/// What the model says: a call of a tool, the action of a `<response>`, or a word. No word is no answer.
pub(super) fn by_answer(answer: &TextResponse) -> bool {
    let word = answer
        .calls
        .first()
        .map(|call| call.name.clone())
        .or_else(|| response::action(&answer.text))
        .or_else(|| answer.text.split(|letter: char| !letter.is_alphanumeric()).find(|word| !word.is_empty()).map(str::to_owned));
    word.is_some_and(|word| ["RESPOND", "REPLY", "YES"].contains(&word.to_uppercase().as_str()))
}

fn is_mentioned(claimed: &Claimed) -> bool {
    let message = &claimed.message;
    let context = message.metadata.get("mentionContext").or_else(|| message.raw.as_ref()?.get("mentionContext"));
    context.is_some_and(|context: Value| ["isMention", "isReply"].iter().any(|key| context.get(key).and_then(Value::as_bool) == Some(true)))
}

/// Whether a text contains a name, as a word of its own and in any case.
fn names(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.trim().to_lowercase());
    !name.is_empty()
        && text.match_indices(&name).any(|(start, found)| {
            let before = text.get(..start).and_then(|head| head.chars().next_back());
            let after = text.get(start + found.len()..).and_then(|tail| tail.chars().next());
            ![before, after].iter().flatten().any(|letter| letter.is_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use core_types::models::{ToolCall, Usage};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_counts_as_a_word_of_its_own() {
        for (text, named) in [
            ("Eliza, are you there?", true),
            ("hey @eliza!", true),
            ("ELIZA", true),
            ("Elizabeth is here", false),
            ("", false),
            ("ich rede mit élizà", false),
        ] {
            assert_eq!(names(text, "Eliza"), named, "{text:?}");
        }
        assert!(!names("anything", " "));
    }

    #[test]
    fn a_decision_is_read_from_a_call_a_response_or_a_word() {
        let answer = |text: &str, call: Option<&str>| TextResponse {
            text: text.to_owned(),
            calls: call.iter().map(|name| ToolCall { id: "1".into(), name: (*name).into(), arguments: json!({}) }).collect(),
            usage: Usage::default(),
            model: String::new(),
        };
        for (text, call, responds) in [
            ("", Some("RESPOND"), true),
            ("RESPOND", Some("IGNORE"), false),
            ("RESPOND", None, true),
            ("**Respond**, because", None, true),
            ("STOP", None, false),
            ("IGNORE", None, false),
            ("<response><action>RESPOND</action></response>", None, true),
            ("<response><name>X</name><action>IGNORE</action></response>", None, false),
            ("", None, false),
            ("well, maybe", None, false),
        ] {
            assert_eq!(by_answer(&answer(text, call)), responds, "{text:?} {call:?}");
        }
    }
}
