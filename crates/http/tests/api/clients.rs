//! What the official clients send in a way of their own.

use core_types::ids::string_to_uuid;
use core_types::messaging::{Door, NewMessage, SyncedChannel};
use core_types::rooms::NewGroup;
use core_types::{ChannelId, EntityId, JsonObject, MessageServerId, Page, ServiceError, Thing};
use serde_json::{Value, json};

use crate::fakes::{AGENT, CHANNEL, Call, MESSAGE, REPLY, SERVER, USER, WORLD, object};
use crate::support::Api;

#[actix_web::test]
async fn an_agent_is_the_author_of_what_is_submitted_in_its_name() {
    let api = Api::open();
    let body = json!({
        "agentId": AGENT, "channelId": CHANNEL, "content": "By the way", "inReplyToMessageId": MESSAGE,
        "metadata": {"thought": "hm", "actions": ["REPLY"], "agentName": "Eliza"},
    });
    assert_eq!(api.post("/api/messaging/submit", body).await.status, 201);
    let posted = api.fakes.posted();
    assert_eq!((posted.door, posted.author_id), (Door::Submit, AGENT.parse().unwrap()));
    assert_eq!((posted.server_id, posted.source_type.as_deref()), (MessageServerId::DEFAULT, Some("agent_response")));
    assert_eq!(posted.raw, Some(json!({"text": "By the way", "thought": "hm", "actions": ["REPLY"]})));
    assert_eq!(posted.in_reply_to, Some(MESSAGE.parse().unwrap()));
    // What is there is taken as it is.
    let body = json!({"agentId": AGENT, "channelId": CHANNEL, "content": "x", "source_type": "own", "raw_message": {"a": 1}});
    assert_eq!(api.post("/api/messaging/submit", body).await.status, 201);
    let posted = api.fakes.posted();
    assert_eq!((posted.source_type.as_deref(), posted.raw), (Some("own"), Some(json!({"a": 1}))));
    for (body, code) in [
        (json!({"agentId": AGENT, "content": "x"}), "BAD_REQUEST"),
        (json!({"agentId": "zz", "channelId": CHANNEL, "content": "x"}), "INVALID_ID"),
        (json!({"agentId": AGENT, "channelId": CHANNEL}), "BAD_REQUEST"),
        (json!({"author_id": USER, "channelId": CHANNEL, "content": "x", "agentId": AGENT}), "BAD_REQUEST"),
    ] {
        Api::open().post("/api/messaging/submit", body).await.error(400, code);
    }
}

#[actix_web::test]
async fn a_message_alone_says_which_channel_is_done() {
    let api = Api::open();
    let body = json!({"messageId": MESSAGE, "status": "completed"});
    let data = api.post("/api/messaging/complete", body.clone()).await.data(200);
    assert_eq!(data, json!({"success": true, "channelId": CHANNEL, "serverId": SERVER, "messageServerId": SERVER}));
    assert_eq!(api.fakes.calls(), [Call::CompleteMessage(MESSAGE.parse().unwrap())]);
    api.post("/api/messaging/complete", json!({})).await.error(400, "BAD_REQUEST");
    api.post("/api/messaging/complete", json!({"messageId": "zz"})).await.error(400, "INVALID_ID");
    api.fakes.fail_with(ServiceError::NotFound(Thing::Message));
    api.post("/api/messaging/complete", body).await.error(404, "MESSAGE_NOT_FOUND");
}

#[actix_web::test]
async fn several_messages_of_a_platform_are_taken_in_in_their_order() {
    let api = Api::open();
    let messages = json!([
        {"id": "d-1", "authorId": USER, "content": "one", "timestamp": 1_700_000_000_000_i64, "metadata": {"k": "v"}},
        {"id": "d-2", "authorId": "ann#1234", "content": "two", "timestamp": 0},
    ]);
    let body = json!({"platform": "discord", "channelId": CHANNEL, "messages": messages});
    let answer = api.post("/api/messaging/ingest-external", body).await;
    assert_eq!(answer.data(202)["processed"], 2);
    assert_eq!(answer.json()["data"]["messageIds"].as_array().map(Vec::len), Some(2));
    let posted: Vec<NewMessage> =
        api.fakes.calls().into_iter().filter_map(|call| if let Call::Post(message) = call { Some(message) } else { None }).collect();
    let of = |index: usize| {
        let message: &NewMessage = &posted[index];
        (message.door, message.content.as_str(), message.source_type.as_deref(), message.source_id.as_deref())
    };
    assert_eq!(of(0), (Door::Ingest, "one", Some("discord"), Some("d-1")));
    assert_eq!(of(1), (Door::Ingest, "two", Some("discord"), Some("d-2")));
    assert_eq!(posted[0].author_id, USER.parse::<EntityId>().unwrap());
    assert_eq!(posted[1].author_id, EntityId::new(string_to_uuid("discord:ann#1234")));
    assert_eq!(posted[0].metadata, object(json!({"k": "v", "timestamp": 1_700_000_000_000_i64})));
}

#[actix_web::test]
async fn of_several_messages_none_is_taken_in_where_one_is_wrong() {
    let one = json!({"id": "d-1", "authorId": USER, "content": "one", "timestamp": 1});
    let with = |messages: Value| json!({"platform": "discord", "channelId": CHANNEL, "messages": messages});
    for (body, code) in [
        (json!({"channelId": CHANNEL, "messages": [one]}), "BAD_REQUEST"),
        (json!({"platform": "discord", "messages": [one]}), "BAD_REQUEST"),
        (json!({"platform": "discord", "channelId": "zz", "messages": [one]}), "INVALID_ID"),
        (with(json!([one, {"id": "d-2", "authorId": USER, "timestamp": 1}])), "BAD_REQUEST"),
        (with(json!([one, {"id": "d-2", "content": "x", "timestamp": 1}])), "BAD_REQUEST"),
        (with(json!([one, {"authorId": USER, "content": "x", "timestamp": 1}])), "BAD_REQUEST"),
        (with(json!([one, {"id": "d-2", "authorId": USER, "content": "x", "timestamp": "noon"}])), "BAD_REQUEST"),
        (with(json!([one, "two"])), "BAD_REQUEST"),
        (with(json!({})), "BAD_REQUEST"),
        (with(json!(vec![one.clone(); 101])), "BAD_REQUEST"),
    ] {
        let api = Api::open();
        api.post("/api/messaging/ingest-external", body).await.error(400, code);
        assert!(api.fakes.calls().is_empty());
    }
    assert_eq!(Api::open().post("/api/messaging/ingest-external", with(json!([]))).await.data(202)["processed"], 0);
}

#[actix_web::test]
async fn the_channels_of_a_server_are_synchronised_under_every_name() {
    for name in ["servers", "message-servers", "central-servers"] {
        let api = Api::open();
        let path = format!("/api/messaging/{name}/{SERVER}/sync-channels");
        let body = json!({"channels": [{"name": "news", "type": "FEED", "sourceId": "n-1"}, {"name": "all", "source_id": "a-1"}]});
        assert_eq!(api.post(&path, body).await.data(200), json!({"synced": 2}));
        let channel = |source_id: &str, name: &str, kind: &str| SyncedChannel {
            source_id: source_id.to_owned(),
            name: name.to_owned(),
            kind: kind.to_owned(),
        };
        let channels = vec![channel("n-1", "news", "FEED"), channel("a-1", "all", "GROUP")];
        assert_eq!(api.fakes.calls(), [Call::Sync(MessageServerId::DEFAULT, channels)]);
        for body in [
            json!({}),
            json!({"channels": {}}),
            json!({"channels": ["x"]}),
            json!({"channels": [{"name": "x"}]}),
            json!({"channels": [{"sourceId": "x"}]}),
            json!({"channels": [{"sourceId": "x", "name": "x".repeat(257)}]}),
            json!({"channels": vec![json!({"sourceId": "x", "name": "x"}); 1_001]}),
        ] {
            api.post(&path, body).await.error(400, "BAD_REQUEST");
        }
        assert_eq!(api.fakes.calls().len(), 1);
        api.fakes.fail_with(ServiceError::NotFound(Thing::Server));
        api.post(&path, json!({"channels": []})).await.error(404, "SERVER_NOT_FOUND");
    }
}

#[actix_web::test]
async fn older_clients_name_no_server_and_both_of_two_in_one_parameter() {
    let api = Api::open();
    let body = json!({"name": "G", "participantIds": [USER], "metadata": {}});
    assert_eq!(api.post("/api/messaging/central-channels", body).await.status, 201);
    let Some(Call::CreateChannel(new)) = api.fakes.calls().pop() else { panic!("no channel was made") };
    assert_eq!((new.server_id, new.participants.len()), (MessageServerId::DEFAULT, 1));
    // Clients of today name one, or have forgotten it.
    api.post("/api/messaging/channels", json!({"name": "G", "participantCentralUserIds": [USER]})).await.error(400, "BAD_REQUEST");
    assert_eq!(api.get(&format!("/api/messaging/dm-channel?participantIds={USER},{AGENT}")).await.status, 200);
    let two = [USER, AGENT].map(|id| id.parse().unwrap());
    assert_eq!(api.fakes.calls().pop(), Some(Call::Direct(MessageServerId::DEFAULT, two)));
    api.get(&format!("/api/messaging/dm-channel?participantIds={USER},zz")).await.error(400, "INVALID_ID");
    api.get(&format!("/api/messaging/dm-channel?participantIds={USER},{USER}")).await.error(400, "BAD_REQUEST");
    api.get(&format!("/api/messaging/dm-channel?participantIds={USER}")).await.error(400, "BAD_REQUEST");
}

#[actix_web::test]
async fn membership_says_that_it_succeeded() {
    let api = Api::open();
    let path = format!("/api/messaging/channels/{CHANNEL}/agents");
    assert_eq!(api.post(&path, json!({"agentId": AGENT})).await.data(201)["success"], true);
    assert_eq!(api.delete(&format!("{path}/{AGENT}")).await.data(200)["success"], true);
}

#[actix_web::test]
async fn an_agent_is_in_a_world_that_it_has() {
    let api = Api::open();
    let path = format!("/api/agents/{AGENT}/worlds");
    let data = api.post(&path, json!({"worldId": WORLD})).await.data(200);
    assert_eq!((&data["success"], &data["id"]), (&json!(true), &json!(WORLD)));
    assert_eq!(api.fakes.calls(), [Call::World(WORLD.parse().unwrap())]);
    api.post(&path, json!({"worldId": "zz"})).await.error(400, "INVALID_ID");
    api.fakes.fail_with(ServiceError::NotFound(Thing::World));
    api.post(&path, json!({"worldId": WORLD})).await.error(404, "WORLD_NOT_FOUND");
}

#[actix_web::test]
async fn a_named_group_without_agents_is_one_of_all_agents_of_the_server() {
    let api = Api::open();
    let path = format!("/api/memory/groups/{SERVER}");
    let data = api.post(&path, json!({"messageServerId": SERVER, "name": "All", "description": "d"})).await.data(201);
    assert_eq!((&data["worldId"], data["rooms"].as_array().map(Vec::len)), (&json!(WORLD), Some(1)));
    let group = NewGroup {
        server_id: MessageServerId::DEFAULT,
        agents: vec![AGENT.parse().unwrap()],
        name: "All".to_owned(),
        world_id: None,
        source: "client".to_owned(),
        metadata: JsonObject::new(),
    };
    assert_eq!(api.fakes.calls(), [Call::Page(Page { offset: 0, limit: 1_000 }), Call::CreateGroup(group)]);
}

#[actix_web::test]
async fn a_client_adds_lines_to_the_log() {
    let api = Api::open();
    let lines = json!([{"level": "warn", "message": "a\nb", "source": "web"}, {"message": "c", "metadata": {"k": 1}}]);
    let answer = api.post("/api/server/logs", json!({"logs": lines})).await;
    assert_eq!((answer.status, &answer.json()["received"]), (200, &json!(2)));
    assert!(api.post("/api/server/logs", json!({})).await.json().get("received").is_none());
    for lines in [
        json!([{"level": "loud", "message": "x"}]),
        json!([{"level": "info"}]),
        json!(["x"]),
        json!([{"message": "x".repeat(2_001)}]),
        json!(vec![json!({"message": "x"}); 101]),
    ] {
        api.post("/api/server/logs", json!({"logs": lines})).await.error(400, "BAD_REQUEST");
    }
}

#[actix_web::test]
async fn the_debug_route_tells_what_runs() {
    let data = Api::open().get("/api/server/debug/servers").await.data(200);
    assert_eq!((&data["runtime"]["agents"][0]["id"], &data["runtime"]["connections"]), (&json!(AGENT), &json!(0)));
    assert!(data["runtime"]["memory"]["total"].is_u64(), "{data}");
    assert!(data["environment"].as_object().is_some_and(|values| values.values().all(Value::is_string)), "{data}");
}

#[actix_web::test]
async fn a_created_agent_is_shown_beside_its_character() {
    let api = Api::open();
    let data = api.post("/api/agents", json!({"agent": {"name": "Eliza"}})).await.data(201);
    assert_eq!((&data["name"], &data["status"], &data["enabled"]), (&json!("Eliza"), &json!("active"), &json!(true)));
    assert!(data["createdAt"].is_i64() && data["updatedAt"].is_i64() && !data["bio"].is_null(), "{data}");
}

#[actix_web::test]
async fn a_channel_id_is_read_in_every_spelling() {
    let api = Api::open();
    let body = json!({"channel_id": CHANNEL, "message_server_id": SERVER, "messageId": REPLY});
    assert_eq!(api.post("/api/messaging/complete", body).await.status, 200);
    // A channel counts before a message.
    assert_eq!(api.fakes.calls(), [Call::Complete(CHANNEL.parse::<ChannelId>().unwrap())]);
}
