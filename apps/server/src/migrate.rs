//! The verb `migrate`: brings the database to this version's schema, as a start of the server does too.

use std::fmt::Write as _;

use persistence::migrate::{State, Status};

use crate::cli::MigrateArgs;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::lock::DataLock;
use crate::program::print;
use crate::{care, data_dir, wiring};

/// Migrates, and says what that took.
pub async fn run(config: &Config, args: &MigrateArgs) -> Result<(), Failure> {
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

/// Undoes the newest migration, so that the version before can work on the database.
async fn down(config: &Config) -> Result<(), Failure> {
    let target = wiring::target(config);
    let copy = care::before_undoing(config).await?;
    let log = care::log_of(config)?;
    let undone = persistence::migrate::revert(&target).await.map_err(|error| Failure::of(Exit::Database, &error, ""))?;
    let kept = copy.map(|copy| format!("; as it was it is in {}", copy.display())).unwrap_or_default();
    let mut said = format!("undid {undone}: {target} has the schema of the version before{kept}\n");
    if let Some(log) = log {
        // Writing to a String cannot fail.
        let _ =
            writeln!(said, "the log {log} ends here: the next start with BACKUP_LOG_DIR begins another, for which a new backup is needed");
    }
    print(&said)
}

fn report(database: &str, before: &[Status]) -> String {
    let mut report: String = before
        .iter()
        .filter(|migration| migration.state == State::Pending)
        .flat_map(|migration| ["applied ", &migration.name, "\n"])
        .collect();
    let nothing = if report.is_empty() { ", and had it before" } else { "" };
    // Writing to a String cannot fail.
    let _ = writeln!(report, "{database} has the schema of version {}{nothing}", env!("CARGO_PKG_VERSION"));
    report
}

#[cfg(test)]
mod tests {
    use persistence::migrate::{State, Status};

    use super::report;

    #[test]
    fn the_report_names_what_was_applied() {
        let status = |name: &str, state| Status { name: name.to_owned(), state };
        let version = env!("CARGO_PKG_VERSION");
        let both = [status("0001_core", State::Applied), status("0002_more", State::Pending)];
        assert_eq!(report("SQLite at x", &both), format!("applied 0002_more\nSQLite at x has the schema of version {version}\n"));
        assert_eq!(report("SQLite at x", &both[..1]), format!("SQLite at x has the schema of version {version}, and had it before\n"));
    }
}
