//! The server itself on the wire: its version, its log, its settings.

use std::sync::Arc;

use core_types::messaging::MessageServer;
use core_types::secrets::MASK;
use core_types::system::{EnvironmentChange, EnvironmentName, LogLevel, LogLine};
use core_types::{JsonObject, Secret, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult, Code};
use crate::wire::messages::Iso;
use crate::wire::servers::ServerWire;

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
    data: ServersData<'a>,
}

#[derive(Serialize, ToSchema)]
struct ServersData<'a> {
    servers: Vec<ServerWire<'a>>,
    count: usize,
}

impl<'a> ServersWire<'a> {
    /// These message servers.
    pub(crate) fn of(servers: &'a [MessageServer]) -> Self {
        let servers: Vec<_> = servers.iter().map(ServerWire::from).collect();
        let count = servers.len();
        Self { success: true, servers: servers.clone(), count, data: ServersData { servers, count } }
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
        }
    }
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
}

impl ClearedWire {
    /// It was.
    pub(crate) const fn new() -> Self {
        Self { status: "success", message: "Logs cleared successfully" }
    }
}

/// The server stops.
#[derive(Serialize, ToSchema)]
#[schema(as = Stopping)]
pub(crate) struct StoppingWire {
    #[schema(example = "Server is stopping")]
    message: &'static str,
}

impl StoppingWire {
    /// It does.
    pub(crate) const fn new() -> Self {
        Self { message: "Server is stopping" }
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
    data: ChangedData,
}

#[derive(Serialize, ToSchema)]
struct ChangedData {
    #[schema(example = "Local env updated")]
    message: &'static str,
}

impl ChangedWire {
    /// It was.
    pub(crate) const fn new() -> Self {
        let message = "Local env updated";
        Self { success: true, message, data: ChangedData { message } }
    }
}
