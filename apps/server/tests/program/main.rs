//! The program as its user meets it: arguments in; output, messages and exit codes out.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail only loudly")]

mod care;
mod client;
mod documents;
mod elizaos;
mod environment;
mod fake_server;
mod moving;
mod ownership;
mod secrets;
mod server;
mod start;
mod tee;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the program in a directory of its own, with nothing of this process's environment.
fn doolittle(directory: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(directory, environment, arguments).output().unwrap_or_else(|error| panic!("the program does not start: {error}"))
}

fn command(directory: &Path, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doolittle"));
    command.env_clear().env("USER", "tester").envs(environment.iter().copied()).current_dir(directory).args(arguments);
    command.stdin(std::process::Stdio::null());
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the program on the data directory `data`.
fn run(directory: &Path, arguments: &[&str]) -> Output {
    doolittle(directory, &[], &[arguments, &["--data-dir", "data"]].concat())
}

#[track_caller]
fn worked(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

#[track_caller]
fn ended(output: &Output, code: i32, because: &str) {
    let said = format!("{}{}", stdout(output), stderr(output));
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(because), "`{because}` is not in {said}");
}

/// The files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
