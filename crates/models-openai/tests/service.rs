//! What the adapter sends, and how it copes with the ways of different servers.

mod common;

use std::time::Duration;

use common::{KEY, connector, provider};
use core_types::models::{ModelConnector, ModelError, ModelProvider, ModelSize, NoSink, TextRequest, TextResponse, ToolSpec, Usage};
use doolittle_models_openai::Service;
use serde_json::{Value, json};
use testkit::asking::{self, Settings, assert_complete, assert_final, assert_misconfigured, assert_unreadable, greeting};
use testkit::scripted::{Recorded, Reply, ScriptedModel};

fn request(size: ModelSize) -> TextRequest {
    let dice = ToolSpec { name: "DICE".to_owned(), description: "Throws a dice.".to_owned(), parameters: json!({"type": "object"}) };
    TextRequest { size, tools: vec![dice], temperature: Some(0.2), ..greeting() }
}

async fn ask(replies: Vec<Reply>) -> (Result<TextResponse, ModelError>, Vec<Recorded>) {
    asking::ask(provider, request(ModelSize::Large), replies).await
}

fn events(documents: &[&str]) -> Reply {
    Reply::Portions(documents.iter().map(|document| format!("data: {document}\n\n").into_bytes()).collect())
}

#[tokio::test]
async fn the_request_is_what_the_api_wants() {
    let (outcome, requests) = ask(vec![Reply::text("Hello, Ann.")]).await;
    let response = outcome.expect("an answer");
    assert_eq!((response.text.as_str(), response.usage), ("Hello, Ann.", Usage { input: 2, output: 2 }));
    let [sent] = requests.try_into().expect("one request");
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
    let model = ScriptedModel::serving([Reply::text("a"), Reply::text("b")]).await;
    let settings = Settings::of(&[
        ("OPENAI_BASE_URL", model.base_url()),
        ("OPENAI_SMALL_MODEL", "tiny"),
        ("SMALL_MODEL", "not this"),
        ("LARGE_MODEL", "huge"),
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
    let response = ask(vec![Reply::Plain(whole)]).await.0.expect("an answer");
    assert_eq!((response.text.as_str(), response.usage), ("Look:", Usage { input: 5, output: 6 }));
    assert_eq!(response.calls.first().map(|call| call.arguments.clone()), Some(json!({"sides": 6})));
}

#[tokio::test]
async fn a_field_that_a_server_does_not_know_is_left_out() {
    let (outcome, requests) = ask(vec![
        Reply::refusal(400, "Unrecognized request argument supplied: stream_options"),
        Reply::refusal(400, "this model does not support tools"),
        Reply::text("Hello."),
    ])
    .await;
    assert_eq!(outcome.expect("an answer").text, "Hello.");
    let sent: Vec<_> =
        requests.into_iter().map(|request| (request.body.get("stream_options").is_some(), request.body.get("tools").is_some())).collect();
    assert_eq!(sent, [(true, true), (false, true), (false, false)]);
}

#[tokio::test]
async fn what_a_model_does_not_know_is_not_sent_to_it_again() {
    let refusal = || Reply::refusal(400, "temperature is not supported with this model");
    let model = ScriptedModel::serving([refusal(), Reply::text("a"), Reply::text("b"), refusal(), Reply::text("c")]).await;
    let provider = provider(model.base_url());
    for size in [ModelSize::Large, ModelSize::Large, ModelSize::Small] {
        provider.generate(request(size), &NoSink).await.expect("an answer");
    }
    let sent: Vec<_> = model.requests().into_iter().map(|request| request.body.get("temperature").is_some()).collect();
    assert_eq!(sent, [true, false, false, true, false], "each model is asked for itself");
}

#[tokio::test]
async fn a_field_is_not_left_out_twice_nor_for_other_reasons_nor_for_good_without_an_answer() {
    let refusal = || Reply::refusal(400, "stream_options is not supported");
    let stubborn = ScriptedModel::serving([refusal(), refusal(), Reply::text("Hello.")]).await;
    let provider = provider(stubborn.base_url());
    let refused = provider.generate(request(ModelSize::Large), &NoSink).await;
    assert!(matches!(refused, Err(ModelError::Rejected { status: 400, .. })), "{refused:?}");
    provider.generate(request(ModelSize::Large), &NoSink).await.expect("an answer");
    let sent: Vec<_> = stubborn.requests().into_iter().map(|request| request.body.get("stream_options").is_some()).collect();
    assert_eq!(sent, [true, false, true]);

    let strict = ask(vec![Reply::refusal(400, "temperature must be below 0.1")]).await.0;
    assert!(matches!(&strict, Err(ModelError::Rejected { message, .. }) if message == "temperature must be below 0.1"), "{strict:?}");
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let patient = ask(vec![Reply::busy(429), Reply::busy(503), Reply::text("Hello.")]).await.0;
    assert_eq!(patient.expect("an answer").text, "Hello.");

    let (outcome, requests) = ask(vec![Reply::busy(429), Reply::busy(408), Reply::busy(500), Reply::text("too late")]).await;
    assert!(matches!(outcome, Err(ModelError::Busy { status: 500, retry_after: Some(Duration::ZERO), .. })), "{outcome:?}");
    assert_eq!(requests.len(), 3);

    for (code, body) in [(400, "{}"), (401, "{}"), (404, ""), (429, r#"{"error": {"message": "pay", "code": "insufficient_quota"}}"#)] {
        assert_final(provider, Reply::status(code, body)).await;
    }
}

#[tokio::test]
async fn nothing_is_tried_again_once_a_piece_was_shown() {
    let overloaded = events(&[r#"{"choices": [{"delta": {"content": "One"}}]}"#, r#"{"error": {"message": "overloaded", "code": 503}}"#]);
    let (outcome, requests) = ask(vec![overloaded, Reply::text("Hello.")]).await;
    assert!(matches!(outcome, Err(ModelError::Busy { status: 503, .. })), "{outcome:?}");
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn an_answer_ends_with_done_or_with_a_reason_to_finish() {
    let piece = r#"{"choices": [{"index": 0, "delta": {"content": "One"}}]}"#;
    let last = r#"{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}"#;
    for (documents, complete) in [
        (vec![piece, "[DONE]"], true),
        (vec![piece, last], true),
        (vec![piece, last, "[DONE]"], true),
        (vec![piece], false),
        (vec![], false),
    ] {
        assert_complete(provider, events(&documents), complete).await;
    }
}

#[tokio::test]
async fn what_is_no_completion_is_unreadable() {
    let no_choice = [Reply::Plain(json!({"hello": "world"})), Reply::Plain(json!([1, 2])), events(&["[DONE]"])];
    for reply in no_choice.into_iter().chain([Reply::html(), events(&[r#"{"error": "boom"}"#])]) {
        assert_unreadable(provider, reply).await;
    }
}

#[tokio::test]
async fn an_address_without_chat_completions_is_told_as_such() {
    let error = ask(vec![Reply::status(404, r#"{"detail": "Not Found"}"#)]).await.0.expect_err("no such path");
    assert!(matches!(&error, ModelError::Misconfigured { message } if message.contains("OPENAI_BASE_URL")), "{error:?}");
}

#[test]
fn a_service_is_connected_only_where_settings_speak_of_it() {
    let url = "http://localhost:1";
    for (settings, expected) in [
        (vec![], [false, false, false]),
        (vec![("OPENAI_SMALL_MODEL", "m")], [false, false, false]),
        (vec![("OPENAI_API_KEY", KEY)], [true, false, false]),
        (vec![("OPENAI_BASE_URL", url)], [true, false, false]),
        (vec![("OPENROUTER_API_KEY", KEY)], [false, true, false]),
        (vec![("OPENROUTER_BASE_URL", url)], [false, true, false]),
        (vec![("OLLAMA_API_ENDPOINT", url)], [false, false, true]),
    ] {
        let own = Settings::of(&settings);
        let connected = Service::ALL.map(|service| connector(service).connect(&own).expect("usable settings").is_some());
        assert_eq!(connected, expected, "{settings:?}");
    }
}

#[test]
fn capabilities_are_modest_where_nothing_is_known() {
    let capabilities = |service, settings: Vec<(&'static str, &str)>| {
        let settings = Settings::of(&settings);
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
        assert_misconfigured(&connector(Service::OpenAi), &Settings::of(&[(name, value), ("OPENAI_API_KEY", KEY)]), name, "hunter2");
    }
}

#[tokio::test]
async fn ollama_is_asked_below_v1_without_a_key() {
    let model = ScriptedModel::serving([Reply::text("Hello.")]).await;
    let root = model.base_url().replace("/v1", "/api");
    let settings = Settings::of(&[("OLLAMA_API_ENDPOINT", root.as_str()), ("OPENAI_API_KEY", KEY)]);
    let provider = connector(Service::Ollama).connect(&settings).expect("settings").expect("a provider");
    provider.generate(request(ModelSize::Small), &NoSink).await.expect("an answer");
    let [sent] = model.requests().try_into().expect("one request");
    assert_eq!((sent.path.as_str(), sent.header("authorization")), ("/v1/chat/completions", None));
    assert_eq!(sent.body.get("model"), Some(&Value::from("gemma3:latest")));
}
