//! Forgetting sessions that are over, and jobs whose time is long over.

use std::sync::Arc;
use std::time::Duration;

use core_types::StoreResult;
use core_types::error::chain;
use domain::{Jobs, Sessions};
use tokio::time::sleep;

/// Rows forgotten in one transaction, so that writers never wait long.
const BATCH: u32 = 500;
/// The pause between two transactions.
const BREATH: Duration = Duration::from_millis(50);

/// What is swept, and how often.
pub struct Sweep {
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Jobs.
    pub jobs: Arc<Jobs>,
    /// The time between two sweeps.
    pub every: Duration,
}

impl Sweep {
    /// Works until it is dropped.
    pub async fn run(self) {
        loop {
            if let Err(error) = self.once().await {
                log::error!("sessions and jobs are not swept, which is tried again later: {}", chain(&error));
            }
            sleep(self.every).await;
        }
    }

    async fn once(&self) -> StoreResult<()> {
        while self.sessions.sweep(BATCH).await? > 0 {
            sleep(BREATH).await;
        }
        while self.jobs.sweep(BATCH).await? > 0 {
            sleep(BREATH).await;
        }
        Ok(())
    }
}
