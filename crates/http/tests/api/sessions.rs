//! Sessions and jobs: what the routes ask of their services, and what they make of the answers.

use std::time::Duration;

use core_types::jobs::{JobStatus, NewJob};
use core_types::messaging::{MessageWindow, ReplyEvent};
use core_types::sessions::{NewSession, SessionMessage, TimeoutChange};
use core_types::{InvalidCode, Page, ServiceError, Timestamp};
use serde_json::json;

use crate::fakes::{AGENT, Call, JOB, NOW, SESSION, USER, message, object};
use crate::support::{Api, local};

const SESSIONS: &str = "/api/messaging/sessions";
const JOBS: &str = "/api/messaging/jobs";

fn timeout(minutes: Option<u32>, most: Option<u32>, warning: Option<u32>, renews: Option<bool>) -> TimeoutChange {
    TimeoutChange { timeout_minutes: minutes, auto_renew: renews, max_duration_minutes: most, warning_threshold_minutes: warning }
}

#[actix_web::test]
async fn a_session_is_opened_by_every_spelling_and_shown_as_elizaos_shows_it() {
    let (agent_id, user_id) = (AGENT.parse().unwrap(), USER.parse().unwrap());
    let plain = NewSession { id: None, agent_id, user_id, metadata: object(json!({})), timeout: TimeoutChange::default() };
    for (body, expected) in [
        (json!({"agentId": AGENT, "userId": USER}), plain.clone()),
        (json!({"agent_id": AGENT, "user_id": USER.to_uppercase(), "metadata": null, "timeoutConfig": null}), plain.clone()),
        (
            json!({"agentId": AGENT, "userId": USER, "metadata": {"a": 1}, "timeoutConfig": {
                "timeoutMinutes": "7", "maxDurationMinutes": 9, "warningThresholdMinutes": 0, "autoRenew": "false", "other": 1,
            }}),
            NewSession { metadata: object(json!({"a": 1})), timeout: timeout(Some(7), Some(9), Some(0), Some(false)), ..plain.clone() },
        ),
    ] {
        let api = Api::open();
        let answer = api.post(SESSIONS, body).await;
        assert_eq!((answer.status, api.fakes.calls()), (201, vec![Call::OpenSession(expected)]));
        let expected = json!({
            "sessionId": SESSION, "channelId": crate::fakes::CHANNEL, "agentId": AGENT, "userId": USER,
            "createdAt": "2023-12-31T23:00:00.007Z", "lastActivity": "2023-12-31T23:40:00.007Z", "metadata": {"platform": "web"},
            "expiresAt": "2024-01-01T00:10:00.007Z",
            "timeoutConfig": {"timeoutMinutes": 30, "autoRenew": true, "maxDurationMinutes": 720, "warningThresholdMinutes": 5},
            "renewalCount": 2, "timeRemaining": 600_000, "isNearExpiration": false,
        });
        assert_eq!(answer.json(), expected);
    }
}

#[actix_web::test]
async fn errors_of_sessions_say_when_they_happened_and_what_elizaos_says_beside() {
    let api = Api::open();
    for (body, message, details) in [
        (json!({}), "Missing required fields: agentId, userId", json!({"missingFields": ["agentId", "userId"]})),
        (json!({"agentId": AGENT, "userId": ""}), "Missing required fields: userId", json!({"missingFields": ["userId"]})),
        (
            json!({"agentId": "x", "userId": USER}),
            "Invalid UUID format for field 'agentId'",
            json!({"providedValue": "x", "expectedFormat": "UUID"}),
        ),
    ] {
        let answer = api.post(SESSIONS, body).await;
        assert_eq!(answer.error(400, "VALIDATION_ERROR"), message);
        let error = &answer.json()["error"];
        assert_eq!((&error["timestamp"], &error["details"]), (&json!("2024-01-01T00:00:00.007Z"), &details));
    }
    for (failure, status, code) in [
        (ServiceError::SessionExpired, 410, "SESSION_EXPIRED"),
        (ServiceError::invalid(InvalidCode::Renewal, "it lasts"), 400, "SESSION_RENEWAL_FAILED"),
        (ServiceError::invalid(InvalidCode::Session, "Invalid timeout configuration: too short"), 400, "VALIDATION_ERROR"),
        (ServiceError::NotFound(core_types::Thing::Session), 404, "SESSION_NOT_FOUND"),
    ] {
        api.fakes.fail_with(failure);
        let answer = api.get(&format!("{SESSIONS}/{SESSION}")).await;
        answer.error(status, code);
        assert_eq!(answer.json()["error"]["timestamp"], "2024-01-01T00:00:00.007Z", "{code}");
        assert!(answer.header("x-content-type-options").is_some(), "{code}");
    }
    let elsewhere = api.get("/api/agents/bad").await.json();
    assert!(elsewhere["error"].get("timestamp").is_none(), "{elsewhere}");
}

#[actix_web::test]
async fn a_message_in_a_session_goes_by_every_transport() {
    let path = format!("{SESSIONS}/{SESSION}/messages");
    let body = |transport: &str| json!({"content": "hi", "transport": transport, "attachments": [{"url": "u"}], "metadata": {"a": 1}});
    let expected = SessionMessage {
        content: "hi".to_owned(),
        attachments: Some(json!([{"url": "u"}])),
        metadata: object(json!({"a": 1})),
        idempotency_key: Some("k".to_owned()),
    };
    for transport in ["websocket", "http", "sse"] {
        let api = Api::open();
        api.fakes.replies.lock().unwrap().push_back(ReplyEvent::Replied(message().into()));
        let request = local(actix_web::test::TestRequest::post().uri(&path)).insert_header(("idempotency-key", "k"));
        let answer = api.send(request.set_json(body(transport))).await;
        assert_eq!(api.fakes.calls(), [Call::InSession(SESSION.parse().unwrap(), expected.clone())]);
        if transport == "sse" {
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
            assert!(answer.text().starts_with("event: user_message\n") && answer.text().contains("event: done\n"), "{}", answer.text());
            continue;
        }
        let shown = answer.json();
        assert_eq!(answer.status, 201, "{shown}");
        let status = json!({"expiresAt": "2024-01-01T00:10:00.007Z", "renewalCount": 2, "wasRenewed": true, "isNearExpiration": false});
        for shown in [&shown, &shown["data"]] {
            assert_eq!(
                (&shown["success"], &shown["sessionStatus"], &shown["userMessage"]["content"]),
                (&json!(true), &status, &json!("hi"))
            );
            let said = &shown["userMessage"];
            assert_eq!(
                (&said["author_id"], &said["authorId"]),
                (&json!(USER), &json!(USER)),
                "as elizaOS sends it, and as its client has it"
            );
            assert_eq!((&said["created_at"], &said["createdAt"]), (&json!(NOW), &json!("2024-01-01T00:00:00.007Z")));
            let reply = (transport == "http").then_some("pong");
            assert_eq!(shown.get("agentResponse").and_then(|response| response["text"].as_str()), reply);
        }
    }
    let api = Api::open();
    api.fakes.replies.lock().unwrap().push_back(ReplyEvent::Failed("gave up".to_owned()));
    let failed = api.post(&path, json!({"content": "hi", "mode": "sync"})).await;
    failed.error(500, "PROCESSING_ERROR");
    let refused = Api::open().post(&path, json!({"content": "hi", "transport": "pigeon"})).await;
    refused.error(400, "VALIDATION_ERROR");
    assert!(refused.json()["error"]["details"]["reason"].as_str().is_some_and(|reason| reason.contains("transport")));
    assert_eq!((&failed.json()["userMessage"]["content"], &failed.json()["sessionStatus"]["renewalCount"]), (&json!("hi"), &json!(2)));
}

#[actix_web::test]
async fn messages_of_a_session_are_asked_for_within_bounds() {
    let window = |after: Option<i64>, before: Option<i64>, limit| MessageWindow {
        after: after.map(Timestamp::from_millis),
        before: before.map(Timestamp::from_millis),
        limit,
    };
    for (query, expected) in [
        ("", window(None, None, 50)),
        ("?limit=7&before=9", window(None, Some(9), 7)),
        ("?limit=0", window(None, None, 1)),
        ("?limit=-3", window(None, None, 1)),
        ("?limit=999&after=1", window(Some(1), None, 100)),
        ("?limit=many", window(None, None, 50)),
        ("?after=2024-01-01T00:00:00.007Z&before=1", window(Some(NOW), Some(1), 50)),
    ] {
        let api = Api::open();
        let answer = api.get(&format!("{SESSIONS}/{SESSION}/messages{query}")).await;
        assert_eq!((answer.status, api.fakes.calls()), (200, vec![Call::Window(expected)]), "{query}");
        let shown = answer.json();
        assert_eq!((&shown["hasMore"], &shown["cursors"]), (&json!(true), &json!({"before": NOW, "after": NOW})));
        let message = &shown["messages"][0];
        assert_eq!((&message["isAgent"], &message["createdAt"]), (&json!(true), &json!("2024-01-01T00:00:00.007Z")));
        assert_eq!(message["metadata"], json!({"agentName": "Eliza", "actions": ["REPLY"], "thought": "deterministic thought"}));
    }
    let bad = Api::open().get(&format!("{SESSIONS}/{SESSION}/messages?before=zz")).await;
    bad.error(400, "VALIDATION_ERROR");
    let details = &bad.json()["error"]["details"];
    assert_eq!((&details["parameter"], &details["value"]), (&json!("before"), &json!("zz")));
}

#[actix_web::test]
async fn sessions_are_listed_kept_alive_and_closed() {
    let api = Api::open();
    let listed = api.get(&format!("{SESSIONS}?limit=5000&offset=2")).await.json();
    assert_eq!((&listed["total"], &listed["stats"]), (&json!(1), &json!({"totalSessions": 5, "activeSessions": 3, "expiredSessions": 2})));
    let health = api.get(&format!("{SESSIONS}/health")).await.json();
    let expected =
        json!({"status": "healthy", "activeSessions": 3, "timestamp": "2024-01-01T00:00:00.007Z", "expiringSoon": 1, "uptime": 0.0});
    assert_eq!(health, expected);
    for what in ["renew", "heartbeat"] {
        assert_eq!(api.post_bytes(&format!("{SESSIONS}/{SESSION}/{what}"), b"").await.status, 200);
    }
    let changed = api.patch(&format!("{SESSIONS}/{SESSION}/timeout"), json!({"timeoutMinutes": 10})).await;
    assert_eq!(changed.json()["sessionId"], SESSION);
    let closed = api.delete(&format!("{SESSIONS}/{SESSION}")).await.json();
    assert_eq!(
        (&closed["success"], &closed["data"]["success"], &closed["message"]),
        (&json!(true), &json!(true), &closed["data"]["message"])
    );
    let limit = Call::Limit(timeout(Some(10), None, None, None));
    let [page, count, renew, touch, close] = [
        Call::Page(Page { offset: 2, limit: 1_000 }),
        Call::Other("sessions"),
        Call::Other("renew"),
        Call::Other("touch"),
        Call::Other("close"),
    ];
    assert_eq!(api.fakes.calls(), [page, count, renew, touch, limit, close]);
}

#[actix_web::test]
async fn a_job_is_taken_with_what_the_caller_says() {
    let plain = NewJob {
        agent: None,
        user: USER.parse().unwrap(),
        content: "ping".to_owned(),
        metadata: object(json!({})),
        timeout: Duration::from_secs(30),
        idempotency_key: None,
    };
    for (body, expected) in [
        (json!({"userId": USER, "content": "ping"}), plain.clone()),
        (json!({"user_id": USER, "content": "ping", "agentId": "", "metadata": null, "timeoutMs": null}), plain.clone()),
        (
            json!({"userId": USER, "content": "ping", "agentId": AGENT, "metadata": {"a": 1}, "timeoutMs": 1_000}),
            NewJob { agent: AGENT.parse().ok(), metadata: object(json!({"a": 1})), timeout: Duration::from_secs(1), ..plain.clone() },
        ),
    ] {
        let api = Api::open();
        let answer = api.post(JOBS, body).await;
        assert_eq!((answer.status, api.fakes.calls()), (201, vec![Call::CreateJob(expected)]));
        let ticket = json!({"jobId": JOB, "status": "processing", "createdAt": NOW, "expiresAt": NOW + 30_000});
        assert_eq!((answer.json(), answer.header("idempotency-replayed")), (ticket, None));
    }
    let api = Api::open();
    *api.fakes.repeated.lock().unwrap() = true;
    let again = api.post(JOBS, json!({"userId": USER, "content": "ping"})).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
}

#[actix_web::test]
async fn jobs_are_shown_as_elizaos_shows_them() {
    let api = Api::open();
    let shown = api.get(&format!("{JOBS}/{JOB}")).await.json();
    assert_eq!((&shown["status"], &shown["prompt"], &shown["metadata"]), (&json!("completed"), &json!("ping"), &json!({"k": "v"})));
    let result = &shown["result"];
    assert_eq!((&result["processingTimeMs"], &result["message"]["content"]), (&json!(40), &json!("pong")));
    assert_eq!((&result["message"]["authorId"], &result["message"]["createdAt"]), (&json!(AGENT), &json!(NOW)));
    assert!(shown.get("error").is_none());
    for (query, status, page) in [
        ("", None, Page { offset: 0, limit: 50 }),
        ("?status=timeout&limit=7&offset=3", Some(JobStatus::Timeout), Page { offset: 3, limit: 7 }),
        ("?limit=5000", None, Page { offset: 0, limit: 100 }),
    ] {
        let listed = api.get(&format!("{JOBS}{query}")).await;
        assert_eq!(api.fakes.calls().pop(), Some(Call::Jobs(status, page)), "{query}");
        let shown = listed.json();
        assert_eq!((&shown["total"], &shown["filtered"], listed.header("x-total-count")), (&json!(9), &json!(5), Some("5")));
        assert_eq!((&shown["jobs"][0]["error"], shown["jobs"][0].get("result")), (&json!("gave up"), None));
    }
    let health = api.get(&format!("{JOBS}/health")).await.json();
    assert_eq!((&health["totalJobs"], &health["metrics"]["successRate"], &health["timestamp"]), (&json!(2), &json!(0.5), &json!(NOW)));
    api.get(&format!("{JOBS}/nope")).await.error(404, "JOB_NOT_FOUND");
}
