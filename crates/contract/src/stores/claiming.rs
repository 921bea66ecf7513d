//! Promises about claiming deliveries, holding them and giving them back.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, Weak};

use core_types::DeliveryId;
use core_types::deliveries::{
    Busy, ClaimRequest, Claimed, DeliveryState, DeliveryWorker, HASTY_ATTEMPTS, LEASE_MILLIS, MAX_ATTEMPTS, RESPITE_MILLIS, Requeue, Shares,
};
use core_types::messaging::{Channel, PostMessage, Wake};
use core_types::runs::LogFilter;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Stores;
use super::scene::{
    NO_BOUND, Sure, at, channel, channel_id, claim_request, draft, fence, finish_as, finish_with_reply, held_by, message_id, object, only,
    person, post_of, trace, written,
};

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

/// A worker that wants what it was given to want, then nothing, and keeps what it is handed.
#[derive(Default)]
struct Hand {
    wants: Mutex<VecDeque<ClaimRequest>>,
    handed: Mutex<Vec<Option<Vec<Claimed>>>>,
}

impl Hand {
    fn want(&self, limit: u32) {
        self.wants.lock().sure().push_back(claim_request(limit, at(1)));
    }

    /// What it was handed since the last time.
    fn handed(&self) -> Vec<Option<Vec<Claimed>>> {
        std::mem::take(&mut *self.handed.lock().sure())
    }
}

impl DeliveryWorker for Hand {
    fn wants(&self) -> Option<ClaimRequest> {
        self.wants.lock().sure().pop_front()
    }

    fn take_over(self: Arc<Self>, claimed: Option<Vec<Claimed>>) {
        self.handed.lock().sure().push(claimed);
    }
}

/// Where the store does so; where it does not, it asks nobody. What it could not hand over is there to be claimed.
pub async fn what_falls_due_is_handed_over_before_anybody_is_told_of_it(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    let channel = stores.open_channel(1, &[one.into()]).await;
    let other = stores.open_channel(2, &[one.into(), two.into()]).await;
    let hand = Arc::new(Hand::default());
    let worker: Arc<dyn DeliveryWorker> = Arc::<Hand>::clone(&hand);
    hand.want(10);
    if !stores.deliveries.claim_for(Arc::downgrade(&worker)) {
        stores.say(1, channel, person(1)).await;
        assert_eq!((hand.handed(), stores.claim(10, at(1)).await.len()), (vec![], 1));
        return;
    }
    let said = stores.say(1, channel, person(1)).await;
    let [Some(claimed)] = &hand.handed()[..] else { panic!("not handed over") };
    let [claimed] = &claimed[..] else { panic!("{claimed:?}") };
    assert_eq!((&claimed.message, claimed.delivery.id), (&said.message, only(said.deliveries).id));
    assert_eq!((claimed.delivery.state, claimed.delivery.attempt, claimed.is_new), (DeliveryState::Claimed, 1, true));
    assert_eq!(stores.deliveries.find(claimed.delivery.id).await.sure(), Some(claimed.delivery.clone()));
    assert_eq!(stores.claim(10, at(1)).await, [], "it is claimed");

    // Behind it nothing is due, and so nobody is asked.
    hand.want(10);
    stores.say(2, channel, person(1)).await;
    assert_eq!(hand.handed(), []);
    // No more than is wanted; the rest is there to be claimed.
    hand.wants.lock().sure().clear();
    hand.want(1);
    stores.say(3, other, person(1)).await;
    assert_eq!(hand.handed().iter().flatten().flatten().count(), 1);
    assert_eq!(stores.claim(10, at(1)).await.len(), 1);

    // Whoever wants nothing is told that something is due.
    let third = stores.open_channel(3, &[two.into()]).await;
    stores.say(4, third, person(1)).await;
    assert_eq!(hand.handed(), [None]);
    // With the next it may have that as well, which is not new.
    hand.want(10);
    let fifth = stores.open_channel(5, &[two.into()]).await;
    stores.say(6, fifth, person(1)).await;
    let handed: Vec<_> = hand.handed().into_iter().flatten().flatten().map(|claimed| (claimed.message.id, claimed.is_new)).collect();
    assert_eq!(handed, [(message_id(4), false), (message_id(6), true)]);
    // Once the worker is gone, it is as it was.
    drop((hand, worker));
    let fourth = stores.open_channel(4, &[two.into()]).await;
    stores.say(5, fourth, person(1)).await;
    assert_eq!(stores.claim(10, at(1)).await.len(), 1);
}

/// A reply that wakes another agent is a message like any other.
pub async fn what_a_reply_wakes_is_handed_over_too(stores: Stores) {
    let (one, two) = (stores.running_agent(1).await, stores.running_agent(2).await);
    let chatty = Channel { metadata: object(json!({"allowAgentToAgent": true})), ..channel(1) };
    stores.channels.add(chatty, vec![one.into(), two.into()]).await.sure();
    stores.say(1, channel_id(1), person(1)).await;
    let claimed = stores.claim(10, at(1)).await;
    for claimed in claimed.iter().filter(|claimed| claimed.delivery.agent_id == two) {
        stores.deliveries.finish(finish_as(claimed, DeliveryState::Ignored, at(1))).await.sure().sure();
    }
    let hand = Arc::new(Hand::default());
    let worker: Weak<dyn DeliveryWorker> = Arc::downgrade(&(Arc::<Hand>::clone(&hand) as Arc<dyn DeliveryWorker>));
    hand.want(10);
    let hands_over = stores.deliveries.claim_for(worker);
    let asked = claimed.iter().find(|claimed| claimed.delivery.agent_id == one).sure();
    let finished = stores.deliveries.finish(finish_with_reply(asked, "hello", at(1))).await.sure().sure();
    let woken: Vec<_> = finished.woken.iter().map(|delivery| delivery.id).collect();
    let handed: Vec<_> = hand.handed().into_iter().flatten().flatten().map(|claimed| claimed.delivery.id).collect();
    assert_eq!((woken.len(), handed), (1, if hands_over { woken } else { Vec::new() }));
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
pub async fn stopped_and_full_agents_are_passed_over(stores: Stores) {
    let (one, two, three) = (stores.running_agent(1).await, stores.running_agent(2).await, stores.running_agent(3).await);
    let channel = stores.open_channel(1, &[one.into(), two.into(), three.into()]).await;
    stores.say(1, channel, person(1)).await;
    stores.agents.stop(one, at(1)).await.sure();
    let elsewhere = DeliveryId::new(Uuid::from_u128(0xdead));
    let request =
        ClaimRequest { shares: Shares { per_agent: 1, ..NO_BOUND }, held: vec![held_by(two, elsewhere)], ..claim_request(10, at(1)) };
    assert_eq!(only(stores.deliveries.claim(request).await.sure()).delivery.agent_id, three);
    assert_eq!(only(stores.claim(10, at(1)).await).delivery.agent_id, two);
    assert_eq!(stores.claim(10, at(1)).await, []);
    stores.agents.start(one, super::scene::plane(one, channel_id(9), &[]), at(2)).await.sure();
    assert_eq!(only(stores.claim(10, at(2)).await).delivery.agent_id, one);
}

/// What is due is due, in its order; what is claimed is held as long as it was.
pub async fn what_waits_for_a_stopped_agent_is_as_it_was_when_it_starts(stores: Stores) {
    let (agent, _, first) = stores.claimed_message().await;
    for number in [3, 2] {
        let channel = stores.open_channel(number, &[agent.into()]).await;
        let age = i64::try_from(number).sure();
        written(stores.messages.post(post_of(draft(number, channel, person(1), "hello"), at(age))).await.sure());
    }
    for moment in [4, 5] {
        stores.agents.stop(agent, at(moment)).await.sure();
        assert_eq!(stores.claim(9, at(2 * LEASE_MILLIS)).await, []);
        assert_eq!(stores.deliveries.next_due(Busy::default()).await.sure(), None);
    }
    stores.agents.start(agent, super::scene::plane(agent, channel_id(9), &[]), at(6)).await.sure();
    let claimed: Vec<_> = stores.claim(9, at(6)).await.iter().map(|claimed| claimed.message.id).collect();
    assert_eq!(claimed, [message_id(2), message_id(3)]);
    assert_eq!(stores.claim(9, at(LEASE_MILLIS - 1)).await, []);
    assert_eq!(only(stores.claim(9, at(LEASE_MILLIS)).await).delivery.id, first.delivery.id);
}

/// Whether it ran or not; and what is claimed is its holder's.
pub async fn what_waits_for_an_agent_is_as_it_was_when_it_is_restarted(stores: Stores) {
    let (agent, _, first) = stores.claimed_message().await;
    let own = || super::scene::plane(agent, channel_id(9), &[]);
    let due = async || stores.deliveries.next_due(Busy::default()).await.sure();
    let second = stores.open_channel(2, &[agent.into()]).await;
    written(stores.messages.post(post_of(draft(2, second, person(1), "hello"), at(2))).await.sure());
    stores.agents.restart(agent, own(), at(3)).await.sure().sure();
    assert_eq!(due().await, Some(at(2)));
    stores.agents.stop(agent, at(4)).await.sure();
    assert_eq!(due().await, None);
    stores.agents.restart(agent, own(), at(5)).await.sure().sure();
    assert_eq!(only(stores.claim(9, at(5)).await).message.id, message_id(2));
    assert_eq!(stores.claim(9, at(LEASE_MILLIS - 1)).await, []);
    assert!(stores.deliveries.finish(finish_as(&first, DeliveryState::Ignored, at(6))).await.sure().is_some());
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

/// However often the server starts meanwhile; it is not begun, and no attempt is used up.
pub async fn what_came_to_no_end_twice_waits_after_each_start(stores: Stores) {
    let (agent, _, first) = stores.claimed_message().await;
    stores.deliveries.recover(at(0)).await.sure();
    let second = only(stores.claim(10, at(0)).await);
    assert_eq!(second.delivery.tries(), HASTY_ATTEMPTS);
    let mut due = at(0);
    for start in [at(1), at(RESPITE_MILLIS), at(3 * RESPITE_MILLIS)] {
        due = start.plus_millis(RESPITE_MILLIS);
        stores.deliveries.recover(start).await.sure();
        assert_eq!(stores.claim(10, due.plus_millis(-1)).await, []);
        assert_eq!(stores.deliveries.next_due(Busy::default()).await.sure(), Some(due));
    }
    let elsewhere = stores.open_channel(2, &[agent.into()]).await;
    stores.say(2, elsewhere, person(1)).await;
    stores.deliveries.recover(at(4 * RESPITE_MILLIS - 1)).await.sure();
    assert_eq!(only(stores.claim(10, due).await).message.id, message_id(2), "what is new waits for nothing");
    let third = only(stores.claim(10, at(5 * RESPITE_MILLIS)).await);
    assert_eq!((third.delivery.id, third.delivery.tries()), (first.delivery.id, HASTY_ATTEMPTS + 1));
}

/// Until the moment given, and the ones behind it wait too.
pub async fn a_requeued_delivery_waits_and_may_not_count(stores: Stores) {
    let (agent, channel, first) = stores.claimed_message().await;
    stores.say(2, channel, person(2)).await;
    let back = Requeue { fence: fence(&first), not_before: at(50), counts: true, trace: Some(trace(1, &first, at(1))) };
    assert!(stores.deliveries.requeue(back).await.sure());
    assert_eq!(stores.state_of(&first).await, DeliveryState::Pending);
    assert_eq!(stores.claim(10, at(49)).await, []);
    assert_eq!(stores.deliveries.next_due(Busy::default()).await.sure(), Some(at(50)));
    let second = only(stores.claim(10, at(50)).await);
    assert_eq!((second.delivery.id, second.delivery.attempt), (first.delivery.id, 2));
    assert_eq!(stores.runs_of(agent).await.len(), 1);
    assert_eq!(stores.runs.logs(agent, LogFilter { limit: 10, ..LogFilter::default() }).await.sure().len(), 1);

    assert_eq!((second.delivery.given_back, second.delivery.tries()), (0, 2));

    let uncounted = Requeue { fence: fence(&second), not_before: at(50), counts: false, trace: None };
    assert!(stores.deliveries.requeue(uncounted).await.sure());
    let third = only(stores.claim(10, at(50)).await).delivery;
    assert_eq!((third.attempt, third.given_back, third.tries()), (3, 1, 2));
}

/// The number of a claim is never given twice: whoever gave a delivery back cannot end it, though the claim did not count.
pub async fn a_delivery_given_back_is_not_its_former_holders(stores: Stores) {
    let (agent, _, first) = stores.claimed_message().await;
    let back = Requeue { fence: fence(&first), not_before: at(0), counts: false, trace: None };
    assert!(stores.deliveries.requeue(back.clone()).await.sure());
    let second = only(stores.claim(10, at(1)).await);
    assert_ne!(fence(&second), fence(&first));
    assert_eq!(stores.deliveries.finish(finish_as(&first, DeliveryState::Ignored, at(2))).await.sure(), None);
    assert_eq!(stores.deliveries.renew(vec![fence(&first)], at(9)).await.sure(), []);
    assert!(!stores.deliveries.requeue(back).await.sure());
    assert_eq!(stores.deliveries.find(second.delivery.id).await.sure(), Some(second.delivery.clone()));
    assert_eq!(stores.runs_of(agent).await, []);
}

/// Not even where its lease ran out; and it does not stand in the way of others.
pub async fn what_is_held_is_not_claimed_again(stores: Stores) {
    let (agent, _, first) = stores.claimed_message().await;
    let other = stores.open_channel(2, &[agent.into()]).await;
    written(stores.messages.post(post_of(draft(2, other, person(1), "hello"), at(LEASE_MILLIS))).await.sure());
    let held = vec![held_by(agent, first.delivery.id)];
    let request = ClaimRequest { held, ..claim_request(1, at(2 * LEASE_MILLIS)) };
    assert_eq!(only(stores.deliveries.claim(request.clone()).await.sure()).message.id, message_id(2));
    assert_eq!(stores.deliveries.claim(request).await.sure(), []);
    assert_eq!(stores.deliveries.find(first.delivery.id).await.sure(), Some(first.delivery.clone()));
    assert_eq!(only(stores.claim(10, at(2 * LEASE_MILLIS)).await).delivery.id, first.delivery.id);
}

/// Nothing is written for anybody else.
pub async fn only_the_holder_can_requeue(stores: Stores) {
    let (agent, _, first) = stores.claimed_message().await;
    let second = only(stores.claim(10, at(LEASE_MILLIS)).await);
    let late = Requeue { fence: fence(&first), not_before: at(0), counts: true, trace: Some(trace(1, &first, at(1))) };
    assert!(!stores.deliveries.requeue(late).await.sure());
    assert_eq!(stores.deliveries.find(first.delivery.id).await.sure(), Some(second.delivery.clone()));
    assert_eq!(stores.runs_of(agent).await, []);
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

/// Nor one that was tried already; and what must be answered gives way only to what must be answered too.
pub async fn only_an_untried_message_that_asks_as_much_is_newer(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let ask = |number, channel: u128, wake| {
        let draft = draft(number, channel_id(channel), person(1), "hello");
        let (stores, post) = (stores.clone(), PostMessage { wake, ..post_of(draft, at(0)) });
        async move { written(stores.messages.post(post).await.sure()) }
    };
    let (must, may) = (Wake::OneAnswers(None), Wake::Listeners);
    let cases =
        [(1, vec![must, may], None), (2, vec![must, must, may], Some(1)), (3, vec![may, may], Some(1)), (4, vec![may, must], Some(1))];
    for (channel, wakes, _) in &cases {
        stores.open_channel(*channel, &[agent.into()]).await;
        for (turn, wake) in (0..).zip(wakes) {
            ask(channel * 10 + turn, *channel, *wake).await;
        }
    }
    let claimed = stores.claim(10, at(1)).await;
    assert_eq!(claimed.len(), cases.len());
    for (channel, wakes, newer) in cases {
        let one = claimed.iter().find(|claimed| claimed.channel.id == channel_id(channel)).sure();
        assert_eq!(one.newer, newer.map(|turn| message_id(channel * 10 + turn)), "{wakes:?}");
    }
}

/// The moment a pending one is due, or a claim expires. Deliveries of stopped agents are never due.
pub async fn the_next_due_moment_is_that_of_a_running_agents_delivery(stores: Stores) {
    assert_eq!(stores.deliveries.next_due(Busy::default()).await.sure(), None);
    let agent = stores.running_agent(1).await;
    let channel = stores.open_channel(1, &[agent.into()]).await;
    written(stores.messages.post(post_of(draft(1, channel, person(1), "hello"), at(7))).await.sure());
    assert_eq!(stores.deliveries.next_due(Busy::default()).await.sure(), Some(at(7)));
    let claimed = only(stores.claim(1, at(8)).await);
    assert_eq!(stores.deliveries.next_due(Busy::default()).await.sure(), Some(at(8 + LEASE_MILLIS)));
    stores.agents.stop(agent, at(9)).await.sure();
    assert_eq!(stores.deliveries.next_due(Busy::default()).await.sure(), None);
    stores.agents.start(agent, super::scene::plane(agent, channel_id(9), &[]), at(10)).await.sure();
    stores.deliveries.finish(finish_as(&claimed, DeliveryState::Ignored, at(11))).await.sure().sure();
    assert_eq!(stores.deliveries.next_due(Busy::default()).await.sure(), None);
}
