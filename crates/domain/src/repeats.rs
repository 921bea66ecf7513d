//! Requests that may be sent again.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::messaging::IdempotencyKey;
use core_types::repeats::{Claimed, KeptAnswer, KeyedRequest, OpenRequest, RepeatRepository, RepeatService, Turn};
use core_types::{Caller, Clock, Ids, ServiceError, ServiceResult};
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use crate::one_at_a_time::OneAtATime;

/// Whose key, for which route, and which.
type Name = (String, String, String);

/// Keeps the answers of requests that carry a key.
pub struct Repeats {
    repository: Arc<dyn RepeatRepository>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    /// Requests that are being carried out.
    under_way: OneAtATime<Name>,
}

impl Repeats {
    /// The service over a store.
    pub fn new(repository: Arc<dyn RepeatRepository>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { repository, clock, ids, under_way: OneAtATime::default() }
    }
}

#[async_trait]
impl RepeatService for Repeats {
    async fn begin(&self, caller: &Caller, request: KeyedRequest) -> ServiceResult<Turn> {
        let KeyedRequest { route, key, sent } = request;
        let body_hash = Sha256::digest(sent).into();
        // What is kept under the keys of messages has other names.
        let key = IdempotencyKey { caller: caller.name(), route, key: format!("key:{key}"), body_hash };
        let turn = self.under_way.turn((key.caller.clone(), key.route.clone(), key.key.clone())).await;
        match self.repository.claim(key.clone(), self.ids.uuid(), caller.reach(), self.clock.now()).await? {
            Claimed::Open(id) => Ok(Turn::Ours(Box::new(Open { repository: Arc::clone(&self.repository), key, id, _turn: turn }))),
            Claimed::Answered(answer) => Ok(Turn::Repeats(answer)),
            Claimed::OutOfReach(thing) => Err(ServiceError::NotFound(thing)),
            Claimed::OtherBody => Err(ServiceError::conflict("The Idempotency-Key was used with another body")),
        }
    }
}

struct Open {
    repository: Arc<dyn RepeatRepository>,
    key: IdempotencyKey,
    id: Uuid,
    _turn: OwnedMutexGuard<()>,
}

#[async_trait]
impl OpenRequest for Open {
    fn id(&self) -> Uuid {
        self.id
    }

    async fn answered(self: Box<Self>, answer: KeptAnswer) -> ServiceResult<()> {
        Ok(self.repository.answer(self.key.clone(), answer).await?)
    }

    async fn refused(self: Box<Self>) -> ServiceResult<()> {
        Ok(self.repository.release(self.key.clone()).await?)
    }
}
