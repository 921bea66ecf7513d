//! Embeddings: texts as vectors whose angles say how near they are in meaning.

use std::sync::Arc;

use async_trait::async_trait;

use crate::memory::MemoryFilter;
use crate::models::{ModelError, ModelSettings};
use crate::{AgentId, EntityId, JsonObject, MemoryId, RoomId, StoreResult, Timestamp, WorldId};

/// The most numbers in a vector.
pub const MAX_DIMENSION: usize = 4_096;

/// What vectors must have in common to be compared: they are of one model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Space {
    /// The provider and the model, such as `openai/text-embedding-3-small`.
    pub model: String,
    /// How many numbers a vector has.
    pub dimension: usize,
    /// Which version of the model; empty where the provider has none.
    pub version: String,
}

/// What a text is to the model: some tell what is looked for from what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextRole {
    /// What is looked for.
    Query,
    /// What may be found.
    Passage,
}

/// A model that makes vectors of texts.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// The provider and the model, as in [`Space::model`].
    fn model(&self) -> &str;

    /// The space of its vectors, always the same one. Where only an answer of the model shows it, the model is asked.
    async fn space(&self) -> Result<Space, ModelError>;

    /// The most texts of one call.
    fn batch(&self) -> usize;

    /// A vector of length 1 for each text, in their order; zeros where the model finds nothing in a text. Any text will do; of
    /// a long one the model may read only the beginning. [`ModelError::Rejected`] and [`ModelError::Unreadable`] may be the fault of one of the texts; whatever else
    /// goes wrong would go wrong with others too. Dropping the future ends the request.
    async fn embed(&self, role: TextRole, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError>;
}

/// A kind of embedding model, which connects with the settings of the server.
pub trait EmbedderConnector: Send + Sync {
    /// Its name, as in settings and before the slash of [`Space::model`].
    fn name(&self) -> &'static str;

    /// The model that the settings choose; `None` where they say nothing about it.
    fn connect(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn Embedder>>, ModelError>;

    /// The model that once filled this space, if the settings still lead to it.
    fn connect_to(&self, settings: &dyn ModelSettings, space: &Space) -> Option<Arc<dyn Embedder>>;
}

/// The embedding models of a server.
pub trait Embedders: Send + Sync {
    /// The one that makes vectors of what is remembered; `None` where none is wanted.
    fn current(&self) -> Option<Arc<dyn Embedder>>;

    /// One whose vectors lie in this space, so that what another model left there is still found by its meaning.
    fn of_space(&self, space: &Space) -> Option<Arc<dyn Embedder>>;
}

/// A vector of length 1 in a quarter of its bytes: each number is a whole one times `scale`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quantised {
    /// Between -127 and 127.
    pub numbers: Vec<i8>,
    /// What each is multiplied with.
    pub scale: f32,
}

impl Quantised {
    /// The nearest to a vector, which need not have the length 1 yet. What has no direction (only zeros, or a number that
    /// is none) becomes zeros.
    pub fn of(vector: &[f32]) -> Self {
        let length = vector.iter().map(|number| f64::from(*number) * f64::from(*number)).sum::<f64>().sqrt();
        let largest = vector.iter().fold(0.0_f32, |largest, number| largest.max(number.abs()));
        if !length.is_finite() || length <= 0.0 || largest <= 0.0 {
            return Self { numbers: vec![0; vector.len()], scale: 0.0 };
        }
        #[expect(clippy::cast_possible_truncation, reason = "the largest number becomes 127, and none is larger")]
        let numbers = vector.iter().map(|number| (number / largest * 127.0).round() as i8).collect();
        #[expect(clippy::cast_possible_truncation, reason = "a length as a scale needs no more digits")]
        let scale = (f64::from(largest) / 127.0 / length) as f32;
        Self { numbers, scale }
    }
}

/// Names a space in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceId(pub i32);

/// A stored vector of a memory, with what of the memory filters ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorRow {
    /// Its number; a later vector has a higher one, and none is used twice.
    pub number: i64,
    /// The memory.
    pub memory: MemoryId,
    /// Whose it is.
    pub agent: AgentId,
    /// The space that the vector lies in.
    pub space: SpaceId,
    /// The memory's table.
    pub table: String,
    /// Its room.
    pub room: RoomId,
    /// The world of that room.
    pub world: Option<WorldId>,
    /// Whom it is from or about.
    pub entity: EntityId,
    /// When it was made.
    pub created_at: Timestamp,
    /// The vector.
    pub vector: Quantised,
}

/// The note that a vector is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorGone {
    /// The place of the note.
    pub place: i64,
    /// The vector's number.
    pub number: i64,
    /// Whose it was.
    pub agent: AgentId,
    /// The space that it lay in.
    pub space: SpaceId,
}

/// A memory that wants a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanting {
    /// The memory.
    pub memory: MemoryId,
    /// What it says.
    pub content: JsonObject,
}

/// A memory that got one.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVector {
    /// The memory as it was when the vector was made: where it has changed since, the vector is not kept and the memory goes
    /// on wanting one.
    pub of: Wanting,
    /// The vector; none where there is nothing to make one of.
    pub vector: Option<Quantised>,
}

/// How many memories of an agent have a vector.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VectorCounts {
    /// All memories of the agent.
    pub memories: u64,
    /// Those without a vector that are still to get one.
    pub wanting: u64,
    /// Those with one, by space.
    pub spaces: Vec<(SpaceId, u64)>,
}

/// Where vectors are kept. A memory has at most one; it goes with its memory, and when the memory's content changes.
#[async_trait]
pub trait VectorRepository: Send + Sync {
    /// The number of this space, which it has from then on.
    async fn space(&self, space: Space) -> StoreResult<SpaceId>;

    /// All spaces that there are.
    async fn spaces(&self) -> StoreResult<Vec<(SpaceId, Space)>>;

    /// Memories of all agents that have no vector yet, the newest first, without those of `except`. One whose content cannot be read
    /// says nothing here.
    async fn wanting(&self, limit: u32, except: Vec<MemoryId>) -> StoreResult<Vec<Wanting>>;

    /// Memories of all agents whose vector lies in another space than this, without those of `except`.
    async fn outdated(&self, space: SpaceId, limit: u32, except: Vec<MemoryId>) -> StoreResult<Vec<Wanting>>;

    /// Keeps vectors of this space, each in place of the one that its memory had; those of memories that are gone are not
    /// kept. Returns how many were kept. A power cut may undo it: then those memories want a vector again.
    async fn put(&self, space: SpaceId, vectors: Vec<NewVector>) -> StoreResult<u64>;

    /// The vectors with higher numbers than `after`, in their order. None with a lower number than one of these comes later.
    async fn since(&self, after: i64, limit: u32) -> StoreResult<Vec<VectorRow>>;

    /// Vectors that are gone, in the order of their places, from the first place behind `after` on. Where several writers are
    /// at work, a place may fill a little later than a higher one.
    async fn gone(&self, after: i64, limit: u32) -> StoreResult<Vec<VectorGone>>;

    /// The last place where a going is noted; 0 where there is none.
    async fn last_gone(&self) -> StoreResult<i64>;

    /// Forgets notes of goings up to this place.
    async fn forget_gone(&self, up_to: i64, limit: u32) -> StoreResult<u32>;

    /// The memories of an agent that pass the filter, by the numbers of their vectors, ascending.
    async fn passing(&self, agent: AgentId, filter: MemoryFilter) -> StoreResult<Vec<i64>>;

    /// How many memories of an agent have a vector.
    async fn counts(&self, agent: AgentId) -> StoreResult<VectorCounts>;
}

#[cfg(test)]
mod tests {
    use super::Quantised;

    #[test]
    fn a_quantised_vector_has_the_direction_of_the_vector_and_the_length_1() {
        let vector = [3.0_f32, -4.0, 0.0, 1.5];
        let Quantised { numbers, scale } = Quantised::of(&vector);
        let back: Vec<f32> = numbers.iter().map(|number| f32::from(*number) * scale).collect();
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        for (number, back) in vector.iter().zip(&back) {
            assert!((number / length - back).abs() < 0.005, "{back}");
        }
        assert_eq!(numbers[1], -127);
    }

    #[test]
    fn what_has_no_direction_becomes_zeros() {
        for vector in [vec![0.0_f32; 3], vec![f32::NAN, 1.0, 0.0], vec![f32::INFINITY, 1.0, 0.0], Vec::new()] {
            let quantised = Quantised::of(&vector);
            assert!(quantised.numbers.len() == vector.len() && quantised.numbers.iter().all(|number| *number == 0), "{quantised:?}");
            assert!(quantised.scale.abs() < f32::EPSILON);
        }
    }
}
