//! What waits for each agent, so that no one's queue grows without end: whoever would have to wait too long is told so at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use core_types::deliveries::{Delivery, DeliveryRepository};
use core_types::error::chain;
use core_types::{AgentId, ServiceError};
use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// How often what waits is counted; where somebody would be refused, at most so much more often.
const EVERY: Duration = Duration::from_secs(1);
const AT_MOST_EVERY: Duration = Duration::from_millis(50);
/// The least and the most seconds that somebody is told to wait.
const WAIT: (f64, f64) = (1.0, 120.0);

/// What waits for each agent: counted now and then, and what came since is added.
pub(super) struct Backlog {
    most: u64,
    deliveries: Arc<dyn DeliveryRepository>,
    lines: RwLock<Lines>,
    /// When it was counted last; held while it is counted.
    last: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Line {
    waiting: u64,
    /// How many of these came since the last count began, which may have missed them.
    since: u64,
    /// How many a second were done with lately.
    rate: f64,
}

impl Line {
    /// How long it takes until all that waits is done with, at the rate of lately.
    fn wait(self) -> Duration {
        let (least, most) = WAIT;
        let seconds = if self.rate > 0.0 { number(self.waiting) / self.rate } else { most };
        Duration::from_secs_f64(seconds.clamp(least, most))
    }
}

/// What waits for each agent, as far as is known.
#[derive(Debug, Default)]
struct Lines(HashMap<AgentId, Line>);

impl Lines {
    fn full(&self, most: u64) -> Vec<AgentId> {
        self.0.iter().filter(|(_, line)| line.waiting >= most).map(|(agent, _)| *agent).collect()
    }

    fn came(&mut self, agent: AgentId) {
        let line = self.0.entry(agent).or_default();
        line.waiting += 1;
        line.since += 1;
    }

    /// A count begins.
    fn begin(&mut self) {
        self.0.values_mut().for_each(|line| line.since = 0);
    }

    /// Takes what was counted so long after the last time, and what has come meanwhile, of which some may be counted twice until the next
    /// time, and none is missed.
    fn counted(&mut self, counts: Vec<(AgentId, u64)>, past: Duration) {
        let before = std::mem::take(&mut self.0);
        let come = before.iter().filter(|(_, line)| line.since > 0).map(|(agent, line)| (*agent, line.since));
        for (agent, waiting) in counts.into_iter().chain(come) {
            self.0.entry(agent).or_default().waiting += waiting;
        }
        for (agent, line) in &mut self.0 {
            let was = before.get(agent).copied().unwrap_or_default();
            let done = number(was.waiting.saturating_sub(line.waiting)) / past.as_secs_f64().max(AT_MOST_EVERY.as_secs_f64());
            // The mean of now and before, so that one slow moment does not frighten anybody.
            line.rate = if was.rate > 0.0 { f64::midpoint(was.rate, done) } else { done };
        }
    }
}

impl Backlog {
    /// At most so many messages wait for one agent.
    pub(super) fn new(most: u64, deliveries: Arc<dyn DeliveryRepository>) -> Self {
        Self { most, deliveries, lines: RwLock::default(), last: Mutex::default() }
    }

    /// The agents for which nothing more may wait. Usually none, which costs nothing to find out. What an agent has done with since the
    /// last count does not count against it: before anybody is refused it is counted again.
    pub(super) async fn full(&self) -> Vec<AgentId> {
        let full = self.lines.read().full(self.most);
        if full.is_empty() {
            return full;
        }
        self.count(AT_MOST_EVERY).await;
        self.lines.read().full(self.most)
    }

    /// Messages have come.
    pub(super) fn came(&self, deliveries: &[Delivery]) {
        if deliveries.is_empty() {
            return;
        }
        let mut lines = self.lines.write();
        for delivery in deliveries {
            lines.came(delivery.agent_id);
        }
    }

    /// What whoever comes too many is told.
    pub(super) fn refusal(&self, agent: AgentId) -> ServiceError {
        let line = self.lines.read().0.get(&agent).copied().unwrap_or_default();
        ServiceError::Busy {
            message: format!("{} messages wait for this agent already, the most that may; nothing was stored", line.waiting),
            retry_after: line.wait(),
            place: line.waiting + 1,
        }
    }

    /// Counts, unless that was done within this time.
    async fn count(&self, within: Duration) {
        let mut last = self.last.lock().await;
        let past = last.map(|at| at.elapsed());
        if past.is_some_and(|past| past < within) {
            return;
        }
        self.lines.write().begin();
        match self.deliveries.backlog().await {
            Ok(counts) => self.lines.write().counted(counts, past.unwrap_or_default()),
            Err(error) => log::warn!("what waits for agents cannot be counted: {}", chain(&error)),
        }
        *last = Some(Instant::now());
    }

    /// Counts for as long as the server runs.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            self.count(EVERY).await;
            sleep(EVERY).await;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
const fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_agent_is_full_until_what_waits_is_done_with() {
        let (one, other) = (AgentId::of_name("one"), AgentId::of_name("other"));
        let mut lines = Lines::default();
        lines.counted(vec![(one, 3), (other, 2)], SECOND);
        assert_eq!(lines.full(3), [one]);
        lines.begin();
        lines.counted(vec![(one, 1), (other, 2)], SECOND);
        assert_eq!(lines.full(3), []);
        assert_eq!(lines.0.get(&one).map(|line| line.rate), Some(2.0));
    }

    #[test]
    fn what_comes_while_it_is_counted_is_not_missed() {
        let (one, new) = (AgentId::of_name("one"), AgentId::of_name("new"));
        let mut lines = Lines::default();
        lines.came(one);
        lines.begin();
        for agent in [one, one, new] {
            lines.came(agent);
        }
        // The count saw the first only.
        lines.counted(vec![(one, 1)], SECOND);
        assert_eq!(lines.full(3), [one]);
        assert_eq!(lines.full(1).len(), 2);
        lines.begin();
        lines.counted(vec![(one, 1)], SECOND);
        assert_eq!(lines.full(1), [one], "what is done with is forgotten");
    }

    #[test]
    fn the_wait_follows_from_how_fast_the_agent_is() {
        for (waiting, rate, seconds) in [(120, 20.0, 6), (3, 0.0, 120), (3, 100.0, 1), (u64::MAX, 0.001, 120), (0, 0.0, 120)] {
            assert_eq!(Line { waiting, rate, since: 0 }.wait().as_secs(), seconds);
        }
    }
}
