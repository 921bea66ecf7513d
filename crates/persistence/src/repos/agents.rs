//! Agents and their sealed secrets.

use async_trait::async_trait;
use core_types::agents::{Added, Agent, AgentCount, AgentRepository, AgentSummary, LISTED_BIO, MAX_LISTED};
use core_types::memory::AgentPlane;
use core_types::messaging::{ChannelEvent, PAGE_BYTES};
use core_types::secrets::{SealedSecret, SecretChange, SecretRepository};
use core_types::{AgentId, MessageServerId, Reach, StoreError, StoreResult, Tenant, Timestamp};
use diesel::dsl::{self, sql};
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::upsert::excluded;

use super::access::Sight;
use super::columns::{Id, Json, json, meaning, owned, owner, time};
use super::memories::within;
use super::schema::{agent_secrets, agents, channel_participants, server_agents};
use super::{Conn, Db, RunQueryDsl, deliveries, plane, queue, servers};
use crate::error::{Fault, Undo, settled};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = agents, treat_none_as_default_value = false)]
pub(super) struct AgentRow {
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

    pub(super) fn into_agent(self) -> Result<Agent, Fault> {
        Ok(Agent {
            id: self.id.to(),
            character: meaning("agents.character", self.character).map_err(|fault| fault.of(self.id.0))?,
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

// What a list shows of an agent is in an index of SQLite's. In the row, whose an agent is and whether it runs lie behind its character,
// which may have megabytes.

/// As much of a bio as a list shows, and one character more where there is more.
const BIO: &str = "substr(agents.bio, 1, 1001)";
/// The bytes of an agent in a list that may be many.
const LISTED_BYTES: &str = "CAST(octet_length(agents.name) + octet_length(substr(agents.bio, 1, 1001)) AS BIGINT)";

/// Whose an agent is; empty for the owner's.
fn whose() -> SqlLiteral<Text> {
    sql("coalesce(agents.owner, '')")
}

/// The beginning of a bio that is long.
fn shortened(mut bio: String) -> String {
    if let Some((end, _)) = bio.char_indices().nth(LISTED_BIO) {
        bio.truncate(end);
        bio.push('…');
    }
    bio
}

fn summary((id, name, bio, running, whose): (Id, String, String, bool, String)) -> AgentSummary {
    AgentSummary { id: id.to(), name, bio: shortened(bio), running, owner: Tenant::new(&whose) }
}

/// The agents that listen on one of these message servers, as a condition.
macro_rules! listening_on {
    ($servers:expr) => {
        agents::id.eq_any(server_agents::table.filter(server_agents::server_id.eq_any($servers.clone())).select(server_agents::agent_id))
    };
}

work! {
    /// Own agents come first, so that others never keep them from the list, and of either those that run, and the oldest, so that none makes
    /// room for new ones. The sizes are looked at first, so that no more is read than is shown.
    fn list(conn: &mut Conn, sight: Option<Sight>) -> Result<Vec<AgentSummary>, Fault> {
        let own = sight.as_ref().map_or_else(String::new, |sight| sight.tenant.clone());
        let part = |is_own: bool| {
            let all = agents::table.into_boxed();
            match &sight {
                // Either value of `running` is asked for, so that SQLite takes the index that has it and the owner.
                Some(sight) if !is_own => all
                    .filter(agents::running.eq_any([false, true]))
                    .filter(listening_on!(sight.servers))
                    .filter(whose().ne(own.clone()))
                    .order((agents::running.desc(), agents::id)),
                None if !is_own => all.filter(whose().gt(own.clone())).order((agents::running.desc(), agents::created_at, agents::id)),
                _ => all.filter(whose().eq(own.clone())).order((agents::running.desc(), agents::created_at, agents::id)),
            }
        };
        let (mut count, mut bytes, mut listed) = (i64::from(MAX_LISTED), PAGE_BYTES, Vec::new());
        for is_own in [true, false] {
            let sizes: Vec<i64> = run!(part(is_own).limit(count).select(sql::<BigInt>(LISTED_BYTES)).load(conn))?;
            let fitting = within(sizes.iter().copied(), bytes);
            let shown = i64::try_from(fitting).unwrap_or(i64::MAX);
            let columns = (agents::id, agents::name, sql::<Text>(BIO), agents::running, whose());
            let rows: Vec<(Id, String, String, bool, String)> = run!(part(is_own).limit(shown).select(columns).load(conn))?;
            listed.extend(rows.into_iter().map(summary));
            if fitting < sizes.len() {
                break;
            }
            count = count.saturating_sub(shown);
            bytes = bytes.saturating_sub(usize::try_from(sizes.iter().sum::<i64>()).unwrap_or(usize::MAX));
        }
        Ok(listed)
    }
}

work! {
    fn ids_after(conn: &mut Conn, after: Option<Id>, limit: i64) -> Result<Vec<AgentId>, Fault> {
        let mut page = agents::table.order(agents::id).limit(limit).select(agents::id).into_boxed();
        if let Some(after) = after {
            page = page.filter(agents::id.gt(after));
        }
        let ids: Vec<Id> = run!(page.load(conn))?;
        Ok(ids.into_iter().map(Id::to).collect())
    }
}

work! {
    fn exists(conn: &mut Conn, id: Id) -> Result<bool, Fault> {
        Ok(run!(diesel::select(dsl::exists(agents::table.find(id).select(agents::id))).get_result(conn))?)
    }
}

work! {
    /// Looks in the index of the list, where those of one owner that run are by age.
    fn first_running(conn: &mut Conn, sight: Option<Sight>) -> Result<Option<AgentId>, Fault> {
        let oldest = |of: String| {
            let running = agents::table.filter(whose().eq(of)).filter(agents::running.eq(true));
            running.order((agents::created_at, agents::id)).select(agents::id).into_boxed()
        };
        let first: Option<Id> = match sight {
            None => run!(oldest(String::new()).first(conn)).optional()?,
            Some(sight) => match run!(oldest(sight.tenant.clone()).first(conn)).optional()? {
                Some(own) => Some(own),
                None => run!(oldest(String::new()).filter(listening_on!(sight.servers)).first(conn)).optional()?,
            },
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
        run!(queue::bring_back(conn, id))?;
        let agent = run!(find(conn, id))?;
        if agent.is_some() {
            run!(plane::ensure(conn, own))?;
            run!(servers::tie(conn, MessageServerId::DEFAULT.into(), id))?;
        }
        Ok(agent)
    }
}

work! {
    /// Nobody sees it stopped before the transaction ends, and so what is due to it need not be put away.
    fn restart(conn: &mut Conn, id: Id, own: AgentPlane, now: i64) -> Result<Option<Agent>, Fault> {
        run!(set_running(conn, id, false, now))?;
        run!(start(conn, id, own, now))
    }
}

work! {
    pub(super) fn stop(conn: &mut Conn, id: Id, now: i64) -> Result<Option<bool>, Fault> {
        let ran = run!(set_running(conn, id, false, now))?;
        // Only who has just stopped it keeps others from starting it until the transaction ends.
        if ran {
            run!(queue::put_away(conn, id))?;
        }
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
        Ok(in_snapshot!(self, |conn| list(conn, sight))?)
    }

    async fn ids_after(&self, after: Option<AgentId>, limit: u32) -> StoreResult<Vec<AgentId>> {
        let after = after.map(Id::from);
        Ok(in_read!(self, |conn| ids_after(conn, after, limit.into()))?)
    }

    async fn exists(&self, id: AgentId) -> StoreResult<bool> {
        Ok(in_read!(self, |conn| exists(conn, id.into()))?)
    }

    async fn first_running(&self, reach: Option<&Reach>) -> StoreResult<Option<AgentId>> {
        let sight = reach.map(Sight::from);
        Ok(in_snapshot!(self, |conn| first_running(conn, sight))?)
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

    async fn restart(&self, id: AgentId, own: AgentPlane, now: Timestamp) -> StoreResult<Option<Agent>> {
        Ok(in_tx!(self, |conn| restart(conn, id.into(), own, now.millis()))?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_bio_is_listed_by_its_beginning() {
        for (bio, shown) in [
            (String::new(), String::new()),
            ("é".repeat(LISTED_BIO), "é".repeat(LISTED_BIO)),
            ("é".repeat(LISTED_BIO + 1), format!("{}…", "é".repeat(LISTED_BIO))),
        ] {
            assert_eq!(shortened(bio), shown);
        }
        assert_eq!(BIO, format!("substr(agents.bio, 1, {})", LISTED_BIO + 1));
        assert!(LISTED_BYTES.contains(BIO));
    }
}
