//! The HTTP edge over services that are written by hand: what a handler passes on, and what it makes of the answer.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper of a test fails by panicking, like the test"
)]

mod agents;
mod audio;
mod channels;
mod clients;
mod edits;
mod envelope;
mod fakes;
mod figures;
mod gate;
mod headers;
mod lines;
mod manage;
mod media;
mod memories;
mod messages;
mod rates;
mod rooms;
mod runs;
mod servers;
mod sessions;
mod sockets;
mod streams;
mod support;
mod system;
mod tee;
mod worlds;
