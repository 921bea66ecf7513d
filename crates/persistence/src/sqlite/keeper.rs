//! Keeps the log: what was committed is copied out of SQLite's write-ahead log, before anything may move that into the database and begin
//! it anew. The writer alone does that, and this for it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use core_types::{Clock, Ids};

use super::wal::{Extent, WAL_HEAD, Wal, ends, first, good_end, head_of, unless_torn, wal_of};
use crate::care::log::{Draft, FRAME_HEAD, Head, directory, has_logs, last, last_frame, lineage, lineage_file, take};
use crate::care::{self, CareError};
use crate::error::OpenError;
use crate::options::LogOptions;

use end::{End, Stamp, ended_at, stamp};

mod end;

/// The name of the file with the times of commits that are in no segment yet.
const TIMES: &str = "open.times";
/// Bytes of a time in it: the salts, the frame, and the time.
const TIME: usize = 20;

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
    /// How many of its frames were in the database when it was seen last.
    moved: u32,
    /// Whether the next one need not be the one that follows: none was there, or another connection writes it.
    unknown: bool,
    /// The commits between `kept` and `seen`, with their times.
    commits: Vec<(u32, i64)>,
    /// The file with those times; `None` until it is needed, and where it could not be written.
    times: Option<File>,
    /// Whether it was said that they cannot be written.
    untimed: bool,
    /// The end of the log by the file beside the database; `None` where that says that the log goes on.
    ended: Option<End>,
    /// The write-ahead log, open for as long as a connection of the writer keeps it from being another file.
    open: Option<File>,
    /// Keeps what is not kept yet in the write-ahead log.
    holding: Option<rusqlite::Connection>,
    /// The database, once it was synced for its time.
    synced: Option<File>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // What was not kept, or not moved, is to stay in the write-ahead log. Whoever reads may end later than this, and would move it: so
        // this connection ends with the process.
        std::mem::forget(self.holding.take());
        // Connections of this process may outlive this too, and closing the file would take SQLite's locks away from them.
        std::mem::forget(self.synced.take());
    }
}

/// What a log is to the database that it was kept of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It goes on.
    GoesOn,
    /// It has ended: another is to begin.
    Over,
    /// It has what is damaged in the write-ahead log.
    Ahead,
}

/// Why what was committed is not in the log.
#[derive(Debug)]
pub(super) enum Unkept {
    /// It cannot be read.
    Unread(io::Error),
    /// It cannot be written. The write-ahead log has it until that can be done.
    Unwritten(io::Error),
}

impl From<Unkept> for io::Error {
    fn from(unkept: Unkept) -> Self {
        match unkept {
            Unkept::Unread(error) | Unkept::Unwritten(error) => error,
        }
    }
}

impl Keeper {
    /// Goes on where the log ended, with what was committed since; or begins another where that cannot be known to be all. No connection
    /// may be open yet, and what the write-ahead log has must be on the disk. Where that is damaged in what is kept, the database is left
    /// as it is, and the log has all of it. Where the database goes on in a log and there is none at all, nothing is begun.
    pub(super) fn begin(database: &Path, options: &LogOptions, ids: Arc<dyn Ids>) -> Result<Self, OpenError> {
        let unlogged = |error: CareError| OpenError::Log { source: Box::new(error) };
        let failed = |error: io::Error| unlogged(CareError::file(&options.dir)(error));
        let known = lineage(database).map_err(unlogged)?;
        if let Some(known) = known
            && !has_logs(&options.dir).map_err(failed)?
        {
            return Err(OpenError::Unmounted { log: options.dir.clone(), lineage: format!("{known:032x}") });
        }
        make(&options.dir).map_err(failed)?;
        let mut keeper = Self {
            database: database.to_owned(),
            wal: wal_of(database),
            log: options.dir.clone(),
            clock: Arc::clone(&options.clock),
            ids,
            lineage: 0,
            number: 1,
            previous: [0; 32],
            salts: [0; 8],
            kept: 0,
            seen: 0,
            moved: 0,
            unknown: true,
            commits: Vec::new(),
            times: None,
            untimed: false,
            ended: None,
            open: None,
            holding: None,
            synced: None,
        };
        match known.map_or(Ok(Standing::Over), |known| keeper.take_up(known)).map_err(unlogged)? {
            Standing::GoesOn => return Ok(keeper),
            Standing::Ahead => return Err(keeper.mixed()),
            Standing::Over => {}
        }
        if known.is_none() && has_logs(&keeper.log).map_err(failed)? {
            log::error!(
                "none of the logs in {} goes on: the database was last written to without one, or was restored; another begins, for which a \
                 new backup is needed",
                keeper.log.display()
            );
        }
        keeper.anew(u32::MAX).map_err(failed)?;
        Ok(keeper)
    }

    /// Goes on in this lineage, where that can be.
    fn take_up(&mut self, known: u128) -> Result<Standing, CareError> {
        let place = directory(&self.log, known);
        let end = match last(&place, known) {
            // What was kept before it is still good for backups from before.
            Err(error @ CareError::Damaged { .. }) => {
                log::error!("{error}");
                None
            }
            other => other?,
        };
        let Some((head, sum)) = end else {
            log::error!("the log {known:032x} does not go on in {}; another begins, for which a new backup is needed", self.log.display());
            return Ok(Standing::Over);
        };
        (self.lineage, self.number, self.previous) = (known, head.number + 1, sum);
        (self.salts, self.kept, self.seen) = (head.salts, head.end, head.end);
        self.ended = ended_at(&self.database).map_err(CareError::file(&self.database))?;
        let standing = self.standing(&head).map_err(CareError::file(&self.wal))?;
        if standing == Standing::Over {
            log::error!(
                "the log {known:032x} ends: the database was written to without it, or is a copy; another begins, for which a new backup is \
                 needed"
            );
            return Ok(standing);
        }
        if standing == Standing::Ahead {
            return Ok(standing);
        }
        // From here on the write-ahead log alone shows that nothing is missing.
        if self.ended.is_some() && self.head().map_err(CareError::file(&self.wal))?.is_some_and(|wal| wal.salts == self.salts) {
            self.sign(None).map_err(CareError::file(&self.database))?;
        }
        self.catch_up().map_err(CareError::file(&self.wal))?;
        self.sync().map_err(CareError::file(&self.wal))?;
        self.keep_or_hold()?;
        Ok(standing)
    }

    /// What is told where the write-ahead log is damaged in what is kept. What came after that is put into the log before, where it is whole:
    /// the sums go on from those of the last segment. After an end nothing came.
    fn mixed(&mut self) -> OpenError {
        let kept = if self.ended.is_none() {
            self.catch_up().and_then(|()| self.sync()).and_then(|()| self.keep().map_err(io::Error::from))
        } else {
            Ok(())
        };
        let left = kept.err().map(|error| error.to_string());
        OpenError::Mixed { wal: self.wal.clone(), log: self.log.clone(), left }
    }

    /// The log goes on where nothing can have been committed that is neither kept nor in the write-ahead log, and nothing is kept that the
    /// database never had.
    fn standing(&self, head: &Head) -> io::Result<Standing> {
        let wal = self.head()?;
        let goes_on = match wal {
            // Also where the process ended before it could say that there is another segment.
            Some(wal) if wal.salts == head.salts => {
                let has_end = self.has_end_of(head, &wal)?;
                // SQLite reads the write-ahead log up to a frame whose sum is wrong. Of what is behind it some may be in the database file.
                if has_end && good_end(&self.wal, &wal, 0, head.end)? < head.end {
                    return Ok(Standing::Ahead);
                }
                has_end
            }
            // Nobody moves anything into the database before the log is said to go on.
            _ if let Some(end) = self.ended => {
                let now = stamp(&self.database)?;
                end.segment == head.number && end.file.is_none_or(|then| now.is_some_and(|now| then.still_is(now)))
            }
            // The next one has the first salt counted up, unless the file was removed, as at the end of a server.
            Some(wal) => first(wal.salts) == first(head.salts).wrapping_add(1),
            None => false,
        };
        Ok(if goes_on { Standing::GoesOn } else { Standing::Over })
    }

    /// Whether the write-ahead log has the last frame of a segment of it.
    fn has_end_of(&self, head: &Head, wal: &Wal) -> io::Result<bool> {
        let Some(kept) = last_frame(&directory(&self.log, self.lineage), head)? else { return Ok(true) };
        let mut file = File::open(&self.wal)?;
        file.seek(SeekFrom::Start(WAL_HEAD + u64::from(head.end - 1) * (FRAME_HEAD + u64::from(wal.page))))?;
        Ok(unless_torn(take::<24>(&mut file))? == Some(kept))
    }

    /// Begins a log at this moment: what was committed before is for a backup to have. So many frames of the write-ahead log count at most.
    fn anew(&mut self, frames: u32) -> io::Result<()> {
        self.lineage = self.ids.uuid().as_u128();
        make(&directory(&self.log, self.lineage))?;
        (self.number, self.previous, self.kept, self.seen) = (1, [0; 32], 0, 0);
        self.commits.clear();
        (self.times, self.moved, self.unknown) = (None, 0, true);
        let wal = self.head()?;
        if let Some(wal) = &wal {
            self.salts = wal.salts;
            self.seen = ends(&mut File::open(&self.wal)?, wal, 0, frames)?.last().copied().unwrap_or_default();
            self.seen = good_end(&self.wal, wal, 0, self.seen)?;
            self.kept = self.seen;
        }
        // An empty segment says where it begins.
        self.segment(&wal.unwrap_or(Wal { salts: self.salts, page: 0, big: false, sum: (0, 0) }), self.kept, &[])?;
        // A database that is not there yet is made without the write-ahead log, so what it is says nothing.
        let file = stamp(&self.database)?.filter(|stamp| stamp.bytes > 0);
        self.sign(wal.is_none().then_some(End { segment: self.number - 1, file }))
    }

    /// Writes which lineage the database is in, and whether the write-ahead log has ended with all of it kept.
    fn sign(&mut self, ended: Option<End>) -> io::Result<()> {
        let path = lineage_file(&self.database);
        let partial = path.with_added_extension("partial");
        let mut file = private(&partial, true)?;
        writeln!(file, "{:032x}", self.lineage)?;
        if let Some(end) = &ended {
            end.write(&mut file)?;
        }
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        sync_name(&path)?;
        self.ended = ended;
        Ok(())
    }

    /// Keeps the write-ahead log from being moved into the database by the end of the last connection, from now on: one is open.
    pub(super) fn hold(&mut self) -> Result<(), CareError> {
        if self.holding.is_none() {
            self.holding = Some(care::hold(&self.database)?);
        }
        Ok(())
    }

    /// The writer has another connection.
    pub(super) fn reopen(&mut self) {
        (self.open, self.unknown) = (None, true);
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

    /// What time a commit is given that is made now: what the clock says, also where that was ahead before and was set right, since restoring
    /// to a moment looks for the last commit that is not later. It is to be asked before the commit, so that what can be seen has a time that
    /// is not to come.
    pub(super) fn moment(&self) -> i64 {
        self.clock.now().millis()
    }

    /// Notes what was committed since the last time, with its moment. What stands behind the frames that count is of commits that failed.
    pub(super) fn committed(&mut self, at: i64, extent: Extent) -> io::Result<()> {
        let mut file = match self.open.take().map_or_else(|| File::open(&self.wal), Ok) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(0))?;
        let Some(wal) = head_of(&mut file)? else { return Ok(()) };
        self.turn(&wal)?;
        for frame in ends(&mut file, &wal, self.seen, extent.frames)? {
            self.note(frame, at);
        }
        self.open = Some(file);
        self.moved(extent);
        Ok(())
    }

    /// Notes how much of the write-ahead log is in the database now. Where it has more than was seen, that is another's, and to be seen
    /// before it may go; where it has less, another one begins.
    pub(super) fn moved(&mut self, extent: Extent) {
        if extent.frames == self.seen {
            (self.moved, self.unknown) = (extent.moved, false);
        }
    }

    /// Takes another write-ahead log for what it is: the one that follows, which began when all before it was kept and in the database.
    fn turn(&mut self, wal: &Wal) -> io::Result<()> {
        if wal.salts == self.salts {
            return Ok(());
        }
        if self.kept < self.seen {
            return Err(io::Error::other("somebody else has moved the write-ahead log into the database"));
        }
        // Before it began, another one may have written what is in no log any more.
        let follows = self.moved >= self.seen && first(wal.salts) == first(self.salts).wrapping_add(1);
        if !self.unknown && !follows {
            return Err(io::Error::other("somebody else has written to the database"));
        }
        (self.salts, self.kept, self.seen, self.moved) = (wal.salts, 0, 0, 0);
        Ok(())
    }

    fn note(&mut self, frame: u32, at: i64) {
        self.seen = frame;
        self.commits.push((frame, at));
        let mut record = Vec::with_capacity(TIME);
        record.extend_from_slice(&self.salts);
        record.extend_from_slice(&frame.to_be_bytes());
        record.extend_from_slice(&at.to_be_bytes());
        match self.times().and_then(|times| times.write_all(&record)) {
            Ok(()) => self.untimed = false,
            // The time is known for as long as this process lives, and the commit is safe without it.
            Err(error) => {
                self.times = None;
                if !std::mem::replace(&mut self.untimed, true) {
                    log::warn!("the times of commits cannot be noted; after a crash they would have that of the next start: {error}");
                }
            }
        }
    }

    /// The file with the times, at its end. Half a time is written over.
    fn times(&mut self) -> io::Result<&mut File> {
        let file = if let Some(file) = self.times.take() {
            file
        } else {
            let mut file = private(&directory(&self.log, self.lineage).join(TIMES), false)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length - length % TIME as u64))?;
            file
        };
        Ok(self.times.insert(file))
    }

    /// The times of what is in no segment yet are not needed any more.
    fn forget_times(&mut self) {
        let forgotten = self.times().and_then(|times| {
            times.set_len(0)?;
            times.seek(SeekFrom::Start(0))
        });
        if forgotten.is_err() {
            // They are of frames that nobody asks about.
            self.times = None;
        }
    }

    /// Notes what an earlier process committed, with the times that it left.
    fn catch_up(&mut self) -> io::Result<()> {
        let Some(wal) = self.head()? else { return Ok(()) };
        self.turn(&wal)?;
        let left = fs::read(directory(&self.log, self.lineage).join(TIMES)).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                log::warn!("the times of the last commits cannot be read: {error}");
            }
            Vec::new()
        });
        let time = |frame: u32| {
            let key = [self.salts.as_slice(), &frame.to_be_bytes()].concat();
            let record = left.chunks_exact(TIME).find(|record| record.starts_with(&key))?;
            record.get(12..TIME)?.try_into().ok().map(i64::from_be_bytes)
        };
        // A power cut may have taken times, or a disk that was full; then it was before the next one, or before now.
        let mut next = self.clock.now().millis();
        let mut commits = Vec::new();
        // Their sums are looked at when they are kept.
        for frame in ends(&mut File::open(&self.wal)?, &wal, self.seen, u32::MAX)?.into_iter().rev() {
            next = time(frame).unwrap_or(next);
            commits.push((frame, next));
        }
        commits.reverse();
        self.seen = commits.last().map_or(self.seen, |(frame, _)| *frame);
        self.commits.append(&mut commits);
        Ok(())
    }

    /// How many frames the write-ahead log has.
    pub(super) const fn frames(&self) -> u32 {
        self.seen
    }

    /// Has what the segment to come is made of written to the disk: what is kept must not be lost in the write-ahead log, where the power
    /// fails, since others would be written in its place there. Where this fails, nobody can say what of it is on the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        if self.seen == self.kept { Ok(()) } else { File::open(&self.wal)?.sync_all() }
    }

    /// Makes a segment of what was committed since the last one and is synced, for good. After this, all that is committed may be moved
    /// into the database.
    pub(super) fn keep(&mut self) -> Result<(), Unkept> {
        if self.seen > self.kept {
            let Some(wal) = self.head().map_err(Unkept::Unread)?.filter(|wal| wal.salts == self.salts) else {
                return Err(Unkept::Unread(io::Error::other("somebody else has moved the write-ahead log into the database")));
            };
            let end = good_end(&self.wal, &wal, self.kept, self.seen).map_err(Unkept::Unread)?;
            // What comes after that was never committed: others are written in its place, also while nothing can be kept.
            self.seen = end;
            self.commits.retain(|(frame, _)| *frame <= end);
            if end > self.kept {
                let commits = self.commits.clone();
                self.segment(&wal, end, &commits)?;
            }
            self.kept = end;
            self.commits.clear();
            self.forget_times();
        }
        // The log does not end any more where it was said to.
        if self.ended.is_some_and(|end| end.segment + 1 < self.number) { self.sign(None).map_err(Unkept::Unwritten) } else { Ok(()) }
    }

    /// The same at a start. What cannot be written is no reason not to start: the write-ahead log has it and is held from then on, as while
    /// a server runs, until it can be written, by this process or a later one.
    pub(super) fn keep_or_hold(&mut self) -> Result<(), CareError> {
        let error = match self.keep() {
            Ok(()) => return Ok(()),
            Err(Unkept::Unread(error)) => return Err(CareError::file(&self.wal)(error)),
            Err(Unkept::Unwritten(error)) => error,
        };
        log::error!(
            "what was committed before cannot be put into the log in {}, which is tried again; until then {} has it: {error}",
            self.log.display(),
            self.wal.display()
        );
        // Until the next segment nothing but the database tells whether somebody else has moved there what is in no log.
        if let Some(End { segment, file: None }) = self.ended {
            let file = self.stamped().map_err(CareError::file(&self.database))?;
            self.sign(Some(End { segment, file: Some(file) })).map_err(CareError::file(&self.database))?;
        }
        self.hold()
    }

    fn segment(&mut self, wal: &Wal, end: u32, commits: &[(u32, i64)]) -> Result<(), Unkept> {
        let count = u32::try_from(commits.len()).map_err(|error| Unkept::Unread(io::Error::other(error)))?;
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
        let mut draft = Draft::begin(&directory(&self.log, self.lineage), &head, commits).map_err(Unkept::Unwritten)?;
        if end > self.kept {
            let step = FRAME_HEAD + u64::from(wal.page);
            let mut file = File::open(&self.wal).map_err(Unkept::Unread)?;
            file.seek(SeekFrom::Start(WAL_HEAD + u64::from(self.kept) * step)).map_err(Unkept::Unread)?;
            let mut left = u64::from(end - self.kept) * step;
            let mut piece = vec![0; 1 << 18];
            while left > 0 {
                let most = usize::try_from(left.min(1 << 18)).unwrap_or(1 << 18);
                let piece = piece.get_mut(..most).unwrap_or_default();
                file.read_exact(piece).map_err(Unkept::Unread)?;
                draft.write(piece).map_err(Unkept::Unwritten)?;
                left -= piece.len() as u64;
            }
        }
        self.previous = draft.finish().map_err(Unkept::Unwritten)?;
        self.number += 1;
        Ok(())
    }

    /// Notes that the log has ended, with all that was committed kept, and whether all of it is in the database, and nobody reads. Else
    /// whoever ends last may move it, so that what the database is says nothing.
    pub(super) fn ended(&mut self, is_moved: bool) -> io::Result<()> {
        let file = if is_moved { Some(self.stamped()?) } else { None };
        self.sign(Some(End { segment: self.number - 1, file }))
    }

    /// What the database is known by, also after a power cut: SQLite syncs what is in the file, and not when that was written.
    fn stamped(&mut self) -> io::Result<Stamp> {
        // Closing it would take SQLite's locks away from the connections of this process.
        let database = match self.synced.take() {
            Some(database) => database,
            None => File::open(&self.database)?,
        };
        let database = self.synced.insert(database);
        database.sync_all()?;
        Stamp::of(&database.metadata()?)
    }

    /// The last connection may end as it likes.
    pub(super) fn release(&mut self) {
        self.holding = None;
    }

    /// Begins another log, since something was not kept. So many frames of the write-ahead log count.
    pub(super) fn give_up(&mut self, frames: u32) -> io::Result<()> {
        log::error!(
            "the log {:032x} ends here, since not all of it could be kept; another begins, for which a new backup is needed",
            self.lineage
        );
        self.anew(frames)
    }
}

/// Says that the database is written to without a log from now on.
pub(super) fn forget(database: &Path) -> io::Result<()> {
    match fs::remove_file(lineage_file(database)) {
        Ok(()) => {
            log::warn!(
                "the log that was kept of {} ends, since it is written to without one; a log that begins later needs a new backup",
                database.display()
            );
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn private(path: &Path, empty: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(empty);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes a directory, and those above it. A power cut takes none of them: a database that names a log which is not there is not opened.
fn make(directory: &Path) -> io::Result<()> {
    let new: Vec<&Path> = directory.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    new.into_iter().try_for_each(sync_name)
}

/// Makes the name of a file or a directory survive a power cut.
fn sync_name(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) => {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            File::open(parent)?.sync_all()
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
