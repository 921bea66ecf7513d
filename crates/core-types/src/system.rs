//! How the server is doing.

use async_trait::async_trait;

use crate::ServiceResult;
use crate::agents::AgentCount;

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
}

/// How the server is doing, in figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Its agents.
    pub agents: AgentCount,
    /// Its memory.
    pub memory: MemoryUse,
}

/// What a transport can ask about the server itself.
#[async_trait]
pub trait SystemService: Send + Sync {
    /// How many agents the database has; an error means that the database cannot be read.
    async fn health(&self) -> ServiceResult<AgentCount>;

    /// Counts and figures.
    async fn status(&self) -> ServiceResult<Status>;
}
