//! Which engines speak and hear for an agent: the one that the server's settings name, or the first that is there, by the
//! agent's own settings and secrets or by the server's.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::AgentId;
use core_types::models::{AskError, ModelError, ModelSettings};
use core_types::speech::{AgentSpeech, SYNTHESIZER, Speaker, SpeechConnector, SpeechEngines, SpeechSynthesizer, TRANSCRIBER, Transcriber};
use serde_json::Value;

use crate::agent::ReadyAgents;
use crate::models::{NoSettings, ServerSettings};

/// The most characters of a voice's name that are looked at.
const VOICE: usize = 128;

/// The kinds of engines there are, and the server's settings for them.
#[derive(Clone)]
pub struct SpeechRegistry {
    connectors: Vec<Arc<dyn SpeechConnector>>,
    server: Arc<dyn ModelSettings>,
}

impl Default for SpeechRegistry {
    fn default() -> Self {
        Self::new(Arc::new(NoSettings))
    }
}

impl SpeechRegistry {
    /// A registry without engines.
    pub fn new(server: Arc<dyn ModelSettings>) -> Self {
        Self { connectors: Vec::new(), server }
    }

    /// Adds a kind of engine, after those that were added before.
    pub fn with(mut self, connector: Arc<dyn SpeechConnector>) -> Self {
        self.connectors.push(connector);
        self
    }

    fn synthesizer(&self, agent: &dyn ModelSettings) -> Result<Option<Arc<dyn SpeechSynthesizer>>, ModelError> {
        self.choose(SYNTHESIZER, agent, |connector, settings| connector.synthesizer(settings))
    }

    fn transcriber(&self, agent: &dyn ModelSettings) -> Result<Option<Arc<dyn Transcriber>>, ModelError> {
        self.choose(TRANSCRIBER, agent, |connector, settings| connector.transcriber(settings))
    }

    /// The first engine that connects among those that `setting` allows.
    fn choose<T>(
        &self,
        setting: &str,
        agent: &dyn ModelSettings,
        connect: impl Fn(&dyn SpeechConnector, &dyn ModelSettings) -> Result<Option<T>, ModelError>,
    ) -> Result<Option<T>, ModelError> {
        let wanted = self.server.get(setting);
        let wanted = wanted.as_ref().map_or("auto", |wanted| wanted.reveal());
        let server = ServerSettings { agent, server: self.server.as_ref() };
        for connector in self.connectors.iter().filter(|connector| wanted == "auto" || wanted == connector.name()) {
            for settings in [agent, &server] {
                if let Some(engine) = connect(connector.as_ref(), settings)? {
                    return Ok(Some(engine));
                }
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl AgentSpeech for ReadyAgents {
    async fn speaker(&self, agent: AgentId) -> Result<Option<Speaker>, AskError> {
        let ready = self.running(agent).await?;
        let engine = self.speech.synthesizer(&ready.settings).map_err(AskError::Model)?;
        let voice = ready.agent.character.settings.get("voice").and_then(|voice| voice.get("model")).and_then(Value::as_str);
        let voice = voice.map(str::trim).filter(|voice| !voice.is_empty() && voice.len() <= VOICE).map(str::to_owned);
        Ok(engine.map(|engine| Speaker { engine, voice }))
    }

    async fn transcriber(&self, agent: AgentId) -> Result<Option<Arc<dyn Transcriber>>, AskError> {
        let ready = self.running(agent).await?;
        self.speech.transcriber(&ready.settings).map_err(AskError::Model)
    }

    fn engines(&self) -> SpeechEngines {
        let synthesizer = self.speech.synthesizer(&NoSettings).ok().flatten().map(|engine| engine.describe());
        let transcriber = self.speech.transcriber(&NoSettings).ok().flatten().map(|engine| engine.describe());
        SpeechEngines { synthesizer, transcriber }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use core_types::Secret;
    use core_types::media::MediaType;
    use core_types::speech::{Sound, SpeechError, SpeechRequest};

    use super::*;

    struct Map(BTreeMap<&'static str, &'static str>);

    impl ModelSettings for Map {
        fn get(&self, name: &str) -> Option<Secret> {
            self.0.get(name).map(|value| Secret::new(*value))
        }
    }

    /// An engine that is there where its setting is, or always.
    struct Engine(&'static str, Option<&'static str>);

    struct Named(String);

    #[async_trait]
    impl SpeechSynthesizer for Named {
        fn describe(&self) -> String {
            self.0.clone()
        }

        async fn speak(&self, _request: SpeechRequest) -> Result<Sound, SpeechError> {
            Ok(Sound { media_type: MediaType::Wav, bytes: b"RIFF".as_slice().into() })
        }
    }

    impl SpeechConnector for Engine {
        fn name(&self) -> &'static str {
            self.0
        }

        fn synthesizer(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn SpeechSynthesizer>>, ModelError> {
            let found = match self.1 {
                Some(setting) => settings.get(setting).map(|value| format!("{} {}", self.0, value.reveal())),
                None => Some(self.0.to_owned()),
            };
            Ok(found.map(|name| Arc::new(Named(name)) as Arc<dyn SpeechSynthesizer>))
        }

        fn transcriber(&self, _: &dyn ModelSettings) -> Result<Option<Arc<dyn Transcriber>>, ModelError> {
            Ok(None)
        }
    }

    #[test]
    fn the_settings_choose_and_else_the_first_that_is_there() {
        let spoken = |server: &[(&'static str, &'static str)], agent: &[(&'static str, &'static str)]| {
            let registry = SpeechRegistry::new(Arc::new(Map(server.iter().copied().collect())))
                .with(Arc::new(Engine("remote", Some("REMOTE_KEY"))))
                .with(Arc::new(Engine("local", None)));
            registry.synthesizer(&Map(agent.iter().copied().collect())).unwrap().map(|engine| engine.describe())
        };
        assert_eq!(spoken(&[], &[]).as_deref(), Some("local"));
        assert_eq!(spoken(&[("REMOTE_KEY", "s")], &[]).as_deref(), Some("remote s"));
        assert_eq!(spoken(&[("REMOTE_KEY", "s")], &[("REMOTE_KEY", "a")]).as_deref(), Some("remote a"));
        assert_eq!(spoken(&[("REMOTE_KEY", "s"), (SYNTHESIZER, "local")], &[("REMOTE_KEY", "a")]).as_deref(), Some("local"));
        assert_eq!(spoken(&[(SYNTHESIZER, "remote")], &[]), None);
        assert_eq!(spoken(&[(SYNTHESIZER, "none")], &[("REMOTE_KEY", "a")]), None);
        // An agent does not choose the engine.
        assert_eq!(spoken(&[(SYNTHESIZER, "remote")], &[(SYNTHESIZER, "local")]), None);
    }
}
