//! The permission in a handler's signature.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use core_types::{Caller, Permission};

use crate::app::State;
use crate::errors::{ApiError, ApiResult, Code};

/// A permission as a type.
pub(crate) trait Grant: 'static {
    /// The permission.
    const PERMISSION: Permission;
}

/// One type per permission.
pub(crate) mod permission {
    use super::{Grant, Permission};

    macro_rules! grants {
        ($($name:ident)*) => {
            $(
                #[doc = concat!("`Permission::", stringify!($name), "`.")]
                pub(crate) struct $name;

                impl Grant for $name {
                    const PERMISSION: Permission = Permission::$name;
                }
            )*
        };
    }

    grants!(AgentsRead AgentsWrite MemoriesRead MemoriesWrite MessagesRead MessagesWrite SystemManage SystemRead);
}

/// A caller who is known, whatever it may do.
pub(crate) struct Known;

impl FromRequest for Known {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let known = request.extensions().get::<Caller>().map(|_| Self);
        ready(known.ok_or_else(ApiError::unknown_caller))
    }
}

/// A caller who may do `P`. Without one there is no handler: the gate finds the caller, this asks for the permission.
pub(crate) struct Authorized<P> {
    caller: Caller,
    permission: PhantomData<P>,
}

impl<P> Deref for Authorized<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<P: Grant> FromRequest for Authorized<P> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.extensions().get::<Caller>() {
            Some(caller) if caller.may(P::PERMISSION) => Ok(Self { caller: caller.clone(), permission: PhantomData }),
            Some(_) => Err(ApiError::new(Code::Forbidden, "The key does not allow this")),
            None => Err(ApiError::unknown_caller()),
        })
    }
}

/// Refuses a request whose caller was known when it began and is not any more: a body may be long on its way.
pub(crate) fn still_counts(request: &HttpRequest) -> ApiResult<()> {
    let extensions = request.extensions();
    let counts = |(state, caller): (&State, &Caller)| state.counts(caller);
    match request.app_data().zip(extensions.get()) {
        Some(known) if !counts(known) => Err(ApiError::unknown_caller()),
        _ => Ok(()),
    }
}
