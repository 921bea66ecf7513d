//! Whether an answer has what a recorded one has.

use serde_json::{Map, Value, json};

/// What a recorded body has that ours lacks, or has as another type: the places, such as `data.agents[].bio is missing`.
///
/// A list of ours must have items where the recorded one has some, and each must have the keys that all recorded items have.
/// What was `null` may be anything.
pub fn differences(recorded: &Value, ours: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(recorded, ours, &mut String::new(), &mut found);
    found.dedup();
    found
}

fn compare(recorded: &Value, ours: &Value, place: &mut String, found: &mut Vec<String>) {
    match (recorded, ours) {
        (Value::Null, _) => {}
        (Value::Object(keys), Value::Object(has)) => {
            for (key, wanted) in keys {
                let length = place.len();
                if !place.is_empty() {
                    place.push('.');
                }
                place.push_str(key);
                match has.get(key) {
                    Some(value) => compare(wanted, value, place, found),
                    None => found.push(format!("{place} is missing")),
                }
                place.truncate(length);
            }
        }
        (Value::Array(items), Value::Array(has)) => {
            let Some(shape) = common(items) else { return };
            let length = place.len();
            place.push_str("[]");
            if has.is_empty() {
                found.push(format!("{place} is empty"));
            }
            for item in has {
                compare(&shape, item, place, found);
            }
            place.truncate(length);
        }
        _ if kind(recorded) == kind(ours) => {}
        _ => found.push(format!("{place} is a {} and not a {}", kind(ours), kind(recorded))),
    }
}

/// What all items of a list have in common; `None` where there are none.
fn common(items: &[Value]) -> Option<Value> {
    let (first, rest) = items.split_first()?;
    Some(rest.iter().fold(first.clone(), |shape, item| intersection(&shape, item)))
}

fn intersection(one: &Value, other: &Value) -> Value {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let both = |(key, value): (&String, &Value)| Some((key.clone(), intersection(value, other.get(key)?)));
            Value::Object(one.iter().filter_map(both).collect::<Map<_, _>>())
        }
        // Lists of a shape: any of both may be empty elsewhere.
        (Value::Array(one), Value::Array(other)) if one.is_empty() || other.is_empty() => json!([]),
        (Value::Array(one), Value::Array(other)) => Value::Array(one.iter().chain(other).cloned().collect()),
        _ if kind(one) == kind(other) => one.clone(),
        _ => Value::Null,
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::differences;

    #[test]
    fn every_recorded_key_must_be_there_with_its_type() {
        for (recorded, ours, found) in [
            (json!({"a": 1}), json!({"a": 2, "b": 3}), vec![]),
            (json!({"a": 1}), json!({"b": 3}), vec!["a is missing"]),
            (json!({"a": {"b": "x"}}), json!({"a": {"b": 1}}), vec!["a.b is a number and not a text"]),
            (json!({"a": {"b": "x"}}), json!({"a": null}), vec!["a is a null and not a object"]),
            (json!({"a": null}), json!({"a": [1]}), vec![]),
            (json!({"a": null}), json!({}), vec!["a is missing"]),
            (json!([1]), json!({}), vec![" is a object and not a list"]),
        ] {
            assert_eq!(differences(&recorded, &ours), found, "{recorded} {ours}");
        }
    }

    #[test]
    fn items_of_a_list_must_have_what_all_recorded_ones_have() {
        let recorded = json!({"list": [{"id": "x", "more": 1, "tags": ["a"]}, {"id": "y", "tags": []}]});
        for (ours, found) in [
            (json!({"list": [{"id": "z", "tags": []}]}), vec![]),
            (json!({"list": [{"id": "z", "tags": [1]}, {"id": 1, "tags": []}]}), vec!["list[].id is a number and not a text"]),
            (json!({"list": [{"tags": []}, {"tags": []}]}), vec!["list[].id is missing"]),
            (json!({"list": []}), vec!["list[] is empty"]),
        ] {
            assert_eq!(differences(&recorded, &ours), found, "{ours}");
        }
        assert!(differences(&json!({"list": []}), &json!({"list": [1]})).is_empty());
    }
}
