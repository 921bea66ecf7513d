//! The real clock and the real source of ids. Everything else takes them as `Clock` and `Ids`.

use core_types::{Clock, Ids, Timestamp};
use time::OffsetDateTime;
use uuid::Uuid;

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time comes from")]
    fn now(&self) -> Timestamp {
        OffsetDateTime::now_utc().into()
    }
}

/// Random ids from the system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the one place where ids come from")]
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }
}

#[cfg(test)]
mod tests {
    use core_types::{Clock as _, Ids as _};

    use super::{RandomIds, SystemClock};

    #[test]
    fn the_clock_tells_a_time_after_this_was_written() {
        assert!(SystemClock.now().iso().as_str() > "2025-01-01");
    }

    #[test]
    fn ids_are_random_version_four() {
        let (one, other) = (RandomIds.uuid(), RandomIds.uuid());
        assert_ne!(one, other);
        assert_eq!(one.get_version_num(), 4);
    }
}
