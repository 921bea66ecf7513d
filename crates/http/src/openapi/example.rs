//! Examples: values that a schema describes, made of the examples of its parts.

#![expect(clippy::indexing_slicing, reason = "JSON is read by key without a panic")]

use core_types::JsonObject;
use serde_json::{Value, json};

/// Schemas that contain themselves end here.
const DEPTH: usize = 12;

/// A value of this schema. References are to `schemas`.
pub(super) fn of(schema: &Value, schemas: &Value) -> Value {
    value(schema, schemas, DEPTH)
}

fn value(schema: &Value, schemas: &Value, depth: usize) -> Value {
    if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)) {
        return example.clone();
    }
    let Some(depth) = depth.checked_sub(1) else { return Value::Null };
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return value(&schemas[name], schemas, depth);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().filter_map(|part| match value(part, schemas, depth) {
            Value::Object(part) => Some(part),
            _ => None,
        });
        return Value::Object(parts.flatten().collect());
    }
    if let Some(first) = ["oneOf", "anyOf", "enum"].iter().find_map(|key| schema[key].get(0)) {
        return if schema.get("enum").is_some() { first.clone() } else { value(first, schemas, depth) };
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("object") => Value::Object(object(schema, schemas, depth)),
        Some("array") => json!([value(&schema["items"], schemas, depth)]),
        Some("integer" | "number") => json!(number(schema)),
        Some("boolean") => json!(true),
        Some("string") => json!(text(schema)),
        _ => json!({}),
    }
}

/// What must be there, and what has an example; the rest would only be noise.
fn object(schema: &Value, schemas: &Value, depth: usize) -> JsonObject {
    let required = |name: &String| schema["required"].as_array().is_some_and(|names| names.iter().any(|required| required == name));
    let properties = schema["properties"].as_object().into_iter().flatten();
    let shown = properties.filter(|(name, property)| required(name) || has_example(property, schemas));
    shown.map(|(name, property)| (name.clone(), value(property, schemas, depth))).collect()
}

fn has_example(schema: &Value, schemas: &Value) -> bool {
    let parts = ["oneOf", "allOf"].iter().filter_map(|key| schema[key].as_array()).flatten();
    schema.get("example").is_some()
        || schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()).is_some_and(|name| schemas[name].get("example").is_some())
        || parts.into_iter().any(|part| has_example(part, schemas))
}

/// Times are the only large numbers of the API.
fn number(schema: &Value) -> i64 {
    let is_time = schema["description"].as_str().is_some_and(|text| text.starts_with("Epoch milliseconds"));
    if is_time { 1_769_860_800_000 } else { 1 }
}

fn text(schema: &Value) -> &'static str {
    if schema["format"] == "uuid" { "3f1d4c1e-9d3c-4b7e-8a52-6a0c6d1f2b10" } else { "text" }
}
