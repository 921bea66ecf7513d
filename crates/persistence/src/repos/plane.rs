//! An agent's rooms and entities, in their world.

use std::collections::HashSet;

use core_types::memory::{AgentPlane, Entity, Room};
use diesel::prelude::*;

use super::columns::{Id, Json, Object, json, meaning, time};
use super::prepared::fixed;
use super::schema::{entities, participants, rooms, worlds};
use super::worlds::WorldRow;
use super::writes::write;
use super::{Conn, RunQueryDsl};
use crate::error::Fault;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = rooms, treat_none_as_default_value = false)]
pub(super) struct RoomRow {
    id: Id,
    agent_id: Id,
    world_id: Id,
    channel_id: Option<Id>,
    name: String,
    kind: String,
    source: String,
    server_id: Option<Id>,
    metadata: Object,
    created_at: i64,
}

impl RoomRow {
    /// Its id, and whose it is.
    pub(super) const fn key(&self) -> (Id, Id) {
        (self.id, self.agent_id)
    }
}

impl From<Room> for RoomRow {
    fn from(room: Room) -> Self {
        Self {
            id: room.id.into(),
            agent_id: room.agent_id.into(),
            world_id: room.world_id.into(),
            channel_id: room.channel_id.map(Id::from),
            name: room.name,
            kind: room.kind,
            source: room.source,
            server_id: room.server_id.map(Id::from),
            metadata: Object(room.metadata),
            created_at: room.created_at.millis(),
        }
    }
}

impl From<RoomRow> for Room {
    fn from(row: RoomRow) -> Self {
        Self {
            id: row.id.to(),
            agent_id: row.agent_id.to(),
            world_id: row.world_id.to(),
            channel_id: row.channel_id.map(Id::to),
            name: row.name,
            kind: row.kind,
            source: row.source,
            server_id: row.server_id.map(Id::to),
            metadata: row.metadata.0,
            created_at: time(row.created_at),
        }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = entities, treat_none_as_default_value = false)]
pub(super) struct EntityRow {
    agent_id: Id,
    id: Id,
    names: Json,
    metadata: Object,
}

impl EntityRow {
    pub(super) fn new(entity: Entity) -> Result<Self, Fault> {
        Ok(Self { agent_id: entity.agent_id.into(), id: entity.id.into(), names: json(&entity.names)?, metadata: Object(entity.metadata) })
    }

    pub(super) fn into_entity(self) -> Result<Entity, Fault> {
        Ok(Entity {
            id: self.id.to(),
            agent_id: self.agent_id.to(),
            names: meaning("entities.names", self.names).map_err(|fault| fault.of(self.id.0))?,
            metadata: self.metadata.0,
        })
    }
}

work! {
    /// Makes sure that a world, a room and entities in it exist; what is there is left as it is. A room that has
    /// participants is there with its world, so that mostly one query is all there is to do.
    pub(super) fn ensure(conn: &mut Conn, plane: AgentPlane) -> Result<(), Fault> {
        let AgentPlane { world, room, entities: mut given } = plane;
        let room_id = Id::from(room.id);
        let known: Vec<Id> =
            run!(participants::table.filter(participants::room_id.eq(room_id)).select(participants::entity_id).load(conn))?;
        let known: HashSet<Id> = known.into_iter().collect();
        if known.is_empty() {
            run!(write(conn, fixed!(diesel::insert_into(worlds::table).values(&WorldRow::from(world)).on_conflict_do_nothing())))?;
            run!(write(conn, fixed!(diesel::insert_into(rooms::table).values(&RoomRow::from(room)).on_conflict_do_nothing())))?;
        }
        // Two who make the same entities at once make them in the same order, so that neither waits for the other.
        given.sort_by_key(|entity| entity.id);
        for entity in given {
            let row = EntityRow::new(entity)?;
            if known.contains(&row.id) {
                continue;
            }
            run!(write(conn, fixed!(diesel::insert_into(entities::table).values(&row).on_conflict_do_nothing())))?;
            let participant = (participants::room_id.eq(room_id), participants::entity_id.eq(row.id));
            run!(write(conn, fixed!(diesel::insert_into(participants::table).values(participant).on_conflict_do_nothing())))?;
        }
        Ok(())
    }
}
