//! What agents remember.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use core_types::error::chain;
use core_types::memory::{
    AloneWith, COUNTED, Entity, FACTS, KeywordSearch, ListedMemories, MESSAGES, Memory, MemoryChange, MemoryFilter, MemoryRepository,
    Origin, Ranked, Remembered, RoomContext, RoomQuery, RoomState, Source,
};
use core_types::messaging::PAGE_BYTES;
use core_types::{AgentId, EntityId, JsonObject, MemoryId, Page, StoreError, StoreResult, Timestamp};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::columns::{Id, MaybeObject, Object, TextOf, known_total, time, word};
use super::plane::EntityRow;
use super::prepared::{fixed, prepared};
use super::queue;
use super::schema::{entities, memories, participants};
use super::types::IdSql;
use super::vectors::renew;
use super::words;
use super::{Conn, Db, RunQueryDsl, keywords};
use crate::error::Fault;
use crate::words::{VERSION, of_content, scope};

/// How many memories are deleted in one transaction.
const STEP: u32 = 500;

/// How many memories are made findable in one transaction, which other writers wait for, and in how many transactions at most before a
/// search.
const BATCH: u32 = 50;
const BATCHES: u32 = 80;

/// When a memory can be found by its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Findable {
    /// From its commit on.
    Now,
    /// With the next search, or within seconds: many together cost a part of what each by itself would.
    Soon,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = memories, treat_none_as_default_value = false)]
pub(super) struct MemoryRow {
    id: Id,
    agent_id: Id,
    table_name: String,
    room_id: Id,
    world_id: Option<Id>,
    entity_id: Id,
    content: Object,
    metadata: Object,
    is_unique: bool,
    created_at: i64,
    source_message_id: Option<Id>,
    source_author_id: Option<Id>,
    source_channel_id: Option<Id>,
    source_run_id: Option<Id>,
    trust: Option<String>,
    document_id: Option<Id>,
}

impl From<Memory> for MemoryRow {
    fn from(memory: Memory) -> Self {
        let origin = memory.origin;
        Self {
            id: memory.id.into(),
            agent_id: memory.agent_id.into(),
            table_name: memory.table,
            room_id: memory.room_id.into(),
            world_id: memory.world_id.map(Id::from),
            entity_id: memory.entity_id.into(),
            content: Object(memory.content),
            metadata: Object(memory.metadata),
            is_unique: memory.unique,
            created_at: memory.created_at.millis(),
            source_message_id: origin.message.map(Id::from),
            source_author_id: origin.author.map(Id::from),
            source_channel_id: origin.channel.map(Id::from),
            source_run_id: origin.run.map(Id::from),
            trust: origin.trust.map(|trust| trust.to_string()),
            document_id: memory.document_id.map(Id::from),
        }
    }
}

impl MemoryRow {
    pub(super) fn into_memory(self) -> Result<Memory, Fault> {
        Ok(Memory {
            id: self.id.to(),
            agent_id: self.agent_id.to(),
            table: self.table_name,
            room_id: self.room_id.to(),
            world_id: self.world_id.map(Id::to),
            entity_id: self.entity_id.to(),
            content: self.content.0,
            metadata: self.metadata.0,
            unique: self.is_unique,
            created_at: time(self.created_at),
            origin: Origin {
                message: self.source_message_id.map(Id::to),
                author: self.source_author_id.map(Id::to),
                channel: self.source_channel_id.map(Id::to),
                run: self.source_run_id.map(Id::to),
                trust: self.trust.map(|trust| word("memories.trust", &trust)).transpose().map_err(|fault| fault.of(self.id.0))?,
            },
            document_id: self.document_id.map(Id::to),
        })
    }
}

pub(super) fn all(rows: Vec<MemoryRow>) -> Result<Vec<Memory>, Fault> {
    rows.into_iter().map(MemoryRow::into_memory).collect()
}

/// How many entries of a page come to so many bytes at most, by their sizes in its order; the first fits always.
pub(super) fn within(sizes: impl IntoIterator<Item = i64>, most: usize) -> usize {
    let mut left = i64::try_from(most).unwrap_or(i64::MAX);
    let fits = |(place, bytes): &(usize, i64)| {
        left = left.saturating_sub(*bytes);
        *place == 0 || left >= 0
    };
    sizes.into_iter().enumerate().take_while(fits).count()
}

/// The memories of an agent that a filter lets pass, ready for another condition or an order.
macro_rules! filtered {
    ($agent:expr, $filter:expr, $query:expr) => {{
        let filter: &MemoryFilter = &$filter;
        let (from, to) = (filter.from.map_or(i64::MIN, Timestamp::millis), filter.to.map_or(i64::MAX, Timestamp::millis));
        let mut query = $query.filter(memories::agent_id.eq($agent)).into_boxed();
        if !filter.tables.is_empty() {
            query = query.filter(memories::table_name.eq_any(filter.tables.clone()));
        }
        if filter.from.is_some() || filter.to.is_some() {
            query = query.filter(memories::created_at.between(from, to));
        }
        if !filter.rooms.is_empty() {
            query = query.filter(memories::room_id.eq_any(filter.rooms.iter().copied().map(Id::from).collect::<Vec<_>>()));
        }
        if let Some(entity) = filter.entity {
            query = query.filter(memories::entity_id.eq(Id::from(entity)));
        }
        if let Some(world) = filter.world {
            query = query.filter(memories::world_id.eq(Id::from(world)));
        }
        if let Some(document) = filter.document {
            query = query.filter(memories::document_id.eq(Id::from(document)));
        }
        if let Some(id) = filter.id {
            query = query.filter(memories::id.eq(Id::from(id)));
        }
        query = match filter.source {
            None => query,
            Some(Source::Message(message)) => query.filter(memories::source_message_id.eq(Id::from(message))),
            Some(Source::Author(author)) => query.filter(memories::source_author_id.eq(Id::from(author))),
            Some(Source::Run(run)) => query.filter(memories::source_run_id.eq(Id::from(run))),
        };
        for (key, value) in &filter.metadata {
            query = query.filter(json_key!("memories.metadata", key.clone()).eq(value.to_string()));
        }
        query
    }};
}
pub(super) use filtered;

work! {
    /// Stores those whose id is free, but for those of agents and of documents that are gone; returns how many.
    fn add_where_kept(conn: &mut Conn, memories: Vec<Memory>) -> Result<u64, Fault> {
        let (mut agents, mut documents) = (BTreeMap::new(), HashSet::new());
        for memory in &memories {
            agents.insert(Id::from(memory.agent_id), false);
            documents.extend(memory.document_id.map(Id::from));
        }
        // In order, so that of two who hold the same agents neither waits for the other.
        for (agent, is_kept) in &mut agents {
            *is_kept = run!(queue::hold_agent(conn, *agent))?;
        }
        let given: Vec<Id> = memories.iter().map(|memory| Id::from(memory.id)).collect();
        if !documents.is_empty() {
            let stored = memories::table.filter(memories::id.eq_any(documents.clone())).select(memories::id);
            let stored: Vec<Id> = run!(stored.load(conn))?;
            documents.retain(|document| !stored.contains(document) && !given.contains(document));
        }
        let is_kept = |memory: &Memory| {
            let of = memory.document_id.map(Id::from);
            agents.get(&Id::from(memory.agent_id)) == Some(&true) && !of.is_some_and(|document| documents.contains(&document))
        };
        run!(add(conn, memories.into_iter().filter(is_kept).collect(), Findable::Now))
    }
}

work! {
    /// Stores those whose id is free; returns how many.
    pub(super) fn add(conn: &mut Conn, memories: Vec<Memory>, findable: Findable) -> Result<u64, Fault> {
        let version = if findable == Findable::Now { VERSION } else { 0 };
        let mut new = 0;
        for memory in memories {
            let row = MemoryRow::from(memory);
            let values = (&row, memories::words_version.eq(version));
            let insert = diesel::insert_into(memories::table).values(values).on_conflict_do_nothing().returning(memories::ordinal);
            let ordinal: Option<i64> = run!(fixed!(insert).get_result(conn)).optional()?;
            let Some(ordinal) = ordinal else { continue };
            new += 1;
            if findable == Findable::Soon {
                continue;
            }
            let words = of_content(&row.content.0);
            if !words.is_empty() {
                run!(words::put(conn, ordinal, &scope(row.agent_id.0, &row.table_name), &words))?;
            }
        }
        Ok(new)
    }
}

work! {
    /// Makes a memory findable by the words of this content alone.
    fn reword(conn: &mut Conn, ordinal: i64, agent: Id, table: &str, content: &JsonObject) -> QueryResult<()> {
        run!(words::forget(conn, ordinal))?;
        let words = of_content(content);
        if words.is_empty() { Ok(()) } else { run!(words::put(conn, ordinal, &scope(agent.0, table), &words)) }
    }
}

/// The newest memories of a table in a room.
macro_rules! of_room {
    ($agent:expr, $table:expr, $room:expr, $limit:expr, $select:expr) => {
        memories::table
            .filter(memories::room_id.eq($room))
            .filter(memories::table_name.eq($table))
            .filter(memories::agent_id.eq($agent))
            .order((memories::created_at.desc(), memories::ordinal.desc()))
            .limit(i64::from($limit))
            .select($select)
    };
}

work! {
    fn recent(conn: &mut Conn, agent: Id, room: Id, limit: u32) -> QueryResult<Vec<Remembered>> {
        let shown = (memories::id, memories::entity_id, memories::content);
        let rows: Vec<(Id, Id, TextOf)> = run!(of_room!(agent, MESSAGES, room, limit, shown).load(conn))?;
        let remembered = |(id, entity, TextOf(text)): (Id, Id, TextOf)| Remembered { id: id.to(), entity_id: entity.to(), text };
        Ok(rows.into_iter().rev().map(remembered).collect())
    }
}

work! {
    pub(super) fn facts(conn: &mut Conn, agent: Id, room: Id, limit: u32) -> Result<Vec<Memory>, Fault> {
        let rows: Vec<MemoryRow> = run!(of_room!(agent, FACTS, room, limit, MemoryRow::as_select()).load(conn))?;
        all(rows)
    }
}

/// That the room of a memory is of a channel whose owner is that of another one, which is bound. A room whose channel is not there came
/// with the agent, and is its owner's.
const OF_OWNER: &str = "EXISTS (SELECT 1 FROM channels here JOIN agents a ON a.id = memories.agent_id \
     LEFT JOIN rooms r ON r.id = memories.room_id LEFT JOIN channels c ON c.id = r.channel_id \
     WHERE CASE WHEN c.id IS NULL THEN a.owner ELSE c.owner END IS NOT DISTINCT FROM here.owner AND here.id = ";

work! {
    /// The newest facts that somebody told in other rooms. The table is named by a literal, so that its index serves.
    fn facts_told_elsewhere(conn: &mut Conn, agent: Id, room: Id, with: AloneWith, limit: u32) -> Result<Vec<Memory>, Fault> {
        let told = memories::table
            .filter(sql::<Bool>("memories.table_name = 'facts'"))
            .filter(memories::agent_id.eq(agent))
            .filter(memories::source_author_id.eq(Id::from(with.person)))
            .filter(memories::room_id.ne(room))
            .filter(sql::<Bool>(OF_OWNER).bind::<IdSql, _>(Id::from(with.channel)).sql(")"))
            .order(memories::created_at.desc())
            .limit(limit.into())
            .select(MemoryRow::as_select());
        let rows: Vec<MemoryRow> = run!(fixed!(told).load(conn))?;
        all(rows)
    }
}

work! {
    /// The entities with these ids that the agent knows.
    pub(super) fn entities_of(conn: &mut Conn, agent: Id, ids: impl IntoIterator<Item = EntityId>) -> Result<Vec<Entity>, Fault> {
        let mut from: Vec<Id> = ids.into_iter().map(Id::from).collect();
        from.sort_unstable();
        from.dedup();
        let named = entities::table.filter(entities::agent_id.eq(agent)).filter(entities::id.eq_any(from));
        let rows: Vec<EntityRow> = run!(prepared(named.order(entities::id).select(EntityRow::as_select())).load(conn))?;
        rows.into_iter().map(EntityRow::into_entity).collect()
    }
}

work! {
    fn room_context(conn: &mut Conn, agent: Id, query: RoomQuery) -> Result<RoomContext, Fault> {
        let room = Id::from(query.room);
        let state: Option<Option<String>> =
            run!(participants::table.find((room, agent)).select(participants::room_state).first(conn)).optional()?;
        let state = state.flatten().map_or(Ok(RoomState::None), |state| word("participants.room_state", &state))?;
        let recent = run!(recent(conn, agent, room, query.recent))?;
        let mut facts = run!(facts(conn, agent, room, query.facts))?;
        if let Some(with) = query.alone_with {
            facts.extend(run!(facts_told_elsewhere(conn, agent, room, with, query.facts))?);
        }
        let knowledge = run!(keywords::knowledge_about(conn, agent, &query.about, query.knowledge))?;
        let entities = run!(entities_of(conn, agent, recent.iter().map(|memory| memory.entity_id)))?;
        Ok(RoomContext { state, recent, facts, knowledge, entities })
    }
}

work! {
    fn find(conn: &mut Conn, agent: Id, id: Id) -> Result<Option<Memory>, Fault> {
        let row = memories::table.find(id).filter(memories::agent_id.eq(agent)).select(MemoryRow::as_select());
        let row: Option<MemoryRow> = run!(row.first(conn)).optional()?;
        row.map(MemoryRow::into_memory).transpose()
    }
}

work! {
    /// By their ids alone, and held against the conditions here: SQLite goes through all memories of an agent otherwise, as if they were
    /// fewer than the ids.
    fn find_all(conn: &mut Conn, agent: AgentId, filter: &MemoryFilter, ids: Vec<MemoryId>) -> Result<Vec<Memory>, Fault> {
        let ids: Vec<Id> = ids.into_iter().map(Id::from).collect();
        let rows: Vec<MemoryRow> = run!(memories::table.filter(memories::id.eq_any(ids)).select(MemoryRow::as_select()).load(conn))?;
        let mut memories = all(rows)?;
        memories.retain(|memory| memory.agent_id == agent && filter.passes(memory));
        Ok(memories)
    }
}

work! {
    /// How many the filter lets pass, where they are so few that counting them costs no more than a page.
    fn count(conn: &mut Conn, agent: Id, filter: MemoryFilter) -> QueryResult<Option<i64>> {
        let beyond = filtered!(agent, filter, memories::table.select(memories::ordinal)).offset(COUNTED.into()).limit(1);
        let beyond: Option<i64> = run!(beyond.first(conn)).optional()?;
        match beyond {
            Some(_) => Ok(None),
            None => run!(filtered!(agent, filter, memories::table.count()).get_result(conn)).map(Some),
        }
    }
}

work! {
    /// The sizes are looked at first, so that no more is kept in memory than is in the page.
    fn list(conn: &mut Conn, agent: Id, filter: MemoryFilter, page: Page) -> Result<ListedMemories, Fault> {
        let sizes: Vec<i64> = run!(
            filtered!(agent, filter, memories::table.select(sql::<BigInt>(queue::MEMORY_BYTES)))
                .order((memories::created_at.desc(), memories::ordinal.desc()))
                .offset(page.offset.into())
                .limit(page.limit.into())
                .load(conn)
        )?;
        let known = sizes.len();
        let shown = i64::try_from(within(sizes, PAGE_BYTES)).unwrap_or(i64::MAX);
        let rows: Vec<MemoryRow> = run!(
            filtered!(agent, filter, memories::table.select(MemoryRow::as_select()))
                .order((memories::created_at.desc(), memories::ordinal.desc()))
                .offset(page.offset.into())
                .limit(shown)
                .load(conn)
        )?;
        let total = match known_total(page, known) {
            Some(total) => Some(total),
            None => run!(count(conn, agent, filter))?,
        };
        Ok(ListedMemories { items: all(rows)?, total: total.map(i64::unsigned_abs) })
    }
}

work! {
    /// The row is locked by writing its table, so that two who change it do not lose each other's change. One that waits to be findable
    /// by its words waits on, unless its content is new.
    fn update(conn: &mut Conn, agent: Id, id: Id, change: MemoryChange) -> Result<Option<Memory>, Fault> {
        let own = memories::table.find(id).filter(memories::agent_id.eq(agent));
        let locked = diesel::update(own)
            .set(memories::table_name.eq(memories::table_name))
            .returning((memories::ordinal, memories::words_version, MemoryRow::as_returning()));
        let row: Option<(i64, i32, MemoryRow)> = run!(locked.get_result(conn)).optional()?;
        let Some((ordinal, mut version, mut row)) = row else { return Ok(None) };
        if let Some(metadata) = change.metadata {
            row.metadata = Object(metadata);
        }
        if let Some(content) = change.content {
            row.content = Object(content);
            run!(reword(conn, ordinal, agent, &row.table_name, &row.content.0))?;
            run!(renew(conn, ordinal))?;
            version = VERSION;
        }
        let changes = (memories::content.eq(&row.content), memories::metadata.eq(&row.metadata), memories::words_version.eq(version));
        run!(diesel::update(memories::table.find(id)).set(changes).execute(conn))?;
        row.into_memory().map(Some)
    }
}

work! {
    /// Makes these memories have this text.
    pub(super) fn set_text(conn: &mut Conn, ids: Vec<Id>, text: &str) -> QueryResult<()> {
        let known = memories::table.filter(memories::id.eq_any(ids));
        let rows: Vec<(i64, Id, Id, String, Object)> = run!(
            known
                .select((memories::ordinal, memories::id, memories::agent_id, memories::table_name, memories::content))
                .load(conn)
        )?;
        for (ordinal, id, agent, table, Object(mut content)) in rows {
            content.insert("text".to_owned(), text.into());
            run!(reword(conn, ordinal, agent, &table, &content))?;
            run!(renew(conn, ordinal))?;
            let changes = (memories::content.eq(Object(content)), memories::words_version.eq(VERSION));
            run!(diesel::update(memories::table.find(id)).set(changes).execute(conn))?;
        }
        Ok(())
    }
}

work! {
    /// Some memories that the filter lets pass.
    fn some(conn: &mut Conn, agent: Id, filter: MemoryFilter) -> Result<Vec<Id>, Fault> {
        Ok(run!(filtered!(agent, filter, memories::table.select(memories::id)).limit(STEP.into()).load(conn))?)
    }
}

work! {
    /// Whose they are was asked when they were looked for, and does not change.
    fn remove(conn: &mut Conn, ids: Vec<Id>) -> Result<u64, Fault> {
        Ok(run!(diesel::delete(memories::table.filter(memories::id.eq_any(ids))).execute(conn))? as u64)
    }
}

/// What words are made of, and whose they are.
pub(super) type Wordless = (i64, Id, Id, String, MaybeObject);

/// Cannot be found by its words yet. The number is no bound value, so that its index serves: SQLite went through all memories otherwise.
pub(super) fn without_words() -> SqlLiteral<Bool> {
    sql::<Bool>("memories.words_version = 0")
}

work! {
    /// A memory whose content cannot be read is found by no words, and is not asked for again.
    fn index_words(conn: &mut Conn, limit: u32) -> Result<u32, Fault> {
        let rows = run!(queue::hold_wordless(conn, limit))?;
        if rows.is_empty() {
            return Ok(0);
        }
        let (count, mut done) = (u32::try_from(rows.len()).unwrap_or(u32::MAX), Vec::with_capacity(rows.len()));
        for (ordinal, id, agent, table, content) in rows {
            if content.0.is_none() {
                log::error!("the content of the memory {} cannot be read, and so it is not found by its words", id.0);
            }
            run!(reword(conn, ordinal, agent, &table, &content.or_empty()))?;
            done.push(id);
        }
        // All at once: before each such update SQLite has its index write what it holds, as a piece that has to be merged later.
        let found = diesel::update(memories::table.filter(memories::id.eq_any(done))).set(memories::words_version.eq(VERSION));
        let _: Vec<i64> = run!(prepared(found.returning(memories::ordinal)).load(conn))?;
        Ok(count)
    }
}

#[async_trait]
impl MemoryRepository for Db {
    async fn room_context(&self, agent: AgentId, query: RoomQuery) -> StoreResult<RoomContext> {
        Ok(in_snapshot!(self, |conn| room_context(conn, agent.into(), query))?)
    }

    async fn add(&self, memories: Vec<Memory>) -> StoreResult<u64> {
        Ok(in_tx!(self, |conn| add_where_kept(conn, memories))?)
    }

    async fn find(&self, agent: AgentId, id: MemoryId) -> StoreResult<Option<Memory>> {
        Ok(in_read!(self, |conn| find(conn, agent.into(), id.into()))?)
    }

    async fn find_all(&self, agent: AgentId, filter: MemoryFilter, ids: Vec<MemoryId>) -> StoreResult<Vec<Memory>> {
        Ok(in_read!(self, |conn| find_all(conn, agent, &filter, ids))?)
    }

    async fn list(&self, agent: AgentId, filter: MemoryFilter, page: Page) -> StoreResult<ListedMemories> {
        Ok(in_snapshot!(self, |conn| list(conn, agent.into(), filter, page))?)
    }

    async fn search(&self, agent: AgentId, filter: MemoryFilter, sought: KeywordSearch) -> StoreResult<Vec<Ranked>> {
        // So that what was said a moment ago is found. Reading goes on where nothing can be written.
        for _ in 0..BATCHES {
            match self.index_words(BATCH).await {
                Ok(BATCH) => {}
                Ok(_) => break,
                Err(error) => {
                    log::warn!("what was said lately is not findable by its words yet: {}", chain(&error));
                    break;
                }
            }
        }
        Ok(in_snapshot!(self, |conn| keywords::search(conn, agent.into(), filter, sought))?)
    }

    async fn update(&self, agent: AgentId, id: MemoryId, change: MemoryChange) -> StoreResult<Option<Memory>> {
        Ok(in_tx!(self, |conn| update(conn, agent.into(), id.into(), change))?)
    }

    /// Looks for them on a reader, so that the writer only deletes. What is deleted is not found again.
    async fn remove_all(&self, agent: AgentId, filter: MemoryFilter) -> StoreResult<u64> {
        let mut removed = 0;
        loop {
            let wanted = filter.clone();
            let ids = in_read!(self, |conn| some(conn, agent.into(), wanted))?;
            let is_last = ids.len() < STEP as usize;
            if !ids.is_empty() {
                removed += in_tx!(self, |conn| remove(conn, ids))?;
            }
            if is_last {
                return Ok(removed);
            }
        }
    }

    async fn index_words(&self, limit: u32) -> StoreResult<u32> {
        if !self.unindexed.swap(false, Ordering::AcqRel) {
            return Ok(0);
        }
        let indexed = async { Ok::<u32, StoreError>(in_passing_tx!(self, |conn| index_words(conn, limit))?) }.await;
        // There may be more, and what failed is still to be done.
        if indexed.as_ref().map_or(true, |count| *count >= limit) {
            self.unindexed.store(true, Ordering::Release);
        }
        indexed
    }
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn a_page_has_so_many_bytes_and_one_entry_at_least() {
        for (sizes, count) in [
            (vec![], 0),
            (vec![11], 1),
            (vec![11, 0], 1),
            (vec![4, 6, 0, 1], 3),
            (vec![4, 7, 1], 1),
            (vec![0, 11], 1),
            (vec![i64::MAX, i64::MAX], 1),
        ] {
            assert_eq!(within(sizes.clone(), 10), count, "{sizes:?}");
        }
    }
}
