//! How the server is doing.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::ServiceResult;
use core_types::agents::{AgentCount, AgentRepository};
use core_types::system::{Machine, Status, SystemService};

/// Answers from the database, so that a health answer means that it can be read.
pub struct System {
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// What the server runs on.
    pub machine: Arc<dyn Machine>,
}

#[async_trait]
impl SystemService for System {
    async fn health(&self) -> ServiceResult<AgentCount> {
        Ok(self.agents.count().await?)
    }

    async fn status(&self) -> ServiceResult<Status> {
        Ok(Status { agents: self.agents.count().await?, memory: self.machine.memory() })
    }
}
