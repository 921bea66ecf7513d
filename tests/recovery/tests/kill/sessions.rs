//! What is more than messages survives a kill too.

use serde_json::{Value, json};
use testkit::caller::{Caller, Request};
use testkit::gate::Gate;
use testkit::scripted::{Reply, ScriptedModel};

use crate::server::Server;

const ANN: &str = "550e8400-e29b-41d4-a716-446655440001";
const DEFAULT: &str = "00000000-0000-0000-0000-000000000000";

fn caller(server: &Server) -> Caller {
    Caller::of(server.url.trim_start_matches("http://").parse().unwrap())
}

async fn made(caller: &Caller, path: &str, body: &Value) -> Value {
    let answer = caller.post(path, body).await;
    assert_eq!(answer.status, 201, "{answer}");
    answer.json()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The texts of a channel, oldest first, when a reply is there.
async fn texts(caller: &Caller, channel: &str) -> Vec<String> {
    let path = format!("/api/messaging/channels/{channel}");
    caller.events(Request::get(&format!("{path}/events?after=0"))).await.until("message_complete").await;
    let data = caller.get(&format!("{path}/messages")).await.data(200);
    data["messages"].as_array().unwrap().iter().rev().map(|message| text(&message["content"])).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_and_a_job_survive_a_kill_and_the_job_is_completed_once() {
    let gate = Gate::closed();
    let held = gate.clone();
    let model = ScriptedModel::answering(move |_| Reply::Held { pieces: vec!["pong".into()], gate: held.clone() }).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), model.base_url()).await;
    let ann = caller(&server);
    let character = json!({"characterJson": {"name": "Alice", "bio": ["Answers."]}});
    let agent = text(&made(&ann, "/api/agents", &character).await["data"]["id"]);
    ann.post(&format!("/api/agents/{agent}/start"), &json!({})).await.data(200);

    let session = made(&ann, "/api/messaging/sessions", &json!({"agentId": agent, "userId": ANN})).await;
    let (session, in_session) = (format!("/api/messaging/sessions/{}", text(&session["sessionId"])), text(&session["channelId"]));
    let posted = made(&ann, &format!("{session}/messages"), &json!({"content": "ping in a session"})).await;
    let job = json!({"userId": ANN, "agentId": agent, "content": "ping in a job", "timeoutMs": 300_000});
    let job = format!("/api/messaging/jobs/{}", text(&made(&ann, "/api/messaging/jobs", &job).await["jobId"]));
    model.requests_seen(2).await;
    server.kill();

    let server = Server::start(directory.path(), model.base_url()).await;
    let ann = caller(&server);
    let found = ann.get(&session).await.json();
    assert_eq!((&found["renewalCount"], &found["expiresAt"]), (&json!(1), &posted["sessionStatus"]["expiresAt"]));
    assert_eq!(ann.get(&job).await.json()["status"], "processing");
    gate.open();
    let channels = ann.get(&format!("/api/messaging/message-servers/{DEFAULT}/channels")).await.data(200);
    let of_job = channels["channels"].as_array().unwrap().iter().find(|channel| text(&channel["name"]).starts_with("job-")).unwrap();
    let of_job = text(&of_job["id"]);
    assert_eq!(texts(&ann, &of_job).await, ["ping in a job", "pong"]);
    assert_eq!(texts(&ann, &in_session).await, ["ping in a session", "pong"]);
    let completed = ann.get(&job).await.json();
    assert_eq!((&completed["status"], &completed["result"]["message"]["content"]), (&json!("completed"), &json!("pong")));
    server.kill();

    let server = Server::start(directory.path(), model.base_url()).await;
    let ann = caller(&server);
    assert_eq!(ann.get(&job).await.json(), completed);
    assert_eq!(texts(&ann, &of_job).await, ["ping in a job", "pong"]);
    let again = made(&ann, &format!("{session}/messages"), &json!({"content": "still there?", "transport": "http"})).await;
    assert_eq!((&again["agentResponse"]["text"], &again["sessionStatus"]["renewalCount"]), (&json!("pong"), &json!(2)));
    server.stop().await;
}
