//! How many vectors are made, and how many may be.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What a rate is told of.
const WINDOW: Duration = Duration::from_mins(1);

/// Counts what is made.
pub(crate) struct Meter {
    began: Instant,
    made: VecDeque<(Instant, usize)>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), made: VecDeque::new() }
    }

    /// So many more.
    pub(crate) fn count(&mut self, made: usize) {
        self.forget();
        self.made.push_back((Instant::now(), made));
    }

    /// How many a second in the last minute, or since the beginning.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub(crate) fn rate(&mut self) -> f64 {
        self.forget();
        let seconds = WINDOW.min(self.began.elapsed()).as_secs_f64().max(1.0);
        self.made.iter().map(|(_, made)| *made).sum::<usize>() as f64 / seconds
    }

    fn forget(&mut self) {
        while self.made.front().is_some_and(|(when, _)| when.elapsed() > WINDOW) {
            self.made.pop_front();
        }
    }
}

/// Spreads work evenly over time.
pub(crate) struct Pace {
    a_second: Option<u32>,
    next: Instant,
}

impl Pace {
    /// So many a second; without a bound where there is none.
    pub(crate) fn new(a_second: Option<u32>) -> Self {
        Self { a_second, next: Instant::now() }
    }

    /// Waits until the next may be made.
    pub(crate) async fn wait(&self) {
        tokio::time::sleep_until(self.next).await;
    }

    /// So many have been made.
    pub(crate) fn made(&mut self, made: usize) {
        if let Some(a_second) = self.a_second {
            let took = Duration::from_secs(1).saturating_mul(u32::try_from(made).unwrap_or(u32::MAX)) / a_second.max(1);
            self.next = self.next.max(Instant::now()) + took;
        }
    }
}
