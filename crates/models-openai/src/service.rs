//! What differs between the services that speak this API.

/// A service that speaks OpenAI's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// OpenAI, or whatever `OPENAI_BASE_URL` names.
    OpenAi,
    /// OpenRouter.
    OpenRouter,
    /// Ollama.
    Ollama,
}

/// The settings and defaults of a service.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    pub(crate) plugin_hints: &'static [&'static str],
    /// The setting of the key; Ollama has none.
    pub(crate) key: Option<&'static str>,
    /// The setting of the address.
    pub(crate) address: &'static str,
    /// The address where there is a key and nothing else is said.
    pub(crate) default_address: Option<&'static str>,
    pub(crate) small: ModelNames,
    pub(crate) large: ModelNames,
    /// Whether the model reads images at the default address; elsewhere we do not know.
    pub(crate) images: bool,
    /// Tokens of context at the default address.
    pub(crate) context_tokens: u32,
}

/// Where the name of a model comes from.
#[derive(Debug)]
pub(crate) struct ModelNames {
    pub(crate) setting: &'static str,
    pub(crate) common_setting: &'static str,
    pub(crate) default: &'static str,
}

const fn small(setting: &'static str, default: &'static str) -> ModelNames {
    ModelNames { setting, common_setting: "SMALL_MODEL", default }
}

const fn large(setting: &'static str, default: &'static str) -> ModelNames {
    ModelNames { setting, common_setting: "LARGE_MODEL", default }
}

// No hint may be part of another service's plugin name: `llama` alone would also choose this one for `plugin-ollama`.
static OPENAI: Profile = Profile {
    name: "openai",
    plugin_hints: &["openai", "local-ai", "localai", "llama-cpp", "llamacpp", "vllm", "lmstudio", "lm-studio"],
    key: Some("OPENAI_API_KEY"),
    address: "OPENAI_BASE_URL",
    default_address: Some("https://api.openai.com/v1"),
    small: small("OPENAI_SMALL_MODEL", "gpt-4o-mini"),
    large: large("OPENAI_LARGE_MODEL", "gpt-4o"),
    images: true,
    context_tokens: 128_000,
};

static OPENROUTER: Profile = Profile {
    name: "openrouter",
    plugin_hints: &["openrouter"],
    key: Some("OPENROUTER_API_KEY"),
    address: "OPENROUTER_BASE_URL",
    default_address: Some("https://openrouter.ai/api/v1"),
    small: small("OPENROUTER_SMALL_MODEL", "openai/gpt-4o-mini"),
    large: large("OPENROUTER_LARGE_MODEL", "openai/gpt-4o"),
    images: true,
    context_tokens: 128_000,
};

static OLLAMA: Profile = Profile {
    name: "ollama",
    plugin_hints: &["ollama"],
    key: None,
    address: "OLLAMA_API_ENDPOINT",
    default_address: None,
    small: small("OLLAMA_SMALL_MODEL", "gemma3:latest"),
    large: large("OLLAMA_LARGE_MODEL", "gemma3:latest"),
    images: false,
    // What Ollama gives a model unless it is told otherwise; it cuts off the rest without a word.
    context_tokens: 4096,
};

/// What an address that we know nothing about is trusted with.
pub(crate) const UNKNOWN_CONTEXT_TOKENS: u32 = 8192;

impl Service {
    /// All of them, in the order in which they are tried where no plugin chooses.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::OpenRouter, Self::Ollama];

    pub(crate) const fn profile(self) -> &'static Profile {
        match self {
            Self::OpenAi => &OPENAI,
            Self::OpenRouter => &OPENROUTER,
            Self::Ollama => &OLLAMA,
        }
    }

    /// The base URL that is meant by what a person wrote: Ollama's is often given with its own API's path, others with
    /// the path of the call itself.
    pub(crate) fn base_url(self, written: &str) -> String {
        let base = written.trim().trim_end_matches('/');
        match self {
            Self::OpenAi | Self::OpenRouter => base.strip_suffix("/chat/completions").unwrap_or(base).to_owned(),
            Self::Ollama => {
                let root = base.strip_suffix("/v1").or_else(|| base.strip_suffix("/api")).unwrap_or(base);
                format!("{}/v1", root.trim_end_matches('/'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Service;

    #[test]
    fn addresses_are_understood_however_they_are_written() {
        for (service, written, base) in [
            (Service::OpenAi, "https://api.example.com/v1/", "https://api.example.com/v1"),
            (Service::OpenAi, " http://localhost:8080/v1/chat/completions ", "http://localhost:8080/v1"),
            (Service::Ollama, "http://localhost:11434", "http://localhost:11434/v1"),
            (Service::Ollama, "http://localhost:11434/", "http://localhost:11434/v1"),
            (Service::Ollama, "http://localhost:11434/api", "http://localhost:11434/v1"),
            (Service::Ollama, "http://localhost:11434/api/", "http://localhost:11434/v1"),
            (Service::Ollama, "http://localhost:11434/v1", "http://localhost:11434/v1"),
        ] {
            assert_eq!(service.base_url(written), base, "{written}");
        }
    }

    #[test]
    fn a_plugins_name_chooses_at_most_one_service() {
        for (plugin, chosen) in [
            ("@elizaos/plugin-openai", Some(Service::OpenAi)),
            ("@elizaos/plugin-openrouter", Some(Service::OpenRouter)),
            ("@elizaos/plugin-ollama", Some(Service::Ollama)),
            ("@elizaos/plugin-local-ai", Some(Service::OpenAi)),
            ("@elizaos/plugin-bootstrap", None),
            ("@elizaos/plugin-sql", None),
            ("@elizaos/plugin-anthropic", None),
        ] {
            let matching: Vec<_> = Service::ALL
                .into_iter()
                .filter(|service| service.profile().plugin_hints.iter().any(|hint| plugin.contains(hint)))
                .collect();
            assert_eq!(matching, Vec::from_iter(chosen), "{plugin}");
        }
    }
}
