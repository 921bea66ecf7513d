//! How the server is doing.

use async_trait::async_trait;

use crate::ServiceResult;

/// Counts for a health answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Agents that run.
    pub active_agents: usize,
    /// Agents that are stored.
    pub total_agents: usize,
}

/// What a transport can ask about the server itself.
#[async_trait]
pub trait SystemService: Send + Sync {
    /// Counts from the database; an error means that the database cannot be read.
    async fn health(&self) -> ServiceResult<Health>;
}
