//! The real clock and the real sources of ids and of chance. Everything else takes them as `Clock`, `Ids` and `Randomness`.

use core_types::error::Source;
use core_types::{Clock, Ids, Randomness, Timestamp};
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

/// Ids that begin with the time and go on at random (UUID version 7). New rows then are neighbours in every index, which
/// makes a fifth more of them a second than ids all over it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the one place where ids come from")]
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// The system's source of random numbers that nobody can guess.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn bits(&self) -> Result<u128, Source> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(u128::from_ne_bytes(bits))
    }
}

#[cfg(test)]
mod tests {
    use core_types::{Clock as _, Ids as _, Randomness as _};

    use super::{SystemClock, SystemIds, SystemRandomness};

    #[test]
    fn random_bits_are_all_in_use() {
        let (mut ever, mut always) = (0, u128::MAX);
        for _ in 0..200 {
            let bits = SystemRandomness.bits().unwrap();
            ever |= bits;
            always &= bits;
        }
        assert_eq!((ever, always), (u128::MAX, 0));
    }

    #[test]
    fn the_clock_tells_a_time_after_this_was_written() {
        assert!(SystemClock.now().iso().as_str() > "2025-01-01");
    }

    #[test]
    fn ids_are_in_the_order_of_their_making() {
        let ids: Vec<_> = (0..1_000).map(|_| SystemIds.uuid()).collect();
        assert!(ids.is_sorted_by(|one, other| one < other));
        assert_eq!(ids[0].get_version_num(), 7);
    }
}
