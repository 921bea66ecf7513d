//! An agent made ready to run: its character, its settings and the model that serves it.

use std::collections::HashMap;
use std::sync::Arc;

use core_types::agents::Agent;
use core_types::character::Character;
use core_types::json::{Extent, extent};
use core_types::models::{ModelError, ModelProvider, ModelSettings};
use core_types::secrets::VaultError;
use core_types::{AgentId, JsonObject, Secret, StoreError, Timestamp};
use derive_more::{Display, Error, From};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::models::ModelRegistry;
use crate::ports::Ports;
use crate::speech::SpeechRegistry;

/// How many agents are kept ready; the one that ran longest ago makes room.
const READY: usize = 1_024;
/// How many bytes they take together at most, about.
const READY_BYTES: usize = 64 << 20;
/// How many one of them takes at most. One that would push too many others out is made ready anew each time.
const LARGEST: usize = READY_BYTES / 8;
/// What a value, a setting or a secret costs in memory besides its bytes.
const OF_VALUE: usize = 160;
/// The most bytes of the name of a setting. Longer ones are kept for clients and say nothing to a run: nobody asks for them.
const SETTING_NAME: usize = 128;
/// The most bytes of the text of a setting, the same as of the server's. Longer ones are not looked at.
const SETTING_TEXT: usize = 8_192;
/// The most characters that the log has of the names of plugins.
const PLUGINS: usize = 1_000;

/// Why an agent cannot run.
#[derive(Debug, Display, Error, From)]
pub(crate) enum NotReady {
    /// It was deleted meanwhile.
    #[display("the agent does not exist any more")]
    #[from(ignore)]
    Gone,
    /// The store failed.
    #[display("the agent cannot be read")]
    Store(StoreError),
    /// Its model settings make no sense.
    #[display("the agent has no model")]
    Model(ModelError),
    /// A secret of its cannot be opened; without it the agent would be served by another provider than it should.
    #[display("the agent's secret {name} cannot be read; was SECRET_SALT or the key file changed? Set the secret again")]
    #[from(ignore)]
    Secret {
        /// The secret's name.
        name: String,
        /// Why.
        source: VaultError,
    },
}

/// A version of an agent, ready to run.
pub(crate) struct ReadyAgent {
    /// The agent, of its character only what a run reads ([`read_by_runs`]).
    pub(crate) agent: Agent,
    pub(crate) settings: AgentSettings,
    pub(crate) provider: Arc<dyn ModelProvider>,
}

impl ReadyAgent {
    /// About how many bytes of memory it takes.
    fn bytes(&self) -> usize {
        let Extent { bytes, values } = extent(&self.agent.character);
        let texts = self.settings.texts.iter().map(|(name, text)| name.len() + text.len());
        // What serves the agent has a copy of some.
        let secrets = self.settings.secrets.iter().map(|(name, secret)| name.len() + 2 * secret.reveal().len());
        let settings: usize = texts.chain(secrets).map(|bytes| bytes + OF_VALUE).sum();
        bytes.saturating_add(values.saturating_mul(OF_VALUE)).saturating_add(settings)
    }
}

/// What an agent's settings say, secrets first (contract §8.5).
pub(crate) struct AgentSettings {
    secrets: HashMap<String, Secret>,
    texts: HashMap<String, String>,
}

impl AgentSettings {
    /// The text of a setting; secrets are not looked at.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.texts.get(name).cloned()
    }

    /// Whether a setting says yes, in one of the words that elizaOS takes for it.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let yes = ["YES", "Y", "TRUE", "T", "1", "ON", "ENABLE"];
        self.text(name).is_some_and(|text| yes.contains(&text.trim().to_uppercase().as_str()))
    }

    /// The entries of a comma-separated list with optional brackets, in upper case.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.trim_matches(['[', ']', ' '])
            .split(',')
            .map(|entry| entry.trim().trim_matches(['"', '\'']).to_uppercase())
            .filter(|entry| !entry.is_empty())
            .collect()
    }
}

impl ModelSettings for AgentSettings {
    fn get(&self, name: &str) -> Option<Secret> {
        self.secrets.get(name).cloned().or_else(|| self.text(name).filter(|text| !text.is_empty()).map(Secret::new))
    }
}

/// Agents made ready to run, each once and again when it changes: what the inbox runs, and what asks models outside of
/// runs (`AgentModels`).
pub struct ReadyAgents {
    pub(crate) ports: Ports,
    pub(crate) speech: SpeechRegistry,
    models: ModelRegistry,
    ready: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    agents: HashMap<AgentId, Kept>,
    /// What they take together.
    bytes: usize,
    uses: u64,
    /// How often something was forgotten, so that what was read before is not kept after.
    forgotten: u64,
}

struct Kept {
    ready: Arc<ReadyAgent>,
    bytes: usize,
    /// At which use it was used last.
    used: u64,
}

impl ReadyAgents {
    /// Makes agents ready over a store, with the providers of a registry. They can neither speak nor hear.
    pub fn new(ports: Ports, models: ModelRegistry) -> Self {
        let speech = SpeechRegistry::default();
        Self { ports, speech, models, ready: Mutex::new(Cache::default()) }
    }

    /// The same agents with engines that speak and hear for them.
    pub fn with_speech(self, speech: SpeechRegistry) -> Self {
        Self { speech, ..self }
    }

    /// The agent in the given version, or in a newer one where it has changed since.
    pub(crate) async fn get(&self, id: AgentId, version: Timestamp) -> Result<Arc<ReadyAgent>, NotReady> {
        let forgotten = {
            let mut cache = self.ready.lock();
            if let Some(ready) = cache.find(id, version) {
                return Ok(ready);
            }
            cache.forgotten
        };
        let agent = self.ports.agents.find(id).await?.ok_or(NotReady::Gone)?;
        let (agent, texts) = read_by_runs(agent);
        let settings = AgentSettings { secrets: self.secrets(&agent).await?, texts };
        let choice = self.models.choose(&settings, &agent.character.plugins)?;
        if !choice.ignored_plugins.is_empty() {
            let plugins: String = choice.ignored_plugins.join(", ").chars().take(PLUGINS).collect();
            log::warn!("agent {}: plugins without effect here: {plugins}", agent.character.name);
        }
        let ready = Arc::new(ReadyAgent { agent, settings, provider: choice.provider });
        let bytes = ready.bytes();
        self.ready.lock().keep_since(forgotten, id, Arc::clone(&ready), bytes);
        Ok(ready)
    }

    /// Forgets an agent that has changed or is gone, and with it its opened secrets.
    pub(crate) fn forget(&self, id: AgentId) {
        self.ready.lock().forget(id);
    }

    /// Forgets all agents, since what they are made ready with has changed.
    pub fn forget_all(&self) {
        self.ready.lock().forget_all();
    }

    async fn secrets(&self, agent: &Agent) -> Result<HashMap<String, Secret>, NotReady> {
        let mut secrets = HashMap::new();
        for sealed in self.ports.secrets.list(agent.id).await? {
            let secret =
                self.ports.vault.open(agent.id, &sealed).map_err(|source| NotReady::Secret { name: sealed.name.clone(), source })?;
            secrets.insert(sealed.name, secret);
        }
        if agent.owner.is_some() {
            // A tenant does not say where this server sends its requests.
            secrets.retain(|name, _| !is_address(name));
        }
        Ok(secrets)
    }
}

/// An agent with what runs read of its character, and its settings as the texts that they are to a run. What it knows is recalled from
/// the store; and of the settings as they are written, which in memory can be many times as large as they are, the voice is read alone.
fn read_by_runs(mut agent: Agent) -> (Agent, HashMap<String, String>) {
    let mut character = std::mem::take(&mut agent.character);
    let settings = std::mem::take(&mut character.settings);
    agent.character = Character { settings: voice(&settings), knowledge: Vec::new(), post_examples: Vec::new(), ..character };
    let mut texts: HashMap<String, String> = settings.into_iter().filter_map(|(name, value)| Some((name, text_of(value)?))).collect();
    // As of the secrets: a tenant names no addresses.
    let may_name = |name: &str| agent.owner.is_none() || !is_address(name);
    texts.retain(|name, text| name.len() <= SETTING_NAME && text.len() <= SETTING_TEXT && may_name(name));
    texts.shrink_to_fit();
    (agent, texts)
}

/// Of settings those of the voice.
fn voice(settings: &JsonObject) -> JsonObject {
    let model = settings.get("voice").and_then(|voice| voice.get("model")).and_then(Value::as_str);
    let model = model.filter(|model| model.len() <= SETTING_TEXT);
    model.map(|model| ("voice".to_owned(), json!({"model": model}))).into_iter().collect()
}

/// The text that a setting is to a run; lists and objects are none.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whether a setting names the address of a service.
fn is_address(name: &str) -> bool {
    ["_URL", "_ENDPOINT", "_HOST"].iter().any(|ending| name.to_ascii_uppercase().ends_with(ending))
}

impl Cache {
    fn find(&mut self, id: AgentId, version: Timestamp) -> Option<Arc<ReadyAgent>> {
        self.uses += 1;
        let kept = self.agents.get_mut(&id)?;
        if kept.ready.agent.updated_at < version {
            return None;
        }
        kept.used = self.uses;
        Some(Arc::clone(&kept.ready))
    }

    /// Keeps an agent that began to be read when things had been forgotten so often, unless something was since: it may have been this one.
    fn keep_since(&mut self, forgotten: u64, id: AgentId, ready: Arc<ReadyAgent>, bytes: usize) {
        if self.forgotten == forgotten {
            self.keep(id, ready, bytes);
        }
    }

    fn forget(&mut self, id: AgentId) {
        self.remove(id);
        self.forgotten += 1;
    }

    fn forget_all(&mut self) {
        self.agents.clear();
        self.bytes = 0;
        self.forgotten += 1;
    }

    /// Keeps an agent that takes so many bytes in the place of its version before; those that ran longest ago make room.
    fn keep(&mut self, id: AgentId, ready: Arc<ReadyAgent>, bytes: usize) {
        self.remove(id);
        if bytes > LARGEST {
            return;
        }
        while self.agents.len() >= READY || self.bytes + bytes > READY_BYTES {
            let Some(oldest) = self.agents.iter().min_by_key(|(_, kept)| kept.used).map(|(id, _)| *id) else { break };
            self.remove(oldest);
        }
        self.bytes += bytes;
        self.agents.insert(id, Kept { ready, bytes, used: self.uses });
    }

    fn remove(&mut self, id: AgentId) {
        if let Some(kept) = self.agents.remove(&id) {
            self.bytes -= kept.bytes;
        }
    }
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
