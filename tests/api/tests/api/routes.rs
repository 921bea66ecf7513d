//! Every route there is. The table is compared with the lines of `crates/http/src` that make them, so that a new route
//! has to come here, and with that into the tests of keys, methods and ids.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use testkit::caller::Request;

use crate::support::{ANN, DEFAULT, NOTHING};

/// A route: its method and its path, with ids such as `{agent_id}` in it.
#[derive(Debug, Clone, Copy)]
pub struct Route(pub &'static str, pub &'static str);

/// The routes below `/api`, each by the path that it has in the reference.
pub const ROUTES: &[Route] = &[
    Route("POST", "/secrets/rotate"),
    Route("GET", "/keys"),
    Route("POST", "/keys"),
    Route("DELETE", "/keys/{key_id}"),
    Route("GET", "/agents"),
    Route("POST", "/agents"),
    Route("GET", "/agents/worlds"),
    Route("GET", "/agents/{agent_id}"),
    Route("PATCH", "/agents/{agent_id}"),
    Route("DELETE", "/agents/{agent_id}"),
    Route("POST", "/agents/{agent_id}/start"),
    Route("POST", "/agents/{agent_id}/stop"),
    Route("POST", "/agents/{agent_id}/restart"),
    Route("GET", "/agents/{agent_id}/logs"),
    Route("DELETE", "/agents/{agent_id}/logs/{log_id}"),
    Route("GET", "/agents/{agent_id}/runs"),
    Route("GET", "/agents/{agent_id}/runs/{run_id}"),
    Route("GET", "/agents/{agent_id}/panels"),
    Route("GET", "/agents/{agent_id}/worlds"),
    Route("POST", "/agents/{agent_id}/worlds"),
    Route("GET", "/agents/{agent_id}/worlds/{world_id}"),
    Route("PATCH", "/agents/{agent_id}/worlds/{world_id}"),
    Route("GET", "/agents/{agent_id}/rooms"),
    Route("POST", "/agents/{agent_id}/rooms"),
    Route("GET", "/agents/{agent_id}/rooms/{room_id}"),
    Route("PATCH", "/agents/{agent_id}/rooms/{room_id}"),
    Route("DELETE", "/agents/{agent_id}/rooms/{room_id}"),
    Route("GET", "/agents/{agent_id}/rooms/{room_id}/memories"),
    Route("GET", "/agents/{agent_id}/memories"),
    Route("DELETE", "/agents/{agent_id}/memories"),
    Route("PATCH", "/agents/{agent_id}/memories/{memory_id}"),
    Route("DELETE", "/agents/{agent_id}/memories/{memory_id}"),
    Route("DELETE", "/agents/{agent_id}/memories/all/{room_id}"),
    Route("GET", "/memory/agents/{agent_id}/memories"),
    Route("DELETE", "/memory/agents/{agent_id}/memories"),
    Route("POST", "/memory/agents/{agent_id}/search"),
    Route("GET", "/memory/agents/{agent_id}/embeddings"),
    Route("GET", "/memory/agents/{agent_id}/memories/{memory_id}"),
    Route("PATCH", "/memory/agents/{agent_id}/memories/{memory_id}"),
    Route("DELETE", "/memory/agents/{agent_id}/memories/{memory_id}"),
    Route("GET", "/memory/agents/{agent_id}/memories/{memory_id}/why"),
    Route("GET", "/memory/agents/{agent_id}/documents"),
    Route("POST", "/memory/agents/{agent_id}/documents"),
    Route("GET", "/memory/agents/{agent_id}/documents/{document_id}"),
    Route("DELETE", "/memory/agents/{agent_id}/documents/{document_id}"),
    Route("POST", "/memory/groups/{server_id}"),
    Route("DELETE", "/memory/groups/{server_id}"),
    Route("DELETE", "/memory/groups/{server_id}/memories"),
    Route("GET", "/messaging/message-server/current"),
    Route("GET", "/messaging/central-servers"),
    Route("POST", "/messaging/central-servers"),
    Route("GET", "/messaging/central-servers/{server_id}"),
    Route("PATCH", "/messaging/central-servers/{server_id}"),
    Route("DELETE", "/messaging/central-servers/{server_id}"),
    Route("GET", "/messaging/central-servers/{server_id}/channels"),
    Route("POST", "/messaging/central-servers/{server_id}/sync-channels"),
    Route("GET", "/messaging/central-servers/{server_id}/agents"),
    Route("POST", "/messaging/central-servers/{server_id}/agents"),
    Route("DELETE", "/messaging/central-servers/{server_id}/agents/{agent_id}"),
    Route("GET", "/messaging/agents/{agent_id}/servers"),
    Route("POST", "/messaging/agents/{agent_id}/servers/{server_id}"),
    Route("DELETE", "/messaging/agents/{agent_id}/servers/{server_id}"),
    Route("POST", "/messaging/central-channels"),
    Route("GET", "/messaging/central-channels/{channel_id}"),
    Route("PATCH", "/messaging/central-channels/{channel_id}"),
    Route("DELETE", "/messaging/central-channels/{channel_id}"),
    Route("GET", "/messaging/central-channels/{channel_id}/details"),
    Route("GET", "/messaging/central-channels/{channel_id}/participants"),
    Route("GET", "/messaging/central-channels/{channel_id}/agents"),
    Route("POST", "/messaging/central-channels/{channel_id}/agents"),
    Route("DELETE", "/messaging/central-channels/{channel_id}/agents/{agent_id}"),
    Route("GET", "/messaging/dm-channel"),
    Route("GET", "/messaging/central-channels/{channel_id}/messages"),
    Route("POST", "/messaging/central-channels/{channel_id}/messages"),
    Route("DELETE", "/messaging/central-channels/{channel_id}/messages"),
    Route("DELETE", "/messaging/central-channels/{channel_id}/messages/{message_id}"),
    Route("POST", "/messaging/central-channels/{channel_id}/generate-title"),
    Route("GET", "/messaging/central-channels/{channel_id}/events"),
    Route("GET", "/messaging/sessions"),
    Route("POST", "/messaging/sessions"),
    Route("GET", "/messaging/sessions/health"),
    Route("GET", "/messaging/sessions/{session_id}"),
    Route("DELETE", "/messaging/sessions/{session_id}"),
    Route("GET", "/messaging/sessions/{session_id}/messages"),
    Route("POST", "/messaging/sessions/{session_id}/messages"),
    Route("POST", "/messaging/sessions/{session_id}/renew"),
    Route("PATCH", "/messaging/sessions/{session_id}/timeout"),
    Route("POST", "/messaging/sessions/{session_id}/heartbeat"),
    Route("GET", "/messaging/jobs"),
    Route("POST", "/messaging/jobs"),
    Route("GET", "/messaging/jobs/health"),
    Route("GET", "/messaging/jobs/{job_id}"),
    Route("GET", "/messaging/messages/{message_id}"),
    Route("PATCH", "/messaging/messages/{message_id}"),
    Route("POST", "/messaging/messages/search"),
    Route("POST", "/messaging/submit"),
    Route("POST", "/messaging/action"),
    Route("PATCH", "/messaging/action/{message_id}"),
    Route("POST", "/messaging/ingest-external"),
    Route("POST", "/messaging/complete"),
    Route("POST", "/messaging/central-channels/{channel_id}/upload-media"),
    Route("POST", "/media/upload"),
    Route("POST", "/media/agents/{agent_id}/upload-media"),
    Route("POST", "/media/channels/{channel_id}/upload-media"),
    Route("POST", "/audio/transcribe"),
    Route("POST", "/audio/generate"),
    Route("POST", "/audio/{agent_id}/transcriptions"),
    Route("POST", "/audio/{agent_id}/audio-messages"),
    Route("POST", "/audio/{agent_id}/audio-messages/synthesize"),
    Route("POST", "/audio/{agent_id}/speech/generate"),
    Route("POST", "/audio/{agent_id}/speech"),
    Route("POST", "/audio/{agent_id}/speech/conversation"),
    Route("GET", "/server/ping"),
    Route("GET", "/server/status"),
    Route("GET", "/server/health"),
    Route("GET", "/server/hello"),
    Route("GET", "/server/logs"),
    Route("POST", "/server/logs"),
    Route("DELETE", "/server/logs"),
    Route("GET", "/server/logs/stream"),
    Route("GET", "/server/debug/servers"),
    Route("POST", "/server/stop"),
    Route("GET", "/system/status"),
    Route("GET", "/system/version"),
    Route("GET", "/system/config"),
    Route("GET", "/system/environment"),
    Route("POST", "/system/environment"),
    Route("GET", "/tee/status"),
    Route("POST", "/tee/attestation"),
    Route("GET", "/tee/agents"),
    Route("GET", "/tee/agents/{agent_id}"),
    Route("POST", "/tee/logs"),
];

/// Other spellings of a part of a path.
const ALIASES: [(&str, &[&str]); 5] = [
    ("/central-servers", &["/servers", "/message-servers"]),
    ("/central-channels", &["/channels"]),
    ("}/servers", &["}/message-servers"]),
    ("/ingest-external", &["/external-messages"]),
    ("/system/environment", &["/system/environment/local", "/system/env/local"]),
];

/// Parts of paths below an agent that are below `/memory` too.
const IN_MEMORY: [&str; 2] = ["/agents/{agent_id}/memories", "/agents/{agent_id}/rooms"];

/// The ids that paths have.
const IDS: [&str; 12] = [
    "{agent_id}",
    "{channel_id}",
    "{server_id}",
    "{message_id}",
    "{world_id}",
    "{run_id}",
    "{log_id}",
    "{room_id}",
    "{memory_id}",
    "{document_id}",
    "{session_id}",
    "{job_id}",
];

impl Route {
    /// The path with this id in it.
    pub fn path(self, id: &str) -> String {
        filled(self.1, id)
    }

    /// The path with this id, in every spelling.
    pub fn paths(self, id: &str) -> Vec<String> {
        let spellings = ALIASES.iter().filter(|(reference, _)| self.1.contains(reference));
        let others = spellings.flat_map(|(reference, aliases)| aliases.iter().map(move |alias| self.1.replacen(reference, alias, 1)));
        let in_memory = IN_MEMORY.iter().any(|part| self.1.starts_with(part)).then(|| self.1.replacen("/agents", "/memory", 1));
        std::iter::once(self.1.to_owned()).chain(others).chain(in_memory).map(|path| filled(&path, id)).collect()
    }

    /// Whether there is an id in the path.
    pub fn has_id(self) -> bool {
        self.1.contains('{')
    }

    /// Whether what the route does can be had over and over: the server goes on, and the answer has an end.
    pub fn can_be_repeated(self) -> bool {
        !matches!(self.1, "/server/stop" | "/server/logs/stream")
    }

    /// Whether the route reads a body.
    pub fn reads_body(self) -> bool {
        self.body().is_some()
    }

    /// A body that the route accepts but for what its ids name.
    pub fn body(self) -> Option<Value> {
        let Self(method, path) = self;
        let message = json!({
            "channel_id": NOTHING, "server_id": DEFAULT, "author_id": ANN, "content": "hi", "source_type": "test",
            "raw_message": {"text": "hi"},
        });
        match (method, path) {
            ("POST", "/agents") => Some(json!({"characterJson": {"name": "Nobody", "bio": []}})),
            ("PATCH", "/agents/{agent_id}") => Some(json!({"bio": "changed"})),
            ("POST", "/messaging/central-channels") => Some(json!({"name": "x", "server_id": DEFAULT})),
            ("POST", "/messaging/central-channels/{channel_id}/messages") => Some(json!({"author_id": ANN, "content": "hi"})),
            ("POST", "/messaging/sessions") => Some(json!({"agentId": NOTHING, "userId": ANN})),
            ("POST", "/messaging/sessions/{session_id}/messages") => Some(json!({"content": "hi"})),
            ("PATCH", "/messaging/sessions/{session_id}/timeout") => Some(json!({"timeoutMinutes": 10})),
            ("POST", "/messaging/jobs") => Some(json!({"userId": ANN, "content": "hi"})),
            ("POST", "/messaging/submit" | "/messaging/action" | "/messaging/ingest-external" | "/messaging/complete") => Some(message),
            ("POST", "/messaging/messages/search" | "/memory/agents/{agent_id}/search") => Some(json!({"query": "hi"})),
            ("POST", "/messaging/central-servers") => Some(json!({"name": "x", "sourceType": "test"})),
            ("POST", "/audio/generate") => Some(json!({"text": "hi", "agentId": NOTHING})),
            ("POST", path) if path.contains("/{agent_id}/speech") || path.ends_with("/synthesize") => Some(json!({"text": "hi"})),
            ("POST", "/tee/attestation" | "/tee/logs") => Some(json!({})),
            ("POST", "/messaging/central-servers/{server_id}/sync-channels") => Some(json!({"channels": []})),
            ("POST", "/server/logs") => Some(json!({"logs": []})),
            ("POST", "/system/environment") => Some(json!({"content": {}})),
            ("POST", "/memory/agents/{agent_id}/documents") => Some(json!({"content": "hi"})),
            ("POST", "/memory/groups/{server_id}") => Some(json!({"agentIds": [NOTHING]})),
            ("POST", path) if path.ends_with("/worlds") || path.ends_with("/rooms") => Some(json!({"name": "x"})),
            ("POST", path) if path.ends_with("/agents") || path.ends_with("/generate-title") => Some(json!({"agentId": NOTHING})),
            ("PATCH", _) => Some(json!({"name": "x"})),
            _ => None,
        }
    }

    /// A request to the path with its body, if it has one.
    pub fn request(self, path: &str) -> Request {
        let request = Request::new(self.0, path);
        match self.body() {
            Some(body) => request.json(&body),
            None => request,
        }
    }
}

fn filled(path: &str, id: &str) -> String {
    format!("/api{}", IDS.iter().fold(path.to_owned(), |path, name| path.replace(name, id)))
}

/// The routes with a body.
pub fn with_bodies() -> impl Iterator<Item = Route> {
    ROUTES.iter().copied().filter(|route| route.reads_body())
}

/// The routes that give an agent and a channel the same answer twice.
pub fn steady() -> impl Iterator<Item = Route> {
    let others = [
        "/events",
        "/dm-channel",
        "{world_id}",
        "{message_id}",
        "{room_id}",
        "{memory_id}",
        "/why",
        "{document_id}",
        "{session_id}",
        "{session_id}/messages",
        "{job_id}",
        "/status",
        "/ping",
        "/health",
        "/version",
        "/server/logs",
        "/debug/servers",
        "/stream",
        "/tee/agents",
        "/tee/agents/{agent_id}",
    ];
    ROUTES.iter().copied().filter(move |route| route.0 == "GET" && !others.iter().any(|other| route.1.ends_with(other)))
}

/// The lines `routes.at(<path>, [<method>().to(...), ...]);` of the sources as methods with paths.
fn written() -> BTreeSet<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/http/src");
    let mut routes = BTreeSet::new();
    let files = std::fs::read_dir(&sources).unwrap().chain(std::fs::read_dir(sources.join("openapi")).unwrap());
    for entry in files {
        let path = entry.unwrap().path();
        let source = if path.is_file() { std::fs::read_to_string(path).unwrap() } else { String::new() };
        for line in source.split("routes.at(").skip(1) {
            let call = line.split(");\n").next().unwrap();
            let path = call.split('"').nth(1).unwrap();
            for method in ["get", "post", "put", "patch", "delete"] {
                if call.contains(&format!("{method}().to(")) {
                    routes.insert(format!("{} {path}", method.to_uppercase()));
                }
            }
        }
    }
    routes
}

#[test]
fn the_table_has_every_route_of_the_server() {
    let public = [
        "GET /",
        "GET /home.css",
        "GET /healthz",
        "GET /health",
        "GET /metrics",
        "GET /api/openapi.json",
        "GET /api/docs",
        "GET /api/docs/{file}",
        "GET /media/uploads/agents/{agent_id}/{filename}",
        "GET /media/uploads/channels/{channel_id}/{filename}",
        "GET /media/generated/{agent_id}/{filename}",
    ]
    .map(str::to_owned);
    let known: BTreeSet<String> = ROUTES.iter().map(|Route(method, path)| format!("{method} {path}")).chain(public).collect();
    assert_eq!(known, written());
}
