//! Answers that are signed, checked as a reader checks them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::tee::verify::{Answer, Verdict};
use core_types::Timestamp;
use core_types::tee::format::Statement;
use serde_json::{Value, json};
use testkit::caller::Caller;
use testkit::guest_agent::{GuestAgent, quote_about, with_quote};
use testkit::server::TestServer;

use crate::support::{NOTHING, create_agent, dm, exchange, open, text, with};

const SIMULATOR: (&str, &str) = ("TEE_MODE", "simulator");

/// The answer, which must hold.
fn read(answer: &testkit::caller::Answer) -> Answer {
    assert_eq!(answer.status, 200, "{answer}");
    Answer::read(&answer.text()).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Asks for logs, and returns what is told.
async fn logs(caller: &Caller, body: Value) -> Value {
    Value::Object(read(&caller.post("/api/tee/logs", &body).await).says().clone())["logs"].take()
}

#[tokio::test]
async fn a_server_that_was_not_told_to_attests_nothing() {
    let (_server, ann) = open().await;
    let agent = create_agent(&ann, "Alice").await;
    for path in ["/api/tee/status", "/api/tee/agents", &format!("/api/tee/agents/{agent}"), &format!("/api/tee/agents/{NOTHING}")] {
        ann.get(path).await.error(503, "TEE_UNAVAILABLE");
    }
    for path in ["/api/tee/attestation", "/api/tee/logs"] {
        ann.post(path, &json!({})).await.error(503, "TEE_UNAVAILABLE");
    }
}

#[tokio::test]
async fn every_answer_holds_and_says_that_it_is_simulated() {
    let (mut server, ann) = with(&[SIMULATOR]).await;
    let agent = create_agent(&ann, "Alice").await;
    let answers = [
        (Statement::Status, ann.get("/api/tee/status?nonce=c0ffee").await),
        (Statement::Agents, ann.get("/api/tee/agents?nonce=c0ffee").await),
        (Statement::Agent, ann.get(&format!("/api/tee/agents/{agent}?nonce=c0ffee")).await),
        (Statement::Attestation, ann.post("/api/tee/attestation", &json!({"reportData": "c0ffee"})).await),
        (Statement::Logs, ann.post("/api/tee/logs", &json!({"nonce": "c0ffee"})).await),
    ];
    let mut keys = Vec::new();
    for (statement, answer) in &answers {
        let read = read(answer);
        assert_eq!(read.statement(), *statement);
        assert!(read.attestation().simulated && read.repeats(&"c0ffee".parse().unwrap()), "{answer}");
        assert_eq!(read.judge(None, Timestamp::from_millis(0)), Ok(Verdict::Simulated));
        keys.push(read.attestation().public_key.clone());
    }
    let file = std::fs::read_to_string(server.directory().join("tee-simulated.key")).unwrap();
    assert!(!server.record().text().contains(file.trim()), "the key stays where it is");
    server.restart().await;
    keys.push(read(&server.caller().get("/api/tee/status").await).attestation().public_key.clone());
    assert!(keys.iter().all(|key| *key == keys[0]), "one key, also after a restart: {keys:?}");
}

#[tokio::test]
async fn an_agent_is_shown_whole_without_its_secrets_and_its_hash_follows_what_changes() {
    let (_server, ann) = with(&[SIMULATOR]).await;
    let character = json!({
        "name": "Keeper", "bio": ["one"], "settings": {"big": 9_007_199_254_740_993_u64, "ratio": 0.1, "secrets": {"TOKEN": "hunter2-canary"}},
    });
    let id = text(&ann.post("/api/agents", &json!({"characterJson": character})).await.data(201)["id"]);
    let path = format!("/api/tee/agents/{id}");
    let answer = ann.get(&path).await;
    assert!(!answer.text().contains("hunter2"), "{answer}");
    let first = read(&answer).says().clone();
    assert_eq!(first["agent"]["character"]["settings"]["secrets"], json!({"TOKEN": "********"}));
    assert_eq!((&first["agent"]["name"], &first["agent"]["status"]), (&json!("Keeper"), &json!("inactive")));

    ann.post(&format!("/api/agents/{id}/start"), &json!({})).await.data(200);
    let started = read(&ann.get(&path).await).says().clone();
    assert_eq!((&started["agent"]["status"], &started["configurationHash"]), (&json!("active"), &first["configurationHash"]));
    ann.patch(&format!("/api/agents/{id}"), &json!({"bio": ["two"]})).await.data(200);
    let changed = read(&ann.get(&path).await).says().clone();
    assert_ne!(changed["configurationHash"], first["configurationHash"]);

    let agents = read(&ann.get("/api/tee/agents").await).says()["agents"].clone();
    assert_eq!(agents, json!([{"id": id, "name": "Keeper", "status": "active"}]));
    ann.get(&format!("/api/tee/agents/{NOTHING}")).await.error(404, "AGENT_NOT_FOUND");
}

#[tokio::test]
async fn logs_are_told_page_by_page_and_by_what_they_say() {
    let (server, ann) = with(&[SIMULATOR]).await;
    let (alice, channel) = dm(&server, &ann).await;
    let bob = create_agent(&ann, "Bob").await;
    for said in ["Hello", "Goodbye"] {
        exchange(&ann, &channel, said, "http").await.data(201);
    }
    let all = logs(&ann, json!({"pageSize": 1000})).await;
    let lines = all["data"].as_array().unwrap();
    assert!(lines.len() > 2 && lines.iter().all(|line| line["agentId"] == alice), "{all}");
    assert!(lines.is_sorted_by_key(|line| std::cmp::Reverse(line["timestamp"].as_i64())), "{all}");
    assert_eq!((&all["page"], &all["hasMore"]), (&json!(1), &json!(false)));
    assert_eq!(logs(&ann, json!({"query": {"agentId": bob}})).await["data"], json!([]));

    let mut seen = Vec::new();
    for page in 1.. {
        let part = logs(&ann, json!({"query": {"agentId": alice}, "page": page, "pageSize": 2})).await;
        seen.extend(part["data"].as_array().unwrap().iter().map(|line| line["id"].clone()));
        if part["hasMore"] == false {
            break;
        }
    }
    assert_eq!(seen, lines.iter().map(|line| line["id"].clone()).collect::<Vec<_>>());

    let kind = text(&lines[0]["type"]);
    let of_kind = logs(&ann, json!({"query": {"type": kind}, "pageSize": 1000})).await;
    assert!(of_kind["data"].as_array().unwrap().iter().all(|line| line["type"] == kind) && !of_kind["data"].as_array().unwrap().is_empty());
    let containing = async |word: &str| {
        let told = logs(&ann, json!({"query": {"containsContent": word}, "pageSize": 1000})).await;
        told["data"].as_array().unwrap().len()
    };
    assert!((1..=lines.len()).contains(&containing("COMPLETED").await));
    assert_eq!(containing("no line says this").await, 0);
    let later = logs(&ann, json!({"query": {"startTimestamp": "2999-01-01"}})).await;
    assert_eq!(later["data"], json!([]));
}

#[tokio::test]
async fn dstack_attests_the_key_once_and_what_a_caller_sends_when_it_is_asked() {
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let agent = GuestAgent::answering(move |asked| {
        if failing.load(Ordering::SeqCst) {
            return Some((500, json!({"error": "no hardware at /dev/secret"}).to_string()));
        }
        let given = asked.get("report_data").unwrap_or(&Value::Null);
        let bytes: Vec<u8> =
            (0..64).map(|place| u8::from_str_radix(&given.as_str().unwrap()[2 * place..2 * place + 2], 16).unwrap()).collect();
        with_quote(&quote_about(&bytes), given)
    });
    let socket = agent.socket().to_str().unwrap();
    let server = TestServer::with(&[("TEE_MODE", "dstack"), ("TEE_DSTACK_SOCKET", socket)]).await;
    let ann = server.caller();
    assert_eq!(agent.asked().len(), 1, "at the start");

    let status = read(&ann.get("/api/tee/status").await);
    let attestation = status.attestation().clone();
    assert_eq!((attestation.provider.as_str(), attestation.simulated, attestation.kind.to_string()), ("dstack", false, "tdx".to_owned()));
    assert!(attestation.evidence.event_log.is_some() && attestation.evidence.vm_config.is_some());
    let reason = status.judge(None, Timestamp::from_millis(0)).unwrap_err().to_string();
    assert!(reason.contains("was not checked itself"), "{reason}");
    ann.get("/api/tee/agents").await.data(200);
    assert_eq!(agent.asked().len(), 1, "and not for every answer");

    let fresh = read(&ann.post("/api/tee/attestation", &json!({"reportData": "ab"})).await);
    assert_eq!(agent.asked().len(), 2);
    assert_eq!(fresh.attestation().public_key, attestation.public_key);
    assert_ne!(fresh.attestation().evidence.report_data, attestation.evidence.report_data);

    fails.store(true, Ordering::SeqCst);
    let refused = ann.post("/api/tee/attestation", &json!({})).await;
    refused.error(503, "TEE_UNAVAILABLE");
    assert!(!refused.text().contains("secret"), "nothing of the inside: {refused}");
    read(&ann.get("/api/tee/status").await);
}
