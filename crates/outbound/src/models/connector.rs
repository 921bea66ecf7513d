//! From settings to a provider.

use std::sync::Arc;

use core_types::models::{ModelConnector, ModelError, ModelProvider, ModelSettings};

use super::connection::Connection;
use super::dialect::Dialect;
use super::profile::Profile;
use super::provider::RemoteProvider;
use crate::client::Client;

/// Connects to one service, by the settings that its profile names.
#[derive(Debug, Clone)]
pub struct RemoteConnector<D> {
    client: Client,
    profile: &'static Profile,
    dialect: D,
}

impl<D: Dialect> RemoteConnector<D> {
    /// A connector for the service of this profile, which reaches it through this client.
    pub const fn new(client: Client, profile: &'static Profile, dialect: D) -> Self {
        Self { client, profile, dialect }
    }

    /// The provider that these settings describe; `None` where they say nothing about the service.
    ///
    /// # Errors
    /// [`ModelError::Misconfigured`] where a setting cannot be used.
    pub fn provider(&self, settings: &dyn ModelSettings) -> Result<Option<RemoteProvider<D>>, ModelError> {
        let connection = Connection::by_settings(&self.client, self.profile, settings)?;
        Ok(connection.map(|connection| RemoteProvider::new(connection, self.dialect.clone())))
    }
}

impl<D: Dialect> ModelConnector for RemoteConnector<D> {
    fn name(&self) -> &'static str {
        self.profile.name
    }

    fn plugin_hints(&self) -> &'static [&'static str] {
        self.profile.plugin_hints
    }

    fn connect(&self, settings: &dyn ModelSettings) -> Result<Option<Arc<dyn ModelProvider>>, ModelError> {
        Ok(self.provider(settings)?.map(|provider| Arc::new(provider) as Arc<dyn ModelProvider>))
    }
}
