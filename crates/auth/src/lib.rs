//! Verifying credentials, counting requests and keeping secrets. No HTTP: a transport hands in what was presented and gets a caller.

mod elizaos;
mod keyring;
mod limiter;
mod signing;
mod vault;

pub use keyring::Keyring;
pub use limiter::{Class, Client, Limiter, RateLimits, Standing};
pub use signing::{InvalidSeed, SigningKey};
pub use vault::{KEY_BYTES, SecretVault};
