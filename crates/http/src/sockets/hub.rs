//! All sessions of the server, by their ids.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use core_types::messaging::MessagingService;
use core_types::{Caller, Tenant};
use parking_lot::Mutex;

use crate::errors::{ApiError, ApiResult};
use crate::holdings::Holdings;
use crate::limits;
use crate::rates;
use crate::sockets::driver::{Knocker, Link};
use crate::sockets::rooms::Rooms;

/// Why there is no slot for a session.
const FULL: &str = "Too many sockets are open; try again later";
/// Why there is none for a tenant's.
const SHARE_FULL: &str = "Too many sockets of this tenant are open; close some, or try again later";
/// Why there is none for a stranger's, though there is for those of others.
const ADDRESS_FULL: &str = "Too many sockets from this address have shown no key yet; try again later";

/// The sessions and the rooms of one server.
pub(crate) struct Hub {
    sessions: Mutex<Sessions>,
    keys: AtomicU64,
    pub(crate) rooms: Arc<Rooms>,
}

impl Hub {
    /// A server without sessions, which may hold so many connections.
    pub(crate) fn new(messaging: Arc<dyn MessagingService>, connections: usize) -> Arc<Self> {
        let most = limits::sockets(connections);
        let sessions = Mutex::new(Sessions::new(most, limits::unknown_sockets(most)));
        Arc::new(Self { sessions, keys: AtomicU64::new(0), rooms: Rooms::new(messaging) })
    }

    /// Takes a session in under its id, as one of the caller's where that is known. It stays until its slot is dropped. Those who have
    /// shown a key already do not wait for those who have not, and nobody waits for one tenant, or for one address.
    pub(crate) fn take_in(self: &Arc<Self>, id: String, link: Arc<Link>, knocker: &Knocker) -> ApiResult<SessionSlot> {
        let stranger = || Holder::Unknown(knocker.client.as_ref().and_then(rates::network));
        let holder = knocker.caller.as_ref().map_or_else(stranger, Holder::of);
        self.sessions.lock().take_in(id.clone(), Arc::clone(&link), &holder).map_err(ApiError::overloaded)?;
        Ok(SessionSlot { hub: Arc::clone(self), id, link, key: self.keys.fetch_add(1, Ordering::Relaxed), holder })
    }

    /// The session of this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Link>> {
        self.sessions.lock().links.get(id).cloned()
    }
}

/// Whose a session is.
#[derive(Debug, PartialEq, Eq)]
enum Holder {
    /// Nobody's who is known: it has shown no key yet, and comes from here.
    Unknown(Option<IpAddr>),
    /// A tenant's, or the owner's.
    Known(Option<Tenant>),
}

impl Holder {
    fn of(caller: &Caller) -> Self {
        Self::Known(caller.makes_for())
    }
}

/// The sessions, and how many of them are whose.
struct Sessions {
    links: HashMap<String, Arc<Link>>,
    /// How many there may be.
    most: usize,
    /// How many of them may have shown no key yet.
    most_unknown: usize,
    unknown: usize,
    /// How many of these come from where.
    addresses: Holdings<IpAddr>,
    holdings: Holdings,
}

impl Sessions {
    fn new(most: usize, most_unknown: usize) -> Self {
        let (addresses, holdings) = (Holdings::new(most_unknown), Holdings::new(most));
        Self { links: HashMap::new(), most, most_unknown, unknown: 0, addresses, holdings }
    }

    fn take_in(&mut self, id: String, link: Arc<Link>, holder: &Holder) -> Result<(), &'static str> {
        if self.links.len() >= self.most {
            return Err(FULL);
        }
        self.count(holder)?;
        self.links.insert(id, link);
        Ok(())
    }

    /// Counts a session as another's; it stays whose it was where that one may have no more.
    fn pass(&mut self, from: &Holder, to: &Holder) -> Result<(), &'static str> {
        if from != to {
            self.count(to)?;
            self.forget(from);
        }
        Ok(())
    }

    fn end(&mut self, id: &str, holder: &Holder) {
        self.links.remove(id);
        self.forget(holder);
    }

    fn count(&mut self, holder: &Holder) -> Result<(), &'static str> {
        match holder {
            Holder::Unknown(_) if self.unknown >= self.most_unknown => Err(FULL),
            Holder::Unknown(address) => {
                if !self.addresses.take(address.as_ref()) {
                    return Err(ADDRESS_FULL);
                }
                self.unknown += 1;
                Ok(())
            }
            Holder::Known(tenant) => self.holdings.take(tenant.as_ref()).then_some(()).ok_or(SHARE_FULL),
        }
    }

    fn forget(&mut self, holder: &Holder) {
        match holder {
            Holder::Unknown(address) => {
                self.unknown -= 1;
                self.addresses.give_back(address.as_ref());
            }
            Holder::Known(tenant) => self.holdings.give_back(tenant.as_ref()),
        }
    }
}

/// A session's slot among all, until it is dropped.
pub(crate) struct SessionSlot {
    hub: Arc<Hub>,
    id: String,
    link: Arc<Link>,
    key: u64,
    holder: Holder,
}

impl SessionSlot {
    /// What the session's transports and its task share.
    pub(crate) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link)
    }

    /// What tells the session from the others, in rooms.
    pub(crate) const fn key(&self) -> u64 {
        self.key
    }

    /// The session's client connects as this caller, whose it is from now on, unless that one has too many.
    pub(crate) fn known(&mut self, caller: &Caller) -> ApiResult<()> {
        let holder = Holder::of(caller);
        self.hub.sessions.lock().pass(&self.holder, &holder).map_err(ApiError::overloaded)?;
        self.holder = holder;
        Ok(())
    }
}

impl Drop for SessionSlot {
    fn drop(&mut self) {
        self.hub.sessions.lock().end(&self.id, &self.holder);
    }
}

#[cfg(test)]
mod tests {
    use realtime::Via;
    use tokio::sync::mpsc;

    use super::*;

    const OWNER: Holder = Holder::Known(None);

    fn tenant(name: &str) -> Holder {
        Holder::Known(Tenant::new(name))
    }

    fn stranger(number: u8) -> Holder {
        Holder::Unknown(Some(IpAddr::from([192, 0, 2, number])))
    }

    /// Takes in a session of this number.
    fn open(sessions: &mut Sessions, number: usize, holder: &Holder) -> Result<(), &'static str> {
        sessions.take_in(number.to_string(), Arc::new(Link::new(Via::Polling, mpsc::channel(1).0)), holder)
    }

    #[test]
    fn a_tenant_has_a_quarter_of_the_sockets_and_the_owner_what_is_left() {
        let mut sessions = Sessions::new(8, 2);
        let one = tenant("one");
        assert_eq!([0, 1, 2].map(|number| open(&mut sessions, number, &one)), [Ok(()), Ok(()), Err(SHARE_FULL)]);
        assert_eq!(open(&mut sessions, 3, &tenant("other")), Ok(()));
        assert!((4..9).all(|number| open(&mut sessions, number, &OWNER).is_ok()));
        assert_eq!(open(&mut sessions, 9, &tenant("other")), Err(FULL));
        assert_eq!(open(&mut sessions, 9, &OWNER), Err(FULL));
        sessions.end("0", &one);
        assert_eq!(open(&mut sessions, 9, &one), Ok(()));
    }

    #[test]
    fn a_socket_counts_as_a_tenants_from_when_that_is_known() {
        let mut sessions = Sessions::new(8, 2);
        let one = tenant("one");
        assert_eq!([0, 1, 2].map(|number| open(&mut sessions, number.into(), &stranger(number))), [Ok(()), Ok(()), Err(FULL)]);
        for number in 0..2 {
            assert_eq!(sessions.pass(&stranger(number), &one), Ok(()));
        }
        assert_eq!(sessions.unknown, 0);
        assert_eq!(open(&mut sessions, 2, &stranger(0)), Ok(()));
        assert_eq!(sessions.pass(&stranger(0), &one), Err(SHARE_FULL));
        assert_eq!(sessions.unknown, 1, "it may still show another key");
        // Whoever needed no key may show one.
        assert_eq!(open(&mut sessions, 3, &OWNER), Ok(()));
        assert_eq!(sessions.pass(&OWNER, &one), Err(SHARE_FULL));
        assert_eq!(sessions.pass(&one, &OWNER), Ok(()));
        assert_eq!(sessions.pass(&stranger(0), &one), Ok(()));
        assert_eq!(sessions.pass(&one, &one), Ok(()), "it has that one already");
    }

    #[test]
    fn one_address_does_not_take_the_places_of_all_who_have_shown_no_key() {
        let mut sessions = Sessions::new(64, 8);
        let opened: Vec<_> = (0..3).map(|number| open(&mut sessions, number, &stranger(1))).collect();
        assert_eq!(opened, [Ok(()), Ok(()), Err(ADDRESS_FULL)]);
        assert_eq!(open(&mut sessions, 3, &stranger(2)), Ok(()));
        sessions.end("0", &stranger(1));
        assert_eq!(open(&mut sessions, 4, &stranger(1)), Ok(()));
        // Whoever has shown a key is counted as somebody else.
        assert_eq!(sessions.pass(&stranger(1), &tenant("one")), Ok(()));
        assert_eq!(open(&mut sessions, 5, &stranger(1)), Ok(()));
        assert_eq!(open(&mut sessions, 6, &stranger(1)), Err(ADDRESS_FULL));
        assert_eq!(sessions.unknown, 3);
    }
}
