//! The one place where a service asks whether its caller may: what the caller may do at all, and what is within its reach.

use std::sync::Arc;

use core_types::access::{AccessRepository, Wanted};
use core_types::{AgentId, Caller, EntityId, MessageServerId, Permission, ServiceError, ServiceResult, Tenant, Thing};

/// Refuses a caller without the permission, whatever transport it came by.
pub(crate) fn require(caller: &Caller, permission: Permission) -> ServiceResult<()> {
    if caller.may(permission) { Ok(()) } else { Err(ServiceError::forbidden("The key does not allow this")) }
}

/// Refuses a caller that is one person and speaks in another's name.
pub(crate) fn require_voice(caller: &Caller, author: EntityId) -> ServiceResult<()> {
    if caller.may_speak_as(author) { Ok(()) } else { Err(ServiceError::forbidden("You may speak in your own name only")) }
}

/// A name by which an id is derived. Each tenant has its own, and no two of them can be spelled alike.
pub(crate) fn own_name(owner: Option<&Tenant>, name: &str) -> String {
    owner.map_or_else(|| name.to_owned(), |tenant| format!("{}:{tenant}:{name}", tenant.as_str().len()))
}

/// What callers can reach. The owner reaches everything, which costs nothing to find out.
#[derive(Clone)]
pub struct Access(Arc<dyn AccessRepository>);

impl Access {
    /// What callers can reach, by what is kept there.
    pub fn new(repository: Arc<dyn AccessRepository>) -> Self {
        Self(repository)
    }

    /// Lets a caller on to what is within its reach. What is not is not found.
    pub(crate) async fn to(&self, caller: &Caller, wanted: Wanted) -> ServiceResult<()> {
        if self.reaches(caller, wanted).await? { Ok(()) } else { Err(ServiceError::NotFound(wanted.thing())) }
    }

    /// Whether something is within reach.
    pub(crate) async fn reaches(&self, caller: &Caller, wanted: Wanted) -> ServiceResult<bool> {
        match caller.reach() {
            None => Ok(true),
            Some(reach) => Ok(self.0.within(reach, wanted).await?),
        }
    }

    /// Where the caller talks with an agent when it names no place. For the owner that is the default message server.
    pub(crate) async fn meeting_place(&self, caller: &Caller, agent: AgentId) -> ServiceResult<MessageServerId> {
        match caller.reach() {
            None => Ok(MessageServerId::DEFAULT),
            Some(reach) => self.0.meeting_place(reach, agent).await?.ok_or(ServiceError::NotFound(Thing::Agent)),
        }
    }
}
