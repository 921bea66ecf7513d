//! How far agents have looked back at what was said.

use std::collections::HashSet;

use async_trait::async_trait;
use core_types::memory::{MESSAGES, Reflection, ReflectionRepository, Unreflected};
use core_types::{AgentId, RoomId, StoreResult};
use diesel::dsl::{count_star, max};
use diesel::prelude::*;

use super::columns::Id;
use super::memories::{Findable, MemoryRow, add, entities_of, facts};
use super::schema::{memories, participants};
use super::{Conn, Db, RunQueryDsl};
use crate::error::Fault;

/// So many of the newest memories of all agents are what was said lately.
const LATELY: i64 = 10_000;

work! {
    fn unreflected(conn: &mut Conn, agent: Id, room: Id, limit: u32) -> Result<Unreflected, Fault> {
        let reflected: Option<i64> =
            run!(participants::table.find((room, agent)).select(participants::reflected_to).first(conn)).optional()?;
        let reflected = reflected.unwrap_or_default();
        // Found by the room's index and then told apart, so that a long conversation is not read to its beginning.
        let newest = memories::table
            .filter(memories::room_id.eq(room))
            .filter(memories::table_name.eq(MESSAGES))
            .filter(memories::agent_id.eq(agent))
            .order((memories::created_at.desc(), memories::ordinal.desc()))
            .limit(limit.into())
            .select((memories::ordinal, MemoryRow::as_select()));
        let rows: Vec<(i64, MemoryRow)> = run!(newest.load(conn))?;
        let upto = rows.iter().map(|(ordinal, _)| *ordinal).max().unwrap_or(reflected);
        let new = rows.into_iter().rev().filter(|(ordinal, _)| *ordinal > reflected);
        let said = new.map(|(_, row)| row.into_memory()).collect::<Result<Vec<_>, _>>()?;
        let facts = run!(facts(conn, agent, room, limit))?;
        let entities = run!(entities_of(conn, agent, said.iter().chain(&facts).map(|memory| memory.entity_id)))?;
        Ok(Unreflected { said, facts, entities, upto })
    }
}

work! {
    /// The agent's row in the room is locked by moving on, so that of two who looked at the same one keeps what came of it.
    fn reflect(conn: &mut Conn, reflection: Reflection) -> Result<Option<u64>, Fault> {
        let Reflection { agent, room, upto, kept } = reflection;
        let own = participants::table.find((Id::from(room), Id::from(agent))).filter(participants::reflected_to.lt(upto));
        if run!(diesel::update(own).set(participants::reflected_to.eq(upto)).execute(conn))? == 0 {
            return Ok(None);
        }
        let of: Vec<Id> = kept.iter().map(|(source, _)| Id::from(*source)).collect();
        let there: Vec<Id> = run!(memories::table.filter(memories::id.eq_any(of)).select(memories::id).load(conn))?;
        let there: HashSet<Id> = there.into_iter().collect();
        let kept = kept.into_iter().filter(|(source, _)| there.contains(&Id::from(*source))).map(|(_, memory)| memory);
        run!(add(conn, kept.collect(), Findable::Now)).map(Some)
    }
}

work! {
    fn rooms_to_reflect(conn: &mut Conn, least: u32, limit: u32) -> Result<Vec<(AgentId, RoomId)>, Fault> {
        let newest: Option<i64> = run!(memories::table.select(max(memories::ordinal)).first(conn))?;
        let lately = newest.unwrap_or_default() - LATELY;
        let own = participants::room_id.eq(memories::room_id).and(participants::entity_id.eq(memories::agent_id));
        let waiting = memories::table
            .inner_join(participants::table.on(own))
            .filter(memories::ordinal.gt(lately))
            .filter(memories::table_name.eq(MESSAGES))
            .filter(memories::ordinal.gt(participants::reflected_to))
            .group_by((memories::agent_id, memories::room_id))
            .having(count_star().ge(i64::from(least)))
            .limit(limit.into())
            .select((memories::agent_id, memories::room_id));
        let rooms: Vec<(Id, Id)> = run!(waiting.load(conn))?;
        Ok(rooms.into_iter().map(|(agent, room)| (agent.to(), room.to())).collect())
    }
}

#[async_trait]
impl ReflectionRepository for Db {
    async fn unreflected(&self, agent: AgentId, room: RoomId, limit: u32) -> StoreResult<Unreflected> {
        Ok(in_snapshot!(self, |conn| unreflected(conn, agent.into(), room.into(), limit))?)
    }

    async fn reflect(&self, reflection: Reflection) -> StoreResult<Option<u64>> {
        Ok(in_tx!(self, |conn| reflect(conn, reflection))?)
    }

    async fn rooms_to_reflect(&self, least: u32, limit: u32) -> StoreResult<Vec<(AgentId, RoomId)>> {
        Ok(in_snapshot!(self, |conn| rooms_to_reflect(conn, least, limit))?)
    }
}
