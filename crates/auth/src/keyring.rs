//! Which credentials make which caller.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use core_types::keys::ApiKey;
use core_types::{Caller, Credential, KeyId, Reach, Secret, Timestamp};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::tokens::Tokens;

/// The server's keys, hashed, and the tokens that it takes from others. Clones are the same keyring.
#[derive(Clone)]
pub struct Keyring(Arc<Inner>);

struct Inner {
    master: Option<[u8; 32]>,
    keys: RwLock<Keys>,
    tokens: Option<Tokens>,
}

#[derive(Default)]
struct Keys {
    by_hash: HashMap<[u8; 32], Held>,
    /// Which of them count, for streams that were opened with one.
    ids: HashSet<KeyId>,
}

struct Held {
    credential: Arc<Credential>,
    /// When it was shown last, in milliseconds; 0 where nothing new is to be told.
    used: AtomicI64,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tokens = self.0.tokens.is_some();
        formatter.debug_struct("Keyring").field("requires_key", &self.requires_key()).field("tokens", &tokens).finish_non_exhaustive()
    }
}

impl Keyring {
    /// A keyring with a master key; without one, whoever the transport lets in is the owner ([`Keyring::keyless`]).
    pub fn new(master: Option<&Secret>) -> Self {
        Self::with_tokens(master, None)
    }

    /// The same, which also takes tokens.
    pub fn with_tokens(master: Option<&Secret>, tokens: Option<Tokens>) -> Self {
        Self(Arc::new(Inner { master: master.map(|key| hash(key.reveal())), keys: RwLock::default(), tokens }))
    }

    /// Takes a key in. It counts from now on.
    pub fn take_in(&self, key: &ApiKey) {
        let reach = Reach { tenant: key.tenant.clone(), servers: key.servers.clone(), person: None };
        let expires_at = key.expires_at.map(Timestamp::millis);
        let credential = Credential { key: Some(key.id), permissions: key.permissions.clone(), reach, expires_at };
        let mut keys = self.0.keys.write();
        keys.ids.insert(key.id);
        keys.by_hash.insert(key.hash, Held { credential: Arc::new(credential), used: AtomicI64::new(0) });
    }

    /// Forgets a key. It does not count from now on.
    pub fn forget(&self, id: KeyId) {
        let mut keys = self.0.keys.write();
        keys.ids.remove(&id);
        keys.by_hash.retain(|_, held| held.credential.key != Some(id));
    }

    /// What takes tokens, where any are taken.
    pub fn tokens(&self) -> Option<&Tokens> {
        self.0.tokens.as_ref()
    }

    /// Whether callers must present a key.
    pub fn requires_key(&self) -> bool {
        self.0.master.is_some()
    }

    /// Who presents this key or token. Takes the same time for every wrong key.
    pub fn verify(&self, presented: &str, now: Timestamp) -> Option<Caller> {
        let hashed = hash(presented);
        // Hashing first makes the lengths equal, so that nothing of the key shows in the time taken.
        if self.0.master.is_some_and(|master| bool::from(master.ct_eq(&hashed))) {
            return Some(Caller::owner());
        }
        // Found by its hash, of which nobody can choose a part: how far it fits tells nothing.
        if let Some(held) = self.0.keys.read().by_hash.get(&hashed) {
            if is_over(&held.credential, now) {
                return None;
            }
            held.used.fetch_max(now.millis(), Ordering::Relaxed);
            return Some(Caller::tenant(Arc::clone(&held.credential)));
        }
        let credential = self.0.tokens.as_ref()?.verify(presented, now)?;
        Some(Caller::tenant(Arc::new(credential)))
    }

    /// Who comes without a key: the owner where none is configured, else nobody.
    pub fn keyless(&self) -> Option<Caller> {
        if self.requires_key() { None } else { Some(Caller::owner()) }
    }

    /// Whether what a caller showed once still counts: keys are revoked and credentials expire while streams are open.
    pub fn still_counts(&self, caller: &Caller, now: Timestamp) -> bool {
        let Some(credential) = caller.credential() else { return true };
        !is_over(credential, now) && credential.key.is_none_or(|id| self.0.keys.read().ids.contains(&id))
    }

    /// Which keys have been shown since the last call, and when last.
    pub fn uses(&self) -> Vec<(KeyId, Timestamp)> {
        let keys = self.0.keys.read();
        let used = keys.by_hash.values().filter_map(|held| Some((held.credential.key?, held.used.swap(0, Ordering::Relaxed))));
        used.filter(|(_, at)| *at > 0).map(|(id, at)| (id, Timestamp::from_millis(at))).collect()
    }
}

fn is_over(credential: &Credential, now: Timestamp) -> bool {
    credential.expires_at.is_some_and(|end| now.millis() >= end)
}

/// What is kept of a key.
pub fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use core_types::ids::string_to_uuid;
    use core_types::keys::ApiKey;
    use core_types::{Caller, KeyId, Permission, Secret, Tenant, Timestamp};

    use super::{Keyring, hash};

    const NOW: Timestamp = Timestamp::from_millis(1_000);

    fn key(text: &str, expires_at: Option<i64>) -> ApiKey {
        ApiKey {
            id: KeyId::new(string_to_uuid(text)),
            name: text.to_owned(),
            tenant: Tenant::new(text).unwrap(),
            permissions: vec![Permission::AgentsRead],
            servers: Vec::new(),
            hash: hash(text),
            created_at: Timestamp::from_millis(0),
            expires_at: expires_at.map(Timestamp::from_millis),
            last_used_at: None,
        }
    }

    #[test]
    fn only_the_whole_key_opens() {
        let ring = Keyring::new(Some(&Secret::new("right")));
        assert_eq!(ring.verify("right", NOW), Some(Caller::owner()));
        for wrong in ["", "righ", "right ", "rightt", "RIGHT"] {
            assert_eq!(ring.verify(wrong, NOW), None, "{wrong:?}");
        }
        assert_eq!(ring.keyless(), None);
    }

    #[test]
    fn without_a_key_nothing_verifies_and_the_transport_decides() {
        let ring = Keyring::new(None);
        assert_eq!(ring.verify("", NOW), None);
        assert_eq!(ring.keyless(), Some(Caller::owner()));
    }

    #[test]
    fn a_key_counts_until_it_is_over_or_revoked_and_tells_its_use_once() {
        let ring = Keyring::new(Some(&Secret::new("master")));
        let (lasting, short) = (key("lasting", None), key("short", Some(1_001)));
        ring.take_in(&lasting);
        ring.take_in(&short);
        let caller = ring.verify("lasting", NOW).unwrap();
        assert!(caller.may(Permission::AgentsRead) && !caller.may(Permission::AgentsWrite));
        assert_eq!(caller.makes_for(), Tenant::new("lasting"));
        assert_eq!(ring.uses(), [(lasting.id, NOW)]);
        assert_eq!(ring.uses(), []);
        let passing = ring.verify("short", NOW).unwrap();
        let later = Timestamp::from_millis(1_001);
        assert!(ring.still_counts(&passing, NOW) && !ring.still_counts(&passing, later));
        assert_eq!(ring.verify("short", later), None);
        ring.forget(lasting.id);
        assert!(!ring.still_counts(&caller, NOW));
        assert_eq!(ring.verify("lasting", NOW), None);
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", Keyring::new(Some(&Secret::new("right"))));
        assert!(shown.contains("requires_key: true") && !shown.contains("right"), "{shown}");
    }
}
