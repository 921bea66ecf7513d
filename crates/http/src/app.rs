//! The application: what it is made of, and its routes and layers.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::{App, Error, web};
use auth::{Keyring, Limiter, RateLimits};
use core_types::agents::AgentService;
use core_types::jobs::JobService;
use core_types::keys::KeyService;
use core_types::knowledge::KnowledgeService;
use core_types::media::MediaService;
use core_types::memory::MemoryService;
use core_types::messaging::{ChannelService, MessagingService, ServerService};
use core_types::repeats::RepeatService;
use core_types::rooms::RoomService;
use core_types::runs::RunService;
use core_types::secrets::SecretService;
use core_types::sessions::SessionService;
use core_types::speech::AudioService;
use core_types::system::SystemService;
use core_types::tee::TeeService;
use core_types::worlds::WorldService;
use core_types::{Caller, Clock, Ids, Randomness, Timestamp};
use ipnet::IpNet;
use tokio::sync::{Semaphore, watch};

use crate::holdings::Stock;
use crate::lines::Lines;
use crate::pages::Pages;
use crate::routing::{Routes, no_route};
use crate::server::Connections;
use crate::sockets::hub::Hub;
use crate::sockets::rooms::Turns;
use crate::streams::Streams;
use crate::unread::Unread;
use crate::{
    agents, audio, channels, documents, events, figures, gate, home, jobs, keys, layer, limits, manage, media, memories, messages, openapi,
    rooms, runs, secrets, servers, sessions, sockets, system, tee, ui, worlds,
};

/// What the routes call.
#[derive(Clone)]
pub struct Services {
    /// Agents.
    pub agents: Arc<dyn AgentService>,
    /// Messages and events.
    pub messaging: Arc<dyn MessagingService>,
    /// Channels.
    pub channels: Arc<dyn ChannelService>,
    /// Sessions.
    pub sessions: Arc<dyn SessionService>,
    /// Jobs.
    pub jobs: Arc<dyn JobService>,
    /// Message servers.
    pub servers: Arc<dyn ServerService>,
    /// What agents remember.
    pub memories: Arc<dyn MemoryService>,
    /// Agents' rooms.
    pub rooms: Arc<dyn RoomService>,
    /// Agents' documents.
    pub knowledge: Arc<dyn KnowledgeService>,
    /// Files.
    pub media: Arc<dyn MediaService>,
    /// Requests that may be sent again.
    pub repeats: Arc<dyn RepeatService>,
    /// Speech.
    pub audio: Arc<dyn AudioService>,
    /// Agents' worlds.
    pub worlds: Arc<dyn WorldService>,
    /// What agents did.
    pub runs: Arc<dyn RunService>,
    /// Health.
    pub system: Arc<dyn SystemService>,
    /// What is attested.
    pub tee: Arc<dyn TeeService>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where new ids come from.
    pub ids: Arc<dyn Ids>,
    /// Where ids come from that nobody can guess.
    pub randomness: Arc<dyn Randomness>,
    /// Keys, as their owner manages them.
    pub keys: Arc<dyn KeyService>,
    /// The secrets of agents, as a whole.
    pub secrets: Arc<dyn SecretService>,
    /// Who a key belongs to.
    pub keyring: Keyring,
}

/// How the server speaks HTTP. The default is the safe one.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The most bytes of a JSON body.
    pub body_limit: usize,
    /// The most bytes of an uploaded file.
    pub upload_limit: u64,
    /// Origins (`https://app.example`) whose pages may call the API; `*` lets any page read answers where a key is
    /// required.
    pub cors_origins: Vec<String>,
    /// The version that health answers show.
    pub version: String,
    /// Without a key, lets in peers that are not on this machine, and requests to any IP address.
    pub insecure: bool,
    /// The folder of a web UI, in canonical form: its files are at `/`. Without one there is a page that says how the server is.
    pub ui: Option<PathBuf>,
    /// Lets sockets connect without an `entityId`, as clients of elizaOS 1.2 do.
    pub anonymous_sockets: bool,
    /// How often a client may ask.
    pub rate_limits: RateLimits,
    /// Networks of proxies whose word on a client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// How many worker threads; one per core where absent.
    pub workers: Option<usize>,
    /// How many connections each worker holds.
    pub connections_per_worker: usize,
    /// How long a graceful stop waits for running requests.
    pub shutdown_time: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            body_limit: limits::BODY_BYTES,
            upload_limit: limits::UPLOAD_BYTES,
            cors_origins: Vec::new(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            insecure: false,
            ui: None,
            anonymous_sockets: false,
            rate_limits: limits::RATES,
            trusted_proxies: Vec::new(),
            workers: None,
            connections_per_worker: limits::CONNECTIONS,
            shutdown_time: limits::SHUTDOWN_TIME,
        }
    }
}

impl HttpSettings {
    /// How many connections the server holds.
    fn connections(&self) -> usize {
        let workers = self.workers.unwrap_or_else(|| available_parallelism().map_or(1, NonZeroUsize::get));
        self.connections_per_worker.saturating_mul(workers)
    }
}

/// What every request can reach.
pub(crate) struct Shared {
    pub(crate) services: Services,
    pub(crate) settings: HttpSettings,
    pub(crate) started: Timestamp,
    pub(crate) limiter: Limiter,
    /// Requests of callers.
    pub(crate) lines: Arc<Lines>,
    /// Those of them with a large body.
    pub(crate) large_lines: Arc<Lines>,
    /// Documents that they upload.
    pub(crate) document_lines: Arc<Lines>,
    pub(crate) pages: Pages,
    pub(crate) connections: Arc<Connections>,
    pub(crate) sockets: Arc<Hub>,
    pub(crate) streams: Streams,
    pub(crate) unread: Unread,
    /// Of sockets that are told what they missed.
    pub(crate) catch_ups: Arc<Turns>,
    /// Bytes of what sockets send.
    pub(crate) incoming: Arc<Stock>,
    /// Bytes of what waits to be sent to sockets.
    pub(crate) outgoing: Arc<Stock>,
    /// Documents that may be uploaded at once.
    pub(crate) documents: Semaphore,
    closing: watch::Sender<bool>,
}

impl Shared {
    /// Whether what a caller showed counts still.
    pub(crate) fn counts(&self, caller: &Caller) -> bool {
        self.services.keyring.still_counts(caller, self.services.clock.now())
    }

    /// Ends the waiting of streams and waiters.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// How many streams and waiters there are.
    pub(crate) fn waiting(&self) -> usize {
        self.closing.receiver_count()
    }

    /// Resolves when the server begins to stop.
    pub(crate) fn closing(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut closing = self.closing.subscribe();
        async move {
            if closing.wait_for(|closing| *closing).await.is_err() {
                // Whoever could close is gone, and so nothing will.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// How a handler names what it can reach.
pub(crate) type State = web::Data<Shared>;

/// Resolves when what a caller showed counts no longer: its key was revoked, or its time is over.
pub(crate) fn dismissed(state: &State, caller: &Caller) -> impl Future<Output = ()> + Send + use<> {
    let limited = caller.credential().is_some().then(|| (state.clone(), caller.clone()));
    async move {
        let Some((state, caller)) = limited else { return std::future::pending().await };
        while state.counts(&caller) {
            tokio::time::sleep(limits::CREDENTIAL_CHECK).await;
        }
    }
}

/// The services and settings of one server; clones are the same server.
#[derive(Clone)]
pub struct AppState(pub(crate) State);

impl AppState {
    /// A server over these services. Its uptime counts from here.
    pub fn new(services: Services, settings: HttpSettings) -> Self {
        let started = services.clock.now();
        let limiter = Limiter::new(settings.rate_limits);
        let connections = settings.connections();
        let places = Connections::new(connections, settings.trusted_proxies.clone());
        let sockets = Hub::new(Arc::clone(&services.messaging), connections);
        Self(web::Data::new(Shared {
            services,
            settings,
            started,
            limiter,
            lines: Lines::new(limits::CALLER_AT_ONCE),
            large_lines: Lines::new(limits::CALLER_LARGE_BODIES),
            document_lines: Lines::new(limits::CALLER_DOCUMENT_UPLOADS),
            pages: Pages::new(),
            connections: places,
            sockets,
            streams: Streams::new(limits::streams(connections)),
            unread: Unread::new(limits::UNREAD_BYTES),
            catch_ups: Turns::new(limits::CATCH_UPS),
            incoming: Stock::new(limits::INCOMING_BYTES),
            outgoing: Stock::new(limits::OUTGOING_BYTES),
            documents: Semaphore::new(limits::DOCUMENT_UPLOADS),
            closing: watch::Sender::new(false),
        }))
    }

    /// Ends event streams and gives up waiting for replies, so that a graceful stop is quick.
    pub fn close(&self) {
        self.0.close();
    }
}

/// The whole application, as the server runs it and tests call it.
pub fn app(
    state: &AppState,
) -> App<impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()> + use<>> {
    let mut routes = Routes::below("/api");
    for add in [
        messages::routes,
        channels::routes,
        sessions::routes,
        jobs::routes,
        media::routes,
        audio::routes,
        events::routes,
        agents::routes,
        worlds::routes,
        runs::routes,
        rooms::routes,
        memories::routes,
        documents::routes,
        servers::routes,
        system::routes,
        manage::routes,
        keys::routes,
        secrets::routes,
        tee::routes,
    ] {
        add(&mut routes);
    }
    let api = web::scope("/api").wrap(from_fn(gate::check)).configure(|config| routes.mount(config)).default_service(web::to(no_route));
    let mut public = Routes::default();
    for add in [system::public_routes, figures::public_routes, media::public_routes, sockets::public_routes, openapi::public_routes] {
        add(&mut public);
    }
    if state.0.settings.ui.is_none() {
        home::public_routes(&mut public);
    }
    App::new()
        .app_data(state.0.clone())
        .wrap(from_fn(layer::outermost))
        .configure(|config| public.mount(config))
        .service(api)
        .default_service(web::to(ui::serve))
}
