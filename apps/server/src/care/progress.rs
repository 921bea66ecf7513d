//! Words about long work, on standard error.

use std::io::Write as _;
use std::time::{Duration, Instant};

/// The least time between two words.
const EVERY: Duration = Duration::from_secs(2);

/// Says how far the work is, now and then; nothing of work that is quick.
#[derive(Debug)]
pub struct Progress {
    said: Instant,
    quiet: bool,
}

impl Progress {
    /// For a person who waits.
    pub fn new() -> Self {
        Self { said: Instant::now(), quiet: false }
    }

    /// For nobody.
    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::new() }
    }

    /// Says this, unless something was said just now.
    pub fn say(&mut self, text: impl FnOnce() -> String) {
        if !self.quiet && self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            // Nobody reads along; the work goes on.
            let _ = writeln!(std::io::stderr(), "{}", text());
        }
    }
}

/// Bytes for a person, such as `12.5 MB`.
pub fn size(bytes: u64) -> String {
    let (unit, scale) = match bytes {
        0..1_000 => return format!("{bytes} bytes"),
        1_000..1_000_000 => ("kB", 100),
        1_000_000..1_000_000_000 => ("MB", 100_000),
        _ => ("GB", 100_000_000),
    };
    format!("{}.{} {unit}", bytes / scale / 10, bytes / scale % 10)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        for (bytes, expected) in [(0, "0 bytes"), (999, "999 bytes"), (1_250, "1.2 kB"), (12_500_000, "12.5 MB"), (3_000_000_000, "3.0 GB")]
        {
            assert_eq!(size(bytes), expected);
        }
    }
}
