//! What the check of a SQLite file says of rows that the server cannot read.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use doolittle_persistence::care::{Access, Check, check, forget_vectors};
use doolittle_persistence::{Target, migrate};
use rusqlite::Connection;
use tempfile::TempDir;

/// One row of each table that has no row of itself, which together keep all promises.
const ROWS: &str = "
    INSERT INTO agents (id, name, bio, character, enabled, running, created_at, updated_at)
        VALUES (unhex('000000000000000000000000000000a1'), 'Ada', 'Counts.', '{\"name\":\"Ada\",\"bio\":\"Counts.\"}', 1, 1, 1, 1);
    INSERT INTO agent_secrets VALUES (unhex('000000000000000000000000000000a1'), 'A TOKEN', zeroblob(33));
    INSERT INTO server_agents (server_id, agent_id) VALUES (zeroblob(16), unhex('000000000000000000000000000000a1'));
    INSERT INTO channels (id, server_id, name, kind, metadata, last_seq, last_message_at, created_at, updated_at)
        VALUES (unhex('000000000000000000000000000000c1'), zeroblob(16), 'Talk', 'GROUP', '{}', 1, 5, 5, 5);
    INSERT INTO channels_gone VALUES (unhex('000000000000000000000000000000c9'), NULL, 1);
    INSERT INTO channel_participants
        VALUES (unhex('000000000000000000000000000000c1'), unhex('000000000000000000000000000000a1'), 0);
    INSERT INTO messages (id, channel_id, server_id, author_id, content, metadata, seq, created_at, updated_at)
        VALUES (unhex('000000000000000000000000000000d1'), unhex('000000000000000000000000000000c1'), zeroblob(16),
            unhex('000000000000000000000000000000e1'), 'Zoë says “hi” 🌱', '{}', 1, 5, 5);
    INSERT INTO channel_events
        VALUES (unhex('000000000000000000000000000000c1'), 1, 'message', unhex('000000000000000000000000000000d1'), NULL, 5);
    INSERT INTO deliveries (id, message_id, agent_id, channel_id, author_id, seq, reply_id, must_answer, state, attempt, given_back, created_at,
            ended_at)
        VALUES (unhex('000000000000000000000000000000d2'), unhex('000000000000000000000000000000d1'),
            unhex('000000000000000000000000000000a1'), unhex('000000000000000000000000000000c1'), unhex('000000000000000000000000000000e1'),
            1, unhex('000000000000000000000000000000d3'), 0, 'ignored', 1, 0, 5, 6);
    INSERT INTO idempotency (caller, route, key, body_hash, message_id, created_at)
        VALUES ('acme', 'POST /', 'one', zeroblob(32), unhex('000000000000000000000000000000d1'), 5);
    INSERT INTO worlds (id, agent_id, name, metadata, created_at)
        VALUES (unhex('000000000000000000000000000000b1'), unhex('000000000000000000000000000000a1'), 'World', '{}', 1);
    INSERT INTO rooms (id, agent_id, world_id, channel_id, name, kind, source)
        VALUES (unhex('000000000000000000000000000000b2'), unhex('000000000000000000000000000000a1'),
            unhex('000000000000000000000000000000b1'), unhex('000000000000000000000000000000c1'), 'Room', 'GROUP', 'test');
    INSERT INTO entities VALUES (unhex('000000000000000000000000000000a1'), unhex('000000000000000000000000000000e1'), '[\"Lin\"]', '{}');
    INSERT INTO participants (room_id, entity_id, room_state)
        VALUES (unhex('000000000000000000000000000000b2'), unhex('000000000000000000000000000000e1'), 'FOLLOWED');
    INSERT INTO memories (id, agent_id, table_name, room_id, entity_id, content, metadata, is_unique, created_at, trust, embedded)
        VALUES (unhex('000000000000000000000000000000b3'), unhex('000000000000000000000000000000a1'), 'messages',
            unhex('000000000000000000000000000000b2'), unhex('000000000000000000000000000000e1'), '{\"text\":\"hello\"}', '{}', 1, 5,
            'participant', 1);
    INSERT INTO embedding_spaces VALUES (1, 'a/model', 8, '1');
    INSERT INTO memory_vectors (memory_ordinal, memory_id, agent_id, space_id, table_name, room_id, entity_id, created_at, scale, numbers)
        SELECT ordinal, id, agent_id, 1, table_name, room_id, entity_id, created_at, 1.0, zeroblob(8) FROM memories;
    INSERT INTO vectors_gone (number, agent_id, space_id) VALUES (99, unhex('000000000000000000000000000000a1'), 1);
    INSERT INTO media VALUES (unhex('000000000000000000000000000000f1'), 'agent', unhex('000000000000000000000000000000a1'), 'text/plain',
        'note.txt', 1, zeroblob(32), 1);
    INSERT INTO sessions (id, channel_id, agent_id, user_id, metadata, timeout_minutes, auto_renew, max_duration_minutes,
            warning_threshold_minutes, renewals, created_at, last_activity_at, expires_at)
        VALUES (unhex('000000000000000000000000000000f2'), unhex('000000000000000000000000000000c1'),
            unhex('000000000000000000000000000000a1'), unhex('000000000000000000000000000000e1'), '{}', 30, 1, 720, 5, 0, 5, 5, 6);
    INSERT INTO jobs (id, message_id, delivery_id, reply_id, agent_id, created_at, expires_at)
        VALUES (unhex('000000000000000000000000000000f3'), unhex('000000000000000000000000000000d1'),
            unhex('000000000000000000000000000000d2'), unhex('000000000000000000000000000000d3'), unhex('000000000000000000000000000000a1'),
            5, 6);
    INSERT INTO api_keys (id, name, tenant, permissions, servers, hash, created_at)
        VALUES (unhex('000000000000000000000000000000f4'), 'A key', 'acme', 'messages:read messages:write', '[]', zeroblob(32), 1);
    INSERT INTO runs (id, agent_id, delivery_id, room_id, entity_id, message_id, status, started_at, ended_at, metadata)
        VALUES (unhex('000000000000000000000000000000f5'), unhex('000000000000000000000000000000a1'),
            unhex('000000000000000000000000000000d2'), unhex('000000000000000000000000000000b2'), unhex('000000000000000000000000000000e1'),
            unhex('000000000000000000000000000000d1'), 'completed', 5, 6, '{}');
    INSERT INTO logs (id, agent_id, entity_id, room_id, kind, body, created_at)
        VALUES (unhex('000000000000000000000000000000f6'), unhex('000000000000000000000000000000a1'),
            unhex('000000000000000000000000000000e1'), unhex('000000000000000000000000000000b2'), 'run', '[1]', 5);";

/// Many messages more, of many kinds.
const MANY: &str = "
    INSERT INTO messages (id, channel_id, server_id, author_id, author_name, content, raw, source_type, metadata, in_reply_to, seq, created_at,
            updated_at)
        WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
        SELECT unhex(printf('%032x', 4096 + i)), unhex('000000000000000000000000000000c1'), zeroblob(16),
            unhex('000000000000000000000000000000e1'), CASE i % 3 WHEN 0 THEN 'Zoë' END,
            CASE i % 4 WHEN 0 THEN '' WHEN 1 THEN replace(hex(zeroblob(4096)), '0', 'é') WHEN 2 THEN '🌱' ELSE 'plain' END,
            CASE i % 5 WHEN 0 THEN '{\"text\":\"caf\\u00e9\",\"deep\":[[{}],null,1e3]}' WHEN 1 THEN '\"text\"' WHEN 2 THEN 'null' END,
            CASE i % 2 WHEN 0 THEN 'client_chat' END, CASE i % 3 WHEN 0 THEN '{\"a\":\"“\"}' ELSE '{}' END,
            CASE i % 7 WHEN 0 THEN unhex('000000000000000000000000000000d1') END, i, 5 + i, 5 + i FROM n;
    INSERT INTO channel_events SELECT channel_id, seq, 'message', id, NULL, created_at FROM messages WHERE seq > 1;
    UPDATE channels SET last_seq = 1500;";

/// Which check found what.
type Found = Vec<(Check, String)>;

struct Database {
    directory: TempDir,
    path: PathBuf,
}

impl Database {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        migrate::run(&Target::Sqlite(path.clone())).await.unwrap();
        let database = Self { directory, path };
        run(&database.path, ROWS);
        database
    }

    /// What is found in a copy that is damaged.
    fn damaged(&self, damage: &str) -> Found {
        let copy = self.directory.path().join("copy.db");
        fs::copy(&self.path, &copy).unwrap();
        run(&copy, damage);
        let found = found(&copy, Access::Shared);
        assert_eq!(found, self::found(&copy, Access::Frozen), "{damage}");
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(self.directory.path().join(format!("copy.db{end}")));
        }
        found
    }
}

/// As whoever damages a file: what SQLite would refuse, it does not. All of it is in the file in the end.
fn run(path: &Path, statements: &str) {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;").unwrap();
    conn.execute_batch(statements).unwrap();
    conn.close().unwrap();
}

/// What the rows are found to be. SQLite itself tells of broken constraints as well, where it may write.
fn found(path: &Path, access: Access) -> Found {
    let told = check(path, access).unwrap().problems.into_iter().map(|problem| (problem.check, problem.what));
    told.filter(|(_, what)| !what.starts_with("CHECK constraint failed")).collect()
}

/// The columns of all tables that are of a type.
fn columns(path: &Path, kind: &str) -> Vec<(String, String)> {
    let conn = Connection::open(path).unwrap();
    let mut statement = conn
        .prepare(
            "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND c.type = ?1 \
             AND t.name NOT GLOB 'sqlite_*' AND t.name NOT GLOB 'memory_words*' AND t.name NOT GLOB '__diesel*' ORDER BY t.name, c.cid",
        )
        .unwrap();
    let columns = statement.query_map([kind], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
    columns.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_sound_database_is_sound() {
    let database = Database::new().await;
    assert_eq!(database.damaged(""), Found::new());
    assert_eq!(database.damaged(MANY), Found::new());
}

#[tokio::test]
async fn no_column_holds_what_it_cannot_without_a_word() {
    let database = Database::new().await;
    let texts = columns(&database.path, "TEXT").into_iter().map(|column| (column, "CAST(x'7bff' AS TEXT)"));
    // What a vector's numbers are is asked by another check.
    let blobs = columns(&database.path, "BLOB").into_iter().filter(|(_, column)| column != "numbers").map(|column| (column, "x'0a'"));
    let columns: Vec<_> = texts.chain(blobs).collect();
    assert!(columns.len() > 100, "{}", columns.len());
    for ((table, column), broken) in columns {
        let found = database.damaged(&format!("UPDATE {table} SET \"{column}\" = {broken}"));
        let told = format!(" of {table} cannot be read: {column} ");
        let is_told = |(check, what): &(Check, String)| *check == Check::Rows && what.contains(&told);
        assert!(found.iter().any(is_told), "{table}.{column}: {found:?}");
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named_and_not_shown() {
    let database = Database::new().await;
    let id = |end: &str| format!("00000000-0000-0000-0000-0000000000{end}");
    let agents_and = |end: &str| format!("{} {}", id("a1"), id(end));
    for (damage, table, key, why) in [
        ("UPDATE messages SET metadata = '{\"a\":hunter2}'", "messages", id("d1"), "metadata is no JSON"),
        ("UPDATE messages SET metadata = CAST(x'7b2261223a22ff227d' AS TEXT)", "messages", id("d1"), "metadata is no UTF-8"),
        ("UPDATE messages SET content = CAST(x'ff' AS TEXT)", "messages", id("d1"), "content is no UTF-8"),
        ("UPDATE messages SET author_id = x'0a'", "messages", id("d1"), "author_id is no id"),
        ("UPDATE messages SET id = x'0a'", "messages", "X'0A'".to_owned(), "id is no id"),
        ("UPDATE messages SET raw = 'hunter2'", "messages", id("d1"), "raw is no JSON"),
        ("UPDATE agents SET character = '{'", "agents", id("a1"), "character is no JSON"),
        ("UPDATE agents SET character = '{\"topics\":\"hunter2\"}'", "agents", id("a1"), "character means nothing"),
        ("UPDATE agent_secrets SET sealed = x'0102'", "agent_secrets", format!("{} A TOKEN", id("a1")), "sealed means nothing"),
        ("UPDATE logs SET body = 'hunter2'", "logs", id("f6"), "body is no JSON"),
        ("UPDATE runs SET status = 'hunter2'", "runs", id("f5"), "status means nothing"),
        ("UPDATE memories SET trust = 'hunter2'", "memories", id("b3"), "trust means nothing"),
        ("UPDATE memories SET content = '{'", "memories", id("b3"), "content is no JSON"),
        ("UPDATE memories SET content = '\"hunter2\"'", "memories", id("b3"), "content is not the JSON that belongs there"),
        ("UPDATE rooms SET metadata = '[]'", "rooms", id("b2"), "metadata is not the JSON that belongs there"),
        ("UPDATE worlds SET metadata = ''", "worlds", id("b1"), "metadata is no JSON"),
        ("UPDATE entities SET names = '[1]'", "entities", agents_and("e1"), "names means nothing"),
        (
            "UPDATE participants SET room_state = 'hunter2'",
            "participants",
            format!("{} {}", id("b2"), id("e1")),
            "room_state means nothing",
        ),
        ("UPDATE api_keys SET permissions = 'messages:head'", "api_keys", id("f4"), "permissions means nothing"),
        ("UPDATE api_keys SET servers = '{}'", "api_keys", id("f4"), "servers means nothing"),
        ("UPDATE deliveries SET attempt = -1", "deliveries", id("d2"), "attempt means nothing"),
        ("UPDATE deliveries SET given_back = -1", "deliveries", id("d2"), "given_back means nothing"),
        ("UPDATE idempotency SET body_hash = x'00'", "idempotency", id("d1"), "body_hash means nothing"),
        ("UPDATE idempotency SET status = 99999", "idempotency", id("d1"), "status means nothing"),
        ("UPDATE media SET family = 'hunter2'", "media", id("f1"), "family means nothing"),
        ("UPDATE channel_events SET kind = 'hunter2'", "channel_events", format!("{} 1", id("c1")), "kind means nothing"),
        (
            "UPDATE channel_events SET kind = 'message_complete', payload = '{}'",
            "channel_events",
            format!("{} 1", id("c1")),
            "payload means nothing",
        ),
    ] {
        let found = database.damaged(damage);
        let told = (Check::Rows, format!("the row {key} of {table} cannot be read: {why}"));
        assert!(found.contains(&told), "{damage}: {found:?}");
        assert!(!found.iter().any(|(check, what)| *check == Check::Rows && what.contains("hunter2")), "{damage}: {found:?}");
    }
}

#[tokio::test]
async fn of_many_broken_rows_each_is_named_once_and_only_some_are() {
    let database = Database::new().await;
    let rows = |damage: &str| -> Vec<String> {
        let found = database.damaged(&format!("{MANY} {damage}"));
        found.into_iter().filter(|(check, _)| *check == Check::Rows).map(|(_, what)| what).collect()
    };
    let few = rows("UPDATE messages SET metadata = '{' WHERE seq IN (2, 700, 1500)");
    let number = |what: &String| what.split(' ').nth(2).and_then(|id| u64::from_str_radix(id.rsplit('-').next()?, 16).ok()).unwrap();
    assert_eq!(few.iter().map(number).collect::<Vec<_>>(), [4096 + 2, 4096 + 700, 4096 + 1500]);
    let many = rows("UPDATE messages SET metadata = '{'");
    assert_eq!(many.iter().map(number).collect::<HashSet<_>>().len(), 100);
    assert_eq!(many.len(), 100);
}

#[tokio::test]
async fn a_backup_of_an_older_version_lacks_what_that_had_not() {
    let database = Database::new().await;
    let older = "ALTER TABLE idempotency DROP COLUMN answer;";
    let found = database.damaged(older);
    assert!(
        found.iter().any(|(check, what)| *check == Check::Rows && what.starts_with("the rows of idempotency cannot be read")),
        "{found:?}"
    );
    let last = "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations);";
    assert_eq!(database.damaged(&format!("{older} {last}")), Found::new());
    let found = database.damaged(&format!("{older} {last} UPDATE messages SET content = CAST(x'ff' AS TEXT);"));
    assert_eq!(found.len(), 1, "the other tables are read: {found:?}");
}

#[tokio::test]
async fn a_vector_that_is_lost_is_missed_and_made_again() {
    let database = Database::new().await;
    let found = database.damaged("DELETE FROM memory_vectors");
    assert!(
        matches!(found.as_slice(), [(Check::Vectors, what)] if what.ends_with("counts as having its vector, and has none")),
        "{found:?}"
    );
    for without_text in ["{}", r#"{"text":" \n"}"#, r#"{"text":7}"#] {
        let found = database.damaged(&format!("DELETE FROM memory_vectors; UPDATE memories SET content = '{without_text}'"));
        assert_eq!(found, Found::new(), "{without_text}");
    }
    run(&database.path, "DELETE FROM memory_vectors");
    assert_eq!(forget_vectors(&database.path).unwrap(), 0);
    assert_eq!(self::found(&database.path, Access::Shared), Found::new());
    let conn = Connection::open(&database.path).unwrap();
    let waiting: i64 = conn.query_row("SELECT count(*) FROM memories WHERE NOT embedded", [], |row| row.get(0)).unwrap();
    assert_eq!(waiting, 1, "it waits for another");
}
