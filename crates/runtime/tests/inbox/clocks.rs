//! Clocks that are ahead, and are set back.

use super::*;

/// So much the clock is ahead, in milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;

#[tokio::test]
async fn what_waits_while_the_clock_is_set_back_is_answered_in_order() {
    let gate = Gate::closed();
    let model = Arc::new(echo().behind(gate.clone()));
    let house = House::open(Plan::with(Arc::<ScriptedProvider>::clone(&model))).await;
    let agent = house.agent_named("Eliza").await;
    let channel = house.channel("DM", &[person(1), person(2), person(3), agent.into()], json!({})).await;
    let mut watch = house.watch(channel).await;
    house.clock.advance(DAY);
    house.post(channel, person(1), "one").await;
    house.post(channel, person(2), "two").await;
    model.requests_seen(1).await;
    house.clock.advance(-DAY);
    house.post(channel, person(3), "three").await;
    gate.open();
    for text in ["one", "two", "three"] {
        assert_eq!(watch.reply().await.content, format!("re: {text}"));
    }
    let requests = model.requests();
    assert_eq!(requests.len(), 3, "each is answered once");
    let turns: Vec<_> = requests[2].turns.iter().map(|turn| turn.text.as_str()).collect();
    assert_eq!(turns, ["one", "re: one", "two", "re: two", "three"], "and remembered in order");
}

#[tokio::test]
async fn a_retry_that_a_clock_put_off_is_made_soon_after_it_is_set_back_and_at_a_start() {
    for starts_again in [false, true] {
        let calls = AtomicUsize::new(0);
        let model = ScriptedProvider::new(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err(busy()),
            _ => Ok(Said::text("at last")),
        });
        let mut house = House::open(Plan::with(Arc::new(model))).await;
        let (agent, channel) = dm(&house).await;
        let mut watch = house.watch(channel).await;
        house.clock.advance(DAY);
        house.post(channel, person(1), "ping").await;
        // The first attempt has failed once its run is recorded.
        while house.runs(agent).await.is_empty() {
            tokio::task::yield_now().await;
        }
        house.clock.advance(-DAY);
        if starts_again {
            house.stop_runtime(Duration::ZERO).await;
            house.start_runtime().await;
        } else {
            // As long as it takes until leases are renewed.
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(11)).await;
            tokio::time::resume();
        }
        let (completion, reply) = watch.end().await;
        assert_eq!((completion.state, reply.unwrap().content.as_str()), (DeliveryState::Replied, "at last"));
        assert_eq!(house.delivery(&completion).await.attempt, 2);
    }
}
