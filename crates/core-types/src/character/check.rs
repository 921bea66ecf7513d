//! The schema of a character, as elizaOS 1.7.2 checks it, with `lore` added (contract §8.1).

use serde_json::Value;

use super::{MAX_LIST, MAX_NAME, MAX_SECRETS};
use crate::{JsonObject, ids::parse_uuid};

/// Every problem as `path: reason`; empty where the object is a character.
pub(super) fn problems(object: &JsonObject) -> Vec<String> {
    let mut found = Problems::default();
    found.name(object.get("name"));
    found.bio(object.get("bio"));
    for (key, value) in object {
        match key.as_str() {
            "name" | "bio" => {}
            "id" => {
                if value.as_str().is_none_or(|text| parse_uuid(text).is_err()) {
                    found.add("id", "must be a UUID");
                }
            }
            "username" | "system" => found.text(key, value),
            "lore" => found.one_or_many(key, value),
            "templates" => found.entries(key, value, "a text", Value::is_string),
            "messageExamples" => found.message_examples(value),
            "postExamples" | "topics" | "adjectives" | "plugins" => found.texts(key, value),
            "knowledge" => found.list(key, value, "a text, `{path}` or `{directory}`", is_knowledge),
            "settings" => found.settings(value),
            "secrets" => found.secrets(key, value),
            "style" => found.style(value),
            unknown => found.add(unknown, "unrecognised key"),
        }
    }
    found.0
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, path: &str, reason: &str) {
        self.0.push(format!("{path}: {reason}"));
    }

    fn name(&mut self, value: Option<&Value>) {
        match value {
            None => self.add("name", "is required"),
            Some(Value::String(name)) if name.trim().is_empty() => self.add("name", "must not be empty"),
            Some(Value::String(name)) if name.chars().count() > MAX_NAME => {
                self.add("name", &format!("must have at most {MAX_NAME} characters"));
            }
            Some(Value::String(name)) if name.chars().any(char::is_control) => {
                self.add("name", "must not contain control characters");
            }
            Some(Value::String(_)) => {}
            Some(_) => self.add("name", "must be a text"),
        }
    }

    fn bio(&mut self, value: Option<&Value>) {
        match value {
            None => self.add("bio", "is required"),
            Some(bio) => self.one_or_many("bio", bio),
        }
    }

    fn text(&mut self, path: &str, value: &Value) {
        if !value.is_string() {
            self.add(path, "must be a text");
        }
    }

    fn one_or_many(&mut self, path: &str, value: &Value) {
        if !value.is_string() {
            self.list(path, value, "a text", Value::is_string);
        }
    }

    fn texts(&mut self, path: &str, value: &Value) {
        self.list(path, value, "a text", Value::is_string);
    }

    fn list(&mut self, path: &str, value: &Value, what: &str, fits: fn(&Value) -> bool) {
        let Value::Array(items) = value else {
            return self.add(path, "must be a list");
        };
        if items.len() > MAX_LIST {
            return self.add(path, &format!("must have at most {MAX_LIST} entries"));
        }
        if let Some(index) = items.iter().position(|item| !fits(item)) {
            self.add(&format!("{path}.{index}"), &format!("must be {what}"));
        }
    }

    fn entries(&mut self, path: &str, value: &Value, what: &str, fits: fn(&Value) -> bool) {
        let Value::Object(entries) = value else {
            return self.add(path, "must be an object");
        };
        for (key, _) in entries.iter().filter(|(_, value)| !fits(value)) {
            self.add(&format!("{path}.{key}"), &format!("must be {what}"));
        }
    }

    fn settings(&mut self, value: &Value) {
        self.entries("settings", value, "a text, a number, a boolean, a list or an object", |value| !value.is_null());
        if let Some(secrets) = value.get("secrets") {
            self.secrets("settings.secrets", secrets);
        }
    }

    fn secrets(&mut self, path: &str, value: &Value) {
        if value.as_object().is_some_and(|secrets| secrets.len() > MAX_SECRETS) {
            return self.add(path, &format!("must have at most {MAX_SECRETS} entries"));
        }
        self.entries(path, value, "a text, a number or a boolean", is_scalar);
    }

    fn style(&mut self, value: &Value) {
        let Value::Object(parts) = value else {
            return self.add("style", "must be an object");
        };
        for (key, value) in parts.iter().filter(|(key, _)| ["all", "chat", "post"].contains(&key.as_str())) {
            self.texts(&format!("style.{key}"), value);
        }
    }

    fn message_examples(&mut self, value: &Value) {
        let Value::Array(conversations) = value else {
            return self.add("messageExamples", "must be a list of conversations");
        };
        if conversations.len() > MAX_LIST {
            return self.add("messageExamples", &format!("must have at most {MAX_LIST} entries"));
        }
        for (index, conversation) in conversations.iter().enumerate() {
            self.list(&format!("messageExamples.{index}"), conversation, "`{name, content}`", |line| {
                line.get("name").is_some_and(Value::is_string) && line.get("content").is_some_and(is_content)
            });
        }
    }
}

/// The bytes of a text, or of the texts of a list together.
pub(super) fn text_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::len).sum(),
        _ => 0,
    }
}

fn is_scalar(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_boolean()
}

fn is_knowledge(value: &Value) -> bool {
    value.is_string()
        || ["path", "directory"].iter().any(|key| value.get(key).is_some_and(Value::is_string))
            && value.get("shared").is_none_or(Value::is_boolean)
}

/// A message's content is open, but its known keys have types.
fn is_content(value: &Value) -> bool {
    let Value::Object(content) = value else { return false };
    content.iter().all(|(key, value)| match key.as_str() {
        "text" | "thought" | "source" | "target" | "url" => value.is_string(),
        "actions" | "providers" => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        _ => true,
    })
}
