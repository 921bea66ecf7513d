//! Large answers that are not taken yet. Each is in memory until its client has taken it, and a client may take its time: so there is only
//! so much of them, of which each tenant has its part, and each has to be taken at some pace.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody, None as NoBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, ResponseError};
use bytes::Bytes;
use core_types::{Caller, Tenant};
use derive_more::Display;
use tokio::time::Instant;

use crate::app::State;
use crate::errors::{ApiError, ApiResult};
use crate::holdings::{Lack, Part, Stock};
use crate::limits;
use crate::pace::Pace;

/// What is counted has more bytes, and is sent in pieces of so many: whatever is sent is copied first.
const PIECE: usize = 64 * 1024;
/// How many bytes a second a client must take of what is counted, after a while.
const PACE: usize = 32 * 1024;

/// Why there is no answer.
const FULL: &str = "Too many large answers are being taken; try again later";
/// Why there is none for a tenant.
const SHARE_FULL: &str = "Too many large answers to this tenant are not taken yet; take those, or try again later";

/// The bytes of all answers that are counted.
pub(crate) struct Unread(Arc<Stock>);

/// Why an answer ends before its end.
#[derive(Debug, Display, derive_more::Error)]
enum CutOff {
    #[display("its client does not take it")]
    Slow,
    #[display("there is too much that clients do not take")]
    Full,
}

/// The answer to a request with this method, counted for its caller until it is taken, if it is large.
pub(crate) fn counted(method: &Method, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let is_small = match response.response().body().size() {
        BodySize::None => true,
        BodySize::Sized(bytes) => bytes <= PIECE as u64,
        BodySize::Stream => false,
    };
    let state = if is_small { None } else { response.request().app_data::<State>().cloned() };
    match state {
        Some(state) => state.unread.counted(method, response),
        None => response,
    }
}

impl Unread {
    /// At most so many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self(Stock::new(most))
    }

    /// Refuses a tenant that has as much to take as it may, before anything is done whose answer could not be given.
    pub(crate) fn check(&self, caller: &Caller) -> ApiResult<()> {
        if self.0.is_used_up(caller.reach().map(|reach| &reach.tenant)) { Err(refusal(Lack::Tenants)) } else { Ok(()) }
    }

    /// Takes the part of the answer to this request, which will have so many bytes, where it is large.
    pub(crate) fn reserve(&self, request: &HttpRequest, caller: &Caller, bytes: usize) -> ApiResult<()> {
        if bytes > PIECE {
            let part = self.0.take(caller.makes_for(), bytes).map_err(refusal)?;
            request.extensions_mut().insert(Reserved(part));
        }
        Ok(())
    }

    /// Where there is too much, what was only read is refused; of what was done the answer is given.
    fn counted(&self, method: &Method, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        let mut refused = None;
        let request = response.request();
        let caller = request.extensions().get::<Caller>().map(Caller::makes_for);
        let reserved = request.extensions_mut().remove::<Reserved>();
        let only_read = method == Method::GET || request.extensions().contains::<OnlyRead>();
        let pace = request.conn_data::<Rc<Pace>>().cloned();
        let part = |tenant, bytes| match reserved {
            Some(Reserved(part)) => Ok(part),
            None if only_read => self.0.take(tenant, bytes),
            None => Ok(self.0.take_beyond(tenant, bytes)),
        };
        let counted = response.map_body(|_, body| match (body.try_into_bytes(), caller) {
            // What strangers are shown is there anyway.
            (Ok(bytes), None) => Whole(Large::new(bytes, pace, None)).boxed(),
            (Ok(bytes), Some(tenant)) => match part(tenant, bytes.len()) {
                Ok(part) => Whole(Large::new(bytes, pace, Some(part))).boxed(),
                Err(lack) => {
                    refused = Some(refusal(lack));
                    NoBody::new().boxed()
                }
            },
            (Err(body), None) => body,
            (Err(body), Some(tenant)) => BoxBody::new(Pieces { body, stock: Arc::clone(&self.0), tenant, pace, large: None }),
        });
        match refused {
            Some(error) => counted.into_response(error.error_response()),
            None => counted,
        }
    }
}

/// A part that was taken before there was an answer.
struct Reserved(Part);

/// That nothing is done for a request but to read.
struct OnlyRead;

/// Says of requests with a body that they only read: as with GET, the answer may be refused where there is too much.
pub(crate) async fn only_reads(request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<BoxBody>, Error> {
    request.extensions_mut().insert(OnlyRead);
    next.call(request).await
}

fn refusal(lack: Lack) -> ApiError {
    ApiError::overloaded(match lack {
        Lack::Everybodys => FULL,
        Lack::Tenants => SHARE_FULL,
    })
}

/// Bytes that are on their way to a client.
struct Large {
    rest: Bytes,
    until: Instant,
    /// The connection's, which is told until when: these bytes are not asked for while those before them are stuck.
    pace: Option<Rc<Pace>>,
    _part: Option<Part>,
}

impl Large {
    fn new(bytes: Bytes, pace: Option<Rc<Pace>>, part: Option<Part>) -> Self {
        let seconds = u64::try_from(bytes.len() / PACE).unwrap_or(u64::MAX);
        let until = Instant::now() + limits::UNREAD_TIME + Duration::from_secs(seconds);
        if let Some(pace) = &pace {
            pace.take_until(Some(until));
        }
        Self { rest: bytes, until, pace, _part: part }
    }

    /// The next bytes, while there are some: those before are taken when this is asked for.
    fn next(&mut self) -> Option<Result<Bytes, CutOff>> {
        if self.rest.is_empty() {
            return None;
        }
        if Instant::now() > self.until {
            return Some(Err(CutOff::Slow));
        }
        Some(Ok(self.rest.split_to(self.rest.len().min(PIECE))))
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        if let Some(pace) = &self.pace {
            pace.take_until(None);
        }
    }
}

/// An answer that is there as a whole.
struct Whole(Large);

impl MessageBody for Whole {
    type Error = CutOff;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.rest.len() as u64)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, CutOff>>> {
        Poll::Ready(self.get_mut().0.next())
    }
}

/// An answer that comes by and by, some of it perhaps large.
struct Pieces {
    body: BoxBody,
    stock: Arc<Stock>,
    tenant: Option<Tenant>,
    pace: Option<Rc<Pace>>,
    large: Option<Large>,
}

impl MessageBody for Pieces {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if let Some(next) = this.large.as_mut().and_then(Large::next) {
            return Poll::Ready(Some(next.map_err(Into::into)));
        }
        this.large = None;
        match ready!(this.body.as_pin_mut().poll_next(context)) {
            Some(Ok(bytes)) if bytes.len() > PIECE => {
                let Ok(part) = this.stock.take(this.tenant.clone(), bytes.len()) else {
                    return Poll::Ready(Some(Err(CutOff::Full.into())));
                };
                let large = this.large.insert(Large::new(bytes, this.pace.clone(), Some(part)));
                Poll::Ready(large.next().map(|next| next.map_err(Into::into)))
            }
            next => Poll::Ready(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::http::StatusCode;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_and_read_body, init_service};
    use actix_web::web::post;
    use actix_web::{App, HttpResponse};
    use core_types::{Credential, Permission, Reach};
    use futures_util::stream;

    use super::*;

    const MOST: usize = 16 * PIECE;

    fn caller(name: &str) -> Caller {
        let reach = Reach { tenant: Tenant::new(name).unwrap(), servers: Vec::new(), person: None };
        Caller::tenant(Arc::new(Credential { key: None, permissions: vec![Permission::MessagesRead], reach, expires_at: None }))
    }

    fn answer(caller: Option<&Caller>, body: BoxBody) -> ServiceResponse<BoxBody> {
        let request = TestRequest::default().to_http_request();
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller.clone());
        }
        ServiceResponse::new(request, HttpResponse::Ok().body(body))
    }

    fn large() -> BoxBody {
        Bytes::from(vec![b'x'; 3 * PIECE]).boxed()
    }

    #[tokio::test]
    async fn what_a_tenant_does_not_take_is_counted_until_it_does() {
        let unread = Unread::new(MOST);
        let one = caller("one");
        let taken = unread.counted(&Method::GET, answer(Some(&one), large()));
        assert_eq!(taken.response().body().size(), BodySize::Sized(3 * PIECE as u64));
        assert!(unread.check(&one).is_ok(), "there is room for something small");
        assert_eq!(unread.counted(&Method::GET, answer(Some(&one), large())).status(), StatusCode::SERVICE_UNAVAILABLE);
        let done = unread.counted(&Method::POST, answer(Some(&one), large()));
        assert_eq!(done.status(), StatusCode::OK, "what was done is answered");
        assert_eq!(unread.check(&one).unwrap_err().to_string(), SHARE_FULL);
        assert!(unread.check(&caller("other")).is_ok() && unread.check(&Caller::owner()).is_ok());
        assert_eq!(to_bytes(taken.into_body()).await.unwrap().len(), 3 * PIECE);
        drop(done);
        assert!(unread.check(&one).is_ok());
        assert_eq!(unread.counted(&Method::GET, answer(Some(&one), large())).status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn what_only_reads_is_refused_whatever_its_method() {
        let unread = Unread::new(MOST);
        let one = caller("one");
        let search = || {
            let found = answer(Some(&one), large());
            found.request().extensions_mut().insert(OnlyRead);
            unread.counted(&Method::POST, found)
        };
        let untaken = search();
        assert_eq!(untaken.status(), StatusCode::OK);
        assert_eq!(search().status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(untaken);
        assert_eq!(search().status(), StatusCode::OK);
    }

    #[actix_web::test]
    async fn a_route_says_that_it_only_reads() {
        async fn told(request: HttpRequest) -> String {
            request.extensions().contains::<OnlyRead>().to_string()
        }
        let routes = App::new().route("/search", post().to(told).wrap(from_fn(only_reads))).route("/create", post().to(told));
        let service = init_service(routes).await;
        for (path, expected) in [("/search", "true"), ("/create", "false")] {
            assert_eq!(call_and_read_body(&service, TestRequest::post().uri(path).to_request()).await, expected, "{path}");
        }
    }

    #[tokio::test]
    async fn a_part_that_was_taken_for_an_answer_is_nobody_elses_meanwhile() {
        let unread = Unread::new(MOST);
        let one = caller("one");
        let (first, second) = (answer(Some(&one), large()), answer(Some(&one), large()));
        assert!(unread.reserve(first.request(), &one, 3 * PIECE).is_ok());
        let taken = |request: &HttpRequest| unread.reserve(request, &one, 3 * PIECE).map_err(|error| error.to_string());
        assert_eq!(taken(second.request()), Err(SHARE_FULL.to_owned()));
        let untaken = unread.counted(&Method::GET, first);
        assert_eq!(untaken.status(), StatusCode::OK);
        assert_eq!(taken(second.request()), Err(SHARE_FULL.to_owned()));
        assert!(unread.reserve(second.request(), &one, PIECE).is_ok(), "what is small is not counted");
        drop(untaken);
        assert_eq!(taken(second.request()), Ok(()));
        // Where there is no answer after all, it is given back.
        drop(second);
        assert_eq!(unread.counted(&Method::GET, answer(Some(&one), large())).status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_stream_ends_where_there_is_too_much() {
        let unread = Unread::new(MOST);
        let one = caller("one");
        let stream = || {
            let pieces = [1, 3 * PIECE, 2].map(|bytes| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; bytes])));
            HttpResponse::Ok().streaming(stream::iter(pieces)).into_body()
        };
        let streamed = unread.counted(&Method::GET, answer(Some(&one), stream()));
        assert_eq!(to_bytes(streamed.into_body()).await.unwrap().len(), 3 * PIECE + 3);
        let held = unread.counted(&Method::GET, answer(Some(&one), large()));
        let streamed = unread.counted(&Method::GET, answer(Some(&one), stream()));
        assert_eq!(to_bytes(streamed.into_body()).await.unwrap_err().to_string(), CutOff::Full.to_string());
        drop(held);
        let streamed = unread.counted(&Method::GET, answer(Some(&one), stream()));
        assert!(to_bytes(streamed.into_body()).await.is_ok());
    }

    #[tokio::test]
    async fn what_strangers_are_shown_takes_nobodys_part() {
        let unread = Unread::new(MOST);
        let shown: Vec<_> = (0..9).map(|_| unread.counted(&Method::GET, answer(None, large()))).collect();
        assert!(shown.iter().all(|shown| shown.status() == StatusCode::OK));
        assert_eq!(unread.counted(&Method::GET, answer(Some(&Caller::owner()), large())).status(), StatusCode::OK);
    }

    #[test]
    fn what_is_taken_too_slowly_is_cut_off() {
        let mut large = Large::new(Bytes::from(vec![b'x'; 2 * PIECE]), None, None);
        assert_eq!(large.next().unwrap().unwrap().len(), PIECE);
        let left = large.until.duration_since(Instant::now());
        assert!(left > limits::UNREAD_TIME && left < limits::UNREAD_TIME + Duration::from_secs(5), "{left:?}");
        large.until -= left + Duration::from_secs(1);
        assert!(matches!(large.next(), Some(Err(CutOff::Slow))));
    }

    #[test]
    fn a_connection_knows_until_when_its_answer_is_to_be_taken() {
        let pace = Rc::new(Pace::default());
        let large = Large::new(Bytes::from(vec![b'x'; 2 * PIECE]), Some(Rc::clone(&pace)), None);
        assert_eq!(pace.until(), Some(large.until));
        drop(large);
        assert_eq!(pace.until(), None);
    }
}
