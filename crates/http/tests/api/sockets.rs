//! What only a real socket shows.

use std::net::{SocketAddr, TcpListener};

use core_types::messaging::ReplyEvent;
use doolittle_http::{HttpSettings, Stopper, run};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::fakes::{CHANNEL, SERVER, USER};
use crate::support::{Api, KEY};

struct Running {
    api: Api,
    address: SocketAddr,
    stopper: Stopper,
    done: JoinHandle<std::io::Result<()>>,
}

fn start(api: Api) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = run(listener, api.state.clone()).unwrap();
    let stopper = server.stopper();
    Running { api, address, stopper, done: actix_web::rt::spawn(server.wait()) }
}

fn open() -> Api {
    Api::with(None, HttpSettings { workers: Some(1), ..HttpSettings::default() })
}

/// Sends these bytes and reads until the server closes, or until `enough` has come.
async fn talk(address: SocketAddr, request: &[u8], enough: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = socket.split();
    let mut answer = Vec::new();
    let read = async {
        let mut part = [0; 4096];
        while !String::from_utf8_lossy(&answer).contains(enough) {
            match reading.read(&mut part).await {
                Ok(0) | Err(_) => break,
                Ok(length) => answer.extend_from_slice(&part[..length]),
            }
        }
    };
    // A server that refuses early may stop reading; what counts is what it says.
    let write = async {
        let _ = writing.write_all(request).await;
    };
    tokio::join!(write, read);
    String::from_utf8(answer).unwrap()
}

fn request(line: &str, rest: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{rest}").into_bytes()
}

#[actix_web::test]
async fn a_head_request_gets_the_head_of_get() {
    let server = start(open());
    let head = talk(server.address, &request("HEAD /api/agents", "\r\n"), "\u{0}").await;
    let get = talk(server.address, &request("GET /api/agents", "\r\n"), "\u{0}").await;
    let (get_head, body) = get.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    assert!(get_head.contains("content-type: application/json; charset=utf-8"));
    let stream = talk(server.address, &request(&format!("HEAD /api/messaging/channels/{CHANNEL}/events"), "\r\n"), "\u{0}").await;
    assert!(stream.contains("content-type: text/event-stream") && stream.ends_with("\r\n\r\n"), "{stream}");
    server.stopper.stop().await;
    server.done.await.unwrap().unwrap();
}

#[actix_web::test]
async fn a_body_that_is_refused_unread_does_not_hide_the_answer() {
    let server = start(open());
    let body = "x".repeat(5 << 20);
    let length = body.len();
    let rest = format!("content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
    let answer = talk(server.address, &request("POST /api/agents", &rest), "\u{0}").await;
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("PAYLOAD_TOO_LARGE"), "{answer}");
    assert!(server.api.fakes.calls().is_empty());
    server.stopper.stop().await;
    server.done.await.unwrap().unwrap();
}

#[actix_web::test]
async fn a_graceful_stop_ends_streams_and_lets_waiters_know() {
    let server = start(open());
    let events = request(&format!("GET /api/messaging/channels/{CHANNEL}/events"), "\r\n");
    let body = json!({"author_id": USER, "content": "yo", "server_id": SERVER, "transport": "http"}).to_string();
    let rest = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let post = request(&format!("POST /api/messaging/channels/{CHANNEL}/messages"), &rest);
    let reader = actix_web::rt::spawn(async move { talk(server.address, &events, "\u{0}").await });
    let waiter = actix_web::rt::spawn(async move { talk(server.address, &post, "\u{0}").await });
    while server.api.fakes.calls().len() < 2 {
        tokio::task::yield_now().await;
    }
    server.stopper.stop().await;
    server.done.await.unwrap().unwrap();
    assert!(reader.await.unwrap().ends_with("0\r\n\r\n"), "the stream ends whole");
    let answer = waiter.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("UNAVAILABLE"), "{answer}");
}

#[actix_web::test]
async fn chunks_leave_the_server_before_the_reply_is_done() {
    let api = open();
    api.fakes.replies.lock().unwrap().push_back(ReplyEvent::Chunk(
        core_types::bus::ReplyChunk {
            reply_id: USER.parse().unwrap(),
            answers: USER.parse().unwrap(),
            channel_id: CHANNEL.parse().unwrap(),
            agent_id: USER.parse().unwrap(),
            text: "early".to_owned(),
            index: 0,
        }
        .into(),
    ));
    let server = start(api);
    let body = json!({"author_id": USER, "content": "yo", "server_id": SERVER, "mode": "stream"}).to_string();
    let rest = format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let post = request(&format!("POST /api/messaging/channels/{CHANNEL}/messages"), &rest);
    let answer = talk(server.address, &post, "early").await;
    assert!(answer.contains("event: chunk") && !answer.contains("event: done"), "{answer}");
    server.stopper.stop().await;
    server.done.await.unwrap().unwrap();
}

/// Asks for JSON on a connection that is to go on, and returns the answer.
async fn ask(socket: &mut TcpStream, path: &str, header: &str) -> String {
    socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{header}\r\n").as_bytes()).await.unwrap();
    let (mut answer, mut part) = (String::new(), [0; 4096]);
    while !(answer.contains("\r\n\r\n") && answer.ends_with('}')) {
        let length = socket.read(&mut part).await.unwrap();
        assert!(length > 0, "{answer}");
        answer.push_str(std::str::from_utf8(&part[..length]).unwrap());
    }
    answer
}

#[actix_web::test]
async fn where_few_connections_are_left_a_stranger_does_not_keep_its_own() {
    let settings = HttpSettings { workers: Some(1), connections_per_worker: 4, ..HttpSettings::default() };
    let server = start(Api::with(Some(KEY), settings));
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let answer = ask(&mut socket, "/healthz", "").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("connection: close"), "{answer}");
        kept.push(socket);
    }
    let mut last = TcpStream::connect(server.address).await.unwrap();
    let known = ask(&mut last, "/api/agents", &format!("x-api-key: {KEY}\r\n")).await;
    assert!(known.starts_with("HTTP/1.1 200 ") && !known.contains("connection: close"), "{known}");
    let stranger = ask(&mut last, "/healthz", "").await;
    assert!(stranger.starts_with("HTTP/1.1 200 ") && stranger.contains("connection: close"), "{stranger}");
    assert_eq!(last.read(&mut [0]).await.unwrap(), 0, "it is closed");
    drop(kept);
    server.stopper.stop().await;
    server.done.await.unwrap().unwrap();
}
