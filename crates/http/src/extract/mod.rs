//! What handlers take out of a request. Each fails with the envelope.

mod authorized;
mod body;
mod fields;
mod ids;
mod query;
mod sender;

pub(crate) use authorized::{Authorized, Known, permission, still_counts};
pub(crate) use body::{JsonBody, body_is_done};
pub(crate) use fields::{Fields, check_metadata, whole};
pub(crate) use ids::{
    AgentPath, ChannelPath, DocumentPath, JobPath, KeyPath, LogPath, MediaFilePath, MemoryPath, MessagePath, RoomPath, RunPath, ServerPath,
    SessionPath, WorldPath,
};
pub(crate) use query::Query;
pub(crate) use sender::{Sender, idempotency_key, idempotency_key_parameter};
