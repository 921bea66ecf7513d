//! An agent in a Rust program, without a server: opens a store, creates an agent with a model of its own, posts a message
//! and prints the reply.
//!
//! `cargo run -p doolittle-domain --example embed`

use std::sync::Arc;

use async_trait::async_trait;
use core_types::agents::{AgentService, CharacterLibrary, CharacterUnavailable, CreateAgent};
use core_types::bus::EventBus;
use core_types::knowledge::{FilesUnavailable, KnowledgeFile, KnowledgeFiles};
use core_types::media::{AttachmentContent, AttachmentLimits, AttachmentReader, AttachmentUnreadable};
use core_types::messaging::{Door, MessagingService, NewMessage, ReplyEvent, ReplyForm};
use core_types::models::{Capabilities, ModelError, ModelProvider, ModelSize, TextRequest, TextResponse, TextSink, Usage};
use core_types::{Caller, Clock, EntityId, Ids, MessageServerId, Secret, Timestamp};
use doolittle_domain::{Access, Agents, Knowledge, KnowledgePorts, LongReads, Messaging, MessagingLimits, MessagingPorts, Sealing};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// A model of our own: it repeats what it hears.
struct Parrot;

#[async_trait]
impl ModelProvider for Parrot {
    fn name(&self) -> &'static str {
        "parrot"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { tools: false, images: false, context_tokens: 4096 }
    }

    fn model(&self, _size: ModelSize) -> &'static str {
        "grey"
    }

    async fn generate(&self, request: TextRequest, sink: &dyn TextSink) -> Result<TextResponse, ModelError> {
        let text = format!("Squawk! {}", request.turns.last().map_or("", |turn| &turn.text));
        sink.push(&text);
        Ok(TextResponse { text, calls: Vec::new(), usage: Usage::default(), model: "grey".to_owned() })
    }
}

/// The real time and real random ids.
struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "this program's one source of time")]
    fn now(&self) -> Timestamp {
        time::OffsetDateTime::now_utc().into()
    }
}

impl Ids for System {
    #[expect(clippy::disallowed_methods, reason = "this program's one source of ids")]
    fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::new_v4()
    }
}

/// This program reads no files, of characters or attached to messages.
struct NoFiles;

#[async_trait]
impl CharacterLibrary for NoFiles {
    async fn read(&self, _path: &str) -> Result<Value, CharacterUnavailable> {
        Err(CharacterUnavailable { message: "this program reads no character files".to_owned() })
    }
}

#[async_trait]
impl KnowledgeFiles for NoFiles {
    async fn find(&self, path: &str) -> Result<Vec<KnowledgeFile>, FilesUnavailable> {
        Err(FilesUnavailable { message: format!("there is no {path:?}") })
    }

    async fn read(&self, file: &KnowledgeFile) -> Result<bytes::Bytes, FilesUnavailable> {
        Err(FilesUnavailable { message: format!("there is no {:?}", file.path) })
    }
}

#[async_trait]
impl AttachmentReader for NoFiles {
    async fn read(&self, _url: &str, _limits: AttachmentLimits) -> Result<AttachmentContent, AttachmentUnreadable> {
        Err(AttachmentUnreadable { message: "this program reads no attachments".to_owned() })
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(System), Arc::new(System));
    let target = persistence::Target::Sqlite(directory.path().join("embedded.db"));
    let store = persistence::open(&target, persistence::Options::default(), Arc::clone(&ids)).await?;
    let bus: Arc<dyn EventBus> = Arc::new(bus::InProcessBus::new());
    let vault = Arc::new(auth::SecretVault::with_passphrase(&Secret::new("a passphrase of your own")));

    let agents = Agents {
        agents: store.agents(),
        access: Access::new(store.access()),
        secrets: store.secrets(),
        vault: Arc::<auth::SecretVault>::clone(&vault),
        sealing: Sealing::default(),
        library: Arc::new(NoFiles),
        templates: Arc::new(runtime::CharacterTemplates::default()),
        knowledge: Arc::new(Knowledge::new(KnowledgePorts {
            agents: store.agents(),
            access: Access::new(store.access()),
            memories: store.memories(),
            reader: Arc::new(documents::InProcess),
            files: Arc::new(NoFiles),
            clock: Arc::clone(&clock),
        })),
        bus: Arc::clone(&bus),
        clock: Arc::clone(&clock),
        reads: LongReads::default(),
    };
    let ports = runtime::Ports {
        agents: store.agents(),
        secrets: store.secrets(),
        vault,
        deliveries: store.deliveries(),
        memories: store.memories(),
        reflections: store.reflections(),
        vectors: None,
        attachments: Arc::new(NoFiles),
        runs: store.runs(),
        bus: Arc::clone(&bus),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    };
    let minds = Arc::new(runtime::ReadyAgents::new(ports, runtime::ModelRegistry::serving(Arc::new(Parrot))));
    let running = runtime::Runtime::start(Arc::clone(&minds), runtime::ActionRegistry::default(), runtime::Limits::default()).await?;
    let messaging_ports = MessagingPorts {
        messages: store.messages(),
        deliveries: store.deliveries(),
        agents: store.agents(),
        access: Access::new(store.access()),
        models: minds,
        bus,
        clock,
        ids: Arc::clone(&ids),
        reads: agents.reads.clone(),
    };
    let messaging = Messaging::new(messaging_ports, MessagingLimits::default());

    let me = Caller::owner();
    let polly = agents.create(&me, CreateAgent::Character(json!({"name": "Polly", "bio": "A parrot."}))).await?;
    agents.start(&me, polly.id).await?;
    let metadata = json!({"isDm": true, "targetUserId": polly.id});
    let message = NewMessage {
        door: Door::Channel,
        id: None,
        channel_id: ids.uuid().into(),
        server_id: MessageServerId::DEFAULT,
        author_id: EntityId::new(ids.uuid()),
        author_name: Some("Ann".to_owned()),
        content: "Who is a clever bird?".to_owned(),
        raw: None,
        source_type: None,
        source_id: None,
        metadata: metadata.as_object().cloned().unwrap_or_default(),
        in_reply_to: None,
        idempotency_key: None,
    };
    let (_, mut reply) = messaging.exchange(&me, message, ReplyForm::Whole).await?;
    match reply.next().await {
        Some(ReplyEvent::Replied(message)) => report(&message.content),
        other => return Err(format!("no reply: {other:?}").into()),
    }
    running.stop(std::time::Duration::from_secs(1)).await;
    store.close().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example shows what it got")]
fn report(text: &str) {
    println!("Polly: {text}");
}
