//! The server itself: how it is doing, its log, its settings, its end.

use std::sync::Arc;

use async_trait::async_trait;
use derive_more::{Display, FromStr};

use crate::agents::AgentCount;
use crate::bus::Lagged;
use crate::speech::SpeechEngines;
use crate::{Caller, Secret, ServiceResult, Timestamp};

/// Memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// What this process holds.
    pub used: u64,
    /// What there is: of the machine, or of the container that the process may not leave.
    pub total: u64,
}

/// The machine that the server runs on.
pub trait Machine: Send + Sync {
    /// How much memory the server uses.
    fn memory(&self) -> MemoryUse;

    /// Begins the orderly end of the process: what is under way may finish, and what is left is taken up at the next start.
    fn stop(&self);
}

/// How the server is doing, in figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its agents.
    pub agents: AgentCount,
    /// Its memory.
    pub memory: MemoryUse,
    /// What speaks and hears.
    pub speech: SpeechEngines,
}

/// How important a line of the log is. What we write has one of five levels; elizaOS has four more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, FromStr)]
#[display(rename_all = "lowercase")]
#[from_str(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warn,
    /// What an operator wants to know.
    Info,
    /// What helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// A line of the server's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub time: Timestamp,
    /// How important.
    pub level: LogLevel,
    /// Which part of the server wrote it, as a path of modules.
    pub target: String,
    /// What it says.
    pub message: String,
}

/// The last lines of the server's log. They are as free of secrets as the log itself: a secret has no text.
pub trait ServerLog: Send + Sync {
    /// The lines that are kept, oldest first.
    fn lines(&self) -> Vec<Arc<LogLine>>;

    /// Forgets them; returns how many there were.
    fn clear(&self) -> usize;

    /// The lines from now on.
    fn follow(&self) -> Box<dyn LogReader>;
}

/// One who reads the log as it is written.
#[async_trait]
pub trait LogReader: Send {
    /// The next line; waits for it. After [`Lagged`], reading goes on with the oldest line still held. `None` at the end.
    async fn next(&mut self) -> Result<Option<Arc<LogLine>>, Lagged>;
}

/// A name in the settings file of the data directory. Its value is never told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentName {
    /// The name.
    pub name: String,
    /// Whether the value has no effect, because the command line or the environment of the process says otherwise.
    pub overridden: bool,
}

/// A change of the settings file: a name with its new value, or none to remove it.
pub type EnvironmentChange = (String, Option<Secret>);

/// The settings file (`.env`) of the data directory.
#[async_trait]
pub trait Environment: Send + Sync {
    /// The names in it, in its order.
    async fn names(&self) -> ServiceResult<Vec<EnvironmentName>>;

    /// Changes the file, and what follows from it for the next run of each agent. Refused as a whole where one change is:
    /// [`ServiceError::Invalid`](crate::ServiceError::Invalid) for a name or a value that the file or a setting cannot have,
    /// [`ServiceError::Forbidden`](crate::ServiceError::Forbidden) for a setting that only the operator may change.
    async fn change(&self, changes: Vec<EnvironmentChange>) -> ServiceResult<()>;
}

/// The server's figures.
#[async_trait]
pub trait Figures: Send + Sync {
    /// All of them as they are now, in the text format of Prometheus (version 0.0.4).
    async fn text(&self) -> ServiceResult<String>;
}

/// What a transport can ask about the server itself.
#[async_trait]
pub trait SystemService: Send + Sync {
    /// How many agents the database has; an error means that the database cannot be read.
    async fn health(&self) -> ServiceResult<AgentCount>;

    /// Counts and figures.
    async fn status(&self) -> ServiceResult<Status>;

    /// The server's figures, for Prometheus.
    async fn figures(&self, caller: &Caller) -> ServiceResult<String>;

    /// The server's log.
    fn log(&self, caller: &Caller) -> ServiceResult<Arc<dyn ServerLog>>;

    /// The names in the settings file.
    async fn environment(&self, caller: &Caller) -> ServiceResult<Vec<EnvironmentName>>;

    /// Changes the settings file; see [`Environment::change`].
    async fn change_environment(&self, caller: &Caller, changes: Vec<EnvironmentChange>) -> ServiceResult<()>;

    /// Stops the server in order.
    fn stop(&self, caller: &Caller) -> ServiceResult<()>;
}
