//! From a copy of a database to a moment since, by the log.
//!
//! A commit is made of the pages that it changed, so that it can be put in only after all those before it. To go to a moment is to go to
//! one commit, and that is the last one with a time at or before the moment: whatever was committed by then is there. Where times go back,
//! this takes in some commits with a later time, which came before it all the same. The first commit with a later time would be the other
//! choice, and would leave out, without a word, all that was committed after a clock that was ahead had been set right.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use core_types::Timestamp;

use super::CareError;
use super::log::{HEAD_BYTES, Head, commit, commits, damaged, directory, file, numbers, take, whole};
use super::times::{Disorder, Times};

/// What was put into a copy of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Commits.
    pub commits: u64,
    /// The time of the last of them.
    pub last: Option<Timestamp>,
    /// What the log has after these; `None` where it ends with them, so that there may have been more.
    pub left_out: Option<LeftOut>,
    /// The commits whose times are out of order, if any, among all that were looked at.
    pub disorder: Option<Disorder>,
}

/// Commits of the log that were not put into the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// How many. Where the log has a gap, those before it.
    pub commits: u64,
    /// The time of the first of them.
    pub first: Timestamp,
    /// The time of the last of them.
    pub last: Timestamp,
}

/// How far to go.
#[derive(Debug, Default)]
struct Plan {
    /// The segment and the last frame of the last commit that is wanted.
    target: Option<(u64, u32)>,
    /// The segment of the first commit after it, which must be whole too, since it says that there is nothing to come.
    after: Option<u64>,
    replayed: Replayed,
}

/// Puts into a copy of a database, on which nobody else works, what the log has from this segment on, up to the last commit at or before a
/// moment. That must not be before the moment of the copy. Segments that are missing or damaged are an error, unless they come after that;
/// it says how far one comes without them.
pub fn replay(database: &Path, log: &Path, lineage: &str, from: u64, until: Timestamp) -> Result<Replayed, CareError> {
    let id = u128::from_str_radix(lineage, 16).map_err(|_| damaged(log, &format!("`{lineage}` names no log")))?;
    let directory = directory(log, id);
    if !directory.is_dir() {
        return Err(damaged(log, &format!("the log {lineage} is not in it")));
    }
    let mut numbers = numbers(&directory).map_err(CareError::file(&directory))?;
    if numbers.last().is_none_or(|last| last + 1 < from) {
        return Err(damaged(log, &format!("the segments of {lineage} before number {from} are missing")));
    }
    numbers.retain(|number| *number >= from);
    let plan = plan(&directory, &numbers, from, until)?;
    let (mut previous, mut reached) = (None, None);
    for number in numbers.into_iter().take_while(|number| plan.after.is_none_or(|after| *number <= after)) {
        let path = file(&directory, number);
        let (head, sum) = whole(&path, id, number).map_err(|error| up_to(error, reached))?;
        if previous.is_some_and(|previous| previous != head.previous) {
            return Err(up_to(damaged(&path, "it does not go on where the segment before ends"), reached));
        }
        previous = Some(sum);
        if let Some((last, frame)) = plan.target
            && number <= last
        {
            let most = if number == last { frame } else { u32::MAX };
            reached = apply(database, &path, &head, most).map_err(CareError::file(&path))?.or(reached);
        }
    }
    Ok(plan.replayed)
}

/// Looks for the last commit at or before a moment. What is read of the segments for this is compared with their sums later.
fn plan(directory: &Path, numbers: &[u64], from: u64, until: Timestamp) -> Result<Plan, CareError> {
    let (mut plan, mut times) = (Plan::default(), Times::default());
    let mut seen = 0;
    for (number, next) in numbers.iter().copied().zip(from..) {
        let read = if number == next {
            commits(&file(directory, number))
        } else {
            Err(damaged(directory, &format!("the segment number {next} is missing")))
        };
        let commits = match read {
            Ok(commits) => commits,
            // It comes after all that is wanted, by all that can be known.
            Err(_) if plan.after.is_some() => break,
            Err(error) => return Err(up_to(error, plan.replayed.last)),
        };
        for (frame, at) in commits {
            seen += 1;
            times.see(at);
            if at <= until {
                (plan.target, plan.after) = (Some((number, frame)), None);
                (plan.replayed.commits, plan.replayed.last, plan.replayed.left_out) = (seen, Some(at), None);
            } else {
                plan.after.get_or_insert(number);
                let left_out = plan.replayed.left_out.get_or_insert(LeftOut { commits: 0, first: at, last: at });
                (left_out.commits, left_out.last) = (left_out.commits + 1, at);
            }
        }
    }
    plan.replayed.disorder = times.disorder;
    Ok(plan)
}

/// The same error, which also says how far the log leads before it.
fn up_to(error: CareError, reached: Option<Timestamp>) -> CareError {
    match (error, reached) {
        (CareError::Damaged { path, what }, Some(reached)) => {
            CareError::Damaged { path, what: format!("{what}; what comes before it leads up to {}", reached.iso()) }
        }
        (error, _) => error,
    }
}

/// Puts a segment into a database up to a frame; the time of the last commit that was put in.
fn apply(database: &Path, segment: &Path, head: &Head, most: u32) -> io::Result<Option<Timestamp>> {
    let mut from = BufReader::with_capacity(1 << 18, File::open(segment)?);
    from.seek(SeekFrom::Start(HEAD_BYTES))?;
    let (mut end, mut last) = (head.after, None);
    for _ in 0..head.commits {
        let (frame, at) = commit(&mut from)?;
        if frame <= most {
            (end, last) = (frame, Some(at));
        }
    }
    let mut to = OpenOptions::new().write(true).open(database)?;
    let mut page = vec![0; usize::try_from(head.page).unwrap_or_default()];
    let mut pages = 0;
    for _ in head.after..end {
        let (number, size) = (u32::from_be_bytes(take(&mut from)?), u32::from_be_bytes(take(&mut from)?));
        let _salts_and_sums: [u8; 16] = take(&mut from)?;
        from.read_exact(&mut page)?;
        let place = number.checked_sub(1).ok_or_else(|| io::Error::other("a frame is of no page"))?;
        to.seek(SeekFrom::Start(u64::from(place) * u64::from(head.page)))?;
        to.write_all(&page)?;
        pages = size;
    }
    if pages > 0 {
        to.set_len(u64::from(pages) * u64::from(head.page))?;
    }
    to.sync_all()?;
    Ok(last)
}
