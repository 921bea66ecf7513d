//! How the program ends: an exit code for scripts and a message that says what to do.

use std::error::Error as StdError;
use std::fmt::Write as _;

use core_types::error::{Source, chain};
use derive_more::{Display, Error};

use crate::terminal;

/// Why the program ended, as a number for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Something failed that has no code of its own.
    Failure = 1,
    /// The command line or a setting does not make sense.
    Usage = 2,
    /// The port is taken.
    PortTaken = 3,
    /// The data directory cannot be created, read or written, was taken away, or lacks its key.
    DataDir = 4,
    /// Another process uses the data directory.
    Locked = 5,
    /// The database cannot be opened or comes from a newer version.
    Database = 6,
    /// No server answers at the address.
    Unreachable = 7,
    /// The server asks for another key.
    Refused = 8,
    /// What is attested is not proved.
    Unproved = 9,
    /// What is kept, or a backup of it, is not what it should be.
    Damaged = 10,
}

/// Every exit code with its meaning, as the manual and `docs/operations.md` list them.
pub const MEANINGS: &[(u8, &str)] = &[
    (0, "it worked"),
    (Exit::Failure as u8, "it failed; the message says why"),
    (Exit::Usage as u8, "the command line or a setting does not make sense"),
    (Exit::PortTaken as u8, "the port is taken by another program"),
    (Exit::DataDir as u8, "the data directory cannot be created, read or written, was taken away, or lacks its key"),
    (Exit::Locked as u8, "another process uses the data directory"),
    (Exit::Database as u8, "the database cannot be opened, or a newer version wrote it"),
    (Exit::Unreachable as u8, "no server answers (verbs that ask one)"),
    (Exit::Refused as u8, "the server refused the key (verbs that ask one)"),
    (Exit::Unproved as u8, "what the file says is not proved (tee verify)"),
    (Exit::Damaged as u8, "what is kept is not as it should be (backup, restore, verify, repair)"),
];

/// The end of the program that is not a success.
#[derive(Debug, Display, Error)]
#[display("{message}")]
pub struct Failure {
    /// The code for scripts.
    pub exit: Exit,
    /// What went wrong and what to do about it.
    pub message: String,
    source: Option<Source>,
}

impl Failure {
    /// An end with a message that says everything.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), source: None }
    }

    /// The same with the error that led to it.
    pub fn because(self, source: impl Into<Source>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// The end that an error means, with what to do about it, if anything. Its causes are told, and it is not among them.
    pub fn of(exit: Exit, error: &(dyn StdError + 'static), advice: &str) -> Self {
        let message = if advice.is_empty() { error.to_string() } else { format!("{error}; {advice}") };
        match error.source() {
            Some(source) => Self::new(exit, message).because(chain(source)),
            None => Self::new(exit, message),
        }
    }

    /// The whole story for the terminal: the message, then each cause on a line of its own.
    pub fn story(&self) -> String {
        let mut story = format!("doolittle: {}", terminal::plain(&self.message));
        let mut cause = self.source();
        while let Some(error) = cause {
            // Writing to a String cannot fail.
            let _ = write!(story, "\n  because: {}", terminal::plain(&error.to_string()));
            cause = error.source();
        }
        story
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure, MEANINGS};

    #[test]
    fn the_story_names_every_cause_once() {
        let inner = std::io::Error::other("disk on fire");
        let failure = Failure::new(Exit::DataDir, "cannot write\u{1b}[2J").because(inner);
        assert_eq!(failure.story(), "doolittle: cannot write\u{241b}[2J\n  because: disk on fire");
    }

    #[test]
    fn codes_count_up_without_a_gap() {
        let codes: Vec<u8> = MEANINGS.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, (0..=10).collect::<Vec<u8>>());
    }
}
