//! Message servers.

use serde_json::json;
use testkit::caller::Request;

use crate::support::{ANN, DEFAULT, NOTHING, create_channel, open, refused, snapshot};

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
