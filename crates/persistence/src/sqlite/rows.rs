//! Reading every row as the server does, to find those that it cannot.
//!
//! SQLite keeps whatever bytes there are. That a text is UTF-8, that it is JSON, that an id has its length and a word its meaning shows
//! only where a repository reads the row, and then as an error. So the rows are read here with the repositories' own types, one after the
//! other: it takes no more memory than one of them.

use std::error::Error as StdError;
use std::str::Utf8Error;

use core_types::deliveries::Delivery;
use core_types::memory::RoomState;
use core_types::{Permission, StoreError};
use diesel::connection::{DefaultLoadingMode, SimpleConnection as _};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::result::{DeserializeFieldError, Error as QueryError};
use diesel::sql_types::{BigInt, Text};
use uuid::Uuid;

use super::Conn;
use super::agents::AgentRow;
use super::channels::ChannelRow;
use super::columns::{Id, UnreadableJson, word};
use super::deliveries::DeliveryRow;
use super::events::EventRow;
use super::keys::KeyRow;
use super::media::MediaRow;
use super::memories::MemoryRow;
use super::messages::MessageRow;
use super::plane::{EntityRow, RoomRow};
use super::runs::{LogRow, RunRow};
use super::schema::{
    agent_secrets, agents, api_keys, channel_events, channel_participants, channels, channels_gone, deliveries, embedding_spaces, entities,
    idempotency, jobs, logs, media, memories, memory_vectors, message_servers, messages, participants, rooms, runs, server_agents,
    sessions, vectors_gone, worlds,
};
use super::servers::ServerRow;
use super::sessions::SessionRow;
use super::worlds::WorldRow;
use crate::error::Fault;

/// The fewest bytes of a sealed secret, which says nothing: its version, the id of its key, a nonce and a tag, as the vault writes them.
const SEALED_BYTES: usize = 1 + 4 + 12 + 16;

/// What a connection needs that shows one moment and changes nothing.
const SETTINGS: &str = "PRAGMA busy_timeout = 10000; PRAGMA query_only = ON; BEGIN;";

/// So much of a key is told; one that is broken may have any length.
const KEY_CHARS: usize = 100;

/// Why the rows of a table could not be read to the last.
pub(crate) struct Unread {
    /// The table.
    pub(crate) table: &'static str,
    /// What happened.
    pub(crate) error: StoreError,
}

/// How the rows of a table are read.
struct Rows {
    table: &'static str,
    /// What names a row, in SQL.
    key: &'static str,
    /// In which order they are read, in SQL: the one in which they are stored.
    order: &'static str,
    read: fn(&mut Conn, SqlLiteral<BigInt>, &mut Reading) -> QueryResult<()>,
}

/// The rows of a table that cannot be read: their places in its order, and why.
struct Reading {
    most: usize,
    broken: Vec<(usize, String)>,
}

impl Reading {
    /// Goes through rows, of which `meant` says whether they mean anything.
    fn go<R>(&mut self, rows: impl Iterator<Item = QueryResult<R>>, meant: impl Fn(R) -> Result<(), Fault>) -> QueryResult<()> {
        for (place, row) in rows.enumerate() {
            let why = match row {
                Ok(row) => meant(row).err().map(|fault| meaningless(&fault)),
                Err(QueryError::DeserializationError(error)) => Some(unreadable(&*error)),
                Err(error) => return Err(error),
            };
            self.broken.extend(why.map(|why| (place, why)));
            if self.broken.len() >= self.most {
                break;
            }
        }
        Ok(())
    }
}

/// Makes the list of tables. A line has a table, what names its rows and their order; what is read of a row, and as what; and what is held
/// against what was read.
macro_rules! tables {
    ($($table:ident ($key:literal, $order:literal) { $select:expr => $row:ty } $pattern:pat_param => $meant:expr;)+) => {
        const TABLES: &[Rows] = &[$(Rows {
            table: stringify!($table),
            key: $key,
            order: $order,
            read: |conn, order, reading| {
                let rows = $table::table.order(order).select($select);
                reading.go(rows.load_iter::<$row, DefaultLoadingMode>(conn)?, |$pattern: $row| $meant)
            },
        }),+];
    };
}

// Texts of JSON are read once more, as texts: the repositories make the best of one that is no UTF-8, and it is damaged all the same.
tables! {
    agents ("quote(id)", "rowid") { (AgentRow::as_select(), agents::character) => (AgentRow, String) }
        (row, _) => row.into_agent().map(drop);
    agent_secrets ("quote(agent_id) || ' ' || CASE WHEN name GLOB '*[^ -~]*' THEN hex(name) ELSE name END", "agent_id, name")
        { (agent_secrets::agent_id, agent_secrets::name, agent_secrets::sealed) => (Id, String, Vec<u8>) }
        (_, _, sealed) => holds("agent_secrets.sealed", sealed.len() >= SEALED_BYTES);
    message_servers ("quote(id)", "ordinal") { (ServerRow::as_select(), message_servers::metadata) => (ServerRow, String) }
        _ => Ok(());
    server_agents ("quote(server_id) || ' ' || quote(agent_id)", "ordinal")
        { (server_agents::server_id, server_agents::agent_id) => (Id, Id) }
        _ => Ok(());
    channels ("quote(id)", "ordinal") { (ChannelRow::as_select(), channels::metadata) => (ChannelRow, String) }
        _ => Ok(());
    channels_gone ("quote(id)", "id") { (channels_gone::id, channels_gone::owner) => (Id, Option<String>) }
        _ => Ok(());
    channel_participants ("quote(channel_id) || ' ' || quote(entity_id)", "channel_id, entity_id")
        { (channel_participants::channel_id, channel_participants::entity_id) => (Id, Id) }
        _ => Ok(());
    messages ("quote(id)", "ordinal")
        { (MessageRow::as_select(), messages::raw, messages::metadata, messages::source_key)
            => (MessageRow, Option<String>, String, Option<String>) }
        _ => Ok(());
    channel_events ("quote(channel_id) || ' ' || seq", "channel_id, seq")
        { (EventRow::as_select(), channel_events::payload) => (EventRow, Option<String>) }
        (row, _) => event(row);
    deliveries ("quote(id)", "ordinal") { DeliveryRow::as_select() => DeliveryRow }
        row => row.into_delivery().and_then(|delivery| counted(&delivery));
    // What the key itself says is the caller's.
    idempotency ("quote(message_id)", "caller, route, key")
        { (
            idempotency::caller, idempotency::route, idempotency::key, idempotency::body_hash, idempotency::message_id,
            idempotency::status, idempotency::answer,
        ) => (String, String, String, Vec<u8>, Id, Option<i32>, Option<String>) }
        (_, _, _, hash, _, status, _) => holds("idempotency.body_hash", hash.len() == 32)
            .and_then(|()| holds("idempotency.status", status.is_none_or(|status| u16::try_from(status).is_ok())));
    worlds ("quote(id)", "ordinal") { (WorldRow::as_select(), worlds::metadata) => (WorldRow, String) }
        _ => Ok(());
    rooms ("quote(id)", "rowid") { (RoomRow::as_select(), rooms::metadata) => (RoomRow, String) }
        _ => Ok(());
    entities ("quote(agent_id) || ' ' || quote(id)", "agent_id, id")
        { (EntityRow::as_select(), entities::names, entities::metadata) => (EntityRow, String, String) }
        (row, _, _) => row.into_entity().map(drop);
    participants ("quote(room_id) || ' ' || quote(entity_id)", "room_id, entity_id")
        { (participants::room_id, participants::entity_id, participants::room_state) => (Id, Id, Option<String>) }
        (_, _, state) => room_state(state.as_deref());
    memories ("quote(id)", "ordinal")
        { (MemoryRow::as_select(), memories::content, memories::metadata) => (MemoryRow, String, String) }
        (row, _, _) => row.into_memory().map(drop);
    embedding_spaces ("CAST(id AS TEXT)", "id")
        { (embedding_spaces::model, embedding_spaces::dimension, embedding_spaces::version) => (String, i32, String) }
        (_, dimension, _) => holds("embedding_spaces.dimension", dimension >= 0);
    // The numbers come last in a row and mean something whatever they are: how many they are is asked elsewhere, without reading them.
    memory_vectors ("CAST(number AS TEXT)", "number")
        { (
            memory_vectors::memory_id, memory_vectors::agent_id, memory_vectors::table_name, memory_vectors::room_id,
            memory_vectors::world_id, memory_vectors::entity_id,
        ) => (Id, Id, String, Id, Option<Id>, Id) }
        _ => Ok(());
    vectors_gone ("CAST(place AS TEXT)", "place") { vectors_gone::agent_id => Id }
        _ => Ok(());
    media ("quote(id)", "rowid") { MediaRow::as_select() => MediaRow }
        row => row.into_file().map(drop);
    sessions ("quote(id)", "ordinal")
        { (SessionRow::as_select(), sessions::metadata, sessions::tenant) => (SessionRow, String, Option<String>) }
        _ => Ok(());
    jobs ("quote(id)", "ordinal")
        { (jobs::id, jobs::message_id, jobs::delivery_id, jobs::reply_id, jobs::agent_id, jobs::tenant)
            => (Id, Id, Id, Id, Id, Option<String>) }
        _ => Ok(());
    api_keys ("quote(id)", "ordinal")
        { (KeyRow::as_select(), api_keys::permissions, api_keys::servers) => (KeyRow, String, String) }
        (row, permissions, _) => row.into_key().and_then(|_| scopes(&permissions));
    runs ("quote(id)", "ordinal") { (RunRow::as_select(), runs::metadata) => (RunRow, String) }
        (row, _) => row.into_run().map(drop);
    logs ("quote(id)", "ordinal") { (LogRow::as_select(), logs::body) => (LogRow, String) }
        _ => Ok(());
}

/// Reads the rows of all tables of the database at an address, as one moment has them, and tells of at most so many of them that they
/// cannot be read. A table that could not be read to its end is in place of the rest of its rows; tables and columns that are not there are
/// passed over where the database is of another version.
pub(crate) fn read(address: &str, most: usize, is_of_this_version: bool) -> ConnectionResult<Vec<Result<String, Unread>>> {
    let mut conn = Conn::establish(address)?;
    conn.batch_execute(SETTINGS).map_err(ConnectionError::CouldntSetupConfiguration)?;
    let mut told = Vec::new();
    for rows in TABLES {
        let mut reading = Reading { most: most.saturating_sub(told.len()), broken: Vec::new() };
        if reading.most == 0 {
            break;
        }
        let ended = (rows.read)(&mut conn, sql(rows.order), &mut reading);
        let named = rows.name(&mut conn, reading.broken, &mut told);
        match ended.and(named) {
            Err(QueryError::DatabaseError(_, said)) if !is_of_this_version && said.message().starts_with("no such ") => {}
            Err(error) => told.push(Err(Unread { table: rows.table, error: Fault::from(error).into() })),
            Ok(()) => {}
        }
    }
    Ok(told)
}

impl Rows {
    /// Goes through the keys to the places of those that are broken, and tells of these.
    fn name(&self, conn: &mut Conn, broken: Vec<(usize, String)>, told: &mut Vec<Result<String, Unread>>) -> QueryResult<()> {
        #[derive(QueryableByName)]
        struct Key {
            #[diesel(sql_type = Text)]
            label: String,
        }
        let Self { table, key, order, .. } = self;
        let mut broken = broken.into_iter().peekable();
        if broken.peek().is_none() {
            return Ok(());
        }
        let keys = diesel::sql_query(format!("SELECT {key} AS label FROM {table} ORDER BY {order}"));
        for (place, row) in keys.load_iter::<Key, DefaultLoadingMode>(conn)?.enumerate() {
            if let Some((_, why)) = broken.next_if(|(wanted, _)| *wanted == place) {
                let name = row.map_or_else(|_| "of unknown key".to_owned(), |row| plain(&row.label));
                told.push(Ok(format!("the row {name} of {table} cannot be read: {why}")));
            }
            if broken.peek().is_none() {
                break;
            }
        }
        // Where the keys end sooner than the rows did.
        told.extend(broken.map(|(_, why)| Ok(format!("a row of {table} cannot be read: {why}"))));
        Ok(())
    }
}

/// A key as it is told: its ids as they are written elsewhere.
fn plain(key: &str) -> String {
    let id = |part: &str| part.strip_prefix("X'")?.strip_suffix('\'').filter(|hex| hex.len() == 32)?.parse::<Uuid>().ok();
    let parts = key.split(' ').map(|part| id(part).map_or_else(|| part.to_owned(), |id| id.to_string()));
    parts.collect::<Vec<_>>().join(" ").chars().take(KEY_CHARS).collect()
}

/// Why a row is not of its type, without what is in it.
fn unreadable(error: &(dyn StdError + Send + Sync + 'static)) -> String {
    let Some(field) = error.downcast_ref::<DeserializeFieldError>() else { return "it lacks a value".to_owned() };
    let column = field.field_name.as_deref().unwrap_or("a column");
    let json = field.error.downcast_ref::<UnreadableJson>();
    let is = match json {
        Some(error) if error.is_data() => "is not the JSON that belongs there",
        Some(_) => "is no JSON",
        None if field.error.is::<Utf8Error>() => "is no UTF-8",
        None if field.error.is::<uuid::Error>() => "is no id",
        None => "is none of the values that belong there",
    };
    format!("{column} {is}")
}

/// Why a row means nothing, without what is in it.
fn meaningless(fault: &Fault) -> String {
    match fault {
        Fault::Meaningless { column, .. } => {
            let column = column.rsplit_once('.').map_or(*column, |(_, column)| column);
            format!("{column} means nothing")
        }
        other => other.to_string(),
    }
}

fn holds(column: &'static str, is: bool) -> Result<(), Fault> {
    if is { Ok(()) } else { Err(Fault::Meaningless { column, row: None }) }
}

/// One that shows its channel says nothing itself.
fn event(row: EventRow) -> Result<(), Fault> {
    if row.shows_channel() { Ok(()) } else { row.into_event(None, None).map(drop) }
}

fn counted(delivery: &Delivery) -> Result<(), Fault> {
    holds("deliveries.attempt", delivery.attempt >= 0)?;
    holds("deliveries.given_back", delivery.given_back >= 0)
}

fn room_state(state: Option<&str>) -> Result<(), Fault> {
    state.map_or(Ok(()), |state| word::<RoomState>("participants.room_state", state).map(drop))
}

/// A scope that is none allows nothing, and somebody was given it.
fn scopes(permissions: &str) -> Result<(), Fault> {
    let are_known = permissions.split(' ').all(|scope| scope.is_empty() || Permission::of_scope(scope).is_some());
    holds("api_keys.permissions", are_known)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::options::Options;
    use crate::sqlite::connect;

    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = Text)]
        name: String,
    }

    /// Those of the index of words check themselves.
    const STORED: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                          AND name NOT LIKE 'memory\\_words%' ESCAPE '\\' AND name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'";

    #[test]
    fn every_table_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows.db");
        let mut conn = connect::for_writing(&path, &Options::default()).unwrap();
        connect::migrate(&path, &mut conn, false).unwrap();
        let stored: Vec<Name> = diesel::sql_query(STORED).load(&mut conn).unwrap();
        let stored: BTreeSet<String> = stored.into_iter().map(|table| table.name).collect();
        assert_eq!(TABLES.iter().map(|rows| rows.table.to_owned()).collect::<BTreeSet<_>>(), stored);
    }

    #[test]
    fn a_key_is_told_with_its_ids_as_they_are_written() {
        for (key, told) in [
            ("X'000000000000000000000000000000A1'", "00000000-0000-0000-0000-0000000000a1"),
            ("X'000000000000000000000000000000A1' 12", "00000000-0000-0000-0000-0000000000a1 12"),
            ("X'000000000000000000000000000000A1' A NAME", "00000000-0000-0000-0000-0000000000a1 A NAME"),
            ("X'0A'", "X'0A'"),
            ("X''", "X''"),
        ] {
            assert_eq!(plain(key), told);
        }
    }
}
