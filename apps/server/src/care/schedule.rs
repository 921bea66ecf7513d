//! Backups that the running server makes by itself, one after the other into one directory, of which it keeps so many.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use core_types::error::chain;
use core_types::media::MediaStore;
use core_types::{Clock, Timestamp};
use metrics::{counter, gauge};
use persistence::{Kind, Store, care};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::backup::{self, Order};
use super::manifest::{FILE, Manifest, SUM_FILE};
use super::progress::Progress;
use super::{ServerData, inside, off_thread, recover, stage, unwritable, within};
use crate::config::{BackupsConfig, Config};
use crate::exit::{Exit, Failure};
use crate::wiring;

/// How long after one that failed it is tried again, at most.
const AGAIN: Duration = Duration::from_mins(10);
/// The longest nap: the clock may be set meanwhile.
const NAP: Duration = Duration::from_secs(30);
/// So many things that are not as they should be are logged of a backup.
const TOLD: usize = 10;

/// What is made, and when.
pub(crate) struct Schedule {
    data: ServerData,
    dir: PathBuf,
    settings: BackupsConfig,
    clock: Arc<dyn Clock>,
    next: Timestamp,
}

impl Schedule {
    /// The schedule by these settings; `None` where they have none.
    pub(crate) fn of(config: &Config, store: &Store, media: Arc<dyn MediaStore>, clock: Arc<dyn Clock>) -> Result<Option<Self>, Failure> {
        let Some(dir) = config.backups.dir.clone() else { return Ok(None) };
        if store.kind() == Kind::Postgres {
            let message =
                "BACKUP_DIR is for the embedded database; back PostgreSQL up with its own tools, and unset it (docs/operations.md)";
            return Err(Failure::new(Exit::Usage, message));
        }
        stage::directory(&dir).map_err(|error| {
            let message = format!("{} cannot be written; look at BACKUP_DIR: its permissions, its free space; or unset it", dir.display());
            Failure::new(Exit::Failure, message).because(error)
        })?;
        if let Some(directory) = within(config, &dir) {
            log::warn!("BACKUP_DIR is {}; {}", dir.display(), inside(directory));
        }
        let data = ServerData::with(config, config.data_dir.join(wiring::DATABASE), media);
        let now = clock.now();
        let mut schedule = Self { data, dir, settings: config.backups.clone(), next: now, clock };
        if let Some((_, newest)) = kept(&schedule.dir).map_err(unwritable(&schedule.dir))?.whole.last() {
            let next = schedule.after(Timestamp::from_millis(newest.created_at_millis));
            schedule.next = next.min(schedule.after(now));
        }
        Ok(Some(schedule))
    }

    /// What the start tells of it.
    pub(crate) fn describe(&self) -> String {
        let minutes = self.settings.every.as_secs() / 60;
        let next = if self.next <= self.clock.now() { "now".to_owned() } else { format!("at {}", self.next.iso()) };
        format!("every {minutes} min to {}, {} kept; the next {next}", self.dir.display(), self.settings.keep)
    }

    fn after(&self, made: Timestamp) -> Timestamp {
        made.plus_millis(i64::try_from(self.settings.every.as_millis()).unwrap_or(i64::MAX))
    }

    /// Works until it is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            let now = self.clock.now();
            // The clock may have been set back.
            self.next = self.next.min(self.after(now));
            let left = self.next.millis() - now.millis();
            if left > 0 {
                sleep(Duration::from_millis(left.unsigned_abs()).min(NAP)).await;
                continue;
            }
            match self.once().await {
                Ok(()) => self.next = self.after(now),
                Err(failure) => {
                    counter!("doolittle_backups_total", "outcome" => "failed").increment(1);
                    let again = AGAIN.min(self.settings.every);
                    log::error!("NO BACKUP WAS MADE, which is tried again in {} s: {}", again.as_secs(), failure.story());
                    self.next = now.plus_millis(i64::try_from(again.as_millis()).unwrap_or(i64::MAX));
                }
            }
        }
    }

    /// Makes one, and only then forgets the oldest.
    async fn once(&self) -> Result<(), Failure> {
        let now = self.clock.now();
        let log = self.settings.log_dir.as_deref().map(|log| recover::of(&self.data.database, log)).transpose()?.flatten();
        let to = self.dir.join(backup::name(now));
        let order =
            Order { data: self.data.clone(), to: to.clone(), with_key: self.settings.with_key, log, clock: Arc::clone(&self.clock) };
        let dir = self.dir.clone();
        let manifest = off_thread(move || {
            sweep(&dir, now);
            backup::make(&order, Progress::quiet())
        });
        let manifest = manifest.await?;
        counter!("doolittle_backups_total", "outcome" => if manifest.damaged { "damaged" } else { "made" }).increment(1);
        // Whole seconds fit.
        gauge!("doolittle_backup_last_timestamp_seconds").set(u32::try_from(manifest.created_at_millis / 1_000).unwrap_or(u32::MAX));
        log::info!("backup {}: {}", to.display(), manifest.extent());
        if manifest.damaged {
            log::error!(
                "THE DATABASE IS DAMAGED, and so is the backup {}; the newest one that is not is kept until there is another (see \
                 `doolittle verify`, `doolittle repair`)",
                to.display()
            );
        }
        for problem in manifest.problems.iter().take(TOLD) {
            log::error!("the backup has what there is, but {problem}");
        }
        if let Some(more) = manifest.problems.len().checked_sub(TOLD + 1) {
            log::error!("the backup has what there is, but {} more things are not as they should be: its {FILE} names them", more + 1);
        }
        let (dir, settings) = (self.dir.clone(), self.settings.clone());
        let database = self.data.database.clone();
        if let Err(failure) = off_thread(move || forget(&dir, &settings, &database, &to)).await {
            log::error!("what no backup needs any more could not be removed, which is tried again after the next: {}", failure.story());
        }
        Ok(())
    }
}

/// Begins what these settings ask for, in the background; what the start tells of it.
pub(crate) fn begin(config: &Config, store: &Arc<Store>, schedule: Option<Schedule>, background: &mut JoinSet<()>) -> Option<String> {
    if config.backups.log_dir.is_some() {
        background.spawn(keep_log(Arc::clone(store), config.backups.log_every));
    }
    let schedule = schedule?;
    let described = schedule.describe();
    background.spawn(schedule.run());
    Some(described)
}

/// The backups of a directory.
pub(super) struct Kept {
    /// Those that say what they are, oldest first.
    pub(super) whole: Vec<(PathBuf, Manifest)>,
    /// Whether there may be another, which cannot be read now.
    is_all: bool,
}

pub(super) fn kept(dir: &Path) -> io::Result<Kept> {
    let mut kept = Kept { whole: Vec::new(), is_all: true };
    for entry in dir.read_dir()? {
        let path = entry?.path();
        let is_ours =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("doolittle-") && !stage::is_partial(name));
        if !is_ours {
            continue;
        }
        let texts = fs::read_to_string(path.join(FILE)).and_then(|text| Ok((text, fs::read_to_string(path.join(SUM_FILE))?)));
        let unreadable = match texts.map(|(text, sum)| Manifest::read(&text, &sum)) {
            Ok(Ok(manifest)) => {
                kept.whole.push((path, manifest));
                continue;
            }
            Ok(Err(what)) => what,
            Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => continue,
            Err(error) => error.to_string(),
        };
        log::warn!(
            "the backup {} counts for nothing, and no log is shortened, while it is there and cannot be read: {unreadable}",
            path.display()
        );
        kept.is_all = false;
    }
    kept.whole.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(kept)
}

/// Removes what earlier processes left unfinished, where it can be removed; one of a command may be on its way.
fn sweep(dir: &Path, now: Timestamp) {
    let Ok(entries) = dir.read_dir() else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let swept = stage::is_abandoned(&path, now).and_then(|abandoned| if abandoned { remove(&path) } else { Ok(()) });
        if let Err(error) = swept {
            log::warn!("{} was never finished, and cannot be removed: {error}", path.display());
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Removes the oldest backups beyond those that are kept, and of the log what none of those needs. Kept besides are the newest one
/// whose database is not damaged, and the newest one without a problem: it may have files that are not there any more.
fn forget(dir: &Path, settings: &BackupsConfig, database: &Path, made: &Path) -> Result<(), Failure> {
    let Kept { mut whole, is_all } = kept(dir).map_err(unwritable(dir))?;
    // What is later than the one that was just made is of a time at which the clock was wrong.
    whole.sort_by_key(|(path, _)| path.as_path() <= made);
    // With fewer than that, this directory may not be the one that had them.
    let is_complete = is_all && whole.len() >= settings.keep;
    let surplus = whole.len().saturating_sub(settings.keep);
    let sound = whole.iter().rposition(|(_, manifest)| !manifest.damaged);
    let best = whole.iter().rposition(|(_, manifest)| manifest.problems.is_empty());
    let mut needed = Vec::new();
    for (at, (path, manifest)) in whole.into_iter().enumerate() {
        let goes = at < surplus && Some(at) != sound && Some(at) != best;
        if goes {
            // Half a backup must not look like one, should this end here.
            let going = stage::partial(&path).map_err(unwritable(dir))?;
            match fs::rename(&path, &going).and_then(|()| remove(&going)) {
                Ok(()) => log::info!("removed the backup {}", path.display()),
                Err(error) => log::warn!("the old backup {} cannot be removed: {error}", path.display()),
            }
        }
        // One that could not be made another name of is whole, and may be restored.
        if at >= surplus || Some(at) == sound || (goes && path.exists()) {
            needed.extend(manifest.log.map(|log| (log.lineage, log.segment)));
        }
    }
    match &settings.log_dir {
        // Without a backup that begins in the log nobody knows what is needed.
        Some(log) if is_complete && !needed.is_empty() => {
            // A log that begins at this moment is in no backup yet, and goes on all the same.
            let current = care::log_of(database).map_err(|error| super::failed(&error))?;
            care::forget_log(log, current.as_deref(), &needed).map_err(|error| super::failed(&error))
        }
        _ => Ok(()),
    }
}

/// Has the log know what was committed, again and again.
async fn keep_log(store: Arc<Store>, every: Duration) {
    loop {
        sleep(every).await;
        if let Err(error) = store.keep_log().await {
            counter!("doolittle_log_failures_total").increment(1);
            log::error!("what was committed is not in the log yet, which is tried again: {}", chain(&error));
        }
    }
}

#[cfg(test)]
mod tests;
