//! What differs between model services before a word is said: names, settings, defaults.

use core_types::Secret;

use crate::endpoint::Auth;

/// The settings and defaults of a model service.
#[derive(Debug)]
pub struct Profile {
    /// Its name, as in settings and logs.
    pub name: &'static str,
    /// Words in a plugin's name that choose it.
    pub plugin_hints: &'static [&'static str],
    /// The setting of the key, where the service has one.
    pub key: Option<&'static str>,
    /// How the key travels.
    pub auth: fn(Secret) -> Auth,
    /// Headers of every request, their names in lower case.
    pub headers: &'static [(&'static str, &'static str)],
    /// The setting of the address.
    pub address: &'static str,
    /// The address where there is a key and nothing else is said.
    pub default_address: Option<&'static str>,
    /// Whether an address without a key is enough to connect.
    pub keyless: bool,
    /// The base URL that is meant by what a person wrote.
    pub base_url: fn(&str) -> String,
    /// The model for [`ModelSize::Small`](core_types::models::ModelSize::Small).
    pub small: ModelNames,
    /// The model for [`ModelSize::Large`](core_types::models::ModelSize::Large).
    pub large: ModelNames,
    /// The setting that limits silence, in seconds.
    pub timeout: &'static str,
    /// The setting that says how many tokens a model can read.
    pub context: &'static str,
    /// Whether the models see images at the default address; elsewhere nobody knows.
    pub images: bool,
    /// Tokens of context at the default address.
    pub context_tokens: u32,
    /// Tokens of context at an address that we know nothing about.
    pub context_tokens_elsewhere: u32,
}

/// Where the name of a model comes from.
#[derive(Debug)]
pub struct ModelNames {
    /// The service's own setting.
    pub setting: &'static str,
    /// The setting of all services, where the own one is absent.
    pub common_setting: &'static str,
    /// The name where neither is set.
    pub default: &'static str,
}

impl ModelNames {
    /// Names of a model for decisions.
    pub const fn small(setting: &'static str, default: &'static str) -> Self {
        Self { setting, common_setting: "SMALL_MODEL", default }
    }

    /// Names of a model for replies.
    pub const fn large(setting: &'static str, default: &'static str) -> Self {
        Self { setting, common_setting: "LARGE_MODEL", default }
    }
}
