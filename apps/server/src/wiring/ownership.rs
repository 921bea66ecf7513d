//! Whether what the server works on is still its own.

use std::io;
use std::time::Duration;

use core_types::error::chain;
use persistence::{Store, Target};
use tokio::time::sleep;

use super::target;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::lock::{DataLock, DirectoryIdentity};

/// How often to look whether the database still belongs to this server. Nothing is written meanwhile where it may not.
const OWNER_CHECK: Duration = Duration::from_secs(1);

/// How often to look whether the data directory is where it was. What is acknowledged until then is in files that are not there.
const DIRECTORY_CHECK: Duration = Duration::from_secs(2);

/// The data directory that is locked, with the embedded database in it, which is open.
pub(super) fn identity(config: &Config, lock: &DataLock) -> Result<DirectoryIdentity, Failure> {
    match target(config) {
        Target::Sqlite(path) => lock.identity().with_database(path).map_err(|error| {
            let message = format!("the database in {} cannot be seen any more", config.data_dir.display());
            Failure::new(Exit::DataDir, message).because(error)
        }),
        Target::Postgres(_) => Ok(lock.identity()),
    }
}

/// Resolves when another server works on the database, or the data directory is not where it was.
pub(super) async fn lost(config: &Config, store: &Store, identity: &DirectoryIdentity) -> Failure {
    tokio::select! {
        () = lost_database(store) => Failure::new(
            Exit::Locked,
            "another server has taken over the database, since the connection that kept it was lost; stopped at once",
        ),
        loss = lost_directory(identity) => {
            log::error!("the data directory was taken away while the server runs, which stops at once: {loss}");
            Failure::new(
                Exit::DataDir,
                format!(
                    "the data directory {} was moved, removed or replaced while the server ran, which has stopped at once, since what it \
                     writes is in the files from before: put them back, or name their new place with --data-dir (ELIZA_DATA_DIR); where \
                     they are gone, restore a backup",
                    config.data_dir.display()
                ),
            )
        }
    }
}

/// Resolves when another server works on the database.
async fn lost_database(store: &Store) {
    let mut is_seen = true;
    loop {
        sleep(OWNER_CHECK).await;
        match store.still_owner().await {
            Ok(true) => is_seen = true,
            Ok(false) => return,
            Err(error) => {
                if is_seen {
                    log::warn!("cannot see whether the database is still ours: {}", chain(&error));
                }
                is_seen = false;
            }
        }
    }
}

/// Resolves with what was taken away of the data directory.
async fn lost_directory(identity: &DirectoryIdentity) -> String {
    let mut is_seen = true;
    loop {
        sleep(DIRECTORY_CHECK).await;
        let identity = identity.clone();
        // The disk may hang, which must hold up nothing else.
        let looked = tokio::task::spawn_blocking(move || identity.loss()).await;
        match looked.unwrap_or_else(|failed| Err(io::Error::other(failed))) {
            Ok(Some(loss)) => return loss,
            Ok(None) => is_seen = true,
            // A disk that fails is not lost: what it cannot write is refused, and the same files may be there again later.
            Err(error) => {
                if is_seen {
                    log::warn!("cannot see whether the data directory is where it was: {error}");
                }
                is_seen = false;
            }
        }
    }
}
