//! What an adapter knows of its API: how a request is written and how an answer is read.

use std::fmt::Debug;

use core_types::models::TextRequest;
use serde_json::Value;

use super::draft::Draft;

/// The API of a model service.
pub trait Dialect: Clone + Send + Sync + 'static {
    /// A field of the request that some services or models refuse.
    type Field: Copy + Debug + PartialEq + Send + Sync;

    /// The path of a request, below the base URL.
    const PATH: &'static str;

    /// What is found at the path, for people: "chat completions".
    const FOUND_THERE: &'static str;

    /// The body of a request.
    fn body(&self, request: &TextRequest, manner: Manner<'_, Self::Field>) -> Value;

    /// The field of `sent` that the service says it does not know, by the text of its refusal.
    fn refused_field(&self, sent: &Value, refusal: &str) -> Option<Self::Field>;

    /// Reads the data of the next event of a stream, not blank, into the draft.
    fn read_event(&self, data: &str, draft: &mut Draft<'_>) -> Result<Progress, Broken>;

    /// Reads a whole answer, of a service that does not stream, into the draft.
    fn read_document(&self, body: &[u8], draft: &mut Draft<'_>) -> Result<(), Broken>;
}

/// What a request is made of beside the conversation.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a, F> {
    /// The model.
    pub model: &'a str,
    /// Whether the model sees images.
    pub images: bool,
    /// Whether the service is asked at its default address.
    pub at_default_address: bool,
    /// What the service does not know.
    pub left_out: &'a [F],
}

impl<F: Copy + PartialEq> Manner<'_, F> {
    /// Whether this field is to be left out.
    pub fn without(&self, field: F) -> bool {
        self.left_out.contains(&field)
    }
}

/// Whether a stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More is to come.
    GoesOn,
    /// This was the last event.
    Over,
}

/// Why an answer cannot be read.
#[derive(Debug)]
pub enum Broken {
    /// It is not what the API promises.
    Unreadable(String),
    /// The service reported an error after it had begun to answer.
    Reported {
        /// The HTTP status that the error stands for, where it says so.
        status: Option<u16>,
        /// The service's explanation.
        message: String,
    },
}

impl From<serde_json::Error> for Broken {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// The first of the `candidates` that was sent and that a refusal names as unknown. A candidate is a field, its name in
/// the body and the word for it in a refusal.
pub fn refused_field<F: Copy>(sent: &Value, refusal: &str, candidates: &[(F, &str, &str)]) -> Option<F> {
    let refusal = refusal.to_lowercase();
    let says_so = [
        "support",
        "unknown",
        "unrecognized",
        "unexpected",
        "not permitted",
        "not allowed",
        "not implemented",
        "extra",
        "requires",
        "deprecated",
        "does not match",
        "instead of",
    ]
    .iter()
    .any(|phrase| refusal.contains(phrase));
    let named = candidates.iter().find(|(_, field, word)| sent.get(field).is_some() && refusal.contains(word));
    named.filter(|_| says_so).map(|(field, _, _)| *field)
}

/// A number as the shortest decimal: 0.7 and not 0.699999988079071.
pub fn shortest_decimal(number: f32) -> Value {
    number.to_string().parse::<f64>().unwrap_or_default().into()
}
