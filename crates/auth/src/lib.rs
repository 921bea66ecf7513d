//! Verifying credentials, counting requests and keeping secrets. No HTTP: a transport hands in what was presented and gets a caller.

mod elizaos;
mod keyring;
mod limiter;
mod ring_provider;
mod signing;
mod tokens;
mod vault;

pub use keyring::{Keyring, hash};
pub use limiter::{Class, Client, Limiter, RateLimits, Standing, customer};
pub use signing::{InvalidSeed, SigningKey};
pub use tokens::{InvalidTokenKey, TokenSettings, Tokens};
pub use vault::{KEY_BYTES, KeyUse, SecretVault};
