//! The server as a process that can be killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running server.
pub struct Server {
    process: Child,
    /// Its base URL.
    pub url: String,
}

impl Server {
    /// Starts the server on a free port and waits until it says where it listens.
    pub async fn start(directory: &Path, model: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recovery-server"));
        command
            .args(["serve", "--port", "0", "--data-dir"])
            .arg(directory)
            .env("OPENAI_BASE_URL", model)
            .env("LOG_LEVEL", "error")
            .env("MAX_CONCURRENT_RUNS_PER_AGENT", "4")
            .env_remove("POSTGRES_URL")
            .stderr(Stdio::piped());
        tokio::task::spawn_blocking(move || Self::spawn(&mut command)).await.unwrap()
    }

    fn spawn(command: &mut Command) -> Self {
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = String::new();
        loop {
            let Some(Ok(line)) = lines.next() else { panic!("the server did not start: {said}") };
            if let Some((_, url)) = line.split_once("listens on ") {
                let url = url.trim().to_owned();
                // What it says from now on is shown, and its pipe never fills.
                std::thread::spawn(move || lines.map_while(Result::ok).filter(|line| line.contains("ERROR")).for_each(|line| eprintln!("server: {line}")));
                return Self { process, url };
            }
            said.push_str(&line);
        }
    }

    /// Kills it as the kernel does (SIGKILL).
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let ended = tokio::task::spawn_blocking(move || self.process.wait()).await.unwrap().unwrap();
        assert!(ended.success(), "the server ended with {ended}");
    }
}
