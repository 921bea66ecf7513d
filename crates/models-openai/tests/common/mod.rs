//! Providers in front of a scripted model.

use doolittle_models_openai::{ChatCompletions, Service};
use outbound::models::{RemoteConnector, RemoteProvider};
use outbound::{Client, Limits};
use testkit::asking::Settings;

/// A key that must not be seen anywhere.
pub const KEY: &str = "sk-never-to-be-seen-0123456789";

/// The connector of a service.
pub fn connector(service: Service) -> RemoteConnector<ChatCompletions> {
    doolittle_models_openai::connector(Client::new(Limits::default()), service)
}

/// A provider at this base URL, with a key, which waits for a second at most.
pub fn provider(base_url: &str) -> RemoteProvider<ChatCompletions> {
    let settings = Settings::of(&[("OPENAI_API_KEY", KEY), ("OPENAI_BASE_URL", base_url), ("OPENAI_TIMEOUT_SECONDS", "1")]);
    match connector(Service::OpenAi).provider(&settings) {
        Ok(Some(provider)) => provider,
        other => panic!("{other:?}"),
    }
}
