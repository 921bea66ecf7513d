//! Channel events.

use std::sync::Arc;

use core_types::messaging::{Channel, ChannelEvent, EventBody, EventKind, Message};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::channels::{event_place, find_channel};
use super::columns::{Id, Json, json, meaning, time, word};
use super::messages::MessageRow;
use super::prepared::fixed;
use super::schema::{channel_events, channels, messages};
use super::writes::write;
use super::{Conn, RunQueryDsl};
use crate::error::Fault;

/// An event as it is stored.
#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = channel_events, treat_none_as_default_value = false)]
pub(super) struct EventRow {
    pub(super) channel_id: Id,
    pub(super) seq: i64,
    pub(super) kind: String,
    pub(super) message_id: Option<Id>,
    pub(super) payload: Option<Json>,
    pub(super) created_at: i64,
}

impl EventRow {
    /// Whether the event shows the channel as it is now.
    fn shows_channel(&self) -> bool {
        self.kind == EventKind::ChannelUpdated.to_string()
    }

    fn into_event(self, message: Option<MessageRow>, channel: Option<&Arc<Channel>>) -> Result<ChannelEvent, Fault> {
        let body = match word("channel_events.kind", &self.kind)? {
            EventKind::Message => EventBody::Message(message.map(|row| Arc::new(Message::from(row)))),
            EventKind::MessageUpdated => EventBody::MessageUpdated(message.map(|row| Arc::new(Message::from(row)))),
            EventKind::MessageDeleted => EventBody::MessageDeleted(self.message_id.map(Id::to).ok_or_else(|| nameless(&self.kind))?),
            EventKind::ChannelCleared => EventBody::ChannelCleared,
            EventKind::ChannelUpdated => {
                let gone = || Fault::Defect("an event outlived its channel".to_owned());
                EventBody::ChannelUpdated(channel.cloned().ok_or_else(gone)?)
            }
            EventKind::MessageComplete => {
                EventBody::Complete(self.payload.map(|payload| meaning("channel_events.payload", payload)).transpose()?)
            }
            EventKind::ChannelDeleted => EventBody::ChannelDeleted,
        };
        Ok(ChannelEvent { channel_id: self.channel_id.to(), seq: self.seq, body, created_at: time(self.created_at) })
    }
}

/// An event of this kind must name a message.
fn nameless(kind: &str) -> Fault {
    Fault::Defect(format!("an event of kind {kind} names no message"))
}

work! {
    pub(super) fn add(conn: &mut Conn, event: &EventRow) -> QueryResult<()> {
        run!(write(conn, fixed!(diesel::insert_into(channel_events::table).values(event))))
    }
}

work! {
    pub(super) fn announce(conn: &mut Conn, channel: Id, body: EventBody, now: i64) -> Result<Option<ChannelEvent>, Fault> {
        let (message_id, payload) = match &body {
            EventBody::Message(message) | EventBody::MessageUpdated(message) => (message.as_ref().map(|message| Id::from(message.id)), None),
            EventBody::MessageDeleted(message) => (Some(Id::from(*message)), None),
            EventBody::ChannelCleared | EventBody::ChannelUpdated(_) => (None, None),
            EventBody::Complete(completion) => (None, completion.as_ref().map(json).transpose()?),
            EventBody::ChannelDeleted => return Err(Fault::Defect("the end of a channel is published, never stored".to_owned())),
        };
        let Some((seq, created_at)) = run!(event_place(conn, channel, now))? else { return Ok(None) };
        let row = EventRow { channel_id: channel, seq, kind: body.kind().to_string(), message_id, payload, created_at };
        run!(add(conn, &row))?;
        Ok(Some(ChannelEvent { channel_id: channel.to(), seq, body, created_at: time(created_at) }))
    }
}

work! {
    /// A message that is gone may have left its id to another, elsewhere or later here, which is not the one that was told.
    pub(super) fn after(conn: &mut Conn, channel: Id, seq: i64, limit: u32) -> Result<Vec<ChannelEvent>, Fault> {
        let rows: Vec<(EventRow, Option<MessageRow>)> = run!(
            channel_events::table
                .left_join(
                    messages::table.on(channel_events::message_id
                        .eq(messages::id.nullable())
                        .and(messages::channel_id.eq(channel_events::channel_id))
                        .and(messages::seq.le(channel_events::seq))),
                )
                .filter(channel_events::channel_id.eq(channel))
                .filter(channel_events::seq.gt(seq))
                .order(channel_events::seq)
                .limit(limit.into())
                .select((EventRow::as_select(), Option::<MessageRow>::as_select()))
                .load(conn)
        )?;
        let shown = rows.iter().any(|(event, _)| event.shows_channel());
        let channel = if shown { run!(find_channel(conn, channel))?.map(Arc::new) } else { None };
        rows.into_iter().map(|(event, message)| event.into_event(message, channel.as_ref())).collect()
    }
}

work! {
    pub(super) fn last_seq(conn: &mut Conn, channel: Id) -> Result<Option<i64>, Fault> {
        Ok(run!(channels::table.find(channel).select(channels::last_seq).first(conn)).optional()?)
    }
}

work! {
    pub(super) fn beyond(conn: &mut Conn, keep: u32) -> Result<Option<i64>, Fault> {
        let newest_first = channel_events::table.order(channel_events::created_at.desc());
        Ok(run!(newest_first.offset(keep.into()).select(channel_events::created_at).first(conn)).optional()?)
    }
}

work! {
    pub(super) fn prune(conn: &mut Conn, before: i64, limit: u32) -> Result<u64, Fault> {
        // By age and then by sequence number, so that what is left of a channel's events has no gap.
        let events = run!(
            diesel::sql_query(
                "DELETE FROM channel_events WHERE (channel_id, seq) IN (\
                 SELECT channel_id, seq FROM channel_events WHERE created_at < $1 ORDER BY created_at, seq LIMIT $2)",
            )
            .bind::<BigInt, _>(before)
            .bind::<BigInt, _>(i64::from(limit))
            .execute(conn)
        )?;
        Ok(u64::try_from(events).unwrap_or(u64::MAX))
    }
}
