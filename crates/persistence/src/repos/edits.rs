//! Changing and deleting messages. What agents remember follows: deleting is forgetting.

use std::sync::Arc;

use core_types::memory::MESSAGES;
use core_types::messaging::{ChannelEvent, EventBody, Message, MessageChange, MessagePlace};
use core_types::{AgentId, MessageId};
use diesel::prelude::*;

use super::columns::{Id, Opaque};
use super::messages::{MessageRow, answered, find};
use super::schema::{agents, channels, memories, messages, rooms};
use super::{Conn, RunQueryDsl, deliveries, events, queue};
use crate::error::Fault;

#[derive(AsChangeset)]
#[diesel(table_name = messages)]
struct MessageChanges {
    content: Option<String>,
    raw: Option<Opaque>,
    source_type: Option<String>,
    metadata: Option<Opaque>,
    author_id: Option<Id>,
    in_reply_to: Option<Id>,
    updated_at: i64,
}

/// A changed message and what the readers of its channel are told.
type Updated = Option<(Arc<Message>, ChannelEvent)>;

work! {
    /// The channel is locked before the message is read.
    pub(super) fn update(conn: &mut Conn, place: MessagePlace, change: MessageChange, now: i64) -> Result<Updated, Fault> {
        let id = Id::from(place.id);
        if !run!(queue::hold_channel(conn, place.channel_id.into()))? {
            return Ok(None);
        }
        let Some(known) = run!(find(conn, id))?.filter(|message| message.place() == place) else { return Ok(None) };
        let mut metadata = change.metadata.unwrap_or(known.metadata);
        let in_reply_to = run!(answered(conn, known.channel_id.into(), change.in_reply_to, &mut metadata))?;
        let changes = MessageChanges {
            content: change.content.clone(),
            raw: change.raw.map(Opaque),
            source_type: change.source_type,
            metadata: Some(Opaque(metadata)),
            author_id: change.author_id.map(Id::from),
            in_reply_to: in_reply_to.map(Id::from),
            // Later, so that it shows.
            updated_at: now.max(known.created_at.millis() + 1),
        };
        let update = diesel::update(messages::table.find(id)).set(changes).returning(MessageRow::as_returning());
        let row: Option<MessageRow> = run!(update.get_result(conn)).optional()?;
        let Some(message) = row.map(|row| Arc::new(Message::from(row))) else { return Ok(None) };
        if let Some(text) = change.content {
            let remembered = run!(memories_of(conn, message.channel_id.into(), id, known.author_id.into()))?;
            run!(super::memories::set_text(conn, remembered, &text))?;
        }
        let body = EventBody::MessageUpdated(Some(Arc::clone(&message)));
        let event = run!(events::announce(conn, message.channel_id.into(), body, now))?;
        let event = event.ok_or_else(|| Fault::Defect("a locked channel is gone".to_owned()))?;
        Ok(Some((message, event)))
    }
}

work! {
    pub(super) fn remove(conn: &mut Conn, place: MessagePlace, now: i64) -> Result<Vec<ChannelEvent>, Fault> {
        let (channel, id) = (Id::from(place.channel_id), Id::from(place.id));
        if !run!(queue::hold_channel(conn, channel))? {
            return Ok(Vec::new());
        }
        let in_place = messages::table.find(id).filter(messages::channel_id.eq(channel)).filter(messages::seq.eq(place.seq));
        let author: Option<Id> = run!(diesel::delete(in_place).returning(messages::author_id).get_result(conn)).optional()?;
        let Some(author) = author else { return Ok(Vec::new()) };
        let mut told = run!(deliveries::cancel_of_message(conn, channel, id, now))?;
        let remembered = run!(memories_of(conn, channel, id, author))?;
        run!(diesel::delete(memories::table.filter(memories::id.eq_any(remembered))).execute(conn))?;
        told.extend(run!(events::announce(conn, channel, EventBody::MessageDeleted(id.to()), now))?);
        Ok(told)
    }
}

work! {
    pub(super) fn clear(conn: &mut Conn, channel: Id, now: i64) -> Result<Vec<ChannelEvent>, Fault> {
        if !run!(queue::hold_channel(conn, channel))? {
            return Ok(Vec::new());
        }
        let open = run!(queue::open_of_channel(conn, channel))?;
        let mut told = run!(deliveries::cancel_locked(conn, open, now))?;
        run!(diesel::delete(messages::table.filter(messages::channel_id.eq(channel))).execute(conn))?;
        let rooms: Vec<Id> = run!(rooms_of_held(conn, channel))?.into_iter().map(|(room, _)| room).collect();
        let conversation = memories::table.filter(memories::room_id.eq_any(rooms)).filter(memories::table_name.eq(MESSAGES));
        run!(diesel::delete(conversation).execute(conn))?;
        told.extend(run!(events::announce(conn, channel, EventBody::ChannelCleared, now))?);
        Ok(told)
    }
}

work! {
    /// What agents remember of a message: each under an id of its own what others said, and under the message's what it said itself.
    /// Clients choose the ids of messages and can tell those of memories, so nothing counts that is not of this conversation.
    fn memories_of(conn: &mut Conn, channel: Id, message: Id, author: Id) -> QueryResult<Vec<Id>> {
        let known = run!(rooms_of_held(conn, channel))?;
        let theirs = known.iter().map(|(_, agent)| Id::from(agent.to::<AgentId>().memory_of(message.to::<MessageId>())));
        let possible: Vec<Id> = std::iter::once(message).chain(theirs).collect();
        let rooms: Vec<Id> = known.iter().map(|(room, _)| *room).collect();
        // An agent whose reply it is said it, whoever is named as the author since.
        let speakers: Vec<Id> = run!(deliveries::speaker(conn, message.to()))?.into_iter().chain([author]).collect();
        let said_itself = memories::id.ne(message).or(memories::agent_id.eq_any(speakers));
        run!(
            memories::table
                .filter(memories::id.eq_any(possible))
                .filter(memories::room_id.eq_any(rooms))
                .filter(memories::table_name.eq(MESSAGES))
                .filter(said_itself)
                .select(memories::id)
                .load(conn)
        )
    }
}

/// Whose a channel is, and since when there is it.
pub(super) type Home = (Option<String>, i64);

work! {
    /// The rooms of a channel that is there.
    pub(super) fn rooms_of_held(conn: &mut Conn, channel: Id) -> QueryResult<Vec<(Id, Id)>> {
        let home: Home = run!(channels::table.find(channel).select((channels::owner, channels::created_at)).first(conn))?;
        run!(rooms_of(conn, channel, home))
    }
}

work! {
    /// The rooms in which agents remember a channel, and these agents. A room that came with an agent from elsewhere may name a channel
    /// that another tenant has made since: of a tenant's channel, those count that are its own agents', and those that are no older.
    pub(super) fn rooms_of(conn: &mut Conn, channel: Id, (owner, created_at): Home) -> QueryResult<Vec<(Id, Id)>> {
        let known = rooms::table
            .inner_join(agents::table.on(agents::id.eq(rooms::agent_id)))
            .filter(rooms::channel_id.eq(channel))
            .select((rooms::id, rooms::agent_id, agents::owner, rooms::created_at));
        let known: Vec<(Id, Id, Option<String>, i64)> = run!(known.load(conn))?;
        let of_channel = known.into_iter().filter(|(_, _, other, since)| owner.is_none() || *other == owner || *since >= created_at);
        Ok(of_channel.map(|(room, agent, ..)| (room, agent)).collect())
    }
}
