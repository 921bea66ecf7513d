//! Places that callers hold for a while: of files that are being taken, of replies that are waited for, of titles that are made, of
//! documents that are taken in, of reads that may take long.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use core_types::{Caller, ServiceError, ServiceResult, Tenant};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long somebody waits for a place, and when to come again where none was free.
const PATIENCE: Duration = Duration::from_secs(5);
const BUSY: Duration = Duration::from_secs(2);

/// Reads that may take long and go on at once. A database has a handful of connections, and serves first whoever comes first.
const LONG_READS: usize = 8;

/// Those of all tenants together: fewer than a database has connections that read, so that one is left for what is short.
const TENANTS_LONG_READS: usize = 3;

/// So many places. No tenant holds more than a quarter of them, so that there are some for others; the owner may hold all.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    /// Those that all tenants together may hold.
    of_tenants: Arc<Semaphore>,
    share: usize,
    lines: Lines,
}

/// The lines of those tenants that hold places or wait for them.
type Lines = Arc<Mutex<HashMap<Tenant, Line>>>;

/// The places that one tenant may hold, and how often it holds one or waits for one.
struct Line {
    share: Arc<Semaphore>,
    count: usize,
}

/// One of the places, free again when this is dropped.
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Option<([OwnedSemaphorePermit; 2], InLine)>,
}

/// Keeps a tenant's line for as long as somebody is in it.
struct InLine {
    by: Tenant,
    lines: Lines,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        let [all, of_tenants] = [most; 2].map(|most| Arc::new(Semaphore::new(most)));
        Self { all, of_tenants, share: Tenant::part_of(most), lines: Arc::default() }
    }

    /// A place, where one is free and the caller's share is not used up.
    pub(crate) fn take(&self, caller: &Caller) -> Option<Place> {
        let share = match self.line(tenant_of(caller)) {
            Some((share, line)) => {
                let own = share.try_acquire_owned().ok()?;
                Some(([own, Arc::clone(&self.of_tenants).try_acquire_owned().ok()?], line))
            }
            None => None,
        };
        let permit = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Place { _permit: permit, _share: share })
    }

    /// A place, as soon as one is free, within bounds: those who come with several requests at once need not count. A tenant waits in its
    /// own line for its share, and so holds up nobody but itself.
    pub(crate) async fn wait(&self, caller: &Caller, refusal: &str) -> ServiceResult<Place> {
        let refused = || ServiceError::Overloaded { message: refusal.to_owned(), retry_after: BUSY };
        timeout(PATIENCE, self.next(tenant_of(caller))).await.ok().flatten().ok_or_else(refused)
    }

    /// The next place. Semaphores are never closed here, and give places in the order in which they were asked for. What is for tenants
    /// is waited for before what is for all: else tenants that wait for each other would hold what the owner asks for.
    async fn next(&self, tenant: Option<&Tenant>) -> Option<Place> {
        let share = match self.line(tenant) {
            Some((share, line)) => {
                let own = share.acquire_owned().await.ok()?;
                Some(([own, Arc::clone(&self.of_tenants).acquire_owned().await.ok()?], line))
            }
            None => None,
        };
        let permit = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Place { _permit: permit, _share: share })
    }

    /// The line of a tenant; the owner has none.
    fn line(&self, tenant: Option<&Tenant>) -> Option<(Arc<Semaphore>, InLine)> {
        let by = tenant?.clone();
        let mut lines = self.lines.lock();
        let line = lines.entry(by.clone()).or_insert_with(|| Line { share: Arc::new(Semaphore::new(self.share)), count: 0 });
        line.count += 1;
        Some((Arc::clone(&line.share), InLine { by, lines: Arc::clone(&self.lines) }))
    }
}

fn tenant_of(caller: &Caller) -> Option<&Tenant> {
    caller.reach().map(|reach| &reach.tenant)
}

impl Drop for InLine {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get_mut(&self.by) {
            line.count -= 1;
            if line.count == 0 {
                lines.remove(&self.by);
            }
        }
    }
}

/// The places of reads that may take long: searches, what is filtered by something that no index knows, lists of large things. All services
/// share them, so that whoever asks for many such reads leaves connections to others, and tenants together leave some.
#[derive(Clone)]
pub struct LongReads(Arc<Places>);

impl Default for LongReads {
    fn default() -> Self {
        let of_tenants = Arc::new(Semaphore::new(TENANTS_LONG_READS));
        Self(Arc::new(Places { of_tenants, ..Places::new(LONG_READS) }))
    }
}

impl LongReads {
    /// A place for a read, as soon as one is free, within bounds.
    pub(crate) async fn place(&self, caller: &Caller) -> ServiceResult<Place> {
        self.0.wait(caller, "Too many searches and long lists are being read already").await
    }

    /// The same, where the read may take long.
    pub(crate) async fn place_if(&self, is_long: bool, caller: &Caller) -> ServiceResult<Option<Place>> {
        if is_long { self.place(caller).await.map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use core_types::{Credential, Permission, Reach};

    use super::*;

    fn tenant(name: &str) -> Caller {
        let reach = Reach { tenant: Tenant::new(name).unwrap(), servers: Vec::new(), person: None };
        Caller::tenant(Arc::new(Credential { key: None, permissions: vec![Permission::MessagesWrite], reach, expires_at: None }))
    }

    #[test]
    fn a_tenant_holds_its_share_and_the_owner_what_is_left() {
        let places = Places::new(8);
        let (one, other) = (tenant("one"), tenant("other"));
        let mut held: Vec<_> = std::iter::from_fn(|| places.take(&one)).collect();
        assert_eq!(held.len(), 2);
        assert_eq!(std::iter::from_fn(|| places.take(&other)).take(9).count(), 9, "what is dropped is free again");
        let owners: Vec<_> = std::iter::from_fn(|| places.take(&Caller::owner())).collect();
        assert_eq!(owners.len(), 6);
        assert!(places.take(&other).is_none(), "there are no more than these");
        held.pop();
        assert!(places.take(&other).is_some());
        drop((held, owners));
        assert!(places.lines.lock().is_empty(), "nobody is remembered who holds nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_holds_up_nobody_but_itself() {
        let places = Places::new(8);
        let (one, other) = (tenant("one"), tenant("other"));
        let held = [places.take(&one).unwrap(), places.take(&one).unwrap()];
        let refused = places.wait(&one, "all are taken").await.err();
        assert!(matches!(refused, Some(ServiceError::Overloaded { retry_after, .. }) if !retry_after.is_zero()), "not for ever");
        let waiting = async { places.wait(&one, "all are taken").await.is_ok() };
        let let_past = async {
            let others = [places.wait(&other, "").await.unwrap(), places.wait(&Caller::owner(), "").await.unwrap()];
            drop(held);
            others.len()
        };
        assert_eq!(tokio::join!(waiting, let_past), (true, 2), "others come first, and what is free again goes to who waits");
        assert!(places.lines.lock().is_empty(), "nobody is remembered who neither holds a place nor waits");
    }

    #[test]
    fn long_reads_of_all_tenants_leave_a_connection_and_places_to_the_owner() {
        let LongReads(places) = LongReads::default();
        let take_all = |caller: &Caller| std::iter::from_fn(|| places.take(caller)).collect::<Vec<_>>();
        let mut held = Vec::from(["one", "other", "third"].map(|name| take_all(&tenant(name))));
        assert_eq!(held.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 0]);
        let readers = usize::try_from(persistence::Options::default().readers).unwrap();
        assert!(held.iter().map(Vec::len).sum::<usize>() < readers);
        held.push(take_all(&Caller::owner()));
        assert_eq!(held.last().map(Vec::len), Some(5));
        drop(held);
        assert_eq!(take_all(&tenant("third")).len(), 2, "what was held is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_that_wait_for_each_other_hold_nothing_that_the_owner_asks_for() {
        let reads = LongReads::default();
        let (one, other) = (tenant("one"), tenant("other"));
        let held = [reads.place(&one).await.unwrap(), reads.place(&one).await.unwrap(), reads.place(&other).await.unwrap()];
        let waiting = ["other", "third", "fourth"].map(|name| {
            let (reads, caller) = (reads.clone(), tenant(name));
            tokio::spawn(async move { reads.place(&caller).await.is_ok() })
        });
        tokio::task::yield_now().await;
        let owners: Vec<_> = std::iter::from_fn(|| reads.0.take(&Caller::owner())).collect();
        assert_eq!(owners.len(), 5);
        drop(held);
        for place in waiting {
            assert!(place.await.unwrap(), "what is free again goes to who waits");
        }
        assert!(reads.0.lines.lock().is_empty());
    }

    #[test]
    fn everybody_has_a_share_of_few_places() {
        let places = Places::new(2);
        let _one = places.take(&tenant("one")).unwrap();
        assert!(places.take(&tenant("one")).is_none());
        assert!(places.take(&tenant("other")).is_some());
    }
}
