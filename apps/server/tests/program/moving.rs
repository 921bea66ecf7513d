//! Moving in and out.

#![expect(clippy::indexing_slicing, reason = "an answer without what is asked for fails the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use doolittle::lock::DataLock;
use serde_json::{Value, json};

use crate::elizaos::{Database, SALT};
use crate::server::Server;
use crate::{doolittle, ended, run, stderr, stdout, worked};

const LIN: &str = "11111111-1111-4111-8111-111111111111";

/// The numbers of a line of the report: found, new, there before, left out, not understood.
#[track_caller]
fn tally(report: &str, kind: &str) -> Vec<u64> {
    let line = report.lines().find(|line| line.split_whitespace().next() == Some(kind)).unwrap_or_else(|| panic!("no {kind} in {report}"));
    line.split_whitespace().skip(1).map(|number| number.parse().unwrap()).collect()
}

fn get(server: &Server, path: &str) -> Value {
    let answer = server.ask("GET", path, &json!({}));
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    body["data"].clone()
}

/// A server in `data` of the directory where an agent with a secret has talked with somebody; it is stopped again.
fn lived_in(directory: &Path) {
    let server = Server::start(directory, &[]);
    let ask = |path: &str, body: Value| -> Value {
        let answer = server.ask("POST", path, &body);
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_default()
    };
    let character = json!({"name": "Ada", "bio": ["Counts."], "lore": "Was there.", "knowledge": ["The mill has a store."],
        "settings": {"z": 1.5, "a": {"b": [null]}, "secrets": {"TOKEN": "hunter2"}}, "topics": ["numbers"]});
    let agent = ask("/api/agents", json!({"characterJson": character}))["data"]["id"].as_str().unwrap().to_owned();
    ask(&format!("/api/agents/{agent}/start"), json!({}));
    let channel = json!({"name": "Talk", "type": "DM", "message_server_id": "00000000-0000-0000-0000-000000000000",
        "participantCentralUserIds": [LIN, agent]});
    let channel = ask("/api/messaging/channels", channel)["data"]["id"].as_str().unwrap().to_owned();
    for text in ["Hello", "Zoë says “hi” 🌱\nand more"] {
        let message = json!({"author_id": LIN, "content": text, "message_server_id": "00000000-0000-0000-0000-000000000000",
            "source_type": "client_chat", "raw_message": {"text": text}, "metadata": {"user_display_name": "Lin"}, "transport": "http"});
        ask(&format!("/api/messaging/channels/{channel}/messages"), message);
    }
    ask(&format!("/api/agents/{agent}/rooms"), json!({"name": "Study", "type": "DM", "source": "client"}));
}

#[test]
fn an_agent_that_left_comes_in_equal_elsewhere() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    lived_in(old.path());
    worked(&run(old.path(), &["export", "ada", "--out", "ada.jsonl"]));
    let text = fs::read_to_string(old.path().join("ada.jsonl")).unwrap();
    let (header, rest) = text.split_once('\n').unwrap();
    let header: Value = serde_json::from_str(header).unwrap();
    assert_eq!((&header["doolittle"], &header["version"], &header["secrets"]), (&json!("agent"), &json!(1), &json!(["TOKEN"])));
    assert!(!text.contains("hunter2"), "a secret travels: {text}");
    for kind in ["agent", "world", "entity", "room", "participant", "memory", "end"] {
        assert!(rest.lines().any(|line| line.starts_with(&format!("{{\"{kind}\":"))), "no {kind} in {text}");
    }
    assert!(rest.contains("Zoë says") && rest.contains("The mill has a store."), "{rest}");

    let file = old.path().join("ada.jsonl");
    let looked = worked(&run(new.path(), &["import", file.to_str().unwrap()]));
    assert!(looked.contains("nothing was changed") && looked.contains("the secret `TOKEN` does not travel"), "{looked}");
    assert_eq!(fs::read_dir(new.path()).unwrap().count(), 0, "a look makes nothing");
    let report = worked(&run(new.path(), &["import", file.to_str().unwrap(), "--yes"]));
    let memories = tally(&report, "memories");
    assert!(memories[0] >= 5 && memories[1] == memories[0], "{report}");
    let again = worked(&run(new.path(), &["import", file.to_str().unwrap(), "--yes"]));
    assert_eq!(tally(&again, "memories"), [memories[0], 0, memories[0], 0, 0], "{again}");
    assert_eq!(tally(&again, "agents"), [1, 0, 1, 0, 0], "{again}");

    let output = run(new.path(), &["export", "Ada"]);
    let text = worked(&output);
    let (_, came) = text.split_once('\n').unwrap();
    assert_eq!(came, rest);
    // The agent lives on there, and takes nothing in twice that it knew.
    let server = Server::start(new.path(), &[]);
    let id = header["agentId"].as_str().unwrap();
    server.ask("POST", &format!("/api/agents/{id}/start"), &json!({}));
    let known = get(&server, &format!("/api/memory/{id}/memories?tableName=documents&limit=100"));
    assert_eq!(known["memories"].as_array().unwrap().len(), 1, "{known}");
}

#[test]
fn an_export_takes_no_files_place_and_no_wrong_name() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ada.json"), r#"{"name":"Ada","bio":"b"}"#).unwrap();
    worked(&run(directory.path(), &["import", "ada.json", "--yes"]));
    ended(&run(directory.path(), &["export", "Bob"]), 1, "there is no agent `Bob`");
    ended(&run(directory.path(), &["export", "Ada", "--out", "ada.json"]), 2, "is there already");
    assert_eq!(fs::read_to_string(directory.path().join("ada.json")).unwrap(), r#"{"name":"Ada","bio":"b"}"#);
    ended(&run(directory.path(), &["export", "Ada", "--out", "none/ada.jsonl"]), 1, "cannot be written");
    let _held = DataLock::take(&directory.path().join("data")).unwrap();
    ended(&run(directory.path(), &["export", "Ada"]), 5, "uses the data directory");
    ended(&run(directory.path(), &["import", "ada.json", "--yes"]), 5, "uses the data directory");
}

#[test]
fn an_export_leaves_the_database_of_an_earlier_version_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ada.json"), r#"{"name":"Ada","bio":"b"}"#).unwrap();
    worked(&run(directory.path(), &["import", "ada.json", "--yes"]));
    worked(&run(directory.path(), &["migrate", "--down"]));
    ended(&run(directory.path(), &["export", "Ada", "--out", "ada.jsonl"]), 6, "`doolittle migrate` brings it to this version's");
    assert!(!directory.path().join("ada.jsonl").exists());
    let said = worked(&run(directory.path(), &["migrate"]));
    assert!(said.contains("applied 0"), "{said}");
    worked(&run(directory.path(), &["export", "Ada", "--out", "ada.jsonl"]));
}

#[test]
fn an_export_that_cannot_be_made_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    ended(&run(directory.path(), &["export", "Ada"]), 4, "has no database");
    ended(&run(directory.path(), &["export", "Ada", "--out", "none/ada.jsonl"]), 1, "there is no directory none");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn characters_come_in_and_what_is_none_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let characters = directory.path().join("characters");
    fs::create_dir(&characters).unwrap();
    let sealed = "000102030405060708090a0b0c0d0e0f:630af98c23a0ea9b51e90ccee7b4850e";
    for (name, text) in [
        ("ada.json", format!(r#"{{"name":"Ada","bio":"b","clients":[],"settings":{{"secrets":{{"KEY":"{sealed}"}}}}}}"#)),
        ("bob.json", r#"{"name":"Bob","bio":[],"id":"22222222-2222-4222-8222-222222222222"}"#.to_owned()),
        ("cut.json", r#"{"name":"Cy","bio":"#.to_owned()),
        ("odd.json", r#"{"name":"Odd","bio":"b","shoes":2}"#.to_owned()),
        ("notes.txt", "no character".to_owned()),
    ] {
        fs::write(characters.join(name), text).unwrap();
    }
    fs::write(characters.join("binary.json"), [0xff, 0xfe, 0x00]).unwrap();
    let looked = run(directory.path(), &["import", "characters"]);
    ended(&looked, 1, "3 agents were not understood");
    for told in
        ["odd.json: shoes: unrecognised key", "cut.json: it is not JSON", "binary.json: it is not text", "`clients` is a key of older"]
    {
        assert!(stdout(&looked).contains(told), "`{told}` is not in {}", stdout(&looked));
    }
    assert!(!directory.path().join("data").exists(), "a look makes nothing");
    let moved = run(directory.path(), &["import", "characters", "--yes"]);
    ended(&moved, 1, "3 agents were not understood");
    assert_eq!(tally(&stdout(&moved), "agents"), [2, 2, 0, 0, 3], "{}", stdout(&moved));
    let again = run(directory.path(), &["import", "characters/bob.json", "--yes"]);
    assert_eq!(tally(&worked(&again), "agents"), [1, 0, 1, 0, 0]);

    let server = Server::start(directory.path(), &[]);
    let agents = get(&server, "/api/agents");
    let mut shown: Vec<_> =
        agents["agents"].as_array().unwrap().iter().map(|agent| (agent["name"].clone(), agent["status"].clone())).collect();
    shown.sort_by_key(|(name, _)| name.to_string());
    assert_eq!(shown, [(json!("Ada"), json!("inactive")), (json!("Bob"), json!("inactive"))]);
    let ada = agents["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == "Ada").unwrap()["id"].as_str().unwrap().to_owned();
    assert!(get(&server, &format!("/api/agents/{ada}"))["settings"]["secrets"]["KEY"].is_string());
}

#[test]
fn a_character_that_is_larger_than_the_api_takes_is_named_and_nothing_of_it_comes_in() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    let large = |name: &str| json!({"name": name, "bio": "b", "settings": {"text": "x".repeat(2 << 20), "secrets": {"KEY": "v"}}});
    fs::create_dir(directory.path().join("characters")).unwrap();
    file("characters/two.json", &json!([large("Bob"), {"name": "Ada", "bio": "b"}]).to_string());
    file("characters/many.json", &json!({"name": "Cy", "bio": "b", "settings": {"list": vec![0; 50_001]}}).to_string());
    for arguments in [&["import", "characters"][..], &["import", "characters", "--yes"]] {
        let output = run(directory.path(), arguments);
        ended(&output, 1, "2 agents were not understood");
        let report = stdout(&output);
        for told in
            ["two.json: Bob: character: must have at most 2097152 bytes", "many.json: Cy: character: must have at most 50000 values"]
        {
            assert!(report.contains(told), "`{told}` is not in {report}");
        }
        assert!(!report.lines().any(|line| line.split_whitespace().next() == Some("secrets")), "{report}");
    }
    let header =
        json!({"doolittle": "agent", "version": 1, "writtenAt": "", "writtenBy": "", "agentId": LIN, "name": "Dan", "secrets": []});
    let agent = json!({"agent": {"character": large("Dan"), "enabled": true, "createdAt": 1, "updatedAt": 1}});
    let end = r#"{"end":{"worlds":0,"entities":0,"rooms":0,"participants":0,"memories":0}}"#;
    file("dan.jsonl", &format!("{header}\n{agent}\n{end}\n"));
    let exported = run(directory.path(), &["import", "dan.jsonl", "--yes"]);
    ended(&exported, 1, "line 2 of the file is not understood: Dan: character: must have at most 2097152 bytes");
    for name in ["Bob", "Cy", "Dan"] {
        ended(&run(directory.path(), &["export", name]), 1, &format!("there is no agent `{name}`"));
    }
    worked(&run(directory.path(), &["export", "Ada"]));
}

#[test]
fn a_line_that_is_larger_than_the_api_takes_is_named_with_the_bound_and_nothing_of_it_comes_in() {
    let directory = tempfile::tempdir().unwrap();
    let file = |text: &str| fs::write(directory.path().join("ada.jsonl"), text).unwrap();
    let header =
        json!({"doolittle": "agent", "version": 1, "writtenAt": "", "writtenBy": "", "agentId": LIN, "name": "Ada", "secrets": []});
    let agent = |templates: Value| {
        let character = json!({"name": "Ada", "bio": "b", "templates": templates});
        json!({"agent": {"character": character, "enabled": true, "createdAt": 1, "updatedAt": 1}})
    };
    let memory = |table: &str, content: Value, metadata: Value| {
        json!({"memory": {"id": LIN, "table": table, "roomId": LIN, "worldId": null, "entityId": LIN, "content": content,
            "metadata": metadata, "unique": true, "createdAt": 1,
            "origin": {"message": null, "author": null, "channel": null, "run": null, "trust": null}, "documentId": null}})
    };
    let keys: serde_json::Map<String, Value> = (0..300_000).map(|number| (format!("k{number}"), json!(0))).collect();
    let long = "x".repeat(100_000);
    for (line, because) in [
        (memory(&long, json!({}), json!({})), "line 3 of the file is not understood: `table` has more than 256 characters"),
        (memory("facts", json!({"text": "x".repeat(5 << 20)}), json!({})), "line 3 of the file is not understood: `content.text` has more"),
        (memory("facts", json!({}), Value::Object(keys)), "`metadata` has more than 2097152 bytes as JSON"),
        (json!({"entity": {"id": LIN, "names": [long], "metadata": {}}}), "`names` has more than 256 characters"),
        (
            json!({"world": {"id": LIN, "name": long, "serverId": null, "metadata": {}, "createdAt": 1}}),
            "line 3 of the file is not understood: `name` has more than 256 characters",
        ),
    ] {
        file(&format!("{header}\n{}\n{line}\n", agent(json!({}))));
        ended(&run(directory.path(), &["import", "ada.jsonl"]), 1, because);
        ended(&run(directory.path(), &["import", "ada.jsonl", "--yes"]), 1, because);
    }
    let exported = worked(&run(directory.path(), &["export", LIN]));
    assert_eq!(exported.lines().count(), 3, "more than the agent came in: {exported}");
    let broken = json!({"open": "{{#if a"});
    file(&format!("{header}\n{}\n", agent(broken.clone())));
    ended(&run(directory.path(), &["import", "ada.jsonl"]), 1, "line 2 of the file is not understood: Ada: templates.open");
    fs::write(directory.path().join("ada.json"), json!({"name": "Bea", "bio": "b", "templates": broken}).to_string()).unwrap();
    let output = run(directory.path(), &["import", "ada.json"]);
    ended(&output, 1, "one agent was not understood");
    assert!(stdout(&output).contains("ada.json: Bea: templates.open"), "{}", stdout(&output));
}

#[test]
fn what_cannot_be_imported_is_told_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    fs::create_dir(directory.path().join("empty")).unwrap();
    let header = |version: u32| {
        format!(r#"{{"doolittle":"agent","version":{version},"writtenAt":"","writtenBy":"","agentId":"{LIN}","name":"A","secrets":[]}}"#)
    };
    let agent = r#"{"agent":{"character":{"name":"A","bio":[]},"enabled":true,"createdAt":1,"updatedAt":1}}"#;
    let end = r#"{"end":{"worlds":0,"entities":0,"rooms":0,"participants":0,"memories":0}}"#;
    file("newer.jsonl", &format!("{}\n{agent}\n", header(2)));
    file("bare.jsonl", &format!("{}\n", header(1)));
    file("odd.jsonl", &format!("{}\n{{\"agent\":{{}}}}\n", header(1)));
    file("secret.jsonl", &format!("{}\n{}\n", header(1), agent.replace("\"bio\":[]", "\"bio\":[],\"shoes\":1")));
    file("unknown.jsonl", &format!("{}\n{agent}\n{{\"hat\":{{}}}}\n", header(1)));
    file("short.jsonl", &format!("{}\n{agent}\n{}\n", header(1), end.replace("\"rooms\":0", "\"rooms\":1")));
    file("long.jsonl", &format!("{}\n{agent}\n{end}\n{end}\n", header(1)));
    file("two.jsonl", &format!("{}\n{agent}\n{agent}\n", header(1)));
    file("other.jsonl", "{\"doolittle\":\"backup\",\"version\":1}\n");
    for (arguments, code, because) in [
        (&["nowhere.json"][..], 2, "nowhere.json cannot be read"),
        (&["empty"], 2, "has no .json and no .jsonl files"),
        (&[], 2, "Usage:"),
        (&["x", "--from-postgres", "postgres://h/d"], 2, "cannot be used with"),
        (&["--from-postgres", "mysql://u:hunter2@h/d"], 2, "must begin with postgres://"),
        (&["--from-postgres", "postgres://u:hunter2@127.0.0.1:1/d"], 6, "cannot be reached"),
        (&["newer.jsonl"], 1, "has version 2 of its format"),
        (&["bare.jsonl"], 1, "ends after line 1"),
        (&["odd.jsonl"], 1, "line 2"),
        (&["secret.jsonl"], 1, "shoes: unrecognised key"),
        (&["unknown.jsonl"], 1, "line 3"),
        (&["short.jsonl"], 1, "other lines than its end says"),
        (&["long.jsonl"], 1, "nothing comes after the end"),
        (&["two.jsonl"], 1, "one agent in a file"),
        (&["other.jsonl"], 1, "no agent that `doolittle export` wrote"),
    ] {
        let output = run(directory.path(), &[&["import"], arguments].concat());
        ended(&output, code, because);
        assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
        assert!(!directory.path().join("data").exists(), "{arguments:?} made something");
    }
}

#[test]
fn a_file_that_was_cut_off_leaves_whole_batches_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let id = |number: u32| format!("00000000-0000-4000-8000-{number:012}");
    let mut text = format!(
        "{{\"doolittle\":\"agent\",\"version\":1,\"writtenAt\":\"\",\"writtenBy\":\"\",\"agentId\":\"{LIN}\",\"name\":\"A\",\"secrets\":[]}}\n\
         {{\"agent\":{{\"character\":{{\"name\":\"A\",\"bio\":[]}},\"enabled\":true,\"createdAt\":1,\"updatedAt\":1}}}}\n"
    );
    for number in 0..450 {
        let memory = json!({"memory": {"id": id(number), "table": "facts", "roomId": LIN, "worldId": null, "entityId": LIN,
            "content": {"text": format!("fact {number}")}, "metadata": {}, "unique": true, "createdAt": number,
            "origin": {"message": null, "author": null, "channel": null, "run": null, "trust": "owner"}, "documentId": null}});
        writeln!(text, "{memory}").unwrap();
    }
    text.push_str("{\"end\":{\"worlds\":0,\"entities\":0,\"rooms\":0,\"participants\":0,\"memories\":450}}\n");
    let cut = text.find("fact 440").unwrap();
    fs::write(directory.path().join("cut.jsonl"), &text[..cut]).unwrap();
    fs::write(directory.path().join("whole.jsonl"), &text).unwrap();
    let output = run(directory.path(), &["import", "cut.jsonl", "--yes"]);
    ended(&output, 1, "ends after line 442, before its end: it was cut off");
    assert!(stderr(&output).contains("the same command goes on from there"), "{}", stderr(&output));
    let report = worked(&run(directory.path(), &["import", "whole.jsonl", "--yes"]));
    assert_eq!(tally(&report, "memories"), [450, 50, 400, 0, 0], "{report}");
    let exported = worked(&run(directory.path(), &["export", LIN]));
    assert_eq!(exported.lines().skip(1).collect::<Vec<_>>().len(), text.lines().count() - 1);
}

/// What the recorded database has and where it must be afterwards, whatever keeps it.
fn moves_in(directory: &Path, from: &str, environment: &[(&str, &str)]) {
    let mut environment = environment.to_vec();
    environment.push(("SECRET_SALT_PREVIOUS", SALT));
    let import =
        |more: &[&str]| doolittle(directory, &environment, &[&["import", "--from-postgres", from, "--data-dir", "data"], more].concat());
    let looked = worked(&import(&[]));
    assert_eq!((tally(&looked, "agents"), tally(&looked, "messages"), tally(&looked, "secrets")), (vec![2, 0], vec![24, 0], vec![7, 0]));
    assert!(!directory.join("data").exists(), "a look makes nothing");
    for told in ["embeddings: vectors are made anew", "left out of it: ELIZA_DATA_DIR", "PATH, PGLITE_DATA_DIR, SECRET_SALT"] {
        assert!(looked.contains(told), "`{told}` is not in {looked}");
    }
    for not_told in ["is not known", "not understood;", "`ADA_TOKEN`"] {
        assert!(!looked.contains(not_told), "`{not_told}` is in {looked}");
    }
    let report = worked(&import(&["--yes"]));
    for (kind, count) in
        [("agents", 2), ("worlds", 5), ("rooms", 6), ("participants", 11), ("memories", 26), ("channels", 3), ("messages", 24)]
    {
        assert_eq!(tally(&report, kind), [count, count, 0, 0, 0], "{report}");
    }
    let again = worked(&import(&["--yes"]));
    for (kind, count) in
        [("agents", 2), ("worlds", 5), ("rooms", 6), ("participants", 11), ("memories", 26), ("channels", 3), ("messages", 24)]
    {
        assert_eq!(tally(&again, kind), [count, 0, count, 0, 0], "{again}");
    }

    let server = Server::start(directory, &environment);
    let agents = get(&server, "/api/agents");
    let id_of = |name: &str| {
        let agent = agents["agents"].as_array().unwrap().iter().find(|agent| agent["name"] == name).unwrap();
        agent["id"].as_str().unwrap().to_owned()
    };
    let (ada, grace) = (id_of("Ada"), id_of("Grace"));
    let shown = get(&server, &format!("/api/agents/{ada}"));
    assert_eq!((&shown["system"], &shown["settings"]["voice"]["model"]), (&json!("You are Ada."), &json!("en_US")));
    let secrets: Vec<_> = shown["settings"]["secrets"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(secrets, ["ADA_TOKEN", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_EMBEDDING_DIMENSIONS"]);

    let channels = get(&server, "/api/messaging/message-servers/00000000-0000-0000-0000-000000000000/channels");
    let channel = |name: &str| {
        let found = channels["channels"].as_array().unwrap().iter().find(|channel| channel["name"] == name).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    let talk = get(&server, &format!("/api/messaging/channels/{}/messages?limit=100", channel("Lin and Ada")));
    let talk = talk["messages"].as_array().unwrap();
    let times: Vec<i64> = talk.iter().map(|message| message["created_at"].as_i64().unwrap()).collect();
    assert!(talk.len() == 18 && times.is_sorted_by(|newer, older| newer > older), "{times:?}");
    let texts: Vec<_> = talk.iter().rev().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(texts[..3], ["Hello Ada", "pong", "I grow tomatoes on my balcony. What do they want?"]);
    assert!(texts.contains(&"Zoë says “thank you” 🌱"), "{texts:?}");
    let answered = talk.iter().filter(|message| message["author_id"] == json!(ada) || message["authorId"] == json!(ada)).count();
    assert_eq!(answered, 9);
    for (agent, rooms) in [(&ada, 4), (&grace, 2)] {
        let found = get(&server, &format!("/api/agents/{agent}/rooms"));
        assert_eq!(found["rooms"].as_array().unwrap().len(), rooms, "{found}");
    }
    let memories = get(&server, &format!("/api/memory/{ada}/memories?limit=100"));
    assert!(memories["memories"].as_array().unwrap().len() >= 20, "{memories}");

    // The agent goes on where it was: it answers in the old channel.
    server.ask("POST", &format!("/api/agents/{ada}/start"), &json!({}));
    let message = json!({"author_id": LIN, "content": "Are you still there?", "source_type": "client_chat", "raw_message": {},
        "message_server_id": "00000000-0000-0000-0000-000000000000", "metadata": {}, "transport": "http"});
    let path = format!("/api/messaging/channels/{}/messages", channel("Lin and Ada"));
    let answer = doolittle_without_model(&server, &ada, &path, &message);
    assert!(answer.contains("agentResponse") || answer.contains("agent_response"), "{answer}");
}

/// The agent has keys of its own for a model that is not there; without these it speaks by itself.
fn doolittle_without_model(server: &Server, agent: &str, path: &str, message: &Value) -> String {
    let without = json!({"settings": {"secrets": {"OPENAI_API_KEY": null, "OPENAI_BASE_URL": null}}, "plugins": []});
    server.ask("PATCH", &format!("/api/agents/{agent}"), &without);
    server.ask("POST", path, message)
}

#[test]
fn a_database_of_elizaos_moves_into_sqlite() {
    let Some(from) = Database::of_elizaos("to_sqlite") else { return };
    let directory = tempfile::tempdir().unwrap();
    moves_in(directory.path(), &from.url, &[]);
}

#[test]
fn a_database_of_elizaos_moves_into_postgresql() {
    let Some(from) = Database::of_elizaos("to_postgres") else { return };
    let Some(to) = Database::empty("target") else { return };
    let directory = tempfile::tempdir().unwrap();
    moves_in(directory.path(), &from.url, &[("POSTGRES_URL", &to.url)]);
}

#[test]
fn what_a_database_has_that_means_nothing_here_is_told() {
    let Some(from) = Database::of_elizaos("odd") else { return };
    let directory = tempfile::tempdir().unwrap();
    from.run(
        "ALTER TABLE memories ADD COLUMN mood text; UPDATE memories SET mood = 'good'; CREATE TABLE goals (id int); \
         INSERT INTO goals VALUES (1), (2); UPDATE agents SET topics = '[1]' WHERE name = 'Grace'; \
         INSERT INTO central_messages (id, channel_id, author_id, content) SELECT 'seven', id, 'x', 'y' FROM channels WHERE name = 'Garden'; \
         INSERT INTO channel_participants SELECT id, 'discord-7' FROM channels WHERE name = 'Garden'",
    );
    let moved = doolittle(directory.path(), &[], &["import", "--from-postgres", &from.url, "--data-dir", "data", "--yes"]);
    let report = worked(&moved);
    for told in [
        "goals: this table is not known, and its rows were left out (2 times)",
        "memories: the column `mood` is not known and was left out (26 times)",
        "Grace: topics",
        "channels: what `participants` says has no place here",
        "central_messages: `id` is not what it should be; left out",
        "Ada: the secret `ADA_TOKEN` is encrypted under a SECRET_SALT that is not known here",
    ] {
        assert!(report.contains(told), "`{told}` is not in {report}");
    }
    assert_eq!((tally(&report, "messages"), tally(&report, "agents")), (vec![24, 24, 0, 0, 1], vec![2, 2, 0, 0, 0]), "{report}");

    // With the salt, the secrets come too.
    let salt = [("SECRET_SALT_PREVIOUS", SALT)];
    let again = worked(&doolittle(directory.path(), &salt, &["import", "--from-postgres", &from.url, "--data-dir", "data", "--yes"]));
    assert_eq!((tally(&report, "secrets"), tally(&again, "secrets")), (vec![0, 0, 0, 0, 7], vec![7, 7, 0, 0, 0]), "{again}");
    assert_eq!(tally(&again, "agents"), [2, 0, 2, 0, 0], "{again}");
    let once_more = worked(&doolittle(directory.path(), &salt, &["import", "--from-postgres", &from.url, "--data-dir", "data", "--yes"]));
    assert_eq!(tally(&once_more, "secrets"), [7, 0, 7, 0, 0], "{once_more}");

    let Some(empty) = Database::empty("empty") else { return };
    let output = run(directory.path(), &["import", "--from-postgres", &empty.url]);
    ended(&output, 6, "is no database of elizaOS 1.7.2");
}
