//! How many requests of one caller with a large body are worked on at once.

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::rt::spawn;
use actix_web::rt::task::JoinHandle;
use actix_web::test::TestRequest;
use auth::hash;
use core_types::ids::string_to_uuid;
use core_types::keys::ApiKey;
use core_types::{KeyId, Permission, Tenant, Timestamp};
use serde_json::json;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::fakes::{AGENT, CHANNEL, NOW, SERVER, USER};
use crate::support::{Answer, Api, KEY, json_bytes};

const AT_ONCE: usize = 4;
const TENANTS_KEY: &str = "tenants-key";
const LARGE: usize = 40_000;

fn key() -> ApiKey {
    ApiKey {
        id: KeyId::new(string_to_uuid(TENANTS_KEY)),
        tenant: Tenant::new("shop").unwrap(),
        name: "shop".to_owned(),
        permissions: vec![Permission::MessagesWrite],
        servers: Vec::new(),
        hash: hash(TENANTS_KEY),
        created_at: Timestamp::from_millis(NOW),
        expires_at: None,
        last_used_at: None,
    }
}

/// A post of so many characters. With the transport `http` it waits for a reply, which never comes.
fn post(key: &str, transport: &str, characters: usize) -> TestRequest {
    let content = "x".repeat(characters);
    let body = json!({"author_id": USER, "content": content, "server_id": SERVER, "transport": transport}).to_string();
    let request = TestRequest::post().uri(&format!("/api/messaging/channels/{CHANNEL}/messages"));
    json_bytes(request, body.as_bytes()).insert_header(("x-api-key", key))
}

/// The same with the length of its body announced.
fn announced(key: &str, transport: &str, characters: usize) -> TestRequest {
    post(key, transport, characters).insert_header(("content-length", (characters + 200).to_string()))
}

/// An API that knows the tenant's key.
fn tenants_api() -> Rc<Api> {
    let api = Rc::new(Api::keyed());
    api.keyring.take_in(&key());
    api
}

fn sending(api: &Rc<Api>, request: TestRequest) -> JoinHandle<Answer> {
    let api = Rc::clone(api);
    spawn(async move { api.send(request).await })
}

/// Waits until so many posts have come through, and gives others their chance.
async fn come_through(api: &Api, posts: usize) {
    while api.fakes.calls().len() < posts {
        yield_now().await;
    }
    for _ in 0..100 {
        yield_now().await;
    }
    assert_eq!(api.fakes.calls().len(), posts);
}

#[actix_web::test]
async fn a_fifth_large_request_of_a_tenant_waits_for_the_first_four() {
    for make in [post, announced] {
        let api = tenants_api();
        api.fakes.is_stuck.store(true, Ordering::Relaxed);
        let send = |request: TestRequest| sending(&api, request);
        let mut tenants: Vec<_> = (0..=AT_ONCE).map(|_| send(make(TENANTS_KEY, "http", LARGE))).collect();
        come_through(&api, AT_ONCE).await;
        tenants.push(send(make(TENANTS_KEY, "http", 40)));
        come_through(&api, AT_ONCE + 1).await;
        let owners: Vec<_> = (0..=AT_ONCE).map(|_| send(make(KEY, "http", LARGE))).collect();
        come_through(&api, 2 * AT_ONCE + 2).await;
        tenants.remove(0).abort();
        come_through(&api, 2 * AT_ONCE + 3).await;
        for task in tenants.into_iter().chain(owners) {
            task.abort();
        }
        for _ in 0..=AT_ONCE {
            let answer = timeout(Duration::from_secs(10), api.send(make(TENANTS_KEY, "websocket", LARGE))).await;
            assert_eq!(answer.expect("the place of whoever was answered, or left, is given back").status, 201);
        }
    }
}

#[actix_web::test]
async fn whoever_waits_for_replies_keeps_no_large_request_waiting() {
    let api = tenants_api();
    let waiting: Vec<_> = (0..3 * AT_ONCE).map(|_| sending(&api, announced(TENANTS_KEY, "http", LARGE))).collect();
    come_through(&api, 3 * AT_ONCE).await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    for task in waiting {
        task.abort();
    }
}

/// What is said is short, whatever came with it.
#[actix_web::test]
async fn whoever_has_something_said_keeps_no_large_request_waiting() {
    let filler = "x".repeat(LARGE);
    let body = json!({"text": "Hello", "agentId": AGENT, "filler": filler}).to_string();
    let own = ["speech/generate", "audio-messages/synthesize", "speech", "speech/conversation"].map(|end| format!("{AGENT}/{end}"));
    for end in own.into_iter().chain(["generate".to_owned()]) {
        let api = tenants_api();
        api.fakes.is_stuck.store(true, Ordering::Relaxed);
        let path = format!("/api/audio/{end}");
        let say = || json_bytes(TestRequest::post().uri(&path), body.as_bytes()).insert_header(("x-api-key", TENANTS_KEY));
        let waiting: Vec<_> = (0..2 * AT_ONCE).map(|_| sending(&api, say())).collect();
        come_through(&api, 2 * AT_ONCE).await;
        assert!(waiting.iter().all(|task| !task.is_finished()), "{path}");
        for task in waiting {
            task.abort();
        }
    }
}

#[actix_web::test]
async fn a_body_may_have_its_length_announced_or_not() {
    let api = Api::keyed();
    for make in [post, announced] {
        for characters in [1, LARGE, 90_000] {
            assert_eq!(api.send(make(KEY, "websocket", characters)).await.status, 201);
            assert_eq!(api.fakes.posted().content.len(), characters);
        }
        api.send(make(KEY, "websocket", 3 << 20)).await.error(413, "PAYLOAD_TOO_LARGE");
    }
}
