//! Asking an embedding model for the vector of a question, within a time that a reply can spare.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use core_types::embeddings::{Embedder, TextRole};
use core_types::memory::VectorError;
use core_types::models::ModelError;
use derive_more::{Display, Error};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

/// For so long a model that did not answer a question is not asked another.
const REST: Duration = Duration::from_secs(30);

/// A question as a vector of length 1.
pub(crate) type Question = Vec<f32>;

/// Why a question has no vector.
#[derive(Debug, Display, Error)]
enum Unanswered {
    /// It took too long.
    #[display("{model} did not answer a question within {} ms", limit.as_millis())]
    TooSlow { model: String, limit: Duration },
    /// It failed.
    #[display("{model} did not answer a question")]
    Failed { model: String, source: ModelError },
    /// It answered with something else.
    #[display("{model} answered with no vector of {dimension} numbers")]
    OfAnotherKind { model: String, dimension: usize },
}

/// Asks questions, and remembers who did not answer.
pub(crate) struct Asker {
    limit: Duration,
    resting: Mutex<HashMap<String, Instant>>,
}

impl Asker {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, resting: Mutex::default() }
    }

    /// The vector of a question. A model that fails is given a rest, so that the next reply does not wait for it again.
    pub(crate) async fn ask(&self, embedder: &Arc<dyn Embedder>, text: &str, dimension: usize) -> Result<Question, VectorError> {
        let model = embedder.model().to_owned();
        if self.resting.lock().get(&model).is_some_and(|until| Instant::now() < *until) {
            return Err(VectorError::Resting);
        }
        let texts = [text.to_owned()];
        let answer = match timeout(self.limit, embedder.embed(TextRole::Query, &texts)).await {
            Ok(Ok(vectors)) => vectors.into_iter().next().filter(|vector| vector.len() == dimension),
            Ok(Err(source)) => return Err(self.rest(model.clone(), Unanswered::Failed { model, source })),
            Err(_elapsed) => return Err(self.rest(model.clone(), Unanswered::TooSlow { model, limit: self.limit })),
        };
        match answer {
            Some(vector) => {
                self.resting.lock().remove(&model);
                Ok(vector)
            }
            None => Err(self.rest(model.clone(), Unanswered::OfAnotherKind { model, dimension })),
        }
    }

    fn rest(&self, model: String, why: Unanswered) -> VectorError {
        self.resting.lock().insert(model, Instant::now() + REST);
        VectorError::Failed(Box::new(why))
    }
}
