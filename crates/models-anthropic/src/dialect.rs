//! Anthropic's messages.

use core_types::models::TextRequest;
use outbound::models::{Broken, Dialect, Draft, Manner, Progress};
use serde_json::Value;

use crate::answer;
use crate::request::{self, Field};

/// The Messages API, version 2023-06-01.
#[derive(Debug, Clone, Copy)]
pub struct Messages;

impl Dialect for Messages {
    type Field = Field;

    const PATH: &'static str = "v1/messages";
    const FOUND_THERE: &'static str = "messages";

    fn body(&self, request: &TextRequest, manner: Manner<'_, Field>) -> Value {
        request::body(request, manner)
    }

    fn refused_field(&self, sent: &Value, refusal: &str) -> Option<Field> {
        request::refused_field(sent, refusal)
    }

    fn read_event(&self, data: &str, draft: &mut Draft<'_>) -> Result<Progress, Broken> {
        answer::read_event(data, draft)
    }

    fn read_document(&self, body: &[u8], draft: &mut Draft<'_>) -> Result<(), Broken> {
        answer::read_document(body, draft)
    }
}
