//! Every failure is the envelope, whoever found it.

use std::io;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use core_types::tee::AttestError;
use core_types::{InvalidCode, ServiceError, Thing};
use doolittle_http::HttpSettings;
use serde_json::json;

use crate::fakes::{AGENT, CHANNEL};
use crate::support::{Api, json_bytes, local};

fn source() -> Box<dyn std::error::Error + Send + Sync> {
    Box::new(io::Error::other("SELECT * FROM secrets_of_the_schema"))
}

#[actix_web::test]
async fn every_service_error_has_its_code_and_status() {
    let invalid = |code| ServiceError::invalid(code, "m");
    let overloaded = || ServiceError::Overloaded { message: "m".to_owned(), retry_after: Duration::from_millis(1500) };
    for (error, status, code) in [
        (invalid(InvalidCode::Create), 400, "CREATE_ERROR"),
        (invalid(InvalidCode::Update), 400, "UPDATE_ERROR"),
        (invalid(InvalidCode::NoAgent), 400, "NO_AGENT"),
        (ServiceError::NotFound(Thing::Agent), 404, "AGENT_NOT_FOUND"),
        (ServiceError::NotFound(Thing::Server), 404, "SERVER_NOT_FOUND"),
        (ServiceError::NotFound(Thing::Channel), 404, "CHANNEL_NOT_FOUND"),
        (ServiceError::NotFound(Thing::File), 404, "FILE_NOT_FOUND"),
        (invalid(InvalidCode::Upload), 400, "INVALID_REQUEST"),
        (ServiceError::TooLarge { limit: 7 }, 413, "FILE_TOO_LARGE"),
        (ServiceError::Unsupported { message: "m".to_owned() }, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (ServiceError::conflict("m"), 409, "CONFLICT"),
        (ServiceError::forbidden("m"), 403, "FORBIDDEN"),
        (overloaded(), 503, "OVERLOADED"),
        (ServiceError::Attestation(AttestError::Off), 503, "TEE_UNAVAILABLE"),
        (ServiceError::Attestation(AttestError::Unavailable(source())), 503, "TEE_UNAVAILABLE"),
        (ServiceError::Attestation(AttestError::Defect(source())), 503, "TEE_UNAVAILABLE"),
        (ServiceError::Unavailable(source()), 503, "UNAVAILABLE"),
        (ServiceError::Internal(source()), 500, "INTERNAL_SERVER_ERROR"),
    ] {
        let api = Api::open();
        let message = error.to_string();
        api.fakes.fail_with(error);
        let answer = api.get("/api/agents").await;
        assert_eq!(answer.error(status, code), message);
        assert!(!answer.text().contains("SELECT"), "nothing internal reaches a body");
        let wait = match code {
            "OVERLOADED" => Some("1"),
            "UNAVAILABLE" => Some("5"),
            _ => None,
        };
        assert_eq!(answer.header("retry-after"), wait);
    }
}

#[actix_web::test]
async fn a_missing_thing_has_empty_details_and_a_failed_creation_repeats_its_reason() {
    let api = Api::open();
    api.fakes.fail_with(ServiceError::NotFound(Thing::Agent));
    let body = api.get(&format!("/api/agents/{AGENT}")).await.json();
    assert_eq!(body, json!({"success": false, "error": {"code": "AGENT_NOT_FOUND", "message": "Agent not found", "details": {}}}));
    let body = api.post("/api/agents", json!({})).await.json();
    assert_eq!(body["error"]["details"], "No character configuration provided");
}

#[actix_web::test]
async fn unknown_routes_and_methods_are_404() {
    let api = Api::open();
    let agent = format!("/api/agents/{AGENT}");
    for (method, path) in [
        (Method::GET, "/api/nope"),
        (Method::GET, "/api"),
        (Method::GET, "/nope"),
        (Method::POST, "/healthz"),
        (Method::PUT, agent.as_str()),
        (Method::PUT, "/api/server/ping"),
        (Method::GET, "/api/messaging/submit"),
        (Method::GET, "//api/agents"),
        (Method::TRACE, "/api/agents"),
    ] {
        let answer = api.send(local(TestRequest::with_uri(path).method(method.clone()))).await;
        assert_eq!(answer.error(404, "NOT_FOUND"), "API endpoint not found", "{method} {path}");
    }
}

#[actix_web::test]
async fn ill_formed_ids_in_paths_are_invalid_ids() {
    let api = Api::open();
    for (path, message) in [
        ("/api/agents/not-a-uuid", "Invalid agent ID format"),
        ("/api/agents/b850bc3045f80041a00a83df46d8555d", "Invalid agent ID format"),
        ("/api/messaging/central-channels/zzz/messages", "Invalid channelId"),
        ("/api/messaging/channels/zzz/events", "Invalid channelId"),
        ("/api/messaging/message-servers/zzz/channels", "Invalid messageServerId"),
    ] {
        assert_eq!(api.get(path).await.error(400, "INVALID_ID"), message, "{path}");
    }
    assert!(api.fakes.calls().is_empty());
}

#[actix_web::test]
async fn bodies_that_are_no_json_object_are_refused() {
    let api = Api::open();
    let deep = format!("{{\"agent\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    for body in
        [&b"{bad"[..], b"[]", b"1", b"null", b"\"text\"", b"{\"a\":\"\xff\"}", b"{\"a\":1}x", b"{\"a\":\"\\u0000\"}", deep.as_bytes()]
    {
        api.post_bytes("/api/agents", body).await.error(400, "INVALID_JSON");
    }
    assert!(api.fakes.calls().is_empty());
}

#[actix_web::test]
async fn a_body_has_as_many_values_as_it_may_and_no_more() {
    const MOST: usize = 65_536;
    let api = Api::open();
    // The agent and its list are values themselves.
    let body = |values: usize| format!("{{\"agent\":{{\"a\":[{}]}}}}", vec!["[]"; values - 2].join(","));
    assert_eq!(api.post_bytes("/api/agents", body(MOST).as_bytes()).await.status, 201);
    let calls = api.fakes.calls().len();
    for many in [MOST + 1, 690_000] {
        let message = api.post_bytes("/api/agents", body(many).as_bytes()).await.error(400, "INVALID_JSON");
        assert_eq!(message, "The request body has more than 65536 values");
    }
    assert_eq!(api.fakes.calls().len(), calls, "nobody was asked");
    // What is in a text is one value, whatever it looks like.
    let text = format!("{{\"agent\":{{\"a\":\"{}\"}}}}", "[,\\\"{,".repeat(MOST));
    assert_eq!(api.post_bytes("/api/agents", text.as_bytes()).await.status, 201);
}

#[actix_web::test]
async fn an_absent_body_is_an_empty_object() {
    let api = Api::open();
    for request in [
        local(TestRequest::post().uri("/api/agents")),
        json_bytes(TestRequest::post().uri("/api/agents"), b""),
        json_bytes(TestRequest::post().uri("/api/agents"), b"{}"),
    ] {
        api.send(request).await.error(400, "CREATE_ERROR");
    }
    api.send(local(TestRequest::post().uri("/api/messaging/submit"))).await.error(400, "BAD_REQUEST");
}

#[actix_web::test]
async fn only_json_is_taken_and_only_uncompressed() {
    let api = Api::open();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let request = local(TestRequest::post().uri("/api/agents")).insert_header(("content-type", kind)).set_payload("x=1");
        api.send(request).await.error(400, "INVALID_CONTENT_TYPE");
    }
    api.send(local(TestRequest::post().uri("/api/agents")).set_payload("{}")).await.error(400, "INVALID_CONTENT_TYPE");
    let zipped = json_bytes(TestRequest::post().uri("/api/agents"), b"\x1f\x8b").insert_header(("content-encoding", "gzip"));
    api.send(zipped).await.error(415, "UNSUPPORTED_MEDIA_TYPE");
    let cased = local(TestRequest::post().uri("/api/agents"))
        .insert_header(("content-type", "Application/JSON; charset=UTF-8"))
        .set_payload("\u{feff}{\"agent\": {}}");
    assert_eq!(api.send(cased).await.status, 201);
}

#[actix_web::test]
async fn a_body_over_the_limit_is_too_large_whether_it_says_so_or_not() {
    let api = Api::with(None, HttpSettings { body_limit: 20, ..HttpSettings::default() });
    assert_eq!(api.post_bytes("/api/agents", b"{\"agent\":{\"a\": 12 }}").await.status, 201);
    let long = b"{\"agent\":{\"a\": 123 }}";
    api.post_bytes("/api/agents", long).await.error(413, "PAYLOAD_TOO_LARGE");
    let declared = json_bytes(TestRequest::post().uri("/api/agents"), b"").insert_header(("content-length", "21"));
    api.send(declared).await.error(413, "PAYLOAD_TOO_LARGE");
}

#[actix_web::test]
async fn a_panic_is_a_500_for_that_request_alone() {
    let api = Api::open();
    *api.fakes.panics.lock().unwrap() = true;
    let answer = api.get("/api/agents").await;
    answer.error(500, "INTERNAL_SERVER_ERROR");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(!answer.text().contains("told to"));
    // The fake's lock is poisoned, as a lock would be; the server goes on.
    assert_eq!(api.get("/healthz").await.status, 200);
}

#[actix_web::test]
async fn paths_may_be_in_any_case_and_end_in_slashes() {
    let api = Api::open();
    for path in ["/API/Agents/", "/api/agents//", "/Api/AGENTS?x=Y/"] {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
    let upper = AGENT.to_uppercase();
    assert_eq!(api.get(&format!("/api/agents/{upper}")).await.data(200)["id"], AGENT);
    let upper = CHANNEL.to_uppercase();
    assert_eq!(api.get(&format!("/api/messaging/CHANNELS/{upper}/Details/")).await.status, 200);
}
