//! The client against raw TCP servers on loopback.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test whose server fails has failed")]

use std::error::Error as _;
use std::time::Duration;

use core_types::Secret;
use doolittle_outbound::{Auth, Client, Endpoint, Limits, Method, Opened, OutboundError};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const KEY: &str = "sk-very-secret";

fn client() -> Client {
    let limits = Limits {
        connect: Duration::from_secs(5),
        idle: Duration::from_secs(5),
        total: Duration::from_secs(20),
        response_bytes: 1000,
        event_bytes: 200,
    };
    Client::new(limits)
}

/// Reads one request: up to the end of its head and as much body as its length says.
async fn read_request(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        let count = socket.read(&mut buffer).await.expect("a request");
        assert!(count > 0, "the client left in the middle of its request");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// A server that answers one connection with these portions, keeps it open if told so, and returns the request.
async fn server(portions: Vec<Vec<u8>>, keep_open: bool) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let request = read_request(&mut socket).await;
        for portion in portions {
            socket.write_all(&portion).await.expect("sent");
            socket.flush().await.expect("sent");
            tokio::task::yield_now().await;
        }
        if keep_open {
            // Ends when the client leaves.
            let _ = socket.read(&mut [0; 16]).await;
        }
        request
    });
    (base, served)
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<Vec<u8>> {
    vec![
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    ]
}

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

fn bearer(base: &str) -> Endpoint {
    client().at(base, &Auth::Bearer(Secret::new(KEY))).expect("an endpoint")
}

#[tokio::test]
async fn a_request_carries_path_query_body_headers_and_credential() {
    let (base, served) = server(answer("201 Created", "x-seen: yes\r\n", r#"{"ok":true}"#), false).await;
    let endpoint = client().at(&format!("{base}/v1/"), &Auth::ApiKey(Secret::new(KEY))).expect("an endpoint");
    let endpoint = endpoint.with_header("x-version", "7");
    let got = endpoint.send(Method::Patch, "/things/1?full=yes", Some(&json!({"a": 1}))).await.expect("an answer");
    assert_eq!((got.status(), got.header("x-seen"), got.is_success()), (201, Some("yes"), true));
    assert_eq!(got.json::<serde_json::Value>().expect("JSON"), json!({"ok": true}));
    let request = served.await.expect("served").to_lowercase();
    assert!(request.starts_with("patch /v1/things/1?full=yes http/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("x-api-key: {KEY}\r\n")), "{request}");
    assert!(request.contains("user-agent: doolittle/") && request.contains("x-version: 7\r\n"), "{request}");
    assert!(request.ends_with(r#"{"a":1}"#), "{request}");
}

#[tokio::test]
async fn a_password_in_the_address_is_sent_and_never_shown() {
    let (base, served) = server(answer("200 OK", "", "{}"), false).await;
    let endpoint = client().at(&base.replace("http://", "http://me:hunter2@"), &Auth::None).expect("an endpoint");
    assert_eq!(endpoint.address(), base);
    assert!(!format!("{endpoint:?}").contains("hunter2"));
    endpoint.get("x").await.expect("an answer");
    assert!(served.await.expect("served").to_lowercase().contains("authorization: basic "));
}

#[tokio::test]
async fn redirects_are_answers_like_others() {
    let (base, _served) = server(answer("302 Found", "location: http://127.0.0.1:1/\r\n", ""), false).await;
    let got = bearer(&base).get("x").await.expect("an answer");
    assert_eq!((got.status(), got.header("location")), (302, Some("http://127.0.0.1:1/")));
}

#[tokio::test]
async fn a_servers_wish_to_wait_is_read() {
    for (header, millis) in
        [("retry-after: 7", Some(7_000)), ("retry-after-ms: 20\r\nretry-after: 7", Some(20)), ("x: y", None), ("retry-after: -1", None)]
    {
        let (base, _served) = server(answer("429 Too Many Requests", &format!("{header}\r\n"), "{}"), false).await;
        let got = bearer(&base).get("x").await.expect("an answer");
        assert_eq!(got.retry_after(), millis.map(Duration::from_millis), "{header}");
    }
}

#[tokio::test]
async fn an_event_stream_is_decoded_as_it_comes() {
    let portions = vec![STREAM_HEAD.to_vec(), b"data: gr\xc3".to_vec(), b"\xbc\xc3\x9fe\n\nevent: end\ndata: x\n\n".to_vec()];
    let (base, _served) = server(portions, true).await;
    let Opened::Events(mut events) = bearer(&base).post_event_stream("chat", &json!({})).await.expect("a stream") else {
        panic!("an event stream was sent");
    };
    assert_eq!(events.next().await.expect("read").expect("an event").data, "grüße");
    assert_eq!(events.next().await.expect("read").expect("an event").event, "end");
}

#[tokio::test]
async fn a_server_that_does_not_stream_gives_a_whole_answer() {
    for status in ["200 OK", "400 Bad Request"] {
        let (base, _served) = server(answer(status, "", r#"{"a":1}"#), false).await;
        let Opened::Answer(answer) = bearer(&base).post_event_stream("chat", &json!({})).await.expect("an answer") else {
            panic!("{status}: no event stream was sent");
        };
        assert_eq!(answer.text(), r#"{"a":1}"#);
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_shows_no_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://me:hunter2@{}/v1?token=hunter2", listener.local_addr().expect("an address"));
    drop(listener);
    let error = client().at(&base, &Auth::None).expect("an endpoint").get("models").await.expect_err("nobody listens");
    assert!(matches!(error, OutboundError::Unreachable { .. }), "{error:?}");
    assert!(error.source().is_some());
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    assert!(error.to_string().contains("/v1/models"), "{error}");
}

#[tokio::test]
async fn silence_before_and_within_an_answer_times_out() {
    for portions in [vec![], vec![b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec()]] {
        let (base, _served) = server(portions, true).await;
        let endpoint = bearer(&base).with_idle_limit(Duration::from_millis(50));
        let error = endpoint.get("x").await.expect_err("silence");
        assert!(matches!(error, OutboundError::TimedOut { limit, .. } if limit == Duration::from_millis(50)), "{error:?}");
    }
}

#[tokio::test]
async fn a_drip_of_bytes_does_not_outlast_the_whole_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        read_request(&mut socket).await;
        socket.write_all(STREAM_HEAD).await.expect("sent");
        let mut drip = tokio::time::interval(Duration::from_millis(5));
        while socket.write_all(b": still here\n").await.is_ok() {
            drip.tick().await;
        }
    });
    let endpoint = bearer(&base).with_total_limit(Duration::from_millis(100));
    let Opened::Events(mut events) = endpoint.post_event_stream("x", &json!({})).await.expect("a stream") else {
        panic!("an event stream was sent");
    };
    let error = events.next().await.expect_err("no event ever comes");
    assert!(matches!(error, OutboundError::TimedOut { limit, .. } if limit == Duration::from_millis(100)), "{error:?}");
}

#[tokio::test]
async fn answers_and_events_that_are_too_large_are_refused() {
    let (base, _served) = server(answer("200 OK", "", &"x".repeat(1001)), false).await;
    let error = bearer(&base).get("x").await.expect_err("too large");
    assert!(matches!(error, OutboundError::TooLarge { limit: 1000, .. }), "{error:?}");

    let mut stream = STREAM_HEAD.to_vec();
    stream.extend_from_slice(&[b'x'; 201]);
    let (base, _served) = server(vec![stream], true).await;
    let Opened::Events(mut events) = bearer(&base).get_event_stream("x").await.expect("a stream") else {
        panic!("an event stream was sent");
    };
    let error = events.next().await.expect_err("too large");
    assert!(matches!(error, OutboundError::TooLarge { limit: 200, .. }), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_cut() {
    for portions in [vec![], vec![b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec()]] {
        let (base, _served) = server(portions, false).await;
        let error = bearer(&base).get("x").await.expect_err("cut");
        assert!(matches!(error, OutboundError::Cut { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn dropping_a_stream_ends_the_request() {
    let (base, served) = server(vec![STREAM_HEAD.to_vec(), b"data: x\n\n".to_vec()], true).await;
    let Opened::Events(mut events) = bearer(&base).get_event_stream("x").await.expect("a stream") else {
        panic!("an event stream was sent");
    };
    events.next().await.expect("read").expect("an event");
    assert!(!served.is_finished(), "the server waits for the client to leave");
    drop(events);
    served.await.expect("the server saw it leave");
}

#[test]
fn unusable_endpoints_are_refused_without_showing_them() {
    for (base, key) in [("ftp://secret-host/", "k"), ("secret-host", "k"), ("", "k"), ("http://host", "line\nbreak-secret")] {
        let error = client().at(base, &Auth::Bearer(Secret::new(key))).expect_err(base);
        assert!(matches!(error, OutboundError::InvalidEndpoint { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

#[test]
fn nothing_shows_a_key() {
    let endpoint = bearer("http://localhost:1/v1");
    let shown = format!("{endpoint:?} {:?} {:?}", client(), Auth::Bearer(Secret::new(KEY)));
    assert!(!shown.contains(KEY), "{shown}");
}
