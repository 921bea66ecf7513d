//! Channels, and the place that each new event takes in its channel.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::messaging::{Channel, ChannelAdded, ChannelChange, ChannelEvent, ChannelRepository, ChannelVersion, EventBody, Membership};
use core_types::{ChannelId, EntityId, Ids, Listed, MessageServerId, Page, Reach, StoreResult, Tenant, Timestamp};
use diesel::dsl::{case_when, sql};
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::access::{Sight, channels_within};
use super::columns::{Id, Object, fitting, known_total, listed, owned, owner, time};
use super::edits::{Home, rooms_of};
use super::prepared::fixed;
use super::schema::{channel_participants, channels, memories, rooms};
use super::{Conn, Db, RunQueryDsl, deliveries, events, gone, members, queue};
use crate::error::Fault;

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
    owner: Option<String>,
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
            owner: owned(channel.owner.as_ref()),
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
            owner: owner(row.owner.as_deref()),
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

/// Whose turn in the conversation a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// A person's, which ends the agents' talk among themselves.
    Person,
    /// An agent's.
    Agent,
    /// Nobody's: it is no contribution.
    Nobody,
}

impl Turn {
    /// By what the count of agents' turns is multiplied, and what is added to it.
    const fn counts(self) -> (i32, i32) {
        match self {
            Self::Person => (0, 0),
            Self::Agent => (1, 1),
            Self::Nobody => (1, 0),
        }
    }
}

work! {
    /// Takes the next place of a channel for a message. This locks the channel until the transaction ends, so that
    /// places are taken in the order of commits.
    pub(super) fn message_place(conn: &mut Conn, channel: Id, turn: Turn, now: i64) -> QueryResult<Option<Place>> {
        let (kept, added) = turn.counts();
        let at = case_when(channels::last_message_at.ge(now), channels::last_message_at + 1).otherwise(now);
        let row: Option<(ChannelRow, i64, i64, i32)> = run!(
            fixed!(
                diesel::update(channels::table.find(channel))
                    .set((
                        channels::last_seq.eq(channels::last_seq + 1),
                        channels::last_message_at.eq(at),
                        channels::agent_turns.eq(channels::agent_turns * kept + added),
                    ))
                    .returning((ChannelRow::as_returning(), channels::last_seq, channels::last_message_at, channels::agent_turns))
            )
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
            fixed!(
                diesel::update(channels::table.find(channel))
                    .set(channels::last_seq.eq(channels::last_seq + 1))
                    .returning((channels::last_seq, channels::last_message_at))
            )
            .get_result(conn)
        )
        .optional()?;
        Ok(place.map(|(seq, last_message_at)| (seq, last_message_at.max(now))))
    }
}

work! {
    /// The version of a channel's messages.
    pub(super) fn version(conn: &mut Conn, id: Id) -> QueryResult<Option<ChannelVersion>> {
        let columns = (channels::last_seq, channels::last_message_at, channels::created_at);
        let row: Option<(i64, i64, i64)> = run!(channels::table.find(id).select(columns).first(conn)).optional()?;
        Ok(row.map(|(seq, message, created)| ChannelVersion { seq, last_message_at: time(message), created_at: time(created) }))
    }
}

work! {
    pub(super) fn find_channel(conn: &mut Conn, id: Id) -> Result<Option<Channel>, Fault> {
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
        if !run!(queue::hold_server(conn, channel.server_id.into()))? {
            return Ok(ChannelAdded::NoServer);
        }
        let row = ChannelRow::from(channel);
        let added = run!(diesel::insert_into(channels::table).values(&row).on_conflict_do_nothing().execute(conn))?;
        if added == 0 {
            let existing = run!(find_channel(conn, id))?;
            return existing.map(ChannelAdded::Existing).ok_or_else(|| Fault::Defect("a channel vanished while it was added".to_owned()));
        }
        // Only now: one that is removed at the same moment is waited for by then.
        if run!(gone::was_anothers(conn, id, row.owner.as_deref(), row.created_at))? {
            run!(diesel::delete(channels::table.find(id)).execute(conn))?;
            return Ok(ChannelAdded::WasAnothers);
        }
        run!(members::add_all(conn, id, participants))?;
        Ok(ChannelAdded::New(row.into()))
    }
}

work! {
    fn find_named(conn: &mut Conn, owner: Option<String>, server: Id, kind: &str, name: &str) -> Result<Option<Channel>, Fault> {
        let named = channels::table.filter(channels::server_id.eq(server)).filter(channels::name.eq(name)).filter(channels::kind.eq(kind));
        let named = match owner {
            Some(owner) => named.filter(channels::owner.eq(owner)).into_boxed(),
            None => named.filter(channels::owner.is_null()).into_boxed(),
        };
        let row = run!(named.order(channels::ordinal).select(ChannelRow::as_select()).first(conn)).optional()?;
        Ok(row.map(Channel::from))
    }
}

/// The bytes of a channel that may be many.
const BYTES: &str = concat!("CAST(", json_bytes!("channels.metadata"), " + coalesce(octet_length(channels.topic), 0) AS BIGINT)");

work! {
    /// The sizes are looked at first, so that no more is read than is in the page.
    fn list_channels(conn: &mut Conn, sight: Option<Sight>, server: Id, page: Page) -> Result<Listed<Channel>, Fault> {
        let of_server = || {
            let of_server = channels::table.filter(channels::server_id.eq(server)).into_boxed();
            match &sight {
                Some(sight) => of_server.filter(channels_within!(sight)),
                None => of_server,
            }
        };
        let in_order = || of_server().order((channels::created_at, channels::ordinal)).offset(page.offset.into());
        let sizes: Vec<i64> = run!(in_order().limit(page.limit.into()).select(sql::<BigInt>(BYTES)).load(conn))?;
        let rows: Vec<ChannelRow> = run!(in_order().limit(fitting(&sizes)).select(ChannelRow::as_select()).load(conn))?;
        let total = match known_total(page, sizes.len()) {
            Some(total) => total,
            None => run!(of_server().count().get_result(conn))?,
        };
        Ok(listed(rows, total))
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = channels)]
struct ChannelChanges {
    name: Option<String>,
    metadata: Option<Object>,
    updated_at: i64,
}

work! {
    /// The change locks the channel, so that no message comes between it and its event.
    fn update_channel(
        conn: &mut Conn, id: Id, change: ChannelChange, now: i64,
    ) -> Result<Option<(Channel, Vec<ChannelEvent>)>, Fault> {
        let changes = ChannelChanges { name: change.name, metadata: change.metadata.map(Object), updated_at: now };
        let update = diesel::update(channels::table.find(id)).set(changes).returning(ChannelRow::as_returning());
        let row: Option<ChannelRow> = run!(update.get_result(conn)).optional()?;
        let Some(channel) = row.map(Channel::from) else { return Ok(None) };
        let mut told = match change.participants {
            Some(participants) => run!(members::replace(conn, id, participants, now))?,
            None => Vec::new(),
        };
        let body = EventBody::ChannelUpdated(Arc::new(channel.clone()));
        told.extend(run!(events::announce(conn, id, body, now))?);
        Ok(Some((channel, told)))
    }
}

work! {
    /// The channel of a message server that stands for the same one of its platform, and is the same owner's.
    fn of_source(conn: &mut Conn, channel: &Channel) -> Result<Option<Channel>, Fault> {
        let of_source = channels::table
            .filter(channels::server_id.eq(Id::from(channel.server_id)))
            .filter(channels::source_id.eq(channel.source_id.clone()));
        let of_source = match owned(channel.owner.as_ref()) {
            Some(owner) => of_source.filter(channels::owner.eq(owner)).into_boxed(),
            None => of_source.filter(channels::owner.is_null()).into_boxed(),
        };
        let row = run!(of_source.order(channels::ordinal).select(ChannelRow::as_select()).first(conn)).optional()?;
        Ok(row.map(Channel::from))
    }
}

work! {
    fn sync_channels(conn: &mut Conn, server: Id, channels: Vec<Channel>, now: i64, ids: &dyn Ids) -> Result<Option<Vec<ChannelEvent>>, Fault> {
        if !run!(queue::hold_server(conn, server))? {
            return Ok(None);
        }
        let mut told = Vec::new();
        for channel in channels {
            let is_meant = |there: &Channel| Id::from(there.server_id) == server && there.owner == channel.owner;
            let there = match run!(add_channel(conn, channel.clone(), Vec::new()))? {
                ChannelAdded::Existing(there) if is_meant(&there) => Some(there),
                // Ids can be chosen: who guessed one has a channel that is not the one that is meant, which is known by its source then.
                ChannelAdded::Existing(_) | ChannelAdded::WasAnothers => {
                    let there = run!(of_source(conn, &channel))?;
                    if there.is_none() {
                        run!(add_channel(conn, Channel { id: ids.uuid().into(), ..channel.clone() }, Vec::new()))?;
                    }
                    there
                }
                ChannelAdded::New(_) | ChannelAdded::NoServer => None,
            };
            if let Some(there) = there.filter(|there| there.name != channel.name) {
                let change = ChannelChange { name: Some(channel.name), ..ChannelChange::default() };
                let changed = run!(update_channel(conn, there.id.into(), change, now))?;
                told.extend(changed.into_iter().flat_map(|(_, events)| events));
            }
        }
        Ok(Some(told))
    }
}

work! {
    /// The channel's row goes first: posts and finishes hold it while they write deliveries, so that none is missed.
    /// Messages, events and participants go with it; agents' rooms and what they remember there do not hang on it.
    pub(super) fn remove_channel(conn: &mut Conn, id: Id, now: i64) -> Result<Option<ChannelEvent>, Fault> {
        let removed = diesel::delete(channels::table.find(id)).returning((channels::last_seq, (channels::owner, channels::created_at)));
        let removed: Option<(i64, Home)> = run!(removed.get_result(conn)).optional()?;
        run!(deliveries::cancel_of_channel(conn, id, now))?;
        let Some((last_seq, home)) = removed else { return Ok(None) };
        run!(gone::note(conn, id, home.0.clone(), now))?;
        let rooms: Vec<Id> = run!(rooms_of(conn, id, home))?.into_iter().map(|(room, _)| room).collect();
        run!(diesel::delete(memories::table.filter(memories::room_id.eq_any(rooms.clone()))).execute(conn))?;
        run!(diesel::delete(rooms::table.filter(rooms::id.eq_any(rooms))).execute(conn))?;
        let end = ChannelEvent { channel_id: id.to(), seq: last_seq + 1, body: EventBody::ChannelDeleted, created_at: time(now) };
        Ok(Some(end))
    }
}

work! {
    /// The channels of a message server, in the order of their ids.
    pub(super) fn ids_of(conn: &mut Conn, server: Id) -> Result<Vec<Id>, Fault> {
        let of_server = channels::table.filter(channels::server_id.eq(server));
        Ok(run!(of_server.order(channels::id).select(channels::id).load(conn))?)
    }
}

work! {
    /// Removes all channels of a message server that is locked; returns their ends.
    pub(super) fn remove_channels_of(conn: &mut Conn, server: Id, now: i64) -> Result<Vec<ChannelEvent>, Fault> {
        let ids = run!(ids_of(conn, server))?;
        let mut ends = Vec::with_capacity(ids.len());
        for id in ids {
            ends.extend(run!(remove_channel(conn, id, now))?);
        }
        Ok(ends)
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

    async fn find_named(&self, owner: Option<&Tenant>, server: MessageServerId, kind: &str, name: &str) -> StoreResult<Option<Channel>> {
        let (owner, kind, name) = (owned(owner), kind.to_owned(), name.to_owned());
        Ok(in_read!(self, |conn| find_named(conn, owner, server.into(), &kind, &name))?)
    }

    async fn list(&self, reach: Option<&Reach>, server: MessageServerId, page: Page) -> StoreResult<Listed<Channel>> {
        let sight = reach.map(Sight::from);
        Ok(in_snapshot!(self, |conn| list_channels(conn, sight, server.into(), page))?)
    }

    async fn sync(&self, server: MessageServerId, channels: Vec<Channel>, now: Timestamp) -> StoreResult<Option<Vec<ChannelEvent>>> {
        let ids = Arc::clone(&self.ids);
        Ok(in_tx!(self, |conn| sync_channels(conn, server.into(), channels, now.millis(), &*ids))?)
    }

    async fn update(&self, id: ChannelId, change: ChannelChange, now: Timestamp) -> StoreResult<Option<(Channel, Vec<ChannelEvent>)>> {
        Ok(in_tx!(self, |conn| update_channel(conn, id.into(), change, now.millis()))?)
    }

    async fn participants(&self, id: ChannelId) -> StoreResult<Vec<EntityId>> {
        Ok(in_read!(self, |conn| members::list(conn, id.into()))?)
    }

    async fn join(&self, id: ChannelId, who: EntityId, reach: Option<&Reach>) -> StoreResult<Membership> {
        let sight = reach.map(Sight::from);
        Ok(in_tx!(self, |conn| members::join(conn, id.into(), who.into(), sight.as_ref()))?)
    }

    async fn leave(&self, id: ChannelId, who: EntityId, now: Timestamp) -> StoreResult<Membership> {
        Ok(in_tx!(self, |conn| members::leave(conn, id.into(), who.into(), now.millis()))?)
    }

    async fn remove(&self, id: ChannelId, now: Timestamp) -> StoreResult<Option<ChannelEvent>> {
        self.thin_channel(id.into()).await?;
        Ok(in_tx!(self, |conn| remove_channel(conn, id.into(), now.millis()))?)
    }
}
