//! Reading a channel page by page, as the reference's loop does: whatever the limits and however many messages fall into
//! one millisecond, none is lost and none is seen twice.

#![expect(clippy::expect_used, reason = "a helper of a test fails by panicking, like the test")]

use std::sync::Arc;

use core_types::messaging::MessagingService;
use core_types::{Caller, ChannelId, Clock, Timestamp};
use doolittle_domain::{Messaging, MessagingLimits, MessagingPorts};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use testkit::clock::{SeqIds, SteppedClock};
use testkit::house::{DAWN, House, Plan, person};
use testkit::scripted_provider::ScriptedProvider;

/// How far the clock moves before each message (it may stand still or go back), and the limits of the pages, in turn.
fn cases() -> impl Strategy<Value = (Vec<i64>, Vec<u32>)> {
    let steps = prop::collection::vec(prop_oneof![4 => Just(0_i64), 1 => -3..4_i64], 1..25);
    (steps, prop::collection::vec(1..8_u32, 1..4))
}

async fn collect(messaging: &Messaging, channel: ChannelId, limits: &[u32]) -> Vec<String> {
    let mut collected = Vec::new();
    let mut before = None;
    for limit in limits.iter().cycle() {
        let page = messaging.list(&Caller::owner(), channel, before, *limit).await.expect("a page");
        let Some(last) = page.last() else { break };
        // As the wire has it: whole milliseconds in ISO 8601.
        before = Timestamp::parse(&last.created_at.iso());
        collected.extend(page.into_iter().map(|message| message.content));
    }
    collected.reverse();
    collected
}

#[test]
fn no_page_loses_or_doubles_a_message() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let house = runtime.block_on(House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))));
    let clock = Arc::new(SteppedClock::manual(DAWN));
    let shared: Arc<dyn Clock> = Arc::<SteppedClock>::clone(&clock);
    // Ids of its own, far from those of the house.
    let ids = SeqIds::after(1 << 40);
    let ports = MessagingPorts {
        messages: house.store.messages(),
        deliveries: house.store.deliveries(),
        agents: house.store.agents(),
        access: doolittle_domain::Access::new(house.store.access()),
        models: house.minds.clone(),
        bus: Arc::clone(&house.bus),
        clock: shared,
        ids: Arc::new(ids),
        reads: house.agents.reads.clone(),
    };
    let messaging = Messaging::new(ports, MessagingLimits::default());
    let config = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&cases(), |(steps, limits)| {
        runtime.block_on(async {
            let channel = house.channel("GROUP", &[person(1)], json!({})).await;
            let mut posted = Vec::new();
            for (number, step) in steps.iter().enumerate() {
                clock.advance(*step);
                posted.push(format!("{number}"));
                let message = House::message(channel, person(1), &posted[number]);
                messaging.post(&Caller::owner(), message).await.expect("posted");
            }
            prop_assert_eq!(collect(&messaging, channel, &limits).await, posted);
            Ok(())
        })
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
