//! Sessions over a whole house, whose clock is moved by hand.

#![expect(clippy::expect_used, reason = "in a test, what must work and does not is a failure")]

use std::sync::Arc;

use core_types::agents::AgentService as _;
use core_types::messaging::{MessageServer, MessageWindow, MessagingService as _, ReplyEvent, ReplyForm};
use core_types::sessions::{NewSession, Session, SessionCount, SessionMessage, SessionService as _, TimeoutChange};
use core_types::{
    AgentId, Caller, Credential, EntityId, InvalidCode, JsonObject, MessageServerId, Page, Permission, Reach, ServiceError, ServiceResult,
    SessionId, Tenant, Thing, Timestamp,
};
use doolittle_domain::SessionLimits;
use serde_json::{Value, json};
use testkit::house::{House, Plan, person};
use testkit::scripted_provider::ScriptedProvider;

const MINUTE: i64 = 60_000;

async fn house() -> House {
    House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await
}

fn wanted(agent: AgentId, timeout: TimeoutChange) -> NewSession {
    let metadata = json!({"platform": "web", "sessionId": "of another"}).as_object().expect("an object").clone();
    NewSession { id: None, agent_id: agent, user_id: person(1), metadata, timeout }
}

async fn opened(house: &House, agent: AgentId) -> Session {
    house.sessions.open(&Caller::owner(), wanted(agent, TimeoutChange::default())).await.expect("a session")
}

fn says(text: &str) -> SessionMessage {
    SessionMessage { content: text.to_owned(), attachments: None, metadata: JsonObject::new(), idempotency_key: None }
}

fn is_expired<T>(outcome: ServiceResult<T>) -> bool {
    matches!(outcome.err(), Some(ServiceError::SessionExpired))
}

fn is_unknown<T>(outcome: ServiceResult<T>) -> bool {
    matches!(outcome.err(), Some(ServiceError::NotFound(Thing::Session)))
}

#[tokio::test]
async fn a_session_has_a_direct_channel_in_which_only_the_agent_takes_part() {
    let house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let session = opened(&house, agent).await;
    let channel = house.store.channels().find(session.channel_id).await.expect("a store").expect("a channel");
    assert_eq!((channel.kind.as_str(), channel.name), ("DM", format!("session-{}", session.id)));
    let described = Value::Object(channel.metadata);
    assert_eq!(
        (&described["platform"], &described["sessionId"], &described["userId"]),
        (&json!("web"), &json!(session.id), &json!(person(1)))
    );
    assert_eq!(described["timeoutConfig"]["timeoutMinutes"], 30);
    let participants = house.store.channels().participants(session.channel_id).await.expect("participants");
    assert_eq!(participants, [EntityId::from(agent)]);
    assert_eq!(house.sessions.get(&owner, session.id).await.expect("the session"), session);
}

/// A tenant that shares these message servers.
fn guest(servers: &[MessageServerId]) -> Caller {
    let reach = Reach { tenant: Tenant::new("guest").expect("a name"), servers: servers.to_vec(), person: None };
    let permissions = vec![Permission::MessagesRead, Permission::MessagesWrite];
    Caller::tenant(Arc::new(Credential { key: None, permissions, reach, expires_at: None }))
}

#[tokio::test]
async fn a_session_that_went_with_a_share_is_not_found_when_it_is_opened_again() {
    let house = house().await;
    let agent = house.agent_named("Eliza").await;
    let servers = [1, 2].map(|number| MessageServerId::new(person(number).uuid()));
    for id in servers {
        let server = MessageServer {
            id,
            name: "Shared".to_owned(),
            source_type: "test".to_owned(),
            source_id: None,
            metadata: JsonObject::new(),
            owner: None,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        };
        house.store.servers().add(server).await.expect("a message server");
        house.store.servers().link(id, agent).await.expect("the agent listens there");
    }
    let new = NewSession { id: Some(SessionId::new(person(9).uuid())), ..wanted(agent, TimeoutChange::default()) };
    let opened = house.sessions.open(&guest(&servers), new.clone()).await.expect("a session");
    assert_eq!(house.sessions.open(&guest(&servers), new.clone()).await.expect("the same session"), opened);
    let [_, second] = servers;
    assert!(is_unknown(house.sessions.open(&guest(&[second]), new).await));
}

#[tokio::test]
async fn a_message_in_a_session_is_the_users_is_answered_and_renews_it() {
    let house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let session = opened(&house, agent).await;
    let mut watch = house.watch(session.channel_id).await;
    house.clock.advance(10 * MINUTE);
    let (receipt, renewal) = house.sessions.post(&owner, session.id, says("ping")).await.expect("posted");
    assert_eq!((receipt.message.author_id, receipt.message.source_type.as_deref()), (person(1), Some("user")));
    assert_eq!(receipt.warnings, [""; 0]);
    assert!(renewal.renewed && renewal.session.expires_at > session.expires_at.plus_millis(9 * MINUTE));
    let (_, reply) = watch.end().await;
    assert_eq!(reply.expect("a reply").content, "pong");

    let (_, renewal, mut replies) =
        house.sessions.exchange(&owner, session.id, says("ping again"), ReplyForm::Whole).await.expect("posted");
    assert_eq!(renewal.session.renewals, 2);
    // No piece comes before it.
    assert!(matches!(replies.next().await, Some(ReplyEvent::Replied(reply)) if reply.content == "pong"));
}

#[tokio::test]
async fn what_a_message_says_of_its_session_is_the_sessions_own() {
    let house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let session = opened(&house, agent).await;
    let metadata = json!({"sessionId": "forged", "channelType": "GROUP", "own": 1}).as_object().expect("an object").clone();
    let message = SessionMessage { metadata, attachments: Some(json!([{"url": "x"}])), ..says("ping") };
    let (receipt, _) = house.sessions.post(&owner, session.id, message).await.expect("posted");
    let metadata = receipt.message.metadata.to_value();
    assert_eq!((&metadata["sessionId"], &metadata["channelType"], &metadata["own"]), (&json!(session.id), &json!("DM"), &json!(1)));
    assert_eq!(receipt.message.raw.as_ref().expect("a raw form").to_value(), json!({"content": "ping", "attachments": [{"url": "x"}]}));
}

#[tokio::test]
async fn a_session_that_is_over_is_so_once_and_then_there_is_none() {
    let house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let [one, other, third] = [opened(&house, agent).await, opened(&house, agent).await, opened(&house, agent).await];
    house.clock.advance(31 * MINUTE);
    assert!(is_expired(house.sessions.get(&owner, one.id).await));
    assert!(is_unknown(house.sessions.get(&owner, one.id).await));
    assert!(is_expired(house.sessions.post(&owner, other.id, says("too late")).await));
    assert!(is_unknown(house.sessions.renew(&owner, other.id).await));
    assert!(is_expired(house.sessions.touch(&owner, third.id).await));
    assert!(is_unknown(house.sessions.close(&owner, third.id).await));
    assert_eq!(house.texts(other.channel_id).await, [""; 0]);
}

#[tokio::test]
async fn one_of_several_at_once_is_told_that_a_session_is_over() {
    let house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let session = opened(&house, agent).await;
    house.clock.advance(31 * MINUTE);
    let get = || house.sessions.get(&owner, session.id);
    let (first, second, third, fourth) = tokio::join!(get(), get(), get(), get());
    let expired = [first, second, third, fourth].into_iter().filter(|outcome| matches!(outcome, Err(ServiceError::SessionExpired))).count();
    assert_eq!(expired, 1);
}

#[tokio::test]
async fn a_session_needs_an_agent_that_runs() {
    let house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    house.agents.stop(&owner, agent).await.expect("it ran");
    for id in [agent, AgentId::of_name("nobody")] {
        let refused = house.sessions.open(&owner, wanted(id, TimeoutChange::default())).await;
        assert!(matches!(refused, Err(ServiceError::NotFound(Thing::Agent))));
    }
    assert_eq!(house.sessions.count(&owner).await.expect("a count"), SessionCount::default());
}

#[tokio::test]
async fn the_settings_of_an_agent_say_how_long_its_sessions_last() {
    let house = house().await;
    let settings = json!({
        "SESSION_TIMEOUT_MINUTES": "60", "SESSION_AUTO_RENEW": "false", "SESSION_MAX_DURATION_MINUTES": 90,
        "SESSION_WARNING_THRESHOLD_MINUTES": "soon",
    });
    let agent = house.agent(json!({"name": "Eliza", "bio": [], "settings": settings})).await;
    let timeout = opened(&house, agent).await.timeout;
    assert_eq!(
        (timeout.timeout_minutes, timeout.auto_renew, timeout.max_duration_minutes, timeout.warning_threshold_minutes),
        (60, false, 90, 5)
    );
    let own = TimeoutChange { timeout_minutes: Some(10), auto_renew: Some(true), ..TimeoutChange::default() };
    let timeout = house.sessions.open(&Caller::owner(), wanted(agent, own)).await.expect("a session").timeout;
    assert_eq!((timeout.timeout_minutes, timeout.auto_renew, timeout.max_duration_minutes), (10, true, 90));
}

#[tokio::test]
async fn a_session_is_renewed_until_it_lasts_as_long_as_it_may() {
    let house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let timeout =
        TimeoutChange { timeout_minutes: Some(30), auto_renew: Some(false), max_duration_minutes: Some(40), ..TimeoutChange::default() };
    let session = house.sessions.open(&owner, wanted(agent, timeout)).await.expect("a session");
    house.clock.advance(20 * MINUTE);
    let (_, renewal) = house.sessions.post(&owner, session.id, says("ping")).await.expect("posted");
    assert_eq!((renewal.renewed, renewal.session.expires_at), (false, session.expires_at));
    assert_eq!(house.sessions.touch(&owner, session.id).await.expect("the session").renewals, 0);
    let renewed = house.sessions.renew(&owner, session.id).await.expect("the session");
    assert_eq!((renewed.renewals, renewed.expires_at), (1, session.created_at.plus_millis(40 * MINUTE)));
    let refused = house.sessions.renew(&owner, session.id).await;
    assert!(matches!(refused, Err(ServiceError::Invalid { code: InvalidCode::Renewal, .. })));
    let bad = TimeoutChange { timeout_minutes: Some(1), ..TimeoutChange::default() };
    assert!(matches!(house.sessions.limit(&owner, session.id, bad).await, Err(ServiceError::Invalid { code: InvalidCode::Session, .. })));
}

#[tokio::test]
async fn the_same_key_posts_once_also_after_the_times_have_changed() {
    let house = house().await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let session = opened(&house, agent).await;
    let keyed = |text| SessionMessage { idempotency_key: Some("k".to_owned()), ..says(text) };
    let (first, _) = house.sessions.post(&owner, session.id, keyed("ping")).await.expect("posted");
    let longer = TimeoutChange { timeout_minutes: Some(60), ..TimeoutChange::default() };
    house.sessions.limit(&owner, session.id, longer).await.expect("the session");
    let (again, renewal) = house.sessions.post(&owner, session.id, keyed("ping")).await.expect("posted");
    assert_eq!((again.repeated, again.message.id), (true, first.message.id));
    assert_eq!((renewal.renewed, renewal.session.renewals, renewal.session.timeout.timeout_minutes), (false, 1, 60));
    let other = house.sessions.post(&owner, session.id, keyed("pong?")).await;
    assert!(matches!(other, Err(ServiceError::Conflict { .. })));
}

#[tokio::test]
async fn messages_of_a_session_are_paged_in_both_directions() {
    let house = House::open(Plan::with(Arc::new(ScriptedProvider::saying("")))).await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let session = opened(&house, agent).await;
    house.agents.stop(&owner, agent).await.expect("it ran");
    let mut times = Vec::new();
    for number in 1..=5 {
        let (receipt, _) = house.sessions.post(&owner, session.id, says(&number.to_string())).await.expect("posted");
        times.push(receipt.message.created_at);
    }
    let time = |number: usize| times.get(number - 1).copied().expect("a time");
    for (after, before, limit, texts, more) in [
        (None, None, 2, vec!["5", "4"], true),
        (None, Some(4), 5, vec!["3", "2", "1"], false),
        (Some(2), None, 2, vec!["4", "3"], true),
        (Some(3), None, 2, vec!["5", "4"], false),
        (Some(1), Some(5), 2, vec!["4", "3"], true),
        (Some(5), None, 2, vec![], false),
    ] {
        let window = MessageWindow { after: after.map(time), before: before.map(time), limit };
        let found = house.sessions.messages(&owner, session.id, window).await.expect("messages");
        let shown: Vec<_> = found.messages.iter().map(|message| message.content.as_str()).collect();
        assert_eq!((shown, found.has_more), (texts, more), "{after:?} {before:?} {limit}");
    }
}

#[tokio::test]
async fn sessions_that_are_over_are_swept_and_there_are_never_too_many() {
    let plan = Plan::with(Arc::new(ScriptedProvider::saying("pong")));
    let house = House::open(Plan { sessions: SessionLimits { sessions: 2, ..SessionLimits::default() }, ..plan }).await;
    let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
    let first = opened(&house, agent).await;
    opened(&house, agent).await;
    let refused = house.sessions.open(&owner, wanted(agent, TimeoutChange::default())).await;
    assert!(matches!(refused, Err(ServiceError::Overloaded { .. })));
    house.sessions.close(&owner, first.id).await.expect("it was open");
    opened(&house, agent).await;
    house.clock.advance(31 * MINUTE);
    let (listed, count) = house.sessions.list(&owner, Page::first(10)).await.expect("a list");
    assert_eq!((listed.total, count), (0, SessionCount { active: 0, near_end: 0, over: 2 }));
    assert_eq!(house.sessions.sweep(10).await.expect("swept"), 2);
    assert_eq!(house.sessions.count(&owner).await.expect("a count"), SessionCount::default());
    assert!(house.messaging.list(&owner, first.channel_id, None::<Timestamp>, 10).await.expect("messages").is_empty());
}
