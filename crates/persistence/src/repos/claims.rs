//! Claiming deliveries, holding them and giving them back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use core_types::Tenant;
use core_types::deliveries::{
    Busy, ClaimRequest, Claimed, DeliveryState, Fence, HASTY_ATTEMPTS, LEASE_MILLIS, LONGEST_WAIT_MILLIS, Loads, RESPITE_MILLIS, Requeue,
};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use parking_lot::Mutex;

use super::channels::ChannelRow;
use super::columns::{Id, time};
use super::deliveries::{DeliveryRow, PUT_AWAY, cancel, held, promote};
use super::messages::MessageRow;
use super::prepared::{fixed, prepared};
use super::schema::{agents, channels, deliveries, messages};
use super::{Conn, RunQueryDsl, queue, runs};
use crate::error::{Fault, Undo};

/// That neither the agent of a delivery is busy, nor the tenant for whom it works, nor the agent with this tenant, as a condition.
macro_rules! of_nobody_busy {
    ($busy:expr) => {
        super::schema::deliveries::agent_id.ne_all(&$busy.agents).and(
            super::schema::deliveries::tenant.is_null().or(super::schema::deliveries::tenant
                .assume_not_null()
                .ne_all(&$busy.tenants)
                .and(diesel::dsl::sql::<diesel::sql_types::Text>(super::queue::PAIR).ne_all(&$busy.pairs))),
        )
    };
}

pub(super) use of_nobody_busy;

/// A delivery that is due, as far as it has to be known to choose among them.
#[derive(Queryable, Selectable)]
#[diesel(table_name = deliveries)]
pub(super) struct DueDelivery {
    id: Id,
    agent_id: Id,
    tenant: Option<String>,
    due_at: Option<i64>,
    ordinal: i64,
}

/// Of so many tenants what is due is looked for by itself in one claim.
const TENANTS: u16 = 64;

/// Whose deliveries are looked for.
#[derive(Clone, Copy)]
pub(super) enum Whose<'a> {
    Anybodys,
    Owners,
    Tenants(&'a str),
}

/// Those who are busy, as queries take them.
pub(super) struct BusyIds {
    pub(super) agents: Vec<Id>,
    pub(super) tenants: Vec<String>,
    /// As [`queue::PAIR`] spells them.
    pub(super) pairs: Vec<String>,
}

impl From<Busy> for BusyIds {
    fn from(busy: Busy) -> Self {
        let pairs = busy.pairs.iter().map(|(agent, tenant)| format!("{}{tenant}", agent.uuid().simple()));
        Self {
            agents: busy.agents.into_iter().map(Id::from).collect(),
            tenants: busy.tenants.iter().map(Tenant::to_string).collect(),
            pairs: pairs.collect(),
        }
    }
}

impl BusyIds {
    /// Whether there is nobody.
    pub(super) fn is_empty(&self) -> bool {
        self.agents.is_empty() && self.tenants.is_empty() && self.pairs.is_empty()
    }
}

/// Of deliveries that could be claimed, in order, those that the request may have beside what it holds.
pub(super) fn admitted(request: &ClaimRequest, mut loads: Loads, candidates: Vec<DueDelivery>) -> Vec<Id> {
    let mut admits = |candidate: &DueDelivery| {
        let tenant = candidate.tenant.as_deref().and_then(Tenant::new);
        loads.admit(candidate.agent_id.to(), tenant.as_ref(), request.shares)
    };
    let held: HashSet<Id> = request.held.iter().map(|held| Id::from(held.delivery)).collect();
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
    let fitting = candidates.into_iter().filter(|candidate| !held.contains(&candidate.id) && admits(candidate));
    fitting.map(|candidate| candidate.id).take(limit).collect()
}

/// The one of each tenant that is due longest, the owner being one of them, then another one of each.
fn in_turn(mut due: Vec<DueDelivery>) -> Vec<DueDelivery> {
    due.sort_unstable_by_key(|delivery| (delivery.due_at, delivery.ordinal));
    due.dedup_by_key(|delivery| delivery.ordinal);
    let mut counts: HashMap<Option<String>, usize> = HashMap::new();
    let mut ranked: Vec<(usize, DueDelivery)> = due
        .into_iter()
        .map(|delivery| {
            let rank = counts.entry(delivery.tenant.clone()).or_default();
            *rank += 1;
            (*rank, delivery)
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, delivery)| delivery).collect()
}

/// Whether more may be due than was found, and more than half of what was is one tenant's, or the owner's.
fn is_one_sided(due: &[DueDelivery], limit: usize) -> bool {
    let mut counts: HashMap<Option<&str>, usize> = HashMap::new();
    for delivery in due {
        *counts.entry(delivery.tenant.as_deref()).or_default() += 1;
    }
    due.len() >= limit && counts.into_values().any(|count| count * 2 > due.len())
}

// The tenants behind one in the order of names for whom something is due. Each step is one in the index of what is due for each: to the
// next name, and to what is due first of that name, however much there is of it. Neither is a join, which might come in another order.
const NAMES: &str = "WITH RECURSIVE names (tenant) AS (\
    SELECT min(deliveries.tenant) FROM deliveries WHERE deliveries.due_at IS NOT NULL AND deliveries.tenant > ";
const WITH_DUE: &str = " UNION ALL SELECT (SELECT min(deliveries.tenant) FROM deliveries \
    WHERE deliveries.due_at IS NOT NULL AND deliveries.tenant > names.tenant) FROM names WHERE names.tenant IS NOT NULL) \
    SELECT names.tenant FROM names WHERE names.tenant IS NOT NULL \
    AND (SELECT min(deliveries.due_at) FROM deliveries WHERE deliveries.due_at IS NOT NULL AND deliveries.tenant = names.tenant) <= ";

/// Behind this one the tenants are looked for in the next claim. Where a process has several stores, they share it: it says no more than
/// where to begin.
static BEHIND: Mutex<String> = Mutex::new(String::new());

work! {
    /// Some tenants behind this one for whom something is due, in the order of their names.
    fn tenants_behind(conn: &mut Conn, behind: String, now: i64) -> QueryResult<Vec<String>> {
        let names = sql::<Text>(NAMES)
            .bind::<Text, _>(behind)
            .sql(WITH_DUE)
            .bind::<BigInt, _>(now)
            .sql(" LIMIT ")
            .bind::<BigInt, _>(i64::from(TENANTS));
        run!(fixed!(names).load(conn))
    }
}

work! {
    /// The tenants for whom something is due. Where there are too many for one claim, the next goes on behind those of this one, so that
    /// each has its turn within a few, whatever keeps the others from having what is due for them.
    fn tenants_with_due(conn: &mut Conn, now: i64) -> QueryResult<Vec<String>> {
        let behind = BEHIND.lock().clone();
        let is_begun = !behind.is_empty();
        let mut tenants = run!(tenants_behind(conn, behind, now))?;
        let room = usize::from(TENANTS).saturating_sub(tenants.len());
        if is_begun && room > 0 {
            let from_the_first = run!(tenants_behind(conn, String::new(), now))?;
            let seen = tenants.as_slice().first().cloned();
            tenants.extend(from_the_first.into_iter().take_while(|tenant| Some(tenant) != seen.as_ref()).take(room));
        }
        if tenants.len() >= usize::from(TENANTS) && let Some(last) = tenants.last() {
            BEHIND.lock().clone_from(last);
        }
        Ok(tenants)
    }
}

work! {
    /// What is due and could be claimed, what is due longest first. Where one has so much that nobody else is seen behind it, or may have
    /// no more, the others are looked for one by one, and come in turn: whoever floods the server is not before everybody else.
    pub(super) fn candidates(conn: &mut Conn, request: &ClaimRequest, full: &BusyIds, limit: i64) -> QueryResult<Vec<DueDelivery>> {
        let now = request.now.millis();
        let nobody_is_full = full.tenants.is_empty();
        let mut due = if nobody_is_full { run!(queue::due(conn, now, Whose::Anybodys, full, limit))? } else { Vec::new() };
        if nobody_is_full && !is_one_sided(&due, usize::try_from(limit).unwrap_or(usize::MAX)) {
            return Ok(due);
        }
        let tenants = run!(tenants_with_due(conn, now))?;
        // Where nobody else is, all has been seen.
        if tenants.is_empty() && !due.is_empty() {
            return Ok(due);
        }
        due.extend(run!(queue::due(conn, now, Whose::Owners, full, limit))?);
        for tenant in tenants.iter().filter(|tenant| !full.tenants.contains(tenant)) {
            due.extend(run!(queue::due(conn, now, Whose::Tenants(tenant), full, limit))?);
        }
        Ok(in_turn(due))
    }
}

work! {
    /// Claims deliveries. Those whose message or channel is gone are told apart, for [`end_orphan`].
    pub(super) fn claim(conn: &mut Conn, request: ClaimRequest) -> Result<(Vec<Claimed>, Vec<Id>), Fault> {
        if request.limit == 0 || request.shares.per_agent == 0 {
            return Ok((Vec::new(), Vec::new()));
        }
        let taken = run!(queue::take(conn, &request))?;
        if taken.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut rows = run!(read_claimed(conn, &taken))?;
        let (mut claimed, mut orphans) = (Vec::with_capacity(taken.len()), Vec::new());
        for id in taken {
            match rows.remove(&id) {
                Some(one) => claimed.push(one),
                None => orphans.push(id),
            }
        }
        Ok((claimed, orphans))
    }
}

work! {
    fn read_claimed(conn: &mut Conn, ids: &[Id]) -> Result<HashMap<Id, Claimed>, Fault> {
        let later = diesel::alias!(deliveries as later);
        let newer = later
            .filter(later.field(deliveries::channel_id).eq(deliveries::channel_id))
            .filter(later.field(deliveries::agent_id).eq(deliveries::agent_id))
            .filter(later.field(deliveries::author_id).eq(deliveries::author_id))
            .filter(later.field(deliveries::seq).gt(deliveries::seq))
            .filter(later.field(deliveries::ended_at).is_null())
            .filter(later.field(deliveries::attempt).eq(0))
            .filter(later.field(deliveries::must_answer).eq(true).or(deliveries::must_answer.eq(false)))
            .order(later.field(deliveries::seq).desc())
            .limit(1)
            .select(later.field(deliveries::message_id));
        let query = deliveries::table
            .inner_join(messages::table.on(messages::id.eq(deliveries::message_id)))
            .inner_join(channels::table.on(channels::id.eq(deliveries::channel_id)))
            .inner_join(agents::table.on(agents::id.eq(deliveries::agent_id)))
            .filter(deliveries::id.eq_any(ids))
            .select((DeliveryRow::as_select(), MessageRow::as_select(), ChannelRow::as_select(), agents::updated_at, newer.single_value()));
        let rows: Vec<(DeliveryRow, MessageRow, ChannelRow, i64, Option<Id>)> = run!(prepared(query).load(conn))?;
        let mut claimed = HashMap::with_capacity(rows.len());
        for (delivery, message, channel, version, newer) in rows {
            let one = Claimed {
                message: Arc::new(message.into()),
                channel: channel.into(),
                agent_version: time(version),
                newer: newer.map(Id::to),
                is_new: false,
                delivery: delivery.into_delivery()?,
            };
            claimed.insert(Id::from(one.delivery.id), one);
        }
        Ok(claimed)
    }
}

work! {
    /// Ends a delivery that nobody can deal with, because its message or its channel is gone.
    pub(super) fn end_orphan(conn: &mut Conn, id: Id, now: i64) -> Result<(), Undo<()>> {
        let open = deliveries::table.find(id).filter(deliveries::ended_at.is_null());
        let row: Option<DeliveryRow> = run!(open.select(DeliveryRow::as_select()).first(conn)).optional()?;
        let Some(row) = row else { return Ok(()) };
        let (channel, agent) = (row.channel_id, row.agent_id);
        if run!(cancel(conn, vec![row], now))?.is_none() {
            return Err(Undo::Answer(()));
        }
        run!(promote(conn, channel, agent, now))?;
        Ok(())
    }
}

work! {
    /// In the order of ids, as everybody who locks several deliveries does.
    pub(super) fn renew(conn: &mut Conn, mut fences: Vec<Fence>, lease_until: i64) -> Result<Vec<Fence>, Fault> {
        fences.sort_unstable_by_key(|fence| fence.delivery);
        let mut kept = Vec::with_capacity(fences.len());
        for fence in fences {
            if run!(change_held(conn, fence, DeliveryState::Claimed, 0, lease_until))? {
                kept.push(fence);
            }
        }
        Ok(kept)
    }
}

work! {
    /// Changes a delivery that stays open, if this very attempt still holds it. Returns whether it did.
    fn change_held(conn: &mut Conn, fence: Fence, state: DeliveryState, given_back: i32, due_at: i64) -> QueryResult<bool> {
        let held = deliveries::table
            .find(Id::from(fence.delivery))
            .filter(deliveries::attempt.eq(fence.attempt))
            .filter(deliveries::state.eq(DeliveryState::Claimed.to_string()));
        let change = (
            deliveries::state.eq(state.to_string()),
            deliveries::given_back.eq(deliveries::given_back + given_back),
            deliveries::due_at.eq(due_at),
        );
        Ok(run!(diesel::update(held).set(change).execute(conn))? > 0)
    }
}

work! {
    pub(super) fn requeue(conn: &mut Conn, requeue: Requeue) -> Result<bool, Fault> {
        let Requeue { fence, not_before, counts, trace } = requeue;
        let Some(held) = run!(held(conn, fence))? else { return Ok(false) };
        if !run!(queue::hold_agent(conn, held.agent_id))? {
            return Ok(false);
        }
        if !run!(change_held(conn, fence, DeliveryState::Pending, i32::from(!counts), not_before.millis()))? {
            return Ok(false);
        }
        if let Some(trace) = trace {
            run!(runs::add(conn, trace))?;
        }
        Ok(true)
    }
}

/// The heads that would be due later than anything waits, but for those that are put away: a clock that was ahead has put them off.
macro_rules! heads_put_off {
    ($now:expr) => {
        deliveries::table.filter(deliveries::due_at.gt($now.saturating_add(LONGEST_WAIT_MILLIS))).filter(deliveries::due_at.lt(PUT_AWAY))
    };
}

/// So many of them are made due in one transaction, so that writers never wait long.
const HASTENED: i64 = 500;

work! {
    /// Some heads that a clock put off, with their state. There are none unless a clock was set, and then this is one step in an index.
    pub(super) fn put_off(conn: &mut Conn, now: i64) -> Result<Vec<(Id, String)>, Fault> {
        let some = heads_put_off!(now).order(deliveries::due_at).limit(HASTENED).select((deliveries::id, deliveries::state));
        Ok(run!(some.load(conn))?)
    }
}

work! {
    /// Makes these heads due, if they still are put off: at once, or when a lease from now on ends. In the order of ids, as everybody who
    /// locks several deliveries does. Returns how many there were.
    pub(super) fn hasten(conn: &mut Conn, mut heads: Vec<(Id, String)>, now: i64) -> Result<u64, Fault> {
        heads.sort_unstable();
        let (claimed, mut hastened) = (DeliveryState::Claimed.to_string(), 0_usize);
        for (id, state) in heads {
            let due_at = if state == claimed { now.saturating_add(LEASE_MILLIS) } else { now };
            let head = heads_put_off!(now).filter(deliveries::id.eq(id)).filter(deliveries::state.eq(state));
            hastened += run!(diesel::update(head).set(deliveries::due_at.eq(due_at)).execute(conn))?;
        }
        Ok(u64::try_from(hastened).unwrap_or(u64::MAX))
    }
}

work! {
    pub(super) fn recover(conn: &mut Conn, now: i64) -> Result<u64, Fault> {
        let claimed = deliveries::table
            .filter(deliveries::due_at.is_not_null())
            .filter(deliveries::state.eq(DeliveryState::Claimed.to_string()));
        let pending = (deliveries::state.eq(DeliveryState::Pending.to_string()), deliveries::due_at.eq(now));
        let recovered = run!(diesel::update(claimed).set(pending).execute(conn))?;
        run!(diesel::update(heads_put_off!(now)).set(deliveries::due_at.eq(now)).execute(conn))?;
        let later = now.saturating_add(RESPITE_MILLIS);
        let hasty = deliveries::table
            .filter(deliveries::due_at.lt(later))
            .filter(deliveries::state.eq(DeliveryState::Pending.to_string()))
            .filter((deliveries::attempt - deliveries::given_back).ge(HASTY_ATTEMPTS));
        run!(diesel::update(hasty).set(deliveries::due_at.eq(later)).execute(conn))?;
        Ok(u64::try_from(recovered).unwrap_or(u64::MAX))
    }
}

work! {
    pub(super) fn next_due(conn: &mut Conn, busy: BusyIds) -> Result<Option<i64>, Fault> {
        let mut query = deliveries::table
            .inner_join(agents::table.on(agents::id.eq(deliveries::agent_id)))
            .filter(agents::running.eq(true))
            .filter(deliveries::due_at.lt(PUT_AWAY))
            .order(deliveries::due_at)
            .select(deliveries::due_at)
            .into_boxed();
        // Without a list the statement is always the same text, and so is prepared once.
        if !busy.is_empty() {
            query = query.filter(of_nobody_busy!(busy));
        }
        let due: Option<Option<i64>> = run!(query.first(conn)).optional()?;
        Ok(due.flatten())
    }
}
