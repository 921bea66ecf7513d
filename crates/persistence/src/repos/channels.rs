//! Message servers, channels, their participants, and the place that each new event takes in its channel.

use std::collections::HashSet;

use async_trait::async_trait;
use core_types::agents::Added;
use core_types::messaging::{Channel, ChannelAdded, ChannelRepository, MessageServer, ServerRepository};
use core_types::{ChannelId, EntityId, MessageServerId, StoreResult, Timestamp};
use diesel::dsl::{case_when, exists};
use diesel::prelude::*;

use super::columns::{Id, Object, time};
use super::schema::{channel_participants, channels, memories, message_servers, rooms};
use super::{Conn, Db, RunQueryDsl, deliveries};
use crate::error::Fault;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = message_servers, treat_none_as_default_value = false)]
struct ServerRow {
    id: Id,
    name: String,
    source_type: String,
    source_id: Option<String>,
    metadata: Object,
    created_at: i64,
    updated_at: i64,
}

impl From<MessageServer> for ServerRow {
    fn from(server: MessageServer) -> Self {
        Self {
            id: server.id.into(),
            name: server.name,
            source_type: server.source_type,
            source_id: server.source_id,
            metadata: Object(server.metadata),
            created_at: server.created_at.millis(),
            updated_at: server.updated_at.millis(),
        }
    }
}

impl From<ServerRow> for MessageServer {
    fn from(row: ServerRow) -> Self {
        Self {
            id: row.id.to(),
            name: row.name,
            source_type: row.source_type,
            source_id: row.source_id,
            metadata: row.metadata.0,
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = channels, treat_none_as_default_value = false)]
pub(super) struct ChannelRow {
    id: Id,
    server_id: Id,
    name: String,
    kind: String,
    source_type: Option<String>,
    source_id: Option<String>,
    topic: Option<String>,
    metadata: Object,
    created_at: i64,
    updated_at: i64,
}

impl From<Channel> for ChannelRow {
    fn from(channel: Channel) -> Self {
        Self {
            id: channel.id.into(),
            server_id: channel.server_id.into(),
            name: channel.name,
            kind: channel.kind,
            source_type: channel.source_type,
            source_id: channel.source_id,
            topic: channel.topic,
            metadata: Object(channel.metadata),
            created_at: channel.created_at.millis(),
            updated_at: channel.updated_at.millis(),
        }
    }
}

impl From<ChannelRow> for Channel {
    fn from(row: ChannelRow) -> Self {
        Self {
            id: row.id.to(),
            server_id: row.server_id.to(),
            name: row.name,
            kind: row.kind,
            source_type: row.source_type,
            source_id: row.source_id,
            topic: row.topic,
            metadata: row.metadata.0,
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        }
    }
}

/// The place that a message takes in its channel.
pub(super) struct Place {
    /// The channel.
    pub(super) channel: Channel,
    /// The message's sequence number.
    pub(super) seq: i64,
    /// When the message counts as stored.
    pub(super) at: i64,
    /// How many agents' messages in a row this is the last of; 0 for a person's.
    pub(super) agent_turns: i32,
}

work! {
    /// Takes the next place of a channel for a message. This locks the channel until the transaction ends, so that
    /// places are taken in the order of commits.
    pub(super) fn message_place(conn: &mut Conn, channel: Id, by_agent: bool, now: i64) -> QueryResult<Option<Place>> {
        let at = case_when(channels::last_message_at.ge(now), channels::last_message_at + 1).otherwise(now);
        let row: Option<(ChannelRow, i64, i64, i32)> = run!(
            diesel::update(channels::table.find(channel))
                .set((
                    channels::last_seq.eq(channels::last_seq + 1),
                    channels::last_message_at.eq(at),
                    channels::agent_turns.eq((channels::agent_turns + 1) * i32::from(by_agent)),
                ))
                .returning((ChannelRow::as_returning(), channels::last_seq, channels::last_message_at, channels::agent_turns))
                .get_result(conn)
        )
        .optional()?;
        Ok(row.map(|(channel, seq, at, agent_turns)| Place { channel: channel.into(), seq, at, agent_turns }))
    }
}

work! {
    /// Takes the next place of a channel for another event, and locks the channel likewise. Returns the sequence number
    /// and the event's time: never earlier than the message before it, so that pruning by age leaves no gap.
    pub(super) fn event_place(conn: &mut Conn, channel: Id, now: i64) -> QueryResult<Option<(i64, i64)>> {
        let place: Option<(i64, i64)> = run!(
            diesel::update(channels::table.find(channel))
                .set(channels::last_seq.eq(channels::last_seq + 1))
                .returning((channels::last_seq, channels::last_message_at))
                .get_result(conn)
        )
        .optional()?;
        Ok(place.map(|(seq, last_message_at)| (seq, last_message_at.max(now))))
    }
}

work! {
    fn find_channel(conn: &mut Conn, id: Id) -> Result<Option<Channel>, Fault> {
        let row = run!(channels::table.find(id).select(ChannelRow::as_select()).first(conn)).optional()?;
        Ok(row.map(Channel::from))
    }
}

work! {
    pub(super) fn add_channel(conn: &mut Conn, channel: Channel, participants: Vec<EntityId>) -> Result<ChannelAdded, Fault> {
        let id = Id::from(channel.id);
        if let Some(existing) = run!(find_channel(conn, id))? {
            return Ok(ChannelAdded::Existing(existing));
        }
        let server = message_servers::table.find(Id::from(channel.server_id));
        let server_known: bool = run!(diesel::select(exists(server)).get_result(conn))?;
        if !server_known {
            return Ok(ChannelAdded::NoServer);
        }
        let row = ChannelRow::from(channel);
        let added = run!(diesel::insert_into(channels::table).values(&row).on_conflict_do_nothing().execute(conn))?;
        if added == 0 {
            let existing = run!(find_channel(conn, id))?;
            return existing.map(ChannelAdded::Existing).ok_or_else(|| Fault::Defect("a channel vanished while it was added".to_owned()));
        }
        let mut seen = HashSet::new();
        for (position, entity) in (0_i32..).zip(participants.into_iter().filter(|entity| seen.insert(*entity))) {
            let participant = (
                channel_participants::channel_id.eq(id),
                channel_participants::entity_id.eq(Id::from(entity)),
                channel_participants::position.eq(position),
            );
            run!(diesel::insert_into(channel_participants::table).values(participant).execute(conn))?;
        }
        Ok(ChannelAdded::New(row.into()))
    }
}

work! {
    fn list_channels(conn: &mut Conn, server: Id) -> Result<Vec<Channel>, Fault> {
        let rows: Vec<ChannelRow> = run!(
            channels::table
                .filter(channels::server_id.eq(server))
                .order((channels::created_at, channels::ordinal))
                .select(ChannelRow::as_select())
                .load(conn)
        )?;
        Ok(rows.into_iter().map(Channel::from).collect())
    }
}

work! {
    fn participants(conn: &mut Conn, channel: Id) -> Result<Vec<EntityId>, Fault> {
        let rows: Vec<Id> = run!(
            channel_participants::table
                .filter(channel_participants::channel_id.eq(channel))
                .order(channel_participants::position)
                .select(channel_participants::entity_id)
                .load(conn)
        )?;
        Ok(rows.into_iter().map(Id::to).collect())
    }
}

work! {
    /// The channel's row goes first: posts and finishes hold it while they write deliveries, so that none is missed.
    /// Messages, events and participants go with it; agents' rooms and what they remember there do not hang on it.
    fn remove_channel(conn: &mut Conn, id: Id, now: i64) -> Result<bool, Fault> {
        let removed = run!(diesel::delete(channels::table.find(id)).execute(conn))?;
        run!(deliveries::cancel_of_channel(conn, id, now))?;
        let of_channel = rooms::table.filter(rooms::channel_id.eq(id));
        run!(diesel::delete(memories::table.filter(memories::room_id.eq_any(of_channel.select(rooms::id)))).execute(conn))?;
        run!(diesel::delete(of_channel).execute(conn))?;
        Ok(removed > 0)
    }
}

work! {
    fn find_server(conn: &mut Conn, id: Id) -> Result<Option<MessageServer>, Fault> {
        let row = run!(message_servers::table.find(id).select(ServerRow::as_select()).first(conn)).optional()?;
        Ok(row.map(MessageServer::from))
    }
}

work! {
    fn add_server(conn: &mut Conn, server: MessageServer) -> Result<Added<MessageServer>, Fault> {
        let row = ServerRow::from(server);
        let added = run!(diesel::insert_into(message_servers::table).values(&row).on_conflict_do_nothing().execute(conn))?;
        if added > 0 {
            return Ok(Added::New(row.into()));
        }
        let existing = run!(find_server(conn, row.id))?;
        existing.map(Added::Existing).ok_or_else(|| Fault::Defect("a message server vanished while it was added".to_owned()))
    }
}

work! {
    fn list_servers(conn: &mut Conn) -> Result<Vec<MessageServer>, Fault> {
        let order = (message_servers::created_at, message_servers::ordinal);
        let rows: Vec<ServerRow> = run!(message_servers::table.order(order).select(ServerRow::as_select()).load(conn))?;
        Ok(rows.into_iter().map(MessageServer::from).collect())
    }
}

#[async_trait]
impl ServerRepository for Db {
    async fn add(&self, server: MessageServer) -> StoreResult<Added<MessageServer>> {
        Ok(in_tx!(self, |conn| add_server(conn, server))?)
    }

    async fn find(&self, id: MessageServerId) -> StoreResult<Option<MessageServer>> {
        Ok(in_read!(self, |conn| find_server(conn, id.into()))?)
    }

    async fn list(&self) -> StoreResult<Vec<MessageServer>> {
        Ok(in_read!(self, |conn| list_servers(conn))?)
    }
}

#[async_trait]
impl ChannelRepository for Db {
    async fn add(&self, channel: Channel, participants: Vec<EntityId>) -> StoreResult<ChannelAdded> {
        Ok(in_tx!(self, |conn| add_channel(conn, channel, participants))?)
    }

    async fn find(&self, id: ChannelId) -> StoreResult<Option<Channel>> {
        Ok(in_read!(self, |conn| find_channel(conn, id.into()))?)
    }

    async fn list(&self, server: MessageServerId) -> StoreResult<Vec<Channel>> {
        Ok(in_read!(self, |conn| list_channels(conn, server.into()))?)
    }

    async fn participants(&self, id: ChannelId) -> StoreResult<Vec<EntityId>> {
        Ok(in_read!(self, |conn| participants(conn, id.into()))?)
    }

    async fn remove(&self, id: ChannelId, now: Timestamp) -> StoreResult<bool> {
        Ok(in_tx!(self, |conn| remove_channel(conn, id.into(), now.millis()))?)
    }
}
