//! Channels and message servers.

use core_types::messaging::NewChannel;
use core_types::{JsonObject, MessageServerId};
use serde_json::{Value, json};

use crate::fakes::{AGENT, CHANNEL, Call, SERVER, USER};
use crate::support::Api;

fn created(api: &Api) -> NewChannel {
    match api.fakes.calls().pop() {
        Some(Call::CreateChannel(channel)) => channel,
        other => panic!("no channel was created but {other:?}"),
    }
}

#[actix_web::test]
async fn all_names_of_servers_lead_to_the_same_list() {
    let api = Api::open();
    for name in ["servers", "message-servers", "central-servers"] {
        let data = api.get(&format!("/api/messaging/{name}")).await.data(200);
        assert_eq!(data["servers"], data["messageServers"]);
        let iso = "2024-01-01T00:00:00.007Z";
        let server = json!({"id": SERVER, "name": "Default Server", "sourceType": "eliza_default", "createdAt": iso, "updatedAt": iso});
        assert_eq!(data["servers"], json!([server]));
        let channels = api.get(&format!("/api/messaging/{name}/{SERVER}/channels")).await.data(200);
        assert_eq!(channels["channels"][0]["id"], CHANNEL);
    }
    assert_eq!(api.get("/api/messaging/message-server/current").await.data(200)["messageServerId"], SERVER);
}

#[actix_web::test]
async fn both_names_of_channels_lead_to_the_same_routes() {
    let api = Api::open();
    for name in ["channels", "central-channels"] {
        let base = format!("/api/messaging/{name}/{CHANNEL}");
        let details = api.get(&format!("{base}/details")).await.data(200);
        assert_eq!(details["messageServerId"], SERVER);
        assert_eq!((&details["type"], &details["metadata"]), (&json!("GROUP"), &json!({})));
        assert!(details.get("participants").is_none() && details.get("topic").is_none());
        assert_eq!(api.get(&base).await.data(200), details);
        assert_eq!(api.get(&format!("{base}/participants")).await.data(200), json!([USER, AGENT]));
        assert_eq!(api.delete(&base).await.status, 204);
    }
}

#[actix_web::test]
async fn the_bodies_of_every_release_create_a_channel() {
    let expected = NewChannel {
        server_id: MessageServerId::DEFAULT,
        name: "General".to_owned(),
        kind: "GROUP".to_owned(),
        source_type: None,
        source_id: None,
        topic: None,
        metadata: JsonObject::new(),
        participants: vec![USER.parse().unwrap(), AGENT.parse().unwrap()],
    };
    for server in ["message_server_id", "messageServerId", "server_id", "serverId"] {
        for participants in ["participantCentralUserIds", "participantIds", "participants"] {
            let api = Api::open();
            let body = json!({"name": "General", server: SERVER, participants: [USER, AGENT]});
            let data = api.post("/api/messaging/central-channels", body).await.data(201);
            assert_eq!((&data["id"], &data["channel"]["id"]), (&json!(CHANNEL), &json!(CHANNEL)));
            assert_eq!(created(&api), expected);
        }
    }
}

#[actix_web::test]
async fn what_is_optional_is_kept() {
    let api = Api::open();
    let body = json!({
        "name": "N", "serverId": SERVER, "type": "DM", "sourceType": "api_created", "source_id": "s", "description": "t",
        "metadata": {"isDm": true},
    });
    assert_eq!(api.post("/api/messaging/channels", body).await.status, 201);
    let channel = created(&api);
    assert_eq!((channel.kind.as_str(), channel.source_type.as_deref()), ("DM", Some("api_created")));
    assert_eq!((channel.source_id.as_deref(), channel.topic.as_deref()), (Some("s"), Some("t")));
    assert_eq!(Value::Object(channel.metadata), json!({"isDm": true}));
    assert!(channel.participants.is_empty());
}

#[actix_web::test]
async fn what_a_channel_cannot_be_is_refused() {
    let many = vec![USER; 1001];
    for (body, code) in [
        (json!({"message_server_id": SERVER}), "BAD_REQUEST"),
        (json!({"name": "", "message_server_id": SERVER}), "BAD_REQUEST"),
        (json!({"name": 7, "message_server_id": SERVER}), "BAD_REQUEST"),
        (json!({"name": "x".repeat(257), "message_server_id": SERVER}), "BAD_REQUEST"),
        (json!({"name": "n"}), "BAD_REQUEST"),
        (json!({"name": "n", "message_server_id": "bad"}), "INVALID_ID"),
        (json!({"name": "n", "message_server_id": 7}), "INVALID_ID"),
        (json!({"name": "n", "message_server_id": SERVER, "participantIds": ["bad"]}), "INVALID_ID"),
        (json!({"name": "n", "message_server_id": SERVER, "participantIds": "bad"}), "BAD_REQUEST"),
        (json!({"name": "n", "message_server_id": SERVER, "participantIds": many}), "BAD_REQUEST"),
        (json!({"name": "n", "message_server_id": SERVER, "metadata": []}), "BAD_REQUEST"),
        (json!({"name": "n", "message_server_id": SERVER, "type": true}), "BAD_REQUEST"),
    ] {
        let api = Api::open();
        api.post("/api/messaging/channels", body).await.error(400, code);
        assert!(api.fakes.calls().is_empty());
    }
}
