//! A service as settings describe it: its address, key and models.

use std::time::Duration;

use core_types::Secret;
use core_types::models::{Capabilities, ModelError, ModelSettings, ModelSize};

use super::profile::{ModelNames, Profile};
use super::service::Asked;
use crate::client::Client;
use crate::endpoint::{Auth, Endpoint};

const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// A model service with an address, a key perhaps, and the names of its models.
pub(super) struct Connection {
    pub(super) profile: &'static Profile,
    pub(super) endpoint: Endpoint,
    pub(super) key: Option<Secret>,
    pub(super) small: String,
    pub(super) large: String,
    pub(super) capabilities: Capabilities,
    pub(super) at_default_address: bool,
}

impl Connection {
    /// The connection that these settings describe; `None` where they say nothing about the service.
    ///
    /// # Errors
    /// [`ModelError::Misconfigured`] where a setting cannot be used.
    pub(super) fn by_settings(
        client: &Client,
        profile: &'static Profile,
        settings: &dyn ModelSettings,
    ) -> Result<Option<Self>, ModelError> {
        let key = profile.key.and_then(|setting| settings.get(setting));
        if key.is_none() && !profile.keyless {
            return Ok(None);
        }
        let written = settings.get(profile.address);
        let at_default_address =
            written.as_ref().is_none_or(|address| Some((profile.base_url)(address.reveal()).as_str()) == profile.default_address);
        let Some(address) = written.or_else(|| Some(Secret::new(profile.default_address.filter(|_| key.is_some())?))) else {
            return Ok(None);
        };
        let timeout = number(settings, profile.timeout, 1, 3600)?.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        let context_tokens = match number(settings, profile.context, 256, u64::from(u32::MAX))? {
            Some(tokens) => u32::try_from(tokens).unwrap_or(u32::MAX),
            None if at_default_address => profile.context_tokens,
            None => profile.context_tokens_elsewhere,
        };
        Ok(Some(Self {
            profile,
            endpoint: endpoint(client, profile, address.reveal(), key.as_ref())?.with_idle_limit(timeout),
            key,
            small: model(settings, &profile.small),
            large: model(settings, &profile.large),
            capabilities: Capabilities { tools: true, images: profile.images && at_default_address, context_tokens },
            at_default_address,
        }))
    }

    /// What a request of this size asks for.
    pub(super) fn asked<'a>(&'a self, size: ModelSize, found_there: &'a str) -> Asked<'a> {
        let names = match size {
            ModelSize::Small => &self.profile.small,
            ModelSize::Large => &self.profile.large,
        };
        Asked { model: self.model(size), setting: names.setting, found_there }
    }

    /// The model for requests of this size.
    pub(super) fn model(&self, size: ModelSize) -> &str {
        match size {
            ModelSize::Small => &self.small,
            ModelSize::Large => &self.large,
        }
    }
}

fn endpoint(client: &Client, profile: &Profile, address: &str, key: Option<&Secret>) -> Result<Endpoint, ModelError> {
    let auth = key.map_or(Auth::None, |key| (profile.auth)(Secret::new(key.reveal().trim())));
    let endpoint = client.at(&(profile.base_url)(address), &auth).map_err(|error| {
        let settings = profile.key.map_or_else(|| profile.address.to_owned(), |key| format!("{} and {key}", profile.address));
        ModelError::Misconfigured { message: format!("{error}; check {settings}") }
    })?;
    Ok(profile.headers.iter().fold(endpoint, |endpoint, (name, value)| endpoint.with_header(name, value)))
}

fn model(settings: &dyn ModelSettings, names: &ModelNames) -> String {
    let chosen = settings.get(names.setting).or_else(|| settings.get(names.common_setting));
    chosen.map_or_else(|| names.default.to_owned(), |name| name.reveal().trim().to_owned())
}

fn number(settings: &dyn ModelSettings, setting: &str, least: u64, most: u64) -> Result<Option<u64>, ModelError> {
    let Some(written) = settings.get(setting) else { return Ok(None) };
    match written.reveal().trim().parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
        _ => Err(ModelError::Misconfigured { message: format!("{setting} must be a whole number from {least} to {most}") }),
    }
}
