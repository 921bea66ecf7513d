//! A model provider that says back what it hears, with a prefix from the setting `ECHO_PREFIX`.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::models::{
    Capabilities, ModelConnector, ModelError, ModelProvider, ModelSettings, ModelSize, Purpose, TextRequest, TextResponse, TextSink,
    ToolCall, Usage,
};
use serde_json::json;

/// Connects where `ECHO_PREFIX` is set.
pub struct EchoConnector;

impl ModelConnector for EchoConnector {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn plugin_hints(&self) -> &'static [&'static str] {
        &["plugin-echo"]
    }

    fn connect(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn ModelProvider>>, ModelError> {
        let prefix = settings.get("ECHO_PREFIX");
        Ok(prefix.map(|prefix| Arc::new(Echo { prefix: prefix.reveal().to_owned() }) as Arc<dyn ModelProvider>))
    }
}

struct Echo {
    prefix: String,
}

#[async_trait]
impl ModelProvider for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: true, images: false, context_tokens: 8192 }
    }

    fn model(&self, _size: ModelSize) -> &'static str {
        "echo-1"
    }

    async fn generate(&self, request: TextRequest, sink: &dyn TextSink) -> Result<TextResponse, ModelError> {
        let heard = request.turns.last().map_or("", |turn| turn.text.as_str());
        let offered = request.tools.iter().find(|tool| request.purpose == Purpose::Decide && tool.name == "RESPOND");
        let calls: Vec<_> =
            offered.map(|tool| ToolCall { id: "call_0".to_owned(), name: tool.name.clone(), arguments: json!({}) }).into_iter().collect();
        let text = if calls.is_empty() { format!("{} {heard}", self.prefix) } else { String::new() };
        for piece in text.split_inclusive(' ') {
            sink.push(piece);
        }
        let usage = Usage { input: heard.len() as u64, output: text.len() as u64 };
        Ok(TextResponse { text, calls, usage, model: "echo-1".to_owned() })
    }
}

#[cfg(test)]
mod promises {
    use core_types::Secret;
    use doolittle_contract::models::{Scenario, Stage, Staged};

    use super::*;

    struct Alone;

    impl ModelSettings for Alone {
        fn get(&self, name: &str) -> Option<Secret> {
            (name == "ECHO_PREFIX").then(|| Secret::new("You said:"))
        }
    }

    #[async_trait]
    impl Stage for Alone {
        async fn set(&self, _scenario: Scenario) -> Staged {
            let provider = EchoConnector.connect(self).unwrap().unwrap();
            let caller_left = Box::pin(std::future::ready(()));
            Staged { provider, debug: String::new(), key: String::new(), caller_left, service: Box::new(()) }
        }
    }

    doolittle_contract::model_contract!(offline Alone);
}
