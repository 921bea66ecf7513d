//! What goes wrong at present.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use super::control::{BYTES, CALLS, FAULTS, FILE, FULL, MET, OF, READ_ONLY, ROOM, SYNC_FAILS, SYNC_LIES};

/// The file that says so, in memory.
pub struct Faults(NonNull<u8>);

// SAFETY: what is there is only read and written as atomics.
unsafe impl Send for Faults {}
// SAFETY: the same.
unsafe impl Sync for Faults {}

impl Faults {
    /// Opens the file, which has its size.
    pub fn open(state: &Path) -> Option<Self> {
        let file = OpenOptions::new().read(true).write(true).open(state.join(FILE)).ok()?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of an open file, which is never taken away.
        let mapped = unsafe { libc::mmap(std::ptr::null_mut(), BYTES, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        (mapped != libc::MAP_FAILED).then(|| NonNull::new(mapped.cast::<u8>()).map(Self)).flatten()
    }

    fn at<T>(&self, place: usize) -> &T {
        // SAFETY: a page is aligned for all of them, and each has its place within it.
        unsafe { self.0.add(place).cast::<T>().as_ref() }
    }

    fn met(&self, fault: u32) -> bool {
        let met = self.at::<AtomicU32>(FAULTS).load(Ordering::Acquire) & fault != 0;
        if met {
            self.at::<AtomicU64>(MET).fetch_add(1, Ordering::AcqRel);
        }
        met
    }

    /// A call that changes one of these files is about to be made.
    pub fn count(&self, of: u32) {
        let calls = self.at::<AtomicI64>(CALLS);
        if calls.load(Ordering::Acquire) > 0
            && self.at::<AtomicU32>(OF).load(Ordering::Acquire) & of != 0
            && calls.fetch_sub(1, Ordering::AcqRel) == 1
        {
            // SAFETY: this process ends here, as if somebody else had killed it.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
    }

    /// Whether nothing can be written.
    pub fn is_read_only(&self) -> bool {
        self.met(READ_ONLY)
    }

    /// Whether syncs fail.
    pub fn sync_fails(&self) -> bool {
        self.met(SYNC_FAILS)
    }

    /// Whether syncs do nothing.
    pub fn sync_lies(&self) -> bool {
        self.met(SYNC_LIES)
    }

    /// By how many bytes of these a file may grow, which it does.
    pub fn room(&self, wanted: u64) -> u64 {
        if self.at::<AtomicU32>(FAULTS).load(Ordering::Acquire) & FULL == 0 || wanted == 0 {
            return wanted;
        }
        let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
        let taken = self.at::<AtomicI64>(ROOM).fetch_update(Ordering::AcqRel, Ordering::Acquire, |room| Some(room - room.min(wanted)));
        let room = taken.unwrap_or(0).min(wanted);
        if room < wanted {
            self.at::<AtomicU64>(MET).fetch_add(1, Ordering::AcqRel);
        }
        u64::try_from(room).unwrap_or(0)
    }
}
