//! Checking a database: what SQLite can check, and what its rows promise each other.

use std::path::Path;

use core_types::error::chain;
use core_types::media::{MediaName, MediaType};
use core_types::{JsonObject, MediaId, StoreError};
use rusqlite::{Connection, ErrorCode};

use super::{Access, CareError, address, open, open_as, schema_of};
use crate::options::Kind;
use crate::sqlite::rows;
use crate::{migrate, words};

/// So many findings of a kind are told; of a damaged database each row may be one.
const TOLD: usize = 100;

/// A text has its vector made of more characters than these, where it has more.
const BEGINNING: usize = 1_000;

/// What was looked at. The order is that of looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, derive_more::Display)]
#[display(rename_all = "lowercase")]
pub enum Check {
    /// SQLite's own structures: pages, tables, and what indexes say of them.
    Structure,
    /// Rows that name rows which are not there.
    References,
    /// Rows that the server cannot read.
    Rows,
    /// The index of words beside the memories.
    Words,
    /// The order of each channel's events and messages.
    Sequence,
    /// That each delivery has one end, and each reply is there.
    Deliveries,
    /// The vectors of memories.
    Vectors,
    /// Files and what is known of them.
    Media,
    /// A backup's own list of its files.
    Backup,
    /// What could not be looked at, for which the database is not to blame.
    Unchecked,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which check found it.
    pub check: Check,
    /// What is wrong, for a person.
    pub what: String,
}

/// A file that a row speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFile {
    /// Its name.
    pub name: MediaName,
    /// Its bytes.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

/// What a database was found to be.
#[derive(Debug, Default)]
pub struct Checked {
    /// The newest migration that it has.
    pub schema: Option<String>,
    /// What is wrong; of a kind, at most a hundred things are told.
    pub problems: Vec<Problem>,
    /// The files that its rows speak of.
    pub files: Vec<KnownFile>,
    /// Whether these are all. Where not every row could be read, a file that is not among them may still be somebody's.
    pub all_files: bool,
}

/// The rows' promises. Each statement selects one text for each thing that breaks one.
const PROMISES: &[(Check, &str)] = &[
    (
        Check::Words,
        "SELECT 'the index of words has an entry ' || id || ' that is no memory''s' FROM memory_words_docsize \
         WHERE id NOT IN (SELECT ordinal FROM memories WHERE words_version > 0)",
    ),
    (
        Check::Sequence,
        "SELECT 'the events of the channel ' || hex(e.channel_id) || ' run from ' || min(e.seq) || ' to ' || max(e.seq) || ' and are ' \
         || count(*) || '; the channel has counted to ' || c.last_seq \
         FROM channel_events e JOIN channels c ON c.id = e.channel_id GROUP BY e.channel_id \
         HAVING count(*) <> max(e.seq) - min(e.seq) + 1 OR max(e.seq) <> c.last_seq OR min(e.seq) < 1",
    ),
    (
        Check::Sequence,
        "SELECT 'the message ' || hex(m.id) || ' has the number ' || m.seq || ', and its channel has counted to ' || c.last_seq \
         FROM messages m JOIN channels c ON c.id = m.channel_id WHERE m.seq > c.last_seq OR m.seq < 1",
    ),
    (
        Check::Sequence,
        "SELECT 'the message ' || hex(id) || ' is out of order: number ' || seq || ' after ' || before FROM (SELECT id, seq, \
         lag(seq) OVER (PARTITION BY channel_id ORDER BY created_at) AS before FROM messages) WHERE before >= seq",
    ),
    (
        Check::Sequence,
        "SELECT 'the message ' || hex(m.id) || ' has the number ' || m.seq || ', under which no event tells of it' FROM messages m \
         WHERE m.seq >= (SELECT min(e.seq) FROM channel_events e WHERE e.channel_id = m.channel_id) AND NOT EXISTS (SELECT 1 \
         FROM channel_events e WHERE e.channel_id = m.channel_id AND e.seq = m.seq AND e.kind = 'message' AND e.message_id = m.id)",
    ),
    (
        Check::Deliveries,
        "SELECT 'the delivery ' || hex(id) || ' is ' || state || CASE WHEN ended_at IS NULL THEN ' without an end' ELSE ' after its end' \
         END FROM deliveries WHERE (state IN ('replied', 'ignored', 'superseded', 'failed', 'cancelled')) <> (ended_at IS NOT NULL) \
         OR state NOT IN ('pending', 'claimed', 'replied', 'ignored', 'superseded', 'failed', 'cancelled') \
         OR (ended_at IS NOT NULL AND due_at IS NOT NULL)",
    ),
    (
        Check::Deliveries,
        "SELECT 'the open deliveries to the agent ' || hex(agent_id) || ' in the channel ' || hex(channel_id) || ' have ' \
         || count(due_at) || ' that may be claimed, not one' FROM deliveries WHERE ended_at IS NULL \
         GROUP BY channel_id, agent_id HAVING count(due_at) <> 1",
    ),
    (
        // Put away, as `repos/deliveries.rs` has it.
        Check::Deliveries,
        "SELECT 'the delivery ' || hex(d.id) || ' is put away, and its agent runs' FROM deliveries d JOIN agents a ON a.id = d.agent_id \
         WHERE d.due_at >= 1000000000000000000 AND a.running",
    ),
    (
        Check::Deliveries,
        "SELECT 'the delivery ' || hex(d.id) || ' is open, and its message or its agent is gone' FROM deliveries d \
         WHERE d.ended_at IS NULL AND (NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = d.message_id) \
         OR NOT EXISTS (SELECT 1 FROM agents a WHERE a.id = d.agent_id))",
    ),
    (
        Check::Deliveries,
        "SELECT 'the reply ' || hex(reply_id) || ' belongs to ' || count(*) || ' deliveries' FROM deliveries \
         GROUP BY reply_id HAVING count(*) > 1",
    ),
    (
        // A reply may have been deleted since, which is an event; where events are forgotten, nobody can know.
        Check::Deliveries,
        "SELECT 'the delivery ' || hex(d.id) || ' is replied, and its reply is not there' FROM deliveries d \
         WHERE d.state = 'replied' AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.id = d.reply_id) \
         AND d.seq >= (SELECT min(e.seq) FROM channel_events e WHERE e.channel_id = d.channel_id) \
         AND NOT EXISTS (SELECT 1 FROM channel_events e WHERE e.channel_id = d.channel_id AND e.seq > d.seq \
         AND (e.kind = 'channel_cleared' OR (e.kind = 'message_deleted' AND e.message_id = d.reply_id)))",
    ),
    (
        Check::Vectors,
        "SELECT 'the vector ' || v.number || ' has ' || length(v.numbers) || ' numbers in a space of ' || coalesce(s.dimension, 'nowhere') \
         FROM memory_vectors v LEFT JOIN embedding_spaces s ON s.id = v.space_id WHERE s.id IS NULL OR length(v.numbers) <> s.dimension",
    ),
    (
        Check::Vectors,
        "SELECT 'the vector ' || number || ' has no scale that is a number' FROM memory_vectors WHERE NOT (scale >= 0 AND scale < 3.5e38)",
    ),
    (
        Check::Vectors,
        "SELECT 'the vector ' || v.number || ' is of no memory, or of another than it says' FROM memory_vectors v \
         LEFT JOIN memories m ON m.ordinal = v.memory_ordinal \
         WHERE m.ordinal IS NULL OR m.id <> v.memory_id OR m.agent_id <> v.agent_id",
    ),
];

/// Looks at everything in a database, and changes nothing. What cannot be read is a problem, not a failure, once the file opens.
pub fn check(path: &Path, access: Access) -> Result<Checked, CareError> {
    let (conn, access) = open_as(path, access)?;
    let mut checked = Checked::default();
    // One moment for all checks, so that what comes meanwhile is no contradiction.
    if let Err(error) = conn.execute_batch("BEGIN") {
        checked.fail(Check::Structure, &error);
        return Ok(checked);
    }
    structure(&conn, &mut checked);
    match schema_of(&conn) {
        Ok(schema) => checked.schema = schema,
        Err(error) => checked.fail(Check::Structure, &error),
    }
    if checked.schema.is_none() {
        checked.find(Check::Structure, "it has no tables of this program".to_owned());
        return Ok(checked);
    }
    unreadable(&address(path, access)?, &mut checked);
    match not_indexed(&conn) {
        Ok(broken) => checked.find_all(Check::Words, broken),
        Err(error) => checked.fail(Check::Words, &error),
    }
    for (check, statement) in PROMISES {
        match texts(&conn, statement) {
            Ok(broken) => checked.find_all(*check, broken),
            Err(error) => checked.fail(*check, &error),
        }
    }
    match without_vector(&conn) {
        Ok(broken) => checked.find_all(Check::Vectors, broken),
        Err(error) => checked.fail(Check::Vectors, &error),
    }
    match files(&conn) {
        Ok((files, unreadable)) => {
            // A database whose structure is damaged may keep rows back without a word.
            let sound = checked.problems.iter().all(|problem| problem.check != Check::Structure);
            checked.all_files = sound && unreadable.is_empty();
            checked.files = files;
            checked.find_all(Check::Media, unreadable);
        }
        Err(error) => checked.fail(Check::Media, &error),
    }
    Ok(checked)
}

impl Checked {
    fn find_all(&mut self, check: Check, things: Vec<String>) {
        for what in things {
            self.find(check, what);
        }
    }

    /// What could not be looked at: damage, unless it is something else that SQLite lacks.
    fn fail(&mut self, check: Check, error: &rusqlite::Error) {
        match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen | ErrorCode::DiskFull) => self.find(
                Check::Unchecked,
                format!("{check}: {error}; SQLite needs room for a temporary file, in a directory that SQLITE_TMPDIR names"),
            ),
            Some(ErrorCode::OutOfMemory | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                self.find(Check::Unchecked, format!("{check}: {error}"));
            }
            _ => self.find(check, format!("it cannot be checked: {error}")),
        }
    }

    fn find(&mut self, check: Check, what: String) {
        if self.problems.iter().filter(|problem| problem.check == check).count() < TOLD {
            self.problems.push(Problem { check, what });
        }
    }
}

fn structure(conn: &Connection, checked: &mut Checked) {
    match texts(conn, "PRAGMA integrity_check") {
        Ok(said) => {
            for what in said.into_iter().filter(|what| what != "ok") {
                // The index of words is a table that checks itself, and can be made anew.
                let check = if what.contains("fts5") || what.contains("memory_words") { Check::Words } else { Check::Structure };
                checked.find(check, what);
            }
        }
        Err(error) => checked.fail(Check::Structure, &error),
    }
    let foreign = "SELECT 'a row of ' || \"table\" || ' (' || coalesce(rowid, '?') || ') names a row of ' || parent || ' that is not there' \
                   FROM pragma_foreign_key_check";
    match texts(conn, foreign) {
        Ok(said) => checked.find_all(Check::References, said),
        Err(error) => checked.fail(Check::References, &error),
    }
}

/// Rows that the server cannot read. They are read by a connection of their own, which is Diesel's, and so perhaps of a later moment; but
/// each by itself, so that none contradicts another. A backup of an older version is read as far as its tables are those of this one.
fn unreadable(address: &str, checked: &mut Checked) {
    let newest = migrate::known(Kind::Sqlite).ok().and_then(|known| known.into_iter().next_back());
    let is_of_this_version = newest.as_deref().and_then(|name| name.split('_').next()) == checked.schema.as_deref();
    let broken = match rows::read(address, TOLD, is_of_this_version) {
        Ok(broken) => broken,
        Err(error) => return checked.find(Check::Unchecked, format!("{}: {error}", Check::Rows)),
    };
    for row in broken {
        match row {
            Ok(what) => checked.find(Check::Rows, what),
            Err(rows::Unread { table, error }) => {
                let check = if matches!(error, StoreError::Unavailable(_)) { Check::Unchecked } else { Check::Rows };
                checked.find(check, format!("the rows of {table} cannot be read to the last: {}", chain(&error)));
            }
        }
    }
}

fn texts(conn: &Connection, statement: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(statement)?;
    // More than that is not told of a kind, and so need not be looked for.
    statement.query_map([], |row| row.get(0))?.take(TOLD).collect()
}

/// Memories that the index of words should have and does not, each as one text. It has none for those without words (an emoji, dots), and
/// what a word is SQLite does not know.
fn not_indexed(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let statement =
        "SELECT hex(id), content FROM memories WHERE words_version > 0 AND ordinal NOT IN (SELECT id FROM memory_words_docsize)";
    let found = memories(conn, statement, |content| !words::of_content(content).is_empty())?;
    Ok(found.into_iter().map(|id| format!("the memory {id} should be found by its words, and is not in their index")).collect())
}

/// Memories that count as having their vectors and have none, each as one text. Those without a text have nothing to make one of.
fn without_vector(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let statement = "SELECT hex(id), content FROM memories WHERE embedded \
                     AND NOT EXISTS (SELECT 1 FROM memory_vectors v WHERE v.memory_ordinal = memories.ordinal)";
    let found = memories(conn, statement, has_text)?;
    Ok(found.into_iter().map(|id| format!("the memory {id} counts as having its vector, and has none")).collect())
}

/// The ids of memories with such content among those that a statement finds. Content that cannot be read is told of as a row that cannot be.
fn memories(conn: &Connection, statement: &str, is_so: impl Fn(&JsonObject) -> bool) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(statement)?;
    let mut found = Vec::new();
    let mut rows = statement.query([])?;
    while found.len() < TOLD
        && let Some(row) = rows.next()?
    {
        let content = row.get_ref(1)?.as_bytes().ok().and_then(|json| serde_json::from_slice::<JsonObject>(json).ok());
        if content.is_some_and(|content| is_so(&content)) {
            found.push(row.get(0)?);
        }
    }
    Ok(found)
}

/// Whether there is a text to make a vector of. Of a long one only the beginning is looked at, which may be nothing but space.
fn has_text(content: &JsonObject) -> bool {
    let text = content.get("text").and_then(|text| text.as_str()).unwrap_or_default();
    text.chars().take(BEGINNING).any(|letter| !letter.is_whitespace())
}

/// The files that rows speak of, and what is wrong with rows that speak of none.
fn files(conn: &Connection) -> rusqlite::Result<(Vec<KnownFile>, Vec<String>)> {
    let mut statement = conn.prepare("SELECT id, media_type, size, sha256, hex(id) FROM media ORDER BY id")?;
    let (mut files, mut unreadable) = (Vec::new(), Vec::new());
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, kind): (Vec<u8>, String) = (row.get(0)?, row.get(1)?);
        let (size, sha256): (i64, Vec<u8>) = (row.get(2)?, row.get(3)?);
        let id = <[u8; 16]>::try_from(id).ok().map(u128::from_be_bytes).map(MediaId::from_bits);
        let kind = kind.parse::<MediaType>().ok();
        let known = id.zip(kind).zip(u64::try_from(size).ok()).zip(<[u8; 32]>::try_from(sha256).ok());
        match known {
            Some((((id, kind), size), sha256)) => files.push(KnownFile { name: MediaName::new(id, kind), size, sha256 }),
            None => unreadable.push(format!("what is known of the file {} makes no sense", row.get::<_, String>(4)?)),
        }
    }
    Ok((files, unreadable))
}

/// The files that the rows of a frozen database speak of.
pub fn known_files(path: &Path) -> Result<Vec<KnownFile>, CareError> {
    let failed = CareError::database(path);
    let conn = open(path, Access::Frozen)?;
    Ok(files(&conn).map_err(failed)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_memory_with_words_must_be_in_their_index() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE memories (ordinal INTEGER PRIMARY KEY, id BLOB NOT NULL, content TEXT NOT NULL, words_version INTEGER NOT NULL); \
             CREATE VIRTUAL TABLE memory_words USING fts5 (words, content = '', contentless_delete = 1);",
        )
        .unwrap();
        for (content, version, is_indexed, is_broken) in [
            (r#"{"text":"an owl"}"#, 1, false, true),
            (r#"{"text":"an owl"}"#, 1, true, false),
            (r#"{"text":"an owl"}"#, 0, false, false),
            (r#"{"text":"👍"}"#, 1, false, false),
            (r#"{"text":"..."}"#, 1, false, false),
            (r#"{"text":""}"#, 1, false, false),
            (r#"{"text":null}"#, 1, false, false),
            ("{}", 1, false, false),
            ("{", 1, false, false),
            (r#""owl""#, 1, false, false),
        ] {
            conn.execute_batch("DELETE FROM memories; DELETE FROM memory_words;").unwrap();
            conn.execute("INSERT INTO memories VALUES (7, x'ab', ?1, ?2)", (content, version)).unwrap();
            if is_indexed {
                conn.execute("INSERT INTO memory_words (rowid, words) VALUES (7, 'an owl')", []).unwrap();
            }
            let broken = not_indexed(&conn).unwrap();
            assert_eq!(broken.len(), usize::from(is_broken), "{content} in version {version}: {broken:?}");
            assert!(broken.iter().all(|what| what.starts_with("the memory AB ")), "{broken:?}");
        }
    }

    #[test]
    fn memories_without_words_hide_none_that_is_missing() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE memories (ordinal INTEGER PRIMARY KEY, id BLOB NOT NULL, content TEXT NOT NULL, words_version INTEGER NOT NULL); \
             CREATE TABLE memory_words_docsize (id INTEGER PRIMARY KEY); \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150) \
             INSERT INTO memories SELECT i, x'01', '{\"text\":\"...\"}', 1 FROM n; \
             WITH RECURSIVE n (i) AS (SELECT 151 UNION ALL SELECT i + 1 FROM n WHERE i < 300) \
             INSERT INTO memories SELECT i, x'02', '{\"text\":\"an owl\"}', 1 FROM n;",
        )
        .unwrap();
        let broken = not_indexed(&conn).unwrap();
        assert_eq!(broken.len(), TOLD);
        assert!(broken.iter().all(|what| what.starts_with("the memory 02 ")), "{broken:?}");
    }
}
