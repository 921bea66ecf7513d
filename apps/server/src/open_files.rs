//! How many files the process may have open. Each connection is one, and one more while it downloads a file.

/// Open files that are kept for the database, media, agents' own connections and the rest.
const KEPT: u64 = 256;
/// Connections that a server should be able to hold at once, or else somebody is told.
const CONNECTIONS: u64 = 1_000;
/// The most that one worker holds.
const AT_A_WORKER: u64 = 10_000;

/// Raises the limit to the most that the system allows this process, and tells where that is little.
pub(crate) fn raise() {
    let before = limit();
    if let Err(error) = system::raise() {
        log::warn!("the limit of open files stays as it is: {error}");
    }
    let now = limit();
    if now != before {
        log::debug!("the limit of open files is raised from {before} to {now}");
    }
    if for_connections(now) < CONNECTIONS {
        log::warn!(
            "this process may have {now} files open, and so takes {} connections at once; who comes beyond \
             waits (see `ulimit -Hn`, LimitNOFILE)",
            for_connections(now)
        );
    }
}

/// How many connections each worker may hold, so that the rest finds files to open.
pub(crate) fn connections_per_worker(workers: usize) -> usize {
    share(limit(), workers)
}

fn share(limit: u64, workers: usize) -> usize {
    let workers = u64::try_from(workers).unwrap_or(u64::MAX).max(1);
    usize::try_from((for_connections(limit) / workers).clamp(1, AT_A_WORKER)).unwrap_or(usize::MAX)
}

/// How many connections there may be, of two files each. Where there are few files, a quarter of them.
const fn for_connections(limit: u64) -> u64 {
    if limit > 2 * KEPT { (limit - KEPT) / 2 } else { limit / 4 }
}

fn limit() -> u64 {
    system::limit().unwrap_or(u64::MAX)
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    /// None where there is none.
    pub(super) fn limit() -> Option<u64> {
        getrlimit(Resource::Nofile).current
    }

    pub(super) fn raise() -> io::Result<()> {
        let most = getrlimit(Resource::Nofile).maximum;
        Ok(setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    pub(super) const fn limit() -> Option<u64> {
        None
    }

    #[expect(clippy::unnecessary_wraps, reason = "Linux's may fail")]
    pub(super) const fn raise() -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{AT_A_WORKER, KEPT, share};

    #[test]
    fn connections_leave_files_to_the_rest() {
        for (limit, workers, each) in [(1_024, 4, 96), (1_024, 1, 384), (256, 4, 16), (8, 16, 1), (0, 0, 1), (u64::MAX, 2, 10_000)] {
            assert_eq!(share(limit, workers), each, "{limit} files, {workers} workers");
        }
        assert_eq!(share(4 * AT_A_WORKER + KEPT, 2), 10_000);
    }
}
