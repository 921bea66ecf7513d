//! Migrations: compiled in, run when a store is opened, with the same names on both databases.

use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::OpenError;
use crate::options::{Kind, Target};
use crate::{postgres, sqlite};

pub(crate) static SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
pub(crate) static POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Where a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The database has it.
    Applied,
    /// The database does not have it yet; opening a store runs it.
    Pending,
    /// The database has it and this program does not know it; a newer version made it.
    Unknown,
}

/// A migration and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its name, such as `0001_core`; of an unknown one the version alone, such as `0002`.
    pub name: String,
    /// Where it stands.
    pub state: State,
}

/// The names of the migrations that this program has for a database, oldest first.
pub fn known(kind: Kind) -> Result<Vec<String>, OpenError> {
    match kind {
        Kind::Sqlite => sqlite::connect::names(),
        Kind::Postgres => postgres::connect::names(),
    }
}

/// All migrations of a database, oldest first. Changes nothing; a SQLite file that is not there has none applied.
pub async fn status(target: &Target) -> Result<Vec<Status>, OpenError> {
    match target {
        Target::Sqlite(path) => {
            let path = path.clone();
            off_thread(move || sqlite::connect::status(&path)).await
        }
        Target::Postgres(url) => postgres::connect::status(url).await,
    }
}

/// Runs the pending migrations, and nothing else.
pub async fn run(target: &Target) -> Result<(), OpenError> {
    match target {
        Target::Sqlite(path) => {
            let path = path.clone();
            off_thread(move || {
                let mut conn = sqlite::connect::for_writing(&path, &crate::Options::default())?;
                sqlite::connect::migrate(&path, &mut conn, false)
            })
            .await
        }
        Target::Postgres(url) => postgres::connect::run(url).await,
    }
}

/// Undoes the newest migration with everything that it holds, and returns its name. No server may use the database.
pub async fn revert(target: &Target) -> Result<String, OpenError> {
    match target {
        Target::Sqlite(path) => {
            let path = path.clone();
            off_thread(move || sqlite::connect::revert(&path)).await
        }
        Target::Postgres(url) => postgres::connect::revert(url).await,
    }
}

/// Runs blocking work where it may block.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, OpenError> + Send + 'static) -> Result<T, OpenError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| OpenError::Failed { source: Box::new(error) })?
}

/// Runs what is pending, unless the database is from a newer version.
pub(crate) fn bring_up<DB: Backend, H: MigrationHarness<DB>>(harness: &mut H, source: &EmbeddedMigrations) -> Result<(), OpenError> {
    let migrations = sorted::<DB>(source)?;
    let applied = harness.applied_migrations().map_err(|source| OpenError::Migration { source })?;
    let unknown = applied.iter().find(|version| !migrations.iter().any(|migration| migration.name().version() == **version));
    if let Some(version) = unknown {
        return Err(OpenError::Newer { version: version.to_string() });
    }
    for migration in migrations.iter().filter(|migration| !applied.contains(&migration.name().version())) {
        harness.run_migration(migration).map_err(|source| OpenError::Migration { source })?;
    }
    Ok(())
}

pub(crate) fn status_of<DB: Backend, H: MigrationHarness<DB>>(
    harness: &mut H,
    source: &EmbeddedMigrations,
) -> Result<Vec<Status>, OpenError> {
    let applied = harness.applied_migrations().map_err(|source| OpenError::Migration { source })?;
    status_among::<DB>(applied.iter().map(ToString::to_string).collect(), source)
}

/// The same of a database that has these migrations, newest first.
pub(crate) fn status_among<DB: Backend>(mut applied: Vec<String>, source: &EmbeddedMigrations) -> Result<Vec<Status>, OpenError> {
    let migrations = sorted::<DB>(source)?;
    let mut all: Vec<Status> = Vec::new();
    for migration in &migrations {
        let position = applied.iter().position(|version| *version == migration.name().version().to_string());
        let state = if position.map(|position| applied.remove(position)).is_some() { State::Applied } else { State::Pending };
        all.push(Status { name: migration.name().to_string(), state });
    }
    all.extend(applied.into_iter().rev().map(|name| Status { name, state: State::Unknown }));
    Ok(all)
}

pub(crate) fn none_applied<DB: Backend>(source: &EmbeddedMigrations) -> Result<Vec<Status>, OpenError> {
    Ok(names::<DB>(source)?.into_iter().map(|name| Status { name, state: State::Pending }).collect())
}

pub(crate) fn names<DB: Backend>(source: &EmbeddedMigrations) -> Result<Vec<String>, OpenError> {
    Ok(sorted::<DB>(source)?.iter().map(|migration| migration.name().to_string()).collect())
}

pub(crate) fn revert_newest<DB: Backend, H: MigrationHarness<DB>>(
    harness: &mut H,
    source: &EmbeddedMigrations,
) -> Result<String, OpenError> {
    let applied = harness.applied_migrations().map_err(|source| OpenError::Migration { source })?;
    let Some(newest) = applied.first() else {
        return Err(OpenError::Migration { source: "no migration is applied".into() });
    };
    let migrations = sorted::<DB>(source)?;
    let Some(migration) = migrations.iter().find(|migration| migration.name().version() == *newest) else {
        return Err(OpenError::Newer { version: newest.to_string() });
    };
    harness.revert_migration(migration).map_err(|source| OpenError::Migration { source })?;
    Ok(migration.name().to_string())
}

fn sorted<DB: Backend>(source: &EmbeddedMigrations) -> Result<Vec<Box<dyn Migration<DB>>>, OpenError> {
    let mut migrations: Vec<Box<dyn Migration<DB>>> = source.migrations().map_err(|source| OpenError::Migration { source })?;
    migrations.sort_by(|one, other| one.name().version().cmp(&other.name().version()));
    Ok(migrations)
}
