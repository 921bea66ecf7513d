//! Fetching from addresses that callers gave: from public places alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use core_types::error::chain;
use core_types::fetch::{FetchError, Fetched, Fetcher};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::{Host, Url};

use crate::client::OnDemand;
use crate::error::shown;

/// For a connection to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// For everything, redirects included.
const TOTAL: Duration = Duration::from_secs(15);
/// Redirects that are followed.
const REDIRECTS: usize = 3;

/// Whether something may be fetched from an address.
type Rule = fn(IpAddr) -> bool;

/// Fetches from public addresses. The rule is held where connections are made: a name is resolved once, by this client, and
/// only public addresses come out, so that no name can mean one thing when it is checked and another when it is used. No proxy
/// is used, since it would resolve names by itself.
#[derive(Clone)]
pub struct PublicFetcher {
    http: Arc<OnDemand>,
    rule: Rule,
}

impl PublicFetcher {
    /// A fetcher.
    pub fn new() -> Self {
        Self::by(is_public)
    }

    fn by(rule: Rule) -> Self {
        let http = OnDemand::new(move |builder| builder.connect_timeout(CONNECT).no_proxy().dns_resolver(Arc::new(Guarded(rule))));
        Self { http: Arc::new(http), rule }
    }

    async fn follow(&self, mut url: Url, limit: usize) -> Result<Fetched, FetchError> {
        for _ in 0..=REDIRECTS {
            self.check(&url)?;
            let http = self.http.get().map_err(|error| {
                log::error!("nothing can be fetched: {}", chain(&error));
                FetchError::Failed { reason: "the server cannot fetch anything".to_owned() }
            })?;
            let response = http.get(url.clone()).send().await.map_err(|error| failed(&url, error))?;
            let Some(next) = redirection(&response) else { return read(response, limit).await };
            url = url.join(&next).map_err(|_| FetchError::Failed { reason: "it redirects to what is no address".to_owned() })?;
        }
        Err(FetchError::Failed { reason: "it redirects too often".to_owned() })
    }

    /// Refuses what the resolver never sees: other schemes, and addresses without a name.
    fn check(&self, url: &Url) -> Result<(), FetchError> {
        let forbidden = |reason: &str| Err(FetchError::Forbidden { reason: reason.to_owned() });
        if !matches!(url.scheme(), "http" | "https") {
            return forbidden("it is not of http or https");
        }
        let address = match url.host() {
            None => return forbidden("it has no host"),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
        };
        if (self.rule)(address) { Ok(()) } else { forbidden("it is an address of this machine or of a private network") }
    }
}

impl Default for PublicFetcher {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Fetcher for PublicFetcher {
    async fn fetch(&self, url: &str, limit: usize) -> Result<Fetched, FetchError> {
        let mut url = Url::parse(url).map_err(|_| FetchError::Forbidden { reason: "it is no URL".to_owned() })?;
        // A name and a password in front of the host would be sent along. Both only fail without a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        let fetched = timeout(TOTAL, self.follow(url, limit)).await;
        fetched.unwrap_or_else(|_| Err(FetchError::Failed { reason: format!("it did not answer within {} s", TOTAL.as_secs()) }))
    }
}

/// Where an answer sends its reader.
fn redirection(response: &Response) -> Option<String> {
    let moved = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    moved.contains(&response.status()).then(|| location.to_owned())
}

async fn read(mut response: Response, limit: usize) -> Result<Fetched, FetchError> {
    if !response.status().is_success() {
        return Err(FetchError::Failed { reason: format!("it answered with status {}", response.status().as_u16()) });
    }
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(FetchError::TooLarge { limit });
    }
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let url = response.url().clone();
    let mut bytes = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failed(&url, error))? {
        if bytes.len() + piece.len() > limit {
            return Err(FetchError::TooLarge { limit });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Fetched { content_type, bytes: bytes.freeze() })
}

fn failed(url: &Url, error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(this) = cause {
        if this.is::<NotPublic>() {
            return FetchError::Forbidden { reason: "its name leads to this machine or to a private network".to_owned() };
        }
        cause = this.source();
    }
    log::debug!("{} cannot be fetched: {}", shown(url), chain(&error));
    FetchError::Failed { reason: "it cannot be reached".to_owned() }
}

/// A name that leads to no public address.
#[derive(Debug, derive_more::Display, derive_more::Error)]
#[display("the name leads to no public address")]
struct NotPublic;

/// Resolves names to the addresses that the rule allows.
struct Guarded(Rule);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let rule = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| rule(address.ip())).collect();
            if allowed.is_empty() { Err(NotPublic.into()) } else { Ok(Box::new(allowed.into_iter()) as Addrs) }
        })
    }
}

/// Whether an address is one that anybody on the internet can reach: none of those that IANA's special-purpose registries give
/// to a machine, a network or a document, and none behind which such a one may stand.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    );
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Translation to IPv4, whose address is at the end, or after the prefix.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, benchmarks, ORCHID, documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
