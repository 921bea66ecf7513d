//! Agents on the wire.

use core_types::agents::{Agent, AgentSummary, AgentView, CreateAgent, CreatedAgent};
use core_types::character::{Character, Knowledge, MessageExample, OneOrMany, Style};
use core_types::secrets::MASK;
use core_types::{AgentId, InvalidCode, JsonObject, ServiceError, ServiceResult};
use serde::Serialize;
use serde_json::Value;

/// An agent in a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedAgent<'a> {
    id: AgentId,
    name: &'a str,
    character_name: &'a str,
    bio: &'a str,
    status: &'static str,
}

impl<'a> From<&'a AgentSummary> for ListedAgent<'a> {
    fn from(agent: &'a AgentSummary) -> Self {
        Self { id: agent.id, name: &agent.name, character_name: &agent.name, bio: &agent.bio, status: status(agent.running) }
    }
}

/// An agent with everything that a client may see.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentWire<'a> {
    id: AgentId,
    enabled: bool,
    /// Of no use any more, but clients of elizaOS find it.
    #[serde(rename = "server_id")]
    server_id: Option<()>,
    created_at: i64,
    updated_at: i64,
    name: &'a str,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    bio: &'a OneOrMany,
    #[serde(skip_serializing_if = "Option::is_none")]
    lore: Option<&'a OneOrMany>,
    message_examples: &'a [Vec<MessageExample>],
    post_examples: &'a [String],
    topics: &'a [String],
    adjectives: &'a [String],
    knowledge: &'a [Knowledge],
    plugins: &'a [String],
    settings: JsonObject,
    style: &'a Style,
    #[serde(skip_serializing_if = "JsonObject::is_empty")]
    templates: &'a JsonObject,
    status: &'static str,
}

impl<'a> From<&'a AgentView> for AgentWire<'a> {
    fn from(view: &'a AgentView) -> Self {
        let AgentView { agent, secret_names } = view;
        let character = &agent.character;
        Self {
            id: agent.id,
            enabled: agent.enabled,
            server_id: None,
            created_at: agent.created_at.millis(),
            updated_at: agent.updated_at.millis(),
            name: &character.name,
            username: character.username.as_deref().unwrap_or_default(),
            system: character.system.as_deref().filter(|system| !system.is_empty()),
            bio: &character.bio,
            lore: character.lore.as_ref(),
            message_examples: &character.message_examples,
            post_examples: &character.post_examples,
            topics: &character.topics,
            adjectives: &character.adjectives,
            knowledge: &character.knowledge,
            plugins: &character.plugins,
            settings: masked(&character.settings, secret_names),
            style: &character.style,
            templates: &character.templates,
            status: status(agent.running),
        }
    }
}

/// What a start, stop or restart says of the agent.
#[derive(Serialize)]
pub(crate) struct AgentState<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    id: AgentId,
    name: &'a str,
    status: &'static str,
}

impl<'a> AgentState<'a> {
    /// The agent as it is now.
    pub(crate) fn of(agent: &'a Agent) -> Self {
        Self { message: None, id: agent.id, name: &agent.character.name, status: status(agent.running) }
    }

    /// The agent after a stop.
    pub(crate) fn stopped(agent: &'a Agent) -> Self {
        Self { message: Some("Agent stopped"), ..Self::of(agent) }
    }
}

/// A character as it is echoed after a creation.
#[derive(Serialize)]
struct EchoedCharacter<'a> {
    id: AgentId,
    #[serde(flatten)]
    character: &'a Character,
}

/// The answer to a creation.
#[derive(Serialize)]
pub(crate) struct CreatedWire<'a> {
    id: AgentId,
    character: EchoedCharacter<'a>,
    #[serde(skip_serializing_if = "is_false")]
    existing: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

impl<'a> CreatedWire<'a> {
    /// The answer; `created` gets the masks of its secrets on the way.
    pub(crate) fn of(created: &'a mut CreatedAgent) -> Self {
        created.character.settings = masked(&created.character.settings, &created.secret_names);
        Self {
            id: created.id,
            character: EchoedCharacter { id: created.id, character: &created.character },
            existing: created.existing,
            warnings: &created.warnings,
        }
    }
}

/// Which of the three ways a creation uses, tried in the contract's order; `null` and an empty path count as absent.
pub(crate) fn creation(mut body: JsonObject) -> ServiceResult<CreateAgent> {
    let mut take = |key: &str| body.swap_remove(key).filter(|value| !value.is_null());
    if let Some(character) = take("characterJson") {
        return Ok(CreateAgent::Character(character));
    }
    match take("characterPath") {
        Some(Value::String(path)) if !path.is_empty() => return Ok(CreateAgent::Path(path)),
        None | Some(Value::String(_)) => {}
        Some(_) => return Err(ServiceError::invalid(InvalidCode::Create, "characterPath must be a string")),
    }
    take("agent")
        .map(CreateAgent::Character)
        .ok_or_else(|| ServiceError::invalid(InvalidCode::Create, "No character configuration provided"))
}

/// Settings with a `secrets` object that shows which secrets there are.
fn masked(settings: &JsonObject, secret_names: &[String]) -> JsonObject {
    let secrets = secret_names.iter().map(|name| (name.clone(), Value::from(MASK))).collect();
    let mut settings = settings.clone();
    settings.insert("secrets".to_owned(), Value::Object(secrets));
    settings
}

const fn status(running: bool) -> &'static str {
    if running { "active" } else { "inactive" }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
