//! Audio: recordings become words, texts become speech, and a question is answered aloud.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::error::chain;
use core_types::ids::string_to_uuid;
use core_types::media::{HeldFile, MediaClass, MediaType, Upload};
use core_types::messaging::{ChannelRepository, ChannelService, Door, MessagingService, NewMessage, PostReceipt, ReplyForm, ReplyStream};
use core_types::models::AskError;
use core_types::speech::{AgentSpeech, AudioService, MAX_SPOKEN, Question, Sound, Speaker, SpeechRequest, Transcriber, Words};
use core_types::{
    AgentId, Caller, ChannelId, EntityId, InvalidCode, JsonObject, MessageServerId, Permission, ServiceError, ServiceResult, Thing,
};
use serde_json::{Value, json};

use crate::permission::{Access, own_name, require, require_voice};
use crate::places::Places;

/// Texts that are being said at once. Recordings count among the files that are being taken.
const AT_ONCE: usize = 32;
/// When to come again where these are too many.
const BUSY: Duration = Duration::from_secs(2);

const NO_SYNTHESIZER: &str = "No speech synthesis is set up. Install flite or espeak-ng and start the server again; or set PIPER_VOICES, \
    OPENAI_API_KEY, or OPENAI_BASE_URL with OPENAI_TTS_MODEL; and see that SPEECH_SYNTHESIZER does not exclude it";
const NO_TRANSCRIBER: &str = "No transcription is set up. Install pocketsphinx with pocketsphinx-en-us and start the server again; or set \
    WHISPER_MODEL, OPENAI_API_KEY, or OPENAI_BASE_URL with OPENAI_TRANSCRIPTION_MODEL; and see that SPEECH_TRANSCRIBER does not exclude it";

/// The ports that [`Audio`] works through.
#[derive(Clone)]
pub struct AudioPorts {
    /// What speaks and hears for agents.
    pub speech: Arc<dyn AgentSpeech>,
    /// Where questions are posted.
    pub messaging: Arc<dyn MessagingService>,
    /// What callers can reach.
    pub access: Access,
    /// Where channels are looked up.
    pub channels: Arc<dyn ChannelRepository>,
    /// Who finds the channel of two.
    pub meetings: Arc<dyn ChannelService>,
}

/// Says and hears.
pub struct Audio {
    ports: AudioPorts,
    saying: Places,
}

impl Audio {
    /// The service over the engines of agents.
    pub fn new(ports: AudioPorts) -> Self {
        Self { ports, saying: Places::new(AT_ONCE) }
    }

    async fn speaker(&self, agent: AgentId) -> ServiceResult<Speaker> {
        let speaker = self.ports.speech.speaker(agent).await.map_err(|error| unready(agent, error))?;
        speaker.ok_or_else(|| unavailable(NO_SYNTHESIZER))
    }

    async fn transcriber(&self, agent: AgentId) -> ServiceResult<Arc<dyn Transcriber>> {
        let transcriber = self.ports.speech.transcriber(agent).await.map_err(|error| unready(agent, error))?;
        transcriber.ok_or_else(|| unavailable(NO_TRANSCRIBER))
    }

    /// The caller's own channel of an agent and one who speaks with it and names none.
    async fn own_channel(&self, caller: &Caller, server: MessageServerId, agent: AgentId, author: EntityId) -> ServiceResult<ChannelId> {
        let owner = caller.makes_for();
        let id = string_to_uuid(&own_name(owner.as_ref(), &format!("speech:{agent}:{author}"))).into();
        match self.ports.channels.find(id).await? {
            // Ids can be chosen, and who guessed this one should not read what is asked here.
            Some(other) if other.owner != owner => Ok(self.ports.meetings.direct(caller, server, [author, agent.into()]).await?.id),
            _ => Ok(id),
        }
    }

    /// Nobody else should answer in the place of this agent, and with its voice.
    async fn check_channel(&self, caller: &Caller, agent: AgentId, channel: ChannelId) -> ServiceResult<()> {
        if self.ports.channels.find(channel).await?.is_none() {
            return Ok(());
        }
        self.ports.access.to(caller, Wanted::Channel(channel)).await?;
        let participants = self.ports.channels.participants(channel).await?;
        if participants.contains(&EntityId::from(agent)) {
            return Ok(());
        }
        Err(ServiceError::invalid(InvalidCode::NoAgent, "The agent does not take part in this channel: add it, or name no channel"))
    }
}

#[async_trait]
impl AudioService for Audio {
    async fn transcribe(&self, caller: &Caller, agent: AgentId, recording: Box<dyn Upload>) -> ServiceResult<String> {
        require(caller, Permission::MessagesWrite)?;
        self.ports.access.to(caller, Wanted::Agent(agent)).await?;
        let transcriber = self.transcriber(agent).await?;
        hear(agent, transcriber.as_ref(), recording).await
    }

    async fn speak(&self, caller: &Caller, agent: AgentId, text: String) -> ServiceResult<Sound> {
        require(caller, Permission::MessagesWrite)?;
        self.ports.access.to(caller, Wanted::Agent(agent)).await?;
        let text = sayable(&text).ok_or_else(|| invalid("Text is required for speech synthesis"))?.to_owned();
        let Speaker { engine, voice } = self.speaker(agent).await?;
        let _place = self
            .saying
            .take(caller)
            .ok_or_else(|| ServiceError::Overloaded { message: "Too many texts are being said already".to_owned(), retry_after: BUSY })?;
        engine.speak(SpeechRequest { text, voice }).await.map_err(|error| {
            log::warn!("agent {agent}: {} did not speak: {}", engine.describe(), chain(&error));
            error.into()
        })
    }

    async fn ask(&self, caller: &Caller, agent: AgentId, question: Question) -> ServiceResult<(PostReceipt, Box<dyn ReplyStream>)> {
        require(caller, Permission::MessagesWrite)?;
        let server_id = self.ports.access.meeting_place(caller, agent).await?;
        // Nothing is posted that could not be answered aloud.
        self.speaker(agent).await?;
        let person = caller.reach().and_then(|reach| reach.person);
        let author = question.author.or(person).unwrap_or_else(|| string_to_uuid("Anon").into());
        require_voice(caller, author)?;
        let channel = match question.channel {
            Some(named) => named,
            None => self.own_channel(caller, server_id, agent, author).await?,
        };
        self.check_channel(caller, agent, channel).await?;
        let content = match question.words {
            Words::Typed(text) => sayable(&text).map(str::to_owned).ok_or_else(|| invalid("Text is required for conversation"))?,
            Words::Spoken(recording) => {
                let words = hear(agent, self.transcriber(agent).await?.as_ref(), recording).await?;
                if words.is_empty() {
                    return Err(invalid("No words were heard in the recording"));
                }
                words
            }
        };
        let message = NewMessage {
            door: Door::Channel,
            id: None,
            channel_id: channel,
            server_id,
            author_id: author,
            author_name: question.author_name,
            content,
            raw: None,
            source_type: Some("speech".to_owned()),
            source_id: None,
            metadata: metadata(agent),
            in_reply_to: None,
            idempotency_key: question.idempotency_key,
        };
        self.ports.messaging.exchange(caller, message, ReplyForm::Whole).await
    }
}

/// The words of a recording.
async fn hear(agent: AgentId, transcriber: &dyn Transcriber, recording: Box<dyn Upload>) -> ServiceResult<String> {
    let recording: HeldFile = recording.hold().await?;
    // Sound and moving pictures come in the same containers, and a sender that declares nothing leaves open which it is.
    let is_sound = recording.media_type.class() == MediaClass::Audio || matches!(recording.media_type, MediaType::Webm | MediaType::Mp4);
    if !is_sound {
        let message = format!("The file is {}, which is no sound; MP3, WAV, Ogg, AAC, FLAC, MP4 and WebM are", recording.media_type.mime());
        return Err(ServiceError::Unsupported { message });
    }
    transcriber.transcribe(recording).await.map_err(|error| {
        log::warn!("agent {agent}: {} did not hear: {}", transcriber.describe(), chain(&error));
        error.into()
    })
}

/// What makes a channel that does not exist yet one of two, and this agent the one that answers.
fn metadata(agent: AgentId) -> JsonObject {
    match json!({"isDm": true, "channelType": "DM", "targetUserId": agent, "targetAgentId": agent}) {
        Value::Object(metadata) => metadata,
        _ => JsonObject::new(),
    }
}

/// As much of a text as is said at once, which ends with a sentence or at least a word; `None` where there is nothing to say.
fn sayable(text: &str) -> Option<&str> {
    let text = text.trim();
    let Some((end, _)) = text.char_indices().nth(MAX_SPOKEN) else { return Some(text).filter(|text| !text.is_empty()) };
    let head = text.get(..end).unwrap_or(text);
    let sentence = head.rfind(['.', '!', '?', '\n', '。']).map(|at| head.ceil_char_boundary(at + 1)).filter(|end| *end > head.len() / 2);
    let end = sentence.or_else(|| head.rfind(char::is_whitespace)).unwrap_or(head.len());
    Some(head.get(..end).unwrap_or(head).trim_end())
}

fn unready(agent: AgentId, error: AskError) -> ServiceError {
    match error {
        AskError::NotRunning => ServiceError::NotFound(Thing::Agent),
        AskError::NotReady(source) => ServiceError::Internal(source),
        AskError::Model(error) => {
            log::warn!("agent {agent}: no engine for speech: {}", chain(&error));
            ServiceError::Model(error)
        }
    }
}

fn unavailable(message: &str) -> ServiceError {
    ServiceError::SpeechUnavailable { message: message.to_owned() }
}

fn invalid(message: &str) -> ServiceError {
    ServiceError::invalid(InvalidCode::Upload, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_said_up_to_the_end_of_a_sentence() {
        let sentences = "One two three. ".repeat(400);
        let said = sayable(&sentences).unwrap();
        assert!(said.chars().count() <= MAX_SPOKEN && said.ends_with("three."), "{} characters", said.len());
        assert!(said.len() > MAX_SPOKEN - 20);
        let words = "word ".repeat(2_000);
        assert!(sayable(&words).unwrap().ends_with("word"));
        let letters = "ß".repeat(5_000);
        assert_eq!(sayable(&letters).unwrap().chars().count(), MAX_SPOKEN);
        let han = "文。".repeat(4_000);
        assert!(sayable(&han).unwrap().ends_with('。'));
        assert_eq!(sayable(" short \n"), Some("short"));
        assert_eq!(sayable(" \n\t"), None);
    }
}
