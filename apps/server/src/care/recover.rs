//! From a backup to any moment since, by the log that was kept.

use std::fmt::Write as _;
use std::path::Path;

use core_types::Timestamp;
use persistence::care::{self, Disorder, LaterLog, LeftOut, Replayed};
use serde_json::{Map, Value, json};

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
    /// The time of its last commit, or that of the backup where that is later.
    pub moment: String,
    /// The time of the last commit that was put in, if any was.
    last: Option<Timestamp>,
    /// Whether that is later than the backup.
    is_later: bool,
    /// The moment that was asked for, where the log may end before it.
    pub beyond: Option<String>,
    /// What the log has after that.
    left_out: Option<LeftOut>,
    /// Commits whose times are out of order.
    disorder: Option<Disorder>,
    /// The log that the database went on in after the end of this one, where that was before the moment that was asked for.
    went_on: Option<LaterLog>,
}

impl Reached {
    /// Of a backup, with what was put into its copy up to a moment, where one was asked for.
    fn of(manifest: &Manifest, replayed: &Replayed, moment: Option<Timestamp>) -> Self {
        let Replayed { last, left_out, disorder, .. } = *replayed;
        let later = last.filter(|last| last.millis() > manifest.created_at_millis);
        let beyond = moment.filter(|_| left_out.is_none()).map(Timestamp::iso);
        let moment = later.map_or_else(|| manifest.created_at.clone(), Timestamp::iso);
        Self { moment, last, is_later: later.is_some(), beyond, left_out, disorder, went_on: None }
    }

    /// What there is to say of it, beside the moment.
    pub(super) fn report(&self) -> String {
        let mut said = String::new();
        // Writing to a String cannot fail.
        if let Some(last) = self.last.filter(|_| !self.is_later) {
            let _ = writeln!(said, "The last commit that the log led to is of {}, which is no later than the backup.", last.iso());
        }
        if let Some(beyond) = &self.beyond {
            let moment = &self.moment;
            let _ = writeln!(said, "THE LOG ENDS BEFORE {beyond}: what was committed after {moment}, if anything was, is not here.");
        }
        if let Some(later) = &self.went_on {
            let _ = writeln!(said, "NOT ALL IS HERE: {}. A backup of after that leads there.", went_on(later));
        }
        if let Some(LeftOut { commits, first, last }) = &self.left_out {
            let (count, first, last) = (counted(*commits, "commit"), first.iso(), last.iso());
            let _ = writeln!(said, "The log goes on: what came after is left out, {count}, the first of {first}, the last of {last}.");
        }
        if let Some(disorder) = &self.disorder {
            let is_moment = self.beyond.is_some() || self.left_out.is_some();
            let rule =
                if is_moment { " Here is all up to the last commit with the time that was asked for, or an earlier one." } else { "" };
            let _ = writeln!(said, "{}.{rule}", out_of_order(disorder));
        }
        said
    }

    /// The same for programs.
    pub(super) fn as_json(&self) -> Map<String, Value> {
        let left_out = self.left_out.map(|left| json!({"commits": left.commits, "first": left.first.iso(), "last": left.last.iso()}));
        let mut told = Map::new();
        told.insert("logLastCommit".to_owned(), json!(self.last.map(Timestamp::iso)));
        told.insert("logEndsBefore".to_owned(), json!(self.beyond));
        told.insert("logLeftOut".to_owned(), json!(left_out));
        told.insert("logOutOfOrder".to_owned(), disorder_as_json(self.disorder));
        told.insert("logWentOn".to_owned(), went_on_as_json(self.went_on.as_ref()));
        told
    }
}

/// What is said of commits whose times are out of order.
pub(super) fn out_of_order(disorder: &Disorder) -> String {
    let Disorder { commits, from, until } = disorder;
    let (count, from, until) = (counted(*commits, "commit"), from.iso(), until.iso());
    format!(
        "TIMES IN THE LOG ARE OUT OF ORDER between {from} and {until}: {count} of an earlier time than one before, as after a clock is set back"
    )
}

/// The same for programs; null where there are none.
pub(super) fn disorder_as_json(disorder: Option<Disorder>) -> Value {
    json!(disorder.map(|disorder| json!({"commits": disorder.commits, "from": disorder.from.iso(), "until": disorder.until.iso()})))
}

/// What is said of a log that begins after the end of the one that is used.
pub(super) fn went_on(LaterLog { lineage, from }: &LaterLog) -> String {
    format!("the database went on in another log: {lineage}, from {}", from.iso())
}

/// The same for programs; null where there is none.
pub(super) fn went_on_as_json(later: Option<&LaterLog>) -> Value {
    json!(later.map(|later| json!({"log": later.lineage, "from": later.from.iso()})))
}

/// So many of something.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
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
    let reached = Reached::of(manifest, &replayed, is_moment.then_some(until));
    // Where the log goes on after what was asked for, it has all of that.
    let went_on = if replayed.left_out.is_none() {
        let ends = replayed.last.unwrap_or(Timestamp::from_millis(manifest.created_at_millis));
        let later = care::later_log(log, &place.lineage, ends).map_err(|error| failed(&error))?;
        later.filter(|later| later.from <= until)
    } else {
        None
    };
    Ok(Some(Reached { went_on, ..reached }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_last_commit_that_is_no_later_than_the_backup_is_told() {
        let at = Timestamp::from_millis;
        let made = at(1_000);
        for (last, moment, is_told) in
            [(None, 1_000, false), (Some(900), 1_000, true), (Some(1_000), 1_000, true), (Some(1_001), 1_001, false)]
        {
            let last = last.map(at);
            let reached = Reached::of(&Manifest::new(made), &Replayed { commits: 2, last, ..Replayed::default() }, None);
            assert_eq!(reached.moment, at(moment).iso(), "{last:?}");
            let told = format!("is of {}, which is no later than the backup", last.unwrap_or(made).iso());
            assert_eq!(reached.report().contains(&told), is_told, "{last:?}: {}", reached.report());
            assert_eq!(reached.as_json()["logLastCommit"], json!(last.map(Timestamp::iso)));
        }
    }
}
