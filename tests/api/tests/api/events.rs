//! Reading what happens on a channel as it happens.

use core_types::Timestamp;
use serde_json::json;
use testkit::caller::{Caller, Event, Events, Request};

use crate::support::{
    ANN, DEFAULT, NOTHING, create_channel, dm, exchange, messages_of, names, open, post, refused, saying, says, snapshot, speaking, text,
    texts, watch,
};

fn path(channel: &str) -> String {
    format!("/api/messaging/central-channels/{channel}/events")
}

/// Resumes behind this event, as a browser does.
async fn resume(caller: &Caller, channel: &str, last: i64) -> Events {
    caller.events(Request::get(&path(channel)).header("last-event-id", &last.to_string())).await
}

/// The next events, by what they say.
async fn contents(events: &mut Events, count: usize) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    for _ in 0..count {
        let event = events.next().await.expect("another event");
        assert_eq!(event.name, "message", "{event:?}");
        found.push((event.id.unwrap(), text(&event.data["content"])));
    }
    found
}

fn pairs(expected: &[(i64, &str)]) -> Vec<(i64, String)> {
    expected.iter().map(|(seq, text)| (*seq, (*text).to_owned())).collect()
}

#[tokio::test]
async fn ann_reads_everything_that_happens_in_its_order() {
    let model = saying("pong for Ann").await;
    let (server, ann) = speaking(&model).await;
    let (_, channel) = dm(&server, &ann).await;
    let mut events = ann.events(Request::get(&path(&channel))).await;
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    exchange(&ann, &channel, "ping", "http").await.data(201);
    ann.post("/api/messaging/complete", &json!({"channel_id": channel, "server_id": DEFAULT})).await.data(200);
    let mut all: Vec<Event> = Vec::new();
    while all.iter().filter(|event| event.name == "message_complete").count() < 2 {
        all.push(events.next().await.unwrap());
    }
    assert_eq!(events.retry(), Some(2000));
    snapshot!("events_of_an_exchange", Events::shown(server.record(), &all));
    let seqs: Vec<_> = all.iter().filter_map(|event| event.id).collect();
    assert_eq!(seqs, [1, 2, 3, 4], "only what is durable has a place, and no place is missing");
    let listed = ann.get(&messages_of(&channel)).await.data(200);
    let shown: Vec<_> = all.iter().rev().filter(|event| event.name == "message").map(|event| event.data.clone()).collect();
    assert_eq!(json!(shown), listed["messages"], "a message looks as in the list");
}

#[tokio::test]
async fn a_reader_begins_with_what_happens_next_or_where_it_says() {
    let (_server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    for content in ["one", "two", "three"] {
        post(&ann, &channel, content).await;
    }
    let from = async |request: Request| ann.events(request).await;
    let mut next = from(Request::get(&path(&channel))).await;
    let mut empty = from(Request::get(&format!("{}?after=&after=", path(&channel)))).await;
    let mut all = from(Request::get(&format!("{}?after=0", path(&channel)))).await;
    let mut some = from(Request::get(&format!("/api/messaging/channels/{}/events/?after=2&after=0&x=y", channel.to_uppercase()))).await;
    let mut ahead = from(Request::get(&format!("{}?after=9223372036854775807", path(&channel)))).await;
    let mut header = from(Request::get(&format!("{}?after=0", path(&channel))).header("last-event-id", "2")).await;
    post(&ann, &channel, "four").await;
    let four = (4, "four");
    for (events, expected) in [
        (&mut next, vec![four]),
        (&mut empty, vec![four]),
        (&mut all, vec![(1, "one"), (2, "two"), (3, "three"), four]),
        (&mut some, vec![(3, "three"), four]),
        (&mut ahead, vec![four]),
        (&mut header, vec![(3, "three"), four]),
    ] {
        assert_eq!(contents(events, expected.len()).await, pairs(&expected));
    }
}

#[tokio::test]
async fn a_place_that_is_no_number_is_refused() {
    let (_server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let places = ["-1", "x", "1.5", "0x1", "1 ", "99999999999999999999"];
    let header = |place: &str| Request::get(&path(&channel)).header("last-event-id", place);
    let query = |place: &str| Request::get(&format!("{}?after={}", path(&channel), place.replace(' ', "%20")));
    let bad_headers = places.iter().filter(|place| !place.ends_with(' ')).chain(&["ü"]).map(|place| (header(place), 400, "BAD_REQUEST"));
    refused(&ann, bad_headers.chain(places.iter().map(|place| (query(place), 400, "BAD_REQUEST")))).await;
    refused(&ann, [(Request::get(&path(NOTHING)), 404, "CHANNEL_NOT_FOUND"), (Request::get(&path("bad")), 400, "INVALID_ID")]).await;
}

#[tokio::test]
async fn a_reader_resumes_where_it_was_cut_off_also_after_a_restart() {
    let (mut server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let mut events = watch(&ann, &channel).await;
    for content in ["one", "two"] {
        post(&ann, &channel, content).await;
    }
    assert_eq!(contents(&mut events, 1).await, pairs(&[(1, "one")]));
    post(&ann, &channel, "three").await;
    server.restart().await;
    let rest = events.all().await;
    assert!(rest.iter().map(|event| event.id.unwrap()).eq(2..2 + i64::try_from(rest.len()).unwrap()), "cut off, but not in a frame");
    let ann = server.caller();
    let mut events = resume(&ann, &channel, 1).await;
    post(&ann, &channel, "four").await;
    assert_eq!(contents(&mut events, 3).await, pairs(&[(2, "two"), (3, "three"), (4, "four")]));
}

#[tokio::test]
async fn a_reader_is_told_what_is_no_longer_kept() {
    let (mut server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    for content in ["one", "two", "three"] {
        post(&ann, &channel, content).await;
    }
    server.stop().await;
    let store = server.store().await;
    assert_eq!(store.messages().prune_events(Timestamp::MAX, 2).await.unwrap(), 2);
    store.close().await;
    server.begin().await;
    let ann = server.caller();
    let mut events = watch(&ann, &channel).await;
    let gap = events.next().await.unwrap();
    assert_eq!((gap.name.as_str(), gap.id, gap.data), ("gap", Some(2), json!({"from": 1, "to": 2})));
    assert_eq!(contents(&mut events, 1).await, pairs(&[(3, "three")]));
    let mut resumed = resume(&ann, &channel, 2).await;
    assert_eq!(contents(&mut resumed, 1).await, pairs(&[(3, "three")]), "the gap's id is a place to resume from");
    assert_eq!(texts(&ann, &channel).await, ["one", "two", "three"], "messages outlive their events");
}

#[tokio::test]
async fn a_reader_that_fell_behind_misses_nothing() {
    let (_server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let mut events = watch(&ann, &channel).await;
    let path = messages_of(&channel);
    let body = says(&"x".repeat(4000));
    for _ in 0..10 {
        // More than the bus holds for a reader, while this one does not read.
        futures_util::future::join_all((0..30).map(|_| ann.post(&path, &body))).await;
    }
    for seq in 1..=300 {
        let event = events.next().await.unwrap();
        assert_eq!((event.name.as_str(), event.id), ("message", Some(seq)));
    }
}

#[tokio::test]
async fn deleting_the_channel_ends_the_stream() {
    let (_server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let mut events = watch(&ann, &channel).await;
    post(&ann, &channel, "one").await;
    ann.delete(&format!("/api/messaging/channels/{channel}")).await.empty(204);
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        all.push(event);
    }
    let last = all.last().unwrap();
    assert_eq!((last.id, &last.data), (None, &json!({"channelId": channel})));
    assert_eq!(names(&all), ["message", "channel_deleted"]);
}

#[tokio::test]
async fn asking_only_for_the_head_of_a_stream_does_not_open_it() {
    let (_server, ann) = open().await;
    let channel = create_channel(&ann, "GROUP", &[ANN]).await;
    let answer = ann.send(Request::new("HEAD", &path(&channel))).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
}
