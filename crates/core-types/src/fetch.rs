//! Fetching what is at an address that a caller gave.

use async_trait::async_trait;
use bytes::Bytes;
use derive_more::{Display, Error};

/// What was at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The type that the sender gives it; empty where it gives none.
    pub content_type: String,
    /// The whole body.
    pub bytes: Bytes,
}

/// Why nothing could be fetched. `Display` says so for a person, and shows neither credentials nor queries of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Display, Error)]
pub enum FetchError {
    /// The address is not one of `http` or `https`, or leads to a place that is not public.
    #[display("the address is not public: {reason}")]
    Forbidden {
        /// What is wrong with it.
        #[error(not(source))]
        reason: String,
    },
    /// There is more than was asked for.
    #[display("there is more than {limit} bytes")]
    TooLarge {
        /// The most bytes.
        limit: usize,
    },
    /// Nobody answers there, or not in time, or with something else than the thing.
    #[display("{reason}")]
    Failed {
        /// What happened.
        #[error(not(source))]
        reason: String,
    },
}

/// Fetches from public addresses alone: whatever a name resolves to and wherever a server redirects, nothing is asked of this
/// machine or of a network that is not open to all.
#[async_trait]
pub trait Fetcher: Send + Sync {
    /// What is at an `http` or `https` address, at most `limit` bytes.
    async fn fetch(&self, url: &str, limit: usize) -> Result<Fetched, FetchError>;
}
