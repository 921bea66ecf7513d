//! Why a scenario could not be run. Nobody can do anything about it but read it, so there is one kind.

use std::error::Error as StdError;
use std::fmt::{Display, Write as _};

use derive_more::{Display, Error};

/// What a source of a failure is.
type Source = Box<dyn StdError + Send + Sync>;

/// The end of a scenario before there were figures.
#[derive(Debug, Display, Error)]
#[display("{message}")]
pub struct Failure {
    message: String,
    source: Option<Source>,
}

impl Failure {
    /// A failure that says everything.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// A failure and what it came from.
    pub fn of(message: impl Into<String>, source: impl Into<Source>) -> Self {
        Self { message: message.into(), source: Some(source.into()) }
    }

    /// The message with its causes, for a person.
    pub fn story(&self) -> String {
        let mut story = self.message.clone();
        let mut source = self.source();
        while let Some(cause) = source {
            // Writing to a String cannot fail.
            let _ = write!(story, ": {cause}");
            source = cause.source();
        }
        story
    }
}

/// The answer of whatever may fail.
pub type Outcome<T> = Result<T, Failure>;

/// Says what was being done when something failed.
pub trait During<T> {
    /// The value, or a failure that says what was being done.
    fn during(self, what: impl Display) -> Outcome<T>;
}

impl<T, E: Into<Source>> During<T> for Result<T, E> {
    fn during(self, what: impl Display) -> Outcome<T> {
        self.map_err(|error| Failure::of(what.to_string(), error))
    }
}

/// Tells whoever watches how it goes; the figures alone go to standard output.
pub fn say(text: impl Display) {
    eprintln!("bench: {text}");
}
