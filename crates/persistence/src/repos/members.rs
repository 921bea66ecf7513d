//! Who takes part in a channel. An agent that takes part no more answers nothing more there.

use std::collections::HashSet;

use core_types::EntityId;
use core_types::messaging::{ChannelEvent, MAX_PARTICIPANTS, Membership};
use diesel::dsl::{count_star, exists, max};
use diesel::prelude::*;

use super::access::{self, Sight};
use super::columns::Id;
use super::schema::channel_participants;
use super::{Conn, RunQueryDsl, deliveries, queue};
use crate::error::Fault;

#[derive(Insertable)]
#[diesel(table_name = channel_participants, treat_none_as_default_value = false)]
struct MemberRow {
    channel_id: Id,
    entity_id: Id,
    position: i32,
}

work! {
    pub(super) fn list(conn: &mut Conn, channel: Id) -> Result<Vec<EntityId>, Fault> {
        let rows: Vec<Id> = run!(
            channel_participants::table
                .filter(channel_participants::channel_id.eq(channel))
                .order(channel_participants::position)
                .select(channel_participants::entity_id)
                .load(conn)
        )?;
        Ok(rows.into_iter().map(Id::to).collect())
    }
}

work! {
    /// Gives a channel without participants its first ones, in order; duplicates collapse.
    pub(super) fn add_all(conn: &mut Conn, channel_id: Id, participants: Vec<EntityId>) -> QueryResult<()> {
        let mut seen = HashSet::new();
        let distinct = participants.into_iter().filter(|entity| seen.insert(*entity));
        let rows: Vec<MemberRow> =
            (0_i32..).zip(distinct).map(|(position, entity)| MemberRow { channel_id, entity_id: entity.into(), position }).collect();
        if !rows.is_empty() {
            run!(diesel::insert_into(channel_participants::table).values(&rows).execute(conn))?;
        }
        Ok(())
    }
}

work! {
    /// Replaces the participants of a channel that is locked. Returns what readers are told of deliveries that ended.
    pub(super) fn replace(
        conn: &mut Conn, channel: Id, participants: Vec<EntityId>, now: i64,
    ) -> Result<Vec<ChannelEvent>, Fault> {
        let mut gone = run!(list(conn, channel))?;
        gone.retain(|entity| !participants.contains(entity));
        run!(diesel::delete(channel_participants::table.filter(channel_participants::channel_id.eq(channel))).execute(conn))?;
        run!(add_all(conn, channel, participants))?;
        let mut told = Vec::new();
        for entity in gone {
            told.extend(run!(silence(conn, channel, entity.into(), now))?);
        }
        Ok(told)
    }
}

work! {
    pub(super) fn join(conn: &mut Conn, channel_id: Id, entity_id: Id, sight: Option<&Sight>) -> Result<Membership, Fault> {
        if !run!(queue::hold_channel(conn, channel_id))? {
            return Ok(Membership::NoChannel);
        }
        if let Some(sight) = sight && !run!(access::sees_channel(conn, sight, channel_id))? {
            return Ok(Membership::NoChannel);
        }
        let members = channel_participants::table.filter(channel_participants::channel_id.eq(channel_id));
        let known: bool = run!(diesel::select(exists(members.filter(channel_participants::entity_id.eq(entity_id)))).get_result(conn))?;
        if known {
            return Ok(Membership::AsBefore);
        }
        let (count, last): (i64, Option<i32>) = run!(members.select((count_star(), max(channel_participants::position))).first(conn))?;
        let row = MemberRow { channel_id, entity_id, position: last.map_or(0, |last| last.saturating_add(1)) };
        if usize::try_from(count).is_ok_and(|count| count >= MAX_PARTICIPANTS) {
            return Ok(Membership::Full);
        }
        run!(diesel::insert_into(channel_participants::table).values(&row).execute(conn))?;
        Ok(Membership::Changed(Vec::new()))
    }
}

work! {
    pub(super) fn leave(conn: &mut Conn, channel: Id, entity: Id, now: i64) -> Result<Membership, Fault> {
        if !run!(queue::hold_channel(conn, channel))? {
            return Ok(Membership::NoChannel);
        }
        let member = channel_participants::table.find((channel, entity));
        if run!(diesel::delete(member).execute(conn))? == 0 {
            return Ok(Membership::AsBefore);
        }
        Ok(Membership::Changed(run!(silence(conn, channel, entity, now))?))
    }
}

work! {
    /// Ends the open deliveries of an agent in a channel that is locked.
    fn silence(conn: &mut Conn, channel: Id, agent: Id, now: i64) -> Result<Vec<ChannelEvent>, Fault> {
        let open = run!(queue::open_of_agent_in(conn, agent, channel))?;
        run!(deliveries::cancel_locked(conn, open, now))
    }
}
