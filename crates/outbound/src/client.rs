//! The client that all endpoints share: connections, TLS and limits.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::ClientBuilder;
use reqwest::redirect::Policy;
use rustls::crypto::{CryptoProvider, ring};
use url::{Host, Url};

use crate::endpoint::{Auth, Endpoint};
use crate::error::OutboundError;

/// What an exchange may take at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection to be made.
    pub connect: Duration,
    /// Between two signs of life: from the request to the first byte, and from byte to byte.
    pub idle: Duration,
    /// For the whole exchange; subscriptions ([`Endpoint::get_event_stream`]) have none.
    pub total: Duration,
    /// The bytes of an answer; subscriptions have no limit.
    pub response_bytes: usize,
    /// The bytes of one event of an event stream.
    pub event_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_mins(1),
            total: Duration::from_mins(10),
            response_bytes: 16 * 1024 * 1024,
            event_bytes: 1024 * 1024,
        }
    }
}

/// Holds the connections. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Client {
    proxied: Arc<OnDemand>,
    direct: Arc<OnDemand>,
    limits: Limits,
}

impl Client {
    /// A client with these limits. Certificates are those that the operating system trusts; where it has none, only
    /// `http` addresses can be reached.
    pub fn new(limits: Limits) -> Self {
        let proxied = OnDemand::new(move |builder| builder.connect_timeout(limits.connect));
        // A proxy for the world outside cannot reach this machine's own loopback.
        let direct = OnDemand::new(move |builder| builder.connect_timeout(limits.connect).no_proxy());
        Self { proxied: Arc::new(proxied), direct: Arc::new(direct), limits }
    }

    /// An endpoint below this base URL, `http` or `https`. A user name and password in it are sent as basic
    /// authentication unless `auth` says otherwise; its query is sent with every request.
    ///
    /// # Errors
    /// [`OutboundError::InvalidEndpoint`] where the base is not such a URL or the credential cannot be a header,
    /// [`OutboundError::Setup`] where the HTTP library cannot be set up.
    pub fn at(&self, base: &str, auth: &Auth) -> Result<Endpoint, OutboundError> {
        let url = Url::parse(base.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let Some(url) = url else {
            return Err(OutboundError::InvalidEndpoint { message: "the address is not an http or https URL".to_owned() });
        };
        let http = if is_loopback(&url) { &self.direct } else { &self.proxied };
        Endpoint::new(http.get()?, url, auth, self.limits)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// A client of the HTTP library that is built when it is first asked for: the certificates that it trusts take half a megabyte,
/// and many a server never reaches out.
pub(crate) struct OnDemand {
    ways: Box<dyn Fn(ClientBuilder) -> ClientBuilder + Send + Sync>,
    built: OnceLock<reqwest::Client>,
}

impl OnDemand {
    /// A client with the ways of all of them, and those that `more` adds.
    pub(crate) fn new(more: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static) -> Self {
        Self { ways: Box::new(more), built: OnceLock::new() }
    }

    /// The client, always the same.
    pub(crate) fn get(&self) -> Result<reqwest::Client, OutboundError> {
        if let Some(built) = self.built.get() {
            return Ok(built.clone());
        }
        // Who comes at the same time builds one too, and takes the first.
        let built = self.build()?;
        Ok(self.built.get_or_init(|| built).clone())
    }

    fn build(&self) -> Result<reqwest::Client, OutboundError> {
        install_crypto_provider();
        let common =
            || ClientBuilder::new().user_agent(concat!("doolittle/", env!("CARGO_PKG_VERSION"))).redirect(Policy::none()).referer(false);
        let builder = || (self.ways)(common());
        builder().build().or_else(|error| {
            log::warn!("no trusted certificates were found, https addresses cannot be reached: {error:?}");
            builder().tls_certs_only([]).build().map_err(|error| OutboundError::Setup { source: Box::new(error) })
        })
    }
}

/// The HTTP library panics without a provider of cryptography; one that is already there is kept.
fn install_crypto_provider() {
    if CryptoProvider::get_default().is_none() {
        // Fails only if another thread was faster, which is as good.
        let _ = ring::default_provider().install_default();
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
