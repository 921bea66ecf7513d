//! Models: what a provider can do, what it is asked, how it fails, and how an agent's provider is chosen.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use derive_more::{Display, Error};
use serde_json::Value;

use crate::error::Source;
use crate::{AgentId, Secret};

/// How capable (and dear) a model is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display)]
pub enum ModelSize {
    /// For decisions, facts and titles.
    #[display("TEXT_SMALL")]
    Small,
    /// For replies.
    #[display("TEXT_LARGE")]
    Large,
}

/// What a request is for; an offline model goes by it, others may ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Whether to answer: the answer is a call of the tool `RESPOND`, `IGNORE` or `STOP`, or one of these words.
    Decide,
    /// The reply.
    Reply,
    /// A title for the conversation: the answer is a few words.
    Title,
    /// What of a conversation is worth knowing later: the answer is a call of the tool `REMEMBER`, or its arguments as JSON.
    Reflect,
}

/// Who speaks in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Anybody but the agent.
    User,
    /// The agent.
    Assistant,
    /// A tool that answers the call of the given id in `Turn::call_id`.
    Tool,
}

/// Something attached to a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Where it can be had.
    pub url: String,
    /// `image/png` and the like; empty where unknown.
    pub content_type: String,
    /// Its name or title.
    pub title: String,
    /// Its bytes, where the model may see them; where there are none it is mentioned by name.
    pub content: Option<Bytes>,
}

/// One contribution to the conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// The speaker's name, for rooms with several people.
    pub author: String,
    /// What is said.
    pub text: String,
    /// What comes with it.
    pub attachments: Vec<Attachment>,
    /// The tools that the agent called in this turn.
    pub calls: Vec<ToolCall>,
    /// The call that a turn of a tool answers.
    pub call_id: Option<String>,
}

impl Turn {
    /// A turn with nothing but text.
    pub fn text(role: Role, author: impl Into<String>, text: impl Into<String>) -> Self {
        Self { role, author: author.into(), text: text.into(), attachments: Vec::new(), calls: Vec::new(), call_id: None }
    }
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Its name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// When to use it.
    pub description: String,
    /// A JSON Schema of its arguments, of type `object`.
    pub parameters: Value,
}

/// A call that the model wants made.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// The model's name for the call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments; `{}` where the model sent none that can be read.
    pub arguments: Value,
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct TextRequest {
    /// How capable a model.
    pub size: ModelSize,
    /// What for.
    pub purpose: Purpose,
    /// Who the agent is and how it should act.
    pub system: String,
    /// The conversation, oldest first; the last turn is the one to react to.
    pub turns: Vec<Turn>,
    /// What it may call.
    pub tools: Vec<ToolSpec>,
    /// The most tokens to produce.
    pub max_output_tokens: u32,
    /// Between 0 and 2; the provider's own where absent.
    pub temperature: Option<f32>,
}

/// Tokens as the provider counted them; 0 where it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, derive_more::Add, derive_more::AddAssign)]
pub struct Usage {
    /// Read.
    pub input: u64,
    /// Produced.
    pub output: u64,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq)]
pub struct TextResponse {
    /// The whole text, equal to its pieces joined.
    pub text: String,
    /// The calls it wants made.
    pub calls: Vec<ToolCall>,
    /// What it cost.
    pub usage: Usage,
    /// The model that answered, as the provider names it.
    pub model: String,
}

/// Takes the pieces of a text as they are made. Called in order; must not block.
pub trait TextSink: Send + Sync {
    /// The next piece, not empty.
    fn push(&self, piece: &str);
}

/// A sink for those who want the whole text only.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSink;

impl TextSink for NoSink {
    fn push(&self, _piece: &str) {}
}

/// Why a model did not answer. `Display` says what to do and never holds a key.
#[derive(Debug, Display, Error)]
pub enum ModelError {
    /// The provider does not accept the key.
    #[display("{provider} refused the key; check {setting}")]
    Unauthorized {
        /// The provider.
        provider: String,
        /// The setting that holds the key.
        setting: String,
    },
    /// The provider has no such model.
    #[display("{provider} has no model {model:?}; check {setting}")]
    UnknownModel {
        /// The provider.
        provider: String,
        /// The model that was asked for.
        model: String,
        /// The setting that names it.
        setting: String,
    },
    /// The provider refused the request for another reason that will not pass.
    #[display("{provider} rejected the request ({status}): {message}")]
    Rejected {
        /// The provider.
        provider: String,
        /// Its HTTP status.
        status: u16,
        /// Its explanation, shortened.
        message: String,
    },
    /// The provider is busy or asks to wait.
    #[display("{provider} is busy ({status})")]
    Busy {
        /// The provider.
        provider: String,
        /// Its HTTP status.
        status: u16,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// Nobody answers at the provider's address.
    #[display("{provider} cannot be reached; is it running?")]
    Unreachable {
        /// The provider.
        provider: String,
        /// Its address, without credentials; for the operator alone, and so no part of the message.
        url: String,
        /// Why.
        source: Source,
    },
    /// The answer stopped before its end.
    #[display("{provider} broke off its answer")]
    CutOff {
        /// The provider.
        provider: String,
    },
    /// Nothing came for too long.
    #[display("{provider} did not answer within {} s", limit.as_secs())]
    TimedOut {
        /// The provider.
        provider: String,
        /// The limit.
        limit: Duration,
    },
    /// The answer is not what the provider's API promises.
    #[display("{provider} gave an answer that cannot be read: {message}")]
    Unreadable {
        /// The provider.
        provider: String,
        /// What is wrong with it.
        message: String,
    },
    /// The provider's settings do not make sense.
    #[display("{message}")]
    Misconfigured {
        /// What to change.
        message: String,
    },
}

impl ModelError {
    /// Whether the same request may succeed later. No retry on what the provider refuses for good.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unauthorized { .. } | Self::UnknownModel { .. } | Self::Rejected { .. } | Self::Misconfigured { .. } => false,
            Self::Busy { .. } | Self::Unreachable { .. } | Self::CutOff { .. } | Self::TimedOut { .. } | Self::Unreadable { .. } => true,
        }
    }

    /// How long the provider asks to wait.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What a provider can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether it calls tools.
    pub tools: bool,
    /// Whether it can see images.
    pub images: bool,
    /// How many tokens a request and its answer may have together.
    pub context_tokens: u32,
}

/// A model provider, connected: it knows its address, key and model names.
#[async_trait]
pub trait ModelProvider: Send + Sync {
    /// Its name, as in settings and logs.
    fn name(&self) -> &str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Whether it does what the system text of a request says. One that goes by rules of its own does not, and is not asked
    /// to reflect.
    fn follows_instructions(&self) -> bool {
        true
    }

    /// The model that a request of this size goes to, as the provider names it.
    fn model(&self, size: ModelSize) -> &str;

    /// Asks the model. Pieces of the text go to `sink` as they are made. Dropping the future ends the request.
    async fn generate(&self, request: TextRequest, sink: &dyn TextSink) -> Result<TextResponse, ModelError>;
}

/// Where a provider looks up its settings: an agent's own, or the server's.
pub trait ModelSettings: Send + Sync {
    /// The value of a setting such as `OPENAI_API_KEY`, empty values left out.
    fn get(&self, name: &str) -> Option<Secret>;
}

/// A kind of provider, which connects with the settings of an agent or of the server.
pub trait ModelConnector: Send + Sync {
    /// Its name, as in settings and logs.
    fn name(&self) -> &'static str;

    /// Words in a plugin's name that choose this provider, such as `openai` in `@elizaos/plugin-openai`.
    fn plugin_hints(&self) -> &'static [&'static str];

    /// A provider by these settings; `None` where they say nothing about it.
    fn connect(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn ModelProvider>>, ModelError>;
}

/// Why an agent's model was not asked, or did not answer.
#[derive(Debug, Display, Error)]
pub enum AskError {
    /// The agent does not exist or does not run.
    #[display("the agent does not run")]
    NotRunning,
    /// The agent cannot be made ready.
    #[display("the agent cannot be made ready")]
    NotReady(#[error(source)] Source),
    /// The model did not answer.
    #[display("the model did not answer")]
    Model(ModelError),
}

/// Asks agents' models outside of a run.
#[async_trait]
pub trait AgentModels: Send + Sync {
    /// Asks the model of a running agent and waits for the whole answer, which goes into the agent's log.
    async fn ask(&self, agent: AgentId, request: TextRequest) -> Result<TextResponse, AskError>;
}
