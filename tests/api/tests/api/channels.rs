//! Channels.

use serde_json::{Value, json};
use testkit::caller::{Caller, Request};

use crate::support::{ANN, BEN, DEFAULT, NOTHING, create_channel, open, post, refused, snapshot, text, texts, with_field};

const CHANNELS: &str = "/api/messaging/central-channels";

/// The example of the reference.
fn seed() -> Value {
    json!({
        "messageServerId": DEFAULT, "name": "General Chat", "type": "GROUP", "sourceType": "api_created",
        "participantIds": [ANN, BEN],
    })
}

async fn participants(caller: &Caller, channel: &str) -> Value {
    caller.get(&format!("{CHANNELS}/{channel}/participants")).await.data(200)
}

#[tokio::test]
async fn ann_creates_a_channel_as_the_reference_shows() {
    let (server, ann) = open().await;
    let created = ann.post(CHANNELS, &seed()).await;
    let id = text(&created.data(201)["id"]);
    server.record().name(&id, "channel");
    snapshot!("channel_created", created);
    snapshot!("channel_details", ann.get(&format!("{CHANNELS}/{id}/details")).await);
    snapshot!("channel_participants", ann.get(&format!("{CHANNELS}/{id}/participants")).await);
    let details = ann.get(&format!("{CHANNELS}/{id}/details")).await;
    for path in [format!("{CHANNELS}/{id}"), format!("/api/messaging/channels/{id}/details"), format!("{CHANNELS}/{}/", id.to_uppercase())]
    {
        assert_eq!(ann.get(&path).await.body, details.body, "{path}");
    }
}

#[tokio::test]
async fn every_spelling_of_a_creation_is_understood() {
    let (_server, ann) = open().await;
    for server in ["message_server_id", "messageServerId", "server_id", "serverId"] {
        for members in ["participantCentralUserIds", "participantIds", "participants"] {
            let mut body = json!({"name": "n", "metadata": {"k": [1, {"x": null}]}});
            body[server] = json!(DEFAULT);
            body[members] = json!([BEN, ANN, BEN]);
            let data = ann.post("/api/messaging/channels", &body).await.data(201);
            assert_eq!((&data["messageServerId"], &data["type"]), (&json!(DEFAULT), &json!("GROUP")), "{body}");
            assert_eq!(data["metadata"], json!({"k": [1, {"x": null}]}));
            assert_eq!(participants(&ann, &text(&data["id"])).await, json!([BEN, ANN]), "{body}");
        }
    }
    let alone = ann.post(CHANNELS, &json!({"name": "n", "server_id": DEFAULT, "type": null, "participants": null})).await.data(201);
    assert_eq!(participants(&ann, &text(&alone["id"])).await, json!([]));
}

#[tokio::test]
async fn what_is_no_channel_is_refused() {
    let (_server, ann) = open().await;
    create_channel(&ann, "GROUP", &[ANN]).await;
    let id = json!(ANN);
    let mut without_server = seed();
    without_server.as_object_mut().unwrap().remove("messageServerId");
    let mut cases = vec![
        (without_server, 400, "BAD_REQUEST"),
        (json!({}), 400, "BAD_REQUEST"),
        (with_field(seed(), "messageServerId", json!(NOTHING)), 404, "SERVER_NOT_FOUND"),
    ];
    for (key, value, code) in [
        ("name", json!(null), "BAD_REQUEST"),
        ("name", json!(""), "BAD_REQUEST"),
        ("name", json!(7), "BAD_REQUEST"),
        ("name", json!("x".repeat(257)), "BAD_REQUEST"),
        ("type", json!(7), "BAD_REQUEST"),
        ("type", json!("x".repeat(257)), "BAD_REQUEST"),
        ("sourceType", json!([]), "BAD_REQUEST"),
        ("sourceId", json!({}), "BAD_REQUEST"),
        ("topic", json!("x".repeat(2001)), "BAD_REQUEST"),
        ("topic", json!(false), "BAD_REQUEST"),
        ("metadata", json!([]), "BAD_REQUEST"),
        ("metadata", json!("x"), "BAD_REQUEST"),
        ("messageServerId", json!("bad"), "INVALID_ID"),
        ("messageServerId", json!(7), "INVALID_ID"),
        ("participantIds", json!("x"), "BAD_REQUEST"),
        ("participantIds", json!(["bad"]), "INVALID_ID"),
        ("participantIds", json!([ANN, null]), "INVALID_ID"),
        ("participantIds", json!([ANN, 7]), "INVALID_ID"),
        ("participantIds", json!([[ANN]]), "INVALID_ID"),
        ("participantIds", json!(vec![id; 1001]), "BAD_REQUEST"),
    ] {
        cases.push((with_field(seed(), key, value), 400, code));
    }
    refused(&ann, cases.iter().map(|(body, status, code)| (Request::post(CHANNELS, body), *status, *code))).await;
}

#[tokio::test]
async fn the_bounds_of_a_channel_can_be_reached() {
    let (_server, ann) = open().await;
    let everybody: Vec<String> = (0..1000).map(|number| format!("00000000-0000-4000-8000-{number:012x}")).collect();
    let body = json!({"name": "ü".repeat(256), "topic": "ü".repeat(2000), "server_id": DEFAULT, "participants": everybody});
    let data = ann.post(CHANNELS, &body).await.data(201);
    assert_eq!((&data["name"], &data["topic"]), (&body["name"], &body["topic"]));
    assert_eq!(participants(&ann, &text(&data["id"])).await, json!(everybody));
}

#[tokio::test]
async fn a_channel_that_does_not_exist_is_told_apart_from_an_ill_formed_id() {
    let (_server, ann) = open().await;
    create_channel(&ann, "GROUP", &[ANN]).await;
    let at = |id: &str, rest: &str| Request::get(&format!("{CHANNELS}/{id}{rest}"));
    let unknown = ["", "/details", "/events"].map(|rest| (at(NOTHING, rest), 404, "CHANNEL_NOT_FOUND"));
    refused(&ann, unknown).await;
    let ill_formed = ["", "/details", "/participants", "/messages", "/events"].map(|rest| (at("bad", rest), 400, "INVALID_ID"));
    refused(&ann, ill_formed).await;
    assert_eq!(participants(&ann, NOTHING).await, json!([]));
    assert_eq!(texts(&ann, NOTHING).await, [""; 0]);
    snapshot!("channel_not_found", ann.get(&format!("{CHANNELS}/{NOTHING}/details")).await);
}

#[tokio::test]
async fn ann_deletes_a_channel_with_all_that_was_said_in_it() {
    let (_server, ann) = open().await;
    let (gone, left) = (create_channel(&ann, "GROUP", &[ANN]).await, create_channel(&ann, "GROUP", &[BEN]).await);
    post(&ann, &gone, "one").await;
    post(&ann, &left, "two").await;
    ann.delete(&format!("{CHANNELS}/{gone}")).await.empty(204);
    ann.get(&format!("{CHANNELS}/{gone}/details")).await.error(404, "CHANNEL_NOT_FOUND");
    assert_eq!((participants(&ann, &gone).await, texts(&ann, &gone).await), (json!([]), vec![]));
    assert_eq!((participants(&ann, &left).await, texts(&ann, &left).await), (json!([BEN]), vec!["two".to_owned()]));
    for repeated in [&gone, NOTHING] {
        ann.delete(&format!("/api/messaging/channels/{repeated}")).await.empty(204);
    }
    refused(&ann, [(Request::new("DELETE", &format!("{CHANNELS}/bad")), 400, "INVALID_ID")]).await;
}

#[tokio::test]
async fn ann_changes_a_channel_and_who_takes_part() {
    let (server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    server.record().name(&channel, "channel");
    let path = format!("{CHANNELS}/{channel}");
    let change = json!({"name": "Updated Channel Name", "participantCentralUserIds": [BEN, ANN], "metadata": {"z": 1}});
    snapshot!("channel_changed", ann.patch(&path, &change).await);
    assert_eq!(participants(&ann, &channel).await, json!([BEN, ANN]));
    assert_eq!(ann.patch(&path, &json!({})).await.data(200)["name"], "Updated Channel Name");
    ann.delete(&format!("{path}/agents/{BEN}")).await.data(200);
    ann.delete(&format!("{path}/agents/{BEN}")).await.error(404, "PARTICIPANT_NOT_FOUND");
    for _ in 0..2 {
        ann.post(&format!("{path}/agents"), &json!({"agentId": BEN})).await.data(201);
    }
    assert_eq!(ann.get(&format!("{path}/agents")).await.data(200), json!({"channelId": channel, "participants": [ANN, BEN]}));
    let nowhere = format!("{CHANNELS}/{NOTHING}");
    let cases = [
        (Request::new("PATCH", &nowhere).json(&json!({"name": "n"})), 404, "CHANNEL_NOT_FOUND"),
        (Request::post(&format!("{nowhere}/agents"), &json!({"agentId": BEN})), 404, "CHANNEL_NOT_FOUND"),
        (Request::new("DELETE", &format!("{nowhere}/agents/{BEN}")), 404, "CHANNEL_NOT_FOUND"),
        (Request::new("PATCH", &path).json(&json!({"participantIds": ["bad"]})), 400, "INVALID_ID"),
    ];
    refused(&ann, cases).await;
}

#[tokio::test]
async fn two_have_one_channel_whoever_asks_and_however_often() {
    let (server, ann) = open().await;
    let asked = |from, to| {
        let caller = ann.clone();
        async move { caller.get(&format!("/api/messaging/dm-channel?currentUserId={from}&targetUserId={to}")).await }
    };
    let answers = futures_util::future::join_all((0..8).map(|turn| if turn % 2 == 0 { asked(ANN, BEN) } else { asked(BEN, ANN) })).await;
    let id = text(&answers[0].data(200)["id"]);
    server.record().name(&id, "dm");
    snapshot!("dm_channel", answers[0]);
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    assert_eq!(participants(&ann, &id).await, json!([ANN, BEN]));
    let elsewhere = ann.get(&format!("/api/messaging/dm-channel?currentUserId={ANN}&targetUserId={BEN}&dmServerId={NOTHING}")).await;
    assert_eq!(elsewhere.data(200)["id"], json!(id), "an unknown server is the default one");
    let lists = ann.get(&format!("/api/messaging/central-servers/{DEFAULT}/channels")).await.data(200);
    assert_eq!(lists["channels"].as_array().unwrap().len(), 1);
    let cases = [format!("currentUserId={ANN}&targetUserId={ANN}"), format!("currentUserId={ANN}"), String::new()];
    refused(&ann, cases.map(|query| (Request::get(&format!("/api/messaging/dm-channel?{query}")), 400, "BAD_REQUEST"))).await;
}
