//! The error taxonomy. A variant is a choice that the caller has; the source is kept and logged once, where the answer
//! is made; `Display` never repeats it.

use std::error::Error as StdError;
use std::time::Duration;

use derive_more::{Display, Error};

use crate::media::MediaStoreError;
use crate::models::ModelError;
use crate::speech::SpeechError;
use crate::tee::AttestError;

/// The cause of an error, kept for the log and never shown to a caller.
pub type Source = Box<dyn StdError + Send + Sync>;

/// An error and what caused it, in one line for the log.
pub fn chain(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}

/// What a repository can fail with. A missing thing is not a failure but `Ok(None)`.
#[derive(Debug, Display, Error)]
pub enum StoreError {
    /// The database cannot be reached, is shutting down or has more to do than its queue holds; the same call may
    /// succeed later.
    #[display("the database is not available")]
    Unavailable(#[error(source)] Source),
    /// The database has no room left or cannot be written.
    #[display("the database cannot be written")]
    ReadOnly(#[error(source)] Source),
    /// A stored row does not mean what it should, or the database refused a statement: a defect.
    #[display("the database failed")]
    Defect(#[error(source)] Source),
}

/// The answer of a repository.
pub type StoreResult<T> = Result<T, StoreError>;

/// A kind of thing that a caller can name and that may not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display)]
pub enum Thing {
    /// An agent.
    #[display("Agent")]
    Agent,
    /// A message server.
    #[display("Server")]
    Server,
    /// A channel.
    #[display("Channel")]
    Channel,
    /// A message.
    #[display("Message")]
    Message,
    /// An agent's world.
    #[display("World")]
    World,
    /// A participant of a channel.
    #[display("Participant")]
    Participant,
    /// Something that an agent remembers.
    #[display("Memory")]
    Memory,
    /// An agent's room.
    #[display("Room")]
    Room,
    /// A document that an agent knows.
    #[display("Document")]
    Document,
    /// An uploaded or generated file.
    #[display("File")]
    File,
    /// A session.
    #[display("Session")]
    Session,
    /// A job.
    #[display("Job")]
    Job,
    /// An API key.
    #[display("Key")]
    Key,
}

/// Which of the wire's codes a rejected request carries; the route decides (contract §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidCode {
    /// `CREATE_ERROR`: an agent could not be made from what was sent.
    Create,
    /// `UPDATE_ERROR`: an agent cannot become what was sent.
    Update,
    /// `BAD_REQUEST`: what was sent holds nothing that could be worked on.
    Request,
    /// `NO_AGENT`: a reply was asked for where no running agent listens.
    NoAgent,
    /// `INVALID_REQUEST`: an upload has no file or nowhere to go, or there is nothing to say or to hear.
    Upload,
    /// `INVALID_INPUT`: a settings file cannot have this.
    Input,
    /// `VALIDATION_ERROR`: a session cannot have these times.
    Session,
    /// `SESSION_RENEWAL_FAILED`: a session lasts as long as it may already.
    Renewal,
}

/// What a service can fail with.
#[derive(Debug, Display, Error)]
pub enum ServiceError {
    /// The request cannot be carried out as it is; the message says what to change.
    #[display("{message}")]
    Invalid {
        /// The code on the wire.
        code: InvalidCode,
        /// What is wrong, for a person.
        message: String,
    },
    /// What the request names does not exist.
    #[display("{_0} not found")]
    NotFound(#[error(not(source))] Thing),
    /// A session is over; from now on there is none.
    #[display("The session has expired")]
    SessionExpired,
    /// The request contradicts what is already stored.
    #[display("{message}")]
    Conflict {
        /// What it contradicts.
        message: String,
    },
    /// A file is larger than files may be; nothing was stored.
    #[display("The file is larger than {limit} bytes")]
    TooLarge {
        /// The most bytes of a file.
        limit: u64,
    },
    /// A file is of a type that is not taken, or is not of the type that it was declared to be; nothing was stored.
    #[display("{message}")]
    Unsupported {
        /// What is wrong with it.
        message: String,
    },
    /// The caller may not do this.
    #[display("{message}")]
    Forbidden {
        /// What is not allowed.
        message: String,
    },
    /// More is asked of the server at once than it takes on; nothing was stored.
    #[display("{message}")]
    Overloaded {
        /// What is exhausted.
        message: String,
        /// When to ask again.
        retry_after: Duration,
    },
    /// The queue that the request would have to wait in is full; nothing was stored.
    #[display("{message}")]
    Busy {
        /// Which queue.
        message: String,
        /// When there may be room.
        retry_after: Duration,
        /// Which place the request would have had.
        place: u64,
    },
    /// Nothing is set up that could speak or hear.
    #[display("{message}")]
    SpeechUnavailable {
        /// What to install or set.
        message: String,
    },
    /// A model was asked for the answer and gave none.
    #[display("{_0}")]
    Model(#[error(not(source))] ModelError),
    /// There is no evidence for the answer that was asked for.
    #[display("{_0}")]
    Attestation(#[error(not(source))] AttestError),
    /// The store could not answer; nothing is known to have changed.
    #[display("The server's storage cannot do this now; try again later")]
    Unavailable(#[error(source)] Source),
    /// A defect of the server.
    #[display("Internal server error")]
    Internal(#[error(source)] Source),
}

/// The answer of a service.
pub type ServiceResult<T> = Result<T, ServiceError>;

impl ServiceError {
    /// A rejected request.
    pub fn invalid(code: InvalidCode, message: impl Into<String>) -> Self {
        Self::Invalid { code, message: message.into() }
    }

    /// A contradiction with what is stored.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict { message: message.into() }
    }

    /// A refusal.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::Forbidden { message: message.into() }
    }
}

impl From<SpeechError> for ServiceError {
    fn from(error: SpeechError) -> Self {
        let message = error.to_string();
        match error {
            SpeechError::Unreadable { .. } => Self::Invalid { code: InvalidCode::Upload, message },
            SpeechError::Unsupported { .. } => Self::Unsupported { message },
            SpeechError::TooLarge { limit } => Self::TooLarge { limit },
            SpeechError::Busy { retry_after, .. } => Self::Overloaded { message, retry_after },
            SpeechError::Failed(ModelError::Busy { retry_after, .. }) => {
                Self::Overloaded { message, retry_after: retry_after.unwrap_or_default() }
            }
            SpeechError::Failed(error) => Self::Model(error),
        }
    }
}

impl From<MediaStoreError> for ServiceError {
    fn from(error: MediaStoreError) -> Self {
        match error {
            MediaStoreError::Unavailable(_) | MediaStoreError::ReadOnly(_) => Self::Unavailable(Box::new(error)),
            MediaStoreError::Defect(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<AttestError> for ServiceError {
    fn from(error: AttestError) -> Self {
        Self::Attestation(error)
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::ReadOnly(_) => Self::Unavailable(Box::new(error)),
            StoreError::Defect(_) => Self::Internal(Box::new(error)),
        }
    }
}
