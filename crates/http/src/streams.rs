//! Answers that go on until somebody ends them. Each keeps a connection, of which there are only so many.

use std::sync::Arc;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::{HttpMessage, HttpRequest, ResponseError};
use core_types::Caller;

use crate::errors::{ApiError, ApiResult};
use crate::holdings::{Lack, Part, Stock};
use crate::layer;

/// Why there is no slot for a stream.
const FULL: &str = "Too many event streams are open; try again later";
/// Why there is none for a tenant's.
const SHARE_FULL: &str = "Too many event streams of this tenant are open; close some, or try again later";

/// The slots of all streams.
pub(crate) struct Streams(Arc<Stock>);

/// A stream's slot among all, until it is dropped.
pub(crate) struct StreamSlot {
    _part: Part,
}

impl Streams {
    /// So many slots.
    pub(crate) fn new(most: usize) -> Self {
        Self(Stock::new(most))
    }

    /// Keeps a slot for the answer to this request, which will be a stream, so that nothing is done whose answer could not be given.
    pub(crate) fn reserve(&self, request: &HttpRequest, caller: &Caller) -> ApiResult<()> {
        let slot = self.take(caller)?;
        request.extensions_mut().insert(slot);
        Ok(())
    }

    /// The answer in its slot, if it is a stream; a refusal where there is none.
    pub(crate) fn place(&self, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        if response.response().body().size() != BodySize::Stream {
            return response;
        }
        match self.slot_of(response.request()) {
            Ok(slot) => response.map_body(|_, body| layer::until_sent(body, slot)),
            Err(error) => response.into_response(error.error_response()),
        }
    }

    /// What was kept for the answer to a request, or a new slot.
    fn slot_of(&self, request: &HttpRequest) -> ApiResult<StreamSlot> {
        let reserved = request.extensions_mut().remove::<StreamSlot>();
        reserved.map_or_else(
            || {
                let extensions = request.extensions();
                let caller = extensions.get::<Caller>().ok_or_else(|| ApiError::internal("a stream that nobody asked for"))?;
                self.take(caller)
            },
            Ok,
        )
    }

    /// Nobody waits for one tenant.
    fn take(&self, caller: &Caller) -> ApiResult<StreamSlot> {
        let part = self.0.take(caller.makes_for(), 1).map_err(|lack| match lack {
            Lack::Everybodys => ApiError::overloaded(FULL),
            Lack::Tenants => ApiError::overloaded(SHARE_FULL),
        })?;
        Ok(StreamSlot { _part: part })
    }
}

#[cfg(test)]
mod tests {
    use core_types::{Credential, Permission, Reach, Tenant};

    use super::*;

    fn caller(name: &str) -> Caller {
        let reach = Reach { tenant: Tenant::new(name).unwrap(), servers: Vec::new(), person: None };
        Caller::tenant(Arc::new(Credential { key: None, permissions: vec![Permission::MessagesRead], reach, expires_at: None }))
    }

    #[test]
    fn a_refusal_says_whose_streams_are_too_many() {
        let streams = Streams::new(4);
        let take = |caller: &Caller| streams.take(caller).map_err(|error| error.to_string());
        let one = take(&caller("one")).unwrap();
        assert_eq!(take(&caller("one")).err().as_deref(), Some(SHARE_FULL));
        let owners: Vec<_> = (0..3).map(|_| take(&Caller::owner()).unwrap()).collect();
        assert_eq!(take(&caller("other")).err().as_deref(), Some(FULL));
        drop((one, owners));
        assert!(take(&caller("one")).is_ok());
    }
}
