//! Ids in paths.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use core_types::{AgentId, ChannelId, MessageServerId};

use crate::errors::{ApiError, Code};

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
