//! What agents remember.

use async_trait::async_trait;
use core_types::memory::{FACTS, MESSAGES, Memory, MemoryRepository, RoomContext, RoomState};
use core_types::{AgentId, RoomId, StoreResult};
use diesel::prelude::*;

use super::columns::{Id, Object, time, word};
use super::plane::EntityRow;
use super::prepared::prepared;
use super::schema::{entities, memories, participants};
use super::{Conn, Db, RunQueryDsl};
use crate::error::Fault;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = memories, treat_none_as_default_value = false)]
struct MemoryRow {
    id: Id,
    agent_id: Id,
    table_name: String,
    room_id: Id,
    world_id: Option<Id>,
    entity_id: Id,
    content: Object,
    metadata: Object,
    is_unique: bool,
    created_at: i64,
}

impl From<Memory> for MemoryRow {
    fn from(memory: Memory) -> Self {
        Self {
            id: memory.id.into(),
            agent_id: memory.agent_id.into(),
            table_name: memory.table,
            room_id: memory.room_id.into(),
            world_id: memory.world_id.map(Id::from),
            entity_id: memory.entity_id.into(),
            content: Object(memory.content),
            metadata: Object(memory.metadata),
            is_unique: memory.unique,
            created_at: memory.created_at.millis(),
        }
    }
}

impl From<MemoryRow> for Memory {
    fn from(row: MemoryRow) -> Self {
        Self {
            id: row.id.to(),
            agent_id: row.agent_id.to(),
            table: row.table_name,
            room_id: row.room_id.to(),
            world_id: row.world_id.map(Id::to),
            entity_id: row.entity_id.to(),
            content: row.content.0,
            metadata: row.metadata.0,
            unique: row.is_unique,
            created_at: time(row.created_at),
        }
    }
}

work! {
    /// Stores those whose id is free; returns how many.
    pub(super) fn add(conn: &mut Conn, memories: Vec<Memory>) -> Result<u64, Fault> {
        let mut new = 0;
        for memory in memories {
            let row = MemoryRow::from(memory);
            if run!(diesel::insert_into(memories::table).values(&row).on_conflict_do_nothing().execute(conn))? > 0 {
                new += 1;
            }
        }
        Ok(new)
    }
}

work! {
    fn of_room(conn: &mut Conn, agent: Id, table: &str, room: Id, limit: u32) -> Result<Vec<Memory>, Fault> {
        let rows: Vec<MemoryRow> = run!(
            memories::table
                .filter(memories::room_id.eq(room))
                .filter(memories::table_name.eq(table))
                .filter(memories::agent_id.eq(agent))
                .order((memories::created_at.desc(), memories::ordinal.desc()))
                .limit(limit.into())
                .select(MemoryRow::as_select())
                .load(conn)
        )?;
        Ok(rows.into_iter().map(Memory::from).collect())
    }
}

work! {
    fn of_agent(conn: &mut Conn, agent: Id, table: &str, limit: u32) -> Result<Vec<Memory>, Fault> {
        let rows: Vec<MemoryRow> = run!(
            memories::table
                .filter(memories::agent_id.eq(agent))
                .filter(memories::table_name.eq(table))
                .order((memories::created_at.desc(), memories::ordinal.desc()))
                .limit(limit.into())
                .select(MemoryRow::as_select())
                .load(conn)
        )?;
        Ok(rows.into_iter().map(Memory::from).collect())
    }
}

work! {
    fn room_context(conn: &mut Conn, agent: Id, room: Id, recent: u32, facts: u32) -> Result<RoomContext, Fault> {
        let state: Option<Option<String>> =
            run!(participants::table.find((room, agent)).select(participants::room_state).first(conn)).optional()?;
        let state = state.flatten().map_or(Ok(RoomState::None), |state| word("participants.room_state", &state))?;
        let mut recent = run!(of_room(conn, agent, MESSAGES, room, recent))?;
        recent.reverse();
        let facts = run!(of_room(conn, agent, FACTS, room, facts))?;
        let mut from: Vec<Id> = Vec::new();
        for memory in &recent {
            let entity = Id::from(memory.entity_id);
            if !from.contains(&entity) {
                from.push(entity);
            }
        }
        let named = entities::table.filter(entities::agent_id.eq(agent)).filter(entities::id.eq_any(from));
        let rows: Vec<EntityRow> = run!(prepared(named.order(entities::id).select(EntityRow::as_select())).load(conn))?;
        let entities = rows.into_iter().map(EntityRow::into_entity).collect::<Result<_, _>>()?;
        Ok(RoomContext { state, recent, facts, entities })
    }
}

#[async_trait]
impl MemoryRepository for Db {
    async fn room_context(&self, agent: AgentId, room: RoomId, recent: u32, facts: u32) -> StoreResult<RoomContext> {
        Ok(in_snapshot!(self, |conn| room_context(conn, agent.into(), room.into(), recent, facts))?)
    }

    async fn add(&self, memories: Vec<Memory>) -> StoreResult<u64> {
        Ok(in_tx!(self, |conn| add(conn, memories))?)
    }

    async fn list(&self, agent: AgentId, table: &str, room: Option<RoomId>, limit: u32) -> StoreResult<Vec<Memory>> {
        let table = table.to_owned();
        Ok(match room {
            Some(room) => in_read!(self, |conn| of_room(conn, agent.into(), &table, room.into(), limit))?,
            None => in_read!(self, |conn| of_agent(conn, agent.into(), &table, limit))?,
        })
    }
}
