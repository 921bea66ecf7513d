//! Statements that are prepared once though Diesel would prepare them anew each time.

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::{QueryResult, RunQueryDsl};

/// A statement that has one text, or few: an update without optional columns, a short list of ids. Diesel prepares every such
/// statement anew, because others of its kind have a text for each choice of columns or length of list; preparing took a
/// tenth of the writer's time.
pub(super) struct Prepared<U>(U);

/// Says that a statement is worth keeping. It must return rows: what Diesel merely executes on SQLite, it asks past this.
pub(super) fn prepared<U>(statement: U) -> Prepared<U> {
    Prepared(statement)
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
