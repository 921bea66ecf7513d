//! Processor time within a window: the server's, the generator's, and everybody else's, which tells how far the machine was
//! left to the measuring.

use std::time::Duration;

use crate::figures::{float, rounded};
use crate::machine;

/// Counts of processor time at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meter {
    server: Option<Duration>,
    generator: Option<Duration>,
    anybody: Option<Duration>,
}

/// Processor time that was used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// By the server, where it has a process on this machine.
    pub server: Option<Duration>,
    /// By this process.
    pub generator: Option<Duration>,
    /// The share of all processors that neither of them had but others did.
    pub others_share: Option<f64>,
}

impl Meter {
    /// The counts now. Without a server this process does all the work.
    pub fn read(server: Option<u32>) -> Self {
        let server = server.and_then(machine::processor_time);
        Self { server, generator: machine::own_processor_time(), anybody: machine::busy_time() }
    }

    /// What was used since an earlier reading. The share of others is known where `server` is, or where there is none.
    pub fn since(self, before: Self, window: Duration, has_server: bool) -> Usage {
        let between = |now: Option<Duration>, before: Option<Duration>| now?.checked_sub(before?);
        let server = between(self.server, before.server);
        let generator = between(self.generator, before.generator);
        let others_share = || {
            let ours = generator? + if has_server { server? } else { Duration::ZERO };
            let others = between(self.anybody, before.anybody)?.saturating_sub(ours);
            let all = window.as_secs_f64() * float(u64::try_from(machine::processors()).ok()?);
            (all > 0.0).then(|| rounded(others.as_secs_f64() / all))
        };
        Usage { server, generator, others_share: others_share() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_others_is_what_neither_side_used() {
        let millis = |millis| Some(Duration::from_millis(millis));
        let all = 1_000 * u64::try_from(machine::processors()).unwrap();
        let second = Duration::from_secs(1);
        let zero = Meter { server: millis(0), generator: millis(0), anybody: millis(0) };
        let half = Meter { anybody: millis(all / 2), ..zero };
        assert_eq!(half.since(zero, second, true).others_share, Some(0.5));
        assert_eq!(Meter { generator: millis(all / 2), ..half }.since(zero, second, true).others_share, Some(0.0));
        let nobody = Meter { server: None, ..half };
        assert_eq!(nobody.since(zero, second, true).others_share, None);
        assert_eq!(nobody.since(zero, second, false).others_share, Some(0.5));
    }
}
