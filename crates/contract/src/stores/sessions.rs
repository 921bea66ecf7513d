//! Promises about sessions.

use core_types::access::Wanted;
use core_types::messaging::{Beside, Channel, IdempotencyKey, MessageServer, PostMessage, PostOutcome};
use core_types::repeats::{Claimed, KeptAnswer};
use core_types::sessions::{Renewal, Session, SessionAdded, SessionChange, SessionChanged, SessionCount, SessionTimeout, TimeoutChange};
use core_types::{AgentId, ChannelId, MessageServerId, Page, Reach, SessionId, Thing, Timestamp};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Stores;
use super::scene::{
    ALL, Sure, agent_id, at, channel, channel_id, draft, message_id, object, person, post_of, reach, repeated, server, tenant, written,
};

const MINUTE: i64 = 60_000;
/// More than any promise makes.
const MANY: u32 = 1_000;

const fn session_id(number: u128) -> SessionId {
    SessionId::new(Uuid::from_u128(0x5e_0000 + number))
}

/// A session of half an hour that begins at a moment; its channel has its number.
fn session(number: u128, agent: AgentId, begins: Timestamp) -> Session {
    Session {
        id: session_id(number),
        channel_id: channel_id(number),
        agent_id: agent,
        user_id: person(1),
        metadata: object(json!({"z": 1, "a": {"b": []}})),
        timeout: SessionTimeout { timeout_minutes: 30, auto_renew: true, max_duration_minutes: 720, warning_threshold_minutes: 5 },
        renewals: 0,
        created_at: begins,
        last_activity: begins,
        expires_at: begins,
    }
    .begun()
}

impl Stores {
    async fn open_session(&self, number: u128, agent: AgentId, begins: Timestamp) -> Session {
        let session = session(number, agent, begins);
        assert_eq!(self.sessions.add(session.clone(), channel(number), MANY).await.sure(), SessionAdded::Added);
        session
    }

    async fn found(&self, number: u128) -> Option<Session> {
        self.sessions.find(session_id(number)).await.sure()
    }
}

/// A message in a session.
fn said(number: u128, session: &Session, channel: ChannelId, now: Timestamp) -> PostMessage {
    PostMessage { beside: Some(Beside::Session(session.id)), ..post_of(draft(number, channel, person(1), "hello"), now) }
}

/// All that it was stored with comes back, and of its channel only the agent takes part.
pub async fn a_session_is_stored_with_its_channel(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let given = stores.open_session(1, agent, at(3)).await;
    assert_eq!(stores.found(1).await, Some(given.clone()));
    assert_eq!(stores.channels.find(given.channel_id).await.sure(), Some(channel(1)));
    assert_eq!(stores.channels.participants(given.channel_id).await.sure(), [agent.into()]);
    assert_eq!(stores.found(2).await, None);
    assert!(stores.sessions.remove(given.id).await.sure());
    assert!(!stores.sessions.remove(given.id).await.sure());
    assert_eq!(stores.found(1).await, None);
    assert_eq!(stores.channels.find(given.channel_id).await.sure(), Some(channel(1)), "the channel stays");
}

/// Otherwise there is neither a session nor a channel.
pub async fn a_session_needs_its_agent_and_a_server(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let nobody = stores.sessions.add(session(1, agent_id(9), at(0)), channel(1), MANY).await.sure();
    assert_eq!(nobody, SessionAdded::NoAgent);
    let mut elsewhere = channel(1);
    elsewhere.server_id = MessageServerId::new(Uuid::from_u128(0x77));
    assert_eq!(stores.sessions.add(session(1, agent, at(0)), elsewhere, MANY).await.sure(), SessionAdded::NoServer);
    assert_eq!(stores.channels.find(channel_id(1)).await.sure(), None);
    assert_eq!(stores.found(1).await, None);
}

/// Oldest first; those that are over are counted and not listed.
pub async fn sessions_that_go_on_are_listed_and_counted(stores: Stores) {
    let agent = stores.running_agent(1).await;
    assert_eq!(stores.sessions.count(None, at(0)).await.sure(), SessionCount::default());
    for (number, minutes) in [(3, 0), (1, 10), (2, 20)] {
        stores.open_session(number, agent, at(minutes * MINUTE)).await;
    }
    for (minutes, ids, count) in [
        (20, vec![3, 1, 2], SessionCount { active: 3, near_end: 0, over: 0 }),
        (25, vec![3, 1, 2], SessionCount { active: 3, near_end: 1, over: 0 }),
        (30, vec![1, 2], SessionCount { active: 2, near_end: 0, over: 1 }),
        (39, vec![1, 2], SessionCount { active: 2, near_end: 1, over: 1 }),
        (60, vec![], SessionCount { active: 0, near_end: 0, over: 3 }),
    ] {
        let listed = stores.sessions.list(None, ALL, at(minutes * MINUTE)).await.sure();
        let expected: Vec<SessionId> = ids.into_iter().map(session_id).collect();
        assert_eq!(listed.items.iter().map(|session| session.id).collect::<Vec<_>>(), expected, "at {minutes}");
        assert_eq!(listed.total, expected.len() as u64);
        assert_eq!(stores.sessions.count(None, at(minutes * MINUTE)).await.sure(), count, "at {minutes}");
    }
    let page = stores.sessions.list(None, Page { offset: 1, limit: 1 }, at(0)).await.sure();
    assert_eq!((page.items.iter().map(|session| session.id).collect::<Vec<_>>(), page.total), (vec![session_id(1)], 3));
}

/// As each of them is found: neither those of others nor those that went with the share of a message server.
pub async fn sessions_within_reach_are_listed_and_counted(stores: Stores) {
    let agent = stores.running_agent(1).await;
    stores.servers.add(server(1)).await.sure();
    stores.servers.add(MessageServer { owner: Some(tenant("a")), ..server(2) }).await.sure();
    let (shared, own) = (server(1).id, server(2).id);
    for (number, place, owner) in [(1, shared, "a"), (2, own, "a"), (3, MessageServerId::DEFAULT, "a"), (4, shared, "b")] {
        let place = Channel { server_id: place, owner: Some(tenant(owner)), ..channel(number) };
        assert_eq!(stores.sessions.add(session(number, agent, at(0)), place, MANY).await.sure(), SessionAdded::Added);
    }
    stores.open_session(5, agent, at(0)).await;
    let sharing = Reach { servers: vec![shared], ..reach("a") };
    for (seeing, numbers) in [(sharing, vec![1, 2, 3]), (reach("a"), vec![2, 3]), (reach("c"), vec![])] {
        for number in 1..=5 {
            let within = stores.access.within(&seeing, Wanted::Session(session_id(number))).await.sure();
            assert_eq!(within, numbers.contains(&number), "session {number} for {seeing:?}");
        }
        let count = numbers.len() as u64;
        for page in [ALL, Page { offset: 0, limit: 1 }] {
            let listed = stores.sessions.list(Some(&seeing), page, at(1)).await.sure();
            let shown: Vec<SessionId> = numbers.iter().copied().map(session_id).take(page.limit as usize).collect();
            assert_eq!(listed.items.iter().map(|session| session.id).collect::<Vec<_>>(), shown, "{seeing:?} {page:?}");
            assert_eq!(listed.total, count, "{seeing:?} {page:?}");
        }
        for (minutes, expected) in [
            (1, SessionCount { active: count, near_end: 0, over: 0 }),
            (25, SessionCount { active: count, near_end: count, over: 0 }),
            (30, SessionCount { active: 0, near_end: 0, over: count }),
        ] {
            assert_eq!(stores.sessions.count(Some(&seeing), at(minutes * MINUTE)).await.sure(), expected, "{seeing:?} at {minutes}");
        }
    }
    assert_eq!(stores.sessions.list(None, ALL, at(1)).await.sure().total, 5);
}

/// Not even to whoever made it. What was deleted is not out of reach, and was made.
pub async fn what_went_with_a_share_is_not_answered_again(stores: Stores) {
    let agent = stores.running_agent(1).await;
    stores.servers.add(server(1)).await.sure();
    let place = |number| Channel { server_id: server(1).id, owner: Some(tenant("a")), ..channel(number) };
    stores.sessions.add(session(1, agent, at(0)), place(1), MANY).await.sure();
    stores.channels.add(place(2), Vec::new()).await.sure();
    let (sharing, ended) = (Reach { servers: vec![server(1).id], ..reach("a") }, reach("a"));
    let answer = KeptAnswer { status: 201, body: "{}".to_owned() };
    let answered = || Claimed::Answered(answer.clone());
    for (made, thing) in [(session_id(1).uuid(), Thing::Session), (channel_id(2).uuid(), Thing::Channel)] {
        let key = IdempotencyKey { caller: "c".to_owned(), route: "r".to_owned(), key: thing.to_string(), body_hash: [1; 32] };
        let claim = |reach| stores.repeats.claim(key.clone(), made, reach, at(0));
        assert_eq!(claim(Some(&sharing)).await.sure(), Claimed::Open(made));
        stores.repeats.answer(key.clone(), answer.clone()).await.sure();
        assert_eq!(claim(Some(&sharing)).await.sure(), answered());
        assert_eq!(claim(Some(&ended)).await.sure(), Claimed::OutOfReach(thing));
        assert_eq!(claim(None).await.sure(), answered());
        if thing == Thing::Session {
            assert!(stores.sessions.remove(session_id(1)).await.sure());
        } else {
            stores.channels.remove(channel_id(2), at(1)).await.sure().sure();
        }
        assert_eq!(claim(Some(&ended)).await.sure(), answered());
    }
}

/// What is returned is what is stored.
pub async fn a_session_is_changed_until_it_is_over(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let opened = stores.open_session(1, agent, at(0)).await;
    let limits = TimeoutChange {
        timeout_minutes: Some(60),
        auto_renew: Some(false),
        max_duration_minutes: Some(90),
        warning_threshold_minutes: Some(7),
    };
    let mut expected = opened;
    for (change, minutes, renews) in [
        (SessionChange::Touch, 10, true),
        (SessionChange::Limit(limits), 20, false),
        (SessionChange::Touch, 30, false),
        (SessionChange::Renew, 40, true),
        (SessionChange::Renew, 50, false),
    ] {
        let now = at(minutes * MINUTE);
        assert_eq!(change.apply(&mut expected, now), renews, "{change:?}");
        let changed = stores.sessions.change(expected.id, change, now).await.sure();
        assert_eq!(changed, SessionChanged::Done(Renewal { session: expected.clone(), renewed: renews }));
        assert_eq!(stores.found(1).await, Some(expected.clone()));
    }
    assert_eq!(expected.expires_at, at(90 * MINUTE));
    let over = stores.sessions.change(expected.id, SessionChange::Renew, at(90 * MINUTE)).await.sure();
    assert_eq!(over, SessionChanged::Over);
    assert_eq!(stores.found(1).await, Some(expected), "what is over is left as it is");
    assert_eq!(stores.sessions.change(session_id(2), SessionChange::Touch, at(0)).await.sure(), SessionChanged::Unknown);
}

/// In the transaction of the message.
pub async fn a_message_renews_its_session_or_is_not_stored(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let opened = stores.open_session(1, agent, at(0)).await;
    let here = opened.channel_id;
    let posted = written(stores.messages.post(said(1, &opened, here, at(10 * MINUTE))).await.sure());
    let renewal = posted.renewal.sure();
    assert_eq!((renewal.renewed, renewal.session.renewals, renewal.session.expires_at), (true, 1, at(40 * MINUTE)));
    assert_eq!(stores.found(1).await, Some(renewal.session));
    assert_eq!(posted.deliveries.len(), 1, "the agent hears it");

    let elsewhere = stores.open_channel(5, &[]).await;
    let unknown = Session { id: session_id(9), ..opened.clone() };
    let nobody = PostMessage { wake: core_types::messaging::Wake::OneAnswers(None), ..said(4, &opened, here, at(20 * MINUTE)) };
    stores.agents.stop(agent, at(1)).await.sure();
    for (post, outcome) in [
        (said(2, &opened, here, at(40 * MINUTE)), PostOutcome::SessionOver),
        (said(2, &opened, elsewhere, at(20 * MINUTE)), PostOutcome::NoSession),
        (said(2, &unknown, here, at(20 * MINUTE)), PostOutcome::NoSession),
        (said(2, &opened, channel_id(77), at(20 * MINUTE)), PostOutcome::NoChannel),
        (nobody, PostOutcome::NoAgent),
    ] {
        let id = post.draft.id;
        assert_eq!(stores.messages.post(post).await.sure(), outcome);
        assert_eq!(stores.messages.find(id).await.sure(), None, "{outcome:?}");
        assert_eq!(stores.found(1).await.sure().renewals, 1, "{outcome:?}");
    }
    assert_eq!(stores.messages.last_seq(here).await.sure(), Some(1));
}

/// It renewed it the first time.
pub async fn a_repeated_message_leaves_its_session_alone(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let opened = stores.open_session(1, agent, at(0)).await;
    let key = IdempotencyKey { caller: "c".to_owned(), route: "session".to_owned(), key: "k".to_owned(), body_hash: [1; 32] };
    let keyed =
        |number, minutes| PostMessage { idempotency: vec![key.clone()], ..said(number, &opened, opened.channel_id, at(minutes * MINUTE)) };
    let first = written(stores.messages.post(keyed(1, 10)).await.sure());
    let again = repeated(stores.messages.post(keyed(2, 20)).await.sure());
    assert_eq!((again.message.id, again.renewal), (message_id(1), None));
    assert_eq!(stores.found(1).await.as_ref(), first.renewal.as_ref().map(|renewal| &renewal.session));
}

/// A session without either would be of no use.
pub async fn a_session_goes_with_its_agent_and_its_channel(stores: Stores) {
    let (one, other) = (stores.running_agent(1).await, stores.running_agent(2).await);
    for (number, agent) in [(1, one), (2, other), (3, other)] {
        stores.open_session(number, agent, at(0)).await;
    }
    stores.agents.remove(one, at(1)).await.sure().sure();
    stores.channels.remove(channel_id(2), at(1)).await.sure().sure();
    assert_eq!((stores.found(1).await, stores.found(2).await), (None, None));
    assert!(stores.found(3).await.is_some());
}

/// The first ended first, and only as many as are needed; where there are none, there is no room.
pub async fn sessions_that_are_over_make_room(stores: Stores) {
    let agent = stores.running_agent(1).await;
    for (number, minutes) in [(1, 10), (2, 0), (3, 20)] {
        stores.open_session(number, agent, at(minutes * MINUTE)).await;
    }
    let add = |number: u128, minutes: i64| stores.sessions.add(session(number, agent, at(minutes * MINUTE)), channel(number), 3);
    assert_eq!(add(4, 29).await.sure(), SessionAdded::Full);
    assert_eq!(stores.channels.find(channel_id(4)).await.sure(), None);
    assert_eq!(add(4, 40).await.sure(), SessionAdded::Added);
    assert_eq!((stores.found(1).await.is_some(), stores.found(2).await), (true, None), "the one that ended first made room");
    assert_eq!(add(5, 41).await.sure(), SessionAdded::Added);
    assert_eq!(stores.found(1).await, None);
    assert_eq!(stores.sessions.count(None, at(41 * MINUTE)).await.sure(), SessionCount { active: 3, near_end: 0, over: 0 });
}

/// One tenant's sessions push out its own and nobody else's, and where all of its part go on, it alone is refused.
pub async fn a_tenants_sessions_make_room_for_its_own(stores: Stores) {
    let agent = stores.running_agent(1).await;
    // Of eight sessions a tenant has two.
    let open = |name: &str, number: u128, minutes: i64| {
        let place = Channel { owner: Some(tenant(name)), ..channel(number) };
        stores.sessions.add(session(number, agent, at(minutes * MINUTE)), place, 8)
    };
    stores.open_session(1, agent, at(0)).await;
    for (name, number) in [("b", 2), ("a", 3), ("a", 4)] {
        assert_eq!(open(name, number, 1).await.sure(), SessionAdded::Added);
    }
    assert_eq!(open("a", 5, 2).await.sure(), SessionAdded::Full);
    assert_eq!(stores.channels.find(channel_id(5)).await.sure(), None);
    assert_eq!(open("b", 6, 2).await.sure(), SessionAdded::Added);
    // All those are over by then.
    for (number, minutes) in [(7, 100), (8, 101), (9, 140)] {
        assert_eq!(open("a", number, minutes).await.sure(), SessionAdded::Added);
    }
    for (number, is_there) in [(1, true), (2, true), (3, false), (4, false), (6, true), (7, false), (8, true), (9, true)] {
        assert_eq!(stores.found(number).await.is_some(), is_there, "{number}");
    }
}

/// Those that go on stay.
pub async fn sessions_that_are_over_are_forgotten_in_portions(stores: Stores) {
    let agent = stores.running_agent(1).await;
    for number in 1..=5 {
        stores.open_session(number, agent, at(i64::try_from(number).sure() * MINUTE)).await;
    }
    let now = at(33 * MINUTE);
    assert_eq!(stores.sessions.prune(now, 2).await.sure(), 2);
    assert_eq!((stores.found(2).await, stores.found(3).await.is_some()), (None, true));
    assert_eq!(stores.sessions.prune(now, 2).await.sure(), 1);
    assert_eq!(stores.sessions.prune(now, 2).await.sure(), 0);
    assert_eq!(stores.sessions.count(None, now).await.sure().active, 2);
}

/// None is lost.
pub async fn parallel_messages_renew_a_session_one_after_the_other(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let opened = stores.open_session(1, agent, at(0)).await;
    let mut posts = JoinSet::new();
    for number in 1..=20 {
        let (stores, post) = (stores.clone(), said(number, &opened, opened.channel_id, at(MINUTE)));
        posts.spawn(async move { written(stores.messages.post(post).await.sure()).renewal.sure().session.renewals });
    }
    let mut renewals = posts.join_all().await;
    renewals.sort_unstable();
    assert_eq!(renewals, (1..=20).collect::<Vec<_>>());
    assert_eq!(stores.found(1).await.sure().renewals, 20);
}
