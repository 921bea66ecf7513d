//! Sockets: who may connect, what they hear and in which order, and what becomes of those who leave, come back or do not read.

use core_types::ids::string_to_uuid;
use futures_util::future::select_all;
use serde_json::{Value, json};
use testkit::caller::{Caller, Request};
use testkit::house::PATIENCE;
use testkit::server::{KEY, TestServer};
use testkit::socket::Socket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{ANN, BEN, DEFAULT, NOTHING, create_channel, dm, messages_of, open, post, says, text, texts, with};

/// A token of HS256 for the subject `ben`, which counts until 2100, and the secret that it is signed with.
const BENS_TOKEN: &str =
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJiZW4iLCJleHAiOjQxMDI0NDQ4MDB9.fSqwFBD5GWlRMCmkG8qJtF9VMG4A6GgS_ujji_2vfPo";
const TOKEN_SECRET: &str = "a-secret-of-tokens-with-32-bytes!";

/// Connects as somebody, with the key that there may be.
async fn socket(server: &TestServer, entity: &str) -> Socket {
    Socket::connect(server.address(), &json!({ "entityId": entity, "apiKey": KEY })).await.expect("a socket")
}

/// A message of a socket to a channel.
fn said(channel: &str, sender: &str, content: &str) -> Value {
    json!({"type": 2, "payload": {
        "channelId": channel, "messageServerId": DEFAULT, "senderId": sender, "senderName": "Ann", "message": content,
        "source": "client_chat", "messageId": "m1", "metadata": {"channelType": "DM"},
    }})
}

async fn place() -> (TestServer, Caller, String) {
    let (server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN, BEN]).await;
    (server, ann, channel)
}

#[tokio::test]
async fn ann_chats_with_an_agent_and_ben_hears_it() {
    let (server, ann) = open().await;
    let (agent, channel) = dm(&server, &ann).await;
    let (mut hers, mut his) = (socket(&server, ANN).await, socket(&server, BEN).await);
    for socket in [&mut hers, &mut his] {
        let joined = socket.join(&channel, None).await;
        assert_eq!((&joined["channelId"], &joined["roomId"]), (&json!(channel), &json!(channel)));
    }
    hers.emit("message", &said(&channel, ANN, "hello")).await;

    let own = hers.until("messageBroadcast").await;
    assert_eq!(own["clientMessageId"], "m1");
    let others = his.until("messageBroadcast").await;
    assert_eq!(others.get("clientMessageId"), None);
    for (key, expected) in [
        ("senderId", json!(ANN)),
        ("senderName", json!("Ann")),
        ("text", json!("hello")),
        ("channelId", json!(channel)),
        ("roomId", json!(channel)),
        ("serverId", json!(DEFAULT)),
        ("messageServerId", json!(DEFAULT)),
        ("source", json!("client_chat")),
    ] {
        assert_eq!((&own[key], &others[key]), (&expected, &expected), "{key}");
    }
    assert!(own["createdAt"].is_i64() && own["id"] == others["id"]);

    let (name, ack) = hers.next().await.expect("an event");
    assert_eq!(name, "messageAck");
    assert_eq!((&ack["clientMessageId"], &ack["messageId"]), (&json!("m1"), &own["id"]));
    assert_eq!(ack["status"], "received_by_server_and_processing");

    let mut pieces = Vec::new();
    let reply = loop {
        match hers.next().await.expect("an event") {
            (name, chunk) if name == "messageStreamChunk" => {
                assert_eq!((&chunk["index"], &chunk["agentId"]), (&json!(pieces.len()), &json!(agent)));
                pieces.push(chunk);
            }
            (name, reply) if name == "messageBroadcast" => break reply,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reply["senderId"], agent);
    assert!(!pieces.is_empty() && pieces.iter().all(|piece| piece["messageId"] == reply["id"]));
    assert_eq!(pieces.iter().map(|piece| text(&piece["chunk"])).collect::<String>(), text(&reply["text"]));
    let (name, complete) = hers.next().await.expect("an event");
    assert_eq!(name, "messageComplete");
    assert_eq!((&complete["channelId"], &complete["serverId"]), (&json!(channel), &json!(DEFAULT)));
    assert_eq!(his.until("messageComplete").await, complete);
    assert_eq!(texts(&ann, &channel).await.len(), 2);
}

#[tokio::test]
async fn only_those_with_the_key_connect_and_they_say_who_they_are() {
    let server = TestServer::keyed().await;
    let address = server.address();
    let ann = |key: &str, value: &str| json!({"entityId": ANN, key: value});
    for (headers, auth) in [
        (vec![], ann("apiKey", KEY)),
        (vec![], ann("token", KEY)),
        (vec![("x-api-key", KEY)], ann("x", "")),
        (vec![("authorization", &*format!("Bearer {KEY}"))], ann("x", "")),
        (vec![("x-api-key", "wrong")], ann("apiKey", KEY)),
    ] {
        let mut socket = Socket::with(address, &headers, &auth).await.expect("connected");
        let authenticated = socket.until("authenticated").await;
        assert_eq!(authenticated["entityId"], ANN);
        assert!(socket.until("connection_established").await["socketId"].is_string());
    }
    for (headers, auth, reason) in [
        (vec![], json!({"entityId": ANN}), "API key"),
        (vec![], json!(null), "API key"),
        (vec![], ann("apiKey", "wrong"), "API key"),
        (vec![], ann("apiKey", ""), "API key"),
        (vec![], json!({"entityId": ANN, "apiKey": [KEY]}), "API key"),
        (vec![("x-api-key", "wrong")], ann("x", ""), "API key"),
        (vec![], json!({"apiKey": KEY}), "Valid entityId required"),
        (vec![], json!({"entityId": "bad", "apiKey": KEY}), "Valid entityId required"),
    ] {
        let refused = Socket::with(address, &headers, &auth).await.err().expect("refused");
        assert!(refused.contains(reason), "{auth}: {refused}");
        assert!(!refused.contains(KEY));
    }
}

#[tokio::test]
async fn nothing_is_done_for_a_socket_that_has_not_connected() {
    let server = TestServer::keyed().await;
    let channel = create_channel(&server.key_holder(), "GROUP", &[ANN]).await;
    let mut socket = Socket::open(server.address(), &[]).await.expect("a session");
    socket.emit("message", &said(&channel, ANN, "let me in")).await;
    assert_eq!(socket.ending().await.map(|(code, _)| code), Some(1000));
    assert_eq!(texts(&server.key_holder(), &channel).await, [""; 0]);
}

#[tokio::test]
async fn a_server_without_a_key_lets_no_page_of_elsewhere_connect() {
    let (server, _ann) = open().await;
    for headers in [[("origin", "https://evil.example")], [("host", "evil.example")], [("x-forwarded-for", "1.2.3.4")]] {
        let refused = Socket::open(server.address(), &headers).await.err().expect("refused");
        assert_eq!(refused, "403", "{headers:?}");
    }
    Socket::connect(server.address(), &json!({"entityId": ANN})).await.expect("from this machine");
}

#[tokio::test]
async fn whoever_shows_a_key_is_who_it_says_also_where_none_is_asked_for() {
    let (server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let scopes = ["messages:read", "messages:write"];
    let key = text(&ann.post("/api/keys", &json!({"name": "tenant", "scopes": scopes})).await.data(201)["key"]);
    let mut socket = Socket::connect(server.address(), &json!({"entityId": ANN, "apiKey": key})).await.expect("connected");
    socket.emit("message", &said(&channel, ANN, "as the owner")).await;
    socket.until("messageError").await;
    assert_eq!(texts(&ann, &channel).await, [""; 0]);
    let mut socket = Socket::connect(server.address(), &json!({"entityId": ANN})).await.expect("connected");
    socket.emit("message", &said(&channel, ANN, "as the owner")).await;
    socket.until("messageAck").await;
    assert_eq!(texts(&ann, &channel).await, ["as the owner"]);
}

#[tokio::test]
async fn clients_without_a_name_connect_where_the_operator_lets_them() {
    let (server, ann) = with(&[("SOCKET_ALLOW_ANONYMOUS", "true")]).await;
    let channel = create_channel(&ann, "GROUP", &[ANN, BEN]).await;
    let mut socket = Socket::connect(server.address(), &json!({})).await.expect("connected");
    assert!(socket.until("authenticated").await["entityId"].is_string());
    socket.emit("message", &said(&channel, ANN, "as Ann")).await;
    socket.until("messageAck").await;
    socket.emit("message", &said(&channel, BEN, "as Ben")).await;
    assert_eq!(socket.until("messageError").await["code"], "FORBIDDEN");
    assert_eq!(texts(&ann, &channel).await, ["as Ann"]);
}

#[tokio::test]
async fn what_others_do_to_a_channel_is_told() {
    let (server, ann, channel) = place().await;
    let mut socket = socket(&server, ANN).await;
    socket.join(&channel, None).await;
    let message = text(&post(&ann, &channel, "one").await["id"]);
    let told = socket.until("messageBroadcast").await;
    assert_eq!((&told["id"], &told["text"], &told["seq"]), (&json!(message), &json!("one"), &json!(1)));

    ann.delete(&format!("{}/{message}", messages_of(&channel))).await.empty(204);
    assert_eq!(socket.until("messageDeleted").await["messageId"], message);
    let at = format!("/api/messaging/central-channels/{channel}");
    ann.patch(&at, &json!({"name": "renamed"})).await.data(200);
    let updated = socket.until("channelUpdated").await;
    assert_eq!((&updated["channelId"], &updated["updates"]["name"]), (&json!(channel), &json!("renamed")));
    ann.delete(&messages_of(&channel)).await.empty(204);
    assert_eq!(socket.until("channelCleared").await["channelId"], channel);
    ann.post("/api/messaging/complete", &json!({"channel_id": channel, "server_id": DEFAULT})).await;
    assert_eq!(socket.until("messageComplete").await["channelId"], channel);
    ann.delete(&at).await.empty(204);
    assert_eq!(socket.until("channelDeleted").await["channelId"], channel);

    // Whoever hears a channel hears the next one of the same id.
    post(&ann, &channel, "again").await;
    assert_eq!(socket.until("messageBroadcast").await["text"], "again");
}

/// Asks to hear a channel; whether it was found.
async fn finds(socket: &mut Socket, channel: &str) -> bool {
    socket.emit("1", &json!({"channelId": channel})).await;
    loop {
        match socket.next().await.expect("an answer") {
            (name, _) if name == "room_joined" => return true,
            (name, error) if name == "messageError" => {
                assert_eq!(error["code"], "CHANNEL_NOT_FOUND");
                return false;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn who_is_let_in_again_hears_on_or_joins_like_anybody_else() {
    let server = TestServer::with(&[("ELIZA_SERVER_AUTH_TOKEN", KEY), ("JWT_SECRET", TOKEN_SECRET)]).await;
    let owner = server.key_holder();
    let ben = string_to_uuid("ben").to_string();
    let channel = create_channel(&owner, "GROUP", &[ANN, &ben]).await;
    let connect = async || Socket::connect(server.address(), &json!({"apiKey": BENS_TOKEN})).await.expect("a socket");
    let (mut stays, mut asks) = (connect().await, connect().await);
    for socket in [&mut stays, &mut asks] {
        socket.join(&channel, None).await;
    }
    post(&owner, &channel, "first").await;
    assert_eq!(stays.until("messageBroadcast").await["text"], "first");

    let members = format!("/api/messaging/central-channels/{channel}/agents");
    owner.delete(&format!("{members}/{ben}")).await.data(200);
    post(&owner, &channel, "while away").await;
    let refused = async { while finds(&mut asks, &channel).await {} };
    timeout(PATIENCE, refused).await.expect("it is away");
    owner.post(&members, &json!({"agentId": ben})).await.data(201);
    assert!(asks.join(&channel, None).await["seq"].is_i64());
    post(&owner, &channel, "back").await;
    assert_eq!(asks.until("messageBroadcast").await["text"], "back", "it joined from then on");
    let mut heard = Vec::new();
    while heard.last().is_none_or(|text| text != "back") {
        let (name, told) = stays.next().await.expect("an event");
        assert_ne!(name, "channelDeleted");
        if name == "messageBroadcast" {
            heard.push(text(&told["text"]));
        }
    }
    assert_eq!(heard, ["while away", "back"]);
}

#[tokio::test]
async fn a_client_that_comes_back_is_told_what_it_missed_once_and_in_order() {
    let (server, ann, channel) = place().await;
    // Ben keeps the room open, so that whoever comes back has to catch up with it.
    let mut bens = socket(&server, BEN).await;
    bens.join(&channel, None).await;
    let mut socket = socket(&server, ANN).await;
    socket.join(&channel, None).await;
    post(&ann, &channel, "0").await;
    let seen = socket.until("messageBroadcast").await["seq"].as_i64().expect("a number");
    drop(socket);
    for number in 1..=450 {
        post(&ann, &channel, &number.to_string()).await;
    }
    bens.names_until("messageBroadcast").await;
    let mut again = self::socket(&server, ANN).await;
    assert_eq!(again.join(&channel, Some(seen)).await["seq"], seen);
    for number in 451..=460 {
        post(&ann, &channel, &number.to_string()).await;
    }
    for number in 1..=460 {
        let told = again.until("messageBroadcast").await;
        assert_eq!((text(&told["text"]), told["seq"].as_i64()), (number.to_string(), Some(seen + number)));
    }
}

#[tokio::test]
async fn the_only_one_who_hears_a_channel_catches_up_with_more_than_may_wait_for_it() {
    let (server, ann, channel) = place().await;
    let content = "x".repeat(90_000);
    for _ in 0..60 {
        post(&ann, &channel, &content).await;
    }
    let mut socket = socket(&server, ANN).await;
    socket.join(&channel, Some(0)).await;
    for seq in 1..=60 {
        assert_eq!(socket.until("messageBroadcast").await["seq"], seq);
    }
    post(&ann, &channel, "now").await;
    assert_eq!(socket.until("messageBroadcast").await["text"], "now");
}

#[tokio::test]
async fn a_room_outlives_the_only_one_who_heard_it_while_another_catches_up() {
    let (server, ann, channel) = place().await;
    for number in 0..120 {
        post(&ann, &channel, &number.to_string()).await;
    }
    let (mut first, mut second) = (socket(&server, ANN).await, socket(&server, BEN).await);
    first.join(&channel, None).await;
    second.join(&channel, Some(0)).await;
    // The room must outlive the only one who hears it.
    drop(first);
    for seq in 1..=120 {
        assert_eq!(second.until("messageBroadcast").await["seq"], seq);
    }
    post(&ann, &channel, "now").await;
    assert_eq!(second.until("messageBroadcast").await["text"], "now");
}

#[tokio::test]
async fn a_message_is_acknowledged_though_its_sender_leaves_the_channel() {
    let (server, _ann, channel) = place().await;
    let mut socket = socket(&server, ANN).await;
    for _ in 0..20 {
        socket.join(&channel, None).await;
        socket.emit("message", &said(&channel, ANN, "bye")).await;
        socket.emit("leave", &json!({"channelId": channel})).await;
        assert_eq!(socket.until("messageBroadcast").await["text"], "bye");
        socket.until("messageAck").await;
    }
}

#[tokio::test]
async fn a_channel_that_was_deleted_and_made_again_in_a_hurry_is_heard() {
    let (server, ann) = open().await;
    let mut socket = socket(&server, ANN).await;
    let at = format!("/api/messaging/central-channels/{NOTHING}");
    socket.join(NOTHING, None).await;
    for round in 0..20 {
        let post_one = async || ann.post(&messages_of(NOTHING), &says("in the way")).await;
        let posts = futures_util::future::join_all((0..6).map(|_| post_one()));
        let (_, deleted) = futures_util::join!(posts, ann.delete(&at));
        deleted.empty(204);
        let last = format!("round {round}");
        post(&ann, NOTHING, &last).await;
        while socket.until("messageBroadcast").await["text"] != last {}
    }
}

#[tokio::test]
async fn a_channel_can_be_joined_before_there_is_one() {
    let (server, ann) = open().await;
    let (agent, _) = dm(&server, &ann).await;
    let mut socket = socket(&server, ANN).await;
    assert_eq!(socket.join(NOTHING, None).await["seq"], 0);
    let mut message = said(NOTHING, ANN, "hello");
    message["payload"]["metadata"] = json!({"isDm": true, "targetUserId": agent});
    socket.emit("message", &message).await;
    assert_eq!(socket.until("messageBroadcast").await["clientMessageId"], "m1");
    assert_eq!(socket.until("messageBroadcast").await["senderId"], agent);
    let details = ann.get(&format!("/api/messaging/central-channels/{NOTHING}/details")).await.data(200);
    assert_eq!((&details["type"], &details["sourceType"]), (&json!("DM"), &json!("auto_created")));
    // elizaOS confirms joining what cannot be a channel.
    assert_eq!(socket.join("not-a-uuid", None).await["channelId"], "not-a-uuid");
}

#[tokio::test]
async fn what_cannot_be_done_is_told_and_changes_nothing() {
    let (server, ann) = open().await;
    let (agent, channel) = dm(&server, &ann).await;
    let mut socket = socket(&server, ANN).await;
    let whole = said(&channel, ANN, "x")["payload"].clone();
    let with = |key: &str, value: Value| {
        let mut payload = whole.clone();
        payload[key] = value;
        ("2", payload)
    };
    let required = "are required";
    for ((event, payload), reason) in [
        (("1", json!({})), "channelId is required for joining."),
        (("1", json!({"channelId": 5})), "channelId"),
        (("1", json!({"channelId": channel, "lastSeq": -1})), "lastSeq"),
        (("2", json!({})), required),
        (with("channelId", json!("x")), required),
        (with("messageServerId", json!("x")), required),
        (with("senderId", json!(null)), required),
        (with("message", json!("")), required),
        (with("message", json!(5)), "message must be a string"),
        (with("message", json!("x".repeat(100_001))), "more than 100000 characters"),
        (with("message", json!("a\0b")), "U+0000"),
        (with("metadata", json!([])), "metadata must be an object"),
        (with("senderId", json!(BEN)), "senderId must be the entityId"),
        (with("senderId", json!(agent)), "senderId must be the entityId"),
    ] {
        socket.emit(event, &payload).await;
        let error = text(&socket.until("messageError").await["error"]);
        assert!(error.contains(reason), "{event}: {error}");
    }
    let (_, mut elsewhere) = with("messageServerId", json!(NOTHING));
    elsewhere["channelId"] = json!(NOTHING);
    socket.emit("2", &elsewhere).await;
    assert_eq!(socket.until("messageError").await["error"], format!("Server {NOTHING} does not exist"));
    let mut agents = self::socket(&server, &agent).await;
    agents.emit("2", &with("senderId", json!(agent)).1).await;
    assert!(text(&agents.until("messageError").await["error"]).contains("agent"));
    // What asks for nothing is passed over, as elizaOS does.
    for nothing in [json!("junk"), json!(null), json!({}), json!({"type": 99, "payload": {}})] {
        socket.emit("message", &nothing).await;
    }
    socket.join(&channel, None).await;
    assert_eq!(texts(&ann, &channel).await, [""; 0]);
}

#[tokio::test]
async fn a_message_that_is_sent_again_is_stored_once() {
    let (server, ann, channel) = place().await;
    let mut message = said(&channel, ANN, "once");
    message["payload"]["messageId"] = json!(NOTHING);
    let mut acks = Vec::new();
    for _ in 0..3 {
        let mut socket = socket(&server, ANN).await;
        socket.emit("message", &message).await;
        assert_eq!(socket.until("messageBroadcast").await["clientMessageId"], NOTHING);
        acks.push(socket.until("messageAck").await["messageId"].clone());
    }
    assert!(acks.iter().all(|ack| *ack == acks[0]), "{acks:?}");
    assert_eq!(texts(&ann, &channel).await, ["once"]);
    let mut socket = socket(&server, ANN).await;
    message["payload"]["message"] = json!("another");
    socket.emit("message", &message).await;
    assert_eq!(socket.until("messageError").await["code"], "CONFLICT");
    // Ids that some clients count up with each page name nothing.
    for content in ["first", "second"] {
        socket.emit("message", &said(&channel, ANN, content)).await;
        socket.until("messageAck").await;
    }
    assert_eq!(texts(&ann, &channel).await.len(), 3);
}

#[tokio::test]
async fn whoever_waits_where_nobody_answers_is_told_so() {
    let (server, _ann, channel) = place().await;
    let mut socket = socket(&server, ANN).await;
    socket.join(&channel, None).await;
    socket.emit("message", &said(&channel, ANN, "anybody?")).await;
    assert!(socket.until("messageAck").await["warnings"][0].is_string());
    assert_eq!(socket.until("messageComplete").await["channelId"], channel);
}

#[tokio::test]
async fn an_event_with_a_number_is_answered_by_it() {
    let (server, _ann, channel) = place().await;
    let mut socket = socket(&server, ANN).await;
    let mut answer = async |packet: String| {
        socket.send(&packet).await;
        loop {
            let packet = socket.packet().await.expect("a packet");
            if let Some(answer) = packet.strip_prefix("437") {
                return serde_json::from_str::<Value>(answer).expect("JSON")[0].clone();
            }
        }
    };
    assert_eq!(answer(format!("427{}", json!(["1", {"channelId": channel}]))).await["channelId"], channel);
    assert_eq!(answer(format!("427{}", json!(["message", said(&channel, ANN, "x")]))).await["clientMessageId"], "m1");
    assert_eq!(answer(format!("427{}", json!(["2", {}]))).await["code"], "BAD_REQUEST");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off_and_the_others_are_not() {
    let (server, ann, channel) = place().await;
    let (mut slow, mut quick) = (socket(&server, BEN).await, socket(&server, ANN).await);
    for socket in [&mut slow, &mut quick] {
        socket.join(&channel, None).await;
    }
    let content = "x".repeat(99_000);
    // More than what waits for one client and what the system keeps on its way.
    for _ in 0..200 {
        post(&ann, &channel, &content).await;
        quick.until("messageBroadcast").await;
    }
    let ending = slow.ending().await;
    if let Some((code, reason)) = ending {
        assert_eq!(code, 1013);
        assert!(reason.contains("last seq"), "{reason}");
    }
    quick.emit("message", &said(&channel, ANN, "still here")).await;
    quick.until("messageAck").await;
}

#[tokio::test]
async fn the_log_is_followed_by_those_who_may() {
    let (server, _ann, _) = place().await;
    let mut socket = socket(&server, ANN).await;
    socket.emit("update_log_filters", &json!({"level": "error"})).await;
    assert_eq!(socket.until("log_filters_updated").await["success"], false);
    socket.emit("subscribe_logs", &Value::Null).await;
    assert_eq!(socket.until("log_subscription_confirmed").await["subscribed"], true);
    socket.emit("update_log_filters", &json!({"level": "error"})).await;
    assert_eq!(socket.until("log_filters_updated").await, json!({"success": true, "filters": {"level": "error"}}));
    socket.emit("unsubscribe_logs", &Value::Null).await;
    assert_eq!(socket.until("log_subscription_confirmed").await["subscribed"], false);
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_to_wait() {
    let (server, _ann) = with(&[("RATE_LIMIT_MAX", "5")]).await;
    let mut socket = socket(&server, ANN).await;
    for _ in 0..5 {
        socket.emit("1", &json!({"channelId": "x"})).await;
    }
    assert_eq!(socket.until("messageError").await["code"], "RATE_LIMIT_EXCEEDED");
    let refused = Socket::open(server.address(), &[]).await.err();
    assert_eq!(refused.as_deref(), Some("429"));
    // A session that is not named is a new one, however it is not named.
    assert_eq!(server.caller().get("/socket.io/?EIO=4&transport=polling&sid=").await.status, 429);
}

#[tokio::test]
async fn polls_speak_the_protocol_and_its_errors() {
    let (_server, ann) = open().await;
    for (query, code, message) in [
        ("EIO=3&transport=polling", 5, "Unsupported protocol version"),
        ("transport=polling", 5, "Unsupported protocol version"),
        ("EIO=4&transport=bogus", 0, "Transport unknown"),
        ("EIO=4", 0, "Transport unknown"),
        ("EIO=4&transport=polling&sid=nope", 1, "Session ID unknown"),
    ] {
        let answer = ann.get(&format!("/socket.io/?{query}")).await;
        answer.error(400, "BAD_REQUEST");
        assert_eq!((&answer.json()["code"], &answer.json()["message"]), (&json!(code), &json!(message)), "{query}");
    }
    for path in ["/socket.io/?EIO=4&transport=polling", "/socket%2eio?EIO=4&transport=polling"] {
        assert_eq!(ann.send(Request::new("HEAD", path)).await.status, 404, "{path}");
    }
    let greeting = ann.get("/socket.io/?EIO=4&transport=polling").await;
    assert_eq!((greeting.header("etag"), greeting.header("cache-control")), (None, Some("no-store")));
    let greeting = greeting.text();
    let greeting: Value = serde_json::from_str(greeting.strip_prefix('0').expect("an open packet")).expect("JSON");
    assert_eq!(greeting["upgrades"], json!(["websocket"]));
    let at = format!("/socket.io/?EIO=4&transport=polling&sid={}", text(&greeting["sid"]));
    let say = async |packets: &str| ann.send(Request::new("POST", &at).header("content-type", "text/plain").body(packets)).await;
    assert_eq!(say(&format!("40{}", json!({"entityId": ANN}))).await.text(), "ok");
    let mut told = String::new();
    while !told.contains("connection_established") {
        told.push_str(&ann.get(&at).await.text());
    }
    let order = ["40{\"sid\":", "42[\"authenticated\",", "42[\"connection_established\","].map(|part| told.find(part).expect(part));
    assert!(order.is_sorted(), "{told}");
    let joins = format!("42{}\u{1e}42{}", json!(["1", {"channelId": NOTHING}]), json!(["nothing"]));
    assert_eq!(say(&joins).await.text(), "ok");
    assert!(ann.get(&at).await.text().starts_with("42[\"channel_joined\","));
    // What is no packet ends the session.
    say("x").await.error(400, "BAD_REQUEST");
    assert_eq!(ann.get(&at).await.status, 400);
}

/// Opens a session that is polled; where that is.
async fn polled(caller: &Caller) -> String {
    let greeting = caller.get("/socket.io/?EIO=4&transport=polling").await.text();
    let greeting: Value = serde_json::from_str(greeting.strip_prefix('0').expect("an open packet")).expect("JSON");
    format!("/socket.io/?EIO=4&transport=polling&sid={}", text(&greeting["sid"]))
}

/// Posts a payload to a session.
fn payload(at: &str, packets: &str) -> Request {
    Request::new("POST", at).header("content-type", "text/plain").body(packets)
}

#[tokio::test]
async fn a_session_posts_one_payload_at_a_time() {
    let (server, ann) = open().await;
    let at = polled(&ann).await;
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    let head = format!("POST {at} HTTP/1.1\r\nhost: {}\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\n6", server.address());
    slow.write_all(head.as_bytes()).await.unwrap();
    // The server may come to the other first.
    let refused = async {
        loop {
            let answer = ann.send(payload(&at, "6")).await;
            if answer.status != 200 {
                break answer;
            }
        }
    };
    timeout(PATIENCE, refused).await.expect("a second is refused").error(400, "BAD_REQUEST");
    let ended = async { while ann.get(&at).await.status != 400 {} };
    timeout(PATIENCE, ended).await.expect("the session is over");
    assert_eq!(ann.send(payload(&polled(&ann).await, "6")).await.text(), "ok", "others go on");
}

/// Opens a session that is polled, and connects.
async fn connected(caller: &Caller) -> String {
    let at = polled(caller).await;
    assert_eq!(caller.send(payload(&at, &format!("40{}", json!({"entityId": ANN})))).await.text(), "ok");
    at
}

#[tokio::test]
async fn what_is_large_is_refused_where_much_of_it_is_under_way_and_what_is_small_is_not() {
    let server = TestServer::keyed().await;
    let owner = server.key_holder();
    let key = text(&owner.post("/api/keys", &json!({"name": "tenant", "scopes": ["messages:read"]})).await.data(201)["key"]);
    let tenant = server.caller().with_key(&key);
    let (own, others) = (connected(&tenant).await, connected(&owner).await);
    // As large as they may be, eight are a tenant's part.
    let mut slow = Vec::new();
    for _ in 0..9 {
        let (at, host) = (connected(&tenant).await, server.address());
        let mut socket = TcpStream::connect(host).await.unwrap();
        let head = format!("POST {at} HTTP/1.1\r\nhost: {host}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", 2 << 20);
        socket.write_all(head.as_bytes()).await.unwrap();
        slow.push(socket);
    }
    // Where one is refused, the others have been let in.
    let answers = slow.iter_mut().map(|socket| Box::pin(read_until(socket, b"\r\n\r\n")));
    let (answer, ..) = select_all(answers).await;
    let answer = String::from_utf8(answer).unwrap().to_lowercase();
    assert!(answer.starts_with("http/1.1 503 ") && answer.contains("\r\nretry-after: "), "{answer}");
    // A sign of life that is large asks for nothing.
    let large = format!("3{}", "x".repeat(70_000));
    tenant.send(payload(&own, &large)).await.error(503, "OVERLOADED");
    assert_eq!(tenant.send(payload(&own, "3")).await.text(), "ok");
    assert_eq!(owner.send(payload(&others, &large)).await.text(), "ok");
    drop(slow);
    let taken = async { while tenant.send(payload(&own, &large)).await.status != 200 {} };
    timeout(PATIENCE, taken).await.expect("there is room again");
}

#[tokio::test]
async fn a_post_has_no_more_bytes_than_it_announced_whatever_protocol_it_asks_for() {
    let (server, ann) = open().await;
    let at = connected(&ann).await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST {at} HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 10\r\n\r\n",
        server.address()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&[b'x'; 100]).await.unwrap();
    let answer = read_until(&mut socket, b"\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(ann.send(payload(&at, "3")).await.text(), "ok", "the session goes on");
}

/// Reads until this has come, or to the end.
async fn read_until(socket: &mut TcpStream, wanted: &[u8]) -> Vec<u8> {
    let (mut read, mut part) = (Vec::new(), [0; 1024]);
    while !read.windows(wanted.len()).any(|window| window == wanted) {
        match timeout(PATIENCE, socket.read(&mut part)).await.expect("something comes") {
            Ok(0) | Err(_) => break,
            Ok(length) => read.extend_from_slice(&part[..length]),
        }
    }
    read
}

/// A websocket that is about to take over from the polls of a session.
async fn probing(server: &TestServer, at: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let (path, host) = (at.replace("=polling", "=websocket"), server.address());
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut socket, b"\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    // A text, with a mask that changes nothing.
    socket.write_all(&[&[0x81, 0x86, 0, 0, 0, 0][..], b"2probe"].concat()).await.unwrap();
    assert_eq!(read_until(&mut socket, b"3probe").await, b"\x81\x063probe");
    socket
}

#[tokio::test]
async fn a_websocket_that_does_not_take_over_is_closed_and_polls_go_on() {
    let (server, ann, channel) = place().await;
    let at = connected(&ann).await;
    let hear = async |wanted: &str| {
        let polls = async { while !ann.get(&at).await.text().contains(wanted) {} };
        timeout(PATIENCE, polls).await.unwrap_or_else(|_| panic!("{wanted} is not told"));
    };
    hear("connection_established").await;
    let mut websocket = probing(&server, &at).await;
    let join = format!("42{}", json!(["1", {"channelId": channel}]));
    assert_eq!(ann.send(payload(&at, &join)).await.text(), "ok");
    hear("room_joined").await;
    assert_eq!(read_until(&mut websocket, b"\x88\x00").await, b"\x88\x00", "it is closed when its time is over");
    post(&ann, &channel, "by polls").await;
    hear("by polls").await;
    probing(&server, &at).await;
}

#[tokio::test]
async fn who_has_shown_no_key_sends_little() {
    let server = TestServer::keyed().await;
    let (stranger, owner) = (server.caller(), server.key_holder());
    let large = format!("40/{},", "x".repeat(70_000));
    stranger.send(payload(&polled(&stranger).await, &large)).await.error(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(owner.send(payload(&polled(&owner).await, &large)).await.text(), "ok");
    let mut socket = Socket::open(server.address(), &[]).await.expect("a session");
    socket.send(&large).await;
    assert_eq!(socket.ending().await.map(|(code, _)| code), Some(1009));
    // Whoever shows it later sends as much as others from then on.
    let mut socket = self::socket(&server, ANN).await;
    socket.send(&format!("42{}", json!(["message", {"type": 99, "payload": "x".repeat(70_000)}]))).await;
    assert_eq!(socket.join(NOTHING, None).await["seq"], 0);
}

#[tokio::test]
async fn who_asks_again_and_again_for_what_there_is_not_is_sent_away() {
    let server = TestServer::keyed().await;
    let mut socket = Socket::open(server.address(), &[]).await.expect("a session");
    for _ in 0..16 {
        socket.send("40/x,[0,0").await;
        assert_eq!(socket.packet().await.as_deref(), Some("44/x,{\"message\":\"Invalid namespace\"}"));
    }
    socket.send("40/x,").await;
    assert_eq!(socket.ending().await.map(|(code, _)| code), Some(1000));
}

#[tokio::test]
async fn a_server_that_stops_closes_its_sockets() {
    let (mut server, _ann, channel) = place().await;
    let mut socket = socket(&server, ANN).await;
    socket.join(&channel, None).await;
    server.stop().await;
    socket.ending().await;
    server.begin().await;
    let ann = server.caller();
    ann.post(&messages_of(&channel), &says("after the start")).await.data(201);
    let mut again = self::socket(&server, ANN).await;
    again.join(&channel, Some(0)).await;
    assert_eq!(again.until("messageBroadcast").await["text"], "after the start");
}
