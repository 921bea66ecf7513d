//! How the server is doing, on the wire.

use core_types::Timestamp;
use core_types::agents::AgentCount;
use core_types::system::Status;
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::messages::Iso;

/// The answer to a ping.
#[derive(Serialize, ToSchema)]
#[schema(as = Ping)]
pub(crate) struct PingWire {
    pong: bool,
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    timestamp: Timestamp,
    #[schema(example = true)]
    success: bool,
    data: PingData,
}

#[derive(Serialize, ToSchema)]
struct PingData {
    #[schema(example = "Server is healthy")]
    message: &'static str,
    timestamp: Iso,
    pong: bool,
}

impl PingWire {
    /// The answer at this time.
    pub(crate) const fn at(now: Timestamp) -> Self {
        let data = PingData { message: "Server is healthy", timestamp: Iso(now), pong: true };
        Self { pong: true, timestamp: now, success: true, data }
    }
}

/// The figures of the reference page.
#[derive(Serialize, ToSchema)]
#[schema(as = SystemStatus)]
pub(crate) struct FiguresWire {
    #[schema(example = "healthy")]
    status: &'static str,
    /// Seconds.
    uptime: i64,
    memory: MemoryWire,
    agents: AgentsWire,
    speech: SpeechWire,
}

/// What speaks and hears for agents that bring nothing of their own; absent where nothing does.
#[derive(Serialize, ToSchema)]
#[schema(as = SpeechEngines)]
struct SpeechWire {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "flite (slt)")]
    synthesizer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "pocketsphinx")]
    transcriber: Option<String>,
}

/// Memory in bytes.
#[derive(Serialize, ToSchema)]
#[schema(as = MemoryUse)]
pub(crate) struct MemoryWire {
    used: u64,
    total: u64,
    /// What is used, in hundredths of the total.
    percentage: u64,
}

/// How many agents run, how many do not, and how many there are.
#[derive(Serialize, ToSchema)]
#[schema(as = AgentCount)]
struct AgentsWire {
    active: u64,
    inactive: u64,
    total: u64,
}

impl MemoryWire {
    /// So many bytes of so many.
    pub(crate) fn of(used: u64, total: u64) -> Self {
        Self { used, total, percentage: used.saturating_mul(100).checked_div(total).unwrap_or_default() }
    }
}

impl AgentsWire {
    const fn of(count: &AgentCount) -> Self {
        Self { active: count.running, inactive: count.total.saturating_sub(count.running), total: count.total }
    }
}

impl FiguresWire {
    /// The figures now, of a server that started then.
    pub(crate) fn of(word: &'static str, status: &Status, started: Timestamp, now: Timestamp) -> Self {
        Self {
            status: word,
            uptime: now.millis().saturating_sub(started.millis()) / 1_000,
            memory: MemoryWire::of(status.memory.used, status.memory.total),
            agents: AgentsWire::of(&status.agents),
            speech: SpeechWire { synthesizer: status.speech.synthesizer.clone(), transcriber: status.speech.transcriber.clone() },
        }
    }
}

/// How the server is doing.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServerStatus)]
pub(crate) struct StatusWire<'a> {
    #[serde(flatten)]
    figures: FiguresWire,
    agent_count: u64,
    timestamp: Iso,
    #[schema(example = "0.1.0")]
    version: &'a str,
}

impl<'a> StatusWire<'a> {
    /// The figures now, of a server of this version that started then.
    pub(crate) fn of(status: &Status, version: &'a str, started: Timestamp, now: Timestamp) -> Self {
        let figures = FiguresWire::of("ok", status, started, now);
        Self { agent_count: figures.agents.active, figures, timestamp: Iso(now), version }
    }
}

/// Whether somebody would answer.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Health)]
pub(crate) struct HealthWire<'a> {
    #[schema(example = "OK")]
    status: &'static str,
    #[schema(example = "0.1.0")]
    version: &'a str,
    timestamp: Iso,
    dependencies: Dependencies,
    /// How many agents run.
    agent_count: Option<u64>,
}

/// What the server depends on: `healthy`, or what is the matter with it.
#[derive(Serialize, ToSchema)]
struct Dependencies {
    #[schema(example = "healthy")]
    agents: &'static str,
    #[schema(example = "healthy")]
    database: &'static str,
}

impl<'a> HealthWire<'a> {
    /// The health by what the database said of agents; `None` where it did not answer.
    pub(crate) fn of(agents: Option<&AgentCount>, version: &'a str, now: Timestamp) -> Self {
        let agent_count = agents.map(|count| count.running);
        let (agents, database) = match agent_count {
            None => ("unknown", "unavailable"),
            Some(0) => ("no_agents", "healthy"),
            Some(_) => ("healthy", "healthy"),
        };
        let status = if agents == "healthy" { "OK" } else { "DEGRADED" };
        Self { status, version, timestamp: Iso(now), dependencies: Dependencies { agents, database }, agent_count }
    }

    /// Whether somebody would answer.
    pub(crate) fn is_ready(&self) -> bool {
        self.status == "OK"
    }
}

/// A sign of life.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    #[schema(example = "ok")]
    status: &'static str,
    timestamp: Iso,
}

impl Alive {
    /// The sign at this time.
    pub(crate) const fn at(now: Timestamp) -> Self {
        Self { status: "ok", timestamp: Iso(now) }
    }
}
