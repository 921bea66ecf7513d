//! What a removal takes along is taken away in steps before it: SQLite has one writer, and others write between two steps. A removal that
//! ends in the middle has taken what was oldest, and made again it takes the rest. What is little is left to the removal itself.
//!
//! Also between two steps each thing that is gone has its reason, of which readers are told and which `care::check` asks for: an event
//! says that the channel is cleared, or the events from before are gone too.

use core_types::StoreResult;
use core_types::memory::MESSAGES;
use core_types::messaging::{ChannelEvent, EventBody};
use diesel::prelude::*;

use super::channels::{ids_of, remove_channel};
use super::columns::Id;
use super::edits::rooms_of_held;
use super::schema::{channel_events, channels, deliveries, logs, memories, messages, runs};
use super::{Conn, Db, RunQueryDsl, events, queue};
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

/// What is taken of a channel.
#[derive(Clone, Copy)]
enum Part {
    /// What was said before this place.
    SaidBefore(i64),
    /// That and its events.
    Everything,
}

work! {
    /// The place before which messages are taken with the oldest events, and the same again where there are more events than a step takes.
    /// Where a message is gone, no event before it may be left: with nothing to tell why, it would be missed.
    fn oldest(conn: &mut Conn, channel: Id) -> QueryResult<(i64, Option<i64>)> {
        let told = || channel_events::table.filter(channel_events::channel_id.eq(channel)).order(channel_events::seq);
        let next: Option<i64> = run!(told().offset(STEP.into()).select(channel_events::seq).first(conn)).optional()?;
        let first: Option<i64> = run!(told().select(channel_events::seq).first(conn)).optional()?;
        Ok((next.or(first).unwrap_or(i64::MAX), next))
    }
}

work! {
    /// Messages that an agent is still to answer stay: the removal itself tells that they are not.
    fn of_channel(conn: &mut Conn, channel: Id, part: Part) -> Result<Step, Fault> {
        if !run!(diesel::select(diesel::dsl::exists(channels::table.find(channel))).get_result(conn))? {
            return Ok(Step::default());
        }
        let (before, events) = match part {
            Part::SaidBefore(seq) => (seq, None),
            Part::Everything => run!(oldest(conn, channel))?,
        };
        let open = deliveries::table.filter(deliveries::channel_id.eq(channel)).filter(deliveries::ended_at.is_null());
        let settled = messages::table
            .filter(messages::channel_id.eq(channel))
            .filter(messages::id.ne_all(open.select(deliveries::message_id)))
            .order(messages::created_at)
            .limit(STEP.into())
            .select((messages::id, messages::seq));
        // Their places are compared here: asked for those alone, the database would go through the whole channel where they are few.
        let settled: Vec<(Id, i64)> = run!(settled.load(conn))?;
        let messages = settled.into_iter().filter(|(_, seq)| *seq < before).map(|(message, _)| message).collect();
        let rooms: Vec<Id> = run!(rooms_of_held(conn, channel))?.into_iter().map(|(room, _)| room).collect();
        let conversation = memories::table
            .filter(memories::room_id.eq_any(rooms))
            .filter(memories::table_name.eq(MESSAGES))
            .limit(STEP.into())
            .select(memories::id);
        Ok(Step { messages, memories: run!(conversation.load(conn))?, events, ..Step::default() })
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

impl Db {
    /// Before the channel is cleared. Where this takes steps, an event comes before the first, and is returned to be published: readers
    /// know what is gone also where nothing follows. What is said after it is left to the clearing itself, which tells of that.
    pub(super) async fn thin_conversation(&self, channel: Id, now: i64) -> StoreResult<Option<ChannelEvent>> {
        let all = in_snapshot!(self, |conn| of_channel(conn, channel, Part::SaidBefore(i64::MAX)))?;
        if all.is_little() {
            return Ok(None);
        }
        // Readers may see it at once, and so a power cut must not give its place to another.
        let told = in_tx!(self, |conn| events::announce(conn, channel, EventBody::ChannelCleared, now))?;
        let Some(place) = told.as_ref().map(|event| event.seq) else { return Ok(None) };
        loop {
            let step = in_snapshot!(self, |conn| of_channel(conn, channel, Part::SaidBefore(place)))?;
            if step.is_little() {
                return Ok(told);
            }
            in_passing_tx!(self, |conn| take(conn, Some(channel), step))?;
        }
    }

    /// Before the channel is removed with its events.
    pub(super) async fn thin_channel(&self, channel: Id) -> StoreResult<()> {
        loop {
            let step = in_snapshot!(self, |conn| of_channel(conn, channel, Part::Everything))?;
            if step.is_little() {
                return Ok(());
            }
            in_passing_tx!(self, |conn| take(conn, Some(channel), step))?;
        }
    }

    /// Before the message server is removed: its channels, each in a transaction of its own, since many short ones are much, too. Returns
    /// their ends. What comes to the server meanwhile is left to the removal itself.
    pub(super) async fn remove_channels_before(&self, server: Id, now: i64) -> StoreResult<Vec<ChannelEvent>> {
        let mut ends = Vec::new();
        for channel in in_read!(self, |conn| ids_of(conn, server))? {
            self.thin_channel(channel).await?;
            ends.extend(in_passing_tx!(self, |conn| remove_channel(conn, channel, now))?);
        }
        Ok(ends)
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
