//! Runs and logs on the wire.

use core_types::runs::{LogEntry, Run, RunDetail, RunStatus};
use core_types::{AgentId, EntityId, JsonObject, Listed, LogId, MemoryId, Page, RoomId, RunId, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::wire::messages::Iso;

/// A page of runs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RunList)]
pub(crate) struct RunsWire<'a> {
    runs: Vec<RunWire<'a>>,
    total: u64,
    has_more: bool,
}

impl<'a> RunsWire<'a> {
    /// The page of a list.
    pub(crate) fn of(runs: &'a Listed<Run>, page: Page) -> Self {
        let shown = u64::from(page.offset) + runs.items.len() as u64;
        Self { runs: runs.items.iter().map(RunWire::from).collect(), total: runs.total, has_more: shown < runs.total }
    }
}

/// A run: what an agent did about one message.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
struct RunWire<'a> {
    #[schema(value_type = Uuid)]
    run_id: RunId,
    /// `started`, `completed`, `timeout` or `error`.
    #[schema(example = "completed")]
    status: String,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    started_at: Timestamp,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    ended_at: Timestamp,
    duration_ms: i64,
    #[schema(value_type = Uuid)]
    message_id: MemoryId,
    #[schema(value_type = Uuid)]
    room_id: RoomId,
    #[schema(value_type = Uuid)]
    entity_id: EntityId,
    #[schema(value_type = Object)]
    metadata: JsonObject,
    #[schema(value_type = Option<RunCounts>)]
    counts: Option<&'a Value>,
}

impl<'a> From<&'a Run> for RunWire<'a> {
    fn from(run: &'a Run) -> Self {
        let mut metadata = run.metadata.clone();
        metadata.shift_remove("counts");
        Self {
            run_id: run.id,
            status: run.status.to_string(),
            started_at: run.started_at,
            ended_at: run.ended_at,
            duration_ms: run.ended_at.millis() - run.started_at.millis(),
            message_id: run.message_id,
            room_id: run.room_id,
            entity_id: run.entity_id,
            metadata,
            counts: run.metadata.get("counts"),
        }
    }
}

/// A run with what happened in it.
#[derive(Serialize, ToSchema)]
#[schema(as = RunDetail)]
pub(crate) struct DetailWire<'a> {
    summary: Summary<'a>,
    events: Vec<RunEventWire<'a>>,
}

/// A run, or as much as can be said of one that is not known.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = RunSummary)]
enum Summary<'a> {
    Known(RunWire<'a>),
    Unknown(UnknownRun),
}

/// What elizaOS says of a run that it does not know.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UnknownRun {
    #[schema(value_type = Uuid)]
    run_id: RunId,
    #[schema(example = "started")]
    status: String,
    #[schema(value_type = Uuid)]
    entity_id: AgentId,
    counts: RunCounts,
}

/// How often something happened in a run.
#[derive(Serialize, ToSchema, Default)]
#[serde(rename_all = "camelCase")]
struct RunCounts {
    actions: u32,
    model_calls: u32,
    errors: u32,
    evaluators: u32,
}

/// What happened in a run.
#[derive(Serialize, ToSchema)]
#[schema(as = RunEvent)]
struct RunEventWire<'a> {
    /// `RUN_STARTED`, `RUN_ENDED`, `ACTION_COMPLETED`, `EVALUATOR_COMPLETED`, `EMBEDDING_EVENT` or `MODEL_USED`.
    #[serde(rename = "type")]
    #[schema(example = "MODEL_USED")]
    kind: &'static str,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    timestamp: Timestamp,
    #[schema(value_type = Object)]
    data: &'a Value,
}

impl<'a> DetailWire<'a> {
    /// The run, or what elizaOS says of one that it does not know.
    pub(crate) fn of(agent: AgentId, id: RunId, detail: Option<&'a RunDetail>) -> Self {
        let Some(RunDetail { run, logs }) = detail else {
            let unknown = UnknownRun { run_id: id, status: RunStatus::Started.to_string(), entity_id: agent, counts: RunCounts::default() };
            return Self { summary: Summary::Unknown(unknown), events: Vec::new() };
        };
        Self { summary: Summary::Known(RunWire::from(run)), events: logs.iter().filter_map(event).collect() }
    }
}

/// What a log line says of its run.
fn event(entry: &LogEntry) -> Option<RunEventWire<'_>> {
    let kind = match entry.kind.as_str() {
        "run_event" if entry.body.get("status").is_some_and(|status| status == "started") => "RUN_STARTED",
        "run_event" => "RUN_ENDED",
        "action" => "ACTION_COMPLETED",
        "evaluator" => "EVALUATOR_COMPLETED",
        "embedding_event" => "EMBEDDING_EVENT",
        kind if kind.starts_with("useModel") => "MODEL_USED",
        _ => return None,
    };
    Some(RunEventWire { kind, timestamp: entry.created_at, data: &entry.body })
}

/// How much a line matters.
#[derive(ToSchema)]
#[schema(as = LogLevel, rename_all = "lowercase")]
#[expect(dead_code, reason = "the schema of a `LogLevel`")]
pub(crate) enum LevelName {
    Debug,
    Info,
    Warn,
    Error,
}

/// A line of an agent's log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LogLine)]
pub(crate) struct LogWire<'a> {
    #[schema(value_type = Uuid)]
    id: LogId,
    created_at: Iso,
    #[schema(value_type = Uuid)]
    entity_id: EntityId,
    #[schema(value_type = Uuid)]
    room_id: RoomId,
    /// `run_event`, `action`, `evaluator`, `useModel:...`, ...
    #[serde(rename = "type")]
    #[schema(example = "action")]
    kind: &'a str,
    #[schema(value_type = LevelName)]
    level: String,
    #[schema(value_type = Object)]
    body: &'a Value,
}

impl<'a> From<&'a LogEntry> for LogWire<'a> {
    fn from(entry: &'a LogEntry) -> Self {
        Self {
            id: entry.id,
            created_at: Iso(entry.created_at),
            entity_id: entry.entity_id,
            room_id: entry.room_id,
            kind: &entry.kind,
            level: entry.level().to_string(),
            body: &entry.body,
        }
    }
}
