//! Writing what tells nothing.

use diesel::QueryResult;
use diesel::connection::LoadConnection as _;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Integer;
use diesel::sqlite::Sqlite;

use super::Conn;

/// Runs a statement that returns no rows, such as an insert. It is asked for rows none the less: a statement that is merely executed
/// Diesel walks once more each time, to see whether it is worth keeping, whatever it says of itself (`prepared`).
pub(super) fn write<S: QueryFragment<Sqlite> + QueryId>(conn: &mut Conn, statement: S) -> QueryResult<()> {
    conn.load(Rowless(statement))?.next().map_or(Ok(()), |row| row.map(drop))
}

struct Rowless<S>(S);

/// A type for the rows that it does not have.
impl<S> Query for Rowless<S> {
    type SqlType = Integer;
}

impl<S: QueryId> QueryId for Rowless<S> {
    type QueryId = S::QueryId;

    const HAS_STATIC_QUERY_ID: bool = S::HAS_STATIC_QUERY_ID;
}

impl<S: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Rowless<S> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, backend: &Sqlite) -> QueryResult<bool> {
        self.0.is_safe_to_cache_prepared(backend)
    }
}
