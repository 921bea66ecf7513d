//! Keeps the log: what was committed is copied out of SQLite's write-ahead log, before anything may move that into the database and begin
//! it anew. The writer alone does that, and this for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use core_types::{Clock, Ids};

use super::wal::{WAL_HEAD, Wal, first, head_of, summed};
use crate::care::CareError;
use crate::care::log::{Draft, FRAME_HEAD, Head, directory, last, lineage, lineage_file, take};
use crate::options::LogOptions;

/// The name of the file with the times of commits that are in no segment yet.
const TIMES: &str = "open.times";

/// Keeps the log of one database.
pub(super) struct Keeper {
    database: PathBuf,
    wal: PathBuf,
    log: PathBuf,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    lineage: u128,
    /// The number of the segment that comes next, and the sum of the one before it.
    number: u64,
    previous: [u8; 32],
    /// Of the write-ahead log as it was seen last: which it is, its last frame that is kept, and its last frame of a commit.
    salts: [u8; 8],
    kept: u32,
    seen: u32,
    /// The commits between the two, with their times.
    commits: Vec<(u32, i64)>,
    latest: i64,
    times: Option<File>,
}

impl Keeper {
    /// Goes on where the log ended, with what was committed since; or begins another where that cannot be known to be all. No connection
    /// may be open yet.
    pub(super) fn begin(database: &Path, options: &LogOptions, ids: Arc<dyn Ids>) -> Result<Self, CareError> {
        make(&options.dir).map_err(CareError::file(&options.dir))?;
        let mut wal = database.as_os_str().to_owned();
        wal.push("-wal");
        let wal = PathBuf::from(wal);
        let (database, log, clock) = (database.to_owned(), options.dir.clone(), Arc::clone(&options.clock));
        if let Some(known) = lineage(&database)? {
            let place = directory(&log, known);
            let ended = match last(&place, known) {
                // What was kept before it is still good for backups from before.
                Err(error @ CareError::Damaged { .. }) => {
                    log::error!("{error}");
                    None
                }
                other => other?,
            };
            if let Some((head, sum)) = ended {
                let times = Some(times_file(&place).map_err(CareError::file(&place))?);
                let mut keeper = Self {
                    database,
                    wal,
                    log,
                    clock,
                    ids,
                    lineage: known,
                    number: head.number + 1,
                    previous: sum,
                    salts: head.salts,
                    kept: head.end,
                    seen: head.end,
                    commits: Vec::new(),
                    latest: 0,
                    times,
                };
                if keeper.goes_on().map_err(CareError::file(&keeper.wal))? {
                    keeper.catch_up().map_err(CareError::file(&keeper.wal))?;
                    keeper.keep().map_err(CareError::file(&place))?;
                    return Ok(keeper);
                }
                log::error!(
                    "the log {known:032x} ends: the database was written to meanwhile without it; another begins, for which a new backup is needed"
                );
                keeper.anew().map_err(CareError::file(&options.dir))?;
                return Ok(keeper);
            }
            log::error!("the log {known:032x} does not go on in {}; another begins, for which a new backup is needed", log.display());
        }
        let mut keeper = Self {
            database,
            wal,
            log,
            clock,
            ids,
            lineage: 0,
            number: 1,
            previous: [0; 32],
            salts: [0; 8],
            kept: 0,
            seen: 0,
            commits: Vec::new(),
            latest: 0,
            times: None,
        };
        keeper.anew().map_err(CareError::file(&options.dir))?;
        Ok(keeper)
    }

    /// Whether nothing can have been committed that is neither kept nor in the write-ahead log.
    fn goes_on(&self) -> io::Result<bool> {
        let ended = fs::read_to_string(lineage_file(&self.database))?.lines().nth(1) == Some("ended");
        Ok(match self.head()? {
            None => ended,
            Some(wal) if wal.salts == self.salts => true,
            // The next one has the first salt counted up, unless the file was removed, as at the end of a server.
            Some(wal) => ended || first(wal.salts) == first(self.salts).wrapping_add(1),
        })
    }

    /// Begins a log at this moment: what was committed before is for a backup to have.
    fn anew(&mut self) -> io::Result<()> {
        self.lineage = self.ids.uuid().as_u128();
        let place = directory(&self.log, self.lineage);
        make(&place)?;
        self.times = Some(times_file(&place)?);
        (self.number, self.previous, self.kept, self.seen) = (1, [0; 32], 0, 0);
        self.commits.clear();
        let wal = self.head()?;
        if let Some(wal) = wal {
            self.salts = wal.salts;
            self.catch_up()?;
            self.kept = self.seen;
            self.commits.clear();
        }
        // An empty segment says where it begins.
        self.segment(&wal.unwrap_or(Wal { salts: self.salts, page: 0, big: false, sum: (0, 0) }), self.kept, &[])?;
        self.sign(wal.is_none())
    }

    /// Writes which lineage the database is in, and whether the write-ahead log has ended with all of it kept.
    fn sign(&self, ended: bool) -> io::Result<()> {
        let path = lineage_file(&self.database);
        let partial = path.with_added_extension("partial");
        let mut file = private(&partial, true)?;
        write!(file, "{:032x}\n{}", self.lineage, if ended { "ended\n" } else { "" })?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        match path.parent().filter(|parent| cfg!(unix) && !parent.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    /// The head of the write-ahead log, where there is one with a frame.
    fn head(&self) -> io::Result<Option<Wal>> {
        let mut file = match File::open(&self.wal) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if file.metadata()?.len() <= WAL_HEAD {
            return Ok(None);
        }
        head_of(&mut file)
    }

    /// What time a commit is given that is made now: none is earlier than one before it. It is to be asked before the commit, so that what
    /// can be seen has a time that is not to come.
    pub(super) fn moment(&mut self) -> i64 {
        self.latest = self.latest.max(self.clock.now().millis());
        self.latest
    }

    /// Notes what was committed since the last time, with its moment.
    pub(super) fn committed(&mut self, at: i64) -> io::Result<()> {
        let mut file = match File::open(&self.wal) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(wal) = head_of(&mut file)? else { return Ok(()) };
        self.turn(&wal)?;
        for frame in self.ends_after(&mut file, &wal)? {
            self.note(frame, at)?;
        }
        Ok(())
    }

    /// Takes another write-ahead log for what it is: one that began when all before it was kept.
    fn turn(&mut self, wal: &Wal) -> io::Result<()> {
        if wal.salts == self.salts {
            return Ok(());
        }
        if self.kept < self.seen {
            return Err(io::Error::other("somebody else has moved the write-ahead log into the database"));
        }
        (self.salts, self.kept, self.seen) = (wal.salts, 0, 0);
        Ok(())
    }

    fn note(&mut self, frame: u32, at: i64) -> io::Result<()> {
        self.seen = frame;
        self.commits.push((frame, at));
        let mut record = Vec::with_capacity(20);
        record.extend_from_slice(&self.salts);
        record.extend_from_slice(&frame.to_be_bytes());
        record.extend_from_slice(&at.to_be_bytes());
        self.times.as_mut().map_or(Ok(()), |times| times.write_all(&record))
    }

    /// The times of what is in no segment yet, which are not needed any more.
    fn forget_times(&mut self) -> io::Result<Vec<u8>> {
        let mut left = Vec::new();
        if let Some(times) = &mut self.times {
            times.seek(SeekFrom::Start(0))?;
            times.read_to_end(&mut left)?;
            times.set_len(0)?;
            times.seek(SeekFrom::Start(0))?;
        }
        Ok(left)
    }

    /// Notes what an earlier process committed, with the times that it left.
    fn catch_up(&mut self) -> io::Result<()> {
        let Some(wal) = self.head()? else { return Ok(()) };
        self.turn(&wal)?;
        let left = self.forget_times()?;
        let now = self.moment();
        let mut file = File::open(&self.wal)?;
        for frame in self.ends_after(&mut file, &wal)? {
            let key = [self.salts.as_slice(), &frame.to_be_bytes()].concat();
            let record = left.chunks_exact(20).find(|record| record.starts_with(&key));
            let at = record.and_then(|record| record.get(12..20)).and_then(|at| at.try_into().ok()).map(i64::from_be_bytes);
            // A power cut may have taken the times; then it is known to be before now.
            self.note(frame, at.unwrap_or(now))?;
        }
        Ok(())
    }

    /// The last frames of the commits after the one that was seen last. Their sums are looked at when they are kept.
    fn ends_after(&self, file: &mut File, wal: &Wal) -> io::Result<Vec<u32>> {
        let step = FRAME_HEAD + u64::from(wal.page);
        let (mut ends, mut frame) = (Vec::new(), self.seen);
        loop {
            file.seek(SeekFrom::Start(WAL_HEAD + u64::from(frame) * step))?;
            let head: [u8; 24] = match take(file) {
                Ok(head) => head,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(ends),
                Err(error) => return Err(error),
            };
            let [_, _, _, _, size @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = head;
            if head.get(8..16) != Some(wal.salts.as_slice()) {
                return Ok(ends);
            }
            frame += 1;
            if size != [0; 4] {
                ends.push(frame);
            }
        }
    }

    /// How many frames the write-ahead log has.
    pub(super) const fn frames(&self) -> u32 {
        self.seen
    }

    /// Makes a segment of what was committed since the last one, for good. After this, all that is committed may be moved into the database.
    pub(super) fn keep(&mut self) -> io::Result<()> {
        if self.seen == self.kept {
            return Ok(());
        }
        let Some(wal) = self.head()?.filter(|wal| wal.salts == self.salts) else {
            return Err(io::Error::other("somebody else has moved the write-ahead log into the database"));
        };
        // What is kept must not be lost in the write-ahead log, where the power fails: others would be written in its place there.
        File::open(&self.wal)?.sync_all()?;
        let end = self.good_end(&wal)?;
        let commits: Vec<(u32, i64)> = self.commits.iter().copied().filter(|(frame, _)| *frame <= end).collect();
        self.segment(&wal, end, &commits)?;
        self.sign(false)?;
        (self.kept, self.seen) = (end, end);
        self.commits.clear();
        self.forget_times().map(drop)
    }

    /// The last frame of a commit whose sum, and those of all before it, are right. What comes after was never committed.
    fn good_end(&self, wal: &Wal) -> io::Result<u32> {
        let mut file = BufReader::with_capacity(1 << 18, File::open(&self.wal)?);
        let mut page = vec![0; usize::try_from(wal.page).unwrap_or_default()];
        let mut sum = if self.kept == 0 { wal.sum } else { self.sum_at(&mut file, wal)? };
        let mut good = self.kept;
        file.seek(SeekFrom::Start(WAL_HEAD + u64::from(self.kept) * (FRAME_HEAD + u64::from(wal.page))))?;
        for frame in self.kept + 1..=self.seen {
            let head: [u8; 24] = take(&mut file)?;
            file.read_exact(&mut page)?;
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

    /// The sum of the last frame that is kept.
    fn sum_at(&self, file: &mut BufReader<File>, wal: &Wal) -> io::Result<(u32, u32)> {
        file.seek(SeekFrom::Start(WAL_HEAD + u64::from(self.kept - 1) * (FRAME_HEAD + u64::from(wal.page)) + 16))?;
        Ok((u32::from_be_bytes(take(file)?), u32::from_be_bytes(take(file)?)))
    }

    fn segment(&mut self, wal: &Wal, end: u32, commits: &[(u32, i64)]) -> io::Result<()> {
        let count = u32::try_from(commits.len()).map_err(io::Error::other)?;
        let head = Head {
            lineage: self.lineage,
            number: self.number,
            previous: self.previous,
            salts: self.salts,
            after: self.kept,
            end,
            page: wal.page,
            commits: count,
        };
        let mut draft = Draft::begin(&directory(&self.log, self.lineage), &head, commits)?;
        if end > self.kept {
            let step = FRAME_HEAD + u64::from(wal.page);
            let mut file = File::open(&self.wal)?;
            file.seek(SeekFrom::Start(WAL_HEAD + u64::from(self.kept) * step))?;
            let mut left = u64::from(end - self.kept) * step;
            let mut piece = vec![0; 1 << 18];
            while left > 0 {
                let most = usize::try_from(left.min(1 << 18)).unwrap_or(1 << 18);
                let piece = piece.get_mut(..most).unwrap_or_default();
                file.read_exact(piece)?;
                draft.write(piece)?;
                left -= piece.len() as u64;
            }
        }
        self.previous = draft.finish()?;
        self.number += 1;
        Ok(())
    }

    /// Notes that the write-ahead log has ended, with all of it kept and in the database.
    pub(super) fn ended(&self) -> io::Result<()> {
        self.sign(true)
    }

    /// Begins another log, since something was not kept.
    pub(super) fn give_up(&mut self) -> io::Result<()> {
        log::error!(
            "the log {:032x} ends here, since not all of it could be kept; another begins, for which a new backup is needed",
            self.lineage
        );
        self.anew()
    }
}

/// Says that the database is written to without a log from now on.
pub(super) fn forget(database: &Path) -> io::Result<()> {
    match fs::remove_file(lineage_file(database)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn times_file(directory: &Path) -> io::Result<File> {
    private(&directory.join(TIMES), false)
}

fn private(path: &Path, empty: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(empty);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn make(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

#[cfg(test)]
mod tests;
