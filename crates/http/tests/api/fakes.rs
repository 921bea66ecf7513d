//! Services that remember what they were asked and answer what the test told them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use core_types::agents::{Agent, AgentService, AgentSummary, AgentView, CreateAgent, CreatedAgent};
use core_types::character;
use core_types::messaging::{
    Channel, ChannelService, EventStream, Message, MessageServer, MessagingService, NewChannel, NewMessage, PostReceipt, ReplyEvent,
    ReplyStream, StreamItem,
};
use core_types::runs::{LogEntry, LogFilter};
use core_types::system::{Health, SystemService};
use core_types::{AgentId, Caller, ChannelId, Clock, EntityId, JsonObject, MessageServerId, ServiceError, ServiceResult, Timestamp};
use serde_json::{Value, json};

pub const AGENT: &str = "b850bc30-45f8-0041-a00a-83df46d8555d";
pub const CHANNEL: &str = "25933be3-f43d-4ecb-b644-fcd71baa15eb";
pub const USER: &str = "8ff3442d-deec-4e87-b795-ca44c826dc0c";
pub const SERVER: &str = "00000000-0000-0000-0000-000000000000";
pub const MESSAGE: &str = "c8859c6f-64c5-4da1-9a57-3566ac9ccae5";
pub const REPLY: &str = "c9eb8ba9-9d0d-4369-a025-8558f007c686";
pub const NOW: i64 = 1_704_067_200_007;

/// What a call was about.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    Create(CreateAgent),
    Update(JsonObject),
    Logs(LogFilter),
    Post(NewMessage),
    Exchange(NewMessage),
    List(ChannelId, Option<Timestamp>, u32),
    Complete(ChannelId),
    Subscribe(Option<i64>),
    CreateChannel(NewChannel),
    Other(&'static str),
}

/// All services in one.
#[derive(Default)]
pub struct Fakes {
    pub calls: Mutex<Vec<Call>>,
    /// What the next call fails with.
    pub error: Mutex<Option<ServiceError>>,
    /// Whether the next call panics.
    pub panics: Mutex<bool>,
    /// What a waiting caller is told, in order; then nothing for ever.
    pub replies: Mutex<VecDeque<ReplyEvent>>,
    /// What a reader of events is told, in order; `None` ends the stream; then nothing for ever.
    pub items: Mutex<VecDeque<ServiceResult<Option<StreamItem>>>>,
    pub repeated: Mutex<bool>,
    pub warnings: Mutex<Vec<String>>,
    pub active_agents: Mutex<usize>,
}

impl Fakes {
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub fn posted(&self) -> NewMessage {
        match self.calls().pop() {
            Some(Call::Post(message) | Call::Exchange(message)) => message,
            other => panic!("no message was posted but {other:?}"),
        }
    }

    pub fn fail_with(&self, error: ServiceError) {
        *self.error.lock().unwrap() = Some(error);
    }

    fn note(&self, call: Call) -> ServiceResult<()> {
        self.calls.lock().unwrap().push(call);
        assert!(!std::mem::take(&mut *self.panics.lock().unwrap()), "told to");
        self.error.lock().unwrap().take().map_or(Ok(()), Err)
    }

    fn receipt(&self, new: NewMessage) -> PostReceipt {
        let message = Arc::new(Message {
            id: new.id.unwrap_or_else(|| MESSAGE.parse().unwrap()),
            channel_id: new.channel_id,
            server_id: new.server_id,
            author_id: new.author_id,
            author_name: new.author_name,
            content: new.content,
            raw: new.raw,
            source_type: new.source_type,
            source_id: new.source_id,
            metadata: new.metadata,
            in_reply_to: new.in_reply_to,
            ..message()
        });
        PostReceipt { message, repeated: *self.repeated.lock().unwrap(), warnings: self.warnings.lock().unwrap().clone() }
    }
}

pub fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        other => panic!("not an object: {other}"),
    }
}

/// The reply of the golden recordings.
pub fn message() -> Message {
    Message {
        id: REPLY.parse().unwrap(),
        channel_id: CHANNEL.parse().unwrap(),
        server_id: MessageServerId::DEFAULT,
        author_id: AGENT.parse().unwrap(),
        author_name: None,
        content: "pong".to_owned(),
        raw: Some(json!({"text": "pong", "actions": ["REPLY"], "thought": "deterministic thought"})),
        source_type: Some("agent_response".to_owned()),
        source_id: None,
        metadata: object(json!({"agentName": "Eliza"})),
        in_reply_to: Some(MESSAGE.parse().unwrap()),
        seq: 7,
        created_at: Timestamp::from_millis(NOW),
        updated_at: Timestamp::from_millis(NOW),
    }
}

pub fn agent() -> Agent {
    let character = json!({"name": "Eliza", "bio": ["One", "Two"], "lore": ["l"], "settings": {"voice": {"model": "v"}}});
    Agent {
        id: AGENT.parse().unwrap(),
        character: character::parse(&character).unwrap().character,
        enabled: true,
        running: true,
        created_at: Timestamp::from_millis(NOW),
        updated_at: Timestamp::from_millis(NOW),
    }
}

fn view() -> AgentView {
    AgentView { agent: agent(), secret_names: vec!["OPENAI_API_KEY".to_owned()] }
}

pub fn channel() -> Channel {
    Channel {
        id: CHANNEL.parse().unwrap(),
        server_id: MessageServerId::DEFAULT,
        name: "General".to_owned(),
        kind: "GROUP".to_owned(),
        source_type: None,
        source_id: None,
        topic: None,
        metadata: JsonObject::new(),
        created_at: Timestamp::from_millis(NOW),
        updated_at: Timestamp::from_millis(NOW),
    }
}

pub struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW)
    }
}

#[async_trait]
impl AgentService for Fakes {
    async fn list(&self, _: &Caller) -> ServiceResult<Vec<AgentSummary>> {
        self.note(Call::Other("agents"))?;
        Ok(vec![AgentSummary { id: AGENT.parse().unwrap(), name: "Eliza".to_owned(), bio: "One".to_owned(), running: false }])
    }

    async fn get(&self, _: &Caller, _: AgentId) -> ServiceResult<AgentView> {
        self.note(Call::Other("agent")).map(|()| view())
    }

    async fn create(&self, _: &Caller, request: CreateAgent) -> ServiceResult<CreatedAgent> {
        self.note(Call::Create(request))?;
        Ok(CreatedAgent {
            id: AGENT.parse().unwrap(),
            character: agent().character,
            secret_names: vec!["openai_api_key".to_owned()],
            existing: false,
            warnings: self.warnings.lock().unwrap().clone(),
        })
    }

    async fn update(&self, _: &Caller, _: AgentId, patch: JsonObject) -> ServiceResult<AgentView> {
        self.note(Call::Update(patch)).map(|()| view())
    }

    async fn remove(&self, _: &Caller, _: AgentId) -> ServiceResult<()> {
        self.note(Call::Other("remove agent"))
    }

    async fn start(&self, _: &Caller, _: AgentId) -> ServiceResult<Agent> {
        self.note(Call::Other("start")).map(|()| agent())
    }

    async fn stop(&self, _: &Caller, _: AgentId) -> ServiceResult<Agent> {
        self.note(Call::Other("stop")).map(|()| Agent { running: false, ..agent() })
    }

    async fn restart(&self, _: &Caller, _: AgentId) -> ServiceResult<Agent> {
        self.note(Call::Other("restart")).map(|()| agent())
    }

    async fn logs(&self, _: &Caller, agent_id: AgentId, filter: LogFilter) -> ServiceResult<Vec<LogEntry>> {
        self.note(Call::Logs(filter))?;
        Ok(vec![LogEntry {
            id: MESSAGE.parse().unwrap(),
            agent_id,
            entity_id: USER.parse().unwrap(),
            room_id: CHANNEL.parse().unwrap(),
            kind: "run_event".to_owned(),
            body: json!({"status": "error"}),
            created_at: Timestamp::from_millis(NOW),
        }])
    }
}

struct Replies(VecDeque<ReplyEvent>);

#[async_trait]
impl ReplyStream for Replies {
    async fn next(&mut self) -> Option<ReplyEvent> {
        match self.0.pop_front() {
            Some(event) => Some(event),
            None => std::future::pending().await,
        }
    }
}

struct Events(VecDeque<ServiceResult<Option<StreamItem>>>);

#[async_trait]
impl EventStream for Events {
    async fn next(&mut self) -> ServiceResult<Option<StreamItem>> {
        match self.0.pop_front() {
            Some(item) => item,
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl MessagingService for Fakes {
    async fn post(&self, _: &Caller, message: NewMessage) -> ServiceResult<PostReceipt> {
        self.note(Call::Post(message.clone())).map(|()| self.receipt(message))
    }

    async fn exchange(&self, _: &Caller, message: NewMessage) -> ServiceResult<(PostReceipt, Box<dyn ReplyStream>)> {
        self.note(Call::Exchange(message.clone()))?;
        let replies = std::mem::take(&mut *self.replies.lock().unwrap());
        Ok((self.receipt(message), Box::new(Replies(replies))))
    }

    async fn list(&self, _: &Caller, channel: ChannelId, before: Option<Timestamp>, limit: u32) -> ServiceResult<Vec<Message>> {
        self.note(Call::List(channel, before, limit))?;
        Ok(vec![message(); usize::try_from(limit.min(1)).unwrap()])
    }

    async fn complete(&self, _: &Caller, channel: ChannelId) -> ServiceResult<()> {
        self.note(Call::Complete(channel))
    }

    async fn subscribe(&self, _: &Caller, _: ChannelId, after: Option<i64>) -> ServiceResult<Box<dyn EventStream>> {
        self.note(Call::Subscribe(after))?;
        Ok(Box::new(Events(std::mem::take(&mut *self.items.lock().unwrap()))))
    }
}

#[async_trait]
impl ChannelService for Fakes {
    async fn servers(&self, _: &Caller) -> ServiceResult<Vec<MessageServer>> {
        self.note(Call::Other("servers"))?;
        Ok(vec![MessageServer {
            id: MessageServerId::DEFAULT,
            name: "Default Server".to_owned(),
            source_type: "eliza_default".to_owned(),
            source_id: None,
            metadata: JsonObject::new(),
            created_at: Timestamp::from_millis(NOW),
            updated_at: Timestamp::from_millis(NOW),
        }])
    }

    async fn list(&self, _: &Caller, _: MessageServerId) -> ServiceResult<Vec<Channel>> {
        self.note(Call::Other("channels")).map(|()| vec![channel()])
    }

    async fn create(&self, _: &Caller, new: NewChannel) -> ServiceResult<Channel> {
        self.note(Call::CreateChannel(new)).map(|()| channel())
    }

    async fn get(&self, _: &Caller, _: ChannelId) -> ServiceResult<Channel> {
        self.note(Call::Other("channel")).map(|()| channel())
    }

    async fn participants(&self, _: &Caller, _: ChannelId) -> ServiceResult<Vec<EntityId>> {
        self.note(Call::Other("participants")).map(|()| vec![USER.parse().unwrap(), AGENT.parse().unwrap()])
    }

    async fn remove(&self, _: &Caller, _: ChannelId) -> ServiceResult<()> {
        self.note(Call::Other("remove channel"))
    }
}

#[async_trait]
impl SystemService for Fakes {
    async fn health(&self) -> ServiceResult<Health> {
        self.note(Call::Other("health"))?;
        Ok(Health { active_agents: *self.active_agents.lock().unwrap(), total_agents: 3 })
    }
}
