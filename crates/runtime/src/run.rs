//! One run: an attempt of an agent at a delivery, from the claim to its end or back into the queue.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use core_types::actions::Effect;
use core_types::bus::{BusEvent, Topic};
use core_types::deliveries::{Claimed, DeliveryState, Fence, Finish, Finished, LONGEST_WAIT_MILLIS, MAX_ATTEMPTS, Requeue, Trace};
use core_types::error::chain;
use core_types::messaging::{ChannelEvent, Completion, EventBody};
use core_types::models::ModelError;
use core_types::{MessageId, StoreError, Timestamp};
use derive_more::{Display, Error, From};
use futures_util::FutureExt;
use metrics::{counter, histogram};
use tokio::time::{sleep, timeout};

use crate::active::{ActiveRun, Stop};
use crate::agent::{NotReady, ReadyAgents};
use crate::ports::{Limits, Ports};
use crate::record::{self, Recorder};
use crate::reflect::{Place, Reflector};
use crate::think::actions::ActionRegistry;
use crate::think::{self, Thought};

/// The first pause before a retry; each further one is three times as long: 1, 3, 9 and 27 s before the attempts 2 to 5.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest pause that is left to ourselves or to a provider that asks for one.
const LONGEST_BACKOFF: Duration = Duration::from_mins(2);
/// How often the end of a run is written before it is left to the lease.
const WRITE_TRIES: u32 = 4;

/// Why an attempt came to nothing.
#[derive(Debug, Display, Error, From)]
pub(crate) enum RunError {
    /// The agent cannot run.
    #[display("the agent cannot run")]
    NotReady(NotReady),
    /// The model did not answer.
    #[display("the model did not answer")]
    Model(ModelError),
    /// The store failed.
    #[display("what the agent knows cannot be read")]
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
            Self::NotReady(NotReady::Gone | NotReady::Secret { .. }) | Self::Template { .. } => false,
            Self::NotReady(NotReady::Store(_)) | Self::Store(_) | Self::TimedOut(_) | Self::Panicked => true,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Model(error) => error.retry_after(),
            _ => None,
        }
    }

    /// What people are told. Model errors say what to do and hold no key; of the inside nothing is told.
    fn reason(&self) -> String {
        match self {
            Self::NotReady(NotReady::Model(error)) | Self::Model(error) => error.to_string(),
            Self::NotReady(error) => error.to_string(),
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

/// What is said of a delivery whose attempts are used up when it is claimed. The last one may have ended with the server, without a lease
/// that could be renewed, or with an end that the store did not take: none of that is known here.
fn gave_out() -> String {
    format!("given up after {MAX_ATTEMPTS} attempts, the last of which came to no end")
}

/// What the end of a run makes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing.
    Nothing,
    /// A delivery, at once.
    Now,
    /// A delivery, from then on.
    At(Timestamp),
    /// That is not known.
    Unknown,
}

/// Runs claimed deliveries.
pub(crate) struct Runner {
    pub(crate) ports: Ports,
    pub(crate) agents: Arc<ReadyAgents>,
    pub(crate) actions: ActionRegistry,
    pub(crate) limits: Limits,
    pub(crate) reflector: Reflector,
}

impl Runner {
    /// Deals with a claimed delivery. Whatever happens, it has ended or is back in the queue afterwards, unless the
    /// store does not answer: then its lease runs out.
    pub(crate) async fn run(&self, claimed: Claimed, active: &Arc<ActiveRun>) -> Next {
        let (fence, began) = (active.fence, Instant::now());
        let mut recorder = Recorder::begin(&claimed, Arc::clone(&self.ports.ids), self.ports.clock.as_ref());
        let end = if claimed.delivery.tries() > MAX_ATTEMPTS {
            let reason = gave_out();
            self.finish(&claimed, fence, Outcome::failed(reason), &mut recorder).await
        } else {
            match self.attempt(&claimed, active, &mut recorder).await {
                End::Thought(thought) => self.finish_thought(&claimed, active, thought, &mut recorder).await,
                End::Failed(error) => self.fail(&claimed, &error, &mut recorder).await,
                End::Stopped(Stop::Superseded(by)) => self.finish(&claimed, fence, Outcome::superseded(by), &mut recorder).await,
                End::Stopped(Stop::GiveBack) => self.give_back(&claimed, fence).await,
                End::Stopped(Stop::Lost) => Ok(Next::Unknown),
            }
        };
        histogram!("doolittle_run_seconds").record(began.elapsed());
        end.unwrap_or_else(|error| {
            log::error!("delivery {}: its end cannot be written and is left to the lease: {}", fence.delivery, chain(&error));
            Next::Unknown
        })
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
    ) -> Result<Next, StoreError> {
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

    async fn fail(&self, claimed: &Claimed, error: &RunError, recorder: &mut Recorder) -> Result<Next, StoreError> {
        let fence = Fence { delivery: claimed.delivery.id, attempt: claimed.delivery.attempt };
        let (reason, tries) = (error.reason(), claimed.delivery.tries());
        let again = error.is_transient() && tries < MAX_ATTEMPTS;
        log::warn!(
            "agent {}, message {}, attempt {} of {MAX_ATTEMPTS}: {}{}",
            recorder.agent_name(),
            claimed.message.id,
            tries,
            chain(error),
            if again { "; trying again" } else { "; given up" }
        );
        if !again {
            return self.finish(claimed, fence, Outcome::failed(reason), recorder).await;
        }
        let now = self.ports.clock.now();
        let timed_out = matches!(error, RunError::TimedOut(_));
        let trace = recorder.failed(&reason, timed_out, now);
        let not_before = now.plus_millis(self.backoff(tries, error.retry_after()));
        let requeue = Requeue { fence, not_before, counts: true, trace: Some(trace) };
        self.requeue(requeue).await
    }

    /// Grows threefold with every attempt, spread by a quarter either way so that agents which failed together do not
    /// come back together; a provider's own wish counts if it is longer. In milliseconds.
    fn backoff(&self, tries: i32, wish: Option<Duration>) -> i64 {
        let exponent = u32::try_from(tries - 1).unwrap_or(0).min(8);
        let steady = FIRST_BACKOFF.saturating_mul(3_u32.pow(exponent)).max(wish.unwrap_or_default()).min(LONGEST_BACKOFF);
        let steady = i64::try_from(steady.as_millis()).unwrap_or(i64::MAX);
        let spread = (steady / 2).max(1);
        let dice = i64::from(self.ports.ids.uuid().as_bytes().first().copied().unwrap_or(0));
        (steady - spread / 2 + spread * dice / 255).min(LONGEST_WAIT_MILLIS)
    }

    async fn give_back(&self, claimed: &Claimed, fence: Fence) -> Result<Next, StoreError> {
        let requeue = Requeue { fence, not_before: self.ports.clock.now(), counts: false, trace: None };
        let next = self.requeue(requeue).await?;
        // Whoever waits for the reply may want to know that it will take longer.
        let changed = BusEvent::AgentChanged(claimed.delivery.agent_id);
        self.ports.bus.publish(Topic::Channel(claimed.message.channel_id), changed).await;
        Ok(next)
    }

    async fn requeue(&self, requeue: Requeue) -> Result<Next, StoreError> {
        let is_back = self.written(|| self.ports.deliveries.requeue(requeue.clone())).await?;
        Ok(if is_back { Next::At(requeue.not_before) } else { Next::Unknown })
    }

    async fn finish(&self, claimed: &Claimed, fence: Fence, outcome: Outcome, recorder: &mut Recorder) -> Result<Next, StoreError> {
        let now = self.ports.clock.now();
        let finish = finish_of(claimed, fence, outcome, recorder, now);
        let memories = u32::try_from(finish.memories.len()).unwrap_or(u32::MAX);
        let finished = match self.written(|| self.ports.deliveries.finish(finish.clone())).await {
            // What cannot be stored now cannot be stored on any attempt, so the delivery ends with as little as can be.
            Err(error @ StoreError::Defect(_)) => {
                log::error!("delivery {}: its end cannot be stored as it is: {}", fence.delivery, chain(&error));
                let bare = bare_failure(&finish);
                self.written(|| self.ports.deliveries.finish(bare.clone())).await?
            }
            finished => finished?,
        };
        let Some(finished) = finished else {
            log::debug!("delivery {}: somebody else ended it", fence.delivery);
            return Ok(Next::Unknown);
        };
        let next = if finished.frees_next { Next::Now } else { Next::Nothing };
        if let Some(state) = finished.events.iter().find_map(end_of) {
            counter!("doolittle_deliveries_ended_total", "state" => state.to_string()).increment(1);
        }
        self.announce(claimed, finished).await;
        let place = Place { agent: claimed.delivery.agent_id, room: recorder.room_id() };
        self.reflector.said(place, memories);
        Ok(next)
    }

    /// Tells the readers of the channel, and the workers of agents that the reply woke.
    async fn announce(&self, claimed: &Claimed, finished: Finished) {
        let channel = claimed.message.channel_id;
        let woken: Arc<[_]> = finished.woken.iter().map(|delivery| (delivery.agent_id, delivery.must_answer)).collect();
        for event in finished.events {
            let ready = match &event.body {
                EventBody::Message(Some(reply)) if !woken.is_empty() => {
                    let (author, message, seq) = (reply.author_id, reply.id, reply.seq);
                    Some(BusEvent::DeliveriesReady { channel, author, message, seq, woken: Arc::clone(&woken) })
                }
                _ => None,
            };
            self.ports.bus.publish(Topic::Channel(channel), BusEvent::Channel(Arc::new(event))).await;
            if let Some(ready) = ready {
                self.ports.bus.publish(Topic::Work, ready).await;
            }
        }
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
    let run = recorder.run_id();
    let mut memories = vec![record::memory_of_message(claimed, &plane, run)];
    let mut reply = None;
    let mut room_state = None;
    if let Some(thought) = &outcome.thought {
        room_state = thought.effects.last().map(|Effect::RoomState(state)| *state);
        if let Some(said) = &thought.reply {
            memories.push(record::memory_of_reply(claimed, said, &plane, run, now));
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
    Finish { fence, completion, reply, plane: Some(plane), memories, room_state, trace: Some(trace), now }
}

/// The same end as a failure that stores nothing but itself.
fn bare_failure(finish: &Finish) -> Finish {
    let completion = Completion {
        state: DeliveryState::Failed,
        reply_id: None,
        superseded_by: None,
        error: Some("what the agent said cannot be stored".to_owned()),
        ..finish.completion.clone()
    };
    Finish {
        fence: finish.fence,
        completion,
        reply: None,
        plane: None,
        memories: Vec::new(),
        room_state: None,
        trace: None,
        now: finish.now,
    }
}

fn trace_of(completion: &Completion, recorder: &mut Recorder, now: Timestamp) -> Trace {
    match &completion.error {
        Some(reason) => recorder.failed(reason, false, now),
        None => recorder.completed(completion.state, now),
    }
}

/// How a delivery ended, if that is what the event tells.
fn end_of(event: &ChannelEvent) -> Option<DeliveryState> {
    match &event.body {
        EventBody::Complete(completion) => completion.as_ref().map(|completion| completion.state),
        _ => None,
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
