//! The inbox worker: claims deliveries as there is room, keeps their leases, and hears what should stop them.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use core_types::bus::{BusEvent, Lagged, Subscription, Topic};
use core_types::deliveries::{ClaimRequest, Claimed, DeliveryWorker, LEASE_MILLIS, Loads, Shares};
use core_types::error::chain;
use core_types::{AgentId, StoreError, StoreResult, Timestamp};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::active::{ActiveRun, ActiveRuns, Newer, Stop, shares};
use crate::agent::ReadyAgents;
use crate::ports::{Limits, Ports};
use crate::reflect::{self, Reflector};
use crate::run::{Next, Runner};
use crate::think::actions::ActionRegistry;

/// Deliveries claimed at once.
const CLAIM_BATCH: usize = 32;

/// How often leases are renewed: three times in their life. As often it is looked whether a clock that was ahead has put something off.
const RENEWAL: Duration = Duration::from_secs(10);

/// The longest sleep: what a lost wake-up costs at most.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The shortest sleep.
const BREATH: Duration = Duration::from_millis(20);

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
    /// Where runs go on that the store hands over.
    tokio: Handle,
    /// What is on its way from the store.
    claiming: Mutex<Option<Claiming>>,
    /// Something may be due.
    wake: Notify,
    /// A run has ended; or what is due is to be looked for, which is no reason to claim.
    ended: Notify,
    /// Until when nothing becomes due by itself. `None` where that is not known.
    horizon: Mutex<Option<Timestamp>>,
    /// Counts what was heard of agents, so that a claim on its way does not miss it.
    changes: AtomicU64,
    /// Whether what an earlier process had claimed can be claimed again. Before that nothing is: it could not be told apart.
    taken_up: AtomicBool,
    stopping: watch::Sender<bool>,
}

/// A claim on its way, and what it was asked with. There is one at a time, so that each knows what there is room for.
struct Claiming {
    /// What was under way.
    loads: Loads,
    shares: Shares,
    limit: usize,
    changes: u64,
    /// Whether the store claims along with what makes a delivery due.
    is_along: bool,
    /// Whether somebody wanted to claim meanwhile.
    again: bool,
}

impl Runtime {
    /// Takes up what an earlier process left and works on deliveries from now on, on the current tokio runtime. There
    /// must be one such process per database. Where the store cannot be written yet, both begin as soon as it can.
    pub async fn start(agents: Arc<ReadyAgents>, actions: ActionRegistry, limits: Limits) -> StoreResult<Self> {
        let ports = agents.ports.clone();
        let events = ports.bus.subscribe(Topic::Work).await;
        let active = Arc::new(ActiveRuns::default());
        let (reflector, due) = Reflector::new(limits.reflect_every);
        let reflecting = reflect::look_back(Arc::clone(&agents), limits.reflect_every, due);
        let runner = Arc::new(Runner { ports: ports.clone(), agents, actions, limits, reflector });
        let shared = Arc::new(Shared {
            ports,
            limits,
            active,
            runner,
            tokio: Handle::current(),
            claiming: Mutex::new(None),
            wake: Notify::new(),
            ended: Notify::new(),
            horizon: Mutex::new(None),
            changes: AtomicU64::new(0),
            taken_up: AtomicBool::new(false),
            stopping: watch::Sender::new(false),
        });
        match shared.take_up().await {
            Ok(()) => {}
            Err(error @ StoreError::Defect(_)) => return Err(error),
            Err(error @ (StoreError::Unavailable(_) | StoreError::ReadOnly(_))) => not_taken_up(&error),
        }
        let worker: Arc<dyn DeliveryWorker> = Arc::<Shared>::clone(&shared);
        let is_told = shared.ports.deliveries.claim_for(Arc::downgrade(&worker));
        let tasks = vec![
            tokio::spawn(claim_all(Arc::clone(&shared))),
            tokio::spawn(keep_leases(Arc::clone(&shared))),
            tokio::spawn(hear(Arc::clone(&shared), events, is_told)),
            tokio::spawn(reflecting),
        ];
        Ok(Self { shared, tasks })
    }

    /// Claims nothing more, waits at most `grace` for the runs under way, and gives the rest back to the queue.
    pub async fn stop(self, grace: Duration) {
        self.shared.stopping.send_replace(true);
        if timeout(grace, self.shared.idle()).await.is_err() {
            self.shared.active.give_back(None);
            // Giving back is one short transaction each; what does not get through is taken up at the next start.
            let _ = timeout(PAUSE, self.shared.idle()).await;
        }
    }
}

impl Drop for Runtime {
    /// Without `stop`, what is under way is left to its leases.
    fn drop(&mut self) {
        self.shared.stopping.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    async fn idle(&self) {
        loop {
            let mut ended = pin!(self.ended.notified());
            // Listening before looking, so that an end in between is not missed.
            ended.as_mut().enable();
            if self.claiming.lock().is_none() && self.active.len() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Makes pending what an earlier process had claimed, so that it is claimed again.
    async fn take_up(&self) -> StoreResult<()> {
        let recovered = self.ports.deliveries.recover(self.ports.clock.now()).await?;
        if recovered > 0 {
            log::info!("deliveries that were under way when the server last stopped and are tried again: {recovered}");
        }
        self.taken_up.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Does so as soon as the store can be written, where it could not be at the start.
    async fn take_up_later(&self, stopping: &mut watch::Receiver<bool>) {
        let mut pause = PAUSE;
        while !self.taken_up.load(Ordering::SeqCst) && !*stopping.borrow() {
            tokio::select! {
                () = sleep(pause) => {}
                _ = stopping.changed() => return,
            }
            pause = LOOK_AGAIN.min(pause * 2);
            match self.take_up().await {
                Ok(()) => log::info!("agents answer from now on"),
                Err(error) => not_taken_up(&error),
            }
        }
    }

    /// Claims what there is room for. Returns whether there may be more.
    async fn claim(self: &Arc<Self>) -> StoreResult<bool> {
        let Some(request) = self.begin_claim(false) else { return Ok(false) };
        // What is due is claimed now, and what will be after it is not known.
        self.horizon.lock().take_if(|due| *due <= request.now);
        match self.ports.deliveries.claim(request).await {
            Ok(claimed) => Ok(self.end_claim(claimed).may_be_more),
            Err(error) => {
                self.free_claim();
                Err(error)
            }
        }
    }

    /// What is to be claimed. `None` where there is no room, or another claim is on its way.
    fn begin_claim(&self, is_along: bool) -> Option<ClaimRequest> {
        let mut claiming = self.claiming.lock();
        if let Some(other) = claiming.as_mut() {
            other.again = true;
            return None;
        }
        let room = self.limits.runs.saturating_sub(self.active.len()).min(CLAIM_BATCH);
        if room == 0 || *self.stopping.borrow() || !self.taken_up.load(Ordering::SeqCst) {
            return None;
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let now = self.ports.clock.now();
        let held = self.active.held();
        let loads = held.iter().collect();
        let shares = shares(&self.limits, &loads);
        *claiming = Some(Claiming { loads, shares, limit: room, changes, is_along, again: false });
        Some(ClaimRequest { limit: u32::try_from(room).unwrap_or(u32::MAX), shares, held, now, lease_until: now.plus_millis(LEASE_MILLIS) })
    }

    /// The claim on its way is over. Whoever wanted to claim meanwhile need not any more, where this one has taken what was due.
    fn free_claim(&self) -> Option<Claiming> {
        let over = self.claiming.lock().take();
        if over.as_ref().is_some_and(|over| over.again) {
            self.look_for_due();
        }
        if *self.stopping.borrow() {
            self.ended.notify_waiters();
        }
        over
    }

    /// Takes over what was claimed. Returns what it left behind.
    fn end_claim(self: &Arc<Self>, claimed: Vec<Claimed>) -> Left {
        let count = claimed.len();
        let begun: Vec<_> = claimed.into_iter().map(|claimed| self.spawn(claimed)).collect();
        // Only now, so that the next claim knows of these runs.
        let Some(Claiming { mut loads, shares, limit, changes, .. }) = self.free_claim() else { return Left::default() };
        loads.extend(begun.iter().map(|run| run.held()));
        // Something may be due all the same: what woke this claim, where it found nothing; and what it passed over, where somebody had as
        // much as it may. That is judged by what the claim saw, for some of it can have ended since.
        let unknown = count == 0 || !loads.busy(shares).is_empty();
        if unknown {
            self.unknown();
        }
        // What was heard while the claim was on its way could not yet stop these runs.
        if *self.stopping.borrow() {
            for run in begun {
                run.tell(Stop::GiveBack);
            }
        } else if self.changes.load(Ordering::SeqCst) != changes {
            let shared = Arc::clone(self);
            self.tokio.spawn(async move { shared.look_after_agents().await });
        }
        Left { may_be_more: count == limit, unknown }
    }

    fn spawn(self: &Arc<Self>, claimed: Claimed) -> Arc<ActiveRun> {
        let run = self.active.begin(&claimed);
        let under_way = UnderWay { run: Arc::clone(&run), shared: Arc::clone(self), next: Next::Unknown };
        self.tokio.spawn(async move {
            if claimed.is_new {
                under_way.run.message_is_told().await;
            }
            let next = under_way.shared.runner.run(claimed, &under_way.run).await;
            under_way.end(next);
        });
        run
    }

    /// Waits until something may be due. What a run that ends makes due is most often nothing, and a claim is a write.
    async fn wait(&self, stopping: &mut watch::Receiver<bool>) -> StoreResult<()> {
        let mut has_ended = false;
        loop {
            let quiet = self.quiet().await?;
            if has_ended && quiet.is_zero() {
                return Ok(());
            }
            // A lease that ran out while its run goes on here is due, and must not make a busy loop.
            tokio::select! {
                () = self.wake.notified() => return Ok(()),
                () = sleep(quiet.max(BREATH)) => return Ok(()),
                _ = stopping.changed() => return Ok(()),
                () = self.ended.notified() => has_ended = true,
            }
        }
    }

    /// How long nothing becomes due by itself. Where there is no room, that is until a run ends.
    async fn quiet(&self) -> StoreResult<Duration> {
        if self.active.len() >= self.limits.runs {
            return Ok(LOOK_AGAIN);
        }
        let now = self.ports.clock.now();
        let known = *self.horizon.lock();
        let due = match known {
            Some(due) => due,
            None => self.look(now).await?,
        };
        Ok(Duration::from_millis(u64::try_from(due.millis() - now.millis()).unwrap_or(0)).min(LOOK_AGAIN))
    }

    /// Asks the store when something becomes due. What is told meanwhile counts too, for the answer may not have it.
    async fn look(&self, now: Timestamp) -> StoreResult<Timestamp> {
        let again = now.plus_millis(LOOK_AGAIN.as_millis().try_into().unwrap_or(i64::MAX));
        *self.horizon.lock() = Some(again);
        let loads = self.active.loads();
        let busy = loads.busy(shares(&self.limits, &loads));
        let due = self.ports.deliveries.next_due(busy).await.inspect_err(|_| self.unknown())?;
        Ok(due.map_or(again, |due| self.falls_due(due)))
    }

    /// Notes that something becomes due then. Returns when the first does.
    fn falls_due(&self, at: Timestamp) -> Timestamp {
        let mut horizon = self.horizon.lock();
        let first = horizon.map_or(at, |known| known.min(at));
        // Where nothing is known, there is a look before anything else.
        *horizon = horizon.map(|_| first);
        first
    }

    fn unknown(&self) {
        *self.horizon.lock() = None;
    }

    /// Has what is due looked for, and claimed where there is something.
    fn look_for_due(&self) {
        self.unknown();
        self.ended.notify_one();
    }

    /// Has what is due looked for again, where a clock that was ahead had put it off. That a clock was set is not looked for: it may have
    /// been ahead for a moment only, and in another process.
    async fn hasten(&self) {
        match self.ports.deliveries.hasten(self.ports.clock.now()).await {
            Ok(0) => {}
            Ok(count) => {
                log::warn!("the clock was ahead, and deliveries that it had put off are due now: {count}");
                self.look_for_due();
            }
            Err(error) => log::error!("cannot look for deliveries that a clock has put off: {}", chain(&error)),
        }
    }

    /// Stops the runs of an agent that does not run any more. Where that cannot be seen, giving back is safe: whoever
    /// still runs claims again.
    async fn agent_changed(&self, id: AgentId) {
        self.runner.agents.forget(id);
        match self.ports.agents.find(id).await {
            Ok(Some(agent)) if agent.running => {}
            Ok(_) => self.active.give_back(Some(id)),
            Err(error) => {
                log::error!("cannot see whether agent {id} still runs: {}", chain(&error));
                self.active.give_back(Some(id));
            }
        }
    }

    async fn look_after_agents(&self) {
        for agent in self.active.agents() {
            self.agent_changed(agent).await;
        }
    }
}

/// What a claim left behind.
#[derive(Default)]
struct Left {
    /// Whether there may be more that could be claimed now.
    may_be_more: bool,
    /// Whether something may be due that could not be claimed now.
    unknown: bool,
}

impl DeliveryWorker for Shared {
    fn wants(&self) -> Option<ClaimRequest> {
        self.begin_claim(true)
    }

    fn take_over(self: Arc<Self>, claimed: Option<Vec<Claimed>>) {
        let Some(claimed) = claimed else {
            if self.claiming.lock().as_ref().is_some_and(|claiming| claiming.is_along) {
                self.free_claim();
            }
            self.look_for_due();
            return;
        };
        let left = self.end_claim(claimed);
        if left.may_be_more {
            self.wake.notify_one();
        }
        if left.unknown {
            self.look_for_due();
        }
    }
}

/// A run for as long as it goes on, however it ends.
struct UnderWay {
    run: Arc<ActiveRun>,
    shared: Arc<Shared>,
    /// Unknown until it has ended, and where it broke off.
    next: Next,
}

impl UnderWay {
    fn end(mut self, next: Next) {
        self.next = next;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let was_full = self.shared.active.end(&self.run, &self.shared.limits);
        match self.next {
            Next::Nothing if !was_full => {}
            // It waited for nothing but this end, whatever the clock says.
            Next::Now if !was_full => _ = self.shared.falls_due(Timestamp::default()),
            Next::At(due) if !was_full => _ = self.shared.falls_due(due),
            _ => self.shared.unknown(),
        }
        // Two may be waiting: the claimer, and `stop`.
        self.shared.ended.notify_one();
        self.shared.ended.notify_waiters();
    }
}

fn not_taken_up(error: &StoreError) {
    log::error!("agents do not answer yet, since what was under way when the server last stopped cannot be taken up: {}", chain(error));
}

async fn claim_all(shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    shared.take_up_later(&mut stopping).await;
    while !*stopping.borrow() {
        let waited = match shared.claim().await {
            Ok(true) => continue,
            Ok(false) => shared.wait(&mut stopping).await,
            Err(error) => Err(error),
        };
        if let Err(error) = waited {
            log::error!("cannot claim deliveries: {}", chain(&error));
            tokio::select! {
                () = sleep(PAUSE) => {}
                _ = stopping.changed() => {}
            }
        }
    }
}

async fn keep_leases(shared: Arc<Shared>) {
    loop {
        sleep(RENEWAL).await;
        let asked = shared.active.fences();
        if !asked.is_empty() {
            let until = shared.ports.clock.now().plus_millis(LEASE_MILLIS);
            match shared.ports.deliveries.renew(asked.clone(), until).await {
                Ok(held) => shared.active.lose(&asked, &held),
                Err(error) => log::error!("cannot renew leases: {}", chain(&error)),
            }
        }
        shared.hasten().await;
    }
}

/// Hears what wakes the inbox and what should stop its runs. Of what falls due it `is_told` by the store itself, where that claims along.
async fn hear(shared: Arc<Shared>, mut events: Box<dyn Subscription>, is_told: bool) {
    loop {
        match events.next().await {
            Ok(BusEvent::DeliveriesReady { channel, author, message, seq, woken }) => {
                shared.active.told(channel, seq);
                shared.active.supersede(&Newer { channel, author, message, seq, woken });
                if is_told {
                    continue;
                }
            }
            Ok(BusEvent::DeliveriesCancelled(deliveries)) => shared.active.cancel(&deliveries),
            Ok(BusEvent::AgentChanged(agent)) => {
                shared.changes.fetch_add(1, Ordering::SeqCst);
                shared.agent_changed(agent).await;
            }
            // Runs that a claim on its way brings begin after this, and so with the agent as it is now.
            Ok(BusEvent::AgentRestarted(agent)) => {
                shared.runner.agents.forget(agent);
                shared.active.give_back(Some(agent));
            }
            Ok(BusEvent::Channel(_) | BusEvent::Chunk(_)) => {}
            // Missed wake-ups are made up for by looking; missed stops by asking for every agent that runs.
            Err(Lagged) => {
                shared.active.may_be_told();
                shared.changes.fetch_add(1, Ordering::SeqCst);
                shared.look_after_agents().await;
            }
        }
        shared.wake.notify_one();
    }
}
