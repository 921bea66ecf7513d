//! Deliveries: made with their message, claimed, given back, ended.
//!
//! Of the open deliveries of one agent in one channel the oldest is the head: it alone has a `due_at` and can be
//! claimed, and the next becomes the head when it ends. Heads are made and moved under the channel's lock; a unique
//! index holds that there is one. Rows are locked in the order channel, agent, delivery everywhere.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use core_types::deliveries::{ClaimRequest, Claimed, Delivery, DeliveryRepository, DeliveryState, Fence, Finish, Finished, Requeue};
use core_types::messaging::{ALLOW_AGENT_TO_AGENT, MAX_AGENT_TURNS, Message, Wake};
use core_types::{DeliveryId, Ids, StoreResult, Timestamp};
use diesel::prelude::*;

use super::channels::{ChannelRow, Place};
use super::columns::{Id, time, word};
use super::finish::finish;
use super::messages::MessageRow;
use super::schema::{agents, channels, deliveries, messages};
use super::{Conn, Db, RunQueryDsl, queue, runs};
use crate::error::{Fault, settled};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = deliveries, treat_none_as_default_value = false)]
struct DeliveryRow {
    id: Id,
    message_id: Id,
    agent_id: Id,
    channel_id: Id,
    author_id: Id,
    seq: i64,
    reply_id: Id,
    must_answer: bool,
    state: String,
    attempt: i32,
    due_at: Option<i64>,
    created_at: i64,
}

impl DeliveryRow {
    fn into_delivery(self) -> Result<Delivery, Fault> {
        Ok(Delivery {
            id: self.id.to(),
            message_id: self.message_id.to(),
            agent_id: self.agent_id.to(),
            reply_id: self.reply_id.to(),
            must_answer: self.must_answer,
            state: word("deliveries.state", &self.state)?,
            attempt: self.attempt,
        })
    }
}

work! {
    /// Makes the deliveries of a message, the one that must answer first. `None`, and nothing written, where an answer
    /// is required and no running agent listens.
    pub(super) fn deliver(
        conn: &mut Conn, message: &Message, place: &Place, wake: Wake, now: i64, ids: &dyn Ids,
    ) -> Result<Option<Vec<Delivery>>, Fault> {
        let channel_id = Id::from(message.channel_id);
        let mut listeners =
            if reaches_agents(place) { run!(queue::listeners(conn, channel_id, message.author_id.into()))? } else { Vec::new() };
        let answers = match wake {
            Wake::Listeners => None,
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
            let row = DeliveryRow {
                id: Id(ids.uuid()),
                message_id: message.id.into(),
                agent_id,
                channel_id,
                author_id: message.author_id.into(),
                seq: message.seq,
                reply_id: Id(ids.uuid()),
                must_answer: Some(agent_id) == answers,
                state: DeliveryState::Pending.to_string(),
                attempt: 0,
                due_at: (!occupied.contains(&agent_id)).then_some(now),
                created_at: now,
            };
            run!(diesel::insert_into(deliveries::table).values(&row).execute(conn))?;
            made.push(row.into_delivery()?);
        }
        Ok(Some(made))
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
    /// All deliveries of a message, the one that must answer first.
    pub(super) fn of_message(conn: &mut Conn, message: Id) -> Result<Vec<Delivery>, Fault> {
        let rows: Vec<DeliveryRow> = run!(
            deliveries::table
                .filter(deliveries::message_id.eq(message))
                .order((deliveries::must_answer.desc(), deliveries::ordinal))
                .select(DeliveryRow::as_select())
                .load(conn)
        )?;
        rows.into_iter().map(DeliveryRow::into_delivery).collect()
    }
}

work! {
    fn claim(conn: &mut Conn, request: ClaimRequest) -> Result<Vec<Claimed>, Fault> {
        let taken = run!(queue::take(conn, request))?;
        let mut claimed = Vec::with_capacity(taken.len());
        for id in taken {
            claimed.push(run!(read_claimed(conn, id))?);
        }
        Ok(claimed)
    }
}

work! {
    fn read_claimed(conn: &mut Conn, id: Id) -> Result<Claimed, Fault> {
        let later = diesel::alias!(deliveries as later);
        let newer = later
            .filter(later.field(deliveries::channel_id).eq(deliveries::channel_id))
            .filter(later.field(deliveries::agent_id).eq(deliveries::agent_id))
            .filter(later.field(deliveries::author_id).eq(deliveries::author_id))
            .filter(later.field(deliveries::seq).gt(deliveries::seq))
            .filter(later.field(deliveries::ended_at).is_null())
            .filter(later.field(deliveries::attempt).eq(0))
            .order(later.field(deliveries::seq).desc())
            .limit(1)
            .select(later.field(deliveries::message_id));
        let (delivery, message, channel, version, newer): (DeliveryRow, MessageRow, ChannelRow, i64, Option<Id>) = run!(
            deliveries::table
                .inner_join(messages::table.on(messages::id.eq(deliveries::message_id)))
                .inner_join(channels::table.on(channels::id.eq(deliveries::channel_id)))
                .inner_join(agents::table.on(agents::id.eq(deliveries::agent_id)))
                .filter(deliveries::id.eq(id))
                .select((
                    DeliveryRow::as_select(),
                    MessageRow::as_select(),
                    ChannelRow::as_select(),
                    agents::updated_at,
                    newer.single_value(),
                ))
                .first(conn)
        )?;
        Ok(Claimed {
            delivery: delivery.into_delivery()?,
            message: Arc::new(message.into()),
            channel: channel.into(),
            agent_version: time(version),
            newer: newer.map(Id::to),
        })
    }
}

work! {
    fn renew(conn: &mut Conn, held: Vec<Fence>, lease_until: i64) -> Result<Vec<Fence>, Fault> {
        let mut kept = Vec::with_capacity(held.len());
        for fence in held {
            if run!(change_held(conn, fence, DeliveryState::Claimed, fence.attempt, lease_until))? {
                kept.push(fence);
            }
        }
        Ok(kept)
    }
}

work! {
    /// Changes a delivery that stays open, if this very attempt still holds it. Returns whether it did.
    fn change_held(conn: &mut Conn, fence: Fence, state: DeliveryState, attempt: i32, due_at: i64) -> QueryResult<bool> {
        let held = deliveries::table
            .find(Id::from(fence.delivery))
            .filter(deliveries::attempt.eq(fence.attempt))
            .filter(deliveries::state.eq(DeliveryState::Claimed.to_string()));
        let change = (deliveries::state.eq(state.to_string()), deliveries::attempt.eq(attempt), deliveries::due_at.eq(due_at));
        Ok(run!(diesel::update(held).set(change).execute(conn))? > 0)
    }
}

work! {
    /// The channel and the agent of a delivery, if this very attempt still holds it.
    pub(super) fn held(conn: &mut Conn, fence: Fence) -> QueryResult<Option<(Id, Id)>> {
        run!(
            deliveries::table
                .find(Id::from(fence.delivery))
                .filter(deliveries::attempt.eq(fence.attempt))
                .filter(deliveries::state.eq(DeliveryState::Claimed.to_string()))
                .select((deliveries::channel_id, deliveries::agent_id))
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
        Ok(run!(diesel::update(held).set(change).execute(conn))? > 0)
    }
}

work! {
    /// Makes the oldest open delivery of an agent in a channel the head, after the head before it ended.
    pub(super) fn promote(conn: &mut Conn, channel: Id, agent: Id) -> QueryResult<()> {
        let oldest: Option<Id> = run!(
            deliveries::table
                .filter(deliveries::channel_id.eq(channel))
                .filter(deliveries::agent_id.eq(agent))
                .filter(deliveries::ended_at.is_null())
                .order(deliveries::seq)
                .select(deliveries::id)
                .first(conn)
        )
        .optional()?;
        if let Some(oldest) = oldest {
            let due = deliveries::due_at.eq(deliveries::created_at.nullable());
            run!(diesel::update(deliveries::table.find(oldest)).set(due).execute(conn))?;
        }
        Ok(())
    }
}

work! {
    fn requeue(conn: &mut Conn, requeue: Requeue) -> Result<bool, Fault> {
        let Requeue { fence, not_before, counts, trace } = requeue;
        let Some((_, agent)) = run!(held(conn, fence))? else { return Ok(false) };
        if !run!(queue::hold_agent(conn, agent))? {
            return Ok(false);
        }
        let attempt = if counts { fence.attempt } else { fence.attempt - 1 };
        if !run!(change_held(conn, fence, DeliveryState::Pending, attempt, not_before.millis()))? {
            return Ok(false);
        }
        if let Some(trace) = trace {
            run!(runs::add(conn, trace))?;
        }
        Ok(true)
    }
}

work! {
    fn recover(conn: &mut Conn, now: i64) -> Result<u64, Fault> {
        let claimed = deliveries::table
            .filter(deliveries::due_at.is_not_null())
            .filter(deliveries::state.eq(DeliveryState::Claimed.to_string()));
        let pending = (deliveries::state.eq(DeliveryState::Pending.to_string()), deliveries::due_at.eq(now));
        let recovered = run!(diesel::update(claimed).set(pending).execute(conn))?;
        Ok(u64::try_from(recovered).unwrap_or(u64::MAX))
    }
}

work! {
    fn next_due(conn: &mut Conn) -> Result<Option<i64>, Fault> {
        let due: Option<Option<i64>> = run!(
            deliveries::table
                .inner_join(agents::table.on(agents::id.eq(deliveries::agent_id)))
                .filter(agents::running.eq(true))
                .filter(deliveries::due_at.is_not_null())
                .order(deliveries::due_at)
                .select(deliveries::due_at)
                .first(conn)
        )
        .optional()?;
        Ok(due.flatten())
    }
}

work! {
    fn find(conn: &mut Conn, id: Id) -> Result<Option<Delivery>, Fault> {
        let row = run!(deliveries::table.find(id).select(DeliveryRow::as_select()).first(conn)).optional()?;
        row.map(DeliveryRow::into_delivery).transpose()
    }
}

work! {
    /// Ends the open deliveries of an agent that is deleted.
    pub(super) fn cancel_of_agent(conn: &mut Conn, agent: Id, now: i64) -> QueryResult<()> {
        let open = deliveries::table.filter(deliveries::agent_id.eq(agent)).filter(deliveries::ended_at.is_null());
        let change = (
            deliveries::state.eq(DeliveryState::Cancelled.to_string()),
            deliveries::due_at.eq(None::<i64>),
            deliveries::ended_at.eq(now),
        );
        run!(diesel::update(open).set(change).execute(conn))?;
        Ok(())
    }
}

work! {
    /// Ends the open deliveries of a channel that is deleted.
    pub(super) fn cancel_of_channel(conn: &mut Conn, channel: Id, now: i64) -> QueryResult<()> {
        let open = deliveries::table.filter(deliveries::channel_id.eq(channel)).filter(deliveries::ended_at.is_null());
        let change = (
            deliveries::state.eq(DeliveryState::Cancelled.to_string()),
            deliveries::due_at.eq(None::<i64>),
            deliveries::ended_at.eq(now),
        );
        run!(diesel::update(open).set(change).execute(conn))?;
        Ok(())
    }
}

#[async_trait]
impl DeliveryRepository for Db {
    async fn claim(&self, request: ClaimRequest) -> StoreResult<Vec<Claimed>> {
        Ok(in_tx!(self, |conn| claim(conn, request))?)
    }

    async fn renew(&self, held: Vec<Fence>, lease_until: Timestamp) -> StoreResult<Vec<Fence>> {
        Ok(in_tx!(self, |conn| renew(conn, held, lease_until.millis()))?)
    }

    async fn finish(&self, end: Finish) -> StoreResult<Option<Finished>> {
        let ids = Arc::clone(&self.ids);
        settled(in_tx!(self, |conn| finish(conn, end, &*ids)))
    }

    async fn requeue(&self, back: Requeue) -> StoreResult<bool> {
        Ok(in_tx!(self, |conn| requeue(conn, back))?)
    }

    async fn recover(&self, now: Timestamp) -> StoreResult<u64> {
        Ok(in_tx!(self, |conn| recover(conn, now.millis()))?)
    }

    async fn next_due(&self) -> StoreResult<Option<Timestamp>> {
        Ok(in_read!(self, |conn| next_due(conn))?.map(time))
    }

    async fn find(&self, id: DeliveryId) -> StoreResult<Option<Delivery>> {
        Ok(in_read!(self, |conn| find(conn, id.into()))?)
    }
}
