//! The services of Doolittle, one module per resource, over the ports of `core-types`.
//!
//! A transport (HTTP, a socket, another Rust program) calls the service traits; this crate implements them over a store,
//! a bus, a vault, a clock and a source of ids that it is handed. It does no I/O of its own and knows no framework:
//! `examples/embed.rs` runs an agent with it in some fifty lines.

mod agents;
mod audio;
mod channels;
mod jobs;
mod keys;
mod knowledge;
mod media;
mod memories;
mod messaging;
mod moving;
mod one_at_a_time;
mod permission;
mod places;
mod repeats;
mod rooms;
mod runs;
mod secrets;
mod servers;
mod sessions;
mod system;
mod tee;
mod tell;
mod whole;
mod worlds;

/// What the targets in `tests/fuzz/parsers` call. Compiled for them alone.
#[cfg(fuzzing)]
pub mod fuzzing {
    pub use crate::knowledge::fuzzed as knowledge;
}

pub use agents::Agents;
pub use audio::{Audio, AudioPorts};
pub use channels::Channels;
pub use jobs::Jobs;
pub use keys::Keys;
pub use knowledge::{Knowledge, KnowledgePorts};
pub use media::{AttachmentPorts, Attachments, Collected, Media, MediaCollector, MediaLimits, MediaPorts};
pub use memories::Memories;
pub use messaging::{Messaging, MessagingLimits, MessagingPorts};
pub use moving::{Kind as MovingKind, Left, MovingError, MovingIn, MovingPorts, Progress, Report, Tally, is_export, leave};
pub use one_at_a_time::OneAtATime;
pub use permission::Access;
pub use places::LongReads;
pub use repeats::Repeats;
pub use rooms::Rooms;
pub use runs::Runs;
pub use secrets::{Sealing, Secrets};
pub use servers::Servers;
pub use sessions::{SessionLimits, SessionPorts, Sessions};
pub use system::System;
pub use tee::{Enclave, Tee};
pub use worlds::Worlds;
