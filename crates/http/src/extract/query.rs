//! Query strings.

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use core_types::{Page, Timestamp};

use crate::errors::{ApiError, ApiResult, Code};
use crate::limits;

/// The parameters of a query string, in order. An empty value counts as absent; of a repeated one the first counts.
pub(crate) struct Query(Vec<(String, String)>);

impl FromRequest for Query {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request.query_string()))
    }
}

impl Query {
    /// Reads a query string.
    pub(crate) fn read(text: &str) -> ApiResult<Self> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(text);
        let pairs = pairs.map_err(|_| ApiError::bad_request("The query string cannot be read"))?.into_inner();
        if pairs.iter().any(|(key, value)| key.contains('\0') || value.contains('\0')) {
            return Err(ApiError::bad_request("The query string contains the character U+0000"));
        }
        Ok(Self(pairs))
    }

    /// Every value of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// A whole number from 0; what is too large for its type is the largest.
    pub(crate) fn count(&self, name: &str) -> ApiResult<Option<u32>> {
        let Some(text) = self.first(name) else { return Ok(None) };
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ApiError::bad_request(format!("{name} must be a whole number from 0")));
        }
        Ok(Some(text.parse().unwrap_or(u32::MAX)))
    }

    /// The size of a page: by the first of `names` that is there, else `default`; never more than a page holds.
    pub(crate) fn page(&self, names: &[&str], default: u32) -> ApiResult<u32> {
        for name in names {
            if let Some(limit) = self.count(name)? {
                return Ok(limit.min(limits::MAX_PAGE));
            }
        }
        Ok(default)
    }

    /// The part of a list that has no pages in elizaOS: all of it, up to a bound, unless `limit` and `offset` say otherwise.
    pub(crate) fn list(&self) -> ApiResult<Page> {
        let limit = self.count("limit")?.unwrap_or(limits::LIST).min(limits::LIST);
        Ok(Page { offset: self.count("offset")?.unwrap_or(0), limit })
    }

    /// A moment: epoch milliseconds or ISO 8601.
    pub(crate) fn moment(&self, name: &str) -> ApiResult<Option<Timestamp>> {
        let bad = || ApiError::bad_request(format!("{name} must be epoch milliseconds or an ISO 8601 time"));
        // A `+` before the offset of an ISO time arrives as a space where the client did not escape it.
        self.first(name).map(|text| Timestamp::parse(&text.replace(' ', "+")).ok_or_else(bad)).transpose()
    }

    /// An id that must be there.
    pub(crate) fn required_id<T: FromStr>(&self, name: &str) -> ApiResult<T> {
        self.id(name, name)?.ok_or_else(|| ApiError::bad_request(format!("Missing {name}")))
    }

    /// An id; `thing` names it in the error.
    pub(crate) fn id<T: FromStr>(&self, name: &str, thing: &str) -> ApiResult<Option<T>> {
        let bad = || ApiError::new(Code::InvalidId, format!("Invalid {thing} ID format"));
        self.first(name).map(|text| text.parse().map_err(|_| bad())).transpose()
    }
}
