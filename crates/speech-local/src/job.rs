//! One run of a program, within its limits.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use core_types::models::ModelError;
use core_types::speech::SpeechError;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval_at, timeout_at};

use crate::scratch::{broken, failed};

/// What a program may say on its standard output, and as much of its complaints is kept for the log.
const SAID: u64 = 1024 * 1024;
const COMPLAINTS: u64 = 4 * 1024;
/// How often to look how large a file has become.
const LOOK: Duration = Duration::from_millis(50);

/// A program to run.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// The engine, for people.
    pub(crate) engine: &'a str,
    /// The program, by its whole path.
    pub(crate) program: &'a Path,
    /// Its arguments, none of them a caller's.
    pub(crate) arguments: Vec<OsString>,
    /// What it reads.
    pub(crate) input: &'a [u8],
    /// Where it works.
    pub(crate) directory: &'a Path,
    /// The file that it makes, and how many bytes that may have.
    pub(crate) output: Option<(PathBuf, u64)>,
    /// How long it may take.
    pub(crate) time: Duration,
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What it said on its standard output.
    pub(crate) said: Vec<u8>,
    /// The end of what it said on its standard error, on one line.
    pub(crate) complaints: String,
    /// Whether it says that it did what it should.
    pub(crate) success: bool,
}

impl Job<'_> {
    /// Runs the program to its end. It is killed where it goes beyond its limits, or when this is dropped.
    pub(crate) async fn run(self) -> Result<Ended, SpeechError> {
        let deadline = Instant::now() + self.time;
        let mut child = self.start().map_err(|error| failed(self.engine, "it cannot be started", &error))?;
        let ended = tokio::select! {
            ended = timeout_at(deadline, whole(&mut child, self.input)) => ended,
            () = self.grown() => {
                log::warn!("{}: killed, since it made more than it may", self.engine);
                return Err(broken(self.engine, "it made more sound than it may").into());
            }
        };
        let timed_out = || ModelError::TimedOut { provider: self.engine.to_owned(), limit: self.time };
        let ended = ended.map_err(|_| timed_out())?.map_err(|error| failed(self.engine, "it cannot be followed", &error))?;
        if let Some((path, most)) = &self.output
            && size(path).await.is_some_and(|size| size > *most)
        {
            return Err(broken(self.engine, "it made more sound than it may").into());
        }
        Ok(ended)
    }

    /// The same, where anything but success is a failure of the engine.
    pub(crate) async fn succeed(self) -> Result<Ended, SpeechError> {
        let engine = self.engine;
        let ended = self.run().await?;
        if ended.success {
            return Ok(ended);
        }
        log::warn!("{engine} failed: {}", ended.complaints);
        Err(broken(engine, "it failed; the server's log has its words").into())
    }

    fn start(&self) -> std::io::Result<Child> {
        Command::new(self.program)
            .args(&self.arguments)
            .current_dir(self.directory)
            .env_clear()
            .envs([("LC_ALL", "C.UTF-8"), ("PATH", "/usr/local/bin:/usr/bin:/bin")])
            .env("HOME", self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    /// Resolves when the file that the program makes is too large.
    async fn grown(&self) {
        let Some((path, most)) = &self.output else { return std::future::pending().await };
        let mut looks = interval_at(Instant::now() + LOOK, LOOK);
        loop {
            looks.tick().await;
            if size(path).await.is_some_and(|size| size > *most) {
                return;
            }
        }
    }
}

async fn size(path: &Path) -> Option<u64> {
    tokio::fs::metadata(path).await.ok().map(|metadata| metadata.len())
}

/// Writes to the program, reads what it says, and waits for its end.
async fn whole(child: &mut Child, input: &[u8]) -> std::io::Result<Ended> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let writing = async {
        if let Some(mut stdin) = stdin {
            // A program that has heard enough closes its end, which is its own affair.
            let _ = stdin.write_all(input).await;
        }
        Ok(())
    };
    let (said, complaints, status, ()) = tokio::try_join!(all(stdout, SAID), last(stderr), child.wait(), writing)?;
    Ok(Ended { said, complaints: one_line(&complaints), success: status.success() })
}

/// All that a pipe gives, which is no more than it may.
async fn all(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(most + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 > most { Err(std::io::Error::other("it said more than it may")) } else { Ok(bytes) }
}

/// The last bytes that a pipe gives; all of it is read, so that nobody waits for a reader.
async fn last(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let Some(mut pipe) = pipe else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    // On the heap, so that the future stays small.
    let mut buffer = vec![0; 4_096];
    loop {
        let count = pipe.read(&mut buffer).await?;
        if count == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let most = usize::try_from(COMPLAINTS).unwrap_or(usize::MAX);
        kept.drain(..kept.len().saturating_sub(most));
    }
}

fn one_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.split(|letter: char| letter.is_whitespace() || letter.is_control()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn job<'a>(program: &'a str, arguments: &[&str], directory: &'a Path) -> Job<'a> {
        Job {
            engine: "x",
            program: Path::new(program),
            arguments: arguments.iter().map(OsString::from).collect(),
            input: b"",
            directory,
            output: None,
            time: Duration::from_secs(30),
        }
    }

    #[tokio::test]
    async fn a_program_reads_and_is_heard() {
        let directory = tempfile::tempdir().unwrap();
        let ended = Job { input: b"-n $(rm -rf /)", ..job("/bin/cat", &[], directory.path()) }.succeed().await.unwrap();
        assert_eq!(ended.said, b"-n $(rm -rf /)");
        let failed = job("/bin/cat", &["no such file"], directory.path()).run().await.unwrap();
        assert!(!failed.success && failed.complaints.contains("no such file"), "{failed:?}");
        let error = job("/bin/cat", &["no such file"], directory.path()).succeed().await.unwrap_err();
        assert!(!error.to_string().contains("no such"), "{error}");
        assert!(job("/nowhere/cat", &[], directory.path()).run().await.is_err());
    }

    #[tokio::test]
    async fn a_program_has_so_much_time() {
        let directory = tempfile::tempdir().unwrap();
        let began = std::time::Instant::now();
        let slow = Job { time: Duration::from_millis(200), ..job("/bin/sleep", &["60"], directory.path()) };
        let error = slow.run().await.unwrap_err();
        assert!(matches!(error, SpeechError::Failed(ModelError::TimedOut { .. })), "{error:?}");
        assert!(began.elapsed() < Duration::from_secs(20));
    }

    #[tokio::test]
    async fn a_program_may_say_and_write_so_much() {
        let directory = tempfile::tempdir().unwrap();
        let chatty = job("/usr/bin/yes", &[], directory.path()).run().await.unwrap_err();
        assert!(matches!(chatty, SpeechError::Failed(ModelError::Unreadable { .. })), "{chatty:?}");
        let path = directory.path().join("out");
        let script = format!("exec yes > {}", path.display());
        let large = Job { output: Some((path.clone(), 1_000)), ..job("/bin/sh", &["-c", &script], directory.path()) };
        let error = large.run().await.unwrap_err();
        assert!(error.to_string().contains("more sound"), "{error}");
    }

    #[tokio::test]
    async fn a_program_goes_when_its_caller_leaves() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let script = format!("echo $$ > {}; exec sleep 600", path.display());
        let job = job("/bin/sh", &["-c", &script], directory.path());
        let mut running = Box::pin(job.run());
        let pid = loop {
            tokio::select! {
                _ = &mut running => panic!("it ended"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            if let Some(pid) = written.strip_suffix('\n') {
                break pid.to_owned();
            }
        };
        drop(running);
        for _ in 0..2_000 {
            // Gone, or dead and not yet buried.
            let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{pid} lives on");
    }
}
