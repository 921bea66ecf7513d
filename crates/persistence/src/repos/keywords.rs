//! Finding what agents remember by its words. Each hit that is ranked costs microseconds, so that a word which hundreds of thousands of
//! memories have would hold up a reader for seconds: such words, which say next to nothing, are left out where there are others, and only
//! the newest hits are ranked.

use core_types::Timestamp;
use core_types::memory::{CANDIDATES, KNOWLEDGE, KeywordSearch, Memory, MemoryFilter, Ranked, Source};
use diesel::dsl::{exists, max};
use diesel::prelude::*;

use super::columns::Id;
use super::memories::{MemoryRow, all, filtered};
use super::prepared::prepared;
use super::schema::memories;
use super::words::{self, memory_words};
use super::{Conn, RunQueryDsl};
use crate::error::Fault;
use crate::words::{asked, scope};

/// What is looked for.
struct Sought {
    /// As the index of words is asked.
    query: String,
    /// Hits up to this ordinal are too many, whatever else is asked of them; 0 if they are not.
    beyond: i64,
}

work! {
    /// The newest of those hits that are beyond so many; 0 if there are none.
    fn beyond(conn: &mut Conn, query: String, most: u32) -> QueryResult<i64> {
        let newest_first = memory_words::table.filter(words::matching!(query)).order(memory_words::ordinal.desc());
        let beyond = newest_first.offset(most.into()).limit(1).select(memory_words::ordinal);
        let beyond: Option<i64> = run!(prepared(beyond).get_result(conn)).optional()?;
        Ok(beyond.unwrap_or_default())
    }
}

work! {
    /// Leaves out the words that more than so many memories have, if there are others.
    fn sought(conn: &mut Conn, scopes: &[String], asked: Vec<String>, most: u32) -> QueryResult<Sought> {
        let query = words::query(scopes, &asked);
        // Most databases have not so many memories, and to see that costs a small part of a search.
        let newest: Option<i64> = run!(prepared(memories::table.select(max(memories::ordinal))).get_result(conn))?;
        if newest.unwrap_or_default() <= i64::from(most) {
            return Ok(Sought { query, beyond: 0 });
        }
        let together = run!(beyond(conn, query.clone(), most))?;
        if together == 0 {
            return Ok(Sought { query, beyond: 0 });
        }
        let mut rare = Vec::with_capacity(asked.len());
        for word in asked {
            if run!(beyond(conn, words::query(scopes, std::slice::from_ref(&word)), most))? == 0 {
                rare.push(word);
            }
        }
        if rare.is_empty() {
            return Ok(Sought { query, beyond: together });
        }
        let query = words::query(scopes, &rare);
        let beyond = run!(beyond(conn, query.clone(), most))?;
        Ok(Sought { query, beyond })
    }
}

work! {
    /// What of an agent's documents bears on a text; always the same statement, since every run asks it.
    pub(super) fn knowledge_about(conn: &mut Conn, agent: Id, about: &str, limit: u32) -> Result<Vec<Memory>, Fault> {
        let asked = asked(about);
        let knowledge = memories::table.filter(memories::agent_id.eq(agent)).filter(memories::table_name.eq(KNOWLEDGE));
        // Most agents have no documents, and to see that costs a small part of a search.
        if asked.is_empty() || !run!(diesel::select(exists(knowledge)).get_result(conn))? {
            return Ok(Vec::new());
        }
        let Sought { query, beyond } = run!(sought(conn, &[scope(agent.0, KNOWLEDGE)], asked, CANDIDATES))?;
        let found = memory_words::table
            .inner_join(memories::table.on(words::own!()))
            .filter(words::matching!(query.clone()))
            .filter(memory_words::ordinal.gt(beyond))
            .filter(memories::agent_id.eq(agent))
            .filter(memories::table_name.eq(KNOWLEDGE))
            .order(words::rank!(query))
            .limit(limit.into())
            .select(MemoryRow::as_select());
        let rows: Vec<MemoryRow> = run!(prepared(found).load(conn))?;
        all(rows)
    }
}

work! {
    /// The tables in which the agent has memories.
    fn tables(conn: &mut Conn, agent: Id) -> QueryResult<Vec<String>> {
        run!(memories::table.filter(memories::agent_id.eq(agent)).select(memories::table_name).distinct().load(conn))
    }
}

work! {
    /// Of hits that are too many together, those count that the filter lets pass.
    pub(super) fn search(conn: &mut Conn, agent: Id, filter: MemoryFilter, search: KeywordSearch) -> Result<Vec<Ranked>, Fault> {
        let asked = asked(&search.text);
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let tables = if filter.tables.is_empty() { run!(tables(conn, agent))? } else { filter.tables.clone() };
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let scopes: Vec<String> = tables.iter().map(|table| scope(agent.0, table)).collect();
        let Sought { query, mut beyond } = run!(sought(conn, &scopes, asked, search.candidates))?;
        if beyond > 0 {
            let ordinals = memory_words::table.inner_join(memories::table.on(words::own!())).select(memory_words::ordinal);
            let newest_first = filtered!(agent, filter, ordinals)
                .filter(words::matching!(query.clone()))
                .order(memory_words::ordinal.desc())
                .offset(search.candidates.into());
            beyond = run!(newest_first.first(conn)).optional()?.unwrap_or_default();
        }
        let joined = memory_words::table.inner_join(memories::table.on(words::own!()));
        let shown = joined.select((MemoryRow::as_select(), words::rank!(query.clone())));
        let rows: Vec<(MemoryRow, f64)> = run!(
            filtered!(agent, filter, shown)
                .filter(words::matching!(query.clone()))
                .filter(memory_words::ordinal.gt(beyond))
                .order((words::rank!(query), memories::created_at.desc(), memories::ordinal.desc()))
                .limit(search.limit.into())
                .load(conn)
        )?;
        rows.into_iter().map(|(row, rank)| Ok(Ranked { memory: row.into_memory()?, score: -rank })).collect()
    }
}
