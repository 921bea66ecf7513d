//! Jobs: how they stand is seen by their messages, deliveries and replies.

use std::collections::HashMap;

use async_trait::async_trait;
use core_types::deliveries::{Delivery, DeliveryState};
use core_types::jobs::{Job, JobAnswer, JobDraft, JobFigures, JobList, JobRepository, JobStatus, JobTicket};
use core_types::messaging::{Completion, EventKind, Message};
use core_types::{DeliveryId, JobId, MessageId, Page, Reach, StoreResult, Tenant, Timestamp};
use diesel::backend::Backend;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Untyped};

use super::access::{Sight, channels_made};
use super::columns::{Id, Json, meaning, owned, part_of, time, word};
use super::prepared::fixed;
use super::schema::{channel_events, channels, jobs};
use super::types::IdSql;
use super::writes::write;
use super::{Conn, Db, RunQueryDsl, messages, queue};
use crate::error::Fault;

/// What is told of a job as it stands at the moment that comes next. An answer in the very moment in which it begins to be late is late,
/// so that whoever saw a timeout sees it ever after.
const STANDING: &str = concat!(
    "SELECT j.ordinal, j.id, j.message_id, m.channel_id, j.delivery_id, j.reply_id, j.agent_id, j.created_at, j.expires_at, ",
    "d.state, d.ended_at, CASE WHEN d.ended_at < j.expires_at THEN CASE WHEN d.state = 'replied' ",
    "AND EXISTS (SELECT 1 FROM messages r WHERE r.id = j.reply_id AND r.channel_id = m.channel_id) THEN 'completed' ELSE 'failed' END ",
    "WHEN j.expires_at <= "
);
/// The end of that, and of which jobs.
const OF_ALL: &str = concat!(
    " THEN 'timeout' ELSE 'processing' END AS status ",
    "FROM jobs j LEFT JOIN deliveries d ON d.id = j.delivery_id ",
    // Another message may have the id of one that is gone, in another channel.
    "LEFT JOIN messages m ON m.id = j.message_id AND (d.id IS NULL OR m.channel_id = d.channel_id) ",
    "LEFT JOIN channels ON channels.id = m.channel_id"
);
/// How many there are, and how long they took.
const COUNTS: &str = concat!(
    "status, COUNT(*) AS number, ",
    "CAST(COALESCE(SUM(CASE WHEN status = 'completed' THEN ended_at - created_at END), 0) AS BIGINT) AS millis"
);
/// Those that are over, oldest first.
const MAKE_ROOM: &str = concat!(
    "DELETE FROM jobs WHERE ordinal IN (SELECT j.ordinal FROM jobs j LEFT JOIN deliveries d ON d.id = j.delivery_id ",
    "WHERE j.expires_at <= $1 OR d.ended_at IS NOT NULL ORDER BY j.ordinal LIMIT $2",
    passing_over_locked!("j"),
    ")"
);
/// The same of one tenant's. The values are numbered as they come: SQLite counts them so.
const MAKE_ROOM_OF_TENANT: &str = concat!(
    "DELETE FROM jobs WHERE ordinal IN (SELECT j.ordinal FROM jobs j LEFT JOIN deliveries d ON d.id = j.delivery_id ",
    "WHERE j.tenant = $1 AND (j.expires_at <= $2 OR d.ended_at IS NOT NULL) ORDER BY j.ordinal LIMIT $3",
    passing_over_locked!("j"),
    ")"
);
const PRUNE: &str = concat!(
    "DELETE FROM jobs WHERE ordinal IN (SELECT j.ordinal FROM jobs j WHERE j.expires_at < $1 ORDER BY j.expires_at LIMIT $2",
    passing_over_locked!("j"),
    ")"
);

/// The end of a job's delivery is looked for among so many of the first events of its channel; it is the second, unless more is
/// said there.
const FIRST_EVENTS: i64 = 16;

#[derive(QueryableByName)]
struct Standing {
    #[diesel(sql_type = IdSql)]
    id: Id,
    #[diesel(sql_type = IdSql)]
    message_id: Id,
    /// The channel of the job, unless its message is gone.
    #[diesel(sql_type = Nullable<IdSql>)]
    channel_id: Option<Id>,
    #[diesel(sql_type = IdSql)]
    delivery_id: Id,
    #[diesel(sql_type = IdSql)]
    reply_id: Id,
    #[diesel(sql_type = IdSql)]
    agent_id: Id,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = BigInt)]
    expires_at: i64,
    #[diesel(sql_type = Nullable<Text>)]
    state: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    ended_at: Option<i64>,
    #[diesel(sql_type = Text)]
    status: String,
}

/// Jobs as they stand at a moment: those whose channels fit a condition, where there is one, and what is asked of them. What is a
/// tenant's is said in one place only (`access`), in Diesel's words, and so it is written into this text by Diesel.
struct AsTheyStand<Within, Asked> {
    now: i64,
    within: Option<Within>,
    shown: &'static str,
    asked: Asked,
}

impl<Within, Asked> Query for AsTheyStand<Within, Asked> {
    type SqlType = Untyped;
}

/// Its text is not that of its type.
impl<Within, Asked> QueryId for AsTheyStand<Within, Asked> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Within: QueryFragment<DB>, Asked: QueryFragment<DB>, DB: Backend> QueryFragment<DB> for AsTheyStand<Within, Asked>
where
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        for text in ["SELECT ", self.shown, " FROM (", STANDING] {
            out.push_sql(text);
        }
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(OF_ALL);
        if let Some(within) = &self.within {
            out.push_sql(" WHERE ");
            within.walk_ast(out.reborrow())?;
        }
        out.push_sql(") standing ");
        self.asked.walk_ast(out)
    }
}

impl<Within, Asked, Conn> diesel::RunQueryDsl<Conn> for AsTheyStand<Within, Asked> {}

#[derive(QueryableByName)]
struct Figure {
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = BigInt)]
    millis: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs)]
struct TicketRow {
    id: Id,
    created_at: i64,
    expires_at: i64,
}

impl From<TicketRow> for JobTicket {
    fn from(row: TicketRow) -> Self {
        Self { id: row.id.to(), created_at: time(row.created_at), expires_at: time(row.expires_at) }
    }
}

work! {
    /// Writes the job of a message that one agent must answer. `false`, and the transaction must be undone, where there are as
    /// many as there may be, in all or of its tenant, and none of them is over.
    pub(super) fn add(conn: &mut Conn, draft: JobDraft, message: &Message, answers: &Delivery) -> Result<bool, Fault> {
        run!(queue::lock_number_of(conn, "doolittle.jobs"))?;
        let now = message.created_at.millis();
        if let Some(tenant) = &answers.tenant
            && !run!(make_room_of(conn, tenant, draft.most, now))?
        {
            return Ok(false);
        }
        let there: i64 = run!(jobs::table.count().get_result(conn))?;
        let too_many = there + 1 - i64::from(draft.most);
        if too_many > 0 {
            let gone = run!(diesel::sql_query(MAKE_ROOM).bind::<BigInt, _>(now).bind::<BigInt, _>(too_many).execute(conn))?;
            if i64::try_from(gone).unwrap_or(i64::MAX) < too_many {
                return Ok(false);
            }
        }
        let row = (
            jobs::id.eq(Id::from(draft.id)),
            jobs::message_id.eq(Id::from(message.id)),
            jobs::delivery_id.eq(Id::from(answers.id)),
            jobs::reply_id.eq(Id::from(answers.reply_id)),
            jobs::agent_id.eq(Id::from(answers.agent_id)),
            jobs::created_at.eq(now),
            jobs::expires_at.eq(now.saturating_add(draft.timeout_millis)),
            jobs::tenant.eq(owned(answers.tenant.as_ref())),
        );
        run!(write(conn, fixed!(diesel::insert_into(jobs::table).values(row))))?;
        Ok(true)
    }
}

work! {
    /// Makes room for one more job of a tenant among its own, where it has its part of so many. Returns whether there is room.
    fn make_room_of(conn: &mut Conn, tenant: &Tenant, most: u32, now: i64) -> Result<bool, Fault> {
        let tenant = tenant.to_string();
        let own: i64 = run!(jobs::table.filter(jobs::tenant.eq(tenant.clone())).count().get_result(conn))?;
        let too_many = own + 1 - part_of(most);
        if too_many <= 0 {
            return Ok(true);
        }
        let made = diesel::sql_query(MAKE_ROOM_OF_TENANT).bind::<Text, _>(tenant).bind::<BigInt, _>(now).bind::<BigInt, _>(too_many);
        let gone = run!(made.execute(conn))?;
        Ok(i64::try_from(gone).unwrap_or(i64::MAX) >= too_many)
    }
}

work! {
    fn find(conn: &mut Conn, id: Id, now: i64) -> Result<Option<Job>, Fault> {
        let asked = sql::<Bool>("WHERE id = ").bind::<IdSql, _>(id);
        let rows: Vec<Standing> = run!(AsTheyStand { now, within: None::<()>, shown: "*", asked }.load(conn))?;
        Ok(run!(told(conn, rows))?.pop())
    }
}

work! {
    fn ticket(conn: &mut Conn, message: Id) -> Result<Option<JobTicket>, Fault> {
        let of_message = jobs::table.filter(jobs::message_id.eq(message)).select(TicketRow::as_select());
        let row: Option<TicketRow> = run!(of_message.first(conn)).optional()?;
        Ok(row.map(JobTicket::from))
    }
}

work! {
    fn list(conn: &mut Conn, sight: Option<Sight>, status: Option<JobStatus>, page: Page, now: i64) -> Result<JobList, Fault> {
        let wanted = status.map(|status| status.to_string()).unwrap_or_default();
        let asked = sql::<Bool>("WHERE ")
            .bind::<Text, _>(wanted)
            .sql(" IN ('', status) ORDER BY ordinal DESC LIMIT ")
            .bind::<BigInt, _>(i64::from(page.limit))
            .sql(" OFFSET ")
            .bind::<BigInt, _>(i64::from(page.offset));
        let within = sight.as_ref().map(|sight| channels_made!(sight));
        let rows: Vec<Standing> = run!(AsTheyStand { now, within, shown: "*", asked }.load(conn))?;
        let jobs = run!(told(conn, rows))?;
        let figures = run!(figures(conn, sight, now))?;
        let total = figures.total();
        Ok(JobList { jobs, filtered: status.map_or(total, |status| figures.of(status)), total })
    }
}

work! {
    fn figures(conn: &mut Conn, sight: Option<Sight>, now: i64) -> Result<JobFigures, Fault> {
        let within = sight.map(|sight| channels_made!(sight));
        let asked = sql::<Bool>("GROUP BY status");
        let rows: Vec<Figure> = run!(AsTheyStand { now, within, shown: COUNTS, asked }.load(conn))?;
        let completed_millis = rows.iter().map(|row| row.millis.unsigned_abs()).sum();
        let counts = rows.into_iter().map(|row| Ok((word("the status of jobs", &row.status)?, row.number.unsigned_abs())));
        Ok(JobFigures { counts: counts.collect::<Result<_, Fault>>()?, completed_millis })
    }
}

work! {
    fn prune(conn: &mut Conn, before: i64, limit: u32) -> Result<u64, Fault> {
        let pruned = run!(diesel::sql_query(PRUNE).bind::<BigInt, _>(before).bind::<BigInt, _>(i64::from(limit)).execute(conn))?;
        Ok(u64::try_from(pruned).unwrap_or(u64::MAX))
    }
}

work! {
    /// Jobs with what was asked and what came of it, in the same order.
    fn told(conn: &mut Conn, rows: Vec<Standing>) -> Result<Vec<Job>, Fault> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let said = rows.iter().flat_map(|row| [row.message_id, row.reply_id]).collect();
        let said: Vec<Message> = run!(messages::find_all(conn, said))?;
        let mut said: HashMap<MessageId, Message> = said.into_iter().map(|message| (message.id, message)).collect();
        let gave_up = |row: &&Standing| row.status == "failed" && row.state.as_deref() == Some("failed");
        let silent = rows.iter().filter(gave_up).filter_map(|row| Some(Id::from(said.get(&row.message_id.to())?.channel_id)));
        let reasons = run!(reasons(conn, silent.collect()))?;
        // A job goes with its message, so that one without is none any more.
        let mut jobs = Vec::with_capacity(rows.len());
        for row in rows {
            let mut said_there = |id: Id| said.remove(&id.to()).filter(|message| row.channel_id == Some(message.channel_id.into()));
            let reply = said_there(row.reply_id);
            if let Some(asked) = said_there(row.message_id) {
                jobs.push(job(&row, asked, reply, &reasons)?);
            }
        }
        Ok(jobs)
    }
}

work! {
    /// Why deliveries in these channels failed.
    fn reasons(conn: &mut Conn, channels: Vec<Id>) -> Result<HashMap<DeliveryId, String>, Fault> {
        if channels.is_empty() {
            return Ok(HashMap::new());
        }
        let ends = channel_events::table
            .filter(channel_events::channel_id.eq_any(channels))
            .filter(channel_events::seq.le(FIRST_EVENTS))
            .filter(channel_events::kind.eq(EventKind::MessageComplete.to_string()))
            .select(channel_events::payload);
        let ends: Vec<Option<Json>> = run!(ends.load(conn))?;
        let mut reasons = HashMap::new();
        for end in ends.into_iter().flatten() {
            let end: Completion = meaning("channel_events.payload", end)?;
            reasons.extend(end.error.map(|error| (end.delivery_id, error)));
        }
        Ok(reasons)
    }
}

fn job(row: &Standing, asked: Message, reply: Option<Message>, reasons: &HashMap<DeliveryId, String>) -> Result<Job, Fault> {
    let status = word("the status of jobs", &row.status)?;
    let error = match status {
        JobStatus::Failed => Some(match row.state.as_deref().map(|state| word("deliveries.state", state)).transpose()? {
            Some(DeliveryState::Replied) => "The answer has been deleted".to_owned(),
            Some(DeliveryState::Ignored) => "The agent chose not to answer".to_owned(),
            Some(DeliveryState::Superseded) => "A newer message took its place".to_owned(),
            Some(DeliveryState::Cancelled) => "The agent was deleted, or taken out of the channel".to_owned(),
            Some(DeliveryState::Failed | DeliveryState::Pending | DeliveryState::Claimed) | None => {
                reasons.get(&row.delivery_id.to()).cloned().unwrap_or_else(|| "The agent could not answer".to_owned())
            }
        }),
        JobStatus::Timeout => Some("The agent did not answer in time".to_owned()),
        JobStatus::Pending | JobStatus::Processing | JobStatus::Completed => None,
    };
    let took = row.ended_at.map_or(0, |ended| ended - row.created_at);
    Ok(Job {
        ticket: JobTicket { id: row.id.to(), created_at: time(row.created_at), expires_at: time(row.expires_at) },
        agent_id: row.agent_id.to(),
        user_id: asked.author_id,
        prompt: asked.content,
        metadata: asked.metadata,
        status,
        answer: reply.filter(|_| status == JobStatus::Completed).map(|message| JobAnswer { message, took }),
        error,
    })
}

#[async_trait]
impl JobRepository for Db {
    async fn find(&self, id: JobId, now: Timestamp) -> StoreResult<Option<Job>> {
        Ok(in_snapshot!(self, |conn| find(conn, id.into(), now.millis()))?)
    }

    async fn ticket(&self, message: MessageId) -> StoreResult<Option<JobTicket>> {
        Ok(in_read!(self, |conn| ticket(conn, message.into()))?)
    }

    async fn list(&self, reach: Option<&Reach>, status: Option<JobStatus>, page: Page, now: Timestamp) -> StoreResult<JobList> {
        let sight = reach.map(Sight::from);
        Ok(in_snapshot!(self, |conn| list(conn, sight, status, page, now.millis()))?)
    }

    async fn figures(&self, reach: Option<&Reach>, now: Timestamp) -> StoreResult<JobFigures> {
        let sight = reach.map(Sight::from);
        Ok(in_read!(self, |conn| figures(conn, sight, now.millis()))?)
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(in_tx!(self, |conn| prune(conn, before.millis(), limit))?)
    }
}
