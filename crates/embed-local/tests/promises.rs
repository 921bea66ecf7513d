//! The models of this crate keep the promises of an embedding model, and agree with other people's programs. MiniLM is tried
//! where `DOOLITTLE_MINILM` names its directory; `.ci/minilm` makes one.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

use std::future::{Ready, ready};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use core_types::embeddings::{Embedder, EmbedderConnector, Space, TextRole};
use core_types::models::ModelError;
use doolittle_embed_local::{LocalConnector, StaticConnector};
use serde::Deserialize;
use testkit::asking::Settings;

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tiny")
}

fn local(directory: &Path) -> Result<Arc<dyn Embedder>, ModelError> {
    let settings = Settings::of(&[("EMBEDDING_MODEL_DIR", directory.to_str().unwrap())]);
    LocalConnector::default().connect(&settings).map(Option::unwrap)
}

#[expect(clippy::disallowed_methods, reason = "which model to test with is a setting of the test run alone")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// MiniLM; `None`, said loudly, where it is not there.
fn minilm() -> Option<Arc<dyn Embedder>> {
    let Some(directory) = setting("DOOLITTLE_MINILM") else {
        assert!(setting("DOOLITTLE_REQUIRE_MINILM").as_deref() != Some("1"), "DOOLITTLE_MINILM names no directory");
        let _ = writeln!(std::io::stderr(), "SKIPPED: MiniLM is not tried, since DOOLITTLE_MINILM names no directory");
        return None;
    };
    Some(local(Path::new(&directory)).unwrap())
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| one * other).sum()
}

mod a_table {
    use super::*;

    fn make() -> Ready<Option<(Arc<dyn Embedder>, ())>> {
        ready(Some((StaticConnector.connect(&Settings::default()).unwrap().unwrap(), ())))
    }

    contract::embedder_contract!(make);
}

mod a_small_model {
    use super::*;

    fn make() -> Ready<Option<(Arc<dyn Embedder>, ())>> {
        ready(Some((local(&tiny()).unwrap(), ())))
    }

    contract::embedder_contract!(make);
}

mod mini_lm {
    use super::*;

    fn make() -> Ready<Option<(Arc<dyn Embedder>, ())>> {
        ready(minilm().map(|embedder| (embedder, ())))
    }

    contract::embedder_contract!(make);
}

#[derive(Deserialize)]
struct Expected {
    text: String,
    vector: Vec<f32>,
}

#[tokio::test]
async fn vectors_are_those_that_another_program_makes_by_the_same_model() {
    let expected: Vec<Expected> = serde_json::from_str(include_str!("tiny/expected.json")).unwrap();
    let texts: Vec<String> = expected.iter().map(|expected| expected.text.clone()).collect();
    let made = local(&tiny()).unwrap().embed(TextRole::Passage, &texts).await.unwrap();
    for (Expected { text, vector }, made) in expected.iter().zip(&made) {
        assert!(cosine(vector, made) > 0.999, "{text:?}: {made:?}");
    }
}

#[tokio::test]
async fn mini_lm_knows_what_means_the_same() {
    let Some(embedder) = minilm() else { return };
    assert_eq!(embedder.space().await.unwrap().dimension, 384);
    let texts = ["My vehicle stopped working", "The car broke down", "She does not eat meat", "Das Auto ist kaputt"].map(str::to_owned);
    let vectors = embedder.embed(TextRole::Passage, &texts).await.unwrap();
    let (alike, other) = (cosine(&vectors[0], &vectors[1]), cosine(&vectors[0], &vectors[2]));
    assert!(alike > 0.5 && other < 0.3, "{alike} {other}");
}

#[tokio::test]
async fn a_tokenizer_file_will_do_in_place_of_a_vocabulary() {
    let directory = tempfile::tempdir().unwrap();
    for file in ["model.onnx", "config.json"] {
        std::fs::copy(tiny().join(file), directory.path().join(file)).unwrap();
    }
    let vocabulary = std::fs::read_to_string(tiny().join("vocab.txt")).unwrap();
    let pieces: serde_json::Map<String, serde_json::Value> =
        vocabulary.lines().zip(0_u32..).map(|(piece, number)| (piece.to_owned(), number.into())).collect();
    let write = |kind: &str| {
        let tokenizer = serde_json::json!({"normalizer": {"lowercase": true}, "model": {"type": kind, "vocab": pieces}});
        std::fs::write(directory.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    };
    write("WordPiece");
    let text = ["Green tea is GOOD!".to_owned()];
    let made = local(directory.path()).unwrap().embed(TextRole::Query, &text).await.unwrap();
    let expected = local(&tiny()).unwrap().embed(TextRole::Query, &text).await.unwrap();
    assert!(cosine(&made[0], &expected[0]) > 0.9999);

    write("Unigram");
    let refused = local(directory.path()).unwrap().space().await.unwrap_err();
    assert!(matches!(&refused, ModelError::Misconfigured { message } if message.contains("WordPiece")), "{refused:?}");
}

#[tokio::test]
async fn a_directory_without_a_usable_model_is_named_with_its_setting() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |error: &ModelError| matches!(error, ModelError::Misconfigured { message } if message.contains("EMBEDDING_MODEL_DIR"));
    assert!(local(&directory.path().join("nowhere")).is_err_and(|error| refused(&error)));
    assert!(local(directory.path()).is_err_and(|error| refused(&error)));
    std::fs::write(directory.path().join("model.onnx"), b"this is no graph").unwrap();
    std::fs::copy(tiny().join("vocab.txt"), directory.path().join("vocab.txt")).unwrap();
    let broken = local(directory.path()).unwrap();
    assert!(refused(&broken.space().await.unwrap_err()));
    assert!(refused(&broken.embed(TextRole::Query, &["a".to_owned()]).await.unwrap_err()));
}

#[tokio::test]
async fn a_graph_with_an_operator_that_is_not_there_is_refused_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy(tiny().join("vocab.txt"), directory.path().join("vocab.txt")).unwrap();
    let mut graph = std::fs::read(tiny().join("model.onnx")).unwrap();
    // One for images in place of one for texts, of as many letters.
    let products: Vec<usize> = (0..graph.len()).filter(|start| graph[*start..].starts_with(b"MatMul")).collect();
    assert!(!products.is_empty());
    for start in products {
        graph[start..start + 6].copy_from_slice(b"Resize");
    }
    std::fs::write(directory.path().join("model.onnx"), graph).unwrap();
    let error = local(directory.path()).unwrap().space().await.unwrap_err().to_string();
    assert!(error.contains("Resize operator not supported") && error.contains("EMBEDDING_MODEL_DIR"), "{error}");
}

#[tokio::test]
async fn a_model_is_found_again_by_its_space_and_only_by_that() {
    let settings = Settings::of(&[("EMBEDDING_MODEL_DIR_PREVIOUS", tiny().to_str().unwrap())]);
    let connector = LocalConnector::default();
    assert!(connector.connect(&settings).unwrap().is_none());
    let space = local(&tiny()).unwrap().space().await.unwrap();
    assert_eq!((space.model.as_str(), space.dimension, space.version.len()), ("local/tiny", 16, 12));
    assert!(connector.connect_to(&settings, &space).is_some());
    let other = Space { version: "0".to_owned(), ..space.clone() };
    assert!(connector.connect_to(&settings, &other).is_none());
    assert!(connector.connect_to(&Settings::default(), &space).is_none());
}
