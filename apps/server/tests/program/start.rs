//! Starts that must not succeed, and the verbs that need no server.

use std::net::TcpListener;

use doolittle::lock::DataLock;
use serde_json::Value;

use crate::{doolittle, stderr, stdout};

#[test]
fn a_second_process_on_a_data_directory_is_refused_and_told_who_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let _held = DataLock::take(directory.path()).unwrap();
    for verb in ["serve", "migrate"] {
        let output = doolittle(directory.path(), &[], &[verb, "--port", "0", "--data-dir", "."]);
        assert_eq!(output.status.code(), Some(5), "{verb}: {}", stderr(&output));
        assert!(stderr(&output).contains(&format!("process {} uses the data directory", std::process::id())), "{}", stderr(&output));
    }
}

#[test]
fn a_taken_port_ends_the_start_with_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = doolittle(directory.path(), &[("SERVER_PORT", &port)], &[]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains(&port) && stderr(&output).contains("--port"), "{}", stderr(&output));
}

#[test]
fn a_data_directory_that_cannot_be_is_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let output = doolittle(directory.path(), &[], &["serve", "--port", "0", "--data-dir", "file"]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("--data-dir"), "{}", stderr(&output));
}

#[test]
fn an_open_address_without_a_key_is_refused_before_anything_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let output = doolittle(directory.path(), &[], &["--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("ELIZA_SERVER_AUTH_TOKEN") && stderr(&output).contains("--insecure"));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_database_of_another_kind_of_file_is_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("doolittle.db"), "this is not a database at all, and long enough to be looked at".repeat(20))
        .unwrap();
    let output = doolittle(directory.path(), &[], &["migrate", "--data-dir", "."]);
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
}

#[test]
fn an_address_of_postgresql_that_cannot_be_read_is_a_setting_that_makes_no_sense() {
    let directory = tempfile::tempdir().unwrap();
    for (query, code) in [("sslmode=maybe", 2), ("sslmodus=require", 2), ("sslmode=disable", 6)] {
        let url = format!("postgres://u@127.0.0.1:1/d?{query}");
        let output = doolittle(directory.path(), &[("POSTGRES_URL", &url)], &["migrate"]);
        assert_eq!(output.status.code(), Some(code), "{query}: {}", stderr(&output));
        assert!(stderr(&output).contains("check POSTGRES_URL"), "{query}: {}", stderr(&output));
    }
}

#[test]
fn migrate_makes_a_database_and_says_what_it_did() {
    let directory = tempfile::tempdir().unwrap();
    for (migrations, rest) in [(true, false), (false, true)] {
        let output = doolittle(directory.path(), &[], &["migrate"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = stdout(&output);
        assert_eq!(said.contains("applied 0001"), migrations, "{said}");
        assert_eq!(said.contains("it is a new database"), migrations, "{said}");
        assert_eq!(said.contains("doolittle.db has the schema of version") && said.contains("had it before"), rest, "{said}");
    }
}

#[test]
fn settings_that_make_no_sense_are_told_together() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("doolittle.toml"), "[server]\nprot = 4000\n").unwrap();
    let output = doolittle(directory.path(), &[("MAX_CONCURRENT_RUNS", "many")], &[]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(message.contains("`server.prot`; the nearest known one is `server.port`"), "{message}");
    assert!(message.contains("MAX_CONCURRENT_RUNS (environment) must be a whole number"), "{message}");
}

#[test]
fn config_tells_values_and_origins_and_masks_secrets() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("doolittle.toml"), "[server]\nport = 4000\n").unwrap();
    let environment = [("OPENAI_API_KEY", "sk-hunter2"), ("LOG_LEVEL", "warn")];
    let text = stdout(&doolittle(directory.path(), &environment, &["config", "--host", "::1"]));
    for (name, value, origin) in [
        ("SERVER_PORT", "4000", "doolittle.toml"),
        ("SERVER_HOST", "::1", "--host"),
        ("LOG_LEVEL", "warn", "environment"),
        ("EXPRESS_MAX_PAYLOAD", "2mb", "default"),
        ("OPENAI_API_KEY", "********", "environment"),
    ] {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..3], [name, value, origin], "{line}");
    }
    let output = doolittle(directory.path(), &environment, &["config", "--json"]);
    let entries: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(entries.as_array().unwrap().len(), text.lines().count() - 1);
    assert!(!text.contains("hunter2") && !stdout(&output).contains("hunter2"));
}

#[test]
fn help_and_version_succeed_and_mistakes_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let help = doolittle(directory.path(), &[], &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(stdout(&help).contains("Exit status:"));
    let version = doolittle(directory.path(), &[], &["--version"]);
    assert_eq!(stdout(&version), format!("doolittle {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(doolittle(directory.path(), &[], &["dance"]).status.code(), Some(2));
}
