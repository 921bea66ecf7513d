//! A whole house without HTTP: a temporary SQLite database, the bus, the services and the runtime, with a scripted model.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "in a test, what must work and does not is a failure")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use auth::SecretVault;
use bus::InProcessBus;
use core_types::agents::{AgentService, CharacterLibrary, CharacterUnavailable, CreateAgent};
use core_types::bus::{BusEvent, EventBus, Subscription, Topic};
use core_types::deliveries::{Delivery, DeliveryRepository, DeliveryState};
use core_types::fetch::{FetchError, Fetched, Fetcher};
use core_types::knowledge::{FilesUnavailable, KnowledgeFile, KnowledgeFiles};
use core_types::media::{MediaFile, MediaPlace, MediaService, MediaStore, UploadHead};
use core_types::memory::VectorIndex;
use core_types::messaging::{
    ChannelService, Completion, Door, EventBody, Message, MessagingService, NewChannel, NewMessage, PostReceipt, StreamItem,
};
use core_types::models::ModelProvider;
use core_types::runs::{Run, RunFilter};
use core_types::{AgentId, Caller, ChannelId, Clock, EntityId, Ids, JsonObject, MessageServerId, Page, ServiceResult, Timestamp};
use domain::{
    Access, Agents, AttachmentPorts, Attachments, Channels, Jobs, Knowledge, KnowledgePorts, LongReads, Media, MediaCollector, MediaLimits,
    MediaPorts, Messaging, MessagingLimits, MessagingPorts, Sealing, SessionLimits, SessionPorts, Sessions,
};
use media_files::MediaFiles;
use persistence::{Options, Store, Target};
use runtime::{ActionRegistry, CharacterTemplates, Limits, ModelRegistry, Ports, ReadyAgents, Runtime};
use serde_json::{Value, json};

use crate::clock::{SeqIds, SteppedClock};

/// Long enough for anything that happens at all, on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The moment at which every house begins.
pub const DAWN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

struct NoLibrary;

#[async_trait::async_trait]
impl CharacterLibrary for NoLibrary {
    async fn read(&self, _path: &str) -> Result<Value, CharacterUnavailable> {
        Err(CharacterUnavailable { message: "there are no files here".to_owned() })
    }
}

/// Fetches nothing: a house has no way out.
struct NoWayOut;

#[async_trait::async_trait]
impl Fetcher for NoWayOut {
    async fn fetch(&self, _url: &str, _limit: usize) -> Result<Fetched, FetchError> {
        Err(FetchError::Failed { reason: "there is no way out".to_owned() })
    }
}

/// Has no files: most characters name none.
struct NoFiles;

#[async_trait::async_trait]
impl KnowledgeFiles for NoFiles {
    async fn find(&self, _path: &str) -> Result<Vec<KnowledgeFile>, FilesUnavailable> {
        Err(FilesUnavailable { message: "there are no files here".to_owned() })
    }

    async fn read(&self, _file: &KnowledgeFile) -> Result<bytes::Bytes, FilesUnavailable> {
        Err(FilesUnavailable { message: "there are no files here".to_owned() })
    }
}

/// Makes another of a port, around it.
pub type Decorate<T> = Box<dyn Fn(Arc<T>) -> Arc<T> + Send + Sync>;

/// How a house is set up.
pub struct Plan {
    /// The model of every agent that has no other.
    pub model: Arc<dyn ModelProvider>,
    /// What agents can do.
    pub actions: ActionRegistry,
    /// What bounds the runtime.
    pub limits: Limits,
    /// What bounds those who wait for replies.
    pub messaging: MessagingLimits,
    /// Gets what attachments elsewhere are.
    pub fetcher: Arc<dyn Fetcher>,
    /// What bounds files.
    pub media: MediaLimits,
    /// The files that characters may name.
    pub knowledge: Arc<dyn KnowledgeFiles>,
    /// How long sessions last.
    pub sessions: SessionLimits,
    /// Ranks memories by meaning.
    pub vectors: Option<Arc<dyn VectorIndex>>,
    /// What the runtime has instead of the store's deliveries, made of these.
    pub deliveries: Decorate<dyn DeliveryRepository>,
}

impl Plan {
    /// The usual bounds and the built-in actions.
    pub fn with(model: Arc<dyn ModelProvider>) -> Self {
        Self {
            model,
            actions: ActionRegistry::default(),
            limits: Limits::default(),
            messaging: MessagingLimits::default(),
            fetcher: Arc::new(NoWayOut),
            media: MediaLimits::default(),
            knowledge: Arc::new(NoFiles),
            sessions: SessionLimits::default(),
            vectors: None,
            deliveries: Box::new(|deliveries| deliveries),
        }
    }
}

/// A running house. Its clock moves by 1 ms with every reading, and when it is told to.
pub struct House {
    /// The database.
    pub store: Store,
    /// The bus.
    pub bus: Arc<dyn EventBus>,
    /// Agents.
    pub agents: Agents,
    /// Messages.
    pub messaging: Arc<Messaging>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Jobs.
    pub jobs: Arc<Jobs>,
    /// Channels.
    pub channels: Channels,
    /// Files.
    pub media: Media,
    /// Where the bytes of files are: in `media` of the house's directory.
    pub files: Arc<dyn MediaStore>,
    /// The time.
    pub clock: Arc<SteppedClock>,
    /// The agents made ready to run.
    pub minds: Arc<ReadyAgents>,
    runtime: Option<Runtime>,
    plan: Plan,
    directory: PathBuf,
    _temporary: tempfile::TempDir,
}

fn knowledge(store: &Store, plan: &Plan, clock: &Arc<dyn Clock>) -> Knowledge {
    Knowledge::new(KnowledgePorts {
        agents: store.agents(),
        access: Access::new(store.access()),
        memories: store.memories(),
        reader: Arc::new(documents::InProcess),
        files: Arc::clone(&plan.knowledge),
        clock: Arc::clone(clock),
    })
}

fn channels(store: &Store, bus: &Arc<dyn EventBus>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>, reads: LongReads) -> Channels {
    Channels {
        servers: store.servers(),
        channels: store.channels(),
        access: Access::new(store.access()),
        bus: Arc::clone(bus),
        clock,
        ids,
        reads,
        turn: tokio::sync::Mutex::default(),
    }
}

fn runtime_ports(
    store: &Store,
    plan: &Plan,
    vault: Arc<SecretVault>,
    attachments: Attachments,
    bus: &Arc<dyn EventBus>,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> Ports {
    Ports {
        agents: store.agents(),
        secrets: store.secrets(),
        vault,
        deliveries: (plan.deliveries)(store.deliveries()),
        memories: store.memories(),
        reflections: store.reflections(),
        vectors: plan.vectors.clone(),
        attachments: Arc::new(attachments),
        runs: store.runs(),
        bus: Arc::clone(bus),
        clock: Arc::clone(clock),
        ids: Arc::clone(ids),
    }
}

impl House {
    /// Builds a house and starts its runtime.
    pub async fn open(plan: Plan) -> Self {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let directory = temporary.path().to_path_buf();
        let ids: Arc<dyn Ids> = Arc::new(SeqIds::default());
        let clock = Arc::new(SteppedClock::new(DAWN, 1));
        let target = Target::Sqlite(directory.join("house.db"));
        let store = persistence::open(&target, Options::default(), Arc::clone(&ids)).await.expect("a new database");
        let bus: Arc<dyn EventBus> = Arc::new(InProcessBus::new());
        let vault = Arc::new(SecretVault::with_key([7; 32]));
        let shared_clock: Arc<dyn Clock> = Arc::<SteppedClock>::clone(&clock);
        let reads = LongReads::default();
        let agents = Agents {
            agents: store.agents(),
            access: Access::new(store.access()),
            secrets: store.secrets(),
            vault: Arc::<SecretVault>::clone(&vault),
            sealing: Sealing::default(),
            library: Arc::new(NoLibrary),
            templates: Arc::new(CharacterTemplates::default()),
            knowledge: Arc::new(knowledge(&store, &plan, &shared_clock)),
            bus: Arc::clone(&bus),
            clock: Arc::clone(&shared_clock),
            reads: reads.clone(),
        };
        let files = MediaFiles::open(directory.join("media")).await.expect("a directory for files");
        let files: Arc<dyn MediaStore> = Arc::new(files);
        let attachments = Attachments::new(AttachmentPorts {
            media: store.media(),
            store: Arc::clone(&files),
            fetcher: Arc::clone(&plan.fetcher),
            documents: Arc::new(documents::InProcess),
        });
        let ports = runtime_ports(&store, &plan, vault, attachments, &bus, &shared_clock, &ids);
        let minds = Arc::new(ReadyAgents::new(ports, ModelRegistry::serving(Arc::clone(&plan.model))));
        let messaging_ports = MessagingPorts {
            messages: store.messages(),
            deliveries: store.deliveries(),
            agents: store.agents(),
            access: Access::new(store.access()),
            models: Arc::<ReadyAgents>::clone(&minds),
            bus: Arc::clone(&bus),
            clock: Arc::clone(&shared_clock),
            ids: Arc::clone(&ids),
            reads: reads.clone(),
        };
        let messaging = Arc::new(Messaging::new(messaging_ports, plan.messaging));
        let session_ports = SessionPorts {
            sessions: store.sessions(),
            access: Access::new(store.access()),
            agents: store.agents(),
            messages: store.messages(),
            messaging: Arc::<Messaging>::clone(&messaging),
            clock: Arc::clone(&shared_clock),
            ids: Arc::clone(&ids),
        };
        let sessions = Arc::new(Sessions::new(session_ports, plan.sessions));
        let jobs = Arc::new(Jobs {
            jobs: store.jobs(),
            access: Access::new(store.access()),
            agents: store.agents(),
            messaging: Arc::<Messaging>::clone(&messaging),
            clock: Arc::clone(&shared_clock),
            ids: Arc::clone(&ids),
        });
        let media_ports = MediaPorts {
            media: store.media(),
            store: Arc::clone(&files),
            access: Access::new(store.access()),
            channels: store.channels(),
            clock: Arc::clone(&shared_clock),
            randomness: Arc::new(SeqIds::default()),
        };
        let media = Media::new(media_ports, plan.media, true);
        let channels = channels(&store, &bus, shared_clock, ids, reads);
        let mut house = Self {
            store,
            bus,
            agents,
            messaging,
            sessions,
            jobs,
            channels,
            media,
            files,
            clock,
            runtime: None,
            minds,
            plan,
            directory,
            _temporary: temporary,
        };
        house.start_runtime().await;
        house
    }

    /// The directory of the database.
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// What removes files that nobody owns.
    pub fn collector(&self) -> MediaCollector {
        let clock: Arc<dyn Clock> = Arc::<SteppedClock>::clone(&self.clock);
        MediaCollector { media: self.store.media(), store: Arc::clone(&self.files), clock }
    }

    /// Uploads a file in pieces of a thousand bytes.
    pub async fn upload(&self, place: MediaPlace, declared: Option<&str>, name: &str, bytes: &[u8]) -> ServiceResult<MediaFile> {
        let head = UploadHead { declared_type: declared.map(str::to_owned), file_name: Some(name.to_owned()), idempotency_key: None };
        let mut upload = self.media.begin(&Caller::owner(), head).await?;
        for piece in bytes.chunks(1_000) {
            upload.write(piece.to_vec().into()).await?;
        }
        Ok(upload.keep(place).await?.file)
    }

    /// Starts the runtime, which must not run.
    pub async fn start_runtime(&mut self) {
        let (minds, actions) = (Arc::clone(&self.minds), self.plan.actions.clone());
        let runtime = Runtime::start(minds, actions, self.plan.limits).await.expect("a runtime");
        assert!(self.runtime.replace(runtime).is_none(), "one runtime at a time");
    }

    /// Stops the runtime; what is under way after `grace` goes back to the queue.
    pub async fn stop_runtime(&mut self, grace: Duration) {
        if let Some(runtime) = self.runtime.take() {
            runtime.stop(grace).await;
        }
    }

    /// Stops the runtime where it runs and starts it with other bounds.
    pub async fn restart_with(&mut self, limits: Limits) {
        self.stop_runtime(PATIENCE).await;
        self.plan.limits = limits;
        self.start_runtime().await;
    }

    /// Lets time pass and makes the inbox look at the clock.
    pub async fn advance(&self, millis: i64) {
        self.clock.advance(millis);
        let nobody = AgentId::of_name("nobody in particular");
        self.bus.publish(Topic::Work, BusEvent::AgentChanged(nobody)).await;
    }

    /// Creates an agent and starts it.
    pub async fn agent(&self, character: Value) -> AgentId {
        let created = self.agents.create(&Caller::owner(), CreateAgent::Character(character)).await.expect("a character");
        self.agents.start(&Caller::owner(), created.id).await.expect("a started agent");
        created.id
    }

    /// Creates an agent with nothing but a name, and starts it.
    pub async fn agent_named(&self, name: &str) -> AgentId {
        self.agent(json!({"name": name, "bio": ["An agent in a test."]})).await
    }

    /// The newest runs of an agent.
    pub async fn runs(&self, agent: AgentId) -> Vec<Run> {
        self.store.runs().list(agent, RunFilter::default(), Page::first(100)).await.expect("runs").items
    }

    /// Creates a channel.
    pub async fn channel(&self, kind: &str, participants: &[EntityId], metadata: Value) -> ChannelId {
        let new = NewChannel {
            id: None,
            server_id: MessageServerId::DEFAULT,
            name: format!("the {kind}"),
            kind: kind.to_owned(),
            source_type: None,
            source_id: None,
            topic: None,
            metadata: metadata.as_object().cloned().unwrap_or_default(),
            participants: participants.to_vec(),
        };
        self.channels.create(&Caller::owner(), new).await.expect("a channel").id
    }

    /// A message that is ready to be posted.
    pub fn message(channel: ChannelId, author: EntityId, text: &str) -> NewMessage {
        NewMessage {
            door: Door::Channel,
            id: None,
            channel_id: channel,
            server_id: MessageServerId::DEFAULT,
            author_id: author,
            author_name: Some("Ann".to_owned()),
            content: text.to_owned(),
            raw: None,
            source_type: Some("test".to_owned()),
            source_id: None,
            metadata: JsonObject::new(),
            in_reply_to: None,
            idempotency_key: None,
        }
    }

    /// Posts a message.
    pub async fn post(&self, channel: ChannelId, author: EntityId, text: &str) -> PostReceipt {
        self.messaging.post(&Caller::owner(), Self::message(channel, author, text)).await.expect("a posted message")
    }

    /// Watches a channel from its beginning.
    pub async fn watch(&self, channel: ChannelId) -> Watch {
        let events = self.messaging.subscribe(&Caller::owner(), channel, Some(0)).await.expect("a channel");
        Watch { events, chunks: String::new() }
    }

    /// Reads what wakes the workers.
    pub async fn work(&self) -> Box<dyn Subscription> {
        self.bus.subscribe(Topic::Work).await
    }

    /// A delivery.
    pub async fn delivery(&self, completion: &Completion) -> Delivery {
        self.store.deliveries().find(completion.delivery_id).await.expect("a store").expect("a delivery")
    }

    /// The texts of a channel's messages, oldest first.
    pub async fn texts(&self, channel: ChannelId) -> Vec<String> {
        let mut messages = self.messaging.list(&Caller::owner(), channel, None, 1000).await.expect("messages");
        messages.reverse();
        messages.into_iter().map(|message| message.content).collect()
    }
}

/// A person with this number.
pub fn person(number: u64) -> EntityId {
    EntityId::new(SeqIds::nth(0x7000_0000 + number))
}

/// Somebody who watches a channel.
pub struct Watch {
    events: Box<dyn core_types::messaging::EventStream>,
    /// The pieces of replies since the last end, joined.
    pub chunks: String,
}

impl Watch {
    /// The next thing that happens; panics if nothing does.
    pub async fn next(&mut self) -> StreamItem {
        let next = tokio::time::timeout(PATIENCE, self.events.next()).await.expect("something happens");
        next.expect("a readable channel").expect("a channel that is still there")
    }

    /// Waits for a piece of a reply.
    pub async fn chunk(&mut self) -> String {
        loop {
            if let StreamItem::Chunk(chunk) = self.next().await {
                self.chunks.push_str(&chunk.text);
                return chunk.text.clone();
            }
        }
    }

    /// Waits for a delivery's end; returns it with the reply, which comes before it.
    pub async fn end(&mut self) -> (Completion, Option<Arc<Message>>) {
        let mut reply = None;
        loop {
            match self.next().await {
                StreamItem::Chunk(chunk) => self.chunks.push_str(&chunk.text),
                StreamItem::Event(event) => match &event.body {
                    EventBody::Message(Some(message)) if message.source_type.as_deref() == Some("agent_response") => {
                        reply = Some(Arc::clone(message));
                    }
                    EventBody::Complete(Some(completion)) => return (completion.clone(), reply),
                    _ => {}
                },
                StreamItem::Gap { from, to } => panic!("events {from} to {to} are missing"),
            }
        }
    }

    /// Waits for a delivery's end that must be a reply.
    pub async fn reply(&mut self) -> Arc<Message> {
        let (completion, reply) = self.end().await;
        assert_eq!(completion.state, DeliveryState::Replied, "{completion:?}");
        reply.expect("the reply comes before its end")
    }
}
