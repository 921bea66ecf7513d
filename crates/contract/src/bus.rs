//! The promises of an event bus.

#![expect(clippy::missing_panics_doc, reason = "every promise panics where it is broken; that is what it is for")]

use std::sync::Arc;

use core_types::bus::{BusEvent, EventBus, Lagged, ReplyChunk, Topic};
use core_types::{AgentId, ChannelId, MessageId};
use tokio::time::{Duration, timeout};
use uuid::Uuid;

/// Long enough for an event to arrive on a loaded machine, short enough to wait for one that must not.
const PATIENCE: Duration = Duration::from_millis(500);

fn event(number: u128) -> BusEvent {
    BusEvent::AgentChanged(AgentId::new(Uuid::from_u128(number)))
}

fn channel(number: u128) -> Topic {
    Topic::Channel(ChannelId::new(Uuid::from_u128(number)))
}

/// Every reader sees every event of its topic, in the order of publication.
pub async fn every_reader_sees_a_topics_events_in_order(bus: Arc<dyn EventBus>) {
    let mut readers = [bus.subscribe(channel(1)).await, bus.subscribe(channel(1)).await];
    for number in 0..50 {
        bus.publish(channel(1), event(number)).await;
    }
    for reader in &mut readers {
        for number in 0..50 {
            assert_eq!(reader.next().await, Ok(event(number)));
        }
    }
}

/// A reader sees nothing that was published before it subscribed.
pub async fn nothing_from_before_the_subscription(bus: Arc<dyn EventBus>) {
    bus.publish(channel(2), event(1)).await;
    let mut reader = bus.subscribe(channel(2)).await;
    bus.publish(channel(2), event(2)).await;
    assert_eq!(reader.next().await, Ok(event(2)));
}

/// Topics do not mix.
pub async fn a_reader_sees_its_own_topic_only(bus: Arc<dyn EventBus>) {
    let mut reader = bus.subscribe(channel(3)).await;
    bus.publish(channel(4), event(1)).await;
    bus.publish(Topic::Work, event(2)).await;
    bus.publish(channel(3), event(3)).await;
    assert_eq!(reader.next().await, Ok(event(3)));
}

/// Who reads a channel quietly sees what happens on it, in order, and no pieces of replies.
pub async fn a_quiet_reader_sees_all_but_pieces(bus: Arc<dyn EventBus>) {
    let id = ChannelId::new(Uuid::from_u128(8));
    let mut readers = [bus.subscribe(Topic::Channel(id)).await, bus.subscribe(Topic::Quiet(id)).await];
    let piece = BusEvent::Chunk(Arc::new(ReplyChunk {
        reply_id: MessageId::new(Uuid::from_u128(1)),
        answers: MessageId::new(Uuid::from_u128(2)),
        channel_id: id,
        agent_id: AgentId::new(Uuid::from_u128(3)),
        text: "Hello".to_owned(),
        index: 0,
    }));
    for event in [event(1), piece.clone(), event(2)] {
        bus.publish(Topic::Channel(id), event).await;
    }
    bus.publish(channel(9), event(3)).await;
    for (reader, expected) in readers.iter_mut().zip([vec![event(1), piece, event(2)], vec![event(1), event(2)]]) {
        for event in expected {
            assert_eq!(reader.next().await, Ok(event));
        }
        assert!(timeout(Duration::from_millis(20), reader.next()).await.is_err(), "nothing else");
    }
}

/// Publishing never waits for a reader, and one that falls behind is told before it goes on.
pub async fn a_slow_reader_is_told_that_it_lagged(bus: Arc<dyn EventBus>) {
    let mut reader = bus.subscribe(channel(5)).await;
    let flood = 100_000;
    for number in 0..flood {
        bus.publish(channel(5), event(number)).await;
    }
    assert_eq!(reader.next().await, Err(Lagged));
    let mut last = None;
    while let Ok(next) = timeout(PATIENCE, reader.next()).await {
        last = Some(next);
    }
    assert_eq!(last, Some(Ok(event(flood - 1))), "reading goes on up to the newest event");
}

/// A reader that waits is woken by the next event; giving up a wait loses nothing.
pub async fn an_abandoned_wait_loses_nothing(bus: Arc<dyn EventBus>) {
    let mut reader = bus.subscribe(channel(6)).await;
    assert!(timeout(Duration::from_millis(20), reader.next()).await.is_err(), "nothing was published yet");
    bus.publish(channel(6), event(1)).await;
    assert_eq!(reader.next().await, Ok(event(1)));
}

/// A topic goes on when one of its readers leaves, and can be read again when all have left.
pub async fn readers_come_and_go(bus: Arc<dyn EventBus>) {
    let first = bus.subscribe(channel(7)).await;
    let mut second = bus.subscribe(channel(7)).await;
    drop(first);
    bus.publish(channel(7), event(1)).await;
    assert_eq!(second.next().await, Ok(event(1)));
    drop(second);
    bus.publish(channel(7), event(2)).await;
    let mut third = bus.subscribe(channel(7)).await;
    bus.publish(channel(7), event(3)).await;
    assert_eq!(third.next().await, Ok(event(3)));
}

/// Makes a test of every promise, each with a bus of its own from `$make`, an expression of type `Arc<dyn EventBus>`.
#[macro_export]
macro_rules! bus_contract {
    ($make:expr) => {
        $crate::bus_contract!(@ $make;
            every_reader_sees_a_topics_events_in_order,
            nothing_from_before_the_subscription,
            a_reader_sees_its_own_topic_only,
            a_quiet_reader_sees_all_but_pieces,
            a_slow_reader_is_told_that_it_lagged,
            an_abandoned_wait_loses_nothing,
            readers_come_and_go
        );
    };
    (@ $make:expr; $($promise:ident),+) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::bus::$promise($make).await;
            }
        )+
    };
}
