//! What the tests of several resources do.

use serde_json::{Value, json};
use testkit::caller::{Answer, Caller, Event, Events, Request};
use testkit::house::PATIENCE;
use testkit::scripted::{Recorded, Reply, ScriptedModel};
use testkit::server::{KEY, TestServer};
use testkit::socket::Socket;
use tokio::time::timeout;

/// The default message server.
pub const DEFAULT: &str = "00000000-0000-0000-0000-000000000000";
/// A person.
pub const ANN: &str = "550e8400-e29b-41d4-a716-446655440001";
/// Another person.
pub const BEN: &str = "550e8400-e29b-41d4-a716-446655440002";
/// The id of nothing.
pub const NOTHING: &str = "deadbeef-dead-4ead-8ead-deaddeaddead";

/// Compares with the checked-in snapshot of this name, which no other place uses.
macro_rules! snapshot {
    ($name:literal, $shown:expr) => {{
        let shown = $shown.to_string();
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.set_snapshot_path("../snapshots");
        settings.bind(|| insta::assert_snapshot!($name, shown));
    }};
}

pub(crate) use snapshot;

/// A server without a key, and somebody at its machine. Ids that tests use have names in snapshots.
pub async fn open() -> (TestServer, Caller) {
    with(&[]).await
}

/// The same with settings.
pub async fn with(settings: &[(&str, &str)]) -> (TestServer, Caller) {
    let server = TestServer::with(settings).await;
    for (id, name) in [(ANN, "ann"), (BEN, "ben"), (NOTHING, "nothing")] {
        server.record().name(id, name);
    }
    let caller = server.caller();
    (server, caller)
}

/// A server whose agents speak through this model.
pub async fn speaking(model: &ScriptedModel) -> (TestServer, Caller) {
    speaking_with(model, &[]).await
}

/// The same with more settings.
pub async fn speaking_with(model: &ScriptedModel, settings: &[(&str, &str)]) -> (TestServer, Caller) {
    let own = [("OPENAI_BASE_URL", model.base_url()), ("OPENAI_API_KEY", "sk-server")];
    with(&[&own, settings].concat()).await
}

/// A model that always says the same.
pub async fn saying(text: &'static str) -> ScriptedModel {
    ScriptedModel::answering(move |_| Reply::text(text)).await.expect("a model")
}

/// What [`saying_aloud`] says, whatever it should say.
pub const SOUND: &[u8] = b"ID3\x04\0\0\0\0\0\0 sound";

/// A model that always says the same, makes [`SOUND`] of every text, and hears `What is new?` in every recording.
pub async fn saying_aloud(text: &'static str) -> ScriptedModel {
    let script = move |request: &Recorded| match request.path.rsplit('/').next() {
        Some("speech") => Reply::Bytes("audio/mpeg", SOUND.to_vec()),
        Some("transcriptions") => Reply::Plain(json!({"text": "What is new?"})),
        _ => Reply::text(text),
    };
    ScriptedModel::on_port(0, script).await.expect("a model")
}

/// A server whose agents speak, also aloud, and hear through this model.
pub async fn talking(model: &ScriptedModel, settings: &[(&str, &str)]) -> (TestServer, Caller) {
    let own = [("OPENAI_TTS_MODEL", "speaks"), ("OPENAI_TRANSCRIPTION_MODEL", "hears")];
    speaking_with(model, &[&own, settings].concat()).await
}

/// Waits until the model has been asked this often.
pub async fn asked(model: &ScriptedModel, count: usize) {
    timeout(PATIENCE, model.requests_seen(count)).await.unwrap_or_else(|_| panic!("the model is not asked {count} times"));
}

/// Creates an agent and returns its id.
pub async fn create_agent(caller: &Caller, name: &str) -> String {
    let body = json!({"characterJson": {"name": name, "bio": ["An agent in a test."]}});
    text(&caller.post("/api/agents", &body).await.data(201)["id"])
}

/// Creates an agent, starts it and returns its id.
pub async fn running_agent(caller: &Caller, name: &str) -> String {
    let id = create_agent(caller, name).await;
    caller.post(&format!("/api/agents/{id}/start"), &json!({})).await.data(200);
    id
}

/// Creates a channel and returns its id.
pub async fn create_channel(caller: &Caller, kind: &str, participants: &[&str]) -> String {
    let body =
        json!({"name": format!("the {kind}"), "type": kind, "message_server_id": DEFAULT, "participantCentralUserIds": participants});
    text(&caller.post("/api/messaging/central-channels", &body).await.data(201)["id"])
}

/// A running agent and a channel of two with it.
pub async fn dm(server: &TestServer, caller: &Caller) -> (String, String) {
    let agent = running_agent(caller, "Alice").await;
    let channel = create_channel(caller, "DM", &[ANN, &agent]).await;
    server.record().name(&agent, "alice");
    server.record().name(&channel, "channel");
    (agent, channel)
}

/// Where a channel's messages are.
pub fn messages_of(channel: &str) -> String {
    format!("/api/messaging/central-channels/{channel}/messages")
}

/// What Ann posts.
pub fn says(content: &str) -> Value {
    json!({"author_id": ANN, "content": content, "message_server_id": DEFAULT})
}

/// The same with another field.
pub fn with_field(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

/// Posts a message of Ann's and returns it.
pub async fn post(caller: &Caller, channel: &str, content: &str) -> Value {
    caller.post(&messages_of(channel), &says(content)).await.data(201)
}

/// Posts a message of Ann's with this transport.
pub async fn exchange(caller: &Caller, channel: &str, content: &str, transport: &str) -> Answer {
    caller.post(&messages_of(channel), &with_field(says(content), "transport", json!(transport))).await
}

/// Posts a message of Ann's and reads the reply as it is made.
pub async fn stream(caller: &Caller, channel: &str, content: &str) -> Events {
    let body = with_field(says(content), "transport", json!("sse"));
    caller.events(Request::post(&messages_of(channel), &body)).await
}

/// Reads a channel's events from the beginning.
pub async fn watch(caller: &Caller, channel: &str) -> Events {
    caller.events(Request::get(&format!("/api/messaging/central-channels/{channel}/events?after=0"))).await
}

/// A channel's messages, oldest first.
pub async fn messages(caller: &Caller, channel: &str) -> Vec<Value> {
    let data = caller.get(&format!("{}?limit=1000", messages_of(channel))).await.data(200);
    let mut messages = data["messages"].as_array().expect("messages").clone();
    messages.reverse();
    messages
}

/// The texts of a channel's messages, oldest first.
pub async fn texts(caller: &Caller, channel: &str) -> Vec<String> {
    messages(caller, channel).await.iter().map(|message| text(&message["content"])).collect()
}

/// The names of events.
pub fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

/// The text of a string.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text")).to_owned()
}

/// Everything that the API shows: agents, servers, channels with their participants and messages. What a refused request
/// leaves behind is seen by comparing two of these.
pub async fn world(caller: &Caller) -> Value {
    let mut world = json!({});
    for agent in caller.get("/api/agents").await.data(200)["agents"].as_array().expect("agents") {
        let path = format!("/api/agents/{}", text(&agent["id"]));
        world[&path] = caller.get(&path).await.data(200);
    }
    let servers = caller.get("/api/messaging/central-servers").await.data(200);
    for server in servers["servers"].as_array().expect("servers") {
        let path = format!("/api/messaging/central-servers/{}/channels", text(&server["id"]));
        let channels = caller.get(&path).await.data(200);
        for channel in channels["channels"].as_array().expect("channels") {
            for what in ["participants", "messages"] {
                let path = format!("/api/messaging/central-channels/{}/{what}", text(&channel["id"]));
                world[&path] = caller.get(&path).await.data(200);
            }
        }
        world[path] = channels;
    }
    world["servers"] = servers;
    world
}

/// Sends requests that must be refused with these statuses and codes, and sees to it that each leaves the world as it was.
pub async fn refused(caller: &Caller, cases: impl IntoIterator<Item = (Request, u16, &str)>) {
    let before = world(caller).await;
    for (request, status, code) in cases {
        let what = format!("{request:?}");
        let answer = caller.send(request).await;
        let fits = answer.status == status && answer.json()["error"]["code"] == code;
        assert!(fits, "{status} {code} was expected for {what}: {answer}");
        answer.error(status, code);
        assert_eq!(world(caller).await, before, "something has changed: {what}");
    }
}

/// A token of HS256 for the subject `ben`, which counts until 2100.
pub const BENS_TOKEN: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJiZW4iLCJleHAiOjQxMDI0NDQ4MDB9.fSqwFBD5GWlRMCmkG8qJtF9VMG4A6GgS_ujji_2vfPo";
/// What that is signed with.
pub const TOKEN_SECRET: &str = "a-secret-of-tokens-with-32-bytes!";

/// Connects as somebody, with the key that there may be.
pub async fn socket(server: &TestServer, entity: &str) -> Socket {
    Socket::connect(server.address(), &json!({ "entityId": entity, "apiKey": KEY })).await.expect("a socket")
}

/// A server, somebody who uses it, and a channel of two persons.
pub async fn place() -> (TestServer, Caller, String) {
    let (server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN, BEN]).await;
    (server, ann, channel)
}
