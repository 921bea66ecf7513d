//! Posting a message and waiting for its reply, in the answer (`http`) or as a stream (`sse`).

use serde_json::{Value, json};
use testkit::caller::{Events, Request};
use testkit::gate::Gate;
use testkit::house::PATIENCE;
use testkit::scripted::{Reply, ScriptedModel};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use crate::support::{
    ANN, BEN, NOTHING, asked, create_channel, dm, exchange, messages, messages_of, names, post, refused, running_agent, saying, says,
    snapshot, speaking, speaking_with, stream, text, texts, watch, with_field,
};

/// A model whose every piece waits at the gate.
async fn held(gate: &Gate) -> ScriptedModel {
    let gate = gate.clone();
    ScriptedModel::answering(move |_| Reply::Held { pieces: vec!["po".to_owned(), "ng".to_owned()], gate: gate.clone() }).await.unwrap()
}

fn is_decision(request: &Value) -> bool {
    request["tools"].to_string().contains("\"RESPOND\"")
}

#[tokio::test]
async fn ann_gets_the_reply_in_the_answer() {
    let model = saying("pong for Ann").await;
    let (server, ann) = speaking(&model).await;
    let (alice, channel) = dm(&server, &ann).await;
    let answer = exchange(&ann, &channel, "ping", "http").await;
    snapshot!("exchange_by_http", answer);
    snapshot!("exchange_listed", ann.get(&messages_of(&channel)).await);
    let stored = messages(&ann, &channel).await;
    assert_eq!((&stored[1]["authorId"], &stored[1]["inReplyToRootMessageId"]), (&json!(alice), &stored[0]["id"]));
    assert_eq!(stored[1]["id"], answer.json()["agentResponse"]["messageId"], "the reply's id is the message's");
}

#[tokio::test]
async fn ann_reads_the_reply_while_it_is_made() {
    let model = saying("pong for Ann").await;
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    let events = stream(&ann, &channel, "ping").await;
    for (name, value) in [("content-type", "text/event-stream"), ("cache-control", "no-cache"), ("x-accel-buffering", "no")] {
        assert_eq!(events.header(name), Some(value));
    }
    let all = events.all().await;
    snapshot!("exchange_by_sse", Events::shown(server.record(), &all));
    let pieces: String = all.iter().filter(|event| event.name == "chunk").map(|event| text(&event.data["chunk"])).collect();
    assert_eq!((pieces.as_str(), &all.last().unwrap().data["text"]), ("pong for Ann", &json!("pong for Ann")));
    let id = &messages(&ann, &channel).await[1]["id"];
    assert!(all[1..].iter().all(|event| event.data["messageId"] == *id), "pieces and reply have the message's id");
}

#[tokio::test]
async fn the_older_names_of_the_transports_do_the_same() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    for (key, name) in [("transport", "sync"), ("mode", "sync"), ("mode", "http")] {
        let answer = ann.post(&messages_of(&channel), &with_field(says("ping"), key, json!(name))).await;
        assert_eq!(answer.json()["agentResponse"]["text"], "pong", "{key} {name}");
    }
    for (key, name) in [("transport", "stream"), ("mode", "stream"), ("mode", "sse")] {
        let request = Request::post(&messages_of(&channel), &with_field(says("ping"), key, json!(name)));
        assert_eq!(names(&ann.events(request).await.all().await), ["user_message", "chunk", "done"], "{key} {name}");
    }
}

#[tokio::test]
async fn a_plain_post_is_answered_at_once_and_the_agent_speaks_later() {
    let gate = Gate::closed();
    let model = held(&gate).await;
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    let mut events = watch(&ann, &channel).await;
    let answer = ann.post(&messages_of(&channel), &says("ping")).await;
    assert!(answer.json().get("agentResponse").is_none() && answer.json().get("warnings").is_none(), "{answer}");
    assert_eq!(texts(&ann, &channel).await, ["ping"]);
    gate.open();
    events.until("message_complete").await;
    assert_eq!(texts(&ann, &channel).await, ["ping", "pong"]);
}

#[tokio::test]
async fn a_reply_cannot_be_waited_for_where_nobody_listens() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (agent, dm) = dm(&server, &ann).await;
    let empty = create_channel(&ann, "GROUP", &[ANN]).await;
    ann.post(&format!("/api/agents/{agent}/stop"), &json!({})).await.data(200);
    let unknown = "00000000-0000-4000-8000-00000000c0de";
    let mut cases = Vec::new();
    for channel in [dm.as_str(), empty.as_str(), unknown] {
        for transport in ["http", "sse"] {
            let body = with_field(says("anybody?"), "transport", json!(transport));
            cases.push((Request::post(&messages_of(channel), &body), 400, "NO_AGENT"));
        }
    }
    refused(&ann, cases).await;
    ann.get(&format!("/api/messaging/channels/{unknown}")).await.error(404, "CHANNEL_NOT_FOUND");
    snapshot!("nobody_listens", exchange(&ann, &empty, "anybody?", "http").await);
    snapshot!("post_where_nobody_listens", ann.post(&messages_of(&empty), &says("anybody?")).await);
}

#[tokio::test]
async fn in_a_group_the_named_agent_answers_and_else_the_first() {
    let model = ScriptedModel::answering(|request| {
        let name = if request["messages"][0]["content"].to_string().contains("Bert") { "Bert" } else { "Ada" };
        if is_decision(request) { Reply::text("IGNORE") } else { Reply::text(name) }
    });
    let model = model.await.unwrap();
    let (_server, ann) = speaking(&model).await;
    let (ada, bert) = (running_agent(&ann, "Ada").await, running_agent(&ann, "Bert").await);
    let channel = create_channel(&ann, "GROUP", &[ANN, &ada, &bert]).await;
    for (target, expected) in [(json!({}), "Ada"), (json!({"targetAgentId": bert}), "Bert"), (json!({"targetAgentId": ANN}), "Ada")] {
        let body = with_field(with_field(says("who is there?"), "transport", json!("http")), "metadata", target.clone());
        let answer = ann.post(&messages_of(&channel), &body).await;
        assert_eq!(answer.json()["agentResponse"]["text"], expected, "{target}");
    }
}

#[tokio::test]
async fn an_agent_that_chooses_silence_is_an_answer() {
    let model = ScriptedModel::answering(|_| Reply::tool_call("IGNORE", json!({}))).await.unwrap();
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    let answer = exchange(&ann, &channel, "ping", "http").await;
    assert_eq!(answer.data(201)["agentResponse"], json!({"actions": ["IGNORE"], "inReplyTo": answer.json()["userMessage"]["id"]}));
    let events = stream(&ann, &channel, "ping").await.all().await;
    snapshot!("silence_by_sse", Events::shown(server.record(), &events));
    assert_eq!(texts(&ann, &channel).await, ["ping", "ping"]);
}

#[tokio::test]
async fn a_newer_message_makes_an_unanswered_one_moot() {
    let gate = Gate::closed();
    let model = held(&gate).await;
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    let (older, newer) = {
        let older = exchange(&ann, &channel, "wait", "http");
        let newer = async {
            asked(&model, 1).await;
            let newer = stream(&ann, &channel, "I mean: ping").await;
            asked(&model, 2).await;
            gate.open();
            newer.all().await
        };
        tokio::join!(older, newer)
    };
    let newer_id = &newer[0].data["id"];
    assert_eq!(older.data(201)["agentResponse"]["supersededBy"], *newer_id, "{older}");
    assert_eq!(newer.last().unwrap().data["text"], "pong");
    assert_eq!(texts(&ann, &channel).await, ["wait", "I mean: ping", "pong"]);
    let context = model.requests().last().unwrap().body["messages"].to_string();
    assert!(context.contains("wait") && context.contains("I mean: ping"), "the newer one's context includes the older: {context}");
}

#[tokio::test]
async fn a_reply_that_takes_too_long_is_told_and_comes_all_the_same() {
    let gate = Gate::closed();
    let model = held(&gate).await;
    let (server, ann) = speaking_with(&model, &[("REPLY_WAIT_SECONDS", "1")]).await;
    let (_, channel) = dm(&server, &ann).await;
    let (answer, events) = {
        let other = create_channel(&ann, "DM", &[ANN, &text(&ann.get("/api/agents").await.data(200)["agents"][0]["id"])]).await;
        let streamed = async { stream(&ann, &other, "ping").await.all().await };
        tokio::join!(exchange(&ann, &channel, "ping", "http"), streamed)
    };
    snapshot!("reply_too_late_by_http", answer);
    snapshot!("reply_too_late_by_sse", Events::shown(server.record(), &events));
    assert_eq!(texts(&ann, &channel).await, ["ping"]);
    let mut events = watch(&ann, &channel).await;
    gate.open();
    events.until("message_complete").await;
    assert_eq!(texts(&ann, &channel).await, ["ping", "pong"]);
}

#[tokio::test]
async fn whoever_would_wait_beside_too_many_others_is_told_to_come_back() {
    let gate = Gate::closed();
    let model = held(&gate).await;
    let (server, ann) = speaking_with(&model, &[("MAX_WAITING_REPLIES", "1")]).await;
    let (alice, channel) = dm(&server, &ann).await;
    let other = create_channel(&ann, "DM", &[ANN, &alice]).await;
    let waiting = stream(&ann, &channel, "ping").await;
    for transport in ["http", "sse"] {
        let answer = exchange(&ann, &other, "me too", transport).await;
        answer.error(503, "OVERLOADED");
        assert!(answer.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok_and(|wait| wait > 0)), "{answer}");
    }
    assert_eq!(texts(&ann, &other).await, [""; 0], "nothing was stored");
    post(&ann, &other, "without waiting").await;
    gate.open();
    assert_eq!(names(&waiting.all().await).last(), Some(&"done"));
    let answer = exchange(&ann, &channel, "now?", "http").await;
    assert_eq!(answer.json()["agentResponse"]["text"], "pong", "{answer}");
}

#[tokio::test]
async fn whoever_hangs_up_waits_no_more() {
    let gate = Gate::closed();
    let model = held(&gate).await;
    let (server, ann) = speaking_with(&model, &[("MAX_WAITING_REPLIES", "1")]).await;
    let (alice, channel) = dm(&server, &ann).await;
    let other = create_channel(&ann, "DM", &[ANN, &alice]).await;
    let body = json!({"author_id": ANN, "content": "ping", "transport": "http"}).to_string();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        messages_of(&channel),
        body.len()
    );
    let mut connection = TcpStream::connect(server.address()).await.unwrap();
    connection.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    asked(&model, 1).await;
    exchange(&ann, &other, "me too", "http").await.error(503, "OVERLOADED");
    drop(connection);
    // Whoever has the place is not answered as long as the gate is closed.
    let again = || Request::post(&messages_of(&other), &with_field(says("still there?"), "transport", json!("http")));
    let free = async { while ann.attempt(again(), Duration::from_secs(2)).await.is_ok_and(|answer| answer.status == 503) {} };
    timeout(PATIENCE, free).await.expect("the place of somebody who is gone is free");
    gate.open();
}

#[tokio::test]
async fn when_too_much_waits_for_an_agent_whoever_comes_is_told_the_place_and_the_time() {
    let gate = Gate::closed();
    let model = held(&gate).await;
    let (server, ann) = speaking_with(&model, &[("MAX_WAITING_MESSAGES", "3")]).await;
    let (_, channel) = dm(&server, &ann).await;
    let path = format!("/api/messaging/central-channels/{channel}/messages");
    // Of different people: a newer message of the same person takes the place of the one before.
    for (author, text) in [(ANN, "one"), (BEN, "two"), (NOTHING, "three")] {
        ann.post(&path, &json!({"author_id": author, "content": text})).await.data(201);
    }
    let body = json!({"author_id": ANN, "content": "four"});
    let answer = ann.post(&path, &body).await;
    answer.error(503, "OVERLOADED");
    assert_eq!(answer.json()["error"]["details"]["place"], 4, "{answer}");
    assert!(answer.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok_and(|wait| wait > 0)), "{answer}");
    assert_eq!(texts(&ann, &channel).await.len(), 3, "nothing was stored");
    gate.open();
    while ann.post(&path, &body).await.status == 503 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(texts(&ann, &channel).await.contains(&"four".to_owned()));
}

#[tokio::test]
async fn a_reader_that_leaves_cancels_nothing() {
    let gate = Gate::closed();
    let model = held(&gate).await;
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    let mut events = watch(&ann, &channel).await;
    let mut reading = stream(&ann, &channel, "ping").await;
    assert_eq!(reading.next().await.unwrap().name, "user_message");
    asked(&model, 1).await;
    gate.let_through(1);
    assert_eq!(reading.next().await.unwrap().name, "chunk");
    drop(reading);
    gate.open();
    events.until("message_complete").await;
    assert_eq!(texts(&ann, &channel).await, ["ping", "pong"]);
}

#[tokio::test]
async fn deleting_the_message_ends_the_wait() {
    let gate = Gate::closed();
    let model = held(&gate).await;
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    let remove = async {
        asked(&model, 1).await;
        let posted = messages(&ann, &channel).await;
        ann.delete(&format!("{}/{}", messages_of(&channel), text(&posted[0]["id"]))).await.empty(204);
    };
    let (answer, ()) = tokio::join!(exchange(&ann, &channel, "ping", "http"), remove);
    assert_eq!(answer.error(409, "REPLY_CANCELLED"), "The agent, the message or the channel was deleted");
    assert_eq!(answer.json()["userMessage"]["content"], "ping");
    assert_eq!(texts(&ann, &channel).await, [""; 0]);
}

#[tokio::test]
async fn deleting_the_channel_or_the_agent_ends_the_wait() {
    let gate = Gate::closed();
    let model = held(&gate).await;
    let (server, ann) = speaking(&model).await;
    let (alice, channel) = dm(&server, &ann).await;
    let other = create_channel(&ann, "DM", &[ANN, &alice]).await;
    let remove = async {
        asked(&model, 1).await;
        ann.delete(&format!("/api/messaging/channels/{channel}")).await.empty(204);
    };
    let (answer, ()) = tokio::join!(exchange(&ann, &channel, "ping", "http"), remove);
    snapshot!("channel_deleted_while_waiting", answer);
    let mut reading = stream(&ann, &other, "ping").await;
    asked(&model, 2).await;
    ann.delete(&format!("/api/agents/{alice}")).await.empty(204);
    let end = reading.until("error").await;
    assert_eq!((&end.data["type"], &end.data["code"], reading.next().await), (&json!("error"), &json!("REPLY_CANCELLED"), None));
}

#[tokio::test]
async fn whoever_waits_is_told_when_the_server_stops_and_finds_the_reply_after_the_start() {
    let gate = Gate::closed();
    let model = held(&gate).await;
    let (mut server, ann) = speaking(&model).await;
    let (alice, channel) = dm(&server, &ann).await;
    let other = create_channel(&ann, "DM", &[ANN, &alice]).await;
    let reading = stream(&ann, &other, "ping").await;
    let stop = async {
        asked(&model, 2).await;
        // The stop waits for the runs under way, so they must be let go on.
        let opened = async {
            gate.open();
        };
        tokio::join!(server.stop(), opened);
    };
    let (answer, ()) = tokio::join!(exchange(&ann, &channel, "ping", "http"), stop);
    let told = answer.status == 201 || answer.status == 503 && answer.json()["error"]["code"] == "UNAVAILABLE";
    assert!(told, "{answer}");
    assert_eq!(answer.json()["userMessage"]["content"], "ping");
    let last = reading.all().await.pop().unwrap();
    assert!(["done", "error"].contains(&last.name.as_str()), "{last:?}");
    server.begin().await;
    let ann = server.caller();
    for channel in [&channel, &other] {
        let mut events = watch(&ann, channel).await;
        events.until("message_complete").await;
        assert_eq!(texts(&ann, channel).await, ["ping", "pong"]);
    }
}
