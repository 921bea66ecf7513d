//! When to ask again.

use std::time::Duration;

/// How often and after which waits a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How many times at most, beside the first.
    pub most: u32,
    /// The wait after the first failure; it doubles with every further one.
    pub first_wait: Duration,
    /// The longest wait. A server that asks for a longer one is not asked again.
    pub longest_wait: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { most: 2, first_wait: Duration::from_millis(250), longest_wait: Duration::from_secs(30) }
    }
}

impl Retries {
    /// How long to wait before the next attempt after `failures` (at least 1) failed ones, where the server may have
    /// asked for a wait; `None` means to give up.
    pub fn wait(&self, failures: u32, asked: Option<Duration>) -> Option<Duration> {
        if failures > self.most {
            return None;
        }
        match asked {
            Some(asked) => (asked <= self.longest_wait).then_some(asked),
            None => Some(self.first_wait.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.longest_wait)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Retries;

    #[test]
    fn waits_double_and_end_and_the_server_has_its_say() {
        let retries = Retries::default();
        let millis = |failures, asked: Option<u64>| retries.wait(failures, asked.map(Duration::from_millis)).map(|wait| wait.as_millis());
        assert_eq!(millis(1, None), Some(250));
        assert_eq!(millis(2, None), Some(500));
        assert_eq!(millis(3, None), None);
        assert_eq!(millis(1, Some(3_000)), Some(3_000));
        assert_eq!(millis(2, Some(0)), Some(0));
        assert_eq!(millis(1, Some(30_001)), None);
    }
}
