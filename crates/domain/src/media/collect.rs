//! Collecting what nobody owns.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use core_types::media::{MediaName, MediaRepository, MediaStore};
use core_types::{Clock, MediaId, ServiceResult, Timestamp};

/// A file may be without its agent or channel for this long, and a crash's leavings lie this long: uploads are under way, and
/// a file may come before its agent.
const GRACE: Duration = Duration::from_hours(24);
/// Files that are looked at at once.
const BATCH: u32 = 500;

/// What was collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Files whose agent or channel is gone.
    pub orphans: usize,
    /// Files in the store that nobody knew.
    pub unknown: usize,
    /// Files that were never finished.
    pub unfinished: usize,
}

/// Removes files that nobody owns.
pub struct MediaCollector {
    /// Where what is known of files is kept.
    pub media: Arc<dyn MediaRepository>,
    /// Where their bytes are.
    pub store: Arc<dyn MediaStore>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl MediaCollector {
    /// Removes files whose agent or channel is gone.
    pub async fn orphans(&self) -> ServiceResult<Collected> {
        let before = self.before();
        let mut collected = Collected::default();
        loop {
            let orphans = self.media.orphans(before, BATCH).await?;
            if orphans.is_empty() {
                return Ok(collected);
            }
            for orphan in orphans {
                // What is no more known is found by the other search, should this one end here.
                self.media.remove(orphan.id).await?;
                self.store.remove(orphan.name()).await?;
                collected.orphans += 1;
            }
        }
    }

    /// Compares all that is stored with what is known, and removes what is not.
    pub async fn strays(&self) -> ServiceResult<Collected> {
        let before = self.before();
        let unfinished = self.store.sweep(before).await?;
        let mut collected = Collected { unfinished, ..Collected::default() };
        let mut after: Option<MediaName> = None;
        loop {
            let stored = self.store.list(after, BATCH as usize).await?;
            let Some(last) = stored.last() else { return Ok(collected) };
            after = Some(last.name);
            let old: Vec<MediaName> = stored.iter().filter(|stored| stored.written_at < before).map(|stored| stored.name).collect();
            let known: HashSet<MediaId> = self.media.known(old.iter().map(|name| name.id()).collect()).await?.into_iter().collect();
            for name in old.into_iter().filter(|name| !known.contains(&name.id())) {
                self.store.remove(name).await?;
                collected.unknown += 1;
            }
        }
    }

    fn before(&self) -> Timestamp {
        self.clock.now().plus_millis(-i64::try_from(GRACE.as_millis()).unwrap_or(i64::MAX))
    }
}
