//! All sessions of the server, by their ids.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use core_types::ServiceError;
use core_types::messaging::MessagingService;
use parking_lot::Mutex;

use crate::errors::{ApiError, ApiResult};
use crate::limits;
use crate::sockets::driver::Link;
use crate::sockets::rooms::Rooms;

/// The sessions and the rooms of one server.
pub(crate) struct Hub {
    sessions: Mutex<Sessions>,
    keys: AtomicU64,
    pub(crate) rooms: Arc<Rooms>,
}

#[derive(Default)]
struct Sessions {
    links: HashMap<String, Arc<Link>>,
    /// How many of them have shown no key yet.
    unknown: usize,
}

impl Hub {
    /// A server without sessions.
    pub(crate) fn new(messaging: Arc<dyn MessagingService>) -> Arc<Self> {
        Arc::new(Self { sessions: Mutex::default(), keys: AtomicU64::new(0), rooms: Rooms::new(messaging) })
    }

    /// Takes a session in under its id. It stays until its place is dropped. Those who have shown a key already do not wait for
    /// those who have not.
    pub(crate) fn take_in(self: &Arc<Self>, id: String, link: Arc<Link>, known: bool) -> ApiResult<Place> {
        let mut sessions = self.sessions.lock();
        if sessions.links.len() >= limits::SOCKETS || !known && sessions.unknown >= limits::UNKNOWN_SOCKETS {
            let message = "Too many sockets are open; try again later".to_owned();
            return Err(ApiError::from(ServiceError::Overloaded { message, retry_after: Duration::from_secs(5) }));
        }
        sessions.unknown += usize::from(!known);
        sessions.links.insert(id.clone(), Arc::clone(&link));
        Ok(Place { hub: Arc::clone(self), id, link, key: self.keys.fetch_add(1, Ordering::Relaxed), unknown: !known })
    }

    /// The session of this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Link>> {
        self.sessions.lock().links.get(id).cloned()
    }
}

/// A session's place among all.
pub(crate) struct Place {
    hub: Arc<Hub>,
    id: String,
    link: Arc<Link>,
    key: u64,
    unknown: bool,
}

impl Place {
    /// What the session's transports and its task share.
    pub(crate) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link)
    }

    /// What tells the session from the others, in rooms.
    pub(crate) const fn key(&self) -> u64 {
        self.key
    }

    /// The session's client is connected.
    pub(crate) fn known(&mut self) {
        if std::mem::take(&mut self.unknown) {
            self.hub.sessions.lock().unknown -= 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sessions = self.hub.sessions.lock();
        sessions.links.remove(&self.id);
        sessions.unknown -= usize::from(self.unknown);
    }
}
