//! Asking a model service for something else than text: one JSON document for another.

use core_types::models::{ModelError, ModelSettings, ModelSize};
use serde_json::Value;

use super::connection::Connection;
use super::dialect::Broken;
use super::profile::Profile;
use crate::answer::Answer;
use crate::client::Client;
use crate::retry::Retries;

/// A model service behind HTTP, with its address, its key and one model: that for
/// [`ModelSize::Small`](core_types::models::ModelSize::Small) in its profile.
pub struct RemoteCaller {
    connection: Connection,
    retries: Retries,
}

impl RemoteCaller {
    /// The service that these settings describe; `None` where they say nothing about it.
    ///
    /// # Errors
    /// [`ModelError::Misconfigured`] where a setting cannot be used.
    pub fn by_settings(client: &Client, profile: &'static Profile, settings: &dyn ModelSettings) -> Result<Option<Self>, ModelError> {
        let connection = Connection::by_settings(client, profile, settings)?;
        Ok(connection.map(|connection| Self { connection, retries: Retries::default() }))
    }

    /// The model, as the service names it.
    pub fn model(&self) -> &str {
        self.connection.model(ModelSize::Small)
    }

    /// Whether the service is asked at its default address.
    pub const fn is_at_default_address(&self) -> bool {
        self.connection.at_default_address
    }

    /// Posts a document and waits for the answer, a good one; again where that may help. `found_there` is what the path should
    /// lead to, for people.
    pub async fn post(&self, path: &str, body: &Value, found_there: &str) -> Result<Answer, ModelError> {
        let mut failures = 0;
        loop {
            let error = match self.connection.endpoint.post(path, body).await {
                Ok(answer) if answer.is_success() => return Ok(answer),
                Ok(answer) => self.connection.status_error(ModelSize::Small, &answer, found_there),
                Err(error) => self.connection.transport_error(error),
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
        self.connection.broken_answer(Broken::Unreadable(why.into()))
    }
}
