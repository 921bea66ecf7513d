//! A sentence transformer in a directory, read when it is first wanted.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use core_types::embeddings::{Embedder, EmbedderConnector, Space, TextRole};
use core_types::error::chain;
use core_types::models::{ModelError, ModelSettings};
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use crate::model::{SentenceModel, check};

const NAME: &str = "local";
const DIRECTORY: &str = "EMBEDDING_MODEL_DIR";
const PREVIOUS: &str = "EMBEDDING_MODEL_DIR_PREVIOUS";
/// Texts at once: with a small model a tenth of a second of work, or a few.
const BATCH: usize = 32;

/// Connects to the models whose directories the settings name. A directory is read once.
#[derive(Default)]
pub struct LocalConnector(Mutex<HashMap<PathBuf, Arc<Directory>>>);

impl LocalConnector {
    fn directory(&self, settings: &dyn ModelSettings, setting: &'static str) -> Result<Option<Arc<Directory>>, ModelError> {
        let Some(written) = settings.get(setting) else { return Ok(None) };
        let path = PathBuf::from(written.reveal());
        check(&path).map_err(|error| misconfigured(setting, &path, &error))?;
        let mut known = self.0.lock();
        let directory = known.entry(path.clone()).or_insert_with(|| Arc::new(Directory::new(setting, path)));
        Ok(Some(Arc::clone(directory)))
    }
}

impl EmbedderConnector for LocalConnector {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connect(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn Embedder>>, ModelError> {
        let directory = self.directory(settings, DIRECTORY)?;
        Ok(directory.map(|directory| Arc::new(Local(directory)) as Arc<dyn Embedder>))
    }

    fn connect_to(&self, settings: &dyn ModelSettings, space: &Space) -> Option<Arc<dyn Embedder>> {
        let named = [DIRECTORY, PREVIOUS].into_iter().filter_map(|setting| self.directory(settings, setting).ok().flatten());
        // By its name first: reading a model takes a while.
        let mut alike = named.filter(|directory| directory.model == space.model);
        let found = alike.find(|directory| directory.space().is_ok_and(|own| own == *space));
        found.map(|directory| Arc::new(Local(directory)) as Arc<dyn Embedder>)
    }
}

struct Directory {
    setting: &'static str,
    path: PathBuf,
    model: String,
    read: OnceLock<Result<SentenceModel, String>>,
}

impl Directory {
    fn new(setting: &'static str, path: PathBuf) -> Self {
        let name = path.canonicalize().ok().and_then(|whole| Some(whole.file_name()?.to_string_lossy().into_owned()));
        let model = format!("{NAME}/{}", name.unwrap_or_else(|| "model".to_owned()));
        Self { setting, path, model, read: OnceLock::new() }
    }

    /// The model. Blocks while it is read.
    fn model(&self) -> Result<&SentenceModel, ModelError> {
        let read = self.read.get_or_init(|| SentenceModel::read(&self.path).map_err(|error| chain(&error)));
        read.as_ref().map_err(|message| misconfigured(self.setting, &self.path, message))
    }

    fn space(&self) -> Result<Space, ModelError> {
        let model = self.model()?;
        Ok(Space { model: self.model.clone(), dimension: model.dimension(), version: model.version().to_owned() })
    }
}

struct Local(Arc<Directory>);

impl Local {
    /// Runs what takes a while where it may.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Directory) -> Result<T, ModelError> + Send + 'static,
    ) -> Result<T, ModelError> {
        let directory = Arc::clone(&self.0);
        let done = spawn_blocking(move || work(&directory)).await;
        done.unwrap_or_else(|error| Err(ModelError::Unreadable { provider: NAME.to_owned(), message: error.to_string() }))
    }
}

#[async_trait]
impl Embedder for Local {
    fn model(&self) -> &str {
        &self.0.model
    }

    async fn space(&self) -> Result<Space, ModelError> {
        self.run(Directory::space).await
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn embed(&self, role: TextRole, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let texts = texts.to_vec();
        self.run(move |directory| {
            let failed = |error| ModelError::Unreadable { provider: NAME.to_owned(), message: chain(&error) };
            directory.model()?.embed(&texts, role == TextRole::Query).map_err(failed)
        })
        .await
    }
}

fn misconfigured(setting: &str, path: &Path, why: &impl std::fmt::Display) -> ModelError {
    ModelError::Misconfigured { message: format!("there is no usable embedding model in {}: {why}; check {setting}", path.display()) }
}
