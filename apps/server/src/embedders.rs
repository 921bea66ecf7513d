//! The embedding models that the settings lead to.

use std::sync::Arc;

use core_types::embeddings::{Embedder, EmbedderConnector, Embedders, Space};
use core_types::models::{ModelError, ModelSettings};
use embed_local::{LocalConnector, StaticConnector};
use models_openai::{OpenAiEmbeddings, Service};

use crate::live_settings::LiveSettings;

/// Takes the first that is set up.
const AUTO: &str = "auto";
/// Memories are found by words alone.
const NONE: &str = "none";

/// The model that makes vectors, and whoever can ask questions among those that others left. Which one is decided at the start.
pub struct ServerEmbedders {
    settings: LiveSettings,
    connectors: Vec<Box<dyn EmbedderConnector>>,
    current: Option<Arc<dyn Embedder>>,
}

impl ServerEmbedders {
    /// The models by these settings; `provider` is the word of `EMBEDDING_PROVIDER`.
    ///
    /// # Errors
    /// [`ModelError::Misconfigured`] where a setting cannot be used, or the provider is named and not set up.
    pub fn new(settings: &LiveSettings, client: &outbound::Client, provider: &str) -> Result<Self, ModelError> {
        let openai = |service| Box::new(OpenAiEmbeddings::new(client.clone(), service)) as Box<dyn EmbedderConnector>;
        let connectors: Vec<Box<dyn EmbedderConnector>> =
            vec![Box::new(LocalConnector::default()), openai(Service::OpenAi), openai(Service::Ollama), Box::new(StaticConnector)];
        let current = current(&connectors, settings, provider)?;
        Ok(Self { settings: settings.clone(), connectors, current })
    }

    /// Which model makes vectors.
    pub fn model(&self) -> Option<&str> {
        self.current.as_ref().map(|embedder| embedder.model())
    }
}

fn current(
    connectors: &[Box<dyn EmbedderConnector>],
    settings: &dyn ModelSettings,
    provider: &str,
) -> Result<Option<Arc<dyn Embedder>>, ModelError> {
    if provider == NONE {
        return Ok(None);
    }
    for connector in connectors.iter().filter(|connector| provider == AUTO || provider == connector.name()) {
        if let Some(embedder) = connector.connect(settings)? {
            return Ok(Some(embedder));
        }
    }
    let needs = match provider {
        "local" => "EMBEDDING_MODEL_DIR",
        "ollama" => "OLLAMA_API_ENDPOINT and OLLAMA_EMBEDDING_MODEL",
        _ => "OPENAI_API_KEY, OPENAI_EMBEDDING_MODEL or OPENAI_EMBEDDING_URL",
    };
    Err(ModelError::Misconfigured { message: format!("EMBEDDING_PROVIDER is {provider}, which is not set up; set {needs}") })
}

impl Embedders for ServerEmbedders {
    fn current(&self) -> Option<Arc<dyn Embedder>> {
        self.current.clone()
    }

    fn of_space(&self, space: &Space) -> Option<Arc<dyn Embedder>> {
        self.connectors.iter().find_map(|connector| connector.connect_to(&self.settings, space))
    }
}
