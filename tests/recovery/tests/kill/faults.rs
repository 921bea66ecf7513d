//! A disk that fails: what callers are told meanwhile, what they can still do, and that nothing of it outlasts the fault.

use std::collections::BTreeMap;
use std::time::Duration;

use core_types::ids::string_to_uuid;
use serde_json::{Value, json};
use testkit::caller::{Answer, Caller, Request};
use testkit::gate::Gate;
use testkit::scripted::{Reply, ScriptedModel};
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::disk::{Disk, Keep, control};
use crate::server::{Launch, Server};
use crate::storm::book::Book;

const DEFAULT: &str = "00000000-0000-0000-0000-000000000000";
const ANN: &str = "550e8400-e29b-41d4-a716-446655440001";
/// So long after a fault is over, everything works again.
const RECOVERY: Duration = Duration::from_secs(10);
/// So many bytes of room let a server start after a kill, which makes the index of its write-ahead log again (32 KiB) twice, to look at the
/// schema and to work, and are too few for the commit that takes up what was under way.
const START: u64 = 68_000;

/// A server on a disk that can fail, and what it has acknowledged.
struct House {
    disk: Disk,
    model: ScriptedModel,
    server: Option<Server>,
    channel: String,
    agent: String,
    book: Book<String>,
    number: u32,
    _directory: tempfile::TempDir,
}

impl House {
    async fn new() -> Self {
        Self::with(ScriptedModel::answering(|_| Reply::text("pong")).await.unwrap()).await
    }

    async fn with(model: ScriptedModel) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::new(directory.path());
        let (channel, agent, book) = (String::new(), String::new(), Book::default());
        let mut house = Self { disk, model, server: None, channel, agent, book, number: 0, _directory: directory };
        house.start().await;
        let caller = house.caller();
        let agent = caller.post("/api/agents", &json!({"characterJson": {"name": "Alice", "bio": ["Answers."]}})).await.data(201);
        agent["id"].as_str().unwrap().clone_into(&mut house.agent);
        caller.post(&format!("/api/agents/{}/start", house.agent), &json!({})).await.data(200);
        let channel = json!({"name": "c", "message_server_id": DEFAULT, "type": "GROUP", "participantCentralUserIds": [ANN]});
        let channel = caller.post("/api/messaging/channels", &channel).await.data(201);
        channel["id"].as_str().unwrap().clone_into(&mut house.channel);
        house
    }

    async fn start(&mut self) {
        let launch = Launch {
            directory: self.disk.root(),
            model: self.model.base_url(),
            postgres: None,
            disk: Some(&self.disk),
            settings: &[("DEFAULT_AGENT", "false")],
        };
        self.server = Some(launch.start().await);
    }

    fn caller(&self) -> Caller {
        Caller::of(self.server.as_ref().unwrap().address())
    }

    /// Posts a message, once; what is acknowledged is in the book.
    async fn post(&mut self) -> Answer {
        self.number += 1;
        let (id, content) =
            (string_to_uuid(&self.number.to_string()).to_string(), format!("message {} {}", self.number, "x".repeat(2_000)));
        self.book.begin(|after| {
            after.insert(id.clone(), content.clone());
        });
        let body = json!({"messageId": id, "author_id": ANN, "content": content, "message_server_id": DEFAULT});
        let answer = self.caller().post(&format!("/api/messaging/channels/{}/messages", self.channel), &body).await;
        if answer.status == 201 {
            self.book.settle();
        }
        answer
    }

    async fn upload(&self, bytes: &[u8]) -> Answer {
        let mut body =
            b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n".to_vec();
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        let request = Request::new("POST", &format!("/api/media/agents/{}/upload-media", self.agent));
        self.caller().send(request.header("content-type", "multipart/form-data; boundary=edge").body(body)).await
    }

    /// The messages that are there.
    async fn messages(&self) -> BTreeMap<String, String> {
        let listed = self.caller().get(&format!("/api/messaging/channels/{}/messages?limit=1000", self.channel)).await.data(200);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        listed["messages"].as_array().unwrap().iter().map(|message| (text(&message["id"]), text(&message["content"]))).collect()
    }

    /// Cuts the power and starts again.
    async fn cut(&mut self, keep: Keep, dice: &mut Dice) {
        self.server.take().unwrap().kill();
        self.disk.cut(keep, dice);
        self.start().await;
    }

    /// Everything that writes is refused, in the envelope and with a code that says to come again; everything that reads goes on.
    async fn suffers(&mut self, fault: u32) {
        self.disk.fail(fault, 0);
        let end = Instant::now() + RECOVERY;
        // What is written over needs no room: a log has some for a while.
        while self.post().await.status == 201 {
            assert!(Instant::now() < end, "the fault is not met");
        }
        for _ in 0..3 {
            let refused = self.post().await;
            if refused.status != 201 {
                assert!(refused.header("retry-after").is_some(), "{refused:?}");
                refused.error(503, "UNAVAILABLE");
            }
        }
        self.upload(&vec![b'x'; 300_000]).await.error(503, "UNAVAILABLE");
        let made = Request::post("/api/agents", &json!({"characterJson": {"name": "s", "bio": "b", "system": "x".repeat(60_000)}}));
        self.caller().send(made.header("idempotency-key", "k")).await.error(503, "UNAVAILABLE");
        self.caller().post("/api/secrets/rotate", &json!({})).await.error(503, "UNAVAILABLE");
        assert!(!self.disk.root().join("secret.key.partial").exists());
        let known = self.messages().await;
        assert!(self.book.settled().keys().all(|id| known.contains_key(id)), "what was acknowledged is read meanwhile");
        self.caller().get("/api/agents").await.data(200);
        assert_eq!(self.caller().get("/api/server/ping").await.status, 200);
        assert!(self.disk.met() > 0);
        self.disk.fail(0, 0);
    }

    /// Everything works again, without a restart.
    async fn recovers(&mut self) {
        let end = Instant::now() + RECOVERY;
        while self.post().await.status != 201 {
            assert!(Instant::now() < end, "the server does not recover");
            sleep(Duration::from_millis(50)).await;
        }
        let file = self.upload(b"some words").await.data(200);
        assert_eq!(self.caller().get(file["url"].as_str().unwrap()).await.body, b"some words");
        assert_eq!(self.caller().post("/api/secrets/rotate", &json!({})).await.data(200)["newKey"], true);
        let body = json!({"author_id": ANN, "content": "ping", "message_server_id": DEFAULT, "metadata": {"isDm": true, "targetUserId": self.agent}, "transport": "http"});
        let answer = self.caller().post(&format!("/api/messaging/channels/{}/messages", string_to_uuid("dm")), &body).await;
        assert_eq!((answer.status, &answer.json()["agentResponse"]["text"]), (201, &json!("pong")), "{answer}");
    }

    fn is_kept(&self, found: &BTreeMap<String, String>) {
        let lost: Vec<_> = self.book.settled().into_keys().filter(|id| !found.contains_key(id)).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged messages are lost", lost.len(), self.book.settled().len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_is_told_and_costs_nothing_that_was_acknowledged() {
    for (fault, seed) in [(control::FULL, 1), (control::READ_ONLY, 2), (control::SYNC_FAILS, 3)] {
        let (mut house, mut dice) = (House::new().await, Dice::new(seed));
        for _ in 0..5 {
            assert_eq!(house.post().await.status, 201);
        }
        for keep in [Keep::Nothing, Keep::Some] {
            house.suffers(fault).await;
            house.recovers().await;
            house.is_kept(&house.messages().await);
            house.suffers(fault).await;
            house.recovers().await;
            house.cut(keep, &mut dice).await;
            house.is_kept(&house.messages().await);
            house.recovers().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_on_a_full_disk_and_takes_up_what_was_under_way_as_soon_as_there_is_room() {
    let gate = Gate::closed();
    let held = gate.clone();
    let model = ScriptedModel::answering(move |_| Reply::Held { pieces: vec!["pong".to_owned()], gate: held.clone() }).await.unwrap();
    let mut house = House::with(model).await;
    let body =
        json!({"author_id": ANN, "content": "ping", "message_server_id": DEFAULT, "metadata": {"isDm": true, "targetUserId": house.agent}});
    let path = format!("/api/messaging/channels/{}/messages", string_to_uuid("dm"));
    house.caller().post(&path, &body).await.data(201);
    house.model.requests_seen(1).await;
    house.server.take().unwrap().kill();
    house.disk.fail(control::FULL, START);
    house.start().await;
    let listed = house.caller().get(&path).await.data(200);
    assert_eq!(listed["messages"].as_array().map(Vec::len), Some(1), "what is there is read meanwhile: {listed}");
    assert!(house.disk.met() > 0, "the disk was not full enough");
    house.disk.fail(0, 0);
    gate.open();
    let end = Instant::now() + RECOVERY;
    loop {
        let listed = house.caller().get(&path).await.data(200);
        if listed["messages"].as_array().unwrap().iter().any(|message| message["content"] == "pong") {
            break;
        }
        assert!(Instant::now() < end, "what was under way is not taken up: {listed}");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(house.post().await.status, 201);
}

/// The suite can see a loss: a disk that says that it has synced, and has not, loses what was acknowledged; one that does not lie
/// loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_lies_loses_what_was_acknowledged_and_the_suite_sees_it() {
    for (fault, loses) in [(0, false), (control::SYNC_LIES, true)] {
        let (mut house, mut dice) = (House::new().await, Dice::new(1));
        house.disk.fail(fault, 0);
        for _ in 0..20 {
            assert_eq!(house.post().await.status, 201);
        }
        assert_eq!(house.book.difference(&house.messages().await), None);
        house.disk.fail(0, 0);
        house.cut(Keep::Nothing, &mut dice).await;
        assert_eq!(house.book.difference(&house.messages().await).is_some(), loses, "with faults {fault}");
    }
}

/// The log of the database goes on behind what was written before a sync that failed. Linux takes that for written from then on, so that
/// no later sync puts it on the disk; and without it, nothing behind it is found after a power cut.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_synced_before_a_failed_sync_takes_nothing_with_it_that_was_acknowledged_later() {
    let gate = Gate::closed();
    let held = gate.clone();
    let model = ScriptedModel::answering(move |_| Reply::Held { pieces: vec!["pong".to_owned()], gate: held.clone() }).await.unwrap();
    let (mut house, mut dice) = (House::with(model).await, Dice::new(1));
    // That the agent has begun with a message is written and not synced.
    let body =
        json!({"author_id": ANN, "content": "ping", "message_server_id": DEFAULT, "metadata": {"isDm": true, "targetUserId": house.agent}});
    let path = format!("/api/messaging/channels/{}/messages", string_to_uuid("dm"));
    house.caller().post(&path, &body).await.data(201);
    house.model.requests_seen(1).await;
    house.disk.fail(control::SYNC_FAILS, 0);
    house.post().await.error(503, "UNAVAILABLE");
    house.disk.fail(0, 0);
    for _ in 0..5 {
        assert_eq!(house.post().await.status, 201);
    }
    gate.open();
    house.cut(Keep::Nothing, &mut dice).await;
    house.is_kept(&house.messages().await);
}
