//! The one place where a service asks whether its caller may.

use core_types::{Caller, Permission, ServiceError, ServiceResult};

/// Refuses a caller without the permission, whatever transport it came by.
pub(crate) fn require(caller: &Caller, permission: Permission) -> ServiceResult<()> {
    if caller.may(permission) { Ok(()) } else { Err(ServiceError::forbidden("The key does not allow this")) }
}
