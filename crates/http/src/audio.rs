//! Speech: recordings become words, texts become sound, and a question is answered aloud.

use actix_web::dev::Payload;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::post;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use core_types::speech::{Question, Sound};
use core_types::{AgentId, Caller, JsonObject};
use futures_util::future::{LocalBoxFuture, Ready, ready};
use serde_json::Value;

use crate::app::State;
use crate::envelope::{Envelope, gone, ok};
use crate::errors::{ApiError, ApiResult};
use crate::extract::permission::MessagesWrite;
use crate::extract::{AgentPath, Authorized, JsonBody, Sender, body_is_done};
use crate::messages::replayed;
use crate::replies::Replies;
use crate::routing::Routes;
use crate::uploads::UploadForm;
use crate::wire::audio::{
    QuestionBody, QuestionForm, RecordingBody, RecordingForAgentBody, SpeechBody, SpeechOfAgentBody, SpokenReply, SpokenText, ToSay,
    TranscribedMessage, Transcript, said_or_message, spoken, text, text_and_agent, typed,
};
use crate::wire::replies::Ending;

pub(crate) fn routes(routes: &mut Routes) {
    routes.at("/audio/transcribe", [post().to(transcribe)]);
    routes.at("/audio/generate", [post().to(generate)]);
    routes.at("/audio/{agent_id}/transcriptions", [post().to(transcriptions)]);
    routes.at("/audio/{agent_id}/audio-messages", [post().to(audio_messages)]);
    routes.at("/audio/{agent_id}/audio-messages/synthesize", [post().to(synthesize)]);
    routes.at("/audio/{agent_id}/speech/generate", [post().to(speak)]);
    routes.at("/audio/{agent_id}/speech", [post().to(answer)]);
    routes.at("/audio/{agent_id}/speech/conversation", [post().to(converse)]);
}

/// Writes down what is said in a recording. The recording is not kept.
#[utoipa::path(
    post,
    path = "/api/audio/transcribe",
    request_body(content = RecordingForAgentBody, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = Envelope<Transcript>),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 500, description = "PROCESSING_ERROR"),
        (status = 503, description = "OVERLOADED SPEECH_UNAVAILABLE"),
    ),
)]
async fn transcribe(caller: Authorized<MessagesWrite>, state: State, form: UploadForm) -> ApiResult {
    let received = form.receive_audio(state.services.media.as_ref(), &caller).await?;
    let agent = received.agent()?;
    Ok(ok(Transcript::of(&state.services.audio.transcribe(&caller, agent, received.upload).await?)))
}

/// Writes down what is said in a recording, by the path of released servers.
#[utoipa::path(
    post,
    path = "/api/audio/{agent_id}/transcriptions",
    params(AgentPath),
    request_body(content = RecordingBody, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = Envelope<Transcript>),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 500, description = "PROCESSING_ERROR"),
        (status = 503, description = "OVERLOADED SPEECH_UNAVAILABLE"),
    ),
)]
async fn transcriptions(caller: Authorized<MessagesWrite>, state: State, id: AgentPath, form: UploadForm) -> ApiResult {
    let received = form.receive_audio(state.services.media.as_ref(), &caller).await?;
    Ok(ok(Transcript::of(&state.services.audio.transcribe(&caller, id.0, received.upload).await?)))
}

/// Writes down what is said in a recording. Nothing is posted, as with released servers.
#[utoipa::path(
    post,
    path = "/api/audio/{agent_id}/audio-messages",
    params(AgentPath),
    request_body(content = RecordingBody, content_type = "multipart/form-data"),
    responses(
        (status = 200, body = Envelope<TranscribedMessage>),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 500, description = "PROCESSING_ERROR"),
        (status = 503, description = "OVERLOADED SPEECH_UNAVAILABLE"),
    ),
)]
async fn audio_messages(caller: Authorized<MessagesWrite>, state: State, id: AgentPath, form: UploadForm) -> ApiResult {
    let received = form.receive_audio(state.services.media.as_ref(), &caller).await?;
    Ok(ok(Transcript::of(&state.services.audio.transcribe(&caller, id.0, received.upload).await?).into_message()))
}

/// Says a text with the voice of an agent.
#[utoipa::path(
    post,
    path = "/api/audio/generate",
    request_body = SpeechOfAgentBody,
    responses(
        (status = 200, description = "The sound.", body = Vec<u8>, content_type = "audio/*"),
        (status = 400, description = "INVALID_REQUEST"),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 429, description = "UPLOAD_RATE_LIMIT_EXCEEDED"),
        (status = 500, description = "PROCESSING_ERROR"),
        (status = 503, description = "OVERLOADED SPEECH_UNAVAILABLE"),
    ),
)]
async fn generate(caller: Authorized<MessagesWrite>, state: State, request: HttpRequest, body: JsonBody) -> ApiResult {
    let (text, agent) = text_and_agent(body.0)?;
    body_is_done(&request);
    Ok(sound(state.services.audio.speak(&caller, agent, text).await?))
}

/// Says a text with the voice of an agent, by the path of released servers.
#[utoipa::path(
    post,
    path = "/api/audio/{agent_id}/speech/generate",
    params(AgentPath),
    request_body = SpeechBody,
    responses(
        (status = 200, description = "The sound.", body = Vec<u8>, content_type = "audio/*"),
        (status = 400, description = "INVALID_REQUEST"),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 429, description = "UPLOAD_RATE_LIMIT_EXCEEDED"),
        (status = 500, description = "PROCESSING_ERROR"),
        (status = 503, description = "OVERLOADED SPEECH_UNAVAILABLE"),
    ),
)]
async fn speak(caller: Authorized<MessagesWrite>, state: State, id: AgentPath, request: HttpRequest, body: JsonBody) -> ApiResult {
    let text = text(body.0)?;
    body_is_done(&request);
    Ok(sound(state.services.audio.speak(&caller, id.0, text).await?))
}

/// Says a text with the voice of an agent, by the path among its audio messages. With `messageId` in the place of a text, as the
/// official client asks, the text of that message is said, and the answer is JSON.
#[utoipa::path(
    post,
    path = "/api/audio/{agent_id}/audio-messages/synthesize",
    params(AgentPath),
    request_body = SpeechBody,
    responses(
        (
            status = 200,
            description = "The sound.",
            content((Vec<u8> = "audio/*"), (Envelope<SpokenText> = "application/json")),
        ),
        (status = 400, description = "INVALID_REQUEST"),
        (status = 404, description = "AGENT_NOT_FOUND MESSAGE_NOT_FOUND"),
        (status = 429, description = "UPLOAD_RATE_LIMIT_EXCEEDED"),
        (status = 500, description = "PROCESSING_ERROR"),
        (status = 503, description = "OVERLOADED SPEECH_UNAVAILABLE"),
    ),
)]
async fn synthesize(caller: Authorized<MessagesWrite>, state: State, id: AgentPath, request: HttpRequest, body: JsonBody) -> ApiResult {
    let (audio, messaging) = (&state.services.audio, &state.services.messaging);
    let to_say = said_or_message(body.0)?;
    body_is_done(&request);
    Ok(match to_say {
        ToSay::Text(text) => sound(audio.speak(&caller, id.0, text).await?),
        ToSay::Message(message) => {
            let text = messaging.get(&caller, message).await?.content;
            ok(SpokenText::from(&audio.speak(&caller, id.0, text).await?))
        }
    })
}

/// Answers a typed or spoken question aloud.
///
/// Question and reply are messages of a channel, as if they had been posted there. `X-Channel-Id` and `X-Message-Id` say which
/// the reply is; a reply that is too long to be said is there as a whole. Where the agent chooses to say nothing, or a newer
/// question made this one moot, the answer is empty.
///
/// A form is answered with JSON, because the official client sends one and reads that; `Accept: audio/*` asks for the sound
/// itself. A typed question is answered with the sound itself, unless `Accept: application/json` asks for JSON.
#[utoipa::path(
    post,
    path = "/api/audio/{agent_id}/speech/conversation",
    params(AgentPath, Sender),
    request_body(content((QuestionBody = "application/json"), (QuestionForm = "multipart/form-data"))),
    responses(
        (
            status = 200,
            description = "The reply.",
            content((Vec<u8> = "audio/*"), (Envelope<SpokenReply> = "application/json")),
        ),
        (status = 204, description = "The agent says nothing."),
        (status = 400, description = "INVALID_REQUEST NO_AGENT"),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 409, description = "CONFLICT REPLY_CANCELLED"),
        (status = 429, description = "UPLOAD_RATE_LIMIT_EXCEEDED"),
        (status = 500, description = "PROCESSING_ERROR"),
        (status = 503, description = "OVERLOADED SPEECH_UNAVAILABLE"),
        (status = 504, description = "REPLY_TIMEOUT"),
    ),
)]
async fn converse(
    caller: Authorized<MessagesWrite>,
    state: State,
    id: AgentPath,
    sender: Sender,
    wanted: Wanted,
    request: HttpRequest,
    asked: Asked,
) -> ApiResult {
    let form = wanted.0.unwrap_or(if matches!(asked, Asked::Spoken(_)) { Form::Json } else { Form::Sound });
    let question = asked.question(&state, &caller, sender).await?;
    body_is_done(&request);
    replied(&caller, &state, id.0, question, form).await
}

/// Answers a typed or spoken question aloud, always in JSON, by the path of the official client.
#[utoipa::path(
    post,
    path = "/api/audio/{agent_id}/speech",
    params(AgentPath, Sender),
    request_body(content((QuestionBody = "application/json"), (QuestionForm = "multipart/form-data"))),
    responses(
        (status = 200, body = Envelope<SpokenReply>),
        (status = 400, description = "INVALID_REQUEST NO_AGENT"),
        (status = 404, description = "AGENT_NOT_FOUND"),
        (status = 409, description = "CONFLICT"),
        (status = 429, description = "UPLOAD_RATE_LIMIT_EXCEEDED"),
        (status = 500, description = "PROCESSING_ERROR"),
        (status = 503, description = "OVERLOADED SPEECH_UNAVAILABLE"),
        (status = 504, description = "REPLY_TIMEOUT"),
    ),
)]
async fn answer(
    caller: Authorized<MessagesWrite>,
    state: State,
    id: AgentPath,
    sender: Sender,
    request: HttpRequest,
    asked: Asked,
) -> ApiResult {
    let question = asked.question(&state, &caller, sender).await?;
    body_is_done(&request);
    replied(&caller, &state, id.0, question, Form::Json).await
}

async fn replied(caller: &Caller, state: &State, agent: AgentId, question: Question, form: Form) -> ApiResult {
    let audio = &state.services.audio;
    let (receipt, replies) = audio.ask(caller, agent, question).await?;
    let content = match Replies::new(replies, state, caller, receipt.message.clone()).ending().await {
        Ending::Content(content) => content,
        Ending::Failure(code, reason) => return Err(ApiError::new(code, reason)),
    };
    let text = |name: &str| content.get(name).and_then(Value::as_str).unwrap_or_default();
    let said = match text("text") {
        "" => None,
        said => Some(audio.speak(caller, agent, said.to_owned()).await?),
    };
    let channel = receipt.message.channel_id;
    let mut answer = match (form, said) {
        (Form::Json, said) => ok(SpokenReply::of(text("text"), said.as_ref(), channel, text("messageId"))),
        (Form::Sound, Some(said)) => sound(said),
        (Form::Sound, None) => gone(),
    };
    for (name, id) in [("x-channel-id", channel.to_string()), ("x-message-id", text("messageId").to_owned())] {
        if let Ok(value) = HeaderValue::from_str(&id) {
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    Ok(replayed(&receipt, answer))
}

/// The form in which a reply is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The sound itself.
    Sound,
    /// An envelope with the words and the sound.
    Json,
}

/// What a caller says of that by `Accept`.
struct Wanted(Option<Form>);

impl FromRequest for Wanted {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        let form = if accept.contains("audio/") { Some(Form::Sound) } else { accept.contains("application/json").then_some(Form::Json) };
        ready(Ok(Self(form)))
    }
}

/// The body of a question.
enum Asked {
    Typed(JsonObject),
    Spoken(UploadForm),
}

impl Asked {
    /// The question. Of a body nothing is left but a text that can be said; a recording counts among the files that are being taken.
    async fn question(self, state: &State, caller: &Caller, sender: Sender) -> ApiResult<Question> {
        match self {
            Self::Typed(body) => typed(body, sender),
            Self::Spoken(form) => spoken(form.receive_audio(state.services.media.as_ref(), caller).await?, sender),
        }
    }
}

impl FromRequest for Asked {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.trim_start().to_ascii_lowercase().starts_with("multipart/") {
            let form = UploadForm::from_request(request, payload).into_inner();
            return Box::pin(async { form.map(Self::Spoken) });
        }
        let body = JsonBody::from_request(request, payload);
        Box::pin(async { body.await.map(|body| Self::Typed(body.0)) })
    }
}

/// Sound as it is. Whoever opens it hears it; nothing in it runs.
fn sound(sound: Sound) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, sound.media_type.mime())).body(sound.bytes)
}
