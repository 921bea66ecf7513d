//! The verb `import`.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use core_types::secrets::Vault;
use domain::{MovingIn, MovingKind, MovingPorts};
use persistence::{OpenError, elizaos};
use runtime::CharacterTemplates;

use super::{failed, ports, progress, report};
use crate::cli::ImportArgs;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::lock::DataLock;
use crate::program::print;
use crate::{data_dir, secret_key, wiring};

/// The largest character file in bytes.
const MAX_CHARACTER: u64 = 4 << 20;

/// The most files of a directory.
const MAX_FILES: usize = 10_000;

/// The longest URL that is read from standard input, in bytes.
const MAX_URL: u64 = 8 << 10;

const AGAIN: &str = "what was stored before stays, and the same command goes on from there";

/// Where agents come from.
enum Source {
    /// Files of characters and of exported agents.
    Files(Vec<PathBuf>),
    /// A database of elizaOS.
    ElizaOs(String),
}

/// Looks at what would come in, or brings it in where that is wanted.
pub async fn run(config: &Config, args: ImportArgs) -> Result<(), Failure> {
    // Looked at before anything is made, so that a mistake changes nothing.
    let source = source(&args)?;
    if !args.yes {
        let vault = Arc::new(secret_key::reader(config));
        let moved = take_in(moving_in(None, vault), source, "nothing was changed").await?;
        print(&report::text(moved.report(), false))?;
        print("\nnothing was changed: this was a look at what would come in; the same with --yes brings it in\n")?;
        return all_understood(&moved);
    }
    data_dir::prepare(&config.data_dir)?;
    let _lock = DataLock::take(&config.data_dir)?;
    let store = wiring::open(config).await?;
    let vault: Arc<dyn Vault> = Arc::new(secret_key::vault(config, store.secrets().as_ref()).await?);
    let moving = moving_in(Some(ports(&store)), vault);
    let moved = take_in(moving, source, AGAIN).await;
    store.close().await;
    let moved = moved?;
    print(&report::text(moved.report(), true))?;
    if moved.report().of(MovingKind::Agents).new > 0 {
        print("\nnone of these agents runs yet: start the server, and them with `doolittle agent start`\n")?;
    }
    all_understood(&moved)
}

fn moving_in(into: Option<MovingPorts>, vault: Arc<dyn Vault>) -> MovingIn {
    MovingIn::new(into, vault, Arc::new(SystemClock), Arc::new(CharacterTemplates::default()), progress())
}

/// An agent that stays behind is a failure; whatever else does is in the report.
fn all_understood(moved: &MovingIn) -> Result<(), Failure> {
    match moved.report().of(MovingKind::Agents).refused {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Failure, "one agent was not understood; the report says why")),
        refused => Err(Failure::new(Exit::Failure, format!("{refused} agents were not understood; the report says why"))),
    }
}

fn source(args: &ImportArgs) -> Result<Source, Failure> {
    match (&args.from_postgres, &args.path) {
        (Some(url), _) if url == "-" => url_from_standard_input().map(Source::ElizaOs),
        (Some(url), _) => Ok(Source::ElizaOs(url.clone())),
        (None, Some(path)) => files(path).map(Source::Files),
        (None, None) => Err(Failure::new(Exit::Usage, "say what to import: a file, a directory, or --from-postgres with a URL")),
    }
}

fn url_from_standard_input() -> Result<String, Failure> {
    let mut line = String::new();
    let read = io::stdin().lock().take(MAX_URL).read_line(&mut line);
    read.map_err(|error| Failure::new(Exit::Usage, "no URL can be read from standard input").because(error))?;
    Ok(line.trim().to_owned())
}

/// The file itself, or the files of a directory that hold characters or exported agents.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error: io::Error| Failure::new(Exit::Usage, format!("{} cannot be read", path.display())).because(error);
    if !path.metadata().map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in path.read_dir().map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "json" || extension == "jsonl") && file.is_file() {
            found.push(file);
        }
    }
    if found.len() > MAX_FILES {
        return Err(Failure::new(Exit::Usage, format!("{} has more than {MAX_FILES} files", path.display())));
    }
    if found.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("{} has no .json and no .jsonl files", path.display())));
    }
    found.sort();
    Ok(found)
}

async fn take_in(mut moving: MovingIn, source: Source, what_now: &str) -> Result<MovingIn, Failure> {
    match source {
        Source::Files(paths) => {
            for path in paths {
                file(&mut moving, &path, what_now).await?;
            }
        }
        Source::ElizaOs(url) => {
            let mut database = elizaos::open(&url).await.map_err(|error| not_opened(&error))?;
            moving.elizaos(&mut database).await.map_err(|error| failed(&error, what_now))?;
        }
    }
    Ok(moving)
}

fn not_opened(error: &OpenError) -> Failure {
    let exit = if matches!(error, OpenError::BadUrl { .. }) { Exit::Usage } else { Exit::Database };
    Failure::of(exit, error, "")
}

/// Takes in one file: an exported agent, or a character.
async fn file(moving: &mut MovingIn, path: &Path, what_now: &str) -> Result<(), Failure> {
    let shown = path.display();
    let unreadable = |error: io::Error| Failure::new(Exit::Failure, format!("{shown} cannot be read; {what_now}")).because(error);
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    if domain::is_export(reader.fill_buf().map_err(unreadable)?) {
        return moving.file(reader).await.map_err(|error| {
            let mut failure = failed(&error, what_now);
            failure.message = format!("{shown}: {}", failure.message);
            failure
        });
    }
    let mut text = String::new();
    let name = shown.to_string();
    match reader.take(MAX_CHARACTER + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => moving.refuse(&name, "it is not text"),
        Err(error) => return Err(unreadable(error)),
        Ok(bytes) if bytes as u64 > MAX_CHARACTER => moving.refuse(&name, "it is larger than 4 MB, as no character is"),
        Ok(_) => match serde_json::from_str(&text) {
            Ok(value) => moving.character(&value, &name).await.map_err(|error| failed(&error, what_now))?,
            Err(error) => moving.refuse(&name, &format!("it is not JSON: {error}")),
        },
    }
    Ok(())
}
