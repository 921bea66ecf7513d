//! What all tests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use core_types::Ids;
use uuid::Uuid;

/// Ids that count up.
struct Counting(AtomicU64);

impl Ids for Counting {
    fn uuid(&self) -> Uuid {
        Uuid::from_u64_pair(0xd000, self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Ids that count up from `first`.
pub fn ids_from(first: u64) -> Arc<dyn Ids> {
    Arc::new(Counting(AtomicU64::new(first)))
}
