//! How often a client may ask: a token bucket (GCRA) for each client and kind of request, in memory that is bounded
//! whatever the number of clients.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::{NoOpMiddleware, StateInformationMiddleware};
use governor::state::keyed::DashMapStateStore;
use governor::{NotUntil, Quota, RateLimiter};

/// Clients that are remembered before the addresses of new ones are taken together by their networks.
const CLIENTS: usize = 100_000;

/// After so many questions those clients are forgotten whose buckets are full again.
const SWEEP: u32 = 4_096;

/// A kind of request, with a bucket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Any request.
    Api,
    /// One that uploads or works on sound, which costs more.
    Upload,
}

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    /// The holder of a key, by the caller's name.
    Caller(String),
    /// Whoever comes from an address; an IPv6 address counts by its /56, which is what one customer gets.
    Address(IpAddr),
}

/// How many requests a client may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Requests of any kind in a window; 0 for no limit at all, of uploads neither.
    pub api: u32,
    /// Uploads in a window; 0 for no limit of their own.
    pub uploads: u32,
    /// The window.
    pub window: Duration,
}

impl RateLimits {
    /// No limit.
    pub const OFF: Self = Self { api: 0, uploads: 0, window: Duration::from_mins(1) };
}

/// Where a client stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests in a window.
    pub limit: u32,
    /// The window.
    pub window: Duration,
    /// Requests that may follow at once.
    pub remaining: u32,
    /// When all of them may follow at once again.
    pub reset: Duration,
    /// When the next one may come, where this one may not pass.
    pub refused: Option<Duration>,
}

/// Counts requests. The clock is handed in; the server's is the machine's monotonic one.
pub struct Limiter<C: Clock + Clone = MonotonicClock> {
    api: Option<Buckets<C>>,
    uploads: Option<Buckets<C>>,
}

impl Limiter {
    /// A limiter by the machine's clock.
    pub fn new(limits: RateLimits) -> Self {
        Self::with_clock(limits, &MonotonicClock)
    }
}

impl<C: Clock + Clone> Limiter<C> {
    /// A limiter by another clock.
    pub fn with_clock(limits: RateLimits, clock: &C) -> Self {
        let buckets = |count| Buckets::new(count, limits.window, clock.clone());
        let api = NonZeroU32::new(limits.api).and_then(buckets);
        let uploads = NonZeroU32::new(limits.uploads).filter(|_| api.is_some()).and_then(buckets);
        Self { api, uploads }
    }

    /// Counts a request. An upload counts against both its own limit and that of all requests; the answer is about the
    /// one that refuses it, else about its own. `None` where there is no limit.
    pub fn count(&self, class: Class, client: &Client) -> Option<Standing> {
        let any = self.api.as_ref()?.count(client);
        let own = match (class, &self.uploads) {
            (Class::Upload, Some(uploads)) if any.refused.is_none() => uploads.count(client),
            _ => return Some(any),
        };
        Some(own)
    }
}

type Store = DashMapStateStore<Client>;

struct Buckets<C: Clock + Clone> {
    limit: NonZeroU32,
    window: Duration,
    clock: C,
    limiter: RateLimiter<Client, Store, C, StateInformationMiddleware>,
    counted: AtomicU32,
    crowded: AtomicBool,
}

impl<C: Clock + Clone> Buckets<C> {
    fn new(limit: NonZeroU32, window: Duration, clock: C) -> Option<Self> {
        // A window of no time is no limit.
        let quota = Quota::with_period(window.checked_div(limit.get())?)?.allow_burst(limit);
        let limiter = RateLimiter::<_, _, _, NoOpMiddleware<C::Instant>>::new(quota, Store::default(), clock.clone()).with_middleware();
        Some(Self { limit, window, clock, limiter, counted: AtomicU32::new(0), crowded: AtomicBool::new(false) })
    }

    fn count(&self, client: &Client) -> Standing {
        if self.counted.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.sweep();
        }
        let client = client.grouped(self.crowded.load(Ordering::Relaxed));
        match self.limiter.check_key(&client) {
            Ok(snapshot) => self.standing(snapshot.remaining_burst_capacity(), None),
            Err(refusal) => self.standing(0, Some(self.wait(&refusal))),
        }
    }

    fn wait(&self, refusal: &NotUntil<C::Instant>) -> Duration {
        refusal.wait_time_from(self.clock.now())
    }

    fn standing(&self, remaining: u32, refused: Option<Duration>) -> Standing {
        let limit = self.limit.get();
        let used = limit.saturating_sub(remaining);
        let reset = self.window.checked_div(limit).unwrap_or_default().saturating_mul(used);
        Standing { limit, window: self.window, remaining, reset, refused }
    }

    fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
        self.crowded.store(self.limiter.len() > CLIENTS, Ordering::Relaxed);
    }
}

impl Client {
    /// The client as it is counted. In a crowd, which is how it looks when somebody has very many addresses, an address
    /// counts by a wider network.
    fn grouped(&self, crowded: bool) -> Cow<'_, Self> {
        match self {
            Self::Caller(_) => Cow::Borrowed(self),
            Self::Address(address) => Cow::Owned(Self::Address(match address.to_canonical() {
                IpAddr::V4(address) if crowded => {
                    let [a, b, ..] = address.octets();
                    IpAddr::from([a, b, 0, 0])
                }
                IpAddr::V6(address) if crowded => network(address, 32).into(),
                address => customer(address),
            })),
        }
    }
}

/// An address as requests are counted by it: an IPv6 address by its /56, which is what one customer gets.
pub fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => network(address, 56).into(),
    }
}

/// The first address of the network of so many bits that an address is in.
const fn network(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> bits))
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn address(text: &str) -> Client {
        Client::Address(text.parse().unwrap())
    }

    fn limiter(api: u32, uploads: u32) -> (Limiter<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Limiter::with_clock(RateLimits { api, uploads, window: Duration::from_mins(1) }, &clock), clock)
    }

    #[test]
    fn a_window_takes_its_number_of_requests_and_refills_steadily() {
        let (limiter, clock) = limiter(3, 0);
        let ask = || limiter.count(Class::Api, &address("192.0.2.1")).unwrap();
        assert_eq!(
            ask(),
            Standing { limit: 3, window: Duration::from_mins(1), remaining: 2, reset: Duration::from_secs(20), refused: None }
        );
        assert_eq!((ask().remaining, ask().remaining), (1, 0));
        let refused = ask();
        assert_eq!((refused.remaining, refused.reset, refused.refused), (0, Duration::from_mins(1), Some(Duration::from_secs(20))));
        clock.advance(Duration::from_secs(19));
        assert_eq!(ask().refused, Some(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(1));
        assert_eq!((ask().refused, ask().refused.is_some()), (None, true));
    }

    #[test]
    fn clients_are_counted_apart_and_one_customers_addresses_together() {
        let (limiter, _) = limiter(1, 0);
        let passes = |client: &Client| limiter.count(Class::Api, client).unwrap().refused.is_none();
        for (client, expected) in [
            (address("192.0.2.1"), true),
            (address("192.0.2.1"), false),
            (address("::ffff:192.0.2.1"), false),
            (address("192.0.2.2"), true),
            (address("2001:db8:0:1::1"), true),
            (address("2001:db8:0:ff::2"), false),
            (address("2001:db8:0:100::1"), true),
            (Client::Caller("owner".to_owned()), true),
            (Client::Caller("owner".to_owned()), false),
            (Client::Caller("other".to_owned()), true),
        ] {
            assert_eq!(passes(&client), expected, "{client:?}");
        }
    }

    #[test]
    fn an_upload_counts_twice_and_other_requests_once() {
        let (limiter, _) = limiter(3, 1);
        let client = address("192.0.2.1");
        assert_eq!(limiter.count(Class::Upload, &client).unwrap().limit, 1);
        assert!(limiter.count(Class::Upload, &client).unwrap().refused.is_some());
        assert_eq!(limiter.count(Class::Api, &client).unwrap().remaining, 0);
        let exhausted = limiter.count(Class::Upload, &client).unwrap();
        assert_eq!((exhausted.limit, exhausted.refused.is_some()), (3, true));
    }

    #[test]
    fn zero_is_no_limit() {
        let client = address("192.0.2.1");
        let (limiter, _) = limiter(0, 1);
        assert_eq!(limiter.count(Class::Upload, &client), None);
        assert_eq!(Limiter::new(RateLimits::OFF).count(Class::Api, &client), None);
    }

    #[test]
    fn whoever_has_stopped_asking_is_forgotten() {
        let (limiter, clock) = limiter(2, 0);
        for number in 0..SWEEP - 1 {
            limiter.count(Class::Api, &Client::Address(IpAddr::from(number.to_be_bytes()))).unwrap();
        }
        let known = || limiter.api.as_ref().unwrap().limiter.len();
        assert_eq!(known(), SWEEP as usize - 1);
        clock.advance(Duration::from_secs(61));
        limiter.count(Class::Api, &address("192.0.2.1")).unwrap();
        assert_eq!(known(), 1);
    }

    #[test]
    fn in_a_crowd_addresses_count_by_wider_networks() {
        for (one, other) in [("192.0.2.1", "192.0.77.9"), ("2001:db8:1::1", "2001:db8:ffff::9")] {
            assert_ne!(address(one).grouped(false), address(other).grouped(false));
            assert_eq!(address(one).grouped(true), address(other).grouped(true));
        }
        let owner = Client::Caller("owner".to_owned());
        assert_eq!(*owner.grouped(true), owner);
    }
}
