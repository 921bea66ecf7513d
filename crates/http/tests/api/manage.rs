//! The server itself: its version, its log, its settings, its end.

use core_types::ServiceError;
use doolittle_http::HttpSettings;
use serde_json::{Value, json};

use crate::fakes::{Call, NOW};
use crate::support::Api;

const ISO: &str = "2024-01-01T00:00:00.007Z";
const LEVELS: [&str; 9] = ["fatal", "error", "warn", "info", "log", "progress", "success", "debug", "trace"];

#[actix_web::test]
async fn the_small_answers_have_the_keys_that_clients_read() {
    let api = Api::with(None, HttpSettings { version: "9.9.9".to_owned(), ..HttpSettings::default() });
    assert_eq!(api.get("/api/server/hello").await.json(), json!({"message": "Hello World!"}));
    let version = json!({"version": "9.9.9", "source": "server", "timestamp": ISO, "environment": "production", "uptime": 0});
    assert_eq!(api.get("/api/system/version").await.json(), version);
    assert_eq!(api.get("/api/system/config").await.data(200), json!({"requiresAuth": false}));
    let servers = api.get("/api/server/debug/servers").await.json();
    assert_eq!((&servers["success"], &servers["count"], &servers["data"]["count"]), (&json!(true), &json!(1), &json!(1)));
    assert_eq!(servers["servers"], servers["data"]["servers"]);
    Api::keyed().get("/api/system/config").await.error(401, "UNAUTHORIZED");
}

/// The numbers of the lines that an answer has.
fn told(answer: &Value) -> Vec<char> {
    let lines = answer["logs"].as_array().unwrap();
    lines.iter().filter_map(|line| line["msg"].as_str().unwrap().chars().nth(5)).collect()
}

#[actix_web::test]
async fn the_log_is_filtered_and_the_last_lines_count() {
    for (query, lines, total) in [
        ("", "123", 3),
        ("?since=0", "0123", 4),
        ("?since=0&limit=2", "23", 4),
        ("?level=all&limit=99999", "123", 3),
        ("?since=0&level=info", "01", 2),
        ("?level=warn", "2", 1),
        ("?level=bogus", "", 0),
        ("?agentName=Ada", "123", 3),
        ("?agentName=all&agentId=Bob", "", 0),
        ("?limit=0", "", 3),
    ] {
        let api = Api::open();
        let answer = api.get(&format!("/api/server/logs{query}")).await.json();
        assert_eq!((told(&answer).iter().collect::<String>().as_str(), &answer["total"]), (lines, &json!(total)), "{query}");
        assert_eq!((&answer["count"], &answer["levels"]), (&json!(lines.len()), &json!(LEVELS)));
    }
    let api = Api::open();
    let line = &api.get("/api/server/logs?level=error").await.json();
    assert_eq!(line["logs"], json!([{"time": NOW, "level": 50, "msg": "line 3 of Ada", "target": "doolittle"}]));
    assert_eq!((&line["requestedLevel"], &line["agentName"], &line["agentId"]), (&json!("error"), &json!("all"), &json!("all")));
    assert_eq!(told(&api.post("/api/server/logs?limit=1", json!({"logs": []})).await.json()), ['3']);
    api.get("/api/server/logs?limit=-1").await.error(400, "BAD_REQUEST");
    api.get("/api/server/logs?since=yesterday").await.error(400, "BAD_REQUEST");
    let cleared = json!({"status": "success", "message": "Logs cleared successfully", "cleared": 4});
    assert_eq!(api.delete("/api/server/logs").await.json(), cleared);
}

#[actix_web::test]
async fn the_log_is_followed_and_gaps_are_told() {
    let answer = Api::open().get("/api/server/logs/stream").await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = answer.text();
    assert!(text.contains("event: log\ndata: {\"time\":1704067200007,\"level\":50,\"msg\":\"line 3 of Ada\""), "{text}");
    assert!(text.ends_with("event: gap\ndata: {}\n\n"), "{text}");
}

#[actix_web::test]
async fn the_settings_file_shows_names_and_takes_changes_under_every_path() {
    for path in ["/api/system/environment", "/api/system/environment/local", "/api/system/env/local"] {
        let api = Api::open();
        let masked = json!({"OPENAI_API_KEY": "********", "SMALL_MODEL": "********"});
        assert_eq!(api.get(path).await.json(), json!({"success": true, "data": masked, "overridden": ["OPENAI_API_KEY"]}));
        let content = json!({"A": "one", "B": 2, "C": true, "D": null});
        let answer = api.post(path, json!({ "content": content })).await;
        let message = "Local env updated";
        assert_eq!(answer.json(), json!({"success": true, "message": message, "data": {"success": true, "message": message}}));
        let change = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let changes = vec![change("A", Some("one")), change("B", Some("2")), change("C", Some("true")), change("D", None)];
        assert_eq!(api.fakes.calls().pop(), Some(Call::ChangeEnvironment(changes)));
        for body in
            [json!({}), json!({"content": "nope"}), json!({"content": []}), json!({"content": {"A": []}}), json!({"content": {"A": {}}})]
        {
            api.post(path, body).await.error(400, "INVALID_INPUT");
        }
        api.fakes.fail_with(ServiceError::forbidden("SERVER_PORT is for the operator alone to set"));
        api.post(path, json!({"content": {"SERVER_PORT": "1"}})).await.error(403, "FORBIDDEN");
    }
}

#[actix_web::test]
async fn the_server_is_stopped_by_a_post_alone() {
    let api = Api::open();
    api.get("/api/server/stop").await.error(404, "NOT_FOUND");
    assert!(api.fakes.calls().is_empty());
    let said = "Server is stopping";
    let stopping = json!({"message": said, "success": true, "data": {"success": true, "message": said}});
    assert_eq!(api.post("/api/server/stop", json!({})).await.json(), stopping);
    assert_eq!(api.fakes.calls(), [Call::Other("stop")]);
}
