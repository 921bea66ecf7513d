//! The runs that are under way, and how each can be told to stop.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use core_types::deliveries::{Busy, Claimed, Fence, Held, Loads, Shares};
use core_types::{AgentId, ChannelId, DeliveryId, EntityId, MessageId};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Duration, sleep};

use crate::ports::Limits;

/// Why a run should stop before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A newer message of the same author makes it moot.
    Superseded(MessageId),
    /// The agent was stopped, started anew or deleted, or the server stops.
    GiveBack,
    /// Somebody else holds the delivery, or it was cancelled.
    Lost,
}

/// How long a run waits at most until the readers of the channel are told of what it answers.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

const OPEN: u8 = 0;
const SHOWN: u8 = 1;
const SUPERSEDED: u8 = 2;

/// One run under way.
pub(crate) struct ActiveRun {
    pub(crate) fence: Fence,
    held: Held,
    channel: ChannelId,
    author: EntityId,
    seq: i64,
    must_answer: bool,
    /// Whether a piece of the reply was shown, or the reply was made moot: whichever comes first excludes the other.
    phase: AtomicU8,
    stop: watch::Sender<Option<Stop>>,
    /// The readers of the channel were told of the message.
    told: Notify,
}

impl ActiveRun {
    fn new(claimed: &Claimed) -> Self {
        let delivery = &claimed.delivery;
        // An earlier attempt may have shown something; from then on the reply is owed.
        let phase = if delivery.attempt > 1 { SHOWN } else { OPEN };
        Self {
            fence: Fence { delivery: delivery.id, attempt: delivery.attempt },
            held: Held { delivery: delivery.id, agent: delivery.agent_id, tenant: delivery.tenant.clone() },
            channel: claimed.message.channel_id,
            author: claimed.message.author_id,
            seq: claimed.message.seq,
            must_answer: delivery.must_answer,
            phase: AtomicU8::new(phase),
            stop: watch::Sender::new(None),
            told: Notify::new(),
        }
    }

    pub(crate) const fn held(&self) -> &Held {
        &self.held
    }

    /// Waits until the readers of the channel were told of the message, so that nothing of the reply comes before it. Not for ever: what
    /// is told may be lost.
    pub(crate) async fn message_is_told(&self) {
        tokio::select! {
            () = self.told.notified() => {}
            _ = self.stopped() => {}
            () = sleep(LONGEST_WAIT) => {}
        }
    }

    /// Claims the right to show the reply. From then on nothing supersedes it; `false` where something has.
    pub(crate) fn show(&self) -> bool {
        self.phase.compare_exchange(OPEN, SHOWN, Ordering::AcqRel, Ordering::Acquire).is_ok() || self.phase.load(Ordering::Acquire) == SHOWN
    }

    fn supersede(&self, by: MessageId) {
        if self.phase.compare_exchange(OPEN, SUPERSEDED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            self.stop.send_replace(Some(Stop::Superseded(by)));
        }
    }

    pub(crate) fn tell(&self, stop: Stop) {
        self.stop.send_if_modified(|told| {
            let first = told.is_none();
            if first {
                *told = Some(stop);
            }
            first
        });
    }

    /// Waits until the run should stop.
    pub(crate) async fn stopped(&self) -> Stop {
        let mut receiver = self.stop.subscribe();
        match receiver.wait_for(Option::is_some).await.map(|stop| *stop) {
            Ok(Some(stop)) => stop,
            // The sender lives as long as `self`.
            _ => std::future::pending().await,
        }
    }
}

/// A message that may make earlier ones moot.
pub(crate) struct Newer {
    pub(crate) channel: ChannelId,
    pub(crate) author: EntityId,
    pub(crate) message: MessageId,
    pub(crate) seq: i64,
    /// The agents that got it, and whether each must answer.
    pub(crate) woken: Arc<[(AgentId, bool)]>,
}

/// How many runs each may have while so many are under way. Every tenant has an equal part of all, and one is left for one who comes anew;
/// of an agent's, tenants have three quarters together.
pub(crate) fn shares(limits: &Limits, loads: &Loads) -> Shares {
    let bound = |runs: usize| u32::try_from(runs).unwrap_or(u32::MAX);
    Shares {
        per_agent: bound(limits.runs_per_agent),
        per_tenant: bound((limits.runs / (loads.tenants().max(1) + 1)).max(1)),
        per_agent_of_tenants: bound(limits.runs_per_agent.saturating_mul(3).div_ceil(4)),
    }
}

/// All runs under way.
#[derive(Default)]
pub(crate) struct ActiveRuns {
    runs: Mutex<HashMap<DeliveryId, Arc<ActiveRun>>>,
}

impl ActiveRuns {
    pub(crate) fn begin(&self, claimed: &Claimed) -> Arc<ActiveRun> {
        let run = Arc::new(ActiveRun::new(claimed));
        if let Some(replaced) = self.runs.lock().insert(claimed.delivery.id, Arc::clone(&run)) {
            replaced.tell(Stop::Lost);
        }
        run
    }

    /// Takes a run out. Returns whether there was no room for another run, for another of the same agent, or for another of a tenant, all
    /// of whose shares grow with the end of one of them; so that something may have waited for that.
    pub(crate) fn end(&self, run: &Arc<ActiveRun>, limits: &Limits) -> bool {
        let mut runs = self.runs.lock();
        let loads: Loads = runs.values().map(|run| run.held()).collect();
        let Busy { agents, tenants, pairs } = loads.busy(shares(limits, &loads));
        let was_full = runs.len() >= limits.runs || agents.contains(&run.held.agent) || !tenants.is_empty() || !pairs.is_empty();
        // A delivery that was given back may have been claimed again already.
        if runs.get(&run.fence.delivery).is_some_and(|known| Arc::ptr_eq(known, run)) {
            runs.remove(&run.fence.delivery);
        }
        was_full
    }

    pub(crate) fn len(&self) -> usize {
        self.runs.lock().len()
    }

    /// How much is worked on here.
    pub(crate) fn loads(&self) -> Loads {
        self.runs.lock().values().map(|run| run.held()).collect()
    }

    /// What is worked on here.
    pub(crate) fn held(&self) -> Vec<Held> {
        self.runs.lock().values().map(|run| run.held().clone()).collect()
    }

    pub(crate) fn fences(&self) -> Vec<Fence> {
        self.runs.lock().values().map(|run| run.fence).collect()
    }

    pub(crate) fn agents(&self) -> Vec<AgentId> {
        let mut agents: Vec<_> = self.runs.lock().values().map(|run| run.held.agent).collect();
        agents.sort_unstable();
        agents.dedup();
        agents
    }

    /// Stops what a newer message of the same author makes moot: runs of agents that got the newer one too, but none that
    /// owes an answer to a message which asks for none.
    pub(crate) fn supersede(&self, newer: &Newer) {
        let moot = |run: &ActiveRun| {
            run.channel == newer.channel
                && run.author == newer.author
                && run.seq < newer.seq
                && newer.woken.iter().any(|(agent, must_answer)| *agent == run.held.agent && (*must_answer || !run.must_answer))
        };
        for run in self.runs.lock().values().filter(|run| moot(run)) {
            run.supersede(newer.message);
        }
    }

    /// The readers of a channel were told of this message.
    pub(crate) fn told(&self, channel: ChannelId, seq: i64) {
        for run in self.runs.lock().values().filter(|run| run.channel == channel && run.seq == seq) {
            run.told.notify_one();
        }
    }

    /// Something was told that nobody heard.
    pub(crate) fn may_be_told(&self) {
        for run in self.runs.lock().values() {
            run.told.notify_one();
        }
    }

    pub(crate) fn give_back(&self, agent: Option<AgentId>) {
        for run in self.runs.lock().values().filter(|run| agent.is_none_or(|agent| agent == run.held.agent)) {
            run.tell(Stop::GiveBack);
        }
    }

    /// Stops the runs of deliveries that were cancelled.
    pub(crate) fn cancel(&self, deliveries: &[DeliveryId]) {
        let runs = self.runs.lock();
        for run in deliveries.iter().filter_map(|delivery| runs.get(delivery)) {
            run.tell(Stop::Lost);
        }
    }

    /// Stops the runs of these fences that are not among the held.
    pub(crate) fn lose(&self, asked: &[Fence], held: &[Fence]) {
        let runs = self.runs.lock();
        for fence in asked.iter().filter(|fence| !held.contains(fence)) {
            if let Some(run) = runs.get(&fence.delivery).filter(|run| run.fence == *fence) {
                run.tell(Stop::Lost);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core_types::Tenant;

    use super::*;

    #[test]
    fn each_tenant_has_an_equal_part_of_the_runs_and_one_part_is_left() {
        let held = |tenants: &[&str]| -> Vec<Held> {
            let (agent, delivery) = (AgentId::of_name("Alice"), "00000000-0000-0000-0000-000000000001".parse().unwrap());
            tenants.iter().map(|name| Held { delivery, agent, tenant: Tenant::new(name) }).collect()
        };
        for (runs, tenants, part) in [
            (64, &[][..], 32),
            (64, &["a"], 32),
            (64, &["a", "a", "b"], 21),
            (64, &["", "a", "b", "c"], 16),
            (2, &["a", "b"], 1),
            (1, &[], 1),
        ] {
            let limits = Limits { runs, ..Limits::default() };
            let loads = held(tenants).iter().collect();
            assert_eq!(shares(&limits, &loads).per_tenant, part, "{runs} runs, {tenants:?}");
        }
    }
}
