//! Starting and stopping agents, and what they log.

use serde_json::{Value, json};
use testkit::caller::Request;

use crate::support::{
    ANN, DEFAULT, NOTHING, create_agent, create_channel, dm, exchange, messages_of, open, post, refused, saying, says, snapshot, speaking,
    text, texts, watch, world,
};

#[tokio::test]
async fn ann_starts_stops_and_restarts_an_agent() {
    let (server, ann) = open().await;
    let id = create_agent(&ann, "Alice").await;
    server.record().name(&id, "alice");
    let at = |verb: &str| format!("/api/agents/{id}/{verb}");
    let status = async || text(&ann.get(&format!("/api/agents/{id}")).await.data(200)["status"]);
    let none = json!({});

    refused(&ann, [(Request::new("POST", &at("stop")), 404, "AGENT_NOT_FOUND")]).await;
    snapshot!("agent_started", ann.post(&at("start"), &none).await);
    assert_eq!(status().await, "active");
    let before = world(&ann).await;
    assert_eq!(ann.send(Request::new("POST", &at("start"))).await.data(200)["status"], "active");
    assert_eq!(world(&ann).await, before, "a second start changes nothing");
    snapshot!("agent_restarted", ann.post(&at("restart"), &none).await);
    assert_eq!(status().await, "active");
    snapshot!("agent_stopped", ann.post(&at("stop"), &none).await);
    assert_eq!(status().await, "inactive");
    refused(&ann, [(Request::post(&at("stop"), &none), 404, "AGENT_NOT_FOUND")]).await;
    assert_eq!(ann.post(&at("restart"), &none).await.data(200)["status"], "active");
    assert_eq!(status().await, "active");
}

#[tokio::test]
async fn a_running_agent_goes_on_running_when_it_is_changed_and_speaks_by_its_new_character() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    exchange(&ann, &channel, "one", "http").await.data(201);
    let changed = ann.patch(&format!("/api/agents/{agent}"), &json!({"system": "Speak like a pirate."})).await.data(200);
    assert_eq!(changed["status"], "active");
    exchange(&ann, &channel, "two", "http").await.data(201);
    let asked = model.requests();
    let system = |index: usize| text(&asked[index].body["messages"][0]["content"]);
    assert!(!system(0).contains("pirate") && system(1).contains("pirate"), "{asked:?}");
}

#[tokio::test]
async fn a_stopped_agent_answers_after_its_next_start() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    ann.post(&format!("/api/agents/{agent}/stop"), &json!({})).await.data(200);
    let answer = ann.post(&messages_of(&channel), &says("anybody?")).await;
    assert!(text(&answer.json()["warnings"][0]).contains("nobody"), "{answer}");
    ann.post(&format!("/api/agents/{agent}/start"), &json!({})).await.data(200);
    let mut events = watch(&ann, &channel).await;
    post(&ann, &channel, "hello").await;
    events.until("message_complete").await;
    assert_eq!(texts(&ann, &channel).await, ["anybody?", "hello", "pong"], "who was not there did not hear it");
}

#[tokio::test]
async fn nobody_logs_for_an_agent_that_never_ran() {
    let (_server, ann) = open().await;
    let id = create_agent(&ann, "Quiet").await;
    assert_eq!(ann.get(&format!("/api/agents/{id}/logs")).await.data(200), json!([]));
}

#[tokio::test]
async fn the_log_shows_what_an_agent_did_and_can_be_filtered() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    exchange(&ann, &channel, "ping", "http").await.data(201);
    let logs = async |query: &str| {
        let data = ann.get(&format!("/api/agents/{agent}/logs{query}")).await.data(200);
        data.as_array().cloned().unwrap_or_else(|| panic!("{query}: {data}"))
    };
    let kinds = |lines: &[Value]| lines.iter().map(|line| text(&line["type"])).collect::<Vec<_>>();

    let all = logs("").await;
    snapshot!("agent_logs", ann.get(&format!("/api/agents/{agent}/logs?level=info&limit=100")).await);
    assert_eq!(kinds(&all), ["run_event", "useModel:TEXT_LARGE", "run_event"], "newest first");
    for key in ["id", "type", "createdAt", "roomId", "entityId", "body"] {
        assert!(all.iter().all(|line| !line[key].is_null()), "{key}");
    }
    let (newest, oldest) = (text(&all[0]["createdAt"]), text(&all[2]["createdAt"]));
    let room = text(&all[0]["roomId"]);
    for (query, count) in [
        ("?limit=1".to_owned(), 1),
        ("?count=2".to_owned(), 2),
        ("?limit=0".to_owned(), 0),
        ("?limit=99999999999".to_owned(), 3),
        ("?limit=".to_owned(), 3),
        ("?limit=1&limit=3".to_owned(), 1),
        ("?offset=2".to_owned(), 1),
        ("?offset=9".to_owned(), 0),
        ("?level=debug".to_owned(), 3),
        ("?level=INFO".to_owned(), 2),
        ("?level=error".to_owned(), 0),
        ("?type=run_event".to_owned(), 2),
        ("?type=no-such-type".to_owned(), 0),
        ("?excludeTypes=run_event".to_owned(), 1),
        ("?excludeTypes=run_event&excludeTypes=useModel:TEXT_LARGE".to_owned(), 0),
        (format!("?since={oldest}"), 3),
        ("?since=9999-12-31".to_owned(), 0),
        (format!("?until={newest}"), 3),
        ("?until=1000".to_owned(), 0),
        (format!("?roomId={room}"), 3),
        (format!("?roomId={}", room.to_uppercase()), 3),
        (format!("?roomId={NOTHING}"), 0),
        (format!("?roomId={DEFAULT}&nonsense=1&nonsense=2"), 0),
        ("?nonsense".to_owned(), 3),
    ] {
        assert_eq!(logs(&query).await.len(), count, "{query}");
    }
    let bad = |query: &str, code| (Request::get(&format!("/api/agents/{agent}/logs?{query}")), 400, code);
    let cases = [
        bad("roomId=zz", "INVALID_ID"),
        bad("level=loud", "BAD_REQUEST"),
        bad("limit=-1", "BAD_REQUEST"),
        bad("limit=ten", "BAD_REQUEST"),
        bad("limit=1.5", "BAD_REQUEST"),
        bad("offset=-1", "BAD_REQUEST"),
        bad("since=yesterday", "BAD_REQUEST"),
        bad("until=-5", "BAD_REQUEST"),
    ];
    refused(&ann, cases).await;
}

#[tokio::test]
async fn a_deleted_agent_leaves_its_channels_and_its_words() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    exchange(&ann, &channel, "ping", "http").await.data(201);
    ann.delete(&format!("/api/agents/{agent}")).await.empty(204);
    assert_eq!(texts(&ann, &channel).await, ["ping", "pong"]);
    let participants = ann.get(&format!("/api/messaging/channels/{channel}/participants")).await.data(200);
    assert_eq!(participants, json!([ANN]));
    exchange(&ann, &channel, "still there?", "http").await.error(400, "NO_AGENT");
}

#[tokio::test]
async fn five_starts_at_once_make_one_agent_that_answers_once() {
    let model = saying("pong").await;
    let (_server, ann) = speaking(&model).await;
    let agent = create_agent(&ann, "Once").await;
    let path = format!("/api/agents/{agent}/start");
    let started = futures_util::future::join_all((0..5).map(|_| ann.send(Request::new("POST", &path)))).await;
    assert!(started.iter().all(|answer| answer.status == 200));
    let channel = create_channel(&ann, "DM", &[ANN, &agent]).await;
    exchange(&ann, &channel, "ping", "http").await.data(201);
    assert_eq!((texts(&ann, &channel).await, model.requests().len()), (vec!["ping".to_owned(), "pong".to_owned()], 1));
}
