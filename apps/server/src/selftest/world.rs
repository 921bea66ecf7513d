//! A tenant with one of everything, made over the API as any client would.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use core_types::{Clock as _, Permission, Secret};
use outbound::{Answer, Auth, Client, Endpoint, Limits, Method};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::clean::person;
use super::requests::{FORM, file_form};
use crate::client::explain;
use crate::clock::SystemClock;
use crate::exit::{Exit, Failure};

/// How often it is looked whether an agent has done its work.
const LOOKS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);
/// How long keys of a test count: an hour.
const KEYS_LAST: i64 = 60 * 60 * 1_000;

/// Somebody who asks.
#[derive(Clone)]
pub struct Asker {
    /// Who it is, for a person.
    pub name: String,
    /// The server with its key.
    pub server: Endpoint,
    /// The key itself, for sockets.
    pub key: Option<String>,
}

impl Asker {
    /// Somebody with this key, or without one.
    pub fn new(url: &str, name: &str, key: Option<&str>) -> Result<Self, Failure> {
        let auth = key.map_or(Auth::None, |key| Auth::ApiKey(Secret::new(key)));
        let limits = Limits { total: Duration::from_mins(1), ..Limits::default() };
        let server = Client::new(limits).at(url, &auth).map_err(|error| {
            Failure::new(Exit::Usage, "the server cannot be addressed; --base-url takes an address such as http://127.0.0.1:3000")
                .because(error)
        })?;
        Ok(Self { name: name.to_owned(), server, key: key.map(str::to_owned) })
    }

    /// Asks, and must be answered with success.
    pub async fn must(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let answer = self.server.send(method, path, body).await.map_err(|error| unreachable(&self.server, error))?;
        self.data(path, &answer)
    }

    fn data(&self, path: &str, answer: &Answer) -> Result<Value, Failure> {
        let mut body: Value = answer.json().unwrap_or(Value::Null);
        if answer.status() == 401 {
            let message = format!("{} wants another key from {}", self.server.address(), self.name);
            return Err(Failure::new(Exit::Refused, message));
        }
        if !answer.is_success() {
            let said = explain(answer.status(), &body);
            let message = format!("{} could not prepare the test: {path} answered {}: {said}", self.name, answer.status());
            return Err(Failure::new(Exit::Failure, message));
        }
        Ok(body.get_mut("data").map(Value::take).unwrap_or(body))
    }
}

fn unreachable(server: &Endpoint, error: outbound::OutboundError) -> Failure {
    Failure::new(Exit::Unreachable, format!("no server answers at {}", server.address())).because(error)
}

/// A tenant and its things.
pub struct World {
    /// With all scopes.
    pub full: Asker,
    /// With all scopes but one, by the one.
    pub narrow: Vec<(Permission, Asker)>,
    /// Ids and names of its things, by the names of path parameters.
    pub things: BTreeMap<&'static str, String>,
    /// What its things have in their names and texts, and nobody else's.
    pub mark: String,
    /// The name of what is made in the test, whoever makes it.
    pub extra: String,
}

impl World {
    /// Makes a tenant with one of everything.
    pub async fn make(url: &str, owner: &Asker, mark: &str, extra: &str) -> Result<Self, Failure> {
        let all = Permission::GRANTABLE;
        let (full, mut key_id) = key(url, owner, mark, &all).await?;
        let mut narrow = Vec::new();
        for missing in all {
            let scopes: Vec<Permission> = all.into_iter().filter(|scope| *scope != missing).collect();
            let (asker, id) = key(url, owner, mark, &scopes).await?;
            key_id = id;
            narrow.push((missing, asker));
        }
        let mut world = Self { full, narrow, things: BTreeMap::new(), mark: mark.to_owned(), extra: extra.to_owned() };
        world.fill().await?;
        world.put("key_id", key_id);
        Ok(world)
    }

    /// A thing by the name of its path parameter.
    pub fn thing(&self, name: &str) -> &str {
        self.things.get(name).map(String::as_str).unwrap_or_default()
    }

    async fn fill(&mut self) -> Result<(), Failure> {
        let mark = self.mark.clone();
        let person = person(&mark);
        self.put("person", person.clone());
        let character = json!({"name": format!("{mark} agent"), "bio": [format!("knows {mark}")]});
        let made = self.post("/api/agents", &json!({ "characterJson": character })).await?;
        let agent = text(&made, "/id");
        self.put("agent_id", agent.clone());
        self.post(&format!("/api/agents/{agent}/start"), &json!({})).await?;
        let made = self.post("/api/messaging/central-servers", &json!({"name": mark, "sourceType": "selftest"})).await?;
        let server = text(&made, "/id");
        self.put("server_id", server.clone());
        self.post(&format!("/api/messaging/central-servers/{server}/agents"), &json!({ "agentId": agent })).await?;
        let channel = json!({"name": mark, "message_server_id": server, "participantCentralUserIds": [person, agent]});
        let made = self.post("/api/messaging/central-channels", &channel).await?;
        let channel = text(&made, "/id");
        self.put("channel_id", channel.clone());
        let said = json!({"author_id": person, "content": format!("hello, {mark}"), "message_server_id": server, "transport": "http"});
        let path = format!("/api/messaging/central-channels/{channel}/messages");
        let (first, second) = (self.post(&path, &said).await?, self.post(&path, &said).await?);
        self.put("message_id", text(&first, "/userMessage/id"));
        self.put("another_message_id", text(&second, "/userMessage/id"));
        self.remembered(&agent).await?;
        let document = json!({"title": mark, "content": format!("a document about {mark}")});
        let made = self.post(&format!("/api/memory/agents/{agent}/documents"), &document).await?;
        self.put("document_id", first_text(&made, &["/id", "/document/id"]));
        let made = self.post("/api/messaging/sessions", &json!({"agentId": agent, "userId": person, "metadata": {"mark": mark}})).await?;
        self.put("session_id", text(&made, "/sessionId"));
        let job = json!({"userId": person, "agentId": agent, "content": format!("a job about {mark}"), "metadata": {"mark": mark}});
        let made = self.post("/api/messaging/jobs", &job).await?;
        self.put("job_id", text(&made, "/jobId"));
        let path = format!("/api/media/agents/{agent}/upload-media");
        let sent = self.full.server.post_bytes(&path, FORM, file_form(&[])).await;
        let sent = sent.map_err(|error| unreachable(&self.full.server, error))?;
        let url = text(&self.full.data(&path, &sent)?, "/url");
        self.put("filename", url.rsplit('/').next().unwrap_or_default().to_owned());
        if let Some((name, _)) = self.things.iter().find(|(_, value)| value.is_empty()) {
            return Err(Failure::new(Exit::Failure, format!("the test could not be prepared: the server did not say the {name}")));
        }
        Ok(())
    }

    /// Waits until the agent remembers what was said, and takes up what it has made of it.
    async fn remembered(&mut self, agent: &str) -> Result<(), Failure> {
        for _ in 0..LOOKS {
            let memories = self.get(&format!("/api/memory/agents/{agent}/memories")).await?;
            let ids: Vec<String> = all(&memories, "memories").iter().map(|memory| text(memory, "/id")).collect();
            let runs = self.get(&format!("/api/agents/{agent}/runs")).await?;
            let logs = self.get(&format!("/api/agents/{agent}/logs")).await?;
            let rooms = self.get(&format!("/api/agents/{agent}/rooms")).await?;
            let worlds = self.get(&format!("/api/agents/{agent}/worlds")).await?;
            let found = [all(&runs, "runs"), all(&logs, "logs"), all(&rooms, "rooms"), all(&worlds, "worlds")];
            if let [first, second, ..] = ids.as_slice()
                && found.iter().all(|list| !list.is_empty())
            {
                self.put("memory_id", first.clone());
                self.put("another_memory_id", second.clone());
                for (name, list) in ["run_id", "log_id", "room_id", "world_id"].into_iter().zip(found) {
                    let id = list.first().map(|thing| first_text(thing, &["/runId", "/id"])).unwrap_or_default();
                    self.put(name, id);
                }
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        Err(Failure::new(Exit::Failure, "the test could not be prepared: the agent did not answer in time"))
    }

    fn put(&mut self, name: &'static str, value: String) {
        self.things.insert(name, value);
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.full.must(Method::Post, path, Some(body)).await
    }

    async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.full.must(Method::Get, path, None).await
    }
}

/// Makes a key of a tenant.
async fn key(url: &str, owner: &Asker, tenant: &str, scopes: &[Permission]) -> Result<(Asker, String), Failure> {
    let scopes: Vec<String> = scopes.iter().map(Permission::to_string).collect();
    // Also where the test is cut short, no key of it stays for long.
    let end = SystemClock.now().plus_millis(KEYS_LAST).iso();
    let wanted = json!({"name": format!("{tenant}, for a test"), "tenant": tenant, "scopes": scopes, "expiresAt": end});
    let made = owner.must(Method::Post, "/api/keys", Some(&wanted)).await?;
    Ok((Asker::new(url, &format!("{tenant} with {}", scopes.join(" ")), Some(&text(&made, "/key")))?, text(&made, "/id")))
}

/// A text at a pointer, or nothing.
pub fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn first_text(value: &Value, pointers: &[&str]) -> String {
    pointers.iter().map(|pointer| text(value, pointer)).find(|text| !text.is_empty()).unwrap_or_default()
}

/// The entries of a list, which is the answer or under a key of it.
fn all(value: &Value, key: &str) -> Vec<Value> {
    value.as_array().or_else(|| value.get(key).and_then(Value::as_array)).cloned().unwrap_or_default()
}

/// The bytes of a text.
pub fn bytes(text: String) -> Bytes {
    Bytes::from(text)
}
