//! Health, ping and status.

use core_types::ServiceError;
use doolittle_http::HttpSettings;
use serde_json::json;

use crate::fakes::NOW;
use crate::support::Api;

const ISO: &str = "2024-01-01T00:00:00.007Z";

fn api(active: u64) -> Api {
    let api = Api::with(None, HttpSettings { version: "9.9.9".to_owned(), ..HttpSettings::default() });
    *api.fakes.active_agents.lock().unwrap() = active;
    api
}

#[actix_web::test]
async fn a_ping_has_the_keys_of_both_contracts() {
    let answer = api(0).get("/api/server/ping").await;
    let data = json!({"message": "Server is healthy", "timestamp": ISO, "pong": true});
    assert_eq!(answer.json(), json!({"pong": true, "timestamp": NOW, "success": true, "data": data}));
}

#[actix_web::test]
async fn the_status_is_bare() {
    let expected = json!({
        "status": "ok", "agentCount": 2, "timestamp": ISO, "version": "9.9.9", "uptime": 0, "memory": {"used": 5, "total": 7, "percentage": 71},
        "agents": {"active": 2, "inactive": 1, "total": 3}, "speech": {"synthesizer": "flite (slt)"},
    });
    assert_eq!(api(2).get("/api/server/status").await.json(), expected);
}

#[actix_web::test]
async fn the_figures_of_the_reference_page_are_in_the_envelope() {
    let data = json!({"status": "healthy", "uptime": 0, "memory": {"used": 5, "total": 7, "percentage": 71}, "agents": {"active": 2, "inactive": 1, "total": 3}, "speech": {"synthesizer": "flite (slt)"}});
    assert_eq!(api(2).get("/api/system/status").await.data(200), data);
}

#[actix_web::test]
async fn health_is_ready_only_with_agents_and_a_database() {
    for path in ["/health", "/api/server/health"] {
        let ready = api(1).get(path).await;
        assert_eq!(ready.status, 200);
        let expected = json!({
            "status": "OK", "version": "9.9.9", "timestamp": ISO, "dependencies": {"agents": "healthy", "database": "healthy"},
            "agentCount": 1,
        });
        assert_eq!(ready.json(), expected);
        let idle = api(0).get(path).await;
        assert_eq!((idle.status, &idle.json()["dependencies"]["agents"]), (503, &json!("no_agents")));
        let broken = api(1);
        broken.fakes.fail_with(ServiceError::Unavailable(Box::new(std::io::Error::other("disk"))));
        let broken = broken.get(path).await;
        assert_eq!((broken.status, &broken.json()["dependencies"]["database"]), (503, &json!("unavailable")));
        assert!(!broken.text().contains("disk"));
    }
}

#[actix_web::test]
async fn being_alive_asks_nobody() {
    let api = api(0);
    let answer = api.get("/healthz").await;
    assert_eq!((answer.status, answer.json()), (200, json!({"status": "ok", "timestamp": ISO})));
    assert!(api.fakes.calls().is_empty());
}

#[actix_web::test]
async fn the_first_page_says_how_the_server_is() {
    for (running, told) in [(0, "no agent runs"), (1, "one agent runs"), (7, "7 agents run")] {
        let page = api(running).get("/").await;
        assert!(page.status == 200 && page.text().contains(told) && page.text().contains("9.9.9"), "{}", page.text());
    }
}
