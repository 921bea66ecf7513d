//! Agents' rooms, groups and documents.

use core_types::knowledge::{Format, NewDocument};
use core_types::rooms::{NewGroup, NewRoom};
use core_types::{JsonObject, MessageServerId, Page, ServiceError, Thing};
use serde_json::{Value, json};

use crate::fakes::{AGENT, Call, NOW, REPLY, ROOM, SERVER, USER, WORLD, object};
use crate::support::Api;

fn paths() -> [String; 2] {
    ["/api/agents", "/api/memory"].map(|prefix| format!("{prefix}/{AGENT}/rooms"))
}

fn shown() -> Value {
    json!({
        "id": ROOM, "name": "R", "channelId": ROOM, "agentId": AGENT, "messageServerId": null, "serverId": null, "worldId": WORLD,
        "type": "DM", "source": "client", "metadata": {"k": "v"}, "createdAt": NOW,
    })
}

#[actix_web::test]
async fn rooms_are_listed_shown_made_named_and_deleted() {
    for rooms in paths() {
        let api = Api::open();
        let one = format!("{rooms}/{ROOM}");
        let listed = api.get(&format!("{rooms}?limit=2")).await;
        assert_eq!((listed.header("x-total-count"), listed.data(200)), (Some("1"), json!({"rooms": [shown()]})));
        let mut with_world = shown();
        with_world["worldName"] = json!("W");
        assert_eq!(api.get(&one).await.data(200), with_world);
        let body =
            json!({"name": "R", "type": "GROUP", "source": "test", "worldId": WORLD, "messageServerId": SERVER, "metadata": {"k": "v"}});
        assert_eq!(api.post(&rooms, body).await.data(201), shown());
        assert_eq!(api.post(&rooms, json!({"name": "R"})).await.data(201), shown());
        assert_eq!(api.patch(&one, json!({"name": "Hall"})).await.data(200), shown());
        assert_eq!(api.delete(&one).await.status, 204);
        let id = ROOM.parse().unwrap();
        let whole = NewRoom {
            id: None,
            name: "R".to_owned(),
            kind: "GROUP".to_owned(),
            source: "test".to_owned(),
            world_id: Some(WORLD.parse().unwrap()),
            server_id: Some(MessageServerId::DEFAULT),
            metadata: object(json!({"k": "v"})),
        };
        let least = NewRoom {
            id: None,
            kind: "DM".to_owned(),
            source: "client".to_owned(),
            world_id: None,
            server_id: None,
            metadata: JsonObject::new(),
            ..whole.clone()
        };
        let expected = [
            Call::Page(Page { offset: 0, limit: 2 }),
            Call::Room(id),
            Call::CreateRoom(whole),
            Call::CreateRoom(least),
            Call::RenameRoom(id, "Hall".to_owned()),
            Call::Room(id),
        ];
        assert_eq!(api.fakes.calls(), expected);
    }
}

#[actix_web::test]
async fn what_a_room_cannot_be_is_refused() {
    let rooms = paths()[0].clone();
    for body in [json!({}), json!({"name": ""}), json!({"name": null})] {
        Api::open().post(&rooms, body.clone()).await.error(400, "MISSING_PARAM");
        Api::open().patch(&format!("{rooms}/{ROOM}"), body).await.error(400, "MISSING_PARAM");
    }
    for body in
        [json!({"name": 7}), json!({"name": "x".repeat(257)}), json!({"name": "R", "type": 7}), json!({"name": "R", "metadata": []})]
    {
        Api::open().post(&rooms, body).await.error(400, "BAD_REQUEST");
    }
    Api::open().post(&rooms, json!({"name": "R", "worldId": "zz"})).await.error(400, "INVALID_ID");
    Api::open().get(&format!("{rooms}/zz")).await.error(400, "INVALID_ID");
    let api = Api::open();
    api.fakes.fail_with(ServiceError::NotFound(Thing::Room));
    api.get(&format!("{rooms}/{ROOM}")).await.error(404, "ROOM_NOT_FOUND");
}

#[actix_web::test]
async fn a_group_is_made_for_those_agents_that_exist() {
    let path = format!("/api/memory/groups/{SERVER}");
    let api = Api::open();
    let room =
        json!({"id": ROOM, "agentId": AGENT, "name": "R", "source": "client", "worldId": WORLD, "type": "DM", "metadata": {"k": "v"}});
    let answer = api.post(&path, json!({"agentIds": [AGENT], "name": "G", "worldId": WORLD, "source": "test", "metadata": {"a": 1}})).await;
    assert_eq!(answer.data(201), json!([room]));
    let group = NewGroup {
        server_id: MessageServerId::DEFAULT,
        agents: vec![AGENT.parse().unwrap()],
        name: "G".to_owned(),
        world_id: Some(WORLD.parse().unwrap()),
        source: "test".to_owned(),
        metadata: object(json!({"a": 1})),
    };
    assert_eq!(api.fakes.calls(), [Call::CreateGroup(group)]);
    let part = api.post(&path, json!({"agentIds": [AGENT, USER]})).await;
    let errors = json!([{"agentId": USER, "code": "AGENT_NOT_FOUND", "message": "Agent not found"}]);
    assert_eq!((part.status, part.json()), (207, json!({"success": false, "data": [room], "errors": errors})));
    assert_eq!(api.delete(&path).await.status, 204);
    assert_eq!(api.delete(&format!("{path}/memories")).await.status, 204);
    for body in [json!({}), json!({"agentIds": []}), json!({"agentIds": AGENT}), json!({"agentIds": vec![AGENT; 1_001]})] {
        api.post(&path, body).await.error(400, "BAD_REQUEST");
    }
    api.post(&path, json!({"agentIds": ["zz"]})).await.error(400, "INVALID_ID");
    api.delete("/api/memory/groups/zz").await.error(400, "INVALID_ID");
    api.fakes.fail_with(ServiceError::NotFound(Thing::Agent));
    api.post(&path, json!({"agentIds": [USER]})).await.error(404, "AGENT_NOT_FOUND");
}

#[actix_web::test]
async fn documents_are_handed_in_listed_shown_and_taken_away() {
    let path = format!("/api/memory/agents/{AGENT}/documents");
    let api = Api::open();
    let added =
        api.post(&path, json!({"content": "# T", "contentType": "Text/Markdown; charset=utf-8", "title": "T", "metadata": {"k": 1}})).await;
    assert_eq!((added.data(201)["existing"].clone(), added.json()["data"]["document"]["id"].clone()), (json!(false), json!(REPLY)));
    let document =
        NewDocument { title: Some("T".to_owned()), format: Format::Markdown, source: "# T".into(), metadata: object(json!({"k": 1})) };
    assert_eq!(api.fakes.calls(), [Call::AddDocument(document)]);
    *api.fakes.repeated.lock().unwrap() = true;
    assert_eq!(api.post(&path, json!({"text": "x", "contentType": "text/html"})).await.data(200)["existing"], true);
    let listed = api.get(&format!("{path}?limit=1000&offset=2")).await;
    assert_eq!(listed.data(200)["documents"][0]["id"], REPLY);
    assert_eq!(api.fakes.calls().pop(), Some(Call::Page(Page { offset: 2, limit: 100 })));
    assert_eq!(api.get(&format!("{path}/{REPLY}")).await.data(200)["id"], REPLY);
    assert_eq!(api.delete(&format!("{path}/{REPLY}")).await.status, 204);
    for body in [json!({}), json!({"content": ""}), json!({"content": 7}), json!({"content": "x", "title": "x".repeat(513)})] {
        api.post(&path, body).await.error(400, "BAD_REQUEST");
    }
    for kind in ["application/pdf", "image/png", "text", "*/*"] {
        api.post(&path, json!({"content": "x", "contentType": kind})).await.error(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    api.get(&format!("{path}/zz")).await.error(400, "INVALID_ID");
    api.fakes.fail_with(ServiceError::NotFound(Thing::Document));
    api.get(&format!("{path}/{REPLY}")).await.error(404, "DOCUMENT_NOT_FOUND");
}
