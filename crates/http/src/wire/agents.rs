//! Agents on the wire.

use core_types::agents::{Agent, AgentSummary, AgentView, CreateAgent, CreatedAgent};
use core_types::character::{Character, Knowledge, MessageExample, OneOrMany, Style};
use core_types::secrets::MASK;
use core_types::{AgentId, Caller, InvalidCode, JsonObject, Permission, ServiceError, ServiceResult, Tenant};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::wire::character;

/// Agents: those that run first, each part in the order of their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentList<'a> {
    agents: Vec<ListedAgent<'a>>,
}

impl<'a> AgentList<'a> {
    /// These agents for this caller. Whose they are is for the owner of the server alone.
    pub(crate) fn of(agents: &'a [AgentSummary], caller: &Caller) -> Self {
        let told = caller.may(Permission::SystemManage);
        let tenant = |agent: &'a AgentSummary| agent.owner.as_ref().filter(|_| told).map(Tenant::as_str);
        Self { agents: agents.iter().map(|agent| ListedAgent { tenant: tenant(agent), ..ListedAgent::from(agent) }).collect() }
    }
}

/// An agent in a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedAgent<'a> {
    #[schema(value_type = Uuid)]
    id: AgentId,
    #[schema(example = "Eliza")]
    name: &'a str,
    #[schema(example = "Eliza")]
    character_name: &'a str,
    /// The text, or the first of several; of a long one the first 1,000 characters and an ellipsis.
    #[schema(example = "A therapist of the old school.")]
    bio: &'a str,
    #[schema(value_type = AgentStatus)]
    status: &'static str,
    /// The tenant whose agent it is; there for the owner of the server alone, and not for the owner's own agents.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "shop")]
    tenant: Option<&'a str>,
}

impl<'a> From<&'a AgentSummary> for ListedAgent<'a> {
    /// Does not say whose it is.
    fn from(agent: &'a AgentSummary) -> Self {
        Self { id: agent.id, name: &agent.name, character_name: &agent.name, bio: &agent.bio, status: status(agent.running), tenant: None }
    }
}

/// An agent with everything that a client may see.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentWire<'a> {
    #[schema(value_type = Uuid)]
    id: AgentId,
    /// Whether it may be started.
    enabled: bool,
    /// Always `null`; clients of elizaOS look for it.
    #[serde(rename = "server_id")]
    #[schema(value_type = Option<String>)]
    server_id: Option<()>,
    /// Epoch milliseconds.
    created_at: i64,
    /// Epoch milliseconds.
    updated_at: i64,
    #[schema(example = "Eliza")]
    name: &'a str,
    #[schema(example = "eliza")]
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "You are a therapist.")]
    system: Option<&'a str>,
    #[schema(value_type = character::OneOrMany)]
    bio: &'a OneOrMany,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<character::OneOrMany>)]
    lore: Option<&'a OneOrMany>,
    #[schema(value_type = Vec<Vec<character::MessageExample>>)]
    message_examples: &'a [Vec<MessageExample>],
    #[schema(example = json!(["How does that make you feel?"]))]
    post_examples: &'a [String],
    #[schema(example = json!(["dreams"]))]
    topics: &'a [String],
    #[schema(example = json!(["patient"]))]
    adjectives: &'a [String],
    #[schema(value_type = Vec<character::Knowledge>)]
    knowledge: &'a [Knowledge],
    #[schema(example = json!(["@elizaos/plugin-openai"]))]
    plugins: &'a [String],
    /// Free-form; `secrets` shows which secrets there are, masked.
    #[schema(value_type = Object, example = json!({"secrets": {"OPENAI_API_KEY": "****"}}))]
    settings: JsonObject,
    #[schema(value_type = character::Style)]
    style: &'a Style,
    #[serde(skip_serializing_if = "JsonObject::is_empty")]
    #[schema(value_type = Option<Object>)]
    templates: &'a JsonObject,
    #[schema(value_type = AgentStatus)]
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
#[derive(Serialize, ToSchema)]
pub(crate) struct AgentState<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    #[schema(value_type = Uuid)]
    id: AgentId,
    #[schema(example = "Eliza")]
    name: &'a str,
    #[schema(value_type = AgentStatus)]
    status: &'static str,
}

/// Whether an agent runs.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "the schema of what `status` makes")]
enum AgentStatus {
    Active,
    Inactive,
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

/// A created agent: the character that was sent, and beside it what the official client takes for the agent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedWire<'a> {
    #[schema(value_type = Uuid)]
    id: AgentId,
    #[schema(value_type = character::Character)]
    character: EchoedCharacter<'a>,
    /// The name of the agent as it is stored.
    #[schema(example = "Eliza")]
    name: &'a str,
    #[schema(value_type = character::OneOrMany)]
    bio: &'a OneOrMany,
    /// Whether it may be started.
    enabled: bool,
    #[schema(value_type = AgentStatus)]
    status: &'static str,
    /// Epoch milliseconds.
    created_at: i64,
    /// Epoch milliseconds.
    updated_at: i64,
    /// There, and true, where the agent was there already, and nothing was changed.
    #[serde(skip_serializing_if = "is_false")]
    existing: bool,
    /// What was accepted but has no effect.
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
            name: &created.agent.character.name,
            bio: &created.agent.character.bio,
            enabled: created.agent.enabled,
            status: status(created.agent.running),
            created_at: created.agent.created_at.millis(),
            updated_at: created.agent.updated_at.millis(),
            existing: created.existing,
            warnings: &created.warnings,
        }
    }
}

/// An agent to be made, in one of three ways; of several the first counts.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `creation` reads")]
pub(crate) struct NewAgent {
    character_json: Option<character::Character>,
    /// The path of a file with the character, in the characters directory.
    #[schema(example = "eliza.json")]
    character_path: Option<String>,
    /// The same as `characterJson`.
    agent: Option<character::Character>,
}

/// A change of an agent: what is there is replaced. Other keys are ignored.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what the domain reads as an agent's change")]
pub(crate) struct AgentChange {
    #[schema(min_length = 1, max_length = 128, example = "Eliza", nullable = false)]
    name: Option<String>,
    username: Option<String>,
    system: Option<String>,
    bio: Option<character::OneOrMany>,
    lore: Option<character::OneOrMany>,
    #[schema(value_type = Option<Object>)]
    templates: Option<()>,
    message_examples: Option<Vec<Vec<character::MessageExample>>>,
    post_examples: Option<Vec<String>>,
    topics: Option<Vec<String>>,
    adjectives: Option<Vec<String>>,
    knowledge: Option<Vec<character::Knowledge>>,
    plugins: Option<Vec<String>>,
    /// Merged with what there is; `null` takes a key away.
    #[schema(value_type = Option<Object>, nullable = false)]
    settings: Option<()>,
    /// Merged with what there is: a text sets a secret, `null` removes it, its mask leaves it as it is.
    #[schema(value_type = Option<Object>)]
    secrets: Option<()>,
    style: Option<character::Style>,
    /// Kept and shown; whether the agent runs is for `start` and `stop` to say.
    #[schema(nullable = false)]
    enabled: Option<bool>,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use core_types::{Credential, Reach};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_owner_alone_is_told_whose_an_agent_is() {
        let shop = Tenant::new("shop").unwrap();
        let agent = |name: &str, owner: Option<Tenant>| {
            let (id, name, bio) = (AgentId::of_name(name), name.to_owned(), String::new());
            AgentSummary { id, name, bio, running: true, owner }
        };
        let agents = [agent("Ada", None), agent("Bob", Some(shop.clone()))];
        let reach = Reach { tenant: shop, servers: Vec::new(), person: None };
        let credential = Credential { key: None, permissions: Permission::GRANTABLE.to_vec(), reach, expires_at: None };
        let told = json!("shop");
        for (caller, tenant) in [(Caller::owner(), Some(&told)), (Caller::anyone(), None), (Caller::tenant(Arc::new(credential)), None)] {
            let list = json!(AgentList::of(&agents, &caller));
            assert_eq!((list["agents"][0].get("tenant"), list["agents"][1].get("tenant")), (None, tenant), "{caller:?}");
        }
    }
}
