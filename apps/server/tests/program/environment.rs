//! The environment of the process stays in the process.

use serde_json::json;

use crate::server::Server;

const CANARY: &str = "canary-5b1f0d7e";

#[test]
fn nothing_of_the_environment_enters_an_agent() {
    let directory = tempfile::tempdir().unwrap();
    // What elizaOS copies into characters of that name, and what it copies into every agent that is started.
    let environment = [("CHARACTER.CANARY.TOKEN", CANARY), ("CANARY_TOKEN", CANARY), ("OPENAI_API_KEY", CANARY), ("ANY_OTHER", CANARY)];
    let server = Server::start(directory.path(), &environment);
    let created = server.ask("POST", "/api/agents", &json!({"characterJson": {"name": "Canary", "bio": "b"}}));
    let id = created.split("\"id\":\"").nth(1).and_then(|rest| rest.get(..36)).unwrap();
    let answers = [
        server.ask("POST", &format!("/api/agents/{id}/start"), &json!({})),
        server.ask("GET", &format!("/api/agents/{id}"), &json!({})),
        server.ask("GET", "/api/agents", &json!({})),
        created.clone(),
    ];
    for answer in answers {
        assert!(!answer.contains(CANARY), "{answer}");
    }
    for entry in std::fs::read_dir(directory.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "{} holds it", path.display());
    }
}
