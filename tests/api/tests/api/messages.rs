//! Messages: the three doors, and reading them again.

use serde_json::{Value, json};
use testkit::caller::{Caller, Request};

use crate::support::{
    ANN, BEN, DEFAULT, NOTHING, create_agent, create_channel, messages, messages_of, open, post, refused, running_agent, says, snapshot,
    text, texts, with_field,
};

const SUBMIT: &str = "/api/messaging/submit";
const INGEST: &str = "/api/messaging/ingest-external";
const COMPLETE: &str = "/api/messaging/complete";

/// The submission of the reference, with a real channel.
fn submission(channel: &str, author: &str) -> Value {
    json!({
        "channel_id": channel, "server_id": DEFAULT, "author_id": author, "content": "Hello, how can you help me?",
        "source_type": "agent_response",
        "raw_message": {"text": "Hello, how can you help me?", "thought": "User is asking for help", "actions": ["respond"]},
        "metadata": {"agentName": "Alice", "attachments": []},
        "in_reply_to_message_id": channel,
    })
}

/// The external message of the reference, with a real channel.
fn external(channel: &str) -> Value {
    json!({
        "channel_id": channel, "server_id": DEFAULT, "author_id": ANN, "content": "Hello from Discord!", "source_type": "discord",
        "source_id": "discord_message_123", "author_display_name": "User123",
        "raw_message": {"id": "discord_message_123", "content": "Hello from Discord!", "timestamp": "2024-01-01T00:00:00.000Z"},
        "metadata": {"platform": "discord", "guild_id": "discord_guild_456"},
    })
}

async fn place() -> (testkit::server::TestServer, Caller, String) {
    let (server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN, BEN]).await;
    server.record().name(&channel, "channel");
    (server, ann, channel)
}

#[tokio::test]
async fn ann_submits_an_agents_message_as_the_reference_shows() {
    let (server, ann, channel) = place().await;
    let alice = create_agent(&ann, "Alice").await;
    server.record().name(&alice, "alice");
    snapshot!("message_submitted", ann.post(SUBMIT, &submission(&channel, &alice)).await);
    snapshot!("messages_listed", ann.get(&messages_of(&channel)).await);
}

#[tokio::test]
async fn ann_ingests_an_external_message_as_the_reference_shows() {
    let (_server, ann, channel) = place().await;
    snapshot!("message_ingested", ann.post(INGEST, &external(&channel)).await);
    snapshot!("ingested_message_listed", ann.get(&messages_of(&channel)).await);
}

#[tokio::test]
async fn ann_completes_a_message_as_the_reference_shows() {
    let (_server, ann, channel) = place().await;
    snapshot!("message_completed", ann.post(COMPLETE, &json!({"channel_id": channel, "server_id": DEFAULT})).await);
    assert_eq!(texts(&ann, &channel).await, [""; 0]);
}

#[tokio::test]
async fn ann_posts_to_a_channel() {
    let (_server, ann, channel) = place().await;
    let body = json!({"author_id": ANN, "content": "yo", "message_server_id": DEFAULT, "metadata": {"user_display_name": "Ann"}});
    snapshot!("message_posted", ann.post(&messages_of(&channel), &body).await);
    let official = ann.with("x-entity-id", BEN).post(&messages_of(&channel), &json!({"content": "from the official client"})).await;
    assert_eq!(official.data(201)["authorId"], BEN);
}

#[tokio::test]
async fn what_is_said_comes_back_as_it_was() {
    let (_server, ann, channel) = place().await;
    let content = "héllo \"wörld\" 🦆 \u{202e}rtl\r\n\t<b>&amp;</b> \\u0041 '; DROP TABLE messages; --";
    let metadata = json!({"z": 1, "a": [1.5, -0.0, 1e300, 18_446_744_073_709_551_615_u64, null, {"": ""}]});
    let body = with_field(with_field(says(content), "metadata", metadata.clone()), "raw_message", json!({"b": 1, "a": [2]}));
    ann.post(&messages_of(&channel), &body).await.data(201);
    let stored = messages(&ann, &channel).await;
    assert_eq!(
        (&stored[0]["content"], &stored[0]["metadata"], &stored[0]["rawMessage"]),
        (&json!(content), &metadata, &body["raw_message"])
    );
    assert_eq!(stored[0]["metadata"].to_string(), metadata.to_string(), "the order of keys is kept too");
}

#[tokio::test]
async fn a_channel_that_does_not_exist_is_created_by_a_post_and_by_no_other_door() {
    let (server, ann, channel) = place().await;
    let alice = running_agent(&ann, "Alice").await;
    server.record().name(&alice, "alice");
    for (path, body) in [(SUBMIT, submission(NOTHING, ANN)), (INGEST, external(NOTHING)), (COMPLETE, external(NOTHING))] {
        refused(&ann, [(Request::post(path, &body), 404, "CHANNEL_NOT_FOUND")]).await;
    }
    let body = with_field(says("hi"), "message_server_id", json!(NOTHING));
    refused(&ann, [(Request::post(&messages_of(NOTHING), &body), 404, "SERVER_NOT_FOUND")]).await;
    let body = with_field(says("hi"), "metadata", json!({"isDm": true, "targetUserId": alice}));
    ann.post(&messages_of(NOTHING), &body).await.data(201);
    snapshot!("channel_created_by_a_post", ann.get(&format!("/api/messaging/channels/{NOTHING}/details")).await);
    let members = ann.get(&format!("/api/messaging/channels/{NOTHING}/participants")).await.data(200);
    assert_eq!(members, json!([ANN, alice]));
    assert_eq!(texts(&ann, &channel).await, [""; 0]);
}

#[tokio::test]
async fn five_first_posts_at_once_create_one_channel() {
    let (_server, ann, _) = place().await;
    let path = messages_of(NOTHING);
    let body = says("first!");
    let answers = futures_util::future::join_all((0..5).map(|_| ann.post(&path, &body))).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    assert_eq!(texts(&ann, NOTHING).await.len(), 5);
}

#[tokio::test]
async fn what_is_no_message_is_refused_at_every_door() {
    let (_server, ann, channel) = place().await;
    post(&ann, &channel, "before").await;
    let mut cases = Vec::new();
    for (path, whole) in
        [(messages_of(&channel), says("hi")), (SUBMIT.into(), submission(&channel, ANN)), (INGEST.into(), external(&channel))]
    {
        for (key, value, code) in [
            ("content", json!(null), "BAD_REQUEST"),
            ("content", json!(""), "BAD_REQUEST"),
            ("content", json!(7), "BAD_REQUEST"),
            ("content", json!({"text": "x"}), "BAD_REQUEST"),
            ("content", json!("x".repeat(100_001)), "BAD_REQUEST"),
            ("author_id", json!("bad"), "INVALID_ID"),
            ("author_id", json!(7), "INVALID_ID"),
            ("author_id", json!(null), "BAD_REQUEST"),
            ("messageId", json!("bad"), "INVALID_ID"),
            ("metadata", json!("x"), "BAD_REQUEST"),
            ("metadata", json!([]), "BAD_REQUEST"),
            ("source_type", json!(7), "BAD_REQUEST"),
            ("source_id", json!("x".repeat(257)), "BAD_REQUEST"),
            ("author_display_name", json!(7), "BAD_REQUEST"),
        ] {
            cases.push((Request::post(&path, &with_field(whole.clone(), key, value)), 400, code));
        }
    }
    for key in ["channel_id", "server_id", "author_id", "content", "source_type", "raw_message"] {
        let mut body = submission(&channel, ANN);
        body.as_object_mut().unwrap().remove(key);
        cases.push((Request::post(SUBMIT, &body), 400, "BAD_REQUEST"));
    }
    for (path, whole) in [(SUBMIT, submission(&channel, ANN)), (INGEST, external(&channel)), (COMPLETE, external(&channel))] {
        for key in ["channel_id", "server_id"] {
            cases.push((Request::post(path, &with_field(whole.clone(), key, json!("bad"))), 400, "INVALID_ID"));
            cases.push((Request::post(path, &with_field(whole.clone(), key, json!(null))), 400, "BAD_REQUEST"));
        }
    }
    cases.push((Request::post(SUBMIT, &with_field(submission(&channel, ANN), "raw_message", json!("text"))), 400, "BAD_REQUEST"));
    cases.push((Request::post(SUBMIT, &with_field(submission(&channel, ANN), "in_reply_to_message_id", json!("bad"))), 400, "INVALID_ID"));
    for transport in [json!("carrier-pigeon"), json!(7), json!("HTTP")] {
        cases.push((Request::post(&messages_of(&channel), &with_field(says("hi"), "transport", transport)), 400, "BAD_REQUEST"));
    }
    refused(&ann, cases).await;
}

#[tokio::test]
async fn an_agent_of_the_server_is_an_author_only_at_submit() {
    let (_server, ann, channel) = place().await;
    let alice = create_agent(&ann, "Alice").await;
    let as_alice = |body: Value| with_field(body, "author_id", json!(alice.to_uppercase()));
    let cases = [
        (Request::post(&messages_of(&channel), &as_alice(says("hi"))), 403, "FORBIDDEN"),
        (Request::post(INGEST, &as_alice(external(&channel))), 403, "FORBIDDEN"),
    ];
    refused(&ann, cases).await;
    assert_eq!(ann.post(SUBMIT, &as_alice(submission(&channel, ANN))).await.data(201)["authorId"], alice);
}

#[tokio::test]
async fn a_page_holds_what_it_is_asked_for() {
    let (_server, ann, channel) = place().await;
    for number in 0..5 {
        post(&ann, &channel, &format!("{number}")).await;
    }
    let all = messages(&ann, &channel).await;
    let page = async |query: &str| {
        let data = ann.get(&format!("{}?{query}", messages_of(&channel))).await.data(200);
        data["messages"].as_array().unwrap().iter().map(|message| text(&message["content"])).collect::<String>()
    };
    let iso = text(&all[3]["createdAt"]);
    let millis = all[3]["created_at"].as_i64().unwrap();
    for (query, expected) in [
        (String::new(), "43210"),
        ("limit=2".to_owned(), "43"),
        ("limit=0".to_owned(), ""),
        ("limit=1&limit=4".to_owned(), "4"),
        ("limit=&before=".to_owned(), "43210"),
        ("limit=5000".to_owned(), "43210"),
        (format!("before={iso}"), "210"),
        (format!("before={millis}"), "210"),
        (format!("limit=2&before={iso}"), "21"),
        (format!("before={iso}&before=0"), "210"),
        ("before=0".to_owned(), ""),
        ("before=9999-12-31".to_owned(), "43210"),
        ("after=3&unknown=x&unknown=y".to_owned(), "43210"),
    ] {
        assert_eq!(page(&query).await, expected, "{query}");
    }
    let bad = ["limit=-1", "limit=abc", "limit=1.5", "before=junk", "before=-5", "limit=2&before=2024-13-01", "limit=%32x", "limit=0x10"];
    let path = messages_of(&channel);
    refused(&ann, bad.map(|query| (Request::get(&format!("{path}?{query}")), 400, "BAD_REQUEST"))).await;
    assert_eq!(page("limit=%32").await, "43", "escapes are read");
}

/// The `apiCall` of the reference: throws the error's message, else gives the data.
async fn api_call(caller: &Caller, path: &str) -> Result<Value, String> {
    let data = caller.get(path).await.json();
    if data["success"] == true { Ok(data["data"].clone()) } else { Err(text(&data["error"]["message"])) }
}

/// The `getAllMessages` of the reference, line by line.
async fn get_all_messages(caller: &Caller, channel: &str, limit: usize) -> Vec<Value> {
    let mut messages = Vec::new();
    let mut before: Option<String> = None;
    loop {
        let before_param = before.map(|before| format!("&before={}", before.replace(':', "%3A"))).unwrap_or_default();
        let response = caller.get(&format!("/api/messaging/central-channels/{channel}/messages?limit={limit}{before_param}")).await;
        let data = response.json();
        let page = data["data"]["messages"].as_array().cloned().unwrap_or_default();
        if data["success"] != true || page.is_empty() {
            return messages;
        }
        before = Some(text(&page[page.len() - 1]["createdAt"]));
        messages.extend(page);
    }
}

#[tokio::test]
async fn the_loops_of_the_reference_work_as_printed() {
    let (_server, ann, channel) = place().await;
    let (path, contents) = (messages_of(&channel), (0..13).map(|number| format!("message {number}")).collect::<Vec<_>>());
    let bodies: Vec<Value> = contents.iter().map(|content| says(content)).collect();
    // All at once, so that many share a millisecond of the clock.
    futures_util::future::join_all(bodies.iter().map(|body| ann.post(&path, body))).await;
    let all = messages(&ann, &channel).await;
    for limit in [1, 2, 3, 12, 13, 14] {
        let mut collected = get_all_messages(&ann, &channel, limit).await;
        collected.reverse();
        assert_eq!(collected, all, "limit {limit}");
    }
    let mut stored: Vec<String> = all.iter().map(|message| text(&message["content"])).collect();
    stored.sort_by_key(|content| contents.iter().position(|known| known == content));
    assert_eq!(stored, contents);
    assert!(all.is_sorted_by(|one, next| one["created_at"].as_i64() < next["created_at"].as_i64()));

    assert_eq!(api_call(&ann, "/api/agents").await, Ok(json!({"agents": []})));
    assert_eq!(api_call(&ann, &format!("/api/agents/{NOTHING}")).await, Err("Agent not found".to_owned()));
}
