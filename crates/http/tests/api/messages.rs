//! Reading and posting messages.

use actix_web::test::TestRequest;
use core_types::messaging::{Door, NewMessage, ReplyEvent};
use core_types::{InvalidCode, JsonObject, MessageServerId, ServiceError, Timestamp};
use serde_json::{Value, json};

use crate::fakes::{AGENT, CHANNEL, Call, MESSAGE, NOW, REPLY, SERVER, USER, message, object};
use crate::support::{Answer, Api, json_bytes};

fn messages() -> String {
    format!("/api/messaging/central-channels/{CHANNEL}/messages")
}

fn plain() -> Value {
    json!({"author_id": USER, "content": "yo", "message_server_id": SERVER})
}

fn with(mut body: Value, key: &str, value: Value) -> Value {
    body[key] = value;
    body
}

fn submission() -> Value {
    json!({
        "channel_id": CHANNEL, "server_id": SERVER, "author_id": AGENT, "content": "hi", "source_type": "agent_response",
        "raw_message": {"text": "hi", "thought": "t"}, "metadata": {"agentName": "Alice"}, "in_reply_to_message_id": MESSAGE,
    })
}

#[actix_web::test]
async fn a_listed_message_has_both_kinds_of_times_and_the_thought_in_its_metadata() {
    let data = Api::open().get(&messages()).await.data(200);
    let iso = "2024-01-01T00:00:00.007Z";
    assert_eq!(
        data,
        json!({"messages": [{
            "id": REPLY, "channelId": CHANNEL, "messageServerId": SERVER, "authorId": AGENT, "content": "pong",
            "rawMessage": {"text": "pong", "actions": ["REPLY"], "thought": "deterministic thought"},
            "sourceType": "agent_response",
            "metadata": {"agentName": "Eliza", "thought": "deterministic thought", "actions": ["REPLY"]},
            "inReplyToRootMessageId": MESSAGE, "seq": 7,
            "createdAt": iso, "updatedAt": iso, "created_at": NOW, "updated_at": NOW,
        }]})
    );
}

#[actix_web::test]
async fn a_page_is_bounded_and_starts_where_the_caller_says() {
    let moment = |millis| Some(Timestamp::from_millis(millis));
    for (query, before, limit) in [
        ("", None, 50),
        ("?limit=2", None, 2),
        ("?limit=0", None, 0),
        ("?limit=", None, 50),
        ("?limit=5000", None, 1000),
        ("?limit=99999999999999999999", None, 1000),
        ("?before=1704067200007", moment(1_704_067_200_007), 50),
        ("?before=2024", moment(2024), 50),
        ("?limit=2&before=2024-01-01T00:00:00.007Z", moment(1_704_067_200_007), 2),
        ("?before=2024-01-01T01:00:00.007%2B01:00", moment(1_704_067_200_007), 50),
        ("?before=2024-01-01T01:00:00.007+01:00", moment(1_704_067_200_007), 50),
    ] {
        let api = Api::open();
        assert_eq!(api.get(&format!("{}{query}", messages())).await.status, 200, "{query}");
        assert_eq!(api.fakes.calls(), [Call::List(CHANNEL.parse().unwrap(), before, limit, None)], "{query}");
    }
    for query in ["?limit=-1", "?limit=abc", "?limit=1.5", "?before=junk", "?before=-5"] {
        Api::open().get(&format!("{}{query}", messages())).await.error(400, "BAD_REQUEST");
    }
}

#[actix_web::test]
async fn a_page_is_read_again_only_where_its_channel_has_changed() {
    let api = Api::open();
    let channel = CHANNEL.parse().unwrap();
    let listed = |limit, known| Call::List(channel, None, limit, known);
    let first = api.get(&messages()).await;
    assert_eq!(api.get(&messages()).await.body, first.body);
    let shorter = api.get(&format!("{}?limit=0", messages())).await;
    assert_eq!(shorter.data(200), json!({ "messages": [] }), "another page");
    *api.fakes.later.lock().unwrap() += 1;
    let changed = api.get(&messages()).await;
    assert_eq!(changed.data(200)["messages"][0]["content"], "8");
    assert_eq!(api.fakes.calls(), [listed(50, None), listed(50, Some(7)), listed(0, None), listed(50, Some(7))]);
}

#[actix_web::test]
async fn a_post_answers_under_the_keys_of_every_release() {
    let api = Api::open();
    api.fakes.warnings.lock().unwrap().push("no agent listens".to_owned());
    let body = with(plain(), "metadata", json!({"user_display_name": "Ann"}));
    let body = with(body, "raw_message", json!({"text": "yo"}));
    let answer = api.post(&messages(), body).await;
    let data = answer.data(201);
    let body = answer.json();
    let bus = json!({
        "id": MESSAGE, "channel_id": CHANNEL, "message_server_id": SERVER, "server_id": SERVER, "author_id": USER,
        "author_display_name": "Ann", "source_type": "eliza_gui", "raw_message": {"text": "yo"}, "content": "yo", "created_at": NOW,
        "metadata": {"user_display_name": "Ann"},
    });
    assert_eq!(body["userMessage"], bus);
    assert_eq!(data["userMessage"], body["userMessage"]);
    assert_eq!((&data["channelId"], &data["channel_id"]), (&json!(CHANNEL), &json!(CHANNEL)));
    assert_eq!((&data["createdAt"], &data["created_at"]), (&json!("2024-01-01T00:00:00.007Z"), &json!(NOW)));
    assert_eq!(body["warnings"], json!(["no agent listens"]));
    assert!(body.get("agentResponse").is_none());
}

#[actix_web::test]
async fn every_spelling_of_a_post_means_the_same() {
    let expected = NewMessage {
        door: Door::Channel,
        id: Some(REPLY.parse().unwrap()),
        channel_id: CHANNEL.parse().unwrap(),
        server_id: MessageServerId::DEFAULT,
        author_id: USER.parse().unwrap(),
        author_name: Some("Ann".to_owned()),
        content: "yo".to_owned(),
        raw: Some(json!({"a": 1})),
        source_type: Some("client_chat".to_owned()),
        source_id: Some("s".to_owned()),
        metadata: JsonObject::new(),
        in_reply_to: Some(MESSAGE.parse().unwrap()),
        idempotency_key: None,
    };
    for body in [
        json!({
            "messageId": REPLY, "author_id": USER, "content": "yo", "server_id": SERVER, "source_type": "client_chat",
            "source_id": "s", "raw_message": {"a": 1}, "in_reply_to_message_id": MESSAGE, "author_display_name": "Ann",
        }),
        json!({
            "message_id": REPLY, "authorId": USER, "content": "yo", "messageServerId": SERVER, "sourceType": "client_chat",
            "sourceId": "s", "rawMessage": {"a": 1}, "inReplyToMessageId": MESSAGE, "authorDisplayName": "Ann", "author_id": null,
        }),
    ] {
        let api = Api::open();
        assert_eq!(api.post(&messages(), body).await.status, 201);
        assert_eq!(api.fakes.posted(), expected);
    }
}

#[actix_web::test]
async fn the_header_stands_in_for_the_author_and_the_default_server_for_the_server() {
    let post = |api: Api, body: Value, entity: &'static str| async move {
        let request = json_bytes(TestRequest::post().uri(&messages()), body.to_string().as_bytes());
        let answer = api.send(request.insert_header(("x-entity-id", entity))).await;
        (api, answer)
    };
    let (api, answer) = post(Api::open(), json!({"content": "yo"}), USER).await;
    assert_eq!(answer.status, 201);
    assert_eq!((api.fakes.posted().author_id.to_string().as_str(), api.fakes.posted().server_id), (USER, MessageServerId::DEFAULT));
    let (api, _) = post(Api::open(), plain(), AGENT).await;
    assert_eq!(api.fakes.posted().author_id.to_string(), USER);
    post(Api::open(), json!({"content": "yo"}), "zzz").await.1.error(400, "INVALID_ID");
    Api::open().post(&messages(), json!({"content": "yo"})).await.error(400, "BAD_REQUEST");
}

#[actix_web::test]
async fn what_a_message_cannot_be_is_refused() {
    for (key, value, code) in [
        ("content", json!(null), "BAD_REQUEST"),
        ("content", json!(""), "BAD_REQUEST"),
        ("content", json!(7), "BAD_REQUEST"),
        ("content", json!(true), "BAD_REQUEST"),
        ("content", json!({"text": "x"}), "BAD_REQUEST"),
        ("content", json!("x".repeat(100_001)), "BAD_REQUEST"),
        ("author_id", json!("x"), "INVALID_ID"),
        ("author_id", json!(7), "INVALID_ID"),
        ("message_server_id", json!("x"), "INVALID_ID"),
        ("messageId", json!("x"), "INVALID_ID"),
        ("in_reply_to_message_id", json!("x"), "INVALID_ID"),
        ("metadata", json!("x"), "BAD_REQUEST"),
        ("source_type", json!(7), "BAD_REQUEST"),
        ("transport", json!("carrier-pigeon"), "BAD_REQUEST"),
        ("transport", json!(7), "BAD_REQUEST"),
        ("mode", json!("x"), "BAD_REQUEST"),
    ] {
        let api = Api::open();
        api.post(&messages(), with(plain(), key, value)).await.error(400, code);
        assert!(api.fakes.calls().is_empty(), "{key}");
    }
    let widest = with(plain(), "content", json!("ü".repeat(100_000)));
    assert_eq!(Api::open().post(&messages(), widest).await.status, 201);
}

async fn exchange(reply: ReplyEvent) -> Answer {
    let api = Api::open();
    api.fakes.replies.lock().unwrap().push_back(reply);
    let answer = api.post(&messages(), with(plain(), "transport", json!("http"))).await;
    assert!(matches!(api.fakes.calls().as_slice(), [Call::Exchange(_)]));
    answer
}

#[actix_web::test]
async fn the_http_transport_waits_for_the_reply() {
    let answer = exchange(ReplyEvent::Replied(message().into())).await;
    let expected = json!({
        "text": "pong", "actions": ["REPLY"], "thought": "deterministic thought", "responseId": REPLY, "messageId": REPLY,
        "inReplyTo": MESSAGE, "providers": [], "simple": true,
    });
    assert_eq!(answer.data(201)["agentResponse"], expected);
    assert_eq!(answer.json()["agentResponse"], expected);
    assert_eq!(answer.json()["userMessage"]["content"], "yo");
}

#[actix_web::test]
async fn the_older_mode_names_the_same_transports() {
    let api = Api::open();
    for (key, name, waits) in [
        ("transport", json!("websocket"), false),
        ("transport", json!(null), false),
        ("mode", json!("websocket"), false),
        ("mode", json!("sync"), true),
        ("transport", json!("sync"), true),
        ("mode", json!("http"), true),
    ] {
        api.fakes.replies.lock().unwrap().push_back(ReplyEvent::Silent { superseded_by: None });
        assert_eq!(api.post(&messages(), with(plain(), key, name.clone())).await.status, 201, "{key} {name}");
        let waited = matches!(api.fakes.calls().pop(), Some(Call::Exchange(_)));
        assert_eq!(waited, waits, "{key} {name}");
    }
}

#[actix_web::test]
async fn a_silent_agent_is_an_answer() {
    let answer = exchange(ReplyEvent::Silent { superseded_by: None }).await;
    assert_eq!(answer.data(201)["agentResponse"], json!({"actions": ["IGNORE"], "inReplyTo": MESSAGE}));
    let answer = exchange(ReplyEvent::Silent { superseded_by: Some(REPLY.parse().unwrap()) }).await;
    assert_eq!(answer.data(201)["agentResponse"]["supersededBy"], REPLY);
}

#[actix_web::test]
async fn a_reply_that_does_not_come_still_gives_the_message_back() {
    let failed = exchange(ReplyEvent::Failed("the model is not reachable".to_owned())).await;
    assert_eq!(failed.error(500, "PROCESSING_ERROR"), "the model is not reachable");
    assert_eq!(failed.json()["userMessage"]["id"], MESSAGE);
    let deleted = exchange(ReplyEvent::Deleted("the channel was deleted".to_owned())).await;
    assert_eq!(deleted.error(409, "REPLY_CANCELLED"), "the channel was deleted");
    assert_eq!(deleted.json()["userMessage"]["id"], MESSAGE);
    let late = exchange(ReplyEvent::TimedOut).await;
    late.error(504, "REPLY_TIMEOUT");
    assert_eq!(late.json()["userMessage"]["id"], MESSAGE);
    let api = Api::open();
    api.fakes.fail_with(ServiceError::invalid(InvalidCode::NoAgent, "No agent found in channel participants"));
    api.post(&messages(), with(plain(), "mode", json!("sync"))).await.error(400, "NO_AGENT");
}

#[actix_web::test]
async fn waiting_ends_when_the_server_stops() {
    let api = Api::open();
    api.state.close();
    let answer = api.post(&messages(), with(plain(), "transport", json!("http"))).await;
    answer.error(503, "UNAVAILABLE");
    assert_eq!(answer.json()["userMessage"]["id"], MESSAGE);
}

#[actix_web::test]
async fn a_submission_gives_the_stored_message_back() {
    let api = Api::open();
    let data = api.post("/api/messaging/submit", submission()).await.data(201);
    assert_eq!((&data["channelId"], &data["authorId"], &data["content"]), (&json!(CHANNEL), &json!(AGENT), &json!("hi")));
    assert_eq!(data["metadata"], json!({"agentName": "Alice"}), "metadata comes back exactly");
    assert_eq!(data["rawMessage"], json!({"text": "hi", "thought": "t"}));
    let posted = api.fakes.posted();
    assert_eq!((posted.door, posted.author_name.as_deref()), (Door::Submit, Some("Alice")));
    assert_eq!(posted.in_reply_to.map(|id| id.to_string()).as_deref(), Some(MESSAGE));
}

#[actix_web::test]
async fn a_submission_must_be_whole() {
    for key in ["channel_id", "server_id", "author_id", "content", "source_type", "raw_message"] {
        let mut body = object(submission());
        body.remove(key);
        let api = Api::open();
        let named = if key == "server_id" { "message_server_id" } else { key };
        assert_eq!(
            api.post("/api/messaging/submit", body.into()).await.error(400, "BAD_REQUEST"),
            format!("Missing required field: {named}")
        );
        assert!(api.fakes.calls().is_empty());
    }
    for (key, value, code) in [
        ("channel_id", json!("bad"), "INVALID_ID"),
        ("raw_message", json!("text"), "BAD_REQUEST"),
        ("raw_message", json!([]), "BAD_REQUEST"),
        ("in_reply_to_message_id", json!("bad"), "INVALID_ID"),
        ("messageId", json!("bad"), "INVALID_ID"),
        ("source_type", json!(""), "BAD_REQUEST"),
    ] {
        Api::open().post("/api/messaging/submit", with(submission(), key, value)).await.error(400, code);
    }
}

#[actix_web::test]
async fn an_external_message_is_accepted_with_its_source() {
    let api = Api::open();
    let body = json!({
        "channel_id": CHANNEL, "server_id": SERVER, "author_id": USER, "content": "Hello from Discord!", "source_type": "discord",
        "source_id": "discord_message_123", "author_display_name": "User123", "raw_message": {"id": "discord_message_123"},
        "metadata": {"platform": "discord"}, "in_reply_to_message_id": "a-discord-id",
    });
    let answer = api.post("/api/messaging/ingest-external", body).await;
    assert_eq!(answer.status, 202);
    let expected = json!({"success": true, "message": "Message ingested and published to bus", "data": {"messageId": MESSAGE}});
    assert_eq!(answer.json(), expected);
    let posted = api.fakes.posted();
    assert_eq!((posted.door, posted.source_id.as_deref()), (Door::Ingest, Some("discord_message_123")));
    assert_eq!((posted.author_name.as_deref(), posted.in_reply_to), (Some("User123"), None));
    for (body, code) in [
        (json!({"channel_id": CHANNEL}), "BAD_REQUEST"),
        (json!({"channel_id": "x", "server_id": SERVER, "author_id": USER, "content": "c"}), "INVALID_ID"),
    ] {
        Api::open().post("/api/messaging/ingest-external", body).await.error(400, code);
    }
}

#[actix_web::test]
async fn a_completion_is_announced() {
    let api = Api::open();
    let answer = api.post("/api/messaging/complete", json!({"channel_id": CHANNEL, "server_id": SERVER})).await;
    assert_eq!(answer.data(200), json!({"success": true, "channelId": CHANNEL, "serverId": SERVER, "messageServerId": SERVER}));
    assert!(answer.json()["message"].is_string());
    assert_eq!(api.fakes.calls(), [Call::Complete(CHANNEL.parse().unwrap())]);
    api.post("/api/messaging/complete", json!({"channel_id": CHANNEL})).await.error(400, "BAD_REQUEST");
    api.post("/api/messaging/complete", json!({"channel_id": "x", "server_id": SERVER})).await.error(400, "INVALID_ID");
}

#[actix_web::test]
async fn an_idempotency_key_is_passed_on_and_a_replay_says_so() {
    let submit = |key: String| {
        let request = json_bytes(TestRequest::post().uri("/api/messaging/submit"), submission().to_string().as_bytes());
        request.insert_header(("idempotency-key", key))
    };
    let api = Api::open();
    let first = api.send(submit("k-1".to_owned())).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
    assert_eq!(api.fakes.posted().idempotency_key.as_deref(), Some("k-1"));
    *api.fakes.repeated.lock().unwrap() = true;
    let second = api.send(submit("k-1".to_owned())).await;
    assert_eq!((second.status, second.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(second.body, first.body);
    assert_eq!(api.send(submit("k".repeat(255))).await.status, 201);
    for bad in [String::new(), "a b".to_owned(), "k".repeat(256), "ü".to_owned()] {
        api.send(submit(bad)).await.error(400, "BAD_REQUEST");
    }
}
