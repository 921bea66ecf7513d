//! Runs and logs: what an agent did, attempt by attempt.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::page::{Listed, Page};
use crate::{AgentId, Caller, DeliveryId, EntityId, JsonObject, LogId, MemoryId, RoomId, RunId, ServiceResult, StoreResult, Timestamp};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, derive_more::Display, derive_more::FromStr)]
#[serde(rename_all = "lowercase")]
#[display(rename_all = "lowercase")]
#[from_str(rename_all = "lowercase")]
pub enum RunStatus {
    /// It goes on. Runs are stored when they end, so none that is stored says so.
    Started,
    /// It did what it set out to do, be it to stay silent.
    Completed,
    /// It took longer than the run time limit.
    Timeout,
    /// It failed.
    Error,
}

/// One attempt of an agent at one delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The agent.
    pub agent_id: AgentId,
    /// The delivery.
    pub delivery_id: DeliveryId,
    /// The agent's room.
    pub room_id: RoomId,
    /// The author of the message.
    pub entity_id: EntityId,
    /// The agent's memory of the message.
    pub message_id: MemoryId,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// `counts: {actions, modelCalls, errors}`, `model`, `tokens: {input, output}`, `error`.
    pub metadata: JsonObject,
}

/// A line in an agent's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// Its id.
    pub id: LogId,
    /// The agent.
    pub agent_id: AgentId,
    /// Whom it concerns.
    pub entity_id: EntityId,
    /// Where it happened.
    pub room_id: RoomId,
    /// `run_event`, `action`, `useModel:TEXT_LARGE`, ... (contract §2.3).
    pub kind: String,
    /// What happened.
    pub body: Value,
    /// When.
    pub created_at: Timestamp,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, derive_more::Display, derive_more::FromStr)]
#[display(rename_all = "lowercase")]
#[from_str(rename_all = "lowercase")]
pub enum LogLevel {
    /// For finding out what happened.
    Debug,
    /// What one expects to happen.
    Info,
    /// What one should look at.
    Warn,
    /// What went wrong.
    Error,
}

impl LogEntry {
    /// The level that the line's kind and body stand for: model and embedding calls are details, failures are errors.
    pub fn level(&self) -> LogLevel {
        let failed = |key| matches!(self.body.get(key).and_then(Value::as_str), Some("error" | "failed" | "timeout"));
        if failed("status") || failed("result") || self.body.get("error").is_some_and(|error| !error.is_null()) {
            LogLevel::Error
        } else if self.kind.starts_with("useModel") || self.kind == "embedding_event" {
            LogLevel::Debug
        } else {
            LogLevel::Info
        }
    }
}

/// Which log lines to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogFilter {
    /// Of this room only.
    pub room: Option<RoomId>,
    /// Of this entity only.
    pub entity: Option<EntityId>,
    /// Of this kind only.
    pub kind: Option<String>,
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// Not newer than this.
    pub until: Option<Timestamp>,
    /// At least this important.
    pub level: Option<LogLevel>,
    /// Leave out lines of these kinds, or whose `body.modelType` contains one of them in any case.
    pub exclude: Vec<String>,
    /// Only lines in whose body a text has this in it, in any case.
    pub contains: Option<String>,
    /// Skip this many.
    pub offset: u32,
    /// At most this many.
    pub limit: u32,
}

impl LogFilter {
    /// Whether there is a condition that [`Self::passes`] looks at.
    pub const fn looks_into_lines(&self) -> bool {
        self.level.is_some() || !self.exclude.is_empty() || self.contains.is_some()
    }

    /// Whether `level`, `exclude` and `contains`, which no index helps with, let a line pass.
    pub fn passes(&self, entry: &LogEntry) -> bool {
        let model = entry.body.get("modelType").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        self.level.is_none_or(|least| entry.level() >= least)
            && !self.exclude.iter().any(|kind| *kind == entry.kind || !model.is_empty() && model.contains(&kind.to_lowercase()))
            && self.contains.as_ref().is_none_or(|text| says(&entry.body, &text.to_lowercase()))
    }
}

/// Whether a text in a value has this in it, which is in lower case.
fn says(value: &Value, lower: &str) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.to_lowercase().contains(lower),
        Value::Array(items) => items.iter().any(|item| says(item, lower)),
        Value::Object(entries) => entries.values().any(|value| says(value, lower)),
    }
}

/// Which runs to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunFilter {
    /// In this room only.
    pub room: Option<RoomId>,
    /// With this end only.
    pub status: Option<RunStatus>,
    /// Begun not before this.
    pub from: Option<Timestamp>,
    /// Begun not after this.
    pub to: Option<Timestamp>,
}

/// Where runs and logs are kept. Those of a run are written by `DeliveryRepository`.
#[async_trait]
pub trait RunRepository: Send + Sync {
    /// An agent's runs, newest first.
    async fn list(&self, agent: AgentId, filter: RunFilter, page: Page) -> StoreResult<Listed<Run>>;

    /// One run of an agent.
    async fn find(&self, agent: AgentId, id: RunId) -> StoreResult<Option<Run>>;

    /// An agent's log lines by everything in the filter but `level`, `exclude` and `contains`, newest first.
    async fn logs(&self, agent: AgentId, filter: LogFilter) -> StoreResult<Vec<LogEntry>>;

    /// The same of all agents together.
    async fn all_logs(&self, filter: LogFilter) -> StoreResult<Vec<LogEntry>>;

    /// Adds a line to an agent's log, if the agent exists.
    async fn add_log(&self, entry: LogEntry) -> StoreResult<()>;

    /// Deletes a log line of an agent; one that is not there is gone already.
    async fn remove_log(&self, agent: AgentId, id: LogId) -> StoreResult<()>;

    /// The time of the newest log line beyond the newest `keep` of the whole store; `None` where there are no more than
    /// those.
    async fn logs_beyond(&self, keep: u32) -> StoreResult<Option<Timestamp>>;

    /// Forgets up to `limit` runs, log lines and ended deliveries from before `before`; returns how many.
    async fn prune(&self, before: Timestamp, limit: u32) -> StoreResult<u64>;
}

/// A run with what the agent's log says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunDetail {
    /// The run.
    pub run: Run,
    /// Its log lines, oldest first.
    pub logs: Vec<LogEntry>,
}

/// What a transport can ask about what agents did.
#[async_trait]
pub trait RunService: Send + Sync {
    /// An agent's runs, newest first.
    async fn list(&self, caller: &Caller, agent: AgentId, filter: RunFilter, page: Page) -> ServiceResult<Listed<Run>>;

    /// One run of an agent with its log lines; `None` for one that is not kept.
    async fn get(&self, caller: &Caller, agent: AgentId, id: RunId) -> ServiceResult<Option<RunDetail>>;

    /// An agent's log, newest first.
    async fn logs(&self, caller: &Caller, agent: AgentId, filter: LogFilter) -> ServiceResult<Vec<LogEntry>>;

    /// Deletes a log line of an agent; one that is not there is gone already.
    async fn remove_log(&self, caller: &Caller, agent: AgentId, id: LogId) -> ServiceResult<()>;
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_a_line_contains_is_looked_for_in_its_texts_alone() {
        let body = json!({"status": "completed", "tokens": 12, "steps": [{"said": "Good Morning"}]});
        let entry = LogEntry {
            id: LogId::new(Uuid::nil()),
            agent_id: AgentId::new(Uuid::nil()),
            entity_id: EntityId::new(Uuid::nil()),
            room_id: RoomId::new(Uuid::nil()),
            kind: "action".to_owned(),
            body,
            created_at: Timestamp::from_millis(0),
        };
        for (text, found) in [("morning", true), ("COMPLETED", true), ("status", false), ("12", false), ("evening", false)] {
            let filter = LogFilter { contains: Some(text.to_owned()), ..LogFilter::default() };
            assert_eq!((filter.passes(&entry), filter.looks_into_lines()), (found, true), "{text}");
        }
        assert!(!LogFilter::default().looks_into_lines() && LogFilter::default().passes(&entry));
    }
}
