//! The times of a log's commits, which are what the clock said, and so are out of order where it was set back.

use core_types::Timestamp;

/// Commits of a log whose times are earlier than that of a commit before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disorder {
    /// How many.
    pub commits: u64,
    /// The earliest of their times.
    pub from: Timestamp,
    /// The latest time of a commit before one of them.
    pub until: Timestamp,
}

/// Looks at the times of commits, one after the other.
#[derive(Debug, Default)]
pub(super) struct Times {
    latest: Option<Timestamp>,
    pub(super) disorder: Option<Disorder>,
}

impl Times {
    pub(super) fn see(&mut self, at: Timestamp) {
        match self.latest {
            Some(latest) if at < latest => {
                let disorder = self.disorder.get_or_insert(Disorder { commits: 0, from: at, until: latest });
                disorder.commits += 1;
                disorder.from = disorder.from.min(at);
                disorder.until = latest;
            }
            _ => self.latest = Some(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_go_back_are_counted_with_their_bounds() {
        let at = Timestamp::from_millis;
        for (times, expected) in
            [(&[1_i64, 1, 2, 9][..], None), (&[], None), (&[1, 9, 2, 3, 9, 10], Some((2, 2, 9))), (&[5, 4, 9, 1, 20], Some((2, 1, 9)))]
        {
            let mut seen = Times::default();
            for time in times {
                seen.see(at(*time));
            }
            let expected = expected.map(|(commits, from, until)| Disorder { commits, from: at(from), until: at(until) });
            assert_eq!(seen.disorder, expected, "{times:?}");
        }
    }
}
