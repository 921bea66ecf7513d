//! The directories over which files are spread. A file in one survives a crash only if the directory's own name does.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::directory;

/// Digits of a name by which files are spread over directories.
pub(crate) const SPREAD: usize = 2;

/// Makes the entries of a directory survive a crash.
pub(crate) type SyncEntries = fn(&Path) -> io::Result<()>;

/// The directories of one store.
#[derive(Debug)]
pub(crate) struct Prefixes {
    root: PathBuf,
    sync: SyncEntries,
    /// Those whose names survive a crash, as far as this process has seen to it.
    lasting: Mutex<HashSet<PathBuf>>,
    /// Held while one is made. It guards the directories in which this process made the root, or what that lies in, and which are not
    /// synced yet.
    making: Mutex<Vec<PathBuf>>,
}

impl Prefixes {
    /// Those of this root, for which something was made in the directories `holders`.
    pub(crate) fn new(root: PathBuf, sync: SyncEntries, holders: Vec<PathBuf>) -> Self {
        Self { root, sync, lasting: Mutex::default(), making: Mutex::new(holders) }
    }

    /// Sees to it that a directory is there and that its name survives a crash. One that was there when this process began counts as
    /// not synced: whoever made it may have ended, or failed, before that.
    pub(crate) fn ensure(&self, prefix: &Path) -> io::Result<()> {
        if !prefix.is_dir() {
            self.lasting().remove(prefix);
        }
        if self.lasting().contains(prefix) {
            return Ok(());
        }
        let mut holders = held(&self.making);
        // Another upload may have seen to it meanwhile.
        if self.lasting().contains(prefix) {
            return Ok(());
        }
        directory(prefix, false)?;
        let settled = self.settle(&mut holders);
        if settled.is_err() {
            // The system forgets what a failed sync should have written, so that a later one says nothing of it. Where nothing is in the
            // directory yet, the next upload makes it anew.
            let _ = fs::remove_dir(prefix);
        }
        settled
    }

    /// Makes the entries of a directory survive a crash.
    pub(crate) fn sync_entries(&self, directory: &Path) -> io::Result<()> {
        (self.sync)(directory)
    }

    fn settle(&self, holders: &mut Vec<PathBuf>) -> io::Result<()> {
        // All that are there before the sync begins are settled by it.
        let there = names_in(&self.root)?;
        self.sync_entries(&self.root)?;
        for holder in holders.iter() {
            self.sync_entries(holder)?;
        }
        holders.clear();
        self.lasting().extend(there.into_iter().map(|name| self.root.join(name)));
        Ok(())
    }

    fn lasting(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        held(&self.lasting)
    }
}

/// The names of the directories over which files are spread, in no order.
pub(crate) fn names_in(root: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        if name.len() == SPREAD && name.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The directories that will hold the names of what is missing of a path.
pub(crate) fn holders_of(path: &Path) -> Vec<PathBuf> {
    let missing = path.ancestors().take_while(|directory| !directory.as_os_str().is_empty() && !directory.exists());
    let holders = missing.filter_map(Path::parent);
    holders.map(|holder| if holder.as_os_str().is_empty() { PathBuf::from(".") } else { holder.to_owned() }).collect()
}

/// Nothing that is done while such a lock is held leaves it half done.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
