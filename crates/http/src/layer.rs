//! The outermost layer, through which every request and answer passes.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody, None as NoBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::HeaderMap;
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse};
use bytes::Bytes;
use core_types::Caller;
use futures_util::FutureExt;

use crate::app::State;
use crate::errors::ApiError;
use crate::etag::{Known, tagged};
use crate::figures::{FAILED, OfPath, PREFLIGHTS, UNROUTED};
use crate::headers::{Decoration, allow_methods};
use crate::pace;
use crate::paths;
use crate::sockets;
use crate::ui;
use crate::unread;

/// Says on the connection that it is served, spells the path, serves HEAD by GET where reading changes nothing, answers preflights,
/// turns a panic into a 500 for that request alone, tags what was read, puts the headers on whatever comes out, and parts from strangers
/// where few connections are left.
pub(crate) async fn outermost(mut request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    let (serving, began) = (pace::serve(&mut request), Instant::now());
    let origins = request.app_data::<State>().map_or(&[][..], |state| &state.settings.cors_origins);
    let decoration = Decoration::of(&request, origins);
    if request.method() == Method::OPTIONS {
        let mut response = HttpResponse::NoContent().finish();
        allow_methods(response.headers_mut());
        decoration.put_on(response.headers_mut());
        PREFLIGHTS.with(|figures| figures.count(request.method(), response.status(), began.elapsed()));
        return Ok(parted(request.into_response(response)));
    }
    let has_ui = request.app_data::<State>().is_some_and(|state| state.settings.ui.is_some());
    if !(has_ui && ui::may_have(request.path())) {
        paths::normalise(&mut request);
    }
    let head_only = request.method() == Method::HEAD;
    let known = (head_only || request.method() == Method::GET).then(|| Known::of(request.headers()));
    // To read there is to open a session or to take its packets, which a HEAD would do for nobody; so there it has no route. The path
    // is taken as routes see it, without escapes.
    if head_only && request.match_info().as_str() != sockets::PATH {
        request.head_mut().method = Method::GET;
    }
    let method = request.method().clone();
    match caught(next.call(request)).await {
        Ok(response) => {
            let tagged = known.iter().fold(response, tagged);
            let mut response = if head_only { without_stream(tagged) } else { unread::counted(&method, tagged) };
            let count = |figures: &Rc<OfPath>| figures.count(&method, response.status(), began.elapsed());
            response.request().app_data::<Rc<OfPath>>().map_or_else(|| UNROUTED.with(count), count);
            decoration.put_on(response.headers_mut());
            Ok(pace::answered(parted(response), serving))
        }
        Err(error) => {
            let status = error.as_response_error().status_code();
            FAILED.with(|figures| figures.count(&method, status, began.elapsed()));
            Err(decorated(&error, |headers| decoration.put_on(headers)))
        }
    }
}

/// What a service answers, a panic in it being a failure like any other. The request is gone after a panic, and with it
/// all that the handler may have left half done.
pub(crate) async fn caught(
    answer: impl Future<Output = Result<ServiceResponse<BoxBody>, Error>>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let outcome = AssertUnwindSafe(answer).catch_unwind().await;
    outcome.unwrap_or_else(|panic| Err(ApiError::internal(panic_text(panic.as_ref())).into()))
}

/// The same failure with more headers on its answer.
pub(crate) fn decorated(error: &Error, decorate: impl FnOnce(&mut HeaderMap)) -> Error {
    let mut response = error.error_response();
    decorate(response.headers_mut());
    InternalError::from_response("answered by a layer", response).into()
}

/// The answer, the last on its connection where few of those are left and its request showed no key that counts: while it is silent, such
/// a client would hold a place that others want. What goes on in another protocol is bounded there.
fn parted(mut response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let request = response.request();
    let few = request.app_data::<State>().is_some_and(|state| state.connections.are_few_left());
    if few && response.status() != StatusCode::SWITCHING_PROTOCOLS && !request.extensions().contains::<Caller>() {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// The answer to a HEAD request sends no body, so an endless one must not even begin, and a file need not be read.
fn without_stream(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    response.map_body(|_, body| match body.try_into_bytes() {
        Ok(bytes) => bytes.boxed(),
        Err(body) => match body.size() {
            BodySize::Sized(length) => Unsent(length).boxed(),
            BodySize::None | BodySize::Stream => NoBody::new().boxed(),
        },
    })
}

/// A body of which only the length is told.
struct Unsent(u64);

impl MessageBody for Unsent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}

/// The body, with what is kept until all of it has been sent, or nobody takes it any more.
pub(crate) fn until_sent<K: Unpin + 'static>(body: BoxBody, kept: K) -> BoxBody {
    BoxBody::new(Keeping { body, _kept: kept })
}

struct Keeping<K> {
    body: BoxBody,
    _kept: K,
}

impl<K: Unpin> MessageBody for Keeping<K> {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.get_mut().body.as_pin_mut().poll_next(context)
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a handler panicked: {}", text.unwrap_or("(no message)"))
}
