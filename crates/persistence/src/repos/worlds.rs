//! An agent's worlds.

use async_trait::async_trait;
use core_types::agents::Added;
use core_types::worlds::{World, WorldChange, WorldRepository};
use core_types::{AgentId, Listed, Page, Reach, StoreResult, WorldId};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::access::Sight;
use super::columns::{Id, Object, fitting, known_total, listed, time};
use super::schema::{agents, worlds};
use super::{Conn, Db, RunQueryDsl, queue};
use crate::error::Fault;

/// The bytes of a world that may be many.
const BYTES: &str = concat!("CAST(", json_bytes!("worlds.metadata"), " AS BIGINT)");

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = worlds, treat_none_as_default_value = false)]
pub(super) struct WorldRow {
    id: Id,
    agent_id: Id,
    name: String,
    server_id: Option<Id>,
    metadata: Object,
    created_at: i64,
}

impl WorldRow {
    /// Its id, and whose it is.
    pub(super) const fn key(&self) -> (Id, Id) {
        (self.id, self.agent_id)
    }
}

impl From<World> for WorldRow {
    fn from(world: World) -> Self {
        Self {
            id: world.id.into(),
            agent_id: world.agent_id.into(),
            name: world.name,
            server_id: world.server_id.map(Id::from),
            metadata: Object(world.metadata),
            created_at: world.created_at.millis(),
        }
    }
}

impl From<WorldRow> for World {
    fn from(row: WorldRow) -> Self {
        Self {
            id: row.id.to(),
            agent_id: row.agent_id.to(),
            name: row.name,
            server_id: row.server_id.map(Id::to),
            metadata: row.metadata.0,
            created_at: time(row.created_at),
        }
    }
}

work! {
    fn find(conn: &mut Conn, agent: Id, id: Id) -> Result<Option<World>, Fault> {
        let row = worlds::table.find(id).filter(worlds::agent_id.eq(agent)).select(WorldRow::as_select());
        let row: Option<WorldRow> = run!(row.first(conn)).optional()?;
        Ok(row.map(World::from))
    }
}

work! {
    fn add(conn: &mut Conn, world: World) -> Result<Option<Added<World>>, Fault> {
        let row = WorldRow::from(world);
        if !run!(queue::hold_agent(conn, row.agent_id))? {
            return Ok(None);
        }
        if run!(diesel::insert_into(worlds::table).values(&row).on_conflict_do_nothing().execute(conn))? > 0 {
            return Ok(Some(Added::New(row.into())));
        }
        let existing = run!(find(conn, row.agent_id, row.id))?;
        existing.map(|world| Some(Added::Existing(world))).ok_or_else(|| Fault::Defect("another agent has this world's id".to_owned()))
    }
}

work! {
    /// The sizes are looked at first, so that no more is read than is in the page.
    fn list(conn: &mut Conn, agent: Id, page: Page) -> Result<Listed<World>, Fault> {
        let of_agent = worlds::table.filter(worlds::agent_id.eq(agent));
        let in_order = || of_agent.order((worlds::created_at, worlds::ordinal)).offset(page.offset.into());
        let sizes: Vec<i64> = run!(in_order().limit(page.limit.into()).select(sql::<BigInt>(BYTES)).load(conn))?;
        let rows: Vec<WorldRow> = run!(in_order().limit(fitting(&sizes)).select(WorldRow::as_select()).load(conn))?;
        let total = match known_total(page, sizes.len()) {
            Some(total) => total,
            None => run!(of_agent.count().get_result(conn))?,
        };
        Ok(listed(rows, total))
    }
}

work! {
    /// The same for all agents that run.
    fn of_running(conn: &mut Conn, sight: Option<Sight>, page: Page) -> Result<Listed<World>, Fault> {
        let of_running = || {
            let running = agents::table.filter(agents::running.eq(true)).select(agents::id);
            let of_running = worlds::table.filter(worlds::agent_id.eq_any(running)).into_boxed();
            match &sight {
                // What an agent has of worlds is like what it remembers: for whoever it belongs to.
                Some(sight) => {
                    let own = agents::table.filter(agents::owner.eq(sight.tenant.clone())).select(agents::id);
                    of_running.filter(worlds::agent_id.eq_any(own))
                }
                None => of_running,
            }
        };
        let in_order = || of_running().order(worlds::ordinal).offset(page.offset.into());
        let sizes: Vec<i64> = run!(in_order().limit(page.limit.into()).select(sql::<BigInt>(BYTES)).load(conn))?;
        let rows: Vec<WorldRow> = run!(in_order().limit(fitting(&sizes)).select(WorldRow::as_select()).load(conn))?;
        let total = match known_total(page, sizes.len()) {
            Some(total) => total,
            None => run!(of_running().count().get_result(conn))?,
        };
        Ok(listed(rows, total))
    }
}

work! {
    /// The row is locked by writing its name, so that two who add to the metadata do not lose each other's keys.
    fn update(conn: &mut Conn, agent: Id, id: Id, change: WorldChange) -> Result<Option<World>, Fault> {
        let own = worlds::table.find(id).filter(worlds::agent_id.eq(agent));
        let named = diesel::update(own).set(worlds::name.eq(worlds::name)).returning(WorldRow::as_returning());
        let row: Option<WorldRow> = run!(named.get_result(conn)).optional()?;
        let Some(mut row) = row else { return Ok(None) };
        row.name = change.name.unwrap_or(row.name);
        row.metadata.0.extend(change.metadata.unwrap_or_default());
        let changes = (worlds::name.eq(&row.name), worlds::metadata.eq(&row.metadata));
        run!(diesel::update(worlds::table.find(id)).set(changes).execute(conn))?;
        Ok(Some(row.into()))
    }
}

#[async_trait]
impl WorldRepository for Db {
    async fn add(&self, world: World) -> StoreResult<Option<Added<World>>> {
        Ok(in_tx!(self, |conn| add(conn, world))?)
    }

    async fn find(&self, agent: AgentId, id: WorldId) -> StoreResult<Option<World>> {
        Ok(in_read!(self, |conn| find(conn, agent.into(), id.into()))?)
    }

    async fn list(&self, agent: AgentId, page: Page) -> StoreResult<Listed<World>> {
        Ok(in_snapshot!(self, |conn| list(conn, agent.into(), page))?)
    }

    async fn of_running(&self, reach: Option<&Reach>, page: Page) -> StoreResult<Listed<World>> {
        let sight = reach.map(Sight::from);
        Ok(in_snapshot!(self, |conn| of_running(conn, sight, page))?)
    }

    async fn update(&self, agent: AgentId, id: WorldId, change: WorldChange) -> StoreResult<Option<World>> {
        Ok(in_tx!(self, |conn| update(conn, agent.into(), id.into(), change))?)
    }
}
