//! Promises about which agents hear of a message.

use core_types::deliveries::{DeliveryState, OpenDeliveries};
use core_types::messaging::{ALLOW_AGENT_TO_AGENT, Channel, IdempotencyKey, MAX_AGENT_TURNS, PostMessage, PostOutcome, Wake};
use core_types::{AgentId, ChannelId, EntityId};
use serde_json::json;

use super::Stores;
use super::scene::{Sure, agent, agent_id, at, channel, channel_id, draft, message_id, object, only, person, post_of, written};

async fn woken(stores: &Stores, number: u128, author: EntityId, wake: Wake) -> Vec<(AgentId, bool)> {
    let post = PostMessage { wake, ..post_of(draft(number, channel_id(1), author, "hello"), at(0)) };
    let posted = written(stores.messages.post(post).await.sure());
    posted.deliveries.iter().map(|delivery| (delivery.agent_id, delivery.must_answer)).collect()
}

/// By join order; not those who are stopped or elsewhere. The delivery has its ids from the start.
pub async fn every_running_agent_in_the_channel_hears_a_message(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    let stopped = stores.agents.add(agent(3), Vec::new()).await.sure().into_inner().id;
    stores.running_agent(4).await;
    let channel = stores.open_channel(1, &[person(1), two.into(), stopped.into(), one.into()]).await;
    assert_eq!(woken(&stores, 1, person(1), Wake::Listeners).await, [(two, false), (one, false)]);
    let posted = stores.say(2, channel, person(1)).await;
    for delivery in posted.deliveries {
        assert_eq!((delivery.message_id, delivery.attempt), (message_id(2), 0));
        assert_ne!(delivery.reply_id, message_id(2));
        assert_eq!(stores.deliveries.find(delivery.id).await.sure(), Some(delivery));
    }
}

/// The others hear of it too.
pub async fn the_named_agent_must_answer_and_comes_first(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    stores.open_channel(1, &[one.into(), two.into()]).await;
    assert_eq!(woken(&stores, 1, person(1), Wake::OneAnswers(Some(two))).await, [(two, true), (one, false)]);
}

/// Also where the one that is named does not listen.
pub async fn without_a_name_the_first_to_join_must_answer(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    stores.running_agent(3).await;
    stores.open_channel(1, &[two.into(), one.into()]).await;
    assert_eq!(woken(&stores, 1, person(1), Wake::OneAnswers(None)).await, [(two, true), (one, false)]);
    assert_eq!(woken(&stores, 2, person(1), Wake::OneAnswers(Some(agent_id(3)))).await, [(two, true), (one, false)]);
}

/// Neither message, event, channel nor key.
pub async fn a_required_answer_without_a_listener_stores_nothing(stores: Stores) {
    let stopped = stores.agents.add(agent(1), Vec::new()).await.sure().into_inner().id;
    let key = |body| IdempotencyKey { caller: "c".to_owned(), route: "r".to_owned(), key: "k".to_owned(), body_hash: [body; 32] };
    let post = PostMessage {
        create_channel: Some((channel(1), vec![person(1), stopped.into()])),
        wake: Wake::OneAnswers(None),
        idempotency: vec![key(1)],
        ..post_of(draft(1, channel_id(1), person(1), "hello"), at(0))
    };
    assert_eq!(stores.messages.post(post.clone()).await.sure(), PostOutcome::NoAgent);
    assert_eq!(stores.messages.find(message_id(1)).await.sure(), None);
    assert_eq!(stores.channels.find(channel_id(1)).await.sure(), None);
    assert_eq!(stores.channels.participants(channel_id(1)).await.sure(), []);
    let other = PostMessage { idempotency: vec![key(2)], wake: Wake::Listeners, ..post };
    let posted = written(stores.messages.post(other).await.sure());
    assert_eq!((posted.message.seq, posted.created_channel, posted.deliveries.len()), (1, true, 0));
}

/// A person is an author anywhere.
pub async fn an_agent_is_no_author_unless_it_may_be(stores: Stores) {
    let one = stores.agents.add(agent(1), Vec::new()).await.sure().into_inner().id;
    let channel = stores.open_channel(1, &[]).await;
    let strict = |number, author| PostMessage { author_may_be_agent: false, ..post_of(draft(number, channel, author, "hello"), at(0)) };
    assert_eq!(stores.messages.post(strict(1, one.into())).await.sure(), PostOutcome::AuthorIsAgent);
    assert_eq!(stores.messages.last_seq(channel).await.sure(), Some(0));
    assert_eq!(stores.messages.find(message_id(1)).await.sure(), None);
    written(stores.messages.post(strict(2, person(1))).await.sure());
}

/// And never its author.
pub async fn an_agents_message_wakes_nobody_unless_the_channel_allows_it(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    stores.open_channel(1, &[one.into(), two.into()]).await;
    assert_eq!(woken(&stores, 1, one.into(), Wake::Listeners).await, []);
    let required = PostMessage { wake: Wake::OneAnswers(None), ..post_of(draft(2, channel_id(1), one.into(), "hello"), at(0)) };
    assert_eq!(stores.messages.post(required).await.sure(), PostOutcome::NoAgent);

    let talk = talkative(&stores, 2, &[one.into(), two.into()]).await;
    let posted = stores.say(3, talk, one.into()).await;
    assert_eq!(only(posted.deliveries).agent_id, two);
}

/// The eighth message of an agent in a row wakes nobody; a person's word starts the count again.
pub async fn talk_among_agents_stops_after_eight_turns(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    let talk = talkative(&stores, 1, &[person(1), one.into(), two.into()]).await;
    let turns = u128::try_from(MAX_AGENT_TURNS).sure();
    for round in 0..2 {
        let base = round * 100;
        assert_eq!(stores.say(base, talk, person(1)).await.deliveries.len(), 2);
        for turn in 1..turns {
            let author = if turn % 2 == 0 { one } else { two };
            assert_eq!(stores.say(base + turn, talk, author.into()).await.deliveries.len(), 1, "turn {turn}");
        }
        assert_eq!(stores.say(base + turns, talk, one.into()).await.deliveries, []);
        assert_eq!(stores.say(base + turns + 1, talk, two.into()).await.deliveries, []);
    }
}

/// Whichever of the two comes first, agent or channel.
pub async fn a_removal_during_a_post_leaves_no_open_delivery(stores: Stores) {
    for number in 0..12 {
        let agent = stores.running_agent(number).await;
        let channel = stores.open_channel(number, &[agent.into()]).await;
        let post = stores.messages.post(post_of(draft(number, channel, person(1), "hello"), at(0)));
        let outcome = if number % 2 == 0 {
            let (outcome, removed) = tokio::join!(post, stores.agents.remove(agent, at(1)));
            assert!(removed.sure().is_some());
            outcome.sure()
        } else {
            let (outcome, removed) = tokio::join!(post, stores.channels.remove(channel, at(1)));
            removed.sure().sure();
            outcome.sure()
        };
        let deliveries = match outcome {
            PostOutcome::Posted(posted) => posted.deliveries,
            PostOutcome::NoChannel => Vec::new(),
            other => panic!("{other:?}"),
        };
        for delivery in deliveries {
            assert_eq!(stores.deliveries.find(delivery.id).await.sure().sure().state, DeliveryState::Cancelled);
        }
    }
    assert_eq!(stores.claim(100, at(9)).await, []);
}

async fn talkative(stores: &Stores, number: u128, participants: &[EntityId]) -> ChannelId {
    let open = Channel { metadata: object(json!({ALLOW_AGENT_TO_AGENT: true})), ..channel(number) };
    stores.channels.add(open, participants.to_vec()).await.sure();
    channel_id(number)
}

/// What waits is counted by agent, and a message that a full one would hear is not written; others go on.
pub async fn a_message_to_a_full_agent_is_not_written(stores: Stores) {
    let (full, other) = (stores.running_agent(1).await, stores.running_agent(2).await);
    let channel = stores.open_channel(1, &[person(1), full.into()]).await;
    let elsewhere = stores.open_channel(2, &[person(1), other.into()]).await;
    for number in 1..=3 {
        stores.say(number, channel, person(1)).await;
    }
    stores.say(4, elsewhere, person(1)).await;
    let mut backlog = stores.deliveries.backlog().await.sure();
    backlog.sort_unstable_by_key(|waiting| waiting.count);
    assert_eq!(backlog, [(other, 1), (full, 3)].map(|(agent, count)| OpenDeliveries { agent, tenant: None, count }));
    let refused = |number, to| PostMessage { full: vec![full], ..post_of(draft(number, to, person(1), "more"), at(1)) };
    assert_eq!(stores.messages.post(refused(5, channel)).await.sure(), PostOutcome::AgentFull(full));
    assert_eq!(stores.messages.last_seq(channel).await.sure(), Some(3));
    written(stores.messages.post(refused(6, elsewhere)).await.sure());
    // What nobody hears may come.
    written(stores.messages.post(PostMessage { wake: Wake::Nobody, ..refused(7, channel) }).await.sure());
}
