//! Channels and who takes part in them.

use core_types::messaging::{ChannelChange, NewChannel};
use core_types::{JsonObject, MessageServerId, ServiceError, Thing};
use serde_json::{Value, json};

use crate::fakes::{AGENT, CHANNEL, Call, SERVER, USER, WORLD, object};
use crate::support::Api;

fn created(api: &Api) -> NewChannel {
    match api.fakes.calls().pop() {
        Some(Call::CreateChannel(channel)) => channel,
        other => panic!("no channel was created but {other:?}"),
    }
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
        id: None,
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
        (json!({"name": "n", "participantCentralUserIds": []}), "BAD_REQUEST"),
        (json!({"name": "n", "participantIds": [], "sourceType": "x"}), "BAD_REQUEST"),
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

#[actix_web::test]
async fn a_change_replaces_what_the_body_names() {
    let nothing = ChannelChange::default;
    for (body, change) in [
        (json!({}), nothing()),
        (json!({"name": "n2", "type": "ignored"}), ChannelChange { name: Some("n2".to_owned()), ..nothing() }),
        (json!({"metadata": {"z": 1}}), ChannelChange { metadata: Some(object(json!({"z": 1}))), ..nothing() }),
        (json!({"participantCentralUserIds": [USER]}), ChannelChange { participants: Some(vec![USER.parse().unwrap()]), ..nothing() }),
        (json!({"participantIds": []}), ChannelChange { participants: Some(Vec::new()), ..nothing() }),
    ] {
        let api = Api::open();
        let changed = api.patch(&format!("/api/messaging/central-channels/{CHANNEL}"), body.clone()).await.data(200);
        assert_eq!(changed["id"], CHANNEL);
        assert_eq!(api.fakes.calls(), [Call::UpdateChannel(CHANNEL.parse().unwrap(), change)], "{body}");
    }
    for (body, code) in [
        (json!({"name": 7}), "BAD_REQUEST"),
        (json!({"metadata": "m"}), "BAD_REQUEST"),
        (json!({"participantIds": ["bad"]}), "INVALID_ID"),
        (json!({"participantIds": vec![USER; 1001]}), "BAD_REQUEST"),
    ] {
        Api::open().patch(&format!("/api/messaging/channels/{CHANNEL}"), body).await.error(400, code);
    }
}

#[actix_web::test]
async fn what_lists_show_has_metadata_of_bounded_size() {
    // The braces, the key and the quotes are 8 bytes.
    let with = |mut body: Value, bytes: usize| {
        body["metadata"] = json!({"x": "y".repeat(bytes - 8)});
        body
    };
    let refused = "metadata has more than 16384 bytes as JSON";
    let worlds = format!("/api/agents/{AGENT}/worlds");
    for (path, body) in [
        ("/api/messaging/channels".to_owned(), json!({"name": "n", "message_server_id": SERVER})),
        ("/api/messaging/message-servers".to_owned(), json!({"name": "n", "sourceType": "t"})),
        (worlds.clone(), json!({"name": "n"})),
        (format!("/api/agents/{AGENT}/rooms"), json!({"name": "n"})),
        (format!("/api/memory/groups/{SERVER}"), json!({"agentIds": [AGENT]})),
    ] {
        let api = Api::open();
        assert_eq!(api.post(&path, with(body.clone(), 16_385)).await.error(400, "BAD_REQUEST"), refused, "{path}");
        assert!(api.fakes.calls().is_empty());
        api.post(&path, with(body, 16_384)).await.data(201);
    }
    let api = Api::open();
    for (path, status, code) in [
        (format!("/api/messaging/channels/{CHANNEL}"), 400, "BAD_REQUEST"),
        (format!("/api/messaging/central-servers/{SERVER}"), 422, "UNPROCESSABLE_ENTITY"),
        (format!("{worlds}/{WORLD}"), 400, "BAD_REQUEST"),
    ] {
        assert_eq!(api.patch(&path, with(json!({}), 16_385)).await.error(status, code), refused, "{path}");
    }
    let settings = json!({"settings": {"x": "y".repeat(16_384)}});
    assert_eq!(api.patch(&format!("{worlds}/{WORLD}"), settings).await.error(400, "BAD_REQUEST"), refused);
    assert!(api.fakes.calls().is_empty());
}

#[actix_web::test]
async fn whoever_joins_or_leaves_is_named_in_the_answer() {
    let api = Api::open();
    let agents = format!("/api/messaging/channels/{CHANNEL}/agents");
    let said = |message: &str| json!({"success": true, "channelId": CHANNEL, "agentId": AGENT, "message": message});
    let joined = api.post(&agents, json!({"agentId": AGENT})).await.data(201);
    assert_eq!(joined, said("Agent added to channel successfully"));
    let left = api.delete(&format!("{agents}/{AGENT}")).await.data(200);
    assert_eq!(left, said("Agent removed from channel successfully"));
    let (channel, agent) = (CHANNEL.parse().unwrap(), AGENT.parse().unwrap());
    assert_eq!(api.fakes.calls(), [Call::Join(channel, agent), Call::Leave(channel, agent)]);
    assert_eq!(api.get(&agents).await.data(200), json!({"channelId": CHANNEL, "participants": [USER, AGENT]}));
    api.post(&agents, json!({})).await.error(400, "BAD_REQUEST");
    api.post(&agents, json!({"agentId": "bad"})).await.error(400, "INVALID_ID");
    api.delete(&format!("{agents}/bad")).await.error(400, "INVALID_ID");
    api.fakes.fail_with(ServiceError::NotFound(Thing::Participant));
    api.delete(&format!("{agents}/{AGENT}")).await.error(404, "PARTICIPANT_NOT_FOUND");
}

#[actix_web::test]
async fn a_direct_channel_needs_two() {
    let path = "/api/messaging/dm-channel";
    let api = Api::open();
    let found = api.get(&format!("{path}?currentUserId={USER}&targetUserId={AGENT}&dmServerId={SERVER}")).await.data(200);
    assert_eq!(found["id"], CHANNEL);
    api.get(&format!("{path}?currentUserId={AGENT}&targetUserId={USER}")).await.data(200);
    let (user, agent) = (USER.parse().unwrap(), AGENT.parse().unwrap());
    let default = MessageServerId::DEFAULT;
    assert_eq!(api.fakes.calls(), [Call::Direct(default, [user, agent]), Call::Direct(default, [agent, user])]);
    for (query, code) in [
        (format!("currentUserId={USER}"), "BAD_REQUEST"),
        (format!("targetUserId={USER}"), "BAD_REQUEST"),
        (format!("currentUserId={USER}&targetUserId={}", USER.to_uppercase()), "BAD_REQUEST"),
        (format!("currentUserId=bad&targetUserId={USER}"), "INVALID_ID"),
        (format!("currentUserId={USER}&targetUserId={AGENT}&dmServerId=bad"), "INVALID_ID"),
    ] {
        Api::open().get(&format!("{path}?{query}")).await.error(400, code);
    }
}
