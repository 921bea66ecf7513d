//! Single messages: shown, changed, deleted, searched; titles; what agents show of their doing.

use core_types::messaging::{Door, MessageChange, MessageSearch, Title};
use core_types::models::ModelError;
use core_types::{ServiceError, Thing, Timestamp};
use serde_json::{Value, json};

use crate::fakes::{AGENT, CHANNEL, Call, MESSAGE, REPLY, SERVER, USER};
use crate::support::Api;

#[actix_web::test]
async fn a_message_is_shown_as_lists_show_it() {
    let api = Api::open();
    let shown = api.get(&format!("/api/messaging/messages/{MESSAGE}")).await.data(200);
    assert_eq!((&shown["id"], &shown["metadata"]["thought"]), (&json!(REPLY), &json!("deterministic thought")));
    assert_eq!(api.fakes.calls(), [Call::Message(MESSAGE.parse().unwrap())]);
    let api = Api::open();
    api.fakes.fail_with(ServiceError::NotFound(Thing::Message));
    api.get(&format!("/api/messaging/messages/{MESSAGE}")).await.error(404, "MESSAGE_NOT_FOUND");
}

#[actix_web::test]
async fn a_message_is_changed_by_both_paths_and_every_spelling() {
    let nothing = MessageChange::default;
    for (body, change) in [
        (json!({}), nothing()),
        (json!({"content": "x", "server_message_id": "ignored"}), MessageChange { content: Some("x".to_owned()), ..nothing() }),
        (
            json!({"raw_message": {"actionStatus": "completed"}}),
            MessageChange { raw: Some(json!({"actionStatus": "completed"}).into()), ..nothing() },
        ),
        (
            json!({"rawMessage": {}, "sourceType": "s"}),
            MessageChange { raw: Some(json!({}).into()), source_type: Some("s".to_owned()), ..nothing() },
        ),
        (
            json!({"metadata": {"k": 1}, "author_id": USER}),
            MessageChange { metadata: Some(json!({"k": 1}).into()), author_id: Some(USER.parse().unwrap()), ..nothing() },
        ),
        (json!({"in_reply_to_message_id": REPLY}), MessageChange { in_reply_to: Some(REPLY.parse().unwrap()), ..nothing() }),
    ] {
        for path in ["action", "messages"] {
            let api = Api::open();
            let changed = api.patch(&format!("/api/messaging/{path}/{MESSAGE}"), body.clone()).await.data(200);
            assert_eq!(changed["id"], REPLY);
            assert_eq!(api.fakes.calls(), [Call::Edit(MESSAGE.parse().unwrap(), change.clone())], "{body}");
        }
    }
    for (body, code) in [
        (json!({"content": 7}), "BAD_REQUEST"),
        (json!({"content": "x".repeat(100_001)}), "BAD_REQUEST"),
        (json!({"raw_message": "text"}), "BAD_REQUEST"),
        (json!({"author_id": "bad"}), "INVALID_ID"),
    ] {
        Api::open().patch(&format!("/api/messaging/action/{MESSAGE}"), body).await.error(400, code);
    }
    Api::open().patch("/api/messaging/action/bad", json!({})).await.error(400, "INVALID_ID");
}

#[actix_web::test]
async fn messages_are_deleted_one_by_one_and_all_at_once() {
    for name in ["channels", "central-channels"] {
        let api = Api::open();
        let messages = format!("/api/messaging/{name}/{CHANNEL}/messages");
        let one = api.delete(&format!("{messages}/{MESSAGE}")).await;
        let all = api.delete(&messages).await;
        assert_eq!((one.status, all.status, one.body.len(), all.body.len()), (204, 204, 0, 0));
        let channel = CHANNEL.parse().unwrap();
        assert_eq!(api.fakes.calls(), [Call::RemoveMessage(channel, MESSAGE.parse().unwrap()), Call::Clear(channel)]);
        api.delete(&format!("{messages}/bad")).await.error(400, "INVALID_ID");
    }
}

#[actix_web::test]
async fn a_search_reads_every_field_of_the_official_client() {
    let moment = |millis| Some(Timestamp::from_millis(millis));
    let plain = MessageSearch { limit: 50, ..MessageSearch::default() };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for (body, search) in [
        (json!({}), plain.clone()),
        (json!({"query": " help  with "}), MessageSearch { words: words(&["help", "with"]), ..plain.clone() }),
        (
            json!({"channelId": CHANNEL, "authorId": USER}),
            MessageSearch { channel: Some(CHANNEL.parse().unwrap()), author: Some(USER.parse().unwrap()), ..plain.clone() },
        ),
        (
            json!({"from": "2024-01-01T00:00:00.007Z", "to": 5}),
            MessageSearch { from: moment(1_704_067_200_007), to: moment(5), ..plain.clone() },
        ),
        (json!({"limit": 10, "page": 3}), MessageSearch { limit: 10, offset: 20, ..plain.clone() }),
        (json!({"limit": "7", "offset": 4, "page": 9}), MessageSearch { limit: 7, offset: 4, ..plain.clone() }),
        (json!({"limit": 5_000}), MessageSearch { limit: 1_000, ..plain.clone() }),
    ] {
        let api = Api::open();
        let found = api.post("/api/messaging/messages/search", body.clone()).await.data(200);
        assert_eq!((&found["messages"][0]["id"], &found["searchedTo"]), (&json!(REPLY), &json!("2024-01-01T00:00:00.007Z")));
        assert_eq!(api.fakes.calls(), [Call::Search(search)], "{body}");
    }
    for (body, code) in [
        (json!({"query": 7}), "BAD_REQUEST"),
        (json!({"query": "a ".repeat(33)}), "BAD_REQUEST"),
        (json!({"query": "x".repeat(257)}), "BAD_REQUEST"),
        (json!({"channelId": "bad"}), "INVALID_ID"),
        (json!({"limit": -1}), "BAD_REQUEST"),
        (json!({"limit": 1.5}), "BAD_REQUEST"),
        (json!({"from": "yesterday"}), "BAD_REQUEST"),
        (json!({"to": true}), "BAD_REQUEST"),
    ] {
        Api::open().post("/api/messaging/messages/search", body).await.error(400, code);
    }
}

#[actix_web::test]
async fn a_title_is_made_or_there_is_a_reason_why_not() {
    let path = format!("/api/messaging/channels/{CHANNEL}/generate-title");
    let made = |title: Title| {
        let path = path.clone();
        async move {
            let api = Api::open();
            *api.fakes.title.lock().unwrap() = Some(title);
            api.post(&format!("{path}?limit=9&before=5"), json!({"agentId": AGENT})).await.data(200)
        }
    };
    assert_eq!(made(Title::Made("Tea".to_owned())).await, json!({"title": "Tea", "channelId": CHANNEL}));
    let short = made(Title::TooShort).await;
    assert_eq!(short, json!({"title": null, "channelId": CHANNEL, "reason": "Not enough messages to generate a title"}));
    assert_eq!(made(Title::Blank).await["title"], Value::Null);

    let api = Api::open();
    api.post(&path, json!({"agentId": AGENT})).await.data(200);
    assert_eq!(api.fakes.calls(), [Call::Title(CHANNEL.parse().unwrap(), AGENT.parse().unwrap(), None, 50)]);
    api.post(&path, json!({"agentId": "bad"})).await.error(400, "INVALID_ID");
    api.post(&path, json!({})).await.error(400, "BAD_REQUEST");
    api.fakes.fail_with(ServiceError::NotFound(Thing::Agent));
    api.post(&path, json!({"agentId": AGENT})).await.error(404, "AGENT_NOT_FOUND");
    api.fakes.fail_with(ServiceError::Model(ModelError::CutOff { provider: "openai".to_owned() }));
    let said = api.post(&path, json!({"agentId": AGENT})).await.error(500, "PROCESSING_ERROR");
    assert_eq!(said, "openai broke off its answer");
}

#[actix_web::test]
async fn what_an_agent_does_is_posted_like_a_submission() {
    let api = Api::open();
    let body = json!({
        "channel_id": CHANNEL, "server_id": SERVER, "author_id": AGENT, "content": "Executing action: X",
        "source_type": "agent_action", "raw_message": {"actionStatus": "executing"}, "messageId": MESSAGE,
    });
    assert_eq!(api.post("/api/messaging/action", body.clone()).await.data(201)["id"], MESSAGE);
    assert_eq!(api.fakes.posted().door, Door::Action);
    for missing in ["channel_id", "server_id", "author_id", "content", "source_type", "raw_message"] {
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove(missing);
        api.post("/api/messaging/action", body).await.error(400, "BAD_REQUEST");
    }
}
