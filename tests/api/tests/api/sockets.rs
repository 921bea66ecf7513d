//! Sockets: who may connect, what they hear and in which order, and what becomes of those who leave, come back or do not read.

use core_types::ids::string_to_uuid;
use serde_json::{Value, json};
use testkit::house::PATIENCE;
use testkit::server::{KEY, TestServer};
use testkit::socket::Socket;
use tokio::time::timeout;

use crate::support::{
    ANN, BEN, BENS_TOKEN, DEFAULT, NOTHING, TOKEN_SECRET, create_channel, dm, messages_of, open, place, post, says, socket, text, texts,
    with,
};

/// A message of a socket to a channel.
fn said(channel: &str, sender: &str, content: &str) -> Value {
    json!({"type": 2, "payload": {
        "channelId": channel, "messageServerId": DEFAULT, "senderId": sender, "senderName": "Ann", "message": content,
        "source": "client_chat", "messageId": "m1", "metadata": {"channelType": "DM"},
    }})
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
async fn whoever_guesses_keys_shuts_out_nobody_at_the_same_address() {
    let server = TestServer::with(&[("ELIZA_SERVER_AUTH_TOKEN", KEY), ("RATE_LIMIT_MAX", "10")]).await;
    let made = json!({"name": "tenant", "scopes": ["messages:read"]});
    let tenants = text(&server.key_holder().post("/api/keys", &made).await.data(201)["key"]);
    let shows = |key: &str| json!({"entityId": ANN, "apiKey": key});
    let mut refusals = Vec::new();
    for number in 0..30 {
        let refused = Socket::connect(server.address(), &shows(&format!("guess-{number}"))).await;
        refusals.push(refused.err().expect("refused"));
    }
    let tried = refusals.iter().filter(|refusal| refusal.contains("API key")).count();
    let told_to_wait = refusals.iter().filter(|refusal| refusal.starts_with("Rate limit exceeded")).count();
    // What was used comes back evenly, so a slow test may try some more.
    assert!((10..20).contains(&tried) && tried + told_to_wait == 30, "{refusals:?}");
    for key in [KEY, tenants.as_str()] {
        for _ in 0..4 {
            Socket::connect(server.address(), &shows(key)).await.expect("it has a rate of its own");
        }
    }
    // Whoever guesses beyond the rate does so no more on the same session.
    let mut guessing = Socket::open(server.address(), &[]).await.expect("a session");
    loop {
        guessing.send(&format!("40{}", shows("another-guess"))).await;
        let refusal = guessing.packet().await.expect("a refusal");
        assert!(refusal.starts_with("44"), "{refusal}");
        if refusal.contains("Rate limit exceeded") {
            break;
        }
    }
    assert_eq!(guessing.ending().await.map(|(code, _)| code), Some(1000));
}

#[tokio::test]
async fn an_event_may_be_large_and_has_no_more_values_than_it_may() {
    let (server, ann, channel) = place().await;
    let mut socket = socket(&server, ANN).await;
    let mut message = said(&channel, ANN, "with much beside it");
    message["payload"]["metadata"]["much"] = json!("[,\"".repeat(60_000));
    socket.emit("message", &message).await;
    socket.until("messageAck").await;
    message["payload"]["metadata"]["much"] = json!(vec![json!([]); 66_000]);
    socket.emit("message", &message).await;
    let error = socket.until("messageError").await;
    assert_eq!((&error["code"], &error["error"]), (&json!("INVALID_JSON"), &json!("The payload has more than 65536 values")));
    assert_eq!(texts(&ann, &channel).await, ["with much beside it"]);
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
