//! Speech.

use std::sync::Arc;
use std::time::Duration;

use actix_web::test::TestRequest;
use core_types::messaging::ReplyEvent;
use core_types::models::ModelError;
use core_types::{ServiceError, Thing};
use doolittle_http::HttpSettings;
use serde_json::json;

use crate::fakes::{AGENT, CHANNEL, Call, REPLY, USER, message};
use crate::support::{Answer, Api, local};

fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (headers, content) in parts {
        body.extend_from_slice(format!("--edge\r\n{headers}\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    body
}

fn file(field: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{field}\"; filename=\"a.wav\"\r\nContent-Type: audio/wav")
}

fn field(name: &str) -> String {
    format!("Content-Disposition: form-data; name=\"{name}\"")
}

async fn post(api: &Api, path: &str, body: Vec<u8>) -> Answer {
    let request =
        local(TestRequest::post().uri(path)).insert_header(("content-type", "multipart/form-data; boundary=edge")).set_payload(body);
    api.send(request).await
}

fn paths(ends: &[&str]) -> Vec<String> {
    ends.iter().map(|end| format!("/api/audio/{AGENT}/{end}")).collect()
}

#[actix_web::test]
async fn a_recording_becomes_words_on_every_path() {
    let agent = field("agentId");
    let heard = Call::Transcribe(AGENT.parse().unwrap(), b"sound".to_vec());
    for name in ["audio", "file"] {
        let api = Api::open();
        let sent = form(&[(&file(name), b"sound"), (&agent, AGENT.as_bytes())]);
        let data = post(&api, "/api/audio/transcribe", sent).await.data(200);
        assert_eq!(data, json!({"transcription": "what was said", "text": "what was said"}));
        assert_eq!(api.fakes.calls().pop(), Some(heard.clone()));
        for (path, message) in paths(&["transcriptions", "audio-messages"]).into_iter().zip([None, Some("Audio transcribed")]) {
            let data = post(&api, &path, form(&[(&file(name), b"sound")])).await.data(200);
            assert_eq!((data["text"].as_str(), data["transcription"].as_str()), (Some("what was said"), Some("what was said")));
            assert_eq!(data["message"].as_str(), message, "{path}");
            assert_eq!(api.fakes.calls().pop(), Some(heard.clone()));
        }
    }
}

#[actix_web::test]
async fn a_form_must_have_a_recording_and_an_agent() {
    let (x, agent) = (field("x"), field("agentId"));
    let (audio, wrong) = (file("audio"), file("recording"));
    for (path, parts, code, part_of_message) in [
        ("/api/audio/transcribe", vec![(agent.as_str(), AGENT.as_bytes())], "INVALID_REQUEST", "No audio file provided"),
        ("/api/audio/transcribe", vec![(&audio, b"sound")], "INVALID_REQUEST", "agentId is required"),
        ("/api/audio/transcribe", vec![(&audio, b"sound"), (&agent, b"zzz")], "INVALID_ID", "agentId"),
        ("/api/audio/transcribe", vec![(&wrong, b"sound"), (&agent, AGENT.as_bytes())], "INVALID_REQUEST", "in the field `file`"),
        ("/api/audio/transcribe", vec![(&audio, b"sound"), (&file("file"), b"sound")], "INVALID_REQUEST", "Only one file"),
        (&paths(&["transcriptions"])[0], vec![(&x, b"1")], "INVALID_REQUEST", "No audio file provided"),
        ("/api/audio/zzz/transcriptions", vec![(&audio, b"sound")], "INVALID_ID", "Invalid agent ID format"),
        (&paths(&["audio-messages"])[0], vec![], "INVALID_REQUEST", "No audio file provided"),
        (&paths(&["speech/conversation"])[0], vec![(&x, b"1")], "INVALID_REQUEST", "No audio file provided"),
        (&paths(&["speech/conversation"])[0], vec![(&audio, b"sound"), (&field("roomId"), b"zzz")], "INVALID_ID", "roomId"),
    ] {
        let api = Api::open();
        let message = post(&api, path, form(&parts)).await.error(400, code);
        assert!(message.contains(part_of_message), "{path}: {message}");
        assert!(!api.fakes.calls().iter().any(|call| matches!(call, Call::Transcribe(..) | Call::Ask(..))), "{path}");
    }
    let api = Api::open();
    api.post("/api/audio/transcribe", json!({"agentId": AGENT})).await.error(400, "INVALID_REQUEST");
}

#[actix_web::test]
async fn a_recording_has_the_bound_of_uploads() {
    let api = Api::with(None, HttpSettings { upload_limit: 1_000, ..HttpSettings::default() });
    let sent = form(&[(&file("file"), &vec![b'x'; 70_000])]);
    post(&api, &paths(&["transcriptions"])[0], sent).await.error(413, "FILE_TOO_LARGE");
    assert!(!api.fakes.calls().iter().any(|call| matches!(call, Call::Transcribe(..))));
}

#[actix_web::test]
async fn a_text_becomes_sound_on_every_path() {
    let requests = paths(&["speech/generate", "audio-messages/synthesize"]).into_iter().map(|path| (path, json!({"text": "Hello"})));
    let seed = ("/api/audio/generate".to_owned(), json!({"text": "Hello", "agentId": AGENT}));
    for (path, body) in requests.chain([seed]) {
        let api = Api::open();
        let answer = api.post(&path, body).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"RIFF sound"[..]), "{path}");
        assert_eq!((answer.header("content-type"), answer.header("x-content-type-options")), (Some("audio/wav"), Some("nosniff")));
        assert_eq!(api.fakes.calls().pop(), Some(Call::Speak(AGENT.parse().unwrap(), "Hello".to_owned())));
    }
}

#[actix_web::test]
async fn a_text_must_be_one_that_can_be_said() {
    let long = "x".repeat(4_097);
    for (body, code) in [
        (json!({}), "INVALID_REQUEST"),
        (json!({"text": ""}), "INVALID_REQUEST"),
        (json!({"text": " \n\t"}), "INVALID_REQUEST"),
        (json!({"text": null}), "INVALID_REQUEST"),
        (json!({"text": 5}), "INVALID_REQUEST"),
        (json!({"text": long}), "INVALID_REQUEST"),
        (json!([]), "INVALID_JSON"),
    ] {
        for path in paths(&["speech/generate", "audio-messages/synthesize", "speech/conversation"]) {
            let api = Api::open();
            api.post(&path, body.clone()).await.error(400, code);
            assert!(api.fakes.calls().is_empty(), "{path} {body}");
        }
    }
    let api = Api::open();
    let path = &paths(&["speech/generate"])[0];
    assert!(api.post(path, json!({"text": "x".repeat(4_096)})).await.status == 200);
    api.post("/api/audio/zzz/speech/generate", json!({"text": "x"})).await.error(400, "INVALID_ID");
    api.post("/api/audio/generate", json!({"text": "x"})).await.error(400, "INVALID_REQUEST");
    api.post("/api/audio/generate", json!({"text": "x", "agentId": "zzz"})).await.error(400, "INVALID_ID");
    api.post("/api/audio/generate", json!({"agentId": AGENT})).await.error(400, "INVALID_REQUEST");
    // No body is as good as an empty one.
    api.send(local(TestRequest::post().uri(path))).await.error(400, "INVALID_REQUEST");
}

#[actix_web::test]
async fn what_goes_wrong_has_its_status() {
    let model = || ModelError::TimedOut { provider: "flite".to_owned(), limit: Duration::from_secs(9) };
    for (error, status, code) in [
        (ServiceError::SpeechUnavailable { message: "Install flite".to_owned() }, 503, "SPEECH_UNAVAILABLE"),
        (ServiceError::Overloaded { message: "busy".to_owned(), retry_after: Duration::from_secs(5) }, 503, "OVERLOADED"),
        (ServiceError::NotFound(Thing::Agent), 404, "AGENT_NOT_FOUND"),
        (ServiceError::Unsupported { message: "no sound".to_owned() }, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (ServiceError::Model(model()), 500, "PROCESSING_ERROR"),
    ] {
        let api = Api::open();
        let shown = error.to_string();
        api.fakes.fail_with(error);
        let answer = api.post(&paths(&["speech/generate"])[0], json!({"text": "Hello"})).await;
        assert_eq!(answer.error(status, code), shown);
        assert_eq!(answer.header("retry-after").is_some(), code == "OVERLOADED");
    }
}

#[actix_web::test]
async fn a_question_is_answered_aloud_typed_or_spoken() {
    let asked = |words: &str, name: Option<&str>| {
        let (channel, user) = (Some(CHANNEL.parse().unwrap()), Some(USER.parse().unwrap()));
        Call::Ask(AGENT.parse().unwrap(), channel, user, name.map(str::to_owned), words.to_owned())
    };
    let path = &paths(&["speech/conversation"])[0];
    let replied = || ReplyEvent::Replied(Arc::new(message()));
    let api = Api::open();
    api.fakes.replies.lock().unwrap().push_back(replied());
    let body = json!({"text": "How are you?", "roomId": CHANNEL, "entityId": USER, "worldId": USER, "userName": "Ann"});
    let answer = api.post(path, body).await;
    assert_eq!((answer.status, answer.body.as_slice(), answer.header("content-type")), (200, &b"RIFF sound"[..], Some("audio/wav")));
    assert_eq!((answer.header("x-channel-id"), answer.header("x-message-id")), (Some(CHANNEL), Some(REPLY)));
    let spoken = Call::Speak(AGENT.parse().unwrap(), "pong".to_owned());
    assert_eq!(api.fakes.calls(), [asked("How are you?", Some("Ann")), spoken.clone()]);

    let api = Api::open();
    api.fakes.replies.lock().unwrap().push_back(replied());
    let sent = form(&[(&file("file"), b"sound"), (&field("roomId"), CHANNEL.as_bytes()), (&field("entityId"), USER.as_bytes())]);
    let answer = post(&api, path, sent).await;
    let metadata = json!({"channelId": CHANNEL, "messageId": REPLY});
    assert_eq!(answer.data(200), json!({"text": "pong", "audio": "UklGRiBzb3VuZA==", "format": "wav", "metadata": metadata}));
    assert_eq!(api.fakes.calls()[1..], [asked("sound", None), spoken]);
}

#[actix_web::test]
async fn a_reply_comes_as_sound_or_as_json_as_it_is_wanted() {
    let [conversation, speech] = ["speech/conversation", "speech"].map(|end| paths(&[end]).remove(0));
    let recording = || form(&[(&file("file"), b"sound")]);
    for (path, accept, spoken, kind) in [
        (&conversation, "*/*", false, "audio/wav"),
        (&conversation, "application/json", false, "application/json; charset=utf-8"),
        (&conversation, "audio/*", false, "audio/wav"),
        (&conversation, "*/*", true, "application/json; charset=utf-8"),
        (&conversation, "audio/wav", true, "audio/wav"),
        (&speech, "audio/wav", false, "application/json; charset=utf-8"),
        (&speech, "*/*", true, "application/json; charset=utf-8"),
    ] {
        let api = Api::open();
        api.fakes.replies.lock().unwrap().push_back(ReplyEvent::Replied(Arc::new(message())));
        let request = local(TestRequest::post().uri(path)).insert_header(("accept", accept));
        let request = if spoken {
            request.insert_header(("content-type", "multipart/form-data; boundary=edge")).set_payload(recording())
        } else {
            request.set_json(json!({"text": "Hm"}))
        };
        let answer = api.send(request).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path} {accept} {spoken}");
        assert_eq!(answer.header("x-message-id"), Some(REPLY));
    }
}

#[actix_web::test]
async fn a_reply_that_is_silence_is_json_without_sound() {
    let api = Api::open();
    api.fakes.replies.lock().unwrap().push_back(ReplyEvent::Silent { superseded_by: None });
    let data = api.post(&paths(&["speech"])[0], json!({"text": "Hm", "roomId": CHANNEL})).await.data(200);
    assert_eq!(data, json!({"text": "", "metadata": {"channelId": CHANNEL, "messageId": ""}}));
}

#[actix_web::test]
async fn the_text_of_a_message_becomes_sound_in_json() {
    let path = &paths(&["audio-messages/synthesize"])[0];
    let api = Api::open();
    let data = api.post(path, json!({"messageId": REPLY, "voice": "nova", "format": "wav"})).await.data(200);
    assert_eq!(data, json!({"audio": "UklGRiBzb3VuZA==", "format": "wav"}));
    assert_eq!(api.fakes.calls(), [Call::Message(REPLY.parse().unwrap()), Call::Speak(AGENT.parse().unwrap(), "pong".to_owned())]);
    api.post(path, json!({"messageId": "zz"})).await.error(400, "INVALID_ID");
    // A text counts before a message.
    assert_eq!(api.post(path, json!({"messageId": REPLY, "text": "Hello"})).await.header("content-type"), Some("audio/wav"));
    api.fakes.fail_with(ServiceError::NotFound(Thing::Message));
    api.post(path, json!({"messageId": REPLY})).await.error(404, "MESSAGE_NOT_FOUND");
}

#[actix_web::test]
async fn a_question_without_a_room_or_an_author_is_asked_all_the_same() {
    let api = Api::open();
    api.fakes.replies.lock().unwrap().push_back(ReplyEvent::Silent { superseded_by: None });
    let request =
        TestRequest::post().uri(&paths(&["speech/conversation"])[0]).insert_header(("x-entity-id", USER)).set_json(json!({"text": "Hm"}));
    let answer = api.send(local(request)).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(api.fakes.calls(), [Call::Ask(AGENT.parse().unwrap(), None, Some(USER.parse().unwrap()), None, "Hm".to_owned())]);
}

#[actix_web::test]
async fn a_question_without_an_answer_says_why() {
    for (event, status, code) in [
        (ReplyEvent::Failed("no model".to_owned()), 500, "PROCESSING_ERROR"),
        (ReplyEvent::Deleted("the agent is gone".to_owned()), 409, "REPLY_CANCELLED"),
        (ReplyEvent::TimedOut, 504, "REPLY_TIMEOUT"),
    ] {
        let api = Api::open();
        api.fakes.replies.lock().unwrap().push_back(event);
        api.post(&paths(&["speech/conversation"])[0], json!({"text": "Hm"})).await.error(status, code);
    }
}
