//! What came of moving in, in numbers and notes.

use std::collections::BTreeMap;

use core_types::moving::Brought;
use derive_more::Display;

/// The most different notes that are kept; more are only counted.
const MAX_NOTES: usize = 200;

/// A kind of thing that moves in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Display)]
#[display(rename_all = "lowercase")]
pub enum Kind {
    /// Agents.
    Agents,
    /// Their secrets.
    Secrets,
    /// Worlds.
    Worlds,
    /// People and agents as agents know them.
    Entities,
    /// Rooms.
    Rooms,
    /// Who takes part in rooms.
    Participants,
    /// Memories.
    Memories,
    /// Message servers.
    Servers,
    /// Which agents listen on which message servers.
    Links,
    /// Channels.
    Channels,
    /// Messages.
    Messages,
}

/// How many of a kind there were, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// That were found and understood.
    pub found: u64,
    /// That are stored now.
    pub new: u64,
    /// That were there before and are as they were.
    pub existing: u64,
    /// That could not be stored: the id belongs to something else, or what they belong to is not here.
    pub left: u64,
    /// That were not understood.
    pub refused: u64,
}

/// What came of moving in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    tallies: BTreeMap<Kind, Tally>,
    notes: BTreeMap<String, u64>,
    more: u64,
}

impl Report {
    /// The kinds that there were any of.
    pub fn tallies(&self) -> impl Iterator<Item = (Kind, Tally)> + '_ {
        self.tallies.iter().map(|(kind, tally)| (*kind, *tally))
    }

    /// What somebody should know, each with how often it was so.
    pub fn notes(&self) -> impl Iterator<Item = (&str, u64)> + '_ {
        self.notes.iter().map(|(note, count)| (note.as_str(), *count))
    }

    /// How many notes are not among these, because there were too many.
    pub const fn more_notes(&self) -> u64 {
        self.more
    }

    /// How many of a kind there were.
    pub fn of(&self, kind: Kind) -> Tally {
        self.tallies.get(&kind).copied().unwrap_or_default()
    }

    /// How many things are stored now that were not before.
    pub fn stored(&self) -> u64 {
        self.tallies.values().map(|tally| tally.new).sum()
    }

    pub(super) fn found(&mut self, kind: Kind) {
        self.tallies.entry(kind).or_default().found += 1;
    }

    pub(super) fn became(&mut self, kind: Kind, outcome: Brought) {
        let tally = self.tallies.entry(kind).or_default();
        match outcome {
            Brought::New => tally.new += 1,
            Brought::Existing => tally.existing += 1,
            Brought::Taken => {
                tally.left += 1;
                self.note(format!("{kind}: the id belongs to something else here; left out"));
            }
            Brought::Homeless => {
                tally.left += 1;
                self.note(format!("{kind}: what they belong to is not here; left out"));
            }
        }
    }

    /// Something of this kind is not understood.
    pub(super) fn refused(&mut self, kind: Kind, why: impl Into<String>) {
        self.tallies.entry(kind).or_default().refused += 1;
        self.note(why);
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.note_times(note, 1);
    }

    pub(super) fn note_times(&mut self, note: impl Into<String>, times: u64) {
        let note = note.into();
        if let Some(count) = self.notes.get_mut(&note) {
            *count += times;
        } else if self.notes.len() < MAX_NOTES {
            self.notes.insert(note, times);
        } else {
            self.more += times;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_counted_and_bounded() {
        let mut report = Report::default();
        report.became(Kind::Worlds, Brought::Taken);
        report.became(Kind::Worlds, Brought::Taken);
        report.became(Kind::Worlds, Brought::New);
        assert_eq!(report.of(Kind::Worlds), Tally { new: 1, left: 2, ..Tally::default() });
        assert_eq!(report.notes().collect::<Vec<_>>(), [("worlds: the id belongs to something else here; left out", 2)]);
        for number in 0..MAX_NOTES + 5 {
            report.note(format!("note {number}"));
        }
        assert_eq!((report.notes().count(), report.more_notes()), (MAX_NOTES, 6));
    }
}
