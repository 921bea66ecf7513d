//! Sessions: who opens them, what is said in them, and how they end.

use serde_json::{Value, json};
use testkit::caller::{Caller, Events, Request};
use testkit::server::TestServer;

use crate::support::{
    ANN, BEN, NOTHING, create_agent, names, open, refused, running_agent, saying, snapshot, speaking, text, texts, with, with_field,
};

const SESSIONS: &str = "/api/messaging/sessions";

/// A session of Ann's with an agent.
async fn session(server: &TestServer, ann: &Caller, agent: &str) -> (String, String) {
    let answer = ann.post(SESSIONS, &json!({"agentId": agent, "userId": ANN, "metadata": {"platform": "web"}})).await;
    let (session, channel) = (text(&answer.json()["sessionId"]), text(&answer.json()["channelId"]));
    server.record().name(&session, "session");
    server.record().name(&channel, "channel");
    server.record().name(agent, "alice");
    (format!("{SESSIONS}/{session}"), channel)
}

fn says(content: &str, transport: &str) -> Value {
    json!({"content": content, "transport": transport})
}

#[tokio::test]
async fn ann_opens_a_session_speaks_in_it_and_closes_it() {
    let model = saying("pong for Ann").await;
    let (server, ann) = speaking(&model).await;
    let agent = running_agent(&ann, "Alice").await;
    let (session, channel) = session(&server, &ann, &agent).await;
    snapshot!("session_shown", ann.get(&session).await);
    snapshot!("session_message_by_http", ann.post(&format!("{session}/messages"), &says("ping", "http")).await);
    snapshot!("session_messages", ann.get(&format!("{session}/messages")).await);
    assert_eq!(texts(&ann, &channel).await, ["ping", "pong for Ann"]);
    let participants = ann.get(&format!("/api/messaging/channels/{channel}/participants")).await.data(200);
    assert_eq!(participants, json!([agent]));

    let changed = ann.patch(&format!("{session}/timeout"), &json!({"timeoutMinutes": "60", "autoRenew": false})).await;
    snapshot!("session_limited", changed);
    for (what, renewals) in [("heartbeat", 1), ("renew", 2)] {
        let answer = ann.send(Request::new("POST", &format!("{session}/{what}"))).await;
        assert_eq!((answer.status, &answer.json()["renewalCount"]), (200, &json!(renewals)), "{what}: {answer}");
    }
    let listed = ann.get(SESSIONS).await;
    assert_eq!(listed.json()["stats"], json!({"totalSessions": 1, "activeSessions": 1, "expiredSessions": 0}));
    assert_eq!((&listed.json()["total"], listed.header("x-total-count")), (&json!(1), Some("1")));
    snapshot!("session_closed", ann.delete(&session).await);
    snapshot!("session_not_found", ann.get(&session).await);
    assert_eq!(texts(&ann, &channel).await, ["ping", "pong for Ann"], "the channel stays");
}

#[tokio::test]
async fn ann_reads_the_reply_in_a_session_while_it_is_made() {
    let model = saying("pong for Ann").await;
    let (server, ann) = speaking(&model).await;
    let agent = running_agent(&ann, "Alice").await;
    let (session, channel) = session(&server, &ann, &agent).await;
    let all = ann.events(Request::post(&format!("{session}/messages"), &says("ping", "sse"))).await.all().await;
    assert_eq!(names(&all).first(), Some(&"user_message"));
    assert_eq!(names(&all).iter().filter(|name| ["done", "error"].contains(name)).count(), 1);
    assert_eq!(all.last().unwrap().data["text"], "pong for Ann");
    assert!(!Events::shown(server.record(), &all).is_empty());
    assert_eq!(texts(&ann, &channel).await, ["ping", "pong for Ann"]);
    assert_eq!(ann.get(&session).await.json()["renewalCount"], 1);
}

#[tokio::test]
async fn a_plain_message_in_a_session_is_answered_at_once_and_once_for_each_key() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let agent = running_agent(&ann, "Alice").await;
    let (session, channel) = session(&server, &ann, &agent).await;
    let post = |content: &str| Request::post(&format!("{session}/messages"), &json!({"content": content})).header("idempotency-key", "k");
    let first = ann.send(post("ping")).await;
    assert_eq!((first.status, &first.json()["sessionStatus"]["wasRenewed"], first.json().get("agentResponse")), (201, &json!(true), None));
    let again = ann.send(post("ping")).await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(again.json()["userMessage"], first.json()["userMessage"]);
    assert_eq!((&again.json()["sessionStatus"]["renewalCount"], &again.json()["sessionStatus"]["wasRenewed"]), (&json!(1), &json!(false)));
    ann.send(post("pong?")).await.error(409, "CONFLICT");
    ann.events(Request::get(&format!("/api/messaging/channels/{channel}/events?after=0"))).await.until("message_complete").await;
    assert_eq!(texts(&ann, &channel).await, ["ping", "pong"]);
}

#[tokio::test]
async fn a_session_survives_a_restart() {
    let model = saying("pong").await;
    let (mut server, ann) = speaking(&model).await;
    let agent = running_agent(&ann, "Alice").await;
    let (session, _) = session(&server, &ann, &agent).await;
    ann.post(&format!("{session}/messages"), &says("before", "http")).await.data(201);
    let before = ann.get(&session).await.json();
    server.restart().await;
    let ann = server.caller();
    let after = ann.get(&session).await.json();
    let remaining = |shown: &Value| shown["timeRemaining"].as_i64().unwrap();
    assert!(remaining(&after) <= remaining(&before));
    assert_eq!(with_field(after, "timeRemaining", json!(0)), with_field(before, "timeRemaining", json!(0)));
    let posted = ann.post(&format!("{session}/messages"), &says("after", "http")).await.data(201);
    assert_eq!((&posted["agentResponse"]["text"], &posted["sessionStatus"]["renewalCount"]), (&json!("pong"), &json!(2)));
    let said = ann.get(&format!("{session}/messages?limit=3")).await.json();
    let contents: Vec<_> = said["messages"].as_array().unwrap().iter().map(|message| text(&message["content"])).collect();
    assert_eq!((contents.as_slice(), &said["hasMore"]), (["pong", "after", "pong"].map(str::to_owned).as_slice(), &json!(true)));
}

#[tokio::test]
async fn the_settings_of_the_server_say_how_long_sessions_last() {
    let settings = [
        ("SESSION_DEFAULT_TIMEOUT_MINUTES", "7"),
        ("SESSION_MIN_TIMEOUT_MINUTES", "2"),
        ("SESSION_MAX_TIMEOUT_MINUTES", "9"),
        ("SESSION_MAX_DURATION_MINUTES", "8"),
        ("SESSION_WARNING_THRESHOLD_MINUTES", "7"),
    ];
    let (_server, ann) = with(&settings).await;
    let agent = running_agent(&ann, "Alice").await;
    for (given, expected) in [(json!({}), 7), (json!({"timeoutMinutes": 1}), 2), (json!({"timeoutMinutes": 1_000}), 9)] {
        let body = json!({"agentId": agent, "userId": BEN, "timeoutConfig": given});
        let opened = ann.post(SESSIONS, &body).await.json();
        let times = &opened["timeoutConfig"];
        assert_eq!((&times["timeoutMinutes"], &times["maxDurationMinutes"]), (&json!(expected), &json!(8)), "{given}");
        assert_eq!(opened["isNearExpiration"], expected != 9, "{given}");
    }
    let health = ann.get(&format!("{SESSIONS}/health")).await.json();
    assert_eq!((&health["status"], &health["activeSessions"], &health["expiringSoon"]), (&json!("healthy"), &json!(3), &json!(2)));
    assert!(health["uptime"].as_f64().is_some_and(|uptime| uptime >= 0.0));
    let page = ann.get(&format!("{SESSIONS}?limit=1&offset=1")).await.json();
    assert_eq!((page["sessions"].as_array().unwrap().len(), &page["total"]), (1, &json!(3)));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (server, ann) = open().await;
    let stopped = create_agent(&ann, "Sleepy").await;
    let agent = running_agent(&ann, "Alice").await;
    let (session, _) = session(&server, &ann, &agent).await;
    let opening = |agent: &str, user: &str| json!({"agentId": agent, "userId": user});
    let long = json!({"x": "y".repeat(10_240)});
    let (messages, times) = (format!("{session}/messages"), format!("{session}/timeout"));
    let shown = ann.get(&session).await.json();
    let mut cases = vec![
        (Request::post(SESSIONS, &json!({"agentId": agent})), 400, "VALIDATION_ERROR"),
        (Request::post(SESSIONS, &opening("bad", ANN)), 400, "VALIDATION_ERROR"),
        (Request::post(SESSIONS, &opening(&agent, "bad")), 400, "VALIDATION_ERROR"),
        (Request::post(SESSIONS, &opening(NOTHING, ANN)), 404, "AGENT_NOT_FOUND"),
        (Request::post(SESSIONS, &opening(&stopped, ANN)), 404, "AGENT_NOT_FOUND"),
        (Request::post(SESSIONS, &with_field(opening(&agent, ANN), "metadata", long.clone())), 400, "VALIDATION_ERROR"),
        (Request::post(SESSIONS, &with_field(opening(&agent, ANN), "timeoutConfig", json!("x"))), 400, "VALIDATION_ERROR"),
        (Request::post(&messages, &says("x", "pigeon")), 400, "VALIDATION_ERROR"),
        (Request::post(&messages, &json!({"content": "x".repeat(4_001)})), 400, "VALIDATION_ERROR"),
        (Request::post(&messages, &json!({"content": "x", "metadata": long})), 400, "VALIDATION_ERROR"),
        (Request::post(&messages, &json!({"content": "x", "attachments": ["x"]})), 400, "VALIDATION_ERROR"),
        (Request::get(&format!("{messages}?before=abc")), 400, "VALIDATION_ERROR"),
        (Request::get(&format!("{messages}?after=-1")), 400, "VALIDATION_ERROR"),
        (Request::get(&format!("{SESSIONS}?limit=-1")), 400, "VALIDATION_ERROR"),
        (Request::get(&format!("{SESSIONS}/nope")), 404, "SESSION_NOT_FOUND"),
        (Request::get(&format!("{SESSIONS}/{NOTHING}")), 404, "SESSION_NOT_FOUND"),
        (Request::post(&format!("{SESSIONS}/{NOTHING}/messages"), &says("x", "http")), 404, "SESSION_NOT_FOUND"),
    ];
    for bad in [json!({"timeoutMinutes": 1}), json!({"timeoutMinutes": {}}), json!({"timeoutMinutes": 5.5}), json!({"autoRenew": "maybe"})]
    {
        cases.push((Request::new("PATCH", &times).json(&bad), 400, "VALIDATION_ERROR"));
    }
    let now = ann.get(&session).await.json();
    refused(&ann, cases).await;
    snapshot!("session_times_out_of_bounds", ann.patch(&times, &json!({"timeoutMinutes": 1})).await);
    snapshot!("session_without_anything", ann.post(SESSIONS, &json!({})).await);
    let after = ann.get(&session).await.json();
    for shown in [shown, now] {
        assert_eq!(with_field(after.clone(), "timeRemaining", json!(0)), with_field(shown, "timeRemaining", json!(0)));
    }
    assert_eq!(ann.get(SESSIONS).await.json()["total"], 1);
    let fine = ann.post(&messages, &json!({"content": "x".repeat(4_000), "metadata": {"x": "y".repeat(10_000)}})).await;
    assert_eq!(fine.status, 201, "{fine}");
}

#[tokio::test]
async fn a_session_whose_agent_stopped_keeps_what_is_said_and_says_that_nobody_answers() {
    let (server, ann) = open().await;
    let agent = running_agent(&ann, "Alice").await;
    let (session, channel) = session(&server, &ann, &agent).await;
    ann.post(&format!("/api/agents/{agent}/stop"), &json!({})).await.data(200);
    let kept = ann.post(&format!("{session}/messages"), &json!({"content": "anybody?"})).await;
    assert_eq!((kept.status, kept.json()["warnings"].as_array().unwrap().len()), (201, 1));
    ann.post(&format!("{session}/messages"), &says("anybody?", "http")).await.error(400, "NO_AGENT");
    assert_eq!(texts(&ann, &channel).await, ["anybody?"]);
    ann.delete(&format!("/api/messaging/channels/{channel}")).await.empty(204);
    ann.get(&session).await.error(404, "SESSION_NOT_FOUND");
}
