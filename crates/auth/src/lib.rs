//! Verifying credentials and keeping secrets. No HTTP: a transport hands in what was presented and gets a caller.

mod keyring;
mod vault;

pub use keyring::Keyring;
pub use vault::{KEY_BYTES, SecretVault};
