//! Answers that go on until somebody ends them. Each keeps a connection, of which there are only so many.

use std::sync::Arc;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::{HttpMessage, HttpRequest, ResponseError};
use core_types::{Caller, Tenant};
use parking_lot::Mutex;

use crate::errors::{ApiError, ApiResult};
use crate::holdings::Holdings;
use crate::layer;

/// Why there is no place for a stream.
const FULL: &str = "Too many event streams are open; try again later";
/// Why there is none for a tenant's.
const SHARE_FULL: &str = "Too many event streams of this tenant are open; close some, or try again later";

/// The places of all streams.
pub(crate) struct Streams {
    /// How many there may be.
    most: usize,
    open: Mutex<Open>,
}

/// How many streams there are, and whose.
struct Open {
    count: usize,
    holdings: Holdings,
}

/// A stream's place among all, until it is dropped.
pub(crate) struct StreamPlace {
    streams: Arc<Streams>,
    tenant: Option<Tenant>,
}

impl Streams {
    /// So many places.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::new(Open { count: 0, holdings: Holdings::new(most) }) })
    }

    /// Keeps a place for the answer to this request, which will be a stream, so that nothing is done whose answer could not be given.
    pub(crate) fn reserve(self: &Arc<Self>, request: &HttpRequest, caller: &Caller) -> ApiResult<()> {
        let place = self.take(caller)?;
        request.extensions_mut().insert(place);
        Ok(())
    }

    /// The answer in its place, if it is a stream; a refusal where there is none.
    pub(crate) fn place(self: &Arc<Self>, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        if response.response().body().size() != BodySize::Stream {
            return response;
        }
        match self.place_of(response.request()) {
            Ok(place) => response.map_body(|_, body| layer::until_sent(body, place)),
            Err(error) => response.into_response(error.error_response()),
        }
    }

    /// What was kept for the answer to a request, or a new place.
    fn place_of(self: &Arc<Self>, request: &HttpRequest) -> ApiResult<StreamPlace> {
        let reserved = request.extensions_mut().remove::<StreamPlace>();
        reserved.map_or_else(
            || {
                let extensions = request.extensions();
                let caller = extensions.get::<Caller>().ok_or_else(|| ApiError::internal("a stream that nobody asked for"))?;
                self.take(caller)
            },
            Ok,
        )
    }

    /// Nobody waits for one tenant; the owner may have what is left.
    fn take(self: &Arc<Self>, caller: &Caller) -> ApiResult<StreamPlace> {
        let tenant = caller.makes_for();
        let mut open = self.open.lock();
        if open.count >= self.most {
            return Err(ApiError::overloaded(FULL));
        }
        if !open.holdings.take(tenant.as_ref()) {
            return Err(ApiError::overloaded(SHARE_FULL));
        }
        open.count += 1;
        drop(open);
        Ok(StreamPlace { streams: Arc::clone(self), tenant })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock();
        open.count -= 1;
        open.holdings.give_back(self.tenant.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use core_types::{Credential, Permission, Reach};

    use super::*;

    fn caller(name: &str) -> Caller {
        let reach = Reach { tenant: Tenant::new(name).unwrap(), servers: Vec::new(), person: None };
        Caller::tenant(Arc::new(Credential { key: None, permissions: vec![Permission::MessagesRead], reach, expires_at: None }))
    }

    #[test]
    fn a_tenant_has_a_quarter_of_the_streams_and_the_owner_what_is_left() {
        let streams = Streams::new(8);
        let (one, other, owner) = (caller("one"), caller("other"), Caller::owner());
        let take = |caller: &Caller| streams.take(caller).map_err(|error| error.to_string());
        let mut held = vec![take(&one).unwrap(), take(&one).unwrap()];
        assert_eq!(take(&one).err().as_deref(), Some(SHARE_FULL));
        held.push(take(&other).unwrap());
        let owners: Vec<_> = (0..5).map(|_| take(&owner).unwrap()).collect();
        assert_eq!(take(&owner).err().as_deref(), Some(FULL));
        assert_eq!(take(&other).err().as_deref(), Some(FULL));
        drop(owners);
        assert_eq!(take(&one).err().as_deref(), Some(SHARE_FULL));
        held.clear();
        assert!(take(&one).is_ok());
        assert_eq!(streams.open.lock().count, 0);
    }
}
