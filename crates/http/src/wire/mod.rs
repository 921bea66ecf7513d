//! Wire types: how entities look in JSON, and how bodies become requests.

pub(crate) mod agents;
pub(crate) mod audio;
pub(crate) mod channels;
pub(crate) mod character;
pub(crate) mod documents;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod manage;
pub(crate) mod media;
pub(crate) mod memories;
pub(crate) mod messages;
pub(crate) mod posts;
pub(crate) mod replies;
pub(crate) mod rooms;
pub(crate) mod runs;
pub(crate) mod servers;
pub(crate) mod sessions;
pub(crate) mod sockets;
pub(crate) mod system;
pub(crate) mod tee;
pub(crate) mod worlds;
