//! The ids of the recordings, and which of ours they mean now.

use std::collections::BTreeMap;

use regex_lite::{Captures, Regex};
use serde_json::Value;

use crate::derive::is_uuid;

/// Keys whose values are names that the server makes up, beside ids.
const MADE_UP: [&str; 1] = ["filename"];

/// Recorded names with ours. What is not known is sent as it was recorded.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Lets a recorded name mean this one of ours. The first meaning counts.
    pub fn learn(&mut self, recorded: &str, ours: &str) {
        self.0.entry(recorded.to_owned()).or_insert_with(|| ours.to_owned());
    }

    /// Learns from an answer: what stands in the same place is the same thing.
    pub fn learn_from(&mut self, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::String(name), Value::String(ours)) if is_uuid(name) && is_uuid(ours) => self.learn(name, ours),
            (Value::Object(recorded), Value::Object(ours)) => {
                for (key, recorded) in recorded {
                    match (recorded, ours.get(key)) {
                        (Value::String(name), Some(Value::String(ours))) if MADE_UP.contains(&key.as_str()) => self.learn(name, ours),
                        (recorded, Some(ours)) => self.learn_from(recorded, ours),
                        (_, None) => {}
                    }
                }
            }
            (Value::Array(recorded), Value::Array(ours)) => {
                for (recorded, ours) in recorded.iter().zip(ours) {
                    self.learn_from(recorded, ours);
                }
            }
            _ => {}
        }
    }

    /// A text with our names in the places of recorded ones.
    pub fn translated(&self, text: &str) -> String {
        let pattern = Regex::new(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{13}-\d{1,9}\.[a-z]{3,4}");
        let Ok(pattern) = pattern else { return text.to_owned() };
        let ours = |found: &Captures<'_>| {
            let name = found.get(0).map_or("", |name| name.as_str());
            self.0.get(name).map_or(name, String::as_str).to_owned()
        };
        pattern.replace_all(text, ours).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Names;

    const THEN: &str = "da6645f6-e22b-05f7-9974-dc7eed5fcd61";
    const NOW: &str = "11ea367f-5ed5-4248-846b-21a64ad38cae";

    #[test]
    fn what_stands_in_the_same_place_is_the_same_thing() {
        let mut names = Names::default();
        let file = "1795436177132-841639436.png";
        names.learn_from(&json!({"list": [{"id": THEN, "filename": file}]}), &json!({"list": [{"id": NOW, "filename": "f0.png"}]}));
        assert_eq!(names.translated(&format!("/a/{THEN}/{file}?x={THEN}")), format!("/a/{NOW}/f0.png?x={NOW}"));
    }

    #[test]
    fn the_first_meaning_counts_and_what_is_unknown_stays() {
        let mut names = Names::default();
        names.learn(THEN, NOW);
        names.learn(THEN, THEN);
        assert_eq!(names.translated(THEN), NOW);
        assert_eq!(names.translated(NOW), NOW);
        names.learn_from(&json!({"name": "Bob", "id": 5}), &json!({"name": "Ann", "id": NOW}));
        assert_eq!(names.translated("Bob"), "Bob");
    }
}
