//! Requests that a client sends one after the other, without waiting for the answers.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{ANN, create_channel, messages_of, open, says, texts};

/// Sends all of it at once, and reads until the server closes.
async fn exchange(address: SocketAddr, requests: &str) -> String {
    let (mut reading, mut writing) = TcpStream::connect(address).await.unwrap().into_split();
    let mut answers = String::new();
    let (sent, read) = tokio::join!(writing.write_all(requests.as_bytes()), reading.read_to_string(&mut answers));
    sent.unwrap();
    read.unwrap();
    answers
}

fn request(line: &str, body: Option<&str>, rest: &str) -> String {
    let body = body
        .map_or_else(String::new, |body| format!("Content-Type: application/json\r\nContent-Length: {}\r\n{rest}\r\n{body}", body.len()));
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n");
    if body.is_empty() { format!("{head}{rest}\r\n") } else { format!("{head}{body}") }
}

const LAST: &str = "Connection: close\r\n";

#[tokio::test]
async fn requests_with_bodies_that_come_at_once_are_answered_one_by_one() {
    const MANY: usize = 40;
    let (server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let line = format!("POST {}", messages_of(&channel));
    let said: Vec<String> = (0..MANY).map(|number| format!("{number} {}", "long ".repeat(60 * (number % 4)))).collect();
    let posts = said.iter().map(|text| request(&line, Some(&says(text).to_string()), ""));
    let requests: String = posts.chain([request("GET /healthz", None, LAST)]).collect();
    let answers = exchange(server.address(), &requests).await;
    assert_eq!(answers.matches("HTTP/1.1 201 ").count(), MANY, "{answers}");
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 1, "{answers}");
    assert_eq!(answers.to_lowercase().matches("connection: close").count(), 1, "only the last one ends it: {answers}");
    let stored = texts(&ann, &channel).await;
    assert_eq!(stored, said, "each once, in their order");
}

/// The answer to a HEAD has no body, and the others have theirs.
#[tokio::test]
async fn a_head_among_other_requests_puts_no_answer_out_of_step() {
    let (server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let post = request(&format!("POST {}", messages_of(&channel)), Some(&says("hello").to_string()), "");
    let (head, get) = (request("HEAD /api/agents", None, ""), request("GET /api/agents", None, ""));
    let requests = [&*head, &*get, &*post, &*head, &*post, &*head, &*request("GET /healthz", None, LAST)].concat();
    let mut answers = &*exchange(server.address(), &requests).await;
    for (status, has_body) in [(200, false), (200, true), (201, true), (200, false), (201, true), (200, false), (200, true)] {
        let (head, behind) = answers.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned)).unwrap();
        answers = behind.get(if has_body { length.parse().unwrap() } else { 0 }..).unwrap();
    }
    assert_eq!(answers, "");
}
