//! Ids in paths.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use core_types::media::MediaName;
use core_types::{
    AgentId, ChannelId, JobId, KeyId, LogId, MemoryId, MessageId, MessageServerId, RoomId, RunId, ServiceError, SessionId, Thing, WorldId,
};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::errors::{ApiError, Code};
use crate::openapi::params;

macro_rules! path_id {
    ($(#[$doc:meta])* $name:ident($id:ty), $segment:literal, $message:literal) => {
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) $id);

        impl FromRequest for $name {
            type Error = ApiError;
            type Future = Ready<Result<Self, ApiError>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let id = request.match_info().get($segment).and_then(|text| text.parse().ok());
                ready(id.map(Self).ok_or_else(|| ApiError::new(Code::InvalidId, $message)))
            }
        }

        impl IntoParams for $name {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                vec![params::id($segment)]
            }
        }
    };
}

path_id!(
    /// The `{agent_id}` of a path.
    AgentPath(AgentId), "agent_id", "Invalid agent ID format"
);
path_id!(
    /// The `{channel_id}` of a path.
    ChannelPath(ChannelId), "channel_id", "Invalid channelId"
);
path_id!(
    /// The `{server_id}` of a path.
    ServerPath(MessageServerId), "server_id", "Invalid messageServerId"
);
path_id!(
    /// The `{message_id}` of a path.
    MessagePath(MessageId), "message_id", "Invalid messageId"
);
path_id!(
    /// The `{world_id}` of a path.
    WorldPath(WorldId), "world_id", "Invalid world ID format"
);
path_id!(
    /// The `{memory_id}` of a path.
    MemoryPath(MemoryId), "memory_id", "Invalid memory ID format"
);
path_id!(
    /// The `{document_id}` of a path.
    DocumentPath(MemoryId), "document_id", "Invalid document ID format"
);
path_id!(
    /// The `{room_id}` of a path.
    RoomPath(RoomId), "room_id", "Invalid room ID format"
);
path_id!(
    /// The `{run_id}` of a path.
    RunPath(RunId), "run_id", "Invalid run ID format"
);
path_id!(
    /// The `{key_id}` of a path.
    KeyPath(KeyId), "key_id", "Invalid key ID format"
);
path_id!(
    /// The `{log_id}` of a path.
    LogPath(LogId), "log_id", "Invalid log ID format"
);

/// Ids that elizaOS looks up whatever they look like: what is none names nothing.
macro_rules! path_name {
    ($(#[$doc:meta])* $name:ident($id:ty), $segment:literal, $thing:ident) => {
        $(#[$doc])*
        pub(crate) struct $name(pub(crate) $id);

        impl FromRequest for $name {
            type Error = ApiError;
            type Future = Ready<Result<Self, ApiError>>;

            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                let id = request.match_info().get($segment).and_then(|text| text.parse().ok());
                ready(id.map(Self).ok_or_else(|| ServiceError::NotFound(Thing::$thing).into()))
            }
        }

        impl IntoParams for $name {
            fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
                vec![params::text($segment)]
            }
        }
    };
}

path_name!(
    /// The `{session_id}` of a path.
    SessionPath(SessionId), "session_id", Session
);
path_name!(
    /// The `{job_id}` of a path.
    JobPath(JobId), "job_id", Job
);

path_name!(
    /// The `{filename}` of a path, which is a name that we gave. What is none names no file.
    MediaFilePath(MediaName), "filename", File
);
