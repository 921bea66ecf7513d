//! What scenarios ask of the API before they measure: agents, channels, messages. Only routes and field names that every
//! release of elizaOS knows are used, so that the same scenario runs against any of them.

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::failure::{During, Failure, Outcome};
use crate::target::Target;
use crate::wire::Connection;

/// The message server that every database has.
pub const SERVER: &str = "00000000-0000-0000-0000-000000000000";

/// Characters of a refusal that are shown.
const SHOWN: usize = 300;

/// A connection for setting things up, one call at a time.
pub struct Api<'t> {
    target: &'t Target,
    runtime: Runtime,
    connection: Connection,
}

impl<'t> Api<'t> {
    /// Connects.
    pub fn open(target: &'t Target) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().during("starting a client")?;
        let connection = runtime.block_on(Connection::open(target.address())).during(format!("connecting to {}", target.address()))?;
        Ok(Self { target, runtime, connection })
    }

    /// Asks, and returns the body of the answer.
    pub fn body(&mut self, method: &str, path: &str, body: Option<&Value>) -> Outcome<Vec<u8>> {
        self.send(&self.target.request(method, path, body), &format!("{method} {path}"))
    }

    /// Sends a complete request, and returns the body of the answer.
    pub fn send(&mut self, request: &[u8], what: &str) -> Outcome<Vec<u8>> {
        let answer = self.runtime.block_on(self.connection.exchange(request)).during(format!("asking {what}"))?;
        if !(200..300).contains(&answer.status) {
            let said: String = String::from_utf8_lossy(answer.body).chars().take(SHOWN).collect();
            return Err(Failure::new(format!("{what} is answered with {}: {said}", answer.status)));
        }
        Ok(answer.body.to_vec())
    }

    /// Asks, and returns the answer.
    pub fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> Outcome<Value> {
        let answer = self.body(method, path, body)?;
        serde_json::from_slice(&answer).during(format!("reading the answer of {method} {path}"))
    }

    /// The first agent that runs.
    pub fn running_agent(&mut self) -> Outcome<String> {
        let agents = self.agents()?;
        let running = agents.iter().find(|agent| agent.get("status").and_then(Value::as_str) == Some("active"));
        let id = running.and_then(|agent| agent.get("id")).and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| Failure::new("no agent runs on the server: start one"))
    }

    /// All agents.
    pub fn agents(&mut self) -> Outcome<Vec<Value>> {
        let path = "/api/agents";
        let mut answer = self.call("GET", path, None)?;
        match answer.pointer_mut("/data/agents").map(Value::take) {
            Some(Value::Array(agents)) => Ok(agents),
            _ => Err(unexpected(path, &answer)),
        }
    }

    /// Makes an agent and starts it; returns its id. Its character is of an ordinary size, about 1 KB.
    pub fn start_agent(&mut self, name: &str) -> Outcome<String> {
        let path = "/api/agents";
        let answer = self.call("POST", path, Some(&json!({ "characterJson": character(name) })))?;
        let id = answer.pointer("/data/id").or_else(|| answer.pointer("/data/character/id")).and_then(Value::as_str);
        let id = id.ok_or_else(|| unexpected(path, &answer))?;
        self.call("POST", &format!("/api/agents/{id}/start"), None).map(|_| id.to_owned())
    }

    /// Makes a channel with these in it.
    pub fn channel(&mut self, name: &str, kind: &str, participants: &[&str]) -> Outcome<String> {
        let path = "/api/messaging/central-channels";
        let body = json!({
            "name": name, "message_server_id": SERVER, "type": kind, "participantCentralUserIds": participants, "metadata": {},
        });
        let answer = self.call("POST", path, Some(&body))?;
        let id = answer.pointer("/data/id").or_else(|| answer.pointer("/data/channel/id")).and_then(Value::as_str);
        id.map(str::to_owned).ok_or_else(|| unexpected(path, &answer))
    }
}

fn unexpected(path: &str, answer: &Value) -> Failure {
    let said: String = answer.to_string().chars().take(SHOWN).collect();
    Failure::new(format!("the answer of {path} is not what is documented: {said}"))
}

fn character(name: &str) -> Value {
    json!({
        "name": name,
        "bio": ["Answers the load generator, which never runs out of things to say", "Has been asked the same eight questions for years"],
        "system": format!("You are {name}. You answer in one or two short sentences and ask a question now and then."),
        "messageExamples": [[
            { "name": "{{user1}}", "content": { "text": "Are you there?" } },
            { "name": name, "content": { "text": "I am. What is on your mind?" } },
        ]],
        "topics": ["load", "patience", "queues", "percentiles"],
        "adjectives": ["calm", "quick", "polite"],
        "style": { "all": ["be brief", "ask open questions"], "chat": ["use the other person's own words"] },
        "settings": { "temperature": 0.7 },
    })
}
