//! Attacks by what is asked, how often, from where, and with which key.

use std::pin::pin;
use std::time::{Duration, Instant};

use auth::Keyring;
use core_types::{Secret, Timestamp};
use futures_util::future::join_all;
use serde_json::{Value, json};
use testkit::caller::{Caller, Request};
use testkit::house::PATIENCE;
use testkit::scripted::{Reply, ScriptedModel};
use testkit::server::{KEY, TestServer};
use testkit::socket::Socket;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::Estate;
use crate::routes::{ROUTES, with_bodies};
use crate::support::{
    ANN, DEFAULT, NOTHING, asked, create_agent, create_channel, messages_of, open, running_agent, says, texts, with, with_field, world,
};

/// No single request may take longer, even where the machine is busy. What grows with the square of its size takes far longer.
const SOON: Duration = Duration::from_secs(10);

/// Class 5: without a key every route is closed, and what was asked for has not been done.
#[tokio::test]
async fn nothing_is_done_for_whoever_shows_no_key() {
    let server = TestServer::keyed().await;
    let (owner, nobody) = (server.key_holder(), server.caller());
    let agent = create_agent(&owner, "Alice").await;
    let channel = create_channel(&owner, "GROUP", &[ANN, &agent]).await;
    owner.post(&messages_of(&channel), &says("kept")).await.data(201);
    let before = world(&owner).await;
    for id in [&agent, &channel] {
        for route in ROUTES {
            for path in route.paths(id) {
                let answer = nobody.send(route.request(&path)).await;
                assert_eq!(answer.status, 401, "{route:?}: {answer}");
            }
        }
    }
    assert_eq!(nobody.with("x-forwarded-for", "203.0.113.9").get("/metrics").await.status, 401);
    assert_eq!(world(&owner).await, before);
    assert_eq!(owner.get("/api/keys").await.data(200)["keys"], json!([]));
}

/// Class 6: a key cannot be found piece by piece: a wrong one is answered alike and takes the same time, however much of it is right.
#[tokio::test]
async fn the_time_of_a_refusal_tells_nothing_of_the_key() {
    let server = TestServer::keyed().await;
    let mut refusals = Vec::new();
    for wrong in
        ["x".to_owned(), KEY[..1].to_owned(), KEY[..KEY.len() - 1].to_owned(), format!("{KEY}x"), format!("{}x", &KEY[..KEY.len() - 1])]
    {
        let answer = server.caller().with_key(&wrong).get("/api/agents").await;
        refusals.push((answer.status, answer.text()));
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    // So long a key that the time of comparing it byte by byte would be far longer than that of beginning to.
    let key = "k".repeat(256 << 10);
    let keyring = Keyring::new(Some(&Secret::new(key.clone())));
    let (early, late) = (format!("x{}", &key[1..]), format!("{}x", &key[1..]));
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..100 {
        for (wrong, fastest) in [&early, &late].into_iter().zip(&mut fastest) {
            let begun = Instant::now();
            assert!(keyring.verify(wrong, Timestamp::from_millis(0)).is_none());
            *fastest = begun.elapsed().min(*fastest);
        }
    }
    let [early, late] = fastest;
    assert!(late < early * 2 && early < late * 2, "wrong at its beginning {early:?}, wrong at its end {late:?}");
}

/// What is no sensible body, whatever was expected.
fn nonsense() -> Vec<Vec<u8>> {
    let deep = |open: &str, close: &str, depth: usize| [open.repeat(depth), close.repeat(depth)].concat().into_bytes();
    let many = |count: usize| format!("{{{}}}", (0..count).map(|key| format!("\"k{key}\":{key}")).collect::<Vec<_>>().join(","));
    vec![
        b"".to_vec(),
        b"{".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        b"{\"a\":1e999}".to_vec(),
        b"{\"a\":\"\\ud800\"}".to_vec(),
        b"{\"name\":\"\\u0000\",\"content\":\"\\u0000\",\"agentId\":\"\\u0000\"}".to_vec(),
        b"{\"name\":\"\xff\xfe\"}".to_vec(),
        b"{\"name\":null,\"content\":null,\"agentIds\":null,\"characterJson\":null,\"author_id\":null}".to_vec(),
        b"{\"name\":{},\"content\":[],\"agentIds\":{},\"characterJson\":[],\"author_id\":0,\"metadata\":0,\"settings\":1}".to_vec(),
        b"{\"__proto__\":{\"isAdmin\":true},\"constructor\":{\"prototype\":{}}}".to_vec(),
        deep("[", "]", 20_000),
        deep("{\"a\":", "}", 20_000),
        [b"{\"metadata\":".to_vec(), deep("[", "]", 120), b"}".to_vec()].concat(),
        many(5_000).into_bytes(),
        format!("{{\"content\":[{}1]}}", "1,".repeat(20_000)).into_bytes(),
        format!("{{\"limit\":{}}}", "9".repeat(10_000)).into_bytes(),
    ]
}

/// Class 9: no body ends the server, or is answered by anything but a refusal, on any route.
#[tokio::test]
async fn no_malformed_body_brings_the_server_down() {
    let (server, ann) = open().await;
    let agent = running_agent(&ann, "Alice").await;
    for route in with_bodies() {
        for body in nonsense() {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let answer = ann.send(Request::new(route.0, &route.path(&agent)).json_bytes(body)).await;
            assert!(answer.status < 500 || answer.status == 503, "{route:?} {shown}: {answer}");
        }
    }
    let mut socket = Socket::connect(server.address(), &json!({"entityId": ANN})).await.unwrap();
    socket.send(&format!("42[\"message\",{}{}]", "[".repeat(10_000), "]".repeat(10_000))).await;
    assert!(Socket::connect(server.address(), &json!({"entityId": ANN})).await.is_ok());
    assert_eq!(ann.get("/healthz").await.status, 200);
    assert_eq!(ann.get(&format!("/api/agents/{agent}")).await.data(200)["status"], "active");
}

/// Class 10: nothing that a caller sends costs the square of its size.
#[tokio::test]
async fn no_request_costs_the_square_of_its_size() {
    let (_server, ann) = with(&[("REPLY_WAIT_SECONDS", "1")]).await;
    let agent = create_agent(&ann, "Alice").await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let documents = format!("/api/memory/agents/{agent}/documents");
    let page = |open: &str, count: usize| json!({"content": open.repeat(count), "contentType": "text/html"});
    let words = (0..12_000).map(|word| format!("w{word}")).collect::<Vec<_>>().join(" ");
    let query = (0..600).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join("&");
    let form = |parts: usize| {
        let part = "--edge\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\ny\r\n".repeat(parts);
        Request::new("POST", "/api/media/upload").header("content-type", "multipart/form-data; boundary=edge").body(part)
    };
    let edges = Request::new("POST", "/api/media/upload").header("content-type", "multipart/form-data; boundary=edge").body(
        [
            "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n",
            &"\r\n--edg".repeat(250_000),
        ]
        .concat(),
    );
    let secrets = |end: &str| -> Value { (0..60_000).map(|number| (format!("S{number}{end}"), json!("v"))).collect() };
    let character = |settings: Value| json!({"characterJson": {"name": "T", "bio": "b", "settings": settings}});
    let costly = [
        Request::post("/api/agents", &character(json!({"secrets": secrets("")}))),
        Request::post("/api/agents", &character(secrets("_TOKEN"))),
        Request::new("PATCH", &format!("/api/agents/{agent}")).json(&json!({"secrets": secrets("")})),
        Request::new("PATCH", &format!("/api/agents/{agent}")).json(&json!({"settings": secrets("_TOKEN")})),
        Request::post(&documents, &page("<p>", 300_000)),
        Request::post(&documents, &page("<a href=\"", 100_000)),
        Request::post(&documents, &page("<!--", 300_000)),
        Request::post(&documents, &page("&amp", 300_000)),
        Request::post(&documents, &json!({"content": "a".repeat(1_000_000)})),
        Request::post(&documents, &json!({"content": "\n#".repeat(500_000), "contentType": "text/markdown"})),
        Request::post(&messages_of(&channel), &says(&"@Alice ".repeat(14_000))),
        Request::post("/api/messaging/messages/search", &json!({"query": words})),
        Request::post(&format!("/api/memory/agents/{agent}/search"), &json!({"query": words[..8_000].to_owned()})),
        Request::get(&format!("/api/agents?{query}")),
        Request::get(&format!("/api/{}", "a/".repeat(3_000))),
        Request::get(&format!("/api/agents/{}", "%2e".repeat(2_000))),
        Request::get(&format!("{}?limit=4294967295", messages_of(&channel))),
        Request::get("/api/agents?offset=4294967295"),
        Request::get("/api/agents").header("cookie", &"a=b; ".repeat(1_000)).header("accept", &"a/b,".repeat(1_000)),
        form(20_000),
        edges,
    ];
    for request in costly {
        let (shown, begun) = (format!("{request:?}"), Instant::now());
        let answer = ann.send(request).await;
        let took = begun.elapsed();
        assert!(answer.status < 500 && took < SOON, "{took:?} {} {}", answer.status, &shown[..shown.len().min(200)]);
    }
}

/// Class 17: a page of elsewhere that a browser of this machine shows cannot use a server that has no key, by no transport.
#[tokio::test]
async fn a_page_of_elsewhere_reaches_no_server_of_this_machine() {
    let (server, ann) = open().await;
    let agent = create_agent(&ann, "Alice").await;
    let before = world(&ann).await;
    let port = server.address().port();
    for (name, value) in [
        ("origin", "https://evil.example".to_owned()),
        ("origin", "null".to_owned()),
        ("origin", format!("http://evil.example:{port}")),
        ("origin", format!("http://127.0.0.1.evil.example:{port}")),
        ("host", format!("evil.example:{port}")),
        ("host", format!("127.0.0.1.evil.example:{port}")),
    ] {
        let page = ann.with(name, &value);
        page.get("/api/agents").await.error(403, "FORBIDDEN");
        page.delete(&format!("/api/agents/{agent}")).await.error(403, "FORBIDDEN");
        // What a form can send without asking first.
        let simple = Request::new("POST", "/api/agents")
            .header("content-type", "text/plain")
            .body("{\"characterJson\":{\"name\":\"x\",\"bio\":\"b\"}}");
        page.send(simple).await.error(403, "FORBIDDEN");
        let polled = page.get("/socket.io/?EIO=4&transport=polling").await;
        assert_eq!(polled.status, 403, "{name}: {value}");
        assert_eq!(Socket::open(server.address(), &[(name, value.as_str())]).await.err().as_deref(), Some("403"), "{name}: {value}");
        let asked = Request::new("OPTIONS", "/api/agents").header("access-control-request-method", "DELETE");
        assert_eq!(page.send(asked).await.header("access-control-allow-origin"), None, "{name}: {value}");
    }
    assert_eq!(world(&ann).await, before);
}

/// Class 19: the log is the owner's, by every way to it, and what people say and the keys that they show are not in it.
#[tokio::test]
async fn the_log_is_told_to_nobody_else_and_holds_no_words_of_others() {
    let estate = Estate::new().await;
    let Estate { server, owner, victim, attacker, attackers_key } = &estate;
    let agent = running_agent(victim, "Alice").await;
    let channel = create_channel(victim, "GROUP", &[ANN, &agent]).await;
    victim.post(&messages_of(&channel), &says("whispered-words-51d0")).await.data(201);
    for request in [
        Request::get("/api/server/logs"),
        Request::get("/api/server/logs/stream"),
        Request::new("DELETE", "/api/server/logs"),
        Request::post("/api/server/logs", &json!({"logs": []})),
    ] {
        attacker.send(request).await.error(403, "FORBIDDEN");
    }
    assert_eq!(attacker.get(&format!("/api/agents/{agent}/logs")).await.status, 404);
    let mut socket = Socket::connect(server.address(), &json!({"entityId": ANN, "apiKey": attackers_key})).await.unwrap();
    socket.emit("subscribe_logs", &Value::Null).await;
    loop {
        let (name, told) = socket.next().await.expect("an answer");
        if name == "log_subscription_confirmed" {
            assert_eq!(told["subscribed"], false, "{told}");
            break;
        }
        if name == "messageError" {
            break;
        }
    }
    owner.post("/api/server/logs", &json!({"logs": [{"level": "info", "msg": "a line of the client"}]})).await;
    let log = owner.get("/api/server/logs?level=all&limit=1000").await.text();
    assert!(!log.contains("whispered-words-51d0") && !log.contains(KEY) && !log.contains(attackers_key), "{log}");
}

/// Class 20: whoever asks without a key, or guesses one, is counted by where the connection comes from, whatever the request says.
#[tokio::test]
async fn no_header_and_no_guess_gets_more_requests_than_the_limit() {
    let server = TestServer::with(&[("ELIZA_SERVER_AUTH_TOKEN", KEY), ("RATE_LIMIT_MAX", "10")]).await;
    let stranger = server.caller();
    let mut seen = Vec::new();
    for number in 0..30 {
        let guess = stranger
            .with_key(&format!("guess-{number}"))
            .with("x-forwarded-for", &format!("203.0.113.{number}"))
            .with("x-real-ip", &format!("203.0.113.{number}"))
            .with("forwarded", &format!("for=203.0.113.{number}"))
            .with("x-entity-id", &format!("guest-{number}"));
        let answer = match number % 3 {
            0 => guess.get("/api/agents").await,
            1 => guess.post("/api/messaging/sessions", &json!({"agentId": NOTHING, "userId": ANN})).await,
            _ => guess.get("/socket.io/?EIO=4&transport=polling").await,
        };
        if answer.status == 429 {
            assert!(answer.header("retry-after").is_some_and(|after| after.parse::<u64>().is_ok()), "{answer}");
        }
        seen.push(answer.status);
    }
    let refused = seen.iter().filter(|status| **status == 429).count();
    assert!(refused >= 20 && seen[29] == 429, "{seen:?}");
    // The owner has a measure of its own, which strangers do not use up.
    assert_eq!(server.key_holder().get(&format!("/api/messaging/message-servers/{DEFAULT}/channels")).await.status, 200);
}

/// A conversation in which this was said, and what is asked for a title of it.
async fn untitled(caller: &Caller, said: &str) -> (String, Value) {
    let agent = running_agent(caller, "Alice").await;
    let channel = create_channel(caller, "GROUP", &[ANN]).await;
    for _ in 0..4 {
        caller.post(&messages_of(&channel), &says(said)).await.data(201);
    }
    (format!("/api/messaging/central-channels/{channel}/generate-title"), json!({"agentId": agent}))
}

/// Class 20: one tenant holds a part of the places that are few, however many it asks for, and is told when to come again.
#[tokio::test]
async fn no_tenant_takes_the_places_of_all() {
    let answer = |request: &Value| {
        let held = request.to_string().contains("keep me waiting");
        if held { Reply::Silence } else { Reply::text("Short Talk") }
    };
    let model = ScriptedModel::answering(answer).await.unwrap();
    let own = [("OPENAI_BASE_URL", model.base_url()), ("OPENAI_API_KEY", "sk-server")];
    let estate = Estate::with(&own).await;
    let Estate { victim, attacker, .. } = &estate;
    let (path, body) = untitled(attacker, "keep me waiting").await;
    let mut held = pin!(join_all((0..4).map(|_| attacker.post(&path, &body))));
    tokio::select! {
        _ = &mut held => panic!("a title, though the model says nothing"),
        () = asked(&model, 4) => {}
    }
    let refused = attacker.post(&path, &body).await;
    refused.error(503, "OVERLOADED");
    assert!(refused.header("retry-after").is_some(), "{refused}");
    let (path, body) = untitled(victim, "hello").await;
    assert_eq!(victim.post(&path, &body).await.data(200)["title"], "Short Talk");
}

/// Class 20: of whoever sends request upon request and reads no answer, no more is taken in, and no answer is lost.
#[tokio::test]
async fn whoever_reads_no_answers_is_left_to_wait_with_its_requests() {
    const MANY: usize = 50_000;
    let (server, ann) = open().await;
    // Answers without a body and answers with one are sent by different ways.
    for (line, answer) in [("OPTIONS / HTTP/1.1", "HTTP/1.1 204 "), ("GET /healthz HTTP/1.1", "HTTP/1.1 200 ")] {
        let request = format!("{line}\r\nHost: a\r\n");
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(4_096).unwrap();
        let (mut reading, mut writing) = socket.connect(server.address()).await.unwrap().into_split();
        let requests = [format!("{request}\r\n").repeat(MANY), format!("{request}Connection: close\r\n\r\n")].concat().into_bytes();
        // Where nothing of it is taken for so long, nothing more will be.
        let mut sent = 0;
        while let Ok(written) = timeout(Duration::from_secs(1), writing.write(&requests[sent..])).await {
            sent += written.unwrap();
            assert!(sent < requests.len(), "the server took in all of it");
        }
        assert_eq!(ann.get("/healthz").await.status, 200);
        let mut answers = Vec::new();
        let (written, read) = tokio::join!(writing.write_all(&requests[sent..]), reading.read_to_end(&mut answers));
        written.unwrap();
        read.unwrap();
        assert_eq!(String::from_utf8(answers).unwrap().matches(answer).count(), MANY + 1, "{line}");
    }
}

/// Class 20: streams of one tenant leave connections to others, and one that ends makes room.
#[tokio::test]
async fn no_tenant_keeps_all_connections_by_streams() {
    let estate = Estate::new().await;
    let Estate { victim, attacker, .. } = &estate;
    let channel = create_channel(attacker, "GROUP", &[ANN]).await;
    let opened = async || {
        let events = Request::get(&format!("/api/messaging/central-channels/{channel}/events"));
        attacker.attempt_events(events, PATIENCE).await.unwrap()
    };
    let mut held = Vec::new();
    let refused = loop {
        match opened().await {
            Ok(events) => held.push(events),
            Err(refused) => break refused,
        }
    };
    refused.error(503, "OVERLOADED");
    assert!(refused.header("retry-after").is_some(), "{refused}");
    let body = with_field(says("not stored"), "transport", json!("sse"));
    attacker.post(&messages_of(&channel), &body).await.error(503, "OVERLOADED");
    assert_eq!(texts(attacker, &channel).await, Vec::<String>::new());
    let others = create_channel(victim, "GROUP", &[ANN]).await;
    let mut events = victim.events(Request::get(&format!("/api/messaging/central-channels/{others}/events"))).await;
    victim.post(&messages_of(&others), &says("heard")).await.data(201);
    assert_eq!(events.next().await.unwrap().data["content"], "heard");
    held.clear();
    let again = async {
        while opened().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.expect("a place that was left");
}

/// Class 20: one address has a part of the places of those who have shown no key yet.
#[tokio::test]
async fn no_address_takes_the_places_of_all_strangers() {
    let server = TestServer::keyed().await;
    let here = server.caller();
    let elsewhere = here.speaking_from([127, 0, 0, 2].into());
    let door = "/socket.io/?EIO=4&transport=polling";
    let refused = loop {
        let answer = here.get(door).await;
        if answer.status != 200 {
            break answer;
        }
    };
    refused.error(503, "OVERLOADED");
    assert!(refused.header("retry-after").is_some(), "{refused}");
    assert_eq!(elsewhere.get(door).await.status, 200);
    assert_eq!(server.key_holder().get(door).await.status, 200, "whoever shows a key is no stranger");
}
