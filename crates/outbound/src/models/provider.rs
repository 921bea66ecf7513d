//! Asking the service: one request, its retries, and reading the answer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use core_types::models::{Capabilities, ModelError, ModelProvider, ModelSize, TextRequest, TextResponse, TextSink};
use parking_lot::Mutex;
use serde_json::Value;

use super::connection::Connection;
use super::dialect::{Broken, Dialect, Manner, Progress};
use super::draft::Draft;
use crate::answer::Answer;
use crate::endpoint::Opened;
use crate::events::EventStream;
use crate::retry::Retries;

/// How long to wait for the token counts after the model has said that it is done.
const AFTER_THE_END: Duration = Duration::from_secs(2);

/// A service behind HTTP, with its address, key and models. All it remembers is what a model does not know.
pub struct RemoteProvider<D: Dialect> {
    connection: Connection,
    dialect: D,
    retries: Retries,
    unknown: Mutex<Vec<(ModelSize, D::Field)>>,
}

/// A failed attempt, and the field of the request that the service did not know, if that was why.
struct Failed<F> {
    error: ModelError,
    refused: Option<F>,
}

impl<F> From<ModelError> for Failed<F> {
    fn from(error: ModelError) -> Self {
        Self { error, refused: None }
    }
}

impl<D: Dialect> RemoteProvider<D> {
    pub(super) fn new(connection: Connection, dialect: D) -> Self {
        Self { connection, dialect, retries: Retries::default(), unknown: Mutex::default() }
    }

    async fn attempt(&self, request: &TextRequest, left_out: &[D::Field], sink: &dyn TextSink) -> Result<TextResponse, Failed<D::Field>> {
        let model = self.connection.model(request.size);
        let Connection { endpoint, capabilities, at_default_address, .. } = &self.connection;
        let manner = Manner { model, images: capabilities.images, at_default_address: *at_default_address, left_out };
        let body = self.dialect.body(request, manner);
        let opened = endpoint.post_event_stream(D::PATH, &body).await.map_err(|error| self.connection.transport_error(error))?;
        let draft = match opened {
            Opened::Events(events) => self.read_stream(events, sink).await?,
            Opened::Answer(answer) if answer.is_success() => self.read_document(&answer, sink)?,
            Opened::Answer(answer) => return Err(self.refusal(request.size, &answer, &body)),
        };
        if !draft.is_answered() {
            return Err(self.connection.broken_answer(Broken::Unreadable(format!("it holds no {}", D::FOUND_THERE))).into());
        }
        Ok(draft.response(model))
    }

    fn refusal(&self, size: ModelSize, answer: &Answer, sent: &Value) -> Failed<D::Field> {
        let refused = matches!(answer.status(), 400 | 422 | 501).then(|| self.dialect.refused_field(sent, &answer.text())).flatten();
        Failed { error: self.connection.status_error(self.connection.asked(size, D::FOUND_THERE), answer), refused }
    }

    async fn read_stream<'s>(&self, mut events: EventStream, sink: &'s dyn TextSink) -> Result<Draft<'s>, ModelError> {
        let mut draft = Draft::new(sink);
        loop {
            let next = if draft.is_finished() {
                // Whatever happens now, the answer is complete.
                tokio::time::timeout(AFTER_THE_END, events.next()).await.unwrap_or(Ok(None)).unwrap_or(None)
            } else {
                events.next().await.map_err(|error| self.connection.transport_error(error))?
            };
            let Some(event) = next else { break };
            let data = event.data.trim();
            let progress = if data.is_empty() { Ok(Progress::GoesOn) } else { self.dialect.read_event(data, &mut draft) };
            if progress.map_err(|broken| self.connection.broken_answer(broken))? == Progress::Over {
                return Ok(draft);
            }
        }
        if draft.is_finished() { Ok(draft) } else { Err(ModelError::CutOff { provider: self.connection.name() }) }
    }

    /// Some servers do not stream, whatever they are asked for.
    fn read_document<'s>(&self, answer: &Answer, sink: &'s dyn TextSink) -> Result<Draft<'s>, ModelError> {
        let mut draft = Draft::new(sink);
        self.dialect.read_document(answer.body(), &mut draft).map_err(|broken| self.connection.broken_answer(broken))?;
        Ok(draft)
    }

    /// What the model of this size was found not to know.
    fn unknown(&self, size: ModelSize) -> Vec<D::Field> {
        self.unknown.lock().iter().filter(|(of, _)| *of == size).map(|(_, field)| *field).collect()
    }

    /// An answer shows that it was right to leave these out: the next request need not find that out again.
    fn remember_unknown(&self, size: ModelSize, fields: &[D::Field]) {
        let mut unknown = self.unknown.lock();
        for field in fields.iter().map(|field| (size, *field)) {
            if !unknown.contains(&field) {
                log::info!("{} {} does not know {:?}; it is not sent any more", self.name(), self.model(size), field.1);
                unknown.push(field);
            }
        }
    }
}

#[async_trait]
impl<D: Dialect> ModelProvider for RemoteProvider<D> {
    fn name(&self) -> &str {
        self.connection.profile.name
    }

    fn capabilities(&self) -> Capabilities {
        self.connection.capabilities
    }

    fn model(&self, size: ModelSize) -> &str {
        self.connection.model(size)
    }

    async fn generate(&self, request: TextRequest, sink: &dyn TextSink) -> Result<TextResponse, ModelError> {
        let sink = Watched { sink, touched: AtomicBool::new(false) };
        let mut left_out = self.unknown(request.size);
        let mut failures = 0;
        loop {
            let Failed { error, refused } = match self.attempt(&request, &left_out, &sink).await {
                Ok(response) => {
                    self.remember_unknown(request.size, &left_out);
                    return Ok(response);
                }
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

impl<D: Dialect> std::fmt::Debug for RemoteProvider<D> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RemoteProvider")
            .field("name", &self.connection.profile.name)
            .field("address", &self.connection.endpoint.address())
            .field("small", &self.connection.small)
            .field("large", &self.connection.large)
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
