//! What the real server said: requests that were sent to elizaOS 1.7.2 and its answers, sent again and compared.
//!
//! The recordings are in `golden/*.jsonl`, one exchange a line, in the order in which they were made: a later one asks for
//! what an earlier one created. Of the answers the values of long texts are cut, because only their types count.
//!
//! An answer of ours holds against a recorded one if its status is of the same class, and if every key that the real server
//! sent is there with the same type. Errors have one envelope everywhere (contract, decision 1), so of a recorded error only
//! the class of its status counts. Whatever is otherwise on purpose is named, with its reason, in `golden/exceptions.json`;
//! an exception that is not needed is a failure.

mod compare;
mod exceptions;
mod names;
mod replay;

use serde::Deserialize;
use serde_json::{Map, Value};

pub use compare::differences;
pub use exceptions::Exceptions;
pub use names::Names;
pub use replay::{Replayed, Verdict, replay};

/// The areas in the order in which they were recorded.
const AREAS: [(&str, &str); 12] = [
    ("server", include_str!("../../golden/server.jsonl")),
    ("system", include_str!("../../golden/system.jsonl")),
    ("messages", include_str!("../../golden/messages.jsonl")),
    ("agents", include_str!("../../golden/agents.jsonl")),
    ("servers", include_str!("../../golden/servers.jsonl")),
    ("channels", include_str!("../../golden/channels.jsonl")),
    ("sessions", include_str!("../../golden/sessions.jsonl")),
    ("jobs", include_str!("../../golden/jobs.jsonl")),
    ("memory", include_str!("../../golden/memory.jsonl")),
    ("media", include_str!("../../golden/media.jsonl")),
    ("audio", include_str!("../../golden/audio.jsonl")),
    ("seed", include_str!("../../golden/seed.jsonl")),
];

/// One exchange with the real server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// What it was about; with the area before it, it is the name of the exchange.
    pub name: String,
    /// The method.
    pub method: String,
    /// The path and query, with the ids of then.
    pub path: String,
    /// Headers beyond the usual ones.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// The body, where there was one: JSON, `{"multipart": ...}`, or a text that is sent as it is.
    pub body: Option<Value>,
    /// The status of the answer.
    pub status: u16,
    /// The content type of an answer that is no JSON.
    #[serde(rename = "type")]
    pub content_type: Option<String>,
    /// The answer, where it had a body; of binary ones how long it was.
    #[serde(default)]
    pub answer: Value,
}

/// All exchanges, each with its full name, such as `agents/get unknown`.
pub fn recordings() -> Result<Vec<(String, Recording)>, String> {
    let read = |area: &str, line: &str| -> Result<(String, Recording), String> {
        let recording: Recording = serde_json::from_str(line).map_err(|error| format!("{area}: {error}: {line}"))?;
        Ok((format!("{area}/{}", recording.name), recording))
    };
    AREAS.iter().flat_map(|(area, text)| text.lines().map(|line| read(area, line))).collect()
}
