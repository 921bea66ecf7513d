//! What happens on a channel, as server-sent events.

use bytes::Bytes;
use core_types::ChannelId;
use core_types::messaging::{ChannelEvent, Completion, EventBody, StreamItem};
use serde::Serialize;
use serde_json::json;

use crate::sse::frame;
use crate::wire::channels::ChannelWire;
use crate::wire::messages::MessageWire;
use crate::wire::replies::ChunkWire;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CompleteWire<'a> {
    channel_id: ChannelId,
    #[serde(flatten)]
    completion: Option<&'a Completion>,
}

/// One item of a channel's stream as a frame. The id of an event is its sequence number, from which a reader resumes.
pub(crate) fn item(item: &StreamItem) -> Bytes {
    match item {
        StreamItem::Event(event) => durable(event),
        StreamItem::Chunk(chunk) => frame("chunk", None, &ChunkWire::from(&**chunk)),
        // What is no longer kept cannot be asked for again, so the reader goes on behind it.
        StreamItem::Gap { from, to } => frame("gap", Some(*to), &json!({ "from": from, "to": to })),
    }
}

fn durable(event: &ChannelEvent) -> Bytes {
    let (kind, channel_id) = (event.body.kind().to_string(), event.channel_id);
    match &event.body {
        EventBody::Message(message) | EventBody::MessageUpdated(message) => {
            frame(&kind, Some(event.seq), &message.as_deref().map(MessageWire::listed))
        }
        EventBody::MessageDeleted(message) => frame(&kind, Some(event.seq), &json!({ "messageId": message, "channelId": channel_id })),
        EventBody::ChannelCleared => frame(&kind, Some(event.seq), &json!({ "channelId": channel_id })),
        EventBody::ChannelUpdated(channel) => {
            frame(&kind, Some(event.seq), &json!({ "channelId": channel_id, "updates": ChannelWire::from(&**channel) }))
        }
        EventBody::Complete(completion) => frame(&kind, Some(event.seq), &CompleteWire { channel_id, completion: completion.as_ref() }),
        // The channel's order went with it: there is nothing to resume.
        EventBody::ChannelDeleted => frame(&kind, None, &json!({ "channelId": channel_id })),
    }
}
