//! Waiting for replies: how long, how many, what a repeat gets, and that leaving cancels nothing.

#![expect(clippy::expect_used, reason = "a helper of a test fails by panicking, like the test")]

use std::sync::Arc;
use std::time::Duration;

use core_types::deliveries::DeliveryState;
use core_types::messaging::{ChannelService, MessagingService, NewMessage, PostReceipt, ReplyEvent, ReplyForm, ReplyStream};
use core_types::models::ModelError;
use core_types::{Caller, ChannelId, MessageId, ServiceError, ServiceResult};
use doolittle_domain::MessagingLimits;
use serde_json::json;
use testkit::gate::Gate;
use testkit::house::{House, PATIENCE, Plan, person};
use testkit::scripted_provider::{Said, ScriptedProvider};
use tokio::time::timeout;

type Exchange = (PostReceipt, Box<dyn ReplyStream>);

/// A house with one agent whose every piece waits at the gate, and a channel of two with it.
async fn place(reply_wait: Duration, waiting: usize) -> (House, ChannelId, Gate, Arc<ScriptedProvider>) {
    let gate = Gate::closed();
    let model = Arc::new(ScriptedProvider::saying("pong and more").behind(gate.clone()));
    let plan = Plan {
        messaging: MessagingLimits { reply_wait, waiting_replies: waiting, ..MessagingLimits::default() },
        ..Plan::with(Arc::<ScriptedProvider>::clone(&model))
    };
    let house = House::open(plan).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    (house, channel, gate, model)
}

async fn ask(house: &House, message: NewMessage) -> ServiceResult<Exchange> {
    house.messaging.exchange(&Caller::owner(), message, ReplyForm::Pieces).await
}

async fn ping(house: &House, channel: ChannelId) -> Exchange {
    ask(house, House::message(channel, person(1), "ping")).await.expect("somebody listens")
}

async fn next(reply: &mut Box<dyn ReplyStream>) -> Option<ReplyEvent> {
    timeout(PATIENCE, reply.next()).await.expect("something happens")
}

/// The pieces and the end.
async fn all(mut reply: Box<dyn ReplyStream>) -> (String, ReplyEvent) {
    let mut pieces = String::new();
    loop {
        match next(&mut reply).await.expect("an end") {
            ReplyEvent::Chunk(chunk) => pieces.push_str(&chunk.text),
            end => {
                assert_eq!(next(&mut reply).await, None, "one end");
                return (pieces, end);
            }
        }
    }
}

fn text(end: &ReplyEvent) -> &str {
    match end {
        ReplyEvent::Replied(message) => &message.content,
        other => panic!("no reply but {other:?}"),
    }
}

#[tokio::test]
async fn who_waits_for_the_whole_reply_is_told_its_end_alone() {
    let (house, channel, gate, _) = place(PATIENCE, 10).await;
    let message = House::message(channel, person(1), "ping");
    let (_, reply) = house.messaging.exchange(&Caller::owner(), message, ReplyForm::Whole).await.expect("somebody listens");
    gate.open();
    let (pieces, end) = all(reply).await;
    assert_eq!((pieces.as_str(), text(&end)), ("", "pong and more"));
}

#[tokio::test]
async fn pieces_come_before_exactly_one_end() {
    let (house, channel, gate, _) = place(PATIENCE, 10).await;
    let (receipt, mut reply) = ping(&house, channel).await;
    gate.let_through(1);
    let Some(ReplyEvent::Chunk(chunk)) = next(&mut reply).await else { panic!("a piece") };
    assert_eq!((chunk.text.trim_end(), chunk.index, chunk.answers), ("pong", 0, receipt.message.id));
    gate.open();
    let (rest, end) = all(reply).await;
    assert_eq!((format!("{}{rest}", chunk.text).as_str(), text(&end)), ("pong and more", "pong and more"));
}

#[tokio::test]
async fn a_wait_ends_in_time_and_the_reply_comes_all_the_same() {
    let (house, channel, gate, _) = place(Duration::from_millis(30), 10).await;
    let mut watch = house.watch(channel).await;
    let (_, reply) = ping(&house, channel).await;
    assert_eq!(all(reply).await, (String::new(), ReplyEvent::TimedOut));
    assert_eq!(house.texts(channel).await, ["ping"]);
    gate.open();
    assert_eq!(watch.reply().await.content, "pong and more");
}

#[tokio::test]
async fn too_many_who_wait_are_refused_and_nothing_is_stored() {
    let (house, channel, gate, model) = place(PATIENCE, 2).await;
    let mut elsewhere = Vec::new();
    for _ in 0..2 {
        elsewhere.push(house.channel("DM", &[person(1), core_types::AgentId::of_name("Eliza").into()], json!({})).await);
    }
    let (_, first) = ping(&house, channel).await;
    let (_, second) = ping(&house, elsewhere[0]).await;
    let refused = ask(&house, House::message(elsewhere[1], person(1), "me too")).await.err();
    assert!(matches!(refused, Some(ServiceError::Overloaded { retry_after, .. }) if !retry_after.is_zero()), "{refused:?}");
    assert_eq!(house.texts(elsewhere[1]).await, [""; 0]);
    // A wait that ended makes room, and so does one that was given up.
    drop(second);
    let (_, third) = ping(&house, elsewhere[1]).await;
    timeout(PATIENCE, model.requests_seen(3)).await.expect("giving up a wait does not give up the run");
    gate.open();
    for reply in [first, third] {
        assert_eq!(text(&all(reply).await.1), "pong and more");
    }
    let (_, fourth) = ping(&house, channel).await;
    assert_eq!(text(&all(fourth).await.1), "pong and more");
}

#[tokio::test]
async fn whoever_leaves_cancels_nothing() {
    let (house, channel, gate, model) = place(PATIENCE, 10).await;
    let mut watch = house.watch(channel).await;
    drop(ping(&house, channel).await);
    timeout(PATIENCE, model.requests_seen(1)).await.expect("the agent goes on");
    gate.open();
    assert_eq!(watch.reply().await.content, "pong and more");
}

fn with_id(channel: ChannelId, text: &str) -> NewMessage {
    NewMessage { id: Some(MessageId::new(person(77).uuid())), ..House::message(channel, person(1), text) }
}

#[tokio::test]
async fn a_repeated_message_waits_for_the_first_ones_reply() {
    let (house, channel, gate, model) = place(PATIENCE, 10).await;
    let (first, one) = ask(&house, with_id(channel, "ping")).await.expect("posted");
    timeout(PATIENCE, model.requests_seen(1)).await.expect("asked");
    let (second, two) = ask(&house, with_id(channel, "ping")).await.expect("repeated");
    assert_eq!((first.repeated, second.repeated, &second.message), (false, true, &first.message));
    gate.open();
    let (one, two) = tokio::join!(all(one), all(two));
    assert_eq!(one.1, two.1);
    let (_, late) = ask(&house, with_id(channel, "ping")).await.expect("repeated");
    assert_eq!(all(late).await, (String::new(), one.1), "also long after");
    assert_eq!((model.requests().len(), house.texts(channel).await.len()), (1, 2));
    let other = ask(&house, with_id(channel, "something else")).await.err();
    assert!(matches!(other, Some(ServiceError::Conflict { .. })), "{other:?}");
}

#[tokio::test]
async fn a_repeated_message_finds_its_reply_behind_many_events() {
    let (house, channel, gate, _) = place(PATIENCE, 10).await;
    gate.open();
    let (_, reply) = ask(&house, with_id(channel, "ping")).await.expect("posted");
    let first = all(reply).await.1;
    for _ in 0..250 {
        house.messaging.complete(&Caller::owner(), channel).await.expect("told");
    }
    let (_, reply) = ask(&house, with_id(channel, "ping")).await.expect("repeated");
    assert_eq!(all(reply).await.1, first);
}

#[tokio::test]
async fn a_repeat_of_what_nobody_was_to_answer_is_silent_at_once() {
    let (house, _, _, _) = place(PATIENCE, 10).await;
    let empty = house.channel("GROUP", &[person(1)], json!({})).await;
    house.messaging.post(&Caller::owner(), with_id(empty, "anybody?")).await.expect("posted");
    let (receipt, reply) = ask(&house, with_id(empty, "anybody?")).await.expect("repeated");
    assert!(receipt.repeated);
    assert_eq!(all(reply).await.1, ReplyEvent::Silent { superseded_by: None });
}

#[tokio::test]
async fn a_newer_message_of_the_same_author_makes_the_older_one_moot() {
    let (house, channel, gate, model) = place(PATIENCE, 10).await;
    let (_, older) = ping(&house, channel).await;
    timeout(PATIENCE, model.requests_seen(1)).await.expect("asked");
    let (newer, reply) = ping(&house, channel).await;
    timeout(PATIENCE, model.requests_seen(2)).await.expect("asked again");
    gate.open();
    assert_eq!(all(older).await.1, ReplyEvent::Silent { superseded_by: Some(newer.message.id) });
    assert_eq!(text(&all(reply).await.1), "pong and more");
    assert_eq!(house.texts(channel).await, ["ping", "ping", "pong and more"]);
}

#[tokio::test]
async fn whoever_waits_is_told_why_there_is_no_reply() {
    let refusal = || ModelError::Unauthorized { provider: "scripted".to_owned(), setting: "SCRIPTED_KEY".to_owned() };
    let model = ScriptedProvider::new(move |_| Err(refusal()));
    let house = House::open(Plan::with(Arc::new(model))).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let (_, reply) = ping(&house, channel).await;
    let ReplyEvent::Failed(reason) = all(reply).await.1 else { panic!("a failure") };
    assert!(reason.contains("SCRIPTED_KEY"), "{reason}");
}

#[tokio::test]
async fn whoever_waits_for_an_answer_to_a_deleted_message_is_told_that_there_will_be_none() {
    let (house, channel, gate, model) = place(PATIENCE, 10).await;
    let (asked, reply) = ask(&house, with_id(channel, "ping")).await.expect("posted");
    timeout(PATIENCE, model.requests_seen(1)).await.expect("asked");
    house.messaging.remove(&Caller::owner(), channel, asked.message.id).await.expect("removed");
    assert!(matches!(all(reply).await, (pieces, ReplyEvent::Deleted(_)) if pieces.is_empty()));
    let (_, reply) = ping(&house, channel).await;
    house.messaging.clear(&Caller::owner(), channel).await.expect("cleared");
    assert!(matches!(all(reply).await.1, ReplyEvent::Deleted(_)));
    gate.open();
    assert_eq!(house.texts(channel).await, [""; 0], "and nobody answers what is gone");
}

#[tokio::test]
async fn a_repeated_message_whose_reply_was_deleted_gets_none() {
    let (house, channel, gate, _) = place(PATIENCE, 10).await;
    gate.open();
    let (_, reply) = ask(&house, with_id(channel, "ping")).await.expect("posted");
    let ReplyEvent::Replied(replied) = all(reply).await.1 else { panic!("a reply") };
    house.messaging.remove(&Caller::owner(), channel, replied.id).await.expect("removed");
    let (_, reply) = ask(&house, with_id(channel, "ping")).await.expect("repeated");
    assert_eq!(all(reply).await.1, ReplyEvent::Deleted("The reply has been deleted".to_owned()));
}

#[tokio::test]
async fn silence_by_choice_and_a_deleted_channel_end_the_wait() {
    let gate = Gate::closed();
    let model = ScriptedProvider::new(|_| Ok(Said::call("IGNORE", json!({})))).behind(gate.clone());
    let house = House::open(Plan::with(Arc::new(model))).await;
    let agent = house.agent_named("Eliza").await;
    let silent = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let gone = house.channel("DM", &[person(1), agent.into()], json!({})).await;
    let (_, ignored) = ping(&house, silent).await;
    let (_, cut) = ping(&house, gone).await;
    house.channels.remove(&Caller::owner(), gone).await.expect("removed");
    assert!(matches!(all(cut).await.1, ReplyEvent::Deleted(_)));
    gate.open();
    assert_eq!(all(ignored).await.1, ReplyEvent::Silent { superseded_by: None });
    let mut watch = house.watch(silent).await;
    assert_eq!(watch.end().await.0.state, DeliveryState::Ignored);
}
