//! Copies of the database from before it is changed: by migrations, by undoing one, by a repair.

use std::io;
use std::path::{Path, PathBuf};

use core_types::Clock as _;
use persistence::{Kind, care, migrate};

use super::{off_thread, stage, unwritable};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::wiring;

/// Where they go, below the data directory.
const COPIES: &str = "backups";
/// So many are kept of each reason.
const KEPT: usize = 3;
/// Between the time and the reason in their names.
const BEFORE: &str = "-before-";

/// Copies a database that has migrations before it, and some to come: whoever goes back to the version before finds it as it was.
pub(crate) async fn before_migrating(config: &Config) -> Result<(), Failure> {
    let path = config.data_dir.join(wiring::DATABASE);
    if config.postgres_url.is_some() || !path.is_file() {
        return Ok(());
    }
    let newest = migrate::known(Kind::Sqlite).map_err(|error| Failure::of(Exit::Database, &error, ""))?.pop().unwrap_or_default();
    let data_dir = config.data_dir.clone();
    let copied = off_thread(move || {
        // What no one can read now is for the opening to tell.
        let Ok(Some(schema)) = care::schema(&path) else { return Ok(None) };
        if newest.split('_').next().is_none_or(|newest| newest <= schema.as_str()) {
            return Ok(None);
        }
        copy(&path, &data_dir, &format!("upgrade-from-{schema}")).map(Some)
    });
    if let Some(copy) = copied.await? {
        log::info!("the database is brought to another schema; as it was it is in {}", copy.display());
    }
    Ok(())
}

/// Copies a database of which a migration is undone; `None` where it is none of SQLite.
pub(crate) async fn before_undoing(config: &Config) -> Result<Option<PathBuf>, Failure> {
    let path = config.data_dir.join(wiring::DATABASE);
    if config.postgres_url.is_some() || !path.is_file() {
        return Ok(None);
    }
    let data_dir = config.data_dir.clone();
    off_thread(move || copy(&path, &data_dir, "downgrade")).await.map(Some)
}

/// Why a copy was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// Migrations came.
    Upgrade,
    /// One was undone.
    Downgrade,
    /// It was mended.
    Repair,
}

/// A copy as its name tells of it: `doolittle-<time>-before-<reason>.db`, with a number after the reason where there was one of the same
/// second. Their order is that in which they were made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Made {
    /// What comes before the reason: the second in which it was made.
    stamp: String,
    /// Which one of that second.
    number: u32,
    reason: Reason,
    path: PathBuf,
}

impl Made {
    /// What a path is by its name; `None` where it is no copy.
    fn at(path: PathBuf) -> Option<Self> {
        let (stamp, what) = path.file_name()?.to_str()?.strip_suffix(".db")?.split_once(BEFORE)?;
        let stamp = Some(stamp).filter(|stamp| stamp.starts_with("doolittle-"))?.to_owned();
        let mut parts = what.split('-');
        let reason = match parts.next()? {
            "upgrade" => {
                // The schema that it was an upgrade from is no number.
                parts.nth(1)?;
                Reason::Upgrade
            }
            "downgrade" => Reason::Downgrade,
            "repair" => Reason::Repair,
            _ => return None,
        };
        let number = parts.next().map_or(Some(1), |number| number.parse().ok())?;
        Some(Self { stamp, number, reason, path })
    }
}

/// Copies a database, and forgets the oldest of such copies.
pub(super) fn copy(database: &Path, data_dir: &Path, what: &str) -> Result<PathBuf, Failure> {
    let directory = data_dir.join(COPIES);
    let failing = unwritable(&directory);
    stage::directory(&directory).map_err(&failing)?;
    let mut there = there(&directory).map_err(&failing)?;
    let copy = directory.join(free(&there, &super::backup::name(SystemClock.now()), what));
    let partial = stage::partial(&copy).map_err(&failing)?;
    let copied = care::copy(database, &partial, || {}, |_, _| {}).map_err(|error| {
        let advice = "a copy is made before the database is changed; free some space, or see what is wrong";
        Failure::of(Exit::DataDir, &error, advice)
    });
    if let Err(failure) = copied {
        // It is of no use.
        let _ = std::fs::remove_file(&partial);
        return Err(failure);
    }
    stage::publish(&partial, &copy).map_err(&failing)?;
    there.extend(Made::at(copy.clone()));
    // After a clock was set back the new one may look like the oldest.
    for old in outlived(there).into_iter().filter(|old| *old != copy) {
        std::fs::remove_file(old).map_err(&failing)?;
    }
    Ok(copy)
}

/// The copies that are there. What was never finished goes.
fn there(directory: &Path) -> io::Result<Vec<Made>> {
    let mut there = Vec::new();
    for entry in directory.read_dir()? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("doolittle-") && name.contains(BEFORE) && stage::is_partial(name) {
            // An earlier process ended while it copied: whoever changes the database is alone.
            std::fs::remove_file(&path)?;
        } else {
            there.extend(Made::at(path));
        }
    }
    Ok(there)
}

/// A name that no copy has: several may be made within a second, and their numbers tell which came first.
fn free(there: &[Made], stamp: &str, what: &str) -> String {
    match there.iter().filter(|copy| copy.stamp == stamp).map(|copy| copy.number).max() {
        None => format!("{stamp}{BEFORE}{what}.db"),
        Some(last) => format!("{stamp}{BEFORE}{what}-{}.db", last.saturating_add(1)),
    }
}

/// The copies that go. Of each reason the newest stay; but of migrations that were undone one after the other, so since the last upgrade,
/// the first copy stays in any case, which alone has all that was there.
fn outlived(mut copies: Vec<Made>) -> Vec<PathBuf> {
    copies.sort();
    let upgraded = copies.iter().rposition(|copy| copy.reason == Reason::Upgrade).map_or(0, |upgrade| upgrade + 1);
    let whole = copies.iter().skip(upgraded).find(|copy| copy.reason == Reason::Downgrade);
    let mut outlived = Vec::new();
    for reason in [Reason::Upgrade, Reason::Downgrade, Reason::Repair] {
        let mut alike: Vec<&Made> = copies.iter().rev().filter(|copy| copy.reason == reason).collect();
        alike.sort_by_key(|copy| Some(*copy) != whole);
        outlived.extend(alike.into_iter().skip(KEPT).map(|copy| copy.path.clone()));
    }
    outlived
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::{COPIES, Made, copy, free, outlived};

    /// The copies of these names: `<second>-before-<reason>`.
    fn made(names: &[&str]) -> Vec<Made> {
        names.iter().filter_map(|name| Made::at(PathBuf::from(format!("doolittle-{name}.db")))).collect()
    }

    #[test]
    fn of_each_reason_the_newest_stay_and_of_a_run_of_undoing_the_first() {
        for (names, gone) in [
            // One reason takes no place of another.
            (
                &["1-before-upgrade-from-0007", "2-before-repair", "3-before-repair", "4-before-repair", "5-before-repair"][..],
                &["2-before-repair"][..],
            ),
            (
                &[
                    "1-before-upgrade-from-0007",
                    "2-before-downgrade",
                    "3-before-downgrade",
                    "4-before-downgrade",
                    "5-before-downgrade",
                    "6-before-downgrade",
                ],
                &["4-before-downgrade", "3-before-downgrade"],
            ),
            // The run from before the last upgrade is over.
            (
                &["1-before-downgrade", "2-before-upgrade-from-0006", "3-before-downgrade", "4-before-downgrade", "5-before-downgrade"],
                &["1-before-downgrade"],
            ),
            // Within a second the number counts, whatever the reason, and ten is more than two.
            (&["1-before-repair-2", "1-before-repair-3", "1-before-repair", "1-before-repair-4"], &["1-before-repair"]),
            (&["1-before-repair-10", "1-before-repair-2", "1-before-repair-11", "1-before-repair-9"], &["1-before-repair-2"]),
            (
                &[
                    "1-before-downgrade",
                    "1-before-upgrade-from-0006-2",
                    "1-before-downgrade-3",
                    "1-before-downgrade-4",
                    "1-before-downgrade-5",
                ],
                &["1-before-downgrade"],
            ),
        ] {
            let gone: Vec<PathBuf> = gone.iter().map(|name| PathBuf::from(format!("doolittle-{name}.db"))).collect();
            assert_eq!(outlived(made(names)), gone, "{names:?}");
        }
        // What has no such name is not removed.
        assert!(made(&["1-before-noon", "2-before-repair-x", "3-before-upgrade", "4-after-repair", "before-repair"]).is_empty());
    }

    #[test]
    fn a_second_copy_of_a_second_has_the_next_number() {
        for (names, expected) in [
            (&[][..], "doolittle-1-before-repair.db"),
            (&["0-before-repair"], "doolittle-1-before-repair.db"),
            (&["1-before-upgrade-from-0007"], "doolittle-1-before-repair-2.db"),
            (&["1-before-repair-9", "1-before-downgrade-10"], "doolittle-1-before-repair-11.db"),
        ] {
            assert_eq!(free(&made(names), "doolittle-1", "repair"), expected);
        }
    }

    #[test]
    fn what_was_never_finished_takes_the_place_of_no_copy() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("doolittle.db");
        rusqlite::Connection::open(&database).unwrap().execute_batch("CREATE TABLE kept (id INTEGER)").unwrap();
        let copies = directory.path().join(COPIES);
        fs::create_dir(&copies).unwrap();
        let earlier = |number: u32, end: &str| copies.join(format!("doolittle-1970010{number}T000000Z-before-repair.db{end}"));
        for number in 1..4 {
            fs::write(earlier(number, ""), "a copy").unwrap();
        }
        fs::write(earlier(4, ".partial-7"), "half a copy").unwrap();
        fs::write(earlier(5, "-wal"), "what somebody left who looked into one").unwrap();
        let made = copy(&database, directory.path(), "repair").unwrap();
        let mut there: Vec<_> = copies.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        there.sort();
        assert_eq!(there, [earlier(2, ""), earlier(3, ""), earlier(5, "-wal"), made]);
    }
}
