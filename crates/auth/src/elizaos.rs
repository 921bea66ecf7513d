//! Reading secrets in elizaOS's form: AES-256-CBC with PKCS#7 padding under the SHA-256 of a salt, written as
//! `iv:ciphertext` in hex (contract §8.4). It is only read, to move in: the form carries nothing that shows a wrong salt.

use aes::Aes256;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7};
use core_types::Secret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The salt of every elizaOS server whose operator has set none.
const DEFAULT_SALT: &str = "secretsalt";

const IV_BYTES: usize = 16;
const BLOCK_BYTES: usize = 16;

/// Opens elizaOS's secrets with the salts that it knows.
pub(crate) struct ElizaOs {
    keys: Vec<Zeroizing<[u8; 32]>>,
}

impl ElizaOs {
    /// A reader that knows elizaOS's default salt.
    pub(crate) fn new() -> Self {
        Self { keys: vec![key(DEFAULT_SALT)] }
    }

    /// Also tries this salt, before those it knows.
    pub(crate) fn try_first(&mut self, salt: &str) {
        self.keys.insert(0, key(salt));
    }

    /// The value inside, where the text has the form and a known salt opens it. A wrong salt mostly shows by its padding,
    /// and else by what can be no setting: bytes that are no text, or control characters.
    pub(crate) fn open(&self, text: &str) -> Option<Secret> {
        let (iv, ciphertext) = parts(text)?;
        self.keys.iter().find_map(|key| {
            let mut buffer = Zeroizing::new(ciphertext.clone());
            let cipher = cbc::Decryptor::<Aes256>::new(&(**key).into(), &iv.into());
            let plain = cipher.decrypt_padded::<Pkcs7>(&mut buffer).ok()?;
            let text = std::str::from_utf8(plain).ok()?;
            (!text.chars().any(char::is_control)).then(|| Secret::new(text))
        })
    }
}

/// Whether a text has elizaOS's form.
pub(crate) fn looks_sealed(text: &str) -> bool {
    parts(text).is_some()
}

fn parts(text: &str) -> Option<([u8; IV_BYTES], Vec<u8>)> {
    let (iv, ciphertext) = text.split_once(':')?;
    let mut bytes = [0; IV_BYTES];
    hex::decode_to_slice(iv, &mut bytes).ok()?;
    let ciphertext = hex::decode(ciphertext).ok()?;
    (!ciphertext.is_empty() && ciphertext.len().is_multiple_of(BLOCK_BYTES)).then_some((bytes, ciphertext))
}

fn key(salt: &str) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(Sha256::digest(salt.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_released_code_are_read() {
        let mut reader = ElizaOs::new();
        reader.try_first("my-32-byte-salt-value-for-prod!!");
        for (sealed, plain) in [
            ("000102030405060708090a0b0c0d0e0f:630af98c23a0ea9b51e90ccee7b4850e", Some("sk-test-123")),
            ("0f0e0d0c0b0a09080706050403020100:7dfeb7e0c809bb0abec0a9d1c82352ab707c34cf1d5b48e188b8e55ca3d3c91c", Some("exactly16bytes!!")),
            ("ffffffffffffffffffffffffffffffff:598d2ac0158a6ed47e77ba7bb21e1e50", Some("")),
            ("00112233445566778899aabbccddeeff:e1c25af1b1178b1000e584aa0b424dfa", Some("pässwörd 🔑")),
            ("000102030405060708090a0b0c0d0e0f:deadbeef", None),
            ("host:port", None),
            ("sk-plain", None),
            ("000102030405060708090a0b0c0d0e0f:", None),
            ("000102030405060708090a0b0c0d0e0f:630af98c23a0ea9b51e90ccee7b4850f", None),
        ] {
            assert_eq!(reader.open(sealed), plain.map(Secret::new), "{sealed}");
        }
    }

    #[test]
    fn another_salt_opens_nothing() {
        let foreign = "00112233445566778899aabbccddeeff:e1c25af1b1178b1000e584aa0b424dfa";
        assert_eq!(ElizaOs::new().open(foreign), None);
        assert!(looks_sealed(foreign) && !looks_sealed("sk-plain"));
    }
}
