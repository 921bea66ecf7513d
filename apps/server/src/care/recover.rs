//! From a backup to any moment since, by the log that was kept.

use std::path::Path;

use core_types::Timestamp;
use persistence::care;

use super::failed;
use super::manifest::{LogPlace, Manifest};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::wiring;

/// From where on the log will have what a copy that is made now does not; `None` where none is kept.
pub(crate) fn place(config: &Config) -> Result<Option<LogPlace>, Failure> {
    let Some(log) = &config.backups.log_dir else { return Ok(None) };
    of(&config.data_dir.join(wiring::DATABASE), log)
}

/// The same of these two.
pub(crate) fn of(database: &Path, log: &Path) -> Result<Option<LogPlace>, Failure> {
    let place = care::log_place(database, log).map_err(|error| failed(&error))?;
    Ok(place.map(|(lineage, segment)| LogPlace { lineage, segment }))
}

/// The log that the database of these settings goes on in, which ends where something is written without it.
pub(crate) fn log_of(config: &Config) -> Result<Option<String>, Failure> {
    if config.postgres_url.is_some() {
        return Ok(None);
    }
    care::log_of(&config.data_dir.join(wiring::DATABASE)).map_err(|error| failed(&error))
}

/// How far to go.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// To the last commit at or before this.
    Moment(Timestamp),
    /// To the last one that the log has.
    End,
}

/// Where a copy was brought to by the log.
pub(super) struct Reached {
    /// The time of its last commit.
    pub moment: String,
    /// The moment that was asked for, where the log may end before it.
    pub beyond: Option<String>,
}

/// Brings a copy to the last commit at or before a moment, where one is asked for.
pub(super) fn until(log: Option<&Path>, until: Option<Until>, manifest: &Manifest, database: &Path) -> Result<Option<Reached>, Failure> {
    let Some(until) = until else { return Ok(None) };
    let refuse = |message: String| Err(Failure::new(Exit::Usage, message));
    let Some(log) = log else { return refuse("name the directory of the log with --log, or by BACKUP_LOG_DIR".to_owned()) };
    let Some(place) = &manifest.log else {
        return refuse(
            "this backup was made without BACKUP_LOG_DIR: it knows of no log, and leads to no other moment than its own".to_owned(),
        );
    };
    let (until, is_moment) = match until {
        Until::Moment(until) => (until, true),
        Until::End => (Timestamp::from_millis(i64::MAX), false),
    };
    if until.millis() < manifest.created_at_millis {
        return refuse(format!("this backup is of {}, which is later than {}: take an earlier one", manifest.created_at, until.iso()));
    }
    let replayed = care::replay(database, log, &place.lineage, place.segment, until).map_err(|error| failed(&error))?;
    let last = replayed.last.filter(|last| last.millis() > manifest.created_at_millis);
    let moment = last.map_or_else(|| manifest.created_at.clone(), Timestamp::iso);
    Ok(Some(Reached { moment, beyond: (is_moment && replayed.ends_before).then(|| until.iso()) }))
}
