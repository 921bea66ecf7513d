//! What every other crate of Doolittle agrees on: ids, entities, the error taxonomy, the outbound ports that adapters
//! implement (repositories, bus, models, speech, vault, clock, ids) and the inbound service traits that a transport calls.
//!
//! This crate does no I/O and names no framework. An adapter (a model provider, a database, a bus) depends on it alone.
//!
//! Conventions: ids are newtypes over UUIDs; times are [`Timestamp`]s, whole milliseconds since the Unix epoch; a missing
//! thing is `Ok(None)`, an error is something that went wrong; every future is `Send`.

pub mod access;
pub mod actions;
pub mod agents;
pub mod bus;
pub mod caller;
pub mod character;
pub mod clock;
pub mod deliveries;
pub mod embeddings;
pub mod error;
pub mod fetch;
pub mod ids;
pub mod jobs;
pub mod json;
pub mod keys;
pub mod knowledge;
pub mod media;
pub mod memory;
pub mod messaging;
pub mod models;
pub mod moving;
pub mod page;
pub mod repeats;
pub mod rooms;
pub mod runs;
pub mod secrets;
pub mod sessions;
pub mod settings;
pub mod speech;
pub mod system;
pub mod tee;
pub mod worlds;

pub use caller::{Caller, Credential, Permission, Reach, Tenant};
pub use clock::{Clock, Ids, Randomness, Timestamp};
pub use error::{InvalidCode, ServiceError, ServiceResult, StoreError, StoreResult, Thing};
pub use ids::{
    AgentId, ChannelId, DeliveryId, EntityId, JobId, KeyId, LogId, MediaId, MemoryId, MessageId, MessageServerId, RoomId, RunId, SessionId,
    WorldId,
};
pub use json::Json;
pub use page::{Listed, Page};
pub use secrets::Secret;

/// A JSON object whose keys we do not interpret; key order is kept.
pub type JsonObject = serde_json::Map<String, serde_json::Value>;
