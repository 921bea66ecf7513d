//! What needs PostgreSQL's row locks.

use core_types::MessageServerId;
use core_types::deliveries::{ClaimRequest, DeliveryState, Loads};
use core_types::messaging::Channel;
use diesel::prelude::*;

use super::claims::{BusyIds, DueDelivery, Whose, admitted, candidates, of_nobody_busy};
use super::columns::Id;
use super::deliveries::{DeliveryRow, PUT_AWAY, are_put_away};
use super::memories::{MemoryRow, Wordless, without_words};
use super::prepared::{fixed, prepared};
use super::schema::{agents, channel_participants, channels, deliveries, memories, message_servers, server_agents, sessions};
use super::sessions::SessionRow;
use super::vectors::Held;
use super::{Conn, RunQueryDsl};

/// The bytes of a message that have no bound of their own.
pub(super) const MESSAGE_BYTES: &str = "octet_length(messages.content)::bigint + coalesce(octet_length(messages.raw::text), 0) \
    + octet_length(messages.metadata::text)";

/// The same of a memory.
pub(super) const MEMORY_BYTES: &str = "octet_length(memories.content::text)::bigint + octet_length(memories.metadata::text)";

/// An agent and the tenant for whom it works, as one text.
pub(super) const PAIR: &str = "replace(deliveries.agent_id::text, '-', '') || deliveries.tenant";

/// Notes that this delivery is made by the present transaction and falls due with it. Here nobody claims along with it.
pub(super) const fn falls_due(_delivery: Id) {}

/// The running agents that take part in a channel and listen on its server, by join order, except the author of a
/// message. None of them can be deleted before the transaction ends, so that no delivery is made for an agent that is gone.
pub(super) async fn listeners(conn: &mut Conn, channel: &Channel, author: Id) -> QueryResult<Vec<Id>> {
    let participants: Vec<Id> = channel_participants::table
        .filter(channel_participants::channel_id.eq(Id::from(channel.id)))
        .filter(channel_participants::entity_id.ne(author))
        .order(channel_participants::position)
        .select(channel_participants::entity_id)
        .load(conn)
        .await?;
    let running: Vec<(Id, Option<String>)> = agents::table
        .filter(agents::id.eq_any(participants.clone()))
        .filter(agents::running.eq(true))
        .order(agents::id)
        .select((agents::id, agents::owner))
        .for_key_share()
        .load(conn)
        .await?;
    // On the default server every agent listens, and so nobody's channel reaches another's agent. Elsewhere it was tied to the
    // server by somebody who may.
    let apart = channel.owner.as_ref().filter(|_| channel.server_id == MessageServerId::DEFAULT);
    let hears = |owner: Option<&str>| apart.is_none_or(|channel| owner == Some(channel.as_str()));
    let hearing = |participant: &Id| running.iter().any(|(agent, owner)| agent == participant && hears(owner.as_deref()));
    let mut listeners: Vec<Id> = participants.into_iter().filter(hearing).collect();
    if channel.server_id != MessageServerId::DEFAULT {
        let tied = server_agents::table.filter(server_agents::server_id.eq(Id::from(channel.server_id)));
        let tied: Vec<Id> =
            tied.filter(server_agents::agent_id.eq_any(listeners.clone())).select(server_agents::agent_id).load(conn).await?;
        listeners.retain(|agent| tied.contains(agent));
    }
    Ok(listeners)
}

/// Whether the message server exists; it cannot be deleted before the transaction ends.
pub(super) async fn hold_server(conn: &mut Conn, server: Id) -> QueryResult<bool> {
    let held = message_servers::table.find(server).select(message_servers::id).for_key_share();
    let held: Option<Id> = held.first(conn).await.optional()?;
    Ok(held.is_some())
}

/// Whether the message server exists; nothing can come to it before the transaction ends.
pub(super) async fn lock_server(conn: &mut Conn, server: Id) -> QueryResult<bool> {
    let held: Option<Id> = message_servers::table.find(server).select(message_servers::id).for_update().first(conn).await.optional()?;
    Ok(held.is_some())
}

/// Whether the channel exists; it is locked until the transaction ends.
pub(super) async fn hold_channel(conn: &mut Conn, channel: Id) -> QueryResult<bool> {
    let held: Option<Id> = channels::table.find(channel).select(channels::id).for_no_key_update().first(conn).await.optional()?;
    Ok(held.is_some())
}

/// Whether the agent exists; it cannot be deleted before the transaction ends.
pub(super) async fn hold_agent(conn: &mut Conn, agent: Id) -> QueryResult<bool> {
    let held: Option<Id> = agents::table.find(agent).select(agents::id).for_key_share().first(conn).await.optional()?;
    Ok(held.is_some())
}

/// A session, which nobody else changes before the transaction ends.
pub(super) async fn lock_session(conn: &mut Conn, id: Id) -> QueryResult<Option<SessionRow>> {
    sessions::table.find(id).select(SessionRow::as_select()).for_no_key_update().first(conn).await.optional()
}

/// Nobody else adds one of these things before the transaction ends. It is asked for last, when no other lock is waited for any
/// more.
pub(super) async fn lock_number_of(conn: &mut Conn, things: &str) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtext($1))").bind::<diesel::sql_types::Text, _>(things).execute(conn).await?;
    Ok(())
}

/// What vectors of these memories are kept with, but for memories that somebody else works on: waiting for those might be
/// mutual. The memories stay until the transaction ends, and nobody else keeps vectors meanwhile, so that vectors appear in the
/// order of their numbers.
pub(super) async fn hold_memories(conn: &mut Conn, ids: Vec<Id>) -> QueryResult<Vec<Held>> {
    diesel::sql_query("SELECT pg_advisory_xact_lock(hashtext('doolittle.memory_vectors'))").execute(conn).await?;
    memories::table.filter(memories::id.eq_any(ids)).select(Held::as_select()).for_update().skip_locked().load(conn).await
}

/// The oldest memories that cannot be found by their words yet. Nobody else changes them before the transaction ends: who changes one locks
/// it before its words, and so does this.
pub(super) async fn hold_wordless(conn: &mut Conn, limit: u32) -> QueryResult<Vec<Wordless>> {
    let wordless = memories::table.filter(without_words()).order(memories::ordinal).limit(limit.into());
    let shown = (memories::ordinal, memories::id, memories::agent_id, memories::table_name, memories::content);
    fixed!(wordless.select(shown).for_update()).load(conn).await
}

/// The memories of an agent in the order in which they were stored.
pub(super) async fn memories_in_order(conn: &mut Conn, agent: Id, after: i64, limit: u32) -> QueryResult<Vec<(i64, MemoryRow)>> {
    memories::table
        .filter(memories::agent_id.eq(agent))
        .filter(memories::ordinal.gt(after))
        .order(memories::ordinal)
        .limit(limit.into())
        .select((memories::ordinal, MemoryRow::as_select()))
        .load(conn)
        .await
}

/// The channels that hold an agent or an open delivery to it. Those that exist are locked until the transaction ends.
pub(super) async fn hold_channels_of(conn: &mut Conn, agent: Id) -> QueryResult<Vec<Id>> {
    let joined = channel_participants::table.filter(channel_participants::entity_id.eq(agent)).select(channel_participants::channel_id);
    let waiting = deliveries::table.filter(deliveries::agent_id.eq(agent)).filter(deliveries::ended_at.is_null());
    let concerned: Vec<Id> = joined.union(waiting.select(deliveries::channel_id)).load(conn).await?;
    let existing = channels::table.filter(channels::id.eq_any(concerned.clone())).order(channels::id).select(channels::id);
    let _held: Vec<Id> = existing.for_no_key_update().load(conn).await?;
    Ok(concerned)
}

/// The open deliveries of an agent, locked until the transaction ends.
pub(super) async fn open_of_agent(conn: &mut Conn, agent: Id) -> QueryResult<Vec<DeliveryRow>> {
    let open = deliveries::table.filter(deliveries::agent_id.eq(agent)).filter(deliveries::ended_at.is_null());
    open.order(deliveries::id).select(DeliveryRow::as_select()).for_update().load(conn).await
}

/// The open deliveries of a channel, locked until the transaction ends.
pub(super) async fn open_of_channel(conn: &mut Conn, channel: Id) -> QueryResult<Vec<DeliveryRow>> {
    let open = deliveries::table.filter(deliveries::channel_id.eq(channel)).filter(deliveries::ended_at.is_null());
    open.order(deliveries::id).select(DeliveryRow::as_select()).for_update().load(conn).await
}

/// The open deliveries of an agent in a channel, locked until the transaction ends.
pub(super) async fn open_of_agent_in(conn: &mut Conn, agent: Id, channel: Id) -> QueryResult<Vec<DeliveryRow>> {
    let of_agent = deliveries::table.filter(deliveries::channel_id.eq(channel)).filter(deliveries::agent_id.eq(agent));
    let open = of_agent.filter(deliveries::ended_at.is_null()).order(deliveries::id);
    open.select(DeliveryRow::as_select()).for_update().load(conn).await
}

/// The open deliveries of a message, locked until the transaction ends.
pub(super) async fn open_of_message(conn: &mut Conn, message: Id) -> QueryResult<Vec<DeliveryRow>> {
    let open = deliveries::table.filter(deliveries::message_id.eq(message)).filter(deliveries::ended_at.is_null());
    open.order(deliveries::id).select(DeliveryRow::as_select()).for_update().load(conn).await
}

/// Puts the heads of an agent away.
pub(super) async fn put_away(conn: &mut Conn, agent: Id) -> QueryResult<()> {
    let heads = deliveries::table.filter(deliveries::agent_id.eq(agent)).filter(deliveries::due_at.lt(PUT_AWAY));
    let heads: Vec<Id> = heads.order(deliveries::id).select(deliveries::id).for_update().load(conn).await?;
    let heads = deliveries::table.filter(deliveries::id.eq_any(heads));
    diesel::update(heads).set(deliveries::due_at.eq(deliveries::due_at + PUT_AWAY)).execute(conn).await?;
    Ok(())
}

/// Brings the heads of an agent back that were put away.
pub(super) async fn bring_back(conn: &mut Conn, agent: Id) -> QueryResult<()> {
    let heads = deliveries::table.filter(deliveries::agent_id.eq(agent)).filter(are_put_away());
    let heads: Vec<Id> = heads.order(deliveries::id).select(deliveries::id).for_update().load(conn).await?;
    let heads = deliveries::table.filter(deliveries::id.eq_any(heads));
    diesel::update(heads).set(deliveries::due_at.eq(deliveries::due_at - PUT_AWAY)).execute(conn).await?;
    Ok(())
}

/// Heads that are due and whose agents run, the longest due first, locked until the transaction ends.
pub(super) async fn due(conn: &mut Conn, now: i64, whose: Whose<'_>, full: &BusyIds, limit: i64) -> QueryResult<Vec<DueDelivery>> {
    let running = agents::table.filter(agents::running.eq(true)).select(agents::id);
    let due = deliveries::table
        .filter(deliveries::due_at.le(now))
        .filter(deliveries::agent_id.eq_any(running))
        .filter(of_nobody_busy!(full))
        .order((deliveries::due_at, deliveries::ordinal))
        .limit(limit)
        .select(DueDelivery::as_select());
    match whose {
        Whose::Anybodys => due.for_update().skip_locked().load(conn).await,
        Whose::Owners => due.filter(deliveries::tenant.is_null()).for_update().skip_locked().load(conn).await,
        Whose::Tenants(tenant) => due.filter(deliveries::tenant.eq(tenant)).for_update().skip_locked().load(conn).await,
    }
}

/// Claims heads that are due, the longest due first, and returns their ids. What another worker claims at the same
/// moment is passed over.
pub(super) async fn take(conn: &mut Conn, request: &ClaimRequest) -> QueryResult<Vec<Id>> {
    let loads: Loads = request.held.iter().collect();
    let full = BusyIds::from(loads.busy(request.shares));
    // What is held already is left out afterwards.
    let limit = i64::from(request.limit).saturating_add(i64::try_from(request.held.len()).unwrap_or(i64::MAX));
    let taken = admitted(request, loads, candidates(conn, request, &full, limit).await?);
    if !taken.is_empty() {
        let claim = (
            deliveries::state.eq(DeliveryState::Claimed.to_string()),
            deliveries::attempt.eq(deliveries::attempt + 1),
            deliveries::due_at.eq(request.lease_until.millis()),
        );
        prepared(diesel::update(deliveries::table.filter(deliveries::id.eq_any(taken.clone()))).set(claim)).execute(conn).await?;
    }
    Ok(taken)
}
