//! Bringing what was elsewhere, and reading what is an agent's own.

use std::collections::BTreeMap;

use async_trait::async_trait;
use core_types::memory::{Entity, Memory, Room};
use core_types::messaging::EventKind;
use core_types::moving::{ArrivalRepository, Belonging, BelongingsRepository, Brought, Participant, PastMessage};
use core_types::worlds::World;
use core_types::{AgentId, ChannelId, EntityId, RoomId, StoreResult, WorldId};
use diesel::dsl::{exists, max};
use diesel::prelude::*;

use super::channels::{Turn, message_place};
use super::columns::{Id, word};
use super::memories::{self as memory_rows, MemoryRow};
use super::messages::{MessageRow, answered};
use super::plane::{EntityRow, RoomRow};
use super::schema::{entities, memories, messages, participants, rooms, worlds};
use super::worlds::WorldRow;
use super::{Conn, Db, RunQueryDsl, events, queue};
use crate::error::Fault;

/// What it means that a row was written, or that its id is taken by one of this agent.
fn brought(written: usize, by: Option<Id>, agent: Id) -> Brought {
    match (written, by) {
        (0, Some(owner)) if owner == agent => Brought::Existing,
        (0, _) => Brought::Taken,
        _ => Brought::New,
    }
}

work! {
    fn bring_world(conn: &mut Conn, world: World) -> Result<Brought, Fault> {
        let row = WorldRow::from(world);
        let (id, agent) = row.key();
        let written = run!(diesel::insert_into(worlds::table).values(&row).on_conflict_do_nothing().execute(conn))?;
        let by = if written == 0 { run!(worlds::table.find(id).select(worlds::agent_id).first(conn)).optional()? } else { None };
        Ok(brought(written, by, agent))
    }
}

work! {
    fn bring_room(conn: &mut Conn, room: Room) -> Result<Brought, Fault> {
        let row = RoomRow::from(room);
        let (id, agent) = row.key();
        let written = run!(diesel::insert_into(rooms::table).values(&row).on_conflict_do_nothing().execute(conn))?;
        let by = if written == 0 { run!(rooms::table.find(id).select(rooms::agent_id).first(conn)).optional()? } else { None };
        Ok(brought(written, by, agent))
    }
}

work! {
    fn bring_entity(conn: &mut Conn, entity: Entity) -> Result<Brought, Fault> {
        let row = EntityRow::new(entity)?;
        let written = run!(diesel::insert_into(entities::table).values(&row).on_conflict_do_nothing().execute(conn))?;
        Ok(if written == 0 { Brought::Existing } else { Brought::New })
    }
}

work! {
    fn bring_participant(conn: &mut Conn, participant: Participant) -> Result<Brought, Fault> {
        let (room, agent) = (Id::from(participant.room_id), Id::from(participant.agent_id));
        let own = rooms::table.find(room).filter(rooms::agent_id.eq(agent));
        let known: bool = run!(diesel::select(exists(own)).get_result(conn))?;
        if !known {
            return Ok(Brought::Homeless);
        }
        let row = (
            participants::room_id.eq(room),
            participants::entity_id.eq(Id::from(participant.entity_id)),
            participants::room_state.eq(participant.state.map(|state| state.to_string())),
        );
        let written = run!(diesel::insert_into(participants::table).values(row).on_conflict_do_nothing().execute(conn))?;
        Ok(if written == 0 { Brought::Existing } else { Brought::New })
    }
}

work! {
    fn bring_memory(conn: &mut Conn, mut memory: Memory) -> Result<Brought, Fault> {
        let (id, agent) = (Id::from(memory.id), Id::from(memory.agent_id));
        if let Some(document) = memory.document_id {
            let known: bool = run!(diesel::select(exists(memories::table.filter(memories::id.eq(Id::from(document))))).get_result(conn))?;
            memory.document_id = memory.document_id.filter(|_| known);
        }
        if run!(memory_rows::add(conn, vec![memory], memory_rows::Findable::Now))? > 0 {
            return Ok(Brought::New);
        }
        let by: Option<Id> = run!(memories::table.filter(memories::id.eq(id)).select(memories::agent_id).first(conn)).optional()?;
        Ok(brought(0, by, agent))
    }
}

work! {
    fn bring(conn: &mut Conn, things: Vec<Belonging>) -> Result<Vec<Brought>, Fault> {
        // In order, so that of two who hold the same agents neither waits for the other.
        let mut kept: BTreeMap<Id, bool> = things.iter().map(|thing| (Id::from(thing.agent()), false)).collect();
        for (agent, is_kept) in &mut kept {
            *is_kept = run!(queue::hold_agent(conn, *agent))?;
        }
        let mut outcomes = Vec::with_capacity(things.len());
        for thing in things {
            if kept.get(&Id::from(thing.agent())) != Some(&true) {
                outcomes.push(Brought::Homeless);
                continue;
            }
            outcomes.push(match thing {
                Belonging::World(world) => run!(bring_world(conn, world))?,
                Belonging::Entity(entity) => run!(bring_entity(conn, entity))?,
                Belonging::Room(room) => run!(bring_room(conn, room))?,
                Belonging::Participant(participant) => run!(bring_participant(conn, participant))?,
                Belonging::Memory(memory) => run!(bring_memory(conn, *memory))?,
            });
        }
        Ok(outcomes)
    }
}

work! {
    fn bring_message(conn: &mut Conn, channel: Id, message: PastMessage) -> Result<Brought, Fault> {
        let PastMessage { mut draft, created_at, updated_at } = message;
        let id = Id::from(draft.id);
        let of: Option<Id> = run!(messages::table.find(id).select(messages::channel_id).first(conn)).optional()?;
        if let Some(of) = of {
            return Ok(brought(0, Some(of), channel));
        }
        let place = run!(message_place(conn, channel, Turn::Nobody, created_at.millis()))?;
        let place = place.ok_or_else(|| Fault::Defect("a channel that is held is gone".to_owned()))?;
        draft.in_reply_to = run!(answered(conn, channel, draft.in_reply_to, &mut draft.metadata))?;
        let row = MessageRow::past(draft, &place, updated_at.millis());
        run!(diesel::insert_into(messages::table).values(&row).execute(conn))?;
        let event = events::EventRow {
            channel_id: channel,
            seq: place.seq,
            kind: EventKind::Message.to_string(),
            message_id: Some(id),
            payload: None,
            created_at: place.at,
        };
        run!(events::add(conn, &event))?;
        Ok(Brought::New)
    }
}

work! {
    fn bring_messages(conn: &mut Conn, channel: Id, past: Vec<PastMessage>) -> Result<Vec<Brought>, Fault> {
        if !run!(queue::hold_channel(conn, channel))? {
            return Ok(vec![Brought::Homeless; past.len()]);
        }
        let mut outcomes = Vec::with_capacity(past.len());
        for message in past {
            outcomes.push(run!(bring_message(conn, channel, message))?);
        }
        Ok(outcomes)
    }
}

work! {
    fn looked_back(conn: &mut Conn, agent: Id) -> Result<u64, Fault> {
        let never = participants::table.filter(participants::entity_id.eq(agent)).filter(participants::reflected_to.eq(0));
        let never: Vec<Id> = run!(never.select(participants::room_id).load(conn))?;
        let mut settled = 0;
        for room in never {
            let of_room = memories::table.filter(memories::room_id.eq(room)).filter(memories::agent_id.eq(agent));
            let last: Option<i64> = run!(of_room.select(max(memories::ordinal)).first(conn))?;
            let Some(last) = last else { continue };
            run!(diesel::update(participants::table.find((room, agent))).set(participants::reflected_to.eq(last)).execute(conn))?;
            settled += 1;
        }
        Ok(settled)
    }
}

work! {
    fn worlds_of(conn: &mut Conn, agent: Id, after: Option<Id>, limit: u32) -> Result<Vec<World>, Fault> {
        let mut page = worlds::table.filter(worlds::agent_id.eq(agent)).order(worlds::id).limit(limit.into()).into_boxed();
        if let Some(after) = after {
            page = page.filter(worlds::id.gt(after));
        }
        let rows: Vec<WorldRow> = run!(page.select(WorldRow::as_select()).load(conn))?;
        Ok(rows.into_iter().map(World::from).collect())
    }
}

work! {
    fn entities_of(conn: &mut Conn, agent: Id, after: Option<Id>, limit: u32) -> Result<Vec<Entity>, Fault> {
        let mut page = entities::table.filter(entities::agent_id.eq(agent)).order(entities::id).limit(limit.into()).into_boxed();
        if let Some(after) = after {
            page = page.filter(entities::id.gt(after));
        }
        let rows: Vec<EntityRow> = run!(page.select(EntityRow::as_select()).load(conn))?;
        rows.into_iter().map(EntityRow::into_entity).collect()
    }
}

work! {
    fn rooms_of(conn: &mut Conn, agent: Id, after: Option<Id>, limit: u32) -> Result<Vec<Room>, Fault> {
        let mut page = rooms::table.filter(rooms::agent_id.eq(agent)).order(rooms::id).limit(limit.into()).into_boxed();
        if let Some(after) = after {
            page = page.filter(rooms::id.gt(after));
        }
        let rows: Vec<RoomRow> = run!(page.select(RoomRow::as_select()).load(conn))?;
        Ok(rows.into_iter().map(Room::from).collect())
    }
}

work! {
    fn participants_of(conn: &mut Conn, agent: Id, after: Option<(Id, Id)>, limit: u32) -> Result<Vec<Participant>, Fault> {
        let mut page = participants::table
            .inner_join(rooms::table.on(rooms::id.eq(participants::room_id)))
            .filter(rooms::agent_id.eq(agent))
            .order((participants::room_id, participants::entity_id))
            .limit(limit.into())
            .into_boxed();
        if let Some((room, entity)) = after {
            let same_room = participants::room_id.eq(room).and(participants::entity_id.gt(entity));
            page = page.filter(participants::room_id.gt(room).or(same_room));
        }
        let columns = (participants::room_id, participants::entity_id, participants::room_state);
        let rows: Vec<(Id, Id, Option<String>)> = run!(page.select(columns).load(conn))?;
        rows.into_iter()
            .map(|(room, entity, state)| {
                let state = state.map(|state| word("participants.room_state", &state)).transpose()?;
                Ok(Participant { agent_id: agent.to(), room_id: room.to(), entity_id: entity.to(), state })
            })
            .collect()
    }
}

work! {
    fn memories_of(conn: &mut Conn, agent: Id, after: i64, limit: u32) -> Result<Vec<(i64, Memory)>, Fault> {
        let rows: Vec<(i64, MemoryRow)> = run!(queue::memories_in_order(conn, agent, after, limit))?;
        rows.into_iter().map(|(ordinal, row)| Ok((ordinal, row.into_memory()?))).collect()
    }
}

#[async_trait]
impl ArrivalRepository for Db {
    async fn bring(&self, things: Vec<Belonging>) -> StoreResult<Vec<Brought>> {
        Ok(in_tx!(self, |conn| bring(conn, things))?)
    }

    async fn bring_messages(&self, channel: ChannelId, messages: Vec<PastMessage>) -> StoreResult<Vec<Brought>> {
        Ok(in_tx!(self, |conn| bring_messages(conn, channel.into(), messages))?)
    }

    async fn looked_back(&self, agent: AgentId) -> StoreResult<u64> {
        Ok(in_tx!(self, |conn| looked_back(conn, agent.into()))?)
    }
}

#[async_trait]
impl BelongingsRepository for Db {
    async fn worlds(&self, agent: AgentId, after: Option<WorldId>, limit: u32) -> StoreResult<Vec<World>> {
        Ok(in_read!(self, |conn| worlds_of(conn, agent.into(), after.map(Id::from), limit))?)
    }

    async fn entities(&self, agent: AgentId, after: Option<EntityId>, limit: u32) -> StoreResult<Vec<Entity>> {
        Ok(in_read!(self, |conn| entities_of(conn, agent.into(), after.map(Id::from), limit))?)
    }

    async fn rooms(&self, agent: AgentId, after: Option<RoomId>, limit: u32) -> StoreResult<Vec<Room>> {
        Ok(in_read!(self, |conn| rooms_of(conn, agent.into(), after.map(Id::from), limit))?)
    }

    async fn participants(&self, agent: AgentId, after: Option<(RoomId, EntityId)>, limit: u32) -> StoreResult<Vec<Participant>> {
        let after = after.map(|(room, entity)| (Id::from(room), Id::from(entity)));
        Ok(in_read!(self, |conn| participants_of(conn, agent.into(), after, limit))?)
    }

    async fn memories(&self, agent: AgentId, after: i64, limit: u32) -> StoreResult<Vec<(i64, Memory)>> {
        Ok(in_read!(self, |conn| memories_of(conn, agent.into(), after, limit))?)
    }
}
