//! The server itself: how it is doing, its log, its settings, its end.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::agents::{AgentCount, AgentRepository};
use core_types::speech::AgentSpeech;
use core_types::system::{Environment, EnvironmentChange, EnvironmentName, Figures, Machine, ServerLog, Status, SystemService};
use core_types::{Caller, Permission, ServiceResult};

use crate::permission::require;

/// Answers from the database, so that a health answer means that it can be read.
pub struct System {
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// What the server runs on.
    pub machine: Arc<dyn Machine>,
    /// What it says.
    pub log: Arc<dyn ServerLog>,
    /// Its settings file.
    pub environment: Arc<dyn Environment>,
    /// Its figures.
    pub figures: Arc<dyn Figures>,
    /// What speaks and hears for agents.
    pub speech: Arc<dyn AgentSpeech>,
}

#[async_trait]
impl SystemService for System {
    async fn health(&self) -> ServiceResult<AgentCount> {
        Ok(self.agents.count().await?)
    }

    async fn status(&self) -> ServiceResult<Status> {
        Ok(Status { agents: self.agents.count().await?, memory: self.machine.memory(), speech: self.speech.engines() })
    }

    async fn figures(&self, caller: &Caller) -> ServiceResult<String> {
        require(caller, Permission::SystemRead)?;
        self.figures.text().await
    }

    fn log(&self, caller: &Caller) -> ServiceResult<Arc<dyn ServerLog>> {
        require(caller, Permission::SystemManage)?;
        Ok(Arc::clone(&self.log))
    }

    async fn environment(&self, caller: &Caller) -> ServiceResult<Vec<EnvironmentName>> {
        require(caller, Permission::SystemManage)?;
        self.environment.names().await
    }

    async fn change_environment(&self, caller: &Caller, changes: Vec<EnvironmentChange>) -> ServiceResult<()> {
        require(caller, Permission::SystemManage)?;
        self.environment.change(changes).await
    }

    fn stop(&self, caller: &Caller) -> ServiceResult<()> {
        require(caller, Permission::SystemManage)?;
        self.machine.stop();
        Ok(())
    }
}
