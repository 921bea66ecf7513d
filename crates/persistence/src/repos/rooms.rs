//! An agent's rooms.

use async_trait::async_trait;
use core_types::agents::Added;
use core_types::memory::{AgentPlane, Room, RoomState};
use core_types::rooms::{GROUP_KIND, PlacedRoom, RoomRepository};
use core_types::worlds::World;
use core_types::{AgentId, Listed, MessageServerId, Page, RoomId, StoreResult};
use diesel::dsl::{exists, sql};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::columns::{Id, fitting, known_total};
use super::plane::{self, RoomRow};
use super::schema::{participants, rooms, worlds};
use super::worlds::WorldRow;
use super::{Conn, Db, RunQueryDsl, queue};
use crate::error::Fault;

/// The bytes of a room and its world that may be many.
const BYTES: &str = concat!("CAST(", json_bytes!("rooms.metadata"), " + coalesce(", json_bytes!("worlds.metadata"), ", 0) AS BIGINT)");

/// The rooms of an agent with their worlds, ready for another condition.
macro_rules! placed {
    ($agent:expr) => {
        rooms::table
            .left_join(worlds::table.on(worlds::id.eq(rooms::world_id).and(worlds::agent_id.eq(rooms::agent_id))))
            .filter(rooms::agent_id.eq($agent))
    };
}

fn place((room, world): (RoomRow, Option<WorldRow>)) -> PlacedRoom {
    PlacedRoom { room: Room::from(room), world: world.map(World::from) }
}

work! {
    fn find(conn: &mut Conn, agent: Id, id: Id) -> Result<Option<PlacedRoom>, Fault> {
        let row = placed!(agent).filter(rooms::id.eq(id)).select((RoomRow::as_select(), Option::<WorldRow>::as_select()));
        let row: Option<(RoomRow, Option<WorldRow>)> = run!(row.first(conn)).optional()?;
        Ok(row.map(place))
    }
}

work! {
    fn add(conn: &mut Conn, plane: AgentPlane) -> Result<Option<Added<PlacedRoom>>, Fault> {
        let (agent, id) = (Id::from(plane.room.agent_id), Id::from(plane.room.id));
        if !run!(queue::hold_agent(conn, agent))? {
            return Ok(None);
        }
        let taken: Option<Id> = run!(rooms::table.find(id).select(rooms::agent_id).first(conn)).optional()?;
        if taken.is_none() {
            run!(plane::ensure(conn, plane))?;
            let own = participants::table.find((id, agent));
            run!(diesel::update(own).set(participants::room_state.eq(RoomState::Followed.to_string())).execute(conn))?;
        }
        let stored = run!(find(conn, agent, id))?.ok_or_else(|| Fault::Defect("another agent has this room's id".to_owned()))?;
        Ok(Some(if taken.is_none() { Added::New(stored) } else { Added::Existing(stored) }))
    }
}

work! {
    /// The sizes are looked at first, so that no more is read than is in the page. Of each room it is asked whether the agent takes part:
    /// the rooms of all agents would be gone through for those in which it does.
    fn list(conn: &mut Conn, agent: Id, page: Page) -> Result<Listed<PlacedRoom>, Fault> {
        let joined =
            || exists(participants::table.filter(participants::room_id.eq(rooms::id)).filter(participants::entity_id.eq(agent)));
        let in_order = || placed!(agent).filter(joined()).order((rooms::created_at, rooms::id)).offset(page.offset.into());
        let sizes: Vec<i64> = run!(in_order().limit(page.limit.into()).select(sql::<BigInt>(BYTES)).load(conn))?;
        let shown = (RoomRow::as_select(), Option::<WorldRow>::as_select());
        let rows: Vec<(RoomRow, Option<WorldRow>)> = run!(in_order().limit(fitting(&sizes)).select(shown).load(conn))?;
        let total = match known_total(page, sizes.len()) {
            Some(total) => total,
            None => run!(rooms::table.filter(rooms::agent_id.eq(agent)).filter(joined()).count().get_result(conn))?,
        };
        Ok(Listed { items: rows.into_iter().map(place).collect(), total: total.unsigned_abs() })
    }
}

work! {
    fn of_group(conn: &mut Conn, server: Id) -> Result<Vec<(AgentId, RoomId)>, Fault> {
        let group = rooms::table.filter(rooms::server_id.eq(server)).filter(rooms::kind.eq(GROUP_KIND));
        let rows: Vec<(Id, Id)> = run!(group.order(rooms::id).select((rooms::agent_id, rooms::id)).load(conn))?;
        Ok(rows.into_iter().map(|(agent, room)| (agent.to(), room.to())).collect())
    }
}

work! {
    fn rename(conn: &mut Conn, agent: Id, id: Id, name: String) -> Result<Option<PlacedRoom>, Fault> {
        let own = rooms::table.find(id).filter(rooms::agent_id.eq(agent));
        run!(diesel::update(own).set(rooms::name.eq(name)).execute(conn))?;
        run!(find(conn, agent, id))
    }
}

work! {
    fn remove(conn: &mut Conn, agent: Id, id: Id) -> Result<bool, Fault> {
        let own = rooms::table.find(id).filter(rooms::agent_id.eq(agent));
        Ok(run!(diesel::delete(own).execute(conn))? > 0)
    }
}

#[async_trait]
impl RoomRepository for Db {
    async fn add(&self, plane: AgentPlane) -> StoreResult<Option<Added<PlacedRoom>>> {
        Ok(in_tx!(self, |conn| add(conn, plane))?)
    }

    async fn find(&self, agent: AgentId, id: RoomId) -> StoreResult<Option<PlacedRoom>> {
        Ok(in_read!(self, |conn| find(conn, agent.into(), id.into()))?)
    }

    async fn list(&self, agent: AgentId, page: Page) -> StoreResult<Listed<PlacedRoom>> {
        Ok(in_snapshot!(self, |conn| list(conn, agent.into(), page))?)
    }

    async fn of_group(&self, server: MessageServerId) -> StoreResult<Vec<(AgentId, RoomId)>> {
        Ok(in_read!(self, |conn| of_group(conn, server.into()))?)
    }

    async fn rename(&self, agent: AgentId, id: RoomId, name: String) -> StoreResult<Option<PlacedRoom>> {
        Ok(in_tx!(self, |conn| rename(conn, agent.into(), id.into(), name))?)
    }

    async fn remove(&self, agent: AgentId, id: RoomId) -> StoreResult<bool> {
        Ok(in_tx!(self, |conn| remove(conn, agent.into(), id.into()))?)
    }
}
