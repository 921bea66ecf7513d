//! One process per data directory: an exclusive lock on a file in it, held for as long as the process lives. The system
//! lets go of it when the process ends, however it ends, so there is no stale lock to clean up.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::exit::{Exit, Failure};

/// The name of the lock file in the data directory. It holds the process id of its owner.
pub const FILE: &str = "doolittle.lock";

/// The right to use a data directory. Dropping it gives the right back.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
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
        Ok(Self { _file: file })
    }
}

fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
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
    use super::DataLock;
    use crate::exit::Exit;

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
        let path = directory.path().join(super::FILE);
        std::fs::write(&path, "4294967295 and something longer than a process id").unwrap();
        let _lock = DataLock::take(directory.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
    }
}
