//! What a run leaves behind: the agent's memories, the reply, the run and its log lines.

use std::sync::Arc;

use core_types::deliveries::{Claimed, DeliveryState, Trace};
use core_types::ids::create_unique_uuid;
use core_types::memory::{AgentPlane, Entity, MESSAGES, Memory, Origin, Room, Trust};
use core_types::messaging::MessageDraft;
use core_types::models::{ModelError, ModelProvider, ModelSize, TextResponse, Usage};
use core_types::runs::{LogEntry, Run, RunStatus};
use core_types::worlds::World;
use core_types::{Clock, EntityId, Ids, JsonObject, LogId, MemoryId, RoomId, RunId, Timestamp};
use metrics::{counter, histogram};
use serde_json::{Value, json};

use crate::think::Said;

/// Characters of an unknown id that stand for a name.
const SHORT_ID: usize = 8;

/// The agent's world, room and the people in it, as the delivery shows them (contract §6.2, §7.3).
pub(crate) fn plane(claimed: &Claimed, agent_name: &str) -> AgentPlane {
    let agent = claimed.delivery.agent_id;
    let message = &claimed.message;
    let channel = &claimed.channel;
    let world_id = agent.world_of(message.server_id);
    let entity = |id: EntityId, name: String| Entity { id, agent_id: agent, names: vec![name], metadata: JsonObject::new() };
    AgentPlane {
        world: World {
            id: world_id,
            agent_id: agent,
            name: format!("Server {}", short(&message.server_id.to_string())),
            server_id: Some(message.server_id),
            metadata: JsonObject::new(),
            created_at: message.created_at,
        },
        room: Room {
            id: agent.room_of(channel.id),
            agent_id: agent,
            world_id,
            channel_id: Some(channel.id),
            name: channel.name.clone(),
            kind: room_kind(claimed),
            source: message.source_type.clone().unwrap_or_else(|| "central-bus".to_owned()),
            server_id: None,
            metadata: JsonObject::new(),
            created_at: message.created_at,
        },
        entities: vec![entity(message.author_id, author_name(claimed)), entity(agent.into(), agent_name.to_owned())],
    }
}

/// The kind of the room: what the message says of its channel counts before the channel itself.
pub(crate) fn room_kind(claimed: &Claimed) -> String {
    claimed.message.metadata.get("channelType").unwrap_or_else(|| claimed.channel.kind.clone())
}

/// What the agent calls the author of the message.
pub(crate) fn author_name(claimed: &Claimed) -> String {
    let message = &claimed.message;
    message.author_name.clone().unwrap_or_else(|| format!("User-{}", short(&message.author_id.to_string())))
}

/// As much of an id as tells people apart.
pub(crate) fn short(id: &str) -> &str {
    id.get(..SHORT_ID).unwrap_or(id)
}

/// The attachments that came with the message.
pub(crate) fn attachments(claimed: &Claimed) -> Vec<Value> {
    let message = &claimed.message;
    let raw = message.raw.as_ref().and_then(|raw| raw.get("attachments"));
    raw.or_else(|| message.metadata.get("attachments")).unwrap_or_default()
}

/// The agent's memory of the message.
pub(crate) fn memory_of_message(claimed: &Claimed, plane: &AgentPlane, run: RunId) -> Memory {
    let agent = claimed.delivery.agent_id;
    let message = &claimed.message;
    let mut content = JsonObject::new();
    content.insert("text".to_owned(), message.content.clone().into());
    content.insert("source".to_owned(), message.source_type.clone().unwrap_or_else(|| "central-bus".to_owned()).into());
    let attachments = attachments(claimed);
    if !attachments.is_empty() {
        content.insert("attachments".to_owned(), attachments.into());
    }
    if let Some(answered) = message.in_reply_to {
        content.insert("inReplyTo".to_owned(), json!(create_unique_uuid(agent, &answered.to_string())));
    }
    let mut metadata = message.metadata.to_object();
    metadata.insert("type".to_owned(), "message".into());
    metadata.insert("sourceId".to_owned(), json!(message.id));
    metadata.insert("raw".to_owned(), json!({"senderName": author_name(claimed), "senderId": message.author_id}));
    let trust = if message.author_id == agent.into() { Trust::Agent } else { Trust::Participant };
    Memory {
        id: agent.memory_of(message.id),
        entity_id: message.author_id,
        content,
        metadata,
        // Also where that is to come, since a clock was ahead: so a conversation is remembered in the order in which it was had.
        created_at: message.created_at,
        ..blank(claimed, plane, run, trust)
    }
}

/// The agent's memory of its reply; it has the reply's id.
pub(crate) fn memory_of_reply(claimed: &Claimed, said: &Said, plane: &AgentPlane, run: RunId, now: Timestamp) -> Memory {
    let agent = claimed.delivery.agent_id;
    let mut content = said.content();
    content.insert("source".to_owned(), claimed.message.source_type.clone().unwrap_or_else(|| "central-bus".to_owned()).into());
    let answered = agent.memory_of(claimed.message.id).to_string();
    content.insert("inReplyTo".to_owned(), json!(create_unique_uuid(agent, &answered)));
    let metadata = [("type".to_owned(), json!("message")), ("sourceId".to_owned(), json!(claimed.delivery.reply_id))];
    Memory {
        content,
        metadata: metadata.into_iter().collect(),
        // The agent speaks after what it answers, whatever the clock's resolution.
        created_at: now.max(claimed.message.created_at.plus_millis(1)),
        ..blank(claimed, plane, run, Trust::Agent)
    }
}

/// A memory of the agent's own, of this conversation and this run, that says nothing yet and has the id of the reply.
fn blank(claimed: &Claimed, plane: &AgentPlane, run: RunId, trust: Trust) -> Memory {
    let (delivery, message) = (&claimed.delivery, &claimed.message);
    let origin = Origin {
        message: Some(message.id),
        author: Some(message.author_id),
        channel: Some(message.channel_id),
        run: Some(run),
        trust: Some(trust),
    };
    Memory {
        id: MemoryId::new(delivery.reply_id.uuid()),
        agent_id: delivery.agent_id,
        table: MESSAGES.to_owned(),
        room_id: plane.room.id,
        world_id: Some(plane.world.id),
        entity_id: delivery.agent_id.into(),
        content: JsonObject::new(),
        metadata: JsonObject::new(),
        unique: true,
        created_at: message.created_at,
        origin,
        document_id: None,
    }
}

/// The reply as it is posted (contract §6.5).
pub(crate) fn reply(claimed: &Claimed, said: &Said, agent_name: &str) -> MessageDraft {
    let agent = claimed.delivery.agent_id;
    let kind = room_kind(claimed);
    let metadata = json!({
        "agent_id": agent, "agentName": agent_name, "attachments": [],
        "channelType": kind, "isDm": kind.eq_ignore_ascii_case("DM"),
    });
    MessageDraft {
        id: claimed.delivery.reply_id,
        channel_id: claimed.message.channel_id,
        author_id: agent.into(),
        author_name: Some(agent_name.to_owned()),
        content: said.text.clone(),
        raw: Some(said.content().into()),
        source_type: Some("agent_response".to_owned()),
        source_id: None,
        metadata: metadata.into(),
        in_reply_to: Some(claimed.message.id),
    }
}

/// A call of a model, for the log.
pub(crate) struct ModelCall<'a> {
    /// How capable a model was wanted.
    pub(crate) size: ModelSize,
    /// Who was asked.
    pub(crate) provider: &'a dyn ModelProvider,
    /// What came of it.
    pub(crate) answer: Result<&'a TextResponse, &'a ModelError>,
    /// How long that took.
    pub(crate) millis: i64,
}

impl ModelCall<'_> {
    /// The kind of the log line.
    pub(crate) fn kind(&self) -> String {
        format!("useModel:{}", self.size)
    }

    /// Counts the call, its time and its tokens, for whoever reads figures.
    pub(crate) fn count(&self) {
        let provider = self.provider.name().to_owned();
        let outcome = if self.answer.is_ok() { "answered" } else { "failed" };
        let (size, millis) = (self.size.to_string(), u32::try_from(self.millis).unwrap_or_default());
        counter!("doolittle_model_calls_total", "provider" => provider.clone(), "size" => size.clone(), "outcome" => outcome).increment(1);
        histogram!("doolittle_model_call_seconds", "provider" => provider.clone(), "size" => size).record(f64::from(millis) / 1_000.0);
        if let Ok(TextResponse { usage: Usage { input, output }, .. }) = self.answer {
            for (direction, tokens) in [("input", *input), ("output", *output)] {
                counter!("doolittle_model_tokens_total", "provider" => provider.clone(), "direction" => direction).increment(tokens);
            }
        }
    }

    /// The body of the log line.
    pub(crate) fn body(&self, run: Option<RunId>) -> Value {
        let model = self.answer.map_or_else(|_| self.provider.model(self.size), |response| &response.model);
        let mut body = JsonObject::new();
        if let Some(run) = run {
            body.insert("runId".to_owned(), json!(run));
        }
        for key in ["modelType", "modelKey"] {
            body.insert(key.to_owned(), self.size.to_string().into());
        }
        body.insert("modelName".to_owned(), model.into());
        body.insert("provider".to_owned(), self.provider.name().into());
        body.insert("executionTime".to_owned(), self.millis.into());
        match self.answer {
            Ok(TextResponse { usage: Usage { input, output }, .. }) => {
                body.insert("tokens".to_owned(), json!({"prompt": input, "completion": output, "total": input + output}));
            }
            Err(error) => {
                body.insert("error".to_owned(), error.to_string().into());
            }
        }
        Value::Object(body)
    }
}

/// Collects what happens in a run.
pub(crate) struct Recorder {
    run: Run,
    logs: Vec<LogEntry>,
    agent_name: String,
    usage: Usage,
    model: Option<String>,
    counts: Counts,
    ids: Arc<dyn Ids>,
}

#[derive(Default)]
struct Counts {
    actions: u32,
    model_calls: u32,
    errors: u32,
}

impl Recorder {
    /// Begins the record of an attempt.
    pub(crate) fn begin(claimed: &Claimed, ids: Arc<dyn Ids>, clock: &dyn Clock) -> Self {
        let delivery = &claimed.delivery;
        let agent_id = delivery.agent_id;
        let started_at = clock.now();
        let run = Run {
            id: RunId::new(ids.uuid()),
            agent_id,
            delivery_id: delivery.id,
            room_id: agent_id.room_of(claimed.channel.id),
            entity_id: claimed.message.author_id,
            message_id: agent_id.memory_of(claimed.message.id),
            status: RunStatus::Completed,
            started_at,
            ended_at: started_at,
            metadata: JsonObject::new(),
        };
        let agent_name = agent_id.to_string();
        let mut recorder = Self { run, logs: Vec::new(), agent_name, usage: Usage::default(), model: None, counts: Counts::default(), ids };
        let source = claimed.message.source_type.clone();
        recorder.run_event("started", json!({"source": source, "attempt": delivery.attempt}), started_at);
        recorder
    }

    /// The agent's name, once it is known.
    pub(crate) fn named(&mut self, name: &str) {
        name.clone_into(&mut self.agent_name);
    }

    /// The agent's name, or its id where the agent could not be read.
    pub(crate) fn agent_name(&self) -> &str {
        &self.agent_name
    }

    /// The run's id.
    pub(crate) fn run_id(&self) -> RunId {
        self.run.id
    }

    /// The agent's room.
    pub(crate) fn room_id(&self) -> RoomId {
        self.run.room_id
    }

    /// A call of the model, answered or not.
    pub(crate) fn model_call(&mut self, call: &ModelCall<'_>, at: Timestamp) {
        call.count();
        self.counts.model_calls += 1;
        if let Ok(response) = call.answer {
            self.usage += response.usage;
            self.model = Some(response.model.clone());
        }
        self.log(call.kind(), call.body(Some(self.run.id)), at);
    }

    /// An action that was run.
    pub(crate) fn action(&mut self, name: &str, error: Option<&str>, at: Timestamp) {
        self.counts.actions += 1;
        let result = if error.is_some() { "failed" } else { "completed" };
        self.log("action".to_owned(), json!({"runId": self.run.id, "action": name, "result": result, "error": error}), at);
    }

    /// Ends the record of a run that did what it set out to do.
    pub(crate) fn completed(&mut self, state: DeliveryState, now: Timestamp) -> Trace {
        self.end(RunStatus::Completed, json!({"state": state}), now)
    }

    /// Ends the record of a run that failed.
    pub(crate) fn failed(&mut self, reason: &str, timed_out: bool, now: Timestamp) -> Trace {
        self.counts.errors += 1;
        let status = if timed_out { RunStatus::Timeout } else { RunStatus::Error };
        self.run.metadata.insert("error".to_owned(), reason.into());
        self.end(status, json!({"error": reason}), now)
    }

    fn end(&mut self, status: RunStatus, details: Value, now: Timestamp) -> Trace {
        self.run.status = status;
        self.run.ended_at = now;
        let counts = json!({
            "actions": self.counts.actions, "modelCalls": self.counts.model_calls, "errors": self.counts.errors, "evaluators": 0,
        });
        self.run.metadata.insert("counts".to_owned(), counts);
        self.run.metadata.insert("tokens".to_owned(), json!({"input": self.usage.input, "output": self.usage.output}));
        if let Some(model) = &self.model {
            self.run.metadata.insert("model".to_owned(), model.clone().into());
        }
        self.run_event(&status.to_string(), details, now);
        Trace { run: self.run.clone(), logs: std::mem::take(&mut self.logs) }
    }

    fn run_event(&mut self, status: &str, details: Value, at: Timestamp) {
        let run = &self.run;
        let mut body = json!({
            "runId": run.id, "status": status, "messageId": run.message_id, "roomId": run.room_id, "entityId": run.entity_id,
            "startTime": run.started_at,
        });
        if let (Some(body), Value::Object(details)) = (body.as_object_mut(), details) {
            if status != "started" {
                body.insert("endTime".to_owned(), json!(at));
                body.insert("duration".to_owned(), (at.millis() - run.started_at.millis()).into());
            }
            body.extend(details);
        }
        self.log("run_event".to_owned(), body, at);
    }

    fn log(&mut self, kind: String, body: Value, created_at: Timestamp) {
        let id = LogId::new(self.ids.uuid());
        let (agent_id, entity_id, room_id) = (self.run.agent_id, self.run.entity_id, self.run.room_id);
        self.logs.push(LogEntry { id, agent_id, entity_id, room_id, kind, body, created_at });
    }
}
