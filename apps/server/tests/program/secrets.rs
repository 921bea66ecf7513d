//! No way out of the program tells a secret: answers, events, the log at its most talkative, settings, errors, exports, backups, files.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use doolittle::config::SettingId;
use serde_json::{Value, json};
use testkit::scripted::{Reply, ScriptedModel};

use crate::{command, doolittle, files, stderr, stdout, worked};

/// What every secret of these tests has in it, and nothing else.
const MARK: &str = "canary7c2e90ab";
const NOTHING: &str = "00000000-0000-4000-8000-00000000dead";
/// How long is listened to what does not end.
const LISTENING: Duration = Duration::from_millis(700);

fn secret(of: &str) -> String {
    format!("{MARK}-{of}-of-32-bytes-or-more")
}

/// All settings that are secrets, each with its own.
fn secrets() -> Vec<(&'static str, String)> {
    let all = SettingId::ALL.iter().map(|id| id.setting()).filter(|setting| setting.secret).map(|setting| setting.name);
    let secrets: Vec<_> = all
        // The first is a public key in PEM, and the other another database: it has a test of its own.
        .filter(|name| !["PRIVY_VERIFICATION_KEY", "POSTGRES_URL"].contains(name))
        .map(|name| (name, secret(name)))
        .collect();
    assert!(secrets.len() >= 10, "{secrets:?}");
    secrets
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[track_caller]
fn blind(what: &str, bytes: &[u8]) {
    let Some(at) = bytes.windows(MARK.len()).position(|window| window == MARK.as_bytes()) else { return };
    let around = bytes.get(at.saturating_sub(300)..bytes.len().min(at + 60)).unwrap_or_default();
    panic!("{what} tells a secret: {}", String::from_utf8_lossy(around));
}

/// What a command says, which must be no secret, however it ends.
#[track_caller]
fn said(directory: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> String {
    let output = doolittle(directory, settings, arguments);
    blind(&arguments.join(" "), &output.stdout);
    blind(&arguments.join(" "), &output.stderr);
    format!("{}{}", stdout(&output), stderr(&output))
}

/// The same of a command that must work.
#[track_caller]
fn did(directory: &Path, settings: &[(&str, &str)], arguments: &[&str]) {
    let output = doolittle(directory, settings, arguments);
    blind(&arguments.join(" "), &output.stderr);
    blind(&arguments.join(" "), worked(&output).as_bytes());
}

#[test]
fn settings_and_the_errors_about_them_are_shown_without_their_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let secrets = secrets();
    for settings in [Vec::new(), vec![("LOG_LEVEL", "trace")]] {
        let all = [borrowed(&secrets), settings].concat();
        for arguments in
            [&["config"][..], &["config", "--json"], &["config", "--markdown"], &["--help"], &["serve", "--port", "none"], &["nothing"]]
        {
            let shown = said(path, &all, arguments);
            assert!(!shown.is_empty(), "{arguments:?}");
        }
    }
    // The same from the files.
    let lines: Vec<String> = secrets.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    fs::create_dir(path.join("data")).unwrap();
    fs::write(path.join("data/.env"), lines.concat()).unwrap();
    assert!(said(path, &[], &["config", "--data-dir", "data"]).contains("********"));
    fs::write(path.join("data/.env"), format!("{}SERVER_PORT=none\n", lines.concat())).unwrap();
    said(path, &[], &["serve", "--data-dir", "data"]);
    fs::write(path.join("data/.env"), format!("OPENAI_API_KEY=\"{MARK}\nnext line")).unwrap();
    said(path, &[], &["serve", "--data-dir", "data"]);
    fs::write(path.join("settings.toml"), format!("[models.openai]\napi_key = \"{MARK}\n")).unwrap();
    said(path, &[], &["config", "--config", "settings.toml"]);
    // A database that is not there, and addresses that are none.
    for url in ["postgres://user:{}@127.0.0.1:1/none", "postgres://user:{}@[::/none", "{}", "postgres://127.0.0.1:1/x?password={}"] {
        let url = url.replace("{}", MARK);
        let shown = said(path, &[("POSTGRES_URL", &url)], &["serve", "--port", "0", "--data-dir", "other"]);
        assert!(!shown.is_empty());
        said(path, &[], &["import", "--from-postgres", &url, "--data-dir", "other"]);
    }
}

/// A server whose log is kept in a file.
struct Server {
    process: Child,
    address: String,
    key: String,
}

impl Server {
    fn start(directory: &Path, settings: &[(&str, &str)], key: &str) -> Self {
        let log = directory.join("log");
        let mut command = command(directory, settings, &["serve", "--port", "0", "--data-dir", "data", "--default-agent=false"]);
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let process = command.stdout(file.try_clone().unwrap()).stderr(Stdio::from(file)).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut server = Self { process, address: String::new(), key: key.to_owned() };
        while server.address.is_empty() {
            let said = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
            assert!(Instant::now() < deadline && server.process.try_wait().unwrap().is_none(), "{said}");
            let found = said.lines().rev().find_map(|line| Some(line.split_once("listens on http://")?.1.trim().to_owned()));
            server.address = found.unwrap_or_default();
            sleep(Duration::from_millis(20));
        }
        server
    }

    /// Asks with these headers, and hears as much of the answer as comes.
    fn ask_as(&self, headers: &str, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        // What is told as it happens has no end, since it tells of the telling too.
        let listening = if path.ends_with("/events") || path.ends_with("/stream") { LISTENING } else { Duration::from_secs(20) };
        stream.set_read_timeout(Some(listening)).unwrap();
        let (host, length) = (&self.address, body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}Content-Type: application/json\r\n");
        write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
        let (mut answer, mut part) = (Vec::new(), [0; 16_384]);
        let end = Instant::now() + listening;
        while let Ok(length @ 1..) = stream.read(&mut part)
            && Instant::now() < end
        {
            answer.extend_from_slice(part.get(..length).unwrap_or_default());
        }
        blind(&format!("{method} {path}"), &answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> String {
        self.ask_as(&format!("X-API-KEY: {}\r\n", self.key), method, path, &body.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then the test has failed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Every operation of the document: its method and its path.
fn operations(directory: &Path) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&worked(&doolittle(directory, &[], &["openapi"]))).unwrap();
    let paths = document.pointer("/paths").and_then(Value::as_object).unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone())))
        .filter(|(method, _)| ["GET", "POST", "PATCH", "DELETE"].contains(&method.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_secrets_tells_none_of_them_in_any_way() {
    // The service refuses the key and repeats it, as some do.
    let echo = |_: &Value| {
        Reply::status(
            401,
            &json!({"error": {"message": format!("no such key: {} {}", secret("OPENAI_API_KEY"), secret("loose"))}}).to_string(),
        )
    };
    let model = ScriptedModel::answering(echo).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let own = secrets();
    let more = [("OPENAI_BASE_URL", model.base_url()), ("LOG_LEVEL", "trace"), ("EMBEDDING_PROVIDER", "none"), ("RATE_LIMIT_MAX", "0")];
    let settings = [borrowed(&own), more.to_vec()].concat();
    let key = secret("ELIZA_SERVER_AUTH_TOKEN");
    let server = Server::start(path, &settings, &key);
    let address = format!("http://{}", server.address);

    let character = json!({
        "name": "Keeper", "bio": "b", "secrets": {"TOP": secret("top")}, "settings": {"secrets": {"DEEP": secret("deep")}, "OPENAI_API_KEY": secret("loose"), "OPENAI_BASE_URL": model.base_url()},
    });
    let made = server.ask("POST", "/api/agents", &json!({ "characterJson": character }));
    assert!(made.starts_with("HTTP/1.1 201"), "{made}");
    let agent = made.split("\"id\":\"").nth(1).unwrap()[..36].to_owned();
    server.ask("POST", &format!("/api/agents/{agent}/start"), &json!({}));
    let channel = json!({"name": "c", "type": "DM", "message_server_id": "00000000-0000-0000-0000-000000000000", "participantCentralUserIds": [NOTHING, agent]});
    let made = server.ask("POST", "/api/messaging/central-channels", &channel);
    let channel = made.split("\"id\":\"").nth(1).unwrap()[..36].to_owned();
    for transport in ["http", "sse", "websocket"] {
        let message = json!({"author_id": NOTHING, "content": "ping", "message_server_id": "00000000-0000-0000-0000-000000000000", "transport": transport});
        server.ask("POST", &format!("/api/messaging/central-channels/{channel}/messages"), &message);
    }
    let seen = tokio::time::timeout(Duration::from_mins(1), model.requests_seen(1)).await;
    assert!(seen.is_ok(), "the model is not asked");
    let asked = model.requests().iter().all(|request| request.header("authorization").is_some_and(|key| key.contains(MARK)));
    assert!(asked, "the secrets are used all the same");

    // Every operation, rightly and wrongly asked, but for those that end the server or take away what the others are asked about.
    let operations = operations(path);
    assert!(operations.len() > 100);
    for (method, template) in operations.iter().filter(|(method, path)| method != "DELETE" && !path.ends_with("/server/stop")) {
        let path = template.replace("{agent_id}", &agent).replace("{channel_id}", &channel);
        let path = path.split('/').map(|part| if part.starts_with('{') { NOTHING } else { part }).collect::<Vec<_>>().join("/");
        let with_key = format!("X-API-KEY: {key}\r\n");
        for body in if method == "GET" { &[""][..] } else { &["{}", "{\"a\":", "[7]"] } {
            server.ask_as(&with_key, method, &path, body);
        }
        server.ask_as(&format!("Authorization: Bearer {key}x\r\n"), method, &path, "");
    }
    server.ask("GET", "/metrics", &json!({}));
    for beyond in ["/nothing", "/api/nothing", "/%00", "/api/agents/../../etc/passwd", "/"] {
        server.ask("GET", beyond, &json!({}));
    }
    let tenant = ["key", "create", "--name", "somebody", "--scope", "agents:read", "--url", &address];
    worked(&doolittle(path, &settings, &tenant));
    for arguments in
        [&["key", "list"][..], &["agent", "list"], &["agent", "show", "Keeper"], &["chat", "--once", "hello"], &["secrets", "rotate"]]
    {
        said(path, &settings, &[arguments, &["--url", &address]].concat());
    }

    // What is kept and what is handed on, also by a server that runs.
    for to in ["backup", "backup.tar"] {
        did(path, &settings, &["backup", "--to", to, "--data-dir", "data"]);
        did(path, &settings, &["verify", "--backup", to, "--json"]);
    }
    drop(server);
    did(path, &settings, &["verify", "--data-dir", "data", "--json"]);
    did(path, &settings, &["repair", "--data-dir", "data"]);
    did(path, &settings, &["export", "Keeper", "--data-dir", "data"]);
    did(path, &settings, &["export", "Keeper", "--out", "keeper.jsonl", "--data-dir", "data"]);
    let kept = files(path);
    for name in ["log", "keeper.jsonl", "backup.tar", "doolittle.db"] {
        assert!(kept.iter().any(|file| file.ends_with(name)), "{name} is not among {kept:?}");
    }
    for file in kept {
        blind(&file.display().to_string(), &fs::read(&file).unwrap());
    }
    assert!(fs::metadata(path.join("log")).unwrap().len() > 10_000, "the log is talkative");
}

#[test]
fn a_secret_that_no_key_opens_is_named_and_the_keys_stay_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("data/secret.key");
    let server = crate::server::Server::start(directory.path(), &[]);
    let character = json!({"name": "Keeper", "bio": ["Keeps."], "secrets": {"TOKEN": secret("unreadable")}});
    assert!(server.ask("POST", "/api/agents", &json!({"characterJson": character})).contains("Keeper"));
    drop(server);
    let before = "ab".repeat(32);
    fs::write(&key, &before).unwrap();
    let server = crate::server::Server::start(directory.path(), &[]);
    let refused = said(directory.path(), &[], &["secrets", "rotate", "--url", &server.url()]);
    assert!(refused.contains("No key opens the secret TOKEN of the agent "), "{refused}");
    assert_eq!(fs::read_to_string(&key).unwrap(), before);
    let told = server.killed();
    blind("the log", told.as_bytes());
    assert!(told.contains("WARN") && told.contains("of 1 secrets that were looked at 1 cannot be read"), "{told}");
}

#[test]
fn without_the_key_to_its_secrets_a_server_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let (key, kept) = (directory.path().join("data/secret.key"), directory.path().join("kept"));
    let server = crate::server::Server::start(directory.path(), &[]);
    let character = json!({"name": "Keeper", "bio": ["Keeps."], "secrets": {"TOKEN": secret("kept")}});
    assert!(server.ask("POST", "/api/agents", &json!({"characterJson": character})).contains("Keeper"));
    drop(server);
    fs::rename(&key, &kept).unwrap();
    fs::write(directory.path().join("ada.json"), json!({"name": "Ada", "bio": ["Counts."]}).to_string()).unwrap();
    for arguments in [&["serve", "--port", "0", "--data-dir", "data"][..], &["import", "ada.json", "--yes", "--data-dir", "data"]] {
        let refused = doolittle(directory.path(), &[], arguments);
        crate::ended(&refused, 4, "secret.key is missing");
        assert!(stderr(&refused).contains("put it back"), "{}", stderr(&refused));
        assert!(!key.exists(), "no other key is made in its place");
    }
    fs::rename(&kept, &key).unwrap();
    let server = crate::server::Server::start(directory.path(), &[]);
    worked(&doolittle(directory.path(), &[], &["secrets", "rotate", "--url", &server.url()]));
    let told = server.killed();
    assert!(!told.contains("that were looked at"), "{told}");
}

/// However many others can be read without it.
#[test]
fn without_the_key_to_one_of_many_secrets_a_server_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let (salt, salt_before) = (("SECRET_SALT", "salt of before"), ("SECRET_SALT_PREVIOUS", "salt of before"));
    for (settings, number, many) in [(salt, 1, 110), (salt_before, 2, 1)] {
        let server = crate::server::Server::start(directory.path(), &[settings]);
        let secrets: serde_json::Map<_, _> = (0..many).map(|each| (format!("TOKEN_{each}"), json!(secret("many")))).collect();
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let character = json!({"id": id, "name": format!("Keeper {number}"), "bio": ["Keeps."], "secrets": secrets});
        assert!(server.ask("POST", "/api/agents", &json!({"characterJson": character})).contains("Keeper"));
    }
    let key = directory.path().join("data/secret.key");
    fs::remove_file(&key).unwrap();
    let refused = doolittle(directory.path(), &[salt_before], &["serve", "--port", "0", "--data-dir", "data"]);
    crate::ended(&refused, 4, "secret.key is missing");
    assert!(!key.exists());
}

/// What is encrypted and not kept yet no rotation finds, also where the client that gave it has gone meanwhile.
#[test]
fn a_secret_that_is_being_kept_while_the_key_is_rotated_can_be_read_afterwards() {
    for goes in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let server = crate::server::Server::start(directory.path(), &[]);
        let character = json!({"name": "Keeper", "bio": ["Keeps."], "secrets": {"TOKEN": secret("late")}});
        let body = json!({"characterJson": character}).to_string();
        let busy = rusqlite::Connection::open(directory.path().join("data/doolittle.db")).unwrap();
        busy.execute_batch("BEGIN IMMEDIATE").unwrap();
        let url = server.url();
        let address = url.strip_prefix("http://").unwrap();
        std::thread::scope(|scope| {
            let mut client = TcpStream::connect(address).unwrap();
            let head = format!("POST /api/agents HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n");
            write!(client, "{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            sleep(Duration::from_millis(300));
            let client = if goes { None } else { Some(client) };
            let rotated = scope.spawn(|| doolittle(directory.path(), &[], &["secrets", "rotate", "--url", &url]));
            sleep(Duration::from_millis(700));
            assert!(!rotated.is_finished(), "the key before is needed");
            busy.execute_batch("ROLLBACK").unwrap();
            if let Some(mut client) = client {
                let mut answer = String::new();
                client.read_to_string(&mut answer).unwrap();
                assert!(answer.contains("Keeper"), "{answer}");
            }
            worked(&rotated.join().unwrap());
        });
        assert!(server.ask("GET", "/api/agents", &Value::Null).contains("Keeper"), "it was kept");
        drop((busy, server));
        let told = crate::server::Server::start(directory.path(), &[]).killed();
        assert!(!told.contains("cannot be read"), "{told}");
    }
}
