//! Creating once: a request that carries an `Idempotency-Key` can be sent again, and is answered as it was the first time.
//!
//! Messages and files keep their key in the transaction that writes them. Anything else is made in three steps: the key is
//! kept with the id that the new thing will have, the thing is made, and the answer is kept. Whatever is cut off between two of
//! them, the same request again finds the id and makes the thing under it, or finds that it is made.

use async_trait::async_trait;
use uuid::Uuid;

use crate::messaging::IdempotencyKey;
use crate::{Caller, Reach, ServiceResult, StoreResult, Thing, Timestamp};

/// What a request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The status of HTTP.
    pub status: u16,
    /// The body, which is JSON.
    pub body: String,
}

/// What a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claimed {
    /// Nothing has been answered yet: what the request makes has this id, the given one or that of the first attempt.
    Open(Uuid),
    /// The request was answered.
    Answered(KeptAnswer),
    /// The request was answered, and what it made, a thing of this kind, is there and out of reach by now.
    OutOfReach(Thing),
    /// The key was used with another body.
    OtherBody,
}

/// Where keys and answers are kept. Every method is one transaction.
#[async_trait]
pub trait RepeatRepository: Send + Sync {
    /// Keeps a key with the id of what will be made; one that is known stays as it is. What was made of it for a tenant is looked for
    /// within its present reach.
    async fn claim(&self, key: IdempotencyKey, id: Uuid, reach: Option<&Reach>, now: Timestamp) -> StoreResult<Claimed>;

    /// Keeps the answer of a key that has none yet.
    async fn answer(&self, key: IdempotencyKey, answer: KeptAnswer) -> StoreResult<()>;

    /// Forgets a key that has no answer: nothing was made under it.
    async fn release(&self, key: IdempotencyKey) -> StoreResult<()>;
}

/// A request with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRequest {
    /// The route that it is for.
    pub route: String,
    /// The caller's key.
    pub key: String,
    /// Everything that the caller sent, in one spelling.
    pub sent: Vec<u8>,
}

/// What is to be done with a request.
pub enum Turn {
    /// To carry it out, under this id.
    Ours(Box<dyn OpenRequest>),
    /// To answer as the first time.
    Repeats(KeptAnswer),
}

/// A request that is being carried out. While it is there, the same request again waits.
#[async_trait]
pub trait OpenRequest: Send + Sync {
    /// The id of what it makes, on every attempt.
    fn id(&self) -> Uuid;

    /// Keeps its answer. Where that fails, the request will be carried out again under the same id.
    async fn answered(self: Box<Self>, answer: KeptAnswer) -> ServiceResult<()>;

    /// Forgets it: it was refused and made nothing.
    async fn refused(self: Box<Self>) -> ServiceResult<()>;
}

/// What a transport can do about requests that may be sent again.
#[async_trait]
pub trait RepeatService: Send + Sync {
    /// Begins a request, once nobody else carries it out. A key that was used with another body is a `Conflict`; what was made with
    /// it and is out of the caller's reach by now is not found.
    async fn begin(&self, caller: &Caller, request: KeyedRequest) -> ServiceResult<Turn>;
}
