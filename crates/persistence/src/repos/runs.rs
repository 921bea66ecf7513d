//! Runs and logs.

use async_trait::async_trait;
use core_types::deliveries::Trace;
use core_types::runs::{LogEntry, LogFilter, Run, RunFilter, RunRepository};
use core_types::{AgentId, Listed, LogId, Page, RunId, StoreResult, Timestamp};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::columns::{Id, Json, Object, known_total, listed, time, word};
use super::prepared::fixed;
use super::schema::{logs, runs};
use super::writes::write;
use super::{Conn, Db, RunQueryDsl, queue};
use crate::error::Fault;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = runs, treat_none_as_default_value = false)]
pub(super) struct RunRow {
    id: Id,
    agent_id: Id,
    delivery_id: Id,
    room_id: Id,
    entity_id: Id,
    message_id: Id,
    status: String,
    started_at: i64,
    ended_at: i64,
    metadata: Object,
}

impl From<Run> for RunRow {
    fn from(run: Run) -> Self {
        Self {
            id: run.id.into(),
            agent_id: run.agent_id.into(),
            delivery_id: run.delivery_id.into(),
            room_id: run.room_id.into(),
            entity_id: run.entity_id.into(),
            message_id: run.message_id.into(),
            status: run.status.to_string(),
            started_at: run.started_at.millis(),
            ended_at: run.ended_at.millis(),
            metadata: Object(run.metadata),
        }
    }
}

impl RunRow {
    pub(super) fn into_run(self) -> Result<Run, Fault> {
        Ok(Run {
            id: self.id.to(),
            agent_id: self.agent_id.to(),
            delivery_id: self.delivery_id.to(),
            room_id: self.room_id.to(),
            entity_id: self.entity_id.to(),
            message_id: self.message_id.to(),
            status: word("runs.status", &self.status).map_err(|fault| fault.of(self.id.0))?,
            started_at: time(self.started_at),
            ended_at: time(self.ended_at),
            metadata: self.metadata.0,
        })
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = logs, treat_none_as_default_value = false)]
pub(super) struct LogRow {
    id: Id,
    agent_id: Id,
    entity_id: Id,
    room_id: Id,
    kind: String,
    body: Json,
    created_at: i64,
}

impl From<LogEntry> for LogRow {
    fn from(entry: LogEntry) -> Self {
        Self {
            id: entry.id.into(),
            agent_id: entry.agent_id.into(),
            entity_id: entry.entity_id.into(),
            room_id: entry.room_id.into(),
            kind: entry.kind,
            body: Json(entry.body),
            created_at: entry.created_at.millis(),
        }
    }
}

impl From<LogRow> for LogEntry {
    fn from(row: LogRow) -> Self {
        Self {
            id: row.id.to(),
            agent_id: row.agent_id.to(),
            entity_id: row.entity_id.to(),
            room_id: row.room_id.to(),
            kind: row.kind,
            body: row.body.0,
            created_at: time(row.created_at),
        }
    }
}

work! {
    pub(super) fn add(conn: &mut Conn, trace: Trace) -> QueryResult<()> {
        run!(write(conn, fixed!(diesel::insert_into(runs::table).values(&RunRow::from(trace.run)))))?;
        for entry in trace.logs {
            run!(write(conn, fixed!(diesel::insert_into(logs::table).values(&LogRow::from(entry)))))?;
        }
        Ok(())
    }
}

/// The runs of an agent that a filter lets pass, ready for another condition or an order.
macro_rules! filtered {
    ($agent:expr, $filter:expr, $query:expr) => {{
        let (from, to) = ($filter.from.map_or(i64::MIN, Timestamp::millis), $filter.to.map_or(i64::MAX, Timestamp::millis));
        let mut query = $query.filter(runs::agent_id.eq($agent)).filter(runs::started_at.between(from, to)).into_boxed();
        if let Some(room) = $filter.room {
            query = query.filter(runs::room_id.eq(Id::from(room)));
        }
        if let Some(status) = $filter.status {
            query = query.filter(runs::status.eq(status.to_string()));
        }
        query
    }};
}

work! {
    fn list(conn: &mut Conn, agent: Id, filter: RunFilter, page: Page) -> Result<Listed<Run>, Fault> {
        let rows: Vec<RunRow> = run!(
            filtered!(agent, filter, runs::table.select(RunRow::as_select()))
                .order((runs::started_at.desc(), runs::ordinal.desc()))
                .offset(page.offset.into())
                .limit(page.limit.into())
                .load(conn)
        )?;
        let total = match known_total(page, rows.len()) {
            Some(total) => total,
            None => run!(filtered!(agent, filter, runs::table.count()).get_result(conn))?,
        };
        let runs: Vec<Run> = rows.into_iter().map(RunRow::into_run).collect::<Result<_, _>>()?;
        Ok(listed(runs, total))
    }
}

work! {
    fn find(conn: &mut Conn, agent: Id, id: Id) -> Result<Option<Run>, Fault> {
        let own = runs::table.find(id).filter(runs::agent_id.eq(agent)).select(RunRow::as_select());
        let row: Option<RunRow> = run!(own.first(conn)).optional()?;
        row.map(RunRow::into_run).transpose()
    }
}

work! {
    fn remove_log(conn: &mut Conn, agent: Id, id: Id) -> Result<(), Fault> {
        run!(diesel::delete(logs::table.find(id).filter(logs::agent_id.eq(agent))).execute(conn))?;
        Ok(())
    }
}

work! {
    fn add_log(conn: &mut Conn, entry: LogEntry) -> Result<(), Fault> {
        let row = LogRow::from(entry);
        if run!(queue::hold_agent(conn, row.agent_id))? {
            run!(diesel::insert_into(logs::table).values(&row).execute(conn))?;
        }
        Ok(())
    }
}

work! {
    fn list_logs(conn: &mut Conn, agent: Option<Id>, filter: LogFilter) -> Result<Vec<LogEntry>, Fault> {
        let since = filter.since.map_or(i64::MIN, Timestamp::millis);
        let until = filter.until.map_or(i64::MAX, Timestamp::millis);
        let mut query = logs::table
            .filter(logs::created_at.between(since, until))
            .order((logs::created_at.desc(), logs::ordinal.desc()))
            .offset(filter.offset.into())
            .limit(filter.limit.into())
            .select(LogRow::as_select())
            .into_boxed();
        if let Some(agent) = agent {
            query = query.filter(logs::agent_id.eq(agent));
        }
        if let Some(room) = filter.room {
            query = query.filter(logs::room_id.eq(Id::from(room)));
        }
        if let Some(entity) = filter.entity {
            query = query.filter(logs::entity_id.eq(Id::from(entity)));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(logs::kind.eq(kind));
        }
        let rows: Vec<LogRow> = run!(query.load(conn))?;
        Ok(rows.into_iter().map(LogEntry::from).collect())
    }
}

work! {
    fn logs_beyond(conn: &mut Conn, keep: u32) -> Result<Option<i64>, Fault> {
        let newest_first = logs::table.order(logs::created_at.desc());
        Ok(run!(newest_first.offset(keep.into()).select(logs::created_at).first(conn)).optional()?)
    }
}

/// What is pruned by age. A delivery that is open has no `ended_at`, and so is not older than anything; one that a job stands by
/// stays as long as the job.
const AGING: [&str; 3] = [
    "DELETE FROM runs WHERE ordinal IN (SELECT ordinal FROM runs WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)",
    "DELETE FROM logs WHERE ordinal IN (SELECT ordinal FROM logs WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
    "DELETE FROM deliveries WHERE ordinal IN (SELECT ordinal FROM deliveries WHERE ended_at < $1 \
     AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.delivery_id = deliveries.id) ORDER BY ended_at LIMIT $2)",
];

work! {
    fn prune(conn: &mut Conn, before: i64, limit: u32) -> Result<u64, Fault> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut pruned: usize = 0;
        for statement in AGING {
            let left = i64::try_from(limit.saturating_sub(pruned)).unwrap_or(i64::MAX);
            pruned += run!(diesel::sql_query(statement).bind::<BigInt, _>(before).bind::<BigInt, _>(left).execute(conn))?;
        }
        Ok(u64::try_from(pruned).unwrap_or(u64::MAX))
    }
}

#[async_trait]
impl RunRepository for Db {
    async fn list(&self, agent: AgentId, filter: RunFilter, page: Page) -> StoreResult<Listed<Run>> {
        Ok(in_snapshot!(self, |conn| list(conn, agent.into(), filter, page))?)
    }

    async fn find(&self, agent: AgentId, id: RunId) -> StoreResult<Option<Run>> {
        Ok(in_read!(self, |conn| find(conn, agent.into(), id.into()))?)
    }

    async fn add_log(&self, entry: LogEntry) -> StoreResult<()> {
        Ok(in_tx!(self, |conn| add_log(conn, entry))?)
    }

    async fn remove_log(&self, agent: AgentId, id: LogId) -> StoreResult<()> {
        Ok(in_tx!(self, |conn| remove_log(conn, agent.into(), id.into()))?)
    }

    async fn logs(&self, agent: AgentId, filter: LogFilter) -> StoreResult<Vec<LogEntry>> {
        Ok(in_read!(self, |conn| list_logs(conn, Some(agent.into()), filter))?)
    }

    async fn all_logs(&self, filter: LogFilter) -> StoreResult<Vec<LogEntry>> {
        Ok(in_read!(self, |conn| list_logs(conn, None, filter))?)
    }

    async fn logs_beyond(&self, keep: u32) -> StoreResult<Option<Timestamp>> {
        Ok(in_read!(self, |conn| logs_beyond(conn, keep))?.map(Timestamp::from_millis))
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(in_tx!(self, |conn| prune(conn, before.millis(), limit))?)
    }
}
