//! Reading a channel's events: in order, without doubles, gaps announced, however slow the reader is.

#![expect(clippy::expect_used, reason = "a helper of a test fails by panicking, like the test")]

use std::sync::Arc;

use core_types::messaging::{ChannelService, EVENTS_BYTES, EventBody, EventStream, Message, MessageChange, MessagingService, StreamItem};
use core_types::{Caller, ChannelId, Credential, MessageServerId, Permission, Reach, ServiceError, Tenant, Thing, Timestamp};
use serde_json::json;
use testkit::house::{House, PATIENCE, Plan, person};
use testkit::scripted_provider::ScriptedProvider;
use tokio::time::timeout;

async fn house() -> House {
    House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await
}

async fn silent_channel(house: &House) -> ChannelId {
    house.channel("GROUP", &[person(1)], json!({})).await
}

async fn talk(house: &House, channel: ChannelId, count: usize) {
    for number in 0..count {
        house.post(channel, person(1), &format!("{number}")).await;
    }
}

async fn subscribe(house: &House, channel: ChannelId, after: Option<i64>) -> Box<dyn EventStream> {
    house.messaging.subscribe(&Caller::owner(), channel, after).await.expect("a channel")
}

/// The next item; `None` at the end of the stream.
async fn next(events: &mut Box<dyn EventStream>) -> Option<StreamItem> {
    timeout(PATIENCE, events.next()).await.expect("something happens").expect("a readable channel")
}

/// The sequence numbers of the next events.
async fn seqs(events: &mut Box<dyn EventStream>, count: usize) -> Vec<i64> {
    let mut found = Vec::new();
    while found.len() < count {
        match next(events).await {
            Some(StreamItem::Event(event)) => found.push(event.seq),
            other => panic!("an event was expected: {other:?}"),
        }
    }
    found
}

#[tokio::test]
async fn a_reader_catches_up_with_what_was_before_and_goes_on_with_what_comes() {
    let house = house().await;
    let channel = silent_channel(&house).await;
    // More than are read from the store at once.
    talk(&house, channel, 450).await;
    let mut all = subscribe(&house, channel, Some(0)).await;
    let mut late = subscribe(&house, channel, Some(448)).await;
    let mut from_now = subscribe(&house, channel, None).await;
    let mut ahead = subscribe(&house, channel, Some(i64::MAX)).await;
    assert_eq!(seqs(&mut all, 100).await, (1..=100).collect::<Vec<_>>());
    talk(&house, channel, 2).await;
    assert_eq!(seqs(&mut all, 352).await, (101..=452).collect::<Vec<_>>());
    assert_eq!(seqs(&mut late, 4).await, [449, 450, 451, 452]);
    assert_eq!(seqs(&mut from_now, 2).await, [451, 452]);
    assert_eq!(seqs(&mut ahead, 2).await, [451, 452]);
}

#[tokio::test]
async fn what_retention_took_is_announced_as_a_gap() {
    let house = house().await;
    let channel = silent_channel(&house).await;
    talk(&house, channel, 5).await;
    let mut before = subscribe(&house, channel, Some(0)).await;
    assert_eq!(house.store.messages().prune_events(Timestamp::MAX, 3).await.expect("a store"), 3);
    let mut after = subscribe(&house, channel, Some(1)).await;
    assert_eq!(next(&mut before).await, Some(StreamItem::Gap { from: 1, to: 3 }));
    assert_eq!(seqs(&mut before, 2).await, [4, 5]);
    assert_eq!(next(&mut after).await, Some(StreamItem::Gap { from: 2, to: 3 }));
    assert_eq!(seqs(&mut after, 2).await, [4, 5]);
}

#[tokio::test]
async fn a_channel_whose_events_are_all_gone_is_one_gap_and_then_goes_on() {
    let house = house().await;
    let channel = silent_channel(&house).await;
    talk(&house, channel, 5).await;
    house.store.messages().prune_events(Timestamp::MAX, 100).await.expect("a store");
    let mut events = subscribe(&house, channel, Some(0)).await;
    assert_eq!(next(&mut events).await, Some(StreamItem::Gap { from: 1, to: 5 }));
    talk(&house, channel, 1).await;
    assert_eq!(seqs(&mut events, 1).await, [6]);
}

#[tokio::test]
async fn a_reader_that_lagged_reads_on_from_the_store_and_misses_nothing() {
    let house = house().await;
    let channel = silent_channel(&house).await;
    let mut events = subscribe(&house, channel, None).await;
    // More than the bus holds for a reader, and more than are read from the store at once.
    talk(&house, channel, 450).await;
    assert_eq!(seqs(&mut events, 450).await, (1..=450).collect::<Vec<_>>());
    talk(&house, channel, 1).await;
    assert_eq!(seqs(&mut events, 1).await, [451]);
}

#[tokio::test]
async fn large_messages_are_read_a_few_at_a_time_and_all_are_told() {
    let house = house().await;
    let channel = silent_channel(&house).await;
    for _ in 0..5 {
        house.post(channel, person(1), &"x".repeat(EVENTS_BYTES * 2 / 5)).await;
    }
    let page = house.store.messages().events(channel, 0, 50).await.expect("a store");
    assert_eq!(page.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2], "a page has so many bytes");
    let mut events = subscribe(&house, channel, Some(0)).await;
    assert_eq!(seqs(&mut events, 5).await, [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_message_that_was_edited_often_is_read_once() {
    let house = house().await;
    let channel = silent_channel(&house).await;
    let id = house.post(channel, person(1), "first").await.message.id;
    for number in 0..20 {
        let content = Some(format!("{number} {}", "x".repeat(EVENTS_BYTES / 2)));
        let change = MessageChange { content, ..MessageChange::default() };
        house.messaging.edit(&Caller::owner(), id, change).await.expect("an edit");
    }
    let page = house.store.messages().events(channel, 0, 50).await.expect("a store");
    let shown = page.iter().filter_map(|event| match &event.body {
        EventBody::Message(message) | EventBody::MessageUpdated(message) => message.as_ref(),
        _ => None,
    });
    let shown: Vec<&Arc<Message>> = shown.collect();
    assert!(shown.len() == 21 && shown.iter().all(|message| Arc::ptr_eq(message, shown[0])), "{}", shown.len());
}

#[tokio::test]
async fn giving_up_a_wait_loses_nothing() {
    let house = house().await;
    let channel = silent_channel(&house).await;
    let mut events = subscribe(&house, channel, None).await;
    for seq in 1..=20 {
        // Polled once and dropped: nothing has happened yet.
        assert!(ready_item(&mut events).await.is_none());
        talk(&house, channel, 1).await;
        assert_eq!(seqs(&mut events, 1).await, [seq]);
    }
}

/// What there is without waiting.
async fn ready_item(events: &mut Box<dyn EventStream>) -> Option<StreamItem> {
    tokio::select! {
        biased;
        item = events.next() => item.expect("a readable channel"),
        () = std::future::ready(()) => None,
    }
}

/// A tenant of which this is all: one who speaks in the channels of the server that there always is.
fn one_person() -> Caller {
    let tenant = Tenant::new("guest").expect("a name");
    let reach = Reach { tenant, servers: vec![MessageServerId::DEFAULT], person: Some(person(1)) };
    Caller::tenant(Arc::new(Credential { key: None, permissions: vec![Permission::MessagesRead], reach, expires_at: None }))
}

/// Such a reader is asked about before each event, which takes a moment.
#[tokio::test]
async fn who_gives_up_waiting_loses_nothing() {
    let house = house().await;
    let channel = silent_channel(&house).await;
    talk(&house, channel, 3).await;
    let mut events = house.messaging.subscribe(&one_person(), channel, Some(0)).await.expect("a channel");
    talk(&house, channel, 3).await;
    let (mut found, mut given_up) = (Vec::new(), 0);
    timeout(PATIENCE, async {
        while found.len() < 6 {
            match ready_item(&mut events).await {
                Some(StreamItem::Event(event)) => found.push(event.seq),
                Some(other) => panic!("an event was expected: {other:?}"),
                None => {
                    given_up += 1;
                    // Half of the times it comes to its end.
                    if given_up % 2 == 0 {
                        found.extend(seqs(&mut events, 1).await);
                    }
                }
            }
        }
    })
    .await
    .expect("all events");
    assert_eq!(found, [1, 2, 3, 4, 5, 6]);
    assert!(given_up > 0, "nobody gave up");
}

#[tokio::test]
async fn many_who_post_at_once_are_read_in_their_order() {
    let house = Arc::new(house().await);
    let channel = silent_channel(&house).await;
    let mut events = subscribe(&house, channel, None).await;
    let posts = (0..60).map(|number| {
        let house = Arc::clone(&house);
        tokio::spawn(async move { house.post(channel, person(number), "all at once").await })
    });
    let posts: Vec<_> = posts.collect();
    assert_eq!(seqs(&mut events, 60).await, (1..=60).collect::<Vec<_>>());
    for post in posts {
        post.await.expect("posted");
    }
}

#[tokio::test]
async fn a_deleted_channel_ends_every_stream_also_that_of_a_reader_that_lagged() {
    let house = house().await;
    let channel = silent_channel(&house).await;
    talk(&house, channel, 1).await;
    let mut lagging = subscribe(&house, channel, None).await;
    talk(&house, channel, 200).await;
    let mut prompt = subscribe(&house, channel, None).await;
    house.channels.remove(&Caller::owner(), channel).await.expect("removed");
    let Some(StreamItem::Event(last)) = next(&mut prompt).await else { panic!("an event") };
    assert_eq!((last.seq, &last.body), (202, &EventBody::ChannelDeleted));
    assert_eq!(next(&mut prompt).await, None);
    while next(&mut lagging).await.is_some() {}
    let gone = house.messaging.subscribe(&Caller::owner(), channel, Some(0)).await;
    assert!(matches!(gone.err(), Some(ServiceError::NotFound(Thing::Channel))));
}

#[tokio::test]
async fn a_completion_told_from_outside_has_its_place() {
    let house = house().await;
    let channel = silent_channel(&house).await;
    let mut events = subscribe(&house, channel, None).await;
    talk(&house, channel, 1).await;
    house.messaging.complete(&Caller::owner(), channel).await.expect("told");
    talk(&house, channel, 1).await;
    assert_eq!(seqs(&mut events, 1).await, [1]);
    let Some(StreamItem::Event(told)) = next(&mut events).await else { panic!("an event") };
    assert_eq!((told.seq, &told.body), (2, &EventBody::Complete(None)));
    assert_eq!(seqs(&mut events, 1).await, [3]);
    let nowhere = house.messaging.complete(&Caller::owner(), ChannelId::new(person(99).uuid())).await;
    assert!(matches!(nowhere, Err(ServiceError::NotFound(Thing::Channel))));
}
