//! Copying a database while others work on it.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};

use super::{Access, CareError, open, schema_of};

/// Pages that are copied between two words about the progress: 8 MB.
const STEP: i32 = 2048;

/// The pause where the file is held by somebody, and so many of them.
const PAUSE: Duration = Duration::from_millis(10);
const TRIES: u32 = 1_000;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The newest migration that it has.
    pub schema: Option<String>,
    /// Its bytes.
    pub bytes: u64,
}

/// Copies a database into a new file, for its owner alone, as it is at one moment, and syncs it. Writers of the database go on
/// meanwhile and are not waited for: what they commit later is not in the copy, and their log grows until the copy is made.
/// `seen` is called when that moment has come, and `progress` with the pages that are copied and those that there are.
///
/// The copy is page for page what the database was, so that pages that were logged later can be put into it.
pub fn copy(from: &Path, to: &Path, seen: impl FnOnce(), mut progress: impl FnMut(u64, u64)) -> Result<Copied, CareError> {
    let failed = CareError::database(from);
    let source = open(from, Access::Shared)?;
    // A transaction of our own around all steps holds the moment; without it each step would see another.
    source.execute_batch("BEGIN").map_err(&failed)?;
    let schema = schema_of(&source).map_err(&failed)?;
    seen();
    let file = create(to).map_err(CareError::file(to))?;
    let mut copy = open(to, Access::Shared)?;
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;").map_err(CareError::database(to))?;
    let mut tries = TRIES;
    let stepping = Backup::new(&source, &mut copy).map_err(&failed)?;
    loop {
        let step = stepping.step(STEP).map_err(|error| CareError::database(if is_of_writing(&error) { to } else { from })(error))?;
        let so_far = stepping.progress();
        let all = u64::try_from(so_far.pagecount).unwrap_or_default();
        progress(all - u64::try_from(so_far.remaining).unwrap_or_default().min(all), all);
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            // Somebody holds the file at this moment, as one does who ends or begins.
            _ if tries > 0 => {
                tries -= 1;
                std::thread::sleep(PAUSE);
            }
            _ => return Err(failed(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None))),
        }
    }
    drop(stepping);
    copy.close().map_err(|(_, error)| CareError::database(to)(error))?;
    source.execute_batch("COMMIT").map_err(&failed)?;
    file.sync_all().map_err(CareError::file(to))?;
    let bytes = file.metadata().map_err(CareError::file(to))?.len();
    Ok(Copied { schema, bytes })
}

/// Whether a step of copying failed where it wrote, and not where it read.
fn is_of_writing(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_FSTAT, SQLITE_IOERR_FSYNC, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE, SQLITE_READONLY};
    let writing = [SQLITE_FULL, SQLITE_READONLY, SQLITE_IOERR_WRITE, SQLITE_IOERR_FSYNC, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_FSTAT];
    error.sqlite_error().is_some_and(|error| writing.contains(&error.extended_code))
}

fn create(path: &Path) -> std::io::Result<File> {
    let mut new = OpenOptions::new();
    new.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
    new.open(path)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::is_of_writing;

    #[test]
    fn a_full_disk_is_that_of_the_copy() {
        let failed = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_READONLY] {
            assert!(is_of_writing(&failed(code)), "{code}");
        }
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_IOERR_READ, ffi::SQLITE_BUSY] {
            assert!(!is_of_writing(&failed(code)), "{code}");
        }
    }
}
