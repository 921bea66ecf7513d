//! Polls and websockets, below what goes over them.

use futures_util::future::select_all;
use serde_json::{Value, json};
use testkit::caller::{Caller, Request};
use testkit::house::PATIENCE;
use testkit::server::TestServer;
use testkit::socket::Socket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{ANN, NOTHING, open, place, post, text};

#[tokio::test]
async fn polls_speak_the_protocol_and_its_errors() {
    let (_server, ann) = open().await;
    for (query, code, message) in [
        ("EIO=3&transport=polling", 5, "Unsupported protocol version"),
        ("transport=polling", 5, "Unsupported protocol version"),
        ("EIO=4&transport=bogus", 0, "Transport unknown"),
        ("EIO=4", 0, "Transport unknown"),
        ("EIO=4&transport=polling&sid=nope", 1, "Session ID unknown"),
    ] {
        let answer = ann.get(&format!("/socket.io/?{query}")).await;
        answer.error(400, "BAD_REQUEST");
        assert_eq!((&answer.json()["code"], &answer.json()["message"]), (&json!(code), &json!(message)), "{query}");
    }
    for path in ["/socket.io/?EIO=4&transport=polling", "/socket%2eio?EIO=4&transport=polling"] {
        assert_eq!(ann.send(Request::new("HEAD", path)).await.status, 404, "{path}");
    }
    let greeting = ann.get("/socket.io/?EIO=4&transport=polling").await;
    assert_eq!((greeting.header("etag"), greeting.header("cache-control")), (None, Some("no-store")));
    let greeting = greeting.text();
    let greeting: Value = serde_json::from_str(greeting.strip_prefix('0').expect("an open packet")).expect("JSON");
    assert_eq!(greeting["upgrades"], json!(["websocket"]));
    let at = format!("/socket.io/?EIO=4&transport=polling&sid={}", text(&greeting["sid"]));
    let say = async |packets: &str| ann.send(Request::new("POST", &at).header("content-type", "text/plain").body(packets)).await;
    assert_eq!(say(&format!("40{}", json!({"entityId": ANN}))).await.text(), "ok");
    let mut told = String::new();
    while !told.contains("connection_established") {
        told.push_str(&ann.get(&at).await.text());
    }
    let order = ["40{\"sid\":", "42[\"authenticated\",", "42[\"connection_established\","].map(|part| told.find(part).expect(part));
    assert!(order.is_sorted(), "{told}");
    let joins = format!("42{}\u{1e}42{}", json!(["1", {"channelId": NOTHING}]), json!(["nothing"]));
    assert_eq!(say(&joins).await.text(), "ok");
    assert!(ann.get(&at).await.text().starts_with("42[\"channel_joined\","));
    // What is no packet ends the session.
    say("x").await.error(400, "BAD_REQUEST");
    assert_eq!(ann.get(&at).await.status, 400);
}

/// Opens a session that is polled; where that is.
async fn polled(caller: &Caller) -> String {
    let greeting = caller.get("/socket.io/?EIO=4&transport=polling").await.text();
    let greeting: Value = serde_json::from_str(greeting.strip_prefix('0').expect("an open packet")).expect("JSON");
    format!("/socket.io/?EIO=4&transport=polling&sid={}", text(&greeting["sid"]))
}

/// Posts a payload to a session.
fn payload(at: &str, packets: &str) -> Request {
    Request::new("POST", at).header("content-type", "text/plain").body(packets)
}

#[tokio::test]
async fn a_session_posts_one_payload_at_a_time() {
    let (server, ann) = open().await;
    let at = polled(&ann).await;
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    let head = format!("POST {at} HTTP/1.1\r\nhost: {}\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\n6", server.address());
    slow.write_all(head.as_bytes()).await.unwrap();
    // The server may come to the other first.
    let refused = async {
        loop {
            let answer = ann.send(payload(&at, "6")).await;
            if answer.status != 200 {
                break answer;
            }
        }
    };
    timeout(PATIENCE, refused).await.expect("a second is refused").error(400, "BAD_REQUEST");
    let ended = async { while ann.get(&at).await.status != 400 {} };
    timeout(PATIENCE, ended).await.expect("the session is over");
    assert_eq!(ann.send(payload(&polled(&ann).await, "6")).await.text(), "ok", "others go on");
}

/// Opens a session that is polled, and connects.
async fn connected(caller: &Caller) -> String {
    let at = polled(caller).await;
    assert_eq!(caller.send(payload(&at, &format!("40{}", json!({"entityId": ANN})))).await.text(), "ok");
    at
}

#[tokio::test]
async fn what_is_large_is_refused_where_much_of_it_is_under_way_and_what_is_small_is_not() {
    let server = TestServer::keyed().await;
    let owner = server.key_holder();
    let key = text(&owner.post("/api/keys", &json!({"name": "tenant", "scopes": ["messages:read"]})).await.data(201)["key"]);
    let tenant = server.caller().with_key(&key);
    let (own, others) = (connected(&tenant).await, connected(&owner).await);
    // As large as they may be, eight are a tenant's part.
    let mut slow = Vec::new();
    for _ in 0..9 {
        let (at, host) = (connected(&tenant).await, server.address());
        let mut socket = TcpStream::connect(host).await.unwrap();
        let head = format!("POST {at} HTTP/1.1\r\nhost: {host}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n", 2 << 20);
        socket.write_all(head.as_bytes()).await.unwrap();
        slow.push(socket);
    }
    // Where one is refused, the others have been let in.
    let answers = slow.iter_mut().map(|socket| Box::pin(read_until(socket, b"\r\n\r\n")));
    let (answer, ..) = select_all(answers).await;
    let answer = String::from_utf8(answer).unwrap().to_lowercase();
    assert!(answer.starts_with("http/1.1 503 ") && answer.contains("\r\nretry-after: "), "{answer}");
    // A sign of life that is large asks for nothing.
    let large = format!("3{}", "x".repeat(70_000));
    tenant.send(payload(&own, &large)).await.error(503, "OVERLOADED");
    assert_eq!(tenant.send(payload(&own, "3")).await.text(), "ok");
    assert_eq!(owner.send(payload(&others, &large)).await.text(), "ok");
    drop(slow);
    let taken = async { while tenant.send(payload(&own, &large)).await.status != 200 {} };
    timeout(PATIENCE, taken).await.expect("there is room again");
}

#[tokio::test]
async fn a_post_has_no_more_bytes_than_it_announced_whatever_protocol_it_asks_for() {
    let (server, ann) = open().await;
    let at = connected(&ann).await;
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST {at} HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 10\r\n\r\n",
        server.address()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&[b'x'; 100]).await.unwrap();
    let answer = read_until(&mut socket, b"\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(ann.send(payload(&at, "3")).await.text(), "ok", "the session goes on");
}

/// Reads until this has come, or to the end.
async fn read_until(socket: &mut TcpStream, wanted: &[u8]) -> Vec<u8> {
    let (mut read, mut part) = (Vec::new(), [0; 1024]);
    while !read.windows(wanted.len()).any(|window| window == wanted) {
        match timeout(PATIENCE, socket.read(&mut part)).await.expect("something comes") {
            Ok(0) | Err(_) => break,
            Ok(length) => read.extend_from_slice(&part[..length]),
        }
    }
    read
}

/// A websocket that is about to take over from the polls of a session.
async fn probing(server: &TestServer, at: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address()).await.unwrap();
    let (path, host) = (at.replace("=polling", "=websocket"), server.address());
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut socket, b"\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    // A text, with a mask that changes nothing.
    socket.write_all(&[&[0x81, 0x86, 0, 0, 0, 0][..], b"2probe"].concat()).await.unwrap();
    assert_eq!(read_until(&mut socket, b"3probe").await, b"\x81\x063probe");
    socket
}

#[tokio::test]
async fn a_websocket_that_does_not_take_over_is_closed_and_polls_go_on() {
    let (server, ann, channel) = place().await;
    let at = connected(&ann).await;
    let hear = async |wanted: &str| {
        let polls = async { while !ann.get(&at).await.text().contains(wanted) {} };
        timeout(PATIENCE, polls).await.unwrap_or_else(|_| panic!("{wanted} is not told"));
    };
    hear("connection_established").await;
    let mut websocket = probing(&server, &at).await;
    let join = format!("42{}", json!(["1", {"channelId": channel}]));
    assert_eq!(ann.send(payload(&at, &join)).await.text(), "ok");
    hear("room_joined").await;
    assert_eq!(read_until(&mut websocket, b"\x88\x00").await, b"\x88\x00", "it is closed when its time is over");
    post(&ann, &channel, "by polls").await;
    hear("by polls").await;
    probing(&server, &at).await;
}

#[tokio::test]
async fn who_has_shown_no_key_sends_little() {
    let server = TestServer::keyed().await;
    let (stranger, owner) = (server.caller(), server.key_holder());
    let large = format!("40/{},", "x".repeat(70_000));
    stranger.send(payload(&polled(&stranger).await, &large)).await.error(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(owner.send(payload(&polled(&owner).await, &large)).await.text(), "ok");
    let mut socket = Socket::open(server.address(), &[]).await.expect("a session");
    socket.send(&large).await;
    assert_eq!(socket.ending().await.map(|(code, _)| code), Some(1009));
    // Whoever shows it later sends as much as others from then on.
    let mut socket = crate::support::socket(&server, ANN).await;
    socket.send(&format!("42{}", json!(["message", {"type": 99, "payload": "x".repeat(70_000)}]))).await;
    assert_eq!(socket.join(NOTHING, None).await["seq"], 0);
}
