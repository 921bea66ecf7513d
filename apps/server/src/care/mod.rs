//! Care of what the server keeps: backups and their way back, checks, and mending.
//!
//! A backup is a directory or a `.tar` of the same files: the database, the uploaded files below `media`, and last
//! `manifest.json`, which lists all of them with their SHA-256, with its own in `manifest.sha256`. It is made under another name and
//! gets its own when it is whole.

mod backup;
mod before;
mod manifest;
mod progress;
mod read;
mod recover;
pub mod repair;
pub mod restore;
pub(crate) mod schedule;
mod stage;
mod tape;
pub mod verify;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use core_types::error::chain;
use core_types::media::MediaStore;
use persistence::care::CareError;

use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::{secret_key, wiring};

pub use backup::run;
pub(crate) use before::{before_migrating, before_undoing};
pub(crate) use recover::log_of;

/// The SQLite file of these settings, which must be there.
fn database(config: &Config) -> Result<PathBuf, Failure> {
    if config.postgres_url.is_some() {
        let message = "this works on the embedded database alone, and the settings name PostgreSQL (POSTGRES_URL): use pg_dump and \
                       pg_restore for it, and copy the media directory after pg_dump has ended (docs/operations.md)";
        return Err(Failure::new(Exit::Usage, message));
    }
    let path = config.data_dir.join(wiring::DATABASE);
    if path.is_file() {
        return Ok(path);
    }
    let message = format!("there is no database {}; name the data directory with --data-dir (ELIZA_DATA_DIR)", path.display());
    Err(Failure::new(Exit::DataDir, message))
}

/// Where a backup finds what it copies.
#[derive(Clone)]
pub(crate) struct Place {
    /// The SQLite file.
    pub database: PathBuf,
    /// Uploaded files.
    pub media: Arc<dyn MediaStore>,
    /// The key under which secrets are encrypted.
    pub key: PathBuf,
    /// What that key is derived from is a setting, not the file.
    pub salted: bool,
}

impl Place {
    /// The place by these settings.
    pub(crate) async fn of(config: &Config) -> Result<Self, Failure> {
        let database = database(config)?;
        let media = wiring::media_store(config).await?;
        Ok(Self { database, media, key: config.data_dir.join(secret_key::FILE), salted: config.secret_salt.is_some() })
    }
}

/// The end that an error of the database's care means.
fn failed(error: &CareError) -> Failure {
    let exit = if matches!(error, CareError::Damaged { .. }) { Exit::Damaged } else { Exit::Failure };
    Failure::of(exit, error, "")
}

/// A failure of the store of files among those of files.
fn told(error: &core_types::media::MediaStoreError) -> std::io::Error {
    std::io::Error::other(chain(error))
}

/// The end that a failing file means.
fn unwritable(path: &std::path::Path) -> impl Fn(std::io::Error) -> Failure + '_ {
    move |error| Failure::new(Exit::Failure, format!("{} cannot be written", path.display())).because(error)
}

/// Runs blocking work where it may block.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::new(Exit::Failure, "the work ended before its time").because(chain(&error)))?
}
