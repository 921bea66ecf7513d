//! Looking at what is only to be read, at the log by itself, and at what is something else than was said.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Talk, lived_in, sqlite};
use crate::server::Server;
use crate::{doolittle, ended, files, run, stdout, worked};

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[cfg(unix)]
#[test]
fn a_data_directory_that_can_only_be_read_is_checked_and_backed_up_if_it_was_closed() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let directory = tempfile::tempdir().unwrap();
    lived_in(directory.path());
    let (data, killed) = (directory.path().join("data"), directory.path().join("killed"));
    copy(&data, &killed);
    sqlite(directory.path(), "PRAGMA wal_checkpoint(TRUNCATE)");
    for data in [&data, &killed] {
        // Root may write everywhere, but nobody can make a file of this name.
        let _ = fs::remove_file(data.join("doolittle.db-shm"));
        symlink("nowhere", data.join("doolittle.db-shm")).unwrap();
        fs::set_permissions(data, fs::Permissions::from_mode(0o500)).unwrap();
    }
    let checked = worked(&run(directory.path(), &["verify"]));
    assert!(checked.contains("sound") && checked.contains("2 files"), "{checked}");
    worked(&run(directory.path(), &["backup", "--to", "one"]));
    worked(&run(directory.path(), &["verify", "--backup", "one"]));

    assert!(fs::metadata(killed.join("doolittle.db-wal")).unwrap().len() > 0, "a kill leaves what was said last");
    for arguments in [&["verify"][..], &["backup", "--to", "two"]] {
        let refused = doolittle(directory.path(), &[], &[arguments, &["--data-dir", "killed"]].concat());
        ended(&refused, 4, "are beside it in its -wal file");
        ended(&refused, 4, "make the data directory writable, or copy it");
    }
    assert!(!directory.path().join("two").exists());
    for data in [&data, &killed] {
        fs::set_permissions(data, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_log_is_checked_by_itself_and_tells_where_it_leads() {
    let directory = tempfile::tempdir().unwrap();
    let environment = [("BACKUP_LOG_DIR", "log"), ("BACKUP_LOG_SECONDS", "3600"), ("BACKUP_DIR", "backups")];
    let program = |arguments: &[&str]| doolittle(directory.path(), &environment, arguments);
    // Without the schedule, which would make a backup of its own.
    let server = Server::start(directory.path(), &environment[..2]);
    let talk = Talk::begin(&server);
    let made: Value = serde_json::from_str(&worked(&program(&["backup", "--data-dir", "data", "--json"]))).unwrap();
    let segment = usize::try_from(made["log"]["segment"].as_u64().unwrap()).unwrap();
    talk.say(&server, "after the backup", "http");
    drop(server);
    // The log has the last of it once the database is opened again.
    worked(&program(&["migrate", "--data-dir", "data"]));

    let verify = || program(&["verify", "--log", "log"]);
    let said = worked(&verify());
    assert!(said.contains("log: sound; 1 log") && said.contains("leads to any moment from "), "{said}");
    let told: Value = serde_json::from_str(&worked(&program(&["verify", "--log", "log", "--json"]))).unwrap();
    let (log, backup) = (&told["logs"][0], &told["backups"][0]);
    assert!(told["sound"] == true && log["stretches"].as_array().unwrap().len() == 1 && log["outOfOrder"].is_null(), "{told}");
    let created = backup["createdAt"].as_str().unwrap();
    assert!(backup["until"].as_str().unwrap() > created && log["stretches"][0]["until"] == backup["until"], "{told}");

    // Whoever goes to an earlier moment is told how far the log goes.
    let from = made["backup"].as_str().unwrap();
    let restore = ["restore", "--from", from, "--until", created, "--data-dir"];
    let restored = worked(&program(&[&restore[..], &["early"]].concat()));
    let last = format!("the last of {}", backup["until"].as_str().unwrap());
    assert!(restored.contains("The log goes on: what came after is left out") && restored.contains(&last), "{restored}");
    let told: Value = serde_json::from_str(&worked(&program(&[&restore[..], &["json", "--json"]].concat()))).unwrap();
    assert!(told["logLeftOut"]["last"] == backup["until"] && told["logEndsBefore"].is_null(), "{told}");

    let segments = files(&directory.path().join("log"));
    let segments: Vec<_> = segments.iter().filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    let needed = segments[segment - 1];
    let mut bytes = fs::read(needed).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(needed, bytes).unwrap();
    ended(&verify(), 10, "its bytes have changed");
    ended(&verify(), 10, &format!("leads nowhere: it needs the segment number {segment}"));
    fs::remove_file(segments[segment - 2]).unwrap();
    ended(&verify(), 10, &format!("the segment number {} is missing", segment - 1));

    ended(&program(&["verify", "--log", "nowhere"]), 2, "nowhere is no directory");
    ended(&program(&["verify", "--log", "backups"]), 10, "no log is in it");
}

#[test]
fn what_is_no_backup_is_told_as_that() {
    let directory = tempfile::tempdir().unwrap();
    lived_in(directory.path());
    let all = directory.path().join("all");
    fs::create_dir(&all).unwrap();
    fs::write(all.join("notes.txt"), "mine").unwrap();
    let told = |from: &str, code: i32, because: &str| {
        ended(&run(directory.path(), &["verify", "--backup", from]), code, because);
        ended(&doolittle(directory.path(), &[], &["restore", "--from", from, "--data-dir", "new"]), code, because);
        assert!(!directory.path().join("new").exists());
    };
    told("nowhere", 2, "there is no nowhere; a backup is a directory with manifest.json");
    told("all", 10, "it is no backup: a backup is a directory with manifest.json");
    told("all/notes.txt", 10, "it is no backup, or damaged at its beginning");
    worked(&run(directory.path(), &["backup", "--to", "all/monday"]));
    told("all", 10, "all/monday is one");
    let log = ["restore", "--from", "all/monday", "--log", "nowhere", "--data-dir", "new"];
    ended(&doolittle(directory.path(), &[], &log), 2, "--log: nowhere is no directory");

    // One that fits its sum, and lists what no backup lists.
    let manifest = all.join("monday/manifest.json");
    let mut forged: Value = serde_json::from_str(&fs::read_to_string(&manifest).unwrap()).unwrap();
    let database = forged["files"].as_array().unwrap().iter().find(|file| file["name"] == "doolittle.db").unwrap().clone();
    for (listed, because) in [(json!([]), "lists no doolittle.db"), (json!([database, database]), "\"doolittle.db\" more than once")] {
        forged["files"] = listed;
        let text = forged.to_string();
        fs::write(all.join("monday/manifest.sha256"), format!("{}  manifest.json\n", hex::encode(Sha256::digest(&text)))).unwrap();
        fs::write(&manifest, text).unwrap();
        told("all/monday", 10, because);
    }
}

#[test]
fn a_backup_within_the_data_it_is_of_is_told_as_one() {
    let directory = tempfile::tempdir().unwrap();
    lived_in(directory.path());
    let outside = worked(&run(directory.path(), &["backup", "--to", "one"]));
    assert!(!outside.contains("KEEP ANOTHER ELSEWHERE"), "{outside}");
    for to in ["data/one", "data/media/one.tar"] {
        let inside = worked(&run(directory.path(), &["backup", "--to", to]));
        assert!(inside.contains("KEEP ANOTHER ELSEWHERE: it lies in data, "), "{inside}");
    }
    let told = stdout(&run(directory.path(), &["backup", "--to", "data/two", "--json"]));
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["inside"], "data");
    worked(&run(directory.path(), &["verify"]));
}
