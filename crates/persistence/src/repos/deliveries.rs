//! Deliveries: made with their message, found, ended.
//!
//! Of the open deliveries of one agent in one channel the oldest is the head: it alone has a `due_at` and can be
//! claimed, and the next becomes the head when it ends. Heads are made and moved under the channel's lock; a unique
//! index holds that there is one. Rows are locked in the order idempotency record, channel, agent, delivery everywhere, and
//! several of one kind in the order of their ids.
//!
//! While an agent is stopped, its heads are put away: due later than anything ever is. They would be the oldest, and every
//! claim would go through them to what is behind. The transaction that stops the agent puts them away, and the one that
//! starts it brings them back, so that none is put away whose agent runs. A few may come up while it is stopped, from behind
//! a delivery that ends or out of the hands of a worker; so claims look at the agent all the same.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use core_types::deliveries::{
    Busy, ClaimRequest, Claimed, Delivery, DeliveryRepository, DeliveryState, DeliveryWorker, Fence, Finish, Finished, OpenDeliveries,
    Requeue,
};
use core_types::error::chain;
use core_types::messaging::{ALLOW_AGENT_TO_AGENT, ChannelEvent, Completion, EventBody, MAX_AGENT_TURNS, Message, Wake};
use core_types::{DeliveryId, Ids, MessageId, StoreResult, Tenant, Timestamp};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::channels::Place;
use super::columns::{Id, time, word};
use super::finish::finish;
use super::prepared::fixed;
use super::schema::{deliveries, messages};
use super::writes::write;
use super::{Conn, Db, RunQueryDsl, claims, events, queue};
use crate::error::{Fault, settled};

/// How much later, in milliseconds, a head is due that is put away.
pub(super) const PUT_AWAY: i64 = 1_000_000_000_000_000_000;

/// Which heads are put away, in the words of the partial index.
pub(super) fn are_put_away() -> SqlLiteral<Bool> {
    sql::<Bool>("deliveries.due_at >= 1000000000000000000")
}

/// A delivery as it is stored.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = deliveries, treat_none_as_default_value = false)]
pub(super) struct DeliveryRow {
    pub(super) id: Id,
    message_id: Id,
    pub(super) agent_id: Id,
    pub(super) channel_id: Id,
    author_id: Id,
    seq: i64,
    reply_id: Id,
    must_answer: bool,
    state: String,
    attempt: i32,
    given_back: i32,
    due_at: Option<i64>,
    created_at: i64,
    tenant: Option<String>,
}

impl DeliveryRow {
    pub(super) fn into_delivery(self) -> Result<Delivery, Fault> {
        Ok(Delivery {
            id: self.id.to(),
            message_id: self.message_id.to(),
            agent_id: self.agent_id.to(),
            reply_id: self.reply_id.to(),
            must_answer: self.must_answer,
            state: word("deliveries.state", &self.state).map_err(|fault| fault.of(self.id.0))?,
            attempt: self.attempt,
            given_back: self.given_back,
            tenant: self.tenant.as_deref().and_then(Tenant::new),
        })
    }

    /// What readers are told where it is cancelled.
    fn into_cancelled(self) -> Completion {
        Completion {
            delivery_id: self.id.to(),
            message_id: self.message_id.to(),
            agent_id: self.agent_id.to(),
            state: DeliveryState::Cancelled,
            reply_id: None,
            superseded_by: None,
            error: None,
        }
    }
}

work! {
    /// Makes the deliveries of a message, the one that must answer first. `None`, and nothing written, where an answer
    /// is required and no running agent listens.
    pub(super) fn deliver(
        conn: &mut Conn, message: &Message, place: &Place, wake: Wake, tenant: Option<String>, now: i64, ids: &dyn Ids,
    ) -> Result<Option<Vec<Delivery>>, Fault> {
        let channel_id = Id::from(message.channel_id);
        let mut listeners = if wake == Wake::Nobody || !reaches_agents(place) {
            Vec::new()
        } else {
            run!(queue::listeners(conn, &place.channel, message.author_id.into()))?
        };
        let answers = match wake {
            Wake::Listeners | Wake::Nobody => None,
            Wake::OneAnswers(named) => {
                let named = named.map(Id::from).filter(|named| listeners.contains(named));
                let Some(one) = named.or(<[Id]>::first(&listeners).copied()) else { return Ok(None) };
                Some(one)
            }
        };
        if listeners.is_empty() {
            return Ok(Some(Vec::new()));
        }
        listeners.sort_by_key(|agent| Some(*agent) != answers);
        let occupied = run!(heads(conn, channel_id))?;
        let mut made = Vec::with_capacity(listeners.len());
        for agent_id in listeners {
            let id = DeliveryId::new(ids.uuid());
            let row = DeliveryRow {
                id: id.into(),
                message_id: message.id.into(),
                agent_id,
                channel_id,
                author_id: message.author_id.into(),
                seq: message.seq,
                reply_id: id.reply().into(),
                must_answer: Some(agent_id) == answers,
                state: DeliveryState::Pending.to_string(),
                attempt: 0,
                given_back: 0,
                due_at: (!occupied.contains(&agent_id)).then_some(now),
                created_at: now,
                tenant: tenant.clone(),
            };
            run!(write(conn, fixed!(diesel::insert_into(deliveries::table).values(&row))))?;
            if row.due_at.is_some() {
                queue::falls_due(row.id);
            }
            made.push(row.into_delivery()?);
        }
        Ok(Some(made))
    }
}

work! {
    /// The agent whose reply has this id, which may still have to come.
    pub(super) fn speaker(conn: &mut Conn, id: MessageId) -> QueryResult<Option<Id>> {
        run!(deliveries::table.find(Id::from(id.as_reply_of())).select(deliveries::agent_id).first(conn)).optional()
    }
}

/// Agents hear people; they hear each other where the channel allows it, up to a number of turns.
fn reaches_agents(place: &Place) -> bool {
    let allowed = || place.channel.metadata.get(ALLOW_AGENT_TO_AGENT).and_then(serde_json::Value::as_bool) == Some(true);
    place.agent_turns == 0 || (place.agent_turns < MAX_AGENT_TURNS && allowed())
}

work! {
    /// The agents that have a head in this channel.
    fn heads(conn: &mut Conn, channel: Id) -> QueryResult<HashSet<Id>> {
        let heads: Vec<Id> = run!(
            deliveries::table
                .filter(deliveries::channel_id.eq(channel))
                .filter(deliveries::due_at.is_not_null())
                .select(deliveries::agent_id)
                .load(conn)
        )?;
        Ok(heads.into_iter().collect())
    }
}

work! {
    /// All deliveries of a message, the one that must answer first. One that had its id before and was deleted has another place.
    pub(super) fn of_message(conn: &mut Conn, message: &Message) -> Result<Vec<Delivery>, Fault> {
        let rows: Vec<DeliveryRow> = run!(
            deliveries::table
                .filter(deliveries::message_id.eq(Id::from(message.id)))
                .filter(deliveries::channel_id.eq(Id::from(message.channel_id)))
                .filter(deliveries::seq.eq(message.seq))
                .order((deliveries::must_answer.desc(), deliveries::ordinal))
                .select(DeliveryRow::as_select())
                .load(conn)
        )?;
        rows.into_iter().map(DeliveryRow::into_delivery).collect()
    }
}

/// A delivery that somebody works on.
#[derive(Queryable, Selectable)]
#[diesel(table_name = deliveries)]
pub(super) struct Held {
    pub(super) channel_id: Id,
    pub(super) agent_id: Id,
    pub(super) message_id: Id,
    /// For whom the agent works.
    pub(super) tenant: Option<String>,
    /// What the message says, where it was changed since it was said.
    #[diesel(select_expression = messages::content.nullable())]
    pub(super) edited: Option<String>,
}

work! {
    /// A delivery, if this very attempt still holds it.
    pub(super) fn held(conn: &mut Conn, fence: Fence) -> QueryResult<Option<Held>> {
        let edited = messages::table.on(messages::id
            .eq(deliveries::message_id)
            .and(messages::channel_id.eq(deliveries::channel_id))
            .and(messages::updated_at.gt(messages::created_at)));
        run!(
            deliveries::table
                .left_join(edited)
                .filter(deliveries::id.eq(Id::from(fence.delivery)))
                .filter(deliveries::attempt.eq(fence.attempt))
                .filter(deliveries::state.eq(DeliveryState::Claimed.to_string()))
                .select(Held::as_select())
                .first(conn)
        )
        .optional()
    }
}

work! {
    /// Ends a delivery, if this very attempt still holds it. Returns whether it did.
    pub(super) fn end(conn: &mut Conn, fence: Fence, state: DeliveryState, now: i64) -> QueryResult<bool> {
        let held = deliveries::table
            .find(Id::from(fence.delivery))
            .filter(deliveries::attempt.eq(fence.attempt))
            .filter(deliveries::state.eq(DeliveryState::Claimed.to_string()));
        let change = (deliveries::state.eq(state.to_string()), deliveries::due_at.eq(None::<i64>), deliveries::ended_at.eq(now));
        let ended: Option<Id> = run!(fixed!(diesel::update(held).set(change).returning(deliveries::id)).get_result(conn)).optional()?;
        Ok(ended.is_some())
    }
}

work! {
    /// Makes the oldest open delivery of an agent in a channel the head, after the head before it ended. Returns whether there is one.
    /// It is due since it was made; or from now on, where the clock was ahead then.
    pub(super) fn promote(conn: &mut Conn, channel: Id, agent: Id, now: i64) -> QueryResult<bool> {
        let oldest: Option<(Id, i64)> = run!(
            deliveries::table
                .filter(deliveries::channel_id.eq(channel))
                .filter(deliveries::agent_id.eq(agent))
                .filter(deliveries::ended_at.is_null())
                .order(deliveries::seq)
                .select((deliveries::id, deliveries::created_at))
                .first(conn)
        )
        .optional()?;
        if let Some((oldest, created_at)) = oldest {
            let due = deliveries::due_at.eq(created_at.min(now));
            let promote = diesel::update(deliveries::table.find(oldest)).set(due).returning(deliveries::id);
            let _: Id = run!(fixed!(promote).get_result(conn))?;
        }
        Ok(oldest.is_some())
    }
}

work! {
    fn find(conn: &mut Conn, id: Id) -> Result<Option<Delivery>, Fault> {
        let row = run!(deliveries::table.find(id).select(DeliveryRow::as_select()).first(conn)).optional()?;
        row.map(DeliveryRow::into_delivery).transpose()
    }
}

work! {
    /// Ends an open delivery as cancelled. Returns whether it was open.
    fn close(conn: &mut Conn, id: Id, now: i64) -> QueryResult<bool> {
        let open = deliveries::table.find(id).filter(deliveries::ended_at.is_null());
        let change = (
            deliveries::state.eq(DeliveryState::Cancelled.to_string()),
            deliveries::due_at.eq(None::<i64>),
            deliveries::ended_at.eq(now),
        );
        Ok(run!(diesel::update(open).set(change).execute(conn))? > 0)
    }
}

work! {
    /// Ends open deliveries as cancelled and tells the readers of their channels, where these exist. `None`, and the
    /// transaction must be undone, where one has ended meanwhile.
    pub(super) fn cancel(conn: &mut Conn, open: Vec<DeliveryRow>, now: i64) -> Result<Option<Vec<ChannelEvent>>, Fault> {
        let mut told = Vec::with_capacity(open.len());
        for row in open {
            let (id, channel) = (row.id, row.channel_id);
            let completion = row.into_cancelled();
            // The event locks the channel, which comes before the delivery.
            told.extend(run!(events::announce(conn, channel, EventBody::Complete(Some(completion)), now))?);
            if !run!(close(conn, id, now))? {
                return Ok(None);
            }
        }
        Ok(Some(told))
    }
}

work! {
    /// The same for deliveries that are locked, as is their channel, so that none can end meanwhile.
    pub(super) fn cancel_locked(conn: &mut Conn, open: Vec<DeliveryRow>, now: i64) -> Result<Vec<ChannelEvent>, Fault> {
        run!(cancel(conn, open, now))?.ok_or_else(|| Fault::Defect("a locked delivery has ended".to_owned()))
    }
}

work! {
    /// Ends the open deliveries of a message in a channel that is locked, and lets those behind them go on.
    pub(super) fn cancel_of_message(conn: &mut Conn, channel: Id, message: Id, now: i64) -> Result<Vec<ChannelEvent>, Fault> {
        let open = run!(queue::open_of_message(conn, message))?;
        let agents: Vec<Id> = open.iter().map(|row| row.agent_id).collect();
        let told = run!(cancel_locked(conn, open, now))?;
        for agent in agents {
            run!(promote(conn, channel, agent, now))?;
        }
        Ok(told)
    }
}

work! {
    /// Ends the open deliveries of an agent that is deleted. `held` are the channels that are locked or gone; `None`,
    /// and the transaction must be undone, where the agent has an open delivery in another.
    pub(super) fn cancel_of_agent(conn: &mut Conn, agent: Id, held: &[Id], now: i64) -> Result<Option<Vec<ChannelEvent>>, Fault> {
        let mut open = run!(queue::open_of_agent(conn, agent))?;
        if open.iter().any(|row| !held.contains(&row.channel_id)) {
            return Ok(None);
        }
        open.sort_by_key(|row| (row.channel_id.0, row.seq));
        run!(cancel(conn, open, now))
    }
}

work! {
    /// Ends the open deliveries of a channel that is deleted.
    pub(super) fn cancel_of_channel(conn: &mut Conn, channel: Id, now: i64) -> QueryResult<()> {
        for row in run!(queue::open_of_channel(conn, channel))? {
            run!(close(conn, row.id, now))?;
        }
        Ok(())
    }
}

/// So often in a row a claim may find nothing but orphans.
const CLAIM_ROUNDS: u32 = 16;

impl Db {
    async fn end_orphan(&self, id: Id, now: i64) -> StoreResult<()> {
        settled(in_tx!(self, |conn| claims::end_orphan(conn, id, now)))
    }
}

work! {
    /// How many are open, by state.
    fn open(conn: &mut Conn) -> Result<Vec<(DeliveryState, u64)>, Fault> {
        let counted = deliveries::table
            .filter(deliveries::ended_at.is_null())
            .group_by(deliveries::state)
            .select((deliveries::state, diesel::dsl::count_star()));
        let counted: Vec<(String, i64)> = run!(counted.load(conn))?;
        counted.into_iter().map(|(state, count)| Ok((word("deliveries.state", &state)?, count.unsigned_abs()))).collect()
    }
}

work! {
    fn backlog(conn: &mut Conn) -> Result<Vec<OpenDeliveries>, Fault> {
        let whose = (deliveries::agent_id, deliveries::tenant);
        let open = deliveries::table.filter(deliveries::ended_at.is_null());
        let counts = open.group_by(whose).select((deliveries::agent_id, deliveries::tenant, diesel::dsl::count_star()));
        let rows: Vec<(Id, Option<String>, i64)> = run!(counts.load(conn))?;
        let counted = |(agent, tenant, count): (Id, Option<String>, i64)| OpenDeliveries {
            agent: agent.to(),
            tenant: tenant.as_deref().and_then(Tenant::new),
            count: count.unsigned_abs(),
        };
        Ok(rows.into_iter().map(counted).collect())
    }
}

#[async_trait]
impl DeliveryRepository for Db {
    async fn claim(&self, request: ClaimRequest) -> StoreResult<Vec<Claimed>> {
        for _ in 0..CLAIM_ROUNDS {
            let (round, now) = (request.clone(), request.now.millis());
            // A claim that is lost leaves a delivery that waits to be claimed.
            let (claimed, orphans) = in_passing_tx!(self, |conn| claims::claim(conn, round))?;
            if !orphans.is_empty() {
                log::warn!("{} deliveries are cancelled, because their messages are gone", orphans.len());
            }
            let only_orphans = claimed.is_empty() && !orphans.is_empty();
            // Each in a transaction of its own: it locks its channel, which the claim must not, having locked deliveries.
            for orphan in orphans {
                if let Err(error) = self.end_orphan(orphan, now).await {
                    log::warn!("delivery {} waits for its lease to run out: {}", orphan.0, chain(&error));
                }
            }
            if !only_orphans {
                return Ok(claimed);
            }
        }
        Ok(Vec::new())
    }

    fn claim_for(&self, worker: Weak<dyn DeliveryWorker>) -> bool {
        self.claims_along(worker)
    }

    async fn renew(&self, held: Vec<Fence>, lease_until: Timestamp) -> StoreResult<Vec<Fence>> {
        Ok(in_passing_tx!(self, |conn| claims::renew(conn, held, lease_until.millis()))?)
    }

    async fn finish(&self, end: Finish) -> StoreResult<Option<Finished>> {
        let ids = Arc::clone(&self.ids);
        let finished = settled(in_tx!(self, |conn| finish(conn, end, &*ids)));
        self.unindexed.store(true, Ordering::Release);
        finished
    }

    async fn requeue(&self, back: Requeue) -> StoreResult<bool> {
        Ok(in_tx!(self, |conn| claims::requeue(conn, back))?)
    }

    async fn backlog(&self) -> StoreResult<Vec<OpenDeliveries>> {
        Ok(in_read!(self, |conn| backlog(conn))?)
    }

    async fn recover(&self, now: Timestamp) -> StoreResult<u64> {
        Ok(in_tx!(self, |conn| claims::recover(conn, now.millis()))?)
    }

    async fn hasten(&self, now: Timestamp) -> StoreResult<u64> {
        let now = now.millis();
        let heads = in_read!(self, |conn| claims::put_off(conn, now))?;
        if heads.is_empty() {
            return Ok(0);
        }
        Ok(in_passing_tx!(self, |conn| claims::hasten(conn, heads, now))?)
    }

    async fn next_due(&self, busy: Busy) -> StoreResult<Option<Timestamp>> {
        let busy = claims::BusyIds::from(busy);
        Ok(in_read!(self, |conn| claims::next_due(conn, busy))?.map(time))
    }

    async fn find(&self, id: DeliveryId) -> StoreResult<Option<Delivery>> {
        Ok(in_read!(self, |conn| find(conn, id.into()))?)
    }

    async fn open(&self) -> StoreResult<Vec<(DeliveryState, u64)>> {
        Ok(in_read!(self, |conn| open(conn))?)
    }
}
