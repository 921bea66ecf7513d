//! Changing, deleting and searching messages; titles; what agents show of their doing.

use serde_json::json;
use testkit::caller::{Events, Request};
use testkit::scripted::{Reply, ScriptedModel};
use testkit::server::TestServer;

use crate::support::{
    ANN, BEN, DEFAULT, NOTHING, create_channel, dm, exchange, messages, messages_of, names, open, post, refused, running_agent, saying,
    snapshot, speaking, text, texts, watch, with_field,
};

async fn next_events(events: &mut Events, count: usize) -> Vec<testkit::caller::Event> {
    let mut all = Vec::new();
    while all.len() < count {
        all.push(events.next().await.expect("another event"));
    }
    all
}

#[tokio::test]
async fn readers_see_a_message_change_and_go() {
    let (server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    server.record().name(&channel, "channel");
    let id = text(&post(&ann, &channel, "helo").await["id"]);
    server.record().name(&id, "message");
    let mut events = watch(&ann, &channel).await;
    let changed = ann.patch(&format!("/api/messaging/messages/{id}"), &json!({"content": "hello"})).await;
    snapshot!("message_changed", changed);
    assert_eq!(ann.get(&format!("/api/messaging/messages/{id}")).await.data(200)["content"], "hello");
    ann.patch(&format!("/api/messaging/channels/{channel}"), &json!({"name": "Greetings"})).await.data(200);
    for _ in 0..2 {
        ann.delete(&format!("{}/{id}", messages_of(&channel))).await.empty(204);
    }
    post(&ann, &channel, "anybody?").await;
    for _ in 0..2 {
        ann.delete(&messages_of(&channel)).await.empty(204);
    }
    let seen = next_events(&mut events, 7).await;
    let kinds = ["message", "message_updated", "channel_updated", "message_deleted", "message", "channel_cleared", "channel_cleared"];
    assert_eq!(names(&seen), kinds);
    assert_eq!((&seen[1].data["content"], &seen[3].data["messageId"]), (&json!("hello"), &json!(id)));
    assert_eq!(seen[2].data["updates"]["name"], "Greetings");
    assert_eq!(texts(&ann, &channel).await, [""; 0]);
    // Who reads later sees the same order, and nothing of what was deleted.
    let later = next_events(&mut watch(&ann, &channel).await, 7).await;
    assert_eq!(names(&later), kinds);
    assert!(later.iter().all(|event| !event.data.to_string().contains("hello")), "{later:?}");
    ann.get(&format!("/api/messaging/messages/{id}")).await.error(404, "MESSAGE_NOT_FOUND");
}

#[tokio::test]
async fn an_agent_forgets_what_was_deleted_and_hears_what_was_changed() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    for content in ["my PIN is 1234", "I live in Rome"] {
        exchange(&ann, &channel, content, "http").await.data(201);
    }
    let all = messages(&ann, &channel).await;
    let (pin, rome) = (text(&all[0]["id"]), text(&all[2]["id"]));
    ann.delete(&format!("{}/{pin}", messages_of(&channel))).await.empty(204);
    ann.patch(&format!("/api/messaging/messages/{rome}"), &json!({"content": "I live in Oslo"})).await.data(200);
    exchange(&ann, &channel, "where do I live?", "http").await.data(201);
    let asked = model.requests().pop().unwrap().body["messages"].to_string();
    assert!(!asked.contains("1234") && !asked.contains("Rome") && asked.contains("Oslo"), "{asked}");
    ann.delete(&messages_of(&channel)).await.empty(204);
    exchange(&ann, &channel, "and now?", "http").await.data(201);
    let asked = model.requests().pop().unwrap().body["messages"].to_string();
    assert!(!asked.contains("Oslo") && !asked.contains("where do I live"), "{asked}");
}

#[tokio::test]
async fn deleting_a_message_stops_whoever_answers_it() {
    let model = ScriptedModel::answering(|asked| {
        let text = asked["messages"].as_array().unwrap().last().unwrap().to_string();
        if text.contains("slow") { Reply::Silence } else { Reply::text("pong") }
    })
    .await
    .unwrap();
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    let slow = text(&post(&ann, &channel, "slow").await["id"]);
    crate::support::asked(&model, 1).await;
    ann.delete(&format!("{}/{slow}", messages_of(&channel))).await.empty(204);
    // The next one is not behind it.
    exchange(&ann, &channel, "quick", "http").await.data(201);
    assert_eq!(texts(&ann, &channel).await, ["quick", "pong"]);
}

#[tokio::test]
async fn ann_searches_what_was_said() {
    let (_server, ann) = open().await;
    let (one, two) = (create_channel(&ann, "GROUP", &[ANN]).await, create_channel(&ann, "GROUP", &[ANN, BEN]).await);
    for (channel, content) in [(&one, "Tea in the garden"), (&two, "garden gate"), (&one, "coffee")] {
        post(&ann, channel, content).await;
    }
    let found = async |body: serde_json::Value| {
        let data = ann.post("/api/messaging/messages/search", &body).await.data(200);
        data["messages"].as_array().unwrap().iter().map(|message| text(&message["content"])).collect::<Vec<_>>()
    };
    assert_eq!(found(json!({"query": "GARDEN"})).await, ["garden gate", "Tea in the garden"]);
    assert_eq!(found(json!({"query": "garden", "channelId": one})).await, ["Tea in the garden"]);
    assert_eq!(found(json!({"authorId": ANN, "limit": 1})).await, ["coffee"]);
    assert_eq!(found(json!({"authorId": ANN, "limit": 1, "page": 2})).await, ["garden gate"]);
    assert_eq!(found(json!({"query": "%"})).await, [""; 0]);
}

#[tokio::test]
async fn a_conversation_gets_a_title_from_its_agents_small_model() {
    let model = ScriptedModel::answering(|asked| {
        let titling = asked["messages"].to_string().contains("You name conversations");
        Reply::text(if titling { "\"Exam Worries\"" } else { "pong" })
    })
    .await
    .unwrap();
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    let path = format!("/api/messaging/channels/{channel}/generate-title");
    let body = json!({"agentId": agent});
    exchange(&ann, &channel, "one", "http").await.data(201);
    snapshot!("title_too_early", ann.post(&path, &body).await);
    exchange(&ann, &channel, "two", "http").await.data(201);
    snapshot!("title_made", ann.post(&path, &body).await);
    let logs = ann.get(&format!("/api/agents/{agent}/logs?type=useModel:TEXT_SMALL")).await.data(200);
    assert_eq!(logs.as_array().unwrap().len(), 1, "{logs}");
    ann.post(&format!("/api/agents/{agent}/stop"), &json!({})).await.data(200);
    for agent in [agent.as_str(), NOTHING] {
        ann.post(&path, &json!({"agentId": agent})).await.error(404, "AGENT_NOT_FOUND");
    }
}

#[tokio::test]
async fn a_title_is_told_to_whoever_may_read_what_it_is_of() {
    let server = TestServer::keyed().await;
    let owner = server.key_holder();
    let mut bearers = Vec::new();
    for scopes in [json!(["agents:write", "messages:read", "messages:write"]), json!(["messages:write"]), json!(["messages:read"])] {
        let key = json!({"name": "key", "tenant": "shop", "scopes": scopes});
        bearers.push(server.caller().with_key(&text(&owner.post("/api/keys", &key).await.data(201)["key"])));
    }
    let [both, writer, reader] = bearers.as_slice() else { panic!("there are three") };
    let agent = running_agent(both, "Alice").await;
    let channel = create_channel(both, "DM", &[ANN, &agent]).await;
    let path = format!("/api/messaging/channels/{channel}/generate-title");
    for bearer in [writer, reader] {
        bearer.post(&path, &json!({"agentId": agent})).await.error(403, "FORBIDDEN");
    }
    assert_eq!(both.post(&path, &json!({"agentId": agent})).await.data(200)["title"], json!(null));
}

#[tokio::test]
async fn an_agent_shows_what_it_does_and_wakes_nobody_by_it() {
    let (server, ann) = open().await;
    let (agent, channel) = dm(&server, &ann).await;
    let body = json!({
        "channel_id": channel, "server_id": DEFAULT, "author_id": agent, "content": "Executing action: X",
        "source_type": "agent_action", "raw_message": {"actionStatus": "executing"},
    });
    let posted = ann.post("/api/messaging/action", &body).await.data(201);
    let path = format!("/api/messaging/action/{}", text(&posted["id"]));
    let done = ann.patch(&path, &json!({"raw_message": {"actionStatus": "completed"}})).await.data(200);
    assert_eq!((&done["content"], &done["rawMessage"]["actionStatus"]), (&json!("Executing action: X"), &json!("completed")));
    assert_eq!(done["createdAt"], posted["createdAt"]);
    let cases = [
        (Request::new("PATCH", &format!("/api/messaging/action/{NOTHING}")).json(&json!({"content": "x"})), 404, "MESSAGE_NOT_FOUND"),
        (Request::new("PATCH", "/api/messaging/action/bad").json(&json!({"content": "x"})), 400, "INVALID_ID"),
        (Request::new("PATCH", &path).json(&json!({"content": 7})), 400, "BAD_REQUEST"),
        (Request::post("/api/messaging/action", &with_field(body.clone(), "channel_id", json!(NOTHING))), 404, "CHANNEL_NOT_FOUND"),
        (Request::post("/api/messaging/action", &with_field(body, "raw_message", json!(null))), 400, "BAD_REQUEST"),
    ];
    refused(&ann, cases).await;
}
