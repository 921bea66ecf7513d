//! Models behind any OpenAI-compatible API: OpenAI itself, OpenRouter, Ollama, and whatever `OPENAI_BASE_URL` names
//! (llama.cpp, vLLM, LM Studio, proxies).
//!
//! | service | chosen by | address | models (small, large) |
//! | --- | --- | --- | --- |
//! | [`Service::OpenAi`] | `OPENAI_API_KEY` or `OPENAI_BASE_URL` | `OPENAI_BASE_URL` | `OPENAI_SMALL_MODEL`, `OPENAI_LARGE_MODEL` |
//! | [`Service::OpenRouter`] | `OPENROUTER_API_KEY` or `OPENROUTER_BASE_URL` | `OPENROUTER_BASE_URL` | `OPENROUTER_SMALL_MODEL`, `OPENROUTER_LARGE_MODEL` |
//! | [`Service::Ollama`] | `OLLAMA_API_ENDPOINT` | `OLLAMA_API_ENDPOINT` | `OLLAMA_SMALL_MODEL`, `OLLAMA_LARGE_MODEL` |
//!
//! `SMALL_MODEL` and `LARGE_MODEL` stand in for the names of each. `OPENAI_TIMEOUT_SECONDS` limits silence,
//! `OPENAI_CONTEXT_TOKENS` says how much a model can read; both hold for all three.
//!
//! [`OpenAiEmbeddings`] makes vectors, by the model that `OPENAI_EMBEDDING_MODEL` or `OLLAMA_EMBEDDING_MODEL` names.
//!
//! A failed request is repeated up to twice, only while nothing was streamed, and only after 408, 429, a 5xx or a failed
//! connection. A server that says it does not know a field of the request is asked again without that field, which a model
//! that then answered is not sent again.

mod answer;
mod dialect;
mod embeddings;
mod messages;
mod request;
mod service;
mod speech;

use outbound::Client;
use outbound::models::RemoteConnector;

pub use dialect::ChatCompletions;
pub use embeddings::OpenAiEmbeddings;
pub use service::Service;
pub use speech::OpenAiSpeech;

/// A connector for this service, which reaches it through this client.
pub const fn connector(client: Client, service: Service) -> RemoteConnector<ChatCompletions> {
    RemoteConnector::new(client, service.profile(), ChatCompletions(service))
}

/// A connector for each service, in the order in which to try them.
pub fn connectors(client: &Client) -> [RemoteConnector<ChatCompletions>; 3] {
    Service::ALL.map(|service| connector(client.clone(), service))
}
