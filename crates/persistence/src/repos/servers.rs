//! Message servers, and the agents that are tied to them.

use async_trait::async_trait;
use core_types::agents::Added;
use core_types::messaging::{ChannelEvent, Linked, MessageServer, ServerChange, ServerRepository};
use core_types::{AgentId, Listed, MessageServerId, Page, Reach, StoreResult, Timestamp};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::access::{Sight, servers_within};
use super::channels::remove_channels_of;
use super::columns::{Id, Object, fitting, known_total, listed, owned, owner, time};
use super::schema::{agents, message_servers, server_agents};
use super::{Conn, Db, RunQueryDsl, queue};
use crate::error::Fault;

/// The bytes of a message server that may be many.
const BYTES: &str = concat!("CAST(", json_bytes!("message_servers.metadata"), " AS BIGINT)");

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = message_servers, treat_none_as_default_value = false)]
pub(super) struct ServerRow {
    id: Id,
    name: String,
    source_type: String,
    source_id: Option<String>,
    metadata: Object,
    owner: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl From<MessageServer> for ServerRow {
    fn from(server: MessageServer) -> Self {
        Self {
            id: server.id.into(),
            name: server.name,
            source_type: server.source_type,
            source_id: server.source_id,
            metadata: Object(server.metadata),
            owner: owned(server.owner.as_ref()),
            created_at: server.created_at.millis(),
            updated_at: server.updated_at.millis(),
        }
    }
}

impl From<ServerRow> for MessageServer {
    fn from(row: ServerRow) -> Self {
        Self {
            id: row.id.to(),
            name: row.name,
            source_type: row.source_type,
            source_id: row.source_id,
            metadata: row.metadata.0,
            owner: owner(row.owner.as_deref()),
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        }
    }
}

work! {
    fn find(conn: &mut Conn, id: Id) -> Result<Option<MessageServer>, Fault> {
        let row = run!(message_servers::table.find(id).select(ServerRow::as_select()).first(conn)).optional()?;
        Ok(row.map(MessageServer::from))
    }
}

work! {
    fn add(conn: &mut Conn, server: MessageServer) -> Result<Added<MessageServer>, Fault> {
        let row = ServerRow::from(server);
        let added = run!(diesel::insert_into(message_servers::table).values(&row).on_conflict_do_nothing().execute(conn))?;
        if added > 0 {
            return Ok(Added::New(row.into()));
        }
        let existing = run!(find(conn, row.id))?;
        existing.map(Added::Existing).ok_or_else(|| Fault::Defect("a message server vanished while it was added".to_owned()))
    }
}

work! {
    /// The sizes are looked at first, so that no more is read than is in the page.
    fn list(conn: &mut Conn, sight: Option<Sight>, page: Page) -> Result<Listed<MessageServer>, Fault> {
        let all = || {
            let all = message_servers::table.into_boxed();
            match &sight {
                Some(sight) => all.filter(servers_within!(sight)),
                None => all,
            }
        };
        let in_order = || all().order((message_servers::created_at, message_servers::ordinal)).offset(page.offset.into());
        let sizes: Vec<i64> = run!(in_order().limit(page.limit.into()).select(sql::<BigInt>(BYTES)).load(conn))?;
        let rows: Vec<ServerRow> = run!(in_order().limit(fitting(&sizes)).select(ServerRow::as_select()).load(conn))?;
        let total = match known_total(page, sizes.len()) {
            Some(total) => total,
            None => run!(all().count().get_result(conn))?,
        };
        Ok(listed(rows, total))
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = message_servers)]
struct ServerChanges {
    name: Option<String>,
    metadata: Option<Object>,
    updated_at: i64,
}

work! {
    fn update(conn: &mut Conn, id: Id, change: ServerChange, now: i64) -> Result<Option<MessageServer>, Fault> {
        let changes = ServerChanges { name: change.name, metadata: change.metadata.map(Object), updated_at: now };
        let update = diesel::update(message_servers::table.find(id)).set(changes).returning(ServerRow::as_returning());
        let row: Option<ServerRow> = run!(update.get_result(conn)).optional()?;
        Ok(row.map(MessageServer::from))
    }
}

work! {
    /// The server is locked first, so that no channel comes to it meanwhile.
    fn remove(conn: &mut Conn, id: Id, now: i64) -> Result<Option<Vec<ChannelEvent>>, Fault> {
        if !run!(queue::lock_server(conn, id))? {
            return Ok(None);
        }
        let ends = run!(remove_channels_of(conn, id, now))?;
        run!(diesel::delete(message_servers::table.find(id)).execute(conn))?;
        Ok(Some(ends))
    }
}

work! {
    /// Ties an agent to a message server; both must exist.
    pub(super) fn tie(conn: &mut Conn, server: Id, agent: Id) -> QueryResult<()> {
        let row = (server_agents::server_id.eq(server), server_agents::agent_id.eq(agent));
        run!(diesel::insert_into(server_agents::table).values(row).on_conflict_do_nothing().execute(conn))?;
        Ok(())
    }
}

work! {
    fn link(conn: &mut Conn, server: Id, agent: Id) -> Result<Linked, Fault> {
        if !run!(queue::hold_server(conn, server))? {
            return Ok(Linked::NoServer);
        }
        if !run!(queue::hold_agent(conn, agent))? {
            return Ok(Linked::NoAgent);
        }
        run!(tie(conn, server, agent))?;
        Ok(Linked::Yes)
    }
}

work! {
    fn unlink(conn: &mut Conn, server: Id, agent: Id) -> Result<(), Fault> {
        let tie = server_agents::table.filter(server_agents::server_id.eq(server)).filter(server_agents::agent_id.eq(agent));
        run!(diesel::delete(tie).execute(conn))?;
        Ok(())
    }
}

work! {
    fn agents_of(conn: &mut Conn, sight: Option<Sight>, server: Id, page: Page) -> Result<Listed<AgentId>, Fault> {
        let ties = || {
            let ties = server_agents::table.filter(server_agents::server_id.eq(server)).into_boxed();
            match &sight {
                Some(sight) if !sight.servers.contains(&server) => {
                    let own = agents::table.filter(agents::owner.eq(sight.tenant.clone())).select(agents::id);
                    ties.filter(server_agents::agent_id.eq_any(own))
                }
                _ => ties,
            }
        };
        let in_order = ties().order(server_agents::ordinal).offset(page.offset.into()).limit(page.limit.into());
        let rows: Vec<Id> = run!(in_order.select(server_agents::agent_id).load(conn))?;
        let total = match known_total(page, rows.len()) {
            Some(total) => total,
            None => run!(ties().count().get_result(conn))?,
        };
        Ok(listed(rows.into_iter().map(Id::to::<AgentId>), total))
    }
}

work! {
    fn servers_of(conn: &mut Conn, sight: Option<Sight>, agent: Id, page: Page) -> Result<Listed<MessageServerId>, Fault> {
        let ties = || {
            let ties = server_agents::table.filter(server_agents::agent_id.eq(agent)).into_boxed();
            match &sight {
                Some(sight) => {
                    let seen = message_servers::table.filter(servers_within!(sight)).select(message_servers::id);
                    ties.filter(server_agents::server_id.eq_any(seen))
                }
                None => ties,
            }
        };
        let in_order = ties().order(server_agents::ordinal).offset(page.offset.into()).limit(page.limit.into());
        let rows: Vec<Id> = run!(in_order.select(server_agents::server_id).load(conn))?;
        let total = match known_total(page, rows.len()) {
            Some(total) => total,
            None => run!(ties().count().get_result(conn))?,
        };
        Ok(listed(rows.into_iter().map(Id::to::<MessageServerId>), total))
    }
}

#[async_trait]
impl ServerRepository for Db {
    async fn add(&self, server: MessageServer) -> StoreResult<Added<MessageServer>> {
        Ok(in_tx!(self, |conn| add(conn, server))?)
    }

    async fn find(&self, id: MessageServerId) -> StoreResult<Option<MessageServer>> {
        Ok(in_read!(self, |conn| find(conn, id.into()))?)
    }

    async fn list(&self, reach: Option<&Reach>, page: Page) -> StoreResult<Listed<MessageServer>> {
        let sight = reach.map(Sight::from);
        Ok(in_snapshot!(self, |conn| list(conn, sight, page))?)
    }

    async fn update(&self, id: MessageServerId, change: ServerChange, now: Timestamp) -> StoreResult<Option<MessageServer>> {
        Ok(in_tx!(self, |conn| update(conn, id.into(), change, now.millis()))?)
    }

    async fn remove(&self, id: MessageServerId, now: Timestamp) -> StoreResult<Option<Vec<ChannelEvent>>> {
        let mut ends = self.remove_channels_before(id.into(), now.millis()).await?;
        let last = in_tx!(self, |conn| remove(conn, id.into(), now.millis()))?;
        // Two may remove it at once: then one of them finds it gone, and has ends to tell that the other has not.
        if last.is_none() && ends.is_empty() {
            return Ok(None);
        }
        ends.extend(last.into_iter().flatten());
        Ok(Some(ends))
    }

    async fn link(&self, id: MessageServerId, agent: AgentId) -> StoreResult<Linked> {
        Ok(in_tx!(self, |conn| link(conn, id.into(), agent.into()))?)
    }

    async fn unlink(&self, id: MessageServerId, agent: AgentId) -> StoreResult<()> {
        Ok(in_tx!(self, |conn| unlink(conn, id.into(), agent.into()))?)
    }

    async fn agents(&self, reach: Option<&Reach>, id: MessageServerId, page: Page) -> StoreResult<Listed<AgentId>> {
        let sight = reach.map(Sight::from);
        Ok(in_snapshot!(self, |conn| agents_of(conn, sight, id.into(), page))?)
    }

    async fn of_agent(&self, reach: Option<&Reach>, agent: AgentId, page: Page) -> StoreResult<Listed<MessageServerId>> {
        let sight = reach.map(Sight::from);
        Ok(in_snapshot!(self, |conn| servers_of(conn, sight, agent.into(), page))?)
    }
}
