//! Deliveries: one agent's duty to deal with one message, durable from the post to its one end.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::memory::{AgentPlane, Memory, RoomState};
use crate::messaging::{Channel, ChannelEvent, Completion, Message, MessageDraft};
use crate::runs::{LogEntry, Run};
use crate::{AgentId, DeliveryId, MessageId, StoreResult, Tenant, Timestamp};

/// Where a delivery stands. Every delivery ends in exactly one of the last five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, derive_more::Display, derive_more::FromStr)]
#[serde(rename_all = "lowercase")]
#[display(rename_all = "lowercase")]
#[from_str(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Waits for its agent.
    Pending,
    /// An agent's worker deals with it, under a lease.
    Claimed,
    /// The agent replied.
    Replied,
    /// The agent chose not to answer.
    Ignored,
    /// A newer message of the same author made it moot.
    Superseded,
    /// It was tried and given up.
    Failed,
    /// Its agent, message or channel was deleted.
    Cancelled,
}

impl DeliveryState {
    /// Whether nothing more happens to a delivery in this state.
    pub const fn is_end(self) -> bool {
        !matches!(self, Self::Pending | Self::Claimed)
    }
}

/// An attempt is started at most this often, counting those that a crash cut short.
pub const MAX_ATTEMPTS: i32 = 5;

/// So many attempts follow each other at once, however the server ends.
pub const HASTY_ATTEMPTS: i32 = 2;

/// How long those behind them wait after a start, in milliseconds: a server that ends within its first moments, for whatever reason, has
/// begun none of them, and so uses none of them up.
pub const RESPITE_MILLIS: i64 = 5_000;

/// How long a claim holds without being renewed, in milliseconds.
pub const LEASE_MILLIS: i64 = 30_000;

/// Nothing waits longer than this for its next attempt, in milliseconds. What is due later was put off by a clock that was ahead.
pub const LONGEST_WAIT_MILLIS: i64 = 180_000;

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The message.
    pub message_id: MessageId,
    /// The agent.
    pub agent_id: AgentId,
    /// The id that the reply will have on every attempt.
    pub reply_id: MessageId,
    /// Whether the agent answers without being asked whether it wants to.
    pub must_answer: bool,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was claimed; the number of a claim, never given twice.
    pub attempt: i32,
    /// How many of these claims were given back without counting.
    pub given_back: i32,
    /// For whom the agent works: the tenant that spoke, or that an agent answered; the owner where absent.
    pub tenant: Option<Tenant>,
}

impl Delivery {
    /// How many attempts count against [`MAX_ATTEMPTS`], the present one included.
    pub const fn tries(&self) -> i32 {
        self.attempt - self.given_back
    }
}

/// A claimed delivery with what its agent's worker needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The delivery; `attempt` counts this one.
    pub delivery: Delivery,
    /// The message.
    pub message: Arc<Message>,
    /// The message's channel.
    pub channel: Channel,
    /// The agent's `updated_at`, which names the version to run.
    pub agent_version: Timestamp,
    /// A newer message of the same author that waits untried for the same agent in the same channel, if there is one; if
    /// this one must be answered, only one that must be answered too.
    pub newer: Option<MessageId>,
    /// Whether the transaction that claimed it made it, so that readers of the channel may not have been told of its message yet.
    pub is_new: bool,
}

/// The deliveries of an agent that have not ended, of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenDeliveries {
    /// The agent.
    pub agent: AgentId,
    /// Who waits; `None` where that is the owner.
    pub tenant: Option<Tenant>,
    /// How many there are.
    pub count: u64,
}

/// A delivery that is worked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub delivery: DeliveryId,
    /// By which agent.
    pub agent: AgentId,
    /// For whom; `None` where that is the owner.
    pub tenant: Option<Tenant>,
}

/// Those of whom as much is worked on as may be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Busy {
    /// Agents.
    pub agents: Vec<AgentId>,
    /// Tenants.
    pub tenants: Vec<Tenant>,
    /// Agents as far as they work for a tenant.
    pub pairs: Vec<(AgentId, Tenant)>,
}

impl Busy {
    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty() && self.tenants.is_empty() && self.pairs.is_empty()
    }
}

/// How much may be worked on at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Of an agent.
    pub per_agent: u32,
    /// For a tenant: all have the same. The owner is none, and has no bound.
    pub per_tenant: u32,
    /// Of an agent for all tenants together: each of those that it works for has an equal part.
    pub per_agent_of_tenants: u32,
}

impl Shares {
    /// Of an agent for each of so many tenants.
    fn per_pair(self, tenants: usize) -> u32 {
        let tenants = u32::try_from(tenants.max(1)).unwrap_or(u32::MAX);
        self.per_agent_of_tenants.checked_div(tenants).unwrap_or_default().max(1)
    }
}

/// How much is worked on, by agent and by tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loads {
    agents: HashMap<AgentId, u32>,
    tenants: HashMap<Tenant, u32>,
    pairs: HashMap<(AgentId, Tenant), u32>,
}

impl Loads {
    /// Counts one more where both have room for it. Returns whether they had.
    pub fn admit(&mut self, agent: AgentId, tenant: Option<&Tenant>, shares: Shares) -> bool {
        let room = |load: Option<&u32>, share: u32| load.copied().unwrap_or_default() < share;
        let room_for = |tenant: &Tenant| {
            let load = self.pairs.get(&(agent, tenant.clone()));
            let tenants = self.tenants_of(agent) + usize::from(load.is_none());
            room(self.tenants.get(tenant), shares.per_tenant) && room(load, shares.per_pair(tenants))
        };
        let fits = room(self.agents.get(&agent), shares.per_agent) && tenant.is_none_or(room_for);
        if fits {
            self.count(agent, tenant);
        }
        fits
    }

    /// Those who have their shares.
    pub fn busy(&self, shares: Shares) -> Busy {
        fn with_share<T: Clone>(loads: &HashMap<T, u32>, share: u32) -> Vec<T> {
            loads.iter().filter(|(_, load)| **load >= share).map(|(who, _)| who.clone()).collect()
        }
        Busy {
            agents: with_share(&self.agents, shares.per_agent),
            tenants: with_share(&self.tenants, shares.per_tenant),
            pairs: self.busy_pairs(shares),
        }
    }

    fn busy_pairs(&self, shares: Shares) -> Vec<(AgentId, Tenant)> {
        let has_share = |((agent, _), load): &(&(AgentId, Tenant), &u32)| **load >= shares.per_pair(self.tenants_of(*agent));
        self.pairs.iter().filter(has_share).map(|(pair, _)| pair.clone()).collect()
    }

    /// How many tenants an agent works for.
    fn tenants_of(&self, agent: AgentId) -> usize {
        self.pairs.keys().filter(|(other, _)| *other == agent).count()
    }

    /// How many tenants something is worked on for.
    pub fn tenants(&self) -> usize {
        self.tenants.len()
    }

    fn count(&mut self, agent: AgentId, tenant: Option<&Tenant>) {
        *self.agents.entry(agent).or_default() += 1;
        if let Some(tenant) = tenant {
            *self.tenants.entry(tenant.clone()).or_default() += 1;
            *self.pairs.entry((agent, tenant.clone())).or_default() += 1;
        }
    }
}

impl<'a> Extend<&'a Held> for Loads {
    fn extend<I: IntoIterator<Item = &'a Held>>(&mut self, held: I) {
        for one in held {
            self.count(one.agent, one.tenant.as_ref());
        }
    }
}

impl<'a> FromIterator<&'a Held> for Loads {
    fn from_iter<I: IntoIterator<Item = &'a Held>>(held: I) -> Self {
        let mut loads = Self::default();
        loads.extend(held);
        loads
    }
}

/// What to claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// At most this many.
    pub limit: u32,
    /// At most this many of one agent and for one tenant, those in `held` included.
    pub shares: Shares,
    /// What this process works on already: not to be claimed, even if its lease has run out.
    pub held: Vec<Held>,
    /// The present moment: deliveries with a later `not_before` wait.
    pub now: Timestamp,
    /// Until when the claims hold.
    pub lease_until: Timestamp,
}

/// Works on deliveries, and takes over what is claimed in the very transaction that makes it due: see
/// [`DeliveryRepository::claim_for`]. Both methods are called from within the store, and so return at once.
pub trait DeliveryWorker: Send + Sync {
    /// What it would claim at this moment. `None` where it cannot take anything over; then it asks by itself once it can.
    fn wants(&self) -> Option<ClaimRequest>;

    /// Takes over what was claimed, after the commit and before anybody is told of it. `None` where nothing was asked for, or could not
    /// be had: then something may be due that is still to be claimed. Called once for each [`wants`](Self::wants), whatever it returned.
    fn take_over(self: Arc<Self>, claimed: Option<Vec<Claimed>>);
}

/// Names one attempt; nothing else can finish it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fence {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The attempt.
    pub attempt: i32,
}

/// What an attempt leaves behind, whatever its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The run of this attempt.
    pub run: Run,
    /// What the agent's log says about it, oldest first.
    pub logs: Vec<LogEntry>,
}

/// Everything that the end of a delivery writes, in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    /// The attempt that ends it.
    pub fence: Fence,
    /// What readers of the channel are told; its `state` is the delivery's end.
    pub completion: Completion,
    /// The reply to post in the same transaction; agents that it wakes get deliveries of their own.
    pub reply: Option<MessageDraft>,
    /// The agent's world, room and entities, made sure of before the memories are stored; `None` where nothing is
    /// remembered.
    pub plane: Option<AgentPlane>,
    /// What the agent remembers; a memory whose id is taken is left as it is.
    pub memories: Vec<Memory>,
    /// How the agent stands to the room from now on.
    pub room_state: Option<RoomState>,
    /// The run and its log; `None` where no attempt was made.
    pub trace: Option<Trace>,
    /// The present moment.
    pub now: Timestamp,
}

/// What a finish wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The channel's new events, in order: the reply, if any, and the completion.
    pub events: Vec<ChannelEvent>,
    /// The deliveries of the reply to agents that it woke.
    pub woken: Vec<Delivery>,
    /// Whether another delivery of the agent in this channel has waited for the end of this one, and can be claimed now.
    pub frees_next: bool,
}

/// Puts an attempt's delivery back into the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct Requeue {
    /// The attempt that gives it back.
    pub fence: Fence,
    /// When to try again, at the earliest.
    pub not_before: Timestamp,
    /// Whether the attempt counts against [`MAX_ATTEMPTS`]: not, where the server stops or the agent was stopped.
    pub counts: bool,
    /// The run and its log; `None` where there is nothing to tell.
    pub trace: Option<Trace>,
}

/// Where deliveries are kept. Every method is one transaction.
#[async_trait]
pub trait DeliveryRepository: Send + Sync {
    /// Claims pending deliveries of running agents, oldest first: per agent and channel only the oldest that has not
    /// ended, and none while another of the same two is claimed. Expired claims are pending again. It may claim fewer
    /// than there are, but claims at least one if there is one to be had.
    async fn claim(&self, request: ClaimRequest) -> StoreResult<Vec<Claimed>>;

    /// From now on has what a transaction makes due claimed in that same transaction, for this worker, as [`claim`](Self::claim) would
    /// right afterwards: one commit less from a message to its reply. Whether this store does so; where it does not, what is due is
    /// claimed by whoever asks.
    fn claim_for(&self, _worker: Weak<dyn DeliveryWorker>) -> bool {
        false
    }

    /// Prolongs claims; returns those that are still held.
    async fn renew(&self, held: Vec<Fence>, lease_until: Timestamp) -> StoreResult<Vec<Fence>>;

    /// Ends a delivery. `None`, and nothing written, unless it is still claimed by this very attempt.
    async fn finish(&self, finish: Finish) -> StoreResult<Option<Finished>>;

    /// Gives a delivery back. `false`, and nothing written, unless it is still claimed by this very attempt.
    async fn requeue(&self, requeue: Requeue) -> StoreResult<bool>;

    /// How many deliveries of each agent and tenant are open; those without any are left out.
    async fn backlog(&self) -> StoreResult<Vec<OpenDeliveries>>;

    /// Makes every claimed delivery pending again, at the start of the only process that works on them; returns how
    /// many. They are due at once, and where [`HASTY_ATTEMPTS`] are used up not before [`RESPITE_MILLIS`] have passed, as is what was
    /// pending already. So is what would be due later than [`LONGEST_WAIT_MILLIS`] from now.
    async fn recover(&self, now: Timestamp) -> StoreResult<u64>;

    /// Makes due what would be so later than [`LONGEST_WAIT_MILLIS`] from now: at once what is pending, and what is claimed when
    /// [`LEASE_MILLIS`] have passed. Returns how many deliveries there were; it may leave some for the next time. Where there is none,
    /// nothing is written.
    async fn hasten(&self, now: Timestamp) -> StoreResult<u64>;

    /// When the next pending delivery of a running agent becomes due, or the next claim expires; who is `busy` left out.
    async fn next_due(&self, busy: Busy) -> StoreResult<Option<Timestamp>>;

    /// A delivery by its id.
    async fn find(&self, id: DeliveryId) -> StoreResult<Option<Delivery>>;

    /// How many deliveries have not ended, by their state; a state that none has may be left out.
    async fn open(&self) -> StoreResult<Vec<(DeliveryState, u64)>>;
}
