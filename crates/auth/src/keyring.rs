//! Which credentials make which caller.

use core_types::{Caller, Secret};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The server's keys, hashed.
#[derive(Clone)]
pub struct Keyring {
    master: Option<[u8; 32]>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keyring").field("requires_key", &self.requires_key()).finish()
    }
}

impl Keyring {
    /// A keyring with a master key; without one, whoever the transport lets in is the owner ([`Keyring::keyless`]).
    pub fn new(master: Option<&Secret>) -> Self {
        Self { master: master.map(|key| digest(key.reveal())) }
    }

    /// Whether callers must present a key.
    pub const fn requires_key(&self) -> bool {
        self.master.is_some()
    }

    /// Who presents this key. Takes the same time for every wrong key.
    pub fn verify(&self, presented: &str) -> Option<Caller> {
        let presented = digest(presented);
        // Hashing first makes the lengths equal, so that nothing of the key shows in the time taken.
        self.master.filter(|master| bool::from(master.ct_eq(&presented))).map(|_| Caller::owner())
    }

    /// Who comes without a key: the owner where none is configured, else nobody.
    pub const fn keyless(&self) -> Option<Caller> {
        if self.requires_key() { None } else { Some(Caller::owner()) }
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::Keyring;
    use core_types::{Caller, Secret};

    #[test]
    fn only_the_whole_key_opens() {
        let ring = Keyring::new(Some(&Secret::new("right")));
        assert_eq!(ring.verify("right"), Some(Caller::owner()));
        for wrong in ["", "righ", "right ", "rightt", "RIGHT"] {
            assert_eq!(ring.verify(wrong), None, "{wrong:?}");
        }
        assert_eq!(ring.keyless(), None);
    }

    #[test]
    fn without_a_key_nothing_verifies_and_the_transport_decides() {
        let ring = Keyring::new(None);
        assert_eq!(ring.verify(""), None);
        assert_eq!(ring.keyless(), Some(Caller::owner()));
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", Keyring::new(Some(&Secret::new("right")))), "Keyring { requires_key: true }");
    }
}
