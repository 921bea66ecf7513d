//! The vault: AES-256-GCM under a key that only this server has, each secret bound to its agent and name.
//!
//! A sealed secret is `version (1 byte) | key id (4) | nonce (12) | ciphertext and tag`. The key id names the key among
//! those the server holds, so that a new one can be brought in while old secrets still open.

use std::sync::Arc;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use core_types::AgentId;
use core_types::secrets::{ElizaOsSecret, SealedSecret, Secret, Vault, VaultError};
use hkdf::Hkdf;
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::elizaos::{ElizaOs, looks_sealed};

/// The length of a key in bytes.
pub const KEY_BYTES: usize = 32;

const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;

struct Key {
    id: [u8; KEY_ID_BYTES],
    cipher: Aes256Gcm,
}

/// What a vault has a key for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// To seal, and to open.
    Seal,
    /// To open alone, since it sealed earlier.
    Open,
}

/// Seals with its first key and opens with any of its keys.
pub struct SecretVault {
    keys: RwLock<Ring>,
    elizaos: ElizaOs,
}

struct Ring {
    primary: Arc<Key>,
    retired: Vec<Arc<Key>>,
}

impl std::fmt::Debug for SecretVault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SecretVault").field("retired", &self.keys.read().retired.len()).finish_non_exhaustive()
    }
}

impl SecretVault {
    /// A vault under a random key, as a key file holds it.
    pub fn with_key(key: [u8; KEY_BYTES]) -> Self {
        let keys = Ring { primary: Arc::new(Key::derive(key)), retired: Vec::new() };
        Self { keys: RwLock::new(keys), elizaos: ElizaOs::new() }
    }

    /// A vault under a key derived from a passphrase (`SECRET_SALT`), which also reads what elizaOS sealed with it.
    pub fn with_passphrase(passphrase: &Secret) -> Self {
        let mut vault = Self::with_key(master(passphrase));
        vault.elizaos.try_first(passphrase.reveal());
        vault
    }

    /// Also opens what was sealed under an earlier passphrase, here or by elizaOS.
    pub fn and_opens_with(mut self, earlier: &Secret) -> Self {
        self.elizaos.try_first(earlier.reveal());
        self.and_opens(master(earlier))
    }

    /// Also opens what an earlier key sealed.
    pub fn and_opens(self, earlier: [u8; KEY_BYTES]) -> Self {
        self.keys.write().retired.push(Arc::new(Key::derive(earlier)));
        self
    }

    /// Seals with this key from now on, and still opens with those before.
    pub fn renew(&self, key: [u8; KEY_BYTES]) {
        let mut keys = self.keys.write();
        let before = std::mem::replace(&mut keys.primary, Arc::new(Key::derive(key)));
        keys.retired.insert(0, before);
    }

    /// Opens with the key that seals alone.
    pub fn forget_old(&self) {
        self.keys.write().retired.clear();
    }

    /// What the vault has this key for. `None` where it does not have it.
    pub fn use_of(&self, key: [u8; KEY_BYTES]) -> Option<KeyUse> {
        let Key { id, .. } = Key::derive(key);
        let keys = self.keys.read();
        if keys.primary.id == id {
            return Some(KeyUse::Seal);
        }
        keys.retired.iter().any(|key| key.id == id).then_some(KeyUse::Open)
    }

    fn primary(&self) -> Arc<Key> {
        Arc::clone(&self.keys.read().primary)
    }

    fn key(&self, id: &[u8]) -> Option<Arc<Key>> {
        let keys = self.keys.read();
        std::iter::once(&keys.primary).chain(&keys.retired).find(|key| key.id == id).cloned()
    }
}

fn master(passphrase: &Secret) -> [u8; KEY_BYTES] {
    Sha256::digest(passphrase.reveal().as_bytes()).into()
}

impl Key {
    /// The cipher's key and the public key id come from the master key by HKDF, under labels of their own.
    fn derive(mut master: [u8; KEY_BYTES]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, &master);
        master.zeroize();
        let mut key = [0; KEY_BYTES];
        let mut id = [0; KEY_ID_BYTES];
        // HKDF refuses only outputs beyond 255 hash lengths; these are 32 and 4 bytes.
        let _ = hkdf.expand(b"doolittle secrets v1", &mut key);
        let _ = hkdf.expand(b"doolittle key id v1", &mut id);
        let cipher = Aes256Gcm::new(&key.into());
        key.zeroize();
        Self { id, cipher }
    }
}

/// What a secret is bound to: it opens for no other agent and under no other name.
fn binding(agent: AgentId, name: &str) -> String {
    format!("agent:{agent}:{name}")
}

impl Vault for SecretVault {
    fn seal(&self, agent: AgentId, name: &str, secret: &Secret) -> Result<SealedSecret, VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| VaultError::CannotSeal)?;
        let binding = binding(agent, name);
        let payload = Payload { msg: secret.reveal().as_bytes(), aad: binding.as_bytes() };
        let primary = self.primary();
        let ciphertext = primary.cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| VaultError::CannotSeal)?;
        let sealed = [&[VERSION][..], &primary.id, &nonce, &ciphertext].concat();
        Ok(SealedSecret { name: name.to_owned(), sealed })
    }

    fn open(&self, agent: AgentId, sealed: &SealedSecret) -> Result<Secret, VaultError> {
        let (key, nonce, ciphertext) = self.parts(&sealed.sealed).ok_or(VaultError::CannotOpen)?;
        let binding = binding(agent, &sealed.name);
        let payload = Payload { msg: ciphertext, aad: binding.as_bytes() };
        let plain = key.cipher.decrypt(&Nonce::from(nonce), payload).map_err(|_| VaultError::CannotOpen)?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| VaultError::CannotOpen)
    }

    fn is_current(&self, sealed: &SealedSecret) -> bool {
        self.parts(&sealed.sealed).is_some_and(|(key, ..)| key.id == self.primary().id)
    }

    fn read_elizaos(&self, given: &Secret) -> ElizaOsSecret {
        match self.elizaos.open(given.reveal()) {
            Some(secret) => ElizaOsSecret::Opened(secret),
            None if looks_sealed(given.reveal()) => ElizaOsSecret::Locked,
            None => ElizaOsSecret::Plain,
        }
    }
}

impl SecretVault {
    fn parts<'s>(&self, sealed: &'s [u8]) -> Option<(Arc<Key>, [u8; NONCE_BYTES], &'s [u8])> {
        let (version, rest) = sealed.split_first()?;
        let (id, rest) = rest.split_at_checked(KEY_ID_BYTES)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let key = self.key(id)?;
        (*version == VERSION).then_some((key, *nonce, ciphertext))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> AgentId {
        AgentId::of_name(name)
    }

    #[test]
    fn a_secret_comes_back_and_never_shows() {
        let vault = SecretVault::with_key([7; KEY_BYTES]);
        let secret = Secret::new("pässwörd 🔑");
        let sealed = vault.seal(agent("A"), "KEY", &secret).unwrap();
        assert!(!sealed.sealed.windows(4).any(|window| secret.reveal().as_bytes().starts_with(window)));
        assert_eq!(vault.open(agent("A"), &sealed), Ok(secret));
        assert_ne!(vault.seal(agent("A"), "KEY", &Secret::new("x")), vault.seal(agent("A"), "KEY", &Secret::new("x")));
    }

    #[test]
    fn it_opens_for_no_other_agent_name_or_key() {
        let vault = SecretVault::with_key([7; KEY_BYTES]);
        let sealed = vault.seal(agent("A"), "KEY", &Secret::new("s")).unwrap();
        let renamed = SealedSecret { name: "OTHER".to_owned(), ..sealed.clone() };
        assert_eq!(vault.open(agent("B"), &sealed), Err(VaultError::CannotOpen));
        assert_eq!(vault.open(agent("A"), &renamed), Err(VaultError::CannotOpen));
        assert_eq!(SecretVault::with_key([8; KEY_BYTES]).open(agent("A"), &sealed), Err(VaultError::CannotOpen));
    }

    #[test]
    fn every_flipped_or_missing_byte_is_noticed() {
        let vault = SecretVault::with_key([7; KEY_BYTES]);
        let sealed = vault.seal(agent("A"), "KEY", &Secret::new("secret")).unwrap();
        for index in 0..sealed.sealed.len() {
            let mut damaged = sealed.clone();
            damaged.sealed[index] ^= 1;
            assert_eq!(vault.open(agent("A"), &damaged), Err(VaultError::CannotOpen), "byte {index}");
            damaged.sealed.truncate(index);
            assert_eq!(vault.open(agent("A"), &damaged), Err(VaultError::CannotOpen), "cut at {index}");
        }
    }

    #[test]
    fn what_elizaos_sealed_is_told_from_what_it_did_not() {
        let vault = SecretVault::with_key([7; KEY_BYTES]);
        let read = |text: &str| vault.read_elizaos(&Secret::new(text));
        let sealed = "000102030405060708090a0b0c0d0e0f:630af98c23a0ea9b51e90ccee7b4850e";
        assert_eq!(read(sealed), ElizaOsSecret::Opened(Secret::new("sk-test-123")));
        let with_salt = "00112233445566778899aabbccddeeff:e1c25af1b1178b1000e584aa0b424dfa";
        assert_eq!(read(with_salt), ElizaOsSecret::Locked);
        assert_eq!(read("sk-plain"), ElizaOsSecret::Plain);
        let salt = Secret::new("my-32-byte-salt-value-for-prod!!");
        for knows in [SecretVault::with_passphrase(&salt), vault.and_opens_with(&salt)] {
            assert_eq!(knows.read_elizaos(&Secret::new(with_salt)), ElizaOsSecret::Opened(Secret::new("pässwörd 🔑")));
        }
    }

    #[test]
    fn a_new_key_seals_and_those_before_open_until_they_are_forgotten() {
        let vault = SecretVault::with_key([1; KEY_BYTES]);
        let old = vault.seal(agent("A"), "KEY", &Secret::new("s")).unwrap();
        assert!(vault.is_current(&old));
        vault.renew([2; KEY_BYTES]);
        assert!(!vault.is_current(&old));
        assert_eq!(vault.open(agent("A"), &old), Ok(Secret::new("s")));
        let new = vault.seal(agent("A"), "KEY", &Secret::new("s")).unwrap();
        assert!(vault.is_current(&new));
        let uses = [1, 2, 3].map(|byte| vault.use_of([byte; KEY_BYTES]));
        assert_eq!(uses, [Some(KeyUse::Open), Some(KeyUse::Seal), None]);
        vault.forget_old();
        assert_eq!(vault.use_of([1; KEY_BYTES]), None);
        assert_eq!(vault.open(agent("A"), &new), Ok(Secret::new("s")));
        assert!(vault.open(agent("A"), &old).is_err());
    }

    #[test]
    fn a_retired_key_still_opens_what_it_sealed() {
        let old = SecretVault::with_key([1; KEY_BYTES]).seal(agent("A"), "KEY", &Secret::new("old")).unwrap();
        let vault = SecretVault::with_passphrase(&Secret::new("new")).and_opens([1; KEY_BYTES]);
        assert_eq!(vault.open(agent("A"), &old), Ok(Secret::new("old")));
    }
}
