//! Requests to a model service that are no conversation.

use core_types::models::{ModelError, ModelSettings};
use serde_json::Value;

use super::connection::Connection;
use super::profile::Profile;
use crate::answer::Answer;
use crate::client::Client;
use crate::error::OutboundError;
use crate::form::FileForm;

/// What a request asks for, to say what is wrong where it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The model.
    pub model: &'a str,
    /// The setting that names it.
    pub setting: &'a str,
    /// What the path should lead to.
    pub found_there: &'a str,
}

/// A service as settings describe it.
pub struct RemoteService(pub(super) Connection);

impl RemoteService {
    /// The service that these settings describe; `None` where they say nothing about it.
    ///
    /// # Errors
    /// [`ModelError::Misconfigured`] where a setting cannot be used.
    pub fn by_settings(client: &Client, profile: &'static Profile, settings: &dyn ModelSettings) -> Result<Option<Self>, ModelError> {
        Ok(Connection::by_settings(client, profile, settings)?.map(Self))
    }

    /// Its name, as in settings and logs.
    pub const fn name(&self) -> &'static str {
        self.0.profile.name
    }

    /// Whether it is at the address where its operator has it, and not at another that speaks its API.
    pub const fn at_default_address(&self) -> bool {
        self.0.at_default_address
    }

    /// Posts a JSON body, once. Only a success is an answer.
    pub async fn post(&self, path: &str, body: &Value, asked: Asked<'_>) -> Result<Answer, ModelError> {
        self.judged(self.0.endpoint.post(path, body).await, asked)
    }

    /// Posts a form with a file, once. Only a success is an answer.
    pub async fn post_file(&self, path: &str, form: FileForm, asked: Asked<'_>) -> Result<Answer, ModelError> {
        self.judged(self.0.endpoint.post_file(path, form).await, asked)
    }

    fn judged(&self, answer: Result<Answer, OutboundError>, asked: Asked<'_>) -> Result<Answer, ModelError> {
        match answer {
            Ok(answer) if answer.is_success() => Ok(answer),
            Ok(answer) => Err(self.0.status_error(asked, &answer)),
            Err(error) => Err(self.0.transport_error(error)),
        }
    }
}

impl std::fmt::Debug for RemoteService {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("RemoteService")
            .field("name", &self.name())
            .field("address", &self.0.endpoint.address())
            .finish_non_exhaustive()
    }
}
