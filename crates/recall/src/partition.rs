//! The vectors of one agent in one space, column by column in chunks.
//!
//! A vector is kept as whole numbers of one byte, and, where there are many, as a sketch of one bit for each number: whether
//! it is above the mean. A search first decides what passes its conditions, which costs a few bytes for each memory; then
//! ranks what passes by how many bits of the sketches differ; then the best of those by the bytes; then the best of those by
//! the bytes and the question with all its digits. Where little passes, the sketches are left out.

use std::collections::HashMap;
use std::hash::Hash;

use core_types::embeddings::{Quantised, VectorRow};
use core_types::memory::MemoryFilter;
use core_types::{EntityId, MemoryId, RoomId, WorldId};

use crate::kernel::{differing_bits, dot, fine_dot};

/// Vectors in a chunk. It is what moves when a vector goes.
const CHUNK: usize = 4_096;
/// From so many vectors on there are sketches.
const SKETCHES_FROM: usize = 16_384;
/// Where more pass the conditions, the sketches say which are looked at.
const SKETCHED_FROM: usize = 8_192;
/// At least so many are looked at, and one of so many that pass; more where a sketch has fewer bits, which say less.
const LEAST_CANDIDATES: usize = 2_000;
const CANDIDATES_OF: usize = 100;
const BITS: usize = 384;
/// Of the best by bytes, so many times the limit are looked at with all digits.
const FINE: usize = 4;

/// Values that many rows share, as small numbers.
#[derive(Debug)]
struct Names<T>(HashMap<T, u32>);

impl<T: Eq + Hash> Names<T> {
    fn number(&mut self, name: T) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(name).or_insert(next)
    }

    fn known<'n>(&self, names: impl IntoIterator<Item = &'n T>) -> Vec<u32>
    where
        T: 'n,
    {
        names.into_iter().filter_map(|name| self.0.get(name).copied()).collect()
    }
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

/// What must be true of a row, in the numbers of one partition.
struct Conditions<'a> {
    tables: Option<Vec<u32>>,
    rooms: Option<Vec<u32>>,
    entity: Option<u32>,
    world: Option<u32>,
    from: i64,
    to: i64,
    among: Option<&'a [i64]>,
}

/// A row of a chunk that may be an answer.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    chunk: &'a Chunk,
    row: usize,
    score: f32,
}

/// All vectors of an agent in a space.
pub(crate) struct Partition {
    dimension: usize,
    chunks: Vec<Chunk>,
    tables: Names<String>,
    rooms: Names<RoomId>,
    worlds: Names<Option<WorldId>>,
    entities: Names<EntityId>,
    /// How many rows each table has.
    in_table: Vec<usize>,
    rows: usize,
    last: i64,
    /// The mean of the vectors when there came to be sketches.
    centre: Option<Vec<f32>>,
}

#[derive(Default)]
struct Chunk {
    numbers: Vec<i64>,
    memories: Vec<MemoryId>,
    tables: Vec<u32>,
    rooms: Vec<u32>,
    worlds: Vec<u32>,
    entities: Vec<u32>,
    times: Vec<i64>,
    scales: Vec<f32>,
    codes: Vec<i8>,
    sketches: Vec<u8>,
}

impl Chunk {
    fn with_capacity(rows: usize, dimension: usize) -> Self {
        Self {
            numbers: Vec::with_capacity(rows),
            memories: Vec::with_capacity(rows),
            tables: Vec::with_capacity(rows),
            rooms: Vec::with_capacity(rows),
            worlds: Vec::with_capacity(rows),
            entities: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            scales: Vec::with_capacity(rows),
            codes: Vec::with_capacity(rows * dimension),
            sketches: Vec::with_capacity(rows * dimension.div_ceil(8)),
        }
    }

    fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Keeps these rows alone.
    fn keep(&mut self, kept: &[bool], dimension: usize) {
        fn column<T: Copy>(column: &mut Vec<T>, kept: &[bool], width: usize) {
            let mut at = 0;
            for (row, keep) in kept.iter().enumerate() {
                if *keep {
                    column.copy_within(row * width..(row + 1) * width, at);
                    at += width;
                }
            }
            column.truncate(at);
        }
        column(&mut self.numbers, kept, 1);
        column(&mut self.memories, kept, 1);
        column(&mut self.tables, kept, 1);
        column(&mut self.rooms, kept, 1);
        column(&mut self.worlds, kept, 1);
        column(&mut self.entities, kept, 1);
        column(&mut self.times, kept, 1);
        column(&mut self.scales, kept, 1);
        column(&mut self.codes, kept, dimension);
        if !self.sketches.is_empty() {
            column(&mut self.sketches, kept, dimension.div_ceil(8));
        }
    }

    /// Marks the rows that pass; returns how many do. `mask` is of any content before.
    fn pass(&self, conditions: &Conditions<'_>, mask: &mut Vec<bool>) -> usize {
        mask.clear();
        mask.resize(self.len(), true);
        let one_of = |mask: &mut Vec<bool>, column: &[u32], wanted: &[u32]| match wanted {
            [one] => mask.iter_mut().zip(column).for_each(|(passes, value)| *passes &= value == one),
            several => mask.iter_mut().zip(column).for_each(|(passes, value)| *passes &= several.contains(value)),
        };
        if let Some(wanted) = &conditions.tables {
            one_of(mask, &self.tables, wanted);
        }
        if let Some(wanted) = &conditions.rooms {
            one_of(mask, &self.rooms, wanted);
        }
        if let Some(wanted) = conditions.entity {
            one_of(mask, &self.entities, &[wanted]);
        }
        if let Some(wanted) = conditions.world {
            one_of(mask, &self.worlds, &[wanted]);
        }
        if conditions.from > i64::MIN || conditions.to < i64::MAX {
            let (from, to) = (conditions.from, conditions.to);
            mask.iter_mut().zip(&self.times).for_each(|(passes, time)| *passes &= (from..=to).contains(time));
        }
        if let Some(among) = conditions.among {
            let first = self.numbers.first().map_or(0, |first| among.partition_point(|number| number < first));
            let mut among = among.get(first..).unwrap_or_default().iter().peekable();
            for (passes, number) in mask.iter_mut().zip(&self.numbers) {
                while among.next_if(|next| *next < number).is_some() {}
                *passes &= among.peek() == Some(&number);
            }
        }
        mask.iter().filter(|passes| **passes).count()
    }

    fn codes(&self, row: usize, dimension: usize) -> &[i8] {
        self.codes.get(row * dimension..(row + 1) * dimension).unwrap_or_default()
    }
}

impl Partition {
    pub(crate) fn new(dimension: usize) -> Self {
        Self {
            dimension,
            chunks: Vec::new(),
            tables: Names::default(),
            rooms: Names::default(),
            worlds: Names::default(),
            entities: Names::default(),
            in_table: Vec::new(),
            rows: 0,
            last: i64::MIN,
            centre: None,
        }
    }

    /// How many vectors there are.
    pub(crate) const fn len(&self) -> usize {
        self.rows
    }

    /// Whether one of these tables has a vector; any, where none is named.
    pub(crate) fn has(&self, tables: &[String]) -> bool {
        if tables.is_empty() {
            return self.rows > 0;
        }
        self.tables.known(tables).into_iter().any(|table| self.in_table.get(table as usize).is_some_and(|rows| *rows > 0))
    }

    /// Takes a vector in. They come in the order of their numbers; one that came before is left out, and so is one of
    /// another dimension.
    pub(crate) fn push(&mut self, row: VectorRow) {
        if row.number <= self.last || row.vector.numbers.len() != self.dimension {
            return;
        }
        let table = self.tables.number(row.table);
        if self.in_table.len() <= table as usize {
            self.in_table.resize(table as usize + 1, 0);
        }
        if let Some(rows) = self.in_table.get_mut(table as usize) {
            *rows += 1;
        }
        let (room, world) = (self.rooms.number(row.room), self.worlds.number(row.world));
        let entity = self.entities.number(row.entity);
        if self.chunks.last().is_none_or(|last| last.len() >= CHUNK) {
            // The first one grows as it is filled, since most agents have little to remember.
            let capacity = if self.chunks.is_empty() { 0 } else { CHUNK };
            self.chunks.push(Chunk::with_capacity(capacity, self.dimension));
        }
        let Some(chunk) = self.chunks.last_mut() else { return };
        self.last = row.number;
        chunk.numbers.push(row.number);
        chunk.memories.push(row.memory);
        chunk.tables.push(table);
        chunk.rooms.push(room);
        chunk.worlds.push(world);
        chunk.entities.push(entity);
        chunk.times.push(row.created_at.millis());
        chunk.scales.push(row.vector.scale);
        chunk.codes.extend_from_slice(&row.vector.numbers);
        if let Some(centre) = &self.centre {
            sketch(&row.vector.numbers, row.vector.scale, centre, &mut chunk.sketches);
        }
        self.rows += 1;
        if self.centre.is_none() && self.rows >= SKETCHES_FROM {
            self.make_sketches();
        }
    }

    /// Lets the vectors with these numbers go; unknown ones are left out. `numbers` is ascending.
    pub(crate) fn remove(&mut self, numbers: &[i64]) {
        let mut kept = Vec::new();
        for chunk in &mut self.chunks {
            let (Some(first), Some(last)) = (chunk.numbers.first(), chunk.numbers.last()) else { continue };
            let from = numbers.partition_point(|number| number < first);
            let to = numbers.partition_point(|number| number <= last);
            let here = numbers.get(from..to).unwrap_or_default();
            if here.is_empty() {
                continue;
            }
            kept.clear();
            kept.extend(chunk.numbers.iter().map(|number| here.binary_search(number).is_err()));
            for (table, _) in chunk.tables.iter().zip(&kept).filter(|(_, kept)| !**kept) {
                if let Some(rows) = self.in_table.get_mut(*table as usize) {
                    *rows -= 1;
                }
                self.rows -= 1;
            }
            chunk.keep(&kept, self.dimension);
        }
        self.chunks.retain(|chunk| chunk.len() > 0);
    }

    /// The nearest to a vector of length 1 that pass, best first, with their cosines. `among` are the numbers of what
    /// passes the conditions that only the store can hold, ascending.
    pub(crate) fn nearest(&self, query: &[f32], filter: &MemoryFilter, among: Option<&[i64]>, limit: usize) -> Vec<(MemoryId, f64)> {
        let Some(conditions) = self.conditions(filter, among) else { return Vec::new() };
        if query.len() != self.dimension || limit == 0 {
            return Vec::new();
        }
        let coarse = Quantised::of(query);
        let mut best = match &self.centre {
            Some(centre) => self.by_sketches(&coarse, query, centre, &conditions, limit),
            None => self.by_bytes(&coarse, &conditions),
        };
        keep_best(&mut best, limit.saturating_mul(FINE));
        for candidate in &mut best {
            let scale = candidate.chunk.scales.get(candidate.row).copied().unwrap_or_default();
            candidate.score = fine_dot(query, candidate.chunk.codes(candidate.row, self.dimension)) * scale;
        }
        // At a right angle, or behind it, nothing is near.
        best.retain(|candidate| candidate.score > 0.0);
        keep_best(&mut best, limit);
        // Of equals the newer one comes first.
        let number = |candidate: &Candidate<'_>| candidate.chunk.numbers.get(candidate.row).copied();
        best.sort_by(|one, other| other.score.total_cmp(&one.score).then_with(|| number(other).cmp(&number(one))));
        let found = |candidate: Candidate<'_>| Some((*candidate.chunk.memories.get(candidate.row)?, f64::from(candidate.score)));
        best.into_iter().filter_map(found).collect()
    }

    /// The conditions in the numbers of this partition; `None` where nothing can pass.
    fn conditions<'a>(&self, filter: &MemoryFilter, among: Option<&'a [i64]>) -> Option<Conditions<'a>> {
        let tables = (!filter.tables.is_empty()).then(|| self.tables.known(&filter.tables));
        let rooms = (!filter.rooms.is_empty()).then(|| self.rooms.known(&filter.rooms));
        if tables.as_ref().is_some_and(Vec::is_empty) || rooms.as_ref().is_some_and(Vec::is_empty) {
            return None;
        }
        // A table that all rows are of is no condition.
        let tables = tables.filter(|wanted| {
            let passing: usize = wanted.iter().filter_map(|table| self.in_table.get(*table as usize)).sum();
            passing < self.rows
        });
        let entity = match filter.entity {
            Some(entity) => Some(*self.entities.0.get(&entity)?),
            None => None,
        };
        let world = match filter.world {
            Some(world) => Some(*self.worlds.0.get(&Some(world))?),
            None => None,
        };
        Some(Conditions {
            tables,
            rooms,
            entity,
            world,
            from: filter.from.map_or(i64::MIN, core_types::Timestamp::millis),
            to: filter.to.map_or(i64::MAX, core_types::Timestamp::millis),
            among,
        })
    }

    /// Everything that passes, by its bytes.
    fn by_bytes(&self, coarse: &Quantised, conditions: &Conditions<'_>) -> Vec<Candidate<'_>> {
        let (mut mask, mut all) = (Vec::new(), Vec::new());
        for chunk in &self.chunks {
            if chunk.pass(conditions, &mut mask) > 0 {
                let rows = mask.iter().enumerate().filter(|(_, passes)| **passes);
                all.extend(rows.map(|(row, _)| score(chunk, row, coarse, self.dimension)));
            }
        }
        all
    }

    /// What the sketches find best of what passes, by its bytes.
    fn by_sketches(
        &self,
        coarse: &Quantised,
        query: &[f32],
        centre: &[f32],
        conditions: &Conditions<'_>,
        limit: usize,
    ) -> Vec<Candidate<'_>> {
        let mut asked = Vec::with_capacity(self.dimension.div_ceil(8));
        push_bits(query.iter().zip(centre).map(|(number, mean)| number > mean), &mut asked);
        // Bits that differ, for each row; more than there are where a row does not pass.
        let mut differences: Vec<u16> = Vec::with_capacity(self.rows);
        let mut rows_at = vec![0_usize; self.dimension + 1];
        let (mut mask, mut passing) = (Vec::new(), 0);
        for chunk in &self.chunks {
            passing += chunk.pass(conditions, &mut mask);
            for (sketch, passes) in chunk.sketches.chunks_exact(asked.len()).zip(&mask) {
                let difference = if *passes { differing_bits(&asked, sketch) } else { u16::MAX };
                if let Some(rows) = rows_at.get_mut(usize::from(difference)) {
                    *rows += 1;
                }
                differences.push(difference);
            }
        }
        let wanted = if passing <= SKETCHED_FROM {
            passing
        } else {
            let telling = (BITS / self.dimension.max(1)).max(1);
            LEAST_CANDIDATES.max(passing / CANDIDATES_OF).saturating_mul(telling).max(limit.saturating_mul(2 * FINE))
        };
        let mut so_far = 0;
        let enough = rows_at.iter().position(|rows| {
            so_far += rows;
            so_far >= wanted
        });
        let most = u16::try_from(enough.unwrap_or(self.dimension)).unwrap_or(u16::MAX - 1);
        let mut best = Vec::with_capacity(so_far);
        let mut differences = differences.as_slice();
        for chunk in &self.chunks {
            let (here, rest) = differences.split_at(chunk.len().min(differences.len()));
            differences = rest;
            for (row, _) in here.iter().enumerate().filter(|(_, difference)| **difference <= most) {
                best.push(score(chunk, row, coarse, self.dimension));
            }
        }
        best
    }

    /// Makes the sketches of all vectors around their mean: where most vectors point the same way, as those of some models do,
    /// bits around zero would say little.
    #[expect(clippy::cast_precision_loss, reason = "a mean of many numbers")]
    fn make_sketches(&mut self) {
        let mut centre = vec![0.0_f32; self.dimension];
        for chunk in &self.chunks {
            for (codes, scale) in chunk.codes.chunks_exact(self.dimension).zip(&chunk.scales) {
                centre.iter_mut().zip(codes).for_each(|(mean, code)| *mean += f32::from(*code) * scale);
            }
        }
        for mean in &mut centre {
            *mean /= self.rows as f32;
        }
        for chunk in &mut self.chunks {
            chunk.sketches = Vec::with_capacity(CHUNK * self.dimension.div_ceil(8));
            for (codes, scale) in chunk.codes.chunks_exact(self.dimension).zip(&chunk.scales) {
                sketch(codes, *scale, &centre, &mut chunk.sketches);
            }
        }
        self.centre = Some(centre);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a score needs no more digits")]
fn score<'c>(chunk: &'c Chunk, row: usize, coarse: &Quantised, dimension: usize) -> Candidate<'c> {
    let scale = chunk.scales.get(row).copied().unwrap_or_default();
    Candidate { chunk, row, score: dot(&coarse.numbers, chunk.codes(row, dimension)) as f32 * scale }
}

/// Keeps the best so many, in any order.
fn keep_best(candidates: &mut Vec<Candidate<'_>>, most: usize) {
    if candidates.len() > most {
        candidates.select_nth_unstable_by(most, |one, other| other.score.total_cmp(&one.score));
        candidates.truncate(most);
    }
}

fn sketch(codes: &[i8], scale: f32, centre: &[f32], sketches: &mut Vec<u8>) {
    push_bits(codes.iter().zip(centre).map(|(code, mean)| f32::from(*code) * scale > *mean), sketches);
}

/// Appends bits, eight to a byte.
fn push_bits(bits: impl Iterator<Item = bool>, bytes: &mut Vec<u8>) {
    let (mut byte, mut filled) = (0_u8, 0_u32);
    for bit in bits {
        byte |= u8::from(bit) << filled;
        filled += 1;
        if filled == 8 {
            bytes.push(byte);
            (byte, filled) = (0, 0);
        }
    }
    if filled > 0 {
        bytes.push(byte);
    }
}

#[cfg(test)]
#[path = "partition_tests.rs"]
mod tests;
