//! What the real server was asked and said, asked of Doolittle.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test, what must work and does not is a failure")]

use std::collections::BTreeSet;

use conformance::golden::{Exceptions, Names, Verdict, recordings, replay};
use conformance::stub;
use conformance::world::DEFAULT_SERVER;
use serde_json::json;
use testkit::caller::Caller;
use testkit::server::TestServer;

/// The person, the agent and the channel that were there before the first recording, and an id that names nothing.
const USER: &str = "8ff3442d-deec-4e87-b795-ca44c826dc0c";
const AGENT: &str = "b850bc30-45f8-0041-a00a-83df46d8555d";
const CHANNEL: &str = "25933be3-f43d-4ecb-b644-fcd71baa15eb";
const UNKNOWN: &str = "11111111-1111-4111-8111-111111111111";

/// Makes what was there before the first recording.
async fn setting(caller: &Caller) -> Names {
    let character = json!({
        "name": "Eliza", "username": "eliza", "system": "You are a deterministic test agent.",
        "bio": ["A deterministic test agent", "Second bio line"], "topics": ["testing"], "adjectives": ["deterministic"],
        "style": {"all": ["be brief"], "chat": ["be brief"], "post": ["be brief"]},
        "settings": {"avatar": "https://example.com/avatar.png"},
    });
    let made = caller.post("/api/agents", &json!({"agent": character})).await.data(201);
    // An agent's id follows from its name.
    assert_eq!(made["id"], AGENT);
    caller.post(&format!("/api/agents/{AGENT}/start"), &json!({})).await.data(200);
    let channel = json!({
        "name": "golden-dm", "type": "DM", "message_server_id": DEFAULT_SERVER, "participantCentralUserIds": [USER, AGENT],
    });
    let channel = caller.post("/api/messaging/channels", &channel).await.data(201);
    let mut names = Names::default();
    for constant in [USER, AGENT, UNKNOWN, DEFAULT_SERVER] {
        names.learn(constant, constant);
    }
    names.learn(CHANNEL, channel["id"].as_str().unwrap());
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_exchange_holds_or_is_a_named_exception() {
    let model = stub::serve(0).await.unwrap();
    let settings = [
        ("OPENAI_BASE_URL", model.base_url()),
        ("OPENAI_API_KEY", "x"),
        ("OPENAI_TTS_MODEL", "stub"),
        ("OPENAI_TRANSCRIPTION_MODEL", "stub"),
    ];
    let server = TestServer::with(&settings).await;
    std::fs::write(server.characters().join("pathbob.json"), r#"{"name": "PathBob", "bio": ["from path"]}"#).unwrap();
    // What clients send that no document has is asked here, too.
    let caller = Caller::of(server.address());
    let mut names = setting(&caller).await;
    let exceptions = Exceptions::read().unwrap();
    let mut failed = Vec::new();
    for (name, recording) in recordings().unwrap() {
        if let Verdict::Failed(why) = replay(&caller, &name, &recording, &mut names, &exceptions).await.verdict {
            failed.push(format!("{name}: {} {}: {why}", recording.method, recording.path));
        }
    }
    assert!(failed.is_empty(), "{} of the recorded exchanges do not hold:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn every_exception_names_an_exchange() {
    let known: BTreeSet<String> = recordings().unwrap().into_iter().map(|(name, _)| name).collect();
    assert!(known.len() > 400);
    let exceptions = Exceptions::read().unwrap();
    let unknown: Vec<&str> = exceptions.names().filter(|name| !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "no such exchange: {unknown:?}");
}
