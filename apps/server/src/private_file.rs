//! Files that are whole or not there, for their owner only.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use core_types::ServiceError;
use core_types::error::Source;

/// How Unix says that a device failed; the standard library has no name for it.
const DEVICE: i32 = 5;

/// Writes a file in one step, also where the power fails: a reader sees what was there before, or all of the new text. Nothing is left
/// beside it where that fails.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let partial = path.with_added_extension("partial");
    let replaced = write_partial(&partial, text).and_then(|()| std::fs::rename(&partial, path));
    replaced.inspect_err(|_| {
        // What cannot be removed either is written over the next time.
        let _ = std::fs::remove_file(&partial);
    })?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn write_partial(partial: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// What it means for a request that a file cannot be written: a disk that is full, fails or can only be read may do so later.
pub(crate) fn refused(error: io::Error) -> ServiceError {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    match error.kind() {
        PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull => ServiceError::Unavailable(Box::new(error)),
        _ if error.raw_os_error() == Some(DEVICE) => ServiceError::Unavailable(Box::new(error)),
        _ => ServiceError::Internal(Box::new(error)),
    }
}

/// Makes a file with a random key, as hexadecimal digits. A key that was used must not be lost with the power.
pub(crate) fn new_key<const N: usize>(path: &Path) -> Result<[u8; N], Source> {
    let mut key = [0; N];
    getrandom::fill(&mut key)?;
    write(path, &hex::encode(key))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_its_owners_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        for text in ["A=1\n", "B=2\n"] {
            write(&path, text).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing partial is left behind");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_partial() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret.key");
        std::fs::create_dir(&path).unwrap();
        write(&path, "text").unwrap_err();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_disk_that_is_full_or_fails_may_do_so_later() {
        use std::io::ErrorKind::{NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        for kind in [PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull] {
            assert!(matches!(refused(kind.into()), ServiceError::Unavailable(_)), "{kind}");
        }
        assert!(matches!(refused(io::Error::from_raw_os_error(DEVICE)), ServiceError::Unavailable(_)));
        assert!(matches!(refused(NotFound.into()), ServiceError::Internal(_)));
    }
}
