//! Providers in front of a scripted model.

use core_types::Secret;
use core_types::models::ModelSettings;
use doolittle_models_openai::{OpenAiConnector, OpenAiProvider, Service};
use outbound::{Client, Limits};

/// A key that must not be seen anywhere.
pub const KEY: &str = "sk-never-to-be-seen-0123456789";

/// Settings from a list of names and values.
pub struct Settings(pub Vec<(&'static str, String)>);

impl ModelSettings for Settings {
    fn get(&self, name: &str) -> Option<Secret> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, value)| Secret::new(value))
    }
}

/// The connector of a service.
pub fn connector(service: Service) -> OpenAiConnector {
    match Client::new(Limits::default()) {
        Ok(client) => OpenAiConnector::new(client, service),
        Err(error) => panic!("{error:?}"),
    }
}

/// A provider at this base URL, with a key, which waits for a second at most.
pub fn provider(base_url: &str) -> OpenAiProvider {
    let settings = Settings(vec![
        ("OPENAI_API_KEY", KEY.to_owned()),
        ("OPENAI_BASE_URL", base_url.to_owned()),
        ("OPENAI_TIMEOUT_SECONDS", "1".to_owned()),
    ]);
    match connector(Service::OpenAi).provider(&settings) {
        Ok(Some(provider)) => provider,
        other => panic!("{other:?}"),
    }
}
