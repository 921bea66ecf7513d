//! Speech behind OpenAI's API: `audio/speech` and `audio/transcriptions`.
//!
//! | setting | what it names | where unset |
//! | --- | --- | --- |
//! | `OPENAI_TTS_MODEL` | the model that speaks | `gpt-4o-mini-tts` |
//! | `OPENAI_TTS_VOICE` | its voice, where the character names none that it has | `nova` |
//! | `OPENAI_TTS_INSTRUCTIONS` | how it should speak | nothing is said of it |
//! | `OPENAI_TRANSCRIPTION_MODEL` | the model that hears | `gpt-4o-mini-transcribe` |
//!
//! A server that only speaks OpenAI's API is asked where one of the models is named, or where `SPEECH_SYNTHESIZER` or
//! `SPEECH_TRANSCRIBER` is `openai`: most of these servers do not know these paths.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use core_types::media::{HeldFile, MediaType};
use core_types::models::{ModelError, ModelSettings};
use core_types::speech::{SYNTHESIZER, Sound, SpeechConnector, SpeechError, SpeechRequest, SpeechSynthesizer, TRANSCRIBER, Transcriber};
use outbound::models::{Asked, RemoteService};
use outbound::{Client, FileForm};
use serde::Deserialize;
use serde_json::json;

use crate::service::Service;

const NAME: &str = "openai";
const TTS_MODEL: &str = "OPENAI_TTS_MODEL";
const TRANSCRIPTION_MODEL: &str = "OPENAI_TRANSCRIPTION_MODEL";
/// What OpenAI takes at most.
const MOST_BYTES: u64 = 25 * 1024 * 1024;

/// Connects to what `OPENAI_API_KEY` and `OPENAI_BASE_URL` name.
#[derive(Debug, Clone)]
pub struct OpenAiSpeech {
    client: Client,
}

impl OpenAiSpeech {
    /// A connector that reaches the service through this client.
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The service, where these settings say that it has what `model` names.
    fn service(&self, settings: &dyn ModelSettings, model: &str, choice: &str) -> Result<Option<RemoteService>, ModelError> {
        let wanted = settings.get(model).is_some() || settings.get(choice).is_some_and(|choice| choice.reveal() == NAME);
        let service = RemoteService::by_settings(&self.client, Service::OpenAi.profile(), settings)?;
        Ok(service.filter(|service| wanted || service.at_default_address()))
    }
}

impl SpeechConnector for OpenAiSpeech {
    fn name(&self) -> &'static str {
        NAME
    }

    fn synthesizer(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn SpeechSynthesizer>>, ModelError> {
        let service = self.service(settings, TTS_MODEL, SYNTHESIZER)?;
        Ok(service.map(|service| {
            Arc::new(Speech {
                service,
                model: text(settings, TTS_MODEL).unwrap_or_else(|| "gpt-4o-mini-tts".to_owned()),
                voice: text(settings, "OPENAI_TTS_VOICE").unwrap_or_else(|| "nova".to_owned()),
                instructions: text(settings, "OPENAI_TTS_INSTRUCTIONS"),
            }) as Arc<dyn SpeechSynthesizer>
        }))
    }

    fn transcriber(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn Transcriber>>, ModelError> {
        let service = self.service(settings, TRANSCRIPTION_MODEL, TRANSCRIBER)?;
        Ok(service.map(|service| {
            let model = text(settings, TRANSCRIPTION_MODEL).unwrap_or_else(|| "gpt-4o-mini-transcribe".to_owned());
            Arc::new(Transcriptions { service, model }) as Arc<dyn Transcriber>
        }))
    }
}

fn text(settings: &dyn ModelSettings, name: &str) -> Option<String> {
    settings.get(name).map(|value| value.reveal().trim().to_owned()).filter(|value| !value.is_empty())
}

/// `audio/speech`.
#[derive(Debug)]
struct Speech {
    service: RemoteService,
    model: String,
    voice: String,
    instructions: Option<String>,
}

impl Speech {
    async fn say(&self, text: &str, voice: &str) -> Result<Bytes, ModelError> {
        let mut body = json!({"model": self.model, "input": text, "voice": voice, "response_format": "mp3"});
        if let (Some(instructions), Some(fields)) = (&self.instructions, body.as_object_mut()) {
            fields.insert("instructions".to_owned(), json!(instructions));
        }
        let asked = Asked { model: &self.model, setting: TTS_MODEL, found_there: "speech" };
        self.service.post("audio/speech", &body, asked).await.map(|answer| answer.body().clone())
    }
}

#[async_trait]
impl SpeechSynthesizer for Speech {
    fn describe(&self) -> String {
        format!("{} ({})", self.service.name(), self.model)
    }

    async fn speak(&self, request: SpeechRequest) -> Result<Sound, SpeechError> {
        let wished = request.voice.as_deref().filter(|voice| *voice != self.voice);
        let said = match wished {
            None => self.say(&request.text, &self.voice).await,
            Some(voice) => match self.say(&request.text, voice).await {
                // Characters name voices of many engines.
                Err(ModelError::Rejected { status: 400 | 404 | 422, message, .. }) if message.to_lowercase().contains("voice") => {
                    log::warn!("{} has no voice {voice:?}; {} speaks", self.service.name(), self.voice);
                    self.say(&request.text, &self.voice).await
                }
                said => said,
            },
        };
        let bytes = said?;
        let media_type = sound_type(&bytes).ok_or_else(|| unreadable(&self.service, "it is no sound"))?;
        Ok(Sound { media_type, bytes })
    }
}

/// What a sound is by its first bytes. Servers send what they have, whatever they are asked for.
fn sound_type(bytes: &[u8]) -> Option<MediaType> {
    match bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(MediaType::Wav),
        [b'O', b'g', b'g', b'S', ..] => Some(MediaType::Ogg),
        [b'f', b'L', b'a', b'C', ..] => Some(MediaType::Flac),
        // The sync word of a frame of layer III, or tags before the first.
        [b'I', b'D', b'3', ..] => Some(MediaType::Mp3),
        [0xff, second, ..] if second & 0xe6 == 0xe2 => Some(MediaType::Mp3),
        [0xff, second, ..] if second & 0xf6 == 0xf0 => Some(MediaType::Aac),
        _ => None,
    }
}

/// `audio/transcriptions`.
#[derive(Debug)]
struct Transcriptions {
    service: RemoteService,
    model: String,
}

/// The answer, of which nothing else is read.
#[derive(Deserialize)]
struct Heard {
    text: String,
}

#[async_trait]
impl Transcriber for Transcriptions {
    fn describe(&self) -> String {
        format!("{} ({})", self.service.name(), self.model)
    }

    async fn transcribe(&self, recording: HeldFile) -> Result<String, SpeechError> {
        if self.service.at_default_address() && recording.size > MOST_BYTES {
            return Err(SpeechError::TooLarge { limit: MOST_BYTES });
        }
        let fields = vec![("model", self.model.clone()), ("response_format", "json".to_owned())];
        let asked = Asked { model: &self.model, setting: TRANSCRIPTION_MODEL, found_there: "transcriptions" };
        let posted = self.service.post_file("audio/transcriptions", FileForm { fields, file: recording }, asked).await;
        let answer = posted.map_err(|error| match error {
            // The request is ours, so what is wrong with it is the file.
            ModelError::Rejected { status: 400 | 415 | 422, message, .. } => SpeechError::Unreadable { message },
            error => SpeechError::Failed(error),
        })?;
        let heard: Heard = answer.json().map_err(|_| unreadable(&self.service, "it holds no text"))?;
        Ok(heard.text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

fn unreadable(service: &RemoteService, message: &str) -> SpeechError {
    ModelError::Unreadable { provider: service.name().to_owned(), message: message.to_owned() }.into()
}
