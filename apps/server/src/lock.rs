//! One process per data directory: an exclusive lock on a file in it, held for as long as the process lives. The system
//! lets go of it when the process ends, however it ends, so there is no stale lock to clean up. The lock is on a file and not on its path:
//! whoever holds it can also be told that somebody has taken the directory away ([`DirectoryIdentity`]).

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use crate::exit::{Exit, Failure};

/// The name of the lock file in the data directory. It holds the process id of its owner.
pub const FILE: &str = "doolittle.lock";

/// The right to use a data directory. Dropping it gives the right back.
#[derive(Debug)]
pub struct DataLock {
    file: Arc<File>,
    path: PathBuf,
}

impl DataLock {
    /// Takes the lock of a data directory, which must exist, or says who has it.
    pub fn take(data_dir: &Path) -> Result<Self, Failure> {
        let path = data_dir.join(FILE);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(|error| {
                Failure::new(Exit::DataDir, format!("the lock file {} cannot be opened", path.display())).because(error)
            })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(data_dir, &mut file)),
            Err(TryLockError::Error(error)) => {
                let message = format!("the lock file {} cannot be locked; does its file system have locks?", path.display());
                return Err(Failure::new(Exit::DataDir, message).because(error));
            }
        }
        sign(&mut file)
            .map_err(|error| Failure::new(Exit::DataDir, format!("the lock file {} cannot be written", path.display())).because(error))?;
        Ok(Self { file: Arc::new(file), path })
    }

    /// What tells whether the data directory still is the one that was locked.
    pub fn identity(&self) -> DirectoryIdentity {
        DirectoryIdentity { lock: Arc::downgrade(&self.file), path: self.path.clone(), database: None }
    }
}

/// Which file a file is, whatever its name: its device, and its number there, which no other has as long as it is open.
type FileId = (u64, u64);

/// Which directory was locked as a data directory: where, and what files it had. It does not hold the lock.
#[derive(Debug, Clone)]
pub struct DirectoryIdentity {
    lock: Weak<File>,
    path: PathBuf,
    database: Option<(PathBuf, FileId)>,
}

impl DirectoryIdentity {
    /// The same with a database in it, which whoever works on it keeps open.
    pub fn with_database(self, path: PathBuf) -> io::Result<Self> {
        let id = id(&fs::metadata(&path)?);
        Ok(Self { database: Some((path, id)), ..self })
    }

    /// What was taken away since, for a person. An error says that nobody knows.
    pub fn loss(&self) -> io::Result<Option<String>> {
        let Some(lock) = self.lock.upgrade() else { return Ok(Some("its lock was given back".to_owned())) };
        let lost = change(&self.path, || Ok(id(&lock.metadata()?)))?;
        match &self.database {
            Some((path, was)) if lost.is_none() => change(path, || Ok(*was)),
            _ => Ok(lost),
        }
    }
}

/// What became of a file, by its path, where it is not the same any more.
fn change(path: &Path, was: impl FnOnce() -> io::Result<FileId>) -> io::Result<Option<String>> {
    let now = match fs::metadata(path) {
        Ok(found) => id(&found),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Some(format!("{} is gone", path.display())));
        }
        Err(error) => return Err(error),
    };
    Ok((now != was()?).then(|| format!("{} is another file than before", path.display())))
}

#[cfg(unix)]
fn id(file: &Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt as _;
    (file.dev(), file.ino())
}

/// Nothing tells files apart here, and it is only seen whether they are there.
#[cfg(not(unix))]
const fn id(_: &Metadata) -> FileId {
    (0, 0)
}

fn sign(file: &mut File) -> io::Result<()> {
    // Over what was there, and then cut off: that needs no room on the disk.
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    let end = file.stream_position()?;
    file.set_len(end)?;
    file.sync_data()
}

fn held(data_dir: &Path, file: &mut File) -> Failure {
    let mut owner = String::new();
    // The owner may be about to write its id; the refusal stands without it.
    let read = file.take(20).read_to_string(&mut owner);
    let who = match owner.trim().parse::<u32>() {
        Ok(pid) if read.is_ok() => format!("process {pid}"),
        _ => "another process".to_owned(),
    };
    Failure::new(
        Exit::Locked,
        format!(
            "{who} uses the data directory {}; stop it, or give this one a directory of its own with --data-dir (ELIZA_DATA_DIR)",
            data_dir.display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_and_names_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let first = DataLock::take(directory.path()).unwrap();
        let refused = DataLock::take(directory.path()).unwrap_err();
        assert_eq!(refused.exit, Exit::Locked);
        assert!(refused.message.starts_with(&format!("process {} uses", std::process::id())), "{refused}");
        drop(first);
        DataLock::take(directory.path()).unwrap();
    }

    #[test]
    fn what_an_earlier_process_left_in_the_file_does_not_matter() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        std::fs::write(&path, "4294967295 and something longer than a process id").unwrap();
        let _lock = DataLock::take(directory.path()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
    }

    /// What a locked directory with a database says was lost after somebody has been there.
    fn loss(after: impl FnOnce(&Path, &Path)) -> io::Result<Option<String>> {
        let temporary = tempfile::tempdir().unwrap();
        let (data, aside) = (temporary.path().join("data"), temporary.path().join("aside"));
        fs::create_dir(&data).unwrap();
        let database = data.join("a.db");
        fs::write(&database, "rows").unwrap();
        let _open = File::open(&database).unwrap();
        let lock = DataLock::take(&data).unwrap();
        let identity = lock.identity().with_database(database).unwrap();
        assert_eq!(identity.loss().unwrap(), None);
        after(&data, &aside);
        identity.loss()
    }

    #[test]
    fn a_directory_that_is_taken_away_is_noticed_and_one_that_is_written_to_is_not() {
        assert_eq!(loss(|data, _| fs::write(data.join("a.db"), "other rows").unwrap()).unwrap(), None);
        let lost = |after: fn(&Path, &Path), what: &str| {
            let said = loss(after).unwrap().unwrap_or_else(|| panic!("{what}: nothing is lost"));
            assert!(said.ends_with(what), "{said}");
        };
        lost(|data, _| fs::remove_dir_all(data).unwrap(), "doolittle.lock is gone");
        lost(|data, aside| fs::rename(data, aside).unwrap(), "doolittle.lock is gone");
        lost(|data, _| fs::remove_file(data.join("a.db")).unwrap(), "a.db is gone");
        lost(
            |data, aside| {
                fs::rename(data, aside).unwrap();
                fs::write(data, "a file").unwrap();
            },
            "doolittle.lock is gone",
        );
        #[cfg(unix)]
        {
            let another = "doolittle.lock is another file than before";
            let replaced = |data: &Path, aside: &Path| {
                fs::rename(data, aside).unwrap();
                fs::create_dir(data).unwrap();
                fs::write(data.join(FILE), "").unwrap();
            };
            lost(replaced, another);
            lost(
                |data, aside| {
                    fs::write(aside, "rows").unwrap();
                    fs::rename(aside, data.join("a.db")).unwrap();
                },
                "a.db is another file than before",
            );
        }
    }

    #[test]
    fn who_has_given_the_lock_back_has_lost_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let lock = DataLock::take(directory.path()).unwrap();
        let identity = lock.identity();
        drop(lock);
        assert_eq!(identity.loss().unwrap().as_deref(), Some("its lock was given back"));
    }

    /// Permissions, and a disk that fails, are no reason to give a directory up.
    #[cfg(unix)]
    #[test]
    fn what_cannot_be_looked_at_is_not_known_to_be_lost() {
        let failing = change(Path::new("/"), || Err(ErrorKind::PermissionDenied.into()));
        assert_eq!(failing.unwrap_err().kind(), ErrorKind::PermissionDenied);
        let endless = "x".repeat(5_000);
        assert!(change(Path::new(&endless), || Ok((0, 0))).is_err());
    }
}
