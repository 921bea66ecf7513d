//! Sessions. Their rows are locked after the channel's, as everything is.

use async_trait::async_trait;
use core_types::messaging::{Channel, ChannelAdded};
use core_types::sessions::{
    Renewal, Session, SessionAdded, SessionChange, SessionChanged, SessionCount, SessionRepository, SessionTimeout,
};
use core_types::{EntityId, Listed, Page, Reach, SessionId, StoreResult, Timestamp};
use diesel::dsl::{exists, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::access::{Sight, channels_made};
use super::channels::add_channel;
use super::columns::{Id, Object, known_total, listed, owned, part_of, time};
use super::schema::{channels, sessions};
use super::{Conn, Db, RunQueryDsl, queue};
use crate::error::{Fault, Undo, settled};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
pub(super) struct SessionRow {
    id: Id,
    channel_id: Id,
    agent_id: Id,
    user_id: Id,
    metadata: Object,
    timeout_minutes: i32,
    auto_renew: bool,
    max_duration_minutes: i32,
    warning_threshold_minutes: i32,
    renewals: i32,
    created_at: i64,
    last_activity_at: i64,
    expires_at: i64,
}

impl From<Session> for SessionRow {
    fn from(session: Session) -> Self {
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        Self {
            id: session.id.into(),
            channel_id: session.channel_id.into(),
            agent_id: session.agent_id.into(),
            user_id: session.user_id.into(),
            metadata: Object(session.metadata),
            timeout_minutes: number(session.timeout.timeout_minutes),
            auto_renew: session.timeout.auto_renew,
            max_duration_minutes: number(session.timeout.max_duration_minutes),
            warning_threshold_minutes: number(session.timeout.warning_threshold_minutes),
            renewals: number(session.renewals),
            created_at: session.created_at.millis(),
            last_activity_at: session.last_activity.millis(),
            expires_at: session.expires_at.millis(),
        }
    }
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id.to(),
            channel_id: row.channel_id.to(),
            agent_id: row.agent_id.to(),
            user_id: row.user_id.to(),
            metadata: row.metadata.0,
            timeout: SessionTimeout {
                timeout_minutes: row.timeout_minutes.unsigned_abs(),
                auto_renew: row.auto_renew,
                max_duration_minutes: row.max_duration_minutes.unsigned_abs(),
                warning_threshold_minutes: row.warning_threshold_minutes.unsigned_abs(),
            },
            renewals: row.renewals.unsigned_abs(),
            created_at: time(row.created_at),
            last_activity: time(row.last_activity_at),
            expires_at: time(row.expires_at),
        }
    }
}

work! {
    /// The agent is held, so that it is there until its session is; how many there are is counted last, since on PostgreSQL
    /// nobody else may add one from then on. Room is made among a tenant's own first, where it has its part of them.
    fn open(conn: &mut Conn, session: Session, channel: Channel, most: u32) -> Result<SessionAdded, Undo<SessionAdded>> {
        let (agent, now, tenant) = (session.agent_id, session.created_at.millis(), owned(channel.owner.as_ref()));
        match run!(add_channel(conn, channel, vec![EntityId::from(agent)]))? {
            ChannelAdded::New(_) => {}
            ChannelAdded::Existing(_) | ChannelAdded::WasAnothers => return Err(Undo::Fault(Fault::Defect("a session's channel is there already".to_owned()))),
            ChannelAdded::NoServer => return Err(Undo::Answer(SessionAdded::NoServer)),
        }
        if !run!(queue::hold_agent(conn, agent.into()))? {
            return Err(Undo::Answer(SessionAdded::NoAgent));
        }
        run!(queue::lock_number_of(conn, "doolittle.sessions"))?;
        if let Some(tenant) = &tenant {
            let own: i64 = run!(sessions::table.filter(sessions::tenant.eq(tenant.clone())).count().get_result(conn))?;
            let too_many = own + 1 - part_of(most);
            if too_many > 0 && run!(forget_over_of(conn, tenant.clone(), now, too_many))? < too_many {
                return Err(Undo::Answer(SessionAdded::Full));
            }
        }
        let there: i64 = run!(sessions::table.count().get_result(conn))?;
        let too_many = there + 1 - i64::from(most);
        if too_many > 0 && run!(forget_over(conn, now, too_many))? < too_many {
            return Err(Undo::Answer(SessionAdded::Full));
        }
        let row = SessionRow::from(session);
        run!(diesel::insert_into(sessions::table).values((&row, sessions::tenant.eq(tenant))).execute(conn))?;
        Ok(SessionAdded::Added)
    }
}

work! {
    fn find(conn: &mut Conn, id: Id) -> Result<Option<Session>, Fault> {
        let row: Option<SessionRow> = run!(sessions::table.find(id).select(SessionRow::as_select()).first(conn)).optional()?;
        Ok(row.map(Session::from))
    }
}

/// The sessions of the channels that a tenant made; all, where nobody's reach ends.
macro_rules! sessions_made {
    ($sight:expr) => {{
        let all = sessions::table.into_boxed();
        match $sight {
            Some(sight) => {
                let of_session = channels::table.filter(channels::id.eq(sessions::channel_id));
                all.filter(exists(of_session.filter(channels_made!(sight))))
            }
            None => all,
        }
    }};
}

work! {
    fn list(conn: &mut Conn, sight: Option<Sight>, page: Page, now: i64) -> Result<Listed<Session>, Fault> {
        let going_on = || sessions_made!(&sight).filter(sessions::expires_at.gt(now));
        let rows: Vec<SessionRow> = run!(
            going_on()
                .order(sessions::ordinal)
                .offset(page.offset.into())
                .limit(page.limit.into())
                .select(SessionRow::as_select())
                .load(conn)
        )?;
        let total = match known_total(page, rows.len()) {
            Some(total) => total,
            None => run!(going_on().count().get_result(conn))?,
        };
        Ok(listed(rows, total))
    }
}

work! {
    fn count(conn: &mut Conn, sight: Option<Sight>, now: i64) -> Result<SessionCount, Fault> {
        let counts = (
            sql::<BigInt>("COUNT(CASE WHEN sessions.expires_at > ").bind::<BigInt, _>(now).sql(" THEN 1 END)"),
            sql::<BigInt>("COUNT(CASE WHEN sessions.expires_at > ")
                .bind::<BigInt, _>(now)
                .sql(" AND sessions.expires_at - CAST(sessions.warning_threshold_minutes AS BIGINT) * 60000 <= ")
                .bind::<BigInt, _>(now)
                .sql(" THEN 1 END)"),
            sql::<BigInt>("COUNT(CASE WHEN sessions.expires_at <= ").bind::<BigInt, _>(now).sql(" THEN 1 END)"),
        );
        let (active, near_end, over): (i64, i64, i64) = run!(sessions_made!(&sight).select(counts).get_result(conn))?;
        let [active, near_end, over] = [active, near_end, over].map(i64::unsigned_abs);
        Ok(SessionCount { active, near_end, over })
    }
}

work! {
    /// Changes a session that goes on, and is the one of this channel where one is given.
    pub(super) fn change(
        conn: &mut Conn, id: Id, channel: Option<Id>, change: SessionChange, now: i64,
    ) -> Result<SessionChanged, Fault> {
        let row: Option<SessionRow> = run!(queue::lock_session(conn, id))?;
        let Some(mut session) = row.filter(|row| channel.is_none_or(|channel| row.channel_id == channel)).map(Session::from) else {
            return Ok(SessionChanged::Unknown);
        };
        if session.is_over(time(now)) {
            return Ok(SessionChanged::Over);
        }
        let renewed = change.apply(&mut session, time(now));
        let row = SessionRow::from(session.clone());
        let set = (
            sessions::timeout_minutes.eq(row.timeout_minutes),
            sessions::auto_renew.eq(row.auto_renew),
            sessions::max_duration_minutes.eq(row.max_duration_minutes),
            sessions::warning_threshold_minutes.eq(row.warning_threshold_minutes),
            sessions::renewals.eq(row.renewals),
            sessions::last_activity_at.eq(row.last_activity_at),
            sessions::expires_at.eq(row.expires_at),
        );
        run!(diesel::update(sessions::table.find(id)).set(set).execute(conn))?;
        Ok(SessionChanged::Done(Renewal { session, renewed }))
    }
}

work! {
    fn remove(conn: &mut Conn, id: Id) -> Result<bool, Fault> {
        Ok(run!(diesel::delete(sessions::table.find(id)).execute(conn))? > 0)
    }
}

const FORGET_OVER: &str = concat!(
    "DELETE FROM sessions WHERE ordinal IN (SELECT s.ordinal FROM sessions s WHERE s.expires_at <= $1 ORDER BY s.expires_at LIMIT $2",
    passing_over_locked!("s"),
    ")"
);

/// The same of one tenant's. The values are numbered as they come: SQLite counts them so.
const FORGET_OVER_OF_TENANT: &str = concat!(
    "DELETE FROM sessions WHERE ordinal IN (SELECT s.ordinal FROM sessions s WHERE s.tenant = $1 AND s.expires_at <= $2 ",
    "ORDER BY s.expires_at LIMIT $3",
    passing_over_locked!("s"),
    ")"
);

work! {
    /// Forgets those of a tenant that are over, the first ended first; returns how many.
    fn forget_over_of(conn: &mut Conn, tenant: String, now: i64, limit: i64) -> Result<i64, Fault> {
        let forgetting = diesel::sql_query(FORGET_OVER_OF_TENANT).bind::<Text, _>(tenant).bind::<BigInt, _>(now).bind::<BigInt, _>(limit);
        let forgotten = run!(forgetting.execute(conn))?;
        Ok(i64::try_from(forgotten).unwrap_or(i64::MAX))
    }
}

work! {
    /// Forgets those that are over, the first ended first; returns how many.
    fn forget_over(conn: &mut Conn, now: i64, limit: i64) -> Result<i64, Fault> {
        let forgotten = run!(
            diesel::sql_query(FORGET_OVER).bind::<BigInt, _>(now).bind::<BigInt, _>(limit).execute(conn)
        )?;
        Ok(i64::try_from(forgotten).unwrap_or(i64::MAX))
    }
}

#[async_trait]
impl SessionRepository for Db {
    async fn add(&self, session: Session, channel: Channel, most: u32) -> StoreResult<SessionAdded> {
        settled(in_tx!(self, |conn| open(conn, session, channel, most)))
    }

    async fn find(&self, id: SessionId) -> StoreResult<Option<Session>> {
        Ok(in_read!(self, |conn| find(conn, id.into()))?)
    }

    async fn list(&self, reach: Option<&Reach>, page: Page, now: Timestamp) -> StoreResult<Listed<Session>> {
        let sight = reach.map(Sight::from);
        Ok(in_snapshot!(self, |conn| list(conn, sight, page, now.millis()))?)
    }

    async fn count(&self, reach: Option<&Reach>, now: Timestamp) -> StoreResult<SessionCount> {
        let sight = reach.map(Sight::from);
        Ok(in_read!(self, |conn| count(conn, sight, now.millis()))?)
    }

    async fn change(&self, id: SessionId, wanted: SessionChange, now: Timestamp) -> StoreResult<SessionChanged> {
        Ok(in_tx!(self, |conn| change(conn, id.into(), None, wanted, now.millis()))?)
    }

    async fn remove(&self, id: SessionId) -> StoreResult<bool> {
        Ok(in_tx!(self, |conn| remove(conn, id.into()))?)
    }

    async fn prune(&self, now: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(in_tx!(self, |conn| forget_over(conn, now.millis(), limit.into()))?.unsigned_abs())
    }
}
