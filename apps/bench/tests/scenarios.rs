//! Runs every scenario for a moment against the real server: whether it still speaks the server's language, not how fast.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The example `server`, which Cargo builds with the tests of this package.
fn server() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_bench")).with_file_name("examples").join("server");
    assert!(path.is_file(), "{} is not there: run `cargo test -p bench`, which builds it", path.display());
    path
}

fn bench(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).output().unwrap();
    // Shown where the test fails.
    eprintln!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Runs a scenario against a server of its own, for a moment.
fn briefly(arguments: &[&str]) -> Value {
    briefly_on(&server(), arguments)
}

/// The same of another program.
fn briefly_on(server: &Path, arguments: &[&str]) -> Value {
    let moment = ["--seconds", "1", "--warm-up", "0.1", "--workers", "1", "--server", server.to_str().unwrap()];
    let output = bench(&[arguments, &moment].concat());
    line(&output)
}

/// The one line of a run without errors.
fn line(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[track_caller]
fn assert_figures(line: &Value, places: &[&str]) {
    for place in places {
        let figure = line.pointer(place).and_then(Value::as_f64);
        assert!(figure.is_some_and(|figure| figure > 0.0), "{place} in {line}");
    }
    assert_eq!(line.get("errors"), Some(&0.into()), "{line}");
}

const FIGURES: &[&str] = &["/rate_per_s", "/p50_ms", "/p99_ms", "/max_ms", "/answers", "/rss_mib", "/rss_peak_mib"];

#[test]
fn ping_with_its_limit() {
    let line = briefly(&["ping", "--connections", "2", "--limit"]);
    assert_figures(&line, FIGURES);
    assert_figures(&line, &["/limit/before_per_s", "/limit/after_per_s", "/limit/ratio", "/parameters/bytes", "/parameters/workers"]);
}

#[test]
fn agents() {
    let line = briefly(&["agents", "--agents", "3"]);
    assert_figures(&line, FIGURES);
    assert_eq!(line.pointer("/parameters/agents"), Some(&3.into()));
}

#[test]
fn read() {
    let line = briefly(&["read", "--messages", "150", "--page", "50", "--connections", "4"]);
    assert_figures(&line, FIGURES);
    assert_figures(&line, &["/parameters/bytes"]);
}

#[test]
fn submit_without_an_agent_and_its_limit() {
    let line = briefly(&["submit", "--channels", "4", "--connections", "8", "--limit"]);
    assert_figures(&line, FIGURES);
    assert_figures(&line, &["/limit/before_per_s", "/limit/after_per_s", "/limit/ratio"]);
}

#[test]
fn submit_with_an_agent() {
    assert_figures(&briefly(&["submit", "--channels", "4", "--connections", "4", "--agent"]), FIGURES);
}

#[test]
fn round_trip_of_one_user_and_of_some() {
    for users in ["1", "5"] {
        assert_figures(&briefly(&["round-trip", "--users", users]), FIGURES);
    }
}

#[test]
fn upload_and_its_limit() {
    let line = briefly(&["upload", "--mib", "2", "--connections", "2", "--limit"]);
    assert_figures(&line, FIGURES);
    assert_figures(&line, &["/mib_per_s", "/rss_growth_mib", "/limit/before_per_s", "/limit/after_per_s", "/limit/ratio"]);
}

#[test]
fn start() {
    let line = briefly(&["start", "--times", "2"]);
    assert_figures(&line, &["/p50_ms", "/p99_ms", "/ping_p50_ms", "/ping_p99_ms", "/rss_mib"]);
    assert_eq!(line.get("answers"), Some(&2.into()));
}

#[test]
fn memory() {
    let line = briefly(&["memory", "--agents", "0,2"]);
    assert_figures(&line, &["/idle/0/rss_mib", "/idle/1/rss_mib", "/idle/1/made_rss_mib", "/rss_mib", "/answers"]);
    assert_eq!(line.pointer("/idle/1/agents"), Some(&2.into()));
}

#[test]
fn the_limits_alone() {
    assert_figures(&briefly(&["limits", "http", "--connections", "2"]), FIGURES);
    assert_figures(
        &briefly(&["limits", "sqlite", "--group", "4", "--channels", "4"]),
        &["/rate_per_s", "/rows_per_s", "/p50_ms", "/p99_ms"],
    );
}

#[tokio::test]
async fn a_server_that_runs_already_is_measured_with_its_key_and_one_that_refuses_is_an_error() {
    use testkit::server::{KEY, TestServer};

    let server = TestServer::keyed().await;
    let url = format!("http://{}", server.address());
    let ping = |key: &str| ["ping", "--seconds", "0.2", "--warm-up", "0.1", "--base-url", &url, "--key", key].map(str::to_owned);
    let run = |arguments: [String; 9]| tokio::task::spawn_blocking(move || bench(&arguments.each_ref().map(String::as_str)));
    let measured = line(&run(ping(KEY)).await.unwrap());
    // The process that listens on the port is this one.
    assert_figures(&measured, FIGURES);
    assert_eq!(measured.pointer("/parameters/base_url"), Some(&url.as_str().into()));
    let refused = run(ping("wrong")).await.unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("401"), "{refused:?}");
}

#[test]
fn a_scenario_that_restarts_the_server_cannot_use_one_that_runs() {
    let output = bench(&["start", "--base-url", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--server"), "{output:?}");
}

#[test]
fn a_server_that_limits_rates_is_refused_as_a_measurement() {
    // A bench of fast refusals is no bench.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || refuse(&stream.unwrap()));
        }
    });
    let output = bench(&["ping", "--base-url", &url, "--seconds", "0.2"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("429") && said.contains("RATE_LIMIT_MAX=0"), "{said}");
}

/// Answers the first request well and every other with 429.
fn refuse(mut stream: &std::net::TcpStream) {
    use std::io::{Read as _, Write as _};

    for status in std::iter::once("200 OK").chain(std::iter::repeat("429 Too Many Requests")) {
        if !stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
            return;
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn ingest() {
    let line = briefly(&["ingest", "--pages", "20", "--pages-per-document", "10"]);
    assert_figures(&line, FIGURES);
    assert_figures(&line, &["/pages_per_s", "/rss_growth_mib"]);
    assert_eq!(line.get("answers"), Some(&2.into()));
}

#[test]
fn recall() {
    let output = bench(&["recall", "--memories", "3000", "--dimensions", "32"]);
    let line = line(&output);
    assert_figures(&line, &["/p50_ms", "/p99_ms", "/recall_at_10", "/rss_mib", "/load_ms", "/insert_p50_ms", "/insert_p50_ms_at_10000"]);
    assert!(line["recall_at_10"].as_f64() >= Some(0.9), "{line}");
}

#[test]
fn half_rate() {
    let line = briefly(&["half-rate", "--users", "4", "--repeat", "2"]);
    assert_figures(&line, FIGURES);
    assert_figures(&line, &["/saturated_per_s"]);
    // What is asked for is half, and as the server bears it, it is also what is answered; a busy machine may do a little less.
    let (half, most) = (line["rate_per_s"].as_f64().unwrap(), line["saturated_per_s"].as_f64().unwrap());
    assert!(half < most * 0.9, "{line}");
}

/// A program that is the server with settings besides, since a scenario gives it its own alone.
fn server_with(directory: &Path, settings: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;

    let path = directory.join("server");
    std::fs::write(&path, format!("#!/bin/sh\n{settings} exec '{}' \"$@\"\n", server().display())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[test]
fn overload_beyond_the_replies_that_may_be_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_with(directory.path(), "MAX_WAITING_REPLIES=4");
    let line = briefly_on(&server, &["overload", "--connections", "8", "--waiting", "20"]);
    assert_figures(&line, &["/p50_ms", "/p99_ms", "/max_ms", "/answers", "/taken", "/taken_per_s", "/refused", "/rss_mib"]);
    assert_eq!(line.get("refused_without_time"), Some(&0.into()), "{line}");
}

#[test]
fn soak() {
    let line = briefly(&["soak", "--minutes", "0.1", "--interval", "0.5"]);
    let habits = ["/talks", "/posts", "/reads", "/searches", "/sockets", "/sessions", "/jobs", "/uploads", "/agents", "/forgotten"];
    assert_figures(&line, &habits);
    let counted = ["/descriptors/0", "/descriptors/1", "/server_threads/0", "/server_threads/1"];
    assert_figures(&line, &counted);
    assert_figures(&line, &["/rate_per_s", "/answers", "/rss_mib", "/rss_first_mib", "/rss_last_mib", "/rss_ratio"]);
    let figure = |place: &str| line.pointer(place).and_then(Value::as_f64).unwrap();
    // Whatever is done is counted once.
    assert!((habits.map(figure).iter().sum::<f64>() - figure("/answers")).abs() < 0.5, "{line}");
    // What is told of memory is the growth that was measured, but for its last digits.
    assert!((figure("/rss_last_mib") / figure("/rss_first_mib") - figure("/rss_ratio")).abs() < 0.01, "{line}");
    let steady = [["/descriptors/0", "/descriptors/1"], ["/server_threads/0", "/server_threads/1"]];
    let met = figure("/rss_ratio") <= 1.1 && steady.iter().all(|[first, last]| figure(last) <= figure(first) + 16.0);
    assert_eq!(line["met"], met, "{line}");
}

/// Whether a line has these curves, each with so many points.
#[track_caller]
fn assert_curves(line: &Value, curves: &[&str], points: usize) {
    assert_eq!(line.get("errors"), Some(&0.into()), "{line}");
    let told = line["curves"].as_array().unwrap();
    assert_eq!(told.iter().map(|curve| curve["name"].as_str().unwrap()).collect::<Vec<_>>(), curves);
    for curve in told {
        let measured = curve["points"].as_array().unwrap();
        assert_eq!(measured.len(), points, "{curve}");
        assert!(measured.iter().all(|point| point["p50"].as_f64() > Some(0.0)), "{curve}");
        assert!(curve["met"].is_boolean() && curve["bound"].as_f64() > Some(0.0), "{curve}");
    }
}

#[test]
fn growth_of_messages() {
    let line = briefly(&["growth", "messages", "--most", "2000"]);
    let searches = ["a search for what is there", "a search for what is not there"];
    assert_curves(&line, &[&["the newest page", "a page in the middle"], &searches[..], &["posting one"]].concat(), 2);
}

#[test]
fn growth_of_memories() {
    let line = briefly(&["growth", "memories", "--most", "2000"]);
    let searches = ["a search for a word of one memory", "a search for an everyday word"];
    assert_curves(&line, &[&["a reply", "the newest page"], &searches[..]].concat(), 2);
}

#[test]
fn growth_of_agents() {
    let line = briefly(&["growth", "agents", "--most", "3"]);
    assert_curves(&line, &["from the start to a ping", "the list of agents", "a ping", "a reply", "memory"], 2);
}

#[test]
fn growth_of_sockets() {
    let line = briefly(&["growth", "sockets", "--most", "20"]);
    assert_curves(&line, &["a message to the last of them"], 3);
}

#[test]
fn a_report_of_some_scenarios_is_a_page_with_charts() {
    let directory = tempfile::tempdir().unwrap();
    let (server, docs) = (server(), directory.path().to_str().unwrap().to_owned());
    let only = "agents,submit --connections 16,growth sockets";
    let arguments = ["report", "--quick", "--only", only, "--most", "20", "--docs", &docs, "--workers", "1", "--server"];
    let output = bench(&[&arguments[..], &[server.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(0));
    let page = std::fs::read_to_string(directory.path().join("performance.md")).unwrap();
    for part in ["| commit |", "`agents`", "`submit --connections 16`", "## With more sockets", "a message to the last of them, ms"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    for chart in ["submits.svg", "sockets-ms.svg"] {
        assert!(page.contains(&format!("(performance/{chart})")), "{page}");
        let svg = std::fs::read_to_string(directory.path().join("performance").join(chart)).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("<circle"), "{svg}");
    }
}

#[test]
fn a_report_tells_what_failed_and_has_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let docs = directory.path().to_str().unwrap();
    // A program that is there and is no server.
    let arguments = ["report", "--quick", "--only", "agents,ping", "--docs", docs, "--server", env!("CARGO_BIN_EXE_bench")];
    assert_eq!(bench(&arguments).status.code(), Some(1));
    let page = std::fs::read_to_string(directory.path().join("performance.md")).unwrap();
    assert!(page.contains("## What failed") && page.contains("| `agents` |") && page.contains("| `ping --limit` |"), "{page}");
}
