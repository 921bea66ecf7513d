//! Promises about deliveries that a clock which was ahead has put off.

use core_types::deliveries::{Busy, Claimed, DeliveryState, LEASE_MILLIS, LONGEST_WAIT_MILLIS, Requeue};
use core_types::{ChannelId, Timestamp};

use super::Stores;
use super::scene::{DAY, Sure, at, channel_id, draft, fence, finish_as, message_id, only, person, plane, post_of, written};

/// Says something when the clock shows this.
async fn said_at(stores: &Stores, number: u128, channel: ChannelId, now: Timestamp) {
    written(stores.messages.post(post_of(draft(number, channel, person(number), "hello"), now)).await.sure());
}

/// Gives a delivery back, without an attempt being used up.
async fn put_off(stores: &Stores, claimed: &Claimed, not_before: Timestamp) {
    let back = Requeue { fence: fence(claimed), not_before, counts: false, trace: None };
    assert!(stores.deliveries.requeue(back).await.sure());
}

async fn ignore(stores: &Stores, claimed: &Claimed, now: Timestamp) {
    stores.deliveries.finish(finish_as(claimed, DeliveryState::Ignored, now)).await.sure().sure();
}

async fn next_due(stores: &Stores) -> Option<Timestamp> {
    stores.deliveries.next_due(Busy::default()).await.sure()
}

/// It waits for those before it, and not for the clock to get to where it was; what is said later waits behind it.
pub async fn what_was_said_while_a_clock_was_ahead_is_due_in_its_turn(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let channel = stores.open_channel(1, &[agent.into()]).await;
    for number in 1..=3 {
        said_at(&stores, number, channel, at(DAY)).await;
    }
    let mut claimed = only(stores.claim(10, at(DAY)).await);
    assert_eq!(claimed.message.id, message_id(1));
    said_at(&stores, 4, channel, at(5)).await;
    // What waits longest is still due first.
    for (number, due) in [(2, at(6)), (3, at(6)), (4, at(5))] {
        ignore(&stores, &claimed, at(6)).await;
        assert_eq!(next_due(&stores).await, Some(due));
        claimed = only(stores.claim(10, at(6)).await);
        assert_eq!(claimed.message.id, message_id(number));
    }
    ignore(&stores, &claimed, at(6)).await;
    assert_eq!(stores.claim(10, at(2 * DAY)).await, [], "each is claimed once");
}

/// In its order; and a pause that is no longer than any is not cut short.
pub async fn what_a_clock_put_off_is_due_after_the_next_start(stores: Stores) {
    let (_, channel, first) = stores.claimed_message().await;
    said_at(&stores, 2, channel, at(DAY)).await;
    put_off(&stores, &first, at(DAY)).await;
    assert_eq!(stores.claim(10, at(1)).await, []);
    assert_eq!(stores.deliveries.recover(at(1)).await.sure(), 0);
    let again = only(stores.claim(10, at(1)).await);
    assert_eq!((again.delivery.id, again.delivery.attempt), (first.delivery.id, 2));
    ignore(&stores, &again, at(2)).await;
    let second = only(stores.claim(10, at(2)).await);
    assert_eq!(second.message.id, message_id(2));
    put_off(&stores, &second, at(2 + LONGEST_WAIT_MILLIS)).await;
    assert_eq!(stores.deliveries.recover(at(2)).await.sure(), 0);
    assert_eq!(next_due(&stores).await, Some(at(2 + LONGEST_WAIT_MILLIS)));
}

/// Once; and what waits behind it follows.
pub async fn what_a_clock_put_off_is_due_when_it_is_hastened(stores: Stores) {
    let (_, channel, first) = stores.claimed_message().await;
    for number in [2, 3] {
        said_at(&stores, number, channel, at(DAY)).await;
    }
    assert_eq!(stores.deliveries.hasten(at(1)).await.sure(), 0, "what is claimed stays so, and what waits behind it waits");
    assert_eq!(next_due(&stores).await, Some(at(LEASE_MILLIS)));
    put_off(&stores, &first, at(DAY)).await;
    for hastened in [1, 0] {
        assert_eq!(stores.deliveries.hasten(at(1)).await.sure(), hastened);
        assert_eq!(next_due(&stores).await, Some(at(1)));
    }
    for number in 1..=3 {
        let claimed = only(stores.claim(10, at(1)).await);
        assert_eq!(claimed.message.id, message_id(number));
        ignore(&stores, &claimed, at(1)).await;
    }
    assert_eq!(stores.claim(10, at(2 * DAY)).await, [], "each is claimed once");
}

/// Until then its holder, if there is one, has time to renew it.
pub async fn a_claim_that_a_clock_prolonged_ends_a_lease_after_it_is_hastened(stores: Stores) {
    let agent = stores.running_agent(1).await;
    let channel = stores.open_channel(1, &[agent.into()]).await;
    said_at(&stores, 1, channel, at(DAY)).await;
    let first = only(stores.claim(10, at(DAY)).await);
    assert_eq!(stores.deliveries.hasten(at(1)).await.sure(), 1);
    assert_eq!(stores.state_of(&first).await, DeliveryState::Claimed);
    assert_eq!(next_due(&stores).await, Some(at(1 + LEASE_MILLIS)));
    assert_eq!(stores.deliveries.renew(vec![fence(&first)], at(2 + LEASE_MILLIS)).await.sure(), [fence(&first)]);
    assert_eq!(stores.claim(10, at(1 + LEASE_MILLIS)).await, []);
    let again = only(stores.claim(10, at(2 + LEASE_MILLIS)).await);
    assert_eq!((again.delivery.id, again.delivery.attempt), (first.delivery.id, 2));
}

/// What waits for a stopped agent is hastened once the agent runs.
pub async fn neither_pauses_nor_what_is_put_away_are_hastened(stores: Stores) {
    let (agent, _, first) = stores.claimed_message().await;
    let pause = at(1 + LONGEST_WAIT_MILLIS);
    put_off(&stores, &first, pause).await;
    assert_eq!(stores.deliveries.hasten(at(1)).await.sure(), 0);
    assert_eq!(next_due(&stores).await, Some(pause));
    let elsewhere = stores.open_channel(2, &[agent.into()]).await;
    said_at(&stores, 2, elsewhere, at(DAY)).await;
    stores.agents.stop(agent, at(1)).await.sure();
    assert_eq!(stores.deliveries.hasten(at(1)).await.sure(), 0);
    assert_eq!(stores.deliveries.recover(at(1)).await.sure(), 0);
    assert_eq!((next_due(&stores).await, stores.claim(10, at(2 * DAY)).await), (None, vec![]));
    stores.agents.start(agent, plane(agent, channel_id(9), &[]), at(2)).await.sure();
    assert_eq!(next_due(&stores).await, Some(pause));
    assert_eq!(stores.deliveries.hasten(at(2)).await.sure(), 1);
    assert_eq!(next_due(&stores).await, Some(at(2)));
    assert_eq!(only(stores.claim(10, at(2)).await).message.id, message_id(2));
}
