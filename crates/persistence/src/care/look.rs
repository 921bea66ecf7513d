//! Looking at a log by itself: each segment against its sum, and whether each goes on where the one before ends.

use std::path::Path;

use core_types::Timestamp;
use core_types::error::chain;

use super::CareError;
use super::log::{commits, file, lineages, numbers, whole};
use super::times::{Disorder, Times};

/// What a log was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedLog {
    /// Which log.
    pub lineage: String,
    /// The number of the last segment that is there, in order or not.
    pub last: u64,
    /// Its segments that are in order, in stretches without a gap. A log that is whole has one.
    pub stretches: Vec<Stretch>,
    /// The commits whose times are out of order, if any. That is no damage.
    pub disorder: Option<Disorder>,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// Segments that go on one after the other: a backup that leads into one of them leads on to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The number of the first segment.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
    /// The bytes of their files.
    pub bytes: u64,
    /// Their commits.
    pub commits: u64,
    /// The time of the first commit.
    pub begins: Option<Timestamp>,
    /// The time of the last commit.
    pub ends: Option<Timestamp>,
}

/// A segment that is in order.
struct Sound {
    previous: [u8; 32],
    sum: [u8; 32],
    bytes: u64,
    times: Vec<Timestamp>,
}

/// Looks at all logs of a directory, and changes nothing; a server may add to them meanwhile, and forget what no backup needs.
/// `progress` is called with the bytes of each segment that was read.
pub fn check_log(log: &Path, mut progress: impl FnMut(u64)) -> Result<Vec<CheckedLog>, CareError> {
    let mut checked = Vec::new();
    for (lineage, directory) in lineages(log).map_err(CareError::file(log))? {
        match check_lineage(lineage, &directory, &mut progress) {
            // A server has forgotten it meanwhile.
            Err(_) if !directory.exists() => {}
            one => checked.push(one?),
        }
    }
    Ok(checked)
}

/// A log that begins after another has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaterLog {
    /// Which log.
    pub lineage: String,
    /// The time of its first commit that is there.
    pub from: Timestamp,
}

/// The first of the logs beside one that begin after this time; `None` where none does. What cannot be read is passed over, since nothing
/// is made of it.
pub fn later_log(log: &Path, beside: &str, after: Timestamp) -> Result<Option<LaterLog>, CareError> {
    let others = lineages(log).map_err(CareError::file(log))?.into_iter().filter(|(lineage, _)| lineage != beside);
    let begun = others.filter_map(|(lineage, directory)| Some(LaterLog { lineage, from: begins(&directory)? }));
    Ok(begun.filter(|later| later.from > after).min_by_key(|later| later.from))
}

/// The time of the first commit of a log that is there.
fn begins(directory: &Path) -> Option<Timestamp> {
    let numbers = numbers(directory).ok()?;
    numbers.into_iter().filter_map(|number| commits(&file(directory, number)).ok()).flatten().map(|(_, at)| at).next()
}

fn check_lineage(lineage: String, directory: &Path, progress: &mut impl FnMut(u64)) -> Result<CheckedLog, CareError> {
    let id = u128::from_str_radix(&lineage, 16).unwrap_or_default();
    let nothing = CheckedLog { lineage, last: 0, stretches: Vec::new(), disorder: None, problems: Vec::new() };
    let mut checked = nothing.clone();
    let mut times = Times::default();
    // The number of the segment before, and its sum where it is in order.
    let mut before: Option<(u64, Option<[u8; 32]>)> = None;
    for number in numbers(directory).map_err(CareError::file(directory))? {
        let path = file(directory, number);
        let read = sound(&path, id, number);
        if read.is_err() && !path.exists() {
            // A server has forgotten it meanwhile; if something else has removed it, the next one tells.
            continue;
        }
        if let Some((last, _)) = before.filter(|(last, _)| last + 1 != number) {
            if begins_with(directory, number)? {
                // A server has forgotten all before it meanwhile, from the first on.
                (checked, times, before) = (nothing.clone(), Times::default(), None);
            } else {
                checked.problems.push(missing(last + 1, number - 1));
            }
        }
        let sum = before.and_then(|(last, sum)| if last + 1 == number { sum } else { None });
        let segment = match read {
            Ok(segment) => segment,
            Err(error) => {
                checked.problems.push(chain(&error));
                before = Some((number, None));
                continue;
            }
        };
        progress(segment.bytes);
        if sum.is_some_and(|sum| sum != segment.previous) {
            checked.problems.push(format!("the segment number {number} does not go on where the one before ends"));
        }
        match checked.stretches.last_mut() {
            Some(stretch) if sum == Some(segment.previous) => stretch.add(number, &segment),
            _ => checked.stretches.push(Stretch::new(number, &segment)),
        }
        for at in &segment.times {
            times.see(*at);
        }
        before = Some((number, Some(segment.sum)));
    }
    checked.last = before.map_or(0, |(last, _)| last);
    checked.disorder = times.disorder;
    Ok(checked)
}

/// Whether no segment before this one is there at this moment.
fn begins_with(directory: &Path, number: u64) -> Result<bool, CareError> {
    let there = numbers(directory).map_err(CareError::file(directory))?;
    Ok(there.first().is_none_or(|first| *first >= number))
}

fn missing(first: u64, last: u64) -> String {
    if first == last {
        format!("the segment number {first} is missing")
    } else {
        format!("the segments from number {first} to {last} are missing")
    }
}

fn sound(path: &Path, lineage: u128, number: u64) -> Result<Sound, CareError> {
    let (head, sum) = whole(path, lineage, number)?;
    let times = commits(path)?.into_iter().map(|(_, at)| at).collect();
    Ok(Sound { previous: head.previous, sum, bytes: head.length(), times })
}

impl Stretch {
    fn new(number: u64, segment: &Sound) -> Self {
        let mut stretch = Self { first: number, last: number, bytes: 0, commits: 0, begins: None, ends: None };
        stretch.add(number, segment);
        stretch
    }

    fn add(&mut self, number: u64, segment: &Sound) {
        self.last = number;
        self.bytes += segment.bytes;
        self.commits += segment.times.len() as u64;
        self.begins = self.begins.or(segment.times.first().copied());
        self.ends = segment.times.last().copied().or(self.ends);
    }
}
