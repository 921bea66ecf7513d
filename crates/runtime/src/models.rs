//! Which provider serves an agent: by its own settings and secrets, then its plugins, then the server's settings, then
//! the offline default.

use std::sync::Arc;

use core_types::Secret;
use core_types::models::{ModelConnector, ModelError, ModelProvider, ModelSettings};

/// The providers there are, and the server's settings for them.
#[derive(Clone)]
pub struct ModelRegistry {
    connectors: Vec<Arc<dyn ModelConnector>>,
    server: Arc<dyn ModelSettings>,
    fallback: Arc<dyn ModelConnector>,
}

impl ModelRegistry {
    /// A registry whose `fallback` serves whoever nothing else serves; it must connect whatever the settings.
    pub fn new(server: Arc<dyn ModelSettings>, fallback: Arc<dyn ModelConnector>) -> Self {
        Self { connectors: Vec::new(), server, fallback }
    }

    /// A registry in which one provider serves everybody.
    pub fn serving(provider: Arc<dyn ModelProvider>) -> Self {
        Self::new(Arc::new(NoSettings), Arc::new(Always(provider)))
    }

    /// Adds a kind of provider, after those that were added before.
    pub fn with(mut self, connector: Arc<dyn ModelConnector>) -> Self {
        self.connectors.push(connector);
        self
    }

    /// The provider for an agent with these settings and plugins, and what its author should know.
    pub fn choose(&self, agent: &dyn ModelSettings, plugins: &[String]) -> Result<Choice, ModelError> {
        for connector in &self.connectors {
            if let Some(provider) = connector.connect(agent)? {
                return Ok(Choice { provider, ignored_plugins: Vec::new() });
            }
        }
        let server = ServerSettings { agent, server: self.server.as_ref() };
        let mut ignored_plugins = Vec::new();
        for plugin in plugins.iter().filter(|plugin| !is_runtime_plugin(plugin)) {
            match self.connector_for(plugin) {
                Some(connector) => {
                    if let Some(provider) = connector.connect(&server)? {
                        return Ok(Choice { provider, ignored_plugins });
                    }
                    ignored_plugins.push(format!("{plugin} (not configured)"));
                }
                None => ignored_plugins.push(plugin.clone()),
            }
        }
        for connector in &self.connectors {
            if let Some(provider) = connector.connect(&server)? {
                return Ok(Choice { provider, ignored_plugins });
            }
        }
        let absent = || ModelError::Misconfigured { message: format!("the provider {} is not configured", self.fallback.name()) };
        let provider = self.fallback.connect(&server)?.ok_or_else(absent)?;
        Ok(Choice { provider, ignored_plugins })
    }

    /// The provider for an agent that says nothing of its own; for the start-up text.
    pub fn default_provider(&self) -> Result<Arc<dyn ModelProvider>, ModelError> {
        self.choose(&NoSettings, &[]).map(|choice| choice.provider)
    }

    fn connector_for(&self, plugin: &str) -> Option<&dyn ModelConnector> {
        let name = plugin.rsplit('/').next().unwrap_or(plugin).to_lowercase();
        self.connectors
            .iter()
            .chain([&self.fallback])
            .map(AsRef::as_ref)
            .find(|connector| connector.plugin_hints().iter().any(|hint| name.contains(hint)))
    }
}

/// A chosen provider.
pub struct Choice {
    /// It serves the agent.
    pub provider: Arc<dyn ModelProvider>,
    /// Plugins that do nothing here.
    pub ignored_plugins: Vec<String>,
}

/// What these plugins do is part of every agent here.
fn is_runtime_plugin(plugin: &str) -> bool {
    ["bootstrap", "plugin-sql"].iter().any(|name| plugin.contains(name))
}

pub(crate) struct NoSettings;

impl ModelSettings for NoSettings {
    fn get(&self, _name: &str) -> Option<Secret> {
        None
    }
}

/// Connects to one provider, whatever the settings.
struct Always(Arc<dyn ModelProvider>);

impl ModelConnector for Always {
    fn name(&self) -> &'static str {
        "given"
    }

    fn plugin_hints(&self) -> &'static [&'static str] {
        &[]
    }

    fn connect(&self, _settings: &dyn ModelSettings) -> Result<Option<Arc<dyn ModelProvider>>, ModelError> {
        Ok(Some(Arc::clone(&self.0)))
    }
}

/// The server's settings with the agent's choice of models and voices. Keys and addresses come from the server alone: an
/// agent that could set the address would be sent the server's key.
pub(crate) struct ServerSettings<'a> {
    pub(crate) agent: &'a dyn ModelSettings,
    pub(crate) server: &'a dyn ModelSettings,
}

impl ModelSettings for ServerSettings<'_> {
    fn get(&self, name: &str) -> Option<Secret> {
        let may_choose = name.ends_with("_MODEL") || name.ends_with("_VOICE");
        let own = may_choose.then(|| self.agent.get(name)).flatten();
        own.or_else(|| self.server.get(name))
    }
}

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;
