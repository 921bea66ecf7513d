//! Posts for tests that care for little else.

use core_types::messaging::{Channel, MessageDraft, PostMessage, Wake};
use core_types::{ChannelId, EntityId, Json, JsonObject, MessageId, MessageServerId, Timestamp};
use uuid::Uuid;

/// A person's message with this number to a channel with this number, which is created with these participants.
pub fn post(number: u128, channel: u128, participants: Vec<EntityId>, content: &str) -> PostMessage {
    let now = Timestamp::from_millis(5);
    let channel = Channel {
        id: ChannelId::new(Uuid::from_u128(channel)),
        server_id: MessageServerId::DEFAULT,
        name: "Channel".to_owned(),
        kind: "GROUP".to_owned(),
        source_type: None,
        source_id: None,
        topic: None,
        metadata: JsonObject::new(),
        owner: None,
        created_at: now,
        updated_at: now,
    };
    let draft = MessageDraft {
        id: MessageId::new(Uuid::from_u128(number)),
        channel_id: channel.id,
        author_id: EntityId::new(Uuid::from_u128(1)),
        author_name: None,
        content: content.to_owned(),
        raw: None,
        source_type: None,
        source_id: None,
        metadata: Json::default(),
        in_reply_to: None,
    };
    PostMessage {
        id_is_chosen: false,
        draft,
        create_channel: Some((channel, participants)),
        wake: Wake::Listeners,
        author_may_be_agent: false,
        idempotency: Vec::new(),
        beside: None,
        once_per_source: false,
        reach: None,
        full: Vec::new(),
        now,
    }
}

/// A message with this number that nobody hears.
pub fn plain_post(number: u128) -> PostMessage {
    post(number, 1, Vec::new(), "hello")
}
