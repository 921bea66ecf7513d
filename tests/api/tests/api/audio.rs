//! Speech: by a scripted service, and by the programs of this machine.

use std::io::Write as _;
use std::path::PathBuf;

use core_types::ids::string_to_uuid;
use serde_json::{Value, json};
use testkit::caller::{Answer, Caller, Request};
use testkit::server::{KEY, TestServer};

use crate::support::{
    ANN, BEN, DEFAULT, NOTHING, SOUND, create_agent, create_channel, messages_of, open, refused, running_agent, saying_aloud, snapshot,
    talking, text, texts, with,
};

/// One second of silence.
fn wav() -> Vec<u8> {
    let mut bytes = b"RIFF\xa4\x3e\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x80\x3e\0\0".to_vec();
    bytes.resize(44 + 16_000, 0);
    bytes
}

/// A form with a recording in the field `file`, and with other fields.
fn form(path: &str, kind: &str, bytes: &[u8], fields: &[(&str, &str)]) -> Request {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend_from_slice(format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes());
    }
    let head = format!("--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: {kind}\r\n\r\n");
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    Request::new("POST", path).header("content-type", "multipart/form-data; boundary=edge").body(body)
}

fn path(agent: &str, end: &str) -> String {
    format!("/api/audio/{agent}/{end}")
}

/// How many files the server keeps, whatever they are.
fn kept(server: &TestServer) -> usize {
    let media = server.directory().join("media");
    let within = |entry: std::fs::DirEntry| if entry.path().is_dir() { std::fs::read_dir(entry.path()).unwrap().count() } else { 1 };
    std::fs::read_dir(media).unwrap().map(|entry| within(entry.unwrap())).sum()
}

/// Waits until nothing is kept any more.
async fn nothing_kept(server: &TestServer) {
    for _ in 0..10_000 {
        if kept(server) == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{} files are left", kept(server));
}

#[tokio::test]
async fn recordings_become_words_and_are_not_kept() {
    let model = saying_aloud("Nothing much.").await;
    let (server, ann) = talking(&model, &[]).await;
    let agent = running_agent(&ann, "Alice").await;
    for end in ["transcriptions", "audio-messages"] {
        let data = ann.send(form(&path(&agent, end), "audio/wav", &wav(), &[])).await.data(200);
        assert_eq!((&data["text"], &data["transcription"]), (&json!("What is new?"), &json!("What is new?")), "{end}");
    }
    let answer = ann.send(form("/api/audio/transcribe", "audio/x-wav", &wav(), &[("agentId", &agent)])).await;
    snapshot!("recording_transcribed", answer);
    let heard = model.requests().iter().filter(|request| request.path == "/v1/audio/transcriptions").count();
    assert_eq!(heard, 3);
    nothing_kept(&server).await;
}

#[tokio::test]
async fn texts_become_sound_with_the_voice_of_the_character() {
    let model = saying_aloud("Nothing much.").await;
    let (_server, ann) = talking(&model, &[("OPENAI_TTS_VOICE", "sage")]).await;
    let agent = running_agent(&ann, "Alice").await;
    let character = json!({"characterJson": {"name": "Bella", "bio": [], "settings": {"voice": {"model": "alloy"}}}});
    let bella = text(&ann.post("/api/agents", &character).await.data(201)["id"]);
    ann.post(&format!("/api/agents/{bella}/start"), &json!({})).await.data(200);
    let body = |agent: &str| json!({"text": "Hello, this is a test message.", "agentId": agent});
    for (request_path, agent) in [
        ("/api/audio/generate".to_owned(), &agent),
        (path(&agent, "speech/generate"), &agent),
        (path(&agent, "audio-messages/synthesize"), &agent),
        ("/api/audio/generate".to_owned(), &bella),
    ] {
        let answer = ann.post(&request_path, &body(agent)).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, SOUND), "{request_path}");
        let length = SOUND.len().to_string();
        assert_eq!((answer.header("content-type"), answer.header("content-length")), (Some("audio/mpeg"), Some(length.as_str())));
    }
    let voices: Vec<Value> = model.requests().iter().map(|request| request.body["voice"].clone()).collect();
    assert_eq!(voices, ["sage", "sage", "sage", "alloy"]);
}

#[tokio::test]
async fn an_agent_speaks_with_its_own_key_and_the_servers_key_stays_at_home() {
    let (servers, own) = (saying_aloud("a").await, saying_aloud("b").await);
    let (_server, ann) = talking(&servers, &[]).await;
    let settings = json!({
        "OPENAI_TTS_MODEL": "own", "secrets": {"OPENAI_API_KEY": "sk-agent", "OPENAI_BASE_URL": own.base_url()},
    });
    let character = json!({"characterJson": {"name": "Bella", "bio": [], "settings": settings}});
    let bella = text(&ann.post("/api/agents", &character).await.data(201)["id"]);
    ann.post(&format!("/api/agents/{bella}/start"), &json!({})).await.data(200);
    assert_eq!(ann.post(&path(&bella, "speech/generate"), &json!({"text": "Hi"})).await.status, 200);
    assert!(servers.requests().is_empty());
    let sent = own.requests();
    assert_eq!((sent[0].header("authorization"), &sent[0].body["model"]), (Some("Bearer sk-agent"), &json!("own")));
    // An address without a key of its own is not the agent's to choose.
    let settings = json!({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"});
    let character = json!({"characterJson": {"name": "Carla", "bio": [], "settings": settings}});
    let carla = text(&ann.post("/api/agents", &character).await.data(201)["id"]);
    ann.post(&format!("/api/agents/{carla}/start"), &json!({})).await.data(200);
    ann.post(&path(&carla, "speech/generate"), &json!({"text": "Hi"})).await;
    assert!(servers.requests().iter().all(|request| request.header("authorization") == Some("Bearer sk-server")));
}

#[tokio::test]
async fn a_question_is_answered_aloud_and_both_are_messages() {
    let model = saying_aloud("Nothing much.").await;
    let (server, ann) = talking(&model, &[]).await;
    let agent = running_agent(&ann, "Alice").await;
    let channel = create_channel(&ann, "DM", &[ANN, &agent]).await;
    let ask = path(&agent, "speech/conversation");
    let typed = json!({"text": "How are you?", "roomId": channel, "entityId": ANN, "userName": "Ann"});
    let answer = ann.post(&ask, &typed).await;
    assert_eq!((answer.status, answer.body.as_slice(), answer.header("content-type")), (200, SOUND, Some("audio/mpeg")));
    assert_eq!(answer.header("x-channel-id"), Some(channel.as_str()));
    let reply = answer.header("x-message-id").unwrap();
    assert_eq!(ann.get(&format!("/api/messaging/messages/{reply}")).await.data(200)["content"], "Nothing much.");
    let spoken = || form(&ask, "audio/wav", &wav(), &[("roomId", &channel), ("entityId", ANN)]);
    assert_eq!(ann.send(spoken().header("accept", "audio/*")).await.body, SOUND);
    assert_eq!(texts(&ann, &channel).await, ["How are you?", "Nothing much.", "What is new?", "Nothing much."]);
    // As the official client reads it.
    let told = ann.send(spoken()).await.data(200);
    assert_eq!(
        (&told["text"], &told["format"], &told["metadata"]["channelId"]),
        (&json!("Nothing much."), &json!("mpeg"), &json!(channel))
    );
    let said: Vec<_> =
        model.requests().iter().filter(|request| request.path.ends_with("/speech")).map(|request| request.body["input"].clone()).collect();
    assert_eq!(said, ["Nothing much.", "Nothing much.", "Nothing much."]);
    nothing_kept(&server).await;
}

#[tokio::test]
async fn a_question_without_a_room_has_one_of_its_own() {
    let model = saying_aloud("Nothing much.").await;
    let (_server, ann) = talking(&model, &[]).await;
    let agent = running_agent(&ann, "Alice").await;
    let ask = path(&agent, "speech/conversation");
    let channel = async |body: Value| text(&json!(ann.post(&ask, &body).await.header("x-channel-id").unwrap()));
    let first = channel(json!({"text": "One", "entityId": ANN})).await;
    assert_eq!(channel(json!({"text": "Two", "entityId": ANN})).await, first);
    let nobodys = channel(json!({"text": "Three"})).await;
    assert_ne!(nobodys, first);
    assert_eq!(texts(&ann, &first).await, ["One", "Nothing much.", "Two", "Nothing much."]);
    let details = ann.get(&format!("/api/messaging/central-channels/{first}/details")).await.data(200);
    assert_eq!(details["type"], "DM", "{details}");
    // The same key asks once, and is answered again.
    let keyed = Request::post(&ask, &json!({"text": "Four", "entityId": ANN})).header("idempotency-key", "k");
    for _ in 0..2 {
        assert_eq!(ann.send(keyed.clone()).await.body, SOUND);
    }
    assert_eq!(texts(&ann, &first).await.len(), 6);
}

#[tokio::test]
async fn where_another_took_the_channel_of_speech_the_channel_of_two_is_spoken_in() {
    let model = saying_aloud("Nothing much.").await;
    let (server, nobody) = talking(&model, &[("ELIZA_SERVER_AUTH_TOKEN", KEY)]).await;
    let owner = server.key_holder();
    let tenant = async |name: &str| {
        let key = json!({"name": name, "scopes": ["agents:read", "agents:write", "messages:read", "messages:write"]});
        nobody.with_key(&text(&owner.post("/api/keys", &key).await.data(201)["key"]))
    };
    let (victim, attacker) = (tenant("victim").await, tenant("attacker").await);
    let agent = running_agent(&victim, "Alice").await;
    let asked = async |person: &str| {
        let answer = victim.post(&path(&agent, "speech/conversation"), &json!({"text": "How are you?", "entityId": person})).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, SOUND), "{answer}");
        answer.header("x-channel-id").unwrap().to_owned()
    };
    // Its id can be worked out.
    let of_speech = |person: &str| string_to_uuid(&format!("6:victim:speech:{agent}:{person}")).to_string();
    assert_eq!(asked(BEN).await, of_speech(BEN));
    let taken = of_speech(ANN);
    let trap = json!({"author_id": ANN, "content": "mine", "message_server_id": DEFAULT, "metadata": {"isDm": true}});
    attacker.post(&messages_of(&taken), &trap).await.data(201);
    let channel = asked(ANN).await;
    assert_ne!(channel, taken);
    assert_eq!(asked(ANN).await, channel, "it is one and the same from then on");
    let two = format!("/api/messaging/dm-channel?targetUserId={agent}&currentUserId={ANN}&dmServerId={DEFAULT}");
    assert_eq!(victim.get(&two).await.data(200)["id"], channel);
    assert_eq!(texts(&victim, &channel).await, ["How are you?", "Nothing much.", "How are you?", "Nothing much."]);
    assert_eq!(texts(&attacker, &taken).await, ["mine"]);
    attacker.get(&messages_of(&channel)).await.error(404, "CHANNEL_NOT_FOUND");
}

#[tokio::test]
async fn a_long_reply_is_said_in_part_and_kept_as_a_whole() {
    static LONG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "This is a sentence. ".repeat(500).trim().to_owned());
    let model = saying_aloud(&LONG).await;
    let (_server, ann) = talking(&model, &[]).await;
    let agent = running_agent(&ann, "Alice").await;
    let answer = ann.post(&path(&agent, "speech/conversation"), &json!({"text": "Tell me.", "entityId": ANN})).await;
    assert_eq!(answer.body, SOUND);
    let reply = answer.header("x-message-id").unwrap();
    assert_eq!(ann.get(&format!("/api/messaging/messages/{reply}")).await.data(200)["content"], LONG.as_str());
    let requests = model.requests();
    let said = requests.iter().find(|request| request.path.ends_with("/speech")).unwrap().body["input"].as_str().unwrap();
    assert!(said.len() <= 4_096 && said.ends_with("sentence."), "{} characters", said.len());
}

#[tokio::test]
async fn what_is_wrong_is_told_and_changes_nothing() {
    let model = saying_aloud("Nothing much.").await;
    let (server, ann) = talking(&model, &[("MEDIA_MAX_UPLOAD", "100kb")]).await;
    let agent = running_agent(&ann, "Alice").await;
    let stopped = create_agent(&ann, "Ben").await;
    let elsewhere = create_channel(&ann, "GROUP", &[ANN]).await;
    let (hear, say, ask) = (path(&agent, "transcriptions"), path(&agent, "speech/generate"), path(&agent, "speech/conversation"));
    let said = |path: &str, body: Value| Request::post(path, &body);
    let wav = wav();
    let large = [wav.clone(), vec![0; 200_000]].concat();
    let html = b"<!DOCTYPE html><script>alert(1)</script>";
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
    let mut cases = vec![
        (form(&hear, "audio/wav", html, &[]), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (form(&hear, "text/plain", b"words", &[]), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (form(&hear, "image/png", png, &[]), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (form(&hear, "text/html", html, &[]), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (form(&hear, "audio/midi", b"MThd", &[]), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (form(&hear, "audio/wav", b"", &[]), 400, "INVALID_REQUEST"),
        (form(&hear, "audio/wav", &large, &[]), 413, "FILE_TOO_LARGE"),
        (form(&hear, "audio/wav", &large, &[]).chunked(), 413, "FILE_TOO_LARGE"),
        (said(&hear, json!({"text": "x"})), 400, "INVALID_REQUEST"),
        (form("/api/audio/transcribe", "audio/wav", &wav, &[]), 400, "INVALID_REQUEST"),
        (form("/api/audio/transcribe", "audio/wav", &wav, &[("agentId", "x")]), 400, "INVALID_ID"),
        (form("/api/audio/transcribe", "audio/wav", &wav, &[("agentId", NOTHING)]), 404, "AGENT_NOT_FOUND"),
        (form(&path("zzz", "transcriptions"), "audio/wav", &wav, &[]), 400, "INVALID_ID"),
        (said(&say, json!({})), 400, "INVALID_REQUEST"),
        (said(&say, json!({"text": "\n"})), 400, "INVALID_REQUEST"),
        (said(&say, json!({"text": "x".repeat(4_097)})), 400, "INVALID_REQUEST"),
        (said(&ask, json!({"text": ""})), 400, "INVALID_REQUEST"),
        (said(&ask, json!({"text": "x".repeat(4_097)})), 400, "INVALID_REQUEST"),
        (said(&ask, json!({"text": "Hi", "roomId": "x"})), 400, "INVALID_ID"),
        (said(&ask, json!({"text": "Hi", "entityId": 5})), 400, "INVALID_ID"),
        (said(&ask, json!({"text": "Hi", "entityId": agent})), 403, "FORBIDDEN"),
        (said(&ask, json!({"text": "Hi", "roomId": elsewhere})), 400, "NO_AGENT"),
        (form(&ask, "audio/wav", html, &[]), 415, "UNSUPPORTED_MEDIA_TYPE"),
    ];
    for agent in [NOTHING, &stopped] {
        cases.push((form(&path(agent, "transcriptions"), "audio/wav", &wav, &[]), 404, "AGENT_NOT_FOUND"));
        cases.push((form(&path(agent, "audio-messages"), "audio/wav", &wav, &[]), 404, "AGENT_NOT_FOUND"));
        cases.push((said("/api/audio/generate", json!({"text": "x", "agentId": agent})), 404, "AGENT_NOT_FOUND"));
        cases.push((said(&path(agent, "speech/generate"), json!({"text": "x"})), 404, "AGENT_NOT_FOUND"));
        cases.push((said(&path(agent, "audio-messages/synthesize"), json!({"text": "x"})), 404, "AGENT_NOT_FOUND"));
        cases.push((said(&path(agent, "speech/conversation"), json!({"text": "x"})), 404, "AGENT_NOT_FOUND"));
    }
    refused(&ann, cases).await;
    nothing_kept(&server).await;
}

#[tokio::test]
async fn where_nothing_is_set_up_it_is_said_what_to_do() {
    let (server, ann) = open().await;
    let agent = running_agent(&ann, "Alice").await;
    refused(
        &ann,
        [
            (form(&path(&agent, "transcriptions"), "audio/wav", &wav(), &[]), 503, "SPEECH_UNAVAILABLE"),
            (Request::post(&path(&agent, "speech/generate"), &json!({"text": "Hi"})), 503, "SPEECH_UNAVAILABLE"),
            (Request::post(&path(&agent, "speech/conversation"), &json!({"text": "Hi"})), 503, "SPEECH_UNAVAILABLE"),
        ],
    )
    .await;
    snapshot!("nothing_speaks", ann.post(&path(&agent, "speech/generate"), &json!({"text": "Hi"})).await);
    snapshot!("nothing_hears", ann.send(form(&path(&agent, "transcriptions"), "audio/wav", &wav(), &[])).await);
    assert_eq!(ann.get("/api/system/status").await.data(200)["speech"], json!({}));
    nothing_kept(&server).await;
}

#[tokio::test]
async fn speech_needs_the_key_and_counts_as_an_upload() {
    let server = TestServer::keyed().await;
    server.caller().post(&path(NOTHING, "speech/generate"), &json!({"text": "Hi"})).await.error(401, "UNAUTHORIZED");
    server.caller().send(form(&path(NOTHING, "transcriptions"), "audio/wav", &wav(), &[])).await.error(401, "UNAUTHORIZED");
    let (_limited, ann) = with(&[("RATE_LIMIT_MAX", "100"), ("RATE_LIMIT_UPLOAD_MAX", "1")]).await;
    ann.post(&path(NOTHING, "speech/generate"), &json!({"text": "Hi"})).await.error(404, "AGENT_NOT_FOUND");
    ann.post(&path(NOTHING, "speech/generate"), &json!({"text": "Hi"})).await.error(429, "UPLOAD_RATE_LIMIT_EXCEEDED");
}

#[expect(clippy::disallowed_methods, reason = "where programs are, and which must be there, is a setting of the test run alone")]
fn path_and_required() -> (Vec<PathBuf>, bool) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    (std::env::split_paths(&path).collect(), std::env::var("DOOLITTLE_REQUIRE_SPEECH").as_deref() == Ok("1"))
}

/// A server that speaks and hears with the programs of this machine, an agent, and Ann; `None`, said loudly, where there are
/// none.
async fn with_programs() -> Option<(TestServer, Caller, String)> {
    let (path, required) = path_and_required();
    for program in ["flite", "pocketsphinx_continuous"] {
        if !path.iter().any(|directory| directory.join(program).exists()) {
            assert!(!required, "no {program}");
            // Past the test runner, which keeps what a passing test prints to itself; without a standard error nobody is there.
            let _ = writeln!(std::io::stderr(), "SKIPPED: what flite says is not heard (no {program}; .ci/speech installs it)");
            return None;
        }
    }
    let server = TestServer::finding(path, &[("SPEECH_SYNTHESIZER", "flite"), ("SPEECH_TRANSCRIBER", "pocketsphinx")]).await;
    let ann = server.caller();
    let character = json!({"characterJson": {"name": "Alice", "bio": [], "settings": {"voice": {"model": "awb"}}}});
    let agent = text(&ann.post("/api/agents", &character).await.data(201)["id"]);
    ann.post(&format!("/api/agents/{agent}/start"), &json!({})).await.data(200);
    Some((server, ann, agent))
}

fn is_wav(answer: &Answer) -> bool {
    answer.status == 200 && answer.header("content-type") == Some("audio/wav") && answer.body.starts_with(b"RIFF")
}

#[tokio::test]
async fn what_is_said_is_heard_again() {
    let Some((server, ann, agent)) = with_programs().await else { return };
    let engines = json!({"synthesizer": "flite (slt)", "transcriber": "pocketsphinx"});
    assert_eq!(ann.get("/api/system/status").await.data(200)["speech"], engines);
    let said = ann.post("/api/audio/generate", &json!({"text": "The weather is nice today.", "agentId": agent})).await;
    assert!(is_wav(&said), "{said}");
    let heard = ann.send(form("/api/audio/transcribe", "audio/wav", &said.body, &[("agentId", &agent)])).await.data(200);
    let words = text(&heard["transcription"]);
    for word in ["weather", "nice", "today"] {
        assert!(words.split(' ').any(|found| found == word), "{word} is not in {words:?}");
    }
    // A question that is spoken is answered aloud, by rules that need no model.
    let question = form(&path(&agent, "speech/conversation"), "audio/wav", &said.body, &[("entityId", ANN)]);
    let answer = ann.send(question.header("accept", "audio/*")).await;
    assert!(is_wav(&answer), "{answer}");
    let conversation = texts(&ann, answer.header("x-channel-id").unwrap()).await;
    assert!(conversation.len() == 2 && conversation[0].contains("weather"), "{conversation:?}");
    nothing_kept(&server).await;
}

#[tokio::test]
async fn programs_are_given_nothing_but_text_and_sound() {
    let Some((server, ann, agent)) = with_programs().await else { return };
    for text in ["--help", "-o /tmp/elsewhere", "$(touch x); `id`", "<speak>hi</speak>"] {
        let said = ann.post(&path(&agent, "speech/generate"), &json!({"text": text})).await;
        assert!(is_wav(&said), "{text}: {said}");
    }
    let wav = wav();
    for (bytes, status) in
        [(&wav[..], 200), (&wav[..1_000], 200), (&wav[..44], 400), (b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff", 400)]
    {
        let heard = ann.send(form(&path(&agent, "transcriptions"), "audio/wav", bytes, &[])).await;
        assert_eq!(heard.status, status, "{} bytes: {heard}", bytes.len());
    }
    ann.send(form(&path(&agent, "speech/conversation"), "audio/wav", &wav, &[])).await.error(400, "INVALID_REQUEST");
    nothing_kept(&server).await;
}
