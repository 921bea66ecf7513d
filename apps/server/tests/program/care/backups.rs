//! Backups, by command and by schedule, and the way back from them, also along the log.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Talk, body, lived_in, scattered, sqlite};
use crate::server::Server;
use crate::{doolittle, ended, files, run, stderr, stdout, worked};

/// When something was said, in milliseconds since 1970.
fn said_at(server: &Server, talk: &Talk, text: &str) -> i64 {
    let answer = body(&server.ask("GET", &format!("/api/messaging/channels/{}/messages?limit=1000", talk.channel), &json!({})));
    let messages = answer["data"]["messages"].as_array().unwrap();
    let message = messages.iter().find(|message| message["content"] == text).unwrap_or_else(|| panic!("{text} was never said"));
    let at = &message["created_at"];
    at.as_i64().unwrap_or_else(|| panic!("{at} is no time"))
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
fn a_backup_and_the_log_lead_to_any_moment_since() {
    let directory = tempfile::tempdir().unwrap();
    // So rarely that all of it is what the next start finds after a kill.
    let environment = [("BACKUP_LOG_DIR", "log"), ("BACKUP_LOG_SECONDS", "3600")];
    let mut server = Server::start(directory.path(), &environment);
    let talk = Talk::begin(&server);
    talk.say(&server, "before the backup", "http");
    let backup = doolittle(directory.path(), &environment, &["backup", "--to", "one", "--with-key", "--data-dir", "data"]);
    let later = talk.upload(&server, "Uploaded after the backup.");
    let made = worked(&backup);
    assert!(made.contains("one: ") && !made.contains("NO OTHER MOMENT"), "{made}");
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
    let whole = ["restore", "--from", "one", "--log", "log", "--data-dir", "whole", "--media", "data/media", "--json"];
    let told: Value = serde_json::from_str(&worked(&doolittle(directory.path(), &[], &whole))).unwrap();
    assert!(told["logEndsBefore"].is_null() && told["until"].as_str() > told["createdAt"].as_str(), "{told}");
    let new = tempfile::tempdir().unwrap();
    fs::rename(directory.path().join("whole"), new.path().join("data")).unwrap();
    let texts = talk.texts(&Server::start(new.path(), &[]));
    assert!(moments.iter().all(|(text, _)| texts.iter().any(|said| said == text)), "all that the log has: {texts:?}");
    let nowhere = ["restore", "--from", "one", "--until", &end, "--data-dir", "nowhere", "--media", "nowhere"];
    ended(&doolittle(directory.path(), &environment, &nowhere), 2, "nowhere is no directory");
    let alone = doolittle(directory.path(), &environment, &["restore", "--from", "one", "--until", &end, "--data-dir", "alone"]);
    ended(&alone, 10, "is not there");
    ended(&restore(1_000, "early"), 2, "take an earlier one");
    let unlogged = doolittle(directory.path(), &[], &["restore", "--from", "one", "--until", &end, "--data-dir", "unlogged"]);
    ended(&unlogged, 2, "--log");
    let segments = files(&directory.path().join("log"));
    let segments: Vec<_> = segments.iter().filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    assert!(segments.len() > 2, "{segments:?}");
    // The last but one, without which nobody comes to the last; the first are of before the backup.
    fs::remove_file(segments[segments.len() - 2]).unwrap();
    ended(&restore(moments[2].1, "gap"), 10, "is missing");
    for left in ["early", "unlogged", "gap"] {
        assert!(!directory.path().join(left).exists(), "{left} is left");
    }
    // Where the log is, must be said for a backup as it is for the server.
    let untold = worked(&run(directory.path(), &["backup", "--to", "untold"]));
    assert!(untold.contains("IT LEADS TO NO OTHER MOMENT: the log ") && untold.contains("set BACKUP_LOG_DIR"), "{untold}");
    let undone = worked(&doolittle(directory.path(), &environment, &["migrate", "--down", "--data-dir", "data"]));
    assert!(undone.contains(" ends here: the next start"), "{undone}");
    let ended_before = worked(&run(directory.path(), &["backup", "--to", "two"]));
    assert!(!ended_before.contains("NO OTHER MOMENT"), "{ended_before}");
    let without = doolittle(directory.path(), &environment, &["restore", "--from", "two", "--until", &end, "--data-dir", "without"]);
    ended(&without, 2, "knows of no log");
    let begun = doolittle(directory.path(), &environment, &["migrate", "--data-dir", "data"]);
    assert!(stderr(&begun).contains("another begins, for which a new backup is needed"), "{}", stderr(&begun));
}

#[test]
fn a_backup_tells_of_secrets_that_none_of_its_keys_opens() {
    let directory = tempfile::tempdir().unwrap();
    lived_in(directory.path());
    let key = directory.path().join("data/secret.key");
    let (own, other) = (fs::read_to_string(&key).unwrap(), "cd".repeat(32));
    fs::write(&key, &other).unwrap();
    for to in ["one", "two.tar"] {
        ended(&run(directory.path(), &["backup", "--to", to, "--with-key"]), 10, "1 of 1 secrets of agents can be read with no key");
        ended(&doolittle(directory.path(), &[], &["verify", "--backup", to]), 10, "1 of 1 secrets of agents");
    }
    let restored = doolittle(directory.path(), &[], &["restore", "--from", "one", "--data-dir", "new"]);
    ended(&restored, 10, "1 of 1 secrets of agents cannot be read with the keys there");
    // Without a key in it, none is tried; and with it, any line of it will do.
    worked(&run(directory.path(), &["backup", "--to", "without"]));
    fs::write(&key, format!("{other}\n{own}\n")).unwrap();
    worked(&run(directory.path(), &["backup", "--to", "three", "--with-key"]));
    assert_eq!(fs::read_to_string(directory.path().join("three/secret.key")).unwrap(), format!("{other}\n{own}"));
    worked(&doolittle(directory.path(), &[], &["restore", "--from", "three", "--data-dir", "newer"]));
}

#[test]
fn a_way_past_a_rotation_tells_that_it_needs_the_later_key() {
    let directory = tempfile::tempdir().unwrap();
    let environment = [("BACKUP_LOG_DIR", "log")];
    let server = Server::start(directory.path(), &environment);
    Talk::begin(&server);
    worked(&doolittle(directory.path(), &environment, &["backup", "--to", "one", "--with-key", "--data-dir", "data"]));
    worked(&doolittle(directory.path(), &[], &["secrets", "rotate", "--url", &server.url()]));
    drop(server);
    // The log has the last of it once the database is opened again.
    worked(&doolittle(directory.path(), &environment, &["migrate", "--data-dir", "data"]));
    worked(&doolittle(directory.path(), &[], &["restore", "--from", "one", "--data-dir", "before"]));
    let past = |to: &str, json: &[&str]| {
        doolittle(directory.path(), &[], &[&["restore", "--from", "one", "--log", "log", "--data-dir", to], json].concat())
    };
    ended(&past("after", &[]), 10, "1 of 1 secrets of agents cannot be read with the keys there: put the secret.key of the time");
    let told = past("told", &["--json"]);
    ended(&told, 10, "not all secrets");
    let told: Value = serde_json::from_str(&stdout(&told)).unwrap();
    assert!(told["sound"] == false && told["problems"].as_array().unwrap().len() == 1, "{told}");
    fs::copy(directory.path().join("data/secret.key"), directory.path().join("after/secret.key")).unwrap();
    worked(&doolittle(directory.path(), &[], &["backup", "--to", "two", "--with-key", "--data-dir", "after"]));
}

#[test]
fn a_database_whose_write_ahead_log_is_damaged_in_what_the_log_has_is_not_opened_and_the_log_leads_to_all_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let environment = [("BACKUP_LOG_DIR", "log"), ("BACKUP_LOG_SECONDS", "3600")];
    let program = |arguments: &[&str]| doolittle(directory.path(), &environment, arguments);
    let server = Server::start(directory.path(), &environment);
    let talk = Talk::begin(&server);
    worked(&program(&["backup", "--to", "one", "--with-key", "--data-dir", "data"]));
    talk.say(&server, "in the log", "http");
    drop(server);
    // The log has that from the next start on, and not yet what is said then.
    let server = Server::start(directory.path(), &environment);
    talk.say(&server, "not in the log yet", "http");
    drop(server);

    let data = directory.path().join("data");
    let mut bytes = fs::read(data.join("doolittle.db-wal")).unwrap();
    let page = usize::try_from(u32::from_be_bytes(bytes[8..12].try_into().unwrap())).unwrap();
    // Within the third frame.
    bytes[32 + 2 * (24 + page) + 24 + page / 2] ^= 1;
    fs::write(data.join("doolittle.db-wal"), bytes).unwrap();
    let there = || ["doolittle.db", "doolittle.db-wal", "doolittle.db.log"].map(|name| fs::read(data.join(name)).unwrap());
    let before = there();
    for because in ["a mixture of two states", "`doolittle restore --from <backup> --log <BACKUP_LOG_DIR>", "unset BACKUP_LOG_DIR"] {
        ended(&program(&["migrate", "--data-dir", "data"]), 6, because);
    }
    assert!(there() == before, "it is left as it is");

    worked(&program(&["verify", "--log", "log", "--data-dir", "data"]));
    worked(&program(&["restore", "--from", "one", "--log", "log", "--data-dir", "new"]));
    let new = tempfile::tempdir().unwrap();
    fs::rename(directory.path().join("new"), new.path().join("data")).unwrap();
    let texts = talk.texts(&Server::start(new.path(), &[]));
    for text in ["in the log", "not in the log yet"] {
        assert!(texts.iter().any(|said| said == text), "{text} is not in {texts:?}");
    }
    // Whoever has no backup goes on with what is there.
    worked(&run(directory.path(), &["migrate"]));
}

#[test]
fn a_log_that_is_not_mounted_is_no_reason_to_begin_another_and_where_one_is_begun_that_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let environment = [("BACKUP_LOG_DIR", "log"), ("BACKUP_LOG_SECONDS", "3600")];
    let program = |arguments: &[&str]| doolittle(directory.path(), &environment, arguments);
    let server = Server::start(directory.path(), &environment);
    let talk = Talk::begin(&server);
    worked(&program(&["backup", "--to", "one", "--with-key", "--data-dir", "data"]));
    talk.say(&server, "in the first log", "http");
    drop(server);
    worked(&program(&["migrate", "--data-dir", "data"]));

    let (log, away) = (directory.path().join("log"), directory.path().join("away"));
    fs::rename(&log, &away).unwrap();
    for because in ["log has no log, although the database goes on in one", "most likely it is not mounted", "unset BACKUP_LOG_DIR"] {
        ended(&program(&["migrate", "--data-dir", "data"]), 6, because);
        assert!(!log.exists(), "nothing is made");
        ended(&program(&["--port", "0", "--data-dir", "data", "--default-agent=false"]), 6, because);
    }
    // One start without it, and another log begins there.
    drop(Server::start(directory.path(), &[]));
    std::thread::sleep(Duration::from_millis(20));
    let server = Server::start(directory.path(), &environment);
    talk.say(&server, "in the second log", "http");
    drop(server);
    worked(&program(&["migrate", "--data-dir", "data"]));

    // What the first one leads to is less than all, which whoever has both sees.
    let lineages: Vec<_> = fs::read_dir(&away).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let [lineage] = lineages.as_slice() else { panic!("another log was begun: {lineages:?}") };
    fs::rename(away.join(lineage), log.join(lineage)).unwrap();
    let went_on = "the database went on in another log: ";
    let said = worked(&program(&["verify", "--log", "log"]));
    assert!(said.contains(&format!("{}: {went_on}", lineage.to_str().unwrap())), "{said}");
    let told: Value = serde_json::from_str(&worked(&program(&["verify", "--log", "log", "--json"]))).unwrap();
    assert_eq!(told["logs"].as_array().unwrap().iter().filter(|log| log["wentOn"].is_object()).count(), 1, "{told}");
    let restore =
        |to: &str, json: &[&str]| worked(&program(&[&["restore", "--from", "one", "--log", "log", "--data-dir", to], json].concat()));
    let said = restore("less", &[]);
    assert!(said.contains(went_on), "{said}");
    let told: Value = serde_json::from_str(&restore("told", &["--json"])).unwrap();
    assert!(told["logWentOn"]["from"].as_str() > told["logLastCommit"].as_str(), "{told}");
}

#[test]
fn a_log_of_postgresql_is_refused_and_not_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let environment = [("POSTGRES_URL", "postgres://127.0.0.1:1/none"), ("BACKUP_LOG_DIR", "log")];
    ended(&doolittle(directory.path(), &environment, &["migrate"]), 2, "BACKUP_LOG_DIR is for the embedded database");
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
