//! Backups and their way back, checks and mending, with what a server has been told.

#![expect(clippy::indexing_slicing, reason = "an answer without what is asked for fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::server::Server;
use crate::{doolittle, ended, run, stderr, stdout, worked};

const LIN: &str = "11111111-1111-4111-8111-111111111111";

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_default()
}

/// Somebody who talks with an agent.
struct Talk {
    agent: String,
    channel: String,
}

impl Talk {
    fn begin(server: &Server) -> Self {
        let ask = |path: &str, question: Value| body(&server.ask("POST", path, &question));
        let character = json!({"name": "Ada", "bio": ["Counts."], "settings": {"secrets": {"TOKEN": "hunter2"}}});
        let agent = ask("/api/agents", json!({"characterJson": character}))["data"]["id"].as_str().unwrap().to_owned();
        ask(&format!("/api/agents/{agent}/start"), json!({}));
        let channel = json!({"name": "Talk", "type": "DM", "message_server_id": "00000000-0000-0000-0000-000000000000",
            "participantCentralUserIds": [LIN, agent]});
        let channel = ask("/api/messaging/channels", channel)["data"]["id"].as_str().unwrap().to_owned();
        Self { agent, channel }
    }

    /// Says something and waits for the reply, if so.
    fn say(&self, server: &Server, text: &str, transport: &str) {
        let message = json!({"author_id": LIN, "content": text, "message_server_id": "00000000-0000-0000-0000-000000000000",
            "source_type": "client_chat", "raw_message": {"text": text}, "metadata": {"user_display_name": "Lin"}, "transport": transport});
        server.ask("POST", &format!("/api/messaging/channels/{}/messages", self.channel), &message);
    }

    fn upload(&self, server: &Server, content: &str) -> String {
        let part = "Content-Disposition: form-data; name=\"file\"; filename=\"note.txt\"\r\nContent-Type: text/plain";
        let form = format!("--b\r\n{part}\r\n\r\n{content}\r\n--b--\r\n");
        let path = format!("/api/messaging/channels/{}/upload-media", self.channel);
        let answer = body(&server.send("POST", &path, "multipart/form-data; boundary=b", form.as_bytes()));
        answer["data"]["url"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// What was said, oldest first.
    fn texts(&self, server: &Server) -> Vec<String> {
        let answer = body(&server.ask("GET", &format!("/api/messaging/channels/{}/messages?limit=1000", self.channel), &json!({})));
        let messages = answer["data"]["messages"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
        let mut texts: Vec<(i64, String)> = messages
            .iter()
            .map(|message| (message["created_at"].as_i64().unwrap_or_default(), message["content"].as_str().unwrap().to_owned()))
            .collect();
        texts.sort_by_key(|(at, _)| *at);
        texts.into_iter().map(|(_, text)| text).collect()
    }
}

/// A server in `data` of the directory where somebody has talked and sent files; it is stopped again.
fn lived_in(directory: &Path) -> Talk {
    let server = Server::start(directory, &[]);
    let talk = Talk::begin(&server);
    for text in ["Hello", "Zoë says “hi” 🌱"] {
        talk.say(&server, text, "http");
    }
    for content in ["The mill has a store.", "Another file."] {
        talk.upload(&server, content);
    }
    talk
}

/// The files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn sqlite(directory: &Path, statements: &str) {
    let conn = rusqlite::Connection::open(directory.join("data/doolittle.db")).unwrap();
    conn.execute_batch(statements).unwrap();
}

/// Numbers that look like chance and are the same each time.
fn scattered(count: u64, below: u64) -> impl Iterator<Item = u64> {
    (0..count).scan(0x9e37_79b9_7f4a_7c15_u64, move |state, _| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        Some(*state % below)
    })
}

#[test]
fn what_was_acknowledged_before_a_backup_is_in_it_while_others_go_on_talking() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[("RATE_LIMIT_MAX", "0"), ("RATE_LIMIT_UPLOAD_MAX", "0")]);
    let talk = Talk::begin(&server);
    let url = talk.upload(&server, "The mill has a store.");
    let over = AtomicBool::new(false);
    let known = std::thread::scope(|scope| {
        let talking: Vec<_> = (0..3)
            .map(|speaker| {
                let (server, talk, over) = (&server, &talk, &over);
                scope.spawn(move || {
                    let mut said = 0;
                    while !over.load(Ordering::Relaxed) {
                        talk.say(server, &format!("{speaker}:{said}"), "websocket");
                        talk.upload(server, &format!("file {speaker}:{said}"));
                        said += 1;
                    }
                    said
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        let known = talk.texts(&server);
        for to in ["one", "two.tar"] {
            let said = worked(&run(directory.path(), &["backup", "--to", to]));
            assert!(said.contains("NOT secret.key"), "{said}");
        }
        over.store(true, Ordering::Relaxed);
        assert!(talking.into_iter().map(|speaker| speaker.join().unwrap()).sum::<u64>() > 6);
        known
    });
    drop(server);
    for from in ["one", "two.tar"] {
        let elsewhere = tempfile::tempdir().unwrap();
        let from = directory.path().join(from);
        let from = from.to_str().unwrap();
        let checked = worked(&doolittle(directory.path(), &[], &["verify", "--backup", from]));
        assert!(checked.contains("sound"), "{checked}");
        let said = worked(&run(elsewhere.path(), &["restore", "--from", from]));
        assert!(said.contains("has no secret.key"), "{said}");
        worked(&run(elsewhere.path(), &["verify"]));
        // As an operator would who kept the key elsewhere.
        fs::copy(directory.path().join("data/secret.key"), elsewhere.path().join("data/secret.key")).unwrap();
        let restored = Server::start(elsewhere.path(), &[]);
        let texts = talk.texts(&restored);
        let missing: Vec<_> = known.iter().filter(|text| !texts.contains(text)).collect();
        assert!(missing.is_empty(), "{missing:?} was said before, and is not in {texts:?}");
        let file = restored.ask("GET", &url, &json!({}));
        assert!(file.ends_with("The mill has a store."), "{file}");
    }
}

#[test]
fn every_flipped_byte_of_a_backup_is_found_and_nothing_of_it_is_restored() {
    let directory = tempfile::tempdir().unwrap();
    lived_in(directory.path());
    worked(&run(directory.path(), &["backup", "--to", "one", "--with-key"]));
    worked(&run(directory.path(), &["backup", "--to", "two.tar", "--with-key"]));
    let verify = |name: &str| doolittle(directory.path(), &[], &["verify", "--backup", name, "--json"]);
    for name in ["one", "two.tar"] {
        assert_eq!(serde_json::from_str::<Value>(&worked(&verify(name))).unwrap()["sound"], true);
    }
    let flip = |path: &Path, at: u64, bit: u64| {
        let mut bytes = fs::read(path).unwrap();
        bytes[usize::try_from(at).unwrap()] ^= 1 << bit;
        fs::write(path, bytes).unwrap();
    };
    let in_directory = files(&directory.path().join("one"));
    assert!(in_directory.iter().any(|path| path.ends_with("secret.key")) && in_directory.len() == 6, "{in_directory:?}");
    let mut flips: Vec<(&str, PathBuf, u64)> = Vec::new();
    for path in &in_directory {
        flips.extend(scattered(6, fs::metadata(path).unwrap().len()).map(|at| ("one", path.clone(), at)));
    }
    let tar = directory.path().join("two.tar");
    let length = fs::metadata(&tar).unwrap().len();
    // Beside chance, the places that are of no file: heads, what fills blocks, and the end.
    flips.extend(scattered(25, length).chain([0, 99, 150, 500, length - 1, length - 1024]).map(|at| ("two.tar", tar.clone(), at)));
    for (name, path, at) in flips {
        let bit = at % 8;
        flip(&path, at, bit);
        let checked = verify(name);
        ended(&checked, 10, "not as ");
        let told: Value = serde_json::from_str(&stdout(&checked)).unwrap();
        assert_eq!(told["sound"], false, "{name}: byte {at} of {}", path.display());
        assert!(!told["problems"].as_array().unwrap().is_empty(), "{told}");
        flip(&path, at, bit);
    }
    // One of each is also tried to be restored.
    for (name, path) in [("one", directory.path().join("one/doolittle.db")), ("two.tar", tar)] {
        flip(&path, 5_000, 3);
        ended(&doolittle(directory.path(), &[], &["restore", "--from", name, "--data-dir", "new"]), 10, "nothing is restored");
        assert!(files(directory.path()).iter().all(|path| !path.to_string_lossy().contains("new")), "something is left");
        flip(&path, 5_000, 3);
    }
    fs::remove_file(&in_directory[3]).unwrap();
    ended(&verify("one"), 10, "cannot be read");
    let cut = fs::OpenOptions::new().write(true).open(directory.path().join("two.tar")).unwrap();
    cut.set_len(length / 2).unwrap();
    ended(&verify("two.tar"), 10, "never finished, or is cut off");
}

#[test]
fn nothing_is_overwritten_and_what_was_there_is_moved_aside() {
    let directory = tempfile::tempdir().unwrap();
    let talk = lived_in(directory.path());
    ended(&run(directory.path(), &["backup", "--to", "data"]), 2, "is there already");
    worked(&run(directory.path(), &["backup", "--to", "one", "--with-key"]));
    ended(&run(directory.path(), &["backup", "--to", "one"]), 2, "is there already");
    let database = directory.path().join("data/doolittle.db");
    ended(&run(directory.path(), &["restore", "--from", "one"]), 2, "--replace");
    {
        let _server = Server::start(directory.path(), &[]);
        ended(&run(directory.path(), &["restore", "--from", "one", "--replace"]), 5, "uses the data directory");
    }
    let before = fs::read(&database).unwrap();
    let said: Value = serde_json::from_str(&worked(&run(directory.path(), &["restore", "--from", "one", "--replace", "--json"]))).unwrap();
    let aside = directory.path().join(said["movedAside"].as_str().unwrap());
    assert_eq!(fs::read(aside.join("doolittle.db")).unwrap(), before, "what was there is kept as it was");
    let server = Server::start(directory.path(), &[]);
    assert!(talk.texts(&server).contains(&"Hello".to_owned()));
    #[cfg(unix)]
    for path in files(&directory.path().join("one")) {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    ended(&doolittle(directory.path(), &[("POSTGRES_URL", "postgres://x@h/d")], &["backup", "--to", "x"]), 2, "pg_dump");
}

#[test]
fn a_data_directory_without_a_name_of_its_own_is_replaced_like_any_other_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    lived_in(directory.path());
    worked(&run(directory.path(), &["backup", "--to", "one", "--with-key"]));
    let one = directory.path().join("one");
    let one = one.to_str().unwrap();
    let below = directory.path().join("data/below");
    fs::create_dir(&below).unwrap();
    let restore = |within: &Path, to: &str| doolittle(within, &[], &["restore", "--from", one, "--replace", "--json", "--data-dir", to]);
    ended(&restore(directory.path(), "/"), 2, "cannot be a data directory");
    ended(&restore(directory.path(), "nowhere/.."), 2, "cannot be a data directory");
    assert!(!directory.path().join("nowhere").exists());
    // From within it, and from below it.
    for (within, to, earlier) in [(below.clone(), "..", "first"), (directory.path().join("data"), ".", "second")] {
        let marked = directory.path().join("data/mine");
        fs::write(&marked, to).unwrap();
        let said: Value = serde_json::from_str(&worked(&restore(&within, to))).unwrap();
        let aside = Path::new(said["movedAside"].as_str().unwrap());
        assert_eq!(fs::read_to_string(aside.join("mine")).unwrap(), to, "what was there is kept");
        assert!(aside.join("doolittle.db").is_file() && !marked.exists());
        worked(&run(directory.path(), &["verify"]));
        fs::rename(aside, directory.path().join(earlier)).unwrap();
    }
    // No backup is made over what lies at such a place either.
    for to in ["nowhere/..", ".."] {
        let refused = doolittle(&directory.path().join("data"), &[], &["backup", "--data-dir", ".", "--to", to]);
        assert_ne!(refused.status.code(), Some(0), "{}", stdout(&refused));
    }
    worked(&run(directory.path(), &["verify"]));
}

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

/// When something was said, in milliseconds since 1970.
fn said_at(server: &Server, talk: &Talk, text: &str) -> i64 {
    let answer = body(&server.ask("GET", &format!("/api/messaging/channels/{}/messages?limit=1000", talk.channel), &json!({})));
    let messages = answer["data"]["messages"].as_array().unwrap();
    let message = messages.iter().find(|message| message["content"] == text).unwrap_or_else(|| panic!("{text} was never said"));
    let at = &message["created_at"];
    at.as_i64().unwrap_or_else(|| panic!("{at} is no time"))
}

#[test]
fn a_backup_and_the_log_lead_to_any_moment_since() {
    let directory = tempfile::tempdir().unwrap();
    // So rarely that all of it is what the next start finds after a kill.
    let environment = [("BACKUP_LOG_DIR", "log"), ("BACKUP_LOG_SECONDS", "3600")];
    let mut server = Server::start(directory.path(), &environment);
    let talk = Talk::begin(&server);
    talk.say(&server, "before the backup", "http");
    let backup = doolittle(directory.path(), &environment, &["backup", "--to", "one", "--with-key", "--data-dir", "data"]);
    let later = talk.upload(&server, "Uploaded after the backup.");
    assert!(worked(&backup).contains("one: "));
    let mut moments = Vec::new();
    for text in ["first", "second", "third"] {
        std::thread::sleep(Duration::from_millis(20));
        talk.say(&server, text, "http");
        moments.push((text, said_at(&server, &talk, text) - 1));
        std::thread::sleep(Duration::from_millis(20));
        if text == "second" {
            drop(server);
            server = Server::start(directory.path(), &environment);
        }
    }
    drop(server);
    // The log has the last of it once the database is opened again.
    worked(&doolittle(directory.path(), &environment, &["migrate", "--data-dir", "data"]));

    let restore = |until: i64, to: &str| {
        let until = until.to_string();
        let arguments = ["restore", "--from", "one", "--until", &until, "--data-dir", to, "--media", "data/media"];
        doolittle(directory.path(), &environment, &arguments)
    };
    let end = (moments[2].1 + 60_000).to_string();
    for (index, (_, until)) in moments.iter().enumerate().skip(1) {
        let to = format!("until-{index}");
        worked(&restore(*until, &to));
        let new = tempfile::tempdir().unwrap();
        fs::rename(directory.path().join(&to), new.path().join("data")).unwrap();
        let server = Server::start(new.path(), &[]);
        let texts = talk.texts(&server);
        for (text, at) in &moments {
            assert_eq!(texts.iter().any(|said| said == text), at < until, "{text} at {until}: {texts:?}");
        }
        assert!(texts.iter().any(|text| text == "before the backup"));
        assert!(server.ask("GET", &later, &json!({})).ends_with("Uploaded after the backup."));
    }
    // What was asked for may be later than the log knows, which is said.
    assert!(worked(&restore(moments[2].1 + 60_000, "beyond")).contains("THE LOG ENDS BEFORE "));
    for (until, beyond) in [(&end, true), (&moments[2].1.to_string(), false)] {
        let to = format!("beyond-{beyond}");
        let arguments = ["restore", "--from", "one", "--until", until, "--data-dir", &to, "--media", "data/media", "--json"];
        let told: Value = serde_json::from_str(&worked(&doolittle(directory.path(), &environment, &arguments))).unwrap();
        assert_eq!(told["logEndsBefore"].is_string(), beyond, "{told}");
    }
    let alone = doolittle(directory.path(), &environment, &["restore", "--from", "one", "--until", &end, "--data-dir", "alone"]);
    ended(&alone, 10, "is not there");
    ended(&restore(1_000, "early"), 2, "take an earlier one");
    let unlogged = doolittle(directory.path(), &[], &["restore", "--from", "one", "--until", &end, "--data-dir", "unlogged"]);
    ended(&unlogged, 2, "--log");
    let segments = files(&directory.path().join("log"));
    let segments: Vec<_> = segments.iter().filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    assert!(segments.len() > 2, "{segments:?}");
    fs::remove_file(segments[1]).unwrap();
    ended(&restore(moments[2].1, "gap"), 10, "is missing");
    for left in ["early", "unlogged", "gap"] {
        assert!(!directory.path().join(left).exists(), "{left} is left");
    }
    let undone = worked(&doolittle(directory.path(), &environment, &["migrate", "--down", "--data-dir", "data"]));
    assert!(undone.contains(" ends here: the next start"), "{undone}");
    worked(&run(directory.path(), &["backup", "--to", "two"]));
    let without = doolittle(directory.path(), &environment, &["restore", "--from", "two", "--until", &end, "--data-dir", "without"]);
    ended(&without, 2, "no log was kept");
}

#[test]
fn the_running_server_makes_backups_and_says_when() {
    let directory = tempfile::tempdir().unwrap();
    let environment = [("BACKUP_DIR", "backups"), ("BACKUP_COMPLETE", "true")];
    let whole = || {
        let there = fs::read_dir(directory.path().join("backups")).unwrap().map(|entry| entry.unwrap().path());
        there.filter(|path| path.join("manifest.json").is_file() && !path.to_string_lossy().contains("partial")).collect::<Vec<_>>()
    };
    let server = Server::start(directory.path(), &environment);
    for _ in 0..200 {
        if !whole().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let made = whole();
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(made[0].join("secret.key").is_file());
    worked(&doolittle(directory.path(), &[], &["verify", "--backup", made[0].to_str().unwrap()]));
    let figures = server.ask("GET", "/metrics", &json!({}));
    assert!(figures.contains("doolittle_backups_total{outcome=\"made\"} 1"), "{figures}");
    drop(server);
    let _server = Server::start(directory.path(), &environment);
    assert_eq!(whole(), made, "the next is not due");
    let refused = doolittle(directory.path(), &[("BACKUP_DIR", "x"), ("POSTGRES_URL", "postgres://x@127.0.0.1:1/d")], &["--port", "0"]);
    assert_ne!(refused.status.code(), Some(0));
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
    assert!(files(&directory.path().join("data/backups")).len() <= 3);

    // An older program meets a newer database.
    sqlite(directory.path(), "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
    for verb in ["serve", "migrate"] {
        ended(&run(directory.path(), &[verb, "--port", "0"]), 6, "newer version");
    }
    ended(&run(directory.path(), &["migrate", "--down"]), 6, "newer version");
}

#[test]
fn what_is_cut_off_is_never_taken_for_whole() {
    let directory = tempfile::tempdir().unwrap();
    lived_in(directory.path());
    // Enough that there is a middle.
    let fill = "CREATE TABLE filling (content BLOB); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) \
                INSERT INTO filling SELECT randomblob(100000) FROM n; PRAGMA wal_checkpoint(TRUNCATE);";
    sqlite(directory.path(), fill);
    worked(&run(directory.path(), &["backup", "--to", "whole"]));
    // Whether it ended by itself before, which it does well.
    let kill = |arguments: &[&str], after: u64| {
        let mut process = crate::command(directory.path(), &[], arguments).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        process.kill().unwrap();
        let ended = process.wait().unwrap();
        assert!(ended.success() || ended.code().is_none(), "{arguments:?} failed by itself: {ended}");
        ended.success()
    };
    let mut cut_off = 0;
    for (round, after) in scattered(8, 400).enumerate() {
        let (backup, tar, data) = (format!("b{round}"), format!("b{round}.tar"), format!("d{round}"));
        for to in [&backup, &tar] {
            let done = kill(&["backup", "--data-dir", "data", "--to", to], after);
            let path = directory.path().join(to);
            assert!(path.exists() || !done, "{to} is said to be made, and is not there");
            if path.exists() {
                worked(&doolittle(directory.path(), &[], &["verify", "--backup", to]));
            } else {
                cut_off += 1;
            }
        }
        let done = kill(&["restore", "--from", "whole", "--data-dir", &data], after);
        assert!(directory.path().join(&data).exists() || !done, "{data} is said to be restored, and is not there");
        if directory.path().join(&data).exists() {
            worked(&doolittle(directory.path(), &[], &["verify", "--data-dir", &data]));
        } else {
            cut_off += 1;
        }
        for left in fs::read_dir(directory.path()).unwrap() {
            let left = left.unwrap().path();
            let name = left.file_name().unwrap().to_str().unwrap().to_owned();
            // Only what is whole has a database by its name, for the moment until it has its own.
            if name.starts_with(&format!("{data}.")) && left.join("doolittle.db").exists() {
                worked(&doolittle(directory.path(), &[], &["verify", "--data-dir", &name]));
            }
            if name.starts_with(&backup) || name.starts_with(&data) {
                let _ = fs::remove_dir_all(&left);
                let _ = fs::remove_file(&left);
            }
        }
    }
    assert!(cut_off > 2, "only {cut_off} were cut off");
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
