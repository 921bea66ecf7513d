//! Those who write: each has things of its own, so that it knows exactly what must be there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use testkit::caller::{Caller, Request};

use super::book::Book;
use super::link::{Link, read};
use crate::dice::Dice;

const DEFAULT: &str = "00000000-0000-0000-0000-000000000000";
const ANN: &str = "550e8400-e29b-41d4-a716-446655440001";
/// So many things of a kind there are at most: nothing is made beyond them, so that every list shows all of its kind in however long a run.
const MANY: usize = 24;

/// What an actor needs for a step.
pub struct Turn<'t> {
    pub link: &'t Link,
    pub dice: &'t mut Dice,
    /// A word that nothing else is called.
    pub word: String,
}

impl Turn<'_> {
    /// Asks for something to be made once.
    async fn create(&self, path: &str, body: &Value, statuses: &[u16]) -> Value {
        let request = Request::post(path, body).header("idempotency-key", &self.word);
        self.link.done(&request, statuses).await.json()
    }

    /// Deletes something, which may be gone already where an answer was lost.
    async fn delete(&self, path: &str) {
        self.link.done(&Request::new("DELETE", path), &[200, 204, 404]).await;
    }

    fn pick(&mut self, from: &BTreeMap<String, impl Clone>) -> Option<String> {
        let number = usize::try_from(self.dice.below(from.len().max(1) as u64)).unwrap();
        from.keys().nth(number).cloned()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

async fn list(caller: &Caller, path: &str, name: &str) -> Vec<Value> {
    let json = read(caller, path).await.json();
    let data = json.get("data").unwrap_or(&json);
    data[name].as_array().unwrap_or_else(|| panic!("no {name} in {json}")).clone()
}

/// Adds what is found, which is there once.
fn found<V>(all: &mut BTreeMap<String, V>, name: String, value: V) {
    assert!(!all.contains_key(&name), "{name} is there twice");
    all.insert(name, value);
}

/// Posts messages by four doors into a channel of its own, edits and deletes them, and now and then clears the channel.
pub struct Editor {
    pub channel: String,
    pub book: Arc<Book<u64>>,
}

/// A text that says its number, and is whole or not it. Some are large, so that the log is soon moved into the database.
fn content(number: u64) -> String {
    format!("{number} {}", "lorem ipsum ".repeat(if number.is_multiple_of(3) { 6_000 } else { 2 }))
}

fn number(content: &Value) -> u64 {
    let said = content.as_str().unwrap_or_default();
    let number = said.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{content} has no number"));
    // Texts lose the space at their end.
    assert_eq!(said.trim_end(), self::content(number).trim_end(), "a text is not whole");
    number
}

impl Editor {
    pub async fn act(&mut self, turn: &mut Turn<'_>) {
        let Self { channel, book } = self;
        let there = book.settled();
        let chosen = turn.pick(&there);
        let verb = if there.len() < MANY { turn.dice.below(6) } else { 4 + turn.dice.below(6) };
        match (verb, chosen) {
            (4 | 5, Some(id)) => {
                let edited = turn.dice.next() >> 16;
                book.begin(|after| {
                    after.insert(id.clone(), edited);
                });
                let request = Request::new("PATCH", &format!("/api/messaging/messages/{id}")).json(&json!({"content": content(edited)}));
                turn.link.done(&request, &[200]).await;
            }
            (6..=8, Some(id)) => {
                book.begin(|after| {
                    after.remove(&id);
                });
                turn.delete(&format!("/api/messaging/channels/{channel}/messages/{id}")).await;
            }
            (9, Some(_)) => {
                book.begin(BTreeMap::clear);
                turn.delete(&format!("/api/messaging/channels/{channel}/messages")).await;
            }
            (door, _) => {
                let id = core_types::ids::string_to_uuid(&turn.word).to_string();
                let number = turn.dice.next() >> 16;
                book.begin(|after| {
                    after.insert(id.clone(), number);
                });
                let body = json!({
                    "messageId": id, "channel_id": channel, "server_id": DEFAULT, "author_id": ANN, "content": content(number),
                    "source_type": "recovery", "raw_message": {"text": "x"},
                });
                let path = match door % 4 {
                    0 => format!("/api/messaging/channels/{channel}/messages"),
                    1 => "/api/messaging/submit".to_owned(),
                    2 => "/api/messaging/action".to_owned(),
                    _ => "/api/messaging/ingest-external".to_owned(),
                };
                turn.link.done(&Request::post(&path, &body), &[201, 202]).await;
            }
        }
        book.settle();
    }

    pub async fn check(channel: &str, book: &Book<u64>, caller: &Caller) {
        let mut all = BTreeMap::new();
        for message in list(caller, &format!("/api/messaging/channels/{channel}/messages?limit=1000"), "messages").await {
            found(&mut all, text(&message["id"]), number(&message["content"]));
        }
        book.compare("messages that are edited", &all);
    }
}

/// Makes things of every other kind under keys, and deletes some of them.
pub struct Maker {
    pub agent: String,
    /// The id of each thing.
    pub ids: BTreeMap<String, String>,
    /// What kind of thing each is.
    pub book: Arc<Book<String>>,
}

impl Maker {
    pub async fn act(&mut self, turn: &mut Turn<'_>) {
        let there = self.book.settled();
        let kind = ["servers", "channels", "worlds", "rooms", "sessions", "documents"][usize::try_from(turn.dice.below(6)).unwrap()];
        let full = there.values().filter(|of| *of == kind).count() >= MANY;
        let places: BTreeMap<String, String> = there.into_keys().filter_map(|name| Some((name.clone(), self.place(&name)?))).collect();
        let chosen = turn.pick(&places);
        if turn.dice.below(4) == 0 || full {
            if let Some(name) = chosen {
                self.book.begin(|after| {
                    after.remove(&name);
                });
                turn.delete(&places[&name]).await;
                self.book.settle();
            }
            return;
        }
        let Self { agent, ids, book } = self;
        let (word, key) = (turn.word.clone(), format!("{kind}/{}", turn.word));
        book.begin(|after| {
            after.insert(key.clone(), kind.to_owned());
        });
        let named = json!({"name": word});
        let id =
            match kind {
                "servers" => turn.create("/api/messaging/message-servers", &json!({"name": word, "sourceType": "recovery"}), &[201]).await
                    ["data"]["server"]["id"]
                    .take(),
                "channels" => {
                    let body = json!({"name": word, "message_server_id": DEFAULT, "type": "GROUP", "participantCentralUserIds": [ANN]});
                    turn.create("/api/messaging/channels", &body, &[201]).await["data"]["id"].take()
                }
                "worlds" => turn.create(&format!("/api/agents/{agent}/worlds"), &named, &[201]).await["data"]["id"].take(),
                "rooms" => turn.create(&format!("/api/agents/{agent}/rooms"), &named, &[201]).await["data"]["id"].take(),
                "sessions" => {
                    let body = json!({"agentId": agent, "userId": ANN, "metadata": named});
                    turn.create("/api/messaging/sessions", &body, &[201]).await["sessionId"].take()
                }
                _ => {
                    let body = json!({"content": format!("All about {word}."), "title": word});
                    turn.create(&format!("/api/memory/agents/{agent}/documents"), &body, &[200, 201]).await["data"]["document"]["id"].take()
                }
            };
        ids.insert(key, text(&id));
        book.settle();
    }

    /// Where a thing is, of those that can be deleted.
    fn place(&self, name: &str) -> Option<String> {
        let (kind, agent, id) = (name.split('/').next()?, &self.agent, self.ids.get(name)?);
        Some(match kind {
            "servers" => format!("/api/messaging/message-servers/{id}"),
            "channels" => format!("/api/messaging/channels/{id}"),
            "rooms" => format!("/api/agents/{agent}/rooms/{id}"),
            "sessions" => format!("/api/messaging/sessions/{id}"),
            "documents" => format!("/api/memory/agents/{agent}/documents/{id}"),
            _ => return None,
        })
    }

    pub async fn check(agent: &str, prefix: &str, book: &Book<String>, caller: &Caller) {
        let lists = [
            ("servers", "/api/messaging/message-servers".to_owned(), "/name"),
            ("channels", format!("/api/messaging/message-servers/{DEFAULT}/channels"), "/name"),
            ("worlds", format!("/api/agents/{agent}/worlds"), "/name"),
            ("rooms", format!("/api/agents/{agent}/rooms"), "/name"),
            ("sessions", "/api/messaging/sessions?limit=1000".to_owned(), "/metadata/name"),
            ("documents", format!("/api/memory/agents/{agent}/documents?limit=100"), "/metadata/title"),
        ];
        let mut all = BTreeMap::new();
        for (kind, path, pointer) in lists {
            for thing in list(caller, &path, kind).await {
                if let Some(name) = thing.pointer(pointer).and_then(Value::as_str).filter(|name| name.starts_with(prefix)) {
                    found(&mut all, format!("{kind}/{name}"), kind.to_owned());
                }
            }
        }
        book.compare("things that are made and deleted", &all);
    }
}

/// Makes, changes, starts, stops and deletes agents.
pub struct Keeper {
    pub ids: BTreeMap<String, String>,
    /// What is said of each, and whether it runs.
    pub book: Arc<Book<(String, bool)>>,
}

impl Keeper {
    pub async fn act(&mut self, turn: &mut Turn<'_>) {
        let Self { ids, book } = self;
        let there = book.settled();
        let chosen = turn.pick(&there);
        let verb = if there.len() < MANY { turn.dice.below(5) } else { 1 + turn.dice.below(4) };
        match (verb, chosen) {
            (1, Some(name)) => {
                book.begin(|after| {
                    after.remove(&name);
                });
                turn.delete(&format!("/api/agents/{}", ids[&name])).await;
            }
            (2, Some(name)) => {
                let bio = format!("is called {}", turn.word);
                book.begin(|after| after.get_mut(&name).unwrap().0.clone_from(&bio));
                let change = Request::new("PATCH", &format!("/api/agents/{}", ids[&name])).json(&json!({"bio": bio}));
                turn.link.done(&change, &[200]).await;
            }
            (verb @ (3 | 4), Some(name)) => {
                let (path, runs) = (format!("/api/agents/{}", ids[&name]), verb == 3);
                book.begin(|after| after.get_mut(&name).unwrap().1 = runs);
                // One that does not run cannot be stopped.
                let (verb, statuses): (_, &[u16]) = if runs { ("start", &[200]) } else { ("stop", &[200, 404]) };
                turn.link.done(&Request::post(&format!("{path}/{verb}"), &json!({})), statuses).await;
            }
            _ => {
                let (name, bio) = (turn.word.clone(), "is new".to_owned());
                book.begin(|after| {
                    after.insert(name.clone(), (bio.clone(), false));
                });
                let made = turn.create("/api/agents", &json!({"characterJson": {"name": name, "bio": [bio]}}), &[201]).await;
                ids.insert(name, text(&made["data"]["id"]));
            }
        }
        book.settle();
    }

    pub async fn check(prefix: &str, book: &Book<(String, bool)>, caller: &Caller) {
        let mut all = BTreeMap::new();
        for agent in list(caller, "/api/agents", "agents").await {
            let name = text(&agent["name"]);
            if name.starts_with(prefix) {
                found(&mut all, name, (text(&agent["bio"]), agent["status"] == "active"));
            }
        }
        book.compare("agents", &all);
    }
}

/// Uploads files under keys.
pub struct Uploader {
    pub owner: String,
    /// The number of what each file says.
    pub book: Arc<Book<u64>>,
}

impl Uploader {
    pub async fn act(&mut self, turn: &mut Turn<'_>) {
        let said = turn.dice.next() >> 16;
        let body = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n{}\r\n--edge--\r\n",
            content(said)
        );
        let request = Request::new("POST", &format!("/api/media/agents/{}/upload-media", self.owner))
            .header("content-type", "multipart/form-data; boundary=edge")
            .header("idempotency-key", &turn.word)
            .body(body);
        // Where it will be is known when it is there.
        self.book.begin(|_| {});
        let url = text(&turn.link.done(&request, &[200]).await.data(200)["url"]);
        self.book.begin(|after| {
            after.insert(url, said);
        });
        self.book.settle();
    }

    pub async fn check(book: &Book<u64>, caller: &Caller, whole: bool) {
        // Their names are random, and so the first of them are any.
        let most = if whole { usize::MAX } else { 40 };
        for (url, said) in book.settled().into_iter().take(most) {
            let file = read(caller, &url).await;
            assert!(file.body == content(said).as_bytes(), "{url} is not what was uploaded");
        }
    }
}

/// Changes and deletes what an agent remembers: its documents.
pub struct Memoir {
    pub agent: String,
    pub ids: BTreeMap<String, String>,
    pub book: Arc<Book<String>>,
}

impl Memoir {
    pub async fn act(&mut self, turn: &mut Turn<'_>) {
        let Self { agent, ids, book } = self;
        let there = book.settled();
        let chosen = turn.pick(&there);
        let verb = if there.len() < MANY { turn.dice.below(3) } else { 1 + turn.dice.below(2) };
        match (verb, chosen) {
            (1, Some(name)) => {
                book.begin(|after| {
                    after.remove(&name);
                });
                turn.delete(&format!("/api/memory/agents/{agent}/memories/{}", ids[&name])).await;
            }
            (2, Some(name)) => {
                let said = format!("It is {} now.", turn.word);
                book.begin(|after| {
                    after.insert(name.clone(), said.clone());
                });
                let path = format!("/api/memory/agents/{agent}/memories/{}", ids[&name]);
                let change = Request::new("PATCH", &path).json(&json!({"content": {"text": said}}));
                turn.link.done(&change, &[200]).await;
            }
            _ => {
                let (name, said) = (turn.word.clone(), format!("It was {}.", turn.word));
                book.begin(|after| {
                    after.insert(name.clone(), said.clone());
                });
                let body = json!({"content": said, "title": name});
                let made = turn.create(&format!("/api/memory/agents/{agent}/documents"), &body, &[200, 201]).await;
                ids.insert(name, text(&made["data"]["document"]["id"]));
            }
        }
        book.settle();
    }

    pub async fn check(agent: &str, book: &Book<String>, caller: &Caller) {
        let mut all = BTreeMap::new();
        for memory in list(caller, &format!("/api/memory/agents/{agent}/documents?limit=100"), "documents").await {
            found(&mut all, text(&memory["metadata"]["title"]), text(&memory["content"]["text"]));
        }
        book.compare("what an agent remembers", &all);
    }
}
