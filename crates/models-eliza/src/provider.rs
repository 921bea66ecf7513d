//! The model provider around the responder.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use core_types::models::{
    Capabilities, ModelConnector, ModelError, ModelProvider, ModelSettings, ModelSize, Purpose, Role, TextRequest, TextResponse, TextSink,
    ToolCall, Usage,
};
use serde_json::json;

use crate::responder::{calls_for_an_answer, respond};
use crate::script::{Script, ScriptError};

const NAME: &str = "eliza";

/// The most words of a title.
const TITLE_WORDS: usize = 6;

static OWN_SCRIPT: LazyLock<Result<Arc<Script>, ScriptError>> =
    LazyLock::new(|| Script::parse(include_str!("../script/eliza.txt")).map(Arc::new));

/// Always connects, whatever the settings: the provider of last resort.
#[derive(Debug, Clone, Copy, Default)]
pub struct ElizaConnector;

impl ModelConnector for ElizaConnector {
    fn name(&self) -> &'static str {
        NAME
    }

    // Not just `eliza`, which every plugin of elizaOS has in its name.
    fn plugin_hints(&self) -> &'static [&'static str] {
        &["plugin-eliza", "eliza-classic"]
    }

    fn connect(&self, _settings: &dyn ModelSettings) -> Result<Option<Arc<dyn ModelProvider>>, ModelError> {
        match &*OWN_SCRIPT {
            Ok(script) => Ok(Some(Arc::new(ElizaProvider::new(Arc::clone(script))))),
            Err(error) => Err(ModelError::Misconfigured { message: error.to_string() }),
        }
    }
}

/// Answers from a script. Its tokens are words, as white space separates them.
#[derive(Debug, Clone)]
pub struct ElizaProvider {
    script: Arc<Script>,
}

impl ElizaProvider {
    /// A provider that answers from this script.
    pub const fn new(script: Arc<Script>) -> Self {
        Self { script }
    }

    /// The answer to whether to answer: as a call where the tool is offered, else as a word.
    fn decide(&self, request: &TextRequest, messages: &[&str]) -> (String, Vec<ToolCall>) {
        let asked = messages.last().is_some_and(|message| calls_for_an_answer(&self.script, message));
        let word = if asked { "RESPOND" } else { "IGNORE" };
        if request.tools.iter().any(|tool| tool.name == word) {
            return (String::new(), vec![ToolCall { id: "call_0".to_owned(), name: word.to_owned(), arguments: json!({}) }]);
        }
        (word.to_owned(), Vec::new())
    }
}

#[async_trait]
impl ModelProvider for ElizaProvider {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: true, images: false, context_tokens: 8192 }
    }

    fn follows_instructions(&self) -> bool {
        false
    }

    fn model(&self, _size: ModelSize) -> &str {
        NAME
    }

    async fn generate(&self, request: TextRequest, sink: &dyn TextSink) -> Result<TextResponse, ModelError> {
        let messages: Vec<&str> = request.turns.iter().filter(|turn| turn.role == Role::User).map(|turn| turn.text.as_str()).collect();
        let (text, calls) = match request.purpose {
            Purpose::Decide => self.decide(&request, &messages),
            Purpose::Reply => (respond(&self.script, &messages), Vec::new()),
            Purpose::Title => (title(&messages), Vec::new()),
            Purpose::Reflect => (String::new(), Vec::new()),
        };
        for piece in text.split_inclusive(' ') {
            sink.push(piece);
        }
        let usage = Usage { input: messages.iter().map(|message| words(message)).sum(), output: words(&text) + calls.len() as u64 };
        Ok(TextResponse { text, calls, usage, model: NAME.to_owned() })
    }
}

/// The beginning of the first message: what a conversation is about is mostly said there.
fn title(messages: &[&str]) -> String {
    let first = messages.first().copied().unwrap_or_default();
    first.split_whitespace().take(TITLE_WORDS).collect::<Vec<_>>().join(" ").trim_end_matches([',', ';', ':', '.', '!', '?']).to_owned()
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}
