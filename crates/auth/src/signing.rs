//! The key that answers are signed with: Ed25519 (RFC 8032).

use core_types::tee::{PublicKey, Signer};
use derive_more::{Display, Error};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::vault::KEY_BYTES;

/// A key to sign with. Its `Debug` shows the public half.
#[derive(Debug)]
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// The seed makes no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Error)]
#[display("the seed makes no Ed25519 key")]
pub struct InvalidSeed;

impl SigningKey {
    /// The key of a seed, which must be random and secret: the private key of RFC 8032.
    pub fn from_seed(seed: &[u8; KEY_BYTES]) -> Result<Self, InvalidSeed> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| InvalidSeed)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| InvalidSeed)?;
        Ok(Self { pair, public })
    }
}

impl Signer for SigningKey {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    /// The second test of RFC 8032, section 7.1.
    #[test]
    fn a_seed_makes_the_key_and_the_signature_of_the_standard() {
        let mut seed = [0; KEY_BYTES];
        hex::decode_to_slice("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", &mut seed).unwrap();
        let key = SigningKey::from_seed(&seed).unwrap();
        assert_eq!(hex::encode(key.public_key()), "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                        085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(hex::encode(key.sign(&[0x72])), expected);
        assert!(UnparsedPublicKey::new(&ED25519, key.public_key()).verify(&[0x73], &key.sign(&[0x72])).is_err());
    }

    #[test]
    fn a_key_does_not_show_its_seed() {
        let shown = format!("{:?}", SigningKey::from_seed(&[0xab; KEY_BYTES]).unwrap());
        assert!(!shown.contains("abab") && !shown.contains("171, 171"), "{shown}");
    }
}
