//! Who is let in, on every route.

use serde_json::json;
use testkit::caller::Request;
use testkit::scripted::{Recorded, Reply, ScriptedModel};
use testkit::server::{KEY, TestServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::routes::{ROUTES, Route};
use crate::support::{ANN, NOTHING, create_channel, snapshot, text, world};

/// The ids with which the matrix asks: one of nothing, and an ill-formed one.
const IDS: [&str; 2] = [NOTHING, "ill-formed"];

fn requests() -> impl Iterator<Item = (Route, Request)> {
    let every = |route: &'static Route| IDS.iter().flat_map(|id| route.paths(id)).map(|path| (*route, route.request(&path)));
    ROUTES.iter().flat_map(every)
}

#[tokio::test]
async fn without_the_right_key_nobody_gets_through_on_any_route() {
    let server = TestServer::keyed().await;
    let holder = server.key_holder();
    create_channel(&holder, "GROUP", &[ANN]).await;
    let before = world(&holder).await;
    let anonymous = server.caller();
    let strangers = [
        anonymous.clone(),
        anonymous.with_key("wrong"),
        anonymous.with_key(""),
        anonymous.with_key(&KEY[1..]),
        anonymous.with_key(&format!("{KEY}x")),
        anonymous.with_key(&KEY.to_uppercase()),
        anonymous.with_bearer("wrong"),
        anonymous.with("authorization", KEY),
        anonymous.with("authorization", &format!("Basic {KEY}")),
    ];
    for (_, request) in requests() {
        for stranger in &strangers {
            let answer = stranger.send(request.clone()).await;
            assert_eq!(answer.status, 401, "{stranger:?} {request:?}: {answer}");
        }
    }
    for path in ["/api", "/api/nope", "/api/agents/x/y/z"] {
        anonymous.get(path).await.error(401, "UNAUTHORIZED");
    }
    snapshot!("no_key", anonymous.get("/api/agents").await);
    assert_eq!(world(&holder).await, before);
}

#[tokio::test]
async fn the_key_is_asked_for_before_the_body_is_read() {
    let server = TestServer::keyed().await;
    let anonymous = server.caller();
    for (_, request) in requests().filter(|(route, _)| route.reads_body()) {
        for bad in [
            request.clone().json_bytes("{bad"),
            request.clone().body(vec![b'x'; 3 << 20]),
            request.clone().json_bytes(vec![b'x'; 3 << 20]).chunked(),
            // Only the announcement of a body: whoever waits for it does not answer.
            request.clone().header("content-length", "1000000").body(Vec::new()),
        ] {
            assert_eq!(anonymous.send(bad).await.status, 401, "{request:?}");
        }
    }
}

#[tokio::test]
async fn the_right_key_opens_every_route_in_either_header() {
    let server = TestServer::keyed().await;
    let anonymous = server.caller();
    let holders = [
        anonymous.with_key(KEY),
        anonymous.with_bearer(KEY),
        anonymous.with("authorization", &format!("bearer   {KEY}")),
        anonymous.with("x-api-key", "wrong").with_bearer(KEY),
        // A key is enough: neither the name nor the page that it comes from matters any more.
        anonymous.with_key(KEY).with("host", "agents.example").with("origin", "https://app.example").with("x-forwarded-for", "203.0.113.9"),
    ];
    // A post makes the channel, and a stream of its events does not end.
    let makes_a_channel = |Route(method, path): &Route| *method != "GET" && path.ends_with("/messages");
    for (_, request) in requests().filter(|(route, _)| route.can_be_repeated() && !makes_a_channel(route)) {
        for holder in &holders {
            let answer = holder.send(request.clone()).await;
            assert!(![401, 403, 500].contains(&answer.status), "{holder:?} {request:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn whoever_only_looks_whether_the_server_lives_needs_no_key() {
    let server = TestServer::keyed().await;
    let anonymous = server.caller();
    for path in ["/", "/healthz"] {
        assert_eq!(anonymous.get(path).await.status, 200, "{path}");
    }
    assert_eq!(anonymous.get("/health").await.status, 503);
    for route in ROUTES {
        assert_eq!(anonymous.send(Request::new("OPTIONS", &route.path(NOTHING))).await.status, 204, "{route:?}");
    }
}

#[tokio::test]
async fn without_a_key_only_this_machine_is_let_in_on_any_route() {
    let server = TestServer::start().await;
    let ann = server.caller();
    create_channel(&ann, "GROUP", &[ANN]).await;
    let before = world(&ann).await;
    let foreigners = [
        ann.with("host", "evil.example"),
        ann.with("host", "localhost.evil.example"),
        ann.with("host", "127.0.0.1.evil.example:3000"),
        ann.with("host", "192.168.0.7:3000"),
        ann.with("host", ""),
        ann.with("origin", "https://evil.example"),
        ann.with("origin", "null"),
        ann.with("origin", "http://localhost.evil.example"),
        ann.with("forwarded", "for=203.0.113.9"),
        ann.with("x-forwarded-for", "203.0.113.9"),
        ann.with("x-forwarded-for", "127.0.0.1"),
        ann.with("x-forwarded-host", "localhost"),
        ann.with("x-real-ip", "127.0.0.1"),
    ];
    for (_, request) in requests() {
        for foreigner in &foreigners {
            let answer = foreigner.send(request.clone()).await;
            assert_eq!(answer.status, 403, "{foreigner:?} {request:?}: {answer}");
        }
    }
    assert_eq!(world(&ann).await, before);
    snapshot!("no_key_and_a_foreign_page", ann.with("origin", "https://evil.example").get("/api/agents").await);
    let here = ["localhost", "localhost:1", "LOCALHOST", "127.0.0.1", "[::1]:3000"].map(|host| ann.with("host", host));
    let pages = ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:8080"].map(|origin| ann.with("origin", origin));
    for neighbour in here.iter().chain(&pages) {
        assert_eq!(neighbour.get("/api/agents").await.status, 200, "{neighbour:?}");
    }
}

#[tokio::test]
async fn no_answer_repeats_the_key() {
    let server = TestServer::keyed().await;
    let holder = server.key_holder();
    let data = holder.post("/api/agents", &serde_json::json!({"characterJson": {"name": "A", "bio": "b"}})).await.data(201);
    for path in [format!("/api/agents/{}", text(&data["id"])), "/api/agents/bad".to_owned(), format!("/api/{KEY}")] {
        holder.get(&path).await;
        server.caller().with_key(&KEY[1..]).get(&path).await;
    }
    assert!(!server.record().text().contains(&KEY[1..]));
}

/// What is answered to a request whose key is taken back while its body is on the way.
async fn revoked_meanwhile(server: &TestServer, path: &str, kind: &str, body: &str) -> String {
    let owner = server.key_holder();
    let made = owner.post("/api/keys", &json!({"name": "leaving", "scopes": ["agents:write", "messages:write"]})).await.data(201);
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let (key, length) = (text(&made["key"]), body.len());
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\ncontent-type: {kind}\r\n");
    stream.write_all(format!("{head}expect: 100-continue\r\ncontent-length: {length}\r\n\r\n").as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(go_on.as_slice(), b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(owner.delete(&format!("/api/keys/{}", text(&made["id"]))).await.status, 204);
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_key_that_is_taken_back_while_a_body_is_on_the_way_counts_no_more() {
    let server = TestServer::keyed().await;
    let owner = server.key_holder();
    let before = world(&owner).await;
    let character = json!({"characterJson": {"name": "Late", "bio": "b"}}).to_string();
    let answer = revoked_meanwhile(&server, "/api/agents", "application/json", &character).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    let form = "--b\r\ncontent-disposition: form-data; name=\"channelId\"\r\n\r\nx\r\n--b\r\ncontent-disposition: form-data; \
        name=\"file\"; filename=\"a.txt\"\r\ncontent-type: text/plain\r\n\r\nhello\r\n--b--\r\n";
    let answer = revoked_meanwhile(&server, "/api/media/upload", "multipart/form-data; boundary=b", form).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert_eq!(world(&owner).await, before);
}

/// A token of `EdDSA` for the subject `ben`, which counts until 2100.
const SIGNED: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIiwidHlwIjoiSldUIn0.eyJzdWIiOiJiZW4iLCJleHAiOjQxMDI0NDQ4MDB9.\
    qxc71hs5-Cxy5DFvzlOJUY3zDYRF-fF0eMrvxLIl-M8EC8oFTW-CJ1qmmhaQzyF36uJLfxISJCmxGXfi3sVoDg";
/// The public half of what that is signed with.
const SIGNED_BY: &str = "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw";

#[tokio::test]
async fn a_set_of_keys_is_asked_for_at_the_very_address_that_is_set() {
    for path in ["/keys/jwks.json", "/keys?p=x", "/keys/", "/"] {
        let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": SIGNED_BY}]});
        let at_path = move |request: &Recorded| {
            if request.path == path { Reply::Plain(set.clone()) } else { Reply::status(404, "{}") }
        };
        let issuer = ScriptedModel::on_port(0, at_path).await.expect("an issuer");
        let address = issuer.base_url().replace("/v1", path);
        let server = TestServer::with(&[("ELIZA_SERVER_AUTH_TOKEN", KEY), ("JWT_JWKS_URI", address.as_str())]).await;
        let answer = server.caller().with_bearer(SIGNED).get("/api/agents").await;
        let asked: Vec<_> = issuer.requests().into_iter().map(|request| request.path).collect();
        assert_eq!((answer.status, asked), (200, vec![path.to_owned()]), "{answer}");
    }
}
