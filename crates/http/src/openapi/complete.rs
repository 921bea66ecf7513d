//! What every operation has in common: errors with their codes, headers, security, and examples.

#![expect(clippy::indexing_slicing, reason = "JSON is read by key without a panic, and every object that is written to was made before")]

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::StatusCode;
use core_types::JsonObject;
use serde_json::{Value, json};

use crate::errors::{ApiError, Code};
use crate::openapi::example;

const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

const TAGS: [(&str, &str); 20] = [
    ("agents", "Agents and their characters"),
    ("runs", "What agents did: logs and runs"),
    ("worlds", "Agents' worlds"),
    ("memories", "What agents remember"),
    ("documents", "Documents that agents know"),
    ("rooms", "Agents' rooms, and groups of agents"),
    ("servers", "Message servers, and which agents listen on them"),
    ("channels", "Channels, and who takes part in them"),
    ("messages", "Messages"),
    ("sessions", "Conversations with one agent that end when nobody speaks any more"),
    ("jobs", "Questions whose answer is fetched later"),
    ("events", "Streams of what happens"),
    ("sockets", "Socket.IO"),
    ("media", "Files: uploading them, and where they are served"),
    ("audio", "Speech: what is said and what is heard"),
    ("system", "How the server is doing"),
    ("manage", "The server itself: its version, its log, its settings, its end"),
    ("secrets", "The secrets of agents, as a whole"),
    ("keys", "API keys for others than the owner"),
    ("tee", "What is signed under evidence that the server runs in a trusted execution environment"),
];

/// Codes by the status that they come with.
type Errors = BTreeMap<u16, BTreeSet<&'static str>>;

/// Completes the document that annotations make. An annotation names an error by its code, in the description of its
/// status.
pub(super) fn complete(document: &mut Value) {
    document["servers"] = json!([{ "url": "/" }]);
    document["tags"] = TAGS.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect();
    document["security"] = json!([{ "key": [] }, { "bearer": [] }]);
    document["components"]["securitySchemes"] = json!({
        "key": { "type": "apiKey", "in": "header", "name": "X-API-KEY" },
        "bearer": { "type": "http", "scheme": "bearer" },
    });
    document["components"]["schemas"]["Error"] = error_schema();
    document["components"]["examples"] = Code::ALL.iter().map(|code| (code.name().to_owned(), error_example(*code))).collect();
    document["components"]["headers"] = headers();
    let schemas = document["components"]["schemas"].clone();
    let mut failures = JsonObject::new();
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for path in paths.filter_map(Value::as_object_mut) {
        for (method, operation) in path.iter_mut().filter(|(method, _)| METHODS.contains(&method.as_str())) {
            complete_operation(method, operation, &schemas, &mut failures);
        }
    }
    failures.sort_keys();
    document["components"]["responses"] = Value::Object(failures);
}

/// Completes one operation; `failures` gets the failures that it shares with others, by the names of their codes.
fn complete_operation(method: &str, operation: &mut Value, schemas: &Value, failures: &mut JsonObject) {
    let tag = operation["tags"][0].as_str().map(|tag| tag.trim_start_matches("crate::").to_owned()).unwrap_or_default();
    operation["operationId"] = json!(format!("{tag}_{}", operation["operationId"].as_str().unwrap_or_default()));
    operation["tags"] = json!([tag]);
    if let Some(summary) = operation["summary"].as_str() {
        operation["summary"] = json!(summary.trim_end_matches('.'));
    }
    let errors = errors(operation);
    let repeatable = has_parameter(operation, |parameter| parameter["name"] == "Idempotency-Key");
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    let answered: BTreeSet<_> = responses.keys().cloned().collect();
    for response in responses.values_mut() {
        complete_answer(method, repeatable, response, schemas);
    }
    if let Some(answer) = responses.get("200").filter(|_| method == "get")
        && answer["content"].get("application/json").is_some()
    {
        responses
            .insert("304".to_owned(), json!({ "description": "The reader has the answer already: `If-None-Match` names its `ETag`." }));
    }
    for (status, codes) in errors.into_iter().filter(|(status, _)| !answered.contains(&status.to_string())) {
        let name = codes.iter().copied().collect::<Vec<_>>().join(".");
        responses.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{name}") }));
        failures.entry(name).or_insert_with(|| failure(status, &codes));
    }
    responses.sort_keys();
    if let Some(content) = operation.pointer_mut("/requestBody/content/application~1json") {
        content["example"] = example::of(&content["schema"], schemas);
    }
}

/// The errors of an operation: those that its annotation names, and those that follow from what it reads.
fn errors(operation: &mut Value) -> Errors {
    let mut codes: Vec<Code> = Vec::new();
    let mut unknown = Vec::new();
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.retain(|status, response| {
            let named: Vec<_> = response["description"].as_str().unwrap_or_default().split(' ').map(code_named).collect();
            let is_failure = status.as_str() >= "400" && response.get("content").is_none();
            if is_failure {
                codes.extend(named.iter().flatten().copied());
                unknown.extend(named.iter().filter(|code| code.is_none()).map(|_| status.clone()));
            }
            !is_failure
        });
    }
    debug_assert!(unknown.is_empty(), "{}: {unknown:?}", operation["operationId"]);
    codes.push(Code::InternalServerError);
    if operation.get("security").is_none() {
        codes.extend([Code::Unauthorized, Code::Forbidden, Code::RateLimitExceeded, Code::Unavailable]);
        // What is out of a tenant's reach is not found, also where the owner gets an empty list.
        let named = |name: &str| has_parameter(operation, |parameter| parameter["in"] == "path" && parameter["name"] == name);
        let things = [("channel_id", Code::ChannelNotFound), ("agent_id", Code::AgentNotFound), ("server_id", Code::ServerNotFound)];
        codes.extend(things.into_iter().filter(|(name, _)| named(name)).map(|(_, code)| code));
    }
    if has_parameter(operation, |parameter| parameter["schema"]["format"] == "uuid") {
        codes.push(Code::InvalidId);
    }
    if has_parameter(operation, |parameter| parameter["in"] == "query" || parameter["name"] == "Idempotency-Key") {
        codes.push(Code::BadRequest);
    }
    if operation.pointer("/requestBody/content/multipart~1form-data").is_some() {
        codes.extend([Code::InvalidRequest, Code::InvalidId, Code::RequestTimeout, Code::FileTooLarge, Code::UnsupportedMediaType]);
        codes.push(Code::UploadRateLimitExceeded);
    }
    if operation.pointer("/requestBody/content/application~1json").is_some() {
        let ours = [Code::BadRequest, Code::InvalidId, Code::InvalidJson, Code::InvalidContentType];
        codes.extend(ours);
        codes.extend([Code::RequestTimeout, Code::PayloadTooLarge, Code::UnsupportedMediaType]);
    }
    let mut errors = Errors::new();
    for code in codes {
        errors.entry(code.status().as_u16()).or_default().insert(code.name());
    }
    errors
}

fn code_named(name: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|code| code.name() == name)
}

fn has_parameter(operation: &Value, wanted: impl Fn(&Value) -> bool) -> bool {
    operation["parameters"].as_array().is_some_and(|parameters| parameters.iter().any(wanted))
}

fn complete_answer(method: &str, repeatable: bool, response: &mut Value, schemas: &Value) {
    if response.get("description").is_none() {
        response["description"] = json!(if response.get("content").is_some() { "Done." } else { "Done; there is nothing to say." });
    }
    if repeatable {
        response["headers"]["Idempotency-Replayed"] = json!({ "$ref": "#/components/headers/Idempotency-Replayed" });
    }
    let Some(content) = response.pointer_mut("/content/application~1json") else { return };
    if content.get("example").is_none() {
        content["example"] = example::of(&content["schema"], schemas);
    }
    if method == "get" {
        response["headers"]["ETag"] = json!({ "$ref": "#/components/headers/ETag" });
    }
}

fn failure(status: u16, codes: &BTreeSet<&'static str>) -> Value {
    let examples: JsonObject =
        codes.iter().map(|code| ((*code).to_owned(), json!({ "$ref": format!("#/components/examples/{code}") }))).collect();
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let mut response = json!({
        "description": reason,
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" }, "examples": examples } },
    });
    if matches!(status, 429 | 503) {
        response["headers"] = json!({ "Retry-After": { "$ref": "#/components/headers/Retry-After" } });
    }
    response
}

fn error_schema() -> Value {
    let names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    json!({
        "type": "object",
        "description": "What went wrong.",
        "required": ["success", "error"],
        "properties": {
            "success": { "type": "boolean", "const": false },
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": { "type": "string", "enum": names },
                    "message": { "type": "string", "description": "For people; it may change." },
                    "timestamp": { "type": "string", "format": "date-time", "description": "When it happened; of sessions alone." },
                    "details": { "description": "`{}`, or the reason once more, as elizaOS has it." },
                },
            },
            "code": { "type": "integer", "description": "The number of the error in Engine.IO, on `/socket.io`." },
            "message": { "type": "string", "description": "The error in Engine.IO's own words, on `/socket.io`." },
            "userMessage": { "type": "object", "description": "The message that was stored, where only the reply failed." },
        },
    })
}

fn error_example(code: Code) -> Value {
    json!({ "summary": code.meaning(), "value": ApiError::new(code, code.meaning()).body() })
}

fn headers() -> Value {
    json!({
        "ETag": { "description": "Names this answer; sent back as `If-None-Match` it saves its repetition.", "schema": { "type": "string" } },
        "Idempotency-Replayed": { "description": "`true` on an answer that is the first one again.", "schema": { "type": "string" } },
        "Retry-After": { "description": "After how many seconds to ask again.", "schema": { "type": "integer", "minimum": 1 } },
    })
}
