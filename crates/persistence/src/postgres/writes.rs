//! Writing what tells nothing.

use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::{QueryFragment, QueryId};
use diesel_async::RunQueryDsl as _;

use super::Conn;

/// Runs a statement that returns no rows, such as an insert.
pub(super) async fn write<S: QueryFragment<Pg> + QueryId + Send>(conn: &mut Conn, statement: S) -> QueryResult<()> {
    statement.execute(conn).await.map(drop)
}
