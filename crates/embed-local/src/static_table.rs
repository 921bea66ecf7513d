//! Vectors without a model: a table that `tools/static_table.py` distils from one.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use core_types::embeddings::{Embedder, EmbedderConnector, Space, TextRole};
use core_types::models::{ModelError, ModelSettings};

use crate::wordpiece::Vocabulary;

/// The table, as the tool writes it.
static BYTES: &[u8] = include_bytes!("../data/static-en.bin");
const MAGIC: &[u8] = b"DLTABLE1";
/// The model of its space, and which version of the table this is; another table is another version.
const MODEL: &str = "static/en";
const VERSION: &str = "1";
/// Pieces of a text that count.
const PIECES: usize = 2_048;
/// Texts at once: a few milliseconds of work.
const BATCH: usize = 64;

/// Connects to the table, whatever the settings say.
#[derive(Debug, Clone, Copy, Default)]
pub struct StaticConnector;

impl EmbedderConnector for StaticConnector {
    fn name(&self) -> &'static str {
        "static"
    }

    fn connect(&self, _settings: &dyn ModelSettings) -> Result<Option<Arc<dyn Embedder>>, ModelError> {
        Ok(Some(Arc::new(Static)))
    }

    fn connect_to(&self, _settings: &dyn ModelSettings, space: &Space) -> Option<Arc<dyn Embedder>> {
        (*space == own_space().ok()?).then(|| Arc::new(Static) as Arc<dyn Embedder>)
    }
}

/// Vectors by the table.
struct Static;

#[async_trait]
impl Embedder for Static {
    fn model(&self) -> &'static str {
        MODEL
    }

    async fn space(&self) -> Result<Space, ModelError> {
        own_space()
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn embed(&self, _role: TextRole, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let table = table()?;
        Ok(texts.iter().map(|text| table.vector(text)).collect())
    }
}

struct Table {
    vocabulary: Vocabulary,
    dimension: usize,
    scales: Vec<f32>,
    numbers: &'static [u8],
}

fn broken() -> ModelError {
    ModelError::Misconfigured { message: "the table of vectors in this program is broken".to_owned() }
}

/// The space of the table. It stands at its beginning, so that nobody reads the rest who has no text.
fn own_space() -> Result<Space, ModelError> {
    let dimension = BYTES.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk::<4>()).ok_or_else(broken)?;
    Ok(Space { model: MODEL.to_owned(), dimension: u32::from_le_bytes(*dimension) as usize, version: VERSION.to_owned() })
}

/// The table, read when it is first wanted.
fn table() -> Result<&'static Table, ModelError> {
    static TABLE: OnceLock<Option<Table>> = OnceLock::new();
    TABLE.get_or_init(|| Table::read(BYTES)).as_ref().ok_or_else(broken)
}

impl Table {
    fn read(bytes: &'static [u8]) -> Option<Self> {
        let (dimension, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        let (rows, rest) = rest.split_first_chunk::<4>()?;
        let (dimension, rows) = (u32::from_le_bytes(*dimension) as usize, u32::from_le_bytes(*rows) as usize);
        let (scales, rest) = rest.split_at_checked(rows.checked_mul(4)?)?;
        let (numbers, vocabulary) = rest.split_at_checked(rows.checked_mul(dimension)?)?;
        let scales: Vec<f32> = scales.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let vocabulary = Vocabulary::new(std::str::from_utf8(vocabulary).ok()?.lines(), true, true)?;
        (dimension > 0 && scales.len() == rows).then_some(Self { vocabulary, dimension, scales, numbers })
    }

    /// The sum of the vectors of a text's pieces, brought to the length 1; zeros where it has none.
    fn vector(&self, text: &str) -> Vec<f32> {
        let mut sum = vec![0.0_f32; self.dimension];
        for piece in self.vocabulary.cut(text, PIECES) {
            let piece = piece as usize;
            let (Some(scale), Some(row)) = (self.scales.get(piece), self.numbers.get(piece * self.dimension..(piece + 1) * self.dimension))
            else {
                continue;
            };
            sum.iter_mut().zip(row).for_each(|(sum, number)| *sum += f32::from(number.cast_signed()) * scale);
        }
        crate::model::to_length_1(&mut sum);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(one: &str, other: &str) -> f32 {
        let table = table().unwrap();
        table.vector(one).iter().zip(table.vector(other)).map(|(one, other)| one * other).sum()
    }

    #[test]
    fn what_means_the_same_is_nearer_than_what_does_not() {
        for (text, alike, other) in [
            ("The doctor prescribed antibiotics", "The physician gave me medicine", "The train arrives at noon"),
            ("A kitten naps on the couch", "The cat is sleeping on the sofa", "The stock market fell sharply"),
            ("My vehicle stopped working", "The car broke down", "She is a vegetarian"),
            ("There is a downpour outside", "It is raining heavily", "I found the movie dull"),
        ] {
            assert!(cosine(text, alike) > cosine(text, other) + 0.1, "{text}: {} {}", cosine(text, alike), cosine(text, other));
        }
        assert!((cosine("the same", "the same") - 1.0).abs() < 1e-4);
    }

    #[test]
    fn a_text_without_words_has_no_direction() {
        assert!(table().unwrap().vector(" \u{1f600} ").iter().all(|number| number.abs() < f32::EPSILON));
    }

    #[test]
    fn words_are_cut_as_others_cut_them() {
        #[derive(serde::Deserialize)]
        struct Cut {
            text: String,
            ids: Vec<u32>,
        }
        let expected: Vec<Cut> = serde_json::from_str(include_str!("../tests/wordpieces.json")).unwrap();
        for Cut { text, ids } in expected {
            assert_eq!(table().unwrap().vocabulary.cut(&text, 1_000), ids, "{text:?}");
        }
    }
}
