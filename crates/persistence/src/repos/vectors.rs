//! The vectors of what agents remember.

use std::collections::HashMap;

use async_trait::async_trait;
use core_types::embeddings::{NewVector, Quantised, Space, SpaceId, VectorCounts, VectorGone, VectorRepository, VectorRow, Wanting};
use core_types::memory::{MemoryFilter, Source};
use core_types::{AgentId, MemoryId, StoreResult, Timestamp};
use diesel::dsl::{count_star, max};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::columns::{Id, MaybeObject, time};
use super::memories::filtered;
use super::prepared::fixed;
use super::schema::{embedding_spaces, memories, memory_vectors, vectors_gone};
use super::writes::write;
use super::{Conn, Db, RunQueryDsl, queue};
use crate::error::Fault;

/// What a new vector takes over from its memory, and the content that it must be of.
#[derive(Queryable, Selectable)]
#[diesel(table_name = memories)]
pub(super) struct Held {
    ordinal: i64,
    id: Id,
    agent_id: Id,
    table_name: String,
    room_id: Id,
    world_id: Option<Id>,
    entity_id: Id,
    created_at: i64,
    content: MaybeObject,
}

#[derive(Insertable)]
#[diesel(table_name = memory_vectors, treat_none_as_default_value = false)]
struct NewRow {
    memory_ordinal: i64,
    memory_id: Id,
    agent_id: Id,
    space_id: i32,
    table_name: String,
    room_id: Id,
    world_id: Option<Id>,
    entity_id: Id,
    created_at: i64,
    scale: f32,
    numbers: Vec<u8>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = memory_vectors)]
struct StoredRow {
    number: i64,
    memory_id: Id,
    agent_id: Id,
    space_id: i32,
    table_name: String,
    room_id: Id,
    world_id: Option<Id>,
    entity_id: Id,
    created_at: i64,
    scale: f32,
    numbers: Vec<u8>,
}

impl From<StoredRow> for VectorRow {
    fn from(row: StoredRow) -> Self {
        Self {
            number: row.number,
            memory: row.memory_id.to(),
            agent: row.agent_id.to(),
            space: SpaceId(row.space_id),
            table: row.table_name,
            room: row.room_id.to(),
            world: row.world_id.map(Id::to),
            entity: row.entity_id.to(),
            created_at: time(row.created_at),
            vector: Quantised { numbers: row.numbers.into_iter().map(u8::cast_signed).collect(), scale: row.scale },
        }
    }
}

/// A memory whose content cannot be read says nothing, and so gets no vector and wants none any more.
fn wanting_of(rows: Vec<(Id, MaybeObject)>) -> Vec<Wanting> {
    rows.into_iter().map(|(id, content)| Wanting { memory: id.to(), content: content.or_empty() }).collect()
}

/// In the words of the partial index.
fn without_vector() -> diesel::expression::SqlLiteral<Bool> {
    diesel::dsl::sql::<Bool>("NOT memories.embedded")
}

work! {
    fn space(conn: &mut Conn, space: Space) -> Result<SpaceId, Fault> {
        let dimension = i32::try_from(space.dimension).map_err(|_| Fault::Defect("a vector is too long to be true".to_owned()))?;
        let values = (
            embedding_spaces::model.eq(&space.model),
            embedding_spaces::dimension.eq(dimension),
            embedding_spaces::version.eq(&space.version),
        );
        run!(diesel::insert_into(embedding_spaces::table).values(values).on_conflict_do_nothing().execute(conn))?;
        let known = embedding_spaces::table
            .filter(embedding_spaces::model.eq(&space.model))
            .filter(embedding_spaces::dimension.eq(dimension))
            .filter(embedding_spaces::version.eq(&space.version));
        Ok(SpaceId(run!(known.select(embedding_spaces::id).first(conn))?))
    }
}

work! {
    fn spaces(conn: &mut Conn) -> Result<Vec<(SpaceId, Space)>, Fault> {
        let rows: Vec<(i32, String, i32, String)> = run!(embedding_spaces::table.order(embedding_spaces::id).load(conn))?;
        let named = rows.into_iter().map(|(id, model, dimension, version)| {
            let dimension = usize::try_from(dimension).map_err(|_| Fault::Defect("embedding_spaces.dimension is negative".to_owned()))?;
            Ok((SpaceId(id), Space { model, dimension, version }))
        });
        named.collect()
    }
}

work! {
    fn wanting(conn: &mut Conn, limit: u32, except: Vec<Id>) -> Result<Vec<Wanting>, Fault> {
        let query = memories::table
            .filter(without_vector())
            .filter(memories::id.ne_all(except))
            .order(memories::ordinal.desc())
            .limit(limit.into())
            .select((memories::id, memories::content));
        Ok(wanting_of(run!(query.load(conn))?))
    }
}

work! {
    /// One other space after the other, since an index has no way to say "another".
    fn outdated(conn: &mut Conn, space: SpaceId, limit: u32, except: Vec<Id>) -> Result<Vec<Wanting>, Fault> {
        let others = embedding_spaces::table.filter(embedding_spaces::id.ne(space.0)).order(embedding_spaces::id);
        let others: Vec<i32> = run!(others.select(embedding_spaces::id).load(conn))?;
        for other in others {
            let query = memory_vectors::table
                .inner_join(memories::table.on(memories::ordinal.eq(memory_vectors::memory_ordinal)))
                .filter(memory_vectors::space_id.eq(other))
                .filter(memory_vectors::memory_id.ne_all(except.clone()))
                .order(memory_vectors::number.desc())
                .limit(limit.into())
                .select((memories::id, memories::content));
            let rows: Vec<(Id, MaybeObject)> = run!(query.load(conn))?;
            if !rows.is_empty() {
                return Ok(wanting_of(rows));
            }
        }
        Ok(Vec::new())
    }
}

work! {
    /// A memory that somebody else works on at this moment is left out, and goes on wanting a vector.
    fn put(conn: &mut Conn, space: SpaceId, vectors: Vec<NewVector>) -> Result<u64, Fault> {
        let ids: Vec<Id> = vectors.iter().map(|new| Id::from(new.of.memory)).collect();
        let held = run!(queue::hold_memories(conn, ids))?;
        let mut held: HashMap<Id, Held> = held.into_iter().map(|memory| (memory.id, memory)).collect();
        let (mut done, mut rows) = (Vec::new(), Vec::new());
        for NewVector { of, vector } in vectors {
            let Some(memory) = held.remove(&Id::from(of.memory)) else { continue };
            let is_unreadable = memory.content.0.is_none();
            if memory.content.or_empty() != of.content {
                continue;
            }
            if is_unreadable {
                log::error!("the content of the memory {} cannot be read, and so it gets no vector", memory.id.0);
            }
            done.push(memory.ordinal);
            if let Some(Quantised { numbers, scale }) = vector {
                let numbers = numbers.into_iter().map(i8::cast_unsigned).collect();
                rows.push(NewRow {
                    memory_ordinal: memory.ordinal,
                    memory_id: memory.id,
                    agent_id: memory.agent_id,
                    space_id: space.0,
                    table_name: memory.table_name,
                    room_id: memory.room_id,
                    world_id: memory.world_id,
                    entity_id: memory.entity_id,
                    created_at: memory.created_at,
                    scale,
                    numbers,
                });
            }
        }
        if done.is_empty() {
            return Ok(0);
        }
        run!(diesel::delete(memory_vectors::table.filter(memory_vectors::memory_ordinal.eq_any(done.clone()))).execute(conn))?;
        for row in &rows {
            run!(write(conn, fixed!(diesel::insert_into(memory_vectors::table).values(row))))?;
        }
        let done = memories::table.filter(memories::ordinal.eq_any(done)).filter(without_vector());
        run!(diesel::update(done).set(memories::embedded.eq(true)).execute(conn))?;
        Ok(rows.len() as u64)
    }
}

work! {
    /// A memory of another content wants another vector.
    pub(super) fn renew(conn: &mut Conn, ordinal: i64) -> QueryResult<()> {
        run!(diesel::delete(memory_vectors::table.filter(memory_vectors::memory_ordinal.eq(ordinal))).execute(conn))?;
        run!(diesel::update(memories::table.filter(memories::ordinal.eq(ordinal))).set(memories::embedded.eq(false)).execute(conn))?;
        Ok(())
    }
}

work! {
    fn since(conn: &mut Conn, after: i64, limit: u32) -> Result<Vec<VectorRow>, Fault> {
        let rows: Vec<StoredRow> = run!(
            memory_vectors::table
                .filter(memory_vectors::number.gt(after))
                .order(memory_vectors::number)
                .limit(limit.into())
                .select(StoredRow::as_select())
                .load(conn)
        )?;
        Ok(rows.into_iter().map(VectorRow::from).collect())
    }
}

work! {
    fn gone(conn: &mut Conn, after: i64, limit: u32) -> Result<Vec<VectorGone>, Fault> {
        let later = vectors_gone::table.filter(vectors_gone::place.gt(after)).order(vectors_gone::place);
        let rows: Vec<(i64, i64, Id, i32)> = run!(later.limit(limit.into()).load(conn))?;
        let gone = |(place, number, agent, space): (i64, i64, Id, i32)| VectorGone { place, number, agent: agent.to(), space: SpaceId(space) };
        Ok(rows.into_iter().map(gone).collect())
    }
}

work! {
    fn last_gone(conn: &mut Conn) -> Result<i64, Fault> {
        let last: Option<i64> = run!(vectors_gone::table.select(max(vectors_gone::place)).first(conn))?;
        Ok(last.unwrap_or(0))
    }
}

work! {
    fn forget_gone(conn: &mut Conn, up_to: i64, limit: u32) -> Result<u32, Fault> {
        let oldest = vectors_gone::table.filter(vectors_gone::place.le(up_to)).order(vectors_gone::place);
        let oldest: Vec<i64> = run!(oldest.limit(limit.into()).select(vectors_gone::place).load(conn))?;
        let Some(last) = oldest.last() else { return Ok(0) };
        let forgotten = run!(diesel::delete(vectors_gone::table.filter(vectors_gone::place.le(*last))).execute(conn))?;
        Ok(u32::try_from(forgotten).unwrap_or(u32::MAX))
    }
}

work! {
    fn passing(conn: &mut Conn, agent: Id, filter: MemoryFilter) -> Result<Vec<i64>, Fault> {
        let joined = memories::table.inner_join(memory_vectors::table.on(memory_vectors::memory_ordinal.eq(memories::ordinal)));
        let passing = filtered!(agent, filter, joined.select(memory_vectors::number));
        Ok(run!(passing.order(memory_vectors::number).load(conn))?)
    }
}

work! {
    fn counts(conn: &mut Conn, agent: Id) -> Result<VectorCounts, Fault> {
        let of_agent = memories::table.filter(memories::agent_id.eq(agent));
        let memories: i64 = run!(of_agent.select(count_star()).first(conn))?;
        let wanting: i64 = run!(of_agent.filter(without_vector()).select(count_star()).first(conn))?;
        let by_space = memory_vectors::table.filter(memory_vectors::agent_id.eq(agent)).group_by(memory_vectors::space_id);
        let by_space = by_space.order(memory_vectors::space_id).select((memory_vectors::space_id, count_star()));
        let rows: Vec<(i32, i64)> = run!(by_space.load(conn))?;
        Ok(VectorCounts {
            memories: memories.unsigned_abs(),
            wanting: wanting.unsigned_abs(),
            spaces: rows.into_iter().map(|(space, count)| (SpaceId(space), count.unsigned_abs())).collect(),
        })
    }
}

fn ids(memories: Vec<MemoryId>) -> Vec<Id> {
    memories.into_iter().map(Id::from).collect()
}

#[async_trait]
impl VectorRepository for Db {
    async fn space(&self, wanted: Space) -> StoreResult<SpaceId> {
        Ok(in_tx!(self, |conn| space(conn, wanted))?)
    }

    async fn spaces(&self) -> StoreResult<Vec<(SpaceId, Space)>> {
        Ok(in_read!(self, |conn| spaces(conn))?)
    }

    async fn wanting(&self, limit: u32, except: Vec<MemoryId>) -> StoreResult<Vec<Wanting>> {
        Ok(in_read!(self, |conn| wanting(conn, limit, ids(except)))?)
    }

    async fn outdated(&self, space: SpaceId, limit: u32, except: Vec<MemoryId>) -> StoreResult<Vec<Wanting>> {
        Ok(in_snapshot!(self, |conn| outdated(conn, space, limit, ids(except)))?)
    }

    async fn put(&self, space: SpaceId, vectors: Vec<NewVector>) -> StoreResult<u64> {
        Ok(in_passing_tx!(self, |conn| put(conn, space, vectors))?)
    }

    async fn since(&self, after: i64, limit: u32) -> StoreResult<Vec<VectorRow>> {
        Ok(in_read!(self, |conn| since(conn, after, limit))?)
    }

    async fn gone(&self, after: i64, limit: u32) -> StoreResult<Vec<VectorGone>> {
        Ok(in_read!(self, |conn| gone(conn, after, limit))?)
    }

    async fn last_gone(&self) -> StoreResult<i64> {
        Ok(in_read!(self, |conn| last_gone(conn))?)
    }

    async fn forget_gone(&self, up_to: i64, limit: u32) -> StoreResult<u32> {
        Ok(in_passing_tx!(self, |conn| forget_gone(conn, up_to, limit))?)
    }

    async fn passing(&self, agent: AgentId, filter: MemoryFilter) -> StoreResult<Vec<i64>> {
        Ok(in_read!(self, |conn| passing(conn, agent.into(), filter))?)
    }

    async fn counts(&self, agent: AgentId) -> StoreResult<VectorCounts> {
        Ok(in_snapshot!(self, |conn| counts(conn, agent.into()))?)
    }
}
