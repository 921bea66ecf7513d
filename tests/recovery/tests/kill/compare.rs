//! What the database keeps against what was acknowledged, read through the repositories.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use core_types::deliveries::{Busy, DeliveryState, MAX_ATTEMPTS};
use core_types::memory::{MESSAGES, MemoryFilter};
use core_types::messaging::{ChannelEvent, Completion, EventBody, Message};
use core_types::{AgentId, ChannelId, MemoryId, MessageId, Page, Timestamp};
use persistence::{Options, Store, Target};
use sha2::{Digest as _, Sha256};
use testkit::clock::SeqIds;

use crate::traffic::{Acknowledged, World};

/// What was found.
pub struct Kept {
    messages: usize,
    replies: usize,
    ends: HashMap<DeliveryState, usize>,
    attempts: i32,
}

impl fmt::Display for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} kept with {} replies; ends: {:?}; most attempts: {}", self.messages, self.replies, self.ends, self.attempts)
    }
}

/// Compares; panics at the first broken promise.
/// In each channel of `jobs` one thing is asked, whatever its id. Of those that are `watched` the sequence numbers are looked at.
pub async fn compare(
    target: &Target,
    world: &World,
    acknowledged: &[Acknowledged],
    jobs: &[(ChannelId, AgentId)],
    watched: &[ChannelId],
) -> Kept {
    let store = persistence::open(target, Options::default(), Arc::new(SeqIds::default())).await.unwrap();
    for channel in watched {
        events(&store, *channel).await;
    }
    let mut kept = Kept { messages: 0, replies: 0, ends: HashMap::new(), attempts: 0 };
    let mut found = HashSet::new();
    let of_jobs = jobs.iter().map(|(channel, agent)| (*channel, vec![*agent]));
    for (channel, agents) in &world.channels.iter().cloned().chain(of_jobs).collect::<Vec<_>>() {
        let events = events(&store, *channel).await;
        let messages: Vec<&Message> = events
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::Message(Some(message)) => Some(&**message),
                _ => None,
            })
            .collect();
        let (replies, posts): (Vec<&Message>, Vec<&Message>) =
            messages.into_iter().partition(|message| agents.iter().any(|agent| message.author_id == (*agent).into()));
        if jobs.iter().any(|(job, _)| job == channel) {
            assert_eq!(posts.len(), 1, "in channel {channel} one thing is asked");
        }
        for post in &posts {
            assert!(found.insert(post.id), "message {} is there twice", post.id);
        }
        check_ends(&store, &events, &posts, &replies, agents, &mut kept).await;
        check_memories(&store, *channel, &posts, &replies, agents).await;
        kept.messages += posts.len();
        kept.replies += replies.len();
    }
    for message in acknowledged {
        assert!(found.contains(&message.id), "message {} was acknowledged and is lost", message.id);
    }
    assert_eq!(found.len(), acknowledged.len() + jobs.len(), "nothing but the acknowledged messages is there");
    assert_eq!(store.deliveries().next_due(Busy::default()).await.unwrap(), None, "no delivery is left open");
    store.close().await;
    kept
}

/// Every one of these messages is there, in its channel.
pub async fn has(target: &Target, messages: &[Acknowledged]) {
    let store = persistence::open(target, Options::default(), Arc::new(SeqIds::default())).await.unwrap();
    for message in messages {
        let found = store.messages().find(message.id).await.unwrap().map(|found| found.channel_id);
        assert_eq!(found, Some(message.channel), "message {} was acknowledged before and is not there", message.id);
    }
    store.close().await;
}

/// All events of a channel, whose sequence numbers count up from 1 and whose times increase.
async fn events(store: &Store, channel: ChannelId) -> Vec<ChannelEvent> {
    let mut events: Vec<ChannelEvent> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.seq);
        let page = store.messages().events(channel, after, 500).await.unwrap();
        if page.is_empty() {
            break;
        }
        events.extend(page);
    }
    for (expected, event) in (1..).zip(&events) {
        assert_eq!(event.seq, expected, "channel {channel} has a gap or a double");
    }
    let times: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::Message(Some(message)) => Some(message.created_at),
            _ => None,
        })
        .collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "the times of channel {channel} do not increase");
    events
}

/// Every message has exactly one end per agent, and as many replies as ends that say so.
async fn check_ends(store: &Store, events: &[ChannelEvent], posts: &[&Message], replies: &[&Message], agents: &[AgentId], kept: &mut Kept) {
    let mut ends: HashMap<(MessageId, AgentId), Completion> = HashMap::new();
    for event in events {
        if let EventBody::Complete(Some(completion)) = &event.body {
            let before = ends.insert((completion.message_id, completion.agent_id), completion.clone());
            assert!(before.is_none(), "message {} ended twice for agent {}", completion.message_id, completion.agent_id);
        }
    }
    let mut answered = HashMap::new();
    for reply in replies {
        let post = reply.in_reply_to.expect("a reply answers something");
        let before = answered.insert((post, reply.author_id), reply.id);
        assert!(before.is_none(), "message {post} was answered twice");
    }
    for post in posts {
        for agent in agents {
            let end = ends.remove(&(post.id, *agent)).unwrap_or_else(|| panic!("message {} never ended for agent {agent}", post.id));
            let delivery = store.deliveries().find(end.delivery_id).await.unwrap().expect("its delivery");
            assert_eq!(delivery.state, end.state, "the delivery says what its event says");
            let reply = answered.remove(&(post.id, (*agent).into()));
            assert_eq!(reply, (end.state == DeliveryState::Replied).then_some(delivery.reply_id), "{end:?}");
            // A model that always answers leaves no other end, but for deliveries that were killed on every attempt.
            let killed_often = end.state == DeliveryState::Failed && delivery.tries() > MAX_ATTEMPTS;
            assert!(killed_often || matches!(end.state, DeliveryState::Replied | DeliveryState::Superseded), "{end:?}");
            *kept.ends.entry(end.state).or_default() += 1;
            kept.attempts = kept.attempts.max(delivery.attempt);
        }
    }
    assert!(ends.is_empty() && answered.is_empty(), "ends or replies without a message: {ends:?} {answered:?}");
}

/// Every agent remembers every message and every reply of its own.
async fn check_memories(store: &Store, channel: ChannelId, posts: &[&Message], replies: &[&Message], agents: &[AgentId]) {
    for agent in agents {
        let memories = store
            .memories()
            .list(*agent, MemoryFilter::table(MESSAGES).in_room(agent.room_of(channel)), Page::first(1_000_000))
            .await
            .unwrap()
            .items;
        let remembered: HashSet<MemoryId> = memories.iter().map(|memory| memory.id).collect();
        assert_eq!(remembered.len(), memories.len());
        let own = replies.iter().filter(|reply| reply.author_id == (*agent).into()).map(|reply| MemoryId::new(reply.id.uuid()));
        let expected: HashSet<MemoryId> = posts.iter().map(|post| agent.memory_of(post.id)).chain(own).collect();
        assert_eq!(remembered, expected, "agent {agent} remembers what happened in channel {channel}");
    }
}

/// Every file that is known is there as it was taken; of those that nobody knows, which a later start collects, the number is told. All
/// known files must be of nobody.
pub async fn compare_files(target: &Target, media: &Path) -> usize {
    let store = persistence::open(target, Options::default(), Arc::new(SeqIds::default())).await.unwrap();
    let known = store.media().orphans(Timestamp::MAX, u32::MAX).await.unwrap();
    for file in &known {
        let name = file.name().to_string();
        let bytes = std::fs::read(media.join(&name[..2]).join(&name)).unwrap_or_else(|error| panic!("{name} is known, and {error}"));
        assert_eq!((bytes.len() as u64, Sha256::digest(&bytes).as_slice()), (file.size, file.sha256.as_slice()), "{name}");
    }
    store.close().await;
    let spread = std::fs::read_dir(media).unwrap().map(|directory| directory.unwrap().path());
    let files: usize =
        spread.filter(|directory| !directory.ends_with("unfinished")).map(|directory| directory.read_dir().unwrap().count()).sum();
    files - known.len()
}
