//! The verb `repair`: makes anew what is derived from other things, and puts files of no row aside. What was said and remembered it does
//! not touch: what is wrong with that is told, and a backup has it.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use core_types::StoreError;
use core_types::error::chain;
use core_types::media::{MediaName, MediaStore};
use persistence::care::{self, Access, Check, Problem};
use serde_json::json;

use super::progress::Progress;
use super::verify::{self, Findings};
use super::{ServerData, before, failed, off_thread, stage, told, unwritable};
use crate::cli::RepairArgs;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::lock::DataLock;
use crate::program::print;
use crate::{migrate, terminal, wiring};

/// Where files of no row go.
const QUARANTINE: &str = "quarantine";
/// Memories that are put into the index of words at once.
const BATCH: u32 = 500;

/// Repairs, and tells what was done and what is left.
pub async fn run(config: &Config, args: RepairArgs) -> Result<(), Failure> {
    let data = ServerData::of(config).await?;
    let _lock = DataLock::take(&config.data_dir)?;
    migrate::must_not_be_newer(config).await?;
    let before = look(&data, args.json).await?;
    let mut done = Vec::new();
    if before.problems.is_empty() && before.orphans.is_empty() {
        done.push("nothing is wrong, and nothing is done".to_owned());
    } else {
        mend(config, &data, &before, &mut done).await?;
    }
    let after = look(&data, args.json).await?;
    tell(&args, &done, &after)
}

async fn look(data: &ServerData, quiet: bool) -> Result<Findings, Failure> {
    let data = data.clone();
    let progress = if quiet { Progress::quiet() } else { Progress::new() };
    off_thread(move || verify::live(&data.database, Access::Shared, &data.media, progress)).await
}

async fn mend(config: &Config, data: &ServerData, before: &Findings, done: &mut Vec<String>) -> Result<(), Failure> {
    let found = |check: Check| before.problems.iter().any(|problem| problem.check == check);
    let (indexes, words, vectors) = (before.problems.iter().any(of_index), found(Check::Words), found(Check::Vectors));
    if indexes || words || vectors {
        let copy = set_aside(data, &config.data_dir).await?;
        done.push(format!("the database as it was is in {}", copy.display()));
    }
    let database = data.database.clone();
    let changed = off_thread(move || {
        let mut done = Vec::new();
        if indexes {
            care::reindex(&database).map_err(|error| failed(&error))?;
            done.push("all indexes are made anew".to_owned());
        }
        if vectors {
            let dropped = care::forget_vectors(&database).map_err(|error| failed(&error))?;
            done.push(format!("{dropped} vectors are dropped; the server makes others"));
        }
        if words {
            let memories = care::forget_words(&database).map_err(|error| failed(&error))?;
            done.push(format!("the index of words is made anew of {memories} memories"));
        }
        Ok(done)
    });
    done.extend(changed.await?);
    if words && let Some(why) = index_words(config).await? {
        done.push(format!("the index of words is not whole yet, since a row cannot be read, which the list of what is left names: {why}"));
    }
    if before.owners_unknown {
        done.push("no file is put aside, since not every row can be read that might speak of it".to_owned());
    }
    if !before.orphans.is_empty() {
        let quarantine = config.data_dir.join(QUARANTINE);
        for orphan in &before.orphans {
            // The list is of names that the store gave.
            if let Ok(name) = orphan.parse() {
                put_aside(data.media.as_ref(), name, &quarantine).await.map_err(unwritable(&quarantine))?;
            }
        }
        done.push(format!("{} files of no row are moved to {}", before.orphans.len(), quarantine.display()));
    }
    Ok(())
}

/// Whether an index says something else than its table, or is not in order itself.
fn of_index(problem: &Problem) -> bool {
    let says = |text: &str| problem.what.contains(text);
    problem.check == Check::Structure
        && (says("missing from index") || says("wrong # of entries in index") || says("non-unique entry in index"))
}

/// Copies the database before it is changed.
async fn set_aside(data: &ServerData, data_dir: &Path) -> Result<PathBuf, Failure> {
    let (from, data_dir) = (data.database.clone(), data_dir.to_owned());
    off_thread(move || before::copy(&from, &data_dir, "repair")).await
}

/// What the server does by and by, at once. Says why where a row keeps it from that: the others of the repair go on.
async fn index_words(config: &Config) -> Result<Option<String>, Failure> {
    let store = wiring::open(config).await?;
    let memories = store.memories();
    let indexed = loop {
        match memories.index_words(BATCH).await {
            Ok(0) => break Ok(None),
            Ok(_) => {}
            Err(error @ StoreError::Defect(_)) => break Ok(Some(chain(&error))),
            Err(error) => break Err(Failure::new(Exit::Database, "the index of words cannot be made").because(chain(&error))),
        }
    };
    store.close().await;
    indexed
}

/// Moves a file out of the store; it is in one of both places at any moment.
async fn put_aside(store: &dyn MediaStore, name: MediaName, quarantine: &Path) -> io::Result<()> {
    let Some(stored) = store.metadata(name).await.map_err(|error| told(&error))? else { return Ok(()) };
    let Some(mut reader) = store.open(name, 0..stored.size).await.map_err(|error| told(&error))? else { return Ok(()) };
    stage::directory(quarantine)?;
    let path = quarantine.join(name.to_string());
    let partial = stage::partial(&path)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    while let Some(piece) = reader.next().await.map_err(|error| told(&error))? {
        file.write_all(&piece)?;
    }
    file.sync_all()?;
    fs::rename(&partial, &path)?;
    stage::sync(quarantine)?;
    store.remove(name).await.map_err(|error| told(&error))?;
    Ok(())
}

fn tell(args: &RepairArgs, done: &[String], after: &Findings) -> Result<(), Failure> {
    if args.json {
        let left: Vec<_> = after.problems.iter().map(|problem| json!({"check": problem.check.to_string(), "what": problem.what})).collect();
        print(&format!("{:#}\n", json!({"done": done, "left": left, "sound": left.is_empty()})))?;
    } else {
        let mut said: String = done.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        for Problem { check, what } in &after.problems {
            // Writing to a String cannot fail.
            let _ = writeln!(said, "LEFT: {check}: {}", terminal::line(what));
        }
        print(&said)?;
    }
    if after.problems.is_empty() {
        return Ok(());
    }
    let message = "what is left cannot be made anew of other things: restore a backup that verifies, or live with it";
    Err(Failure::new(Exit::Damaged, message))
}
