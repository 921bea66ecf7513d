//! How a request can fail.

use std::time::Duration;

use core_types::error::Source;
use derive_more::{Display, Error};
use url::Url;

/// Why there is no usable answer. URLs are shown without credentials and query; no header is ever shown.
#[derive(Debug, Display, Error)]
pub enum OutboundError {
    /// The base URL or the credential cannot be used.
    #[display("{message}")]
    InvalidEndpoint {
        /// What is wrong with it.
        message: String,
    },
    /// No connection could be made.
    #[display("{url} cannot be reached")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        source: Source,
    },
    /// Nothing came for too long, or the whole exchange took too long.
    #[display("{url} did not answer within {} s", limit.as_secs())]
    TimedOut {
        /// The address.
        url: String,
        /// The limit that was exceeded.
        limit: Duration,
    },
    /// The answer, or one event of it, is larger than allowed.
    #[display("the answer of {url} is larger than {limit} bytes")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection ended in the middle of the exchange.
    #[display("{url} broke off the connection")]
    Cut {
        /// The address.
        url: String,
        /// Why.
        source: Source,
    },
    /// The request or the client could not be set up.
    #[display("the request could not be made")]
    Setup {
        /// Why.
        source: Source,
    },
}

impl OutboundError {
    /// Sorts what the HTTP library reports while a request is sent.
    pub(crate) fn of_sending(url: &Url, limit: Duration, error: reqwest::Error) -> Self {
        // The library shows the whole URL, which may hold a password.
        let error = error.without_url();
        if error.is_connect() {
            Self::Unreachable { url: shown(url), source: Box::new(error) }
        } else if error.is_timeout() {
            Self::TimedOut { url: shown(url), limit }
        } else if error.is_builder() {
            Self::Setup { source: Box::new(error) }
        } else {
            Self::Cut { url: shown(url), source: Box::new(error) }
        }
    }
}

/// An address as it may be shown: scheme, host, port and path.
pub(crate) fn shown(url: &Url) -> String {
    let mut bare = url.clone();
    // Both only fail for URLs without a host, which never get this far.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_query(None);
    bare.set_fragment(None);
    bare.as_str().trim_end_matches('/').to_owned()
}
