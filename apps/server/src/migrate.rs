//! The verb `migrate`: brings the database to this version's schema, as a start of the server does too.

use std::fmt::Write as _;

use persistence::OpenError;
use persistence::migrate::{State, Status};

use crate::cli::MigrateArgs;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::lock::DataLock;
use crate::program::print;
use crate::{care, data_dir, wiring};

/// Migrates, and says what that took.
pub async fn run(config: &Config, args: &MigrateArgs) -> Result<(), Failure> {
    if args.down {
        // A place at which nothing is stays so.
        care::must_be_there(config)?;
    }
    data_dir::prepare(&config.data_dir)?;
    let _lock = DataLock::take(&config.data_dir)?;
    if args.down {
        return down(config).await;
    }
    // A database that cannot be asked cannot be opened either, and that says why.
    let before = persistence::migrate::status(&wiring::target(config)).await.unwrap_or_default();
    let store = wiring::open(config).await?;
    let said = print(&report(store.describe(), &before));
    store.close().await;
    said
}

/// Undoes the newest migration, so that the version before can work on the database. What will be refused is refused before it is copied.
async fn down(config: &Config) -> Result<(), Failure> {
    let target = wiring::target(config);
    let migrations = persistence::migrate::status(&target).await.map_err(|error| wiring::not_opened(&error))?;
    not_newer(&migrations)?;
    if !migrations.iter().any(|migration| migration.state == State::Applied) {
        return Err(Failure::new(Exit::Database, format!("{target} has no migration that could be undone")));
    }
    let copy = care::before_undoing(config).await?;
    let log = care::log_of(config)?;
    let undone = persistence::migrate::revert(&target).await.map_err(|error| wiring::not_opened(&error))?;
    let kept = copy.map_or_else(
        || "; no copy of it was made before, as pg_dump makes one".to_owned(),
        |copy| format!("; as it was it is in {}", copy.display()),
    );
    let mut said = format!("undid {undone}: {target} has the schema of the version before{kept}\n");
    if let Some(log) = log {
        // Writing to a String cannot fail.
        let _ =
            writeln!(said, "the log {log} ends here: the next start with BACKUP_LOG_DIR begins another, for which a new backup is needed");
    }
    print(&said)
}

/// Refuses a database that a newer version has changed, before anything is done with it. What cannot be asked is for whoever opens it to
/// tell.
pub(crate) async fn must_not_be_newer(config: &Config) -> Result<(), Failure> {
    not_newer(&persistence::migrate::status(&wiring::target(config)).await.unwrap_or_default())
}

/// Refuses a database with another schema than this version's, for those who only read it.
pub(crate) async fn must_be_current(config: &Config) -> Result<(), Failure> {
    let target = wiring::target(config);
    let migrations = persistence::migrate::status(&target).await.unwrap_or_default();
    not_newer(&migrations)?;
    let Some(pending) = migrations.iter().find(|migration| migration.state == State::Pending) else { return Ok(()) };
    let message = format!(
        "{target} has the schema of an earlier version, without {}, and is left as it is; `doolittle migrate` brings it to this version's",
        pending.name
    );
    Err(Failure::new(Exit::Database, message))
}

fn not_newer(migrations: &[Status]) -> Result<(), Failure> {
    match migrations.iter().rfind(|migration| migration.state == State::Unknown) {
        Some(newest) => Err(wiring::not_opened(&OpenError::Newer { version: newest.name.clone() })),
        None => Ok(()),
    }
}

fn report(database: &str, before: &[Status]) -> String {
    let is_new = !before.is_empty() && before.iter().all(|migration| migration.state == State::Pending);
    let mut report: String = before
        .iter()
        .filter(|migration| migration.state == State::Pending)
        .flat_map(|migration| ["applied ", &migration.name, "\n"])
        .collect();
    let since = match (report.is_empty(), is_new) {
        (true, _) => ", and had it before",
        (false, true) => "; it is a new database, and nothing was there before",
        (false, false) => "",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(report, "{database} has the schema of version {}{since}", env!("CARGO_PKG_VERSION"));
    report
}

#[cfg(test)]
mod tests {
    use persistence::migrate::{State, Status};

    use super::{not_newer, report};
    use crate::exit::Exit;

    #[test]
    fn the_report_names_what_was_applied() {
        let version = env!("CARGO_PKG_VERSION");
        let both = [status("0001_core", State::Applied), status("0002_more", State::Pending)];
        let new = "it is a new database, and nothing was there before";
        for (before, expected) in [
            (&both[..], format!("applied 0002_more\nSQLite at x has the schema of version {version}\n")),
            (&both[..1], format!("SQLite at x has the schema of version {version}, and had it before\n")),
            (&both[1..], format!("applied 0002_more\nSQLite at x has the schema of version {version}; {new}\n")),
            // Nobody knows what was there.
            (&[], format!("SQLite at x has the schema of version {version}, and had it before\n")),
        ] {
            assert_eq!(report("SQLite at x", before), expected);
        }
    }

    #[test]
    fn of_a_newer_database_the_newest_migration_is_named() {
        let newer = [status("0001_core", State::Applied), status("0008", State::Unknown), status("0009", State::Unknown)];
        let refused = not_newer(&newer).unwrap_err();
        assert!(refused.exit == Exit::Database && refused.message.contains("migration 0009"), "{refused}");
        assert!(not_newer(&newer[..1]).is_ok());
    }

    fn status(name: &str, state: State) -> Status {
        Status { name: name.to_owned(), state }
    }
}
