//! Providers in front of a scripted model.

use doolittle_models_anthropic::Messages;
use outbound::models::{RemoteConnector, RemoteProvider};
use outbound::{Client, Limits};
use testkit::asking::Settings;

/// A key that must not be seen anywhere.
pub const KEY: &str = "sk-ant-never-to-be-seen-0123456789";

/// The connector.
pub fn connector() -> RemoteConnector<Messages> {
    doolittle_models_anthropic::connector(Client::new(Limits::default()))
}

/// A provider at this base URL, with a key, which waits for a second at most.
pub fn provider(base_url: &str) -> RemoteProvider<Messages> {
    let settings = Settings::of(&[("ANTHROPIC_API_KEY", KEY), ("ANTHROPIC_BASE_URL", base_url), ("ANTHROPIC_TIMEOUT_SECONDS", "1")]);
    match connector().provider(&settings) {
        Ok(Some(provider)) => provider,
        other => panic!("{other:?}"),
    }
}
