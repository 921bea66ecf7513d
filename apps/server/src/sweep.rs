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

#[cfg(test)]
mod tests {
    use core_types::jobs::{JobService as _, NewJob};
    use core_types::sessions::{NewSession, SessionCount, SessionService as _, TimeoutChange};
    use core_types::{Caller, JsonObject};
    use testkit::house::{House, Plan, person};
    use testkit::scripted_provider::ScriptedProvider;

    use super::*;

    #[tokio::test]
    async fn what_is_over_is_forgotten_and_what_goes_on_stays() {
        let house = House::open(Plan::with(Arc::new(ScriptedProvider::saying("pong")))).await;
        let (owner, agent) = (Caller::owner(), house.agent_named("Eliza").await);
        let open =
            || NewSession { id: None, agent_id: agent, user_id: person(1), metadata: JsonObject::new(), timeout: TimeoutChange::default() };
        let ask = || NewJob {
            agent: Some(agent),
            user: person(1),
            content: "ping".to_owned(),
            metadata: JsonObject::new(),
            timeout: Duration::from_secs(30),
            idempotency_key: None,
        };
        for _ in 0..2 {
            house.sessions.open(&owner, open()).await.unwrap();
            house.jobs.create(&owner, ask()).await.unwrap();
        }
        house.clock.advance(25 * 60 * 60 * 1_000);
        let kept = house.sessions.open(&owner, open()).await.unwrap();
        let (job, _) = house.jobs.create(&owner, ask()).await.unwrap();
        let sweep = Sweep { sessions: Arc::clone(&house.sessions), jobs: Arc::clone(&house.jobs), every: Duration::from_secs(1) };
        sweep.once().await.unwrap();
        assert_eq!(house.sessions.count(&owner).await.unwrap(), SessionCount { active: 1, near_end: 0, over: 0 });
        assert_eq!(house.sessions.get(&owner, kept.id).await.unwrap(), kept);
        assert_eq!(house.jobs.figures(&owner).await.unwrap().total(), 1);
        assert_eq!(house.jobs.get(&owner, job.id).await.unwrap().ticket, job);
    }
}
