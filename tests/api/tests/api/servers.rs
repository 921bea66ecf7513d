//! Message servers.

use serde_json::json;
use testkit::caller::Request;

use crate::support::{ANN, DEFAULT, NOTHING, create_channel, exchange, open, refused, running_agent, saying, snapshot, speaking, text};

const SERVERS: &str = "/api/messaging/central-servers";

#[tokio::test]
async fn ann_lists_the_servers_by_every_name_they_have() {
    let (_server, ann) = open().await;
    let listed = ann.get("/api/messaging/central-servers").await;
    snapshot!("servers_listed", listed);
    for alias in ["message-servers", "servers"] {
        assert_eq!(ann.get(&format!("/api/messaging/{alias}")).await.body, listed.body, "{alias}");
    }
}

#[tokio::test]
async fn ann_asks_for_the_current_server() {
    let (_server, ann) = open().await;
    snapshot!("server_current", ann.get("/api/messaging/message-server/current").await);
}

#[tokio::test]
async fn ann_lists_the_channels_of_a_server() {
    let (server, ann) = open().await;
    for (name, kind) in [("group", "GROUP"), ("dm", "DM")] {
        server.record().name(&create_channel(&ann, kind, &[ANN]).await, name);
    }
    let listed = ann.get(&format!("/api/messaging/central-servers/{DEFAULT}/channels")).await;
    snapshot!("channels_listed", listed);
    for alias in ["message-servers", "servers"] {
        assert_eq!(ann.get(&format!("/api/messaging/{alias}/{DEFAULT}/channels")).await.body, listed.body, "{alias}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_exist_has_no_channels() {
    let (_server, ann) = open().await;
    create_channel(&ann, "GROUP", &[]).await;
    for id in [NOTHING.to_owned(), NOTHING.to_uppercase()] {
        let data = ann.get(&format!("/api/messaging/central-servers/{id}/channels")).await.data(200);
        assert_eq!(data, json!({"channels": []}));
    }
    let bad = ["bad", "0", "%20", "00000000000000000000000000000000", "{00000000-0000-0000-0000-000000000000}"];
    let cases = bad.map(|id| (Request::get(&format!("/api/messaging/central-servers/{id}/channels")), 400, "INVALID_ID"));
    refused(&ann, cases).await;
}

#[tokio::test]
async fn ann_keeps_a_server_of_her_own() {
    let (server, ann) = open().await;
    let body = json!({"name": "My Server", "sourceType": "custom", "metadata": {"description": "Custom server for testing"}});
    let created = ann.post(SERVERS, &body).await;
    let id = text(&created.data(201)["id"]);
    server.record().name(&id, "my-server");
    snapshot!("server_created", created);
    let change = json!({"name": "Updated Server Name", "metadata": {"description": "Updated description"}});
    let changed = ann.patch(&format!("{SERVERS}/{id}"), &change).await;
    snapshot!("server_changed", changed);
    for alias in ["central-servers", "message-servers", "servers"] {
        assert_eq!(ann.get(&format!("/api/messaging/{alias}/{id}")).await.body, changed.body);
    }
    let channel = ann.post("/api/messaging/channels", &json!({"name": "n", "serverId": id})).await.data(201);
    ann.delete(&format!("{SERVERS}/{id}")).await.empty(204);
    let gone = format!("/api/messaging/channels/{}/details", text(&channel["id"]));
    ann.get(&gone).await.error(404, "CHANNEL_NOT_FOUND");
    let cases = [
        (Request::get(&format!("{SERVERS}/{id}")), 404, "SERVER_NOT_FOUND"),
        (Request::new("DELETE", &format!("{SERVERS}/{id}")), 404, "SERVER_NOT_FOUND"),
        (Request::new("PATCH", &format!("{SERVERS}/{id}")).json(&change), 404, "SERVER_NOT_FOUND"),
        (Request::new("PATCH", &format!("{SERVERS}/{DEFAULT}")).json(&json!({"name": 7})), 422, "UNPROCESSABLE_ENTITY"),
        (Request::new("DELETE", &format!("{SERVERS}/{DEFAULT}")), 403, "FORBIDDEN"),
        (Request::post(SERVERS, &json!({"name": "n"})), 400, "BAD_REQUEST"),
    ];
    refused(&ann, cases).await;
}

#[tokio::test]
async fn an_agent_listens_where_it_is_tied_to() {
    let model = saying("pong").await;
    let (_server, ann) = speaking(&model).await;
    let agent = running_agent(&ann, "Alice").await;
    let own = text(&ann.post(SERVERS, &json!({"name": "Mine", "sourceType": "custom"})).await.data(201)["id"]);
    let body = json!({"name": "n", "serverId": own, "type": "DM", "participantIds": [ANN, agent]});
    let channel = text(&ann.post("/api/messaging/channels", &body).await.data(201)["id"]);
    let unheard = exchange(&ann, &channel, "anybody?", "http").await;
    assert!(unheard.error(400, "NO_AGENT").contains("server"), "{unheard}");
    let tie = format!("/api/messaging/agents/{agent}/servers/{own}");
    for _ in 0..2 {
        ann.post(&tie, &json!({})).await.data(201);
    }
    exchange(&ann, &channel, "and now?", "http").await.data(201);
    let servers = ann.get(&format!("/api/messaging/agents/{agent}/servers")).await.data(200);
    assert_eq!(servers, json!({"agentId": agent, "messageServers": [DEFAULT, own], "servers": [DEFAULT, own]}));
    assert_eq!(ann.get(&format!("{SERVERS}/{own}/agents")).await.data(200)["agents"], json!([agent]));
    for _ in 0..2 {
        ann.delete(&tie).await.data(200);
    }
    assert_eq!(ann.get(&format!("{SERVERS}/{own}/agents")).await.data(200)["agents"], json!([]));
    let none = ann.get(&format!("/api/messaging/agents/{NOTHING}/servers")).await.data(200);
    assert_eq!(none["servers"], json!([]));
    let cases = [
        (Request::post(&format!("/api/messaging/agents/{NOTHING}/servers/{own}"), &json!({})), 404, "AGENT_NOT_FOUND"),
        (Request::post(&format!("/api/messaging/agents/{agent}/servers/{NOTHING}"), &json!({})), 404, "SERVER_NOT_FOUND"),
        (Request::post(&format!("{SERVERS}/{own}/agents"), &json!({"agentId": "bad"})), 400, "INVALID_ID"),
        (Request::new("DELETE", &format!("{SERVERS}/{NOTHING}/agents/{agent}")), 404, "SERVER_NOT_FOUND"),
    ];
    refused(&ann, cases).await;
}
