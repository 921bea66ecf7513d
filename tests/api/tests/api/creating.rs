//! Creating once: whatever is created or sent under an `Idempotency-Key` is there once, however often it is asked for.

use std::net::SocketAddr;

use serde_json::{Value, json};
use testkit::caller::{Answer, Caller, Request};
use testkit::server::TestServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::media::form;
use crate::support::{ANN, DEFAULT, create_channel, messages_of, open, refused, running_agent, snapshot, text, with_field};

const KEY: &str = "idempotency-key";

/// Where everything happens.
struct Place {
    server: TestServer,
    ann: Caller,
    agent: String,
    channel: String,
    session: String,
}

async fn place() -> Place {
    let (server, ann) = open().await;
    let agent = running_agent(&ann, "Alice").await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let session = ann.post("/api/messaging/sessions", &json!({"agentId": agent, "userId": ANN})).await;
    let session = text(&session.json()["sessionId"]);
    Place { server, ann, agent, channel, session }
}

/// A route that creates or sends: its path, a body, the field that another body differs in, and the status of a success.
struct Route {
    path: String,
    body: Value,
    differs: &'static str,
    status: u16,
}

impl Place {
    /// Every route that makes something of a JSON body. `name` is in what it makes, so that it can be counted.
    fn routes(&self, name: &str) -> Vec<Route> {
        let Self { agent, channel, session, .. } = self;
        let route = |path: &str, differs, status, body: Value| Route { path: path.to_owned(), body, differs, status };
        let message = json!({
            "channel_id": channel, "server_id": DEFAULT, "author_id": ANN, "content": name, "source_type": "test",
            "raw_message": {"text": name},
        });
        let character = json!({"characterJson": {"name": format!("Agent {name}"), "bio": ["Is there once."]}});
        vec![
            route("/api/agents", "characterJson", 201, character),
            route("/api/messaging/central-servers", "name", 201, json!({"name": name, "sourceType": "test"})),
            route("/api/messaging/central-channels", "name", 201, json!({"name": name, "message_server_id": DEFAULT, "type": "GROUP"})),
            route("/api/messaging/sessions", "metadata", 201, json!({"agentId": agent, "userId": ANN, "metadata": {"name": name}})),
            route(&format!("/api/agents/{agent}/worlds"), "name", 201, json!({"name": name})),
            route(&format!("/api/agents/{agent}/rooms"), "name", 201, json!({"name": name})),
            route(&format!("/api/memory/agents/{agent}/documents"), "title", 201, json!({"content": name, "title": name})),
            route("/api/messaging/jobs", "content", 201, json!({"userId": ANN, "agentId": agent, "content": name})),
            route(&format!("/api/messaging/sessions/{session}/messages"), "content", 201, json!({"content": name})),
            route(&messages_of(channel), "content", 201, message.clone()),
            route("/api/messaging/submit", "content", 201, message.clone()),
            route("/api/messaging/action", "content", 201, message.clone()),
            route("/api/messaging/ingest-external", "content", 202, message),
        ]
    }

    /// How often a text is in everything that was made on a route.
    async fn count(&self, path: &str, name: &str) -> usize {
        let Self { ann, agent, channel, session, .. } = self;
        let list = match path.rsplit('/').next().unwrap_or_default() {
            "central-channels" => format!("/api/messaging/message-servers/{DEFAULT}/channels"),
            "messages" if path.contains(session) => format!("/api/messaging/sessions/{session}/messages?limit=100"),
            "messages" | "submit" | "action" | "ingest-external" => format!("{}?limit=1000", messages_of(channel)),
            "documents" => format!("/api/memory/agents/{agent}/documents?limit=100"),
            "jobs" => format!("{path}?limit=100"),
            _ => path.to_owned(),
        };
        let listed = ann.get(&list).await;
        assert_eq!(listed.status, 200, "{list}: {listed}");
        entries(&listed.json()).iter().filter(|entry| names(entry, name)).count()
    }
}

/// The entries of a list, whatever it is called.
fn entries(answer: &Value) -> Vec<Value> {
    let data = answer.get("data").unwrap_or(answer);
    let list = data.as_array().or_else(|| data.as_object()?.values().find_map(Value::as_array));
    list.unwrap_or_else(|| panic!("no list is in {answer}")).clone()
}

/// Whether an entry is of this name, which the first of these places has.
fn names(entry: &Value, name: &str) -> bool {
    let places = ["/name", "/content/text", "/content", "/metadata/title", "/metadata/name"];
    let said = places.iter().find_map(|pointer| entry.pointer(pointer)?.as_str());
    said.is_some_and(|said| said == name || said == format!("Agent {name}"))
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

#[tokio::test]
async fn whatever_is_created_under_a_key_is_created_once_and_answered_alike() {
    let mut place = place().await;
    let mut firsts = Vec::new();
    for route in place.routes("once") {
        let Route { path, body, differs, status } = route;
        let keyed = |body: &Value| Request::post(&path, body).header(KEY, "k-1");
        let first = place.ann.send(keyed(&body)).await;
        assert_eq!((first.status, replayed(&first)), (status, false), "{path}: {first}");
        let again = place.ann.send(keyed(&body)).await;
        assert_eq!((again.status, replayed(&again)), (status, true), "{path}: {again}");
        if !path.ends_with("/messages") || !path.contains("sessions") {
            // That of a session's message says how the session stands by now.
            assert_eq!(again.body, first.body, "{path}");
        }
        let other = with_field(body.clone(), differs, json!({"name": "another", "bio": ["x"]}));
        let other =
            if differs == "characterJson" || differs == "metadata" { other } else { with_field(body.clone(), differs, json!("another")) };
        refused(&place.ann, [(keyed(&other), 409, "CONFLICT")]).await;
        firsts.push((path, body, first));
    }
    place.server.restart().await;
    place.ann = place.server.caller();
    for (path, body, first) in firsts {
        let again = place.ann.with(KEY, "k-1").post(&path, &body).await;
        assert_eq!((again.status, replayed(&again)), (first.status, true), "after a restart: {path}");
        let messages =
            if path.contains("submit") || path.ends_with("action") || path.contains("ingest") || path == messages_of(&place.channel) {
                4
            } else {
                1
            };
        if path != "/api/messaging/jobs" {
            assert_eq!(place.count(&path, "once").await, messages, "{path}");
        }
    }
    let reused = place.ann.with(KEY, "k-1").post("/api/messaging/central-servers", &json!({"name": "x", "sourceType": "test"})).await;
    snapshot!("key_used_with_another_creation", reused);
}

#[tokio::test]
async fn ten_creations_with_one_key_at_once_are_one() {
    let place = place().await;
    for Route { path, body, status, .. } in place.routes("racing") {
        let keyed = place.ann.with(KEY, "racing");
        let answers = futures_util::future::join_all((0..10).map(|_| keyed.post(&path, &body))).await;
        assert!(answers.iter().all(|answer| answer.status == status), "{path}: {}", answers[0]);
        assert_eq!(answers.iter().filter(|answer| !replayed(answer)).count(), 1, "{path}");
    }
    assert_eq!(place.count("/api/messaging/central-servers", "racing").await, 1);
    assert_eq!(place.count(&format!("/api/agents/{}/worlds", place.agent), "racing").await, 1);
    assert_eq!(place.count("/api/messaging/sessions", "racing").await, 1);
}

#[tokio::test]
async fn a_refused_creation_leaves_its_key_free_and_a_key_is_for_one_thing() {
    let place = place().await;
    let keyed = place.ann.with(KEY, "free");
    keyed.post("/api/messaging/central-servers", &json!({"name": ""})).await.error(400, "BAD_REQUEST");
    let made = keyed.post("/api/messaging/central-servers", &json!({"name": "now", "sourceType": "test"})).await;
    assert_eq!((made.status, replayed(&made)), (201, false));
    let channel = json!({"name": "c", "message_server_id": DEFAULT, "type": "GROUP"});
    let channel = keyed.post("/api/messaging/central-channels", &channel).await;
    assert_eq!((channel.status, replayed(&channel)), (201, false), "each route has keys of its own");
    let worlds = |agent: &str| format!("/api/agents/{agent}/worlds");
    let bob = running_agent(&place.ann, "Bob").await;
    assert_eq!(keyed.post(&worlds(&place.agent), &json!({"name": "w"})).await.status, 201);
    keyed.post(&worlds(&bob), &json!({"name": "w"})).await.error(409, "CONFLICT");
    place.ann.with(KEY, "two words").post(&worlds(&bob), &json!({"name": "w"})).await.error(400, "BAD_REQUEST");
}

#[tokio::test]
async fn a_group_and_a_file_are_made_once_under_a_key() {
    let place = place().await;
    let group = format!("/api/memory/groups/{DEFAULT}");
    let body = json!({"name": "G", "agentIds": [place.agent]});
    let first = place.ann.with(KEY, "g").post(&group, &body).await;
    let again = place.ann.with(KEY, "g").post(&group, &body).await;
    assert_eq!((first.status, again.status, replayed(&again), &again.body), (201, 201, true, &first.body));

    let path = format!("/api/media/agents/{}/upload-media", place.agent);
    let sent = |name, bytes: &[u8], key: &str| form(&path, (name, "text/plain", bytes), &[]).header(KEY, key);
    let first = place.ann.send(sent("a.txt", b"some words", "f")).await;
    let again = place.ann.send(sent("a.txt", b"some words", "f")).await;
    assert_eq!((first.status, again.status, replayed(&first), replayed(&again)), (200, 200, false, true));
    assert_eq!(again.body, first.body);
    place.ann.send(sent("a.txt", b"other words", "f")).await.error(409, "CONFLICT");
    place.ann.send(sent("b.txt", b"some words", "f")).await.error(409, "CONFLICT");
    assert_eq!(place.ann.get(&text(&first.data(200)["url"])).await.body, b"some words");
    assert_eq!(files(&place), 1);
    assert_eq!(place.ann.send(sent("a.txt", b"some words", "another")).await.status, 200);
    assert_eq!(files(&place), 2);
}

/// The files that are kept, finished or not.
fn files(place: &Place) -> usize {
    let directories = std::fs::read_dir(place.server.directory().join("media")).unwrap();
    directories.map(|directory| std::fs::read_dir(directory.unwrap().path()).unwrap().count()).sum()
}

/// How an answer is lost.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// The client leaves as soon as it has asked.
    Asked,
    /// The client leaves when the answer begins.
    Answered,
}

/// Sends a request and loses its answer.
async fn lose(address: SocketAddr, path: &str, key: &str, body: &Value, loss: Loss) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{KEY}: {key}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    if matches!(loss, Loss::Answered) {
        let _ = stream.read(&mut [0; 1]).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_loses_every_second_answer_and_asks_again_makes_everything_once() {
    let place = place().await;
    let address = place.server.address();
    for turn in 0..6 {
        for Route { path, body, status, .. } in place.routes(&format!("lost {turn}")) {
            let key = format!("lost-{turn}");
            let loss = if turn % 2 == 0 { Loss::Asked } else { Loss::Answered };
            lose(address, &path, &key, &body, loss).await;
            let answer = place.ann.with(KEY, &key).post(&path, &body).await;
            assert_eq!(answer.status, status, "{path} after {loss:?}: {answer}");
        }
    }
    for turn in 0..6 {
        let name = format!("lost {turn}");
        for Route { path, .. } in place.routes(&name).iter().filter(|route| route.path != "/api/messaging/jobs") {
            let in_channel =
                ["submit", "action", "ingest-external"].iter().any(|door| path.ends_with(door)) || *path == messages_of(&place.channel);
            assert_eq!(place.count(path, &name).await, if in_channel { 4 } else { 1 }, "{path} {name}");
        }
    }
    assert_eq!(place.ann.get("/api/messaging/jobs?limit=100").await.json()["total"], 6);
}
