//! The contents that survive.

use std::ffi::c_int;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Bytes that are copied at once.
const PIECE: usize = 64 * 1024;
/// So many parts are as good as all of a file.
const PARTS: usize = 4_096;

/// What of a file was written since it was synced.
#[derive(Debug, Default)]
pub struct Dirty {
    parts: Vec<(u64, u64)>,
    all: bool,
}

impl Dirty {
    /// From one byte up to another.
    pub fn part(from: u64, to: u64) -> Self {
        Self { parts: vec![(from, to)], all: false }
    }

    /// All of it.
    pub const fn all() -> Self {
        Self { parts: Vec::new(), all: true }
    }

    /// This as well.
    pub fn add(&mut self, mut other: Self) {
        self.all |= other.all || self.parts.len() > PARTS;
        if self.all {
            self.parts.clear();
        } else {
            self.parts.append(&mut other.parts);
        }
    }
}

/// Where the content of a file is that survives.
pub fn place(state: &Path, inode: u64) -> PathBuf {
    state.join("inodes").join(inode.to_string())
}

/// A file is made: nothing of it survives yet. The copy is a new one, since the old one may have names that do.
pub fn begin(state: &Path, inode: u64) {
    let place = place(state, inode);
    let _ = fs::remove_file(&place);
    let _ = File::create(place);
}

/// Copies what was written to an open file.
pub fn copy(state: &Path, file: c_int, inode: u64, dirty: Option<Dirty>) -> io::Result<()> {
    let Some(Dirty { parts, all }) = dirty else { return Ok(()) };
    // The number may be one that can only be written through.
    let from = File::open(format!("/proc/self/fd/{file}"))?;
    let length = from.metadata()?.len();
    let to = OpenOptions::new().write(true).create(true).truncate(false).open(place(state, inode))?;
    let parts = if all { vec![(0, length)] } else { parts };
    let mut piece = vec![0; PIECE];
    for (mut place, end) in parts {
        while place < end.min(length) {
            let most = usize::try_from((end.min(length) - place).min(PIECE as u64)).unwrap_or(PIECE);
            let read = from.read_at(piece.get_mut(..most).unwrap_or_default(), place)?;
            if read == 0 {
                break;
            }
            to.write_all_at(piece.get(..read).unwrap_or_default(), place)?;
            place += read as u64;
        }
    }
    to.set_len(length)
}
