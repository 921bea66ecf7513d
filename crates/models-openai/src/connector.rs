//! From settings to a provider.

use std::sync::Arc;
use std::time::Duration;

use core_types::Secret;
use core_types::models::{Capabilities, ModelConnector, ModelError, ModelProvider, ModelSettings};
use outbound::{Auth, Client};

use crate::provider::{OpenAiProvider, Setup};
use crate::service::{ModelNames, Service, UNKNOWN_CONTEXT_TOKENS};

const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// Connects to one [`Service`] by the settings named in the [crate's documentation](crate).
#[derive(Debug, Clone)]
pub struct OpenAiConnector {
    client: Client,
    service: Service,
}

impl OpenAiConnector {
    /// A connector for this service, which reaches it through this client.
    pub const fn new(client: Client, service: Service) -> Self {
        Self { client, service }
    }

    /// A connector for each service, in the order in which to try them.
    pub fn every(client: &Client) -> [Self; 3] {
        Service::ALL.map(|service| Self::new(client.clone(), service))
    }

    /// The provider that these settings describe; `None` where they say nothing about the service.
    ///
    /// # Errors
    /// [`ModelError::Misconfigured`] where a setting cannot be used.
    pub fn provider(&self, settings: &dyn ModelSettings) -> Result<Option<OpenAiProvider>, ModelError> {
        Ok(self.setup(settings)?.map(OpenAiProvider::new))
    }

    fn setup(&self, settings: &dyn ModelSettings) -> Result<Option<Setup>, ModelError> {
        let profile = self.service.profile();
        let key = profile.key.and_then(|setting| settings.get(setting));
        let written = settings.get(profile.address);
        let known =
            written.as_ref().is_none_or(|address| Some(self.service.base_url(address.reveal()).as_str()) == profile.default_address);
        let Some(address) = written.or_else(|| Some(Secret::new(profile.default_address.filter(|_| key.is_some())?))) else {
            return Ok(None);
        };
        let timeout = number(settings, "OPENAI_TIMEOUT_SECONDS", 1, 3600)?.map(Duration::from_secs);
        let context_tokens = match number(settings, "OPENAI_CONTEXT_TOKENS", 256, u64::from(u32::MAX))? {
            Some(tokens) => u32::try_from(tokens).unwrap_or(u32::MAX),
            None if known || self.service == Service::Ollama => profile.context_tokens,
            None => UNKNOWN_CONTEXT_TOKENS,
        };
        Ok(Some(Setup {
            service: self.service,
            endpoint: self.endpoint(address.reveal(), key.as_ref(), timeout.unwrap_or(DEFAULT_TIMEOUT))?,
            key,
            small: model(settings, &profile.small),
            large: model(settings, &profile.large),
            capabilities: Capabilities { tools: true, images: profile.images && known, context_tokens },
            at_default_address: known,
        }))
    }

    fn endpoint(&self, address: &str, key: Option<&Secret>, timeout: Duration) -> Result<outbound::Endpoint, ModelError> {
        let auth = key.map_or(Auth::None, |key| Auth::Bearer(Secret::new(key.reveal().trim())));
        let endpoint = self.client.at(&self.service.base_url(address), &auth).map_err(|error| {
            let profile = self.service.profile();
            let settings = profile.key.map_or_else(|| profile.address.to_owned(), |key| format!("{} and {key}", profile.address));
            ModelError::Misconfigured { message: format!("{error}; check {settings}") }
        })?;
        Ok(endpoint.with_idle_limit(timeout))
    }
}

impl ModelConnector for OpenAiConnector {
    fn name(&self) -> &'static str {
        self.service.profile().name
    }

    fn plugin_hints(&self) -> &'static [&'static str] {
        self.service.profile().plugin_hints
    }

    fn connect(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn ModelProvider>>, ModelError> {
        Ok(self.provider(settings)?.map(|provider| Arc::new(provider) as Arc<dyn ModelProvider>))
    }
}

fn model(settings: &dyn ModelSettings, names: &ModelNames) -> String {
    let chosen = settings.get(names.setting).or_else(|| settings.get(names.common_setting));
    chosen.map_or_else(|| names.default.to_owned(), |name| name.reveal().trim().to_owned())
}

fn number(settings: &dyn ModelSettings, setting: &str, least: u64, most: u64) -> Result<Option<u64>, ModelError> {
    let Some(written) = settings.get(setting) else { return Ok(None) };
    match written.reveal().trim().parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
        _ => Err(ModelError::Misconfigured { message: format!("{setting} must be a whole number from {least} to {most}") }),
    }
}
