//! How a log has ended, and what the database is known by then.

use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::care::log::lineage_file;

/// What stands in the file beside the database before the number of the segment that ends the log.
pub(super) const ENDED: &str = "ended ";
/// What stands there before the bytes of the database at that end, and when it was written to last.
pub(super) const FILE: &str = "file ";

/// An end of the log, with all of it in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// The number of the last segment.
    pub(super) segment: u64,
    /// What the database was then, where that is known.
    pub(super) file: Option<Stamp>,
}

impl End {
    /// Writes it as [`ended_at`] reads it.
    pub(super) fn write(&self, file: &mut File) -> io::Result<()> {
        writeln!(file, "{ENDED}{}", self.segment)?;
        if let Some(Stamp { bytes, written }) = self.file {
            writeln!(file, "{FILE}{bytes} {written}")?;
        }
        Ok(())
    }
}

/// What a file is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    /// When it was written to last, in nanoseconds since 1970.
    pub(super) written: u128,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> io::Result<Self> {
        let written = metadata.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Ok(Self { bytes: metadata.len(), written })
    }

    /// Whether a file that was this is this now, or a copy where times are coarser, as on other file systems and in archives.
    pub(super) fn still_is(self, now: Self) -> bool {
        let units = [1, 100, 1_000, 1_000_000, 1_000_000_000];
        self.bytes == now.bytes && units.iter().any(|unit| now.written == self.written / unit * unit)
    }
}

/// The end of the log of a database, where the file beside it says so.
pub(super) fn ended_at(database: &Path) -> io::Result<Option<End>> {
    let text = fs::read_to_string(lineage_file(database))?;
    let mut lines = text.lines().skip(1);
    let segment = lines.next().and_then(|line| line.strip_prefix(ENDED)).and_then(|number| number.parse().ok());
    let file = lines.next().and_then(|line| line.strip_prefix(FILE)?.split_once(' '));
    let file = file.and_then(|(bytes, written)| Some(Stamp { bytes: bytes.parse().ok()?, written: written.parse().ok()? }));
    Ok(segment.map(|segment| End { segment, file }))
}

/// What a file is known by; `None` where it is not there.
pub(super) fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match fs::metadata(path) {
        Ok(metadata) => Stamp::of(&metadata).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
