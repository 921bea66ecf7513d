use std::collections::HashMap;

use async_trait::async_trait;
use core_types::models::{Capabilities, ModelSize, TextRequest, TextResponse, TextSink};

use super::*;

struct Named(String);

#[async_trait]
impl ModelProvider for Named {
    fn name(&self) -> &str {
        &self.0
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: false, images: false, context_tokens: 1 }
    }

    fn model(&self, _size: ModelSize) -> &'static str {
        "none"
    }

    async fn generate(&self, _request: TextRequest, _sink: &dyn TextSink) -> Result<TextResponse, ModelError> {
        Err(ModelError::CutOff { provider: self.0.clone() })
    }
}

/// Connects where `<NAME>_KEY` is set, and shows whose key and model it got.
struct Connector(&'static str, &'static [&'static str]);

impl ModelConnector for Connector {
    fn name(&self) -> &'static str {
        self.0
    }

    fn plugin_hints(&self) -> &'static [&'static str] {
        self.1
    }

    fn connect(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn ModelProvider>>, ModelError> {
        let get = |what: &str| settings.get(&format!("{}_{what}", self.0)).map(|value| value.reveal().to_owned());
        Ok(get("KEY").map(|key| {
            let url = get("URL").unwrap_or_default();
            let model = get("MODEL").unwrap_or_default();
            Arc::new(Named(format!("{} key={key} url={url} model={model}", self.0))) as Arc<dyn ModelProvider>
        }))
    }
}

struct Map(HashMap<&'static str, &'static str>);

impl ModelSettings for Map {
    fn get(&self, name: &str) -> Option<Secret> {
        self.0.get(name).map(|value| Secret::new(*value))
    }
}

fn chosen(server: &[(&'static str, &'static str)], agent: &[(&'static str, &'static str)], plugins: &[&str]) -> (String, Vec<String>) {
    let registry =
        ModelRegistry::new(Arc::new(Map(server.iter().copied().collect())), Arc::new(Always(Arc::new(Named("offline".to_owned())))))
            .with(Arc::new(Connector("A", &["alpha"])))
            .with(Arc::new(Connector("B", &["beta"])));
    let plugins: Vec<String> = plugins.iter().map(|plugin| (*plugin).to_owned()).collect();
    let choice = registry.choose(&Map(agent.iter().copied().collect()), &plugins).unwrap();
    (choice.provider.name().to_owned(), choice.ignored_plugins)
}

#[test]
fn an_agents_own_key_comes_first_then_its_plugins_then_the_server_then_the_offline_default() {
    let server = [("A_KEY", "sa"), ("B_KEY", "sb")];
    assert_eq!(chosen(&server, &[("B_KEY", "own")], &["@elizaos/plugin-alpha"]).0, "B key=own url= model=");
    assert_eq!(chosen(&server, &[], &["@elizaos/plugin-beta"]).0, "B key=sb url= model=");
    assert_eq!(chosen(&server, &[], &[]).0, "A key=sa url= model=");
    assert_eq!(chosen(&[], &[], &["@elizaos/plugin-beta"]).0, "offline");
}

#[test]
fn an_agent_may_choose_the_servers_model_but_never_where_the_servers_key_goes() {
    let agent = [("A_MODEL", "large"), ("A_URL", "http://attacker")];
    assert_eq!(chosen(&[("A_KEY", "sa"), ("A_URL", "home")], &agent, &[]).0, "A key=sa url=home model=large");
}

#[test]
fn plugins_without_effect_are_named_and_the_runtimes_own_are_not() {
    let plugins = ["@elizaos/plugin-bootstrap", "@elizaos/plugin-sql", "@elizaos/plugin-weather", "@elizaos/plugin-beta"];
    let (_, ignored) = chosen(&[], &[], &plugins);
    assert_eq!(ignored, ["@elizaos/plugin-weather", "@elizaos/plugin-beta (not configured)"]);
}
