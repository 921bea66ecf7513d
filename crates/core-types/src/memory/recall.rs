//! Finding memories: rankings by words and by meaning, and one made of both.

use async_trait::async_trait;

use crate::embeddings::Space;
use crate::error::Source;
use crate::memory::{Memory, MemoryFilter};
use crate::{AgentId, MemoryId, StoreResult};

/// How many of the newest memories that share a word are ranked, unless something else is said.
pub const CANDIDATES: u32 = 20_000;

/// What to find by words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeywordSearch {
    /// Any text.
    pub text: String,
    /// At most so many memories.
    pub limit: u32,
    /// So many of the newest hits are ranked, and a word that more memories have counts only where all words are such.
    pub candidates: u32,
}

impl KeywordSearch {
    /// The best `limit` memories for any text, among [`CANDIDATES`].
    #[must_use]
    pub fn new(text: impl Into<String>, limit: u32) -> Self {
        Self { text: text.into(), limit, candidates: CANDIDATES }
    }
}

/// A memory that a ranking found.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The memory.
    pub memory: Memory,
    /// How well it fits: more is better, and only the scores of one search compare.
    pub score: f64,
}

/// A memory that is near in meaning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similar {
    /// The memory.
    pub id: MemoryId,
    /// The cosine of the angle between the two meanings, -1 to 1.
    pub similarity: f64,
}

/// A ranking of memories by meaning.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Nearest {
    /// The memories, best first.
    pub memories: Vec<Similar>,
    /// What is missing from it, if anything.
    pub shortfalls: Vec<Shortfall>,
}

/// Why memories may be missing from a ranking by meaning. They are found by their words all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, derive_more::Display)]
pub enum Shortfall {
    /// The server has started a moment ago and is still reading vectors.
    #[display("Memories are still being loaded: not all of them were searched by meaning")]
    Loading,
    /// The embedding model did not answer in time, or not at all.
    #[display("The embedding model did not answer: memories were searched by words alone")]
    NoAnswer,
    /// Some have a vector of a model that is not there any more, and none of the present one yet.
    #[display("Memories that were embedded by another model, which is not set up any more, were searched by words alone")]
    OtherModel,
}

/// Why there is no ranking by meaning just now. Recall goes on without it.
#[derive(Debug, derive_more::Display, derive_more::Error)]
pub enum VectorError {
    /// No embedding model is set up.
    #[display("no embedding model is set up")]
    NoModel,
    /// The embedding model failed a moment ago and is not asked again yet.
    #[display("the embedding model is given a rest")]
    Resting,
    /// The embedding model or the index failed.
    #[display("the ranking by meaning failed")]
    Failed(#[error(source)] Source),
}

/// Ranks memories by meaning. An adapter holds their vectors, follows what is added, changed and deleted, and turns the
/// question into a vector of the same model.
#[async_trait]
pub trait VectorIndex: Send + Sync {
    /// The agent's memories that pass the filter and are nearest to the text, best first, at most `limit`. The filter
    /// counts before the ranking: what it lets pass is ranked as if there were nothing else.
    /// It answers soon, whatever the embedding model does.
    async fn nearest(&self, agent: AgentId, filter: &MemoryFilter, text: &str, limit: u32) -> Result<Nearest, VectorError>;

    /// How far the making of vectors has come for an agent.
    async fn progress(&self, agent: AgentId) -> StoreResult<EmbeddingProgress>;
}

/// How far the making of vectors has come.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EmbeddingProgress {
    /// The model that makes them, such as `openai/text-embedding-3-small`; none where none is wanted.
    pub model: Option<String>,
    /// All memories of the agent.
    pub total: u64,
    /// Those with a vector of that model.
    pub embedded: u64,
    /// Those that are still to get one.
    pub pending: u64,
    /// Where there are vectors, by model.
    pub spaces: Vec<SpaceProgress>,
    /// Whether all vectors that there were at the start are loaded.
    pub loaded: bool,
    /// Vectors that were made a second in the last minute, for all agents.
    pub rate: f64,
    /// At most so many are made a second; no bound where there is none.
    pub rate_limit: Option<u32>,
    /// Why the last attempt failed, if it did.
    pub problem: Option<String>,
}

/// The vectors of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceProgress {
    /// What they have in common.
    pub space: Space,
    /// How many memories have one.
    pub memories: u64,
    /// Whether new ones are of this kind.
    pub current: bool,
    /// Whether questions can be asked in it.
    pub searchable: bool,
}

/// The `k` of reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): how much a first place counts over the
/// places after it.
pub const RANK_CONSTANT: u32 = 60;

/// An entry of a fused ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused<T> {
    /// What was ranked.
    pub item: T,
    /// 1 for the first of every ranking, near 0 for the last of one.
    pub score: f64,
    /// Its place in each ranking, from 0; `None` where that ranking does not have it.
    pub places: Vec<Option<usize>>,
}

/// One ranking of several, each best first and without repetitions, by reciprocal ranks: places count, scores that do not
/// compare do not. Of equal entries the one comes first that an earlier ranking has at the better place.
pub fn fuse<T: Copy + Eq + std::hash::Hash>(rankings: &[Vec<T>]) -> Vec<Fused<T>> {
    let mut order: Vec<Fused<T>> = Vec::new();
    let mut known = std::collections::HashMap::new();
    for (number, ranking) in rankings.iter().enumerate() {
        for (place, item) in ranking.iter().enumerate() {
            let index = *known.entry(*item).or_insert_with(|| {
                order.push(Fused { item: *item, score: 0.0, places: vec![None; rankings.len()] });
                order.len() - 1
            });
            if let Some(slot) = order.get_mut(index).and_then(|fused| fused.places.get_mut(number)) {
                *slot = Some(place);
            }
        }
    }
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let best = f64::from(RANK_CONSTANT) + 1.0;
    for fused in &mut order {
        let sum: f64 = fused.places.iter().flatten().map(|place| best / (best + count(*place))).sum();
        fused.score = sum / count(rankings.len());
    }
    // A stable sort, so that equals stay in the order in which rankings gave them.
    order.sort_by(|one, other| other.score.total_cmp(&one.score));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(rankings: &[Vec<char>]) -> String {
        fuse(rankings).iter().map(|fused| fused.item).collect()
    }

    #[test]
    fn what_several_rankings_have_beats_what_one_has_at_the_same_place() {
        assert_eq!(order(&[vec!['a', 'b', 'c'], vec!['d', 'c', 'e']]), "cadbe");
        assert_eq!(order(&[vec!['a', 'b'], vec!['b', 'a']]), "ab");
    }

    #[test]
    fn one_ranking_stays_as_it_is_and_none_is_empty() {
        assert_eq!(order(&[vec!['x', 'y', 'z']]), "xyz");
        assert_eq!(order(&[vec!['x', 'y'], Vec::new()]), "xy");
        assert_eq!(order(&[]), "");
    }

    #[test]
    fn scores_are_1_for_the_first_of_all_and_places_are_told() {
        let fused = fuse(&[vec!['a', 'b'], vec!['a', 'c']]);
        let first = fused.first().map(|first| (first.item, first.places.clone()));
        assert_eq!(first, Some(('a', vec![Some(0), Some(0)])));
        let scores: Vec<f64> = fused.iter().map(|fused| fused.score).collect();
        assert!((scores[0] - 1.0).abs() < 1e-9, "{scores:?}");
        assert!((scores[1] - 61.0 / 62.0 / 2.0).abs() < 1e-9, "{scores:?}");
        assert_eq!(fused[1].places, [Some(1), None]);
        assert!(scores.iter().all(|score| *score > 0.0 && *score <= 1.0), "{scores:?}");
    }
}
