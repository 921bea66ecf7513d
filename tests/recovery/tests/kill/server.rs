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
            .env("RATE_LIMIT_MAX", "0")
            .env("MAX_CONCURRENT_RUNS_PER_AGENT", "4")
            .env_remove("POSTGRES_URL")
            .stderr(Stdio::piped());
        tokio::task::spawn_blocking(move || Self::spawn(&mut command)).await.unwrap()
    }

    fn spawn(command: &mut Command) -> Self {
        let process = command.spawn().unwrap();
        let mut server = Self { process, url: String::new() };
        let mut lines = BufReader::new(server.process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        for line in lines.by_ref() {
            if let Some((_, url)) = line.split_once("listens on ") {
                url.trim().clone_into(&mut server.url);
                break;
            }
            said.push(line);
        }
        assert!(!server.url.is_empty(), "the server did not start: {said:?}");
        // What goes wrong from now on is shown, and the pipe never fills.
        std::thread::spawn(move || {
            for line in lines.filter(|line| line.contains("ERROR")) {
                eprintln!("server: {line}");
            }
        });
        server
    }

    /// Kills it as the kernel does (SIGKILL).
    pub fn kill(self) {
        drop(self);
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let ended = tokio::task::spawn_blocking(move || self.process.wait()).await.unwrap().unwrap();
        assert!(ended.success(), "the server ended with {ended}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
