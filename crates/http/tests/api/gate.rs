//! Who is let in.

use actix_web::test::TestRequest;
use doolittle_http::HttpSettings;

use crate::support::{Api, KEY, json_bytes, local};

/// A request from a machine far away, with these headers.
fn remote(headers: &[(&str, &str)]) -> TestRequest {
    let request = TestRequest::get().uri("/api/agents").peer_addr(([203, 0, 113, 9], 50_000).into());
    headers.iter().fold(request, |request, header| request.append_header(*header))
}

/// A request from this machine, with these headers and no other.
fn near(headers: &[(&str, &str)]) -> TestRequest {
    remote(headers).peer_addr(([127, 0, 0, 1], 50_000).into())
}

fn listing(origin: &str) -> HttpSettings {
    HttpSettings { cors_origins: vec![origin.to_owned()], ..HttpSettings::default() }
}

#[actix_web::test]
async fn with_a_key_only_the_key_counts() {
    let api = Api::keyed();
    for (headers, status) in [
        (&[][..], 401),
        (&[("x-api-key", "wrong")], 401),
        (&[("x-api-key", "")], 401),
        (&[("x-api-key", KEY)], 200),
        (&[("authorization", "Bearer right-key")], 200),
        (&[("authorization", "bearer right-key")], 200),
        (&[("authorization", "Basic right-key")], 401),
        (&[("authorization", "right-key")], 401),
        (&[("x-api-key", "wrong"), ("authorization", "Bearer right-key")], 200),
        // Many guesses in one request would count as one.
        (&[("x-api-key", "wrong"), ("x-api-key", KEY)], 401),
        (&[("authorization", "Bearer wrong"), ("authorization", "Bearer right-key")], 401),
        (&[("x-api-key", "wrong"), ("x-api-key", "other"), ("authorization", "Bearer right-key")], 200),
        (&[("x-api-key", KEY), ("host", "evil.example"), ("origin", "http://evil.example"), ("x-forwarded-for", "1.2.3.4")], 200),
    ] {
        let answer = api.send(remote(headers)).await;
        assert_eq!(answer.status, status, "{headers:?}");
        if status == 401 {
            answer.error(401, "UNAUTHORIZED");
        }
    }
    assert_eq!(api.send(near(&[("host", "localhost")])).await.status, 401);
}

#[actix_web::test]
async fn the_key_is_asked_for_before_anything_else_is_looked_at() {
    let api = Api::keyed();
    api.post_bytes("/api/agents", b"{bad").await.error(401, "UNAUTHORIZED");
    for path in ["/api/nope", "/api", "/API/AGENTS/", "/%61pi/agents", "/api/agents/zzz", "/api/server/ping"] {
        api.get(path).await.error(401, "UNAUTHORIZED");
    }
    assert!(api.fakes.calls().is_empty());
}

#[actix_web::test]
async fn health_and_preflights_need_no_key() {
    let api = Api::keyed();
    for path in ["/healthz", "/health", "/"] {
        assert_ne!(api.get(path).await.status, 401, "{path}");
    }
    let preflight = remote(&[]).method(actix_web::http::Method::OPTIONS);
    assert_eq!(api.send(preflight).await.status, 204);
}

#[actix_web::test]
async fn without_a_key_only_this_machine_is_answered() {
    let api = Api::open();
    for host in ["localhost", "localhost:3000", "LocalHost:3000", "127.0.0.1", "127.0.0.1:3000", "[::1]", "[::1]:3000"] {
        assert_eq!(api.send(near(&[("host", host)])).await.status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:3000",
        "192.168.1.5",
        "localhost:x",
        "u@localhost",
        "[::1",
        "[::1]x",
        "a b",
        "",
    ] {
        api.send(near(&[("host", host)])).await.error(403, "FORBIDDEN");
    }
    api.send(near(&[])).await.error(403, "FORBIDDEN");
    api.send(near(&[("host", "localhost"), ("host", "evil.example")])).await.error(403, "FORBIDDEN");
    let message = api.send(remote(&[("host", "localhost")])).await.error(403, "FORBIDDEN");
    assert!(message.contains("ELIZA_SERVER_AUTH_TOKEN"), "{message}");
    let unknown = TestRequest::get().uri("/api/agents").insert_header(("host", "localhost"));
    api.send(unknown).await.error(403, "FORBIDDEN");
    let mapped = near(&[("host", "localhost")]).peer_addr("[::ffff:127.0.0.1]:1".parse().unwrap());
    assert_eq!(api.send(mapped).await.status, 200);
}

#[actix_web::test]
async fn without_a_key_no_foreign_page_and_no_proxy_gets_in() {
    let api = Api::with(None, listing("https://App.example/"));
    for origin in ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:9", "https://app.example"] {
        assert_eq!(api.send(near(&[("host", "localhost"), ("origin", origin)])).await.status, 200, "{origin}");
    }
    for origin in ["null", "https://evil.example", "http://localhost.evil.example", "file://localhost", "localhost", "http://app.example"] {
        api.send(near(&[("host", "localhost"), ("origin", origin)])).await.error(403, "FORBIDDEN");
    }
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-host", "X-Forwarded-Proto", "x-real-ip"] {
        api.send(near(&[("host", "localhost"), (name, "127.0.0.1")])).await.error(403, "FORBIDDEN");
    }
    let any = Api::with(None, listing("*"));
    any.send(near(&[("host", "localhost"), ("origin", "https://evil.example")])).await.error(403, "FORBIDDEN");
}

#[actix_web::test]
async fn insecure_lets_other_machines_in_but_still_no_foreign_page() {
    let api = Api::with(None, HttpSettings { insecure: true, ..HttpSettings::default() });
    for headers in [
        &[("host", "localhost:3000")][..],
        &[("host", "192.168.1.5:3000")],
        &[("host", "[2001:db8::1]:3000")],
        &[("host", "localhost"), ("x-forwarded-for", "1.2.3.4")],
    ] {
        assert_eq!(api.send(remote(headers)).await.status, 200, "{headers:?}");
        // What concerns the server itself is for this machine all the same.
        api.send(remote(headers).uri("/api/server/logs")).await.error(403, "FORBIDDEN");
        api.send(remote(headers).uri("/api/server/stop").method(actix_web::http::Method::POST)).await.error(403, "FORBIDDEN");
    }
    assert_eq!(api.send(near(&[("host", "localhost")]).uri("/api/server/logs")).await.status, 200);
    api.send(remote(&[("host", "rebound.example")])).await.error(403, "FORBIDDEN");
    api.send(remote(&[("host", "localhost"), ("origin", "https://evil.example")])).await.error(403, "FORBIDDEN");
}

#[actix_web::test]
async fn a_refused_request_reaches_no_service() {
    let api = Api::open();
    let request = json_bytes(TestRequest::post().uri("/api/agents"), b"{\"agent\":{}}");
    api.send(request.insert_header(("origin", "https://evil.example"))).await.error(403, "FORBIDDEN");
    assert!(api.fakes.calls().is_empty());
    assert_eq!(api.send(local(TestRequest::get().uri("/api/agents"))).await.status, 200);
}

#[actix_web::test]
async fn figures_are_for_this_machine_and_for_whoever_has_a_key() {
    let api = Api::keyed();
    let figures = |request: TestRequest| api.send(request.uri("/metrics"));
    let answer = figures(near(&[("host", "localhost")])).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    assert_eq!(figures(remote(&[("x-api-key", KEY)])).await.status, 200);
    assert_eq!(figures(near(&[("host", "localhost"), ("x-forwarded-for", "1.2.3.4"), ("x-api-key", KEY)])).await.status, 200);
    for refused in [
        remote(&[]),
        remote(&[("x-api-key", "wrong")]),
        near(&[("host", "localhost"), ("x-forwarded-for", "1.2.3.4")]),
        near(&[("host", "evil.example")]),
        near(&[]),
    ] {
        figures(refused).await.error(401, "UNAUTHORIZED");
    }
    let open = Api::open();
    open.send(remote(&[]).uri("/metrics")).await.error(403, "FORBIDDEN");
}
