//! Speech on the wire.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core_types::speech::{Question, Sound, Words};
use core_types::{AgentId, ChannelId, EntityId, JsonObject, MessageId, WorldId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::{Fields, Sender};
use crate::limits::{NAME_CHARS, SPOKEN_CHARS};
use crate::uploads::Received;

/// The words of a recording.
#[derive(Serialize, ToSchema)]
pub(crate) struct Transcript<'a> {
    /// The words; empty where nothing is said.
    #[schema(example = "hello this is a test transcription")]
    transcription: &'a str,
    /// The same.
    #[schema(example = "hello this is a test transcription")]
    text: &'a str,
}

/// The words of a recording, as the route of messages has them.
#[derive(Serialize, ToSchema)]
pub(crate) struct TranscribedMessage<'a> {
    #[serde(flatten)]
    transcript: Transcript<'a>,
    /// What was done, for a person.
    #[schema(example = "Audio transcribed")]
    message: &'static str,
}

impl<'a> Transcript<'a> {
    /// These words.
    pub(crate) const fn of(words: &'a str) -> Self {
        Self { transcription: words, text: words }
    }

    /// The same as the route of messages has them.
    pub(crate) const fn into_message(self) -> TranscribedMessage<'a> {
        TranscribedMessage { transcript: self, message: "Audio transcribed" }
    }
}

/// A form with a recording.
#[derive(ToSchema)]
#[schema(as = RecordingForm)]
#[expect(dead_code, reason = "the schema of what `UploadForm` reads")]
pub(crate) struct RecordingBody {
    /// The recording. Also `audio`.
    #[schema(format = Binary)]
    file: String,
}

/// A form with a recording, and who is to hear it.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecordingForAgentForm)]
#[expect(dead_code, reason = "the schema of what `UploadForm` reads")]
pub(crate) struct RecordingForAgentBody {
    /// The recording. Also `file`.
    #[schema(format = Binary)]
    audio: String,
    /// The agent that hears it.
    #[schema(value_type = Uuid)]
    agent_id: (),
}

/// A reply in words and as sound, in a form that a page can take apart.
#[derive(Serialize, ToSchema)]
#[schema(as = SpokenReply)]
pub(crate) struct SpokenReply<'a> {
    /// The whole reply; empty where the agent says nothing.
    #[schema(example = "How do you do.")]
    text: &'a str,
    /// The sound in base64; absent where the agent says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "UklGRg==")]
    audio: Option<String>,
    /// What the sound is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "wav")]
    format: Option<&'static str>,
    metadata: SpokenReplyPlace<'a>,
}

/// Where a spoken reply is to be found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SpokenReplyPlace<'a> {
    #[schema(value_type = Uuid)]
    channel_id: ChannelId,
    /// The reply; empty where there is none.
    #[schema(example = "c9eb8ba9-9d0d-4369-a025-8558f007c686")]
    message_id: &'a str,
}

impl<'a> SpokenReply<'a> {
    /// This reply, with its sound where there is something to say.
    pub(crate) fn of(text: &'a str, sound: Option<&Sound>, channel_id: ChannelId, message_id: &'a str) -> Self {
        let metadata = SpokenReplyPlace { channel_id, message_id };
        Self { text, audio: sound.map(|sound| STANDARD.encode(&sound.bytes)), format: sound.map(format), metadata }
    }
}

/// A text as sound, in a form that a page can take apart.
#[derive(Serialize, ToSchema)]
#[schema(as = SpokenText)]
pub(crate) struct SpokenText {
    /// The sound in base64.
    #[schema(example = "UklGRg==")]
    audio: String,
    /// What the sound is.
    #[schema(example = "wav")]
    format: &'static str,
}

impl From<&Sound> for SpokenText {
    fn from(sound: &Sound) -> Self {
        Self { audio: STANDARD.encode(&sound.bytes), format: format(sound) }
    }
}

/// The name of a kind of sound, without what it is a kind of: `wav`.
fn format(sound: &Sound) -> &'static str {
    let mime = sound.media_type.mime();
    mime.split_once('/').map_or(mime, |(_, kind)| kind)
}

/// What is to be said.
#[derive(ToSchema)]
#[schema(as = Speech)]
#[expect(dead_code, reason = "the schema of what `text` reads")]
pub(crate) struct SpeechBody {
    #[schema(min_length = 1, max_length = 4096, example = "Hello, this is a test message.")]
    text: String,
}

/// What is to be said.
pub(crate) enum ToSay {
    /// This text.
    Text(String),
    /// The text of this message.
    Message(MessageId),
}

/// What is to be said, and by whom.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SpeechOfAgent)]
#[expect(dead_code, reason = "the schema of what `text_and_agent` reads")]
pub(crate) struct SpeechOfAgentBody {
    #[schema(min_length = 1, max_length = 4096, example = "Hello, this is a test message.")]
    text: String,
    /// The agent whose voice it is.
    #[schema(value_type = Uuid)]
    agent_id: (),
}

/// A question to be answered aloud.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SpokenQuestion)]
#[expect(dead_code, reason = "the schema of what `typed` reads")]
pub(crate) struct QuestionBody {
    #[schema(min_length = 1, max_length = 4096, example = "How are you?")]
    text: String,
    #[serde(flatten)]
    more: QuestionFields,
}

/// A question as a recording. The other fields are those of a typed one.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SpokenQuestionForm)]
#[expect(dead_code, reason = "the schema of what `spoken` reads")]
pub(crate) struct QuestionForm {
    /// The recording. Also `audio`.
    #[schema(format = Binary)]
    file: String,
    #[serde(flatten)]
    more: QuestionFields,
}

#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `question` reads")]
struct QuestionFields {
    /// The channel in which it is asked, made where there is none; the one of the agent and the author where absent. Also
    /// `channelId`.
    #[schema(value_type = Option<Uuid>)]
    room_id: Option<()>,
    /// Who asks; the header `X-Entity-Id` where absent.
    #[schema(value_type = Option<Uuid>)]
    entity_id: Option<()>,
    /// How people call the author. Also `name`.
    #[schema(max_length = 256, example = "Ann")]
    user_name: Option<String>,
    /// Taken, and of no consequence.
    #[schema(value_type = Option<Uuid>)]
    world_id: Option<()>,
}

/// Reads a text that is to be said.
pub(crate) fn text(body: JsonObject) -> ApiResult<String> {
    said(&mut Fields::new(body), "Text is required for speech synthesis").map_err(ApiError::of_speech)
}

/// Reads a text that is to be said, or the message whose text that is.
pub(crate) fn said_or_message(body: JsonObject) -> ApiResult<ToSay> {
    let mut fields = Fields::new(body);
    match fields.id(&["messageId", "message_id"]).map_err(ApiError::of_speech)? {
        Some(message) if !fields.has("text") => Ok(ToSay::Message(message)),
        _ => said(&mut fields, "Text is required for speech synthesis").map_err(ApiError::of_speech).map(ToSay::Text),
    }
}

/// The same, and who says it.
pub(crate) fn text_and_agent(body: JsonObject) -> ApiResult<(String, AgentId)> {
    let mut fields = Fields::new(body);
    let text = said(&mut fields, "Text is required for speech synthesis");
    let agent = fields.required_id(&["agentId", "agent_id"]);
    text.and_then(|text| Ok((text, agent?))).map_err(ApiError::of_speech)
}

fn said(fields: &mut Fields, missing: &str) -> ApiResult<String> {
    let text = fields.text(&["text"], SPOKEN_CHARS)?.filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| ApiError::new(Code::InvalidRequest, missing))
}

/// Reads a question as text.
pub(crate) fn typed(body: JsonObject, sender: Sender) -> ApiResult<Question> {
    let mut fields = Fields::new(body);
    let words = said(&mut fields, "Text is required for conversation").map(Words::Typed);
    words.and_then(|words| question(words, fields, sender)).map_err(ApiError::of_speech)
}

/// Reads a question as a recording.
pub(crate) fn spoken(form: Received, sender: Sender) -> ApiResult<Question> {
    let fields = form.fields.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    question(Words::Spoken(form.upload), Fields::new(fields), sender).map_err(ApiError::of_speech)
}

fn question(words: Words, mut fields: Fields, sender: Sender) -> ApiResult<Question> {
    let channel: Option<ChannelId> = fields.id(&["roomId", "room_id", "channelId", "channel_id"])?;
    let named: Option<EntityId> = fields.id(&["entityId", "entity_id"])?;
    let author = match (named, sender.entity.as_deref().map(str::parse)) {
        (None, Some(entity)) => Some(entity.map_err(|_| ApiError::new(Code::InvalidId, "Invalid X-Entity-Id format"))?),
        (named, _) => named,
    };
    fields.id::<WorldId>(&["worldId", "world_id"])?;
    let author_name = fields.text(&["userName", "name"], NAME_CHARS)?;
    Ok(Question { words, channel, author, author_name, idempotency_key: sender.idempotency_key })
}
