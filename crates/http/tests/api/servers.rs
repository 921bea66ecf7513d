//! Message servers and the agents that listen on them.

use core_types::messaging::{NewServer, ServerChange};
use core_types::{MessageServerId, Page, ServiceError, Thing};
use serde_json::{Value, json};

use crate::fakes::{AGENT, CHANNEL, Call, SERVER, object};
use crate::support::Api;

const NAMES: [&str; 3] = ["servers", "message-servers", "central-servers"];
const ISO: &str = "2024-01-01T00:00:00.007Z";

fn shown() -> Value {
    json!({"id": SERVER, "name": "Default Server", "sourceType": "eliza_default", "createdAt": ISO, "updatedAt": ISO})
}

/// What a route shows of one server: its fields, and the server again under `server`.
fn inline() -> Value {
    let mut inline = shown();
    inline["server"] = shown();
    inline
}

fn default() -> MessageServerId {
    MessageServerId::DEFAULT
}

#[actix_web::test]
async fn all_names_of_servers_lead_to_the_same_list() {
    let api = Api::open();
    *api.fakes.total.lock().unwrap() = 7;
    for name in NAMES {
        let answer = api.get(&format!("/api/messaging/{name}")).await;
        assert_eq!(answer.header("x-total-count"), Some("7"));
        assert_eq!(answer.data(200), json!({"servers": [shown()], "messageServers": [shown()]}));
        let channels = api.get(&format!("/api/messaging/{name}/{SERVER}/channels?limit=2&offset=1")).await;
        assert_eq!(channels.header("x-total-count"), Some("7"));
        assert_eq!(channels.data(200)["channels"][0]["id"], CHANNEL);
        let pages = [Call::Page(Page { offset: 0, limit: 10_000 }), Call::Page(Page { offset: 1, limit: 2 })];
        assert!(api.fakes.calls().ends_with(&pages));
    }
    assert_eq!(api.get("/api/messaging/message-server/current").await.data(200)["messageServerId"], SERVER);
}

#[actix_web::test]
async fn a_server_is_created_shown_changed_and_deleted_under_every_name() {
    for name in NAMES {
        let api = Api::open();
        let path = format!("/api/messaging/{name}/{SERVER}");
        let body = json!({"name": "My Server", "sourceType": "custom", "sourceId": "s", "metadata": {"description": "d"}});
        assert_eq!(api.post(&format!("/api/messaging/{name}"), body).await.data(201), inline());
        assert_eq!(api.get(&path).await.data(200), inline());
        assert_eq!(api.patch(&path, json!({"name": "n2", "metadata": {"k": 1}, "sourceType": "ignored"})).await.data(200), inline());
        assert_eq!(api.patch(&path, json!({})).await.status, 200);
        assert_eq!(api.delete(&path).await.status, 204);
        let new = NewServer {
            id: None,
            name: "My Server".to_owned(),
            source_type: "custom".to_owned(),
            source_id: Some("s".to_owned()),
            metadata: object(json!({"description": "d"})),
        };
        let change = ServerChange { name: Some("n2".to_owned()), metadata: Some(object(json!({"k": 1}))) };
        assert_eq!(
            api.fakes.calls(),
            [
                Call::CreateServer(new),
                Call::Other("server"),
                Call::UpdateServer(default(), change),
                Call::UpdateServer(default(), ServerChange::default()),
                Call::RemoveServer(default()),
            ]
        );
    }
}

#[actix_web::test]
async fn what_a_server_cannot_be_is_refused() {
    for body in [json!({}), json!({"name": "x"}), json!({"sourceType": "x"}), json!({"name": "", "sourceType": "x"})] {
        Api::open().post("/api/messaging/message-servers", body).await.error(400, "BAD_REQUEST");
    }
    for body in [json!({"name": 7, "sourceType": "x"}), json!({"name": "x", "sourceType": "x", "metadata": "m"})] {
        Api::open().post("/api/messaging/message-servers", body).await.error(400, "BAD_REQUEST");
    }
    // Changing one is a route of the reference page alone, where what makes no sense is 422.
    for body in [json!({"name": 7}), json!({"metadata": []}), json!({"name": "x".repeat(257)})] {
        let api = Api::open();
        api.patch(&format!("/api/messaging/central-servers/{SERVER}"), body).await.error(422, "UNPROCESSABLE_ENTITY");
        assert!(api.fakes.calls().is_empty());
    }
    let api = Api::open();
    api.fakes.fail_with(ServiceError::NotFound(Thing::Server));
    api.get(&format!("/api/messaging/central-servers/{SERVER}")).await.error(404, "SERVER_NOT_FOUND");
    Api::open().patch("/api/messaging/central-servers/bad", json!({})).await.error(400, "INVALID_ID");
}

#[actix_web::test]
async fn an_agent_is_tied_to_a_server_by_the_paths_of_both_contracts() {
    let link = Call::Link(default(), AGENT.parse().unwrap());
    let unlink = Call::Unlink(default(), AGENT.parse().unwrap());
    let answer = |message: &str| json!({"messageServerId": SERVER, "serverId": SERVER, "agentId": AGENT, "message": message});
    for name in NAMES {
        let api = Api::open();
        let agents = format!("/api/messaging/{name}/{SERVER}/agents");
        let added = api.post(&agents, json!({"agentId": AGENT})).await.data(201);
        assert_eq!(added, answer("Agent added to message server successfully"));
        let removed = api.delete(&format!("{agents}/{AGENT}")).await.data(200);
        assert_eq!(removed, answer("Agent removed from message server successfully"));
        assert_eq!(api.fakes.calls(), [link.clone(), unlink.clone()]);
        assert_eq!(api.get(&agents).await.data(200), json!({"messageServerId": SERVER, "serverId": SERVER, "agents": [AGENT]}));
        for body in [json!({}), json!({"agentId": "bad"}), json!({"agentId": 7})] {
            assert_eq!(api.post(&agents, body).await.status, 400);
        }
    }
    for name in ["servers", "message-servers"] {
        let api = Api::open();
        let servers = format!("/api/messaging/agents/{AGENT}/{name}");
        api.post(&format!("{servers}/{SERVER}"), json!({})).await.data(201);
        api.delete(&format!("{servers}/{SERVER}")).await.data(200);
        assert_eq!(api.fakes.calls(), [link.clone(), unlink.clone()]);
        assert_eq!(api.get(&servers).await.data(200), json!({"agentId": AGENT, "messageServers": [SERVER], "servers": [SERVER]}));
    }
}
