//! Promises about everything happening at once.

use std::collections::HashMap;

use core_types::EntityId;
use core_types::messaging::EventBody;
use tokio::task::JoinSet;

use super::Stores;
use super::scene::{Sure, at, channel_id, finish_with_reply, memory, person, trace};

const CHANNELS: u128 = 6;
const MESSAGES: u128 = 10;
const EACH: u128 = CHANNELS * MESSAGES;

/// While others post and channels come and go, each message gets one reply of each agent, in the channel's order.
pub async fn under_load_each_delivery_is_answered_once_and_in_order(stores: Stores) {
    let agents: Vec<EntityId> = vec![stores.running_agent(1).await.into(), stores.running_agent(2).await.into()];
    for number in 0..CHANNELS {
        stores.open_channel(number, &agents).await;
    }
    let mut tasks = JoinSet::new();
    for number in 0..CHANNELS {
        let stores = stores.clone();
        tasks.spawn(async move {
            for turn in 0..MESSAGES {
                stores.say(number * MESSAGES + turn, channel_id(number), person(number)).await;
            }
        });
    }
    for worker in 0..4 {
        let stores = stores.clone();
        tasks.spawn(async move { work_until_done(&stores, worker).await });
    }
    let passing = stores.clone();
    tasks.spawn(async move {
        for turn in 0..10 {
            let channel = passing.open_channel(100 + turn, &agents).await;
            passing.say(10_000 + turn, channel, person(1)).await;
            passing.channels.remove(channel, at(1)).await.sure().sure();
        }
    });
    while let Some(done) = tasks.join_next().await {
        done.sure();
    }

    assert_eq!(stores.claim(100, at(1)).await, []);
    for number in 0..CHANNELS {
        let events = stores.messages.events(channel_id(number), 0, 1000).await.sure();
        let seqs: Vec<_> = events.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=i64::try_from(MESSAGES * 5).sure()).collect::<Vec<_>>(), "a message, two replies, two completions");
        let mut answered: HashMap<_, Vec<_>> = HashMap::new();
        for event in events {
            if let EventBody::Complete(Some(completion)) = event.body {
                answered.entry(completion.agent_id).or_default().push(completion.message_id);
            }
        }
        let asked: Vec<_> = (0..MESSAGES).map(|turn| super::scene::message_id(number * MESSAGES + turn)).collect();
        assert!(answered.len() == 2 && answered.values().all(|messages| *messages == asked), "{answered:?}");
    }
}

/// Claims and answers until all that was said in the lasting channels is answered by both agents.
async fn work_until_done(stores: &Stores, worker: u128) {
    let mut count = 0;
    loop {
        for claimed in stores.claim(3, at(1)).await {
            count += 1;
            let number = worker * 1000 + count;
            let mut finish = finish_with_reply(&claimed, "a reply", at(2));
            finish.memories = vec![memory(number, claimed.delivery.agent_id, claimed.channel.id, claimed.message.author_id, "hello")];
            finish.trace = Some(trace(number, &claimed, at(2)));
            // Nothing is written where the channel was removed meanwhile.
            stores.deliveries.finish(finish).await.sure();
        }
        let mut answered = 0;
        for number in 0..CHANNELS {
            let last = stores.messages.last_seq(channel_id(number)).await.sure().sure();
            answered += u128::from(u128::try_from(last).sure() >= MESSAGES * 5) * MESSAGES;
        }
        if answered == EACH {
            return;
        }
    }
}
