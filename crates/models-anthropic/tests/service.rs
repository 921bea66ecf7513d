//! What the adapter sends, and how it copes with what the service may answer.

mod common;

use std::time::Duration;

use common::{KEY, connector, provider};
use core_types::models::{
    Attachment, ModelConnector, ModelError, ModelProvider, ModelSize, NoSink, Role, TextRequest, TextResponse, ToolCall, ToolSpec, Turn,
    Usage,
};
use doolittle_models_anthropic::THOUGHT_TOKENS;
use serde_json::{Value, json};
use testkit::asking::{self, Settings, assert_complete, assert_final, assert_misconfigured, assert_unreadable, greeting};
use testkit::scripted::{Recorded, Reply, ScriptedModel};

async fn ask(replies: Vec<Reply>) -> (Result<TextResponse, ModelError>, Vec<Recorded>) {
    asking::ask(provider, greeting(), replies).await
}

/// A stream of these documents, each an event of its type.
fn events(documents: &[Value]) -> Reply {
    let event = |document: &Value| format!("event: {}\ndata: {document}\n\n", document["type"].as_str().unwrap_or_default()).into_bytes();
    Reply::Portions(documents.iter().map(event).collect())
}

fn started() -> Value {
    json!({"type": "message_start", "message": {"type": "message", "role": "assistant", "model": "m", "content": [],
        "usage": {"input_tokens": 3, "output_tokens": 1}}})
}

fn said(text: &str) -> Value {
    json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})
}

fn stopped(reason: &str) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 2}})
}

fn failed(kind: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": format!("No, {KEY}.")}})
}

#[tokio::test]
async fn the_request_is_what_the_api_wants() {
    let content = Some(b"PNG"[..].into());
    let url = "https://example.com/a.png".to_owned();
    let picture = Attachment { url, content_type: "image/png".to_owned(), title: "A".to_owned(), content };
    let call = ToolCall { id: "toolu_7".to_owned(), name: "DICE".to_owned(), arguments: json!({"sides": 6}) };
    let turns = vec![
        Turn::text(Role::User, "Ann", "Hello"),
        Turn { attachments: vec![picture], ..Turn::text(Role::User, "Bob", "Look, and throw") },
        Turn { calls: vec![call], ..Turn::text(Role::Assistant, "Ada", "") },
        Turn { call_id: Some("toolu_7".to_owned()), ..Turn::text(Role::Tool, "DICE", "4") },
    ];
    let tools = vec![ToolSpec { name: "DICE".to_owned(), description: "Throws a dice.".to_owned(), parameters: json!({"type": "object"}) }];
    let request = TextRequest { turns, tools, temperature: Some(1.2), ..greeting() };
    let (outcome, requests) = asking::ask(provider, request, [Reply::text("Hello, both.")]).await;
    let response = outcome.expect("an answer");
    assert_eq!((response.text.as_str(), response.usage), ("Hello, both.", Usage { input: 3, output: 2 }));
    let [sent] = requests.try_into().expect("one request");
    let headers = ["x-api-key", "anthropic-version", "authorization"].map(|name| sent.header(name));
    assert_eq!((sent.path.as_str(), headers), ("/v1/messages", [Some(KEY), Some("2023-06-01"), None]));
    assert_eq!(
        sent.body,
        json!({
            "model": "claude-sonnet-5-5",
            "max_tokens": 50,
            "system": "You are Ada.",
            // A server at an address that we do not know is not shown images.
            "messages": [
                {"role": "user", "content": [
                    {"type": "text", "text": "Ann: Hello"},
                    {"type": "text", "text": "Bob: Look, and throw\n[attached: A, image/png]"},
                ]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_7", "name": "DICE", "input": {"sides": 6}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_7", "content": [{"type": "text", "text": "4"}]},
                ]},
            ],
            "stream": true,
            "thinking": {"type": "disabled"},
            "temperature": 1.0,
            "tools": [{"name": "DICE", "description": "Throws a dice.", "input_schema": {"type": "object"}}],
        })
    );
}

#[tokio::test]
async fn each_size_goes_to_its_own_model() {
    let model = ScriptedModel::serving([Reply::text("a"), Reply::text("b")]).await;
    let settings = Settings::of(&[
        ("ANTHROPIC_API_KEY", KEY),
        ("ANTHROPIC_BASE_URL", model.base_url()),
        ("ANTHROPIC_SMALL_MODEL", "tiny"),
        ("SMALL_MODEL", "not this"),
        ("LARGE_MODEL", "huge"),
    ]);
    let provider = connector().connect(&settings).expect("settings").expect("a provider");
    for (size, name) in [(ModelSize::Small, "tiny"), (ModelSize::Large, "huge")] {
        assert_eq!(provider.model(size), name);
        assert_eq!(provider.generate(TextRequest { size, ..greeting() }, &NoSink).await.expect("an answer").model, name);
    }
}

#[tokio::test]
async fn a_model_that_cannot_stop_thinking_gets_tokens_for_it() {
    let model = ScriptedModel::serving([
        Reply::refusal(
            400,
            r#"To turn thinking off on this model, send "thinking": {"type": "between_tools"} instead of {"type": "disabled"}."#,
        ),
        Reply::refusal(400, r#""thinking.type.between_tools" is not supported for this model."#),
        Reply::text("Hello."),
        Reply::text("Hello again."),
    ])
    .await;
    let provider = provider(model.base_url());
    for _ in 0..2 {
        provider.generate(greeting(), &NoSink).await.expect("an answer");
    }
    let sent: Vec<_> =
        model.requests().into_iter().map(|sent| (sent.body.pointer("/thinking/type").cloned(), sent.body["max_tokens"].as_u64())).collect();
    let (plain, roomy) = (Some(50), Some(u64::from(50 + THOUGHT_TOKENS)));
    assert_eq!(sent, [(Some("disabled".into()), plain), (Some("between_tools".into()), plain), (None, roomy), (None, roomy)]);
}

#[tokio::test]
async fn a_stream_is_read_however_it_is_split() {
    let stream = concat!(
        "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"type\":\"message\",\"content\":[],\"model\":\"m\"}}\r\n\r\n",
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\n",
        "data: \"delta\":{\"type\":\"text_delta\",\"text\":\"Grüße, 東京 🦀\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,",
        "\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"DICE\",\"input\":{}}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,",
        "\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"sides\\\"\"}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,",
        "\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\": 6}\"}}\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":9}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    for size in [1, 7, 100, stream.len()] {
        let portions = stream.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
        let response = ask(vec![Reply::Portions(portions)]).await.0.expect("an answer");
        assert_eq!((response.text.as_str(), response.usage.output), ("Grüße, 東京 🦀", 9), "{size}");
        let [call] = response.calls.try_into().expect("one call");
        assert_eq!(call, ToolCall { id: "toolu_1".to_owned(), name: "DICE".to_owned(), arguments: json!({"sides": 6}) }, "{size}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let whole = json!({
        "type": "message", "model": "m", "stop_reason": "tool_use", "usage": {"input_tokens": 5, "output_tokens": 6},
        "content": [{"type": "text", "text": "Look:"}, {"type": "tool_use", "id": "c", "name": "DICE", "input": {"sides": 6}}],
    });
    let response = ask(vec![Reply::Plain(whole)]).await.0.expect("an answer");
    assert_eq!((response.text.as_str(), response.usage), ("Look:", Usage { input: 5, output: 6 }));
    assert_eq!(response.calls.first().map(|call| call.arguments.clone()), Some(json!({"sides": 6})));
    let refused = ask(vec![Reply::Plain(failed("authentication_error"))]).await.0;
    assert!(matches!(refused, Err(ModelError::Unauthorized { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_answer_ends_with_its_stop_or_with_a_reason_for_it() {
    let stop = json!({"type": "message_stop"});
    for (documents, complete) in [
        (vec![started(), said("One"), stopped("end_turn"), stop.clone()], true),
        (vec![started(), said("One"), stopped("max_tokens")], true),
        (vec![started(), said("One"), stopped("model_context_window_exceeded")], true),
        (vec![started(), said("One"), stop], true),
        (vec![started(), said("One")], false),
        (vec![started()], false),
        (vec![], false),
    ] {
        assert_complete(provider, events(&documents), complete).await;
    }
}

#[tokio::test]
async fn what_the_service_declines_to_say_is_no_answer_and_not_asked_again() {
    let mut refused = stopped("refusal");
    refused["delta"]["stop_details"] = json!({"type": "refusal", "category": "cyber", "explanation": "This could do harm."});
    for (end, why) in [(stopped("refusal"), "the model declined to answer"), (refused, "This could do harm.")] {
        let (outcome, requests) = ask(vec![events(&[started(), said("One"), end]), Reply::text("too late")]).await;
        let error = outcome.expect_err("declined");
        assert!(matches!(&error, ModelError::Rejected { message, .. } if message == why) && !error.is_transient(), "{error:?}");
        assert_eq!(requests.len(), 1);
    }
}

#[tokio::test]
async fn an_error_in_a_stream_is_what_its_type_says() {
    let told = |error: &ModelError| match error {
        ModelError::Unauthorized { setting, .. } if setting == "ANTHROPIC_API_KEY" => 401,
        ModelError::Busy { status, .. } | ModelError::Rejected { status, .. } => *status,
        ModelError::Unreadable { .. } => 0,
        other => panic!("{other:?}"),
    };
    for (kind, status) in [
        ("overloaded_error", 529),
        ("api_error", 500),
        ("timeout_error", 504),
        ("rate_limit_error", 429),
        ("invalid_request_error", 400),
        ("permission_error", 401),
        ("new_error", 0),
    ] {
        let (outcome, requests) = ask(vec![events(&[started(), said("One"), failed(kind)]), Reply::text("too late")]).await;
        let error = outcome.expect_err(kind);
        assert_eq!(told(&error), status, "{error:?}");
        assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
        assert_eq!(requests.len(), 1, "nothing is asked again once a piece was shown");
    }
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let patient = ask(vec![Reply::busy(529), events(&[started(), failed("overloaded_error")]), Reply::text("Hello.")]).await.0;
    assert_eq!(patient.expect("an answer").text, "Hello.");

    let (outcome, requests) = ask(vec![Reply::busy(429), Reply::busy(500), Reply::busy(529), Reply::text("too late")]).await;
    assert!(matches!(outcome, Err(ModelError::Busy { status: 529, retry_after: Some(Duration::ZERO), .. })), "{outcome:?}");
    assert_eq!(requests.len(), 3);

    let used_up = r#"{"type": "error", "error": {"type": "rate_limit_error", "message": "Your organization has crossed its threshold.",
        "details": {"error_code": "enforced_spend_limit_reached"}}}"#;
    for reply in [
        Reply::refusal(400, "prompt is too long"),
        Reply::refusal(401, "invalid x-api-key"),
        Reply::refusal(403, "no permission"),
        Reply::refusal(404, "model: claude-0"),
        Reply::refusal(413, "Request exceeds the maximum size"),
        Reply::status(429, used_up),
    ] {
        assert_final(provider, reply).await;
    }
}

#[tokio::test]
async fn an_address_without_messages_is_told_as_such() {
    let error = ask(vec![Reply::status(404, r#"{"detail": "Not Found"}"#)]).await.0.expect_err("no such path");
    assert!(matches!(&error, ModelError::Misconfigured { message } if message.contains("ANTHROPIC_BASE_URL")), "{error:?}");
}

#[tokio::test]
async fn what_is_no_message_is_unreadable() {
    for document in [json!({"hello": "world"}), json!([1, 2]), json!({"type": "message_start"})] {
        assert_unreadable(provider, Reply::Plain(document)).await;
    }
    for reply in [Reply::html(), events(&[json!({"type": "message_stop"})]), events(&[json!({"choices": []})])] {
        assert_unreadable(provider, reply).await;
    }
}

#[test]
fn only_a_key_connects_and_capabilities_are_modest_where_nothing_is_known() {
    let key = ("ANTHROPIC_API_KEY", KEY);
    let here = ("ANTHROPIC_BASE_URL", "http://localhost:1");
    for (settings, expected) in [
        (vec![], None),
        (vec![here], None),
        (vec![("ANTHROPIC_LARGE_MODEL", "m")], None),
        (vec![key], Some((true, 200_000))),
        (vec![key, ("ANTHROPIC_BASE_URL", "https://api.anthropic.com/v1/")], Some((true, 200_000))),
        (vec![key, here], Some((false, 8192))),
        (vec![key, here, ("ANTHROPIC_CONTEXT_TOKENS", "32000")], Some((false, 32_000))),
        (vec![key, ("OPENAI_CONTEXT_TOKENS", "32000")], Some((true, 200_000))),
    ] {
        let provider = connector().connect(&Settings::of(&settings)).expect("usable settings");
        let capabilities = provider.map(|provider| provider.capabilities());
        assert_eq!(capabilities.map(|can| (can.images, can.context_tokens)), expected, "{settings:?}");
    }
}

#[test]
fn a_plugin_for_claude_chooses_it() {
    assert_eq!(connector().name(), "anthropic");
    let chosen = |plugin: &str| connector().plugin_hints().iter().any(|hint| plugin.contains(hint));
    for (plugin, expected) in
        [("plugin-anthropic", true), ("plugin-claude", true), ("plugin-openai", false), ("plugin-ollama", false), ("plugin-sql", false)]
    {
        assert_eq!(chosen(plugin), expected, "{plugin}");
    }
}

#[test]
fn settings_that_cannot_be_used_are_named_and_not_shown() {
    for (name, value) in [
        ("ANTHROPIC_BASE_URL", "ftp://me:hunter2@host"),
        ("ANTHROPIC_BASE_URL", "hunter2"),
        ("ANTHROPIC_TIMEOUT_SECONDS", "0"),
        ("ANTHROPIC_CONTEXT_TOKENS", "hunter2"),
        ("ANTHROPIC_API_KEY", "hunter2\nx"),
    ] {
        assert_misconfigured(&connector(), &Settings::of(&[(name, value), ("ANTHROPIC_API_KEY", KEY)]), name, "hunter2");
    }
}
