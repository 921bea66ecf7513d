//! The API as clients see it: a real server, real sockets, a real database. One module per resource says who does what.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper of a test fails by panicking, like the test"
)]

mod agents;
mod attacks;
mod audio;
mod auth;
mod authz;
mod channels;
mod creating;
mod document;
mod edits;
mod envelope;
mod events;
mod exchange;
mod idempotency;
mod jobs;
mod lifecycle;
mod media;
mod memories;
mod messages;
mod models;
mod pipelines;
mod routes;
mod secrets;
mod servers;
mod sessions;
mod sharing;
mod snapshots;
mod socket_transports;
mod sockets;
mod support;
mod system;
mod tee;
mod worlds;
