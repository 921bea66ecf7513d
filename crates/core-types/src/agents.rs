//! Agents: the entity, where it is kept, and the service that a transport calls.

use async_trait::async_trait;
use serde_json::Value;

use crate::character::Character;
use crate::memory::AgentPlane;
use crate::messaging::ChannelEvent;
use crate::secrets::{SealedSecret, SecretChange};
use crate::{AgentId, Caller, JsonObject, Reach, ServiceResult, StoreResult, Tenant, Timestamp};

/// An agent as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its id: the one its character asked for, or derived from its first name.
    pub id: AgentId,
    /// Who it is.
    pub character: Character,
    /// elizaOS's `enabled` flag; kept for clients, without effect.
    pub enabled: bool,
    /// Whether it should run: durable, so that a restart brings it back.
    pub running: bool,
    /// Whose it is; the owner's where absent.
    pub owner: Option<Tenant>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed; strictly increasing, so that it also names a version of the agent.
    pub updated_at: Timestamp,
}

/// The most agents that a list has.
pub const MAX_LISTED: u32 = 10_000;

/// The most characters of a bio that a list shows; of a longer one these, and an ellipsis.
pub const LISTED_BIO: usize = 1_000;

/// What a list of agents shows of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSummary {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// The whole bio, or its first statement, up to [`LISTED_BIO`] characters.
    pub bio: String,
    /// Whether it runs.
    pub running: bool,
    /// Whose it is; `None` where it is the server owner's.
    pub owner: Option<Tenant>,
}

/// How many agents there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentCount {
    /// That run.
    pub running: u64,
    /// That are stored.
    pub total: u64,
}

/// What became of a creation.
#[derive(Debug, Clone, PartialEq)]
pub enum Added<T> {
    /// It is stored now.
    New(T),
    /// This was stored under the same id before, and is unchanged.
    Existing(T),
}

impl<T> Added<T> {
    /// The stored thing, new or not.
    pub fn into_inner(self) -> T {
        match self {
            Self::New(inner) | Self::Existing(inner) => inner,
        }
    }
}

/// Where agents are kept. Every method is one transaction, but that what is removed may go in several, its parts first.
#[async_trait]
pub trait AgentRepository: Send + Sync {
    /// Stores a new agent with its secrets; where the id is taken, changes nothing and returns what is there.
    async fn add(&self, agent: Agent, secrets: Vec<SealedSecret>) -> StoreResult<Added<Agent>>;

    /// The agent with this id.
    async fn find(&self, id: AgentId) -> StoreResult<Option<Agent>>;

    /// All agents within reach, in no particular order; beyond [`MAX_LISTED`], or [`PAGE_BYTES`](crate::messaging::PAGE_BYTES) of them, own
    /// ones rather than others, and of either those that run.
    async fn list(&self, reach: Option<&Reach>) -> StoreResult<Vec<AgentSummary>>;

    /// The ids of all agents, in their order: up to `limit` of those after this one. What has to reach every agent goes by these, since
    /// [`Self::list`] ends somewhere.
    async fn ids_after(&self, after: Option<AgentId>, limit: u32) -> StoreResult<Vec<AgentId>>;

    /// Whether there is an agent of this id.
    async fn exists(&self, id: AgentId) -> StoreResult<bool>;

    /// The agent that has been there longest of those within reach that run.
    async fn first_running(&self, reach: Option<&Reach>) -> StoreResult<Option<AgentId>>;

    /// How many agents there are.
    async fn count(&self) -> StoreResult<AgentCount>;

    /// Replaces an agent's character and `enabled` flag and applies the changes to its secrets, if it still is the
    /// version `read_at` (its `updated_at` when it was read); otherwise changes nothing and returns `false`.
    async fn replace(&self, agent: Agent, read_at: Timestamp, secrets: Vec<SecretChange>) -> StoreResult<bool>;

    /// Makes an agent run from now on and after every restart, and makes sure that its own world, room and entity
    /// exist and that it listens on the default message server. Returns the agent as it is afterwards; `updated_at`
    /// changes only if it did not run before.
    async fn start(&self, id: AgentId, own: AgentPlane, now: Timestamp) -> StoreResult<Option<Agent>>;

    /// The same, as a new version also where it ran before. One that ran runs at every moment: what is posted meanwhile is for it too.
    async fn restart(&self, id: AgentId, own: AgentPlane, now: Timestamp) -> StoreResult<Option<Agent>>;

    /// Makes an agent not run; its deliveries wait for the next start. Returns whether it ran; `None` for an unknown id.
    async fn stop(&self, id: AgentId, now: Timestamp) -> StoreResult<Option<bool>>;

    /// Deletes an agent with everything of its own: secrets, worlds, rooms, entities, memories, runs, logs, channel
    /// memberships. Its open deliveries end as cancelled, each with its completion event. Returns these events, in order
    /// within each channel; `None` for an unknown id.
    async fn remove(&self, id: AgentId, now: Timestamp) -> StoreResult<Option<Vec<ChannelEvent>>>;
}

/// How a caller hands in a character.
#[derive(Debug, Clone, PartialEq)]
pub enum CreateAgent {
    /// The character itself.
    Character(Value),
    /// A file below the characters directory.
    Path(String),
}

/// Why no character could be read from a path. Says nothing about what the file holds or where it lies.
#[derive(Debug, Clone, PartialEq, Eq, derive_more::Display, derive_more::Error)]
#[display("{message}")]
pub struct CharacterUnavailable {
    /// What the caller should do.
    pub message: String,
}

/// Reads characters that a caller names by path. Guards against every path that leads elsewhere.
#[async_trait]
pub trait CharacterLibrary: Send + Sync {
    /// The JSON of the character at `path`, relative to the characters directory.
    async fn read(&self, path: &str) -> Result<Value, CharacterUnavailable>;
}

/// An agent as a caller sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentView {
    /// The stored agent.
    pub agent: Agent,
    /// The names of its secrets, whose values never leave the server.
    pub secret_names: Vec<String>,
}

/// The answer to a creation.
#[derive(Debug, Clone, PartialEq)]
pub struct CreatedAgent {
    /// The id under which the agent is stored.
    pub id: AgentId,
    /// The character that was sent, read and without secrets.
    pub character: Character,
    /// The names of the secrets that were sent.
    pub secret_names: Vec<String>,
    /// The agent as it is stored.
    pub agent: Agent,
    /// Whether an agent of this id was there before; it is unchanged then.
    pub existing: bool,
    /// What was accepted but has no effect.
    pub warnings: Vec<String>,
}

/// What a transport can ask about agents.
#[async_trait]
pub trait AgentService: Send + Sync {
    /// All agents: running ones first, by name within each half.
    async fn list(&self, caller: &Caller) -> ServiceResult<Vec<AgentSummary>>;

    /// One agent.
    async fn get(&self, caller: &Caller, id: AgentId) -> ServiceResult<AgentView>;

    /// Creates an agent, not started. The same id again changes nothing and says so.
    async fn create(&self, caller: &Caller, request: CreateAgent) -> ServiceResult<CreatedAgent>;

    /// Changes the given columns: `settings` merges (§8.3), everything else replaces; unknown keys and those that a
    /// caller may not set are ignored.
    async fn update(&self, caller: &Caller, id: AgentId, patch: JsonObject) -> ServiceResult<AgentView>;

    /// Deletes an agent and all that is its own.
    async fn remove(&self, caller: &Caller, id: AgentId) -> ServiceResult<()>;

    /// Starts an agent; one that runs goes on.
    async fn start(&self, caller: &Caller, id: AgentId) -> ServiceResult<Agent>;

    /// Stops a running agent; one that does not run is `NotFound`, as elizaOS has it.
    async fn stop(&self, caller: &Caller, id: AgentId) -> ServiceResult<Agent>;

    /// Starts the agent, and anew where it runs: what it is about to answer it begins again. It misses nothing that is posted meanwhile.
    async fn restart(&self, caller: &Caller, id: AgentId) -> ServiceResult<Agent>;
}
