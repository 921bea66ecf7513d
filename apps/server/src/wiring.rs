//! Puts the server together and runs it: the one place that names concrete types of the other crates.

use std::future::poll_fn;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bus::InProcessBus;
use core_types::agents::{AgentService, AgentSummary, CreateAgent};
use core_types::bus::EventBus;
use core_types::error::chain;
use core_types::fetch::Fetcher;
use core_types::knowledge::DocumentReader;
use core_types::media::MediaStore;
use core_types::memory::VectorIndex;
use core_types::models::{ModelProvider, ModelSize};
use core_types::speech::{AgentSpeech as _, SpeechEngines};
use core_types::system::Figures;
use core_types::{AgentId, Caller, Clock, Ids, ServiceError};
use domain::{
    Access, Agents, AttachmentPorts, Attachments, Audio, AudioPorts, Channels, Enclave, Jobs, Keys, Knowledge, KnowledgePorts, Media,
    MediaCollector, MediaLimits, MediaPorts, Memories, Messaging, MessagingLimits, MessagingPorts, Repeats, Rooms, Runs, Secrets, Servers,
    SessionPorts, Sessions, System, Tee, Worlds,
};
use http_api::{AppState, HttpSettings, RunningServer, Services};
use media_files::MediaFiles;
use media_s3::{MediaS3, S3Settings};
use models_eliza::ElizaConnector;
use persistence::{LogOptions, OpenError, Options, Store, Target};
use recall::Recall;
use runtime::{ActionRegistry, Limits, ModelRegistry, Ports, ReadyAgents, Runtime};
use tokio::task::JoinSet;

use crate::care;
use crate::care::schedule;
use crate::characters::{CharacterDirectory, ELIZA};
use crate::clock::{SystemClock, SystemIds, SystemRandomness};
use crate::config::{Bucket, Config};
use crate::credentials::{self, KeySet};
use crate::embedders::ServerEmbedders;
use crate::exit::{Exit, Failure};
use crate::figures::{self, PrometheusFigures};
use crate::knowledge_files::KnowledgeDirectory;
use crate::live_settings::LiveSettings;
use crate::lock::DataLock;
use crate::logging;
use crate::machine::ThisMachine;
use crate::secret_key::KeyFile;
use crate::startup::Started;
use crate::sweep::Sweep;
use crate::tee;
use crate::upkeep::Upkeep;
use crate::{secret_key, speech};

/// How long runs under way may finish when the server stops; what is left is tried again at the next start.
const GRACE: Duration = Duration::from_secs(10);

/// How often to look whether the database still belongs to this server.
const OWNER_CHECK: Duration = Duration::from_secs(10);

/// The name of the SQLite file in the data directory.
pub const DATABASE: &str = "doolittle.db";

/// Runs the server on a bound port with a locked data directory until the process is told to stop.
pub async fn serve(config: Config, listener: TcpListener, lock: DataLock) -> Result<(), Failure> {
    let ready = |text: &str| {
        // Nobody reads along; the server works all the same.
        let _ = std::io::stderr().write_all(text.as_bytes());
    };
    let stop = async {
        stop_signal().await;
        tokio::spawn(async {
            stop_signal().await;
            log::warn!("stopped at once; what was under way is tried again at the next start");
            std::process::exit(Exit::Failure as i32);
        });
    };
    let served = serve_until(&config, listener, ready, stop).await;
    drop(lock);
    served
}

/// Runs the server on a bound port until `stop` resolves; `ready` gets the start-up text.
pub async fn serve_until(
    config: &Config,
    listener: TcpListener,
    ready: impl FnOnce(&str),
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(|error| Failure::new(Exit::Failure, "the port was lost").because(error))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn Ids> = Arc::new(SystemIds);
    let counted = PrometheusFigures::begin();
    let ui = config.server.ui.as_deref().map(ui_folder).transpose()?;
    let vault = Arc::new(secret_key::vault(config)?);
    let keyring = credentials::keyring(config)?;
    let key_set = KeySet::named(config, &keyring)?;
    let enclave = tee::enclave(config).await?;
    let attests = enclave.as_ref().map(Enclave::describe);
    let store = Arc::new(open(config).await?);
    let files = media_store(config).await?;
    let kept_in = files.describe();
    let bus: Arc<dyn EventBus> = Arc::new(InProcessBus::new());
    let settings = LiveSettings::new(config);
    let models = models(&settings)?;
    let provider = models.default_provider().map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let (embedders, recall) = recall(&store, &settings, config)?;
    let vectors: Arc<dyn VectorIndex> = Arc::<Recall>::clone(&recall);

    let documents: Arc<dyn DocumentReader> = Arc::new(document_reader()?);
    let fetcher = fetcher()?;
    let knowledge = knowledge(config, &store, &documents, &clock);
    let agents = agents(config, &store, &vault, &knowledge, &fetcher, &bus, &clock);
    if config.default_agent {
        ensure_default_agent(agents.as_ref()).await.map_err(|error| unready(&error))?;
    }
    let ports = Ports {
        agents: store.agents(),
        secrets: store.secrets(),
        vault: Arc::<auth::SecretVault>::clone(&vault),
        deliveries: store.deliveries(),
        memories: store.memories(),
        reflections: store.reflections(),
        vectors: Some(Arc::clone(&vectors)),
        attachments: Arc::new(attachments(&store, &files, fetcher, documents)),
        runs: store.runs(),
        bus: Arc::clone(&bus),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    };
    let minds = Arc::new(ReadyAgents::new(ports, models).with_speech(speech::registry(config, &settings).await?));
    let runtime = Runtime::start(Arc::clone(&minds), ActionRegistry::default(), run_limits(config))
        .await
        .map_err(|error| Failure::new(Exit::Database, "the deliveries cannot be taken up").because(error))?;
    let engines = minds.engines();
    let upkeep = upkeep(config, &store, &files, &clock);
    let mut background = in_background(upkeep, Arc::clone(&agents), Arc::clone(&minds), settings.clone(), recall);
    background.spawn(figures::keep_small(counted.clone()));
    let keys = credentials::begin(&store, (keyring, key_set), &clock, &ids, &mut background).await?;
    let backups = schedule::begin(config, &store, &files, &clock, &mut background)?;
    let machine = Arc::new(ThisMachine::default());
    let told_to_stop = machine.stopping();
    let figures = PrometheusFigures::new(counted, store.agents(), store.deliveries(), Arc::<ThisMachine>::clone(&machine));

    let listed = agents.list(&Caller::owner()).await.map_err(|error| unready(&error))?;
    let shared = Shared {
        vault: Arc::clone(&vault),
        keys: Arc::clone(&keys),
        agents,
        knowledge,
        minds,
        vectors,
        files,
        enclave,
        bus,
        clock,
        ids,
        machine,
        settings,
        figures: Arc::new(figures),
    };
    let services = services(config, &store, shared, &mut background);
    let state = AppState::new(services, http_settings(config, ui));
    let server =
        http_api::run(listener, state).map_err(|error| Failure::new(Exit::Failure, "the HTTP server did not start").because(error))?;
    let found = Models {
        provider: provider.as_ref(),
        speech: &engines,
        embeddings: embedders.model(),
        tee: attests.as_deref(),
        backups: backups.as_deref(),
    };
    // Whoever is told that the server is there may tell it to stop: that is heard from before.
    let mut stop = pin!(stop);
    let stopped = poll_fn(|context| Poll::Ready(stop.as_mut().poll(context).is_ready())).await;
    ready(&started_text(config, address, &store, &kept_in, &found, &listed));

    let stop = either(stopped, stop, told_to_stop);
    let outcome = until_stopped(server, runtime, &store, stop).await;
    background.shutdown().await;
    credentials::end(&keys).await;
    store.close().await;
    outcome?.map_err(|error| Failure::new(Exit::Failure, "the HTTP server failed").because(error))
}

fn knowledge(config: &Config, store: &Store, documents: &Arc<dyn DocumentReader>, clock: &Arc<dyn Clock>) -> Arc<Knowledge> {
    Arc::new(Knowledge::new(KnowledgePorts {
        agents: store.agents(),
        access: Access::new(store.access()),
        memories: store.memories(),
        reader: Arc::clone(documents),
        files: Arc::new(KnowledgeDirectory::new(config.knowledge_dir.clone())),
        clock: Arc::clone(clock),
    }))
}

fn agents(
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
        library: Arc::new(CharacterDirectory::new(config.characters_dir.clone(), remote)),
        knowledge: Arc::clone(knowledge),
        bus: Arc::clone(bus),
        clock: Arc::clone(clock),
    })
}

fn attachments(store: &Store, files: &Arc<dyn MediaStore>, fetcher: Arc<dyn Fetcher>, documents: Arc<dyn DocumentReader>) -> Attachments {
    Attachments::new(AttachmentPorts { media: store.media(), store: Arc::clone(files), fetcher, documents })
}

/// Forgets what is kept for a time only.
fn upkeep(config: &Config, store: &Store, files: &Arc<dyn MediaStore>, clock: &Arc<dyn Clock>) -> Upkeep {
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

/// Resolves with the first of two, or at once.
async fn either(at_once: bool, one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    if at_once {
        return;
    }
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

/// Begins what goes on beside the requests, until the server stops.
fn in_background(upkeep: Upkeep, agents: Arc<Agents>, minds: Arc<ReadyAgents>, settings: LiveSettings, recall: Arc<Recall>) -> JoinSet<()> {
    let mut background = JoinSet::new();
    // Many characters take a while, for which nobody should wait.
    background.spawn(async move {
        if let Err(error) = agents.follow_all().await {
            log::error!("what characters know is not up to date: {}", chain(&error));
        }
        upkeep.run().await;
    });
    background.spawn(follow(settings, minds));
    background.spawn(async move { recall.run().await });
    background
}

/// Serves until `stop` resolves, and then lets what is under way come to its end.
async fn until_stopped(
    server: RunningServer,
    runtime: Runtime,
    store: &Store,
    stop: impl Future<Output = ()>,
) -> Result<std::io::Result<()>, Failure> {
    let stopper = server.stopper();
    let mut serving = pin!(server.wait());
    tokio::select! {
        outcome = &mut serving => Ok(outcome),
        () = stop => Ok({
            log::info!("stopping: runs under way may finish within {} s", GRACE.as_secs());
            // Runs first, so that whoever waits for a reply still gets it.
            let closed = async {
                runtime.stop(GRACE).await;
                stopper.stop().await;
            };
            tokio::join!(&mut serving, closed).0
        }),
        () = lost_database(store) => Err(Failure::new(
            Exit::Locked,
            "another server has taken over the database, since the connection that kept it was lost; stopped at once",
        )),
    }
}

/// Lets agents see settings that have changed: at their next run.
async fn follow(settings: LiveSettings, minds: Arc<ReadyAgents>) {
    loop {
        settings.changed().await;
        minds.forget_all();
    }
}

/// Resolves when another server works on the database.
async fn lost_database(store: &Store) {
    loop {
        tokio::time::sleep(OWNER_CHECK).await;
        match store.still_owner().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => log::warn!("cannot see whether the database is still ours: {}", chain(&error)),
        }
    }
}

/// The configured database.
pub fn target(config: &Config) -> Target {
    match &config.postgres_url {
        Some(url) => Target::Postgres(url.reveal().to_owned()),
        None => Target::Sqlite(config.data_dir.join(DATABASE)),
    }
}

/// Opens the configured database and brings it up to date.
pub async fn open(config: &Config) -> Result<Store, Failure> {
    care::before_migrating(config).await?;
    let log = config.backups.log_dir.clone().map(|dir| LogOptions { dir, clock: Arc::new(SystemClock) });
    let options = Options { log, ..Options::default() };
    persistence::open(&target(config), options, Arc::new(SystemIds)).await.map_err(|error| {
        let advice = match &error {
            OpenError::Newer { .. } => {
                "; run that version, or undo the migration with that version's `doolittle migrate --down`, or go back to a copy from before it \
                 (<data-dir>/backups, docs/operations.md)"
            }
            OpenError::Log { .. } => "; look at BACKUP_LOG_DIR: its permissions, its free space; or unset it",
            OpenError::Unwritable { .. } => "; mend its permissions or free some space",
            OpenError::Corrupt { .. } => "; restore a backup, or move the file away to begin anew",
            OpenError::BadUrl { .. } | OpenError::Unreachable { .. } => "; check POSTGRES_URL and that PostgreSQL runs",
            OpenError::InUse { .. } => "; stop it first, since one database serves one server",
            OpenError::Migration { .. } | OpenError::Foreign { .. } | OpenError::Failed { .. } => "",
        };
        let exit = if matches!(error, OpenError::InUse { .. }) { Exit::Locked } else { Exit::Database };
        let message = format!("{error}{advice}");
        match std::error::Error::source(&error).map(ToString::to_string) {
            Some(source) => Failure::new(exit, message).because(source),
            None => Failure::new(exit, message),
        }
    })
}

/// Opens the configured store of files.
pub(crate) async fn media_store(config: &Config) -> Result<Arc<dyn MediaStore>, Failure> {
    if let Some(bucket) = &config.media.bucket {
        return Ok(Arc::new(media_bucket(bucket).await?));
    }
    let files = MediaFiles::open(config.media.dir.clone()).await.map_err(|error| {
        let message = format!("the media directory {} cannot be used; mend its permissions or set MEDIA_DIR", config.media.dir.display());
        Failure::new(Exit::DataDir, message).because(chain(&error))
    })?;
    Ok(Arc::new(files))
}

async fn media_bucket(bucket: &Bucket) -> Result<MediaS3, Failure> {
    let credentials = match (bucket.key_id.clone(), bucket.key.clone()) {
        (Some(id), Some(key)) => Some((id, key)),
        (None, None) => None,
        _ => {
            let message = "MEDIA_S3_ACCESS_KEY_ID and MEDIA_S3_SECRET_ACCESS_KEY go together: set both or neither";
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    let settings = S3Settings {
        bucket: bucket.name.clone(),
        region: bucket.region.clone(),
        endpoint: bucket.endpoint.clone(),
        prefix: bucket.prefix.clone(),
        credentials,
    };
    let files = MediaS3::new(&settings).map_err(|error| Failure::new(Exit::Usage, error.to_string()).because(chain(&error)))?;
    let advice = "check MEDIA_S3_BUCKET, MEDIA_S3_ENDPOINT, MEDIA_S3_REGION and the keys";
    files.check().await.map_err(|error| {
        Failure::new(Exit::Failure, format!("the {} cannot be read; {advice}", files.describe())).because(chain(&error))
    })?;
    Ok(files)
}

/// Documents are read by this same program, started anew for each.
fn document_reader() -> Result<documents::Isolated, Failure> {
    // By this name it is found even after its file was replaced.
    let own = Path::new("/proc/self/exe");
    if own.exists() {
        return Ok(documents::Isolated::new(own));
    }
    let program = std::env::current_exe().map_err(|error| Failure::new(Exit::Failure, "the program cannot find itself").because(error))?;
    Ok(documents::Isolated::new(program))
}

/// Gets what is at addresses that callers name.
fn fetcher() -> Result<Arc<dyn Fetcher>, Failure> {
    let fetcher =
        outbound::PublicFetcher::new().map_err(|error| Failure::new(Exit::Failure, "the HTTP client cannot be set up").because(error))?;
    Ok(Arc::new(fetcher))
}

fn models(settings: &LiveSettings) -> Result<ModelRegistry, Failure> {
    let client = outbound::Client::new(outbound::Limits::default())
        .map_err(|error| Failure::new(Exit::Failure, "the HTTP client cannot be set up").because(error))?;
    let registry = ModelRegistry::new(Arc::new(settings.clone()), Arc::new(ElizaConnector));
    let registry = models_openai::connectors(&client).into_iter().fold(registry, |registry, connector| registry.with(Arc::new(connector)));
    Ok(registry.with(Arc::new(models_anthropic::connector(client))))
}

fn recall(store: &Store, settings: &LiveSettings, config: &Config) -> Result<(Arc<ServerEmbedders>, Arc<Recall>), Failure> {
    let client = outbound::Client::new(outbound::Limits::default())
        .map_err(|error| Failure::new(Exit::Failure, "the HTTP client cannot be set up").because(error))?;
    let embedders = ServerEmbedders::new(settings, &client, &config.embeddings.provider);
    let embedders = Arc::new(embedders.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?);
    let rate = Some(config.embeddings.rate).filter(|rate| *rate > 0);
    let limits = recall::Limits { question: config.embeddings.query_time, rate };
    let recall = Recall::new(store.vectors(), Arc::<ServerEmbedders>::clone(&embedders), limits);
    Ok((embedders, Arc::new(recall)))
}

fn messaging_limits(config: &Config) -> MessagingLimits {
    MessagingLimits {
        reply_wait: config.runs.reply_wait,
        waiting_replies: config.runs.max_waiting,
        waiting_messages: config.runs.max_backlog,
    }
}

fn run_limits(config: &Config) -> Limits {
    Limits {
        run_timeout: config.runs.timeout,
        runs: config.runs.max_concurrent,
        runs_per_agent: config.runs.max_concurrent_per_agent,
        reflect_every: config.runs.reflect_every,
        ..Limits::default()
    }
}

/// What the services share.
struct Shared {
    vault: Arc<auth::SecretVault>,
    keys: Arc<Keys>,
    agents: Arc<Agents>,
    knowledge: Arc<Knowledge>,
    minds: Arc<ReadyAgents>,
    vectors: Arc<dyn VectorIndex>,
    files: Arc<dyn MediaStore>,
    enclave: Option<Enclave>,
    bus: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    machine: Arc<ThisMachine>,
    settings: LiveSettings,
    figures: Arc<dyn Figures>,
}

/// The services; what they have to do beside the requests is begun.
fn services(config: &Config, store: &Store, shared: Shared, background: &mut JoinSet<()>) -> Services {
    let access = Access::new(store.access());
    let Shared { vault, keys, agents, knowledge, minds, vectors, files, enclave, bus, clock, ids, machine, settings, figures } = shared;
    let tee = Tee { agents: Arc::<Agents>::clone(&agents), access: access.clone(), runs: store.runs(), clock: Arc::clone(&clock), enclave };
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
    };
    let servers = Servers {
        servers: store.servers(),
        access: access.clone(),
        bus: Arc::clone(&bus),
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    };
    let channels = Channels {
        servers: store.servers(),
        channels: store.channels(),
        access: access.clone(),
        bus,
        clock: Arc::clone(&clock),
        ids: Arc::clone(&ids),
    };
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
    });
    let key = Arc::new(KeyFile { data_dir: config.data_dir.clone(), salted: config.secret_salt.is_some(), vault: Arc::clone(&vault) });
    let secrets = Secrets { secrets: store.secrets(), vault, key, turn: tokio::sync::Mutex::default() };
    let system = System { agents: store.agents(), machine, log: logging::last(), environment: Arc::new(settings), figures, speech: minds };
    Services {
        agents,
        messaging,
        channels: Arc::new(channels),
        sessions,
        jobs,
        servers: Arc::new(servers),
        memories: Arc::new(Memories {
            agents: store.agents(),
            access: access.clone(),
            memories: store.memories(),
            messages: store.messages(),
            vectors: Some(vectors),
        }),
        rooms: Arc::new(Rooms {
            agents: store.agents(),
            access: access.clone(),
            worlds: store.worlds(),
            rooms: store.rooms(),
            memories: store.memories(),
            clock: Arc::clone(&clock),
        }),
        knowledge,
        media: Arc::new(media(config, store, files, &clock, keyring.requires_key())),
        repeats: Arc::new(Repeats::new(store.repeats(), Arc::clone(&clock), Arc::clone(&ids))),
        audio: Arc::new(audio),
        worlds: Arc::new(Worlds { agents: store.agents(), access: access.clone(), worlds: store.worlds(), clock: Arc::clone(&clock) }),
        runs: Arc::new(Runs { agents: store.agents(), access, runs: store.runs() }),
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

/// The folder of a web UI in the one form by which files are known to be in it.
fn ui_folder(named: &Path) -> Result<PathBuf, Failure> {
    let folder = named.canonicalize().ok().filter(|folder| folder.join("index.html").is_file());
    folder.ok_or_else(|| {
        let message = format!("ELIZA_UI_DIR names {}, where there is no index.html: name the folder of a built web UI", named.display());
        Failure::new(Exit::Usage, message)
    })
}

fn http_settings(config: &Config, ui: Option<PathBuf>) -> HttpSettings {
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
        ..HttpSettings::default()
    }
}

/// Gives an empty database an agent to talk to, and finishes what a start that was cut short began.
async fn ensure_default_agent(agents: &dyn AgentService) -> Result<(), ServiceError> {
    let owner = Caller::owner();
    let eliza = AgentId::of_name("Eliza");
    let listed = agents.list(&owner).await?;
    let begun = matches!(listed.as_slice(), [AgentSummary { id, running: false, .. }] if *id == eliza) && {
        let agent = agents.get(&owner, eliza).await?.agent;
        agent.created_at == agent.updated_at
    };
    if listed.is_empty() {
        let character = serde_json::from_str(ELIZA).map_err(|error| ServiceError::Internal(Box::new(error)))?;
        agents.create(&owner, CreateAgent::Character(character)).await?;
    }
    if listed.is_empty() || begun {
        agents.start(&owner, eliza).await?;
    }
    Ok(())
}

/// What the server found.
struct Models<'a> {
    provider: &'a dyn ModelProvider,
    speech: &'a SpeechEngines,
    embeddings: Option<&'a str>,
    tee: Option<&'a str>,
    backups: Option<&'a str>,
}

fn started_text(
    config: &Config,
    address: std::net::SocketAddr,
    store: &Store,
    files: &str,
    found: &Models<'_>,
    listed: &[AgentSummary],
) -> String {
    let provider = found.provider;
    let running: Vec<(AgentId, String)> = listed.iter().filter(|agent| agent.running).map(|agent| (agent.id, agent.name.clone())).collect();
    let (small, large) = (provider.model(ModelSize::Small), provider.model(ModelSize::Large));
    let name = provider.name();
    let models = if small == large { format!("{name} ({large})") } else { format!("{name} ({large}, {small})") };
    Started {
        program: &crate::startup::program(),
        address,
        data_dir: &config.data_dir,
        database: store.describe(),
        files,
        models: &[models],
        speech: found.speech,
        embeddings: found.embeddings,
        tee: found.tee,
        backups: found.backups,
        ui: config.server.ui.as_deref(),
        key: config.server.key.is_some(),
        running: &running,
        agents: listed.len(),
    }
    .text()
}

fn unready(error: &ServiceError) -> Failure {
    Failure::new(Exit::Database, format!("the agents cannot be read: {}", chain(error)))
}

/// Resolves when the process is asked to end: Ctrl-C or a termination signal.
async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(error) => {
                log::warn!("termination signals cannot be heard: {error}");
                let _ = interrupt.await;
            }
        }
    }
    #[cfg(not(unix))]
    let _ = interrupt.await;
}
