//! What is checked and mended, and the way to another version of the database and back.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{LIN, Talk, body, lived_in, sqlite};
use crate::elizaos::Database;
use crate::server::Server;
use crate::{doolittle, ended, files, run, stderr, stdout, worked};

#[test]
fn damage_is_found_and_named() {
    let directory = tempfile::tempdir().unwrap();
    lived_in(directory.path());
    worked(&run(directory.path(), &["verify"]));
    let damaged = |damage: &dyn Fn(&Path), because: &str| {
        let copy = tempfile::tempdir().unwrap();
        let copied = std::process::Command::new("cp").arg("-a").arg(directory.path().join("data")).arg(copy.path()).status().unwrap();
        assert!(copied.success());
        damage(copy.path());
        ended(&run(copy.path(), &["verify"]), 10, because);
    };
    let media = |directory: &Path| files(&directory.join("data/media"))[0].clone();
    let rows = |statements: &'static str| move |directory: &Path| sqlite(directory, &format!("PRAGMA foreign_keys = OFF; {statements}"));
    damaged(&|directory| fs::remove_file(media(directory)).unwrap(), "media: the file ");
    damaged(
        &|directory| {
            let mut bytes = fs::read(media(directory)).unwrap();
            bytes[3] ^= 1;
            fs::write(media(directory), bytes).unwrap();
        },
        "is not what was uploaded",
    );
    damaged(
        &|directory| {
            sqlite(directory, "PRAGMA wal_checkpoint(TRUNCATE)");
            let file = fs::OpenOptions::new().write(true).open(directory.join("data/doolittle.db")).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        },
        "structure: ",
    );
    damaged(&rows("DELETE FROM channel_events WHERE seq = 3"), "sequence: the events of the channel");
    damaged(&rows("UPDATE channels SET last_seq = last_seq - 1"), "sequence: ");
    damaged(&rows("UPDATE messages SET seq = 2 WHERE seq = 1"), "sequence: ");
    damaged(&rows("DELETE FROM messages WHERE in_reply_to IS NOT NULL"), "deliveries: the delivery ");
    damaged(&rows("UPDATE deliveries SET ended_at = NULL"), "without an end");
    damaged(&rows("DELETE FROM agents"), "references: a row of ");
    damaged(&rows("UPDATE memories SET words_version = 1; DELETE FROM memory_words_docsize"), "words: ");
    let vectors = "INSERT INTO embedding_spaces VALUES (99, 'm', 8, '1'); UPDATE memories SET embedded = 1; DELETE FROM memory_vectors; \
                   INSERT INTO memory_vectors (memory_ordinal, memory_id, agent_id, space_id, table_name, room_id, entity_id, created_at, \
                   scale, numbers) SELECT ordinal, id, agent_id, 99, table_name, room_id, entity_id, created_at, 1.0, zeroblob(8) FROM memories;";
    let with_vectors =
        |change: &'static str| move |directory: &Path| sqlite(directory, &format!("{vectors} PRAGMA foreign_keys = OFF; {change}"));
    damaged(&with_vectors("UPDATE memory_vectors SET numbers = zeroblob(7)"), "vectors: ");
    damaged(&with_vectors("UPDATE memory_vectors SET scale = 9e999"), "no scale that is a number");
    damaged(&with_vectors("UPDATE memory_vectors SET space_id = 98"), "vectors: ");
    damaged(&with_vectors("UPDATE memory_vectors SET memory_id = zeroblob(16)"), "of no memory");
    let sound = tempfile::tempdir().unwrap();
    std::process::Command::new("cp").arg("-a").arg(directory.path().join("data")).arg(sound.path()).status().unwrap();
    sqlite(sound.path(), vectors);
    worked(&run(sound.path(), &["verify"]));
}

#[test]
fn a_backup_of_a_damaged_database_is_told_as_one() {
    let directory = tempfile::tempdir().unwrap();
    lived_in(directory.path());
    // The root of a table, which SQLite meets only where it reads the table.
    let conn = rusqlite::Connection::open(directory.path().join("data/doolittle.db")).unwrap();
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let root: u32 = conn.query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'messages'", [], |row| row.get(0)).unwrap();
    let page: u32 = conn.query_row("PRAGMA page_size", [], |row| row.get(0)).unwrap();
    drop(conn);
    let mut file = fs::OpenOptions::new().write(true).open(directory.path().join("data/doolittle.db")).unwrap();
    file.seek(SeekFrom::Start(u64::from(root - 1) * u64::from(page))).unwrap();
    file.write_all(&[0xff; 64]).unwrap();
    for to in ["monday", "monday.tar"] {
        let output = run(directory.path(), &["backup", "--to", to]);
        ended(&output, 10, "the database is damaged: keep the backups before it");
        assert!(stdout(&output).contains("NOT AS IT SHOULD BE: structure: "), "{}", stdout(&output));
        ended(&run(directory.path(), &["verify", "--backup", to]), 10, "backup: structure: ");
    }
    let manifest = fs::read_to_string(directory.path().join("monday/manifest.json")).unwrap();
    assert!(manifest.contains("\"damaged\": true"), "{manifest}");
}

#[test]
fn what_is_derived_is_made_anew_and_what_is_nobodys_is_put_aside() {
    let directory = tempfile::tempdir().unwrap();
    let talk = lived_in(directory.path());
    ended(&run(directory.path(), &["repair"]), 0, "nothing is wrong");
    let orphan = directory.path().join("data/media/ab/ab000000000000000000000000000000.txt");
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, "left by a crash").unwrap();
    sqlite(
        directory.path(),
        "INSERT INTO memory_words (memory_words) VALUES ('delete-all'); UPDATE memories SET embedded = 1, words_version = 1; DELETE FROM memory_vectors; \
         INSERT INTO embedding_spaces VALUES (99, 'm', 8, '1'); INSERT INTO memory_vectors (memory_ordinal, memory_id, agent_id, space_id, \
         table_name, room_id, entity_id, created_at, scale, numbers) SELECT ordinal, id, agent_id, 99, table_name, room_id, entity_id, \
         created_at, 1.0, zeroblob(7) FROM memories;",
    );
    ended(&run(directory.path(), &["verify"]), 10, "vectors: ");
    {
        let _server = Server::start(directory.path(), &[("EMBEDDING_PROVIDER", "none")]);
        ended(&run(directory.path(), &["repair"]), 5, "uses the data directory");
    }
    let said = worked(&run(directory.path(), &["repair"]));
    for done in ["vectors are dropped", "index of words is made anew", "files of no row are moved", "the database as it was is in"] {
        assert!(said.contains(done), "{done} is not in {said}");
    }
    assert!(!orphan.exists());
    assert_eq!(
        fs::read_to_string(directory.path().join("data/quarantine/ab000000000000000000000000000000.txt")).unwrap(),
        "left by a crash"
    );
    let copies = files(&directory.path().join("data/backups"));
    assert!(copies.len() == 1 && copies[0].to_string_lossy().contains("before-repair"), "{copies:?}");
    worked(&run(directory.path(), &["verify"]));
    let conn = rusqlite::Connection::open(directory.path().join("data/doolittle.db")).unwrap();
    let count = |statement: &str| conn.query_row(statement, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM memory_vectors"), 0);
    assert_eq!(count("SELECT count(*) FROM memories WHERE embedded = 1"), 0, "they wait for other vectors");
    drop(conn);
    let server = Server::start(directory.path(), &[("EMBEDDING_PROVIDER", "none")]);
    let found = body(&server.ask("POST", &format!("/api/memory/agents/{}/search", talk.agent), &json!({"query": "hello"})));
    assert!(found.to_string().contains("Hello"), "{found}");

    // Where the rows cannot be read that speak of files, every one of them may be somebody's.
    drop(server);
    let kept = files(&directory.path().join("data/media"));
    for (damage, mending) in [
        ("ALTER TABLE media RENAME TO hidden", "ALTER TABLE hidden RENAME TO media"),
        ("UPDATE media SET sha256 = x'00'", "UPDATE media SET sha256 = (SELECT sha256 FROM saved WHERE saved.id = media.id)"),
    ] {
        sqlite(directory.path(), &format!("CREATE TABLE saved AS SELECT id, sha256 FROM media; {damage}"));
        ended(&run(directory.path(), &["repair"]), 10, "no file is put aside");
        assert_eq!(files(&directory.path().join("data/media")), kept, "after {damage}");
        sqlite(directory.path(), &format!("{mending}; DROP TABLE saved"));
    }
    worked(&run(directory.path(), &["verify"]));

    // What cannot be made anew is told.
    fs::remove_file(&files(&directory.path().join("data/media"))[0]).unwrap();
    ended(&run(directory.path(), &["repair"]), 10, "LEFT: media: the file ");
}

#[test]
fn a_memory_that_cannot_be_read_is_told_as_left_and_the_others_are_found_by_their_words_again() {
    let directory = tempfile::tempdir().unwrap();
    lived_in(directory.path());
    sqlite(
        directory.path(),
        "UPDATE memories SET content = '\"hunter2\"' WHERE ordinal = (SELECT min(ordinal) FROM memories); \
         INSERT INTO memory_words (memory_words) VALUES ('delete-all'); UPDATE memories SET words_version = 1",
    );
    let output = run(directory.path(), &["repair"]);
    ended(&output, 10, "LEFT: rows: the row ");
    let said = stdout(&output);
    assert!(said.contains("the index of words is made anew") && said.contains("of memories cannot be read: content"), "{said}");
    assert!(!said.contains("not whole") && !said.contains("LEFT: words: ") && !said.contains("hunter2"), "{said}");
    let conn = rusqlite::Connection::open(directory.path().join("data/doolittle.db")).unwrap();
    let count = |statement: &str| conn.query_row(statement, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM memories WHERE words_version = 0"), 0, "none waits");
    assert!(count("SELECT count(*) FROM memory_words_docsize") > 0);
}

#[test]
fn a_database_of_the_version_before_is_taken_up_with_all_that_it_has_and_can_go_back() {
    let directory = tempfile::tempdir().unwrap();
    let talk = lived_in(directory.path());
    let known = |directory: &Path| {
        let server = Server::start(directory, &[]);
        talk.texts(&server)
    };
    let texts = known(directory.path());
    assert!(texts.len() >= 4, "{texts:?}");

    // Back, as one who returns to the version before does.
    let said = worked(&run(directory.path(), &["migrate", "--down"]));
    assert!(said.contains("undid 0") && said.contains("before-downgrade"), "{said}");
    let before = files(&directory.path().join("data/backups"));
    assert_eq!(before.len(), 1, "{before:?}");

    // Forward: the start of this version keeps the database as it was, and has everything.
    assert_eq!(known(directory.path()), texts);
    let copies = files(&directory.path().join("data/backups"));
    let upgrade =
        copies.iter().find(|path| path.to_string_lossy().contains("before-upgrade-from-0")).unwrap_or_else(|| panic!("{copies:?}"));
    worked(&run(directory.path(), &["verify"]));
    assert_eq!(known(directory.path()), texts);
    assert_eq!(files(&directory.path().join("data/backups")), copies, "a start that migrates nothing copies nothing");

    // The copy is a database as it was, and the way back without `--down`.
    let other = tempfile::tempdir().unwrap();
    fs::create_dir(other.path().join("data")).unwrap();
    fs::copy(upgrade, other.path().join("data/doolittle.db")).unwrap();
    fs::copy(directory.path().join("data/secret.key"), other.path().join("data/secret.key")).unwrap();
    assert_eq!(known(other.path()), texts);

    // They are bounded.
    for _ in 0..3 {
        worked(&run(directory.path(), &["migrate", "--down"]));
        worked(&run(directory.path(), &["migrate"]));
    }
    for reason in ["before-upgrade-from-0", "before-downgrade"] {
        assert_eq!(copies_before(directory.path(), reason).len(), 3, "{reason}");
    }

    // An older program meets a newer database, and changes nothing, whatever it finds.
    sqlite(directory.path(), "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
    let orphan = directory.path().join("data/media/ab/ab000000000000000000000000000000.txt");
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, "of a row that is not known yet").unwrap();
    let copies = files(&directory.path().join("data/backups"));
    for arguments in [&["serve", "--port", "0"][..], &["migrate"], &["migrate", "--down"], &["repair"], &["export", "Ada"]] {
        ended(&run(directory.path(), arguments), 6, "newer version");
        assert_eq!(files(&directory.path().join("data/backups")), copies, "{arguments:?} copies what it refuses");
        assert!(orphan.exists(), "{arguments:?} moves a file");
    }
}

/// The copies of the database of this reason.
fn copies_before(directory: &Path, reason: &str) -> Vec<PathBuf> {
    files(&directory.join("data/backups")).into_iter().filter(|path| path.to_string_lossy().contains(reason)).collect()
}

#[test]
fn going_back_by_many_versions_keeps_the_copies_of_all_that_was_there() {
    let directory = tempfile::tempdir().unwrap();
    ended(&run(directory.path(), &["migrate", "--down"]), 4, "there is no database");
    assert!(!directory.path().join("data").exists());
    let said = worked(&run(directory.path(), &["migrate"]));
    assert!(said.contains("it is a new database"), "{said}");
    worked(&run(directory.path(), &["migrate", "--down"]));
    let said = worked(&run(directory.path(), &["migrate"]));
    assert!(!said.contains("it is a new database"), "{said}");

    let copies = |reason: &str| copies_before(directory.path(), reason);
    let (upgrades, earlier) = (copies("before-upgrade"), copies("before-downgrade"));
    assert_eq!((upgrades.len(), earlier.len()), (1, 1));
    worked(&run(directory.path(), &["migrate", "--down"]));
    let first: Vec<PathBuf> = copies("before-downgrade").into_iter().filter(|copy| !earlier.contains(copy)).collect();
    let mut steps = 0;
    let refused = loop {
        let output = run(directory.path(), &["migrate", "--down"]);
        if output.status.code() != Some(0) {
            break output;
        }
        steps += 1;
        assert!(first.iter().all(|copy| copy.exists()), "the first copy is gone after {steps} steps more");
    };
    assert!(steps > 4, "{steps}");
    ended(&refused, 6, "has no migration that could be undone");
    let kept = copies("before-");
    assert_eq!((copies("before-upgrade"), first.len(), copies("before-downgrade").len()), (upgrades, 1, 3));
    ended(&run(directory.path(), &["migrate", "--down"]), 6, "has no migration that could be undone");
    assert_eq!(copies("before-"), kept);
}

#[test]
fn of_postgresql_no_copy_is_promised_and_a_server_that_runs_is_to_be_stopped_first() {
    let Some(database) = Database::empty("down") else { return };
    let directory = tempfile::tempdir().unwrap();
    let environment = [("POSTGRES_URL", database.url.as_str())];
    let migrate = |more: &[&str]| doolittle(directory.path(), &environment, &[&["migrate", "--data-dir", "other"], more].concat());
    let said = worked(&migrate(&[]));
    assert!(said.contains("it is a new database"), "{said}");
    let said = worked(&migrate(&["--down"]));
    assert!(said.contains("no copy of it was made before, as pg_dump makes one"), "{said}");
    let _server = Server::start(directory.path(), &environment);
    for down in [&[][..], &["--down"]] {
        ended(&migrate(down), 5, "stop it first");
    }
}

#[test]
fn what_is_changed_and_deleted_leaves_nothing_that_is_not_sound() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let (talk, other) = (Talk::begin(&server), Talk::begin(&server));
    let channel = format!("/api/messaging/channels/{}", talk.channel);
    let ids = || -> Vec<(String, String)> {
        let answer = body(&server.ask("GET", &format!("{channel}/messages?limit=100"), &json!({})));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        answer["data"]["messages"].as_array().unwrap().iter().map(|message| (text(&message["id"]), text(&message["authorId"]))).collect()
    };
    let sound = |after: &str| {
        let output = run(directory.path(), &["verify"]);
        assert_eq!(output.status.code(), Some(0), "after {after}: {}{}", stdout(&output), stderr(&output));
    };
    for text in ["one", "two", "three"] {
        talk.say(&server, text, "http");
        other.say(&server, text, "http");
    }
    sound("talking");
    let (reply, _) = ids().into_iter().find(|(_, author)| *author == talk.agent).unwrap();
    server.ask("DELETE", &format!("{channel}/messages/{reply}"), &json!({}));
    let (asked, _) = ids().into_iter().find(|(_, author)| author == LIN).unwrap();
    server.ask("DELETE", &format!("{channel}/messages/{asked}"), &json!({}));
    sound("deleting a question and a reply");
    let (changed, _) = ids().into_iter().find(|(_, author)| author == LIN).unwrap();
    server.ask("PATCH", &format!("/api/messaging/messages/{changed}"), &json!({"content": "changed"}));
    sound("changing a message");
    talk.say(&server, "not waited for", "websocket");
    server.ask("DELETE", &format!("{channel}/messages"), &json!({}));
    sound("clearing a channel");
    let session = json!({"agentId": talk.agent, "userId": LIN});
    server.ask("POST", "/api/messaging/sessions", &session);
    server.ask("POST", "/api/messaging/jobs", &json!({"agentId": talk.agent, "userId": LIN, "content": "ping"}));
    sound("a session and a job");
    other.say(&server, "not waited for", "websocket");
    server.ask("DELETE", &format!("/api/agents/{}", other.agent), &json!({}));
    sound("removing an agent");
    server.ask("DELETE", &channel, &json!({}));
    sound("removing a channel");
}
