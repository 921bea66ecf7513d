//! OpenAI's chat completions.

use core_types::models::TextRequest;
use outbound::models::{Broken, Dialect, Draft, Manner, Progress};
use serde_json::Value;

use crate::answer;
use crate::request::{self, Field};
use crate::service::Service;

/// The chat completions of a service.
#[derive(Debug, Clone, Copy)]
pub struct ChatCompletions(pub(crate) Service);

impl Dialect for ChatCompletions {
    type Field = Field;

    const PATH: &'static str = "chat/completions";
    const FOUND_THERE: &'static str = "chat completions";

    fn body(&self, request: &TextRequest, manner: Manner<'_, Field>) -> Value {
        request::body(request, manner, self.0 == Service::OpenAi && manner.at_default_address)
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
