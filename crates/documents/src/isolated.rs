//! Reading in a process of its own.

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use core_types::knowledge::{DocumentReader, DocumentText, Format, TEXT_LIMIT, UnreadableDocument};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::{broken, text_of};

/// The argument that makes the program read a document; the format's name follows.
pub const VERB: &str = "read-document";

/// Documents that are read at once; others wait.
const AT_ONCE: usize = 2;
/// How long a document may take, and how much of a processor's time.
const TIME: Duration = Duration::from_mins(1);
/// How much memory the process may have, in bytes.
const MEMORY: u64 = 1 << 30;
/// The most of an answer, in bytes: every character may be escaped.
const ANSWER: u64 = 6 * TEXT_LIMIT as u64 + 4_096;

/// Reads each document in a process of its own.
#[derive(Debug)]
pub struct Isolated {
    program: PathBuf,
    places: Semaphore,
}

/// What the process says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Read { text: String, title: Option<String>, headings: bool },
    Broken(String),
    TooLong,
}

impl Isolated {
    /// Reads with this program, which calls [`serve`] when it is started with [`VERB`].
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), places: Semaphore::new(AT_ONCE) }
    }

    fn start(&self, format: Format) -> io::Result<Child> {
        Command::new(&self.program)
            .args([VERB, format.name()])
            .env_clear()
            // An allocator that reserves a gigabyte at once would have no room within the bound.
            .env("MIMALLOC_ARENA_RESERVE", "32MiB")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }
}

#[async_trait]
impl DocumentReader for Isolated {
    async fn read(&self, format: Format, source: Bytes) -> Result<DocumentText, UnreadableDocument> {
        // Closed never.
        let _place = self.places.acquire().await;
        let mut child = self.start(format).map_err(|error| UnreadableDocument::Failed(Box::new(error)))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(UnreadableDocument::Failed("the process has no pipes".into()));
        };
        let talk = async {
            let tell = async move {
                // A process that has seen enough, or is gone, says so by its answer or by none.
                let _ = stdin.write_all(&source).await;
            };
            let mut answer = Vec::new();
            let mut bounded = stdout.take(ANSWER);
            let hear = bounded.read_to_end(&mut answer);
            let (heard, ()) = tokio::join!(hear, tell);
            heard.map(|_| answer)
        };
        let answer = match timeout(TIME, talk).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(UnreadableDocument::Failed(Box::new(error))),
            Err(_late) => return Err(UnreadableDocument::Broken { message: "reading it takes too long".to_owned() }),
        };
        match serde_json::from_slice(&answer) {
            Ok(Answer::Read { text, title, headings }) => Ok(DocumentText { text, title, headings }),
            Ok(Answer::Broken(message)) => Err(UnreadableDocument::Broken { message }),
            Ok(Answer::TooLong) => Err(UnreadableDocument::TooLong),
            // It died of the document.
            Err(_) => Err(broken(format)),
        }
    }
}

/// What the process does: reads a document from standard input and writes what it says to standard output.
pub fn serve(format: &str) -> ExitCode {
    match answer(format) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn answer(format: &str) -> io::Result<()> {
    let format = Format::of_name(format).ok_or(io::ErrorKind::InvalidInput)?;
    bound()?;
    let mut source = Vec::new();
    io::stdin().lock().read_to_end(&mut source)?;
    let answer = match text_of(format, &source) {
        Ok(DocumentText { text, title, headings }) => Answer::Read { text, title, headings },
        Err(UnreadableDocument::TooLong) => Answer::TooLong,
        Err(error) => Answer::Broken(error.to_string()),
    };
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &answer)?;
    out.flush()
}

#[cfg(unix)]
fn bound() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let at_most = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    setrlimit(Resource::As, at_most(MEMORY))?;
    setrlimit(Resource::Cpu, at_most(TIME.as_secs()))?;
    // What it dies of is the document's and nobody's business.
    setrlimit(Resource::Core, at_most(0))?;
    Ok(())
}

#[cfg(not(unix))]
fn bound() -> io::Result<()> {
    Ok(())
}
