//! Figures of requests, and `/metrics`, where Prometheus reads all figures of the server.

use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::get;
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use core_types::Caller;
use metrics::{Histogram, histogram};

use crate::app::State;
use crate::errors::{ApiError, ApiResult};
use crate::extract::Authorized;
use crate::extract::permission::SystemRead;
use crate::gate;
use crate::rates::{self, Rated};
use crate::routing::Routes;

/// The text format of Prometheus.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The methods that are told apart, and what the others are.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OTHER"];
/// The classes of statuses.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The figures of one path: a histogram for each method and class of status, made when the first such request comes.
pub(crate) struct OfPath {
    path: String,
    seconds: [[OnceLock<Histogram>; CLASSES.len()]; METHODS.len()],
}

impl OfPath {
    /// The figures of this path, parameters by their names.
    pub(crate) fn new(path: impl Into<String>) -> Rc<Self> {
        Rc::new(Self { path: path.into(), seconds: Default::default() })
    }

    /// Counts a request that took so long.
    pub(crate) fn count(&self, method: &Method, status: StatusCode, took: Duration) {
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        let class = usize::from(status.as_u16() / 100).saturating_sub(1).min(CLASSES.len() - 1);
        let (Some(of_method), Some(name), Some(class_name)) = (self.seconds.get(method), METHODS.get(method), CLASSES.get(class)) else {
            return;
        };
        let Some(seconds) = of_method.get(class) else { return };
        let made =
            || histogram!("doolittle_http_request_seconds", "method" => *name, "route" => self.path.clone(), "status" => *class_name);
        seconds.get_or_init(made).record(took.as_secs_f64());
    }
}

thread_local! {
    /// Preflights, which are answered for any path.
    pub(crate) static PREFLIGHTS: Rc<OfPath> = OfPath::new("(preflight)");
    /// Requests that no route took: those that were refused before, those of paths that there are not, and those for files of a web UI.
    pub(crate) static UNROUTED: Rc<OfPath> = OfPath::new("(other)");
    /// Requests that failed as a whole, as by a panic; which route they took is lost with them.
    pub(crate) static FAILED: Rc<OfPath> = OfPath::new("(failed)");
}

/// The route, behind a check of its own.
pub(crate) fn public_routes(routes: &mut Routes) {
    routes.at("/metrics", [get().to(figures).wrap(from_fn(check))]);
}

/// Lets in whoever comes from this machine, and elsewhere whoever has a key: what scrapes figures has none, mostly. Whoever is not near is
/// counted, and so whoever guesses keys, as elsewhere.
async fn check(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<State>().cloned() else {
        return Ok(request.into_response(ApiError::internal("the application has no state").error_response()));
    };
    if gate::is_near(&request) {
        request.extensions_mut().insert(Caller::anyone());
        return next.call(request).await;
    }
    let known = gate::caller(&request, &state);
    let rated = rates::count(&request, &state, known.as_ref().ok());
    let mut response = match rated.as_ref().and_then(Rated::refusal).map_or(known, Err) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.call(request).await?
        }
        Err(error) => request.into_response(error.error_response()),
    };
    if let Some(rated) = rated {
        rated.put_on(response.headers_mut());
    }
    Ok(response)
}

/// Tells the server's figures, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 401, description = "UNAUTHORIZED"),
        (status = 403, description = "FORBIDDEN"),
        (status = 429, description = "RATE_LIMIT_EXCEEDED"),
    ),
)]
async fn figures(caller: Authorized<SystemRead>, state: State) -> ApiResult {
    let text = state.services.system.figures(&caller).await?;
    Ok(HttpResponse::Ok().content_type(TEXT).body(text))
}
