//! What waits for each agent, so that no one's queue grows without end: whoever would have to wait too long is told so at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use core_types::deliveries::{Delivery, DeliveryRepository};
use core_types::error::chain;
use core_types::{AgentId, ServiceError};
use parking_lot::RwLock;
use tokio::time::sleep;

/// How often what waits is counted.
const EVERY: Duration = Duration::from_secs(1);
/// The least and the most that somebody is told to wait.
const WAIT: (u64, u64) = (1, 120);

/// What waits for each agent: counted now and then, and what came since is added.
pub(super) struct Backlog {
    most: u64,
    lines: RwLock<HashMap<AgentId, Line>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Line {
    waiting: u64,
    /// How many have come since the last count.
    since: u64,
    /// How many a second were done with lately.
    rate: u64,
}

impl Backlog {
    /// At most so many messages wait for one agent.
    pub(super) fn new(most: u64) -> Self {
        Self { most, lines: RwLock::default() }
    }

    /// The agents for which nothing more may wait. Usually none, which costs nothing to find out.
    pub(super) fn full(&self) -> Vec<AgentId> {
        let lines = self.lines.read();
        lines.iter().filter(|(_, line)| line.waiting >= self.most).map(|(agent, _)| *agent).collect()
    }

    /// Messages have come.
    pub(super) fn came(&self, deliveries: &[Delivery]) {
        if deliveries.is_empty() {
            return;
        }
        let mut lines = self.lines.write();
        for delivery in deliveries {
            let line = lines.entry(delivery.agent_id).or_default();
            line.waiting += 1;
            line.since += 1;
        }
    }

    /// What whoever comes too many is told.
    pub(super) fn refusal(&self, agent: AgentId) -> ServiceError {
        let line = self.lines.read().get(&agent).copied().unwrap_or_default();
        let seconds = line.waiting.checked_div(line.rate).unwrap_or(WAIT.1).clamp(WAIT.0, WAIT.1);
        ServiceError::Busy {
            message: format!("{} messages wait for this agent already, the most that may; nothing was stored", line.waiting),
            retry_after: Duration::from_secs(seconds),
            place: line.waiting + 1,
        }
    }

    /// Takes what was counted. What has come while it was being counted may be counted twice, until the next time.
    fn counted(&self, counts: Vec<(AgentId, u64)>) {
        let mut lines = self.lines.write();
        let before = std::mem::take(&mut *lines);
        *lines = counts
            .into_iter()
            .map(|(agent, waiting)| {
                let was = before.get(&agent).copied().unwrap_or_default();
                let done = was.waiting.saturating_sub(waiting);
                // The mean of now and before, so that one slow second does not frighten anybody.
                let rate = if was.rate == 0 { done } else { u64::midpoint(was.rate, done) };
                (agent, Line { waiting, since: 0, rate })
            })
            .collect();
    }

    /// Counts for as long as the server runs.
    pub(super) async fn watch(self: Arc<Self>, deliveries: Arc<dyn DeliveryRepository>) {
        loop {
            match deliveries.backlog().await {
                Ok(counts) => self.counted(counts),
                Err(error) => log::warn!("what waits for agents cannot be counted: {}", chain(&error)),
            }
            sleep(EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> AgentId {
        AgentId::of_name(name)
    }

    #[test]
    fn an_agent_is_full_until_what_waits_is_done_with() {
        let backlog = Backlog::new(3);
        assert_eq!(backlog.full(), []);
        backlog.counted(vec![(agent("a"), 3), (agent("b"), 2)]);
        assert_eq!(backlog.full(), [agent("a")]);
        let ServiceError::Busy { retry_after, place, .. } = backlog.refusal(agent("a")) else { panic!("not busy") };
        assert_eq!((retry_after, place), (Duration::from_secs(WAIT.1), 4));
        backlog.counted(vec![(agent("a"), 2)]);
        assert_eq!(backlog.full(), []);
    }

    #[test]
    fn the_wait_follows_from_how_fast_the_agent_is() {
        let backlog = Backlog::new(100);
        backlog.counted(vec![(agent("a"), 140)]);
        backlog.counted(vec![(agent("a"), 120)]);
        let ServiceError::Busy { retry_after, .. } = backlog.refusal(agent("a")) else { panic!("not busy") };
        assert_eq!(retry_after, Duration::from_secs(6));
    }
}
