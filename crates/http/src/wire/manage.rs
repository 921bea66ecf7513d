//! The server itself on the wire: its version, its log, its settings.

use std::sync::Arc;

use core_types::agents::AgentSummary;
use core_types::messaging::MessageServer;
use core_types::secrets::MASK;
use core_types::system::{EnvironmentChange, EnvironmentName, LogLevel, LogLine, MemoryUse};
use core_types::{JsonObject, Secret, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult, Code};
use crate::extract::Fields;
use crate::limits::{NAME_CHARS, TOLD_CHARS, TOLD_LINES};
use crate::wire::agents::ListedAgent;
use crate::wire::messages::Iso;
use crate::wire::servers::ServerWire;
use crate::wire::system::MemoryWire;

/// A greeting.
#[derive(Serialize, ToSchema)]
#[schema(as = Hello)]
pub(crate) struct HelloWire {
    #[schema(example = "Hello World!")]
    message: &'static str,
}

impl HelloWire {
    /// The greeting.
    pub(crate) const fn new() -> Self {
        Self { message: "Hello World!" }
    }
}

/// Which server this is.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
pub(crate) struct VersionWire<'a> {
    #[schema(example = "0.1.0")]
    version: &'a str,
    #[schema(example = "server")]
    source: &'static str,
    timestamp: Iso,
    #[schema(example = "production")]
    environment: &'static str,
    /// Seconds.
    uptime: i64,
}

impl<'a> VersionWire<'a> {
    /// A server of this version that started then.
    pub(crate) fn of(version: &'a str, started: Timestamp, now: Timestamp) -> Self {
        let uptime = now.millis().saturating_sub(started.millis()) / 1_000;
        Self { version, source: "server", timestamp: Iso(now), environment: "production", uptime }
    }
}

/// What a client must know.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ServerConfig)]
pub(crate) struct ConfigWire {
    /// Whether requests must carry a key.
    pub(crate) requires_auth: bool,
}

/// Message servers, twice as elizaOS has them once.
#[derive(Serialize, ToSchema)]
#[schema(as = DebugServers)]
pub(crate) struct ServersWire<'a> {
    #[schema(example = true)]
    success: bool,
    servers: Vec<ServerWire<'a>>,
    count: usize,
    data: DebugData<'a>,
}

/// The same, and what the official client looks for in its place.
#[derive(Serialize, ToSchema)]
struct DebugData<'a> {
    servers: Vec<ServerWire<'a>>,
    count: usize,
    runtime: DebugRuntime<'a>,
    environment: DebugEnvironment<'a>,
}

/// What runs.
#[derive(Serialize, ToSchema)]
struct DebugRuntime<'a> {
    agents: Vec<ListedAgent<'a>>,
    /// Streams and requests that wait for something to happen, on the whole server; with `system:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<usize>,
    /// With `system:read`.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<MemoryWire>,
}

/// Where it runs: texts alone, and nothing of the settings.
#[derive(Serialize, ToSchema)]
struct DebugEnvironment<'a> {
    #[schema(example = "0.1.0")]
    version: &'a str,
    #[schema(example = "production")]
    environment: &'static str,
}

/// What the debug route tells of.
pub(crate) struct Seen<'a> {
    /// Message servers.
    pub(crate) servers: &'a [MessageServer],
    /// Agents.
    pub(crate) agents: &'a [AgentSummary],
    /// Streams and waiters, for whoever may know of the whole server.
    pub(crate) connections: Option<usize>,
    /// Memory, likewise.
    pub(crate) memory: Option<MemoryUse>,
    /// The server's version.
    pub(crate) version: &'a str,
}

impl<'a> ServersWire<'a> {
    /// All of this.
    pub(crate) fn of(seen: &Seen<'a>) -> Self {
        let servers: Vec<_> = seen.servers.iter().map(ServerWire::from).collect();
        let count = servers.len();
        let runtime = DebugRuntime {
            agents: seen.agents.iter().map(ListedAgent::from).collect(),
            connections: seen.connections,
            memory: seen.memory.map(|memory| MemoryWire::of(memory.used, memory.total)),
        };
        let environment = DebugEnvironment { version: seen.version, environment: "production" };
        let data = DebugData { servers: servers.clone(), count, runtime, environment };
        Self { success: true, servers, count, data }
    }
}

/// The names of levels with their numbers, by weight. The server itself writes five of them.
const LEVELS: [(&str, u8); 9] = [
    ("fatal", 60),
    ("error", 50),
    ("warn", 40),
    ("info", 30),
    ("log", 29),
    ("progress", 28),
    ("success", 27),
    ("debug", 20),
    ("trace", 10),
];

const ALL: &str = "all";

/// Which lines of the log are asked for.
pub(crate) struct LogFilter<'a> {
    /// From when on.
    pub(crate) since: Timestamp,
    /// Of this level alone.
    pub(crate) level: Option<&'a str>,
    /// Only what has this in it.
    pub(crate) agent_name: Option<&'a str>,
    /// Only what has this in it.
    pub(crate) agent_id: Option<&'a str>,
    /// The last ones, so many.
    pub(crate) limit: u32,
}

impl LogFilter<'_> {
    fn lets(&self, line: &LogLine) -> bool {
        let names = |name: Option<&str>| name.is_none_or(|name| name == ALL || line.message.contains(name));
        line.time >= self.since
            && self.level.is_none_or(|level| level == ALL || level == line.level.to_string())
            && names(self.agent_name)
            && names(self.agent_id)
    }
}

/// Which lines of the log one who follows it on a socket wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogWish {
    /// Only what has this in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent_name: Option<String>,
    /// Only what is at least as important.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<String>,
}

impl LogWish {
    /// Whether a line is wanted. A level that is not known leaves nothing out.
    pub(crate) fn lets(&self, line: &LogLine) -> bool {
        let least = self.level.as_deref().and_then(|wanted| LEVELS.iter().find(|(name, _)| *name == wanted)).map_or(0, |(_, least)| *least);
        let named = self.agent_name.as_deref().is_none_or(|name| name == ALL || line.message.contains(name));
        named && number(line.level) >= least
    }
}

/// Lines of the server's log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LogLines)]
pub(crate) struct LogLinesWire<'a> {
    logs: Vec<LogLineWire<'a>>,
    /// How many of them are here.
    count: usize,
    /// How many fit.
    total: usize,
    #[schema(example = "all")]
    requested_level: &'a str,
    #[schema(example = "all")]
    agent_name: &'a str,
    #[schema(example = "all")]
    agent_id: &'a str,
    #[schema(example = json!(["fatal", "error", "warn", "info", "log", "progress", "success", "debug", "trace"]))]
    levels: Vec<&'static str>,
    /// How many lines of the request were added to the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<usize>,
}

impl<'a> LogLinesWire<'a> {
    /// Those that a filter lets pass.
    pub(crate) fn of(lines: &'a [Arc<LogLine>], filter: &LogFilter<'a>) -> Self {
        let fitting: Vec<LogLineWire<'a>> = lines.iter().filter(|line| filter.lets(line)).map(|line| LogLineWire::from(&**line)).collect();
        let total = fitting.len();
        let before = total.saturating_sub(usize::try_from(filter.limit).unwrap_or(usize::MAX));
        let logs: Vec<_> = fitting.into_iter().skip(before).collect();
        Self {
            count: logs.len(),
            logs,
            total,
            requested_level: filter.level.unwrap_or(ALL),
            agent_name: filter.agent_name.unwrap_or(ALL),
            agent_id: filter.agent_id.unwrap_or(ALL),
            levels: LEVELS.iter().map(|(name, _)| *name).collect(),
            received: None,
        }
    }

    /// The same, after this many lines were added.
    pub(crate) fn after(self, received: Option<usize>) -> Self {
        Self { received, ..self }
    }
}

/// Lines that a client adds to the server's log.
#[derive(ToSchema)]
#[schema(as = ToldLines)]
#[expect(dead_code, reason = "the schema of what `told` reads")]
pub(crate) struct ToldBody {
    #[schema(max_items = 100)]
    logs: Option<Vec<ToldLineBody>>,
}

#[derive(ToSchema)]
#[schema(as = ToldLine)]
#[expect(dead_code, reason = "the schema of what `told` reads")]
struct ToldLineBody {
    #[schema(min_length = 1, max_length = 2000, example = "A page failed to load")]
    message: String,
    /// `debug`, `info`, `warn` or `error`; `info` where absent.
    #[schema(max_length = 256, example = "warn")]
    level: Option<String>,
    /// What wrote it.
    #[schema(max_length = 256, example = "web")]
    source: Option<String>,
}

/// A line that a client adds to the server's log.
pub(crate) struct ToldLine {
    /// How much it matters.
    pub(crate) level: log::Level,
    /// The line, as one: what would break it is shown escaped.
    pub(crate) text: String,
}

/// Reads the lines that a client adds; `None` where it adds none.
pub(crate) fn told(body: JsonObject) -> ApiResult<Option<Vec<ToldLine>>> {
    let Some(lines) = Fields::new(body).objects(&["logs"], TOLD_LINES)? else { return Ok(None) };
    let line = |mut fields: Fields| {
        let level = fields.text(&["level"], NAME_CHARS)?;
        let level = level.map_or(Ok(log::Level::Info), |level| level.parse());
        let source = fields.text(&["source"], NAME_CHARS)?.unwrap_or_else(|| "client".to_owned());
        let message = fields.required_text(&["message"], TOLD_CHARS)?;
        Ok(ToldLine {
            level: level.map_err(|_| ApiError::bad_request("level must be one of: debug, info, warn, error"))?,
            text: format!("{source}: {message}").escape_debug().to_string(),
        })
    };
    lines.into_iter().map(line).collect::<ApiResult<_>>().map(Some)
}

/// A line of the server's log.
#[derive(Serialize, ToSchema)]
#[schema(as = LogLine)]
pub(crate) struct LogLineWire<'a> {
    /// Epoch milliseconds.
    #[schema(value_type = i64)]
    time: Timestamp,
    /// The number of its level.
    #[schema(example = 30)]
    level: u8,
    msg: &'a str,
    /// Which part of the server wrote it.
    #[schema(example = "doolittle_http::app")]
    target: &'a str,
}

impl<'a> From<&'a LogLine> for LogLineWire<'a> {
    fn from(line: &'a LogLine) -> Self {
        Self { time: line.time, level: number(line.level), msg: &line.message, target: &line.target }
    }
}

fn number(level: LogLevel) -> u8 {
    match level {
        LogLevel::Error => 50,
        LogLevel::Warn => 40,
        LogLevel::Info => 30,
        LogLevel::Debug => 20,
        LogLevel::Trace => 10,
    }
}

/// The log was cleared.
#[derive(Serialize, ToSchema)]
#[schema(as = LogCleared)]
pub(crate) struct ClearedWire {
    #[schema(example = "success")]
    status: &'static str,
    #[schema(example = "Logs cleared successfully")]
    message: &'static str,
    /// How many lines are forgotten.
    cleared: usize,
}

impl ClearedWire {
    /// So many lines are forgotten.
    pub(crate) const fn of(cleared: usize) -> Self {
        Self { status: "success", message: "Logs cleared successfully", cleared }
    }
}

/// The server stops.
#[derive(Serialize, ToSchema)]
#[schema(as = Stopping)]
pub(crate) struct StoppingWire {
    #[schema(example = "Server is stopping")]
    message: &'static str,
    #[schema(example = true)]
    success: bool,
    data: Done,
}

/// That something was done, inside the answer too, where the official client looks for it.
#[derive(Serialize, ToSchema)]
struct Done {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "Done")]
    message: &'static str,
}

impl StoppingWire {
    /// It does.
    pub(crate) const fn new() -> Self {
        let message = "Server is stopping";
        Self { message, success: true, data: Done { success: true, message } }
    }
}

/// The names in the settings file.
#[derive(Serialize, ToSchema)]
#[schema(as = Environment)]
pub(crate) struct EnvironmentWire<'a> {
    #[schema(example = true)]
    success: bool,
    /// Each name with a mask in the place of its value.
    #[schema(value_type = Object, example = json!({ "OPENAI_API_KEY": "********" }))]
    data: Masked<'a>,
    /// Names whose values have no effect, since the command line or the environment of the process says otherwise.
    #[schema(example = json!(["OPENAI_API_KEY"]))]
    overridden: Vec<&'a str>,
}

impl<'a> EnvironmentWire<'a> {
    /// These names.
    pub(crate) fn of(names: &'a [EnvironmentName]) -> Self {
        let overridden = names.iter().filter(|name| name.overridden).map(|name| name.name.as_str()).collect();
        Self { success: true, data: Masked(names), overridden }
    }
}

struct Masked<'a>(&'a [EnvironmentName]);

impl Serialize for Masked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|name| (&name.name, MASK)))
    }
}

/// Changes of the settings file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the schema of what `changes` reads")]
pub(crate) struct EnvironmentBody {
    /// Names (`^[A-Z][A-Z0-9_]*$`) with their new values: texts, numbers or booleans without control characters; `null` removes a
    /// name, the mask leaves it as it is.
    #[schema(value_type = Object, example = json!({ "OPENAI_API_KEY": "sk-...", "SMALL_MODEL": null }))]
    content: JsonObject,
}

/// The changes that a body asks for.
pub(crate) fn changes(mut body: JsonObject) -> ApiResult<Vec<EnvironmentChange>> {
    let missing = || ApiError::new(Code::InvalidInput, "Missing or invalid \"content\" in request body");
    let Some(Value::Object(content)) = body.shift_remove("content") else { return Err(missing()) };
    let change = |(name, value): (String, Value)| {
        let value = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
            Value::Array(_) | Value::Object(_) => {
                return Err(ApiError::new(Code::InvalidInput, "The values in content must be texts, numbers, booleans or null"));
            }
        };
        Ok((name, value.map(Secret::new)))
    };
    content.into_iter().map(change).collect()
}

/// The settings file was changed.
#[derive(Serialize, ToSchema)]
#[schema(as = EnvironmentChanged)]
pub(crate) struct ChangedWire {
    #[schema(example = true)]
    success: bool,
    #[schema(example = "Local env updated")]
    message: &'static str,
    data: Done,
}

impl ChangedWire {
    /// It was.
    pub(crate) const fn new() -> Self {
        let message = "Local env updated";
        Self { success: true, message, data: Done { success: true, message } }
    }
}
