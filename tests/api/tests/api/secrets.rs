//! Secrets go in and never come out.

use serde_json::{Value, json};
use testkit::caller::Request;
use testkit::scripted::{Reply, ScriptedModel};

use crate::support::{ANN, create_channel, dm, exchange, open, saying, snapshot, speaking, stream, text, watch, with, with_field};

const CANARY: &str = "canary-4f9d2c81";

fn secrets_of(answer: &Value) -> Value {
    answer["settings"]["secrets"].clone()
}

#[tokio::test]
async fn a_secret_appears_in_no_answer_event_or_error() {
    // The model repeats the key in everything that it says, as some services do in their errors.
    let model =
        ScriptedModel::answering(|_| Reply::status(400, &json!({"error": {"message": format!("bad key {CANARY}-key")}}).to_string()));
    let model = model.await.unwrap();
    let (mut server, ann) = speaking(&model).await;
    let character = json!({
        "name": "Keeper", "bio": "b", "secrets": {"TOP": format!("{CANARY}-top")},
        "settings": {"OPENAI_BASE_URL": model.base_url(), "secrets": {"OPENAI_API_KEY": format!("{CANARY}-key"), "NUMBER": 12_345_678}},
    });
    std::fs::write(server.characters().join("keeper.json"), character.to_string()).unwrap();
    let created = ann.post("/api/agents", &json!({"characterJson": character})).await;
    snapshot!("agent_created_with_secrets", created);
    let id = text(&created.data(201)["id"]);
    let path = format!("/api/agents/{id}");
    ann.post("/api/agents", &json!({"characterPath": "keeper"})).await.data(201);
    ann.post("/api/agents", &json!({"agent": character})).await.data(201);
    let more = json!({"settings": {"secrets": {"PATCHED": format!("{CANARY}-patched")}}, "secrets": {"ALSO": format!("{CANARY}-also")}});
    ann.patch(&path, &more).await.data(200);

    for bad in [
        json!({"settings": {"secrets": {"K": [format!("{CANARY}-list")]}}}),
        json!({"settings": {"secrets": format!("{CANARY}-text")}}),
        json!({"name": 7, "secrets": {"K": format!("{CANARY}-refused")}}),
    ] {
        ann.patch(&path, &bad).await.error(400, "UPDATE_ERROR");
        let mut whole = json!({"name": "Other", "bio": "b"});
        whole.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        ann.post("/api/agents", &json!({"characterJson": whole})).await.error(400, "CREATE_ERROR");
    }
    let cut = format!(r#"{{"settings":{{"secrets":{{"K":"{CANARY}-cut"#);
    ann.send(Request::new("PATCH", &path).json_bytes(cut)).await.error(400, "INVALID_JSON");

    for verb in ["start", "restart", "stop", "start"] {
        ann.post(&format!("{path}/{verb}"), &json!({})).await.data(200);
    }
    let channel = create_channel(&ann, "DM", &[ANN, &id]).await;
    exchange(&ann, &channel, "ping", "http").await.error(500, "PROCESSING_ERROR");
    stream(&ann, &channel, "ping").await.all().await;
    watch(&ann, &channel).await.until("message_complete").await;
    for read in ["/api/agents", &path, &format!("{path}/logs?limit=1000"), "/api/server/status"] {
        ann.get(read).await;
    }
    server.restart().await;
    let shown = server.caller().get(&path).await.data(200);
    let masked = json!({
        "TOP": "********", "OPENAI_API_KEY": "********", "NUMBER": "********", "PATCHED": "********", "ALSO": "********",
    });
    assert_eq!(secrets_of(&shown), masked);

    assert!(model.requests().iter().all(|request| request.header("authorization") == Some(&format!("Bearer {CANARY}-key"))));
    assert!(!model.requests().is_empty(), "the secret is used all the same");
    let said = server.record().text();
    assert!(
        !said.contains(CANARY) && !said.contains("12345678"),
        "a secret was told: {:?}",
        said.find(CANARY).map(|at| &said[at.saturating_sub(500)..at])
    );
    for entry in std::fs::read_dir(server.directory()).unwrap() {
        let path = entry.unwrap().path();
        let kept = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        assert!(!kept.windows(CANARY.len()).any(|bytes| bytes == CANARY.as_bytes()), "{} holds a plain secret", path.display());
    }
}

#[tokio::test]
async fn masks_that_come_back_leave_secrets_as_they_are_and_null_removes_them() {
    let model = ScriptedModel::answering(|_| Reply::text("pong")).await.unwrap();
    let (server, ann) = speaking(&model).await;
    let (alice, channel) = dm(&server, &ann).await;
    let path = format!("/api/agents/{alice}");
    let own = json!({"settings": {"OPENAI_BASE_URL": model.base_url(), "secrets": {"OPENAI_API_KEY": "sk-own", "OTHER": "x"}}});
    ann.patch(&path, &own).await.data(200);
    let key = async || {
        exchange(&ann, &channel, "ping", "http").await.data(201);
        model.requests().last().unwrap().header("authorization").map(str::to_owned)
    };
    assert_eq!(key().await.as_deref(), Some("Bearer sk-own"));

    let shown = ann.get(&path).await.data(200);
    let round_trip = ann.patch(&path, &shown).await.data(200);
    let untimed = |agent: Value| with_field(agent, "updatedAt", json!(null));
    assert_eq!(untimed(round_trip), untimed(shown), "what was shown can be sent back as it is");
    assert_eq!(key().await.as_deref(), Some("Bearer sk-own"));

    let patched = ann.patch(&path, &json!({"settings": {"secrets": {"OPENAI_API_KEY": "sk-new", "OTHER": "********"}}})).await.data(200);
    assert_eq!(secrets_of(&patched), json!({"OPENAI_API_KEY": "********", "OTHER": "********"}));
    assert_eq!(key().await.as_deref(), Some("Bearer sk-new"));

    let removed = ann.patch(&path, &json!({"settings": {"secrets": {"OPENAI_API_KEY": null, "UNKNOWN": null}}})).await.data(200);
    assert_eq!(secrets_of(&removed), json!({"OTHER": "********"}));
    assert_eq!(secrets_of(&ann.get(&path).await.data(200)), json!({"OTHER": "********"}));
    assert_eq!(key().await, None);
    let left = ann.patch(&path, &json!({"settings": {"secrets": {}}})).await.data(200);
    assert_eq!(secrets_of(&left), json!({"OTHER": "********"}));
}

#[tokio::test]
async fn a_mask_in_a_creation_is_left_out_with_a_warning() {
    let (_server, ann) = open().await;
    let character = json!({"name": "Copy", "bio": "b", "settings": {"secrets": {"K": "********", "L": "real"}}});
    let data = ann.post("/api/agents", &json!({"characterJson": character})).await.data(201);
    assert!(text(&data["warnings"][0]).contains('K'), "{data}");
    let shown = ann.get(&format!("/api/agents/{}", text(&data["id"]))).await.data(200);
    assert_eq!(secrets_of(&shown), json!({"L": "********"}));
}

#[tokio::test]
async fn secrets_of_an_elizaos_agent_move_in() {
    let model = saying("pong").await;
    let (server, ann) = with(&[("SECRET_SALT", "my-32-byte-salt-value-for-prod!!")]).await;
    let url = model.base_url();
    let character = |name: &str, key: &str| json!({"characterJson": {"name": name, "bio": "b", "settings": {"secrets": {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": url}}}});
    // One encrypted with that salt, one with elizaOS's default, one with another.
    let known = "000102030405060708090a0b0c0d0e0f:630af98c23a0ea9b51e90ccee7b4850e";
    let created = ann.post("/api/agents", &character("Alice", known)).await.data(201);
    assert_eq!(created.get("warnings"), None, "{created}");
    let alice = text(&created["id"]);
    ann.post(&format!("/api/agents/{alice}/start"), &json!({})).await.data(200);
    let channel = create_channel(&ann, "DM", &[ANN, &alice]).await;
    exchange(&ann, &channel, "ping", "http").await.data(201);
    assert_eq!(model.requests()[0].header("authorization"), Some("Bearer sk-test-123"));

    let foreign = "0f0e0d0c0b0a09080706050403020100:00000000000000000000000000000000";
    let created = ann.post("/api/agents", &character("Bob", foreign)).await.data(201);
    assert!(text(&created["warnings"][0]).contains("OPENAI_API_KEY"), "{created}");
    drop(server);
}

/// While an agent goes on using its secrets, they come under another key, on disk too.
#[tokio::test]
async fn secrets_come_under_a_new_key_without_a_pause() {
    let model = saying("rotated").await;
    let (mut server, ann) = speaking(&model).await;
    let settings = json!({"OPENAI_BASE_URL": model.base_url(), "secrets": {"OPENAI_API_KEY": "sk-of-the-agent"}});
    let character = json!({"name": "Keeper", "bio": "b", "settings": settings});
    let id = text(&ann.post("/api/agents", &json!({"characterJson": character})).await.data(201)["id"]);
    ann.post(&format!("/api/agents/{id}/start"), &json!({})).await.data(200);
    let channel = create_channel(&ann, "DM", &[ANN, &id]).await;
    let file = server.directory().join("secret.key");
    let read = || std::fs::read_to_string(&file).unwrap().trim().to_owned();
    let mut keys = vec![read()];
    for _ in 0..2 {
        let rotation = ann.post("/api/secrets/rotate", &json!({})).await.data(200);
        assert_eq!(rotation, json!({"newKey": true, "resealed": 1}));
        let key = read();
        assert!(key.len() == 64 && !keys.contains(&key), "{key}");
        keys.push(key);
        exchange(&ann, &channel, "ping", "http").await.data(201);
    }
    server.restart().await;
    let ann = server.caller();
    exchange(&ann, &channel, "ping", "http").await.data(201);
    let used = model.requests().into_iter().filter(|request| request.header("authorization") == Some("Bearer sk-of-the-agent")).count();
    assert_eq!(used, 3);
}
