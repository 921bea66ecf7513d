//! Upkeep: what is kept for a time only is forgotten, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use core_types::ServiceResult;
use core_types::error::chain;
use core_types::memory::MemoryRepository;
use core_types::messaging::MessageRepository;
use core_types::runs::RunRepository;
use core_types::{Clock, Timestamp};
use domain::{Collected, MediaCollector};
use tokio::time::sleep;

use crate::config::Retention;

/// How often upkeep begins.
const EVERY: Duration = Duration::from_mins(10);
/// In how many rounds all stored files are compared with what is known of them: once a day.
const ROUNDS_TO_STRAYS: u32 = 144;
/// Rows forgotten in one transaction, so that writers never wait long.
const BATCH: u32 = 500;
/// The pause between two transactions.
const BREATH: Duration = Duration::from_millis(50);
/// How often memories are made findable by their words, how many in one transaction, and the pause between two: whoever writes
/// meanwhile waits for one of them, some milliseconds.
const INDEXED_EVERY: Duration = Duration::from_secs(1);
const INDEXED: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(10);
/// How long a write can be repeated under the same idempotency key.
const IDEMPOTENCY: Duration = Duration::from_hours(24);

/// What upkeep works on.
pub struct Upkeep {
    /// Holds channel events and idempotency records.
    pub messages: Arc<dyn MessageRepository>,
    /// Holds memories.
    pub memories: Arc<dyn MemoryRepository>,
    /// Holds runs and logs.
    pub runs: Arc<dyn RunRepository>,
    /// Removes files that nobody owns.
    pub media: MediaCollector,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long things are kept.
    pub retention: Retention,
}

/// Makes what was remembered findable by its words, soon after it was.
pub async fn index_words(memories: Arc<dyn MemoryRepository>) {
    loop {
        sleep(INDEXED_EVERY).await;
        loop {
            match memories.index_words(INDEXED).await {
                Ok(count) if count == INDEXED => sleep(BETWEEN).await,
                Ok(_) => break,
                Err(error) => {
                    log::error!("what was remembered cannot be made findable by its words yet: {}", chain(&error));
                    break;
                }
            }
        }
    }
}

impl Upkeep {
    /// Works until it is dropped.
    pub async fn run(self) {
        for round in (0..ROUNDS_TO_STRAYS).cycle() {
            // One that fails does not keep the other from its work.
            for done in [self.rows().await, self.files(round == 0).await] {
                if let Err(error) = done {
                    log::error!("upkeep failed and is tried again later: {}", chain(&error));
                }
            }
            sleep(EVERY).await;
        }
    }

    async fn files(&self, strays_too: bool) -> ServiceResult<()> {
        let orphans = self.media.orphans().await?.orphans;
        let Collected { unknown, unfinished, .. } = if strays_too { self.media.strays().await? } else { Collected::default() };
        if orphans + unknown + unfinished > 0 {
            log::info!("removed {orphans} files without agent or channel, {unknown} unknown ones and {unfinished} unfinished ones");
        }
        Ok(())
    }

    async fn rows(&self) -> ServiceResult<()> {
        let events = self.messages.events_beyond(self.retention.event_count).await?;
        let events = self.bound(self.retention.events, events);
        while self.messages.prune_events(events, BATCH).await? > 0 {
            sleep(BREATH).await;
        }
        let keys = self.bound(IDEMPOTENCY, None);
        while self.messages.prune_idempotency(keys, BATCH).await? > 0 {
            sleep(BREATH).await;
        }
        let logs = self.runs.logs_beyond(self.retention.log_count).await?;
        let logs = self.bound(self.retention.logs, logs);
        while self.runs.prune(logs, BATCH).await? > 0 {
            sleep(BREATH).await;
        }
        Ok(())
    }

    /// What is older than `age` goes, and what stands at or before `surplus`.
    fn bound(&self, age: Duration, surplus: Option<Timestamp>) -> Timestamp {
        let aged = self.clock.now().plus_millis(-i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        surplus.map_or(aged, |surplus| aged.max(surplus.plus_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use core_types::deliveries::DeliveryState;
    use core_types::runs::LogFilter;
    use serde_json::json;
    use testkit::house::{House, Plan, person};
    use testkit::scripted_provider::ScriptedProvider;

    use super::*;

    fn upkeep(house: &House, retention: Retention) -> Upkeep {
        let clock: Arc<dyn Clock> = Arc::<testkit::clock::SteppedClock>::clone(&house.clock);
        let stores = &house.store;
        let (messages, memories, runs) = (stores.messages(), stores.memories(), stores.runs());
        Upkeep { messages, memories, runs, media: house.collector(), clock, retention }
    }

    #[tokio::test]
    async fn what_is_too_old_or_too_much_is_forgotten_and_messages_stay() {
        let house = House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await;
        let agent = house.agent_named("Eliza").await;
        let channel = house.channel("DM", &[person(1), agent.into()], json!({})).await;
        let mut watch = house.watch(channel).await;
        for text in ["one", "two"] {
            house.post(channel, person(1), text).await;
            assert_eq!(watch.end().await.0.state, DeliveryState::Replied);
        }
        let seqs =
            || async { house.store.messages().events(channel, 0, 10).await.unwrap().iter().map(|event| event.seq).collect::<Vec<_>>() };
        let logs = || async { house.store.runs().logs(agent, LogFilter { limit: 100, ..LogFilter::default() }).await.unwrap().len() };
        let day = Duration::from_hours(24);
        let plenty = Retention { events: day, event_count: 100, logs: day, log_count: 100 };
        upkeep(&house, plenty).rows().await.unwrap();
        assert_eq!((seqs().await.len(), logs().await), (6, 6));
        upkeep(&house, Retention { event_count: 2, log_count: 1, ..plenty }).rows().await.unwrap();
        assert!(seqs().await.len() <= 2 && seqs().await.last() == Some(&6), "{:?}", seqs().await);
        assert!(logs().await <= 1);
        house.clock.advance(25 * 60 * 60 * 1000);
        upkeep(&house, plenty).rows().await.unwrap();
        assert_eq!((seqs().await.len(), logs().await), (0, 0));
        assert_eq!(house.texts(channel).await, ["one", "pong", "two", "pong"]);
    }
}
