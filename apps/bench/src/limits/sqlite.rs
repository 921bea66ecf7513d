//! `limits sqlite`: the rows of submits in group commits, on one thread that does nothing else, in prepared statements of
//! SQLite itself. The database has the server's schema, made by the server, and the server's settings; what is left out is
//! all that the server does besides: HTTP, JSON, looking things up, and answering.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Statement, params};
use serde_json::json;

use crate::cli::{Common, SqliteLimitArgs};
use crate::failure::{During, Failure, Outcome, say};
use crate::figures::{Latencies, Line, float, rate, rounded};
use crate::meter::Meter;
use crate::posts;
use crate::server;
use crate::target::{Place, parameters};

/// The database in a server's data directory.
pub(crate) const DATABASE: &str = "doolittle.db";

/// Rows that one submit writes: its channel's place, the message, the event.
const ROWS: u64 = 3;

/// The server's settings of the connection that writes (`persistence/src/sqlite/connect.rs`).
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; \
     PRAGMA cache_size = -4096; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;";

const TAKE_PLACE: &str = "UPDATE channels SET last_seq = ?2, last_message_at = ?3, agent_turns = 0 WHERE id = ?1";

pub(crate) const ADD_MESSAGE: &str = "INSERT INTO messages (id, channel_id, server_id, author_id, author_name, content, raw, source_type, \
     source_id, source_key, metadata, in_reply_to, seq, created_at, updated_at) \
     VALUES (?1, ?2, zeroblob(16), ?3, ?4, ?5, ?6, ?7, NULL, NULL, ?8, NULL, ?9, ?10, ?10)";

pub(crate) const ADD_EVENT: &str = "INSERT INTO channel_events (channel_id, seq, kind, message_id, payload, created_at) \
     VALUES (?1, ?2, 'message', ?3, NULL, ?4)";

/// When the first message is said to have been posted, in milliseconds: rows need a time, not the right one.
const EPOCH: i64 = 1_700_000_000_000;

/// Random ids that are fetched at once.
const IDS: usize = 1024;

pub(crate) fn run(arguments: &SqliteLimitArgs, common: &Common) -> Outcome<Line> {
    measure(common, arguments, "alone")
}

/// Makes a database and commits groups to it. `when` is told to whoever watches.
pub(crate) fn measure(common: &Common, arguments: &SqliteLimitArgs, when: &str) -> Outcome<Line> {
    let program = server::program(common.server.as_deref())?;
    let place = Place::new(common)?;
    let database = make(&program, place.path())?;
    let connection = open(&database)?;
    let mut channels = Channel::make(&connection, arguments.channels)?;
    let mut writes = Writes::prepare(&connection)?;
    let (warm_up, measured) = (Duration::from_secs_f64(common.warm_up), Duration::from_secs_f64(common.seconds));
    let group = usize::from(arguments.group);
    let begin = Instant::now();
    while begin.elapsed() < warm_up {
        writes.commit(&mut channels, group)?;
    }
    let mut latencies = Latencies::new();
    let (begin, before) = (Instant::now(), Meter::read(None));
    while begin.elapsed() < measured {
        let begin = Instant::now();
        writes.commit(&mut channels, group)?;
        latencies.record_many(begin.elapsed(), u64::from(arguments.group));
    }
    let window = begin.elapsed();
    let usage = Meter::read(None).since(before, window, false);
    let rate = rate(latencies.count(), window);
    let mut parameters = parameters(common);
    parameters.remove("workers");
    parameters.insert("group".to_owned(), json!(arguments.group));
    parameters.insert("channels".to_owned(), json!(arguments.channels));
    parameters.insert("filesystem".to_owned(), json!(place.filesystem()));
    let mut line = Line::new("limits sqlite", parameters).latencies(&latencies);
    line.rate_per_s = Some(rate);
    line.others_share = usage.others_share;
    say(format!("bare SQLite, {when}: {rate} submits/s"));
    Ok(line.with("rows_per_s", json!(rounded(rate * float(ROWS)))))
}

/// Has the server make an empty database.
fn make(program: &Path, directory: &Path) -> Outcome<PathBuf> {
    let made = server::command(program, directory, "migrate").output().during("running `doolittle migrate`")?;
    let database = directory.join(DATABASE);
    if made.status.success() && database.is_file() {
        return Ok(database);
    }
    Err(Failure::new(format!("`doolittle migrate` made no database: {}", String::from_utf8_lossy(&made.stderr))))
}

/// Opens it as the server does, and sees that its commits are durable.
fn open(database: &Path) -> Outcome<Connection> {
    let connection = Connection::open(database).during("opening the database")?;
    connection.execute_batch(SETTINGS).during("setting the database up")?;
    let setting = |name| {
        connection.pragma_query_value(None, name, |row| row.get::<_, String>(0).or_else(|_| row.get::<_, i64>(0).map(|n| n.to_string())))
    };
    let found = (setting("journal_mode").during("reading a setting")?, setting("synchronous").during("reading a setting")?);
    if found == ("wal".to_owned(), "2".to_owned()) {
        Ok(connection)
    } else {
        Err(Failure::new(format!("the database is set to {found:?}")))
    }
}

const ID: usize = 16;
type Id = [u8; ID];

/// A channel, and the place of its last message.
struct Channel {
    id: Id,
    author: Id,
    seq: i64,
    at: i64,
}

impl Channel {
    fn make(connection: &Connection, number: u16) -> Outcome<Vec<Self>> {
        let mut ids = Ids::default();
        let mut insert = prepared(
            connection,
            "INSERT INTO channels (id, server_id, name, kind, metadata, created_at, updated_at) VALUES (?1, zeroblob(16), ?2, 'GROUP', '{}', ?3, ?3)",
        )?;
        let mut channels = Vec::with_capacity(number.into());
        for number in 0..number {
            let channel = Self { id: ids.next()?, author: ids.next()?, seq: 0, at: 0 };
            insert.execute(params![channel.id, format!("Bench submit {number}"), EPOCH]).during("making a channel")?;
            channels.push(channel);
        }
        Ok(channels)
    }
}

/// Ids that grow, half of them random, as the server's (UUID version 7) are: an index takes them at its end.
#[derive(Default)]
struct Ids {
    count: u64,
    random: Vec<[u8; ID / 2]>,
}

impl Ids {
    fn next(&mut self) -> Outcome<Id> {
        if self.random.is_empty() {
            let mut bytes = [0; IDS * ID / 2];
            getrandom::fill(&mut bytes).during("asking for random numbers")?;
            self.random.extend(bytes.as_chunks().0);
        }
        let random = self.random.pop().ok_or_else(|| Failure::new("there are no random numbers"))?;
        self.count += 1;
        let mut id = [0; ID];
        id[..ID / 2].copy_from_slice(&self.count.to_be_bytes());
        id[ID / 2..].copy_from_slice(&random);
        Ok(id)
    }
}

fn prepared<'c>(connection: &'c Connection, statement: &str) -> Outcome<Statement<'c>> {
    connection.prepare(statement).during(format!("preparing {statement:?}"))
}

/// What is written again and again, prepared.
struct Writes<'c> {
    begin: Statement<'c>,
    take_place: Statement<'c>,
    add_message: Statement<'c>,
    add_event: Statement<'c>,
    commit: Statement<'c>,
    ids: Ids,
    texts: Vec<(&'static str, String)>,
    metadata: String,
    start: Instant,
    count: usize,
}

impl<'c> Writes<'c> {
    fn prepare(connection: &'c Connection) -> Outcome<Self> {
        Ok(Self {
            begin: prepared(connection, "BEGIN IMMEDIATE")?,
            take_place: prepared(connection, TAKE_PLACE)?,
            add_message: prepared(connection, ADD_MESSAGE)?,
            add_event: prepared(connection, ADD_EVENT)?,
            commit: prepared(connection, "COMMIT")?,
            ids: Ids::default(),
            texts: posts::TEXTS.iter().map(|text| (*text, posts::raw(text).to_string())).collect(),
            metadata: posts::metadata().to_string(),
            start: Instant::now(),
            count: 0,
        })
    }

    /// Writes so many submits, to the channels in turn, and makes them durable together.
    fn commit(&mut self, channels: &mut [Channel], group: usize) -> Outcome<()> {
        self.begin.execute([]).during("beginning a transaction")?;
        for _ in 0..group {
            self.submit(channels).during("writing a submit")?;
        }
        self.commit.execute([]).map(drop).during("committing")
    }

    fn submit(&mut self, channels: &mut [Channel]) -> Outcome<()> {
        let count = self.count;
        self.count += 1;
        let len = channels.len();
        let channel = channels.get_mut(count % len).ok_or_else(|| Failure::new("there are no channels"))?;
        // Every channel gets one text after the other, as under the load of `submit`.
        let (text, raw) = self.texts.get(count / len % self.texts.len()).ok_or_else(|| Failure::new("there are no texts"))?;
        let now = EPOCH + i64::try_from(self.start.elapsed().as_millis()).unwrap_or_default();
        channel.seq += 1;
        channel.at = now.max(channel.at + 1);
        let id = self.ids.next()?;
        let Channel { id: channel, author, seq, at } = &*channel;
        self.take_place.execute(params![channel, seq, at]).during("taking a place")?;
        let message = params![id, channel, author, posts::NAME, text, raw, posts::SOURCE, self.metadata, seq, at];
        self.add_message.execute(message).during("adding a message")?;
        self.add_event.execute(params![channel, seq, id, at]).during("adding an event")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::types::Value;

    use super::*;
    use crate::api::Api;
    use crate::posts::User;
    use crate::target::Target;
    use crate::testing;

    /// The shape of a value: what kind it is and how long. Numbers are of the same length, whatever they are.
    fn shape(value: &Value) -> (&'static str, usize) {
        match value {
            Value::Null => ("null", 0),
            Value::Integer(_) => ("integer", 0),
            Value::Real(_) => ("real", 0),
            Value::Text(text) => ("text", text.len()),
            Value::Blob(bytes) => ("blob", bytes.len()),
        }
    }

    fn tables(connection: &Connection) -> Vec<String> {
        let mut query = prepared(connection, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// The shapes of all rows of a table, in an order that does not depend on random ids.
    fn rows(connection: &Connection, table: &str) -> Vec<Vec<(&'static str, usize)>> {
        let mut query = prepared(connection, &format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = query.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column).map(|value| shape(&value))).collect();
        let mut rows: Vec<Vec<_>> = query.query_map([], row).unwrap().map(Result::unwrap).collect();
        rows.sort();
        rows
    }

    #[test]
    fn the_rows_are_those_that_submits_to_the_server_write() {
        const SUBMITS: usize = 20;
        let common = testing::common();
        let target = Target::started(&common, Place::new(&common).unwrap(), false).unwrap();
        let mut api = Api::open(&target).unwrap();
        let channel = api.channel("Bench submit 0", "GROUP", &[]).unwrap();
        for number in 0..SUBMITS {
            api.call("POST", "/api/messaging/submit", Some(&posts::submit(&channel, User(0), posts::text(number)))).unwrap();
        }
        drop(api);
        let theirs = target.stop().unwrap();
        let theirs = open(&theirs.path().join(DATABASE)).unwrap();

        let place = Place::new(&common).unwrap();
        let ours = open(&make(&testing::server(), place.path()).unwrap()).unwrap();
        let mut channels = Channel::make(&ours, 1).unwrap();
        Writes::prepare(&ours).unwrap().commit(&mut channels, SUBMITS).unwrap();

        assert_eq!(tables(&ours), tables(&theirs));
        // Which models the server has is noted when it starts.
        for table in tables(&ours).iter().filter(|table| *table != "embedding_spaces") {
            assert_eq!(rows(&ours, table), rows(&theirs, table), "{table}");
        }
        assert_eq!(rows(&ours, "messages").len(), SUBMITS);
        // How ids are spread decides how many pages of an index a group writes.
        let version: String = theirs.query_row("SELECT substr(hex(id), 13, 1) FROM messages", [], |row| row.get(0)).unwrap();
        assert_eq!(version, "7", "the server's ids no longer grow, so `Ids` must follow");
    }

    #[test]
    fn a_database_without_durable_commits_is_refused() {
        // In memory there is no write-ahead log.
        assert!(open(Path::new(":memory:")).unwrap_err().story().contains("memory"));
    }
}
