//! Files that are whole or not there, for their owner only.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use core_types::error::Source;

/// Writes a file in one step, also where the power fails: a reader sees what was there before, or all of the new text.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let partial = path.with_added_extension("partial");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&partial, path)?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
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
    use super::write;

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
}
