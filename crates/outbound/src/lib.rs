//! The one outgoing HTTP client: provider adapters and the command line reach other servers through it and nothing else.
//!
//! A [`Client`] is made once and shared; [`Client::at`] gives an [`Endpoint`], a base URL with its credential. Every
//! request has a limit on connecting, on silence, on its whole time and on the size of the answer. Redirects are not
//! followed. Base URLs come from the operator, so loopback and private addresses are allowed. Credentials never appear
//! in an error or in `Debug`.
//!
//! What callers name is fetched by a [`PublicFetcher`], from public addresses alone.
//!
//! On top of the client, [`models`] holds what the adapters of model services share.

mod answer;
mod client;
mod endpoint;
mod error;
mod events;
mod fetch;
mod form;
pub mod models;
mod retry;
mod sse;

pub use answer::Answer;
pub use client::{Client, Limits};
pub use endpoint::{Auth, Endpoint, Method, Opened};
pub use error::OutboundError;
pub use events::EventStream;
pub use fetch::PublicFetcher;
pub use form::FileForm;
pub use retry::Retries;
pub use sse::{Event, EventDecoder, EventTooLong};
