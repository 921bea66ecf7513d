//! The agent server and its command line: settings, adapters, services and the HTTP application are put together here,
//! and nowhere else are concrete types of the other crates named.
//!
//! A run of `doolittle` goes: [`cli`] reads the arguments, [`config`] resolves every setting with its origin, [`serve`]
//! prepares the data directory, takes the [`lock`] and binds the port, [`wiring`] builds the server and runs it. The other
//! verbs are clients of a running server ([`client`]), look at the local one ([`migrate`], `config`), move agents in and out of it ([`moving`]),
//! take care of what it keeps (`care`), or check what one has said
//! ([`tee::verify`]).

mod care;
pub mod characters;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod data_dir;
mod embedders;
pub mod exit;
pub mod figures;
pub mod knowledge_files;
pub mod live_settings;
pub mod lock;
pub mod logging;
pub mod machine;
#[cfg(target_os = "linux")]
mod memory;
pub mod migrate;
pub mod moving;
mod open_files;
mod private_file;
mod program;
pub mod secret_key;
pub mod selftest;
pub mod serve;
pub mod speech;
pub mod startup;
mod sweep;
pub mod tee;
pub mod terminal;
pub mod upkeep;
pub mod wiring;

pub use program::{main, system};
