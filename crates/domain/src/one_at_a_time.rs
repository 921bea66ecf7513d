//! Work that must be done one at a time, for each thing that it is done to.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::{Mutex as Turns, OwnedMutexGuard};

/// So many entries of the map may be of work that is over.
const SPARE: usize = 256;

/// Turns at work, one at a time for each key. Nobody is refused.
pub struct OneAtATime<K> {
    /// What is under way. The database belongs to one server, so that this one knows it all.
    under_way: Mutex<HashMap<K, Weak<Turns<()>>>>,
}

impl<K> Default for OneAtATime<K> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

impl<K: Eq + Hash> OneAtATime<K> {
    /// The next turn of a key, behind those who came before; over when it is dropped.
    pub(crate) async fn turn(&self, key: K) -> OwnedMutexGuard<()> {
        self.turns(key).lock_owned().await
    }

    /// The turns of a key. As many are kept as have work, and some more.
    fn turns(&self, key: K) -> Arc<Turns<()>> {
        let mut under_way = self.under_way.lock();
        if let Some(turns) = under_way.get(&key).and_then(Weak::upgrade) {
            return turns;
        }
        if under_way.len() >= SPARE && under_way.len() == under_way.capacity() {
            under_way.retain(|_, turns| turns.strong_count() > 0);
        }
        let turns = Arc::new(Turns::new(()));
        under_way.insert(key, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn each_key_has_one_turn_at_a_time() {
        let turns = OneAtATime::default();
        let is_free = async |key: usize| timeout(Duration::ZERO, turns.turn(key)).await.is_ok();
        let first = turns.turn(1).await;
        assert!(!is_free(1).await && is_free(2).await);
        let (next, ()) = tokio::join!(turns.turn(1), async { drop(first) });
        assert!(!is_free(1).await);
        drop(next);
        assert!(is_free(1).await);
    }

    #[tokio::test]
    async fn keys_whose_work_is_over_are_forgotten_by_and_by() {
        let turns = OneAtATime::default();
        let held = turns.turn(0).await;
        for key in 1..100 * SPARE {
            drop(turns.turn(key).await);
        }
        assert!(turns.under_way.lock().len() < 4 * SPARE);
        assert!(timeout(Duration::ZERO, turns.turn(0)).await.is_err(), "what is under way is not");
        drop(held);
    }
}
