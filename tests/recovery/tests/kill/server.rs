//! The server as a process that can be killed.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::disk::Disk;

/// How often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(2);

/// The program: the one that was built with the suite, unless another build of it is named.
fn program() -> PathBuf {
    std::env::var_os("DOOLITTLE_RECOVERY_SERVER").map_or_else(|| env!("CARGO_BIN_EXE_recovery-server").into(), PathBuf::from)
}

/// A verb of the program on the embedded database.
pub fn verb(name: &str, directory: &Path) -> Command {
    let mut command = Command::new(program());
    command.args([name, "--json", "--data-dir"]).arg(directory).env("LOG_LEVEL", "error").env_remove("POSTGRES_URL");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits until a program has ended, which must have worked.
pub async fn worked(process: Child) {
    let said = tokio::task::spawn_blocking(move || process.wait_with_output()).await.unwrap().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(said.status.success(), "{}: {}{}", said.status, text(&said.stdout), text(&said.stderr));
}

/// How a server is started.
pub struct Launch<'l> {
    /// Its data directory.
    pub directory: &'l Path,
    /// Where its model is.
    pub model: &'l str,
    /// A PostgreSQL database in place of SQLite.
    pub postgres: Option<&'l str>,
    /// The disk beneath it.
    pub disk: Option<&'l Disk>,
    /// Settings besides.
    pub settings: &'l [(&'static str, &'l str)],
}

/// A server that has been started and says nothing yet.
pub struct Starting {
    process: Child,
}

/// A running server.
pub struct Server {
    process: Child,
    /// Its base URL.
    pub url: String,
}

impl Launch<'_> {
    /// Begins to start the server, on a free port.
    pub fn begin(&self) -> Starting {
        let mut command = Command::new(program());
        command
            .args(["serve", "--port", "0", "--data-dir"])
            .arg(self.directory)
            .env("OPENAI_BASE_URL", self.model)
            .env("LOG_LEVEL", "error")
            .env("RATE_LIMIT_MAX", "0")
            .env("RATE_LIMIT_UPLOAD_MAX", "0")
            .env("MAX_CONCURRENT_RUNS_PER_AGENT", "4")
            .env("EMBEDDING_PROVIDER", "none")
            .env_remove("POSTGRES_URL")
            .envs(self.settings.iter().copied())
            .stderr(Stdio::piped());
        if let Some(url) = self.postgres {
            command.env("POSTGRES_URL", url);
        }
        if let Some(disk) = self.disk {
            disk.beneath(&mut command);
        }
        Starting { process: command.spawn().unwrap() }
    }

    /// Starts the server and waits until it says where it listens.
    pub async fn start(&self) -> Server {
        self.begin().ready().await.unwrap_or_else(|said| panic!("the server did not start: {said:?}"))
    }
}

impl Starting {
    /// Waits until the server says where it listens; where it ends before that, what it said.
    pub async fn ready(self) -> Result<Server, Vec<String>> {
        tokio::task::spawn_blocking(move || self.listen()).await.unwrap()
    }

    fn listen(mut self) -> Result<Server, Vec<String>> {
        let mut lines = BufReader::new(self.process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let url = loop {
            let Some(line) = lines.next() else {
                let _ = self.process.wait();
                return Err(said);
            };
            if let Some((_, url)) = line.split_once("listens on ") {
                break url.trim().to_owned();
            }
            said.push(line);
        };
        // What goes wrong from now on is shown, and the pipe never fills.
        std::thread::spawn(move || {
            for line in lines.filter(|line| line.contains("ERROR") || line.contains("panicked")) {
                eprintln!("server: {line}");
            }
        });
        Ok(Server { process: self.process, url })
    }

    /// Kills it so long after its start.
    pub async fn kill_after(mut self, pause: Duration) {
        sleep(pause).await;
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts a server on SQLite and waits until it says where it listens.
    pub async fn start(directory: &Path, model: &str) -> Self {
        Launch { directory, model, postgres: None, disk: None, settings: &[] }.start().await
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("http://").parse().unwrap()
    }

    /// Whether it ends by itself within a time.
    pub async fn ends_within(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            if self.process.try_wait().unwrap().is_some() {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            sleep(LOOK).await;
        }
    }

    /// Kills it as the kernel does (SIGKILL).
    pub fn kill(self) {
        drop(self);
    }

    /// Asks it to end.
    pub fn ask_to_stop(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) {
        self.ask_to_stop();
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
