//! The program's own log: one compact line per entry on standard error.

use std::io::Write as _;

use env_logger::{Builder, Target};
use log::LevelFilter;

use crate::terminal;

/// Starts logging. Our own crates log from `level` up, the libraries below them only warnings and errors, and everything
/// when `level` is `trace`. A second call changes nothing.
pub fn start(level: LevelFilter) {
    let started = Builder::new()
        .filter_level(libraries(level))
        // A prefix: the crates of this workspace are all called `doolittle...`.
        .filter_module("doolittle", level)
        // What a client sends that is not HTTP is no error of ours, and must not fill the log.
        .filter_module("actix_http", if level >= LevelFilter::Debug { level } else { LevelFilter::Off })
        .target(Target::Stderr)
        .format(|out, record| {
            let target = record.target().trim_start_matches("doolittle_");
            let text = terminal::line(&record.args().to_string());
            writeln!(out, "{} {:<5} {target}: {text}", out.timestamp_millis(), record.level())
        })
        .try_init();
    if started.is_err() {
        log::debug!("logging had been started before");
    }
}

fn libraries(level: LevelFilter) -> LevelFilter {
    if level == LevelFilter::Trace { level } else { level.min(LevelFilter::Warn) }
}

#[cfg(test)]
mod tests {
    use log::LevelFilter;

    use super::libraries;

    #[test]
    fn libraries_are_quiet_unless_everything_is_wanted() {
        for (ours, theirs) in [
            (LevelFilter::Off, LevelFilter::Off),
            (LevelFilter::Error, LevelFilter::Error),
            (LevelFilter::Info, LevelFilter::Warn),
            (LevelFilter::Debug, LevelFilter::Warn),
            (LevelFilter::Trace, LevelFilter::Trace),
        ] {
            assert_eq!(libraries(ours), theirs, "{ours}");
        }
    }
}
