//! Agents' worlds.

use core_types::worlds::{NewWorld, WorldChange};
use core_types::{MessageServerId, Page, ServiceError, Thing};
use serde_json::{Value, json};

use crate::fakes::{AGENT, Call, SERVER, WORLD, object};
use crate::support::Api;

fn worlds() -> String {
    format!("/api/agents/{AGENT}/worlds")
}

fn shown() -> Value {
    json!({
        "id": WORLD, "agentId": AGENT, "name": "W", "metadata": {"k": "v"}, "messageServerId": null,
        "createdAt": "2024-01-01T00:00:00.007Z",
    })
}

fn inline() -> Value {
    let mut inline = shown();
    inline["world"] = shown();
    inline
}

#[actix_web::test]
async fn worlds_are_listed_for_one_agent_and_for_all_that_run() {
    let api = Api::open();
    for path in [worlds(), "/api/agents/worlds".to_owned()] {
        let answer = api.get(&format!("{path}?offset=3")).await;
        assert_eq!(answer.header("x-total-count"), Some("1"));
        assert_eq!(answer.data(200), json!({"worlds": [shown()]}));
        assert_eq!(api.fakes.calls().pop(), Some(Call::Page(Page { offset: 3, limit: 10_000 })));
    }
    api.get(&format!("{}?limit=-1", worlds())).await.error(422, "UNPROCESSABLE_ENTITY");
    api.get("/api/agents/worlds?limit=-1").await.error(400, "BAD_REQUEST");
    api.get("/api/agents/bad/worlds").await.error(400, "INVALID_ID");
}

#[actix_web::test]
async fn a_world_is_created_shown_and_changed() {
    let api = Api::open();
    let one = format!("{}/{WORLD}", worlds());
    assert_eq!(api.post(&worlds(), json!({"name": "W", "messageServerId": SERVER, "metadata": {"k": "v"}})).await.data(201), inline());
    assert_eq!(api.get(&one).await.data(200), inline());
    let mut changed = inline();
    changed["worldId"] = json!(WORLD);
    assert_eq!(api.patch(&one, json!({"name": "W2", "metadata": {"z": 1}})).await.data(200), changed);
    // What the official client sends.
    assert_eq!(api.patch(&one, json!({"settings": {"s": 1}})).await.status, 200);
    let new = NewWorld { id: None, name: "W".to_owned(), server_id: Some(MessageServerId::DEFAULT), metadata: object(json!({"k": "v"})) };
    let id = WORLD.parse().unwrap();
    let named = WorldChange { name: Some("W2".to_owned()), metadata: Some(object(json!({"z": 1}))) };
    let settings = WorldChange { name: None, metadata: Some(object(json!({"settings": {"s": 1}}))) };
    assert_eq!(api.fakes.calls(), [Call::CreateWorld(new), Call::World(id), Call::UpdateWorld(id, named), Call::UpdateWorld(id, settings)]);
}

#[actix_web::test]
async fn what_a_world_cannot_be_is_refused() {
    for body in
        [json!({}), json!({"worldId": WORLD, "name": ""}), json!({"name": ""}), json!({"name": 7}), json!({"name": "x".repeat(257)})]
    {
        Api::open().post(&worlds(), body).await.error(400, "BAD_REQUEST");
    }
    Api::open().post(&worlds(), json!({"name": "W", "messageServerId": "bad"})).await.error(400, "INVALID_ID");
    for body in [json!({"metadata": 7}), json!({"settings": []})] {
        Api::open().patch(&format!("{}/{WORLD}", worlds()), body).await.error(400, "BAD_REQUEST");
    }
    Api::open().get(&format!("{}/bad", worlds())).await.error(400, "INVALID_ID");
    let api = Api::open();
    api.fakes.fail_with(ServiceError::NotFound(Thing::World));
    api.get(&format!("{}/{WORLD}", worlds())).await.error(404, "WORLD_NOT_FOUND");
}
