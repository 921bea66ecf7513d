//! How often a client may ask, and what answers say of it.

use std::time::Duration;

use actix_web::test::TestRequest;
use auth::RateLimits;
use doolittle_http::HttpSettings;

use crate::fakes::{AGENT, NOW};
use crate::support::{Answer, Api, KEY, local};

fn limited(api: u32, uploads: u32) -> HttpSettings {
    HttpSettings { rate_limits: RateLimits { api, uploads, window: Duration::from_mins(1) }, ..HttpSettings::default() }
}

fn headers(answer: &Answer) -> [Option<&str>; 8] {
    [
        "ratelimit-policy",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "retry-after",
    ]
    .map(|name| answer.header(name))
}

#[actix_web::test]
async fn every_answer_under_api_says_how_many_more_may_follow() {
    let api = Api::with(None, limited(6, 0));
    let in_ten = (NOW / 1_000 + 10).to_string();
    let first = ["6;w=60", "6", "5", "10", "6", "5", &in_ten].map(Some);
    let answer = api.get("/api/agents").await;
    assert_eq!(headers(&answer)[..7], first);
    assert_eq!(answer.header("retry-after"), None);
    *api.fakes.panics.lock().unwrap() = true;
    assert_eq!(api.get("/api/agents").await.header("ratelimit-remaining"), Some("4"), "a panic is an answer");
    assert_eq!(api.get("/api/nope").await.header("ratelimit-remaining"), Some("3"));
    assert_eq!(api.get("/api/agents/bad").await.header("ratelimit-remaining"), Some("2"));
    let foreign = local(TestRequest::get().uri("/api/agents")).insert_header(("origin", "https://evil.example"));
    let foreign = api.send(foreign).await;
    assert_eq!((foreign.status, foreign.header("ratelimit-remaining")), (403, Some("1")));
    for path in ["/healthz", "/health", "/", "/nope"] {
        assert_eq!(headers(&api.get(path).await), [None; 8], "{path}");
    }
}

#[actix_web::test]
async fn one_request_too_many_is_told_when_to_come_back() {
    let api = Api::with(None, limited(2, 0));
    for _ in 0..2 {
        api.get("/api/agents").await.data(200);
    }
    let calls = api.fakes.calls().len();
    let refused = api.get("/api/agents").await;
    let said = refused.error(429, "RATE_LIMIT_EXCEEDED");
    assert!(said.starts_with("Rate limit exceeded"), "{said}");
    let [.., limit, remaining, _, retry_after] = headers(&refused);
    assert_eq!((limit, remaining), (Some("2"), Some("0")));
    assert!((29..=30).contains(&retry_after.unwrap().parse::<u64>().unwrap()), "{retry_after:?}");
    assert_eq!(api.fakes.calls().len(), calls, "nobody was asked");
    assert_eq!(refused.header("x-content-type-options"), Some("nosniff"));
    let preflight = TestRequest::with_uri("/api/agents").method(actix_web::http::Method::OPTIONS);
    assert_eq!(api.send(local(preflight)).await.status, 204);
}

#[actix_web::test]
async fn uploads_have_a_limit_of_their_own() {
    let api = Api::with(None, limited(10, 1));
    for path in ["/api/media/upload", "/api/audio/transcribe", "/api/messaging/channels/x/upload-media"] {
        let answer = api.post(path, serde_json::json!({})).await;
        if path == "/api/media/upload" {
            assert_eq!((answer.status, answer.header("ratelimit-limit")), (400, Some("1")));
        } else {
            answer.error(429, "UPLOAD_RATE_LIMIT_EXCEEDED");
        }
    }
    assert_eq!(api.get("/api/media/upload").await.status, 404);
}

#[actix_web::test]
async fn an_upload_counts_as_one_however_its_path_is_written() {
    for path in [
        "/api/media/upload",
        "/API/Media/upload/",
        "/%61pi/media/upload",
        "/api/%6dedia/upload",
        "/api/%6Dedia/agents/x/upload-medi%61",
        "/api/%61udio/transcribe",
        "/api/messaging/channels/x/upload-%6dedia",
    ] {
        let api = Api::with(None, limited(10, 1));
        let answer = api.post(path, serde_json::json!({})).await;
        assert_eq!(answer.header("ratelimit-limit"), Some("1"), "{path}: {}", answer.text());
        api.post(path, serde_json::json!({})).await.error(429, "UPLOAD_RATE_LIMIT_EXCEEDED");
    }
}

#[actix_web::test]
async fn a_document_counts_as_an_upload_where_it_is_sent_as_a_file() {
    let api = Api::with(None, limited(10, 1));
    let path = format!("/api/memory/agents/{AGENT}/documents");
    assert_eq!(api.post(&path, serde_json::json!({})).await.header("ratelimit-limit"), Some("10"));
    let kind = ("content-type", "Multipart/Form-Data; boundary=b");
    let form = || local(TestRequest::post().uri(&path)).insert_header(kind).set_payload("--b--");
    assert_eq!(api.send(form()).await.header("ratelimit-limit"), Some("1"));
    api.send(form()).await.error(429, "UPLOAD_RATE_LIMIT_EXCEEDED");
    assert_eq!(api.get(&path).await.header("ratelimit-limit"), Some("10"));
}

#[actix_web::test]
async fn a_key_is_counted_apart_from_those_who_guess_it() {
    let api = Api::with(Some(KEY), limited(2, 0));
    let ask =
        |key: &str| api.send(TestRequest::get().uri("/api/agents").peer_addr(([192, 0, 2, 1], 9).into()).insert_header(("x-api-key", key)));
    for _ in 0..2 {
        ask("guess").await.error(401, "UNAUTHORIZED");
    }
    ask("guess").await.error(429, "RATE_LIMIT_EXCEEDED");
    for _ in 0..2 {
        assert_eq!(ask(KEY).await.status, 200);
    }
    ask(KEY).await.error(429, "RATE_LIMIT_EXCEEDED");
    let elsewhere = TestRequest::get().uri("/api/agents").peer_addr(([192, 0, 2, 2], 9).into()).insert_header(("x-api-key", KEY));
    api.send(elsewhere).await.error(429, "RATE_LIMIT_EXCEEDED");
}

#[actix_web::test]
async fn keys_are_not_guessed_at_leisure_where_figures_are_told() {
    let api = Api::with(Some(KEY), limited(2, 0));
    let ask =
        |key: &str| api.send(TestRequest::get().uri("/metrics").peer_addr(([192, 0, 2, 1], 9).into()).insert_header(("x-api-key", key)));
    for left in ["1", "0"] {
        let refused = ask("guess").await;
        refused.error(401, "UNAUTHORIZED");
        assert_eq!(refused.header("ratelimit-remaining"), Some(left));
    }
    ask("guess").await.error(429, "RATE_LIMIT_EXCEEDED");
    for left in ["1", "0"] {
        let told = ask(KEY).await;
        assert_eq!((told.status, told.header("ratelimit-remaining")), (200, Some(left)));
    }
    ask(KEY).await.error(429, "RATE_LIMIT_EXCEEDED");
    for _ in 0..5 {
        let near = api.get("/metrics").await;
        assert_eq!((near.status, headers(&near)), (200, [None; 8]), "this machine is not counted");
    }
}

#[actix_web::test]
async fn a_socket_opens_without_a_key_and_a_wrong_one_counts_where_it_comes_from() {
    let knock = |key: Option<&str>| {
        let request = TestRequest::get().uri("/socket.io/?EIO=4&transport=polling").peer_addr(([192, 0, 2, 1], 9).into());
        let request = request.insert_header(("host", "agents.example"));
        if let Some(key) = key { request.insert_header(("x-api-key", key)) } else { request }
    };
    let api = Api::with(Some(KEY), limited(2, 0));
    for _ in 0..2 {
        assert_eq!(api.send(knock(Some("guess"))).await.status, 200, "a right one may still come");
    }
    api.send(knock(Some("guess"))).await.error(429, "RATE_LIMIT_EXCEEDED");
    let of_a_session = knock(Some("guess")).uri("/socket.io/?EIO=4&transport=polling&sid=x");
    api.send(of_a_session).await.error(429, "RATE_LIMIT_EXCEEDED");
    for _ in 0..5 {
        assert_eq!(api.send(knock(None)).await.status, 200);
    }
    for _ in 0..2 {
        assert_eq!(api.send(knock(Some(KEY))).await.status, 200);
    }
    api.send(knock(Some(KEY))).await.error(429, "RATE_LIMIT_EXCEEDED");

    // Where no key is asked for, tenants may have some.
    let open = Api::with(None, limited(2, 0));
    for _ in 0..2 {
        open.send(knock(Some("guess"))).await.error(403, "FORBIDDEN");
    }
    open.send(knock(Some("guess"))).await.error(429, "RATE_LIMIT_EXCEEDED");
    open.send(knock(None)).await.error(403, "FORBIDDEN");
}

#[actix_web::test]
async fn a_trusted_proxy_tells_whom_to_count_and_nobody_else_does() {
    let proxies = ["10.0.0.0/8", "127.0.0.1/32"].map(|network| network.parse().unwrap()).to_vec();
    for (peer, forwarded, counted_as) in [
        ([192, 0, 2, 1], &["203.0.113.7"][..], "192.0.2.1"),
        ([10, 0, 0, 1], &["203.0.113.7"], "203.0.113.7"),
        ([10, 0, 0, 1], &["6.6.6.6, 203.0.113.7, 10.9.9.9"], "203.0.113.7"),
        ([10, 0, 0, 1], &["6.6.6.6", "203.0.113.7:4711"], "203.0.113.7"),
        ([10, 0, 0, 1], &["6.6.6.6, nonsense"], "10.0.0.1"),
        ([10, 0, 0, 1], &[""], "10.0.0.1"),
        ([10, 0, 0, 1], &["10.0.0.2"], "10.0.0.2"),
        ([10, 0, 0, 1], &["::ffff:203.0.113.7"], "203.0.113.7"),
        ([10, 0, 0, 1], &["[2001:db8::1]"], "2001:db8::1"),
        ([10, 0, 0, 1], &["[2001:db8::1]:4711, [::ffff:10.9.9.9]"], "2001:db8::1"),
        ([10, 0, 0, 1], &["[203.0.113.7]"], "10.0.0.1"),
        ([10, 0, 0, 1], &["[2001:db8::1"], "10.0.0.1"),
    ] {
        let api = Api::with(Some(KEY), HttpSettings { trusted_proxies: proxies.clone(), ..limited(2, 0) });
        let plain = || TestRequest::get().uri("/api/agents");
        // Without a key the address counts: once as the proxy tells it, once as it comes.
        let told =
            forwarded.iter().fold(plain().peer_addr((peer, 9).into()), |request, hop| request.append_header(("x-forwarded-for", *hop)));
        assert_eq!(api.send(told).await.header("ratelimit-remaining"), Some("1"));
        let same = plain().peer_addr(std::net::SocketAddr::new(counted_as.parse().unwrap(), 9));
        assert_eq!(api.send(same).await.header("ratelimit-remaining"), Some("0"), "{peer:?} {forwarded:?}");
    }
}

#[actix_web::test]
async fn without_a_limit_nothing_is_said_of_one() {
    let api = Api::with(None, limited(0, 0));
    for _ in 0..5 {
        let answer = api.get("/api/agents").await;
        assert_eq!((answer.status, headers(&answer)), (200, [None; 8]));
    }
}
