//! All vectors in memory, by agents and spaces.

use std::collections::HashMap;
use std::sync::Arc;

use core_types::AgentId;
use core_types::embeddings::{SpaceId, VectorGone, VectorRow};
use parking_lot::RwLock;

use crate::partition::Partition;

/// The vectors of an agent in a space. Searches share it; a change waits for the searches under way, which take milliseconds.
pub(crate) type Shared = Arc<RwLock<Partition>>;

/// All vectors.
#[derive(Default)]
pub(crate) struct Index(RwLock<HashMap<AgentId, HashMap<SpaceId, Shared>>>);

impl Index {
    /// The vectors of an agent, by spaces.
    pub(crate) fn of(&self, agent: AgentId) -> Vec<(SpaceId, Shared)> {
        let agents = self.0.read();
        let spaces = agents.get(&agent).into_iter().flatten();
        let mut spaces: Vec<_> = spaces.map(|(space, partition)| (*space, Arc::clone(partition))).collect();
        spaces.sort_by_key(|(space, _)| *space);
        spaces
    }

    /// How many vectors there are.
    pub(crate) fn len(&self) -> usize {
        let all: Vec<Shared> = self.0.read().values().flat_map(HashMap::values).map(Arc::clone).collect();
        all.iter().map(|partition| partition.read().len()).sum()
    }

    /// Takes vectors in, in the order of their numbers.
    pub(crate) fn add(&self, rows: Vec<VectorRow>) {
        for row in rows {
            let known = self.0.read().get(&row.agent).and_then(|spaces| spaces.get(&row.space)).map(Arc::clone);
            let partition = known.unwrap_or_else(|| {
                let mut agents = self.0.write();
                let new = || Arc::new(RwLock::new(Partition::new(row.vector.numbers.len())));
                Arc::clone(agents.entry(row.agent).or_default().entry(row.space).or_insert_with(new))
            });
            partition.write().push(row);
        }
    }

    /// Lets vectors go.
    pub(crate) fn remove(&self, gone: &[VectorGone]) {
        let mut numbers: HashMap<(AgentId, SpaceId), Vec<i64>> = HashMap::new();
        for gone in gone {
            numbers.entry((gone.agent, gone.space)).or_default().push(gone.number);
        }
        for ((agent, space), mut numbers) in numbers {
            let known = self.0.read().get(&agent).and_then(|spaces| spaces.get(&space)).map(Arc::clone);
            let Some(partition) = known else { continue };
            numbers.sort_unstable();
            let is_empty = {
                let mut partition = partition.write();
                partition.remove(&numbers);
                partition.len() == 0
            };
            // Not while the partition is held: whoever holds the map may want it.
            if is_empty {
                self.forget(agent, space);
            }
        }
    }

    /// Nobody adds to it meanwhile: one task follows the store.
    fn forget(&self, agent: AgentId, space: SpaceId) {
        let mut agents = self.0.write();
        if let Some(spaces) = agents.get_mut(&agent) {
            spaces.remove(&space);
            if spaces.is_empty() {
                agents.remove(&agent);
            }
        }
    }
}
