//! Models behind Anthropic's Messages API (<https://platform.claude.com/docs/en/api/messages>): Claude.
//!
//! | setting | what it says | where it is unset |
//! | --- | --- | --- |
//! | `ANTHROPIC_API_KEY` | the key; without one there is no connection | |
//! | `ANTHROPIC_BASE_URL` | the address, with or without `/v1` | `https://api.anthropic.com` |
//! | `ANTHROPIC_SMALL_MODEL` | the model for decisions | `SMALL_MODEL`, then `claude-haiku-5-5` |
//! | `ANTHROPIC_LARGE_MODEL` | the model for replies | `LARGE_MODEL`, then `claude-sonnet-5-5` |
//! | `ANTHROPIC_TIMEOUT_SECONDS` | the limit on silence | a minute |
//! | `ANTHROPIC_CONTEXT_TOKENS` | how much a model can read | 200 000; 8192 at another address |
//!
//! Models are asked not to think before they answer: a chat is to be quick, and thoughts count as output, so that a
//! decision of a few hundred tokens could end before its first word. A model that cannot do without gets
//! [`THOUGHT_TOKENS`] on top of its limit. A temperature above 1 is sent as 1.
//!
//! A failed request is repeated up to twice, only while nothing was streamed, and only after 408, 429, a 5xx or a failed
//! connection. A model that says it does not know a field of the request (the newer ones have no temperature) is asked
//! again without it, and if it then answers, is not sent it again.

mod answer;
mod dialect;
mod messages;
mod profile;
mod request;

use outbound::Client;
use outbound::models::RemoteConnector;

pub use dialect::Messages;
pub use request::THOUGHT_TOKENS;

/// A connector for Anthropic, which reaches it through this client.
pub const fn connector(client: Client) -> RemoteConnector<Messages> {
    RemoteConnector::new(client, &profile::ANTHROPIC, Messages)
}
