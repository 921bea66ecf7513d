//! Upkeep: what is kept for a time only is forgotten, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use core_types::messaging::MessageRepository;
use core_types::runs::RunRepository;
use core_types::{Clock, StoreResult, Timestamp};
use tokio::time::sleep;

use crate::config::Retention;

/// How often upkeep begins.
const EVERY: Duration = Duration::from_mins(10);
/// Rows forgotten in one transaction, so that writers never wait long.
const BATCH: u32 = 500;
/// The pause between two transactions.
const BREATH: Duration = Duration::from_millis(50);
/// How long a write can be repeated under the same idempotency key.
const IDEMPOTENCY: Duration = Duration::from_hours(24);

/// What upkeep works on.
pub struct Upkeep {
    /// Holds channel events and idempotency records.
    pub messages: Arc<dyn MessageRepository>,
    /// Holds runs and logs.
    pub runs: Arc<dyn RunRepository>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// How long things are kept.
    pub retention: Retention,
}

impl Upkeep {
    /// Works until it is dropped.
    pub async fn run(self) {
        loop {
            if let Err(error) = self.round().await {
                log::error!("upkeep failed and is tried again later: {error}");
            }
            sleep(EVERY).await;
        }
    }

    async fn round(&self) -> StoreResult<()> {
        let (events, keys, logs) = (self.before(self.retention.events), self.before(IDEMPOTENCY), self.before(self.retention.logs));
        while self.messages.prune_events(events, BATCH).await? > 0 {
            sleep(BREATH).await;
        }
        while self.messages.prune_idempotency(keys, BATCH).await? > 0 {
            sleep(BREATH).await;
        }
        while self.runs.prune(logs, BATCH).await? > 0 {
            sleep(BREATH).await;
        }
        Ok(())
    }

    fn before(&self, age: Duration) -> Timestamp {
        self.clock.now().plus_millis(-i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
    }
}
