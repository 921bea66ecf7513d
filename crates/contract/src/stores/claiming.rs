//! Promises about claiming deliveries, holding them and giving them back.

use std::collections::HashSet;

use core_types::deliveries::{ClaimRequest, DeliveryState, LEASE_MILLIS, MAX_ATTEMPTS, Requeue};
use core_types::runs::LogFilter;
use tokio::task::JoinSet;

use super::Stores;
use super::scene::{Sure, at, channel, channel_id, draft, fence, finish_as, message_id, only, person, post_of, trace, written};

/// The message, its channel, the version of the agent.
pub async fn a_claim_brings_all_that_a_worker_needs(stores: Stores) {
    let (agent, _, claimed) = stores.claimed_message().await;
    assert_eq!((claimed.delivery.agent_id, claimed.delivery.attempt, claimed.delivery.state), (agent, 1, DeliveryState::Claimed));
    assert_eq!(stores.deliveries.find(claimed.delivery.id).await.sure(), Some(claimed.delivery.clone()));
    assert_eq!(Some((*claimed.message).clone()), stores.messages.find(message_id(1)).await.sure());
    assert_eq!(claimed.channel, channel(1));
    assert_eq!(claimed.agent_version, stores.agents.find(agent).await.sure().sure().updated_at);
    assert_eq!(claimed.newer, None);
}

/// The next one comes when the one before has ended, not earlier.
pub async fn one_agent_in_one_channel_gets_one_delivery_at_a_time_in_order(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let channel = stores.open_channel(1, &[agent.into()]).await;
    for number in 1..=4 {
        stores.say(number, channel, person(number)).await;
    }
    for number in 1..=4 {
        let claimed = only(stores.claim(10, at(1)).await);
        assert_eq!(claimed.message.id, message_id(number));
        assert_eq!(stores.claim(10, at(1)).await, []);
        stores.deliveries.finish(finish_as(&claimed, DeliveryState::Ignored, at(1))).await.sure().sure();
    }
    assert_eq!(stores.claim(10, at(1)).await, []);
}

/// Neither an agent nor a channel waits for another.
pub async fn other_agents_and_channels_are_claimed_together(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    for number in 1..=3 {
        let channel = stores.open_channel(number, &[one.into(), two.into()]).await;
        stores.say(number, channel, person(1)).await;
        stores.say(100 + number, channel, person(1)).await;
    }
    let claimed = stores.claim(100, at(1)).await;
    let pairs: HashSet<_> = claimed.iter().map(|claimed| (claimed.delivery.agent_id, claimed.channel.id)).collect();
    assert_eq!((claimed.len(), pairs.len()), (6, 6));
    assert!(claimed.iter().all(|claimed| claimed.message.seq == 1));
}

/// However many workers there are.
pub async fn concurrent_claims_share_without_doubles(stores: Stores) {
    let agent = stores.running_agent(1).await;
    for number in 0..12 {
        let channel = stores.open_channel(number, &[agent.into()]).await;
        stores.say(number, channel, person(1)).await;
        stores.say(100 + number, channel, person(1)).await;
    }
    let mut workers = JoinSet::new();
    for _ in 0..6 {
        let stores = stores.clone();
        workers.spawn(async move {
            let mut claimed = Vec::new();
            for _ in 0..4 {
                claimed.extend(stores.claim(2, at(1)).await);
            }
            claimed
        });
    }
    let claimed: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let channels: HashSet<_> = claimed.iter().map(|claimed| claimed.channel.id).collect();
    assert_eq!((claimed.len(), channels.len()), (12, 12));
    assert!(claimed.iter().all(|claimed| claimed.message.seq == 1 && claimed.delivery.attempt == 1));
}

/// Their deliveries wait.
pub async fn stopped_and_busy_agents_are_passed_over(stores: Stores) {
    let (one, two, three) = (stores.running_agent(1).await, stores.running_agent(2).await, stores.running_agent(3).await);
    let channel = stores.open_channel(1, &[one.into(), two.into(), three.into()]).await;
    stores.say(1, channel, person(1)).await;
    stores.agents.stop(one, at(1)).await.sure();
    let request = ClaimRequest { limit: 10, busy: vec![two], now: at(1), lease_until: at(LEASE_MILLIS) };
    assert_eq!(only(stores.deliveries.claim(request).await.sure()).delivery.agent_id, three);
    assert_eq!(only(stores.claim(10, at(1)).await).delivery.agent_id, two);
    assert_eq!(stores.claim(10, at(1)).await, []);
    stores.agents.start(one, super::scene::plane(one, channel_id(9), &[]), at(2)).await.sure();
    assert_eq!(only(stores.claim(10, at(2)).await).delivery.agent_id, one);
}

/// Those that wait longest come first.
pub async fn a_claim_takes_the_oldest_up_to_its_limit(stores: Stores) {
    let agent = stores.running_agent(1).await;
    for (number, now) in [(1, 30), (2, 10), (3, 20)] {
        let channel = stores.open_channel(number, &[agent.into()]).await;
        written(stores.messages.post(post_of(draft(number, channel, person(1), "hello"), at(now))).await.sure());
    }
    let numbers = |limit| {
        let stores = stores.clone();
        async move { stores.claim(limit, at(40)).await.iter().map(|claimed| claimed.message.id).collect::<Vec<_>>() }
    };
    assert_eq!(numbers(0).await, []);
    assert_eq!(numbers(2).await, [message_id(2), message_id(3)]);
    assert_eq!(numbers(2).await, [message_id(1)]);
}

/// Not earlier; and not another of the same agent and channel. Attempts are counted beyond the last that is made, so
/// that the worker can give it up.
pub async fn an_expired_claim_is_claimed_again_as_the_next_attempt(stores: Stores) {
    let (_, channel, first) = stores.claimed_message().await;
    stores.say(2, channel, person(2)).await;
    assert_eq!(stores.claim(10, at(LEASE_MILLIS - 1)).await, []);
    let mut now = LEASE_MILLIS;
    for attempt in 2..=MAX_ATTEMPTS + 1 {
        let again = only(stores.claim(10, at(now)).await);
        assert_eq!((again.delivery.id, again.delivery.attempt), (first.delivery.id, attempt));
        assert_eq!(again.delivery.reply_id, first.delivery.reply_id, "the reply's id is the same on every attempt");
        now += LEASE_MILLIS;
    }
}

/// Only those still held are named.
pub async fn a_renewed_claim_holds_and_a_lost_one_is_not_renewed(stores: Stores) {
    let (_, _, first) = stores.claimed_message().await;
    let later = at(3 * LEASE_MILLIS);
    assert_eq!(stores.deliveries.renew(vec![fence(&first)], later).await.sure(), [fence(&first)]);
    assert_eq!(stores.claim(10, at(2 * LEASE_MILLIS)).await, []);
    let second = only(stores.claim(10, later).await);
    let held = vec![fence(&first), fence(&second)];
    assert_eq!(stores.deliveries.renew(held, at(9 * LEASE_MILLIS)).await.sure(), [fence(&second)]);
    stores.deliveries.finish(finish_as(&second, DeliveryState::Ignored, later)).await.sure().sure();
    assert_eq!(stores.deliveries.renew(vec![fence(&second)], later).await.sure(), []);
}

/// At once, without waiting for their leases; the attempt that was cut short counts.
pub async fn recovery_makes_claimed_deliveries_pending(stores: Stores) {
    let (_, channel, first) = stores.claimed_message().await;
    stores.say(2, channel, person(1)).await;
    assert_eq!(stores.deliveries.recover(at(1)).await.sure(), 1);
    assert_eq!(stores.state_of(&first).await, DeliveryState::Pending);
    assert_eq!(stores.deliveries.recover(at(1)).await.sure(), 0);
    let again = only(stores.claim(10, at(1)).await);
    assert_eq!((again.delivery.id, again.delivery.attempt), (first.delivery.id, 2));
    let late = finish_as(&first, DeliveryState::Ignored, at(2));
    assert_eq!(stores.deliveries.finish(late).await.sure(), None, "whoever held it before cannot finish it");
}

/// Until the moment given, and the ones behind it wait too.
pub async fn a_requeued_delivery_waits_and_may_not_count(stores: Stores) {
    let (agent, channel, first) = stores.claimed_message().await;
    stores.say(2, channel, person(2)).await;
    let back = Requeue { fence: fence(&first), not_before: at(50), counts: true, trace: Some(trace(1, &first, at(1))) };
    assert!(stores.deliveries.requeue(back).await.sure());
    assert_eq!(stores.state_of(&first).await, DeliveryState::Pending);
    assert_eq!(stores.claim(10, at(49)).await, []);
    assert_eq!(stores.deliveries.next_due().await.sure(), Some(at(50)));
    let second = only(stores.claim(10, at(50)).await);
    assert_eq!((second.delivery.id, second.delivery.attempt), (first.delivery.id, 2));
    assert_eq!(stores.runs.list(agent, 10).await.sure().len(), 1);
    assert_eq!(stores.runs.logs(agent, LogFilter { limit: 10, ..LogFilter::default() }).await.sure().len(), 1);

    let uncounted = Requeue { fence: fence(&second), not_before: at(50), counts: false, trace: None };
    assert!(stores.deliveries.requeue(uncounted).await.sure());
    assert_eq!(only(stores.claim(10, at(50)).await).delivery.attempt, 2);
}

/// Nothing is written for anybody else.
pub async fn only_the_holder_can_requeue(stores: Stores) {
    let (agent, _, first) = stores.claimed_message().await;
    let second = only(stores.claim(10, at(LEASE_MILLIS)).await);
    let late = Requeue { fence: fence(&first), not_before: at(0), counts: true, trace: Some(trace(1, &first, at(1))) };
    assert!(!stores.deliveries.requeue(late).await.sure());
    assert_eq!(stores.deliveries.find(first.delivery.id).await.sure(), Some(second.delivery.clone()));
    assert_eq!(stores.runs.list(agent, 10).await.sure(), []);
    let back = Requeue { fence: fence(&second), not_before: at(0), counts: true, trace: None };
    assert!(stores.deliveries.requeue(back.clone()).await.sure());
    assert!(!stores.deliveries.requeue(back).await.sure(), "given back is given back");
}

/// Not one of another author, in another channel, or for another agent alone.
pub async fn a_newer_message_of_the_same_author_is_told(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    let channel = stores.open_channel(1, &[one.into()]).await;
    let elsewhere = stores.open_channel(2, &[one.into(), two.into()]).await;
    stores.say(1, channel, person(1)).await;
    stores.say(2, channel, person(2)).await;
    stores.say(3, channel, person(1)).await;
    stores.say(4, elsewhere, person(2)).await;
    let mut newer = Vec::new();
    for _ in 1..=3 {
        let claimed = stores.claim(10, at(1)).await;
        for claimed in claimed.iter().filter(|claimed| claimed.channel.id == channel) {
            newer.push((claimed.message.id, claimed.newer));
            stores.deliveries.finish(finish_as(claimed, DeliveryState::Ignored, at(1))).await.sure().sure();
        }
    }
    assert_eq!(newer, [(message_id(1), Some(message_id(3))), (message_id(2), None), (message_id(3), None)]);
}

/// The moment a pending one is due, or a claim expires. Deliveries of stopped agents are never due.
pub async fn the_next_due_moment_is_that_of_a_running_agents_delivery(stores: Stores) {
    assert_eq!(stores.deliveries.next_due().await.sure(), None);
    let agent = stores.running_agent(1).await;
    let channel = stores.open_channel(1, &[agent.into()]).await;
    written(stores.messages.post(post_of(draft(1, channel, person(1), "hello"), at(7))).await.sure());
    assert_eq!(stores.deliveries.next_due().await.sure(), Some(at(7)));
    let claimed = only(stores.claim(1, at(8)).await);
    assert_eq!(stores.deliveries.next_due().await.sure(), Some(at(8 + LEASE_MILLIS)));
    stores.agents.stop(agent, at(9)).await.sure();
    assert_eq!(stores.deliveries.next_due().await.sure(), None);
    stores.agents.start(agent, super::scene::plane(agent, channel_id(9), &[]), at(10)).await.sure();
    stores.deliveries.finish(finish_as(&claimed, DeliveryState::Ignored, at(11))).await.sure().sure();
    assert_eq!(stores.deliveries.next_due().await.sure(), None);
}
