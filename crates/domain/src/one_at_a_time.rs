//! Work that must be done one at a time, for each thing that it is done to.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use core_types::Tenant;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// So many entries of the map may be of work that is over.
const SPARE: usize = 256;

/// Those who wait for turns of one key, in order, behind the one whose turn it is.
type Line = tokio::sync::Mutex<()>;

/// Turns at work, one at a time for each key. Nobody is refused.
pub struct OneAtATime<K> {
    /// What is under way. The database belongs to one server, so that this one knows it all.
    under_way: Mutex<HashMap<K, Weak<Line>>>,
}

impl<K> Default for OneAtATime<K> {
    fn default() -> Self {
        Self { under_way: Mutex::default() }
    }
}

impl<K: Eq + Hash> OneAtATime<K> {
    /// The next turn of a key, behind those who came before; over when it is dropped.
    pub(crate) async fn turn(&self, key: K) -> OwnedMutexGuard<()> {
        self.line(key).lock_owned().await
    }

    /// The line of a key. As many are kept as have work, and some more.
    fn line(&self, key: K) -> Arc<Line> {
        let mut under_way = self.under_way.lock();
        if let Some(line) = under_way.get(&key).and_then(Weak::upgrade) {
            return line;
        }
        if under_way.len() >= SPARE && under_way.len() == under_way.capacity() {
            under_way.retain(|_, line| line.strong_count() > 0);
        }
        let line = Arc::new(Line::new(()));
        under_way.insert(key, Arc::downgrade(&line));
        line
    }
}

/// Turns at work on what somebody owns: one at a time for each owner, and so many for all tenants together. The owner of the server waits
/// for no tenant. Nobody is refused: what the work is for is stored already.
pub(crate) struct OwnersTurns {
    owners: OneAtATime<Option<Tenant>>,
    of_tenants: Arc<Semaphore>,
}

/// An owner's turn, over when it is dropped.
pub(crate) struct OwnersTurn {
    _of_tenants: Option<OwnedSemaphorePermit>,
    _own: OwnedMutexGuard<()>,
}

impl OwnersTurns {
    pub(crate) fn new(of_tenants: usize) -> Self {
        Self { owners: OneAtATime::default(), of_tenants: Arc::new(Semaphore::new(of_tenants)) }
    }

    /// The next turn of an owner, `None` for that of the server, however long it takes. A tenant that waits for itself takes no turn of
    /// others.
    pub(crate) async fn next(&self, owner: Option<&Tenant>) -> OwnersTurn {
        let own = self.owners.turn(owner.cloned()).await;
        let of_tenants = match owner {
            // The semaphore is never closed.
            Some(_) => Arc::clone(&self.of_tenants).acquire_owned().await.ok(),
            None => None,
        };
        OwnersTurn { _of_tenants: of_tenants, _own: own }
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
    async fn each_owner_has_one_turn_at_a_time_and_the_next_comes_behind_it() {
        let turns = OwnersTurns::new(2);
        let [one, other, third] = ["one", "other", "third"].map(|name| Tenant::new(name).unwrap());
        let is_free = async |owner: Option<&Tenant>| timeout(Duration::ZERO, turns.next(owner)).await.is_ok();
        let ones = turns.next(Some(&one)).await;
        assert!(!is_free(Some(&one)).await && is_free(Some(&other)).await);
        let others = turns.next(Some(&other)).await;
        assert!(!is_free(Some(&third)).await, "tenants have so many together");
        let own = turns.next(None).await;
        assert!(!is_free(None).await, "the owner waits for no tenant, and for itself");
        let (next, ()) = tokio::join!(turns.next(Some(&one)), async { drop(ones) });
        assert!(!is_free(Some(&one)).await);
        drop((next, others, own));
        assert!(is_free(Some(&third)).await && is_free(None).await);
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
