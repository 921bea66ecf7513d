//! Speech: engines that say texts, engines that hear recordings, how an agent's are chosen, and what a transport can ask
//! (contract §2.12, §3.9).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use derive_more::{Display, Error};

use crate::media::{HeldFile, MediaType, Upload};
use crate::messaging::{PostReceipt, ReplyStream};
use crate::models::{AskError, ModelError, ModelSettings};
use crate::{AgentId, Caller, ChannelId, EntityId, ServiceResult};

/// The most characters (Unicode scalar values) that are said at once.
pub const MAX_SPOKEN: usize = 4_096;

/// The settings that name the engine for each of the two: `auto`, `none`, or the name of a [`SpeechConnector`].
pub const SYNTHESIZER: &str = "SPEECH_SYNTHESIZER";
/// See [`SYNTHESIZER`].
pub const TRANSCRIBER: &str = "SPEECH_TRANSCRIBER";

/// What is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeechRequest {
    /// The words, at most [`MAX_SPOKEN`] characters, not only white space. Text and nothing else: whatever is in it is said.
    pub text: String,
    /// The voice that is wished for, as a character names it. An engine that does not have it takes its own.
    pub voice: Option<String>,
}

/// Sound that an engine made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sound {
    /// Its type, by its first bytes.
    pub media_type: MediaType,
    /// The file, not empty.
    pub bytes: Bytes,
}

/// Why an engine did not do what it was asked.
#[derive(Debug, Display, Error)]
pub enum SpeechError {
    /// The recording is damaged, holds no sound, or is not what it is said to be.
    #[display("{message}")]
    Unreadable {
        /// What is wrong with it, for its sender.
        message: String,
    },
    /// The recording is of a kind that cannot be read here.
    #[display("{message}")]
    Unsupported {
        /// What the sender or the operator can do.
        message: String,
    },
    /// The recording has more bytes than the engine takes.
    #[display("the recording is larger than {limit} bytes")]
    TooLarge {
        /// The most bytes.
        limit: u64,
    },
    /// The engine has as much to do as it takes on.
    #[display("{engine} has too much to do already")]
    Busy {
        /// The engine.
        engine: String,
        /// When to ask again.
        retry_after: Duration,
    },
    /// The engine failed.
    #[display("{_0}")]
    Failed(#[error(source)] ModelError),
}

impl From<ModelError> for SpeechError {
    fn from(error: ModelError) -> Self {
        Self::Failed(error)
    }
}

/// Says texts. Dropping a future ends the work.
#[async_trait]
pub trait SpeechSynthesizer: Send + Sync {
    /// The engine and what it speaks with, for a person: `flite`, `openai (tts-1)`.
    fn describe(&self) -> String;

    /// Says a text.
    async fn speak(&self, request: SpeechRequest) -> Result<Sound, SpeechError>;
}

/// Hears recordings. Dropping a future ends the work.
#[async_trait]
pub trait Transcriber: Send + Sync {
    /// The engine and what it hears with, for a person.
    fn describe(&self) -> String;

    /// The words of a recording, on one line; empty where nothing is said in it.
    async fn transcribe(&self, recording: HeldFile) -> Result<String, SpeechError>;
}

/// A kind of engine. It connects with the settings of an agent or of the server, or is there whatever they say.
pub trait SpeechConnector: Send + Sync {
    /// Its name, as settings write it.
    fn name(&self) -> &'static str;

    /// What speaks by these settings; `None` where it does not speak, or they say nothing about it.
    fn synthesizer(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn SpeechSynthesizer>>, ModelError>;

    /// What hears by these settings; `None` where it does not hear, or they say nothing about it.
    fn transcriber(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn Transcriber>>, ModelError>;
}

/// What speaks for an agent.
#[derive(Clone)]
pub struct Speaker {
    /// The engine.
    pub engine: Arc<dyn SpeechSynthesizer>,
    /// The voice of the agent's character (`settings.voice.model`).
    pub voice: Option<String>,
}

/// The engines that serve whoever has none of their own, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpeechEngines {
    /// What speaks.
    pub synthesizer: Option<String>,
    /// What hears.
    pub transcriber: Option<String>,
}

/// Finds the engines of running agents.
#[async_trait]
pub trait AgentSpeech: Send + Sync {
    /// What speaks for an agent; `None` where there is nothing.
    async fn speaker(&self, agent: AgentId) -> Result<Option<Speaker>, AskError>;

    /// What hears for an agent; `None` where there is nothing.
    async fn transcriber(&self, agent: AgentId) -> Result<Option<Arc<dyn Transcriber>>, AskError>;

    /// What speaks and hears for agents that bring nothing of their own.
    fn engines(&self) -> SpeechEngines;
}

/// What somebody says to an agent.
pub enum Words {
    /// As text, at most [`MAX_SPOKEN`] characters.
    Typed(String),
    /// As a recording.
    Spoken(Box<dyn Upload>),
}

/// A question to be answered aloud.
pub struct Question {
    /// The question.
    pub words: Words,
    /// The channel in which it is asked; where there is none, that of the agent and its author.
    pub channel: Option<ChannelId>,
    /// Who asks; somebody unknown where absent.
    pub author: Option<EntityId>,
    /// The author's name.
    pub author_name: Option<String>,
    /// The caller's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

/// What a transport can ask about speech. Of an agent that does not run every method fails with `NotFound`, and with
/// `SpeechUnavailable` where nothing is set up; nothing is stored then.
#[async_trait]
pub trait AudioService: Send + Sync {
    /// The words of a recording, which is not kept.
    async fn transcribe(&self, caller: &Caller, agent: AgentId, recording: Box<dyn Upload>) -> ServiceResult<String>;

    /// Says a text with the agent's voice. What is longer than [`MAX_SPOKEN`] is said up to the end of a sentence.
    async fn speak(&self, caller: &Caller, agent: AgentId, text: String) -> ServiceResult<Sound>;

    /// Posts a question like any message, to be answered by this agent. What it replies is said with [`Self::speak`].
    async fn ask(&self, caller: &Caller, agent: AgentId, question: Question) -> ServiceResult<(PostReceipt, Box<dyn ReplyStream>)>;
}
