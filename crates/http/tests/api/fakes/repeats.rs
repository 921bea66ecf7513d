//! Requests that are all carried out for the first time.

use core_types::repeats::{KeptAnswer, KeyedRequest, OpenRequest, RepeatService, Turn};
use core_types::{Caller, ServiceResult};
use uuid::Uuid;

use super::{Call, Fakes};

struct Open;

#[async_trait::async_trait]
impl OpenRequest for Open {
    fn id(&self) -> Uuid {
        Uuid::from_u128(7)
    }

    async fn answered(self: Box<Self>, _answer: KeptAnswer) -> ServiceResult<()> {
        Ok(())
    }

    async fn refused(self: Box<Self>) -> ServiceResult<()> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl RepeatService for Fakes {
    async fn begin(&self, _caller: &Caller, request: KeyedRequest) -> ServiceResult<Turn> {
        self.note(Call::Keyed(request))?;
        Ok(Turn::Ours(Box::new(Open)))
    }
}
