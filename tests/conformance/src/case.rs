//! Cases as they are written down.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// The files of `cases/`, in the order in which they are run and reported.
const FILES: [(&str, &str); 14] = [
    ("agents", include_str!("../cases/agents.json")),
    ("servers", include_str!("../cases/servers.json")),
    ("channels", include_str!("../cases/channels.json")),
    ("messages", include_str!("../cases/messages.json")),
    ("runtime", include_str!("../cases/runtime.json")),
    ("ids", include_str!("../cases/ids.json")),
    ("system", include_str!("../cases/system.json")),
    ("errors", include_str!("../cases/errors.json")),
    ("headers", include_str!("../cases/headers.json")),
    ("auth", include_str!("../cases/auth.json")),
    ("sessions", include_str!("../cases/sessions.json")),
    ("memory", include_str!("../cases/memory.json")),
    ("media", include_str!("../cases/media.json")),
    ("seed", include_str!("../cases/seed.json")),
];

/// One file of cases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// Its name, which is that of its file.
    pub area: String,
    /// What it is about.
    pub about: String,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// A server that the suite knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Doolittle.
    Ours,
    /// elizaOS 1.7.2.
    Reference,
}

/// Whom a case holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HoldsFor {
    /// Ours and the reference.
    #[default]
    Both,
    /// Ours; the reference does otherwise.
    Ours,
}

/// What a case cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// A model that answers as the stub does.
    Model,
    /// A server with a key.
    Key,
    /// A server whose rate limit is known.
    Limit,
}

/// A case: what the fields mean is in the documentation of the crate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name.
    pub id: String,
    /// What it holds.
    pub title: String,
    /// Whom it holds for.
    #[serde(default)]
    pub target: HoldsFor,
    /// What the reference does instead.
    pub reference: Option<String>,
    /// Why it is as it is.
    pub note: Option<String>,
    /// What it needs.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// Fixtures that must be there.
    #[serde(default)]
    pub given: Vec<String>,
    /// The milestone that brings what it asks for.
    pub later: Option<String>,
    /// Whether it disturbs others.
    #[serde(default)]
    pub alone: bool,
    /// What is done.
    pub steps: Vec<Step>,
}

/// How the answer of a step is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Read {
    /// To its end.
    #[default]
    Whole,
    /// As server-sent events.
    Events,
    /// Page after page, as the seed's loop does.
    Pages,
    /// As the seed's `apiCall()` does.
    Call,
}

/// Which key is sent to a server with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeySent {
    /// The right one.
    #[default]
    Right,
    /// None.
    None,
    /// Another one.
    Wrong,
    /// The right one, as a bearer token.
    Bearer,
}

/// A part of a multipart form: a field with a value, or a file from `samples/` or with a value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The field.
    pub name: String,
    /// The name of the file; makes it a file.
    pub filename: Option<String>,
    /// The type that is claimed.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The bytes, as a text.
    pub value: Option<String>,
    /// The bytes, from `samples/`.
    pub sample: Option<String>,
}

/// A request and what is expected of its answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Method and path.
    #[serde(rename = "do")]
    pub request: String,
    /// Which key is sent.
    #[serde(default)]
    pub key: KeySent,
    /// Headers to send.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A JSON body.
    pub body: Option<Value>,
    /// A body of these bytes.
    pub raw: Option<String>,
    /// A multipart form.
    #[serde(default)]
    pub form: Vec<Part>,
    /// How often it is sent, one after the other.
    pub repeat: Option<usize>,
    /// How often it is sent at most, until the answer is as expected: a number or a variable.
    pub tries: Option<Value>,
    /// How often it is sent at once.
    pub together: Option<usize>,
    /// How the answer is read.
    #[serde(default)]
    pub read: Read,
    /// The size of a page.
    pub limit: Option<usize>,
    /// The only target that it is done on.
    pub only: Option<Target>,
    /// What is expected.
    #[serde(deserialize_with = "expectation")]
    pub expect: Expect,
    /// What is expected of the reference.
    #[serde(default, deserialize_with = "other_expectation")]
    pub reference: Option<Expect>,
    /// Names for values of the answer.
    #[serde(default)]
    pub keep: BTreeMap<String, String>,
}

impl Step {
    /// What is expected of this target.
    pub fn expected(&self, target: Target) -> &Expect {
        match (target, &self.reference) {
            (Target::Reference, Some(reference)) => reference,
            _ => &self.expect,
        }
    }

    /// Whether the target is expected to do otherwise than ours.
    pub const fn is_otherwise(&self, target: Target) -> bool {
        matches!(target, Target::Reference) && self.reference.is_some()
    }
}

/// What is expected of an answer. Where it is written as a status, or a list of them, it is that alone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// The statuses that will do; any where empty.
    #[serde(deserialize_with = "one_or_many")]
    pub status: Vec<u16>,
    /// Patterns of headers.
    pub headers: BTreeMap<String, Value>,
    /// A pattern of `data`.
    pub data: Option<Value>,
    /// A pattern of the body.
    pub body: Option<Value>,
    /// A code, or patterns of code and message.
    pub error: Option<Value>,
    /// Texts that must not be in the body.
    pub lacks: Vec<String>,
    /// There is no body.
    pub empty: bool,
    /// The body is this sample.
    pub sample: Option<String>,
    /// Paths whose values are the same in all answers.
    pub same: Vec<String>,
    /// Seconds in which it must become so.
    pub within: Option<f64>,
    /// Seconds that pass before.
    pub after: Option<f64>,
}

impl Expect {
    /// Reads an expectation as it is written.
    pub fn written(value: Value) -> Result<Self, serde_json::Error> {
        serde_json::from_value(if value.is_object() { value } else { json!({"status": value}) })
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let many = if value.is_array() { value } else { json!([value]) };
    serde_json::from_value(many).map_err(D::Error::custom)
}

fn expectation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Expect, D::Error> {
    Expect::written(Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn other_expectation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Expect>, D::Error> {
    expectation(deserializer).map(Some)
}

/// All cases, as they are compiled in.
pub fn areas() -> Result<Vec<Area>, String> {
    FILES.iter().map(|(name, text)| serde_json::from_str(text).map_err(|error| format!("cases/{name}.json: {error}"))).collect()
}

/// A file of `samples/`.
pub fn sample(name: &str) -> Option<&'static [u8]> {
    match name {
        "png" => Some(include_bytes!("../samples/pixel.png")),
        "wav" => Some(include_bytes!("../samples/silence.wav")),
        _ => None,
    }
}
