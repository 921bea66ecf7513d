//! The APIs that a scripted model speaks.

use serde_json::Value;

use super::{completions, messages};

/// An API, told by the path of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Api {
    /// OpenAI's chat completions.
    Completions,
    /// Anthropic's messages.
    Messages,
}

/// What the model says: a text in pieces, or calls of tools.
#[derive(Debug, Clone, Copy)]
pub(super) enum Said<'a> {
    Text(&'a [String]),
    Calls(&'a [(String, Value)]),
}

impl Said<'_> {
    /// What counts as a token.
    pub(super) const fn len(self) -> usize {
        match self {
            Self::Text(pieces) => pieces.len(),
            Self::Calls(calls) => calls.len(),
        }
    }
}

/// An event stream, in portions.
#[derive(Debug)]
pub(super) struct Stream {
    /// What comes before the first word.
    pub(super) opening: Vec<u8>,
    /// What is said.
    pub(super) pieces: Vec<Vec<u8>>,
    /// What ends it in good order.
    pub(super) closing: Vec<u8>,
}

impl Stream {
    pub(super) fn bytes(self) -> Vec<u8> {
        [self.opening, self.pieces.concat(), self.closing].concat()
    }
}

impl Api {
    /// The API that is found at this path.
    pub(super) fn at(path: &str) -> Option<Self> {
        // A refusal of embeddings has the form of one of completions, and what is answered is up to the script.
        let known = [("/chat/completions", Self::Completions), ("/embeddings", Self::Completions), ("/v1/messages", Self::Messages)];
        known.into_iter().find(|(end, _)| path.ends_with(end)).map(|(_, api)| api)
    }

    pub(super) fn stream(self, request: &Value, said: Said<'_>) -> Stream {
        match self {
            Self::Completions => completions::stream(request, said),
            Self::Messages => messages::stream(request, said),
        }
    }

    pub(super) fn document(self, request: &Value, said: Said<'_>) -> Value {
        match self {
            Self::Completions => completions::document(request, said),
            Self::Messages => messages::document(request, said),
        }
    }

    /// The body of an error.
    pub(super) fn refusal(self, status: u16, message: &str) -> Value {
        match self {
            Self::Completions => completions::refusal(status, message),
            Self::Messages => messages::refusal(status, message),
        }
    }
}

/// The messages of a request, which count as what was read.
pub(super) fn messages_of(request: &Value) -> usize {
    request.get("messages").and_then(Value::as_array).map_or(0, Vec::len)
}

/// The JSON of arguments, in halves.
pub(super) fn halves(arguments: &Value) -> [String; 2] {
    let text = arguments.to_string();
    let (first, second) = text.split_at(text.floor_char_boundary(text.len() / 2));
    [first.to_owned(), second.to_owned()]
}
