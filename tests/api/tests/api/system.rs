//! Health, and what needs no key.

use serde_json::json;
use testkit::caller::{Answer, Request};
use testkit::server::TestServer;

use crate::support::{dm, exchange, open, running_agent, saying, snapshot, text, with};

/// The answer without what changes from release to release and from second to second.
fn shown(answer: &Answer) -> String {
    let mut body = answer.json();
    for key in ["version", "uptime"] {
        for object in ["", "/data"] {
            if let Some(value) = body.pointer_mut(&format!("{object}/{key}")) {
                *value = json!(format!("[{key}]"));
            }
        }
    }
    for memory in ["/memory", "/data/memory"] {
        if let Some(memory) = body.pointer_mut(memory) {
            let (used, total) = (memory["used"].as_u64().unwrap(), memory["total"].as_u64().unwrap());
            *memory = json!(if 0 < used && used <= total { "[some of all]" } else { "[nonsense]" });
        }
    }
    let head = answer.to_string().lines().next().unwrap().to_owned();
    let time = body.to_string();
    let time = if time.contains("\"timestamp\"") { "with a timestamp" } else { "without a timestamp" };
    if let Some(object) = body.as_object_mut() {
        object.shift_remove("timestamp");
        if let Some(data) = object.get_mut("data").and_then(|data| data.as_object_mut()) {
            data.shift_remove("timestamp");
        }
    }
    format!("{head}, {time}\n{body:#}")
}

#[tokio::test]
async fn anybody_sees_whether_the_server_lives() {
    let (_server, ann) = open().await;
    snapshot!("healthz", shown(&ann.get("/healthz").await));
}

#[tokio::test]
async fn a_ping_has_the_envelope_and_the_bare_keys() {
    let (_server, ann) = open().await;
    let ping = ann.get("/api/server/ping").await;
    snapshot!("ping", ping);
    let body = ping.json();
    assert!(body["timestamp"].is_i64() && body["data"]["timestamp"].is_string());
}

#[tokio::test]
async fn health_depends_on_a_running_agent() {
    let (_server, ann) = open().await;
    snapshot!("health_without_agents", shown(&ann.get("/health").await));
    snapshot!("status_without_agents", shown(&ann.get("/api/server/status").await));
    snapshot!("system_status", shown(&ann.get("/api/system/status").await));
    assert_eq!(ann.get("/api/server/health").await.status, 503);
    running_agent(&ann, "Alice").await;
    snapshot!("health_with_an_agent", shown(&ann.get("/api/server/health").await));
    assert_eq!(ann.get("/health").await.status, 200);
    assert_eq!(ann.get("/api/server/status").await.json()["agents"], json!({"active": 1, "inactive": 0, "total": 1}));
}

#[tokio::test]
async fn how_the_whole_server_does_is_told_to_whoever_may_know_it() {
    let server = TestServer::keyed().await;
    let owner = server.key_holder();
    for (more, may_know) in [("memories:read", false), ("system:read", true)] {
        let scopes = ["agents:read", "messages:read", more];
        let key = text(&owner.post("/api/keys", &json!({"name": "reader", "scopes": scopes})).await.data(201)["key"]);
        let reader = server.caller().with_key(&key);
        assert_eq!(reader.get("/api/server/status").await.status, if may_know { 200 } else { 403 });
        let told = reader.get("/api/server/debug/servers").await.data(200);
        let runtime = told["runtime"].as_object().unwrap();
        assert_eq!((runtime.contains_key("memory"), runtime.contains_key("connections")), (may_know, may_know), "{told}");
        assert_eq!((&told["count"], &runtime["agents"]), (&json!(1), &json!([])), "{told}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_browsers() {
    let (_server, ann) = open().await;
    for path in ["/", "/healthz", "/api/agents", "/api/nope", "/api/agents/bad", "/nope"] {
        let answer = ann.get(path).await;
        for (name, value) in [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "no-referrer")] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(answer.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'")), "{path}");
        assert_eq!((answer.header("x-powered-by"), answer.header("server")), (None, None), "{path}");
    }
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_and_no_other() {
    let (_server, ann) = with(&[("CORS_ORIGIN", "https://app.example")]).await;
    let allowed = "https://app.example";
    let preflight = Request::new("OPTIONS", "/api/agents").header("origin", allowed).header("access-control-request-method", "PATCH");
    let answer = ann.send(preflight).await;
    answer.empty(204);
    assert_eq!(answer.header("access-control-allow-origin"), Some(allowed));
    assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("PATCH")));
    assert!(answer.header("access-control-allow-headers").is_some_and(|headers| headers.contains("X-API-KEY")));
    assert_eq!(ann.with("origin", allowed).get("/api/agents").await.header("access-control-allow-origin"), Some(allowed));
    let foreign = ann.with("origin", "https://evil.example");
    foreign.get("/api/agents").await.error(403, "FORBIDDEN");
    let answer = foreign.send(Request::new("OPTIONS", "/api/agents")).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, None));
}

#[tokio::test]
async fn a_model_that_is_set_over_the_api_answers_the_next_message() {
    let model = saying("from the new model").await;
    let (server, ann) = open().await;
    let (_, channel) = dm(&server, &ann).await;
    let said = async |text| exchange(&ann, &channel, text, "http").await.data(201)["agentResponse"]["text"].clone();
    assert_ne!(said("hello").await, "from the new model");
    let content = json!({"OPENAI_API_KEY": "sk-new-and-secret", "OPENAI_BASE_URL": model.base_url(), "SECRET_SALT": "x"});
    ann.post("/api/system/environment", &json!({ "content": content })).await.error(403, "FORBIDDEN");
    assert!(!server.directory().join(".env").exists(), "one refused name refuses all");

    let content = json!({"OPENAI_API_KEY": "sk-new-and-secret", "OPENAI_BASE_URL": model.base_url()});
    assert_eq!(ann.post("/api/system/environment", &json!({ "content": content })).await.status, 200);
    assert_eq!(said("and now?").await, "from the new model");
    assert_eq!(model.requests()[0].header("authorization"), Some("Bearer sk-new-and-secret"));
    let shown = ann.get("/api/system/environment").await;
    assert_eq!(shown.data(200), json!({"OPENAI_API_KEY": "********", "OPENAI_BASE_URL": "********"}));
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_ends_in_order_and_begins_again() {
    let (mut server, ann) = open().await;
    assert_eq!(ann.post("/api/server/stop", &json!({})).await.status, 200);
    server.ended().await;
    server.begin().await;
    assert_eq!(server.caller().get("/api/server/ping").await.status, 200);
}
