//! Writing what is written already, so that it is synced.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use super::wal::wal_of;

/// Bytes that are written again at once.
const PIECE: usize = 256 * 1024;

/// Writes all of a database's log again as it is, and syncs it.
///
/// Where a sync fails, Linux takes what it should have written for written from then on: no later sync writes it. Commits that were
/// written and not synced may be among it, SQLite goes on behind them, and after a power cut nothing would be found of what is behind a
/// gap. Once the log is written again there is none. Whoever reads it meanwhile reads the same bytes. SQLite has no locks on this file
/// that closing it could lose.
pub(super) fn log(database: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(wal_of(database)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    copy_onto_itself(&file)?;
    file.sync_data()
}

fn copy_onto_itself(mut file: &File) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut place = 0;
    loop {
        file.seek(SeekFrom::Start(place))?;
        let read = file.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        file.seek(SeekFrom::Start(place))?;
        file.write_all(piece.get(..read).unwrap_or_default())?;
        place += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::PIECE;

    #[test]
    fn a_log_stays_as_it_is_and_none_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let (database, log) = (directory.path().join("a.db"), directory.path().join("a.db-wal"));
        super::log(&database).unwrap();
        assert!(!log.exists());
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(2 * PIECE + 77).collect();
        std::fs::write(&log, &bytes).unwrap();
        super::log(&database).unwrap();
        assert!(std::fs::read(&log).unwrap() == bytes);
    }
}
