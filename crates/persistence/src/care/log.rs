//! The log that is kept beside the database: what was committed, in segments, each a file. A copy of the database and the segments since
//! make the database of any moment since.
//!
//! A segment is, numbers with the most significant byte first:
//!
//! | bytes | what |
//! | --- | --- |
//! | 16 | `doolittle log 1` and a line feed |
//! | 16 | the lineage: all segments that go on one after the other have the same |
//! | 8 | its number, which counts up from 1 |
//! | 32 | the last 32 bytes of the segment before, zeros in the first |
//! | 8 | the salts of SQLite's write-ahead log that it is from |
//! | 4, 4 | the number of the last frame of that log that was kept before, and of the last one in this segment |
//! | 4 | the bytes of a page |
//! | 4 | how many commits |
//! | 12 each | a commit: the number of its last frame, and its time in milliseconds since 1970 |
//! | 24 and a page each | the frames, as SQLite wrote them: the page's number comes first, and then, in the last frame of a commit, how many pages the database has |
//! | 32 | the SHA-256 of all that |

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use core_types::Timestamp;
use sha2::{Digest as _, Sha256};

use super::CareError;

const MAGIC: &[u8; 16] = b"doolittle log 1\n";
/// Bytes of a head.
const HEAD: usize = 96;
/// The same in the type of places in files.
pub(super) const HEAD_BYTES: u64 = HEAD as u64;
/// Bytes of a commit.
const COMMIT: u64 = 12;
/// Bytes of SQLite's head of a frame.
pub(crate) const FRAME_HEAD: u64 = 24;
/// Bytes of the sum.
const SUM: u64 = 32;
/// The end of a segment's name.
const ENDING: &str = "log";

/// The head of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) lineage: u128,
    pub(crate) number: u64,
    pub(crate) previous: [u8; 32],
    pub(crate) salts: [u8; 8],
    pub(crate) after: u32,
    pub(crate) end: u32,
    pub(crate) page: u32,
    pub(crate) commits: u32,
}

impl Head {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.lineage.to_be_bytes());
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(&self.previous);
        bytes.extend_from_slice(&self.salts);
        for number in [self.after, self.end, self.page, self.commits] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn read(from: &mut impl Read) -> io::Result<Self> {
        let magic: [u8; 16] = take(from)?;
        if &magic != MAGIC {
            return Err(io::Error::other("it is no segment of a log"));
        }
        let head = Self {
            lineage: u128::from_be_bytes(take(from)?),
            number: u64::from_be_bytes(take(from)?),
            previous: take(from)?,
            salts: take(from)?,
            after: u32::from_be_bytes(take(from)?),
            end: u32::from_be_bytes(take(from)?),
            page: u32::from_be_bytes(take(from)?),
            commits: u32::from_be_bytes(take(from)?),
        };
        if head.end < head.after || head.page > 1 << 16 { Err(io::Error::other("its head makes no sense")) } else { Ok(head) }
    }

    /// All bytes of the segment.
    pub(super) fn length(&self) -> u64 {
        let frames = u64::from(self.end - self.after) * (FRAME_HEAD + u64::from(self.page));
        HEAD_BYTES + u64::from(self.commits) * COMMIT + frames + SUM
    }
}

pub(crate) fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The directory of a lineage.
pub(crate) fn directory(log: &Path, lineage: u128) -> PathBuf {
    log.join(format!("{lineage:032x}"))
}

/// Whether any log was ever kept here. None was where nothing is.
pub(crate) fn has_logs(log: &Path) -> io::Result<bool> {
    match lineages(log) {
        Ok(lineages) => Ok(!lineages.is_empty()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The logs that were ever kept here: their directories, by the names of these.
pub(super) fn lineages(log: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut lineages = Vec::new();
    for entry in fs::read_dir(log)? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        // Whatever else lies there is not ours.
        if is_lineage(&name) {
            lineages.push((name, entry.path()));
        }
    }
    lineages.sort();
    Ok(lineages)
}

/// Whether a log's directory may have this name.
fn is_lineage(name: &str) -> bool {
    name.len() == 32 && u128::from_str_radix(name, 16).is_ok()
}

/// The file of a segment.
pub(crate) fn file(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:012}.{ENDING}"))
}

/// The numbers of the segments in a directory, in their order.
pub(crate) fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in directory.read_dir()? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        numbers.extend(name.strip_suffix(ENDING).and_then(|name| name.strip_suffix('.')).and_then(|digits| digits.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A segment that is being written: its frames come after its head and its commits.
pub(crate) struct Draft {
    /// Removed where this is dropped before its end.
    partial: PathBuf,
    path: PathBuf,
    file: io::BufWriter<File>,
    hash: Sha256,
}

impl Draft {
    pub(crate) fn begin(directory: &Path, head: &Head, commits: &[(u32, i64)]) -> io::Result<Self> {
        let path = file(directory, head.number);
        let partial = path.with_added_extension("partial");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = io::BufWriter::with_capacity(1 << 18, options.open(&partial)?);
        let mut draft = Self { partial, path, file, hash: Sha256::new() };
        draft.write(&head.bytes())?;
        for (frame, at) in commits {
            draft.write(&frame.to_be_bytes())?;
            draft.write(&at.to_be_bytes())?;
        }
        Ok(draft)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.file.write_all(bytes)
    }

    /// Ends it, for good; returns its sum.
    pub(crate) fn finish(mut self) -> io::Result<[u8; 32]> {
        let sum: [u8; 32] = std::mem::take(&mut self.hash).finalize().into();
        self.file.write_all(&sum)?;
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.partial, &self.path)?;
        if let Some(directory) = self.path.parent().filter(|_| cfg!(unix)) {
            File::open(directory)?.sync_all()?;
        }
        Ok(sum)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After its end it has another name; and what is left is nothing by its own.
        let _ = fs::remove_file(&self.partial);
    }
}

/// The head of a segment that is as long as it says, and what comes after it.
fn begin(path: &Path) -> Result<(Head, BufReader<File>), CareError> {
    let failed = CareError::file(path);
    let mut from = BufReader::with_capacity(1 << 18, File::open(path).map_err(&failed)?);
    let length = from.get_ref().metadata().map_err(&failed)?.len();
    let head = Head::read(&mut from).map_err(|error| damaged(path, &error.to_string()))?;
    if length == head.length() { Ok((head, from)) } else { Err(damaged(path, "it is not as long as it should be")) }
}

pub(super) fn damaged(path: &Path, what: &str) -> CareError {
    CareError::Damaged { path: path.to_path_buf(), what: what.to_owned() }
}

/// The head and the sum of a segment, of which every byte was looked at.
pub(super) fn whole(path: &Path, lineage: u128, number: u64) -> Result<(Head, [u8; 32]), CareError> {
    let failed = CareError::file(path);
    let (head, mut from) = begin(path)?;
    if head.lineage != lineage || head.number != number {
        return Err(damaged(path, "it is a segment of another place in the log than its name says"));
    }
    from.seek(SeekFrom::Start(0)).map_err(&failed)?;
    let mut hash = Sha256::new();
    let mut content = (&mut from).take(head.length() - SUM);
    let (mut piece, mut read) = (vec![0; 1 << 18], 1);
    while read > 0 {
        read = content.read(&mut piece).map_err(&failed)?;
        hash.update(piece.get(..read).unwrap_or_default());
    }
    let sum: [u8; 32] = take(&mut from).map_err(&failed)?;
    if hash.finalize().as_slice() == sum { Ok((head, sum)) } else { Err(damaged(path, "its bytes have changed")) }
}

/// The commits of a segment, each by its last frame, with their times. Nothing else of it is looked at.
pub(super) fn commits(path: &Path) -> Result<Vec<(u32, Timestamp)>, CareError> {
    let (head, mut from) = begin(path)?;
    let mut commits = Vec::new();
    for _ in 0..head.commits {
        commits.push(commit(&mut from).map_err(CareError::file(path))?);
    }
    Ok(commits)
}

/// Reads a commit: its last frame and its time.
pub(super) fn commit(from: &mut impl Read) -> io::Result<(u32, Timestamp)> {
    let frame = u32::from_be_bytes(take(from)?);
    Ok((frame, Timestamp::from_millis(i64::from_be_bytes(take(from)?))))
}

/// The last segment of a lineage, whole; `None` where there is none.
pub(crate) fn last(directory: &Path, lineage: u128) -> Result<Option<(Head, [u8; 32])>, CareError> {
    let numbers = match numbers(directory) {
        Ok(numbers) => numbers,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CareError::file(directory)(error)),
    };
    numbers.last().map(|number| whole(&file(directory, *number), lineage, *number)).transpose()
}

/// The head of the last frame in a segment; `None` where it has none.
pub(crate) fn last_frame(directory: &Path, head: &Head) -> io::Result<Option<[u8; 24]>> {
    let Some(before) = (head.end - head.after).checked_sub(1) else { return Ok(None) };
    let mut from = File::open(file(directory, head.number))?;
    let frames = HEAD_BYTES + u64::from(head.commits) * COMMIT;
    from.seek(SeekFrom::Start(frames + u64::from(before) * (FRAME_HEAD + u64::from(head.page))))?;
    take(&mut from).map(Some)
}

/// Which lineage a database belongs to at present, and the number of the segment that comes next. What a copy of the database does not
/// have that is made from now on, is in that segment or later ones. `None` where no log is kept.
pub fn log_place(database: &Path, log: &Path) -> Result<Option<(String, u64)>, CareError> {
    let Some(lineage) = lineage(database)? else { return Ok(None) };
    let directory = directory(log, lineage);
    let numbers = numbers(&directory).map_err(CareError::file(&directory))?;
    Ok(numbers.last().map(|last| (format!("{lineage:032x}"), last + 1)))
}

/// Which lineage a database belongs to at present; `None` where no log is kept.
pub fn log_of(database: &Path) -> Result<Option<String>, CareError> {
    Ok(lineage(database)?.map(|lineage| format!("{lineage:032x}")))
}

/// The file that says which log a database goes on in.
pub(crate) fn lineage_file(database: &Path) -> PathBuf {
    database.with_added_extension("log")
}

/// The lineage that the file beside a database names.
pub(crate) fn lineage(database: &Path) -> Result<Option<u128>, CareError> {
    let path = lineage_file(database);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(u128::from_str_radix(text.lines().next().unwrap_or_default().trim(), 16).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CareError::file(&path)(error)),
    }
}

/// Removes what no backup needs any more: segments before the number of each lineage that is given, and lineages that are not, but for the
/// current one, which goes on.
pub fn forget_log(log: &Path, current: Option<&str>, needed: &[(String, u64)]) -> Result<(), CareError> {
    for (name, path) in lineages(log).map_err(CareError::file(log))? {
        let Some(first) = needed.iter().filter(|(lineage, _)| *lineage == name).map(|(_, segment)| *segment).min() else {
            if current != Some(name.as_str()) {
                fs::remove_dir_all(&path).map_err(CareError::file(&path))?;
            }
            continue;
        };
        // The one before says where that begins, and where the next one goes on.
        for number in numbers(&path).map_err(CareError::file(&path))?.into_iter().filter(|number| number + 1 < first) {
            fs::remove_file(file(&path, number)).map_err(CareError::file(&path))?;
        }
    }
    Ok(())
}
