//! A model that does not do what it should: what callers are told, that nothing is lost, and that the next good answer is one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::caller::{Answer, Caller};
use testkit::gate::Gate;
use testkit::scripted::{Reply, ScriptedModel};
use tokio::time::{Instant, sleep};

use crate::disk::Disk;
use crate::server::Launch;

const DEFAULT: &str = "00000000-0000-0000-0000-000000000000";
const ANN: &str = "550e8400-e29b-41d4-a716-446655440001";
/// So long after a model is well again, what waits for it is answered.
const RECOVERY: Duration = Duration::from_secs(40);

/// What comes of a question while the model is ill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The reply, as ever.
    Replied,
    /// 504, and the reply when the model is well.
    Later,
    /// 500 with the reason, and no reply.
    Failed,
}

async fn ask(caller: &Caller, channel: &str, agent: &str, content: &str) -> Answer {
    let body = json!({
        "author_id": ANN, "content": content, "message_server_id": DEFAULT, "transport": "http",
        "metadata": {"isDm": true, "targetUserId": agent},
    });
    caller.post(&format!("/api/messaging/channels/{channel}/messages"), &body).await
}

/// The texts of a channel, the newest first.
async fn texts(caller: &Caller, channel: &str) -> Vec<String> {
    let page = caller.get(&format!("/api/messaging/channels/{channel}/messages")).await.data(200);
    let text = |message: &Value| message["content"].as_str().unwrap().to_owned();
    page["messages"].as_array().unwrap().iter().map(text).collect()
}

/// Waits until a channel has these texts, the newest first.
async fn becomes(caller: &Caller, channel: &str, wanted: &[&str], ill: &str) {
    let end = Instant::now() + RECOVERY;
    while texts(caller, channel).await != wanted {
        assert!(Instant::now() < end, "{ill}: the reply does not come: {:?}", texts(caller, channel).await);
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_fails_is_told_and_costs_nothing_but_its_own_answer() {
    let illness = Arc::new(Mutex::new(None));
    let present = Arc::clone(&illness);
    let model = ScriptedModel::answering(move |_| present.lock().unwrap().clone().unwrap_or_else(|| Reply::text("pong"))).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::new(directory.path());
    let settings = [("REPLY_WAIT_SECONDS", "4"), ("OPENAI_TIMEOUT_SECONDS", "1"), ("REFLECT_EVERY", "0")];
    let launch = Launch { directory: disk.root(), model: model.base_url(), postgres: None, disk: None, settings: &settings };
    let server = launch.start().await;
    let caller = Caller::of(server.address());
    let agent = caller.get("/api/agents").await.data(200)["agents"][0]["id"].as_str().unwrap().to_owned();

    let gate = Gate::closed();
    let opener = gate.clone();
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(600)).await;
            opener.let_through(1);
        }
    });
    let slow = Reply::Held { pieces: vec!["p".into(), "on".into(), "g".into()], gate };
    let cases = [
        ("slow", slow, Outcome::Replied),
        ("silent", Reply::Silence, Outcome::Later),
        ("half", Reply::CutAfter(vec!["po".into()]), Outcome::Later),
        ("garbage", Reply::Garbage, Outcome::Later),
        ("busy", Reply::refusal(429, "too many"), Outcome::Later),
        ("broken", Reply::refusal(500, "a defect"), Outcome::Later),
        ("refusing", Reply::refusal(401, "a wrong key"), Outcome::Failed),
    ];
    for (number, (name, reply, expected)) in cases.into_iter().enumerate() {
        let channel = format!("00000000-0000-4000-8000-0000000000{number:02}");
        *illness.lock().unwrap() = Some(reply);
        let answer = ask(&caller, &channel, &agent, "ping").await;
        match expected {
            Outcome::Replied => assert_eq!(answer.json()["agentResponse"]["text"], "pong", "{name}: {answer}"),
            Outcome::Later => drop(answer.error(504, "REPLY_TIMEOUT")),
            Outcome::Failed => drop(answer.error(500, "PROCESSING_ERROR")),
        }
        if expected != Outcome::Replied {
            assert_eq!(answer.json()["userMessage"]["content"], "ping", "{name}: the message is kept, and told");
        }
        *illness.lock().unwrap() = None;
        if expected == Outcome::Later {
            becomes(&caller, &channel, &["pong", "ping"], name).await;
        }
        let _ = ask(&caller, &channel, &agent, "again").await;
        let all: &[&str] = if expected == Outcome::Failed { &["pong", "again", "ping"] } else { &["pong", "again", "pong", "ping"] };
        becomes(&caller, &channel, all, name).await;
    }
    server.stop().await;
}
