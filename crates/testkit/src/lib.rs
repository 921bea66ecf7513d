//! Test server, callers, redactions, scripted models

pub mod asking;
pub mod caller;
pub mod clock;
pub mod gate;
#[cfg(unix)]
pub mod guest_agent;
pub mod house;
pub mod scripted;
pub mod scripted_provider;
pub mod server;
pub mod socket;
pub mod spec;
pub mod stage;
