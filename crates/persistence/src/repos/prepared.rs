//! Updates that are prepared once.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::{QueryResult, RunQueryDsl};

/// An update that always has the same text. Diesel prepares every update anew, because one with optional columns has a text
/// for each choice of them; preparing took a tenth of the writer's time.
pub(super) struct Prepared<U>(U);

/// Says that this update has no optional columns, and so is worth keeping.
pub(super) fn prepared<U>(update: U) -> Prepared<U> {
    Prepared(update)
}

impl<U: Query> Query for Prepared<U> {
    type SqlType = U::SqlType;
}

/// Kept by its text.
impl<U> QueryId for Prepared<U> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<U: QueryFragment<DB>, DB: Backend> QueryFragment<DB> for Prepared<U> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<U, Conn> RunQueryDsl<Conn> for Prepared<U> {}
