//! The index of words: a table of `tsvector`s beside `memories`, whose rows are deleted with theirs. The vectors are made
//! here, so that the database's own idea of words has no part in it.

use std::collections::BTreeMap;
use std::io::Write as _;

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::SqlType;
use diesel_async::RunQueryDsl;

use super::Conn;
use super::schema::memories;

/// The last place that a vector knows, and how many of a word it keeps.
const LAST_PLACE: usize = 16_383;
const PLACES: usize = 255;

/// PostgreSQL's `tsvector`.
#[derive(SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 3614, array_oid = 3643))]
pub struct TsVector;

/// Words with their places, counted from 1.
#[derive(Debug, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = TsVector)]
pub(super) struct Vector(BTreeMap<String, Vec<u16>>);

impl Vector {
    fn new(scope: String, words: &[String]) -> Self {
        let mut places: BTreeMap<String, Vec<u16>> = BTreeMap::new();
        for (place, word) in words.iter().enumerate() {
            let of_word = places.entry(word.clone()).or_default();
            let place = u16::try_from((place + 1).min(LAST_PLACE)).unwrap_or(u16::MAX);
            if of_word.len() < PLACES && of_word.last() != Some(&place) {
                of_word.push(place);
            }
        }
        // Without a place it weighs nothing where words are ranked by theirs.
        places.insert(scope, Vec::new());
        Self(places)
    }
}

/// As `tsvectorrecv` reads it: a count, then each word with its end, the count of its places, and its places.
impl ToSql<TsVector, Pg> for Vector {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(&u32::try_from(self.0.len())?.to_be_bytes())?;
        for (word, places) in &self.0 {
            out.write_all(word.as_bytes())?;
            out.write_all(&[0])?;
            out.write_all(&u16::try_from(places.len())?.to_be_bytes())?;
            for place in places {
                out.write_all(&place.to_be_bytes())?;
            }
        }
        Ok(IsNull::No)
    }
}

diesel::table! {
    use diesel::sql_types::BigInt;
    use super::TsVector;

    memory_words (ordinal) {
        ordinal -> BigInt,
        words -> TsVector,
    }
}
diesel::allow_tables_to_appear_in_same_query!(memory_words, memories);

/// What `memory_words` must match.
macro_rules! matching {
    ($query:expr) => {
        diesel::dsl::sql::<diesel::sql_types::Bool>("memory_words.words @@ ").bind::<diesel::sql_types::Text, _>($query).sql("::tsquery")
    };
}
pub(super) use matching;

/// Which memory a row is of.
macro_rules! own {
    () => {
        memories::ordinal.eq(words::memory_words::ordinal)
    };
}
pub(super) use own;

/// How little a row fits: by how often the words occur, and by how long it is.
macro_rules! rank {
    ($query:expr) => {
        diesel::dsl::sql::<diesel::sql_types::Double>("-ts_rank(memory_words.words, ")
            .bind::<diesel::sql_types::Text, _>($query)
            .sql("::tsquery, 1)::float8")
    };
}
pub(super) use rank;

/// Asks for rows of these scopes with any of these words. Words are of letters and digits only.
pub(super) fn query(scopes: &[String], asked: &[String]) -> String {
    let any = |words: &[String]| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" | ");
    format!("({}) & ({})", any(scopes), any(asked))
}

/// Makes a memory findable by these words, in place of those that it had.
pub(super) async fn put(conn: &mut Conn, ordinal: i64, scope: &str, words: &[String]) -> QueryResult<()> {
    let row = (memory_words::ordinal.eq(ordinal), memory_words::words.eq(Vector::new(scope.to_owned(), words)));
    diesel::insert_into(memory_words::table).values(row).execute(conn).await?;
    Ok(())
}

/// Makes a memory findable by no words.
pub(super) async fn forget(conn: &mut Conn, ordinal: i64) -> QueryResult<()> {
    diesel::delete(memory_words::table.find(ordinal)).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_up_to_the_bounds_of_a_vector() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let small = Vector::new("s".to_owned(), &words("b a b"));
        assert_eq!(small.0.into_iter().collect::<Vec<_>>(), [("a".into(), vec![2]), ("b".into(), vec![1, 3]), ("s".into(), vec![])]);
        let many = Vector::new("s".to_owned(), &vec!["w".to_owned(); 300]);
        assert_eq!(many.0["w"].len(), PLACES);
        let mut far = vec!["x".to_owned(); LAST_PLACE + 10];
        far.extend(words("y y"));
        assert_eq!(Vector::new("s".to_owned(), &far).0["y"], [16_383]);
    }
}
