//! The verb `verify`: whether a data directory or a backup is what it should be. It changes nothing, and a server may run meanwhile.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use core_types::error::chain;
use core_types::media::{MediaName, MediaStore, MediaStoreError};
use persistence::care::{self, Access, Check, KnownFile, Problem};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::progress::{Progress, size};
use super::{ServerData, failed, off_thread, read, verify_log};
use crate::cli::VerifyDataArgs;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::program::print;
use crate::{terminal, wiring};

/// Uploaded files that are asked for at once.
const BATCH: usize = 500;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What was looked at.
    pub looked_at: String,
    /// The newest migration of the database.
    pub schema: Option<String>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Files that no row speaks of, which harm nobody.
    pub orphans: Vec<String>,
    /// Whether it is not known of which files rows speak, so that none is called an orphan.
    pub owners_unknown: bool,
    /// Files that were compared with what is known of them, and their bytes.
    pub files: (usize, u64),
}

/// Verifies, and tells what was found.
pub async fn run(config: &Config, args: VerifyDataArgs) -> Result<(), Failure> {
    if let Some(log) = args.log {
        return verify_log::run(config, log, args.json).await;
    }
    let progress = if args.json { Progress::quiet() } else { Progress::new() };
    let findings = if let Some(path) = args.backup {
        off_thread(move || backup(&path, progress)).await?
    } else {
        let data = ServerData::of(config).await?;
        off_thread(move || live(&data.database, Access::Shared, &data.media, progress)).await?
    };
    print(&if args.json { format!("{:#}\n", as_json(&findings)) } else { report(&findings) })?;
    if findings.problems.is_empty() { Ok(()) } else { Err(damaged(&findings.looked_at, findings.problems.len())) }
}

/// The end where so many things are not as they should be.
pub(super) fn damaged(looked_at: &str, count: usize) -> Failure {
    let things = if count == 1 { "one thing is" } else { "things are" };
    let message = if count == 1 { format!("{things} not as it should be") } else { format!("{count} {things} not as they should be") };
    Failure::new(Exit::Damaged, format!("{looked_at}: {message}"))
}

fn report(findings: &Findings) -> String {
    let mut report = String::new();
    for Problem { check, what } in &findings.problems {
        // Writing to a String cannot fail.
        let _ = writeln!(report, "{check}: {}", terminal::line(what));
    }
    for orphan in &findings.orphans {
        let _ = writeln!(report, "(of no row: {})", terminal::line(orphan));
    }
    let (files, bytes) = findings.files;
    let outcome = if findings.problems.is_empty() { "sound" } else { "NOT SOUND" };
    let schema = findings.schema.as_deref().unwrap_or("none");
    let _ = writeln!(report, "{}: {outcome}; schema {schema}, {files} files compared, {}", findings.looked_at, size(bytes));
    report
}

fn as_json(findings: &Findings) -> Value {
    let problems: Vec<Value> =
        findings.problems.iter().map(|problem| json!({"check": problem.check.to_string(), "what": problem.what})).collect();
    let (files, bytes) = findings.files;
    json!({"lookedAt": findings.looked_at, "sound": findings.problems.is_empty(), "schema": findings.schema, "problems": problems,
        "orphans": findings.orphans, "files": files, "bytes": bytes})
}

/// Looks at a database and the files that its rows speak of.
pub(crate) fn live(database: &Path, access: Access, media: &Arc<dyn MediaStore>, mut progress: Progress) -> Result<Findings, Failure> {
    progress.say(|| "database".to_owned());
    let checked = care::check(database, access).map_err(|error| failed(&error))?;
    let mut findings =
        Findings { looked_at: database.display().to_string(), schema: checked.schema, problems: checked.problems, ..Findings::default() };
    findings.owners_unknown = !checked.all_files;
    let known: HashMap<MediaName, KnownFile> = checked.files.into_iter().map(|file| (file.name, file)).collect();
    let handle = Handle::current();
    for file in known.values() {
        match handle.block_on(compare(media.as_ref(), file)) {
            Ok(problem) => findings.problems.extend(problem.map(|what| Problem { check: Check::Media, what })),
            Err(error) => {
                let what = format!("the file {} cannot be read: {}", file.name, chain(&error));
                findings.problems.push(Problem { check: Check::Media, what });
            }
        }
        findings.files = (findings.files.0 + 1, findings.files.1 + file.size);
        progress.say(|| format!("files: {} of {}", findings.files.0, known.len()));
    }
    if findings.owners_unknown {
        return Ok(findings);
    }
    let mut after = None;
    loop {
        let listed = handle.block_on(media.list(after, BATCH));
        let listed = listed.map_err(|error| Failure::new(Exit::Failure, "the uploaded files cannot be listed").because(chain(&error)))?;
        let Some(last) = listed.last() else { return Ok(findings) };
        after = Some(last.name);
        findings.orphans.extend(listed.iter().filter(|stored| !known.contains_key(&stored.name)).map(|stored| stored.name.to_string()));
    }
}

/// What is wrong with a file.
async fn compare(media: &dyn MediaStore, file: &KnownFile) -> Result<Option<String>, MediaStoreError> {
    let Some(stored) = media.metadata(file.name).await? else { return Ok(Some(format!("the file {} is not there", file.name))) };
    if stored.size != file.size {
        return Ok(Some(format!("the file {} has {} bytes, and had {} when it was uploaded", file.name, stored.size, file.size)));
    }
    let Some(mut reader) = media.open(file.name, 0..file.size).await? else {
        return Ok(Some(format!("the file {} is not there", file.name)));
    };
    let mut hash = Sha256::new();
    while let Some(piece) = reader.next().await? {
        hash.update(&piece);
    }
    let same = hash.finalize().as_slice() == file.sha256;
    Ok((!same).then(|| format!("the file {} is not what was uploaded", file.name)))
}

/// Looks at a backup: each byte against its sums, and the database of a directory as well.
pub(crate) fn backup(path: &Path, mut progress: Progress) -> Result<Findings, Failure> {
    read::must_exist(path, "--backup")?;
    let mut done = 0;
    let found = read::read(path, &mut read::Nobody, &mut |bytes| {
        done += bytes;
        progress.say(|| size(done));
    });
    let found = found.map_err(|error| Failure::new(Exit::Failure, format!("{} cannot be read", path.display())).because(error))?;
    let mut findings = Findings { looked_at: path.display().to_string(), orphans: found.strangers, ..Findings::default() };
    findings.problems.extend(found.problems.into_iter().map(|what| Problem { check: Check::Backup, what }));
    let Some(manifest) = found.manifest else { return Ok(findings) };
    findings.files = (manifest.files.len(), manifest.bytes());
    findings.schema.clone_from(&manifest.schema);
    findings.problems.extend(manifest.problems.into_iter().map(|what| Problem { check: Check::Backup, what }));
    let database = path.join(wiring::DATABASE);
    if findings.problems.is_empty() && database.is_file() {
        // Frozen: nothing is written beside it either.
        let checked = care::check(&database, Access::Frozen).map_err(|error| failed(&error))?;
        findings.problems.extend(checked.problems);
    }
    Ok(findings)
}
