//! Server-sent events: the transport `sse` and the events of a channel.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::test::TestRequest;
use core_types::bus::ReplyChunk;
use core_types::deliveries::DeliveryState;
use core_types::messaging::{ChannelEvent, Completion, EventBody, ReplyEvent, StreamItem};
use core_types::{ServiceError, ServiceResult, Thing, Timestamp};
use doolittle_http::HttpSettings;
use serde_json::{Value, json};

use crate::fakes::{AGENT, CHANNEL, Call, MESSAGE, NOW, REPLY, SERVER, USER, channel, message};
use crate::support::{Api, json_bytes, local};

/// One event as a client reads it.
#[derive(Debug, PartialEq)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

/// Reads a whole stream; comments and the retry hint are left out.
fn events(text: &str) -> Vec<Event> {
    assert!(text.ends_with("\n\n"), "the last frame is whole: {text:?}");
    let frames = text.split_terminator("\n\n").filter(|frame| !frame.starts_with(':') && !frame.starts_with("retry:"));
    frames
        .map(|frame| {
            let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            Event { name: field("event: ").unwrap(), id: field("id: "), data: field("data: ").unwrap().parse().unwrap() }
        })
        .collect()
}

fn chunk(text: &str, index: u32) -> Arc<ReplyChunk> {
    Arc::new(ReplyChunk {
        reply_id: REPLY.parse().unwrap(),
        answers: MESSAGE.parse().unwrap(),
        channel_id: CHANNEL.parse().unwrap(),
        agent_id: AGENT.parse().unwrap(),
        text: text.to_owned(),
        index,
    })
}

fn post_for_stream() -> TestRequest {
    let body = json!({"author_id": USER, "content": "yo", "server_id": SERVER, "transport": "sse"});
    json_bytes(TestRequest::post().uri(&format!("/api/messaging/channels/{CHANNEL}/messages")), body.to_string().as_bytes())
}

async fn stream_of(replies: Vec<ReplyEvent>) -> Vec<Event> {
    let api = Api::open();
    api.fakes.replies.lock().unwrap().extend(replies);
    let answer = api.send(post_for_stream()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    events(&answer.text())
}

#[actix_web::test]
async fn a_reply_streams_as_message_chunks_and_one_done() {
    let all = stream_of(vec![
        ReplyEvent::Chunk(chunk("po\n", 0)),
        ReplyEvent::Chunk(chunk("ng", 1)),
        ReplyEvent::Replied(message().into()),
        ReplyEvent::TimedOut,
    ])
    .await;
    let names: Vec<_> = all.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["user_message", "chunk", "chunk", "done"]);
    assert_eq!((&all[0].data["id"], &all[0].data["channel_id"]), (&json!(MESSAGE), &json!(CHANNEL)));
    let expected = json!({
        "messageId": REPLY, "chunk": "po\n", "index": 0, "type": "chunk", "text": "po\n", "inReplyTo": MESSAGE, "agentId": AGENT,
        "channelId": CHANNEL,
    });
    assert_eq!(all[1].data, expected);
    assert_eq!((&all[3].data["text"], &all[3].data["type"]), (&json!("pong"), &json!("complete")));
    assert_eq!(all[3].data["messageId"], REPLY);
    assert!(all.iter().all(|event| event.id.is_none()));
}

#[actix_web::test]
async fn a_stream_ends_with_an_error_where_there_is_no_reply() {
    for (end, code) in [
        (ReplyEvent::Failed("why".to_owned()), "PROCESSING_ERROR"),
        (ReplyEvent::Deleted("why".to_owned()), "REPLY_CANCELLED"),
        (ReplyEvent::TimedOut, "REPLY_TIMEOUT"),
    ] {
        let all = stream_of(vec![ReplyEvent::Chunk(chunk("p", 0)), end]).await;
        let last = all.last().unwrap();
        assert_eq!((last.name.as_str(), &last.data["type"], &last.data["code"]), ("error", &json!("error"), &json!(code)));
        assert!(last.data["error"].is_string());
    }
    let all = stream_of(vec![ReplyEvent::Silent { superseded_by: None }]).await;
    assert_eq!(all[1].data, json!({"actions": ["IGNORE"], "inReplyTo": MESSAGE, "type": "complete"}));
}

#[actix_web::test]
async fn a_failed_post_is_an_answer_and_not_a_stream() {
    let api = Api::open();
    api.fakes.fail_with(ServiceError::NotFound(Thing::Channel));
    api.send(post_for_stream()).await.error(404, "CHANNEL_NOT_FOUND");
}

fn event(seq: i64, body: EventBody) -> StreamItem {
    let event = ChannelEvent { channel_id: CHANNEL.parse().unwrap(), seq, body, created_at: Timestamp::from_millis(NOW) };
    StreamItem::Event(Arc::new(event))
}

async fn read(items: Vec<StreamItem>, end: ServiceResult<Option<StreamItem>>) -> Vec<Event> {
    let api = Api::open();
    api.fakes.items.lock().unwrap().extend(items.into_iter().map(|item| Ok(Some(item))).chain([end]));
    let answer = api.get(&format!("/api/messaging/central-channels/{CHANNEL}/events")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")));
    assert!(answer.text().starts_with("retry: 2000\n\n"));
    events(&answer.text())
}

#[actix_web::test]
async fn events_carry_their_sequence_number_and_chunks_do_not() {
    let completion = Completion {
        delivery_id: MESSAGE.parse().unwrap(),
        message_id: MESSAGE.parse().unwrap(),
        agent_id: AGENT.parse().unwrap(),
        state: DeliveryState::Replied,
        reply_id: Some(REPLY.parse().unwrap()),
        superseded_by: None,
        error: None,
    };
    let items = vec![
        StreamItem::Gap { from: 2, to: 4 },
        event(5, EventBody::Message(None)),
        StreamItem::Chunk(chunk("p", 0)),
        event(7, EventBody::Message(Some(message().into()))),
        event(8, EventBody::Complete(Some(completion))),
        event(9, EventBody::Complete(None)),
        event(10, EventBody::MessageUpdated(Some(message().into()))),
        event(11, EventBody::MessageDeleted(MESSAGE.parse().unwrap())),
        event(12, EventBody::ChannelUpdated(channel().into())),
        event(13, EventBody::ChannelCleared),
        event(0, EventBody::ChannelDeleted),
    ];
    let all = read(items, Ok(None)).await;
    let heads: Vec<_> = all.iter().map(|event| (event.name.as_str(), event.id.as_deref())).collect();
    assert_eq!(
        heads,
        [
            ("gap", Some("4")),
            ("message", Some("5")),
            ("chunk", None),
            ("message", Some("7")),
            ("message_complete", Some("8")),
            ("message_complete", Some("9")),
            ("message_updated", Some("10")),
            ("message_deleted", Some("11")),
            ("channel_updated", Some("12")),
            ("channel_cleared", Some("13")),
            ("channel_deleted", None),
        ]
    );
    assert_eq!((&all[0].data, &all[1].data), (&json!({"from": 2, "to": 4}), &Value::Null));
    assert_eq!((&all[3].data["content"], &all[3].data["metadata"]["thought"]), (&json!("pong"), &json!("deterministic thought")));
    let complete = json!({
        "channelId": CHANNEL, "deliveryId": MESSAGE, "messageId": MESSAGE, "agentId": AGENT, "state": "replied", "replyId": REPLY,
    });
    assert_eq!((&all[4].data, &all[5].data), (&complete, &json!({"channelId": CHANNEL})));
    assert_eq!(all[6].data, all[3].data, "a changed message looks like any other");
    assert_eq!(all[7].data, json!({"messageId": MESSAGE, "channelId": CHANNEL}));
    assert_eq!((&all[8].data["channelId"], &all[8].data["updates"]["name"]), (&json!(CHANNEL), &json!("General")));
    assert_eq!(all[9].data, json!({"channelId": CHANNEL}));
}

#[actix_web::test]
async fn a_reader_that_cannot_be_served_on_is_told() {
    let failure = ServiceError::Unavailable(Box::new(std::io::Error::other("secret detail")));
    let all = read(vec![event(1, EventBody::Message(None))], Err(failure)).await;
    assert_eq!((all[1].name.as_str(), &all[1].data["type"]), ("error", &json!("error")));
    assert!(!all[1].data.to_string().contains("secret detail"));
}

#[actix_web::test]
async fn reading_goes_on_where_the_header_or_the_query_says() {
    let path = format!("/api/messaging/channels/{CHANNEL}/events");
    for (query, header, after) in
        [("", "", None), ("?after=5", "", Some(5)), ("", "6", Some(6)), ("?after=5", "6", Some(6)), ("?after=0", "", Some(0))]
    {
        let api = Api::open();
        api.fakes.items.lock().unwrap().push_back(Ok(None));
        let request = local(TestRequest::get().uri(&format!("{path}{query}"))).insert_header(("last-event-id", header));
        assert_eq!(api.send(request).await.status, 200);
        assert_eq!(api.fakes.calls(), [Call::Subscribe(after)]);
    }
    for bad in ["-1", "x", "1.5", "99999999999999999999"] {
        Api::open().get(&format!("{path}?after={bad}")).await.error(400, "BAD_REQUEST");
    }
    let api = Api::open();
    api.fakes.fail_with(ServiceError::NotFound(Thing::Channel));
    api.get(&path).await.error(404, "CHANNEL_NOT_FOUND");
}

async fn next(body: &mut BoxBody) -> Option<String> {
    let bytes = std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_next(context)).await?;
    Some(String::from_utf8(bytes.unwrap().to_vec()).unwrap())
}

#[actix_web::test]
async fn a_silent_stream_beats_every_fifteen_seconds() {
    tokio::time::pause();
    let api = Api::open();
    api.fakes.replies.lock().unwrap().push_back(ReplyEvent::Chunk(chunk("p", 0)));
    let mut body = api.raw(post_for_stream()).await.into_body();
    assert!(next(&mut body).await.unwrap().starts_with("event: user_message\n"));
    tokio::time::advance(Duration::from_secs(14)).await;
    assert!(next(&mut body).await.unwrap().starts_with("event: chunk\n"));
    let began = tokio::time::Instant::now();
    for beats in 1..=3 {
        assert_eq!(next(&mut body).await.unwrap(), ": keep-alive\n\n");
        let waited = began.elapsed().as_secs();
        assert!((15 * beats..15 * beats + 2).contains(&waited), "beat {beats} after {waited} s");
    }
}

#[actix_web::test]
async fn streams_end_when_the_server_stops() {
    let api = Api::open();
    let mut reader = api.raw(local(TestRequest::get().uri(&format!("/api/messaging/channels/{CHANNEL}/events")))).await.into_body();
    let mut waiter = api.raw(post_for_stream()).await.into_body();
    assert_eq!(next(&mut reader).await.as_deref(), Some("retry: 2000\n\n"));
    assert!(next(&mut waiter).await.unwrap().starts_with("event: user_message\n"));
    api.state.close();
    assert_eq!(next(&mut reader).await, None);
    let last = next(&mut waiter).await.unwrap();
    assert!(last.starts_with("event: error\n") && last.contains("UNAVAILABLE"), "{last}");
    assert_eq!(next(&mut waiter).await, None);
}

#[actix_web::test]
async fn streams_leave_connections_to_others() {
    let api = Api::with(None, HttpSettings { workers: Some(1), connections_per_worker: 8, ..HttpSettings::default() });
    let events = || local(TestRequest::get().uri(&format!("/api/messaging/channels/{CHANNEL}/events")));
    let mut open = Vec::new();
    for request in [events(), post_for_stream()] {
        let answer = api.raw(request).await;
        assert_eq!(answer.status().as_u16(), 200);
        open.push(answer.into_body());
    }
    let begun = api.fakes.calls().len();
    for request in [events(), post_for_stream()] {
        let refused = api.send(request).await;
        refused.error(503, "OVERLOADED");
        assert_eq!(refused.header("retry-after"), Some("5"));
    }
    assert_eq!(api.fakes.calls().len(), begun, "nothing was done whose answer could not be given");
    assert_eq!(api.get("/api/agents").await.status, 200);
    open.pop();
    let answer = api.raw(post_for_stream()).await;
    assert_eq!(answer.status().as_u16(), 200);
}
