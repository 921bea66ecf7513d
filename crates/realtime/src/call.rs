//! What the clients of elizaOS ask for, in the two framings that they use: an event of its own, or `message` with a type.

use serde_json::{Map, Value};

use crate::Event;

/// The types of `message`, which are names of events too.
const JOIN: &str = "1";
const SEND: &str = "2";

/// Every event by which a client asks for something here, and the types of `message`.
pub const EVENTS: [&str; 9] =
    ["1", "join", "leave", "2", "subscribe_logs", "unsubscribe_logs", "update_log_filters", "message 1", "message 2"];

/// What a client asks for. Payloads are as they were sent; what is none counts as an empty one.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// To hear what happens on a channel.
    Join(Map<String, Value>),
    /// To hear it no longer.
    Leave(Map<String, Value>),
    /// To post a message.
    Send(Map<String, Value>),
    /// To read the server's log as it is written.
    SubscribeLogs,
    /// To read it no longer.
    UnsubscribeLogs,
    /// To read some of it only.
    FilterLogs(Map<String, Value>),
}

impl Call {
    /// What an event asks for; `None` for one that asks for nothing here, as elizaOS passes over what it does not know.
    pub fn of(mut event: Event) -> Option<Self> {
        let payload = if event.args.is_empty() { Value::Null } else { event.args.swap_remove(0) };
        match event.name.as_str() {
            "message" => Self::typed(payload),
            JOIN | "join" => Some(Self::Join(object(payload))),
            "leave" => Some(Self::Leave(object(payload))),
            SEND => Some(Self::Send(object(payload))),
            "subscribe_logs" => Some(Self::SubscribeLogs),
            "unsubscribe_logs" => Some(Self::UnsubscribeLogs),
            "update_log_filters" => Some(Self::FilterLogs(object(payload))),
            _ => None,
        }
    }

    /// `{type, payload}`, the type as a number or as text.
    fn typed(message: Value) -> Option<Self> {
        let Value::Object(mut message) = message else { return None };
        let payload = object(message.remove("payload")?);
        let kind = match message.get("type")? {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return None,
        };
        match kind.as_str() {
            JOIN => Some(Self::Join(payload)),
            SEND => Some(Self::Send(payload)),
            _ => None,
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(name: &str, args: Value) -> Option<Call> {
        let Value::Array(args) = args else { panic!("a list") };
        Call::of(Event { name: name.to_owned(), args, ack: None })
    }

    #[test]
    fn every_listed_event_asks_for_something() {
        for event in EVENTS {
            let (name, args) = match event.strip_prefix("message ") {
                Some(kind) => ("message", json!([{"type": kind, "payload": {}}])),
                None => (event, json!([{}])),
            };
            assert!(call(name, args).is_some(), "{event}");
        }
    }

    #[test]
    fn both_framings_ask_for_the_same() {
        let payload = json!({"channelId": "c"});
        let object = object(payload.clone());
        for (name, args, expected) in [
            ("message", json!([{"type": 1, "payload": payload}]), Some(Call::Join(object.clone()))),
            ("message", json!([{"type": "1", "payload": payload}]), Some(Call::Join(object.clone()))),
            ("1", json!([payload]), Some(Call::Join(object.clone()))),
            ("message", json!([{"type": 2, "payload": payload}]), Some(Call::Send(object.clone()))),
            ("2", json!([payload]), Some(Call::Send(object.clone()))),
            ("1", json!([]), Some(Call::Join(Map::new()))),
            ("message", json!([{"type": 1, "payload": 5}]), Some(Call::Join(Map::new()))),
            ("leave", json!([payload]), Some(Call::Leave(object.clone()))),
            ("subscribe_logs", json!([]), Some(Call::SubscribeLogs)),
            ("unsubscribe_logs", json!([]), Some(Call::UnsubscribeLogs)),
            ("update_log_filters", json!([payload]), Some(Call::FilterLogs(object))),
        ] {
            assert_eq!(call(name, args.clone()), expected, "{name} {args}");
        }
    }

    #[test]
    fn what_asks_for_nothing_is_passed_over() {
        for (name, args) in [
            ("message", json!([{"type": 99, "payload": {}}])),
            ("message", json!(["junk"])),
            ("message", json!([null])),
            ("message", json!([{}])),
            ("message", json!([{"type": 1}])),
            ("message", json!([])),
            ("unknown_event", json!([{"a": 1}])),
        ] {
            assert_eq!(call(name, args.clone()), None, "{name} {args}");
        }
    }
}
