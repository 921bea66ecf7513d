//! Headers on every answer.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use doolittle_http::HttpSettings;

use crate::support::{Answer, Api, KEY, local};

fn listed(origins: &[&str]) -> HttpSettings {
    HttpSettings { cors_origins: origins.iter().map(|origin| (*origin).to_owned()).collect(), ..HttpSettings::default() }
}

async fn from(api: &Api, origin: &str) -> Answer {
    let request = local(TestRequest::get().uri("/api/agents")).insert_header(("origin", origin)).insert_header(("x-api-key", KEY));
    api.send(request).await
}

#[actix_web::test]
async fn every_answer_forbids_what_a_browser_could_do_with_it() {
    let api = Api::keyed();
    for path in ["/api/agents", "/api/nope", "/nope", "/healthz", "/"] {
        let answer = api.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none';"), "{path}");
        assert!(answer.header("x-powered-by").is_none() && answer.header("access-control-allow-origin").is_none(), "{path}");
    }
}

#[actix_web::test]
async fn only_listed_origins_and_this_machine_may_read_answers() {
    let api = Api::with(Some(KEY), listed(&["https://app.example"]));
    for origin in ["https://app.example", "http://localhost:5173"] {
        let answer = from(&api, origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    let answer = from(&api, "https://evil.example").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
}

#[actix_web::test]
async fn a_star_never_comes_with_credentials() {
    let api = Api::with(Some(KEY), listed(&["*"]));
    let answer = from(&api, "https://any.example").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
}

#[actix_web::test]
async fn a_preflight_is_answered_on_any_path() {
    let api = Api::with(Some(KEY), listed(&["https://app.example"]));
    for path in ["/api/agents", "/api/nope", "/"] {
        let request = TestRequest::with_uri(path).method(Method::OPTIONS).insert_header(("origin", "https://app.example"));
        let answer = api.send(request).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
        assert!(answer.header("access-control-allow-methods").unwrap().contains("PATCH"));
        let headers = answer.header("access-control-allow-headers").unwrap();
        assert!(headers.contains("X-API-KEY") && headers.contains("X-Entity-Id") && headers.contains("Idempotency-Key"));
    }
    let stranger = TestRequest::with_uri("/api/agents").method(Method::OPTIONS).insert_header(("origin", "https://evil.example"));
    assert_eq!(api.send(stranger).await.header("access-control-allow-origin"), None);
}

#[actix_web::test]
async fn what_a_reader_has_already_is_not_sent_again() {
    let api = Api::open();
    let path = "/api/agents";
    let first = api.get(path).await;
    let tag = first.header("etag").unwrap().to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    assert_eq!(api.get(path).await.header("etag"), Some(tag.as_str()));
    let ask =
        |method: Method, known: &str| api.send(local(TestRequest::with_uri(path).method(method)).insert_header(("if-none-match", known)));
    let strong = tag.trim_start_matches("W/");
    for known in [tag.as_str(), strong, "*", &format!("\"other\", {tag}"), &format!("\"other\",{strong}")] {
        let answer = ask(Method::GET, known).await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
        assert_eq!((answer.header("etag"), answer.header("content-type")), (Some(tag.as_str()), None));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(answer.header("ratelimit-remaining").is_some());
        assert_eq!(ask(Method::HEAD, known).await.status, 304);
    }
    for unknown in ["\"other\"", "", "W/", "nonsense"] {
        let answer = ask(Method::GET, unknown).await;
        assert_eq!((answer.status, &answer.body), (200, &first.body), "{unknown}");
    }
}

#[actix_web::test]
async fn only_what_is_read_whole_has_a_tag() {
    let api = Api::open();
    let untagged = |answer: &Answer| answer.header("etag").is_none() && answer.header("cache-control") != Some("private, no-cache");
    assert!(untagged(&api.get("/api/nope").await));
    assert!(untagged(&api.post("/api/messaging/message-servers", serde_json::json!({"name": "n", "sourceType": "s"})).await));
    api.fakes.items.lock().unwrap().push_back(Ok(None));
    assert!(untagged(&api.get(&format!("/api/messaging/channels/{}/events", crate::fakes::CHANNEL)).await));
    let known = local(TestRequest::post().uri("/api/messaging/message-servers")).insert_header(("if-none-match", "*"));
    let answer = api.send(known.set_json(serde_json::json!({"name": "n", "sourceType": "s"}))).await;
    assert_eq!(answer.status, 201, "a write is carried out");
}
