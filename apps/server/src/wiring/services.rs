//! The services over the adapters, and how HTTP is spoken.

use std::path::PathBuf;
use std::sync::Arc;

use core_types::bus::EventBus;
use core_types::fetch::Fetcher;
use core_types::knowledge::DocumentReader;
use core_types::media::MediaStore;
use core_types::memory::VectorIndex;
use core_types::system::Figures;
use core_types::{Clock, Ids};
use domain::{
    Access, Agents, AttachmentPorts, Attachments, Audio, AudioPorts, Channels, Enclave, Jobs, Keys, Knowledge, KnowledgePorts, LongReads,
    Media, MediaCollector, MediaLimits, MediaPorts, Memories, Messaging, MessagingLimits, MessagingPorts, OneAtATime, Repeats, Rooms, Runs,
    Sealing, Secrets, Servers, SessionPorts, Sessions, System, Tee, Worlds,
};
use http_api::{HttpSettings, Services};
use persistence::Store;
use runtime::{CharacterTemplates, Limits, ReadyAgents};
use tokio::task::JoinSet;

use crate::characters::CharacterDirectory;
use crate::clock::SystemRandomness;
use crate::config::Config;
use crate::knowledge_files::KnowledgeDirectory;
use crate::live_settings::LiveSettings;
use crate::logging;
use crate::machine::ThisMachine;
use crate::open_files;
use crate::secret_key::KeyFile;
use crate::sweep::Sweep;
use crate::upkeep::Upkeep;

pub(super) fn knowledge(config: &Config, store: &Store, documents: &Arc<dyn DocumentReader>, clock: &Arc<dyn Clock>) -> Arc<Knowledge> {
    Arc::new(Knowledge::new(KnowledgePorts {
        agents: store.agents(),
        access: Access::new(store.access()),
        memories: store.memories(),
        reader: Arc::clone(documents),
        files: Arc::new(KnowledgeDirectory::new(config.knowledge_dir.clone())),
        clock: Arc::clone(clock),
    }))
}

pub(super) fn agents(
    config: &Config,
    store: &Store,
    vault: &Arc<auth::SecretVault>,
    knowledge: &Arc<Knowledge>,
    fetcher: &Arc<dyn Fetcher>,
    bus: &Arc<dyn EventBus>,
    clock: &Arc<dyn Clock>,
) -> Arc<Agents> {
    let remote = config.remote_characters.then(|| Arc::clone(fetcher));
    Arc::new(Agents {
        agents: store.agents(),
        access: Access::new(store.access()),
        secrets: store.secrets(),
        vault: Arc::<auth::SecretVault>::clone(vault),
        sealing: Sealing::default(),
        library: Arc::new(CharacterDirectory::new(config.characters_dir.clone(), remote)),
        templates: Arc::new(CharacterTemplates::default()),
        knowledge: Arc::clone(knowledge),
        bus: Arc::clone(bus),
        clock: Arc::clone(clock),
        reads: LongReads::default(),
    })
}

pub(super) fn attachments(
    store: &Store,
    files: &Arc<dyn MediaStore>,
    fetcher: Arc<dyn Fetcher>,
    documents: Arc<dyn DocumentReader>,
) -> Attachments {
    Attachments::new(AttachmentPorts { media: store.media(), store: Arc::clone(files), fetcher, documents })
}

/// Forgets what is kept for a time only.
pub(super) fn upkeep(config: &Config, store: &Store, files: &Arc<dyn MediaStore>, clock: &Arc<dyn Clock>) -> Upkeep {
    Upkeep {
        messages: store.messages(),
        memories: store.memories(),
        runs: store.runs(),
        media: MediaCollector { media: store.media(), store: Arc::clone(files), clock: Arc::clone(clock) },
        clock: Arc::clone(clock),
        retention: config.retention,
    }
}

fn media(config: &Config, store: &Store, files: Arc<dyn MediaStore>, clock: &Arc<dyn Clock>, known_channels_only: bool) -> Media {
    let ports = MediaPorts {
        media: store.media(),
        store: files,
        access: Access::new(store.access()),
        channels: store.channels(),
        clock: Arc::clone(clock),
        randomness: Arc::new(SystemRandomness),
    };
    let limits = MediaLimits { file_bytes: config.media.max_upload, ..MediaLimits::default() };
    Media::new(ports, limits, known_channels_only)
}

fn memories(store: &Store, access: &Access, vectors: Arc<dyn VectorIndex>, reads: &LongReads) -> Memories {
    Memories {
        agents: store.agents(),
        access: access.clone(),
        memories: store.memories(),
        messages: store.messages(),
        vectors: Some(vectors),
        reads: reads.clone(),
    }
}

fn rooms(store: &Store, access: &Access, clock: &Arc<dyn Clock>, reads: &LongReads) -> Rooms {
    Rooms {
        agents: store.agents(),
        access: access.clone(),
        worlds: store.worlds(),
        rooms: store.rooms(),
        memories: store.memories(),
        clock: Arc::clone(clock),
        reads: reads.clone(),
    }
}

fn worlds(store: &Store, access: &Access, clock: &Arc<dyn Clock>, reads: &LongReads) -> Worlds {
    Worlds {
        agents: store.agents(),
        access: access.clone(),
        worlds: store.worlds(),
        clock: Arc::clone(clock),
        reads: reads.clone(),
        turns: OneAtATime::default(),
    }
}

fn messaging_limits(config: &Config) -> MessagingLimits {
    MessagingLimits {
        reply_wait: config.runs.reply_wait,
        waiting_replies: config.runs.max_waiting,
        waiting_messages: config.runs.max_backlog,
    }
}

pub(super) fn run_limits(config: &Config) -> Limits {
    Limits {
        run_timeout: config.runs.timeout,
        runs: config.runs.max_concurrent,
        runs_per_agent: config.runs.max_concurrent_per_agent,
        reflect_every: config.runs.reflect_every,
        ..Limits::default()
    }
}

/// What the services share.
pub(super) struct Shared {
    pub(super) key: KeyFile,
    pub(super) keys: Arc<Keys>,
    pub(super) agents: Arc<Agents>,
    pub(super) knowledge: Arc<Knowledge>,
    pub(super) minds: Arc<ReadyAgents>,
    pub(super) vectors: Arc<dyn VectorIndex>,
    pub(super) files: Arc<dyn MediaStore>,
    pub(super) enclave: Option<Enclave>,
    pub(super) bus: Arc<dyn EventBus>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) machine: Arc<ThisMachine>,
    pub(super) settings: LiveSettings,
    pub(super) figures: Arc<dyn Figures>,
}

/// The services; what they have to do beside the requests is begun.
pub(super) fn services(config: &Config, store: &Store, shared: Shared, background: &mut JoinSet<()>) -> Services {
    let access = Access::new(store.access());
    let Shared { key, keys, agents, knowledge, minds, vectors, files, enclave, bus, clock, ids, machine, settings, figures } = shared;
    // One for all of them: the readers of the database are the same, whoever asks.
    let reads = agents.reads.clone();
    let tee = Tee {
        agents: Arc::<Agents>::clone(&agents),
        access: access.clone(),
        runs: store.runs(),
        clock: Arc::clone(&clock),
        enclave,
        reads: reads.clone(),
    };
    let keyring = keys.keyring.clone();
    let ports = MessagingPorts {
        messages: store.messages(),
        deliveries: store.deliveries(),
        agents: store.agents(),
        access: access.clone(),
        models: Arc::<ReadyAgents>::clone(&minds),
        bus: Arc::clone(&bus),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        reads: reads.clone(),
    };
    let servers = Servers {
        servers: store.servers(),
        channels: store.channels(),
        access: access.clone(),
        bus: Arc::clone(&bus),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        reads: reads.clone(),
    };
    let channels = Arc::new(Channels {
        reads: reads.clone(),
        servers: store.servers(),
        channels: store.channels(),
        access: access.clone(),
        bus,
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
        turn: tokio::sync::Mutex::default(),
    });
    let messaging = Arc::new(Messaging::new(ports, messaging_limits(config)));
    background.spawn(messaging.watch_backlog());
    background.spawn(crate::upkeep::index_words(store.memories()));
    let session_ports = SessionPorts {
        sessions: store.sessions(),
        access: access.clone(),
        agents: store.agents(),
        messages: store.messages(),
        messaging: Arc::<Messaging>::clone(&messaging),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    };
    let sessions = Arc::new(Sessions::new(session_ports, config.sessions.limits));
    let jobs = Arc::new(Jobs {
        jobs: store.jobs(),
        access: access.clone(),
        agents: store.agents(),
        messaging: Arc::<Messaging>::clone(&messaging),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    });
    background.spawn(Sweep { sessions: Arc::clone(&sessions), jobs: Arc::clone(&jobs), every: config.sessions.cleanup }.run());
    let audio = Audio::new(AudioPorts {
        speech: Arc::<ReadyAgents>::clone(&minds),
        messaging: Arc::<Messaging>::clone(&messaging),
        access: access.clone(),
        channels: store.channels(),
        meetings: Arc::<Channels>::clone(&channels),
    });
    let vault = Arc::<auth::SecretVault>::clone(&key.vault);
    let sealing = agents.sealing.clone();
    let secrets = Secrets { secrets: store.secrets(), vault, key: Arc::new(key), sealing, turn: Arc::default() };
    let system = System { agents: store.agents(), machine, log: logging::last(), environment: Arc::new(settings), figures, speech: minds };
    Services {
        agents,
        messaging,
        channels,
        sessions,
        jobs,
        servers: Arc::new(servers),
        memories: Arc::new(memories(store, &access, vectors, &reads)),
        rooms: Arc::new(rooms(store, &access, &clock, &reads)),
        knowledge,
        media: Arc::new(media(config, store, files, &clock, keyring.requires_key())),
        repeats: Arc::new(Repeats::new(store.repeats(), Arc::clone(&clock), Arc::clone(&ids))),
        audio: Arc::new(audio),
        worlds: Arc::new(worlds(store, &access, &clock, &reads)),
        runs: Arc::new(Runs { agents: store.agents(), access, runs: store.runs(), reads }),
        system: Arc::new(system),
        tee: Arc::new(tee),
        clock,
        ids,
        randomness: Arc::new(SystemRandomness),
        keys,
        secrets: Arc::new(secrets),
        keyring,
    }
}

pub(super) fn http_settings(config: &Config, ui: Option<PathBuf>) -> HttpSettings {
    HttpSettings {
        ui,
        body_limit: config.server.max_payload,
        upload_limit: config.media.max_upload,
        cors_origins: config.server.cors_origins.clone(),
        insecure: config.server.insecure,
        anonymous_sockets: config.server.anonymous_sockets,
        rate_limits: config.server.rate_limits,
        trusted_proxies: config.server.trusted_proxies.clone(),
        workers: Some(config.server.workers),
        connections_per_worker: open_files::connections_per_worker(config.server.workers),
        ..HttpSettings::default()
    }
}
