//! Jobs on the wire.

use std::str::FromStr;
use std::time::Duration;

use core_types::jobs::{Job, JobAnswer, JobFigures, JobList, JobStatus, JobTicket, MAX_JOBS, NewJob};
use core_types::{AgentId, EntityId, JobId, Json, JsonObject, MessageId, Page, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::{Fields, Query, Sender, whole};
use crate::limits::{JOB_CONTENT_CHARS, JOB_METADATA_CHARS, JOB_MILLIS, JOB_MILLIS_USUAL, MAX_JOB_PAGE, PAGE};
use crate::wire::messages::Metadata;

/// A question to an agent.
#[derive(ToSchema)]
#[schema(as = NewJob)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `new_job` reads")]
pub(crate) struct JobBody {
    /// Who asks.
    #[schema(value_type = Uuid)]
    user_id: (),
    /// What is asked.
    #[schema(min_length = 1, max_length = 50_000, example = "What is the capital of France?")]
    content: String,
    /// Who is to answer; the agent that has been there longest of those that run, where absent.
    #[schema(value_type = Option<Uuid>)]
    agent_id: Option<()>,
    /// Anything, up to 10 000 characters of JSON; it is given back.
    #[schema(value_type = Option<Object>)]
    metadata: Option<()>,
    /// For how many milliseconds the answer is waited for; 30 000 where absent.
    #[schema(minimum = 1_000, maximum = 300_000, example = 30_000)]
    timeout_ms: Option<u32>,
}

/// How a job stands.
#[derive(ToSchema)]
#[schema(as = JobStatus, rename_all = "lowercase")]
#[expect(dead_code, reason = "the schema of `JobStatus`")]
pub(crate) enum JobStatusName {
    Pending,
    Processing,
    Completed,
    Failed,
    Timeout,
}

/// Reads a question to an agent.
pub(crate) fn new_job(body: JsonObject, sender: Sender) -> ApiResult<NewJob> {
    let mut fields = Fields::new(body);
    let timeout = match fields.value(&["timeoutMs", "timeout_ms"]) {
        None => JOB_MILLIS_USUAL,
        Some(value) => value
            .as_number()
            .and_then(whole)
            .filter(|millis| JOB_MILLIS.contains(millis))
            .ok_or_else(|| invalid(format!("timeoutMs must be a whole number from {} to {}", JOB_MILLIS.start(), JOB_MILLIS.end())))?,
    };
    let metadata = fields.object(&["metadata"]).map_err(ApiError::into_validation)?.unwrap_or_default();
    if json!(metadata).to_string().chars().count() > JOB_METADATA_CHARS {
        return Err(invalid(format!("metadata has more than {JOB_METADATA_CHARS} characters")));
    }
    Ok(NewJob {
        user: id(&mut fields, &["userId", "user_id"])?.ok_or_else(|| invalid("userId is required and must be a UUID"))?,
        agent: id(&mut fields, &["agentId", "agent_id"])?,
        content: fields.required_text(&["content"], JOB_CONTENT_CHARS).map_err(ApiError::into_validation)?,
        metadata,
        timeout: Duration::from_millis(timeout),
        idempotency_key: sender.idempotency_key,
    })
}

/// Reads which jobs are asked for.
pub(crate) fn job_filter(query: &Query) -> ApiResult<(Option<JobStatus>, Page)> {
    let names = || JobStatus::ALL.map(|status| status.to_string()).join(", ");
    let status = query.first("status").map(|status| status.parse().map_err(|_| invalid(format!("status must be one of {}", names()))));
    let count = |name| query.count(name).map_err(ApiError::into_validation);
    Ok((status.transpose()?, Page { offset: count("offset")?.unwrap_or(0), limit: count("limit")?.unwrap_or(PAGE).min(MAX_JOB_PAGE) }))
}

fn id<T: FromStr>(fields: &mut Fields, names: &[&str]) -> ApiResult<Option<T>> {
    fields.id(names).map_err(ApiError::into_validation)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(Code::ValidationError, message)
}

/// What whoever asked keeps of a job.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobTicket)]
pub(crate) struct TicketWire {
    #[schema(value_type = Uuid)]
    job_id: JobId,
    #[schema(example = "processing")]
    status: &'static str,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    created_at: Timestamp,
    /// Epoch milliseconds; from then on the answer is late.
    #[schema(value_type = i64)]
    expires_at: Timestamp,
}

impl From<JobTicket> for TicketWire {
    fn from(ticket: JobTicket) -> Self {
        Self { job_id: ticket.id, status: "processing", created_at: ticket.created_at, expires_at: ticket.expires_at }
    }
}

/// A job as it stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Job)]
pub(crate) struct JobWire<'a> {
    #[schema(value_type = Uuid)]
    job_id: JobId,
    #[schema(value_type = JobStatusName)]
    status: String,
    #[schema(value_type = Uuid)]
    agent_id: AgentId,
    #[schema(value_type = Uuid)]
    user_id: EntityId,
    /// What was asked.
    #[schema(example = "What is the capital of France?")]
    prompt: &'a str,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    created_at: Timestamp,
    /// Epoch milliseconds; from then on the answer is late.
    #[schema(value_type = i64)]
    expires_at: Timestamp,
    /// Of one that is completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<ResultWire<'a>>,
    /// Why there is no answer, where there will be none.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[schema(value_type = Object)]
    metadata: &'a Json,
}

/// What came of a job.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobResult)]
struct ResultWire<'a> {
    message: AnswerWire<'a>,
    /// How many milliseconds it took.
    processing_time_ms: i64,
}

/// The answer of an agent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobAnswer)]
struct AnswerWire<'a> {
    #[schema(value_type = Uuid)]
    id: MessageId,
    #[schema(example = "Paris.")]
    content: &'a str,
    #[schema(value_type = Uuid)]
    author_id: EntityId,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    created_at: Timestamp,
    #[schema(value_type = Object)]
    metadata: Metadata<'a>,
}

impl<'a> From<&'a JobAnswer> for ResultWire<'a> {
    fn from(answer: &'a JobAnswer) -> Self {
        let message = AnswerWire {
            id: answer.message.id,
            content: &answer.message.content,
            author_id: answer.message.author_id,
            created_at: answer.message.created_at,
            metadata: Metadata::shown(&answer.message),
        };
        Self { message, processing_time_ms: answer.took }
    }
}

impl<'a> From<&'a Job> for JobWire<'a> {
    fn from(job: &'a Job) -> Self {
        Self {
            job_id: job.ticket.id,
            status: job.status.to_string(),
            agent_id: job.agent_id,
            user_id: job.user_id,
            prompt: &job.prompt,
            created_at: job.ticket.created_at,
            expires_at: job.ticket.expires_at,
            result: job.answer.as_ref().map(ResultWire::from),
            error: job.error.as_deref(),
            metadata: &job.metadata,
        }
    }
}

/// Jobs, the newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Jobs)]
pub(crate) struct JobsWire<'a> {
    jobs: Vec<JobWire<'a>>,
    /// How many there are.
    total: u64,
    /// How many there are of the status that was asked for.
    filtered: u64,
}

impl<'a> From<&'a JobList> for JobsWire<'a> {
    fn from(list: &'a JobList) -> Self {
        Self { jobs: list.jobs.iter().map(JobWire::from).collect(), total: list.total, filtered: list.filtered }
    }
}

/// How jobs are doing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobsHealth {
    #[schema(example = true)]
    healthy: bool,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    timestamp: Timestamp,
    total_jobs: u64,
    #[schema(value_type = JobCounts)]
    status_counts: Value,
    metrics: JobMetrics,
    #[schema(example = 10_000)]
    max_jobs: u32,
}

/// How many jobs stand how.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of a map")]
pub(crate) struct JobCounts {
    pending: u64,
    processing: u64,
    completed: u64,
    failed: u64,
    timeout: u64,
}

/// How jobs have fared. Rates are parts of those that are over, from 0 to 1.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JobMetrics {
    /// Of those that are completed.
    average_processing_time_ms: u64,
    success_rate: f64,
    failure_rate: f64,
    timeout_rate: f64,
}

impl JobsHealth {
    /// How they are doing now.
    pub(crate) fn of(figures: &JobFigures, now: Timestamp) -> Self {
        let [completed, failed, late] = [JobStatus::Completed, JobStatus::Failed, JobStatus::Timeout].map(|status| figures.of(status));
        let over = completed + failed + late;
        let metrics = JobMetrics {
            average_processing_time_ms: figures.completed_millis.checked_div(completed).unwrap_or(0),
            success_rate: part(completed, over),
            failure_rate: part(failed, over),
            timeout_rate: part(late, over),
        };
        let counts = JobStatus::ALL.into_iter().map(|status| (status.to_string(), json!(figures.of(status))));
        Self {
            healthy: true,
            timestamp: now,
            total_jobs: figures.total(),
            status_counts: Value::Object(counts.collect()),
            metrics,
            max_jobs: MAX_JOBS,
        }
    }
}

/// A part of a whole; 0 of nothing. There are far fewer jobs than a `u32` counts.
fn part(some: u64, whole: u64) -> f64 {
    let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 { 0.0 } else { number(some) / number(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_parts_of_the_jobs_that_are_over() {
        let counts = vec![(JobStatus::Completed, 3), (JobStatus::Failed, 1), (JobStatus::Processing, 7)];
        let health = json!(JobsHealth::of(&JobFigures { counts, completed_millis: 100 }, Timestamp::from_millis(5)));
        assert_eq!(
            health,
            json!({
                "healthy": true, "timestamp": 5, "totalJobs": 11, "maxJobs": 10_000,
                "statusCounts": {"pending": 0, "processing": 7, "completed": 3, "failed": 1, "timeout": 0},
                "metrics": {"averageProcessingTimeMs": 33, "successRate": 0.75, "failureRate": 0.25, "timeoutRate": 0.0},
            })
        );
        let nothing = json!(JobsHealth::of(&JobFigures::default(), Timestamp::from_millis(5)));
        assert_eq!(nothing["metrics"], json!({"averageProcessingTimeMs": 0, "successRate": 0.0, "failureRate": 0.0, "timeoutRate": 0.0}));
    }
}
