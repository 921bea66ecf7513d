//! What the server is lenient about, for every operation alike: numbers that are too large, values that are empty, bodies that are
//! missing, and both spellings of a moment.

#![expect(clippy::indexing_slicing, reason = "JSON is read by key without a panic, and every object that is written to was made before")]

use core_types::Timestamp;
use serde_json::{Value, json};

/// How parameters are called that are moments, unless they are numbers.
const MOMENTS: [&str; 6] = ["since", "until", "from", "to", "before", "after"];

/// What memories come from.
const SOURCE: &str = "^(message|author|run):[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";

/// Says of every operation how it reads what is not quite as it should be.
pub(super) fn complete(document: &mut Value) {
    document["components"]["schemas"]["Moment"] = json!({
        "description": "Epoch milliseconds, or an ISO 8601 time.",
        "anyOf": [{ "type": "integer", "minimum": 0, "maximum": Timestamp::MAX.millis() }, moment(), { "const": "" }],
    });
    let schemas = document["components"]["schemas"].clone();
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in paths.filter_map(Value::as_object_mut).flat_map(|path| path.values_mut()) {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            if parameter["in"] == "query" && parameter["name"] == "source" {
                parameter["schema"] = json!({ "type": "string", "pattern": SOURCE });
            }
            if parameter["in"] == "query" && parameter["required"] != true {
                complete_parameter(parameter);
            }
        }
        complete_body(operation, &schemas);
    }
}

/// An empty value counts as absent, and a number that is too large as the largest.
fn complete_parameter(parameter: &mut Value) {
    parameter["allowEmptyValue"] = json!(true);
    let description = parameter["description"].as_str().unwrap_or_default().to_owned();
    let is_text = parameter["schema"]["type"] != "integer";
    if is_text && MOMENTS.iter().any(|name| parameter["name"] == *name) {
        parameter["schema"] = moment();
    }
    let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) else { return };
    let is_number = match &schema.get("type") {
        Some(Value::Array(types)) => types.contains(&json!("integer")),
        kind => *kind == Some(&json!("integer")),
    };
    if is_number {
        schema.shift_remove("format");
        if let Some(most) = schema.shift_remove("maximum") {
            parameter["description"] = json!(format!("{description}; a larger number counts as {most}"));
        }
    }
}

/// A body of which nothing is required need not be there.
fn complete_body(operation: &mut Value, schemas: &Value) {
    let Some(body) = operation.get_mut("requestBody") else { return };
    let schema = &body["content"]["application/json"]["schema"];
    let schema = match schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        Some(name) => &schemas[name],
        None => schema,
    };
    let is_plain = schema["type"] == "object";
    if is_plain && schema["required"].as_array().is_none_or(Vec::is_empty) {
        body["required"] = json!(false);
    }
}

/// A moment as text.
fn moment() -> Value {
    json!({ "type": "string", "anyOf": [{ "format": "date-time" }, { "format": "date" }, { "pattern": "^[0-9]{1,14}$" }] })
}
