//! The key check and the rate limit: before anything else of a request under `/api` is looked at.

use std::net::IpAddr;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError};
use core_types::Caller;

use crate::app::{Shared, State};
use crate::errors::{ApiError, Code};
use crate::headers::{host_name, is_listed, is_loopback_name, is_loopback_origin};
use crate::layer::{caught, decorated};
use crate::rates::{self, Rated};

/// Lets a request on only with its caller and within its rate; the body is not read before. Whoever is refused is counted
/// too, and so whoever guesses keys, though a right one is taken beyond that. An answer that goes on comes only where there is a place for it.
pub(crate) async fn check(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<State>().cloned() else {
        return Ok(request.into_response(ApiError::internal("the application has no state").error_response()));
    };
    let known = caller(&request, &state);
    let rated = rates::count(&request, &state, known.as_ref().ok());
    let answer = match rated.as_ref().and_then(Rated::refusal).map_or(known, Err) {
        Ok(caller) => match state.lines.turn(&caller).await {
            // It may have waited for long.
            Ok(_served) if !state.counts(&caller) => Ok(request.into_response(ApiError::unknown_caller().error_response())),
            Ok(_served) => match state.unread.check(&caller) {
                Ok(()) => {
                    request.extensions_mut().insert(caller);
                    caught(next.call(request)).await.map(|response| state.streams.place(response))
                }
                Err(error) => Ok(request.into_response(error.error_response())),
            },
            Err(error) => Ok(request.into_response(error.error_response())),
        },
        Err(error) => Ok(request.into_response(error.error_response())),
    };
    let decorate = |headers: &mut HeaderMap| rated.iter().for_each(|rated| rated.put_on(headers));
    match answer {
        Ok(mut response) => {
            decorate(response.headers_mut());
            Ok(response)
        }
        Err(error) => Err(decorated(&error, decorate)),
    }
}

/// Whether the request comes from this machine and is meant for it.
pub(crate) fn is_near(request: &ServiceRequest) -> bool {
    at_this_machine(request).is_ok() && is_meant_for_us(request, false)
}

/// Whether the request shows a key, right or wrong.
pub(crate) fn shows_key(request: &ServiceRequest) -> bool {
    presented(request.headers()).next().is_some()
}

/// Who knocks with a socket, whose key may come later than its request: the caller where it is known by now. Refused is who may
/// not come at all.
pub(crate) fn knocking(request: &ServiceRequest, shared: &Shared) -> Result<Option<Caller>, ApiError> {
    let known = verified(request, shared);
    match shared.services.keyring.keyless() {
        Some(owner) if known.is_none() => keyless(request, shared, owner).map(Some).map_err(refused),
        _ => Ok(known),
    }
}

/// Whose key the request shows; or who comes without one, where none is asked for.
pub(crate) fn caller(request: &ServiceRequest, shared: &Shared) -> Result<Caller, ApiError> {
    // Whoever shows a key that counts is who it says, also where none is asked for.
    let known = verified(request, shared);
    if let (None, Some(owner)) = (&known, shared.services.keyring.keyless()) {
        return keyless(request, shared, owner).map_err(refused);
    }
    known.ok_or_else(ApiError::unknown_caller)
}

/// Whose key or token the request shows.
fn verified(request: &ServiceRequest, shared: &Shared) -> Option<Caller> {
    let mut keys = presented(request.headers()).peekable();
    keys.peek()?;
    let now = shared.services.clock.now();
    keys.find_map(|key| shared.services.keyring.verify(key, now))
}

/// The keys that the request shows: one of each kind, so that as many can be tried in a minute as there are requests.
fn presented(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let plain = only(headers, &HeaderName::from_static("x-api-key"));
    let bearer = only(headers, &header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    plain.into_iter().chain(bearer)
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    values.next().is_none().then(|| first.to_str().ok()).flatten()
}

fn refused(reason: &str) -> ApiError {
    let message = format!("{reason}; without an API key the server answers only this machine: set ELIZA_SERVER_AUTH_TOKEN and send it");
    ApiError::new(Code::Forbidden, message)
}

/// Who comes without a key where none is asked for: the owner, from this machine and not by way of a web page or a proxy. A
/// server that lets everybody in does not take them for the owner.
fn keyless(request: &ServiceRequest, shared: &Shared, owner: Caller) -> Result<Caller, &'static str> {
    let insecure = shared.settings.insecure;
    let near = at_this_machine(request);
    if !insecure {
        near?;
    }
    if !is_meant_for_us(request, insecure) {
        return Err("The request's Host is not this machine");
    }
    let allowed = |origin: &str| is_loopback_origin(origin) || is_listed(origin, &shared.settings.cors_origins);
    if !request.headers().get_all(header::ORIGIN).all(|origin| origin.to_str().is_ok_and(allowed)) {
        return Err("The request comes from a web page whose origin is not in CORS_ORIGIN");
    }
    Ok(if near.is_ok() { owner } else { Caller::anyone() })
}

/// Whether the request comes from this machine; else why not.
fn at_this_machine(request: &ServiceRequest) -> Result<(), &'static str> {
    if !request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        return Err("The request comes from another machine");
    }
    if request.headers().keys().any(|name| is_forwarding(name.as_str())) {
        return Err("The request was forwarded");
    }
    Ok(())
}

fn is_forwarding(name: &str) -> bool {
    name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-")
}

/// A page that makes its own name resolve to this machine still sends that name. An IP address cannot be such a name, so
/// it will do where the peer may be anybody.
fn is_meant_for_us(request: &ServiceRequest, insecure: bool) -> bool {
    let ours = |host: &str| {
        let literal = || host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        is_loopback_name(host) || insecure && literal()
    };
    let mut hosts = request.headers().get_all(header::HOST).peekable();
    hosts.peek().is_some()
        && hosts.all(|value| value.to_str().ok().and_then(host_name).is_some_and(ours))
        && request.uri().host().is_none_or(ours)
}
