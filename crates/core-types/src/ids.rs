//! Typed ids and the deterministic derivations that elizaOS clients rely on (contract §7.2, §7.3).

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use uuid::Uuid;

/// The text is not a UUID in the 8-4-4-4-12 form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, derive_more::Display, derive_more::Error)]
#[display("not a UUID of the form 8-4-4-4-12")]
pub struct InvalidId;

/// Reads the one spelling of a UUID that the wire accepts: 8-4-4-4-12 hex digits in either case, any version and
/// variant, no braces and no surrounding white space.
pub fn parse_uuid(text: &str) -> Result<Uuid, InvalidId> {
    if text.len() != 36 || text.bytes().any(|byte| !(byte.is_ascii_hexdigit() || byte == b'-')) {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, derive_more::Display, derive_more::From, derive_more::Into, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id with this value.
            pub const fn new(value: Uuid) -> Self {
                Self(value)
            }

            /// The plain UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_uuid(text).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// An agent: a character that may run on this server.
    AgentId
);
id!(
    /// An API key.
    KeyId
);
id!(
    /// A message server: the group of channels that elizaOS also calls a central server.
    MessageServerId
);
id!(
    /// A channel of the central plane, where people and agents exchange messages.
    ChannelId
);
id!(
    /// A message of the central plane. A reply has the same id as the agent's memory of it.
    MessageId
);
id!(
    /// One agent's duty to deal with one message.
    DeliveryId
);
id!(
    /// A person or an agent, as author or participant.
    EntityId
);
id!(
    /// A message server as one agent sees it.
    WorldId
);
id!(
    /// A channel as one agent sees it.
    RoomId
);
id!(
    /// Something one agent remembers.
    MemoryId
);
id!(
    /// One attempt of an agent at one delivery.
    RunId
);
id!(
    /// A line in an agent's log.
    LogId
);
id!(
    /// A conversation with one agent that ends when nobody speaks any more.
    SessionId
);
id!(
    /// A question whose answer is fetched later.
    JobId
);
id!(
    /// A file. Its 128 bits are random: whoever knows them may read the file.
    MediaId
);

impl MediaId {
    /// The id of these bits.
    pub const fn from_bits(bits: u128) -> Self {
        Self(Uuid::from_u128(bits))
    }
}

/// The bit in which the ids of a delivery and of its reply differ.
const REPLY: u128 = 1 << 61;

impl DeliveryId {
    /// The id of the reply that may come of it. Readers see it before the reply is there, and it follows from the delivery's so that
    /// no message of theirs can take it.
    pub const fn reply(self) -> MessageId {
        MessageId(Uuid::from_u128(self.0.as_u128() ^ REPLY))
    }
}

impl MessageId {
    /// The delivery of which a message with this id would be the reply; whether there is one is for the repository to say.
    pub const fn as_reply_of(self) -> DeliveryId {
        DeliveryId(Uuid::from_u128(self.0.as_u128() ^ REPLY))
    }
}

impl From<AgentId> for EntityId {
    fn from(agent: AgentId) -> Self {
        Self(agent.0)
    }
}

impl EntityId {
    /// The agent that would have this id; whether there is one is for the repository to say.
    pub const fn as_agent(self) -> AgentId {
        AgentId(self.0)
    }
}

impl MessageServerId {
    /// The default message server, which exists from the first start: the all-zero UUID.
    pub const DEFAULT: Self = Self(Uuid::nil());
}

/// elizaOS's `stringToUuid`: a UUID is returned as it is; anything else becomes the first 16 bytes of the SHA-1 of its
/// `encodeURIComponent` form, with the variant bits set and the version nibble 0.
pub fn string_to_uuid(text: &str) -> Uuid {
    if let Ok(uuid) = parse_uuid(text) {
        return uuid;
    }
    let digest = Sha1::digest(encode_uri_component(text).as_bytes());
    let mut bytes = [0_u8; 16];
    for (byte, hashed) in bytes.iter_mut().zip(digest) {
        *byte = hashed;
    }
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes[6] &= 0x0f;
    Uuid::from_bytes(bytes)
}

/// elizaOS's `createUniqueUuid`: the id that one agent gives to something named `base`.
pub fn create_unique_uuid(agent: AgentId, base: &str) -> Uuid {
    if parse_uuid(base) == Ok(agent.uuid()) {
        return agent.uuid();
    }
    string_to_uuid(&format!("{base}:{agent}"))
}

impl AgentId {
    /// The id of an agent whose character gives none.
    pub fn of_name(name: &str) -> Self {
        Self(string_to_uuid(name))
    }

    /// The agent's world for a message server.
    pub fn world_of(self, server: MessageServerId) -> WorldId {
        WorldId(create_unique_uuid(self, &server.to_string()))
    }

    /// The agent's room for a channel. A channel with the agent's own id has a room of its own as well: the one of that id is the agent's.
    pub fn room_of(self, channel: ChannelId) -> RoomId {
        RoomId(if channel.uuid() == self.uuid() {
            string_to_uuid(&format!("channel:{channel}"))
        } else {
            create_unique_uuid(self, &channel.to_string())
        })
    }

    /// The agent's memory of somebody else's message.
    pub fn memory_of(self, message: MessageId) -> MemoryId {
        MemoryId(create_unique_uuid(self, &format!("{message}-{self}")))
    }
}

/// JavaScript's `encodeURIComponent`.
fn encode_uri_component(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
