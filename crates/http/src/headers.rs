//! Headers on every answer: what browsers may do with it, and which pages may read it.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Put on every answer unless the handler chose otherwise. There is no page here: nothing may run, frame or sniff.
const SECURITY: [(HeaderName, &str); 11] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
    (header::X_DNS_PREFETCH_CONTROL, "off"),
    (header::X_XSS_PROTECTION, "0"),
    (HeaderName::from_static("origin-agent-cluster"), "?1"),
    (HeaderName::from_static("x-download-options"), "noopen"),
    (HeaderName::from_static("x-permitted-cross-domain-policies"), "none"),
];

const ALLOW_METHODS: HeaderValue = HeaderValue::from_static("GET,POST,PUT,DELETE,PATCH,OPTIONS");
const ALLOW_HEADERS: HeaderValue =
    HeaderValue::from_static("Content-Type,Authorization,X-API-KEY,X-Entity-Id,Idempotency-Key,If-None-Match,Last-Event-ID");
const EXPOSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "X-Total-Count,X-Channel-Id,X-Message-Id,ETag,Retry-After,Idempotency-Replayed,RateLimit-Policy,RateLimit-Limit,\
     RateLimit-Remaining,RateLimit-Reset,X-RateLimit-Limit,X-RateLimit-Remaining,X-RateLimit-Reset",
);
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// The headers that one request's answer gets.
pub(crate) struct Decoration {
    allow_origin: Option<HeaderValue>,
}

impl Decoration {
    /// Decides which origin may read the answer.
    pub(crate) fn of(request: &ServiceRequest, origins: &[String]) -> Self {
        let allow_origin = request.headers().get(header::ORIGIN).and_then(|origin| {
            let text = origin.to_str().ok()?;
            if is_loopback_origin(text) || is_listed(text, origins) {
                Some(origin.clone())
            } else {
                origins.iter().any(|listed| listed == "*").then_some(ANY)
            }
        });
        Self { allow_origin }
    }

    /// Puts the headers on an answer.
    pub(crate) fn put_on(&self, headers: &mut HeaderMap) {
        for (name, value) in SECURITY {
            if !headers.contains_key(&name) {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = &self.allow_origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSE_HEADERS);
            if *origin != ANY {
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
            }
        }
    }
}

/// What a preflight asks for besides; without an allowed origin it means nothing to a browser.
pub(crate) fn allow_methods(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOW_METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
}

/// Whether an origin is in the list by its own name; `*` names nobody.
pub(crate) fn is_listed(origin: &str, origins: &[String]) -> bool {
    origins.iter().any(|listed| listed.trim_end_matches('/').eq_ignore_ascii_case(origin))
}

/// Whether an origin is a page from this very machine.
pub(crate) fn is_loopback_origin(origin: &str) -> bool {
    let authority = ["http://", "https://"].iter().find_map(|scheme| origin.strip_prefix(scheme));
    authority.and_then(host_name).is_some_and(is_loopback_name)
}

/// Whether a host's name, without a port, can only mean this machine.
pub(crate) fn is_loopback_name(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || matches!(host, "127.0.0.1" | "[::1]")
}

/// The host of `host` or `host:port`, an IPv6 address with its brackets; `None` for anything else.
pub(crate) fn host_name(authority: &str) -> Option<&str> {
    let end = if authority.starts_with('[') { authority.find(']')? + 1 } else { authority.find(':').unwrap_or(authority.len()) };
    let (host, port) = authority.split_at_checked(end)?;
    let plain_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    plain_port.then_some(host)
}
