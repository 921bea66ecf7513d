//! The environment of the process stays in the process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::command;

const CANARY: &str = "canary-5b1f0d7e";

/// A server of its own process; it ends with the test.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(directory: &Path, environment: &[(&str, &str)]) -> Self {
        let arguments = ["--port", "0", "--data-dir", "data", "--default-agent=false"];
        let mut process = command(directory, environment, &arguments).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(process.stderr.take().unwrap());
        let address = said.lines().map_while(Result::ok).find_map(|line| Some(line.split_once("listens on http://")?.1.trim().to_owned()));
        Self { process, address: address.unwrap_or_else(|| panic!("the server does not start")) }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> String {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then the test has failed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

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
