//! Repeating a post: the same again is answered with the first, something else under the same name is a conflict.

use serde_json::{Value, json};
use testkit::caller::{Answer, Caller, Request};
use testkit::server::TestServer;

use crate::support::{
    ANN, BEN, DEFAULT, NOTHING, create_channel, dm, exchange, messages, messages_of, names, open, refused, saying, says, snapshot,
    speaking, texts, with_field, world,
};

/// A body that every door accepts.
fn body(channel: &str) -> Value {
    json!({
        "channel_id": channel, "server_id": DEFAULT, "author_id": ANN, "content": "once", "source_type": "test",
        "raw_message": {"text": "once", "deep": [{"a": 1, "b": 2}]}, "metadata": {"n": 1, "m": {"x": 1, "y": 2}},
    })
}

/// The doors, with the status of a success.
fn doors(channel: &str) -> [(String, u16); 3] {
    [(messages_of(channel), 201), ("/api/messaging/submit".to_owned(), 201), ("/api/messaging/ingest-external".to_owned(), 202)]
}

async fn place() -> (TestServer, Caller, String) {
    let (server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    (server, ann, channel)
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

#[tokio::test]
async fn the_same_key_with_the_same_body_gets_the_first_answer_again() {
    let (mut server, ann, channel) = place().await;
    let mut firsts = Vec::new();
    for (path, status) in doors(&channel) {
        let first = ann.with("idempotency-key", "k-1").post(&path, &body(&channel)).await;
        assert_eq!((first.status, replayed(&first)), (status, false), "{path}");
        let before = world(&ann).await;
        let again = ann.with("idempotency-key", "k-1").post(&path, &body(&channel)).await;
        assert_eq!((again.status, &again.body, replayed(&again)), (status, &first.body, true), "{path}");
        let spelled = json!({
            "channelId": channel.to_uppercase(), "serverId": DEFAULT, "authorId": ANN, "content": "once", "sourceType": "test",
            "rawMessage": {"deep": [{"b": 2, "a": 1}], "text": "once"}, "metadata": {"m": {"y": 2, "x": 1}, "n": 1}, "unknown": "ignored",
        });
        let otherwise = ann.with("idempotency-key", "k-1").post(&path, &spelled).await;
        assert_eq!(
            (otherwise.status, replayed(&otherwise)),
            (status, true),
            "neither spelling nor order of the fields matters: {otherwise}"
        );
        assert_eq!(world(&ann).await, before);
        firsts.push((path, status, first));
    }
    assert_eq!(texts(&ann, &channel).await, ["once"; 3], "each door has keys of its own");
    server.restart().await;
    for (path, status, first) in firsts {
        let again = server.caller().with("idempotency-key", "k-1").post(&path, &body(&channel)).await;
        assert_eq!((again.status, &again.body, replayed(&again)), (status, &first.body, true), "after a restart: {path}");
    }
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    let (_server, ann, channel) = place().await;
    for (path, status) in doors(&channel) {
        let keyed = |body: &Value| Request::post(&path, body).header("idempotency-key", "k-2");
        assert_eq!(ann.send(keyed(&body(&channel))).await.status, status);
        let others = [
            ("content", json!("twice")),
            ("author_id", json!(BEN)),
            ("metadata", json!({"n": 2})),
            ("raw_message", json!({"text": "twice"})),
            ("source_type", json!("other")),
            ("messageId", json!(NOTHING)),
        ];
        let cases = others.map(|(key, value)| (keyed(&with_field(body(&channel), key, value)), 409, "CONFLICT"));
        refused(&ann, cases).await;
    }
    let keyed = ann.with("idempotency-key", "k-2");
    snapshot!("key_used_with_another_body", keyed.post(&messages_of(&channel), &with_field(body(&channel), "content", json!("x"))).await);
}

#[tokio::test]
async fn a_message_id_of_the_callers_own_works_like_a_key() {
    let (_server, ann, channel) = place().await;
    for (index, (path, status)) in doors(&channel).into_iter().enumerate() {
        let id = format!("00000000-0000-4000-8000-00000000000{index}");
        let whole = with_field(body(&channel), "messageId", json!(id));
        let first = ann.post(&path, &whole).await;
        assert_eq!((first.status, replayed(&first)), (status, false), "{path}");
        let again = ann.post(&path, &with_field(whole.clone(), "messageId", json!(id.to_uppercase()))).await;
        assert_eq!((again.status, &again.body, replayed(&again)), (status, &first.body, true), "{path}");
        let other = Request::post(&path, &with_field(whole.clone(), "content", json!("twice")));
        refused(&ann, [(other, 409, "CONFLICT")]).await;
    }
    let taken = with_field(body(&channel), "messageId", json!("00000000-0000-4000-8000-000000000000"));
    refused(&ann, [(Request::post("/api/messaging/submit", &taken), 409, "CONFLICT")]).await;
    let stored = messages(&ann, &channel).await;
    assert_eq!(stored.len(), 3);
    assert_eq!(stored[1]["id"], "00000000-0000-4000-8000-000000000001");
}

#[tokio::test]
async fn a_key_and_a_message_id_together_both_name_the_post() {
    let (_server, ann, channel) = place().await;
    for (index, (path, status)) in doors(&channel).into_iter().enumerate() {
        let named =
            |number: usize| with_field(body(&channel), "messageId", json!(format!("00000000-0000-4000-8000-0000000000{index}{number}")));
        let keyed = |key: &str, body: &Value| Request::post(&path, body).header("idempotency-key", key);
        let first = ann.send(keyed("both", &named(1))).await;
        assert_eq!((first.status, replayed(&first)), (status, false), "{path}");
        for again in [keyed("both", &named(1)), keyed("later", &named(1)), Request::post(&path, &named(1))] {
            let again = ann.send(again).await;
            assert_eq!((again.status, &again.body, replayed(&again)), (status, &first.body, true), "{path}");
        }
        let other = with_field(named(1), "content", json!("twice"));
        refused(&ann, [(keyed("both", &named(2)), 409, "CONFLICT"), (keyed("another", &other), 409, "CONFLICT")]).await;
    }
    assert_eq!(texts(&ann, &channel).await, ["once"; 3]);
}

#[tokio::test]
async fn ten_posts_with_one_key_at_once_are_one_message() {
    let (_server, ann, channel) = place().await;
    let (path, body) = (messages_of(&channel), body(&channel));
    let keyed = ann.with("idempotency-key", "racing");
    let answers = futures_util::future::join_all((0..10).map(|_| keyed.post(&path, &body))).await;
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.body == answers[0].body));
    assert_eq!(answers.iter().filter(|answer| !replayed(answer)).count(), 1);
    assert_eq!(texts(&ann, &channel).await, ["once"]);
}

#[tokio::test]
async fn an_external_message_is_the_same_if_its_source_says_so() {
    let (_server, ann, channel) = place().await;
    let elsewhere = create_channel(&ann, "GROUP", &[ANN]).await;
    let path = "/api/messaging/ingest-external";
    let external =
        |channel: &str, source: &str, id: &str| with_field(with_field(body(channel), "source_type", json!(source)), "source_id", json!(id));
    let first = ann.post(path, &external(&channel, "discord", "123")).await;
    let before = world(&ann).await;
    let edited = with_field(external(&channel, "discord", "123"), "content", json!("edited since"));
    for repeat in [external(&channel, "discord", "123"), edited] {
        let again = ann.post(path, &repeat).await;
        assert_eq!((again.status, again.data(202), replayed(&again)), (202, first.data(202), true));
    }
    assert_eq!(world(&ann).await, before);
    for other in [external(&channel, "discord", "124"), external(&channel, "slack", "123"), external(&elsewhere, "discord", "123")] {
        let answer = ann.post(path, &other).await;
        assert!(answer.status == 202 && !replayed(&answer) && answer.data(202) != first.data(202), "{answer}");
    }
    assert_eq!((texts(&ann, &channel).await.len(), texts(&ann, &elsewhere).await.len()), (3, 1));
    let not_external = with_field(with_field(body(&channel), "source_type", json!("discord")), "source_id", json!("123"));
    let posted = ann.post(&messages_of(&channel), &not_external).await;
    assert!(posted.status == 201 && !replayed(&posted), "at the other doors a source names nothing: {posted}");
}

#[tokio::test]
async fn ill_formed_keys_are_refused() {
    let (_server, ann, channel) = place().await;
    for (path, status) in doors(&channel) {
        let keyed = |key: &str| Request::post(&path, &body(&channel)).header("idempotency-key", key);
        assert_eq!(ann.send(keyed(&"k".repeat(255))).await.status, status);
        let bad = ["", "a b", "ü", &"k".repeat(256)];
        refused(&ann, bad.map(|key| (keyed(key), 400, "BAD_REQUEST"))).await;
    }
}

#[tokio::test]
async fn a_refused_post_does_not_use_its_key_up() {
    let (_server, ann, channel) = place().await;
    let keyed = |body: &Value| Request::post(&messages_of(&channel), body).header("idempotency-key", "k-3");
    let waits = with_field(body(&channel), "transport", json!("http"));
    refused(&ann, [(keyed(&waits), 400, "NO_AGENT"), (keyed(&json!({})), 400, "BAD_REQUEST")]).await;
    let answer = ann.send(keyed(&with_field(body(&channel), "content", json!("something else")))).await;
    assert_eq!((answer.status, replayed(&answer)), (201, false), "{answer}");
}

#[tokio::test]
async fn a_repeated_exchange_gets_the_same_reply_without_asking_the_model_again() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    let keyed = ann.with("idempotency-key", "k-4");
    let first = exchange(&keyed, &channel, "ping", "http").await;
    let again = exchange(&keyed, &channel, "ping", "http").await;
    assert_eq!((again.status, again.json(), replayed(&again)), (201, first.json(), true));
    let body = with_field(says("ping"), "transport", json!("sse"));
    let streamed = keyed.events(Request::post(&messages_of(&channel), &body)).await;
    assert_eq!(streamed.header("idempotency-replayed"), Some("true"));
    let events = streamed.all().await;
    assert_eq!(names(&events), ["user_message", "done"]);
    assert_eq!(events[1].data["text"], "pong");
    assert_eq!((texts(&ann, &channel).await, model.requests().len()), (vec!["ping".to_owned(), "pong".to_owned()], 1));
}
