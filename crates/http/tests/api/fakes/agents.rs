//! Agents, their worlds, and what they did.

use async_trait::async_trait;
use core_types::agents::{Agent, AgentService, AgentSummary, AgentView, CreateAgent, CreatedAgent};
use core_types::runs::{LogEntry, LogFilter, Run, RunDetail, RunFilter, RunService, RunStatus};
use core_types::worlds::{NewWorld, World, WorldChange, WorldService};
use core_types::{AgentId, Caller, JsonObject, Listed, LogId, Page, RunId, ServiceResult, Timestamp, WorldId};
use serde_json::json;

use super::{AGENT, CHANNEL, Call, Fakes, MESSAGE, NOW, RUN, USER, agent, object, world};

fn view() -> AgentView {
    AgentView { agent: agent(), secret_names: vec!["OPENAI_API_KEY".to_owned()] }
}

fn log(agent_id: AgentId) -> LogEntry {
    LogEntry {
        id: MESSAGE.parse().unwrap(),
        agent_id,
        entity_id: USER.parse().unwrap(),
        room_id: CHANNEL.parse().unwrap(),
        kind: "run_event".to_owned(),
        body: json!({"status": "error"}),
        created_at: Timestamp::from_millis(NOW),
    }
}

fn run(agent_id: AgentId) -> Run {
    Run {
        id: RUN.parse().unwrap(),
        agent_id,
        delivery_id: MESSAGE.parse().unwrap(),
        room_id: CHANNEL.parse().unwrap(),
        entity_id: USER.parse().unwrap(),
        message_id: MESSAGE.parse().unwrap(),
        status: RunStatus::Completed,
        started_at: Timestamp::from_millis(NOW),
        ended_at: Timestamp::from_millis(NOW + 56),
        metadata: object(json!({"counts": {"actions": 0, "modelCalls": 1, "errors": 0, "evaluators": 0}, "model": "m"})),
    }
}

#[async_trait]
impl AgentService for Fakes {
    async fn list(&self, _: &Caller) -> ServiceResult<Vec<AgentSummary>> {
        self.note(Call::Other("agents"))?;
        Ok(vec![AgentSummary { id: AGENT.parse().unwrap(), name: "Eliza".to_owned(), bio: "One".to_owned(), running: false, owner: None }])
    }

    async fn get(&self, _: &Caller, _: AgentId) -> ServiceResult<AgentView> {
        self.note(Call::Other("agent")).map(|()| view())
    }

    async fn create(&self, _: &Caller, request: CreateAgent) -> ServiceResult<CreatedAgent> {
        self.note(Call::Create(request))?;
        Ok(CreatedAgent {
            id: AGENT.parse().unwrap(),
            character: agent().character,
            secret_names: vec!["openai_api_key".to_owned()],
            agent: agent(),
            existing: false,
            warnings: self.warnings.lock().unwrap().clone(),
        })
    }

    async fn update(&self, _: &Caller, _: AgentId, patch: JsonObject) -> ServiceResult<AgentView> {
        self.note(Call::Update(patch)).map(|()| view())
    }

    async fn remove(&self, _: &Caller, _: AgentId) -> ServiceResult<()> {
        self.note(Call::Other("remove agent"))
    }

    async fn start(&self, _: &Caller, _: AgentId) -> ServiceResult<Agent> {
        self.note(Call::Other("start")).map(|()| agent())
    }

    async fn stop(&self, _: &Caller, _: AgentId) -> ServiceResult<Agent> {
        self.note(Call::Other("stop")).map(|()| Agent { running: false, ..agent() })
    }

    async fn restart(&self, _: &Caller, _: AgentId) -> ServiceResult<Agent> {
        self.note(Call::Other("restart")).map(|()| agent())
    }
}

#[async_trait]
impl WorldService for Fakes {
    async fn list(&self, _: &Caller, _: AgentId, page: Page) -> ServiceResult<Listed<World>> {
        self.note(Call::Page(page)).map(|()| self.listed(world()))
    }

    async fn of_running(&self, _: &Caller, page: Page) -> ServiceResult<Listed<World>> {
        self.note(Call::Page(page)).map(|()| self.listed(world()))
    }

    async fn get(&self, _: &Caller, _: AgentId, id: WorldId) -> ServiceResult<World> {
        self.note(Call::World(id)).map(|()| world())
    }

    async fn create(&self, _: &Caller, _: AgentId, new: NewWorld) -> ServiceResult<World> {
        self.note(Call::CreateWorld(new)).map(|()| world())
    }

    async fn update(&self, _: &Caller, _: AgentId, id: WorldId, change: WorldChange) -> ServiceResult<World> {
        self.note(Call::UpdateWorld(id, change)).map(|()| world())
    }
}

#[async_trait]
impl RunService for Fakes {
    async fn list(&self, _: &Caller, agent: AgentId, filter: RunFilter, page: Page) -> ServiceResult<Listed<Run>> {
        self.note(Call::Runs(filter, page)).map(|()| self.listed(run(agent)))
    }

    /// There is one run.
    async fn get(&self, _: &Caller, agent: AgentId, id: RunId) -> ServiceResult<Option<RunDetail>> {
        self.note(Call::Run(id))?;
        let run = run(agent);
        Ok((run.id == id).then(|| RunDetail { run, logs: vec![log(agent)] }))
    }

    async fn logs(&self, _: &Caller, agent: AgentId, filter: LogFilter) -> ServiceResult<Vec<LogEntry>> {
        self.note(Call::Logs(filter)).map(|()| vec![log(agent)])
    }

    async fn remove_log(&self, _: &Caller, _: AgentId, id: LogId) -> ServiceResult<()> {
        self.note(Call::RemoveLog(id))
    }
}
