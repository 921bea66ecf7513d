//! Speech that is only noted.

use std::sync::atomic::Ordering;

use core_types::media::{MediaType, Upload};
use core_types::messaging::{PostReceipt, ReplyForm, ReplyStream};
use core_types::speech::{AudioService, Question, Sound, Words};
use core_types::{AgentId, Caller, ServiceResult};

use super::{Call, Fakes, message};

async fn bytes(upload: Box<dyn Upload>) -> Vec<u8> {
    let mut held = upload.hold().await.unwrap();
    let mut bytes = Vec::new();
    while let Some(piece) = held.reader.next().await.unwrap() {
        bytes.extend_from_slice(&piece);
    }
    bytes
}

#[async_trait::async_trait]
impl AudioService for Fakes {
    async fn transcribe(&self, _: &Caller, agent: AgentId, recording: Box<dyn Upload>) -> ServiceResult<String> {
        let bytes = bytes(recording).await;
        self.note(Call::Transcribe(agent, bytes))?;
        Ok("what was said".to_owned())
    }

    async fn speak(&self, _: &Caller, agent: AgentId, text: String) -> ServiceResult<Sound> {
        self.note(Call::Speak(agent, text))?;
        if self.is_stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        Ok(Sound { media_type: MediaType::Wav, bytes: b"RIFF sound".as_slice().into() })
    }

    async fn ask(&self, _: &Caller, agent: AgentId, question: Question) -> ServiceResult<(PostReceipt, Box<dyn ReplyStream>)> {
        let words = match question.words {
            Words::Typed(text) => text,
            Words::Spoken(upload) => String::from_utf8(bytes(upload).await).unwrap(),
        };
        self.note(Call::Ask(agent, question.channel, question.author, question.author_name, words))?;
        let receipt = PostReceipt { message: std::sync::Arc::new(message()), repeated: false, warnings: Vec::new(), renewal: None };
        Ok((receipt, self.told(ReplyForm::Whole)))
    }
}
