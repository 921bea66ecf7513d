//! The inbox worker: claims deliveries as there is room, keeps their leases, and hears what should stop them.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use core_types::bus::{BusEvent, Topic};
use core_types::deliveries::{ClaimRequest, Claimed, LEASE_MILLIS};
use core_types::{AgentId, StoreResult};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::active::ActiveRuns;
use crate::agent::ReadyAgents;
use crate::models::ModelRegistry;
use crate::ports::{Limits, Ports};
use crate::run::Runner;
use crate::think::actions::ActionRegistry;

/// Deliveries claimed at once.
const CLAIM_BATCH: usize = 32;

/// How often leases are renewed: three times in their life.
const RENEWAL: Duration = Duration::from_secs(10);

/// The longest sleep: what a lost wake-up costs at most.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The pause after the store failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The running inbox of this server's agents.
pub struct Runtime {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    ports: Ports,
    limits: Limits,
    active: Arc<ActiveRuns>,
    runner: Arc<Runner>,
    wake: Notify,
    stopping: watch::Sender<bool>,
}

impl Runtime {
    /// Takes up what an earlier process left and works on deliveries from now on, on the current tokio runtime. There
    /// must be one such process per database.
    pub async fn start(ports: Ports, models: ModelRegistry, actions: ActionRegistry, limits: Limits) -> StoreResult<Self> {
        let recovered = ports.deliveries.recover(ports.clock.now()).await?;
        if recovered > 0 {
            log::info!("{recovered} deliveries were under way when the server last stopped; they are tried again");
        }
        let events = ports.bus.subscribe(Topic::Work).await;
        let active = Arc::new(ActiveRuns::default());
        let agents = ReadyAgents::new(ports.clone(), models);
        let runner = Arc::new(Runner { ports: ports.clone(), agents, actions, limits });
        let shared = Arc::new(Shared { ports, limits, active, runner, wake: Notify::new(), stopping: watch::Sender::new(false) });
        let tasks = vec![
            tokio::spawn(claim_all(Arc::clone(&shared))),
            tokio::spawn(keep_leases(Arc::clone(&shared))),
            tokio::spawn(hear(Arc::clone(&shared), events)),
        ];
        Ok(Self { shared, tasks })
    }

    /// Runs under way.
    pub fn runs(&self) -> usize {
        self.shared.active.len()
    }

    /// Claims nothing more, waits at most `grace` for the runs under way, and gives the rest back to the queue.
    pub async fn stop(self, grace: Duration) {
        self.shared.stopping.send_replace(true);
        if timeout(grace, self.shared.idle()).await.is_err() {
            self.shared.active.give_back(None);
            // Giving back is one short transaction each; what does not get through is taken up at the next start.
            let _ = timeout(PAUSE, self.shared.idle()).await;
        }
        for task in self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    async fn idle(&self) {
        loop {
            let mut ended = pin!(self.wake.notified());
            // Listening before looking, so that an end in between is not missed.
            ended.as_mut().enable();
            if self.active.len() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Claims what there is room for. Returns whether there may be more.
    async fn claim(self: &Arc<Self>) -> StoreResult<bool> {
        let room = self.limits.runs.saturating_sub(self.active.len()).min(CLAIM_BATCH);
        if room == 0 {
            return Ok(false);
        }
        let now = self.ports.clock.now();
        let request = ClaimRequest {
            limit: u32::try_from(room).unwrap_or(u32::MAX),
            busy: self.active.busy(self.limits.runs_per_agent),
            now,
            lease_until: now.plus_millis(LEASE_MILLIS),
        };
        let claimed = self.ports.deliveries.claim(request).await?;
        let count = claimed.len();
        for claimed in claimed {
            self.spawn(claimed);
        }
        Ok(count > 0)
    }

    fn spawn(self: &Arc<Self>, claimed: Claimed) {
        let run = self.active.begin(&claimed);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            shared.runner.run(claimed, &run).await;
            shared.active.end(&run);
            // Two may be waiting: the claimer, and `stop`.
            shared.wake.notify_one();
            shared.wake.notify_waiters();
        });
    }

    /// How long nothing becomes due by itself.
    async fn quiet(&self) -> StoreResult<Duration> {
        let now = self.ports.clock.now();
        let due = self.ports.deliveries.next_due().await?;
        let wait = due.map_or(LOOK_AGAIN, |due| Duration::from_millis(u64::try_from(due.millis() - now.millis()).unwrap_or(0)));
        // Something that is due but cannot be claimed, because its agent is busy, must not make a busy loop.
        Ok(wait.clamp(Duration::from_millis(20), LOOK_AGAIN))
    }

    /// Stops the runs of an agent that does not run any more.
    async fn agent_changed(&self, agent: AgentId) {
        match self.ports.agents.find(agent).await {
            Ok(Some(agent)) if agent.running => {}
            Ok(_) => self.active.give_back(Some(agent)),
            Err(error) => log::error!("cannot see whether agent {agent} still runs: {error}"),
        }
    }
}

async fn claim_all(shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    while !*stopping.borrow() {
        let pause = match shared.claim().await {
            Ok(true) => continue,
            Ok(false) => shared.quiet().await.unwrap_or(PAUSE),
            Err(error) => {
                log::error!("cannot claim deliveries: {}", with_sources(&error));
                PAUSE
            }
        };
        tokio::select! {
            () = shared.wake.notified() => {}
            () = sleep(pause) => {}
            _ = stopping.changed() => {}
        }
    }
}

async fn keep_leases(shared: Arc<Shared>) {
    loop {
        sleep(RENEWAL).await;
        let asked = shared.active.fences();
        if asked.is_empty() {
            continue;
        }
        let until = shared.ports.clock.now().plus_millis(LEASE_MILLIS);
        match shared.ports.deliveries.renew(asked.clone(), until).await {
            Ok(held) => shared.active.lose(&asked, &held),
            Err(error) => log::error!("cannot renew leases: {}", with_sources(&error)),
        }
    }
}

async fn hear(shared: Arc<Shared>, mut events: Box<dyn core_types::bus::Subscription>) {
    loop {
        match events.next().await {
            Ok(BusEvent::DeliveriesReady { channel, author, message, seq }) => {
                shared.active.supersede(channel, author, seq, message);
            }
            Ok(BusEvent::AgentChanged(agent)) => shared.agent_changed(agent).await,
            Ok(BusEvent::Channel(_) | BusEvent::Chunk(_)) => {}
            // Missed wake-ups are made up for by looking; missed stops by asking for every agent that runs.
            Err(core_types::bus::Lagged) => {
                for agent in shared.active.agents() {
                    shared.agent_changed(agent).await;
                }
            }
        }
        shared.wake.notify_one();
    }
}

/// An error and what caused it, in one line for the log.
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}
