//! The index of words: an FTS5 table beside `memories`, whose rows a trigger deletes with theirs.

use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel::sqlite::Sqlite;

use super::Conn;
use super::prepared::fixed;
use super::schema::memories;

diesel::infix_operator!(Matches, " MATCH ", Bool, backend: Sqlite);

diesel::table! {
    memory_words (ordinal) {
        #[sql_name = "rowid"]
        ordinal -> BigInt,
        /// The table as a whole, which is what a query is held against.
        #[sql_name = "memory_words"]
        index -> Text,
        words -> Text,
        /// Less is better.
        rank -> Double,
    }
}
diesel::allow_tables_to_appear_in_same_query!(memory_words, memories);

/// What `memory_words` must match.
macro_rules! matching {
    ($query:expr) => {
        words::Matches::new(words::memory_words::index, diesel::IntoSql::into_sql::<diesel::sql_types::Text>($query))
    };
}
pub(super) use matching;

/// Which memory a row is of. The plus keeps SQLite from going through the memories first and looking each of them up in the index,
/// which it takes for cheaper: it knows nothing of how many there are.
macro_rules! own {
    () => {
        memories::ordinal.eq(diesel::dsl::sql::<diesel::sql_types::BigInt>("+memory_words.rowid"))
    };
}
pub(super) use own;

/// How little a row fits.
macro_rules! rank {
    ($query:expr) => {{
        drop($query);
        words::memory_words::rank
    }};
}
pub(super) use rank;

/// So much of a scope stands in front of a word; rows are held against agent and table as well.
const PREFIX: usize = 16;

/// A word of a scope, as one word: so a search reads nothing of what others remember, and how rare a word is follows from the memories
/// of its scope. A word for the scope beside the others would be counted anew by each search, to the last memory.
fn within(scope: &str, word: &str) -> String {
    format!("{}{word}", scope.get(..PREFIX).unwrap_or(scope))
}

/// Asks for rows of these scopes with any of these words. Words are of letters and digits only.
pub(super) fn query(scopes: &[String], asked: &[String]) -> String {
    let all = scopes.iter().flat_map(|scope| asked.iter().map(move |word| format!("\"{}\"", within(scope, word))));
    all.collect::<Vec<_>>().join(" OR ")
}

/// Makes a memory findable by these words, in place of those that it had.
pub(super) fn put(conn: &mut Conn, ordinal: i64, scope: &str, words: &[String]) -> QueryResult<()> {
    let words = words.iter().map(|word| within(scope, word)).collect::<Vec<_>>().join(" ");
    let row = (memory_words::ordinal.eq(ordinal), memory_words::words.eq(words));
    fixed!(diesel::insert_into(memory_words::table).values(row)).execute(conn)?;
    Ok(())
}

/// Makes a memory findable by no words.
pub(super) fn forget(conn: &mut Conn, ordinal: i64) -> QueryResult<()> {
    diesel::delete(memory_words::table.find(ordinal)).execute(conn)?;
    Ok(())
}
