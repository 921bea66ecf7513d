//! An agent made ready to run: its character, its settings and the model that serves it.

use std::collections::HashMap;
use std::sync::Arc;

use core_types::agents::Agent;
use core_types::models::{ModelError, ModelProvider, ModelSettings};
use core_types::secrets::VaultError;
use core_types::{AgentId, JsonObject, Secret, StoreError, Timestamp};
use derive_more::{Display, Error, From};
use parking_lot::Mutex;
use serde_json::Value;

use crate::models::ModelRegistry;
use crate::ports::Ports;
use crate::speech::SpeechRegistry;

/// How many agents are kept ready; the one that ran longest ago makes room.
const READY: usize = 1_024;

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
    pub(crate) agent: Agent,
    pub(crate) settings: AgentSettings,
    pub(crate) provider: Arc<dyn ModelProvider>,
}

/// What an agent's settings say, secrets first (contract §8.5).
pub(crate) struct AgentSettings {
    secrets: HashMap<String, Secret>,
    settings: JsonObject,
}

impl AgentSettings {
    /// The text of a setting; secrets are not looked at.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.settings.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
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
    agents: HashMap<AgentId, (u64, Arc<ReadyAgent>)>,
    uses: u64,
    /// How often everything was forgotten, so that what was begun before is not kept after.
    forgotten: u64,
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
        let settings = self.settings(&agent).await?;
        let choice = self.models.choose(&settings, &agent.character.plugins)?;
        if !choice.ignored_plugins.is_empty() {
            log::warn!("agent {}: plugins without effect here: {}", agent.character.name, choice.ignored_plugins.join(", "));
        }
        let ready = Arc::new(ReadyAgent { agent, settings, provider: choice.provider });
        let mut cache = self.ready.lock();
        if cache.forgotten == forgotten {
            cache.keep(id, Arc::clone(&ready));
        }
        drop(cache);
        Ok(ready)
    }

    /// Forgets an agent that has changed or is gone, and with it its opened secrets.
    pub(crate) fn forget(&self, id: AgentId) {
        self.ready.lock().agents.remove(&id);
    }

    /// Forgets all agents, since what they are made ready with has changed.
    pub fn forget_all(&self) {
        let mut ready = self.ready.lock();
        ready.agents.clear();
        ready.forgotten += 1;
    }

    async fn settings(&self, agent: &Agent) -> Result<AgentSettings, NotReady> {
        let mut secrets = HashMap::new();
        for sealed in self.ports.secrets.list(agent.id).await? {
            let secret =
                self.ports.vault.open(agent.id, &sealed).map_err(|source| NotReady::Secret { name: sealed.name.clone(), source })?;
            secrets.insert(sealed.name, secret);
        }
        let mut settings = agent.character.settings.clone();
        if agent.owner.is_some() {
            // A tenant does not say where this server sends its requests.
            secrets.retain(|name, _| !is_address(name));
            settings.retain(|name, _| !is_address(name));
        }
        Ok(AgentSettings { secrets, settings })
    }
}

/// Whether a setting names the address of a service.
fn is_address(name: &str) -> bool {
    ["_URL", "_ENDPOINT", "_HOST"].iter().any(|ending| name.to_ascii_uppercase().ends_with(ending))
}

impl Cache {
    fn find(&mut self, id: AgentId, version: Timestamp) -> Option<Arc<ReadyAgent>> {
        self.uses += 1;
        let (used, ready) = self.agents.get_mut(&id)?;
        if ready.agent.updated_at < version {
            return None;
        }
        *used = self.uses;
        Some(Arc::clone(ready))
    }

    fn keep(&mut self, id: AgentId, ready: Arc<ReadyAgent>) {
        if self.agents.len() >= READY
            && !self.agents.contains_key(&id)
            && let Some(oldest) = self.agents.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id)
        {
            self.agents.remove(&oldest);
        }
        self.agents.insert(id, (self.uses, ready));
    }
}
