//! Jobs: a question, and its answer when it is fetched.

use serde_json::{Value, json};
use testkit::caller::{Caller, Request};
use testkit::gate::Gate;
use testkit::scripted::{Reply, ScriptedModel};

use crate::support::{
    ANN, DEFAULT, NOTHING, create_agent, open, refused, running_agent, saying, snapshot, speaking, text, texts, with_field,
};

const JOBS: &str = "/api/messaging/jobs";

fn asks(agent: &str) -> Value {
    json!({"userId": ANN, "agentId": agent, "content": "ping", "metadata": {"k": "v"}})
}

/// The channel of a job.
async fn channel_of(caller: &Caller, job: &str) -> String {
    let channels = caller.get(&format!("/api/messaging/message-servers/{DEFAULT}/channels")).await.data(200);
    let name = json!(format!("job-{job}"));
    text(&channels["channels"].as_array().unwrap().iter().find(|channel| channel["name"] == name).expect("a channel")["id"])
}

/// Waits until the job's agent is done.
async fn ended(caller: &Caller, job: &str) -> String {
    let channel = channel_of(caller, job).await;
    let events = Request::get(&format!("/api/messaging/channels/{channel}/events?after=0"));
    caller.events(events).await.until("message_complete").await;
    channel
}

#[tokio::test]
async fn ann_asks_and_fetches_the_answer() {
    let gate = Gate::closed();
    let held = gate.clone();
    let model = ScriptedModel::answering(move |_| Reply::Held { pieces: vec!["pong".to_owned()], gate: held.clone() }).await.unwrap();
    let (server, ann) = speaking(&model).await;
    let agent = running_agent(&ann, "Alice").await;
    let answer = ann.post(JOBS, &asks(&agent)).await;
    let job = text(&answer.json()["jobId"]);
    for (id, name) in [(&agent, "alice"), (&job, "job")] {
        server.record().name(id, name);
    }
    snapshot!("job_taken", answer);
    assert_eq!(answer.json()["expiresAt"].as_i64().unwrap() - answer.json()["createdAt"].as_i64().unwrap(), 30_000);
    snapshot!("job_under_way", ann.get(&format!("{JOBS}/{job}")).await);
    gate.open();
    let channel = ended(&ann, &job).await;
    snapshot!("job_completed", ann.get(&format!("{JOBS}/{job}")).await);
    assert_eq!(texts(&ann, &channel).await, ["ping", "pong"]);
    let list = ann.get(&format!("{JOBS}?status=completed&limit=1")).await;
    assert_eq!((list.json()["jobs"].as_array().unwrap().len(), &list.json()["total"], &list.json()["filtered"]), (1, &json!(1), &json!(1)));
    assert_eq!(ann.get(&format!("{JOBS}?status=failed")).await.json(), json!({"jobs": [], "total": 1, "filtered": 0}));
    let health = ann.get(&format!("{JOBS}/health")).await.json();
    assert_eq!(health["statusCounts"], json!({"pending": 0, "processing": 0, "completed": 1, "failed": 0, "timeout": 0}));
    assert_eq!((&health["healthy"], &health["maxJobs"], &health["metrics"]["successRate"]), (&json!(true), &json!(10_000), &json!(1.0)));
    ann.delete(&format!("/api/messaging/channels/{channel}")).await.empty(204);
    snapshot!("job_not_found", ann.get(&format!("{JOBS}/{job}")).await);
}

#[tokio::test]
async fn a_job_without_an_agent_goes_to_the_first_and_the_same_key_makes_one() {
    let model = saying("pong").await;
    let (_server, ann) = speaking(&model).await;
    let body = json!({"userId": ANN, "content": "ping"});
    ann.post(JOBS, &body).await.error(404, "AGENT_NOT_FOUND");
    let (first, _) = (running_agent(&ann, "First").await, running_agent(&ann, "Second").await);
    let post = |body: &Value| Request::post(JOBS, body).header("idempotency-key", "k");
    let taken = ann.send(post(&body)).await;
    let again = ann.send(post(&body)).await;
    assert_eq!((again.json(), again.status, again.header("idempotency-replayed")), (taken.json(), 201, Some("true")));
    ann.send(post(&with_field(body, "content", json!("other")))).await.error(409, "CONFLICT");
    let job = text(&taken.json()["jobId"]);
    ended(&ann, &job).await;
    let shown = ann.get(&format!("{JOBS}/{job}")).await.json();
    assert_eq!((&shown["agentId"], &shown["status"], &shown["metadata"]), (&json!(first), &json!("completed"), &json!({})));
    assert_eq!(ann.get(JOBS).await.json()["total"], 1);
}

#[tokio::test]
async fn a_job_survives_a_restart() {
    let model = saying("pong").await;
    let (mut server, ann) = speaking(&model).await;
    let agent = running_agent(&ann, "Alice").await;
    let job = text(&ann.post(JOBS, &asks(&agent)).await.json()["jobId"]);
    ended(&ann, &job).await;
    let before = ann.get(&format!("{JOBS}/{job}")).await.json();
    assert_eq!(before["status"], "completed");
    server.restart().await;
    assert_eq!(server.caller().get(&format!("{JOBS}/{job}")).await.json(), before);
}

#[tokio::test]
async fn a_job_that_makes_no_sense_is_refused_and_changes_nothing() {
    let (_server, ann) = open().await;
    let stopped = create_agent(&ann, "Sleepy").await;
    let agent = running_agent(&ann, "Alice").await;
    let with = |key: &str, value: Value| Request::post(JOBS, &with_field(asks(&agent), key, value));
    let cases = [
        (with("userId", Value::Null), 400, "VALIDATION_ERROR"),
        (with("userId", json!("bad")), 400, "VALIDATION_ERROR"),
        (with("agentId", json!("bad")), 400, "VALIDATION_ERROR"),
        (with("agentId", json!(NOTHING)), 404, "AGENT_NOT_FOUND"),
        (with("agentId", json!(stopped)), 404, "AGENT_NOT_FOUND"),
        (with("userId", json!(agent)), 403, "FORBIDDEN"),
        (with("content", json!("")), 400, "VALIDATION_ERROR"),
        (with("content", json!("x".repeat(50_001))), 400, "VALIDATION_ERROR"),
        (with("metadata", json!({"x": "y".repeat(10_000)})), 400, "VALIDATION_ERROR"),
        (with("timeoutMs", json!(999)), 400, "VALIDATION_ERROR"),
        (with("timeoutMs", json!(300_001)), 400, "VALIDATION_ERROR"),
        (with("timeoutMs", json!("soon")), 400, "VALIDATION_ERROR"),
        (Request::get(&format!("{JOBS}/nope")), 404, "JOB_NOT_FOUND"),
        (Request::get(&format!("{JOBS}/{NOTHING}")), 404, "JOB_NOT_FOUND"),
        (Request::get(&format!("{JOBS}?status=lost")), 400, "VALIDATION_ERROR"),
        (Request::get(&format!("{JOBS}?limit=x")), 400, "VALIDATION_ERROR"),
    ];
    refused(&ann, cases).await;
    assert_eq!(ann.get(JOBS).await.json(), json!({"jobs": [], "total": 0, "filtered": 0}));
    for (key, value) in [("content", json!("x".repeat(50_000))), ("timeoutMs", json!(1_000)), ("timeoutMs", json!(300_000))] {
        assert_eq!(ann.send(with(key, value)).await.status, 201, "{key}");
    }
}
