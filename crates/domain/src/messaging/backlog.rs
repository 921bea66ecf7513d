//! What waits for each agent, so that no one's queue grows without end: whoever would have to wait too long is told so at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use core_types::deliveries::{Delivery, DeliveryRepository, OpenDeliveries};
use core_types::error::chain;
use core_types::{AgentId, ServiceError, Tenant};
use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// How often what waits is counted; where somebody would be refused, at most so much more often.
const EVERY: Duration = Duration::from_secs(1);
const AT_MOST_EVERY: Duration = Duration::from_millis(50);
/// Which part of an agent's line only the owner may fill.
const OWNERS: u64 = 4;
/// So many agents' whole lines may wait for one tenant together: what waits costs everybody, and a message may be for many agents.
const LINES: u64 = 10;
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

#[derive(Debug, Clone, Default)]
struct Line {
    /// How much waits, of everybody.
    waiting: u64,
    /// How much of each; `None` is the owner.
    of: HashMap<Option<Tenant>, Part>,
    /// How many a second were done with lately.
    rate: f64,
}

/// What one waits for in a line.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    waiting: u64,
    /// How many of these came since the last count began, which may have missed them.
    since: u64,
}

impl Line {
    fn add(&mut self, tenant: Option<Tenant>, waiting: u64) -> &mut Part {
        self.waiting += waiting;
        let part = self.of.entry(tenant).or_default();
        part.waiting += waiting;
        part
    }

    /// Whether nothing more may wait here of somebody, where `most` may wait at once. Each tenant has an equal part of it, as far as it
    /// is taken, and one is left for one who comes anew; the last quarter is the owner's, who waits for its own messages alone: what
    /// tenants send at the same moment may be more than their part.
    fn is_full(&self, most: u64, tenant: Option<&Tenant>) -> bool {
        match tenant {
            None => self.part_of(None) >= most,
            Some(_) => self.waiting >= most.saturating_sub(most / OWNERS) || self.part_of(tenant) >= self.share(most),
        }
    }

    fn share(&self, most: u64) -> u64 {
        let tenants = self.of.keys().flatten().count().max(1);
        (most / (tenants as u64 + 1)).max(1)
    }

    fn part_of(&self, tenant: Option<&Tenant>) -> u64 {
        self.of.get(&tenant.cloned()).map_or(0, |part| part.waiting)
    }

    /// How long it takes until all that waits is done with, at the rate of lately.
    fn wait(&self) -> Duration {
        let (least, most) = WAIT;
        let seconds = if self.rate > 0.0 { number(self.waiting) / self.rate } else { most };
        Duration::from_secs_f64(seconds.clamp(least, most))
    }
}

/// What waits for each agent, as far as is known.
#[derive(Debug, Default)]
struct Lines(HashMap<AgentId, Line>);

impl Lines {
    fn full(&self, most: u64, tenant: Option<&Tenant>) -> Vec<AgentId> {
        let has_too_much = tenant.is_some() && self.of(tenant) >= most.saturating_mul(LINES);
        self.0.iter().filter(|(_, line)| has_too_much || line.is_full(most, tenant)).map(|(agent, _)| *agent).collect()
    }

    /// What waits for a tenant with all agents.
    fn of(&self, tenant: Option<&Tenant>) -> u64 {
        self.0.values().map(|line| line.part_of(tenant)).sum()
    }

    fn came(&mut self, agent: AgentId, tenant: Option<Tenant>) {
        self.0.entry(agent).or_default().add(tenant, 1).since += 1;
    }

    /// A count begins.
    fn begin(&mut self) {
        self.0.values_mut().flat_map(|line| line.of.values_mut()).for_each(|part| part.since = 0);
    }

    /// Takes what was counted so long after the last time, and what has come meanwhile, of which some may be counted twice until the next
    /// time, and none is missed.
    fn counted(&mut self, counts: Vec<OpenDeliveries>, past: Duration) {
        let before = std::mem::take(&mut self.0);
        for OpenDeliveries { agent, tenant, count } in counts {
            self.0.entry(agent).or_default().add(tenant, count);
        }
        for (agent, line) in &before {
            for (tenant, part) in line.of.iter().filter(|(_, part)| part.since > 0) {
                self.0.entry(*agent).or_default().add(tenant.clone(), part.since);
            }
        }
        for (agent, line) in &mut self.0 {
            let (waited, rate) = before.get(agent).map_or((0, 0.0), |was| (was.waiting, was.rate));
            let done = number(waited.saturating_sub(line.waiting)) / past.as_secs_f64().max(AT_MOST_EVERY.as_secs_f64());
            // The mean of now and before, so that one slow moment does not frighten anybody.
            line.rate = if rate > 0.0 { f64::midpoint(rate, done) } else { done };
        }
    }
}

impl Backlog {
    /// At most so many messages wait for one agent.
    pub(super) fn new(most: u64, deliveries: Arc<dyn DeliveryRepository>) -> Self {
        Self { most, deliveries, lines: RwLock::default(), last: Mutex::default() }
    }

    /// The agents for which nothing more of a tenant may wait. Usually none, which costs nothing to find out. What an agent has done with
    /// since the last count does not count against it: before anybody is refused it is counted again.
    pub(super) async fn full(&self, tenant: Option<&Tenant>) -> Vec<AgentId> {
        let full = self.lines.read().full(self.most, tenant);
        if full.is_empty() {
            return full;
        }
        self.count(AT_MOST_EVERY).await;
        self.lines.read().full(self.most, tenant)
    }

    /// Messages have come.
    pub(super) fn came(&self, deliveries: &[Delivery]) {
        if deliveries.is_empty() {
            return;
        }
        let mut lines = self.lines.write();
        for delivery in deliveries {
            lines.came(delivery.agent_id, delivery.tenant.clone());
        }
    }

    /// What whoever comes too many is told.
    pub(super) fn refusal(&self, agent: AgentId, tenant: Option<&Tenant>) -> ServiceError {
        let lines = self.lines.read();
        let (line, all) = (lines.0.get(&agent).cloned().unwrap_or_default(), lines.of(tenant));
        drop(lines);
        let own = line.part_of(tenant);
        let message = if tenant.is_some() && all >= self.most.saturating_mul(LINES) {
            format!("{all} messages of yours wait for agents already, the most that may; nothing was stored")
        } else if tenant.is_some() && own > 0 && line.waiting < self.most {
            format!("{own} messages of yours wait for this agent already, the most that may beside others; nothing was stored")
        } else {
            format!("{} messages wait for this agent already, the most that may; nothing was stored", line.waiting)
        };
        ServiceError::Busy { message, retry_after: line.wait(), place: line.waiting + 1 }
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

    fn owners(agent: AgentId, count: u64) -> OpenDeliveries {
        OpenDeliveries { agent, tenant: None, count }
    }

    #[test]
    fn an_agent_is_full_until_what_waits_is_done_with() {
        let (one, other) = (AgentId::of_name("one"), AgentId::of_name("other"));
        let mut lines = Lines::default();
        lines.counted(vec![owners(one, 3), owners(other, 2)], SECOND);
        assert_eq!(lines.full(3, None), [one]);
        lines.begin();
        lines.counted(vec![owners(one, 1), owners(other, 2)], SECOND);
        assert_eq!(lines.full(3, None), []);
        assert_eq!(lines.0.get(&one).map(|line| line.rate), Some(2.0));
    }

    #[test]
    fn what_comes_while_it_is_counted_is_not_missed() {
        let (one, new) = (AgentId::of_name("one"), AgentId::of_name("new"));
        let mut lines = Lines::default();
        lines.came(one, None);
        lines.begin();
        for agent in [one, one, new] {
            lines.came(agent, None);
        }
        // The count saw the first only.
        lines.counted(vec![owners(one, 1)], SECOND);
        assert_eq!(lines.full(3, None), [one]);
        assert_eq!(lines.full(1, None).len(), 2);
        lines.begin();
        lines.counted(vec![owners(one, 1)], SECOND);
        assert_eq!(lines.full(1, None), [one], "what is done with is forgotten");
    }

    #[test]
    fn a_tenant_fills_its_part_of_a_line_and_the_owner_what_is_left() {
        let agent = AgentId::of_name("one");
        let [a, b] = ["a", "b"].map(|name| Tenant::new(name).unwrap());
        let waits = |tenant: &Tenant, count| OpenDeliveries { agent, tenant: Some(tenant.clone()), count };
        for (counts, full) in [
            (vec![waits(&a, 5)], [false, false, false]),
            // Half of the line, and a third where two wait.
            (vec![waits(&a, 6)], [true, false, false]),
            (vec![waits(&a, 4), waits(&b, 3)], [true, false, false]),
            (vec![waits(&a, 6), waits(&b, 3)], [true, true, false]),
            (vec![owners(agent, 9)], [true, true, false]),
            (vec![owners(agent, 12)], [true, true, true]),
        ] {
            let mut lines = Lines::default();
            lines.counted(counts.clone(), SECOND);
            let found = [Some(&a), Some(&b), None].map(|tenant| !lines.full(12, tenant).is_empty());
            assert_eq!(found, full, "{counts:?}");
        }
    }

    #[test]
    fn a_tenant_fills_so_many_lines_and_no_more() {
        let [a, b] = ["a", "b"].map(|name| Tenant::new(name).unwrap());
        let agents: Vec<AgentId> = (0..24).map(|number: u8| AgentId::of_name(&number.to_string())).collect();
        let waits = |agent: &AgentId| OpenDeliveries { agent: *agent, tenant: Some(a.clone()), count: 6 };
        let mut lines = Lines::default();
        // No line is full, and all have 138 of the 140 that ten whole ones would have, then more.
        lines.counted(agents.iter().skip(1).map(waits).collect(), SECOND);
        assert_eq!(lines.full(14, Some(&a)), []);
        lines.counted(agents.iter().map(waits).collect(), SECOND);
        lines.came(agents[0], Some(b.clone()));
        let full = [Some(&a), Some(&b), None].map(|tenant| lines.full(14, tenant).len());
        assert_eq!(full, [agents.len(), 0, 0]);
    }

    #[test]
    fn the_wait_follows_from_how_fast_the_agent_is() {
        for (waiting, rate, seconds) in [(120, 20.0, 6), (3, 0.0, 120), (3, 100.0, 1), (u64::MAX, 0.001, 120), (0, 0.0, 120)] {
            assert_eq!(Line { waiting, rate, ..Line::default() }.wait().as_secs(), seconds);
        }
    }
}
