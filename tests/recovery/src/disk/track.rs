//! Which files are watched, and what becomes of what is done to them.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr, c_int};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use libc::{off_t, size_t, ssize_t};

use super::control::{DATABASE, LOG, OTHERS};
use super::faults::Faults;
use super::synced::Dirty;
use super::{names, refuse, synced};

/// Numbers of open files that are watched; a process has no more of them here.
const MOST: usize = 1 << 16;
/// Say in the table what the file is. Numbers of inodes are smaller.
const DIRECTORY: u64 = 1 << 63;
const DATABASE_FILE: u64 = 1 << 62;
const LOG_FILE: u64 = 1 << 61;
const KINDS: u64 = DIRECTORY | DATABASE_FILE | LOG_FILE;

static DISK: OnceLock<Disk> = OnceLock::new();
/// The inode of each open file that is watched, else 0.
static OPEN: [AtomicU64; MOST] = [const { AtomicU64::new(0) }; MOST];

/// The directory that is watched.
pub struct Disk {
    root: PathBuf,
    state: PathBuf,
    faults: Faults,
    /// What was written since the last sync, by inode.
    dirty: Mutex<HashMap<u64, Dirty>>,
    /// One sync at a time, so that none returns before what it waits for is copied.
    syncing: Mutex<()>,
}

/// What is at a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file: the database's, its log, or another (`control`).
    File(u32),
    /// A directory.
    Directory,
}

/// An open file that is watched.
pub struct Watched {
    /// The disk that it is on.
    pub disk: &'static Disk,
    /// Its number there.
    pub inode: u64,
    /// What it is.
    pub kind: Kind,
}

/// Watches the directory that the environment names, if it does. These are no settings of the server, and are read before there are any.
pub fn begin() {
    let (Some(root), Some(state)) = (std::env::var_os("RECOVERY_DISK_ROOT"), std::env::var_os("RECOVERY_DISK_STATE")) else { return };
    let (root, state) = (PathBuf::from(root), PathBuf::from(state));
    let Some(faults) = Faults::open(&state) else { return };
    let _ = DISK.set(Disk { root, state, faults, dirty: Mutex::default(), syncing: Mutex::default() });
}

/// The disk, if there is one.
pub fn disk() -> Option<&'static Disk> {
    DISK.get()
}

/// The file at a number, where it is watched.
pub fn watched(file: c_int) -> Option<Watched> {
    let disk = DISK.get()?;
    let entry = OPEN.get(usize::try_from(file).ok()?)?.load(Ordering::Acquire);
    let kind = match entry & KINDS {
        DIRECTORY => Kind::Directory,
        DATABASE_FILE => Kind::File(DATABASE),
        LOG_FILE => Kind::File(LOG),
        _ => Kind::File(OTHERS),
    };
    (entry != 0).then_some(Watched { disk, inode: entry & !KINDS, kind })
}

/// The file at a number is being closed.
pub fn forget(file: c_int) {
    if let Some(entry) = usize::try_from(file).ok().and_then(|file| OPEN.get(file)) {
        entry.store(0, Ordering::Release);
    }
}

/// What the system knows of an open file.
fn status(file: c_int) -> Option<libc::stat> {
    let mut status = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: there is room for what is asked for, which is there where the answer is 0.
    unsafe { (libc::fstat(file, status.as_mut_ptr()) == 0).then(|| status.assume_init()) }
}

impl Disk {
    /// Whether a path is in the directory, or is it.
    pub fn has(&self, path: &CStr) -> bool {
        Path::new(OsStr::from_bytes(path.to_bytes())).starts_with(&self.root)
    }

    /// Whether nothing can be written.
    pub fn is_read_only(&self) -> bool {
        self.faults.is_read_only()
    }

    /// Whether there is no room for anything more.
    pub fn is_full(&self) -> bool {
        self.faults.room(1) == 0
    }

    /// A call that changes such a file, or a name, is about to be made.
    pub fn count(&self, kind: Kind) {
        self.faults.count(if let Kind::File(of) = kind { of } else { OTHERS });
    }

    /// Opens a file, by `open`, and watches it.
    pub fn open(&self, path: &CStr, flags: c_int, open: impl FnOnce() -> c_int) -> c_int {
        let writes = flags & (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) != 0;
        if writes && self.is_read_only() {
            return refuse(libc::EROFS);
        }
        let is_new = flags & libc::O_CREAT != 0 && !Path::new(OsStr::from_bytes(path.to_bytes())).exists();
        if is_new && self.is_full() {
            return refuse(libc::ENOSPC);
        }
        let file = open();
        // Where there is none, nothing may be asked that changes why.
        let Some(status) = (file >= 0).then(|| status(file)).flatten() else { return file };
        if is_new {
            // The number may have been another file's.
            locked(&self.dirty).remove(&status.st_ino);
            synced::begin(&self.state, status.st_ino);
        } else if flags & libc::O_TRUNC != 0 {
            self.mark(status.st_ino, Dirty::all());
        }
        let kind = match path.to_bytes() {
            _ if status.st_mode & libc::S_IFMT == libc::S_IFDIR => DIRECTORY,
            path if path.ends_with(b".db") => DATABASE_FILE,
            path if path.ends_with(b"-wal") => LOG_FILE,
            _ => 0,
        };
        if let Some(entry) = usize::try_from(file).ok().and_then(|file| OPEN.get(file)) {
            entry.store(status.st_ino | kind, Ordering::Release);
        }
        file
    }

    /// Writes to a file, by `write`, which takes how many bytes there is room for.
    pub fn write(&self, file: c_int, inode: u64, place: Option<off_t>, count: size_t, write: impl FnOnce(size_t) -> ssize_t) -> ssize_t {
        if self.is_read_only() {
            return wide(refuse(libc::EROFS));
        }
        // SAFETY: asks where an open file stands.
        let place = place.unwrap_or_else(|| unsafe { libc::lseek(file, 0, libc::SEEK_CUR) });
        let (place, size) = (natural(place), status(file).map_or(0, |status| natural(status.st_size)));
        let growth = (place + count as u64).saturating_sub(size);
        let short = growth - self.faults.room(growth);
        let fits = count.saturating_sub(usize::try_from(short).unwrap_or(count));
        if fits == 0 && count > 0 {
            return wide(refuse(libc::ENOSPC));
        }
        let written = write(fits);
        if let Ok(written) = u64::try_from(written) {
            self.mark(inode, Dirty::part(place, place + written));
        }
        written
    }

    /// Cuts or extends a file, by `truncate`.
    pub fn truncate(&self, inode: u64, truncate: impl FnOnce() -> c_int) -> c_int {
        if self.is_read_only() {
            return refuse(libc::EROFS);
        }
        let done = truncate();
        self.mark(inode, Dirty::all());
        done
    }

    /// Makes a file, or the names in a directory, survive.
    pub fn sync(&self, file: c_int, inode: u64, kind: Kind) -> c_int {
        let _turn = locked(&self.syncing);
        if self.faults.sync_lies() {
            return 0;
        }
        let dirty = locked(&self.dirty).remove(&inode);
        if self.faults.sync_fails() {
            return refuse(libc::EIO);
        }
        let copied = match kind {
            Kind::File(_) => synced::copy(&self.state, file, inode, dirty),
            Kind::Directory => names::copy(&self.root, &self.state, file),
        };
        match copied {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("ERROR the disk of the suite is broken: {error}");
                refuse(libc::EIO)
            }
        }
    }

    fn mark(&self, inode: u64, what: Dirty) {
        locked(&self.dirty).entry(inode).or_default().add(what);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wide(answer: c_int) -> ssize_t {
    ssize_t::try_from(answer).unwrap_or(-1)
}

fn natural(number: off_t) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
