//! Runs and logs on the wire.

use core_types::runs::{LogEntry, Run, RunDetail, RunStatus};
use core_types::{AgentId, EntityId, JsonObject, Listed, LogId, MemoryId, Page, RoomId, RunId, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

/// A page of runs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
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

/// A run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RunWire<'a> {
    run_id: RunId,
    status: String,
    started_at: Timestamp,
    ended_at: Timestamp,
    duration_ms: i64,
    message_id: MemoryId,
    room_id: RoomId,
    entity_id: EntityId,
    metadata: JsonObject,
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
#[derive(Serialize)]
pub(crate) struct DetailWire<'a> {
    summary: Value,
    events: Vec<RunEventWire<'a>>,
}

#[derive(Serialize)]
struct RunEventWire<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: Timestamp,
    data: &'a Value,
}

impl<'a> DetailWire<'a> {
    /// The run, or what elizaOS says of one that it does not know.
    pub(crate) fn of(agent: AgentId, id: RunId, detail: Option<&'a RunDetail>) -> Self {
        let Some(RunDetail { run, logs }) = detail else {
            let counts = json!({ "actions": 0, "modelCalls": 0, "errors": 0, "evaluators": 0 });
            let summary = json!({ "runId": id, "status": RunStatus::Started.to_string(), "entityId": agent, "counts": counts });
            return Self { summary, events: Vec::new() };
        };
        Self { summary: json!(RunWire::from(run)), events: logs.iter().filter_map(event).collect() }
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

/// A log line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogWire<'a> {
    id: LogId,
    created_at: String,
    entity_id: EntityId,
    room_id: RoomId,
    #[serde(rename = "type")]
    kind: &'a str,
    level: String,
    body: &'a Value,
}

impl<'a> From<&'a LogEntry> for LogWire<'a> {
    fn from(entry: &'a LogEntry) -> Self {
        Self {
            id: entry.id,
            created_at: entry.created_at.iso(),
            entity_id: entry.entity_id,
            room_id: entry.room_id,
            kind: &entry.kind,
            level: entry.level().to_string(),
            body: &entry.body,
        }
    }
}
