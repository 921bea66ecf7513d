//! What of an agent's documents bears on a message: by words, and by meaning where there is an embedding model that answers.

use std::collections::HashMap;

use core_types::error::chain;
use core_types::memory::{KNOWLEDGE, Memory, MemoryFilter, Similar, VectorError, fuse};
use core_types::{AgentId, MemoryId, StoreResult};

use crate::ports::Ports;

/// How far down each ranking is read.
pub(super) const DEPTH: u32 = 12;
/// What is less similar is no answer: the nearest of a pile may be far.
const LEAST: f64 = 0.3;

/// The fragments nearest in meaning, best first; none where meaning cannot be asked for, since words are there.
pub(super) async fn near(ports: &Ports, agent: AgentId, about: &str) -> Vec<Similar> {
    let Some(vectors) = ports.vectors.as_ref().filter(|_| !about.trim().is_empty()) else { return Vec::new() };
    match vectors.nearest(agent, &MemoryFilter::table(KNOWLEDGE), about, DEPTH).await {
        Ok(nearest) => nearest.memories.into_iter().filter(|similar| similar.similarity >= LEAST).collect(),
        Err(VectorError::NoModel | VectorError::Resting) => Vec::new(),
        Err(error) => {
            log::warn!("what agent {agent} knows is looked up by words alone: {}", chain(&error));
            Vec::new()
        }
    }
}

/// The best of both rankings, at most `limit`.
pub(super) async fn fused(
    ports: &Ports,
    agent: AgentId,
    by_words: Vec<Memory>,
    by_meaning: Vec<Similar>,
    limit: u32,
) -> StoreResult<Vec<Memory>> {
    let words: Vec<MemoryId> = by_words.iter().map(|memory| memory.id).collect();
    let meaning: Vec<MemoryId> = by_meaning.iter().map(|similar| similar.id).collect();
    let mut best = fuse(&[words, meaning]);
    best.truncate(limit as usize);
    let mut known: HashMap<MemoryId, Memory> = by_words.into_iter().map(|memory| (memory.id, memory)).collect();
    let missing: Vec<MemoryId> = best.iter().map(|fused| fused.item).filter(|id| !known.contains_key(id)).collect();
    if !missing.is_empty() {
        let read = ports.memories.find_all(agent, MemoryFilter::table(KNOWLEDGE), missing).await?;
        known.extend(read.into_iter().map(|memory| (memory.id, memory)));
    }
    Ok(best.into_iter().filter_map(|fused| known.remove(&fused.item)).collect())
}
