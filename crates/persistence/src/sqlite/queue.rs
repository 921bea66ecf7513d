//! What SQLite needs no lock for: there is only one writer.

use core_types::MessageServerId;
use core_types::deliveries::{ClaimRequest, DeliveryState, Loads};
use core_types::messaging::Channel;
use diesel::dsl::{exists, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::Conn;
pub(super) use super::along::falls_due;
use super::claims::{BusyIds, DueDelivery, Whose, admitted, candidates, of_nobody_busy};
use super::columns::Id;
use super::deliveries::{DeliveryRow, PUT_AWAY, are_put_away};
use super::memories::{MemoryRow, Wordless, without_words};
use super::prepared::fixed;
use super::schema::{agents, channel_participants, channels, deliveries, memories, message_servers, server_agents, sessions};
use super::sessions::SessionRow;
use super::types::IdSql;
use super::vectors::Held;

/// The bytes of a message that have no bound of their own. Only the heads of the rows are read for it.
pub(super) const MESSAGE_BYTES: &str =
    "octet_length(messages.content) + coalesce(octet_length(messages.raw), 0) + octet_length(messages.metadata)";

/// The same of a memory.
pub(super) const MEMORY_BYTES: &str = "octet_length(memories.content) + octet_length(memories.metadata)";

/// An agent and the tenant for whom it works, as one text.
pub(super) const PAIR: &str = "lower(hex(deliveries.agent_id)) || deliveries.tenant";

/// The running agents that take part in a channel and listen on its server, by join order, except the author of a message.
pub(super) fn listeners(conn: &mut Conn, channel: &Channel, author: Id) -> QueryResult<Vec<Id>> {
    let running = channel_participants::table
        .inner_join(agents::table.on(agents::id.eq(channel_participants::entity_id)))
        .filter(channel_participants::channel_id.eq(Id::from(channel.id)))
        .filter(channel_participants::entity_id.ne(author))
        .filter(agents::running.eq(true))
        .order(channel_participants::position)
        .select(agents::id);
    if channel.server_id == MessageServerId::DEFAULT {
        // There every agent listens, and so nobody's channel reaches another's agent. Elsewhere it was tied to the server by
        // somebody who may.
        return match &channel.owner {
            Some(owner) => running.filter(agents::owner.eq(owner.as_str())).load(conn),
            None => running.load(conn),
        };
    }
    let tied = server_agents::table.filter(server_agents::server_id.eq(Id::from(channel.server_id))).select(server_agents::agent_id);
    running.filter(agents::id.eq_any(tied)).load(conn)
}

/// Whether the message server exists, for as long as the transaction lasts.
pub(super) fn hold_server(conn: &mut Conn, server: Id) -> QueryResult<bool> {
    diesel::select(exists(message_servers::table.find(server))).get_result(conn)
}

/// The same, for one who removes it.
pub(super) fn lock_server(conn: &mut Conn, server: Id) -> QueryResult<bool> {
    hold_server(conn, server)
}

/// Whether the channel exists, for as long as the transaction lasts.
pub(super) fn hold_channel(conn: &mut Conn, channel: Id) -> QueryResult<bool> {
    diesel::select(exists(channels::table.find(channel))).get_result(conn)
}

/// Whether the agent exists, for as long as the transaction lasts.
pub(super) fn hold_agent(conn: &mut Conn, agent: Id) -> QueryResult<bool> {
    diesel::select(exists(agents::table.find(agent))).get_result(conn)
}

/// A session, which nobody else changes before the transaction ends.
pub(super) fn lock_session(conn: &mut Conn, id: Id) -> QueryResult<Option<SessionRow>> {
    sessions::table.find(id).select(SessionRow::as_select()).first(conn).optional()
}

/// Nobody else adds one of these things before the transaction ends.
#[expect(clippy::unnecessary_wraps, reason = "PostgreSQL's may fail")]
pub(super) const fn lock_number_of(_conn: &mut Conn, _things: &str) -> QueryResult<()> {
    Ok(())
}

/// What vectors of these memories are kept with.
pub(super) fn hold_memories(conn: &mut Conn, ids: Vec<Id>) -> QueryResult<Vec<Held>> {
    memories::table.filter(memories::id.eq_any(ids)).select(Held::as_select()).load(conn)
}

/// The oldest memories that cannot be found by their words yet.
pub(super) fn hold_wordless(conn: &mut Conn, limit: u32) -> QueryResult<Vec<Wordless>> {
    let wordless = memories::table.filter(without_words()).order(memories::ordinal).limit(limit.into());
    fixed!(wordless.select((memories::ordinal, memories::id, memories::agent_id, memories::table_name, memories::content))).load(conn)
}

/// The memories of an agent in the order in which they were stored. The plus keeps SQLite from sorting all of them anew for each
/// page, as the index of agents would have it.
pub(super) fn memories_in_order(conn: &mut Conn, agent: Id, after: i64, limit: u32) -> QueryResult<Vec<(i64, MemoryRow)>> {
    memories::table
        .filter(sql::<Bool>("+memories.agent_id = ").bind::<IdSql, _>(agent))
        .filter(memories::ordinal.gt(after))
        .order(memories::ordinal)
        .limit(limit.into())
        .select((memories::ordinal, MemoryRow::as_select()))
        .load(conn)
}

/// The channels that hold an agent or an open delivery to it.
pub(super) fn hold_channels_of(conn: &mut Conn, agent: Id) -> QueryResult<Vec<Id>> {
    let joined = channel_participants::table.filter(channel_participants::entity_id.eq(agent)).select(channel_participants::channel_id);
    let waiting = deliveries::table.filter(deliveries::agent_id.eq(agent)).filter(deliveries::ended_at.is_null());
    joined.union(waiting.select(deliveries::channel_id)).load(conn)
}

/// The open deliveries of an agent.
pub(super) fn open_of_agent(conn: &mut Conn, agent: Id) -> QueryResult<Vec<DeliveryRow>> {
    let open = deliveries::table.filter(deliveries::agent_id.eq(agent)).filter(deliveries::ended_at.is_null());
    open.select(DeliveryRow::as_select()).load(conn)
}

/// The open deliveries of a channel.
pub(super) fn open_of_channel(conn: &mut Conn, channel: Id) -> QueryResult<Vec<DeliveryRow>> {
    let open = deliveries::table.filter(deliveries::channel_id.eq(channel)).filter(deliveries::ended_at.is_null());
    open.select(DeliveryRow::as_select()).load(conn)
}

/// The open deliveries of an agent in a channel.
pub(super) fn open_of_agent_in(conn: &mut Conn, agent: Id, channel: Id) -> QueryResult<Vec<DeliveryRow>> {
    let of_agent = deliveries::table.filter(deliveries::channel_id.eq(channel)).filter(deliveries::agent_id.eq(agent));
    of_agent.filter(deliveries::ended_at.is_null()).select(DeliveryRow::as_select()).load(conn)
}

/// The open deliveries of a message.
pub(super) fn open_of_message(conn: &mut Conn, message: Id) -> QueryResult<Vec<DeliveryRow>> {
    let open = deliveries::table.filter(deliveries::message_id.eq(message)).filter(deliveries::ended_at.is_null());
    open.select(DeliveryRow::as_select()).load(conn)
}

/// Puts the heads of an agent away.
pub(super) fn put_away(conn: &mut Conn, agent: Id) -> QueryResult<()> {
    let heads = deliveries::table.filter(deliveries::agent_id.eq(agent)).filter(deliveries::due_at.lt(PUT_AWAY));
    diesel::update(heads).set(deliveries::due_at.eq(deliveries::due_at + PUT_AWAY)).execute(conn)?;
    Ok(())
}

/// Brings the heads of an agent back that were put away.
pub(super) fn bring_back(conn: &mut Conn, agent: Id) -> QueryResult<()> {
    let heads = deliveries::table.filter(deliveries::agent_id.eq(agent)).filter(are_put_away());
    diesel::update(heads).set(deliveries::due_at.eq(deliveries::due_at - PUT_AWAY)).execute(conn)?;
    Ok(())
}

/// Heads that are due and whose agents run, the longest due first. The statement without lists is always the same text, and so is
/// prepared once.
pub(super) fn due(conn: &mut Conn, now: i64, whose: Whose<'_>, full: &BusyIds, limit: i64) -> QueryResult<Vec<DueDelivery>> {
    let due = deliveries::table
        .inner_join(agents::table.on(agents::id.eq(deliveries::agent_id)))
        .filter(agents::running.eq(true))
        .filter(deliveries::due_at.le(now))
        .order((deliveries::due_at, deliveries::ordinal))
        .limit(limit)
        .select(DueDelivery::as_select());
    match whose {
        Whose::Anybodys if full.is_empty() => due.load(conn),
        Whose::Anybodys => due.filter(of_nobody_busy!(full)).load(conn),
        Whose::Owners => due.filter(deliveries::tenant.is_null()).filter(of_nobody_busy!(full)).load(conn),
        Whose::Tenants(tenant) => due.filter(deliveries::tenant.eq(tenant)).filter(of_nobody_busy!(full)).load(conn),
    }
}

/// Claims heads that are due, the longest due first, and returns their ids.
pub(super) fn take(conn: &mut Conn, request: &ClaimRequest) -> QueryResult<Vec<Id>> {
    let loads: Loads = request.held.iter().collect();
    let full = BusyIds::from(loads.busy(request.shares));
    // What is held already is left out afterwards, so that the statement needs no list of it.
    let limit = i64::from(request.limit).saturating_add(i64::try_from(request.held.len()).unwrap_or(i64::MAX));
    let taken = admitted(request, loads, candidates(conn, request, &full, limit)?);
    for id in &taken {
        let claim = (
            deliveries::state.eq(DeliveryState::Claimed.to_string()),
            deliveries::attempt.eq(deliveries::attempt + 1),
            deliveries::due_at.eq(request.lease_until.millis()),
        );
        let claim = diesel::update(deliveries::table.find(id)).set(claim).returning(deliveries::id);
        let _: Id = fixed!(claim).get_result(conn)?;
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;
    use uuid::Uuid;

    use super::*;
    use crate::options::Options;
    use crate::sqlite::{agents as agent_repository, connect};

    const UP: &str = include_str!("../../../../migrations/sqlite/0018_put_away/up.sql");
    const DOWN: &str = include_str!("../../../../migrations/sqlite/0018_put_away/down.sql");

    /// Two agents that run: one for which three deliveries wait, and one for which one does.
    const WAITING: &str = "
        INSERT INTO agents (id, name, bio, character, enabled, running, created_at, updated_at)
            SELECT unhex(printf('%032x', value)), 'Agent', '', '{}', 1, 1, 1, 1 FROM json_each('[1, 2]');
        INSERT INTO deliveries (id, message_id, agent_id, channel_id, author_id, seq, reply_id, must_answer, state, attempt, given_back,
                due_at, created_at)
            SELECT randomblob(16), randomblob(16), unhex(printf('%032x', CASE WHEN value < 4 THEN 1 ELSE 2 END)), randomblob(16),
                randomblob(16), 1, randomblob(16), 0, 'pending', 0, 0, value, value FROM json_each('[1, 2, 3, 4]');";

    fn due_times(conn: &mut Conn) -> Vec<Option<i64>> {
        deliveries::table.order(deliveries::due_at).select(deliveries::due_at).load(conn).unwrap()
    }

    /// They would be looked at by every claim, before all that is newer.
    #[test]
    fn heads_of_a_stopped_agent_are_out_of_the_way_until_it_starts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("queue.db");
        let mut conn = connect::for_writing(&path, &Options::default()).unwrap();
        connect::migrate(&path, &mut conn, false).unwrap();
        conn.batch_execute(WAITING).unwrap();
        let stopped = Id(Uuid::from_u128(1));
        let before = [1, 2, 3, 4].map(Some);
        let away = [4, PUT_AWAY + 1, PUT_AWAY + 2, PUT_AWAY + 3].map(Some);
        assert_eq!(due_times(&mut conn), before);
        for _ in 0..2 {
            agent_repository::stop(&mut conn, stopped, 9).unwrap();
            assert_eq!(due_times(&mut conn), away);
        }
        // Those of agents that were stopped before there was this are put away with the migration.
        conn.batch_execute(DOWN).unwrap();
        assert_eq!(due_times(&mut conn), before);
        conn.batch_execute(UP).unwrap();
        assert_eq!(due_times(&mut conn), away);
        bring_back(&mut conn, stopped).unwrap();
        assert_eq!(due_times(&mut conn), before);
    }
}
