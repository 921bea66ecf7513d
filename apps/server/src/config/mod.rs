//! Settings: one table, five sources, every value with its origin. Nothing else in the workspace reads the environment.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use auth::RateLimits;
use core_types::Secret;
use core_types::models::ModelSettings;
use core_types::sessions::SessionTimeout;
use derive_more::{Display, Error, FromStr};
use domain::SessionLimits;
use ipnet::IpNet;
use log::LevelFilter;

pub mod dotenv;
pub mod environment;
pub mod file;
pub(crate) mod resolve;
pub mod setting;
pub mod show;
pub mod table;

pub use resolve::{Resolution, Sources, resolve};
pub use setting::{Origin, Resolved};
pub use table::SettingId;

/// Settings that do not make sense: every problem, by name and origin, never with the value.
#[derive(Debug, Clone, PartialEq, Eq, Display, Error)]
#[display("{}", problems.join("\n  "))]
pub struct InvalidConfig {
    /// The problems.
    #[error(not(source))]
    pub problems: Vec<String>,
}

/// The settings in the types that the program uses.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept that must survive.
    pub data_dir: PathBuf,
    /// The directory below which `characterPath` may name files.
    pub characters_dir: PathBuf,
    /// Whether `characterPath` may be an address of a public place.
    pub remote_characters: bool,
    /// Where the files lie that a character's knowledge may name.
    pub knowledge_dir: PathBuf,
    /// How much is logged.
    pub log_level: LevelFilter,
    /// Whether an empty database gets the agent Eliza.
    pub default_agent: bool,
    /// The HTTP server.
    pub server: ServerConfig,
    /// Bearer tokens that others issued.
    pub tokens: TokensConfig,
    /// A PostgreSQL database in place of the embedded SQLite.
    pub postgres_url: Option<Secret>,
    /// What the key for agents' secrets is derived from.
    pub secret_salt: Option<Secret>,
    /// What it was derived from before.
    pub old_secret_salt: Option<Secret>,
    /// Uploaded files.
    pub media: MediaConfig,
    /// Programs that speak and hear.
    pub speech: SpeechConfig,
    /// What attests the server.
    pub tee: TeeConfig,
    /// How much agents do at once and for how long.
    pub runs: RunLimits,
    /// How long things are kept.
    pub retention: Retention,
    /// How long sessions last.
    pub sessions: SessionsConfig,
    /// Backups that the running server makes.
    pub backups: BackupsConfig,
    /// Vectors of memories.
    pub embeddings: EmbeddingsConfig,
    /// The key that the client verbs send.
    pub client_key: Option<Secret>,
    /// Every setting with its value and origin, in the order of the table.
    pub values: Vec<Resolved>,
    /// What was read and has no effect.
    pub warnings: Vec<String>,
    /// Where all this came from.
    pub sources: Sources,
}

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The address to listen on: an IP address or a host name.
    pub host: String,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The key that requests must carry.
    pub key: Option<Secret>,
    /// Whether an address other than loopback is fine without a key.
    pub insecure: bool,
    /// The folder of a web UI to serve.
    pub ui: Option<PathBuf>,
    /// Whether sockets may connect without saying who they are.
    pub anonymous_sockets: bool,
    /// Web origins that may call the server.
    pub cors_origins: Vec<String>,
    /// The largest JSON body in bytes.
    pub max_payload: usize,
    /// How often a client may ask.
    pub rate_limits: RateLimits,
    /// Networks of proxies whose word on a client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Threads that serve HTTP.
    pub workers: usize,
}

/// Settings of uploaded files.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// The most bytes of a file.
    pub max_upload: u64,
    /// Where files are kept.
    pub dir: PathBuf,
    /// A bucket in place of the directory.
    pub bucket: Option<Bucket>,
}

/// A bucket of S3.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// The address of its service; Amazon's own where absent.
    pub endpoint: Option<String>,
    /// What comes before the names of files.
    pub prefix: String,
    /// Who asks.
    pub key_id: Option<Secret>,
    /// The key to it.
    pub key: Option<Secret>,
}

/// Settings of programs that speak and hear.
#[derive(Debug, Clone)]
pub struct SpeechConfig {
    /// Whether one may speak.
    pub speaks: bool,
    /// Whether one may hear.
    pub hears: bool,
    /// The voice where the character names none.
    pub voice: Option<String>,
    /// The directory of piper's voices.
    pub piper_voices: Option<PathBuf>,
    /// The file of whisper.cpp's model.
    pub whisper_model: Option<PathBuf>,
    /// Programs at once.
    pub max_concurrent: usize,
    /// Requests that wait for one.
    pub max_waiting: usize,
    /// The longest that a program may work.
    pub timeout: Duration,
    /// The longest recording.
    pub max_recording: Duration,
}

/// What attests the server, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeeConfig {
    /// What attests.
    pub mode: TeeMode,
    /// The socket of dstack's guest agent.
    pub dstack_socket: PathBuf,
    /// The kernel's directory for reports.
    pub configfs_dir: PathBuf,
}

/// What attests the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromStr)]
#[from_str(rename_all = "lowercase")]
pub enum TeeMode {
    /// Nothing.
    Off,
    /// The guest agent of dstack.
    Dstack,
    /// The kernel.
    Configfs,
    /// Nothing either, but evidence is made up.
    Simulator,
}

/// Bounds on what agents do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLimits {
    /// The longest that an agent works on one message.
    pub timeout: Duration,
    /// Runs at once, all agents together.
    pub max_concurrent: usize,
    /// Runs at once of one agent.
    pub max_concurrent_per_agent: usize,
    /// Memories of a conversation between two looks back at it; 0 for none.
    pub reflect_every: u32,
    /// The longest that a request waits for its reply.
    pub reply_wait: Duration,
    /// Requests that wait for a reply at once.
    pub max_waiting: usize,
    /// Messages that wait for one agent.
    pub max_backlog: u64,
}

/// Which bearer tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokensConfig {
    /// The secret of HS256.
    pub secret: Option<Secret>,
    /// An Ed25519 public key in PEM.
    pub ed25519: Option<Secret>,
    /// Where a set of public keys is.
    pub key_set: Option<String>,
    /// Who may have issued them; anyone where empty.
    pub issuers: Vec<String>,
}

/// Settings of the vectors of memories. Those of each provider are read by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingsConfig {
    /// Who makes them: `auto`, `none` or a provider.
    pub provider: String,
    /// How many are made a second at most; 0 for no bound.
    pub rate: u32,
    /// How long a model may take for a question.
    pub query_time: Duration,
}

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionsConfig {
    /// The bounds, and what holds where nothing else is said.
    pub limits: SessionLimits,
    /// How often those that are over are forgotten.
    pub cleanup: Duration,
}

/// Backups that the running server makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupsConfig {
    /// Where they go; none are made where this is absent.
    pub dir: Option<PathBuf>,
    /// The time between two.
    pub every: Duration,
    /// How many are kept.
    pub keep: usize,
    /// Whether they have the key of agents' secrets.
    pub with_key: bool,
    /// Where a log of all commits is kept; none is where this is absent.
    pub log_dir: Option<PathBuf>,
    /// How often what was committed is put into it.
    pub log_every: Duration,
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Events of channels.
    pub events: Duration,
    /// Events at most, all channels together.
    pub event_count: u32,
    /// Runs and agents' logs.
    pub logs: Duration,
    /// Log lines at most, all agents together.
    pub log_count: u32,
}

impl Config {
    /// The settings by these sources.
    pub fn load(sources: &Sources) -> Result<Self, InvalidConfig> {
        resolve(sources).map(|resolution| Self::from_resolution(resolution, sources))
    }

    /// The same with this text in the place of the `.env` of the data directory.
    pub(crate) fn load_with_dotenv(sources: &Sources, text: &str) -> Result<Self, InvalidConfig> {
        resolve::resolve_with_dotenv(sources, text).map(|resolution| Self::from_resolution(resolution, sources))
    }

    fn from_resolution(resolution: Resolution, sources: &Sources) -> Self {
        let Resolution { mut values, warnings } = resolution;
        derive(&mut values);
        let read = Reader(&values);
        Self {
            data_dir: read.text(SettingId::DataDir).into(),
            characters_dir: read.text(SettingId::CharactersDir).into(),
            remote_characters: read.switch(SettingId::RemoteCharacters),
            knowledge_dir: read.text(SettingId::KnowledgeDir).into(),
            log_level: setting::level(read.text(SettingId::LogLevel)).unwrap_or(LevelFilter::Info),
            default_agent: read.switch(SettingId::DefaultAgent),
            server: ServerConfig {
                host: read.text(SettingId::Host).to_owned(),
                port: u16::try_from(read.number(SettingId::Port)).unwrap_or_default(),
                key: read.secret(SettingId::Key),
                insecure: read.switch(SettingId::Insecure),
                ui: read.filled(SettingId::UiDir).map(PathBuf::from),
                anonymous_sockets: read.switch(SettingId::AnonymousSockets),
                cors_origins: setting::origins(read.text(SettingId::CorsOrigin)).unwrap_or_default(),
                max_payload: setting::size(read.text(SettingId::MaxPayload), 0, u64::MAX).map_or(0, whole),
                rate_limits: RateLimits {
                    api: read.amount(SettingId::RateLimitMax),
                    uploads: read.amount(SettingId::RateLimitUploads),
                    window: Duration::from_secs(read.number(SettingId::RateLimitWindow)),
                },
                trusted_proxies: setting::networks(read.text(SettingId::TrustedProxies)).unwrap_or_default(),
                workers: read.count(SettingId::HttpWorkers),
            },
            tokens: tokens(&read),
            postgres_url: read.secret(SettingId::PostgresUrl),
            secret_salt: read.secret(SettingId::SecretSalt),
            old_secret_salt: read.secret(SettingId::OldSecretSalt),
            media: MediaConfig {
                max_upload: setting::size(read.text(SettingId::MaxUpload), 0, u64::MAX).unwrap_or_default(),
                dir: read.text(SettingId::MediaDir).into(),
                bucket: read.filled(SettingId::S3Bucket).map(|name| Bucket {
                    name,
                    region: read.text(SettingId::S3Region).to_owned(),
                    endpoint: read.filled(SettingId::S3Endpoint),
                    prefix: read.text(SettingId::S3Prefix).trim_matches('/').to_owned(),
                    key_id: read.secret(SettingId::S3KeyId),
                    key: read.secret(SettingId::S3Key),
                }),
            },
            speech: SpeechConfig {
                speaks: !["none", "openai"].contains(&read.text(SettingId::Synthesizer)),
                hears: !["none", "openai"].contains(&read.text(SettingId::Transcriber)),
                voice: read.filled(SettingId::Voice),
                piper_voices: read.filled(SettingId::PiperVoices).map(PathBuf::from),
                whisper_model: read.filled(SettingId::WhisperModel).map(PathBuf::from),
                max_concurrent: read.count(SettingId::SpeechAtOnce),
                max_waiting: read.count(SettingId::SpeechWaiting),
                timeout: Duration::from_secs(read.number(SettingId::SpeechTimeout)),
                max_recording: Duration::from_secs(read.number(SettingId::SpeechSeconds)),
            },
            tee: TeeConfig {
                mode: read.text(SettingId::TeeMode).parse().unwrap_or(TeeMode::Off),
                dstack_socket: read.text(SettingId::DstackSocket).into(),
                configfs_dir: read.text(SettingId::ConfigfsDir).into(),
            },
            runs: RunLimits {
                timeout: Duration::from_secs(read.number(SettingId::RunTimeout)),
                max_concurrent: read.count(SettingId::MaxRuns),
                max_concurrent_per_agent: read.count(SettingId::MaxRunsPerAgent),
                reflect_every: read.amount(SettingId::ReflectEvery),
                reply_wait: Duration::from_secs(read.number(SettingId::ReplyWait)),
                max_waiting: read.count(SettingId::MaxWaiting),
                max_backlog: read.number(SettingId::MaxBacklog),
            },
            retention: Retention {
                events: read.days(SettingId::EventRetention),
                event_count: read.amount(SettingId::EventCount),
                logs: read.days(SettingId::LogRetention),
                log_count: read.amount(SettingId::LogCount),
            },
            sessions: SessionsConfig {
                limits: SessionLimits {
                    usual: SessionTimeout {
                        timeout_minutes: read.amount(SettingId::SessionTimeout),
                        max_duration_minutes: read.amount(SettingId::SessionDuration),
                        warning_threshold_minutes: read.amount(SettingId::SessionWarning),
                        ..SessionLimits::default().usual
                    },
                    least_minutes: read.amount(SettingId::SessionLeast),
                    most_minutes: read.amount(SettingId::SessionMost),
                    ..SessionLimits::default()
                },
                cleanup: Duration::from_secs(read.number(SettingId::SessionCleanup) * 60),
            },
            backups: BackupsConfig::of(&read),
            embeddings: EmbeddingsConfig {
                provider: read.text(SettingId::EmbeddingProvider).to_owned(),
                rate: read.amount(SettingId::EmbeddingRate),
                query_time: Duration::from_millis(read.number(SettingId::EmbeddingQueryTime)),
            },
            client_key: read.secret(SettingId::Key).or_else(|| read.secret(SettingId::ClientKey)),
            values,
            warnings,
            sources: sources.clone(),
        }
    }

    /// The TOML file that was read or would be, the `.env` and the lock lie where these say.
    pub fn origin(&self, id: SettingId) -> &Origin {
        self.values.iter().find(|resolved| resolved.id == id).map_or(&Origin::Unset, |resolved| &resolved.origin)
    }
}

impl BackupsConfig {
    fn of(read: &Reader<'_>) -> Self {
        Self {
            dir: read.filled(SettingId::BackupDir).map(PathBuf::from),
            every: Duration::from_secs(read.number(SettingId::BackupEvery) * 60),
            keep: read.count(SettingId::BackupKeep),
            with_key: read.switch(SettingId::BackupComplete),
            log_dir: read.filled(SettingId::BackupLog).map(PathBuf::from),
            log_every: Duration::from_secs(read.number(SettingId::BackupLogEvery)),
        }
    }
}

impl ModelSettings for Config {
    fn get(&self, name: &str) -> Option<Secret> {
        let id = SettingId::by_name(name)?;
        self.values.iter().find(|resolved| resolved.id == id)?.value.clone()
    }
}

fn tokens(read: &Reader<'_>) -> TokensConfig {
    TokensConfig {
        secret: read.secret(SettingId::TokenSecret),
        ed25519: read.secret(SettingId::TokenKey),
        key_set: read.filled(SettingId::TokenKeySet),
        issuers: listed(read.text(SettingId::TokenIssuers)),
    }
}

/// The entries of a list with commas between.
fn listed(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// Fills in the defaults that follow from other settings or from the machine.
fn derive(values: &mut [Resolved]) {
    let data_dir = PathBuf::from(Reader(values).text(SettingId::DataDir));
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    for resolved in values.iter_mut().filter(|resolved| resolved.value.is_none()) {
        let value = match resolved.id {
            SettingId::CharactersDir => data_dir.join("characters").to_string_lossy().into_owned(),
            SettingId::KnowledgeDir => data_dir.join("knowledge").to_string_lossy().into_owned(),
            SettingId::MediaDir => data_dir.join("media").to_string_lossy().into_owned(),
            SettingId::HttpWorkers => workers.to_string(),
            _ => continue,
        };
        resolved.value = Some(Secret::new(value));
        resolved.origin = Origin::Default;
    }
}

/// Reads values that were checked by their kind when they were resolved.
struct Reader<'a>(&'a [Resolved]);

impl Reader<'_> {
    fn text(&self, id: SettingId) -> &str {
        self.0.iter().find(|resolved| resolved.id == id).and_then(|resolved| resolved.value.as_ref()).map_or("", Secret::reveal)
    }

    fn secret(&self, id: SettingId) -> Option<Secret> {
        Some(self.text(id)).filter(|text| !text.is_empty()).map(Secret::new)
    }

    fn filled(&self, id: SettingId) -> Option<String> {
        Some(self.text(id)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn number(&self, id: SettingId) -> u64 {
        self.text(id).parse().unwrap_or_default()
    }

    fn count(&self, id: SettingId) -> usize {
        whole(self.number(id))
    }

    fn amount(&self, id: SettingId) -> u32 {
        u32::try_from(self.number(id)).unwrap_or(u32::MAX)
    }

    fn days(&self, id: SettingId) -> Duration {
        Duration::from_secs(self.number(id) * 24 * 60 * 60)
    }

    fn switch(&self, id: SettingId) -> bool {
        setting::switch(self.text(id)).unwrap_or_default()
    }
}

fn whole(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
