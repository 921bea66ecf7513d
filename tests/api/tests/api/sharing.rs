//! Tenants that share a message server: what is between two there, and what is left when a share ends.

use core_types::MessageServerId;
use core_types::ids::string_to_uuid;
use serde_json::{Value, json};
use testkit::caller::Caller;
use testkit::server::TestServer;

use crate::support::{ANN, NOTHING, create_channel, messages_of, post, running_agent, text, texts};

const CHANNELS: &str = "/api/messaging/central-channels";
const SESSIONS: &str = "/api/messaging/sessions";
const JOBS: &str = "/api/messaging/jobs";

/// A message server of the owner's, and an agent of the owner's that listens there.
struct Place {
    server: TestServer,
    owner: Caller,
    id: String,
    agent: String,
}

impl Place {
    async fn new() -> Self {
        let server = TestServer::keyed().await;
        let owner = server.key_holder();
        let made = owner.post("/api/messaging/central-servers", &json!({"name": "Shared", "sourceType": "x"})).await;
        let id = text(&made.data(201)["id"]);
        let agent = running_agent(&owner, "Helpdesk").await;
        owner.post(&format!("/api/messaging/central-servers/{id}/agents"), &json!({"agentId": agent})).await.data(201);
        Self { server, owner, id, agent }
    }

    /// Somebody with a key of this tenant, which shares these message servers.
    async fn tenant(&self, name: &str, servers: &[&str]) -> Caller {
        let scopes = ["agents:read", "agents:write", "messages:read", "messages:write"];
        let key = json!({"name": name, "tenant": name, "scopes": scopes, "servers": servers});
        self.server.caller().with_key(&text(&self.owner.post("/api/keys", &key).await.data(201)["key"]))
    }

    /// A guest who shares the place, and the same guest as the one who does not share it any more.
    async fn guest(&self) -> (Caller, Caller) {
        (self.tenant("guest", &[&self.id]).await, self.tenant("guest", &[]).await)
    }
}

/// The ids in a list.
fn ids(list: &Value, id: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|entry| text(&entry[id])).collect()
}

#[tokio::test]
async fn what_agents_take_for_a_talk_of_two_is_not_read_by_others_who_share_the_place() {
    let place = Place::new().await;
    let (one, other) = (place.tenant("one", &[&place.id]).await, place.tenant("other", &[&place.id]).await);
    for (metadata, kind) in [
        (json!({"channelType": "DM"}), "DM"),
        (json!({"channelType": "dm"}), "DM"),
        (json!({"channelType": "VOICE_DM"}), "DM"),
        (json!({"channel_type": "Self"}), "DM"),
        (json!({"channelType": "API"}), "DM"),
        (json!({"isDm": "true"}), "DM"),
        (json!({"channelType": "GROUP"}), "GROUP"),
    ] {
        let channel = string_to_uuid(&metadata.to_string()).to_string();
        let said = json!({"author_id": ANN, "content": "between us", "message_server_id": place.id, "metadata": metadata});
        one.post(&messages_of(&channel), &said).await.data(201);
        assert_eq!(one.get(&format!("{CHANNELS}/{channel}")).await.data(200)["type"], kind, "{metadata}");
        let seen = other.get(&messages_of(&channel)).await;
        assert_eq!(seen.status, if kind == "DM" { 404 } else { 200 }, "{metadata}: {seen}");
        assert_eq!(seen.text().contains("between us"), kind == "GROUP", "{metadata}: {seen}");
    }
}

#[tokio::test]
async fn a_session_of_a_share_that_ended_is_gone() {
    let place = Place::new().await;
    let (guest, left) = place.guest().await;
    let own = running_agent(&guest, "Own").await;
    let mut opened = Vec::new();
    for agent in [&place.agent, &own] {
        opened.push(text(&guest.post(SESSIONS, &json!({"agentId": agent, "userId": ANN})).await.json()["sessionId"]));
    }
    for (caller, there) in [(&guest, &opened[..]), (&left, &opened[1..])] {
        let listed = caller.get(SESSIONS).await;
        assert_eq!(ids(&listed.json()["sessions"], "sessionId"), there, "{listed}");
        assert_eq!(listed.header("x-total-count"), Some(there.len().to_string().as_str()));
        let stats = json!({"totalSessions": there.len(), "activeSessions": there.len(), "expiredSessions": 0});
        assert_eq!((&listed.json()["total"], &listed.json()["stats"]), (&json!(there.len()), &stats));
        assert_eq!(caller.get(&format!("{SESSIONS}/health")).await.json()["activeSessions"], json!(there.len()));
        for session in &opened {
            let expected = if there.contains(session) { 200 } else { 404 };
            assert_eq!(caller.get(&format!("{SESSIONS}/{session}")).await.status, expected);
        }
    }
    let lost = format!("{SESSIONS}/{}", opened[0]);
    left.post(&format!("{lost}/messages"), &json!({"content": "still there?"})).await.error(404, "SESSION_NOT_FOUND");
    left.delete(&lost).await.error(404, "SESSION_NOT_FOUND");
    assert_eq!(guest.get(&lost).await.status, 200);
}

#[tokio::test]
async fn a_job_of_a_share_that_ended_is_gone() {
    let place = Place::new().await;
    let (guest, left) = place.guest().await;
    let own = running_agent(&guest, "Own").await;
    let mut asked = Vec::new();
    for (agent, content) in [(&own, "a question at home"), (&place.agent, "a question abroad")] {
        let taken = guest.post(JOBS, &json!({"userId": ANN, "agentId": agent, "content": content})).await;
        asked.insert(0, text(&taken.json()["jobId"]));
    }
    for (caller, there) in [(&guest, &asked[..]), (&left, &asked[1..])] {
        let listed = caller.get(JOBS).await;
        assert_eq!(ids(&listed.json()["jobs"], "jobId"), there, "{listed}");
        assert_eq!(listed.text().contains("abroad"), there.len() == 2, "{listed}");
        let count = json!(there.len());
        assert_eq!((&listed.json()["total"], &listed.json()["filtered"]), (&count, &count), "{listed}");
        assert_eq!(caller.get(&format!("{JOBS}/health")).await.json()["totalJobs"], count);
        for job in &asked {
            let status = if there.contains(job) { 200 } else { 404 };
            assert_eq!(caller.get(&format!("{JOBS}/{job}")).await.status, status);
        }
    }
}

#[tokio::test]
async fn what_was_made_in_a_share_that_ended_is_not_answered_again() {
    let place = Place::new().await;
    let (guest, left) = place.guest().await;
    let Place { id, agent, .. } = &place;
    let made = json!({"name": "c", "type": "GROUP", "message_server_id": id, "participantCentralUserIds": [ANN]});
    let messages = messages_of(&text(&guest.post(CHANNELS, &made).await.data(201)["id"]));
    for (path, body, code) in [
        (CHANNELS, made, "CHANNEL_NOT_FOUND"),
        (SESSIONS, json!({"agentId": agent, "userId": ANN}), "SESSION_NOT_FOUND"),
        (JOBS, json!({"userId": ANN, "agentId": agent, "content": "ping"}), "AGENT_NOT_FOUND"),
        (messages.as_str(), json!({"author_id": ANN, "content": "hi", "message_server_id": id}), "CHANNEL_NOT_FOUND"),
    ] {
        let [guest, left] = [&guest, &left].map(|caller| caller.with("idempotency-key", "k"));
        assert_eq!(guest.post(path, &body).await.status, 201, "{path}");
        left.post(path, &body).await.error(404, code);
        let again = guest.post(path, &body).await;
        assert_eq!((again.status, again.header("idempotency-replayed")), (201, Some("true")), "{path}: {again}");
    }
}

/// To the owner too; to those who had it before it is free at once.
#[tokio::test]
async fn the_id_of_a_deleted_channel_is_refused_to_everybody_else() {
    let place = Place::new().await;
    let (one, other) = (place.tenant("one", &[]).await, place.tenant("other", &[]).await);
    let id = "33333333-3333-4333-8333-333333333333";
    let said = json!({"author_id": ANN, "content": "mine", "message_server_id": MessageServerId::DEFAULT});
    one.post(&messages_of(id), &said).await.data(201);
    one.delete(&format!("{CHANNELS}/{id}")).await.empty(204);
    for caller in [&other, &place.owner] {
        let refusal = caller.post(&messages_of(id), &said).await.error(409, "CONFLICT");
        assert!(refusal.contains("Choose another id"), "{refusal}");
    }
    one.post(&messages_of(id), &said).await.data(201);
}

#[tokio::test]
async fn deleting_a_message_that_is_not_there_is_a_success_whoever_does_it() {
    let place = Place::new().await;
    let tenant = place.tenant("one", &[]).await;
    let own = create_channel(&tenant, "GROUP", &[ANN]).await;
    let (elsewhere, owners) = (create_channel(&tenant, "GROUP", &[ANN]).await, create_channel(&place.owner, "GROUP", &[ANN]).await);
    let other = text(&post(&tenant, &elsewhere, "kept").await["id"]);
    let foreign = text(&post(&place.owner, &owners, "kept").await["id"]);
    for message in [NOTHING, &other, &foreign] {
        for caller in [&tenant, &place.owner] {
            caller.delete(&format!("{}/{message}", messages_of(&own))).await.empty(204);
        }
    }
    // A channel that a tenant does not see is not found, whatever would be deleted there.
    tenant.delete(&format!("{}/{foreign}", messages_of(&owners))).await.error(404, "CHANNEL_NOT_FOUND");
    assert_eq!((texts(&tenant, &elsewhere).await, texts(&place.owner, &owners).await), (vec!["kept".to_owned()], vec!["kept".to_owned()]));
}
