//! What SQLite writes into a write-ahead log (<https://sqlite.org/walformat.html>): a head of 32 bytes, and frames, each with 24 bytes and a
//! page. A frame counts where it has the salts of the head and its sum goes on from that of the frame before. SQLite writes the 24 bytes
//! first and then the page, so that the last frame may be torn where a process or the disk came to an end: such a frame is none.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use diesel::{QueryResult, RunQueryDsl as _};

use super::Conn;
use crate::care::log::{FRAME_HEAD, take};

/// Bytes of the head of a write-ahead log.
pub(super) const WAL_HEAD: u64 = 32;
/// The head of a write-ahead log.
#[derive(Clone, Copy)]
pub(super) struct Wal {
    pub(super) salts: [u8; 8],
    /// Bytes of a page.
    pub(super) page: u32,
    /// Whether sums are over numbers with the most significant byte first.
    pub(super) big: bool,
    pub(super) sum: (u32, u32),
}

/// How far a write-ahead log is, by the connection that writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// How many frames count. What stands behind them was never committed.
    pub(super) frames: u32,
    /// How many of them are in the database file.
    pub(super) moved: u32,
    /// Whether not all was done that should be, because of others.
    pub(super) is_busy: bool,
}

impl Extent {
    /// Whether all of it is in the database file.
    pub(super) const fn is_moved(self) -> bool {
        self.moved == self.frames && !self.is_busy
    }
}

/// What a checkpoint does.
#[derive(Debug, Clone, Copy, derive_more::Display)]
#[display(rename_all = "UPPERCASE")]
pub(super) enum Checkpoint {
    /// Nothing; how far the log is is told all the same.
    Noop,
    /// Moves what nobody reads past.
    Passive,
    /// Waits for those who read, and moves all, unless that takes too long.
    Full,
    /// The same, and empties the log.
    Truncate,
}

/// Moves the write-ahead log into the database file.
pub(super) fn checkpoint(conn: &mut Conn, what: Checkpoint) -> QueryResult<Extent> {
    #[derive(diesel::QueryableByName)]
    struct State {
        #[diesel(sql_type = diesel::sql_types::Integer)]
        busy: i32,
        #[diesel(sql_type = diesel::sql_types::Integer)]
        log: i32,
        #[diesel(sql_type = diesel::sql_types::Integer)]
        checkpointed: i32,
    }
    let State { busy, log, checkpointed } = diesel::sql_query(format!("PRAGMA wal_checkpoint({what})")).get_result(conn)?;
    // They are negative where nothing was ever written, and where somebody else moves the log just now.
    let count = |frames: i32| u32::try_from(frames).unwrap_or_default();
    Ok(Extent { frames: count(log), moved: count(checkpointed), is_busy: busy != 0 })
}

/// Where a database has its write-ahead log.
pub(super) fn wal_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// The head, where there is one in order.
pub(super) fn head_of(file: &mut File) -> io::Result<Option<Wal>> {
    let Some(head) = unless_torn(take::<32>(file))? else { return Ok(None) };
    let number = |from: usize| head.get(from..from + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes).unwrap_or_default();
    let (magic, page, sum) = (number(0), number(8), (number(24), number(28)));
    let big = magic & 1 == 1;
    let sound = magic & !1 == 0x377f_0682 && page.is_power_of_two() && summed((0, 0), head.get(..24).unwrap_or_default(), big) == sum;
    let salts = head.get(16..24).and_then(|salts| salts.try_into().ok());
    Ok(salts.filter(|_| sound).map(|salts| Wal { salts, page, big, sum }))
}

/// What was read; `None` where the file ends within it.
pub(super) fn unless_torn<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The last frames of the commits behind one frame, up to another. Their sums are not looked at.
pub(super) fn ends(file: &mut File, wal: &Wal, after: u32, most: u32) -> io::Result<Vec<u32>> {
    let step = FRAME_HEAD + u64::from(wal.page);
    let whole = file.metadata()?.len().saturating_sub(WAL_HEAD) / step;
    let most = most.min(u32::try_from(whole).unwrap_or(u32::MAX));
    let (mut ends, mut frame) = (Vec::new(), after);
    while frame < most {
        file.seek(SeekFrom::Start(WAL_HEAD + u64::from(frame) * step))?;
        let Some(head) = unless_torn(take::<24>(file))? else { break };
        if head.get(8..16) != Some(wal.salts.as_slice()) {
            break;
        }
        frame += 1;
        if head.get(4..8) != Some([0; 4].as_slice()) {
            ends.push(frame);
        }
    }
    Ok(ends)
}

/// The last frame of a commit whose sum, and those of all before it, are right, behind one that is known to be and up to another. SQLite
/// reads no further: what comes after was never committed.
pub(super) fn good_end(path: &Path, wal: &Wal, after: u32, most: u32) -> io::Result<u32> {
    let mut file = BufReader::with_capacity(1 << 18, File::open(path)?);
    let mut page = vec![0; usize::try_from(wal.page).unwrap_or_default()];
    let step = FRAME_HEAD + u64::from(wal.page);
    let mut sum = wal.sum;
    if let Some(before) = after.checked_sub(1) {
        file.seek(SeekFrom::Start(WAL_HEAD + u64::from(before) * step + 16))?;
        sum = (u32::from_be_bytes(take(&mut file)?), u32::from_be_bytes(take(&mut file)?));
    }
    let mut good = after;
    file.seek(SeekFrom::Start(WAL_HEAD + u64::from(after) * step))?;
    for frame in after + 1..=most {
        let Some(head) = unless_torn(take::<24>(&mut file))? else { break };
        if unless_torn(file.read_exact(&mut page))?.is_none() {
            break;
        }
        let (numbers, rest) = head.split_at(8);
        sum = summed(summed(sum, numbers, wal.big), &page, wal.big);
        if rest.get(8..16) != Some([sum.0.to_be_bytes(), sum.1.to_be_bytes()].concat().as_slice()) {
            break;
        }
        if numbers.get(4..8) != Some([0; 4].as_slice()) {
            good = frame;
        }
    }
    Ok(good)
}

/// The first salt, which counts up.
pub(super) fn first(salts: [u8; 8]) -> u32 {
    let [a, b, c, d, ..] = salts;
    u32::from_be_bytes([a, b, c, d])
}

/// SQLite's sum over pairs of numbers, from what it is so far.
pub(super) fn summed((mut one, mut two): (u32, u32), bytes: &[u8], big: bool) -> (u32, u32) {
    let number = |bytes: [u8; 4]| if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
    for [left, right] in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
        one = one.wrapping_add(number(*left)).wrapping_add(two);
        two = two.wrapping_add(number(*right)).wrapping_add(one);
    }
    (one, two)
}
