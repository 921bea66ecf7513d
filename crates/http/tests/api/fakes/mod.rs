//! Services that remember what they were asked and answer what the test told them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use core_types::agents::{Agent, AgentCount, CreateAgent};
use core_types::bus::Lagged;
use core_types::character;
use core_types::jobs::{JobStatus, NewJob};
use core_types::knowledge::NewDocument;
use core_types::media::{MediaFile, MediaName, MediaPlace, MediaType, UploadHead};
use core_types::memory::{COUNTED, ListedMemories, Memory, MemoryChange, MemoryFilter, MemorySearch, Origin, Room, Source, Trust};
use core_types::messaging::{
    Channel, ChannelChange, Message, MessageChange, MessageSearch, MessageServer, MessageWindow, NewChannel, NewMessage, NewServer,
    PostReceipt, ReplyEvent, ServerChange, StreamItem, SyncedChannel, Title,
};
use core_types::repeats::KeyedRequest;
use core_types::rooms::{NewGroup, NewRoom};
use core_types::runs::{LogFilter, RunFilter};
use core_types::sessions::{NewSession, SessionMessage, TimeoutChange};
use core_types::speech::SpeechEngines;
use core_types::system::{EnvironmentChange, EnvironmentName, LogLevel, LogLine, LogReader, MemoryUse, ServerLog, Status, SystemService};
use core_types::tee::{Challenge, LogQuery};
use core_types::worlds::{NewWorld, World, WorldChange};
use core_types::{
    AgentId, Caller, ChannelId, Clock, EntityId, Ids, Json, JsonObject, Listed, LogId, MediaId, MemoryId, MessageId, MessageServerId, Page,
    Randomness, RoomId, RunId, ServiceError, ServiceResult, SessionId, Timestamp, WorldId,
};
use serde_json::{Value, json};

mod agents;
mod audio;
mod channels;
mod keys;
mod media;
mod memories;
mod messaging;
mod repeats;
mod sessions;
mod tee;

pub use sessions::{JOB, SESSION};

pub const AGENT: &str = "b850bc30-45f8-0041-a00a-83df46d8555d";
pub const CHANNEL: &str = "25933be3-f43d-4ecb-b644-fcd71baa15eb";
pub const USER: &str = "8ff3442d-deec-4e87-b795-ca44c826dc0c";
pub const SERVER: &str = "00000000-0000-0000-0000-000000000000";
pub const MESSAGE: &str = "c8859c6f-64c5-4da1-9a57-3566ac9ccae5";
pub const REPLY: &str = "c9eb8ba9-9d0d-4369-a025-8558f007c686";
pub const WORLD: &str = "de945303-ce32-03a0-8c7e-89c021528532";
/// Eliza's room for the channel.
pub const ROOM: &str = "d09f3556-e714-0c92-bc94-0c8a68ea8018";
pub const RUN: &str = "3101c770-0b70-42e4-9dae-63400b076441";
pub const NOW: i64 = 1_704_067_200_007;

/// What a call was about.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    ChangeEnvironment(Vec<(String, Option<String>)>),
    Create(CreateAgent),
    Update(JsonObject),
    Logs(LogFilter),
    RemoveLog(LogId),
    Runs(RunFilter, Page),
    Run(RunId),
    CreateWorld(NewWorld),
    UpdateWorld(WorldId, WorldChange),
    World(WorldId),
    Memories(MemoryFilter, Page),
    Memory(MemoryId),
    SearchMemories(MemorySearch),
    UpdateMemory(MemoryId, MemoryChange),
    RemoveMemory(MemoryId),
    ClearMemories(Vec<RoomId>),
    Revert(Source),
    Room(RoomId),
    CreateRoom(NewRoom),
    RenameRoom(RoomId, String),
    CreateGroup(NewGroup),
    AddDocument(NewDocument),
    Post(NewMessage),
    Exchange(NewMessage),
    /// With the sequence number that the reader knows.
    List(ChannelId, Option<Timestamp>, u32, Option<i64>),
    Complete(ChannelId),
    CompleteMessage(MessageId),
    Sync(MessageServerId, Vec<SyncedChannel>),
    Subscribe(Option<i64>),
    Message(MessageId),
    Edit(MessageId, MessageChange),
    RemoveMessage(ChannelId, MessageId),
    Clear(ChannelId),
    Search(MessageSearch),
    Title(ChannelId, AgentId, Option<Timestamp>, u32),
    CreateChannel(NewChannel),
    UpdateChannel(ChannelId, ChannelChange),
    Direct(MessageServerId, [EntityId; 2]),
    Join(ChannelId, EntityId),
    Leave(ChannelId, EntityId),
    CreateServer(NewServer),
    UpdateServer(MessageServerId, ServerChange),
    RemoveServer(MessageServerId),
    Link(MessageServerId, AgentId),
    Unlink(MessageServerId, AgentId),
    Keyed(KeyedRequest),
    Begin(UploadHead),
    Keep(MediaPlace, Vec<u8>),
    /// The bytes of a recording.
    Transcribe(AgentId, Vec<u8>),
    Speak(AgentId, String),
    /// The channel, the author, its name and the words.
    Ask(AgentId, Option<ChannelId>, Option<EntityId>, Option<String>, String),
    Find(MediaPlace, MediaName),
    Read(Range<u64>),
    Page(Page),
    Attest(Option<Challenge>),
    AttestedAgent(AgentId, Option<Challenge>),
    AttestedLogs(LogQuery, Option<Challenge>),
    OpenSession(NewSession),
    InSession(SessionId, SessionMessage),
    Window(MessageWindow),
    Limit(TimeoutChange),
    CreateJob(NewJob),
    Jobs(Option<JobStatus>, Page),
    Nonce(&'static str, Option<Challenge>),
    Other(&'static str),
}

/// All services in one.
#[derive(Default)]
pub struct Fakes {
    pub calls: Arc<Mutex<Vec<Call>>>,
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
    pub active_agents: Mutex<u64>,
    /// How many events have followed the message.
    pub later: Mutex<i64>,
    /// How a title turns out.
    pub title: Mutex<Option<Title>>,
    /// The type of every file.
    pub media_type: Mutex<Option<MediaType>>,
    /// How long every list is said to be.
    pub total: Mutex<u64>,
    /// Whether messages whose reply is waited for are never taken in, and nothing is said.
    pub is_stuck: AtomicBool,
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

    /// A list of one.
    fn listed_memories(&self) -> ListedMemories {
        let Listed { items, total } = self.listed(memory());
        ListedMemories { items, total: (total <= u64::from(COUNTED)).then_some(total) }
    }

    fn listed<T>(&self, item: T) -> Listed<T> {
        Listed { items: vec![item], total: (*self.total.lock().unwrap()).max(1) }
    }

    fn receipt(&self, new: NewMessage) -> PostReceipt {
        let message = Arc::new(Message {
            id: new.id.unwrap_or_else(|| MESSAGE.parse().unwrap()),
            channel_id: new.channel_id,
            server_id: new.server_id,
            author_id: new.author_id,
            author_name: new.author_name,
            content: new.content,
            raw: new.raw.map(Json::from),
            source_type: new.source_type,
            source_id: new.source_id,
            metadata: new.metadata.into(),
            in_reply_to: new.in_reply_to,
            ..message()
        });
        PostReceipt { message, repeated: *self.repeated.lock().unwrap(), warnings: self.warnings.lock().unwrap().clone(), renewal: None }
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
        raw: Some(json!({"text": "pong", "actions": ["REPLY"], "thought": "deterministic thought"}).into()),
        source_type: Some("agent_response".to_owned()),
        source_id: None,
        metadata: json!({"agentName": "Eliza"}).into(),
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
        owner: None,
        created_at: Timestamp::from_millis(NOW),
        updated_at: Timestamp::from_millis(NOW),
    }
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
        owner: None,
        created_at: Timestamp::from_millis(NOW),
        updated_at: Timestamp::from_millis(NOW),
    }
}

pub fn server() -> MessageServer {
    MessageServer {
        id: MessageServerId::DEFAULT,
        name: "Default Server".to_owned(),
        source_type: "eliza_default".to_owned(),
        source_id: None,
        metadata: JsonObject::new(),
        owner: None,
        created_at: Timestamp::from_millis(NOW),
        updated_at: Timestamp::from_millis(NOW),
    }
}

pub fn world() -> World {
    World {
        id: WORLD.parse().unwrap(),
        agent_id: AGENT.parse().unwrap(),
        name: "W".to_owned(),
        server_id: None,
        metadata: object(json!({"k": "v"})),
        created_at: Timestamp::from_millis(NOW),
    }
}

/// The agent's memory of the reply.
pub fn memory() -> Memory {
    Memory {
        id: REPLY.parse().unwrap(),
        agent_id: AGENT.parse().unwrap(),
        table: "messages".to_owned(),
        room_id: ROOM.parse().unwrap(),
        world_id: None,
        entity_id: AGENT.parse().unwrap(),
        content: object(json!({"text": "pong"})),
        metadata: object(json!({"type": "message"})),
        unique: true,
        created_at: Timestamp::from_millis(NOW),
        origin: Origin {
            message: Some(MESSAGE.parse().unwrap()),
            author: Some(USER.parse().unwrap()),
            channel: Some(CHANNEL.parse().unwrap()),
            run: Some(RUN.parse().unwrap()),
            trust: Some(Trust::Agent),
        },
        document_id: None,
    }
}

pub fn room() -> Room {
    Room {
        id: ROOM.parse().unwrap(),
        agent_id: AGENT.parse().unwrap(),
        world_id: WORLD.parse().unwrap(),
        channel_id: None,
        name: "R".to_owned(),
        kind: "DM".to_owned(),
        source: "client".to_owned(),
        server_id: None,
        metadata: object(json!({"k": "v"})),
        created_at: Timestamp::from_millis(NOW),
    }
}

/// What every file holds.
pub const CONTENT: &[u8] = b"0123456789";

pub fn file(place: MediaPlace, media_type: MediaType) -> MediaFile {
    MediaFile {
        id: MediaId::from_bits(7),
        place,
        media_type,
        original_name: "pixel.png".to_owned(),
        size: CONTENT.len() as u64,
        sha256: [0xab; 32],
        created_at: Timestamp::from_millis(NOW),
    }
}

pub struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW)
    }
}

/// Ids and numbers that count up.
#[derive(Default)]
pub struct Counting(AtomicU64);

impl Ids for Counting {
    fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.bits().unwrap())
    }
}

impl Randomness for Counting {
    fn bits(&self) -> Result<u128, core_types::error::Source> {
        Ok(self.0.fetch_add(1, Ordering::Relaxed).into())
    }
}

#[async_trait::async_trait]
impl SystemService for Fakes {
    async fn health(&self) -> ServiceResult<AgentCount> {
        self.note(Call::Other("health"))?;
        Ok(AgentCount { running: *self.active_agents.lock().unwrap(), total: 3 })
    }

    async fn status(&self) -> ServiceResult<Status> {
        self.note(Call::Other("status"))?;
        Ok(Status {
            agents: AgentCount { running: 2, total: 3 },
            memory: MemoryUse { used: 5, total: 7 },
            speech: SpeechEngines { synthesizer: Some("flite (slt)".to_owned()), transcriber: None },
        })
    }

    async fn figures(&self, _: &Caller) -> ServiceResult<String> {
        self.note(Call::Other("figures"))?;
        Ok("doolittle_agents 3\n".to_owned())
    }

    fn log(&self, _: &Caller) -> ServiceResult<Arc<dyn ServerLog>> {
        self.note(Call::Other("log"))?;
        Ok(Arc::new(FakeLog))
    }

    async fn environment(&self, _: &Caller) -> ServiceResult<Vec<EnvironmentName>> {
        self.note(Call::Other("environment"))?;
        let name = |name: &str, overridden| EnvironmentName { name: name.to_owned(), overridden };
        Ok(vec![name("OPENAI_API_KEY", true), name("SMALL_MODEL", false)])
    }

    async fn change_environment(&self, _: &Caller, changes: Vec<EnvironmentChange>) -> ServiceResult<()> {
        let shown = changes.into_iter().map(|(name, value)| (name, value.map(|value| value.reveal().to_owned())));
        self.note(Call::ChangeEnvironment(shown.collect()))
    }

    fn stop(&self, _: &Caller) -> ServiceResult<()> {
        self.note(Call::Other("stop"))
    }
}

/// A log of four lines, the first of them two hours old; who reads along sees the last, misses some, and then the log ends.
struct FakeLog;

fn line(number: i64) -> Arc<LogLine> {
    let (level, hours) =
        [(LogLevel::Info, 2), (LogLevel::Info, 0), (LogLevel::Warn, 0), (LogLevel::Error, 0)][usize::try_from(number).unwrap()];
    let time = Timestamp::from_millis(NOW - hours * 60 * 60 * 1_000);
    Arc::new(LogLine { time, level, target: "doolittle".to_owned(), message: format!("line {number} of Ada") })
}

impl ServerLog for FakeLog {
    fn lines(&self) -> Vec<Arc<LogLine>> {
        (0..4).map(line).collect()
    }

    fn clear(&self) -> usize {
        4
    }

    fn follow(&self) -> Box<dyn LogReader> {
        Box::new(FakeReader(VecDeque::from([Ok(Some(line(3))), Err(Lagged), Ok(None)])))
    }
}

struct FakeReader(VecDeque<Result<Option<Arc<LogLine>>, Lagged>>);

#[async_trait::async_trait]
impl LogReader for FakeReader {
    async fn next(&mut self) -> Result<Option<Arc<LogLine>>, Lagged> {
        self.0.pop_front().unwrap()
    }
}
