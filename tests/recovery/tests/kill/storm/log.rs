//! The log of all commits that is kept beside the database. With a backup from before whatever ended or failed, it leads to all that is
//! acknowledged now.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use persistence::Target;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{Actors, SETTINGS};
use crate::compare;
use crate::server::{Launch, verb, worked};
use crate::traffic::Traffic;

/// So many rounds at most have one data directory. Each makes a backup of all that is in it, and restores it, while the senders go on.
pub const STRETCH: u64 = 10;

/// How often a segment is made.
const EVERY: &str = "1";
/// Within this, what was acknowledged is in one.
const KEPT: Duration = Duration::from_secs(30);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// A log that is kept, and a backup that leads into it.
pub struct Log {
    directory: String,
    backups: TempDir,
    made: u64,
    lineage: String,
}

impl Log {
    /// None is kept yet. It is on the disk beneath the server, and fails and is cut off with it.
    pub fn beneath(data: &Path) -> Self {
        let directory = data.join("log").to_str().unwrap().to_owned();
        Self { directory, backups: tempfile::tempdir().unwrap(), made: 0, lineage: String::new() }
    }

    /// What the server is told of it.
    pub fn settings(&self) -> [(&'static str, &str); 2] {
        [("BACKUP_LOG_DIR", &self.directory), ("BACKUP_LOG_SECONDS", EVERY)]
    }

    fn backup(&self) -> PathBuf {
        self.backups.path().join(self.made.to_string())
    }

    /// How many segments it has.
    fn segments(&self) -> usize {
        let names = fs::read_dir(Path::new(&self.directory).join(&self.lineage)).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|end| end == "log")).count()
    }

    /// Makes a backup of this moment, in place of the one before.
    pub async fn back_up(&mut self, data: &Path) {
        if self.made > 0 {
            fs::remove_dir_all(self.backup()).unwrap();
        }
        self.made += 1;
        let mut make = verb("backup", data);
        make.envs(self.settings()).arg("--with-key").arg("--to").arg(self.backup());
        worked(make.spawn().unwrap()).await;
        self.lineage = lineage(data);
    }

    /// From the backup the log leads to all that is acknowledged. The senders of messages go on meanwhile; everybody else must be held, so
    /// that the books are as they were.
    pub(super) async fn leads_on(&self, launch: &Launch<'_>, actors: &Actors, traffic: &Traffic) {
        let data = launch.directory;
        let (known, segments) = (traffic.so_far(), self.segments());
        let latest = Instant::now() + KEPT;
        // The next may have been begun before.
        while self.segments() < segments + 2 {
            assert_eq!(lineage(data), self.lineage, "another log has begun");
            assert!(Instant::now() < latest, "what is committed is not kept");
            sleep(LOOK).await;
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let mut restore = verb("restore", elsewhere.path());
        restore.arg("--from").arg(self.backup()).args(["--log", &self.directory]).arg("--media").arg(data.join("media"));
        worked(restore.spawn().unwrap()).await;
        compare::has(&Target::Sqlite(elsewhere.path().join("doolittle.db")), &known).await;
        let restored = Launch { directory: elsewhere.path(), disk: None, settings: &SETTINGS, ..*launch }.start().await;
        actors.check(&restored, false).await;
        restored.kill();
    }
}

/// Which log the database is in, by the file beside it.
fn lineage(data: &Path) -> String {
    let said = fs::read_to_string(data.join("doolittle.db.log")).unwrap();
    said.lines().next().unwrap().to_owned()
}
