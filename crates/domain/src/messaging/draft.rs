//! From what a caller sends to what the store writes.

use core_types::jobs::{JobDraft, JobTerms, MAX_JOBS};
use core_types::json::{fits, sorted};
use core_types::messaging::{
    Beside, Channel, Door, IdempotencyKey, METADATA_BYTES, MessageDraft, NewMessage, PostMessage, Wake, is_direct,
};
use core_types::{AgentId, Caller, EntityId, Json, JsonObject, MessageId, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The agent that the caller wants an answer from, by the message's metadata.
pub(super) fn target_agent(metadata: &JsonObject) -> Option<AgentId> {
    text(metadata, &["targetAgentId", "target_agent_id"]).and_then(|id| id.parse().ok())
}

/// Everything that posting the message writes. `fresh` is its id where the caller chose none.
pub(super) fn post(caller: &Caller, message: NewMessage, wake: Wake, fresh: MessageId, now: Timestamp) -> PostMessage {
    let idempotency = idempotency(caller, &message);
    let create_channel = match message.door {
        Door::Channel | Door::Socket => Some(channel_to_create(caller, &message, now)),
        Door::Job(terms) => Some(channel_of_job(caller, &message, terms, now)),
        Door::Submit | Door::Action | Door::Ingest | Door::Session(_) => None,
    };
    let beside = beside(message.door);
    let author_may_be_agent = message.door.agents_may_speak() && caller.may_speak_as_agent();
    let once_per_source = message.door == Door::Ingest && message.source_id.is_some();
    let id_is_chosen = message.id.is_some();
    let draft = MessageDraft {
        id: message.id.unwrap_or(fresh),
        channel_id: message.channel_id,
        author_id: message.author_id,
        author_name: message.author_name,
        content: message.content,
        raw: message.raw.map(Json::from),
        source_type: message.source_type,
        source_id: message.source_id,
        metadata: message.metadata.into(),
        in_reply_to: message.in_reply_to,
    };
    let reach = caller.reach().cloned();
    PostMessage {
        draft,
        id_is_chosen,
        create_channel,
        wake,
        author_may_be_agent,
        idempotency,
        beside,
        once_per_source,
        reach,
        full: Vec::new(),
        now,
    }
}

/// What is written besides a message that comes in by this door.
fn beside(door: Door) -> Option<Beside> {
    match door {
        Door::Session(id) => Some(Beside::Session(id)),
        Door::Job(terms) => {
            let timeout_millis = i64::try_from(terms.timeout.as_millis()).unwrap_or(i64::MAX);
            Some(Beside::Job(JobDraft { id: terms.id, timeout_millis, most: MAX_JOBS }))
        }
        Door::Channel | Door::Submit | Door::Action | Door::Ingest | Door::Socket => None,
    }
}

/// The caller's key and the id that it chose for the message: either makes the write repeatable.
fn idempotency(caller: &Caller, message: &NewMessage) -> Vec<IdempotencyKey> {
    let key = message.idempotency_key.as_ref().map(|key| format!("key:{key}"));
    let id = message.id.map(|id| format!("message:{id}"));
    let keys: Vec<String> = key.into_iter().chain(id).collect();
    if keys.is_empty() {
        return Vec::new();
    }
    let body_hash = body_hash(message);
    let named = |key| IdempotencyKey { caller: caller.name(), route: message.door.name().to_owned(), key, body_hash };
    keys.into_iter().map(named).collect()
}

/// A hash of everything that the caller sent, however it was spelled.
fn body_hash(message: &NewMessage) -> [u8; 32] {
    let mut metadata = message.metadata.clone();
    let mut channel = Some(message.channel_id);
    let mut terms = None;
    match message.door {
        // It is the session that says so, and later it may say something else.
        Door::Session(_) => drop(metadata.shift_remove("timeoutConfig")),
        // The channel is made anew each time.
        Door::Job(JobTerms { agent, named, timeout, .. }) => {
            channel = None;
            terms = Some((named.then_some(agent), timeout.as_millis()));
        }
        Door::Channel | Door::Submit | Door::Action | Door::Ingest | Door::Socket => {}
    }
    let body = json!([
        message.id,
        channel,
        message.server_id,
        message.author_id,
        message.author_name,
        message.content,
        message.raw,
        message.source_type,
        message.source_id,
        metadata,
        message.in_reply_to,
    ]);
    let body = match terms {
        Some((agent, timeout)) => json!([body, agent, u64::try_from(timeout).unwrap_or(u64::MAX)]),
        None => body,
    };
    Sha256::digest(sorted(&body).to_string().as_bytes()).into()
}

/// The channel that a message to an unknown channel creates, with its participants (contract §3.3).
fn channel_to_create(caller: &Caller, message: &NewMessage, now: Timestamp) -> (Channel, Vec<EntityId>) {
    let metadata = &message.metadata;
    let says_dm = metadata.get("isDm").is_some_and(is_set) || text(metadata, &["channelType", "channel_type"]).is_some_and(is_direct);
    let (kind, label) = if says_dm { ("DM", "DM") } else { ("GROUP", "Chat") };
    let mut participants = vec![message.author_id];
    let others = [text(metadata, &["targetUserId", "recipientId"]), text(metadata, &["targetAgentId", "target_agent_id"])];
    participants.extend(others.into_iter().flatten().filter_map(|id| id.parse::<EntityId>().ok()));
    let id = message.channel_id.to_string();
    let channel = Channel {
        id: message.channel_id,
        server_id: message.server_id,
        name: format!("{label} {}", id.get(..8).unwrap_or(&id)),
        kind: kind.to_owned(),
        source_type: Some("auto_created".to_owned()),
        source_id: None,
        topic: None,
        // What is too large for a channel is the message's alone.
        metadata: if fits(metadata, METADATA_BYTES) { metadata.clone() } else { JsonObject::new() },
        owner: caller.makes_for(),
        created_at: now,
        updated_at: now,
    };
    (channel, participants)
}

/// The channel that a job is worked on in: a direct one of whoever asks and the agent.
fn channel_of_job(caller: &Caller, message: &NewMessage, terms: JobTerms, now: Timestamp) -> (Channel, Vec<EntityId>) {
    let described = json!({"jobId": terms.id, "agentId": terms.agent, "userId": message.author_id});
    let channel = Channel {
        id: message.channel_id,
        server_id: message.server_id,
        name: format!("job-{}", terms.id),
        kind: "DM".to_owned(),
        source_type: Some("job".to_owned()),
        source_id: None,
        topic: None,
        metadata: described.as_object().cloned().unwrap_or_default(),
        owner: caller.makes_for(),
        created_at: now,
        updated_at: now,
    };
    (channel, vec![message.author_id, terms.agent.into()])
}

fn text<'m>(metadata: &'m JsonObject, names: &[&str]) -> Option<&'m str> {
    names.iter().find_map(|name| metadata.get(*name)).and_then(Value::as_str)
}

/// Whether a flag is set, be it as a text.
fn is_set(flag: &Value) -> bool {
    flag.as_bool().unwrap_or_else(|| flag.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")))
}

#[cfg(test)]
mod tests {
    use core_types::MessageServerId;
    use core_types::ids::string_to_uuid;

    use super::*;

    fn message(metadata: &Value) -> NewMessage {
        NewMessage {
            door: Door::Channel,
            id: None,
            channel_id: string_to_uuid("c").into(),
            server_id: MessageServerId::DEFAULT,
            author_id: string_to_uuid("u").into(),
            author_name: None,
            content: "hi".to_owned(),
            raw: None,
            source_type: None,
            source_id: None,
            metadata: metadata.as_object().unwrap().clone(),
            in_reply_to: None,
            idempotency_key: None,
        }
    }

    fn posted(message: NewMessage) -> PostMessage {
        post(&Caller::owner(), message, Wake::Listeners, string_to_uuid("fresh").into(), Timestamp::from_millis(1))
    }

    #[test]
    fn an_unknown_channel_is_created_as_its_message_describes_it() {
        let agent = string_to_uuid("agent");
        for (metadata, kind, participants) in [
            (json!({}), "GROUP", 1),
            (json!({"isDm": true, "targetUserId": agent}), "DM", 2),
            (json!({"channelType": "DM", "recipientId": agent}), "DM", 2),
            (json!({"channel_type": "DM", "targetAgentId": agent}), "DM", 2),
            // Whatever the agent takes for a talk of two is one, and not to be read by all who share the message server.
            (json!({"channelType": "dm"}), "DM", 1),
            (json!({"channelType": "VOICE_DM"}), "DM", 1),
            (json!({"channel_type": "Self"}), "DM", 1),
            (json!({"channelType": "API"}), "DM", 1),
            (json!({"isDm": "true"}), "DM", 1),
            (json!({"isDm": "True", "channelType": "GROUP"}), "DM", 1),
            (json!({"isDm": "false", "channelType": "VOICE_GROUP"}), "GROUP", 1),
            (json!({"isDm": false, "channelType": "FEED"}), "GROUP", 1),
            (json!({"targetUserId": "not an id"}), "GROUP", 1),
        ] {
            let (channel, members) = posted(message(&metadata)).create_channel.unwrap();
            assert_eq!((channel.kind.as_str(), members.len()), (kind, participants), "{metadata}");
            assert_eq!(Value::Object(channel.metadata), metadata);
        }
    }

    #[test]
    fn doors_of_people_create_channels_and_only_submit_lets_agents_speak() {
        for (door, creates, agents) in
            [(Door::Channel, true, false), (Door::Socket, true, false), (Door::Submit, false, true), (Door::Ingest, false, false)]
        {
            let post = posted(NewMessage { door, ..message(&json!({})) });
            assert_eq!((post.create_channel.is_some(), post.author_may_be_agent), (creates, agents), "{door:?}");
        }
    }

    #[test]
    fn the_same_body_has_the_same_hash_and_the_key_is_not_part_of_it() {
        let keyed = |key: &str, content: &str| {
            let message = NewMessage { idempotency_key: Some(key.to_owned()), content: content.to_owned(), ..message(&json!({})) };
            posted(message).idempotency.pop().unwrap()
        };
        assert_eq!(keyed("a", "x").body_hash, keyed("b", "x").body_hash);
        assert_ne!(keyed("a", "x").body_hash, keyed("a", "y").body_hash);
        assert_ne!(keyed("a", "x").key, keyed("b", "x").key);
    }
}
