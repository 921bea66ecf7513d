//! Speech behind OpenAI's API: the promises of engines, what is sent, and which settings connect.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a helper of a test fails by panicking, like the test")]

use std::sync::Arc;

use contract::speech::{Recorded as Recording, held};
use core_types::media::MediaType;
use core_types::models::ModelError;
use core_types::speech::{SpeechConnector, SpeechError, SpeechRequest, SpeechSynthesizer, Transcriber};
use doolittle_models_openai::OpenAiSpeech;
use outbound::{Client, Limits};
use serde_json::json;
use testkit::asking::Settings;
use testkit::scripted::{Recorded, Reply, ScriptedModel};

/// A key that must not be seen anywhere.
const KEY: &str = "sk-never-to-be-seen-0123456789";

const MP3: &[u8] = b"ID3\x04\0\0\0\0\0\0 sound";
const WAV: &[u8] = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0 and sound, and sound, and sound";

fn connector() -> OpenAiSpeech {
    OpenAiSpeech::new(Client::new(Limits::default()))
}

fn settings(base_url: &str) -> Settings {
    Settings::of(&[
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_BASE_URL", base_url),
        ("OPENAI_TIMEOUT_SECONDS", "5"),
        ("OPENAI_TTS_MODEL", "speaks"),
        ("OPENAI_TRANSCRIPTION_MODEL", "hears"),
    ])
}

fn synthesizer(model: &ScriptedModel) -> Arc<dyn SpeechSynthesizer> {
    connector().synthesizer(&settings(model.base_url())).expect("settings").expect("an engine")
}

fn transcriber(model: &ScriptedModel) -> Arc<dyn Transcriber> {
    connector().transcriber(&settings(model.base_url())).expect("settings").expect("an engine")
}

/// A service that says and hears as OpenAI's does: it has one voice, and knows sound by how it begins.
fn service(request: &Recorded) -> Reply {
    let bad = |message: &str| Reply::status(400, &json!({"error": {"message": message, "type": "invalid_request_error"}}).to_string());
    match request.path.as_str() {
        "/v1/audio/speech" if request.body["voice"] != "nova" => bad(&format!("Invalid voice for {KEY}")),
        "/v1/audio/speech" => Reply::Bytes("audio/mpeg", MP3.to_vec()),
        "/v1/audio/transcriptions" if !contains(&request.bytes, WAV) => bad("The audio file could not be decoded"),
        "/v1/audio/transcriptions" => Reply::Plain(json!({"text": "Good\n day. "})),
        _ => Reply::status(404, "{}"),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn serving() -> ScriptedModel {
    ScriptedModel::on_port(0, service).await.expect("a service")
}

async fn replying(reply: Reply) -> ScriptedModel {
    ScriptedModel::on_port(0, move |_| reply.clone()).await.expect("a service")
}

async fn speaks() -> Option<(Arc<dyn SpeechSynthesizer>, ScriptedModel)> {
    let model = serving().await;
    Some((synthesizer(&model), model))
}

async fn hears() -> Option<(Arc<dyn Transcriber>, Recording, ScriptedModel)> {
    let model = serving().await;
    let recording = Recording { media_type: MediaType::Wav, bytes: WAV.into(), words: &["good", "day"] };
    Some((transcriber(&model), recording, model))
}

mod speaking {
    use super::speaks;

    contract::synthesizer_contract!(speaks);
}

mod hearing {
    use super::hears;

    contract::transcriber_contract!(hears);
}

fn request(voice: Option<&str>) -> SpeechRequest {
    SpeechRequest { text: "Hello.".to_owned(), voice: voice.map(str::to_owned) }
}

#[tokio::test]
async fn what_is_sent_is_what_the_api_wants() {
    let model = serving().await;
    let more = Settings::of(&[
        ("OPENAI_API_KEY", KEY),
        ("OPENAI_BASE_URL", model.base_url()),
        ("OPENAI_TTS_MODEL", "speaks"),
        ("OPENAI_TTS_INSTRUCTIONS", "Softly."),
    ]);
    let engine = connector().synthesizer(&more).expect("settings").expect("an engine");
    assert_eq!(engine.describe(), "openai (speaks)");
    assert_eq!(engine.speak(request(None)).await.expect("sound").bytes, MP3);
    let text = transcriber(&model).transcribe(held(MediaType::Wav, WAV)).await.expect("words");
    assert_eq!(text, "Good day.");
    let [speech, transcription] = model.requests().try_into().expect("two requests");
    let expected = json!({"model": "speaks", "input": "Hello.", "voice": "nova", "response_format": "mp3", "instructions": "Softly."});
    assert_eq!((speech.path.as_str(), &speech.body), ("/v1/audio/speech", &expected));
    let bearer = format!("Bearer {KEY}");
    assert_eq!((speech.header("authorization"), transcription.header("authorization")), (Some(bearer.as_str()), Some(bearer.as_str())));
    assert_eq!(transcription.path, "/v1/audio/transcriptions");
    let length = transcription.header("content-length").and_then(|length| length.parse().ok());
    assert_eq!(length, Some(transcription.bytes.len()), "the length is said, since not every server reads chunks");
    let form = String::from_utf8_lossy(&transcription.bytes);
    for part in [
        "name=\"model\"\r\n\r\nhears\r\n",
        "name=\"response_format\"\r\n\r\njson\r\n",
        "name=\"file\"; filename=\"file.wav\"\r\nContent-Type: audio/wav\r\n",
    ] {
        assert!(form.contains(part), "{part:?} is not in {form}");
    }
}

#[tokio::test]
async fn a_voice_that_is_refused_is_replaced_once() {
    let model = serving().await;
    assert_eq!(synthesizer(&model).speak(request(Some("Bella"))).await.expect("sound").bytes, MP3);
    let voices: Vec<_> = model.requests().iter().map(|request| request.body["voice"].clone()).collect();
    assert_eq!(voices, ["Bella", "nova"]);
    assert!(synthesizer(&model).speak(request(Some("nova"))).await.is_ok());
    assert_eq!(model.requests().len(), 3);
}

#[tokio::test]
async fn failures_are_told_by_what_can_be_done_and_show_no_key() {
    let refusal = |code: u16| Reply::status(code, &json!({"error": {"message": format!("no, {KEY}")}}).to_string());
    for (reply, expected) in [
        (refusal(401), "Unauthorized"),
        (Reply::status(404, ""), "UnknownModel"),
        (Reply::status(404, r#"{"error":{"message":"Not Found"}}"#), "Misconfigured"),
        (refusal(429), "Busy"),
        (refusal(403), "Unauthorized"),
        (refusal(500), "Busy"),
        (Reply::html(), "Unreadable"),
        (Reply::Bytes("audio/mpeg", Vec::new()), "Unreadable"),
    ] {
        let shown = format!("{reply:?}");
        let model = replying(reply).await;
        let said = synthesizer(&model).speak(request(None)).await.expect_err("no sound");
        let heard = transcriber(&model).transcribe(held(MediaType::Wav, WAV)).await.expect_err("no words");
        for error in [said, heard] {
            let text = format!("{error} {error:?}");
            assert!(matches!(&error, SpeechError::Failed(_)) && text.contains(expected), "{shown}: {text}");
            assert!(!text.contains(KEY), "{text}");
        }
    }
    let model = replying(Reply::Silence).await;
    let hurried = Settings::of(&[("OPENAI_BASE_URL", model.base_url()), ("OPENAI_TTS_MODEL", "m"), ("OPENAI_TIMEOUT_SECONDS", "1")]);
    let engine = connector().synthesizer(&hurried).expect("settings").expect("an engine");
    let error = engine.speak(request(None)).await.expect_err("silence");
    assert!(matches!(error, SpeechError::Failed(ModelError::TimedOut { .. })), "{error:?}");
}

#[tokio::test]
async fn openai_itself_takes_so_many_bytes() {
    let engine = connector().transcriber(&Settings::of(&[("OPENAI_API_KEY", KEY)])).expect("settings").expect("an engine");
    let mut large = held(MediaType::Wav, WAV);
    large.size = 25 * 1024 * 1024 + 1;
    let error = engine.transcribe(large).await.expect_err("too large");
    assert!(matches!(error, SpeechError::TooLarge { .. }), "{error:?}");
}

#[test]
fn a_server_that_only_speaks_the_api_is_asked_where_settings_say_so() {
    let here = ("OPENAI_BASE_URL", "http://localhost:1/v1");
    for (settings, speaks, hears) in [
        (&[][..], false, false),
        (&[("OPENAI_API_KEY", KEY)], true, true),
        (&[("OPENAI_API_KEY", KEY), here], false, false),
        (&[here, ("OPENAI_TTS_MODEL", "m")], true, false),
        (&[here, ("OPENAI_TRANSCRIPTION_MODEL", "m")], false, true),
        (&[here, ("SPEECH_SYNTHESIZER", "openai")], true, false),
        (&[here, ("SPEECH_TRANSCRIBER", "openai")], false, true),
        (&[("OPENAI_TTS_MODEL", "m"), ("OPENAI_TRANSCRIPTION_MODEL", "m")], false, false),
    ] {
        let (shown, settings) = (format!("{settings:?}"), Settings::of(settings));
        let found = (connector().synthesizer(&settings), connector().transcriber(&settings));
        let found = (found.0.expect("settings").is_some(), found.1.expect("settings").is_some());
        assert_eq!(found, (speaks, hears), "{shown}");
    }
    let bad = Settings::of(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", "nowhere")]);
    assert!(matches!(connector().synthesizer(&bad).err(), Some(ModelError::Misconfigured { .. })));
}
