//! Places that callers hold for a while: of files that are being taken, of replies that are waited for, of titles that are made.

use std::collections::HashMap;
use std::sync::Arc;

use core_types::Caller;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Which part of all places one tenant may hold.
const SHARE: usize = 4;

/// So many places. No tenant holds more than a quarter of them, so that there are some for others; the owner may hold all.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    share: usize,
    held: Arc<Mutex<HashMap<String, usize>>>,
}

/// One of them, free again when this is dropped.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _held: Option<Held>,
}

struct Held {
    by: String,
    all: Arc<Mutex<HashMap<String, usize>>>,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(most)), share: most.div_ceil(SHARE), held: Arc::default() }
    }

    /// A place, where one is free and the caller's share is not used up.
    pub(crate) fn take(&self, caller: &Caller) -> Option<Place> {
        let permit = Arc::clone(&self.all).try_acquire_owned().ok()?;
        if caller.credential().is_none() {
            return Some(Place { _permit: permit, _held: None });
        }
        let by = caller.name();
        let mut all = self.held.lock();
        let count = all.entry(by.clone()).or_default();
        if *count >= self.share {
            return None;
        }
        *count += 1;
        Some(Place { _permit: permit, _held: Some(Held { by, all: Arc::clone(&self.held) }) })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(count) = all.get_mut(&self.by) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.by);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core_types::{Credential, Permission, Reach, Tenant};

    use super::*;

    fn tenant(name: &str) -> Caller {
        let reach = Reach { tenant: Tenant::new(name).unwrap(), servers: Vec::new(), person: None };
        Caller::tenant(Arc::new(Credential { key: None, permissions: vec![Permission::MessagesWrite], reach, expires_at: None }))
    }

    #[test]
    fn a_tenant_holds_its_share_and_the_owner_what_is_left() {
        let places = Places::new(8);
        let (one, other) = (tenant("one"), tenant("other"));
        let mut held: Vec<_> = std::iter::from_fn(|| places.take(&one)).collect();
        assert_eq!(held.len(), 2);
        assert_eq!(std::iter::from_fn(|| places.take(&other)).take(9).count(), 9, "what is dropped is free again");
        let owners: Vec<_> = std::iter::from_fn(|| places.take(&Caller::owner())).collect();
        assert_eq!(owners.len(), 6);
        assert!(places.take(&other).is_none(), "there are no more than these");
        held.pop();
        assert!(places.take(&other).is_some());
        drop((held, owners));
        assert!(places.held.lock().is_empty(), "nobody is remembered who holds nothing");
    }

    #[test]
    fn everybody_has_a_share_of_few_places() {
        let places = Places::new(2);
        let _one = places.take(&tenant("one")).unwrap();
        assert!(places.take(&tenant("one")).is_none());
        assert!(places.take(&tenant("other")).is_some());
    }
}
