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
