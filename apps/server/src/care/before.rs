//! Copies of the database from before it is changed: by migrations, by undoing one, by a repair.

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
/// So many are kept.
const KEPT: usize = 3;

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

/// Copies a database, and forgets the oldest of such copies.
pub(super) fn copy(database: &Path, data_dir: &Path, what: &str) -> Result<PathBuf, Failure> {
    let directory = data_dir.join(COPIES);
    let failing = unwritable(&directory);
    stage::directory(&directory).map_err(&failing)?;
    let copy = free(&directory, &format!("{}-before-{what}", super::backup::name(SystemClock.now())));
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
    let mut there = Vec::new();
    for entry in directory.read_dir().map_err(&failing)? {
        let entry = entry.map_err(&failing)?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if !name.starts_with("doolittle-") || !name.contains("-before-") {
            continue;
        }
        if stage::is_partial(&name) {
            // An earlier process ended while it copied: whoever changes the database is alone.
            std::fs::remove_file(entry.path()).map_err(&failing)?;
        } else if entry.path().extension().is_some_and(|end| end == "db") {
            there.push(entry.path());
        }
    }
    // Their names sort by time.
    there.sort();
    for old in there.iter().rev().skip(KEPT) {
        std::fs::remove_file(old).map_err(&failing)?;
    }
    Ok(copy)
}

/// A path of this name where nothing is: several copies may be made within a second.
fn free(directory: &Path, name: &str) -> PathBuf {
    let mut path = directory.join(format!("{name}.db"));
    let mut number = 1;
    while path.exists() {
        number += 1;
        path = directory.join(format!("{name}-{number}.db"));
    }
    path
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{COPIES, copy};

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
