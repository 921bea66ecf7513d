//! The promises of an embedding model.

use std::sync::Arc;

use core_types::embeddings::{Embedder, MAX_DIMENSION, TextRole};

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

async fn embed(embedder: &dyn Embedder, role: TextRole, of: &[&str]) -> Vec<Vec<f32>> {
    match embedder.embed(role, &texts(of)).await {
        Ok(vectors) => vectors,
        Err(error) => panic!("no vectors of {of:?}: {error:?}"),
    }
}

fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|number| number * number).sum::<f32>().sqrt()
}

fn is_near(one: &[f32], other: &[f32]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| (one - other).abs() < 0.05)
}

/// Or of length 0, where there is nothing in a text.
pub async fn every_text_gets_a_vector_of_length_1_in_its_place(embedder: Arc<dyn Embedder>) {
    let (one, other) = ("The cat sat on the mat.", "Green tea is good!");
    for role in [TextRole::Query, TextRole::Passage] {
        let vectors = embed(embedder.as_ref(), role, &[one, other, one]).await;
        assert!(vectors.iter().all(|vector| (length(vector) - 1.0).abs() < 1e-3), "{vectors:?}");
        let [first, second, third] = vectors.as_slice() else { panic!("not three vectors: {vectors:?}") };
        assert!(is_near(first, third) && !is_near(first, second), "{vectors:?}");
        assert!(embed(embedder.as_ref(), role, &[]).await.is_empty());
    }
}

/// However many it is embedded with, and of whatever lengths.
pub async fn a_text_has_the_same_vector_alone_and_among_others(embedder: Arc<dyn Embedder>) {
    let long = "rain ".repeat(40);
    let mut many = vec![long.as_str(), "a"];
    let text = "The cat sat on the mat.";
    let alone = embed(embedder.as_ref(), TextRole::Passage, &[text]).await;
    many.resize(embedder.batch().clamp(3, 100) - 1, "tea");
    many.push(text);
    let among = embed(embedder.as_ref(), TextRole::Passage, &many).await;
    assert_eq!(among.len(), many.len());
    assert!(among.last().zip(alone.first()).is_some_and(|(among, alone)| is_near(among, alone)), "{alone:?}");
}

/// Nothing in a text is an error, and its end may be cut off.
pub async fn any_text_will_do(embedder: Arc<dyn Embedder>) {
    let long = "The cat sat on the mat. ".repeat(2_000);
    let odd = ["", " ", "\u{0}", "\u{1f600}", "[SEP] [CLS]", "e\u{301}\u{202e}", "字", "\n\n\t", long.as_str()];
    for text in odd {
        let vectors = embed(embedder.as_ref(), TextRole::Passage, &[text]).await;
        assert!(vectors.len() == 1 && vectors.iter().flatten().all(|number| number.is_finite()), "{text:?}: {vectors:?}");
    }
}

/// And its dimension is that of its vectors.
pub async fn the_space_is_that_of_the_vectors(embedder: Arc<dyn Embedder>) {
    let space = match embedder.space().await {
        Ok(space) => space,
        Err(error) => panic!("no space: {error:?}"),
    };
    assert_eq!(space.model, embedder.model());
    assert!(space.model.split_once('/').is_some_and(|(provider, model)| !provider.is_empty() && !model.is_empty()), "{space:?}");
    assert!((1..=MAX_DIMENSION).contains(&space.dimension) && embedder.batch() > 0, "{space:?}");
    let vectors = embed(embedder.as_ref(), TextRole::Query, &["tea"]).await;
    assert!(vectors.iter().all(|vector| vector.len() == space.dimension), "{space:?}");
    assert!(embedder.space().await.is_ok_and(|again| again == space));
}

/// Makes a test of every promise. `$make` is an async function without arguments that gives
/// `Option<(Arc<dyn Embedder>, guard)>`; the guard lives as long as the test. Without a model nothing is held; whoever has none
/// says so.
#[macro_export]
macro_rules! embedder_contract {
    ($make:ident) => {
        $crate::embedder_contract!(@ $make;
            every_text_gets_a_vector_of_length_1_in_its_place,
            a_text_has_the_same_vector_alone_and_among_others,
            any_text_will_do,
            the_space_is_that_of_the_vectors
        );
    };
    (@ $make:ident; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                let Some((embedder, _guard)) = $make().await else { return };
                $crate::embeddings::$promise(embedder).await;
            }
        )+
    };
}
