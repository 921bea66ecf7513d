//! Statements that are prepared once though Diesel would prepare them anew each time, and that are found without their text where
//! Diesel would put it together each time.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::{QueryResult, RunQueryDsl};

/// A statement that has few texts: one with a short list of ids. Diesel prepares every such statement anew, because others of its
/// kind have a text for each length of list; preparing took a tenth of the writer's time.
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

/// A statement that has one text, whatever its values: an update, an insert with a conflict, a piece of SQL. Diesel knows none of
/// these by its type, since others of the type may have another text.
pub(super) struct Fixed<U, Site> {
    statement: U,
    site: PhantomData<fn() -> Site>,
}

impl<U, Site> Fixed<U, Site> {
    pub(super) const fn new(statement: U, site: PhantomData<fn() -> Site>) -> Self {
        Self { statement, site }
    }
}

/// Says that a statement has the same text each time that it is run from this place. An update or one with a piece of SQL must return
/// rows to be kept, as [`prepared`] says, or be run by `write`.
macro_rules! fixed {
    ($statement:expr) => {
        super::prepared::Fixed::new($statement, {
            struct Site;
            std::marker::PhantomData::<fn() -> Site>
        })
    };
}
pub(super) use fixed;

impl<U: Query, Site> Query for Fixed<U, Site> {
    type SqlType = U::SqlType;
}

/// Kept by where it is written.
impl<U, Site: 'static> QueryId for Fixed<U, Site> {
    type QueryId = Site;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<U: QueryFragment<DB>, Site: 'static, DB: Backend> QueryFragment<DB> for Fixed<U, Site>
where
    DB::QueryBuilder: Default,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        #[cfg(debug_assertions)]
        texts::assert_same_text::<Site, DB>(&self.statement, out.backend())?;
        self.statement.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<U, Site, Conn> RunQueryDsl<Conn> for Fixed<U, Site> {}

/// What is said of a text is held against what it is, wherever a test runs one.
#[cfg(debug_assertions)]
mod texts {
    use std::any::{TypeId, type_name};
    use std::collections::HashMap;
    use std::sync::Mutex;

    use diesel::QueryResult;
    use diesel::backend::Backend;
    use diesel::query_builder::{QueryBuilder as _, QueryFragment};

    static TEXTS: Mutex<Option<HashMap<TypeId, String>>> = Mutex::new(None);

    pub(super) fn assert_same_text<Site: 'static, DB: Backend>(statement: &impl QueryFragment<DB>, backend: &DB) -> QueryResult<()>
    where
        DB::QueryBuilder: Default,
    {
        let mut builder = DB::QueryBuilder::default();
        statement.to_sql(&mut builder, backend)?;
        let text = builder.finish();
        let mut texts = TEXTS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let first = texts.get_or_insert_default().entry(TypeId::of::<Site>()).or_insert_with(|| text.clone()).clone();
        drop(texts);
        assert_eq!(text, first, "{} has several texts", type_name::<Site>());
        Ok(())
    }
}
