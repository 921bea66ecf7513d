//! The program's own log: one compact line per entry on standard error, and the last of them for the API.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use async_trait::async_trait;
use core_types::Clock as _;
use core_types::bus::Lagged;
use core_types::system::{LogLevel, LogLine, LogReader, ServerLog};
use env_logger::{Builder, Logger, Target};
use log::{Level, LevelFilter, Log, Metadata, Record};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::clock::SystemClock;
use crate::terminal;

/// How many lines are kept, and how many a slow reader may be behind.
const KEPT: usize = 1_000;
const BEHIND: usize = 256;

/// The most bytes of a line that is kept.
const LINE: usize = 4 * 1024;

/// The lines of this process; there is one log, however many servers a test starts.
static LAST: LazyLock<Arc<LastLines>> = LazyLock::new(|| Arc::new(LastLines::new()));

/// Starts logging. Our own crates log from `level` up, the libraries below them only warnings and errors, and everything
/// when `level` is `trace`. A second call changes nothing.
pub fn start(level: LevelFilter) {
    let on_demand = if level >= LevelFilter::Debug { level } else { LevelFilter::Off };
    let logger = Builder::new()
        .filter_level(libraries(level))
        // A prefix: the crates of this workspace are all called `doolittle...`.
        .filter_module("doolittle", level)
        // What a client sends that is not HTTP is no error of ours, and must not fill the log.
        .filter_module("actix_http", on_demand)
        // Why a certificate was refused is in the error that whoever wanted to connect gets, and may have another way.
        .filter_module("rustls_platform_verifier", on_demand)
        .target(Target::Stderr)
        .format(|out, record| {
            let target = record.target().trim_start_matches("doolittle_");
            let text = terminal::line(&record.args().to_string());
            writeln!(out, "{} {:<5} {target}: {text}", out.timestamp_millis(), record.level())
        })
        .build();
    let most = logger.filter();
    if log::set_boxed_logger(Box::new(Keeping { logger, last: Arc::clone(&LAST) })).is_ok() {
        log::set_max_level(most);
    } else {
        log::debug!("logging had been started before");
    }
}

/// The last lines of this process's log.
pub fn last() -> Arc<dyn ServerLog> {
    Arc::<LastLines>::clone(&LAST)
}

/// Writes lines, and keeps the last.
struct Keeping {
    logger: Logger,
    last: Arc<LastLines>,
}

impl Log for Keeping {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.logger.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.logger.matches(record) {
            self.last.keep(line(record));
            self.logger.log(record);
        }
    }

    fn flush(&self) {
        self.logger.flush();
    }
}

fn line(record: &Record<'_>) -> LogLine {
    let mut message = record.args().to_string();
    message.truncate(message.floor_char_boundary(LINE));
    let level = match record.level() {
        Level::Error => LogLevel::Error,
        Level::Warn => LogLevel::Warn,
        Level::Info => LogLevel::Info,
        Level::Debug => LogLevel::Debug,
        Level::Trace => LogLevel::Trace,
    };
    LogLine { time: SystemClock.now(), level, target: record.target().to_owned(), message }
}

/// The last lines, and those who read along.
struct LastLines {
    kept: Mutex<VecDeque<Arc<LogLine>>>,
    live: broadcast::Sender<Arc<LogLine>>,
}

impl LastLines {
    fn new() -> Self {
        Self { kept: Mutex::default(), live: broadcast::Sender::new(BEHIND) }
    }

    fn keep(&self, line: LogLine) {
        let line = Arc::new(line);
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(Arc::clone(&line));
        }
        // Nobody reads along: that is well.
        let _ = self.live.send(line);
    }
}

impl ServerLog for LastLines {
    fn lines(&self) -> Vec<Arc<LogLine>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn clear(&self) -> usize {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).drain(..).len()
    }

    fn follow(&self) -> Box<dyn LogReader> {
        Box::new(Along(self.live.subscribe()))
    }
}

/// One who reads along.
struct Along(broadcast::Receiver<Arc<LogLine>>);

#[async_trait]
impl LogReader for Along {
    async fn next(&mut self) -> Result<Option<Arc<LogLine>>, Lagged> {
        match self.0.recv().await {
            Ok(line) => Ok(Some(line)),
            Err(RecvError::Lagged(_)) => Err(Lagged),
            Err(RecvError::Closed) => Ok(None),
        }
    }
}

fn libraries(level: LevelFilter) -> LevelFilter {
    if level == LevelFilter::Trace { level } else { level.min(LevelFilter::Warn) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> LogLine {
        LogLine { time: SystemClock.now(), level: LogLevel::Info, target: "doolittle".to_owned(), message: message.to_owned() }
    }

    #[test]
    fn the_last_lines_are_kept_and_cut_to_length() {
        let last = LastLines::new();
        for number in 0..KEPT + 5 {
            last.keep(said(&number.to_string()));
        }
        let kept = last.lines();
        assert_eq!((kept.len(), kept[0].message.as_str()), (KEPT, "5"));
        last.clear();
        assert_eq!(last.lines(), []);
        let long = "é".repeat(LINE);
        let LogLine { level, message, .. } =
            line(&Record::builder().level(Level::Warn).target("doolittle_http").args(format_args!("{long}")).build());
        assert_eq!((level, message.len()), (LogLevel::Warn, LINE));
    }

    #[tokio::test]
    async fn a_reader_sees_what_comes_and_is_told_what_it_missed() {
        let last = LastLines::new();
        last.keep(said("before"));
        let mut reader = last.follow();
        last.keep(said("one"));
        assert_eq!(reader.next().await.unwrap().unwrap().message, "one");
        for number in 0..=BEHIND {
            last.keep(said(&number.to_string()));
        }
        assert_eq!(reader.next().await, Err(Lagged));
        assert_eq!(reader.next().await.unwrap().unwrap().message, "1");
    }

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
