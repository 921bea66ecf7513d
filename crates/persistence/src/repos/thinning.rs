//! What a removal takes along is taken away in steps before it: SQLite has one writer, and others write between two steps. A removal that
//! ends in the middle has taken what was oldest, and made again it takes the rest. What is little is left to the removal itself.

use core_types::StoreResult;
use core_types::memory::MESSAGES;
use diesel::prelude::*;

use super::columns::Id;
use super::edits::rooms_of_held;
use super::schema::{channel_events, channels, deliveries, logs, memories, messages, runs};
use super::{Conn, Db, RunQueryDsl, queue};
use crate::error::Fault;

/// How many rows of a kind are deleted in one transaction, which others wait for.
const STEP: u16 = 200;

/// What the next step takes.
#[derive(Clone, Default)]
struct Step {
    messages: Vec<Id>,
    memories: Vec<Id>,
    runs: Vec<Id>,
    logs: Vec<Id>,
    /// Of the channel, those before this one.
    events: Option<i64>,
}

impl Step {
    /// There is less of everything than a step takes.
    fn is_little(&self) -> bool {
        let most = [&self.messages, &self.memories, &self.runs, &self.logs].into_iter().map(Vec::len).max();
        most.unwrap_or_default() < usize::from(STEP) && self.events.is_none()
    }
}

work! {
    /// Messages that an agent is still to answer stay: the removal itself tells that they are not.
    fn of_channel(conn: &mut Conn, channel: Id, with_events: bool) -> Result<Step, Fault> {
        if !run!(diesel::select(diesel::dsl::exists(channels::table.find(channel))).get_result(conn))? {
            return Ok(Step::default());
        }
        let open = deliveries::table.filter(deliveries::channel_id.eq(channel)).filter(deliveries::ended_at.is_null());
        let settled = messages::table
            .filter(messages::channel_id.eq(channel))
            .filter(messages::id.ne_all(open.select(deliveries::message_id)))
            .order(messages::created_at)
            .limit(STEP.into())
            .select(messages::id);
        let rooms: Vec<Id> = run!(rooms_of_held(conn, channel))?.into_iter().map(|(room, _)| room).collect();
        let conversation = memories::table
            .filter(memories::room_id.eq_any(rooms))
            .filter(memories::table_name.eq(MESSAGES))
            .limit(STEP.into())
            .select(memories::id);
        let told = channel_events::table.filter(channel_events::channel_id.eq(channel)).order(channel_events::seq);
        let events = if with_events { run!(told.offset(STEP.into()).select(channel_events::seq).first(conn)).optional()? } else { None };
        Ok(Step { messages: run!(settled.load(conn))?, memories: run!(conversation.load(conn))?, events, ..Step::default() })
    }
}

work! {
    fn of_agent(conn: &mut Conn, agent: Id) -> Result<Step, Fault> {
        let memories = memories::table.filter(memories::agent_id.eq(agent)).limit(STEP.into()).select(memories::id);
        let runs = runs::table.filter(runs::agent_id.eq(agent)).limit(STEP.into()).select(runs::id);
        let logs = logs::table.filter(logs::agent_id.eq(agent)).limit(STEP.into()).select(logs::id);
        let (memories, runs, logs) = (run!(memories.load(conn))?, run!(runs.load(conn))?, run!(logs.load(conn))?);
        Ok(Step { memories, runs, logs, ..Step::default() })
    }
}

work! {
    /// The channel is locked first, as everywhere.
    fn take(conn: &mut Conn, channel: Option<Id>, step: Step) -> Result<(), Fault> {
        if let Some(channel) = channel {
            if !run!(queue::hold_channel(conn, channel))? {
                return Ok(());
            }
            if let Some(seq) = step.events {
                let before = channel_events::table.filter(channel_events::channel_id.eq(channel)).filter(channel_events::seq.lt(seq));
                run!(diesel::delete(before).execute(conn))?;
            }
            let of_channel = messages::table.filter(messages::channel_id.eq(channel));
            run!(diesel::delete(of_channel.filter(messages::id.eq_any(step.messages))).execute(conn))?;
        }
        run!(diesel::delete(memories::table.filter(memories::id.eq_any(step.memories))).execute(conn))?;
        run!(diesel::delete(runs::table.filter(runs::id.eq_any(step.runs))).execute(conn))?;
        run!(diesel::delete(logs::table.filter(logs::id.eq_any(step.logs))).execute(conn))?;
        Ok(())
    }
}

work! {
    /// Channels of a message server in which much may have been said.
    fn long_channels(conn: &mut Conn, server: Id) -> Result<Vec<Id>, Fault> {
        let long = channels::table.filter(channels::server_id.eq(server)).filter(channels::last_seq.gt(i64::from(STEP)));
        Ok(run!(long.select(channels::id).load(conn))?)
    }
}

impl Db {
    /// Before the channel is cleared, or removed with its events.
    pub(super) async fn thin_channel(&self, channel: Id, with_events: bool) -> StoreResult<()> {
        loop {
            let step = in_snapshot!(self, |conn| of_channel(conn, channel, with_events))?;
            if step.is_little() {
                return Ok(());
            }
            in_passing_tx!(self, |conn| take(conn, Some(channel), step))?;
        }
    }

    /// Before the message server is removed with its channels.
    pub(super) async fn thin_channels_of(&self, server: Id) -> StoreResult<()> {
        for channel in in_read!(self, |conn| long_channels(conn, server))? {
            self.thin_channel(channel, true).await?;
        }
        Ok(())
    }

    /// Before the agent is removed with what it remembers and did.
    pub(super) async fn thin_agent(&self, agent: Id) -> StoreResult<()> {
        loop {
            let step = in_snapshot!(self, |conn| of_agent(conn, agent))?;
            if step.is_little() {
                return Ok(());
            }
            in_passing_tx!(self, |conn| take(conn, None, step))?;
        }
    }
}
