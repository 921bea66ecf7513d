//! `/api/agents`

use core_types::Timestamp;
use core_types::agents::CreateAgent;
use core_types::runs::{LogFilter, LogLevel};
use serde_json::json;

use crate::fakes::{AGENT, CHANNEL, Call, MESSAGE, NOW, USER, object};
use crate::support::{Api, json_bytes};

#[actix_web::test]
async fn a_list_has_the_keys_that_the_command_line_checks() {
    let data = Api::open().get("/api/agents").await.data(200);
    assert_eq!(data, json!({"agents": [{"id": AGENT, "name": "Eliza", "characterName": "Eliza", "bio": "One", "status": "inactive"}]}));
}

#[actix_web::test]
async fn an_agent_shows_everything_but_the_values_of_its_secrets() {
    let data = Api::open().get(&format!("/api/agents/{AGENT}")).await.data(200);
    assert_eq!(
        data,
        json!({
            "id": AGENT, "enabled": true, "server_id": null, "createdAt": NOW, "updatedAt": NOW, "name": "Eliza", "username": "",
            "bio": ["One", "Two"], "lore": ["l"], "messageExamples": [], "postExamples": [], "topics": [], "adjectives": [],
            "knowledge": [], "plugins": [],
            "settings": {"voice": {"model": "v"}, "secrets": {"OPENAI_API_KEY": "********"}}, "style": {}, "status": "active",
        })
    );
}

#[actix_web::test]
async fn there_are_three_ways_to_create_tried_in_order() {
    let character = json!({"name": "Bob"});
    for (body, expected) in [
        (json!({"characterJson": character}), CreateAgent::Character(character.clone())),
        (json!({"characterPath": "bob.json"}), CreateAgent::Path("bob.json".to_owned())),
        (json!({"agent": character}), CreateAgent::Character(character.clone())),
        (json!({"agent": {}, "characterPath": "p", "characterJson": character}), CreateAgent::Character(character.clone())),
        (json!({"agent": {}, "characterPath": "p"}), CreateAgent::Path("p".to_owned())),
        (json!({"characterJson": null, "characterPath": "", "agent": character}), CreateAgent::Character(character.clone())),
    ] {
        let api = Api::open();
        assert_eq!(api.post("/api/agents", body.clone()).await.status, 201, "{body}");
        assert_eq!(api.fakes.calls(), [Call::Create(expected)], "{body}");
    }
    for body in [json!({}), json!({"characterPath": 7}), json!({"other": 1})] {
        Api::open().post("/api/agents", body).await.error(400, "CREATE_ERROR");
    }
}

#[actix_web::test]
async fn a_creation_echoes_the_character_with_masks_and_warnings() {
    let api = Api::open();
    api.fakes.warnings.lock().unwrap().push("w".to_owned());
    let data = api.post("/api/agents", json!({"agent": {}})).await.data(201);
    assert_eq!(data["id"], AGENT);
    assert_eq!(data["character"]["id"], AGENT);
    assert_eq!(data["character"]["name"], "Eliza");
    assert_eq!(data["character"]["settings"]["secrets"], json!({"openai_api_key": "********"}));
    assert_eq!(data["warnings"], json!(["w"]));
    assert!(data.get("existing").is_none());
}

#[actix_web::test]
async fn a_patch_is_handed_on_as_it_came() {
    let api = Api::open();
    let body = br#"{"name":"Z","settings":{"secrets":{"K":null}},"enabled":false}"#;
    let request = json_bytes(actix_web::test::TestRequest::patch().uri(&format!("/api/agents/{AGENT}")), body);
    assert_eq!(api.send(request).await.data(200)["status"], "active");
    let expected = object(json!({"name": "Z", "settings": {"secrets": {"K": null}}, "enabled": false}));
    assert_eq!(api.fakes.calls(), [Call::Update(expected)]);
}

#[actix_web::test]
async fn start_stop_and_restart_tell_the_state() {
    let api = Api::open();
    for (verb, expected) in [
        ("start", json!({"id": AGENT, "name": "Eliza", "status": "active"})),
        ("restart", json!({"id": AGENT, "name": "Eliza", "status": "active"})),
        ("stop", json!({"message": "Agent stopped", "id": AGENT, "name": "Eliza", "status": "inactive"})),
    ] {
        assert_eq!(api.post(&format!("/api/agents/{AGENT}/{verb}"), json!({})).await.data(200), expected);
    }
    let answer = api.delete(&format!("/api/agents/{AGENT}")).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
}

#[actix_web::test]
async fn logs_are_an_array_with_levels() {
    let data = Api::open().get(&format!("/api/agents/{AGENT}/logs")).await.data(200);
    assert_eq!(
        data,
        json!([{
            "id": MESSAGE, "createdAt": "2024-01-01T00:00:00.007Z", "entityId": USER, "roomId": CHANNEL, "type": "run_event",
            "level": "error", "body": {"status": "error"},
        }])
    );
}

#[actix_web::test]
async fn logs_are_filtered_by_every_spelling() {
    let filter = |query: String| async move {
        let api = Api::open();
        assert_eq!(api.get(&format!("/api/agents/{AGENT}/logs?{query}")).await.status, 200, "{query}");
        match api.fakes.calls().pop() {
            Some(Call::Logs(filter)) => filter,
            other => panic!("{other:?}"),
        }
    };
    let plain = LogFilter { limit: 10, ..LogFilter::default() };
    assert_eq!(filter(String::new()).await, plain);
    assert_eq!(filter("count=3".to_owned()).await, LogFilter { limit: 3, ..plain.clone() });
    assert_eq!(filter("limit=5000&count=3".to_owned()).await, LogFilter { limit: 1000, ..plain.clone() });
    let full = "level=WARN&since=5&until=2024-01-01T00:00:00.000Z&type=action&offset=4&excludeTypes=a&excludeTypes=b";
    let full = filter(format!("{full}&roomId={CHANNEL}")).await;
    assert_eq!(
        full,
        LogFilter {
            room: Some(CHANNEL.parse().unwrap()),
            kind: Some("action".to_owned()),
            since: Some(Timestamp::from_millis(5)),
            until: Some(Timestamp::from_millis(1_704_067_200_000)),
            level: Some(LogLevel::Warn),
            exclude: vec!["a".to_owned(), "b".to_owned()],
            offset: 4,
            ..plain
        }
    );
    for (query, code) in
        [("level=loud", "BAD_REQUEST"), ("limit=-1", "BAD_REQUEST"), ("since=junk", "BAD_REQUEST"), ("roomId=zzz", "INVALID_ID")]
    {
        Api::open().get(&format!("/api/agents/{AGENT}/logs?{query}")).await.error(400, code);
    }
}
