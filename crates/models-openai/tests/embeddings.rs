//! OpenAI's embeddings keep the promises of an embedding model, and cope with the ways of different servers.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

use std::sync::Arc;

use core_types::embeddings::{Embedder, EmbedderConnector, Space, TextRole};
use core_types::models::ModelError;
use doolittle_models_openai::{OpenAiEmbeddings, Service};
use outbound::{Client, Limits};
use serde_json::{Value, json};
use testkit::asking::Settings;
use testkit::scripted::{Recorded, Reply, ScriptedModel, vectors};

/// A key that must not be seen anywhere.
const KEY: &str = "sk-never-to-be-seen-0123456789";

fn connector(service: Service) -> OpenAiEmbeddings {
    OpenAiEmbeddings::new(Client::new(Limits::default()), service)
}

fn connect(settings: &[(&'static str, &str)]) -> Option<Arc<dyn Embedder>> {
    connector(Service::OpenAi).connect(&Settings::of(settings)).unwrap()
}

fn embedder(url: &str) -> Arc<dyn Embedder> {
    connect(&[("OPENAI_BASE_URL", url), ("OPENAI_API_KEY", KEY), ("OPENAI_EMBEDDING_MODEL", "m"), ("OPENAI_TIMEOUT_SECONDS", "1")]).unwrap()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn make() -> Option<(Arc<dyn Embedder>, ScriptedModel)> {
    let server = ScriptedModel::answering(|body| Reply::Plain(vectors(body, 24))).await.unwrap();
    Some((embedder(server.base_url()), server))
}

contract::embedder_contract!(make);

/// What comes of embedding these texts with these answers, and what was asked.
async fn ask(of: &[&str], replies: Vec<Reply>) -> (Result<Vec<Vec<f32>>, ModelError>, Vec<Recorded>) {
    let server = ScriptedModel::serving(replies).await;
    let made = embedder(server.base_url()).embed(TextRole::Passage, &texts(of)).await;
    (made, server.requests())
}

fn answer(of: &[&str]) -> Reply {
    Reply::Plain(vectors(&json!({"input": of}), 4))
}

#[tokio::test]
async fn the_request_is_what_the_api_wants() {
    let (made, requests) = ask(&["one", "two"], vec![answer(&["one", "two"])]).await;
    assert_eq!(made.unwrap().len(), 2);
    let [sent] = requests.try_into().unwrap();
    assert_eq!((sent.path.as_str(), sent.header("authorization")), ("/v1/embeddings", Some(format!("Bearer {KEY}").as_str())));
    assert_eq!(sent.body, json!({"model": "m", "input": ["one", "two"]}));
}

#[tokio::test]
async fn the_length_of_vectors_is_asked_for_where_it_is_set_and_must_be_kept() {
    let server = ScriptedModel::answering(|body| Reply::Plain(vectors(body, 4))).await.unwrap();
    let with =
        |dimensions: &str| connect(&[("OPENAI_EMBEDDING_URL", server.base_url()), ("OPENAI_EMBEDDING_DIMENSIONS", dimensions)]).unwrap();
    let fitting = with("4");
    assert_eq!(fitting.space().await.unwrap().dimension, 4);
    assert_eq!(server.requests().len(), 0, "what is known is not asked");
    fitting.embed(TextRole::Query, &texts(&["a"])).await.unwrap();
    assert_eq!(server.requests().last().unwrap().body.get("dimensions"), Some(&Value::from(4)));
    let error = with("8").embed(TextRole::Query, &texts(&["a"])).await.unwrap_err();
    assert!(matches!(&error, ModelError::Unreadable { message, .. } if message.contains("OPENAI_EMBEDDING_DIMENSIONS")), "{error:?}");
}

#[tokio::test]
async fn blank_texts_are_not_sent() {
    let (made, requests) = ask(&["", "one", " \u{0}"], vec![answer(&["one"]), answer(&["a"])]).await;
    let made = made.unwrap();
    assert!(made[0].iter().chain(&made[2]).all(|number| number.abs() < f32::EPSILON), "{made:?}");
    assert!(made.iter().all(|vector| vector.len() == 4));
    assert_eq!(requests[0].body.get("input"), Some(&json!(["one"])));
}

#[tokio::test]
async fn a_text_that_is_too_long_for_the_model_is_cut_off_when_it_is_alone() {
    let script = |body: &Value| {
        let longest = body.pointer("/input").and_then(Value::as_array).unwrap().iter().map(|text| text.as_str().unwrap().len()).max();
        if longest > Some(1_500) { Reply::refusal(400, "input is too long") } else { Reply::Plain(vectors(body, 4)) }
    };
    let server = ScriptedModel::answering(script).await.unwrap();
    let long = "word ".repeat(1_000);
    let embedder = embedder(server.base_url());
    assert_eq!(embedder.embed(TextRole::Passage, std::slice::from_ref(&long)).await.unwrap().len(), 1);
    assert_eq!(server.requests().len(), 3);
    let together = embedder.embed(TextRole::Passage, &[long, "a".to_owned()]).await;
    assert!(matches!(together, Err(ModelError::Rejected { status: 400, .. })), "{together:?}");
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    let (made, requests) = ask(&["one"], vec![Reply::busy(429), Reply::busy(503), answer(&["one"])]).await;
    assert_eq!((made.unwrap().len(), requests.len()), (1, 3));
    for (code, body) in [(401, "{}"), (404, ""), (404, r#"{"detail": "Not Found"}"#)] {
        let (made, requests) = ask(&["one"], vec![Reply::status(code, body), answer(&["one"])]).await;
        assert!(matches!(&made, Err(error) if !error.is_transient()), "{code}: {made:?}");
        assert_eq!(requests.len(), 1, "{code}");
    }
}

#[tokio::test]
async fn what_holds_no_vectors_is_unreadable() {
    let item = |index: usize, embedding: Value| json!({"index": index, "embedding": embedding});
    for data in [
        json!([item(0, json!([1, 0]))]),
        json!([item(0, json!([1, 0])), item(0, json!([1, 0]))]),
        json!([item(0, json!([1, 0])), item(5, json!([1, 0]))]),
        json!([item(0, json!([])), item(1, json!([1]))]),
        json!([item(0, json!([0, 0])), item(1, json!([1, 1]))]),
        json!([item(0, json!("AAAA")), item(1, json!("AAAA"))]),
    ] {
        let (made, _) = ask(&["one", "two"], vec![Reply::Plain(json!({"data": data}))]).await;
        assert!(matches!(made, Err(ModelError::Unreadable { .. })), "{data}: {made:?}");
    }
    for reply in [Reply::html(), Reply::Plain(json!({"hello": "world"}))] {
        let (made, _) = ask(&["one"], vec![reply]).await;
        assert!(matches!(made, Err(ModelError::Unreadable { .. })), "{made:?}");
    }
}

#[test]
fn a_model_is_connected_only_where_settings_speak_of_it() {
    let url = "http://localhost:1/v1";
    for (settings, expected) in [
        (vec![], None),
        (vec![("OPENAI_API_KEY", KEY)], Some("openai/text-embedding-3-small")),
        (vec![("OPENAI_API_KEY", KEY), ("OPENAI_EMBEDDING_MODEL", "m")], Some("openai/m")),
        (vec![("OPENAI_BASE_URL", url)], None),
        (vec![("OPENAI_BASE_URL", url), ("OPENAI_API_KEY", KEY)], None),
        (vec![("OPENAI_BASE_URL", url), ("OPENAI_EMBEDDING_MODEL", "m")], Some("openai/m")),
        (vec![("OPENAI_EMBEDDING_URL", url)], Some("openai/text-embedding-3-small")),
        (vec![("OPENAI_EMBEDDING_MODEL", "m")], None),
    ] {
        assert_eq!(connect(&settings).map(|embedder| embedder.model().to_owned()).as_deref(), expected, "{settings:?}");
    }
    let ollama = |settings: &[(&'static str, &str)]| connector(Service::Ollama).connect(&Settings::of(settings)).unwrap();
    assert!(ollama(&[("OLLAMA_API_ENDPOINT", url)]).is_none());
    let named = ollama(&[("OLLAMA_API_ENDPOINT", url), ("OLLAMA_EMBEDDING_MODEL", "nomic-embed-text")]).unwrap();
    assert_eq!(named.model(), "ollama/nomic-embed-text");
    let openrouter = Settings::of(&[("OPENROUTER_API_KEY", KEY), ("OPENAI_EMBEDDING_MODEL", "m")]);
    assert!(connector(Service::OpenRouter).connect(&openrouter).unwrap().is_none());
}

#[tokio::test]
async fn the_key_of_conversations_does_not_go_to_another_address() {
    let server = ScriptedModel::answering(|body| Reply::Plain(vectors(body, 4))).await.unwrap();
    for (own, expected) in [(None, None), (Some("sk-own"), Some("Bearer sk-own"))] {
        let mut settings = vec![("OPENAI_API_KEY", KEY), ("OPENAI_EMBEDDING_URL", server.base_url())];
        settings.extend(own.map(|own| ("OPENAI_EMBEDDING_API_KEY", own)));
        connect(&settings).unwrap().embed(TextRole::Query, &texts(&["a"])).await.unwrap();
        assert_eq!(server.requests().last().unwrap().header("authorization"), expected);
    }
}

#[tokio::test]
async fn a_model_is_found_again_by_its_space() {
    let server = ScriptedModel::answering(|body| Reply::Plain(vectors(body, 4))).await.unwrap();
    let settings = Settings::of(&[("OPENAI_BASE_URL", server.base_url()), ("OPENAI_EMBEDDING_MODEL", "new")]);
    let space = |model: &str, dimension| Space { model: model.to_owned(), dimension, version: String::new() };
    let old = connector(Service::OpenAi).connect_to(&settings, &space("openai/old", 4)).unwrap();
    assert_eq!(old.space().await.unwrap(), space("openai/old", 4));
    old.embed(TextRole::Query, &texts(&["a"])).await.unwrap();
    assert_eq!(server.requests().last().unwrap().body.get("model"), Some(&Value::from("old")));
    let changed = connector(Service::OpenAi).connect_to(&settings, &space("openai/old", 5)).unwrap();
    assert!(changed.embed(TextRole::Query, &texts(&["a"])).await.is_err(), "a vector of another length is of another space");
    assert!(connector(Service::OpenAi).connect_to(&settings, &space("ollama/old", 4)).is_none());
    assert!(connector(Service::OpenAi).connect_to(&Settings::default(), &space("openai/old", 4)).is_none());
}

#[test]
fn settings_that_cannot_be_used_are_named_and_not_shown() {
    for (name, value) in [
        ("OPENAI_EMBEDDING_URL", "hunter2"),
        ("OPENAI_EMBEDDING_API_KEY", "hunter2\nx"),
        ("OPENAI_EMBEDDING_DIMENSIONS", "hunter2"),
        ("OPENAI_EMBEDDING_DIMENSIONS", "0"),
    ] {
        let settings = Settings::of(&[(name, value), ("OPENAI_API_KEY", KEY)]);
        let Err(error) = connector(Service::OpenAi).connect(&settings) else { panic!("{name} was taken") };
        assert!(matches!(error, ModelError::Misconfigured { .. }) && error.to_string().contains(name), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}
