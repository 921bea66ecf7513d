//! Asking a model service for something else than text: one JSON document for another.

use core_types::models::{ModelError, ModelSettings, ModelSize};
use serde_json::Value;

use super::dialect::Broken;
use super::profile::Profile;
use super::service::{Asked, RemoteService};
use crate::answer::Answer;
use crate::client::Client;
use crate::retry::Retries;

/// A model service behind HTTP, with its address, its key and one model: that for
/// [`ModelSize::Small`](core_types::models::ModelSize::Small) in its profile.
pub struct RemoteCaller {
    service: RemoteService,
    retries: Retries,
}

impl RemoteCaller {
    /// The service that these settings describe; `None` where they say nothing about it.
    ///
    /// # Errors
    /// [`ModelError::Misconfigured`] where a setting cannot be used.
    pub fn by_settings(client: &Client, profile: &'static Profile, settings: &dyn ModelSettings) -> Result<Option<Self>, ModelError> {
        let service = RemoteService::by_settings(client, profile, settings)?;
        Ok(service.map(|service| Self { service, retries: Retries::default() }))
    }

    /// The model, as the service names it.
    pub fn model(&self) -> &str {
        self.service.0.model(ModelSize::Small)
    }

    /// Whether the service is asked at its default address.
    pub const fn is_at_default_address(&self) -> bool {
        self.service.at_default_address()
    }

    /// Posts a document and waits for the answer, a good one; again where that may help. `found_there` is what the path should
    /// lead to, for people.
    pub async fn post(&self, path: &str, body: &Value, found_there: &str) -> Result<Answer, ModelError> {
        let asked = Asked { model: self.model(), setting: self.service.0.profile.small.setting, found_there };
        let mut failures = 0;
        loop {
            let error = match self.service.post(path, body, asked).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failures += 1;
            let passes = matches!(error, ModelError::Busy { .. } | ModelError::Unreachable { .. });
            let wait = self.retries.wait(failures, error.retry_after()).filter(|_| passes);
            let Some(wait) = wait else { return Err(error) };
            log::debug!("{error}; asking again in {} ms", wait.as_millis());
            tokio::time::sleep(wait).await;
        }
    }

    /// The error of an answer that is not what it should be.
    pub fn unreadable(&self, why: impl Into<String>) -> ModelError {
        self.service.0.broken_answer(Broken::Unreadable(why.into()))
    }
}
