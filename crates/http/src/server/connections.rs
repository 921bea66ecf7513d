//! Who holds how many connections, so that one address does not keep everybody else out.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ipnet::IpNet;
use parking_lot::Mutex;

use crate::holdings::Holdings;
use crate::limits;

/// The connections of a server.
pub(crate) struct Connections {
    /// How many there may be.
    most: usize,
    /// Networks of proxies. Whose connection one of theirs is shows only in its requests.
    proxies: Vec<IpNet>,
    /// How many there are. It is changed while the holdings are locked, and read at any time.
    taken: AtomicUsize,
    holdings: Mutex<Holdings<IpAddr>>,
}

/// A connection's slot among all, until it is dropped.
pub(crate) struct ConnectionSlot {
    connections: Arc<Connections>,
    /// Where it comes from, if that has a share.
    address: Option<IpAddr>,
}

impl Connections {
    /// So many slots, and the networks of proxies, which have no share.
    pub(crate) fn new(most: usize, proxies: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { most, proxies, taken: AtomicUsize::new(0), holdings: Mutex::new(Holdings::new(most)) })
    }

    /// A slot for a connection from here. `None` where more than half of all are taken and the address, an IPv6 one with its network,
    /// has its share. How many there are in all is the listener's business.
    pub(crate) fn take(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<ConnectionSlot> {
        let address = peer.filter(|peer| self.has_share(*peer)).map(auth::customer);
        let mut holdings = self.holdings.lock();
        let taken = self.taken.load(Ordering::Relaxed) + 1;
        if !holdings.take(address.as_ref()) {
            if taken > limits::unshared_connections(self.most) {
                return None;
            }
            holdings.take_beyond(address.as_ref());
        }
        self.taken.store(taken, Ordering::Relaxed);
        drop(holdings);
        Some(ConnectionSlot { connections: Arc::clone(self), address })
    }

    /// Whether there are so few slots left that those who show no key should not keep theirs.
    pub(crate) fn are_few_left(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > limits::kept_connections(self.most)
    }

    /// At this machine and in private networks are proxies, whose clients cannot be told apart here, and what is the operator's own.
    fn has_share(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_near = match address {
            IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local() || is_shared(address),
            IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
        };
        !is_near && !self.proxies.iter().any(|network| network.contains(&address))
    }
}

/// Whether an address is of 100.64/10, behind which a carrier, a cluster or an overlay network has its own (RFC 6598).
const fn is_shared(address: Ipv4Addr) -> bool {
    matches!(address.octets(), [100, 64..=127, _, _])
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut holdings = self.connections.holdings.lock();
        holdings.give_back(self.address.as_ref());
        self.connections.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_half_of_all_are_taken_an_address_has_no_more_than_a_quarter() {
        let connections = Connections::new(16, Vec::new());
        let take = |address: &str| connections.take(Some(address.parse().unwrap()));
        let mut flood: Vec<_> = (0..8).map(|_| take("203.0.113.9").unwrap()).collect();
        assert!(take("203.0.113.9").is_none());
        let others: Vec<_> = (0..4).map(|_| take("2001:db8:0:1::1").unwrap()).collect();
        assert!(take("2001:db8:0:ff::2").is_none(), "it is in the same network");
        assert!(take("2001:db8:0:100::1").is_some() && take("203.0.113.10").is_some(), "there is some for others");
        flood.truncate(3);
        flood.push(take("203.0.113.9").unwrap());
        assert!(take("2001:db8:0:1::1").is_none());
        flood.pop();
        assert!(take("2001:db8:0:1::1").is_some(), "no more than half are taken");
        drop((flood, others));
        assert_eq!(connections.taken.load(Ordering::Relaxed), 0);
        let near: Vec<_> = (0..9).filter_map(|_| take("127.0.0.1")).collect();
        let again: Vec<_> = (0..9).filter_map(|_| take("203.0.113.9")).collect();
        assert_eq!((near.len(), again.len()), (9, 4), "what it held before is given back");
    }

    #[test]
    fn this_machine_and_private_networks_and_proxies_have_no_share() {
        for address in [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "::ffff:10.1.2.3",
            "::ffff:100.64.0.1",
            "fd00::1",
            "fe80::1",
            "198.51.100.7",
        ] {
            let connections = Connections::new(8, vec!["198.51.100.0/24".parse().unwrap()]);
            let taken: Vec<_> = (0..8).filter_map(|_| connections.take(Some(address.parse().unwrap()))).collect();
            assert_eq!(taken.len(), 8, "{address}");
            assert!(connections.take(Some("203.0.113.9".parse().unwrap())).is_some(), "it holds nothing yet");
        }
    }

    #[test]
    fn beside_the_shared_network_addresses_are_public() {
        for address in ["100.63.255.255", "100.128.0.0"] {
            let connections = Connections::new(8, Vec::new());
            let taken: Vec<_> = (0..8).filter_map(|_| connections.take(Some(address.parse().unwrap()))).collect();
            assert_eq!(taken.len(), 4, "{address}");
        }
    }

    #[test]
    fn few_are_left_beyond_three_quarters() {
        let connections = Connections::new(8, Vec::new());
        let mut taken: Vec<_> = (0..6).map(|_| connections.take(None)).collect();
        assert!(!connections.are_few_left());
        taken.push(connections.take(None));
        assert!(connections.are_few_left());
        taken.pop();
        assert!(!connections.are_few_left());
    }
}
