//! The verbs that talk to a server, against one that answers from a script.

use std::io::Write as _;
use std::process::{Output, Stdio};

use core_types::ids::string_to_uuid;
use serde_json::{Value, json};

use crate::fake_server::{CHANNEL, ELIZA, Fake};
use crate::server::Server;
use crate::{command, doolittle, ended, stderr, stdout, worked};

const HELLO: &str = "event: user_message\ndata: {\"id\":\"x\"}\n\nevent: chunk\ndata: {\"chunk\":\"Hel\",\"index\":0}\n\n\
                     event: chunk\ndata: {\"chunk\":\"lo.\",\"index\":1}\n\nevent: done\ndata: {\"text\":\"Hello.\\u001b[2J\",\"actions\":[\"REPLY\"]}\n\n";

fn run(fake: &Fake, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("no directory: {error}"));
    let url = fake.url();
    let mut all = arguments.to_vec();
    all.extend(["--url", &url]);
    doolittle(directory.path(), &[], &all)
}

#[test]
fn once_prints_the_reply_and_nothing_else() {
    let fake = Fake::start(HELLO);
    let output = run(&fake, &["chat", "--once", "Good day"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "Hello.\u{241b}[2J\n"), "{}", stderr(&output));
    let seen = fake.seen();
    let sent = seen.last().unwrap();
    let user = string_to_uuid("doolittle-chat-user:tester");
    let two = format!("targetUserId={ELIZA}&currentUserId={user}&dmServerId=00000000-0000-0000-0000-000000000000");
    assert!(seen.iter().any(|seen| seen.method == "GET" && seen.path == format!("/api/messaging/dm-channel?{two}")), "{seen:?}");
    assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", format!("/api/messaging/channels/{CHANNEL}/messages").as_str()));
    assert_eq!(
        sent.body,
        json!({
            "author_id": user,
            "content": "Good day",
            "message_server_id": "00000000-0000-0000-0000-000000000000",
            "source_type": "doolittle_chat",
            "transport": "sse",
            "metadata": {"isDm": true, "channelType": "DM", "targetUserId": ELIZA, "user_display_name": "tester"},
        })
    );
}

#[test]
fn once_fails_with_the_reason_where_there_is_no_reply() {
    for (stream, reason) in [
        ("event: error\ndata: {\"error\":\"the model is busy\"}\n\n", "the model is busy"),
        ("event: done\ndata: {\"actions\":[\"IGNORE\"]}\n\n", "Eliza chose not to answer"),
        ("event: chunk\ndata: {\"chunk\":\"Hel\"}\n\n", "ended the reply in its middle"),
    ] {
        let output = run(&Fake::start(stream), &["chat", "--once", "Good day"]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
        assert!(stderr(&output).contains(reason), "{}", stderr(&output));
    }
}

#[test]
fn lines_from_a_pipe_are_messages() {
    let fake = Fake::start(HELLO);
    let directory = tempfile::tempdir().unwrap();
    let url = fake.url();
    let mut child = command(directory.path(), &[], &["chat", "--agent", "eliza", "--url", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"one\n\ntwo\n/quit\nthree\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output).matches("Hello.").count(), 2);
    let said: Vec<Value> = fake.seen().into_iter().filter(|seen| seen.method == "POST").map(|seen| seen.body["content"].clone()).collect();
    assert_eq!(said, ["one", "two"]);
}

#[test]
fn a_conversation_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    let data = |answer: String| -> Value {
        let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        body["data"].clone()
    };
    let created = data(server.ask("POST", "/api/agents", &json!({"characterJson": {"name": "Ada", "bio": ["Counts."]}})));
    let agent = created["id"].as_str().unwrap();
    server.ask("POST", &format!("/api/agents/{agent}/start"), &json!({}));
    for said in ["Good day", "Good night"] {
        worked(&doolittle(directory.path(), &[], &["chat", "--once", said, "--url", &server.url()]));
    }
    let user = string_to_uuid("doolittle-chat-user:tester");
    let two = format!("/api/messaging/dm-channel?targetUserId={agent}&currentUserId={user}");
    let channel = data(server.ask("GET", &two, &json!({})));
    let messages = format!("/api/messaging/channels/{}/messages", channel["id"].as_str().unwrap());
    let kept = data(server.ask("GET", &messages, &json!({})));
    let mine = kept["messages"].as_array().unwrap().iter().rev().filter(|message| message["authorId"] == json!(user));
    assert_eq!(mine.map(|message| message["content"].clone()).collect::<Vec<_>>(), ["Good day", "Good night"]);
}

#[test]
fn an_agent_that_does_not_run_is_told_with_the_way_to_start_it() {
    let output = run(&Fake::start(HELLO), &["chat", "--agent", "ada", "--once", "Hi"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("doolittle agent start 'Ada'"), "{}", stderr(&output));
}

#[test]
fn agents_are_listed_as_a_table_or_as_json() {
    let fake = Fake::start(HELLO);
    let output = run(&fake, &["agent", "list"]);
    let text = stdout(&output);
    let mut lines = text.lines();
    assert!(lines.next().unwrap().starts_with("NAME   STATUS    ID"), "{text}");
    assert!(lines.next().unwrap().starts_with(&format!("Eliza  active    {ELIZA}  Listens\u{241b}[31m")), "{text}");
    let listed: Value = serde_json::from_slice(&run(&fake, &["agent", "list", "--json"]).stdout).unwrap();
    assert_eq!(listed[0]["name"], "Eliza");
}

#[test]
fn agents_are_created_started_stopped_and_removed() {
    let fake = Fake::start(HELLO);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ada.json");
    std::fs::write(&file, r#"{"name": "Ada", "bio": "Reviews"}"#).unwrap();
    let created = run(&fake, &["agent", "create", file.to_str().unwrap(), "--start"]);
    assert_eq!(created.status.code(), Some(0), "{}", stderr(&created));
    assert!(stdout(&created).contains("Ada (aaaaaaaa-0000-4000-8000-000000000000) is created and runs"), "{}", stdout(&created));
    assert!(stderr(&created).contains("warning: `clients` has no effect"));
    for (arguments, said) in [
        (["agent", "start", "ada"], "Ada runs\n"),
        (["agent", "stop", "ELIZA"], "Eliza is stopped; what it has not answered yet waits for its next start\n"),
        (["agent", "stop", "ada"], "Ada does not run\n"),
        (["agent", "remove", "eliza"], "Eliza is removed\n"),
    ] {
        let output = run(&fake, &arguments);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), said), "{}", stderr(&output));
    }
    for beginning in ["b850bc30", "eli"] {
        ended(&run(&fake, &["agent", "remove", beginning]), 1, "Eliza (b850bc30-45f8-0041-a00a-83df46d8555d) begins so");
    }
    let seen: Vec<String> =
        fake.seen().iter().filter(|seen| seen.method != "GET").map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    let ada = "aaaaaaaa-0000-4000-8000-000000000000";
    assert_eq!(
        seen,
        [
            "POST /api/agents".to_owned(),
            format!("POST /api/agents/{ada}/start"),
            format!("POST /api/agents/{ada}/start"),
            format!("POST /api/agents/{ELIZA}/stop"),
            format!("DELETE /api/agents/{ELIZA}"),
        ]
    );
}

#[test]
fn the_servers_error_is_what_the_user_reads() {
    let output = run(&Fake::start(HELLO), &["agent", "show", "Ada"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), "doolittle: Agent not found\n"));
}

#[test]
fn the_key_comes_from_the_command_line_the_servers_setting_or_the_clients() {
    let fake = Fake::start(HELLO);
    let directory = tempfile::tempdir().unwrap();
    let port = fake.address.port().to_string();
    for (environment, flag, key) in [
        (&[][..], None, None),
        (&[("ELIZAOS_API_KEY", "client")], None, Some("client")),
        (&[("ELIZAOS_API_KEY", "client"), ("ELIZA_SERVER_AUTH_TOKEN", "server")], None, Some("server")),
        (&[("ELIZA_SERVER_AUTH_TOKEN", "server")], Some("--key=flag"), Some("flag")),
    ] {
        let environment = [environment, &[("SERVER_PORT", port.as_str())]].concat();
        let arguments: Vec<&str> = ["agent", "list"].into_iter().chain(flag).collect();
        assert_eq!(doolittle(directory.path(), &environment, &arguments).status.code(), Some(0));
        assert_eq!(fake.seen().first().unwrap().key.as_deref(), key);
    }
}

#[test]
fn a_refused_key_and_an_absent_server_have_codes_of_their_own() {
    let refused = run(&Fake::start(HELLO), &["agent", "list", "--key", "wrong"]);
    assert_eq!(refused.status.code(), Some(8), "{}", stderr(&refused));
    let directory = tempfile::tempdir().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for arguments in [["chat", "--once=Hi"], ["agent", "list"]] {
        let absent = doolittle(directory.path(), &[("SERVER_PORT", &nobody.port().to_string())], &arguments);
        assert_eq!(absent.status.code(), Some(7), "{}", stderr(&absent));
        assert!(stderr(&absent).contains("start one with `doolittle`"), "{}", stderr(&absent));
    }
}

#[test]
fn an_address_with_a_path_too_much_is_told_as_one() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path(), &[]);
    for arguments in [["agent", "list"], ["key", "list"], ["chat", "--once=Hi"]] {
        let url = format!("{}/api", server.url());
        ended(&doolittle(directory.path(), &[], &[&arguments[..], &["--url", &url]].concat()), 1, "without `/api` or another path");
    }
}

#[test]
fn a_key_without_a_name_is_nobodys() {
    let directory = tempfile::tempdir().unwrap();
    for id in ["", " "] {
        ended(&doolittle(directory.path(), &[], &["key", "revoke", id]), 2, "say which key");
    }
}
