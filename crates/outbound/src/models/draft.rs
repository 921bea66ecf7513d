//! An answer in the making.

use core_types::models::{TextResponse, TextSink, ToolCall, Usage};
use serde_json::{Map, Value};

/// More calls in one response than any agent makes.
const MOST_CALLS: usize = 128;

/// What has come of an answer. Its text goes to the sink as it comes.
pub struct Draft<'a> {
    sink: &'a dyn TextSink,
    text: String,
    calls: Vec<CallDraft>,
    model: Option<String>,
    answered: bool,
    finished: bool,
    /// The tokens counted so far.
    pub usage: Usage,
}

/// A call in the making.
#[derive(Debug, Default)]
pub struct CallDraft {
    index: usize,
    /// The model's name for the call.
    pub id: String,
    /// The tool; a call without one is none.
    pub name: String,
    /// The JSON of the arguments, as far as it has come.
    pub arguments: String,
}

impl<'a> Draft<'a> {
    /// Nothing yet.
    pub fn new(sink: &'a dyn TextSink) -> Self {
        Self { sink, text: String::new(), calls: Vec::new(), model: None, answered: false, finished: false, usage: Usage::default() }
    }

    /// Takes note of the model's name, where the service gives one.
    pub fn name_model(&mut self, model: Option<String>) {
        self.model = model.filter(|model| !model.is_empty()).or(self.model.take());
    }

    /// Takes note that what comes is an answer.
    pub const fn begin(&mut self) {
        self.answered = true;
    }

    /// Takes note that the model is done; what may follow is the token counts.
    pub const fn finish(&mut self) {
        self.finished = true;
    }

    /// Adds the next piece of the text.
    pub fn say(&mut self, piece: &str) {
        if !piece.is_empty() {
            self.text.push_str(piece);
            self.sink.push(piece);
        }
    }

    /// The newest call of this index.
    pub fn call(&mut self, index: usize) -> Option<&mut CallDraft> {
        self.calls.iter_mut().rfind(|call| call.index == index)
    }

    /// A further call of this index; `None` where there are too many.
    pub fn begin_call(&mut self, index: usize) -> Option<&mut CallDraft> {
        if self.calls.len() >= MOST_CALLS {
            return None;
        }
        self.calls.push(CallDraft { index, ..CallDraft::default() });
        self.calls.last_mut()
    }

    /// Whether any answer has come.
    pub const fn is_answered(&self) -> bool {
        self.answered
    }

    /// Whether the model said that it is done.
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// The response; `asked` is the model's name where the service gave none.
    pub fn response(self, asked: &str) -> TextResponse {
        let calls = self.calls.into_iter().filter(|call| !call.name.is_empty()).map(CallDraft::call).collect();
        TextResponse { text: self.text, calls, usage: self.usage, model: self.model.unwrap_or_else(|| asked.to_owned()) }
    }
}

impl CallDraft {
    fn call(self) -> ToolCall {
        let id = if self.id.is_empty() { format!("call_{}", self.index) } else { self.id };
        let arguments = serde_json::from_str::<Map<String, Value>>(&self.arguments).unwrap_or_default();
        ToolCall { id, name: self.name, arguments: Value::Object(arguments) }
    }
}

#[cfg(test)]
mod tests {
    use core_types::models::NoSink;

    use super::{Draft, MOST_CALLS};

    #[test]
    fn the_number_of_calls_has_a_bound() {
        let mut draft = Draft::new(&NoSink);
        for index in 0..1000 {
            if let Some(call) = draft.begin_call(index) {
                "X".clone_into(&mut call.name);
            }
        }
        assert_eq!(draft.response("m").calls.len(), MOST_CALLS);
    }
}
