//! Channel events.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use core_types::messaging::{Channel, ChannelEvent, EVENTS_BYTES, EventBody, EventKind, Message};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::channels::{event_place, find_channel};
use super::columns::{Id, Json, json, meaning, time, word};
use super::memories::within;
use super::messages::find_all;
use super::prepared::fixed;
use super::schema::{channel_events, channels, messages};
use super::writes::write;
use super::{Conn, RunQueryDsl, queue};
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
    pub(super) fn shows_channel(&self) -> bool {
        self.kind == EventKind::ChannelUpdated.to_string()
    }

    pub(super) fn into_event(self, message: Option<Arc<Message>>, channel: Option<&Arc<Channel>>) -> Result<ChannelEvent, Fault> {
        let body = match word("channel_events.kind", &self.kind)? {
            EventKind::Message => EventBody::Message(message),
            EventKind::MessageUpdated => EventBody::MessageUpdated(message),
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

/// An event with the message that it is of, where that one is still there, and the bytes of that.
type Marked = (EventRow, Option<Id>, Option<i64>);

/// Keeps what is a page: events whose messages come to no more than [`EVENTS_BYTES`], each counted once, and one event at least.
fn cut(marked: &mut Vec<Marked>) {
    let mut known = HashSet::new();
    let sizes = marked.iter().map(|(_, message, bytes)| match message {
        Some(message) if known.insert(*message) => bytes.unwrap_or_default(),
        _ => 0,
    });
    let count = within(sizes, EVENTS_BYTES);
    marked.truncate(count);
}

work! {
    /// A message that is gone may have left its id to another, elsewhere or later here, which is not the one that was told. The sizes
    /// are looked at first, so that no more is read than is in the page, and each message once.
    pub(super) fn after(conn: &mut Conn, channel: Id, seq: i64, limit: u32) -> Result<Vec<ChannelEvent>, Fault> {
        let mut marked: Vec<Marked> = run!(
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
                .select((EventRow::as_select(), messages::id.nullable(), sql::<Nullable<BigInt>>(queue::MESSAGE_BYTES)))
                .load(conn)
        )?;
        cut(&mut marked);
        let ids: HashSet<Id> = marked.iter().filter_map(|(_, message, _)| *message).collect();
        let told = if ids.is_empty() { Vec::new() } else { run!(find_all(conn, ids.into_iter().collect()))? };
        let told: HashMap<Id, Arc<Message>> = told.into_iter().map(|message| (Id::from(message.id), Arc::new(message))).collect();
        let shown = marked.iter().any(|(event, ..)| event.shows_channel());
        let channel = if shown { run!(find_channel(conn, channel))?.map(Arc::new) } else { None };
        let event = |(event, message, _): Marked| event.into_event(message.and_then(|id| told.get(&id).cloned()), channel.as_ref());
        marked.into_iter().map(event).collect()
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_message_counts_once_however_often_it_was_edited() {
        let marked = |seq: i64, message: u128, bytes: usize| {
            let message = Some(Id(Uuid::from_u128(message)));
            let (channel_id, kind) = (Id(Uuid::nil()), String::new());
            let event = EventRow { channel_id, seq, kind, message_id: message, payload: None, created_at: 0 };
            (event, message, i64::try_from(bytes).ok())
        };
        let (half, whole) = (EVENTS_BYTES / 2, EVENTS_BYTES + 1);
        for (mut events, count) in [
            ((1..=50).map(|seq| marked(seq, 1, half)).collect::<Vec<_>>(), 50),
            (vec![marked(1, 1, half), marked(2, 2, half), marked(3, 1, half), marked(4, 3, 1)], 3),
            (vec![marked(1, 1, whole), marked(2, 1, whole), marked(3, 2, 0)], 1),
            (Vec::new(), 0),
        ] {
            cut(&mut events);
            assert_eq!(events.len(), count);
        }
    }
}
