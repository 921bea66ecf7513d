//! What holds for every route: the envelope of errors, bodies that are none, paths and methods.

use serde_json::json;
use testkit::caller::Request;

use crate::routes::{ROUTES, Route, steady, with_bodies};
use crate::support::{ANN, DEFAULT, NOTHING, create_agent, create_channel, open, refused, snapshot, with, world};

/// The route's path to something that exists, so that nothing but the body is wrong.
fn target(route: Route, agent: &str, channel: &str) -> String {
    route.path(match route.1 {
        path if path.contains("{server_id}") => DEFAULT,
        path if path.starts_with("/agents") || path.starts_with("/memory/agents") => agent,
        _ => channel,
    })
}

fn nested(depth: usize) -> String {
    format!(r#"{{"metadata":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_by_every_route() {
    let (_server, ann) = open().await;
    let (agent, channel) = (create_agent(&ann, "Alice").await, create_channel(&ann, "GROUP", &[ANN]).await);
    let utf16: Vec<u8> = r#"{"name":"x"}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bodies: [(&str, Vec<u8>); 19] = [
        ("cut", b"{\"name\"".to_vec()),
        ("bad", b"{bad".to_vec()),
        ("two", b"{}{}".to_vec()),
        ("a comma too many", b"{\"name\":\"x\",}".to_vec()),
        ("single quotes", b"{'name':'x'}".to_vec()),
        ("a comment", b"{/* */}".to_vec()),
        ("NaN", b"{\"name\":NaN}".to_vec()),
        ("blank", b"  ".to_vec()),
        ("an array", b"[{\"name\":\"x\"}]".to_vec()),
        ("a text", b"\"name\"".to_vec()),
        ("a number", b"7".to_vec()),
        ("null", b"null".to_vec()),
        ("Latin-1", b"{\"name\":\"J\xfcrgen\"}".to_vec()),
        ("UTF-16", utf16),
        ("a lone surrogate", br#"{"name":"\ud800"}"#.to_vec()),
        ("NUL", br#"{"name":"a\u0000b"}"#.to_vec()),
        ("NUL inside", br#"{"metadata":{"a":["\u0000"]}}"#.to_vec()),
        ("nested too deeply", nested(128).into_bytes()),
        ("nested endlessly", nested(500_000).into_bytes()),
    ];
    let mut cases = Vec::new();
    for route in with_bodies() {
        let path = target(route, &agent, &channel);
        cases.extend(bodies.iter().map(|(_, body)| (Request::new(route.0, &path).json_bytes(body.clone()), 400, "INVALID_JSON")));
    }
    refused(&ann, cases).await;
}

#[tokio::test]
async fn a_body_of_another_type_or_size_is_refused_by_every_route() {
    let (_server, ann) = open().await;
    let (agent, channel) = (create_agent(&ann, "Alice").await, create_channel(&ann, "GROUP", &[ANN]).await);
    let large = json!({"name": "x".repeat(3 << 20)}).to_string();
    let mut cases = Vec::new();
    for route in with_bodies() {
        let request = || Request::new(route.0, &target(route, &agent, &channel));
        let whole = route.body().unwrap().to_string();
        cases.push((request().body(whole.clone()), 400, "INVALID_CONTENT_TYPE"));
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            // A question may be spoken and a document uploaded, and then it is a form.
            let may_be_form =
                ["/speech", "/conversation", "/documents"].iter().any(|end| route.1.ends_with(end)) && kind.starts_with("multipart");
            let code = if may_be_form { "INVALID_REQUEST" } else { "INVALID_CONTENT_TYPE" };
            cases.push((request().header("content-type", kind).body(whole.clone()), 400, code));
        }
        cases.push((request().json_bytes(whole.clone()).header("content-encoding", "gzip"), 415, "UNSUPPORTED_MEDIA_TYPE"));
        cases.push((request().json_bytes(large.clone()), 413, "PAYLOAD_TOO_LARGE"));
        cases.push((request().json_bytes(large.clone()).chunked(), 413, "PAYLOAD_TOO_LARGE"));
    }
    refused(&ann, cases).await;
    snapshot!("body_too_large", ann.send(Request::new("POST", "/api/agents").json_bytes(large)).await);
    snapshot!("body_of_another_type", ann.send(Request::new("POST", "/api/agents").header("content-type", "text/plain").body("x")).await);
    snapshot!("body_not_json", ann.send(Request::new("POST", "/api/agents").json_bytes("{bad")).await);
}

#[tokio::test]
async fn without_a_body_a_route_says_what_it_misses() {
    let (_server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let mut cases = Vec::new();
    for route in with_bodies().filter(|route| route.0 == "POST") {
        if ["/messaging/messages/search", "/server/logs", "/tee/attestation", "/tee/logs"].contains(&route.1) {
            // Every field is optional.
            continue;
        }
        let code = match route.1 {
            "/agents" => "CREATE_ERROR",
            "/system/environment" => "INVALID_INPUT",
            path if path.ends_with("/rooms") => "MISSING_PARAM",
            path if path.starts_with("/audio/") => "INVALID_REQUEST",
            path if path.contains("/sessions") || path.ends_with("/jobs") => "VALIDATION_ERROR",
            _ => "BAD_REQUEST",
        };
        let request = || Request::new("POST", &route.path(&channel));
        for empty in [request(), request().json_bytes(""), request().json_bytes("{}"), request().header("content-length", "0")] {
            cases.push((empty, 400, code));
        }
    }
    refused(&ann, cases).await;
}

#[tokio::test]
async fn unusual_bodies_that_are_json_all_the_same_are_read() {
    let (_server, ann) = open().await;
    let whole = |name: &str| format!(r#"{{"characterJson":{{"name":"{name}","bio":"b"}}}}"#);
    let bom = format!("\u{feff}{}", whole("Bom"));
    let deep = format!(r#"{{"characterJson":{{"name":"Deep","bio":"b","settings":{{"x":{}{}}}}}}}"#, "[".repeat(100), "]".repeat(100));
    let doubled = r#"{"characterJson":{"name":"First","bio":"b"},"characterJson":{"name":"Last","bio":"b"}}"#;
    for request in [
        Request::new("POST", "/api/agents").json_bytes(bom),
        Request::new("POST", "/api/agents").json_bytes(whole("Chunked")).chunked(),
        Request::new("POST", "/api/agents").header("content-type", "Application/JSON; charset=UTF-8").body(whole("Charset")),
        Request::new("POST", "/api/agents").json_bytes(whole("Identity")).header("content-encoding", "identity"),
        Request::new("POST", "/api/agents").json_bytes(format!(" \r\n\t{}\n", whole("Blank"))),
        Request::new("POST", "/api/agents").json_bytes(deep),
        Request::new("POST", "/api/agents").json_bytes(doubled),
    ] {
        ann.send(request).await.data(201);
    }
    let listed = ann.get("/api/agents").await.data(200).to_string();
    assert!(listed.contains("Last") && !listed.contains("First"), "of a doubled key the last counts, as in JavaScript");
}

#[tokio::test]
async fn the_largest_body_can_be_set() {
    let (_server, ann) = with(&[("EXPRESS_MAX_PAYLOAD", "4kb")]).await;
    let body = |length: usize| json!({"characterJson": {"name": "Big", "bio": "x".repeat(length)}}).to_string();
    let fits = 4096 - body(0).len();
    let post = |length: usize| Request::new("POST", "/api/agents").json_bytes(body(length));
    refused(&ann, [(post(fits + 1), 413, "PAYLOAD_TOO_LARGE"), (post(fits + 1).chunked(), 413, "PAYLOAD_TOO_LARGE")]).await;
    ann.send(post(fits).chunked()).await.data(201);
    ann.send(post(fits)).await.data(201);
}

#[tokio::test]
async fn ill_formed_ids_are_refused_by_every_route() {
    let (_server, ann) = open().await;
    create_agent(&ann, "Alice").await;
    create_channel(&ann, "GROUP", &[ANN]).await;
    let plain = NOTHING.replace('-', "");
    let ids = ["bad", "0", "%20", "%F0%9F%A6%86", "%00", "..%2f..%2fetc%2fpasswd", &plain, &NOTHING[1..], &format!("{NOTHING}0")];
    let mut cases = Vec::new();
    for route in ROUTES.iter().filter(|route| route.has_id()) {
        for id in ids {
            // elizaOS looks these up whatever they look like.
            let (status, code) = match route.1 {
                path if path.contains("{session_id}") => (404, "SESSION_NOT_FOUND"),
                path if path.contains("{job_id}") => (404, "JOB_NOT_FOUND"),
                _ => (400, "INVALID_ID"),
            };
            cases.extend(route.paths(id).iter().map(|path| (route.request(path), status, code)));
        }
    }
    refused(&ann, cases).await;
    snapshot!("ill_formed_id", ann.get("/api/agents/bad").await);
}

#[tokio::test]
async fn paths_that_are_no_routes_are_not_found() {
    let (_server, ann) = open().await;
    create_agent(&ann, "Alice").await;
    let paths = [
        "/api",
        "/api/",
        "/api/nope",
        "/api/agents/a/b/c",
        "/api/messaging",
        "/api/messaging/central-channels",
        "/api/messaging/central-servers/a/b/c",
        "/api/server",
        "/nope",
        "/agents",
        "//api/agents",
        "/api//agents",
        "/api/agents%2f",
        "/api/../api/agents",
        "/%61pi/nope",
        "/api/agents/../agents",
        "/api/%",
    ];
    refused(&ann, paths.map(|path| (Request::get(path), 404, "NOT_FOUND"))).await;
    snapshot!("no_such_route", ann.get("/api/nope").await);
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_not_found() {
    let (_server, ann) = open().await;
    create_agent(&ann, "Alice").await;
    let mut cases = Vec::new();
    for route in ROUTES {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "MADE-UP"] {
            let taken = ROUTES.iter().any(|other| other.1 == route.1 && other.0 == method);
            if !taken {
                cases.push((Request::new(method, &route.path(NOTHING)), 404, "NOT_FOUND"));
            }
        }
    }
    refused(&ann, cases).await;
}

#[tokio::test]
async fn a_path_may_be_written_in_any_case_and_with_slashes_at_its_end() {
    let (_server, ann) = open().await;
    let (agent, channel) = (create_agent(&ann, "Alice").await, create_channel(&ann, "GROUP", &[ANN]).await);
    for route in steady() {
        let path = target(route, &agent, &channel);
        let plain = ann.get(&path).await;
        assert_eq!(plain.status, 200, "{path}: {plain}");
        for spelled in [format!("{path}/"), format!("{path}///"), path.to_uppercase(), format!("{}/?x=1", path.to_uppercase())] {
            let answer = ann.get(&spelled).await;
            assert_eq!((answer.status, &answer.body), (200, &plain.body), "{spelled}");
        }
        let head = ann.send(Request::new("HEAD", &path)).await;
        assert_eq!((head.status, head.header("content-length")), (200, plain.header("content-length")), "{path}");
    }
}

#[tokio::test]
async fn query_parameters_that_nobody_knows_change_nothing() {
    let (_server, ann) = open().await;
    let (agent, channel) = (create_agent(&ann, "Alice").await, create_channel(&ann, "GROUP", &[ANN]).await);
    for route in steady() {
        let path = target(route, &agent, &channel);
        let plain = ann.get(&path).await;
        for query in ["x", "x=1&x=2", "=", "&&", "x=%ff", "__proto__[x]=1", "x[]=1", &"y=1&".repeat(1000)] {
            let answer = ann.get(&format!("{path}?{query}")).await;
            assert_eq!((answer.status, &answer.body), (200, &plain.body), "{path}?{query:.40}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_body_where_none_is_read_does_no_harm() {
    let (_server, ann) = open().await;
    let agent = create_agent(&ann, "Alice").await;
    let before = world(&ann).await;
    for request in [
        Request::get("/api/agents").json_bytes("{bad"),
        Request::new("POST", &format!("/api/agents/{agent}/restart")).json_bytes("{bad"),
        Request::new("POST", &format!("/api/agents/{agent}/stop")).body(vec![b'x'; 3 << 20]),
    ] {
        let answer = ann.send(request).await;
        assert_eq!(answer.status, 200, "{answer}");
    }
    let after = world(&ann).await;
    assert_eq!(after[format!("/api/agents/{agent}")]["status"], before[format!("/api/agents/{agent}")]["status"]);
}
