//! Jobs: a question to one agent whose answer is fetched later.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::access::Wanted;
use core_types::agents::AgentRepository;
use core_types::jobs::{Job, JobFigures, JobList, JobRepository, JobService, JobStatus, JobTerms, JobTicket, NewJob};
use core_types::messaging::{Door, MessagingService, NewMessage};
use core_types::{AgentId, Caller, Clock, Ids, JobId, Page, Permission, ServiceError, ServiceResult, StoreResult, Thing};

use crate::permission::{Access, require, require_voice};

/// How many milliseconds jobs are known after their time: a day.
const KEPT: i64 = 24 * 60 * 60 * 1_000;

/// Makes and shows jobs.
pub struct Jobs {
    /// Where jobs are kept.
    pub jobs: Arc<dyn JobRepository>,
    /// Where agents are kept.
    pub agents: Arc<dyn AgentRepository>,
    /// What callers can reach.
    pub access: Access,
    /// Where questions are posted.
    pub messaging: Arc<dyn MessagingService>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where new ids come from.
    pub ids: Arc<dyn Ids>,
}

impl Jobs {
    /// Who is to answer: an agent that runs.
    async fn agent(&self, caller: &Caller, wanted: Option<AgentId>) -> ServiceResult<AgentId> {
        let found = match wanted {
            Some(id) => self.agents.find(id).await?.filter(|agent| agent.running).map(|agent| agent.id),
            None => self.agents.first_running(caller.reach()).await?,
        };
        found.ok_or(ServiceError::NotFound(Thing::Agent))
    }

    /// Forgets jobs whose time is long over, so many at once; returns how many.
    pub async fn sweep(&self, limit: u32) -> StoreResult<u64> {
        self.jobs.prune(self.clock.now().plus_millis(-KEPT), limit).await
    }
}

#[async_trait]
impl JobService for Jobs {
    async fn create(&self, caller: &Caller, new: NewJob) -> ServiceResult<(JobTicket, bool)> {
        require(caller, Permission::MessagesWrite)?;
        require_voice(caller, new.user)?;
        let agent = self.agent(caller, new.agent).await?;
        let server_id = self.access.meeting_place(caller, agent).await?;
        let terms = JobTerms { id: self.ids.uuid().into(), agent, named: new.agent.is_some(), timeout: new.timeout };
        let message = NewMessage {
            door: Door::Job(terms),
            id: None,
            channel_id: self.ids.uuid().into(),
            server_id,
            author_id: new.user,
            author_name: None,
            content: new.content,
            raw: None,
            source_type: Some("job".to_owned()),
            source_id: None,
            metadata: new.metadata,
            in_reply_to: None,
            idempotency_key: new.idempotency_key,
        };
        let receipt = self.messaging.post(caller, message).await?;
        let ticket = self.jobs.ticket(receipt.message.id).await?.ok_or(ServiceError::NotFound(Thing::Job))?;
        Ok((ticket, receipt.repeated))
    }

    async fn get(&self, caller: &Caller, id: JobId) -> ServiceResult<Job> {
        require(caller, Permission::MessagesRead)?;
        self.access.to(caller, Wanted::Job(id)).await?;
        self.jobs.find(id, self.clock.now()).await?.ok_or(ServiceError::NotFound(Thing::Job))
    }

    async fn list(&self, caller: &Caller, status: Option<JobStatus>, page: Page) -> ServiceResult<JobList> {
        require(caller, Permission::MessagesRead)?;
        Ok(self.jobs.list(caller.reach(), status, page, self.clock.now()).await?)
    }

    async fn figures(&self, caller: &Caller) -> ServiceResult<JobFigures> {
        require(caller, Permission::MessagesRead)?;
        Ok(self.jobs.figures(caller.reach(), self.clock.now()).await?)
    }
}
