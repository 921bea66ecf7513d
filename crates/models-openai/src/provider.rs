//! Asking the service: one request, its retries, and reading the answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use core_types::Secret;
use core_types::models::{Capabilities, ModelError, ModelProvider, ModelSize, TextRequest, TextResponse, TextSink};
use outbound::{Answer, Endpoint, EventStream, Opened, Retries};
use serde_json::Value;

use crate::assemble::{Assembly, Chunk};
use crate::request::{Field, Manner, body, refused_field};
use crate::service::Service;

const PATH: &str = "chat/completions";

/// How long to wait for the token counts after the model has said that it is done.
const AFTER_THE_END: Duration = Duration::from_secs(2);

/// All that a provider knows.
pub(crate) struct Setup {
    pub(crate) service: Service,
    pub(crate) endpoint: Endpoint,
    pub(crate) key: Option<Secret>,
    pub(crate) small: String,
    pub(crate) large: String,
    pub(crate) capabilities: Capabilities,
    pub(crate) at_default_address: bool,
}

impl Setup {
    pub(crate) fn name(&self) -> String {
        self.service.profile().name.to_owned()
    }

    pub(crate) fn model(&self, size: ModelSize) -> &str {
        match size {
            ModelSize::Small => &self.small,
            ModelSize::Large => &self.large,
        }
    }

    /// The setting to check where the service does not know us.
    pub(crate) fn key_setting(&self) -> &'static str {
        let profile = self.service.profile();
        profile.key.unwrap_or(profile.address)
    }
}

/// A service that speaks OpenAI's chat completions, with its address, key and models. Holds no state.
pub struct OpenAiProvider {
    setup: Setup,
    retries: Retries,
}

/// A failed attempt, and the field of the request that the service did not know, if that was why.
struct Failed {
    error: ModelError,
    refused: Option<Field>,
}

impl From<ModelError> for Failed {
    fn from(error: ModelError) -> Self {
        Self { error, refused: None }
    }
}

impl OpenAiProvider {
    pub(crate) fn new(setup: Setup) -> Self {
        Self { setup, retries: Retries::default() }
    }

    async fn attempt(&self, request: &TextRequest, left_out: &[Field], sink: &dyn TextSink) -> Result<TextResponse, Failed> {
        let model = self.setup.model(request.size);
        let manner = Manner {
            model,
            images: self.setup.capabilities.images,
            modern_limit: self.setup.service == Service::OpenAi && self.setup.at_default_address,
            left_out,
        };
        let body = body(request, manner);
        let opened = self.setup.endpoint.post_event_stream(PATH, &body).await.map_err(|error| self.setup.transport_error(error))?;
        let assembly = match opened {
            Opened::Events(events) => self.read_stream(events, sink).await?,
            Opened::Answer(answer) if answer.is_success() => self.read_document(&answer, sink)?,
            Opened::Answer(answer) => return Err(self.refusal(request.size, &answer, &body)),
        };
        if !assembly.answered() {
            return Err(self.unreadable("it holds no choice").into());
        }
        Ok(assembly.response(model))
    }

    fn refusal(&self, size: ModelSize, answer: &Answer, sent: &Value) -> Failed {
        let refused = matches!(answer.status(), 400 | 422 | 501).then(|| refused_field(sent, &answer.text())).flatten();
        Failed { error: self.setup.status_error(size, answer), refused }
    }

    async fn read_stream(&self, mut events: EventStream, sink: &dyn TextSink) -> Result<Assembly, ModelError> {
        let mut assembly = Assembly::default();
        loop {
            let next = if assembly.finished() {
                // Whatever happens now, the answer is complete.
                tokio::time::timeout(AFTER_THE_END, events.next()).await.unwrap_or(Ok(None)).unwrap_or(None)
            } else {
                events.next().await.map_err(|error| self.setup.transport_error(error))?
            };
            let Some(event) = next else { break };
            match event.data.trim() {
                "[DONE]" => return Ok(assembly),
                "" => {}
                data => self.take(&mut assembly, serde_json::from_str(data), sink)?,
            }
        }
        if assembly.finished() { Ok(assembly) } else { Err(ModelError::CutOff { provider: self.setup.name() }) }
    }

    /// Some servers do not stream, whatever they are asked for.
    fn read_document(&self, answer: &Answer, sink: &dyn TextSink) -> Result<Assembly, ModelError> {
        let mut assembly = Assembly::default();
        self.take(&mut assembly, answer.json(), sink)?;
        Ok(assembly)
    }

    fn take(&self, assembly: &mut Assembly, chunk: Result<Chunk, serde_json::Error>, sink: &dyn TextSink) -> Result<(), ModelError> {
        let chunk = chunk.map_err(|error| self.unreadable(&error.to_string()))?;
        if let Some(error) = chunk.error.as_ref().filter(|error| !error.is_null()) {
            return Err(self.setup.reported_error(error));
        }
        assembly.take(chunk, sink);
        Ok(())
    }

    fn unreadable(&self, message: &str) -> ModelError {
        ModelError::Unreadable { provider: self.setup.name(), message: message.to_owned() }
    }
}

#[async_trait]
impl ModelProvider for OpenAiProvider {
    fn name(&self) -> &str {
        self.setup.service.profile().name
    }

    fn capabilities(&self) -> Capabilities {
        self.setup.capabilities
    }

    fn model(&self, size: ModelSize) -> &str {
        self.setup.model(size)
    }

    async fn generate(&self, request: TextRequest, sink: &dyn TextSink) -> Result<TextResponse, ModelError> {
        let sink = Watched { sink, touched: AtomicBool::new(false) };
        let mut left_out = Vec::new();
        let mut failures = 0;
        loop {
            let Failed { error, refused } = match self.attempt(&request, &left_out, &sink).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            if let Some(field) = refused.filter(|field| !left_out.contains(field)) {
                log::debug!("{} does not know {field:?}, asking without", self.name());
                left_out.push(field);
                continue;
            }
            failures += 1;
            let passes = matches!(error, ModelError::Busy { .. } | ModelError::Unreachable { .. });
            let wait = self.retries.wait(failures, error.retry_after()).filter(|_| passes && !sink.touched());
            let Some(wait) = wait else { return Err(error) };
            log::debug!("{error}; asking again in {} ms", wait.as_millis());
            tokio::time::sleep(wait).await;
        }
    }
}

impl std::fmt::Debug for OpenAiProvider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OpenAiProvider")
            .field("service", &self.setup.service)
            .field("address", &self.setup.endpoint.address())
            .field("small", &self.setup.small)
            .field("large", &self.setup.large)
            .finish_non_exhaustive()
    }
}

/// Knows whether anything was streamed: after that a request must not be repeated.
struct Watched<'a> {
    sink: &'a dyn TextSink,
    touched: AtomicBool,
}

impl Watched<'_> {
    fn touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }
}

impl TextSink for Watched<'_> {
    fn push(&self, piece: &str) {
        self.touched.store(true, Ordering::Relaxed);
        self.sink.push(piece);
    }
}
