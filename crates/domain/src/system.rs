//! How the server is doing.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::ServiceResult;
use core_types::agents::AgentRepository;
use core_types::system::{Health, SystemService};

/// Answers from the database, so that a health answer means that it can be read.
pub struct System {
    agents: Arc<dyn AgentRepository>,
}

impl System {
    /// The service over the agents of a store.
    pub fn new(agents: Arc<dyn AgentRepository>) -> Self {
        Self { agents }
    }
}

#[async_trait]
impl SystemService for System {
    async fn health(&self) -> ServiceResult<Health> {
        let agents = self.agents.list().await?;
        Ok(Health { active_agents: agents.iter().filter(|agent| agent.running).count(), total_agents: agents.len() })
    }
}
