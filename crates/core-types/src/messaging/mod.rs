//! The central plane: message servers, channels, messages and what happens on a channel.

mod channels;
mod events;
mod messages;
mod posting;
mod replies;
mod servers;

pub use channels::{
    Channel, ChannelAdded, ChannelChange, ChannelRepository, ChannelService, METADATA_BYTES, Membership, NAME_CHARS, NewChannel,
    SyncedChannel,
};
pub use events::{ChannelEvent, Completion, EventBody, EventKind, EventStream, StreamItem};
pub use messages::{
    ChannelVersion, EVENTS_BYTES, FoundMessages, Message, MessageChange, MessageDraft, MessagePage, MessagePlace, MessageRepository,
    MessageSearch, MessageWindow, MessagingService, PAGE_BYTES, SEARCHED, SEARCHED_BYTES, TITLE_MESSAGES, Title,
};
pub use posting::{Beside, Door, IdempotencyKey, NewMessage, PostMessage, PostOutcome, PostReceipt, Posted, Wake};
pub use replies::{ReplyEvent, ReplyForm, ReplyStream};
pub use servers::{Linked, MessageServer, NewServer, ServerChange, ServerRepository, ServerService};

/// The metadata flag of a channel that lets agents answer agents.
pub const ALLOW_AGENT_TO_AGENT: &str = "allowAgentToAgent";

/// The most participants of a channel.
pub const MAX_PARTICIPANTS: usize = 1_000;

/// Agent turns after the last human message, at which talk among agents stops.
pub const MAX_AGENT_TURNS: i32 = 8;

/// The kinds of channels in which somebody talks with one agent alone.
pub const DIRECT_KINDS: [&str; 4] = ["DM", "VOICE_DM", "SELF", "API"];

/// Whether a channel of this kind, however it is spelled, is direct: what is said there is between two, and the agent always answers
/// (contract §6.3).
pub fn is_direct(kind: &str) -> bool {
    DIRECT_KINDS.contains(&kind.to_ascii_uppercase().as_str())
}
