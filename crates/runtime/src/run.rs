//! One run: an attempt of an agent at a delivery, from the claim to its end or back into the queue.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use core_types::actions::Effect;
use core_types::bus::{BusEvent, Topic};
use core_types::deliveries::{Claimed, DeliveryState, Fence, Finish, MAX_ATTEMPTS, Requeue, Trace};
use core_types::messaging::{Completion, EventBody};
use core_types::models::ModelError;
use core_types::{MessageId, StoreError, Timestamp};
use derive_more::{Display, Error, From};
use futures_util::FutureExt;
use tokio::time::{sleep, timeout};

use crate::active::{ActiveRun, Stop};
use crate::agent::{NotReady, ReadyAgents};
use crate::inbox::with_sources;
use crate::ports::{Limits, Ports};
use crate::record::{self, Recorder};
use crate::think::actions::ActionRegistry;
use crate::think::{self, Thought};

/// The first pause before a retry; each further one is four times as long.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest pause that is left to ourselves or to a provider that asks for one.
const LONGEST_BACKOFF: Duration = Duration::from_mins(2);
/// How often the end of a run is written before it is left to the lease.
const WRITE_TRIES: u32 = 4;

/// Why an attempt came to nothing.
#[derive(Debug, Display, Error, From)]
pub(crate) enum RunError {
    /// The agent cannot run.
    #[display("{_0}")]
    NotReady(NotReady),
    /// The model did not answer.
    #[display("{_0}")]
    Model(ModelError),
    /// The store failed.
    #[display("{_0}")]
    Store(StoreError),
    /// A template of the character cannot be rendered.
    #[display("the character's template {name} is not valid: {reason}")]
    #[from(ignore)]
    Template {
        /// Which template.
        name: String,
        /// Why.
        reason: String,
    },
    /// The run took too long.
    #[display("the run took longer than {} s", _0.as_secs())]
    #[from(ignore)]
    TimedOut(#[error(not(source))] Duration),
    /// An action or a provider panicked.
    #[display("the run broke off because of a defect")]
    Panicked,
}

impl RunError {
    fn is_transient(&self) -> bool {
        match self {
            Self::NotReady(NotReady::Model(error)) | Self::Model(error) => error.is_transient(),
            Self::NotReady(NotReady::Gone) | Self::Template { .. } => false,
            Self::NotReady(NotReady::Store(_)) | Self::Store(_) | Self::TimedOut(_) | Self::Panicked => true,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Model(error) => error.retry_after(),
            _ => None,
        }
    }

    /// What people and logs are told; model errors say what to do and hold no key, the rest keeps to itself what it
    /// knows of the inside.
    fn reason(&self) -> String {
        match self {
            Self::NotReady(NotReady::Model(error)) | Self::Model(error) => error.to_string(),
            other => other.to_string(),
        }
    }
}

/// How an attempt ended.
enum End {
    Thought(Thought),
    Failed(RunError),
    Stopped(Stop),
}

/// Runs claimed deliveries.
pub(crate) struct Runner {
    pub(crate) ports: Ports,
    pub(crate) agents: ReadyAgents,
    pub(crate) actions: ActionRegistry,
    pub(crate) limits: Limits,
}

impl Runner {
    /// Deals with a claimed delivery. Whatever happens, it has ended or is back in the queue afterwards, unless the
    /// store does not answer: then its lease runs out.
    pub(crate) async fn run(&self, claimed: Claimed, active: &Arc<ActiveRun>) {
        let fence = active.fence;
        let mut recorder = Recorder::begin(&claimed, Arc::clone(&self.ports.ids), self.ports.clock.as_ref());
        let end = if claimed.delivery.attempt > MAX_ATTEMPTS {
            let reason = format!("given up after {MAX_ATTEMPTS} attempts, the last of which the server did not survive");
            self.finish(&claimed, fence, Outcome::failed(reason), &mut recorder).await
        } else {
            match self.attempt(&claimed, active, &mut recorder).await {
                End::Thought(thought) => self.finish_thought(&claimed, active, thought, &mut recorder).await,
                End::Failed(error) => self.fail(&claimed, fence, &error, &mut recorder).await,
                End::Stopped(Stop::Superseded(by)) => self.finish(&claimed, fence, Outcome::superseded(by), &mut recorder).await,
                End::Stopped(Stop::GiveBack) => self.give_back(fence).await,
                End::Stopped(Stop::Lost) => Ok(()),
            }
        };
        if let Err(error) = end {
            log::error!("delivery {}: its end cannot be written and is left to the lease: {}", fence.delivery, with_sources(&error));
        }
    }

    async fn attempt(&self, claimed: &Claimed, active: &Arc<ActiveRun>, recorder: &mut Recorder) -> End {
        if let (1, Some(newer)) = (claimed.delivery.attempt, claimed.newer) {
            return End::Stopped(Stop::Superseded(newer));
        }
        let thinking = AssertUnwindSafe(self.think(claimed, active, recorder)).catch_unwind();
        tokio::select! {
            biased;
            stop = active.stopped() => End::Stopped(stop),
            thought = timeout(self.limits.run_timeout, thinking) => match thought {
                Ok(Ok(Ok(thought))) => End::Thought(thought),
                Ok(Ok(Err(error))) => End::Failed(error),
                Ok(Err(_panic)) => End::Failed(RunError::Panicked),
                Err(_elapsed) => End::Failed(RunError::TimedOut(self.limits.run_timeout)),
            },
        }
    }

    async fn think(&self, claimed: &Claimed, active: &Arc<ActiveRun>, recorder: &mut Recorder) -> Result<Thought, RunError> {
        let ready = self.agents.get(claimed.delivery.agent_id, claimed.agent_version).await?;
        recorder.named(&ready.agent.character.name);
        let mind = think::Mind { ports: &self.ports, actions: &self.actions, limits: self.limits, ready: &ready, claimed };
        mind.think(active, recorder).await
    }

    async fn finish_thought(
        &self,
        claimed: &Claimed,
        active: &Arc<ActiveRun>,
        thought: Thought,
        recorder: &mut Recorder,
    ) -> Result<(), StoreError> {
        // A reply that showed no piece yet may still be superseded up to here, and not from here on.
        if thought.reply.is_some()
            && !active.show()
            && let Stop::Superseded(by) = active.stopped().await
        {
            return self.finish(claimed, active.fence, Outcome::superseded(by), recorder).await;
        }
        let state = if thought.reply.is_some() { DeliveryState::Replied } else { DeliveryState::Ignored };
        let outcome = Outcome { state, thought: Some(thought), superseded_by: None, error: None };
        self.finish(claimed, active.fence, outcome, recorder).await
    }

    async fn fail(&self, claimed: &Claimed, fence: Fence, error: &RunError, recorder: &mut Recorder) -> Result<(), StoreError> {
        let reason = error.reason();
        let again = error.is_transient() && fence.attempt < MAX_ATTEMPTS;
        log::warn!(
            "agent {}, message {}, attempt {} of {MAX_ATTEMPTS}: {}{}",
            recorder.agent_name(),
            claimed.message.id,
            fence.attempt,
            with_sources(error),
            if again { "; trying again" } else { "; given up" }
        );
        if !again {
            return self.finish(claimed, fence, Outcome::failed(reason), recorder).await;
        }
        let now = self.ports.clock.now();
        let timed_out = matches!(error, RunError::TimedOut(_));
        let trace = recorder.failed(&reason, timed_out, now);
        let not_before = now.plus_millis(self.backoff(fence.attempt, error.retry_after()));
        let requeue = Requeue { fence, not_before, counts: true, trace: Some(trace) };
        self.written(|| self.ports.deliveries.requeue(requeue.clone())).await.map(|_| ())
    }

    /// Grows fourfold with every attempt, spread by a quarter either way so that agents which failed together do not
    /// come back together; a provider's own wish counts if it is longer. In milliseconds.
    fn backoff(&self, attempt: i32, wish: Option<Duration>) -> i64 {
        let exponent = u32::try_from(attempt - 1).unwrap_or(0).min(8);
        let steady = FIRST_BACKOFF.saturating_mul(4_u32.pow(exponent)).max(wish.unwrap_or_default()).min(LONGEST_BACKOFF);
        let steady = i64::try_from(steady.as_millis()).unwrap_or(i64::MAX);
        let spread = (steady / 2).max(1);
        let dice = i64::from(self.ports.ids.uuid().as_bytes().first().copied().unwrap_or(0));
        steady - spread / 2 + spread * dice / 255
    }

    async fn give_back(&self, fence: Fence) -> Result<(), StoreError> {
        let requeue = Requeue { fence, not_before: self.ports.clock.now(), counts: false, trace: None };
        self.written(|| self.ports.deliveries.requeue(requeue.clone())).await.map(|_| ())
    }

    async fn finish(&self, claimed: &Claimed, fence: Fence, outcome: Outcome, recorder: &mut Recorder) -> Result<(), StoreError> {
        let now = self.ports.clock.now();
        let finish = finish_of(claimed, fence, outcome, recorder, now);
        let Some(finished) = self.written(|| self.ports.deliveries.finish(finish.clone())).await? else {
            log::debug!("delivery {}: somebody else ended it", fence.delivery);
            return Ok(());
        };
        let channel = claimed.message.channel_id;
        for event in finished.events {
            let woken = match &event.body {
                EventBody::Message(Some(reply)) if finished.woke => Some(Arc::clone(reply)),
                _ => None,
            };
            self.ports.bus.publish(Topic::Channel(channel), BusEvent::Channel(Arc::new(event))).await;
            if let Some(reply) = woken {
                let ready = BusEvent::DeliveriesReady { channel, author: reply.author_id, message: reply.id, seq: reply.seq };
                self.ports.bus.publish(Topic::Work, ready).await;
            }
        }
        Ok(())
    }

    /// Writes the end of a run, again where the store did not answer: a model call is too dear to throw its answer away.
    async fn written<T, F>(&self, write: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut tries = 1;
        loop {
            match write().await {
                Err(StoreError::Unavailable(_) | StoreError::ReadOnly(_)) if tries < WRITE_TRIES => {
                    sleep(FIRST_BACKOFF * tries).await;
                    tries += 1;
                }
                written => return written,
            }
        }
    }
}

/// Everything that the end of this run writes.
fn finish_of(claimed: &Claimed, fence: Fence, outcome: Outcome, recorder: &mut Recorder, now: Timestamp) -> Finish {
    let delivery = &claimed.delivery;
    let plane = record::plane(claimed, recorder.agent_name());
    let mut memories = vec![record::memory_of_message(claimed, &plane, now)];
    let mut reply = None;
    let mut room_state = None;
    if let Some(thought) = &outcome.thought {
        room_state = thought.effects.iter().rev().find_map(|effect| match effect {
            Effect::RoomState(state) => Some(*state),
            Effect::StaySilent => None,
        });
        if let Some(said) = &thought.reply {
            memories.push(record::memory_of_reply(claimed, said, &plane, now));
            reply = Some(record::reply(claimed, said, recorder.agent_name()));
        }
    }
    let completion = Completion {
        delivery_id: delivery.id,
        message_id: delivery.message_id,
        agent_id: delivery.agent_id,
        state: outcome.state,
        reply_id: reply.as_ref().map(|reply| reply.id),
        superseded_by: outcome.superseded_by,
        error: outcome.error,
    };
    let trace = trace_of(&completion, recorder, now);
    Finish { fence, completion, reply, plane, memories, room_state, trace: Some(trace), now }
}

fn trace_of(completion: &Completion, recorder: &mut Recorder, now: Timestamp) -> Trace {
    match &completion.error {
        Some(reason) => recorder.failed(reason, false, now),
        None => recorder.completed(completion.state, now),
    }
}

/// The end of a delivery, before it is written.
struct Outcome {
    state: DeliveryState,
    thought: Option<Thought>,
    superseded_by: Option<MessageId>,
    error: Option<String>,
}

impl Outcome {
    fn failed(reason: String) -> Self {
        Self { state: DeliveryState::Failed, thought: None, superseded_by: None, error: Some(reason) }
    }

    fn superseded(by: MessageId) -> Self {
        Self { state: DeliveryState::Superseded, thought: None, superseded_by: Some(by), error: None }
    }
}
