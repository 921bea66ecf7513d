//! Signed answers: what is asked of the service, and that its answer is sent as it was signed.

use core_types::tee::{AttestError, Challenge, LogQuery};
use core_types::{ServiceError, Thing, Timestamp};
use serde_json::json;

use crate::fakes::{AGENT, Call, ROOM, USER};
use crate::support::Api;

fn challenge(hex: &str) -> Challenge {
    hex.parse().unwrap()
}

fn logs() -> LogQuery {
    LogQuery { agent: None, room: None, entity: None, kind: None, contains: None, since: None, until: None, page: 1, page_size: 10 }
}

#[actix_web::test]
async fn an_answer_is_sent_as_it_was_signed() {
    let data = Api::open().get("/api/tee/status").await.data(200);
    let attestation = json!({
        "format": "doolittle-tee-1",
        "provider": "fake",
        "kind": "sev-snp",
        "simulated": false,
        "publicKey": "07".repeat(32),
        "evidence": {"reportData": "01".repeat(64), "quote": "02020202", "vmConfig": "{}", "auxiliary": "03"},
        "signature": "09".repeat(64),
    });
    assert_eq!(data, json!({"statement": "status", "issuedAt": "2024-01-01T00:00:00.007Z", "attestation": attestation}));
}

#[actix_web::test]
async fn every_route_asks_with_the_nonce_that_it_was_given() {
    let agent = AGENT.parse().unwrap();
    let one_agent = format!("/api/tee/agents/{AGENT}");
    for (path, nonce) in [("", None), ("?nonce=", None), ("?nonce=C0ffee", Some(challenge("c0ffee")))] {
        let api = Api::open();
        for route in ["/api/tee/status", "/api/tee/agents", &one_agent] {
            api.get(&format!("{route}{path}")).await.data(200);
        }
        let expected =
            [Call::Nonce("status", nonce.clone()), Call::Nonce("agents", nonce.clone()), Call::AttestedAgent(agent, nonce.clone())];
        assert_eq!(api.fakes.calls(), expected);
    }
    let api = Api::open();
    for bad in ["0", "xy", &"00".repeat(65)] {
        let message = api.get(&format!("/api/tee/status?nonce={bad}")).await.error(400, "BAD_REQUEST");
        assert_eq!(message, "nonce must be 1 to 64 bytes as hexadecimal digits");
    }
    assert!(api.fakes.calls().is_empty());
}

#[actix_web::test]
async fn evidence_is_asked_for_with_up_to_64_bytes() {
    for (body, expected) in [
        (json!({}), None),
        (json!({"reportData": ""}), None),
        (json!({"reportData": null}), None),
        (json!({"reportData": "00ff"}), Some(challenge("00ff"))),
        (json!({"reportData": "ab".repeat(64)}), Some(challenge(&"ab".repeat(64)))),
    ] {
        let api = Api::open();
        assert_eq!(api.post("/api/tee/attestation", body).await.data(200)["statement"], "attestation");
        assert_eq!(api.fakes.calls(), [Call::Attest(expected)]);
    }
    for bad in [json!("0"), json!("0x00"), json!("ab".repeat(65)), json!(7), json!(["00"])] {
        let api = Api::open();
        api.post("/api/tee/attestation", json!({ "reportData": bad })).await.error(400, "BAD_REQUEST");
        assert!(api.fakes.calls().is_empty());
    }
}

#[actix_web::test]
async fn logs_are_asked_for_as_elizaos_asks() {
    let conditions = json!({
        "agentId": AGENT, "roomId": ROOM, "entityId": USER, "type": "action", "containsContent": "Hello",
        "startTimestamp": 1_000, "endTimestamp": "1970-01-01T00:00:02Z",
    });
    let whole = LogQuery {
        agent: Some(AGENT.parse().unwrap()),
        room: Some(ROOM.parse().unwrap()),
        entity: Some(USER.parse().unwrap()),
        kind: Some("action".to_owned()),
        contains: Some("Hello".to_owned()),
        since: Some(Timestamp::from_millis(1_000)),
        until: Some(Timestamp::from_millis(2_000)),
        page: 3,
        page_size: 7,
    };
    let empty = json!({"agentId": "", "roomId": "", "entityId": "", "type": "", "containsContent": "", "startTimestamp": null});
    for (body, query, nonce) in [
        (json!({}), logs(), None),
        (json!({"query": empty, "page": 0, "pageSize": 0}), logs(), None),
        (json!({"query": conditions, "page": "3", "pageSize": 7, "nonce": "aa"}), whole, Some(challenge("aa"))),
        (json!({"query": {"userId": USER}}), LogQuery { entity: Some(USER.parse().unwrap()), ..logs() }, None),
        (json!({"pageSize": 99_999}), LogQuery { page_size: 1_000, ..logs() }, None),
    ] {
        let api = Api::open();
        api.post("/api/tee/logs", body).await.data(200);
        assert_eq!(api.fakes.calls(), [Call::AttestedLogs(query, nonce)]);
    }
    for (body, code) in [
        (json!({"query": "all"}), "BAD_REQUEST"),
        (json!({"query": {"agentId": "nobody"}}), "INVALID_ID"),
        (json!({"query": {"type": 7}}), "BAD_REQUEST"),
        (json!({"query": {"containsContent": "x".repeat(1_025)}}), "BAD_REQUEST"),
        (json!({"query": {"startTimestamp": "yesterday"}}), "BAD_REQUEST"),
        (json!({"page": -1}), "BAD_REQUEST"),
        (json!({"pageSize": "many"}), "BAD_REQUEST"),
        (json!({"nonce": "0"}), "BAD_REQUEST"),
    ] {
        let api = Api::open();
        api.post("/api/tee/logs", body).await.error(400, code);
        assert!(api.fakes.calls().is_empty());
    }
}

#[actix_web::test]
async fn a_server_that_does_not_attest_says_so() {
    let api = Api::open();
    api.fakes.fail_with(ServiceError::Attestation(AttestError::Off));
    let message = api.get("/api/tee/status").await.error(503, "TEE_UNAVAILABLE");
    assert_eq!(message, "This server does not attest: TEE_MODE is off");
    api.fakes.fail_with(ServiceError::NotFound(Thing::Agent));
    api.get(&format!("/api/tee/agents/{AGENT}")).await.error(404, "AGENT_NOT_FOUND");
    api.get("/api/tee/agents/nobody").await.error(400, "INVALID_ID");
    api.get("/api/tee").await.error(404, "NOT_FOUND");
    Api::keyed().get("/api/tee/status").await.error(401, "UNAUTHORIZED");
}
