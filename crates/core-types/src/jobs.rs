//! Jobs: a question to one agent whose answer is fetched later. What was asked is a message, what becomes of it is its delivery
//! and its reply, and a job says how these stand by the clock; so it is as durable and as exact as they are.

use std::time::Duration;

use async_trait::async_trait;

use crate::messaging::Message;
use crate::page::Page;
use crate::{AgentId, Caller, EntityId, JobId, Json, JsonObject, MessageId, Reach, ServiceResult, StoreResult, Timestamp};

/// The most jobs that are kept at once. Of these a tenant has its part (`Tenant::part_of`).
pub const MAX_JOBS: u32 = 10_000;

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, derive_more::Display, derive_more::FromStr)]
#[display(rename_all = "lowercase")]
#[from_str(rename_all = "lowercase")]
pub enum JobStatus {
    /// elizaOS's word for a job that no agent has been asked yet. None is: asking is a part of making it.
    Pending,
    /// The agent is to answer.
    Processing,
    /// The agent has answered in time.
    Completed,
    /// There will be no answer.
    Failed,
    /// There was no answer in time. One that comes later is in the channel, and the job stays as it is.
    Timeout,
}

impl JobStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Timeout];
}

/// What a door knows of a job that comes in by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobTerms {
    /// Its id.
    pub id: JobId,
    /// Who is to answer.
    pub agent: AgentId,
    /// Whether the caller named the agent.
    pub named: bool,
    /// How long the answer is waited for.
    pub timeout: Duration,
}

/// A job as it is written with its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobDraft {
    /// Its id.
    pub id: JobId,
    /// How many milliseconds after the message the answer is late.
    pub timeout_millis: i64,
    /// How many jobs there may be with it, of which its tenant has a part (`Tenant::part_of`); those that are over make room, the oldest
    /// first: of the tenant's own where it has its part, then of all.
    pub most: u32,
}

/// What whoever asked keeps of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobTicket {
    /// Its id.
    pub id: JobId,
    /// When it was made.
    pub created_at: Timestamp,
    /// From then on the answer is late.
    pub expires_at: Timestamp,
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id and its times.
    pub ticket: JobTicket,
    /// Who is to answer.
    pub agent_id: AgentId,
    /// Who asked.
    pub user_id: EntityId,
    /// What was asked.
    pub prompt: String,
    /// Free-form.
    pub metadata: Json,
    /// How it stands.
    pub status: JobStatus,
    /// The answer, of one that is completed.
    pub answer: Option<JobAnswer>,
    /// Why there is none, of one that failed.
    pub error: Option<String>,
}

/// The answer of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobAnswer {
    /// The agent's message.
    pub message: Message,
    /// How many milliseconds it took.
    pub took: i64,
}

/// A part of the list of jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct JobList {
    /// The jobs, newest first.
    pub jobs: Vec<Job>,
    /// How many there are of the status that was asked for.
    pub filtered: u64,
    /// How many there are.
    pub total: u64,
}

/// How many jobs stand how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobFigures {
    /// By status; one that none has may be left out.
    pub counts: Vec<(JobStatus, u64)>,
    /// How many milliseconds the completed ones took, all together.
    pub completed_millis: u64,
}

impl JobFigures {
    /// How many there are of a status.
    pub fn of(&self, status: JobStatus) -> u64 {
        self.counts.iter().filter(|(known, _)| *known == status).map(|(_, count)| count).sum()
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }
}

/// Where jobs are kept. They are written with their messages (`MessageRepository::post`), and go with them.
#[async_trait]
pub trait JobRepository: Send + Sync {
    /// A job as it stands at `now`.
    async fn find(&self, id: JobId, now: Timestamp) -> StoreResult<Option<Job>>;

    /// The job that was made with this message.
    async fn ticket(&self, message: MessageId) -> StoreResult<Option<JobTicket>>;

    /// Jobs as they stand at `now`, newest first: those within reach (`Wanted::Job`), and these alone are counted.
    async fn list(&self, reach: Option<&Reach>, status: Option<JobStatus>, page: Page, now: Timestamp) -> StoreResult<JobList>;

    /// How many of those within reach stand how at `now`.
    async fn figures(&self, reach: Option<&Reach>, now: Timestamp) -> StoreResult<JobFigures>;

    /// Forgets up to `limit` jobs whose answer was late from `before` on, oldest first; returns how many. Their messages stay.
    async fn prune(&self, before: Timestamp, limit: u32) -> StoreResult<u64>;
}

/// A job that a caller wants.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Who is to answer; the agent that has been there longest of those that run, where absent.
    pub agent: Option<AgentId>,
    /// Who asks.
    pub user: EntityId,
    /// What is asked, not empty.
    pub content: String,
    /// Free-form.
    pub metadata: JsonObject,
    /// How long the answer is waited for.
    pub timeout: Duration,
    /// The caller's `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

/// What a transport can ask about jobs.
#[async_trait]
pub trait JobService: Send + Sync {
    /// Makes a job: when this returns, the question is on disk. Also returns whether it had been made before.
    async fn create(&self, caller: &Caller, job: NewJob) -> ServiceResult<(JobTicket, bool)>;

    /// One job.
    async fn get(&self, caller: &Caller, id: JobId) -> ServiceResult<Job>;

    /// Jobs, newest first.
    async fn list(&self, caller: &Caller, status: Option<JobStatus>, page: Page) -> ServiceResult<JobList>;

    /// How many stand how.
    async fn figures(&self, caller: &Caller) -> ServiceResult<JobFigures>;
}
