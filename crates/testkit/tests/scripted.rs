//! The scripted models do what they say.

use std::sync::Arc;

use core_types::models::{ModelProvider, ModelSize, NoSink, Purpose, Role, TextRequest, Turn};
use doolittle_testkit::gate::Gate;
use doolittle_testkit::scripted::{Reply, ScriptedModel};
use doolittle_testkit::scripted_provider::{Said, ScriptedProvider};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const COMPLETIONS: &str = "chat/completions";

fn request() -> TextRequest {
    TextRequest {
        size: ModelSize::Large,
        purpose: Purpose::Reply,
        system: String::new(),
        turns: vec![Turn::text(Role::User, "Ann", "hello")],
        tools: Vec::new(),
        max_output_tokens: 10,
        temperature: None,
    }
}

async fn connect(model: &ScriptedModel) -> TcpStream {
    let host = model.base_url().trim_start_matches("http://").trim_end_matches("/v1");
    TcpStream::connect(host).await.unwrap_or_else(|error| panic!("{host}: {error}"))
}

async fn ask(model: &ScriptedModel, path: &str, body: &str) -> String {
    let mut socket = connect(model).await;
    let head = format!("POST /v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut answer = String::new();
    socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap_or_else(|error| panic!("{error}"));
    socket.read_to_string(&mut answer).await.unwrap_or_else(|error| panic!("{error}"));
    answer
}

#[tokio::test]
async fn a_text_comes_as_json_or_as_a_stream_as_wanted() {
    let model = ScriptedModel::start([Reply::text("one two"), Reply::text("one two")]).await.expect("a server");
    let whole = ask(&model, COMPLETIONS, r#"{"model":"m","messages":[{}]}"#).await;
    assert!(whole.contains(r#""content":"one two""#), "{whole}");
    let streamed = ask(&model, COMPLETIONS, r#"{"model":"m","messages":[{}],"stream":true}"#).await;
    assert!(streamed.contains(r#""content":"one ""#) && streamed.contains("data: [DONE]"), "{streamed}");
    let over = ask(&model, COMPLETIONS, "{}").await;
    assert!(over.starts_with("HTTP/1.1 400 "), "{over}");
    assert_eq!(model.requests().first().map(|request| request.body.clone()), Some(json!({"model": "m", "messages": [{}]})));
}

#[tokio::test]
async fn the_path_decides_which_api_is_spoken() {
    let model = ScriptedModel::answering(|_| Reply::tool_call("DICE", json!({"sides": 6}))).await.expect("a server");
    let whole = ask(&model, "messages", r#"{"model":"m","messages":[{}]}"#).await;
    assert!(whole.contains(r#""type":"tool_use""#) && whole.contains(r#""input":{"sides":6}"#), "{whole}");
    let streamed = ask(&model, "messages", r#"{"model":"m","messages":[{}],"stream":true}"#).await;
    assert!(streamed.contains("event: message_start\n") && streamed.contains("event: message_stop\n"), "{streamed}");
    let lost = ask(&model, "responses", "{}").await;
    assert!(lost.starts_with("HTTP/1.1 404 "), "{lost}");
}

#[tokio::test]
async fn a_caller_that_leaves_is_noticed() {
    let model = ScriptedModel::answering(|_| Reply::Silence).await.expect("a server");
    let mut socket = connect(&model).await;
    socket.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}").await.expect("sent");
    model.requests_seen(1).await;
    drop(socket);
    model.callers_left(1).await;
}

#[tokio::test]
async fn a_scripted_provider_waits_at_its_gate_and_remembers() {
    let gate = Gate::closed();
    let provider = Arc::new(ScriptedProvider::new(|_| Ok(Said::text("one two"))).behind(gate.clone()));
    let asked = tokio::spawn({
        let provider = Arc::clone(&provider);
        async move { provider.generate(request(), &NoSink).await }
    });
    provider.requests_seen(1).await;
    assert!(!asked.is_finished(), "the gate is closed");
    gate.open();
    let response = asked.await.expect("ran").expect("answered");
    assert_eq!((response.text.as_str(), response.model.as_str()), ("one two", "scripted-large"));
    assert_eq!(provider.requests(), [request()]);
}
