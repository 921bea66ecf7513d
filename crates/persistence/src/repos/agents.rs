//! Agents and their sealed secrets.

use async_trait::async_trait;
use core_types::agents::{Added, Agent, AgentCount, AgentRepository, AgentSummary, MAX_LISTED};
use core_types::memory::AgentPlane;
use core_types::messaging::ChannelEvent;
use core_types::secrets::{SealedSecret, SecretChange, SecretRepository};
use core_types::{AgentId, MessageServerId, Reach, StoreError, StoreResult, Tenant, Timestamp};
use diesel::dsl;
use diesel::prelude::*;
use diesel::upsert::excluded;

use super::access::{Sight, agents_within};
use super::columns::{Id, Json, json, meaning, owned, owner, time};
use super::schema::{agent_secrets, agents, channel_participants, server_agents};
use super::{Conn, Db, RunQueryDsl, deliveries, plane, queue, servers};
use crate::error::{Fault, Undo, settled};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = agents, treat_none_as_default_value = false)]
struct AgentRow {
    id: Id,
    name: String,
    bio: String,
    character: Json,
    enabled: bool,
    running: bool,
    owner: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl AgentRow {
    fn new(agent: &Agent) -> Result<Self, Fault> {
        Ok(Self {
            id: agent.id.into(),
            name: agent.character.name.clone(),
            bio: agent.character.bio.summary().to_owned(),
            character: json(&agent.character)?,
            enabled: agent.enabled,
            running: agent.running,
            owner: owned(agent.owner.as_ref()),
            created_at: agent.created_at.millis(),
            updated_at: agent.updated_at.millis(),
        })
    }

    fn into_agent(self) -> Result<Agent, Fault> {
        Ok(Agent {
            id: self.id.to(),
            character: meaning("agents.character", self.character)?,
            enabled: self.enabled,
            running: self.running,
            owner: owner(self.owner.as_deref()),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        })
    }
}

work! {
    fn find(conn: &mut Conn, id: Id) -> Result<Option<Agent>, Fault> {
        let row = run!(agents::table.find(id).select(AgentRow::as_select()).first(conn)).optional()?;
        row.map(AgentRow::into_agent).transpose()
    }
}

work! {
    fn add(conn: &mut Conn, agent: Agent, secrets: Vec<SealedSecret>) -> Result<Added<Agent>, Fault> {
        let row = AgentRow::new(&agent)?;
        let added = run!(diesel::insert_into(agents::table).values(&row).on_conflict_do_nothing().execute(conn))?;
        if added == 0 {
            let existing = run!(find(conn, row.id))?;
            return existing.map(Added::Existing).ok_or_else(|| Fault::Defect("an agent vanished while it was added".to_owned()));
        }
        for secret in secrets {
            run!(put_secret(conn, row.id, secret))?;
        }
        Ok(Added::New(agent))
    }
}

work! {
    fn list(conn: &mut Conn, sight: Option<Sight>) -> Result<Vec<AgentSummary>, Fault> {
        let mut first = agents::table.order(agents::running.desc()).limit(MAX_LISTED.into()).into_boxed();
        if let Some(sight) = sight {
            first = first.filter(agents_within!(sight));
        }
        let rows: Vec<(Id, String, String, bool, Option<String>)> =
            run!(first.select((agents::id, agents::name, agents::bio, agents::running, agents::owner)).load(conn))?;
        let summary = |(id, name, bio, running, owner): (Id, _, _, _, Option<String>)| AgentSummary {
            id: id.to(),
            name,
            bio,
            running,
            owner: owner.as_deref().and_then(Tenant::new),
        };
        Ok(rows.into_iter().map(summary).collect())
    }
}

work! {
    fn exists(conn: &mut Conn, id: Id) -> Result<bool, Fault> {
        Ok(run!(diesel::select(dsl::exists(agents::table.find(id))).get_result(conn))?)
    }
}

work! {
    fn first_running(conn: &mut Conn, sight: Option<Sight>) -> Result<Option<AgentId>, Fault> {
        let running = || agents::table.filter(agents::running.eq(true)).select(agents::id);
        let owners = || running().filter(agents::owner.is_null()).order((agents::created_at, agents::id)).into_boxed();
        let first: Option<Id> = match sight {
            None => run!(owners().first(conn)).optional()?,
            Some(sight) => {
                let own = running().filter(agents::owner.eq(sight.tenant.clone())).order((agents::created_at, agents::id));
                match run!(own.first(conn)).optional()? {
                    Some(own) => Some(own),
                    None => run!(owners().filter(agents_within!(sight)).first(conn)).optional()?,
                }
            }
        };
        Ok(first.map(Id::to))
    }
}

work! {
    fn count(conn: &mut Conn) -> Result<AgentCount, Fault> {
        let by_running = agents::table.group_by(agents::running).select((agents::running, dsl::count_star()));
        let counts: Vec<(bool, i64)> = run!(by_running.load(conn))?;
        let of = |wanted: fn(bool) -> bool| counts.iter().filter(|(running, _)| wanted(*running)).map(|(_, count)| count.unsigned_abs()).sum();
        Ok(AgentCount { running: of(|running| running), total: of(|_| true) })
    }
}

work! {
    fn put_secret(conn: &mut Conn, agent: Id, secret: SealedSecret) -> QueryResult<()> {
        let row = (agent_secrets::agent_id.eq(agent), agent_secrets::name.eq(secret.name), agent_secrets::sealed.eq(secret.sealed));
        let key = (agent_secrets::agent_id, agent_secrets::name);
        let insert = diesel::insert_into(agent_secrets::table).values(row);
        run!(insert.on_conflict(key).do_update().set(agent_secrets::sealed.eq(excluded(agent_secrets::sealed))).execute(conn))?;
        Ok(())
    }
}

work! {
    fn replace(conn: &mut Conn, agent: Agent, read_at: i64, secrets: Vec<SecretChange>) -> Result<bool, Fault> {
        let row = AgentRow::new(&agent)?;
        let version = agents::table.find(row.id).filter(agents::updated_at.eq(read_at));
        let changed = run!(
            diesel::update(version)
                .set((
                    agents::name.eq(row.name),
                    agents::bio.eq(row.bio),
                    agents::character.eq(row.character),
                    agents::enabled.eq(row.enabled),
                    agents::updated_at.eq(row.updated_at.max(read_at.saturating_add(1))),
                ))
                .execute(conn)
        )?;
        if changed == 0 {
            return Ok(false);
        }
        for change in secrets {
            match change {
                SecretChange::Put(secret) => run!(put_secret(conn, row.id, secret))?,
                SecretChange::Remove(name) => {
                    run!(diesel::delete(agent_secrets::table.find((row.id, name))).execute(conn))?;
                }
            }
        }
        Ok(true)
    }
}

work! {
    /// Makes an agent run or not, as a new version. Returns whether anything changed.
    fn set_running(conn: &mut Conn, id: Id, running: bool, now: i64) -> QueryResult<bool> {
        // The version must grow even where the clock stood still or went back.
        let version = dsl::case_when(agents::updated_at.ge(now), agents::updated_at + 1).otherwise(now);
        let other = agents::table.find(id).filter(agents::running.eq(!running));
        let changed = run!(diesel::update(other).set((agents::running.eq(running), agents::updated_at.eq(version))).execute(conn))?;
        Ok(changed > 0)
    }
}

work! {
    fn start(conn: &mut Conn, id: Id, own: AgentPlane, now: i64) -> Result<Option<Agent>, Fault> {
        run!(set_running(conn, id, true, now))?;
        let agent = run!(find(conn, id))?;
        if agent.is_some() {
            run!(plane::ensure(conn, own))?;
            run!(servers::tie(conn, MessageServerId::DEFAULT.into(), id))?;
        }
        Ok(agent)
    }
}

work! {
    fn stop(conn: &mut Conn, id: Id, now: i64) -> Result<Option<bool>, Fault> {
        let ran = run!(set_running(conn, id, false, now))?;
        let known: bool = run!(diesel::select(dsl::exists(agents::table.find(id))).get_result(conn))?;
        Ok(known.then_some(ran))
    }
}

/// So often a removal is tried while the agent comes into new channels.
const REMOVAL_TRIES: u32 = 8;

/// What became of a removal.
enum Removal {
    /// There is no such agent.
    Unknown,
    /// It is gone; this is what readers of channels are told.
    Gone(Vec<ChannelEvent>),
    /// It came into another channel meanwhile, which must be locked before the agent is: again.
    Moved,
}

work! {
    /// The channels are locked first, as everywhere. Then the agent's row goes: posts and finishes hold it while they
    /// write deliveries, so that none is missed.
    fn remove(conn: &mut Conn, id: Id, now: i64) -> Result<Removal, Undo<Removal>> {
        let channels = run!(queue::hold_channels_of(conn, id))?;
        if run!(diesel::delete(agents::table.find(id)).execute(conn))? == 0 {
            return Err(Undo::Answer(Removal::Unknown));
        }
        let Some(told) = run!(deliveries::cancel_of_agent(conn, id, &channels, now))? else {
            return Err(Undo::Answer(Removal::Moved));
        };
        run!(diesel::delete(channel_participants::table.filter(channel_participants::entity_id.eq(id))).execute(conn))?;
        Ok(Removal::Gone(told))
    }
}

work! {
    fn secrets(conn: &mut Conn, agent: Id) -> Result<Vec<SealedSecret>, Fault> {
        let rows: Vec<(String, Vec<u8>)> = run!(
            agent_secrets::table
                .filter(agent_secrets::agent_id.eq(agent))
                .order(agent_secrets::name)
                .select((agent_secrets::name, agent_secrets::sealed))
                .load(conn)
        )?;
        Ok(rows.into_iter().map(|(name, sealed)| SealedSecret { name, sealed }).collect())
    }
}

work! {
    fn secrets_after(conn: &mut Conn, after: Option<(Id, String)>, limit: i64) -> Result<Vec<(AgentId, SealedSecret)>, Fault> {
        let in_order = agent_secrets::table.order((agent_secrets::agent_id, agent_secrets::name)).limit(limit);
        let mut page = in_order.select((agent_secrets::agent_id, agent_secrets::name, agent_secrets::sealed)).into_boxed();
        if let Some((agent, name)) = after {
            let later = agent_secrets::agent_id.eq(agent).and(agent_secrets::name.gt(name));
            page = page.filter(agent_secrets::agent_id.gt(agent).or(later));
        }
        let rows: Vec<(Id, String, Vec<u8>)> = run!(page.load(conn))?;
        Ok(rows.into_iter().map(|(agent, name, sealed)| (agent.to(), SealedSecret { name, sealed })).collect())
    }
}

work! {
    fn reseal(conn: &mut Conn, agent: Id, was: SealedSecret, now: Vec<u8>) -> Result<bool, Fault> {
        let same = agent_secrets::table.find((agent, was.name)).filter(agent_secrets::sealed.eq(was.sealed));
        Ok(run!(diesel::update(same).set(agent_secrets::sealed.eq(now)).execute(conn))? > 0)
    }
}

#[async_trait]
impl AgentRepository for Db {
    async fn add(&self, agent: Agent, secrets: Vec<SealedSecret>) -> StoreResult<Added<Agent>> {
        Ok(in_tx!(self, |conn| add(conn, agent, secrets))?)
    }

    async fn find(&self, id: AgentId) -> StoreResult<Option<Agent>> {
        Ok(in_read!(self, |conn| find(conn, id.into()))?)
    }

    async fn list(&self, reach: Option<&Reach>) -> StoreResult<Vec<AgentSummary>> {
        let sight = reach.map(Sight::from);
        Ok(in_read!(self, |conn| list(conn, sight))?)
    }

    async fn exists(&self, id: AgentId) -> StoreResult<bool> {
        Ok(in_read!(self, |conn| exists(conn, id.into()))?)
    }

    async fn first_running(&self, reach: Option<&Reach>) -> StoreResult<Option<AgentId>> {
        let sight = reach.map(Sight::from);
        Ok(in_read!(self, |conn| first_running(conn, sight))?)
    }

    async fn count(&self) -> StoreResult<AgentCount> {
        Ok(in_read!(self, |conn| count(conn))?)
    }

    async fn replace(&self, agent: Agent, read_at: Timestamp, secrets: Vec<SecretChange>) -> StoreResult<bool> {
        Ok(in_tx!(self, |conn| replace(conn, agent, read_at.millis(), secrets))?)
    }

    async fn start(&self, id: AgentId, own: AgentPlane, now: Timestamp) -> StoreResult<Option<Agent>> {
        Ok(in_tx!(self, |conn| start(conn, id.into(), own, now.millis()))?)
    }

    async fn stop(&self, id: AgentId, now: Timestamp) -> StoreResult<Option<bool>> {
        Ok(in_tx!(self, |conn| stop(conn, id.into(), now.millis()))?)
    }

    async fn remove(&self, id: AgentId, now: Timestamp) -> StoreResult<Option<Vec<ChannelEvent>>> {
        self.thin_agent(id.into()).await?;
        for _ in 0..REMOVAL_TRIES {
            match settled(in_tx!(self, |conn| remove(conn, id.into(), now.millis())))? {
                Removal::Unknown => return Ok(None),
                Removal::Gone(told) => return Ok(Some(told)),
                Removal::Moved => {}
            }
        }
        Err(StoreError::Unavailable("the agent comes into new channels all the time".into()))
    }
}

#[async_trait]
impl SecretRepository for Db {
    async fn list(&self, agent: AgentId) -> StoreResult<Vec<SealedSecret>> {
        Ok(in_read!(self, |conn| secrets(conn, agent.into()))?)
    }

    async fn page(&self, after: Option<(AgentId, String)>, limit: u32) -> StoreResult<Vec<(AgentId, SealedSecret)>> {
        let after = after.map(|(agent, name)| (Id::from(agent), name));
        Ok(in_read!(self, |conn| secrets_after(conn, after, limit.into()))?)
    }

    async fn reseal(&self, agent: AgentId, was: SealedSecret, now: Vec<u8>) -> StoreResult<bool> {
        Ok(in_tx!(self, |conn| reseal(conn, agent.into(), was, now))?)
    }
}
