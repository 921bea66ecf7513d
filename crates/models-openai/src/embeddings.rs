//! OpenAI's embeddings, of OpenAI itself, of what speaks its API, and of Ollama.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::embeddings::{Embedder, EmbedderConnector, MAX_DIMENSION, Space, TextRole};
use core_types::models::{ModelError, ModelSettings};
use outbound::Client;
use outbound::models::{ModelNames, Profile, RemoteCaller};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;

use crate::service::{OLLAMA, OPENAI, Service};

const PATH: &str = "embeddings";
const FOUND_THERE: &str = "embeddings";
const MODEL: &str = "OPENAI_EMBEDDING_MODEL";
const URL: &str = "OPENAI_EMBEDDING_URL";
const KEY: &str = "OPENAI_EMBEDDING_API_KEY";
const DIMENSIONS: &str = "OPENAI_EMBEDDING_DIMENSIONS";
const OLLAMA_MODEL: &str = "OLLAMA_EMBEDDING_MODEL";

/// Texts at once.
const BATCH: usize = 64;
/// A text that is refused alone is tried again with half of it, down to so many bytes: models differ in how much they read.
const SHORTEST: usize = 256;

const fn names(setting: &'static str, default: &'static str) -> ModelNames {
    ModelNames { setting, common_setting: setting, default }
}

/// Where the conversations are held, too.
const BESIDE: Profile = Profile { small: names(MODEL, "text-embedding-3-small"), ..OPENAI };
/// The same with a key of their own.
const BESIDE_WITH_KEY: Profile = Profile { key: Some(KEY), ..BESIDE };
/// Somewhere else; the key of the conversations does not go there.
const APART: Profile = Profile { address: URL, default_address: None, ..BESIDE_WITH_KEY };
const OF_OLLAMA: Profile = Profile { small: names(OLLAMA_MODEL, "nomic-embed-text:latest"), ..OLLAMA };

/// Connects to the embedding model of a service: [`Service::OpenAi`], or [`Service::Ollama`]; [`Service::OpenRouter`] has none.
///
/// OpenAI's is chosen by `OPENAI_EMBEDDING_MODEL` or `OPENAI_EMBEDDING_URL`, and also by an `OPENAI_API_KEY` alone; a server that
/// `OPENAI_BASE_URL` names need not have one, and so is asked only where a model is named. Ollama's is chosen by
/// `OLLAMA_EMBEDDING_MODEL`.
#[derive(Debug, Clone)]
pub struct OpenAiEmbeddings {
    client: Client,
    service: Service,
}

impl OpenAiEmbeddings {
    /// The embeddings of this service, reached through this client.
    pub const fn new(client: Client, service: Service) -> Self {
        Self { client, service }
    }

    fn profile(&self, settings: &dyn ModelSettings) -> Option<&'static Profile> {
        let is_set = |name| settings.get(name).is_some();
        match self.service {
            Service::OpenAi if is_set(URL) => Some(&APART),
            Service::OpenAi if is_set(KEY) => Some(&BESIDE_WITH_KEY),
            Service::OpenAi => Some(&BESIDE),
            Service::Ollama => Some(&OF_OLLAMA),
            Service::OpenRouter => None,
        }
    }

    fn caller(&self, settings: &dyn ModelSettings) -> Result<Option<RemoteCaller>, ModelError> {
        match self.profile(settings) {
            Some(profile) => RemoteCaller::by_settings(&self.client, profile, settings),
            None => Ok(None),
        }
    }
}

impl EmbedderConnector for OpenAiEmbeddings {
    fn name(&self) -> &'static str {
        self.service.profile().name
    }

    fn connect(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn Embedder>>, ModelError> {
        let is_set = |name| settings.get(name).is_some();
        let Some(caller) = self.caller(settings)? else { return Ok(None) };
        let (is_named, dimensions) = match self.service {
            Service::OpenAi => (is_set(MODEL) || is_set(URL) || caller.is_at_default_address(), dimensions(settings)?),
            _ => (is_set(OLLAMA_MODEL), None),
        };
        Ok(is_named.then(|| Arc::new(Remote::new(self.name(), caller, None, dimensions, dimensions)) as Arc<dyn Embedder>))
    }

    fn connect_to(&self, settings: &dyn ModelSettings, space: &Space) -> Option<Arc<dyn Embedder>> {
        let model = space.model.strip_prefix(self.name())?.strip_prefix('/')?;
        let caller = self.caller(settings).ok().flatten()?;
        // These models make vectors of any length up to their own; others do not want to be told.
        let told = (caller.is_at_default_address() && model.starts_with("text-embedding-3")).then_some(space.dimension);
        let told = told.or_else(|| dimensions(settings).ok().flatten().filter(|set| *set == space.dimension && caller.model() == model));
        Some(Arc::new(Remote::new(self.name(), caller, Some(model), told, Some(space.dimension))))
    }
}

fn dimensions(settings: &dyn ModelSettings) -> Result<Option<usize>, ModelError> {
    let Some(written) = settings.get(DIMENSIONS) else { return Ok(None) };
    match written.reveal().trim().parse() {
        Ok(number) if (1..=MAX_DIMENSION).contains(&number) => Ok(Some(number)),
        _ => Err(ModelError::Misconfigured { message: format!("{DIMENSIONS} must be a whole number from 1 to {MAX_DIMENSION}") }),
    }
}

/// An embedding model behind HTTP.
struct Remote {
    caller: RemoteCaller,
    /// The model, as the service names it.
    asked: String,
    /// With the service's name in front.
    model: String,
    /// The length of vectors that the service is told.
    told: Option<usize>,
    /// The length that they must have, where that is known.
    dimension: OnceCell<usize>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl Remote {
    fn new(provider: &str, caller: RemoteCaller, model: Option<&str>, told: Option<usize>, dimension: Option<usize>) -> Self {
        let asked = model.unwrap_or_else(|| caller.model()).to_owned();
        let model = format!("{provider}/{asked}");
        Self { caller, asked, model, told, dimension: OnceCell::new_with(dimension) }
    }

    /// Vectors of texts none of which is blank.
    async fn ask(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut body = json!({"model": self.asked, "input": texts});
        if let (Some(told), Some(body)) = (self.told, body.as_object_mut()) {
            body.insert("dimensions".to_owned(), told.into());
        }
        let answer = self.caller.post(PATH, &body, FOUND_THERE).await?;
        let Answer { data } = answer.json().map_err(|error| self.caller.unreadable(format!("it holds no {FOUND_THERE}: {error}")))?;
        if data.len() != texts.len() {
            return Err(self.caller.unreadable(format!("it holds {} vectors for {} texts", data.len(), texts.len())));
        }
        let mut vectors = vec![Vec::new(); texts.len()];
        for (place, Item { index, embedding }) in data.into_iter().enumerate() {
            match vectors.get_mut(index.unwrap_or(place)) {
                Some(slot) if slot.is_empty() => *slot = self.checked(embedding)?,
                _ => return Err(self.caller.unreadable("its vectors are numbered in a way that makes no sense")),
            }
        }
        Ok(vectors)
    }

    /// The vector, brought to the length 1.
    fn checked(&self, vector: Vec<f32>) -> Result<Vec<f32>, ModelError> {
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        if vector.is_empty() || vector.len() > MAX_DIMENSION || !length.is_finite() || length <= 0.0 {
            return Err(self.caller.unreadable(format!("a vector of {} numbers cannot be used", vector.len())));
        }
        if let Some(expected) = self.dimension.get().filter(|expected| **expected != vector.len()) {
            return Err(self
                .caller
                .unreadable(format!("a vector has {} numbers in place of {expected}; check {DIMENSIONS}", vector.len())));
        }
        Ok(vector.into_iter().map(|number| number / length).collect())
    }

    /// The same; a text that alone is too long for the model is cut off.
    async fn ask_patiently(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, ModelError> {
        let answer = self.ask(texts).await;
        let ([text], Err(ModelError::Rejected { .. })) = (texts, &answer) else { return answer };
        let mut shorter = *text;
        let mut answer = answer;
        while matches!(answer, Err(ModelError::Rejected { .. })) && shorter.len() > SHORTEST {
            shorter = shorter.get(..shorter.floor_char_boundary(shorter.len() / 2)).unwrap_or_default();
            answer = self.ask(&[shorter]).await;
        }
        answer
    }

    async fn dimension(&self) -> Result<usize, ModelError> {
        let probe = || async { Ok(self.ask(&["a"]).await?.first().map_or(0, Vec::len)) };
        self.dimension.get_or_try_init(probe).await.copied()
    }
}

#[async_trait]
impl Embedder for Remote {
    fn model(&self) -> &str {
        &self.model
    }

    async fn space(&self) -> Result<Space, ModelError> {
        Ok(Space { model: self.model.clone(), dimension: self.dimension().await?, version: String::new() })
    }

    fn batch(&self) -> usize {
        BATCH
    }

    async fn embed(&self, _role: TextRole, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        // Services refuse what is blank.
        let told: Vec<&str> = texts.iter().map(String::as_str).filter(|text| !is_blank(text)).collect();
        let made = if told.is_empty() { Vec::new() } else { self.ask_patiently(&told).await? };
        if made.len() == texts.len() {
            return Ok(made);
        }
        let nothing = vec![0.0; self.dimension().await?];
        let mut made = made.into_iter();
        Ok(texts.iter().map(|text| if is_blank(text) { None } else { made.next() }.unwrap_or_else(|| nothing.clone())).collect())
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| letter.is_whitespace() || letter.is_control())
}
