//! Puts the server together and runs it: the one place that names concrete types of the other crates.

use std::future::poll_fn;
use std::io::Write as _;
use std::net::TcpListener;
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
use core_types::memory::VectorIndex;
use core_types::models::{ModelProvider, ModelSize};
use core_types::speech::{AgentSpeech as _, SpeechEngines};
use core_types::{AgentId, Caller, ChannelId, Clock, Ids, Randomness as _, ServiceError};
use domain::{Agents, Enclave};
use http_api::{AppState, RunningServer};
use persistence::Store;
use recall::Recall;
use runtime::{ActionRegistry, Ports, ReadyAgents, Runtime};
use tokio::task::JoinSet;
use uuid::Builder;

use crate::care::schedule::{self, Schedule};
use crate::characters::ELIZA;
use crate::clock::{SystemClock, SystemIds, SystemRandomness};
use crate::config::Config;
use crate::credentials::{self, KeySet};
use crate::exit::{Exit, Failure};
use crate::figures::{self, PrometheusFigures};
use crate::live_settings::LiveSettings;
use crate::lock::DataLock;
use crate::machine::ThisMachine;
use crate::secret_key::{self, KeyFile};
use crate::startup::Started;
use crate::upkeep::Upkeep;
use crate::{speech, tee};

mod adapters;
mod ownership;
mod services;

pub use adapters::{DATABASE, media_store, not_opened, open, target};
use adapters::{document_reader, models, recall, ui_folder};
use services::{Shared, agents, attachments, http_settings, knowledge, run_limits, services, upkeep};

/// How long runs under way may finish when the server stops; what is left is tried again at the next start.
const GRACE: Duration = Duration::from_secs(10);

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
    let served = serve_until(&config, listener, &lock, ready, stop).await;
    drop(lock);
    served
}

/// Runs the server on a bound port, in a data directory that is locked, until `stop` resolves; `ready` gets the start-up text.
pub async fn serve_until(
    config: &Config,
    listener: TcpListener,
    lock: &DataLock,
    ready: impl FnOnce(&str),
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(|error| Failure::new(Exit::Failure, "the port was lost").because(error))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn Ids> = Arc::new(SystemIds);
    let counted = PrometheusFigures::begin();
    let ui = config.server.ui.as_deref().map(ui_folder).transpose()?;
    let keyring = credentials::keyring(config)?;
    let key_set = KeySet::named(config, &keyring)?;
    let enclave = tee::enclave(config).await?;
    let attests = enclave.as_ref().map(Enclave::describe);
    let store = Arc::new(open(config).await?);
    let identity = ownership::identity(config, lock)?;
    let vault = Arc::new(secret_key::vault(config, store.secrets().as_ref()).await?);
    let files = media_store(config).await?;
    let kept_in = files.describe();
    let schedule = Schedule::of(config, &store, Arc::clone(&files), Arc::clone(&clock))?;
    let bus: Arc<dyn EventBus> = Arc::new(InProcessBus::new());
    let settings = LiveSettings::new(config);
    let client = outbound::Client::new(outbound::Limits::default());
    let models = models(&settings, client.clone());
    let provider = models.default_provider().map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let (embedders, recall) = recall(&store, &settings, &client, config)?;
    let vectors: Arc<dyn VectorIndex> = Arc::<Recall>::clone(&recall);

    let documents: Arc<dyn DocumentReader> = Arc::new(document_reader()?);
    let fetcher: Arc<dyn Fetcher> = Arc::new(outbound::PublicFetcher::new());
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
    let minds = Arc::new(ReadyAgents::new(ports, models).with_speech(speech::registry(config, &settings, client).await?));
    let runtime = Runtime::start(Arc::clone(&minds), ActionRegistry::default(), run_limits(config))
        .await
        .map_err(|error| Failure::new(Exit::Database, "the deliveries cannot be taken up").because(error))?;
    let engines = minds.engines();
    let upkeep = upkeep(config, &store, &files, &clock);
    let mut background = in_background(upkeep, Arc::clone(&agents), Arc::clone(&minds), settings.clone(), recall);
    background.spawn(figures::keep_small(counted.clone()));
    let keys = credentials::begin(&store, (keyring, key_set), &clock, &ids, &mut background).await?;
    let backups = schedule::begin(config, &store, schedule, &mut background);
    let machine = Arc::new(ThisMachine::default());
    let told_to_stop = machine.stopping();
    let figures = PrometheusFigures::new(counted, store.agents(), store.deliveries(), Arc::<ThisMachine>::clone(&machine));

    let listed = agents.list(&Caller::owner()).await.map_err(|error| unready(&error))?;
    let channel = unguessable_channel()?;
    let shared = Shared {
        key: KeyFile::of(config, &vault, identity.clone()),
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
    ready(&started_text(config, address, &store, &kept_in, &found, &listed, channel));

    let stop = either(stopped, stop, told_to_stop);
    let outcome = until_stopped(server, runtime, stop, Box::pin(ownership::lost(config, &store, &identity))).await;
    background.shutdown().await;
    credentials::end(&keys).await;
    store.close().await;
    outcome?.map_err(|error| Failure::new(Exit::Failure, "the HTTP server failed").because(error))
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
    #[cfg(target_os = "linux")]
    background.spawn(crate::memory::after_start());
    background
}

/// Serves until `stop` resolves, and then lets what is under way come to its end. What is `lost` ends it at once.
async fn until_stopped(
    server: RunningServer,
    runtime: Runtime,
    stop: impl Future<Output = ()>,
    lost: impl Future<Output = Failure>,
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
        failure = lost => Err(failure),
    }
}

/// Lets agents see settings that have changed: at their next run.
async fn follow(settings: LiveSettings, minds: Arc<ReadyAgents>) {
    loop {
        settings.changed().await;
        minds.forget_all();
    }
}

/// Gives an empty database an agent to talk to, and finishes what a start that was cut short began.
async fn ensure_default_agent(agents: &dyn AgentService) -> Result<(), ServiceError> {
    let owner = Caller::owner();
    let eliza = AgentId::of_name("Eliza");
    let listed = agents.list(&owner).await?;
    let begun = matches!(listed.as_slice(), [AgentSummary { id, running: false, owner: None, .. }] if *id == eliza) && {
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

/// An id for a channel that nobody can make first, to read what is said there.
fn unguessable_channel() -> Result<ChannelId, Failure> {
    let bits = SystemRandomness.bits();
    let bits = bits.map_err(|error| Failure::new(Exit::Failure, "the system gives no random numbers").because(error))?;
    Ok(ChannelId::new(Builder::from_random_bytes(bits.to_ne_bytes()).into_uuid()))
}

fn started_text(
    config: &Config,
    address: std::net::SocketAddr,
    store: &Store,
    files: &str,
    found: &Models<'_>,
    listed: &[AgentSummary],
    channel: ChannelId,
) -> String {
    let provider = found.provider;
    let (own, of_tenants): (Vec<&AgentSummary>, Vec<&AgentSummary>) = listed.iter().partition(|agent| agent.owner.is_none());
    let running: Vec<(AgentId, String)> = own.iter().filter(|agent| agent.running).map(|agent| (agent.id, agent.name.clone())).collect();
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
        log: config.backups.log_dir.as_deref(),
        ui: config.server.ui.as_deref(),
        key: config.server.key.is_some(),
        running: &running,
        agents: own.len(),
        of_tenants: of_tenants.len(),
        channel,
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
