//! Engine.IO 4 and Socket.IO 5 without sockets: what a client sends goes in, what has to be done about it comes out.
//!
//! A transport (long polls, a websocket) owns the bytes and the clock. It decodes what arrives into [`engine::Packet`]s, hands
//! them to its [`Session`] with the present moment, and does what the [`Output`]s say. Nothing here waits, reads a clock or
//! opens anything, so a conversation is tested as a list of packets and a list of outputs.
//!
//! The protocols: <https://socket.io/docs/v4/engine-io-protocol/> and <https://socket.io/docs/v4/socket-io-protocol/>.

pub mod call;
pub mod engine;
pub mod packet;
mod session;

pub use call::{Call, EVENTS};
pub use engine::Frame;
pub use packet::{Event, Unreadable};
pub use session::{CONNECT_TIME, Closed, Output, PING_INTERVAL, PING_TIMEOUT, Session, Via};

/// What a client sent is not of the protocol. Its text says what is wrong, for a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, derive_more::Display, derive_more::Error)]
#[display("{_0}")]
pub struct Malformed(#[error(ignore)] pub &'static str);

/// The most binary attachments of one event. Nothing here asks for bytes: attachments are counted, and dropped as they come.
pub const MAX_ATTACHMENTS: usize = 16;

/// How often the client of one session may ask to connect, to a namespace that there is or to others.
pub const MAX_CONNECTS: usize = 16;
