//! The settings and defaults of Anthropic.

use outbound::Auth;
use outbound::models::{ModelNames, Profile};

pub(crate) static ANTHROPIC: Profile = Profile {
    name: "anthropic",
    plugin_hints: &["anthropic", "claude"],
    key: Some("ANTHROPIC_API_KEY"),
    auth: Auth::ApiKey,
    headers: &[("anthropic-version", "2023-06-01")],
    address: "ANTHROPIC_BASE_URL",
    default_address: Some("https://api.anthropic.com"),
    // Other tools read the same variable. An address that was set for them must not draw conversations to it.
    keyless: false,
    base_url,
    small: ModelNames::small("ANTHROPIC_SMALL_MODEL", "claude-haiku-5-5"),
    large: ModelNames::large("ANTHROPIC_LARGE_MODEL", "claude-sonnet-5-5"),
    timeout: "ANTHROPIC_TIMEOUT_SECONDS",
    context: "ANTHROPIC_CONTEXT_TOKENS",
    images: true,
    // What every current model reads; some read more.
    context_tokens: 200_000,
    context_tokens_elsewhere: 8192,
};

/// The base URL that is meant by what a person wrote: with `/v1`, as elizaOS has it, or with the path of the call itself.
fn base_url(written: &str) -> String {
    let base = written.trim().trim_end_matches('/');
    let base = base.strip_suffix("/messages").unwrap_or(base);
    base.strip_suffix("/v1").unwrap_or(base).trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::base_url;

    #[test]
    fn addresses_are_understood_however_they_are_written() {
        for written in [
            "https://api.example.com",
            " https://api.example.com/ ",
            "https://api.example.com/v1",
            "https://api.example.com/v1/",
            "https://api.example.com/v1/messages",
        ] {
            assert_eq!(base_url(written), "https://api.example.com", "{written}");
        }
        assert_eq!(base_url("http://localhost:4000/anthropic/v1"), "http://localhost:4000/anthropic");
    }
}
