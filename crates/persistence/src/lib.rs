//! The repositories on SQLite and PostgreSQL; the only crate that knows SQL.
//!
//! [`open`] brings a database up to date and gives a [`Store`], which hands out the repository ports of `core-types`.
//! Both databases are indistinguishable through them; the suite in `contract` holds that.
//!
//! The queries are written once, in `repos/`, and compiled twice: as plain functions over Diesel's `SqliteConnection`
//! in the module `sqlite`, and as async functions over diesel-async's `AsyncPgConnection` in the module `postgres`. What
//! makes that work is that diesel-async has Diesel's own method names: `work!` writes `fn` or `async fn`, `run!` adds
//! `.await` where one is needed, and `in_tx!` takes a unit of work to its transaction. What only one database can say
//! (claiming, locking rows, finding words) is in `queue.rs` and `words.rs` of each, under the same names.
//!
//! On SQLite one thread owns the only writing connection and commits many callers' work at once; readers have their own
//! connections and never wait for it.

#![expect(clippy::duplicate_mod, reason = "the files in `repos` are compiled once per database")]

use std::sync::Arc;

use core_types::access::AccessRepository;
use core_types::agents::AgentRepository;
use core_types::deliveries::DeliveryRepository;
use core_types::embeddings::VectorRepository;
use core_types::jobs::JobRepository;
use core_types::keys::KeyRepository;
use core_types::media::MediaRepository;
use core_types::memory::{MemoryRepository, ReflectionRepository};
use core_types::messaging::{ChannelRepository, MessageRepository, ServerRepository};
use core_types::moving::{ArrivalRepository, BelongingsRepository};
use core_types::repeats::RepeatRepository;
use core_types::rooms::RoomRepository;
use core_types::runs::RunRepository;
use core_types::secrets::SecretRepository;
use core_types::sessions::SessionRepository;
use core_types::worlds::WorldRepository;
use core_types::{Ids, StoreResult};

pub mod care;
pub mod elizaos;
mod error;
pub mod migrate;
mod options;
mod postgres;
mod sqlite;
mod words;

pub use error::OpenError;
pub use options::{Kind, LogOptions, Options, Target};

/// An open database with all its repositories.
pub struct Store {
    description: String,
    repositories: Repositories,
    backend: Backend,
}

enum Backend {
    Sqlite(Arc<sqlite::Db>),
    Postgres(Arc<postgres::Db>),
}

struct Repositories {
    access: Arc<dyn AccessRepository>,
    keys: Arc<dyn KeyRepository>,
    agents: Arc<dyn AgentRepository>,
    servers: Arc<dyn ServerRepository>,
    channels: Arc<dyn ChannelRepository>,
    messages: Arc<dyn MessageRepository>,
    deliveries: Arc<dyn DeliveryRepository>,
    sessions: Arc<dyn SessionRepository>,
    jobs: Arc<dyn JobRepository>,
    worlds: Arc<dyn WorldRepository>,
    rooms: Arc<dyn RoomRepository>,
    memories: Arc<dyn MemoryRepository>,
    reflections: Arc<dyn ReflectionRepository>,
    vectors: Arc<dyn VectorRepository>,
    media: Arc<dyn MediaRepository>,
    runs: Arc<dyn RunRepository>,
    secrets: Arc<dyn SecretRepository>,
    arrivals: Arc<dyn ArrivalRepository>,
    belongings: Arc<dyn BelongingsRepository>,
    repeats: Arc<dyn RepeatRepository>,
}

/// Opens the database, creates it where SQLite has none, and runs its pending migrations. `ids` names new deliveries.
///
/// On PostgreSQL this takes an advisory lock for the life of the store, so that a second server is refused.
pub async fn open(target: &Target, options: Options, ids: Arc<dyn Ids>) -> Result<Store, OpenError> {
    match target {
        Target::Sqlite(path) => {
            let db = Arc::new(sqlite::Db::open(path.clone(), options, ids).await?);
            let description = target.to_string();
            Ok(Store { description, repositories: repositories(&db), backend: Backend::Sqlite(db) })
        }
        Target::Postgres(url) => {
            let db = Arc::new(postgres::Db::open(url, &options, ids).await?);
            let description = format!("{target} ({})", db.transport());
            Ok(Store { description, repositories: repositories(&db), backend: Backend::Postgres(db) })
        }
    }
}

impl Store {
    /// Where it is known whose things are.
    pub fn access(&self) -> Arc<dyn AccessRepository> {
        Arc::clone(&self.repositories.access)
    }

    /// Where API keys are kept.
    pub fn keys(&self) -> Arc<dyn KeyRepository> {
        Arc::clone(&self.repositories.keys)
    }

    /// Where agents are kept.
    pub fn agents(&self) -> Arc<dyn AgentRepository> {
        Arc::clone(&self.repositories.agents)
    }

    /// Where message servers are kept.
    pub fn servers(&self) -> Arc<dyn ServerRepository> {
        Arc::clone(&self.repositories.servers)
    }

    /// Where channels are kept.
    pub fn channels(&self) -> Arc<dyn ChannelRepository> {
        Arc::clone(&self.repositories.channels)
    }

    /// Where messages and channel events are kept.
    pub fn messages(&self) -> Arc<dyn MessageRepository> {
        Arc::clone(&self.repositories.messages)
    }

    /// Where deliveries are kept.
    pub fn deliveries(&self) -> Arc<dyn DeliveryRepository> {
        Arc::clone(&self.repositories.deliveries)
    }

    /// Where sessions are kept.
    pub fn sessions(&self) -> Arc<dyn SessionRepository> {
        Arc::clone(&self.repositories.sessions)
    }

    /// Where jobs are kept.
    pub fn jobs(&self) -> Arc<dyn JobRepository> {
        Arc::clone(&self.repositories.jobs)
    }

    /// Where worlds are kept.
    pub fn worlds(&self) -> Arc<dyn WorldRepository> {
        Arc::clone(&self.repositories.worlds)
    }

    /// Where rooms are kept.
    pub fn rooms(&self) -> Arc<dyn RoomRepository> {
        Arc::clone(&self.repositories.rooms)
    }

    /// Where the rest of the agent plane is kept.
    pub fn memories(&self) -> Arc<dyn MemoryRepository> {
        Arc::clone(&self.repositories.memories)
    }

    /// Where it is kept how far agents have looked back at what they remember.
    pub fn reflections(&self) -> Arc<dyn ReflectionRepository> {
        Arc::clone(&self.repositories.reflections)
    }

    /// Where the vectors of memories are kept.
    pub fn vectors(&self) -> Arc<dyn VectorRepository> {
        Arc::clone(&self.repositories.vectors)
    }

    /// Where what is known of files is kept.
    pub fn media(&self) -> Arc<dyn MediaRepository> {
        Arc::clone(&self.repositories.media)
    }

    /// Where runs and logs are kept.
    pub fn runs(&self) -> Arc<dyn RunRepository> {
        Arc::clone(&self.repositories.runs)
    }

    /// Where sealed secrets are kept.
    pub fn secrets(&self) -> Arc<dyn SecretRepository> {
        Arc::clone(&self.repositories.secrets)
    }

    /// Where what comes from elsewhere is stored.
    pub fn arrivals(&self) -> Arc<dyn ArrivalRepository> {
        Arc::clone(&self.repositories.arrivals)
    }

    /// Where all that is an agent's own is read.
    pub fn belongings(&self) -> Arc<dyn BelongingsRepository> {
        Arc::clone(&self.repositories.belongings)
    }

    /// Where the answers of requests are kept that may be sent again.
    pub fn repeats(&self) -> Arc<dyn RepeatRepository> {
        Arc::clone(&self.repositories.repeats)
    }

    /// Which database this is.
    pub const fn kind(&self) -> Kind {
        match self.backend {
            Backend::Sqlite(_) => Kind::Sqlite,
            Backend::Postgres(_) => Kind::Postgres,
        }
    }

    /// Which database this is and where, for a person; never with a password.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// Whether this server alone still works on the database. On PostgreSQL this asks on the connection that holds the
    /// lock and takes the lock again where the connection was lost; after `false` another server has it, and this one
    /// must stop. An error says that nobody knows. From the moment that the connection is lost until the lock is held again, what writes is
    /// `Unavailable`. It is to be asked again and again: each second, since only this takes the lock again.
    pub async fn still_owner(&self) -> StoreResult<bool> {
        match &self.backend {
            Backend::Sqlite(_) => Ok(true),
            Backend::Postgres(db) => db.still_owner().await,
        }
    }

    /// Makes what was committed a part of the log that is kept, where one is (SQLite). It is to be asked again and again; what was committed
    /// since is lost to the log where the disk of the database is.
    pub async fn keep_log(&self) -> StoreResult<()> {
        match &self.backend {
            Backend::Sqlite(db) => db.keep_log().await,
            Backend::Postgres(_) => Ok(()),
        }
    }

    /// Finishes what is queued and lets go of the database; every later call of a repository is `Unavailable`.
    pub async fn close(&self) {
        match &self.backend {
            Backend::Sqlite(db) => db.close().await,
            Backend::Postgres(db) => db.close().await,
        }
    }
}

fn repositories<D>(db: &Arc<D>) -> Repositories
where
    D: AccessRepository
        + KeyRepository
        + AgentRepository
        + ServerRepository
        + ChannelRepository
        + MessageRepository
        + DeliveryRepository
        + SessionRepository
        + JobRepository
        + WorldRepository
        + RoomRepository
        + MemoryRepository
        + ReflectionRepository
        + VectorRepository
        + MediaRepository
        + RunRepository
        + SecretRepository
        + ArrivalRepository
        + BelongingsRepository
        + RepeatRepository
        + 'static,
{
    Repositories {
        access: Arc::<D>::clone(db),
        keys: Arc::<D>::clone(db),
        agents: Arc::<D>::clone(db),
        servers: Arc::<D>::clone(db),
        channels: Arc::<D>::clone(db),
        messages: Arc::<D>::clone(db),
        deliveries: Arc::<D>::clone(db),
        sessions: Arc::<D>::clone(db),
        jobs: Arc::<D>::clone(db),
        worlds: Arc::<D>::clone(db),
        rooms: Arc::<D>::clone(db),
        memories: Arc::<D>::clone(db),
        reflections: Arc::<D>::clone(db),
        vectors: Arc::<D>::clone(db),
        media: Arc::<D>::clone(db),
        runs: Arc::<D>::clone(db),
        secrets: Arc::<D>::clone(db),
        arrivals: Arc::<D>::clone(db),
        belongings: Arc::<D>::clone(db),
        repeats: Arc::<D>::clone(db),
    }
}
