//! Keeps files in a directory: `<root>/<first two digits of the name>/<name>`, and those that are being written in
//! `<root>/unfinished`.
//!
//! A file is written under a name of its own among the unfinished, synced, and then renamed, after which its directory is
//! synced too: it is there whole or not at all, whatever is cut off and when. Nothing is acknowledged in a directory whose own name
//! has not been synced. Every path is made of a [`MediaName`], whose only characters are hexadecimal digits, a dot and a known
//! extension.
//!
//! The directory of the unfinished is always there. Where it is not, the store is not where it was (moved, not mounted, replaced): that is
//! no store in which a file is missing but one that cannot be reached, until it is back.
//!
//! The file system is worked on by Tokio's threads for blocking work: one for each file that is being written, which takes
//! blocks of pieces through a bounded queue, and one for each piece that is read. What has been written is on its way to the disk
//! while more arrives, so that the sync at the end has little to wait for.

mod prefixes;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use core_types::Timestamp;
use core_types::media::{MediaName, MediaReader, MediaStore, MediaStoreError, MediaStoreResult, MediaWriter, StoredMedia};

use prefixes::{Prefixes, SPREAD, SyncEntries};

/// Where files lie that are not finished.
const UNFINISHED: &str = "unfinished";
/// The system's number for a device that does not do what it should (`EIO`), which has no kind of its own.
const DEVICE: i32 = 5;

/// A directory of files.
#[derive(Debug, Clone)]
pub struct MediaFiles {
    root: PathBuf,
    prefixes: Arc<Prefixes>,
}

impl MediaFiles {
    /// Keeps files in this directory, which is created for its owner only where it is missing.
    pub async fn open(root: PathBuf) -> MediaStoreResult<Self> {
        Self::open_with(root, sync_directory).await
    }

    async fn open_with(root: PathBuf, sync: SyncEntries) -> MediaStoreResult<Self> {
        off_thread(move || {
            let holders = prefixes::holders_of(&root);
            directory(&root, true)?;
            directory(&root.join(UNFINISHED), false)?;
            let prefixes = Arc::new(Prefixes::new(root.clone(), sync, holders));
            Ok(Self { root, prefixes })
        })
        .await
    }

    fn path(&self, name: MediaName) -> PathBuf {
        let name = name.to_string();
        self.root.join(name.get(..SPREAD).unwrap_or_default()).join(name)
    }

    /// What is not there is `None`, unless the store is not there either.
    fn if_stored<T>(&self, answer: io::Result<T>) -> io::Result<Option<T>> {
        let found = if_there(answer)?;
        if found.is_none() {
            self.reach()?;
        }
        Ok(found)
    }

    /// Fails where the store is not where it was.
    fn reach(&self) -> io::Result<()> {
        fs::metadata(self.root.join(UNFINISHED)).map(drop)
    }

    /// The files of one directory after a name, in the order of their names, added to `found`.
    fn list_directory(&self, directory: &Path, after: Option<MediaName>, limit: usize, found: &mut Vec<StoredMedia>) -> io::Result<()> {
        let mut names = names(directory)?;
        names.retain(|name| after.is_none_or(|after| *name > after));
        names.sort_unstable();
        for name in names {
            if found.len() == limit {
                break;
            }
            // It may have been removed since.
            let metadata = if_there(fs::metadata(self.path(name)))?;
            found.extend(metadata.map(|metadata| stored(name, &metadata)));
        }
        Ok(())
    }

    fn list_blocking(&self, after: Option<MediaName>, limit: usize) -> io::Result<Vec<StoredMedia>> {
        let first = after.map(|after| after.to_string()).and_then(|name| name.get(..SPREAD).map(str::to_owned));
        let mut directories = prefixes::names_in(&self.root)?;
        directories.retain(|name| first.as_ref().is_none_or(|first| name >= first));
        directories.sort_unstable();
        let mut found = Vec::new();
        for directory in directories {
            if found.len() == limit {
                break;
            }
            self.list_directory(&self.root.join(directory), after, limit, &mut found)?;
        }
        // Else what went away with the store would be taken for files that are gone.
        self.reach()?;
        Ok(found)
    }

    fn sweep_blocking(&self, before: Timestamp) -> io::Result<usize> {
        let mut swept = 0;
        for entry in fs::read_dir(self.root.join(UNFINISHED))? {
            let entry = entry?;
            let Some(metadata) = if_there(entry.metadata())? else { continue };
            if written_at(&metadata) < before && if_there(fs::remove_file(entry.path()))?.is_some() {
                swept += 1;
            }
        }
        Ok(swept)
    }
}

#[async_trait]
impl MediaStore for MediaFiles {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    async fn create(&self, name: MediaName) -> MediaStoreResult<Box<dyn MediaWriter>> {
        let unfinished = self.root.join(UNFINISHED).join(name.to_string());
        Ok(Box::new(write::Writer::begin(unfinished, self.path(name), Arc::clone(&self.prefixes))))
    }

    async fn open(&self, name: MediaName, range: Range<u64>) -> MediaStoreResult<Option<Box<dyn MediaReader>>> {
        let (files, path) = (self.clone(), self.path(name));
        let reader = off_thread(move || files.if_stored(read::Reader::open(&path, &range))).await?;
        Ok(reader.map(|reader| Box::new(reader) as Box<dyn MediaReader>))
    }

    async fn metadata(&self, name: MediaName) -> MediaStoreResult<Option<StoredMedia>> {
        let (files, path) = (self.clone(), self.path(name));
        off_thread(move || {
            let metadata = files.if_stored(fs::metadata(path))?;
            Ok(metadata.map(|metadata| stored(name, &metadata)))
        })
        .await
    }

    async fn remove(&self, name: MediaName) -> MediaStoreResult<bool> {
        let (files, path) = (self.clone(), self.path(name));
        off_thread(move || Ok(files.if_stored(fs::remove_file(path))?.is_some())).await
    }

    async fn list(&self, after: Option<MediaName>, limit: usize) -> MediaStoreResult<Vec<StoredMedia>> {
        let files = self.clone();
        off_thread(move || files.list_blocking(after, limit)).await
    }

    async fn sweep(&self, before: Timestamp) -> MediaStoreResult<usize> {
        let files = self.clone();
        off_thread(move || files.sweep_blocking(before)).await
    }
}

/// The names of files in a directory; what is no name of ours is left alone.
fn names(directory: &Path) -> io::Result<Vec<MediaName>> {
    let Some(entries) = if_there(fs::read_dir(directory))? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().to_str().and_then(|name| name.parse::<MediaName>().ok()));
    }
    Ok(names)
}

fn stored(name: MediaName, metadata: &Metadata) -> StoredMedia {
    StoredMedia { name, size: metadata.len(), written_at: written_at(metadata) }
}

fn written_at(metadata: &Metadata) -> Timestamp {
    let since = metadata.modified().ok().and_then(|moment| moment.duration_since(UNIX_EPOCH).ok());
    Timestamp::from_millis(since.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or_default())
}

/// Creates a directory, for its owner only, unless it is there; with those that it lies in where that is wanted.
fn directory(path: &Path, recursive: bool) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(recursive);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        created => created,
    }
}

/// Makes the entries of a directory survive a crash. Only Unix can say so; elsewhere the file system does it by itself.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(path)?.sync_all() } else { Ok(()) }
}

/// What is not there is `None`.
fn if_there<T>(answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Runs blocking work where it may block.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> MediaStoreResult<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|failed| MediaStoreError::Defect(Box::new(failed)))?;
    done.map_err(failed)
}

/// What a failure means to the caller. A missing file is none, so that what is not found or no directory is the store.
fn failed(error: io::Error) -> MediaStoreError {
    use io::ErrorKind::{
        HostUnreachable, NetworkUnreachable, NotADirectory, NotConnected, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StaleNetworkFileHandle, StorageFull, TimedOut,
    };
    match error.kind() {
        // All but the first two are what a file system says whose machine is away.
        NotFound | NotADirectory | HostUnreachable | NetworkUnreachable | NotConnected | StaleNetworkFileHandle | TimedOut => {
            MediaStoreError::Unavailable(Box::new(error))
        }
        PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull => MediaStoreError::ReadOnly(Box::new(error)),
        _ if error.raw_os_error() == Some(DEVICE) => MediaStoreError::ReadOnly(Box::new(error)),
        _ => MediaStoreError::Defect(Box::new(error)),
    }
}
