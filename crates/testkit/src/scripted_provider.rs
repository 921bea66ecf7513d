//! A scripted model in the same process, for tests of those who hold a `ModelProvider`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use core_types::models::{
    Capabilities, ModelConnector, ModelError, ModelProvider, ModelSettings, ModelSize, TextRequest, TextResponse, TextSink, ToolCall, Usage,
};
use serde_json::Value;
use tokio::sync::watch;

use crate::gate::Gate;

/// What a scripted provider says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// The text, as it is streamed.
    pub pieces: Vec<String>,
    /// The calls it wants made.
    pub calls: Vec<ToolCall>,
    /// What it costs.
    pub usage: Usage,
}

impl Said {
    /// A text that comes word by word.
    pub fn text(text: &str) -> Self {
        Self { pieces: text.split_inclusive(' ').map(str::to_owned).collect(), ..Self::default() }
    }

    /// One call of a tool.
    pub fn call(name: &str, arguments: Value) -> Self {
        Self { calls: vec![ToolCall { id: "call_0".to_owned(), name: name.to_owned(), arguments }], ..Self::default() }
    }
}

type Script = Box<dyn Fn(&TextRequest) -> Result<Said, ModelError> + Send + Sync>;

/// Answers as its closure says, and remembers what it was asked.
pub struct ScriptedProvider {
    script: Script,
    capabilities: Capabilities,
    gate: Option<Gate>,
    requests: Mutex<Vec<TextRequest>>,
    seen: watch::Sender<usize>,
}

impl ScriptedProvider {
    /// A provider that answers as `script` says. It can do everything.
    pub fn new(script: impl Fn(&TextRequest) -> Result<Said, ModelError> + Send + Sync + 'static) -> Self {
        Self {
            script: Box::new(script),
            capabilities: Capabilities { tools: true, images: true, context_tokens: 8192 },
            gate: None,
            requests: Mutex::default(),
            seen: watch::Sender::new(0),
        }
    }

    /// A provider that always says the same.
    pub fn saying(text: &str) -> Self {
        let said = Said::text(text);
        Self::new(move |_| Ok(said.clone()))
    }

    /// The same, with these capabilities.
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The same, but every answer waits at the gate before each piece and once more before its end.
    pub fn behind(mut self, gate: Gate) -> Self {
        self.gate = Some(gate);
        self
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<TextRequest> {
        self.locked().clone()
    }

    /// Waits until this many requests have come.
    pub async fn requests_seen(&self, count: usize) {
        // Fails only without a sender, and this holds it.
        let _ = self.seen.subscribe().wait_for(|seen| *seen >= count).await;
    }

    async fn wait(&self) {
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<TextRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for ScriptedProvider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ScriptedProvider").field("capabilities", &self.capabilities).finish_non_exhaustive()
    }
}

#[async_trait]
impl ModelProvider for ScriptedProvider {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn model(&self, size: ModelSize) -> &str {
        match size {
            ModelSize::Small => "scripted-small",
            ModelSize::Large => "scripted-large",
        }
    }

    async fn generate(&self, request: TextRequest, sink: &dyn TextSink) -> Result<TextResponse, ModelError> {
        let model = self.model(request.size).to_owned();
        let answer = (self.script)(&request);
        self.locked().push(request);
        self.seen.send_modify(|count| *count += 1);
        let Said { pieces, calls, usage } = answer?;
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            self.wait().await;
            sink.push(piece);
        }
        self.wait().await;
        Ok(TextResponse { text: pieces.concat(), calls, usage, model })
    }
}

/// Connects to one scripted provider, whatever the settings. A plugin with `scripted` in its name chooses it.
#[derive(Debug, Clone)]
pub struct ScriptedConnector(pub Arc<ScriptedProvider>);

impl ModelConnector for ScriptedConnector {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn plugin_hints(&self) -> &'static [&'static str] {
        &["scripted"]
    }

    fn connect(&self, _settings: &dyn ModelSettings) -> Result<Option<Arc<dyn ModelProvider>>, ModelError> {
        Ok(Some(Arc::clone(&self.0) as Arc<dyn ModelProvider>))
    }
}
