//! What differs between the services that speak this API.

use outbound::Auth;
use outbound::models::{ModelNames, Profile};

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

// No hint may be part of another service's plugin name: `llama` alone would also choose this one for `plugin-ollama`.
pub(crate) const OPENAI: Profile = Profile {
    name: "openai",
    plugin_hints: &["openai", "local-ai", "localai", "llama-cpp", "llamacpp", "vllm", "lmstudio", "lm-studio"],
    key: Some("OPENAI_API_KEY"),
    auth: Auth::Bearer,
    headers: &[],
    address: "OPENAI_BASE_URL",
    default_address: Some("https://api.openai.com/v1"),
    keyless: true,
    base_url,
    small: ModelNames::small("OPENAI_SMALL_MODEL", "gpt-4o-mini"),
    large: ModelNames::large("OPENAI_LARGE_MODEL", "gpt-4o"),
    timeout: "OPENAI_TIMEOUT_SECONDS",
    context: "OPENAI_CONTEXT_TOKENS",
    images: true,
    context_tokens: 128_000,
    context_tokens_elsewhere: 8192,
};

const OPENROUTER: Profile = Profile {
    name: "openrouter",
    plugin_hints: &["openrouter"],
    key: Some("OPENROUTER_API_KEY"),
    address: "OPENROUTER_BASE_URL",
    default_address: Some("https://openrouter.ai/api/v1"),
    small: ModelNames::small("OPENROUTER_SMALL_MODEL", "openai/gpt-4o-mini"),
    large: ModelNames::large("OPENROUTER_LARGE_MODEL", "openai/gpt-4o"),
    ..OPENAI
};

pub(crate) const OLLAMA: Profile = Profile {
    name: "ollama",
    plugin_hints: &["ollama"],
    key: None,
    address: "OLLAMA_API_ENDPOINT",
    default_address: None,
    base_url: ollama_base_url,
    small: ModelNames::small("OLLAMA_SMALL_MODEL", "gemma3:latest"),
    large: ModelNames::large("OLLAMA_LARGE_MODEL", "gemma3:latest"),
    // What Ollama gives a model unless it is told otherwise; it cuts off the rest without a word.
    context_tokens_elsewhere: 4096,
    ..OPENAI
};

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
}

/// The base URL that is meant by what a person wrote: perhaps with the path of the call itself.
fn base_url(written: &str) -> String {
    let base = written.trim().trim_end_matches('/');
    base.strip_suffix("/chat/completions").or_else(|| base.strip_suffix("/embeddings")).unwrap_or(base).to_owned()
}

/// The same for Ollama, whose address is often given without a path or with that of its own API.
fn ollama_base_url(written: &str) -> String {
    let base = written.trim().trim_end_matches('/');
    let root = base.strip_suffix("/v1").or_else(|| base.strip_suffix("/api")).unwrap_or(base);
    format!("{}/v1", root.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::Service;

    #[test]
    fn addresses_are_understood_however_they_are_written() {
        for (service, written, base) in [
            (Service::OpenAi, "https://api.example.com/v1/", "https://api.example.com/v1"),
            (Service::OpenAi, " http://localhost:8080/v1/chat/completions ", "http://localhost:8080/v1"),
            (Service::OpenAi, "http://localhost:8080/v1/embeddings", "http://localhost:8080/v1"),
            (Service::Ollama, "http://localhost:11434", "http://localhost:11434/v1"),
            (Service::Ollama, "http://localhost:11434/", "http://localhost:11434/v1"),
            (Service::Ollama, "http://localhost:11434/api", "http://localhost:11434/v1"),
            (Service::Ollama, "http://localhost:11434/api/", "http://localhost:11434/v1"),
            (Service::Ollama, "http://localhost:11434/v1", "http://localhost:11434/v1"),
        ] {
            assert_eq!((service.profile().base_url)(written), base, "{written}");
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
