//! A data directory that is taken away from the server that works in it.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::server::Server;
use crate::{doolittle, stderr};

/// A directory with a server in `data` of it, which has an agent.
fn lived_in() -> (tempfile::TempDir, Server) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let character = json!({"name": "Keeper", "bio": ["Keeps."], "secrets": {"TOKEN": "hunter2"}});
    assert!(server.ask("POST", "/api/agents", &json!({"characterJson": character})).contains("Keeper"));
    (directory, server)
}

#[track_caller]
fn stopped(server: Server, because: &str) {
    let (code, said) = server.ended();
    assert_eq!(code, Some(4), "{said}");
    let told = said.lines().filter(|line| line.contains("ERROR") && line.contains("was taken away") && line.contains(because));
    assert_eq!(told.count(), 1, "{because}: {said}");
    assert!(said.contains("which has stopped at once") && said.contains("--data-dir"), "{said}");
}

#[test]
fn a_server_whose_data_directory_is_moved_away_stops_and_leaves_all_that_it_acknowledged_there() {
    let (directory, server) = lived_in();
    let (data, aside) = (directory.path().join("data"), directory.path().join("aside"));
    fs::rename(&data, &aside).unwrap();
    stopped(server, "doolittle.lock is gone");
    assert!(!data.exists(), "nothing is made in its place");
    fs::rename(&aside, &data).unwrap();
    let server = Server::start(directory.path(), &[]);
    assert!(server.ask("GET", "/api/agents", &json!({})).contains("Keeper"));
}

#[test]
fn a_server_whose_data_are_removed_or_replaced_stops() {
    let stops = |take_away: fn(&Path), because: &str| {
        let (directory, server) = lived_in();
        take_away(&directory.path().join("data"));
        stopped(server, because);
    };
    stops(|data| fs::remove_dir_all(data).unwrap(), "doolittle.lock is gone");
    stops(|data| fs::remove_file(data.join("doolittle.lock")).unwrap(), "doolittle.lock is gone");
    stops(
        |data| {
            let other = data.join("other.db");
            fs::copy(data.join("doolittle.db"), &other).unwrap();
            fs::rename(other, data.join("doolittle.db")).unwrap();
        },
        "doolittle.db is another file than before",
    );
}

#[test]
fn another_server_in_its_place_keeps_its_data_and_its_key() {
    let (directory, first) = lived_in();
    let (data, aside) = (directory.path().join("data"), directory.path().join("aside"));
    let own = fs::read_to_string(data.join("secret.key")).unwrap();
    fs::rename(&data, &aside).unwrap();
    let second = Server::start(directory.path(), &[]);
    let key = fs::read_to_string(data.join("secret.key")).unwrap();
    // By then the first may have stopped; otherwise it refuses.
    let rotated = doolittle(directory.path(), &[], &["secrets", "rotate", "--url", &first.url()]);
    assert_ne!(rotated.status.code(), Some(0), "{}", stderr(&rotated));
    let (code, said) = first.ended();
    assert_eq!(code, Some(4), "{said}");
    assert_ne!(own, key);
    assert_eq!(fs::read_to_string(data.join("secret.key")).unwrap(), key);
    assert_eq!(fs::read_to_string(aside.join("secret.key")).unwrap(), own);
    second.ask("POST", "/api/agents", &json!({"characterJson": {"name": "Second", "bio": ["Comes later."]}}));
    let agents = second.ask("GET", "/api/agents", &json!({}));
    assert!(agents.contains("Second") && !agents.contains("Keeper"), "{agents}");
}
