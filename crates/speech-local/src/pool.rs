//! How many jobs run, and how many wait.

use std::time::Duration;

use core_types::speech::SpeechError;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Limits;

/// Places for jobs that run, and for those that wait for one.
#[derive(Debug)]
pub(crate) struct Pool {
    running: Semaphore,
    /// Those that run and those that wait.
    admitted: Semaphore,
    /// When to come again: what one job takes at most would be too long, since most are short.
    retry_after: Duration,
}

/// A place among those that run.
pub(crate) struct Place<'a> {
    _running: SemaphorePermit<'a>,
    _admitted: SemaphorePermit<'a>,
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            running: Semaphore::new(limits.at_once),
            admitted: Semaphore::new(limits.at_once + limits.waiting),
            retry_after: Duration::from_secs(5),
        }
    }

    /// A place for a job of this engine, after those that came before; refused where too many wait.
    pub(crate) async fn place(&self, engine: &str) -> Result<Place<'_>, SpeechError> {
        let busy = || SpeechError::Busy { engine: engine.to_owned(), retry_after: self.retry_after };
        let admitted = self.admitted.try_acquire().map_err(|_| busy())?;
        // Closed only when nobody could ask any more.
        let running = self.running.acquire().await.map_err(|_| busy())?;
        Ok(Place { _running: running, _admitted: admitted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn some_run_some_wait_and_the_rest_is_refused() {
        let pool = Pool::new(Limits { at_once: 1, waiting: 1, ..Limits::default() });
        let first = pool.place("x").await.unwrap();
        let mut second = Box::pin(pool.place("x"));
        assert!(futures_now(&mut second).is_none(), "the second waits");
        let Err(refused) = pool.place("x").await else { panic!("the third is refused") };
        assert!(matches!(refused, SpeechError::Busy { retry_after, .. } if !retry_after.is_zero()), "{refused:?}");
        drop(first);
        drop(second.await.unwrap());
        assert!(pool.place("x").await.is_ok());
    }

    #[tokio::test]
    async fn one_that_stops_waiting_leaves_its_place() {
        let pool = Pool::new(Limits { at_once: 1, waiting: 1, ..Limits::default() });
        let _first = pool.place("x").await.unwrap();
        for _ in 0..3 {
            let mut waiting = Box::pin(pool.place("x"));
            assert!(futures_now(&mut waiting).is_none());
        }
    }

    /// What a future gives at once.
    fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match std::pin::Pin::new(future).poll(&mut context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}
