//! The offline model keeps those promises of a model provider that need no service behind it.

use async_trait::async_trait;
use contract::models::{Scenario, Stage, Staged};
use core_types::Secret;
use core_types::models::{ModelConnector, ModelSettings};
use doolittle_models_eliza::ElizaConnector;

struct Offline;

struct NoSettings;

impl ModelSettings for NoSettings {
    fn get(&self, _name: &str) -> Option<Secret> {
        None
    }
}

#[async_trait]
impl Stage for Offline {
    async fn set(&self, _scenario: Scenario) -> Staged {
        let Ok(Some(provider)) = ElizaConnector.connect(&NoSettings) else {
            panic!("the offline model always connects");
        };
        Staged { provider, debug: String::new(), key: String::new(), caller_left: Box::pin(std::future::ready(())), service: Box::new(()) }
    }
}

contract::model_contract!(offline Offline);
