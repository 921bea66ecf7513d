//! Programs that are measured, as processes that this one starts: the server, and the bare handler it is held against.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{During, Failure, Outcome};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a program says before its address when it is ready.
const LISTENS: &str = "listens on http://";

/// Lines of a program's last words that are shown where it does not start.
const LAST_WORDS: usize = 8;

/// The server program: the one that was named, or `doolittle` beside this one.
pub fn program(named: Option<&Path>) -> Outcome<PathBuf> {
    let path = match named {
        Some(named) => named.to_path_buf(),
        None => beside().during("finding this program's directory")?.join(format!("doolittle{}", std::env::consts::EXE_SUFFIX)),
    };
    if path.is_file() {
        return path.canonicalize().during(format!("finding {}", path.display()));
    }
    let shown = path.display();
    Err(Failure::new(format!("there is no server at {shown}: make it with `cargo build --release`, or name one with --server")))
}

/// The directory that this program is in.
pub fn beside() -> std::io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    own.parent().map(Path::to_path_buf).ok_or_else(|| std::io::Error::other("this program is in no directory"))
}

/// A command of the server program that sees no settings but those that it is given here.
pub fn command(program: &Path, directory: &Path, verb: &str) -> Command {
    let mut command = Command::new(program);
    // Also away from a `doolittle.toml` that may lie where this program was started.
    command.env_clear().current_dir(directory).args([verb, "--data-dir", "."]).stdin(Stdio::null());
    command
}

/// How a server is started.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its data directory.
    pub directory: &'a Path,
    /// HTTP workers, where not as many as there are processors.
    pub workers: Option<u16>,
    /// Whether an empty database gets its first agent.
    pub first_agent: bool,
    /// Settings besides.
    pub settings: &'a [(&'a str, &'a str)],
}

impl Start<'_> {
    /// Starts the server on a free port of this machine and waits until it says that it listens.
    pub fn run(self) -> Outcome<Process> {
        let mut command = command(self.program, self.directory, "serve");
        command.env("SERVER_HOST", "127.0.0.1").env("SERVER_PORT", "0").env("RATE_LIMIT_MAX", "0");
        command.env("DEFAULT_AGENT", self.first_agent.to_string()).envs(self.settings.iter().copied());
        if let Some(workers) = self.workers {
            command.env("HTTP_WORKERS", workers.to_string());
        }
        Process::start(command.stdout(Stdio::null()), &self.program.display().to_string())
    }
}

/// A program that listens. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    process: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts a program and waits until it says where it listens.
    pub fn start(command: &mut Command, name: &str) -> Outcome<Self> {
        let mut process = command.stderr(Stdio::piped()).spawn().during(format!("starting {name}"))?;
        let Some(stderr) = process.stderr.take() else { return Err(Failure::new(format!("{name} has no standard error"))) };
        let mut started = Self { process, address: SocketAddr::from(([0, 0, 0, 0], 0)) };
        match listen(stderr).recv_timeout(PATIENCE) {
            Ok(Ok(address)) => started.address = address,
            Ok(Err(words)) => return Err(Failure::new(format!("{name} did not start; it said:\n{}", words.join("\n")))),
            Err(_) => return Err(Failure::new(format!("{name} did not say where it listens within {} s", PATIENCE.as_secs()))),
        }
        Ok(started)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end as an operator would, and waits until it has.
    pub fn stop(mut self) -> Outcome<()> {
        let pid = self.pid().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().during("running `kill`")?;
        if !asked.success() {
            return Err(Failure::new(format!("`kill -TERM {pid}` ended with {asked}")));
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.process.try_wait().during("waiting for the server's end")? {
                Some(ended) if ended.success() => return Ok(()),
                Some(ended) => return Err(Failure::new(format!("the server ended with {ended}"))),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
        Err(Failure::new(format!("the server did not end within {} s", PATIENCE.as_secs())))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads what a program says on a thread of its own, to its end, so that the pipe never fills. Sends its address, or its last
/// words where it ended without telling one.
fn listen(stderr: ChildStderr) -> mpsc::Receiver<Result<SocketAddr, Vec<String>>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut words = VecDeque::new();
        let mut told = false;
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if told {
                // What goes wrong during a run is worth seeing; the rest is not.
                if line.contains("ERROR") || line.contains("panicked") {
                    crate::failure::say(format!("the server says: {line}"));
                }
            } else if let Some(address) = address(&line) {
                told = sender.send(Ok(address)).is_ok();
            } else {
                words.push_back(line);
                if words.len() > LAST_WORDS {
                    words.pop_front();
                }
            }
        }
        if !told {
            let _ = sender.send(Err(words.into()));
        }
    });
    receiver
}

fn address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(LISTENS)?;
    rest.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Outcome<Process> {
        Process::start(Command::new("sh").args(["-c", script]), "the program")
    }

    #[test]
    fn a_program_is_ready_when_it_says_where_it_listens() {
        let process = shell("echo hello >&2; echo 'It listens on http://127.0.0.1:4000' >&2; exec sleep 60").unwrap();
        assert_eq!(process.address(), "127.0.0.1:4000".parse().unwrap());
        assert!(process.pid() > 0);
    }

    #[test]
    fn a_program_that_does_not_start_is_told_with_its_last_words() {
        let failure = shell("for word in $(seq 20); do echo $word >&2; done; exit 3").unwrap_err();
        assert!(failure.story().ends_with("it said:\n13\n14\n15\n16\n17\n18\n19\n20"), "{}", failure.story());
    }

    #[test]
    fn a_program_that_is_not_there_is_told_with_what_to_do() {
        let failure = program(Some(Path::new("/nonexistent/doolittle"))).unwrap_err();
        assert!(failure.story().contains("cargo build --release") && failure.story().contains("--server"), "{}", failure.story());
    }
}
