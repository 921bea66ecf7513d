//! The OpenAPI document held against what the server really says: every answer that a test gets is compared with it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "in a test, what must work and does not is a failure"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jsonschema::{Validator, validator_for};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// Paths that the document has under another spelling: a part of a path, and what the document has instead of it.
const SPELLINGS: [(&str, &str); 6] = [
    ("/api/messaging/servers", "/api/messaging/central-servers"),
    ("/api/messaging/message-servers", "/api/messaging/central-servers"),
    ("/message-servers", "/servers"),
    ("/api/messaging/channels", "/api/messaging/central-channels"),
    ("/details", ""),
    ("/external-messages", "/ingest-external"),
];

/// The document of the server in this process.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&http_api::openapi_document()).expect("the document is JSON"));

/// Compiled schemas, by where they are in the document.
static VALIDATORS: LazyLock<Mutex<BTreeMap<String, Validator>>> = LazyLock::new(Mutex::default);

/// An operation of the document.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// Its method, in lower case.
    pub method: &'static str,
    /// Its path with parameters.
    pub path: &'static str,
}

/// Every operation of the document.
pub fn operations() -> impl Iterator<Item = Operation> {
    let paths = DOCUMENT["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, methods)| methods.as_object().into_iter().flatten().map(move |(method, _)| Operation { method, path }))
}

impl Operation {
    /// Where the operation is in the document, as a JSON pointer.
    pub fn pointer(self) -> String {
        format!("/paths/{}/{}", self.path.replace('~', "~0").replace('/', "~1"), self.method)
    }

    /// What the document says of the operation.
    pub fn value(self) -> &'static Value {
        DOCUMENT.pointer(&self.pointer()).expect("the operation is in the document")
    }

    /// The operation that a request is, if the document has it.
    pub fn of(method: &str, target: &str) -> Option<Self> {
        let path = documented(method, target);
        let fits = |operation: &Self| {
            let mut parts = operation.path.split('/').zip(path.split('/'));
            operation.method.eq_ignore_ascii_case(method)
                && operation.path.split('/').count() == path.split('/').count()
                && parts.all(|(part, given)| part == given || part.starts_with('{') && !given.is_empty())
        };
        // Where a name and a parameter fit, the name counts.
        operations().filter(fits).min_by_key(|operation| operation.path.matches('{').count())
    }
}

/// The path of a request as the document spells it.
fn documented(method: &str, target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase();
    let path = SPELLINGS.iter().fold(path, |path, (other, ours)| path.replacen(other, ours, 1));
    match (method, path.split('/').skip(1).collect::<Vec<_>>().as_slice()) {
        ("PATCH", ["api", "messaging", "action", message]) => format!("/api/messaging/messages/{message}"),
        ("DELETE", ["api", "messaging", "agents", agent, "servers", server]) => {
            format!("/api/messaging/central-servers/{server}/agents/{agent}")
        }
        (_, ["api", "memory", agent, rest @ ..]) if matches!(rest, ["memories" | "rooms", ..]) && !["agents", "groups"].contains(agent) => {
            format!("/api/agents/{agent}/{}", rest.join("/"))
        }
        _ => path,
    }
}

/// Compares an answer with the document. A request that the document does not have says nothing.
#[track_caller]
pub fn check(method: &str, target: &str, status: u16, content_type: Option<&str>, body: &[u8]) {
    if let Some(operation) = Operation::of(method, target) {
        let problems = problems(operation, status, content_type, body);
        assert!(problems.is_empty(), "{method} {target} is not as documented: {problems:#?}\n{}", String::from_utf8_lossy(body));
    }
}

fn problems(operation: Operation, status: u16, content_type: Option<&str>, body: &[u8]) -> Vec<String> {
    let parsed = serde_json::from_slice::<Value>(body).ok();
    if parsed.as_ref().and_then(code_of) == Some("NOT_FOUND") {
        // What looks like an operation is none: another method, or a name where the document has a parameter.
        return Vec::new();
    }
    let Some(response) = resolved(&operation.value()["responses"][status.to_string()]) else {
        return vec![format!("{} {} has no status {status}", operation.method, operation.path)];
    };
    let Some(contents) = response["content"].as_object() else {
        return if body.is_empty() { Vec::new() } else { vec![format!("{status} has a body")] };
    };
    let media = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    // A file may be of any type that is taken, and sound of any type that an engine makes.
    let family = format!("{}/*", media.split('/').next().unwrap_or_default());
    let Some(content) = [media, &family, "*/*"].into_iter().find_map(|name| contents.get(name)) else {
        return vec![format!("{status} has no {media:?}")];
    };
    if media != "application/json" {
        return Vec::new();
    }
    let Some(value) = parsed else { return vec!["the body is no JSON".to_owned()] };
    let mut problems = mismatches(&content["schema"], &value);
    if let Some(code) = code_of(&value)
        && content["examples"].get(code).is_none()
    {
        problems.push(format!("{status} has no code {code}"));
    }
    problems
}

fn code_of(answer: &Value) -> Option<&str> {
    answer.pointer("/error/code")?.as_str()
}

/// How a value differs from a schema of the document, undocumented properties included.
pub fn mismatches(schema: &'static Value, value: &Value) -> Vec<String> {
    let mut problems: Vec<String> = {
        let mut validators = VALIDATORS.lock();
        let validator = validators.entry(schema.to_string()).or_insert_with(|| {
            let whole = json!({ "components": DOCUMENT["components"], "allOf": [schema] });
            validator_for(&whole).expect("the document's schemas are schemas")
        });
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    };
    undocumented(schema, value, "", &mut problems);
    problems
}

/// Finds properties that the schema does not have. Objects without documented properties are free.
fn undocumented(schema: &'static Value, value: &Value, path: &str, problems: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                for schema in parts(schema).filter_map(|schema| schema.get("items")) {
                    undocumented(schema, item, &format!("{path}/{index}"), problems);
                }
            }
        }
        Value::Object(entries) => {
            let properties: Vec<_> = parts(schema).filter_map(|schema| schema["properties"].as_object()).collect();
            for (name, value) in entries.iter().filter(|_| !properties.is_empty()) {
                let known: Vec<_> = properties.iter().filter_map(|properties| properties.get(name)).collect();
                if known.is_empty() {
                    problems.push(format!("{path}/{name} is not documented"));
                }
                // Of alternatives one must know everything.
                let found = known.into_iter().map(|schema| {
                    let mut problems = Vec::new();
                    undocumented(schema, value, &format!("{path}/{name}"), &mut problems);
                    problems
                });
                problems.extend(found.min_by_key(Vec::len).unwrap_or_default());
            }
        }
        _ => {}
    }
}

/// A schema with all that it is made of.
fn parts(schema: &'static Value) -> Box<dyn Iterator<Item = &'static Value>> {
    let schema = resolved(schema).expect("a schema");
    let inner = ["allOf", "oneOf", "anyOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten();
    Box::new(std::iter::once(schema).chain(inner.flat_map(parts)))
}

/// What a reference of the document leads to.
fn resolved(value: &'static Value) -> Option<&'static Value> {
    match value["$ref"].as_str() {
        Some(reference) => resolved(DOCUMENT.pointer(reference.trim_start_matches('#'))?),
        None => Some(value).filter(|value| !value.is_null()),
    }
}

/// The schema of an operation's JSON body.
pub fn body_schema(operation: Operation) -> Option<&'static Value> {
    operation.value().pointer("/requestBody/content/application~1json/schema")
}

/// The properties of a schema, with those of its parts, and which of them must be there.
pub fn properties(schema: &'static Value) -> (BTreeMap<&'static str, &'static Value>, BTreeSet<&'static str>) {
    let all: Vec<_> = parts(schema).collect();
    let properties = all.iter().filter_map(|part| part["properties"].as_object()).flatten();
    let required = all.iter().filter_map(|part| part["required"].as_array()).flatten().filter_map(Value::as_str);
    (properties.map(|(name, schema)| (name.as_str(), schema)).collect(), required.collect())
}
