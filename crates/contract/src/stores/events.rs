//! Promises about a channel's events.

use core_types::deliveries::DeliveryState;
use core_types::messaging::{Completion, EventBody};
use core_types::{DeliveryId, Timestamp};
use uuid::Uuid;

use super::Stores;
use super::scene::{Sure, agent_id, at, channel_id, draft, message_id, person, post_of, written};

/// Up to the limit; nothing of other channels.
pub async fn events_are_read_in_order_after_a_sequence_number(stores: Stores) {
    let (channel, other) = (stores.open_channel(1, &[]).await, stores.open_channel(2, &[]).await);
    for number in 1..=5 {
        stores.say(number, channel, person(1)).await;
        stores.say(100 + number, other, person(1)).await;
    }
    let seqs = |after, limit| {
        let messages = stores.messages.clone();
        async move { messages.events(channel, after, limit).await.sure().iter().map(|event| event.seq).collect::<Vec<_>>() }
    };
    assert_eq!(seqs(0, 3).await, [1, 2, 3]);
    assert_eq!(seqs(3, 10).await, [4, 5]);
    assert_eq!(seqs(5, 10).await, [0_i64; 0]);
    assert_eq!(stores.messages.last_seq(channel).await.sure(), Some(5));
    assert_eq!(stores.messages.last_seq(channel_id(3)).await.sure(), None);
    assert_eq!(stores.messages.events(channel_id(3), 0, 10).await.sure(), []);
}

/// With or without a completion; not in an unknown channel.
pub async fn an_announcement_takes_its_place_among_the_messages(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    assert_eq!(stores.messages.last_seq(channel).await.sure(), Some(0));
    let completion = Completion {
        delivery_id: DeliveryId::new(Uuid::from_u128(1)),
        message_id: message_id(1),
        agent_id: agent_id(1),
        state: DeliveryState::Superseded,
        reply_id: None,
        superseded_by: Some(message_id(2)),
        error: Some("a reason".to_owned()),
    };
    stores.say(1, channel, person(1)).await;
    let full = stores.messages.announce(channel, EventBody::Complete(Some(completion.clone())), at(5)).await.sure().sure();
    let bare = stores.messages.announce(channel, EventBody::Complete(None), at(6)).await.sure().sure();
    stores.say(2, channel, person(1)).await;
    assert_eq!((full.seq, full.created_at, &full.body), (2, at(5), &EventBody::Complete(Some(completion))));
    let events = stores.messages.events(channel, 0, 10).await.sure();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(events.get(1..3).sure(), [full, bare]);
    assert_eq!(stores.messages.announce(channel_id(2), EventBody::Complete(None), at(7)).await.sure(), None);
}

/// Also where an event was announced by a clock that is behind that of a message.
pub async fn pruned_events_leave_messages_and_no_gap(stores: Stores) {
    let channel = stores.open_channel(1, &[]).await;
    for number in 1..=6 {
        let now = at(i64::try_from(number).sure() * 10);
        written(stores.messages.post(post_of(draft(number, channel, person(1), "hello"), now)).await.sure());
        stores.messages.announce(channel, EventBody::Complete(None), at(0)).await.sure().sure();
    }
    assert_eq!(stores.messages.events_beyond(2).await.sure(), Some(at(50)));
    assert_eq!(stores.messages.events_beyond(12).await.sure(), None);
    let pruned = |before: Timestamp, limit| stores.messages.prune_events(before, limit);
    let left = || async { stores.messages.events(channel, 0, 20).await.sure().iter().map(|event| event.seq).collect::<Vec<_>>() };
    assert_eq!(pruned(at(31), 3).await.sure(), 3);
    assert_eq!(left().await, (4..=12).collect::<Vec<_>>());
    assert_eq!(pruned(at(31), 100).await.sure(), 3);
    assert_eq!(left().await, (7..=12).collect::<Vec<_>>());
    assert_eq!(pruned(at(31), 100).await.sure(), 0);
    assert_eq!(stores.messages.list(channel, None, 20).await.sure().len(), 6);
    assert_eq!(stores.messages.last_seq(channel).await.sure(), Some(12));
}
