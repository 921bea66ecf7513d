//! What the adapter sends, and how it copes with the ways of different servers.

mod common;

use std::time::Duration;

use common::{KEY, Settings, connector, provider};
use core_types::models::{ModelConnector, ModelError, ModelProvider, ModelSize, NoSink, Purpose, Role, TextRequest, ToolSpec, Turn, Usage};
use doolittle_models_openai::Service;
use serde_json::{Value, json};
use testkit::scripted::{Reply, ScriptedModel};

fn request(size: ModelSize) -> TextRequest {
    TextRequest {
        size,
        purpose: Purpose::Reply,
        system: "You are Ada.".to_owned(),
        turns: vec![Turn::text(Role::User, "Ann", "Hello")],
        tools: vec![ToolSpec { name: "DICE".to_owned(), description: "Throws a dice.".to_owned(), parameters: json!({"type": "object"}) }],
        max_output_tokens: 50,
        temperature: Some(0.2),
    }
}

async fn model(replies: Vec<Reply>) -> ScriptedModel {
    match ScriptedModel::start(replies).await {
        Ok(model) => model,
        Err(error) => panic!("{error}"),
    }
}

async fn ask(model: &ScriptedModel) -> Result<core_types::models::TextResponse, ModelError> {
    provider(model.base_url()).generate(request(ModelSize::Large), &NoSink).await
}

fn events(documents: &[&str]) -> Reply {
    Reply::Portions(documents.iter().map(|document| format!("data: {document}\n\n").into_bytes()).collect())
}

#[tokio::test]
async fn the_request_is_what_the_api_wants() {
    let model = model(vec![Reply::text("Hello, Ann.")]).await;
    let response = ask(&model).await.expect("an answer");
    assert_eq!((response.text.as_str(), response.usage), ("Hello, Ann.", Usage { input: 2, output: 2 }));
    let [sent] = model.requests().try_into().expect("one request");
    assert_eq!((sent.path.as_str(), sent.header("authorization")), ("/v1/chat/completions", Some(format!("Bearer {KEY}").as_str())));
    assert_eq!(
        sent.body,
        json!({
            "model": "gpt-4o",
            "messages": [{"role": "system", "content": "You are Ada."}, {"role": "user", "content": "Hello"}],
            "stream": true,
            "max_tokens": 50,
            "stream_options": {"include_usage": true},
            "temperature": 0.2,
            "tools": [{"type": "function", "function":
                {"name": "DICE", "description": "Throws a dice.", "parameters": {"type": "object"}}}],
        })
    );
}

#[tokio::test]
async fn each_size_goes_to_its_own_model() {
    let model = model(vec![Reply::text("a"), Reply::text("b")]).await;
    let settings = Settings(vec![
        ("OPENAI_BASE_URL", model.base_url().to_owned()),
        ("OPENAI_SMALL_MODEL", "tiny".to_owned()),
        ("SMALL_MODEL", "not this".to_owned()),
        ("LARGE_MODEL", "huge".to_owned()),
    ]);
    let provider = connector(Service::OpenAi).connect(&settings).expect("settings").expect("a provider");
    for (size, name) in [(ModelSize::Small, "tiny"), (ModelSize::Large, "huge")] {
        assert_eq!(provider.model(size), name);
        assert_eq!(provider.generate(request(size), &NoSink).await.expect("an answer").model, name);
    }
    let sent = model.requests();
    assert!(sent.iter().all(|request| request.header("authorization").is_none()), "no key is set, none is sent");
}

#[tokio::test]
async fn a_server_that_does_not_stream_is_understood() {
    let whole = json!({
        "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": "Look:",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "DICE", "arguments": "{\"sides\": 6}"}}]}}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11},
    });
    let model = model(vec![Reply::Plain(whole)]).await;
    let response = ask(&model).await.expect("an answer");
    assert_eq!((response.text.as_str(), response.usage), ("Look:", Usage { input: 5, output: 6 }));
    assert_eq!(response.calls.first().map(|call| call.arguments.clone()), Some(json!({"sides": 6})));
}

#[tokio::test]
async fn a_field_that_a_server_does_not_know_is_left_out() {
    let refusal = |message: &str| Reply::status(400, &json!({"error": {"message": message}}).to_string());
    let model = model(vec![
        refusal("Unrecognized request argument supplied: stream_options"),
        refusal("this model does not support tools"),
        Reply::text("Hello."),
    ])
    .await;
    assert_eq!(ask(&model).await.expect("an answer").text, "Hello.");
    let sent: Vec<_> = model
        .requests()
        .into_iter()
        .map(|request| (request.body.get("stream_options").is_some(), request.body.get("tools").is_some()))
        .collect();
    assert_eq!(sent, [(true, true), (false, true), (false, false)]);
}

#[tokio::test]
async fn a_field_is_not_left_out_twice_nor_for_other_reasons() {
    let refusal = || Reply::status(400, r#"{"error": {"message": "stream_options is not supported"}}"#);
    let stubborn = model(vec![refusal(), refusal(), Reply::text("too late")]).await;
    assert!(matches!(ask(&stubborn).await, Err(ModelError::Rejected { status: 400, .. })));
    assert_eq!(stubborn.requests().len(), 2);
    let strict = model(vec![Reply::status(400, r#"{"error": {"message": "temperature must be below 0.1"}}"#)]).await;
    assert!(matches!(ask(&strict).await, Err(ModelError::Rejected { message, .. }) if message == "temperature must be below 0.1"));
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let busy = |code: u16| Reply::Status { code, headers: vec![("retry-after".to_owned(), "0".to_owned())], body: "{}".to_owned() };
    let patient = model(vec![busy(429), busy(503), Reply::text("Hello.")]).await;
    assert_eq!(ask(&patient).await.expect("an answer").text, "Hello.");

    let exhausted = model(vec![busy(429), busy(408), busy(500), Reply::text("too late")]).await;
    assert!(matches!(ask(&exhausted).await, Err(ModelError::Busy { status: 500, retry_after: Some(Duration::ZERO), .. })));
    assert_eq!(exhausted.requests().len(), 3);

    for (code, body) in [(400, "{}"), (401, "{}"), (404, ""), (429, r#"{"error": {"message": "pay", "code": "insufficient_quota"}}"#)] {
        let refusing = model(vec![Reply::status(code, body), Reply::text("too late")]).await;
        let error = ask(&refusing).await.expect_err("refused");
        assert!(!error.is_transient(), "{code}: {error:?}");
        assert_eq!(refusing.requests().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn nothing_is_tried_again_once_a_piece_was_shown() {
    let overloaded = events(&[r#"{"choices": [{"delta": {"content": "One"}}]}"#, r#"{"error": {"message": "overloaded", "code": 503}}"#]);
    let model = model(vec![overloaded, Reply::text("Hello.")]).await;
    assert!(matches!(ask(&model).await, Err(ModelError::Busy { status: 503, .. })));
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_ends_with_done_or_with_a_reason_to_finish() {
    let piece = r#"{"choices": [{"index": 0, "delta": {"content": "One"}}]}"#;
    let last = r#"{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}"#;
    for (documents, ends) in [
        (vec![piece, "[DONE]"], true),
        (vec![piece, last], true),
        (vec![piece, last, "[DONE]"], true),
        (vec![piece], false),
        (vec![], false),
    ] {
        let model = model(vec![events(&documents)]).await;
        match ask(&model).await {
            Ok(response) => assert!(ends && response.text == "One", "{documents:?}: {response:?}"),
            Err(error) => assert!(!ends && matches!(error, ModelError::CutOff { .. }), "{documents:?}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_completion_is_unreadable() {
    for reply in [
        Reply::Plain(json!({"hello": "world"})),
        Reply::Plain(json!([1, 2])),
        Reply::Status { code: 200, headers: vec![("content-type".to_owned(), "text/html".to_owned())], body: "<html>".to_owned() },
        events(&["[DONE]"]),
        events(&[r#"{"error": "boom"}"#]),
    ] {
        let shown = format!("{reply:?}");
        let model = model(vec![reply]).await;
        let error = ask(&model).await.expect_err(&shown);
        assert!(matches!(error, ModelError::Unreadable { .. }), "{shown}: {error:?}");
    }
}

#[tokio::test]
async fn an_address_without_chat_completions_is_told_as_such() {
    let plain = model(vec![Reply::status(404, r#"{"detail": "Not Found"}"#)]).await;
    let error = ask(&plain).await.expect_err("no such path");
    assert!(matches!(&error, ModelError::Misconfigured { message } if message.contains("OPENAI_BASE_URL")), "{error:?}");
}

#[test]
fn a_service_is_connected_only_where_settings_speak_of_it() {
    let url = || "http://localhost:1".to_owned();
    for (settings, expected) in [
        (vec![], [false, false, false]),
        (vec![("OPENAI_SMALL_MODEL", "m".to_owned())], [false, false, false]),
        (vec![("OPENAI_API_KEY", KEY.to_owned())], [true, false, false]),
        (vec![("OPENAI_BASE_URL", url())], [true, false, false]),
        (vec![("OPENROUTER_API_KEY", KEY.to_owned())], [false, true, false]),
        (vec![("OLLAMA_API_ENDPOINT", url())], [false, false, true]),
    ] {
        let shown = format!("{settings:?}");
        let settings = Settings(settings);
        let connected = Service::ALL.map(|service| connector(service).connect(&settings).expect("usable settings").is_some());
        assert_eq!(connected, expected, "{shown}");
    }
}

#[test]
fn capabilities_are_modest_where_nothing_is_known() {
    let capabilities = |service, settings: Vec<(&'static str, &str)>| {
        let settings = Settings(settings.into_iter().map(|(name, value)| (name, value.to_owned())).collect());
        let capabilities = connector(service).connect(&settings).expect("usable settings").expect("a provider").capabilities();
        (capabilities.images, capabilities.context_tokens)
    };
    let here = ("OPENAI_BASE_URL", "http://localhost:1/v1");
    assert_eq!(capabilities(Service::OpenAi, vec![("OPENAI_API_KEY", KEY)]), (true, 128_000));
    let default = ("OPENAI_BASE_URL", "https://api.openai.com/v1/");
    assert_eq!(capabilities(Service::OpenAi, vec![("OPENAI_API_KEY", KEY), default]), (true, 128_000));
    assert_eq!(capabilities(Service::OpenAi, vec![here]), (false, 8192));
    assert_eq!(capabilities(Service::OpenAi, vec![here, ("OPENAI_CONTEXT_TOKENS", "32000")]), (false, 32_000));
    assert_eq!(capabilities(Service::Ollama, vec![("OLLAMA_API_ENDPOINT", "http://localhost:1")]), (false, 4096));
}

#[test]
fn settings_that_cannot_be_used_are_named_and_not_shown() {
    for (name, value) in [
        ("OPENAI_BASE_URL", "ftp://me:hunter2@host"),
        ("OPENAI_BASE_URL", "hunter2"),
        ("OPENAI_TIMEOUT_SECONDS", "0"),
        ("OPENAI_CONTEXT_TOKENS", "hunter2"),
        ("OPENAI_API_KEY", "hunter2\nx"),
    ] {
        let mut settings = vec![(name, value.to_owned())];
        settings.push(("OPENAI_API_KEY", KEY.to_owned()));
        let Err(error) = connector(Service::OpenAi).connect(&Settings(settings)) else { panic!("{name} was taken") };
        assert!(matches!(error, ModelError::Misconfigured { .. }), "{error:?}");
        assert!(error.to_string().contains(name) && !format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn ollama_is_asked_below_v1_without_a_key() {
    let model = model(vec![Reply::text("Hello.")]).await;
    let root = model.base_url().replace("/v1", "/api");
    let settings = Settings(vec![("OLLAMA_API_ENDPOINT", root), ("OPENAI_API_KEY", KEY.to_owned())]);
    let provider = connector(Service::Ollama).connect(&settings).expect("settings").expect("a provider");
    provider.generate(request(ModelSize::Small), &NoSink).await.expect("an answer");
    let [sent] = model.requests().try_into().expect("one request");
    assert_eq!((sent.path.as_str(), sent.header("authorization")), ("/v1/chat/completions", None));
    assert_eq!(sent.body.get("model"), Some(&Value::from("gemma3:latest")));
}
