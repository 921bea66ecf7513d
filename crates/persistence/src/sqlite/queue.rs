//! What SQLite needs no lock for: there is only one writer.

use core_types::deliveries::{ClaimRequest, DeliveryState};
use diesel::dsl::exists;
use diesel::prelude::*;

use super::Conn;
use super::columns::Id;
use super::schema::{agents, channel_participants, deliveries};

/// The running agents that take part in a channel, by join order, except the author of a message.
pub(super) fn listeners(conn: &mut Conn, channel: Id, author: Id) -> QueryResult<Vec<Id>> {
    channel_participants::table
        .inner_join(agents::table.on(agents::id.eq(channel_participants::entity_id)))
        .filter(channel_participants::channel_id.eq(channel))
        .filter(channel_participants::entity_id.ne(author))
        .filter(agents::running.eq(true))
        .order(channel_participants::position)
        .select(agents::id)
        .load(conn)
}

/// Whether the agent exists, for as long as the transaction lasts.
pub(super) fn hold_agent(conn: &mut Conn, agent: Id) -> QueryResult<bool> {
    diesel::select(exists(agents::table.find(agent))).get_result(conn)
}

/// Claims heads that are due, the longest due first, and returns their ids.
pub(super) fn take(conn: &mut Conn, request: ClaimRequest) -> QueryResult<Vec<Id>> {
    let due = deliveries::table
        .inner_join(agents::table.on(agents::id.eq(deliveries::agent_id)))
        .filter(agents::running.eq(true))
        .filter(deliveries::due_at.le(request.now.millis()))
        .order((deliveries::due_at, deliveries::ordinal))
        .limit(request.limit.into())
        .select(deliveries::id);
    // The statement without a list is always the same text, and so is prepared once.
    let taken: Vec<Id> = if request.busy.is_empty() {
        due.load(conn)?
    } else {
        due.filter(deliveries::agent_id.ne_all(request.busy.into_iter().map(Id::from))).load(conn)?
    };
    for id in &taken {
        let claim = (
            deliveries::state.eq(DeliveryState::Claimed.to_string()),
            deliveries::attempt.eq(deliveries::attempt + 1),
            deliveries::due_at.eq(request.lease_until.millis()),
        );
        diesel::update(deliveries::table.find(id)).set(claim).execute(conn)?;
    }
    Ok(taken)
}
