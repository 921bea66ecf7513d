//! Asking an agent's model outside of a run. Nobody waits in a line here: how many are asked at once is bounded by those who ask, so
//! that what takes too long is the model.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use core_types::error::chain;
use core_types::models::{AgentModels, AskError, ModelError, NoSink, Purpose, TextRequest, TextResponse};
use core_types::runs::LogEntry;
use core_types::{AgentId, LogId, RoomId, StoreError};
use tokio::time::timeout;

use crate::agent::{NotReady, ReadyAgent, ReadyAgents};
use crate::record::ModelCall;

/// How long one who asks waits for the answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it is for what nobody waits for: a small machine of one's own is slow, and may answer yet.
const LONG_PATIENCE: Duration = Duration::from_mins(5);

#[async_trait]
impl AgentModels for ReadyAgents {
    async fn ask(&self, agent: AgentId, request: TextRequest) -> Result<TextResponse, AskError> {
        let ready = self.running(agent).await?;
        let (size, began) = (request.size, self.ports.clock.now());
        let patience = if request.purpose == Purpose::Reflect { LONG_PATIENCE } else { PATIENCE };
        let provider = ready.provider.as_ref();
        let late = |_| Err(ModelError::TimedOut { provider: provider.name().to_owned(), limit: patience });
        let answer = timeout(patience, provider.generate(request, &NoSink)).await.unwrap_or_else(late);
        let millis = self.ports.clock.now().millis() - began.millis();
        self.note(&ready, &ModelCall { size, provider, answer: answer.as_ref(), millis }).await;
        answer.map_err(AskError::Model)
    }
}

impl ReadyAgents {
    /// The agent as it is now, if it runs.
    pub(crate) async fn running(&self, agent: AgentId) -> Result<Arc<ReadyAgent>, AskError> {
        let found = self.ports.agents.find(agent).await.map_err(unready)?;
        let running = found.filter(|agent| agent.running).ok_or(AskError::NotRunning)?;
        self.get(agent, running.updated_at).await.map_err(|error| match error {
            NotReady::Gone => AskError::NotRunning,
            NotReady::Model(error) => AskError::Model(error),
            error @ (NotReady::Store(_) | NotReady::Secret { .. }) => AskError::NotReady(Box::new(error)),
        })
    }

    /// Counts the call and writes it into the agent's log, in the agent's own room.
    async fn note(&self, ready: &ReadyAgent, call: &ModelCall<'_>) {
        call.count();
        let agent = ready.agent.id;
        let entry = LogEntry {
            id: LogId::new(self.ports.ids.uuid()),
            agent_id: agent,
            entity_id: agent.into(),
            room_id: RoomId::new(agent.uuid()),
            kind: call.kind(),
            body: call.body(None),
            created_at: self.ports.clock.now(),
        };
        if let Err(error) = self.ports.runs.add_log(entry).await {
            log::error!("agent {agent}: a model call cannot be logged: {}", chain(&error));
        }
    }
}

fn unready(error: StoreError) -> AskError {
    AskError::NotReady(Box::new(error))
}
