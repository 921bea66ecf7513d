//! The verb `verify --log`: whether the log that is kept is whole by itself, and where it leads.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use core_types::Timestamp;
use persistence::care::{self, CheckedLog, LaterLog, Stretch};
use serde_json::{Value, json};

use super::manifest::Manifest;
use super::progress::{Progress, size};
use super::recover::{counted, disorder_as_json, out_of_order, went_on, went_on_as_json};
use super::{failed, off_thread, schedule, unwritable, verify};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::program::print;
use crate::terminal;

/// What was found.
struct Findings {
    logs: Vec<CheckedLog>,
    backups: Vec<Leading>,
    problems: Vec<String>,
}

/// A backup of `BACKUP_DIR`, and where it leads.
struct Leading {
    path: PathBuf,
    created_at: String,
    to: Lead,
}

/// Where a backup leads.
#[derive(Debug, PartialEq, Eq)]
enum Lead {
    /// To any moment until then, by the log.
    Until(Timestamp),
    /// To its own moment: nothing of a later time was committed since.
    Own,
    /// To its own moment, for it is of no log that is here.
    Elsewhere,
    /// To its own moment, for the segment of this number is not there or is damaged.
    Missing(u64),
}

/// Verifies, and tells what was found.
pub(super) async fn run(config: &Config, log: PathBuf, as_json: bool) -> Result<(), Failure> {
    if !log.is_dir() {
        return Err(Failure::new(Exit::Usage, format!("--log: {} is no directory", log.display())));
    }
    let looked_at = log.display().to_string();
    let backups = config.backups.dir.clone();
    let progress = if as_json { Progress::quiet() } else { Progress::new() };
    let findings = off_thread(move || look_telling(&log, backups.as_deref(), progress)).await?;
    print(&if as_json { format!("{:#}\n", in_json(&looked_at, &findings)) } else { report(&looked_at, &findings) })?;
    if findings.problems.is_empty() { Ok(()) } else { Err(verify::damaged(&looked_at, findings.problems.len())) }
}

fn look_telling(log: &Path, backups: Option<&Path>, mut progress: Progress) -> Result<Findings, Failure> {
    let mut done = 0;
    look(log, backups, |bytes| {
        done += bytes;
        progress.say(|| size(done));
    })
}

/// Looks, while a server may add to the log and the backups, and remove of both: judged are the backups that are there before and after.
fn look(log: &Path, backups: Option<&Path>, progress: impl FnMut(u64)) -> Result<Findings, Failure> {
    let mut known = backups.map_or_else(|| Ok(Vec::new()), known)?;
    let logs = care::check_log(log, progress).map_err(|error| failed(&error))?;
    known.retain(|(path, _)| path.exists());
    let mut problems: Vec<String> =
        logs.iter().flat_map(|log| log.problems.iter().map(|problem| format!("{}: {problem}", log.lineage))).collect();
    if logs.is_empty() {
        problems.push("no log is in it: each has a directory there with a name of 32 hexadecimal digits".to_owned());
    }
    let mut leading = Vec::new();
    for (path, manifest) in known {
        let to = lead(&logs, &manifest);
        if let Lead::Missing(segment) = to {
            problems.push(format!("the backup {} leads nowhere: it needs the segment number {segment}", path.display()));
        }
        leading.push(Leading { path, created_at: manifest.created_at, to });
    }
    Ok(Findings { logs, backups: leading, problems })
}

/// The backups of a directory that can be read.
fn known(directory: &Path) -> Result<Vec<(PathBuf, Manifest)>, Failure> {
    match schedule::kept(directory) {
        Ok(kept) => Ok(kept.whole),
        // It may not be mounted here.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unwritable(directory)(error)),
    }
}

/// Where a backup leads by these logs.
fn lead(logs: &[CheckedLog], backup: &Manifest) -> Lead {
    let Some(place) = &backup.log else { return Lead::Elsewhere };
    let Some(log) = logs.iter().find(|log| log.lineage == place.lineage) else { return Lead::Elsewhere };
    match log.stretches.iter().find(|stretch| (stretch.first..=stretch.last).contains(&place.segment)) {
        Some(stretch) => stretch.ends.filter(|ends| ends.millis() > backup.created_at_millis).map_or(Lead::Own, Lead::Until),
        // The segment that comes next is not made yet.
        None if place.segment == log.last + 1 => Lead::Own,
        None => Lead::Missing(place.segment),
    }
}

/// The log that the database went on in after the end of this one, by the times of their commits.
fn later(logs: &[CheckedLog], log: &CheckedLog) -> Option<LaterLog> {
    let ends = log.stretches.iter().rev().find_map(|stretch| stretch.ends)?;
    let others = logs.iter().filter(|other| other.lineage != log.lineage);
    let begun = others.filter_map(|other| {
        let from = other.stretches.iter().find_map(|stretch| stretch.begins)?;
        Some(LaterLog { lineage: other.lineage.clone(), from })
    });
    begun.filter(|later| later.from > ends).min_by_key(|later| later.from)
}

fn report(looked_at: &str, findings: &Findings) -> String {
    let mut report = String::new();
    // Writing to a String cannot fail.
    for problem in &findings.problems {
        let _ = writeln!(report, "log: {}", terminal::line(problem));
    }
    for log in &findings.logs {
        for stretch in &log.stretches {
            let _ = writeln!(report, "{}: {}", log.lineage, described(stretch));
        }
        if let Some(disorder) = &log.disorder {
            let _ = writeln!(report, "{}: {}", log.lineage, out_of_order(disorder));
        }
        if let Some(later) = later(&findings.logs, log) {
            let _ = writeln!(report, "{}: {}", log.lineage, went_on(&later));
        }
    }
    for Leading { path, created_at, to } in &findings.backups {
        let path = path.display().to_string();
        let leads = match to {
            Lead::Until(until) => format!("leads to any moment from {created_at} to {}", until.iso()),
            Lead::Own => format!("leads to {created_at}, and nothing of a later time came since"),
            Lead::Elsewhere => format!("leads to {created_at} alone: it is of no log that is here"),
            Lead::Missing(segment) => format!("leads to {created_at} alone: the segment number {segment} is not there"),
        };
        let _ = writeln!(report, "{}: {leads}", terminal::line(&path));
    }
    let outcome = if findings.problems.is_empty() { "sound" } else { "NOT SOUND" };
    let (logs, bytes) = (counted(findings.logs.len() as u64, "log"), bytes(&findings.logs));
    let _ = writeln!(report, "{looked_at}: {outcome}; {logs}, {}", size(bytes));
    report
}

/// A stretch for a person.
fn described(stretch: &Stretch) -> String {
    let Stretch { first, last, commits, begins, ends, .. } = stretch;
    let what = format!("segments {first} to {last}, {}", counted(*commits, "commit"));
    match begins.zip(*ends) {
        Some((begins, ends)) => format!("{what}, which lead on from {} to {}", begins.iso(), ends.iso()),
        None => what,
    }
}

fn bytes(logs: &[CheckedLog]) -> u64 {
    logs.iter().flat_map(|log| &log.stretches).map(|stretch| stretch.bytes).sum()
}

fn in_json(looked_at: &str, findings: &Findings) -> Value {
    let iso = |at: Option<Timestamp>| at.map(Timestamp::iso);
    let stretch = |stretch: &Stretch| {
        json!({"firstSegment": stretch.first, "lastSegment": stretch.last, "bytes": stretch.bytes, "commits": stretch.commits,
            "from": iso(stretch.begins), "until": iso(stretch.ends)})
    };
    let log = |log: &CheckedLog| {
        let stretches: Vec<Value> = log.stretches.iter().map(stretch).collect();
        let later = later(&findings.logs, log);
        json!({"log": log.lineage, "stretches": stretches, "outOfOrder": disorder_as_json(log.disorder),
            "wentOn": went_on_as_json(later.as_ref())})
    };
    let backup = |backup: &Leading| {
        let until = if let Lead::Until(until) = backup.to { Some(until.iso()) } else { None };
        json!({"backup": backup.path, "createdAt": backup.created_at, "until": until, "sound": !matches!(backup.to, Lead::Missing(_))})
    };
    let logs: Vec<Value> = findings.logs.iter().map(log).collect();
    let backups: Vec<Value> = findings.backups.iter().map(backup).collect();
    let problems: Vec<Value> = findings.problems.iter().map(|what| json!({"check": "log", "what": what})).collect();
    json!({"lookedAt": looked_at, "sound": problems.is_empty(), "logs": logs, "backups": backups, "problems": problems,
        "bytes": bytes(&findings.logs)})
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use persistence::{LogOptions, Options, Target};

    use super::*;
    use crate::care::manifest::{self, LogPlace};
    use crate::clock::{SystemClock, SystemIds};

    /// Puts down what a backup says of itself that leads into a segment.
    fn back_up(path: &Path, lineage: &str, segment: u64) {
        let log = Some(LogPlace { lineage: lineage.to_owned(), segment });
        let (text, sum) = Manifest { log, ..Manifest::new(Timestamp::from_millis(0)) }.texts().unwrap();
        fs::create_dir_all(path).unwrap();
        fs::write(path.join(manifest::FILE), text).unwrap();
        fs::write(path.join(manifest::SUM_FILE), sum).unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn backups_that_come_and_go_while_the_log_is_read_are_not_judged() {
        let directory = tempfile::tempdir().unwrap();
        let (database, log, backups) = (directory.path().join("kept.db"), directory.path().join("log"), directory.path().join("backups"));
        let options = Options { log: Some(LogOptions { dir: log.clone(), clock: Arc::new(SystemClock) }), ..Options::default() };
        persistence::open(&Target::Sqlite(database.clone()), options, Arc::new(SystemIds)).await.unwrap().close().await;
        let (lineage, next) = care::log_place(&database, &log).unwrap().unwrap();
        let [removed, stays, made] = ["doolittle-1", "doolittle-2", "doolittle-3"].map(|name| backups.join(name));
        back_up(&removed, &lineage, next + 7);
        back_up(&stays, &lineage, next - 1);
        let findings = look(&log, Some(backups.as_path()), |_| {
            let _ = fs::remove_dir_all(&removed);
            back_up(&made, &lineage, next + 8);
        });
        let findings = findings.unwrap();
        assert!(findings.problems.is_empty(), "{:?}", findings.problems);
        assert_eq!(findings.backups.iter().map(|backup| &backup.path).collect::<Vec<_>>(), [&stays]);
        // Both times there, and leading nowhere.
        let findings = look(&log, Some(backups.as_path()), |_| {}).unwrap();
        assert!(findings.problems.len() == 1 && findings.problems[0].contains("doolittle-3 leads nowhere"), "{:?}", findings.problems);
    }

    #[test]
    fn of_a_backup_after_which_times_are_earlier_nothing_more_is_said_than_is_known() {
        let at = Timestamp::from_millis;
        // Its clock was ahead.
        let stretches = vec![Stretch { first: 1, last: 3, bytes: 1, commits: 9, begins: Some(at(10)), ends: Some(at(90)) }];
        let logs = vec![CheckedLog { lineage: "ab".to_owned(), last: 3, stretches, disorder: None, problems: Vec::new() }];
        let manifest = Manifest { log: Some(LogPlace { lineage: "ab".to_owned(), segment: 2 }), ..Manifest::new(at(100)) };
        let to = lead(&logs, &manifest);
        let backups = vec![Leading { path: "one".into(), created_at: manifest.created_at.clone(), to }];
        let said = report("log", &Findings { logs, backups, problems: Vec::new() });
        assert!(said.contains("one: leads to 1970-01-01T00:00:00.100Z, and nothing of a later time came since"), "{said}");
    }

    #[test]
    fn of_a_log_after_which_another_begins_that_is_told() {
        let at = Timestamp::from_millis;
        let log = |lineage: &str, times: Option<(i64, i64)>| {
            let (begins, ends) = (times.map(|(begins, _)| at(begins)), times.map(|(_, ends)| at(ends)));
            let stretches = vec![Stretch { first: 1, last: 3, bytes: 1, commits: 2, begins, ends }];
            CheckedLog { lineage: lineage.to_owned(), last: 3, stretches, disorder: None, problems: Vec::new() }
        };
        // The one without a commit leads nowhere.
        let logs = vec![log("a", Some((60, 90))), log("b", Some((10, 50))), log("c", None), log("d", Some((95, 99)))];
        let findings = Findings { logs, backups: Vec::new(), problems: Vec::new() };
        let said = report("log", &findings);
        for (lineage, next) in [("b", "a, from 1970-01-01T00:00:00.060Z"), ("a", "d, from 1970-01-01T00:00:00.095Z")] {
            assert!(said.contains(&format!("{lineage}: the database went on in another log: {next}\n")), "{said}");
        }
        assert_eq!(said.matches("went on").count(), 2, "{said}");
        let told = in_json("log", &findings);
        assert_eq!(told["logs"][1]["wentOn"], json!({"log": "a", "from": "1970-01-01T00:00:00.060Z"}));
        assert!(told["logs"][2]["wentOn"].is_null() && told["logs"][3]["wentOn"].is_null(), "{told}");
    }

    #[test]
    fn a_backup_leads_as_far_as_the_log_goes_on_without_a_gap() {
        let at = Timestamp::from_millis;
        let stretch = |first: u64, last: u64, ends: Option<i64>| {
            let ends = ends.map(at);
            Stretch { first, last, bytes: 1, commits: 1, begins: ends, ends }
        };
        let stretches = vec![stretch(3, 5, Some(50)), stretch(7, 7, None), stretch(9, 12, Some(120))];
        // The thirteenth is damaged.
        let logs = [CheckedLog { lineage: "ab".to_owned(), last: 13, stretches, disorder: None, problems: Vec::new() }];
        let of = |lineage: &str, segment: u64, made: i64| {
            let log = Some(LogPlace { lineage: lineage.to_owned(), segment });
            lead(&logs, &Manifest { log, ..Manifest::new(at(made)) })
        };
        for (segment, made, expected) in [
            (2, 10, Lead::Missing(2)),
            (3, 10, Lead::Until(at(50))),
            (5, 40, Lead::Until(at(50))),
            (5, 50, Lead::Own),
            (6, 50, Lead::Missing(6)),
            (7, 60, Lead::Own),
            (12, 110, Lead::Until(at(120))),
            (13, 120, Lead::Missing(13)),
            (14, 130, Lead::Own),
            (15, 130, Lead::Missing(15)),
        ] {
            assert_eq!(of("ab", segment, made), expected, "segment {segment}");
        }
        assert_eq!(of("cd", 3, 10), Lead::Elsewhere);
        assert_eq!(lead(&logs, &Manifest::new(at(10))), Lead::Elsewhere);
    }
}
