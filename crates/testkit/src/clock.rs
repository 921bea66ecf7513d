//! Deterministic time and ids.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use core_types::error::Source;
use core_types::{Clock, Ids, Randomness, Timestamp};
use uuid::Uuid;

/// A clock that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A clock that moves when it is told to, and by a fixed step with every reading.
#[derive(Debug)]
pub struct SteppedClock {
    now: AtomicI64,
    step: i64,
}

impl SteppedClock {
    /// A clock whose first reading is `start` and which then moves by `step` milliseconds with every reading.
    pub const fn new(start: Timestamp, step: i64) -> Self {
        Self { now: AtomicI64::new(start.millis()), step }
    }

    /// A clock that moves only by [`Self::advance`].
    pub const fn manual(start: Timestamp) -> Self {
        Self::new(start, 0)
    }

    /// Moves on.
    pub fn advance(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.fetch_add(self.step, Ordering::SeqCst))
    }
}

/// Ids that count: `00000000-0000-4000-8000-000000000001` and so on, each a well-formed version 4 UUID.
#[derive(Debug, Default)]
pub struct SeqIds(AtomicU64);

impl SeqIds {
    /// Ids that count on from the one after the `number`th.
    pub const fn after(number: u64) -> Self {
        Self(AtomicU64::new(number))
    }

    /// The `number`th id, counted from 1.
    pub const fn nth(number: u64) -> Uuid {
        Uuid::from_u64_pair(0x4000, 0x8000_0000_0000_0000 | number)
    }
}

impl Ids for SeqIds {
    fn uuid(&self) -> Uuid {
        Self::nth(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }
}

impl Randomness for SeqIds {
    fn bits(&self) -> Result<u128, Source> {
        Ok(self.uuid().as_u128())
    }
}

#[cfg(test)]
mod tests {
    use core_types::{Clock, Ids, Timestamp};

    use super::{SeqIds, SteppedClock};

    #[test]
    fn a_stepped_clock_moves_with_readings_and_when_told() {
        let clock = SteppedClock::new(Timestamp::from_millis(100), 5);
        assert_eq!([clock.now().millis(), clock.now().millis()], [100, 105]);
        clock.advance(1000);
        assert_eq!(clock.now().millis(), 1110);
    }

    #[test]
    fn counted_ids_are_version_4_uuids_in_order() {
        let ids = SeqIds::default();
        assert_eq!(ids.uuid().to_string(), "00000000-0000-4000-8000-000000000001");
        let second = ids.uuid();
        assert_eq!((second, second.get_version_num()), (SeqIds::nth(2), 4));
    }
}
