//! A character: who an agent is, as elizaOS writes it (contract §8.1).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::has_nul;
use crate::{AgentId, JsonObject, Secret, secrets::MASK};

mod check;
mod template;

pub use template::{InvalidTemplate, TemplateEngine, check_template, check_templates};

/// The most entries a list of a character may have.
pub const MAX_LIST: usize = 1_000;
/// The most characters (Unicode scalar values) a name may have.
pub const MAX_NAME: usize = 128;
/// The most secrets that may be given at once.
pub const MAX_SECRETS: usize = 1_000;
/// The most bytes of a bio, all its texts together: lists of agents show it.
pub const MAX_BIO: usize = 64 << 10;

/// Who an agent is. Secrets are not part of it: they are taken out when a character is read ([`parse`]).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Character {
    /// The agent's name, not empty.
    pub name: String,
    /// A handle on other platforms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Instructions for the model, in the author's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// A description, one text or several statements; given back as it came.
    pub bio: OneOrMany,
    /// Background stories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lore: Option<OneOrMany>,
    /// Texts that replace our own instructions for a step, by name (`messageHandlerTemplate`, ...).
    #[serde(skip_serializing_if = "JsonObject::is_empty")]
    pub templates: JsonObject,
    /// Sample conversations: lists of `{name, content: {text, ...}}`.
    pub message_examples: Vec<Vec<MessageExample>>,
    /// Sample posts.
    pub post_examples: Vec<String>,
    /// What the agent likes to talk about.
    pub topics: Vec<String>,
    /// How others would describe it.
    pub adjectives: Vec<String>,
    /// What it knows: texts, or references to files and directories.
    pub knowledge: Vec<Knowledge>,
    /// Names of elizaOS plugins; those that hint at a model provider choose it.
    pub plugins: Vec<String>,
    /// Free-form settings, without secrets.
    pub settings: JsonObject,
    /// How it writes.
    pub style: Style,
}

/// One text or a list of texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// A single text.
    One(String),
    /// Several texts.
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    /// The texts, one or many.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }

    /// What a list of agents shows: the whole text, or the first of several.
    pub fn summary(&self) -> &str {
        self.texts().first().map_or("", String::as_str)
    }
}

/// A line of a sample conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MessageExample {
    /// Who speaks; `{{user1}}` and the like stand for any person.
    pub name: String,
    /// What is said: `text`, perhaps `actions`, and any other key.
    pub content: JsonObject,
}

/// An item of knowledge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Knowledge {
    /// The text itself.
    Text(String),
    /// `{path, shared?}` or `{directory, shared?}`.
    Reference(JsonObject),
}

/// How the agent writes: everywhere, in chats, in posts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Style {
    /// Everywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<String>,
    /// In conversation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chat: Vec<String>,
    /// In posts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post: Vec<String>,
}

/// Why a character was not accepted: every problem as `path: reason`, joined by `; `.
#[derive(Debug, Clone, PartialEq, Eq, derive_more::Display, derive_more::Error)]
#[display("{_0}")]
pub struct InvalidCharacter(#[error(not(source))] pub String);

/// What a character in the wire's form says.
#[derive(Debug, Clone, PartialEq)]
pub struct ParsedCharacter {
    /// The id it asks for.
    pub id: Option<AgentId>,
    /// The character, without secrets.
    pub character: Character,
    /// The secrets of `settings.secrets` and of the top-level `secrets`, and what is one by its name among the settings, by name; empty
    /// ones and masks are left out.
    pub secrets: Vec<(String, Secret)>,
    /// What was accepted but has no effect, for the author to know.
    pub warnings: Vec<String>,
}

/// Refuses a `bio` that is too long for lists. Of a character that is there already, and of one that is brought from elsewhere, it is
/// whatever it is.
pub fn check_bio(bio: &Value) -> Result<(), InvalidCharacter> {
    if check::text_bytes(bio) <= MAX_BIO {
        return Ok(());
    }
    Err(InvalidCharacter(format!("bio: must have at most {MAX_BIO} bytes")))
}

/// Reads a character as clients send it: unknown keys are refused, keys of older releases are accepted with a warning,
/// secrets are taken out.
pub fn parse(value: &Value) -> Result<ParsedCharacter, InvalidCharacter> {
    let Value::Object(given) = value else {
        return Err(InvalidCharacter("a character must be a JSON object".to_owned()));
    };
    if has_nul(value) {
        return Err(InvalidCharacter("a character cannot contain the character U+0000".to_owned()));
    }
    let mut warnings = Vec::new();
    let mut object = given.clone();
    for legacy in ["clients", "modelProvider"] {
        if object.shift_remove(legacy).is_some() {
            warnings.push(format!("`{legacy}` is a key of older elizaOS releases and has no effect"));
        }
    }
    let problems = check::problems(&object);
    if !problems.is_empty() {
        return Err(InvalidCharacter(problems.join("; ")));
    }
    let id = object.shift_remove("id").and_then(|id| id.as_str().and_then(|id| id.parse().ok()));
    let mut secrets = Vec::new();
    if let Some(top) = object.shift_remove("secrets") {
        take_secrets(&top, &mut secrets, &mut warnings);
    }
    if let Some(settings) = object.get_mut("settings").and_then(Value::as_object_mut) {
        take_secrets(&Value::Object(loose_secrets(settings)), &mut secrets, &mut warnings);
        if let Some(nested) = settings.shift_remove("secrets") {
            take_secrets(&nested, &mut secrets, &mut warnings);
        }
    }
    let secrets = last_of_each(secrets);
    if secrets.len() > MAX_SECRETS {
        return Err(InvalidCharacter(format!("secrets: must have at most {MAX_SECRETS} entries")));
    }
    let mut character: Character = serde_json::from_value(Value::Object(object)).map_err(|error| InvalidCharacter(error.to_string()))?;
    // elizaOS shows what is absent as an empty text, and clients send back what they were shown.
    for text in [&mut character.username, &mut character.system] {
        text.take_if(|text| text.is_empty());
    }
    Ok(ParsedCharacter { id, character, secrets, warnings })
}

/// The text form of a secret's value, where it has one; numbers and booleans are secrets too.
pub fn secret_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Takes out of settings what is a secret by its name, though it is not among the secrets: many a character has its keys there, and an
/// agent finds them among its secrets all the same.
pub fn loose_secrets(settings: &mut JsonObject) -> JsonObject {
    let is_loose = |name: &str, value: &Value| is_secret_name(name) && !matches!(value, Value::Array(_) | Value::Object(_));
    let (loose, kept) = std::mem::take(settings).into_iter().partition(|(name, value)| is_loose(name, value));
    *settings = kept;
    loose
}

/// Whether a setting of this name is a secret: `OPENAI_API_KEY`, `botToken`, and so on.
fn is_secret_name(name: &str) -> bool {
    const ENDS: [&str; 7] = ["apikey", "secretkey", "privatekey", "accesskey", "secret", "token", "password"];
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    ENDS.iter().any(|end| name.ends_with(end))
}

fn take_secrets(value: &Value, secrets: &mut Vec<(String, Secret)>, warnings: &mut Vec<String>) {
    let Value::Object(entries) = value else { return };
    for (name, value) in entries {
        match secret_text(value) {
            Some(text) if text == MASK => {
                warnings.push(format!("the secret `{name}` is only a mask and was left out"));
            }
            Some(text) => secrets.push((name.clone(), Secret::new(text))),
            None => {}
        }
    }
}

/// Of entries that share a name the last, where that one stands.
pub fn last_of_each<T>(entries: Vec<(String, T)>) -> Vec<(String, T)> {
    let mut known = HashSet::new();
    let mut last: Vec<(String, T)> = entries.into_iter().rev().filter(|(name, _)| known.insert(name.clone())).collect();
    last.reverse();
    last
}

#[cfg(test)]
#[path = "character_tests.rs"]
mod tests;
