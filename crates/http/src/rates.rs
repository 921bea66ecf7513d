//! How often a client may ask: who is counted, and what every answer says of it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use auth::{Class, Client, Standing};
use core_types::{Caller, Timestamp};

use crate::app::Shared;
use crate::errors::{ApiError, Code};
use crate::uploads::is_form;

/// Counts a request: for the caller whose key it shows, else for the address that it comes from.
pub(crate) fn count(request: &ServiceRequest, shared: &Shared, caller: Option<&Caller>) -> Option<Rated> {
    count_client(shared, class(request), &client(request, shared, caller)?)
}

/// Whose requests a request counts as; `None` where it comes from no address.
pub(crate) fn client(request: &ServiceRequest, shared: &Shared, caller: Option<&Caller>) -> Option<Client> {
    match caller.and_then(|caller| by_name(caller, shared)) {
        Some(client) => Some(client),
        None => address(request, shared).map(Client::Address),
    }
}

/// A caller who has shown a key, under its name.
pub(crate) fn by_name(caller: &Caller, shared: &Shared) -> Option<Client> {
    let shown = caller.credential().is_some() || shared.services.keyring.requires_key();
    shown.then(|| Client::Caller(caller.name()))
}

/// Counts something that a client asks for.
pub(crate) fn count_client(shared: &Shared, class: Class, client: &Client) -> Option<Rated> {
    let standing = shared.limiter.count(class, client)?;
    Some(Rated { class, standing, now: shared.services.clock.now() })
}

fn class(request: &ServiceRequest) -> Class {
    // As routes see it, without escapes.
    let path = request.match_info().as_str();
    let is_document = || path.starts_with("/api/memory/agents/") && path.ends_with("/documents") && is_form(request.content_type());
    let uploads = path.starts_with("/api/media/") || path.starts_with("/api/audio/") || path.ends_with("/upload-media") || is_document();
    if uploads && request.method() == Method::POST { Class::Upload } else { Class::Api }
}

/// The peer's address, or the one that the trusted proxies before it tell: the last in `X-Forwarded-For` that is not a
/// trusted proxy's itself. What stands before that anybody may have written.
fn address(request: &ServiceRequest, shared: &Shared) -> Option<IpAddr> {
    let trusted = |address: &IpAddr| shared.settings.trusted_proxies.iter().any(|network| network.contains(address));
    let mut client = request.peer_addr()?.ip().to_canonical();
    let told: Vec<_> = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
    for hop in told.iter().rev().flat_map(|list| list.rsplit(',')) {
        if !trusted(&client) {
            break;
        }
        let Some(address) = hop_address(hop.trim()) else { break };
        client = address;
    }
    Some(client)
}

/// Where a client comes from: an address as requests are counted by it.
pub(crate) fn network(client: &Client) -> Option<IpAddr> {
    let Client::Address(address) = client else { return None };
    Some(auth::customer(*address))
}

/// An address as proxies write it: bare, in brackets if it is an IPv6 one, or with a port.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    hop.parse().ok().or_else(in_brackets).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// A counted request.
pub(crate) struct Rated {
    class: Class,
    standing: Standing,
    now: Timestamp,
}

impl Rated {
    /// Why the request may not pass.
    pub(crate) fn refusal(&self) -> Option<ApiError> {
        let wait = self.standing.refused?;
        let code = match self.class {
            Class::Api => Code::RateLimitExceeded,
            Class::Upload => Code::UploadRateLimitExceeded,
        };
        let Standing { limit, window, .. } = self.standing;
        let message = format!("Rate limit exceeded: {limit} requests in {} s; try again in {} s", window.as_secs(), seconds(wait));
        Some(ApiError::new(code, message).retry_after(Duration::from_secs(seconds(wait))))
    }

    /// Both families of headers: the IETF draft's, and the older ones whose reset is a moment.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        let Standing { limit, window, remaining, reset, .. } = self.standing;
        let reset = seconds(reset);
        let moment = self.now.millis().div_euclid(1_000).saturating_add_unsigned(reset);
        let policy = HeaderValue::from_str(&format!("{limit};w={}", window.as_secs()));
        for (name, value) in [
            ("ratelimit-limit", limit.into()),
            ("ratelimit-remaining", remaining.into()),
            ("ratelimit-reset", reset.into()),
            ("x-ratelimit-limit", limit.into()),
            ("x-ratelimit-remaining", remaining.into()),
            ("x-ratelimit-reset", moment.into()),
        ] {
            headers.insert(HeaderName::from_static(name), value);
        }
        if let Ok(policy) = policy {
            headers.insert(HeaderName::from_static("ratelimit-policy"), policy);
        }
    }
}

/// Whole seconds, never less than it takes.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_customers_addresses_are_one_place() {
        let from = |address: &str| network(&Client::Address(address.parse().unwrap())).map(|network| network.to_string());
        for (address, place) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:0:ff::2", "2001:db8::"),
            ("2001:db8:0:100::1", "2001:db8:0:100::"),
        ] {
            assert_eq!(from(address).as_deref(), Some(place), "{address}");
        }
        assert_eq!(network(&Client::Caller("owner".to_owned())), None);
    }
}
