//! An event stream that is being received.

use crate::client::Limits;
use crate::endpoint::{Deadline, next_chunk};
use crate::error::{OutboundError, shown};
use crate::sse::{Event, EventDecoder};

/// Decodes the events of an answer as they come. Dropping it ends the request.
pub struct EventStream {
    // Boxed because it is large next to everything else that an answer can be.
    response: Box<reqwest::Response>,
    decoder: EventDecoder,
    limits: Limits,
    deadline: Option<Deadline>,
    received: usize,
}

impl EventStream {
    /// With a deadline, the limit on bytes holds as well.
    pub(crate) fn new(response: reqwest::Response, limits: Limits, deadline: Option<Deadline>) -> Self {
        Self { response: Box::new(response), decoder: EventDecoder::new(limits.event_bytes), limits, deadline, received: 0 }
    }

    /// The next event; `None` when the connection ended in good order. Giving up the wait loses nothing.
    pub async fn next(&mut self) -> Result<Option<Event>, OutboundError> {
        loop {
            if let Some(event) = self.decoder.next_event() {
                return Ok(Some(event));
            }
            let deadline = self.deadline.map_or_else(|| Deadline::idle(self.limits.idle), |whole| whole.or_idle(self.limits.idle));
            let Some(chunk) = next_chunk(&mut self.response, deadline).await? else {
                return Ok(None);
            };
            self.received = self.received.saturating_add(chunk.len());
            if self.deadline.is_some() && self.received > self.limits.response_bytes {
                return Err(self.too_large(self.limits.response_bytes));
            }
            if self.decoder.feed(&chunk).is_err() {
                return Err(self.too_large(self.limits.event_bytes));
            }
        }
    }

    fn too_large(&self, limit: usize) -> OutboundError {
        OutboundError::TooLarge { url: shown(self.response.url()), limit }
    }
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("EventStream").field("received", &self.received).finish_non_exhaustive()
    }
}
