//! Every route there is. The table is compared with the lines of `crates/http/src` that make them, so that a new route
//! has to come here, and with that into the tests of keys, methods and ids.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use testkit::caller::Request;

use crate::support::{ANN, DEFAULT, NOTHING};

/// A route: its method and its path, with `{agent_id}`, `{channel_id}` or `{server_id}` in it.
#[derive(Debug, Clone, Copy)]
pub struct Route(pub &'static str, pub &'static str);

/// The routes below `/api`, each by the path that it has in the reference.
pub const ROUTES: &[Route] = &[
    Route("GET", "/agents"),
    Route("POST", "/agents"),
    Route("GET", "/agents/{agent_id}"),
    Route("PATCH", "/agents/{agent_id}"),
    Route("DELETE", "/agents/{agent_id}"),
    Route("POST", "/agents/{agent_id}/start"),
    Route("POST", "/agents/{agent_id}/stop"),
    Route("POST", "/agents/{agent_id}/restart"),
    Route("GET", "/agents/{agent_id}/logs"),
    Route("GET", "/messaging/message-server/current"),
    Route("GET", "/messaging/central-servers"),
    Route("GET", "/messaging/central-servers/{server_id}/channels"),
    Route("POST", "/messaging/central-channels"),
    Route("GET", "/messaging/central-channels/{channel_id}"),
    Route("DELETE", "/messaging/central-channels/{channel_id}"),
    Route("GET", "/messaging/central-channels/{channel_id}/details"),
    Route("GET", "/messaging/central-channels/{channel_id}/participants"),
    Route("GET", "/messaging/central-channels/{channel_id}/messages"),
    Route("POST", "/messaging/central-channels/{channel_id}/messages"),
    Route("GET", "/messaging/central-channels/{channel_id}/events"),
    Route("POST", "/messaging/submit"),
    Route("POST", "/messaging/ingest-external"),
    Route("POST", "/messaging/complete"),
    Route("GET", "/server/ping"),
    Route("GET", "/server/status"),
    Route("GET", "/server/health"),
];

/// Other spellings of the beginning of a path.
const ALIASES: [(&str, &[&str]); 2] = [("/central-servers", &["/servers", "/message-servers"]), ("/central-channels", &["/channels"])];

impl Route {
    /// The path with this id in it.
    pub fn path(self, id: &str) -> String {
        let path = ["{agent_id}", "{channel_id}", "{server_id}"].iter().fold(self.1.to_owned(), |path, name| path.replace(name, id));
        format!("/api{path}")
    }

    /// The path with this id, in every spelling.
    pub fn paths(self, id: &str) -> Vec<String> {
        let path = self.path(id);
        let mut paths = vec![path.clone()];
        for (reference, aliases) in ALIASES {
            if path.contains(reference) {
                paths.extend(aliases.iter().map(|alias| path.replacen(reference, alias, 1)));
            }
        }
        paths
    }

    /// Whether there is an id in the path.
    pub fn has_id(self) -> bool {
        self.1.contains('{')
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
            ("POST", "/messaging/submit" | "/messaging/ingest-external" | "/messaging/complete") => Some(message),
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

/// The routes with a body.
pub fn with_bodies() -> impl Iterator<Item = Route> {
    ROUTES.iter().copied().filter(|route| route.reads_body())
}

/// The lines `at(config, <path>, [<method>().to(...), ...]);` of the sources as methods with paths.
fn written() -> BTreeSet<String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/http/src");
    let mut routes = BTreeSet::new();
    for entry in std::fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        let source = if path.is_file() { std::fs::read_to_string(path).unwrap() } else { String::new() };
        for line in source.split("at(config, ").skip(1) {
            let call = line.split(");\n").next().unwrap();
            let path = call.split('"').nth(1).unwrap();
            let path = match call {
                _ if call.starts_with("servers!") => format!("/messaging/central-servers{path}"),
                _ if call.starts_with("channels!") => format!("/messaging/central-channels{path}"),
                _ => path.to_owned(),
            };
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
    let public = ["GET /", "GET /healthz", "GET /health"].map(str::to_owned);
    let known: BTreeSet<String> = ROUTES.iter().map(|Route(method, path)| format!("{method} {path}")).chain(public).collect();
    assert_eq!(known, written());
}
