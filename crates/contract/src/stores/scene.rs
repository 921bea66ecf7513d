//! What the promises are acted out with: agents, people, channels, messages, and the usual steps.

use std::fmt::Debug;

use core_types::agents::Agent;
use core_types::character::{Character, OneOrMany};
use core_types::deliveries::{ClaimRequest, Claimed, DeliveryState, Fence, Finish, Held, LEASE_MILLIS, Shares, Trace};
use core_types::memory::{AgentPlane, Entity, MESSAGES, Memory, Origin, Room};
use core_types::messaging::{
    Channel, ChannelAdded, Completion, MessageDraft, MessagePlace, MessageServer, PostMessage, PostOutcome, Posted, Wake,
};
use core_types::runs::{LogEntry, Run, RunFilter, RunStatus};
use core_types::worlds::World;
use core_types::{
    AgentId, ChannelId, DeliveryId, EntityId, Json, JsonObject, LogId, MemoryId, MessageId, MessageServerId, Page, Reach, RunId, Tenant,
    Timestamp,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Stores;

/// A value that must be there.
pub(super) trait Sure<T> {
    /// The value; panics where there is none.
    fn sure(self) -> T;
}

impl<T, E: Debug> Sure<T> for Result<T, E> {
    #[track_caller]
    fn sure(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => panic!("failed: {error:?}"),
        }
    }
}

impl<T> Sure<T> for Option<T> {
    #[track_caller]
    fn sure(self) -> T {
        match self {
            Some(value) => value,
            None => panic!("nothing there"),
        }
    }
}

/// More than any promise makes of anything.
pub(super) const ALL: Page = Page::first(1_000);

/// The one element.
#[track_caller]
pub(super) fn only<T: Debug>(list: Vec<T>) -> T {
    let [one]: [T; 1] = list.try_into().sure();
    one
}

pub(super) fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}

/// In milliseconds.
pub(super) const DAY: i64 = 24 * 60 * 60 * 1_000;

/// The moment `millis` after the scene begins.
pub(super) const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

pub(super) fn tenant(name: &str) -> Tenant {
    Tenant::new(name).sure()
}

/// The reach of a tenant with whom nothing is shared.
pub(super) fn reach(name: &str) -> Reach {
    Reach { tenant: tenant(name), servers: Vec::new(), person: None }
}

pub(super) fn agent_id(number: u128) -> AgentId {
    AgentId::new(Uuid::from_u128(0xa000 + number))
}

pub(super) fn person(number: u128) -> EntityId {
    EntityId::new(Uuid::from_u128(0xe000 + number))
}

pub(super) fn channel_id(number: u128) -> ChannelId {
    ChannelId::new(Uuid::from_u128(0xc000 + number))
}

pub(super) fn message_id(number: u128) -> MessageId {
    MessageId::new(Uuid::from_u128(0x1_0000 + number))
}

pub(super) fn memory_id(number: u128) -> MemoryId {
    MemoryId::new(Uuid::from_u128(0x2_0000 + number))
}

pub(super) fn agent(number: u128) -> Agent {
    let character = Character {
        name: format!("Agent {number}"),
        bio: OneOrMany::Many(vec!["Knows things.".to_owned(), "Says them.".to_owned()]),
        ..Character::default()
    };
    Agent { id: agent_id(number), character, enabled: true, running: false, owner: None, created_at: at(0), updated_at: at(0) }
}

pub(super) fn server(number: u128) -> MessageServer {
    MessageServer {
        id: MessageServerId::new(Uuid::from_u128(0x5000 + number)),
        name: format!("Server {number}"),
        source_type: "test".to_owned(),
        source_id: Some("42".to_owned()),
        metadata: object(json!({"b": 1, "a": [true]})),
        owner: None,
        created_at: at(5),
        updated_at: at(6),
    }
}

pub(super) fn channel(number: u128) -> Channel {
    Channel {
        id: channel_id(number),
        server_id: MessageServerId::DEFAULT,
        name: format!("Channel {number}"),
        kind: "GROUP".to_owned(),
        source_type: None,
        source_id: None,
        topic: None,
        metadata: JsonObject::new(),
        owner: None,
        created_at: at(0),
        updated_at: at(0),
    }
}

pub(super) fn plane(agent: AgentId, channel: ChannelId, people: &[EntityId]) -> AgentPlane {
    let world = World {
        id: agent.world_of(MessageServerId::DEFAULT),
        agent_id: agent,
        name: "World".to_owned(),
        server_id: Some(MessageServerId::DEFAULT),
        metadata: JsonObject::new(),
        created_at: at(0),
    };
    let room = Room {
        id: agent.room_of(channel),
        agent_id: agent,
        world_id: world.id,
        channel_id: Some(channel),
        name: "Room".to_owned(),
        kind: "GROUP".to_owned(),
        source: "test".to_owned(),
        server_id: None,
        metadata: JsonObject::new(),
        created_at: at(0),
    };
    let known = std::iter::once(EntityId::from(agent)).chain(people.iter().copied());
    let entities = known.map(|id| Entity { id, agent_id: agent, names: vec![format!("Somebody {id}")], metadata: JsonObject::new() });
    AgentPlane { entities: entities.collect(), world, room }
}

pub(super) fn memory(number: u128, agent: AgentId, channel: ChannelId, from: EntityId, text: &str) -> Memory {
    Memory {
        id: memory_id(number),
        agent_id: agent,
        table: MESSAGES.to_owned(),
        room_id: agent.room_of(channel),
        world_id: Some(agent.world_of(MessageServerId::DEFAULT)),
        entity_id: from,
        content: object(json!({"text": text})),
        metadata: JsonObject::new(),
        unique: true,
        created_at: at(0),
        origin: Origin::default(),
        document_id: None,
    }
}

pub(super) fn draft(number: u128, channel: ChannelId, author: EntityId, text: &str) -> MessageDraft {
    MessageDraft {
        id: message_id(number),
        channel_id: channel,
        author_id: author,
        author_name: None,
        content: text.to_owned(),
        raw: None,
        source_type: None,
        source_id: None,
        metadata: Json::default(),
        in_reply_to: None,
    }
}

/// A post that agents may make too.
pub(super) fn post_of(draft: MessageDraft, now: Timestamp) -> PostMessage {
    PostMessage {
        draft,
        id_is_chosen: true,
        create_channel: None,
        wake: Wake::Listeners,
        author_may_be_agent: true,
        idempotency: Vec::new(),
        beside: None,
        once_per_source: false,
        reach: None,
        full: Vec::new(),
        now,
    }
}

/// As much as there is, for everybody.
pub(super) const NO_BOUND: Shares = Shares { per_agent: u32::MAX, per_tenant: u32::MAX, per_agent_of_tenants: u32::MAX };

/// A claim for the usual time by somebody who holds nothing yet.
pub(super) fn claim_request(limit: u32, now: Timestamp) -> ClaimRequest {
    ClaimRequest { limit, shares: NO_BOUND, held: Vec::new(), now, lease_until: now.plus_millis(LEASE_MILLIS) }
}

/// A delivery in a channel of the owner that this agent works on.
pub(super) fn held_by(agent: AgentId, delivery: DeliveryId) -> Held {
    Held { delivery, agent, tenant: None }
}

#[track_caller]
pub(super) fn written(outcome: PostOutcome) -> Posted {
    match outcome {
        PostOutcome::Posted(posted) => posted,
        other => panic!("not posted: {other:?}"),
    }
}

#[track_caller]
pub(super) fn repeated(outcome: PostOutcome) -> Posted {
    match outcome {
        PostOutcome::Repeated(posted) => posted,
        other => panic!("not repeated: {other:?}"),
    }
}

impl Stores {
    /// Adds an agent and starts it.
    pub(super) async fn running_agent(&self, number: u128) -> AgentId {
        let id = self.agents.add(agent(number), Vec::new()).await.sure().into_inner().id;
        let own = plane(id, channel_id(0xfff + number), &[]);
        self.agents.start(id, own, at(0)).await.sure().sure();
        id
    }

    /// Adds a channel.
    pub(super) async fn open_channel(&self, number: u128, participants: &[EntityId]) -> ChannelId {
        match self.channels.add(channel(number), participants.to_vec()).await.sure() {
            ChannelAdded::New(channel) => channel.id,
            other => panic!("not added: {other:?}"),
        }
    }

    /// Posts a message that every listener may answer.
    pub(super) async fn say(&self, number: u128, channel: ChannelId, author: EntityId) -> Posted {
        let draft = draft(number, channel, author, &format!("message {number}"));
        written(self.messages.post(post_of(draft, at(0))).await.sure())
    }

    /// Where a message stands; one that is not there stands nowhere.
    pub(super) async fn place(&self, id: MessageId) -> MessagePlace {
        let message = self.messages.find(id).await.sure();
        message.map_or(MessagePlace { id, channel_id: channel_id(0), seq: 0 }, |message| message.place())
    }

    /// Claims what is due at `now`, for the usual time.
    pub(super) async fn claim(&self, limit: u32, now: Timestamp) -> Vec<Claimed> {
        self.deliveries.claim(claim_request(limit, now)).await.sure()
    }

    /// A running agent, a channel with it and a person, and that person's message, claimed.
    pub(super) async fn claimed_message(&self) -> (AgentId, ChannelId, Claimed) {
        let agent = self.running_agent(1).await;
        let channel = self.open_channel(1, &[person(1), agent.into()]).await;
        self.say(1, channel, person(1)).await;
        (agent, channel, only(self.claim(10, at(0)).await))
    }

    /// The runs of an agent, newest first.
    pub(super) async fn runs_of(&self, agent: AgentId) -> Vec<Run> {
        self.runs.list(agent, RunFilter::default(), ALL).await.sure().items
    }

    /// The worlds of an agent, oldest first.
    pub(super) async fn worlds_of(&self, agent: AgentId) -> Vec<World> {
        self.worlds.list(agent, ALL).await.sure().items
    }

    /// Where a delivery stands.
    pub(super) async fn state_of(&self, claimed: &Claimed) -> DeliveryState {
        self.deliveries.find(claimed.delivery.id).await.sure().sure().state
    }
}

pub(super) fn fence(claimed: &Claimed) -> Fence {
    Fence { delivery: claimed.delivery.id, attempt: claimed.delivery.attempt }
}

/// The end of an attempt without a reply.
pub(super) fn finish_as(claimed: &Claimed, state: DeliveryState, now: Timestamp) -> Finish {
    let agent = claimed.delivery.agent_id;
    Finish {
        fence: fence(claimed),
        completion: Completion {
            delivery_id: claimed.delivery.id,
            message_id: claimed.message.id,
            agent_id: agent,
            state,
            reply_id: None,
            superseded_by: None,
            error: None,
        },
        reply: None,
        plane: Some(plane(agent, claimed.channel.id, &[claimed.message.author_id])),
        memories: Vec::new(),
        room_state: None,
        trace: None,
        now,
    }
}

/// The end of an attempt with a reply.
pub(super) fn finish_with_reply(claimed: &Claimed, text: &str, now: Timestamp) -> Finish {
    let reply = MessageDraft {
        id: claimed.delivery.reply_id,
        in_reply_to: Some(claimed.message.id),
        ..draft(0, claimed.channel.id, claimed.delivery.agent_id.into(), text)
    };
    let mut finish = finish_as(claimed, DeliveryState::Replied, now);
    finish.completion.reply_id = Some(reply.id);
    finish.reply = Some(reply);
    finish
}

pub(super) fn run(number: u128, claimed: &Claimed, started_at: Timestamp) -> Run {
    let agent = claimed.delivery.agent_id;
    Run {
        id: RunId::new(Uuid::from_u128(0x3_0000 + number)),
        agent_id: agent,
        delivery_id: claimed.delivery.id,
        room_id: agent.room_of(claimed.channel.id),
        entity_id: claimed.message.author_id,
        message_id: agent.memory_of(claimed.message.id),
        status: RunStatus::Completed,
        started_at,
        ended_at: started_at.plus_millis(5),
        metadata: object(json!({"counts": {"actions": 0, "modelCalls": 1, "errors": 0}})),
    }
}

pub(super) fn log(number: u128, claimed: &Claimed, kind: &str, created_at: Timestamp) -> LogEntry {
    let agent = claimed.delivery.agent_id;
    LogEntry {
        id: LogId::new(Uuid::from_u128(0x4_0000 + number)),
        agent_id: agent,
        entity_id: claimed.message.author_id,
        room_id: agent.room_of(claimed.channel.id),
        kind: kind.to_owned(),
        body: json!({"number": u64::try_from(number).sure()}),
        created_at,
    }
}

pub(super) fn trace(number: u128, claimed: &Claimed, at: Timestamp) -> Trace {
    Trace { run: run(number, claimed, at), logs: vec![log(number, claimed, "run_event", at)] }
}
