//! Care of what the server keeps: backups and their way back, checks, and mending.
//!
//! A backup is a directory or a `.tar` of the same files: the database, the uploaded files below `media`, and last
//! `manifest.json`, which lists all of them with their SHA-256, with its own in `manifest.sha256`. It is made under another name and
//! gets its own when it is whole.

mod backup;
mod before;
mod keys;
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
mod verify_log;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth::SecretVault;
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
    must_be_there(config)?;
    Ok(config.data_dir.join(wiring::DATABASE))
}

/// Refuses settings that name the embedded database and a place where there is none.
pub(crate) fn must_be_there(config: &Config) -> Result<(), Failure> {
    let path = config.data_dir.join(wiring::DATABASE);
    if config.postgres_url.is_some() || path.is_file() {
        return Ok(());
    }
    let message = format!("there is no database {}; name the data directory with --data-dir (ELIZA_DATA_DIR)", path.display());
    Err(Failure::new(Exit::DataDir, message))
}

/// The data of a server, where it is: what a backup copies.
#[derive(Clone)]
pub(crate) struct ServerData {
    /// The SQLite file.
    pub database: PathBuf,
    /// Uploaded files.
    pub media: Arc<dyn MediaStore>,
    /// The key under which secrets are encrypted.
    pub key: PathBuf,
    /// What that key is derived from is a setting, not the file.
    pub salted: bool,
    /// Opens what was encrypted by the salts of the settings.
    pub salts: Arc<SecretVault>,
}

impl ServerData {
    /// The data of these settings.
    pub(crate) async fn of(config: &Config) -> Result<Self, Failure> {
        let database = database(config)?;
        let media = wiring::media_store(config).await?;
        Ok(Self::with(config, database, media))
    }

    /// The data with this database and these files.
    fn with(config: &Config, database: PathBuf, media: Arc<dyn MediaStore>) -> Self {
        let (key, salts) = (config.data_dir.join(secret_key::FILE), Arc::new(secret_key::reader(config)));
        Self { database, media, key, salted: config.secret_salt.is_some(), salts }
    }
}

/// The end that an error of the database's care means.
fn failed(error: &CareError) -> Failure {
    let (exit, advice) = match error {
        CareError::Damaged { .. } => (Exit::Damaged, ""),
        CareError::Unsettled { .. } => {
            let advice = "make the data directory writable, or copy it with both files to where it is, and name that with --data-dir";
            (Exit::DataDir, advice)
        }
        CareError::Database { .. } | CareError::File { .. } => (Exit::Failure, ""),
    };
    Failure::of(exit, error, advice)
}

/// The directory of the server's own data that a path lies in, where it lies in one.
fn within<'a>(config: &'a Config, path: &Path) -> Option<&'a Path> {
    let media = config.media.bucket.is_none().then_some(&config.media.dir);
    [Some(&config.data_dir), media].into_iter().flatten().map(PathBuf::as_path).find(|directory| lies_in(path, directory))
}

/// Whether a path, at which nothing need be yet, lies in a directory that is there.
fn lies_in(path: &Path, directory: &Path) -> bool {
    let Ok(directory) = directory.canonicalize() else { return false };
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.ancestors().find_map(|there| there.canonicalize().ok()).is_some_and(|there| there.starts_with(directory))
}

/// What is said of a backup that lies in such a directory.
fn inside(directory: &Path) -> String {
    let directory = directory.display();
    format!("it lies in {directory}, which it is a backup of: what moves or removes that, or breaks its disk, does the same to it")
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

#[cfg(test)]
mod tests {
    use super::lies_in;

    #[test]
    fn a_path_lies_in_a_directory_also_where_nothing_is_there_yet() {
        let directory = tempfile::tempdir().unwrap();
        let (data, other) = (directory.path().join("data"), directory.path().join("data-2"));
        for made in [&data, &other] {
            std::fs::create_dir(made).unwrap();
        }
        for (path, expected) in [
            (data.clone(), true),
            (data.join("backups/monday"), true),
            (other.join("../data/monday.tar"), true),
            (other.join("monday"), false),
            (directory.path().join("nowhere/data"), false),
        ] {
            assert_eq!(lies_in(&path, &data), expected, "{}", path.display());
        }
        assert!(!lies_in(&data, &directory.path().join("nowhere")));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&data, directory.path().join("link")).unwrap();
            assert!(lies_in(&directory.path().join("link/monday"), &data));
        }
    }
}
