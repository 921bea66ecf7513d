//! Secrets: values that can be used but not shown.

use async_trait::async_trait;
use zeroize::Zeroize;

use crate::{AgentId, Caller, ServiceResult, StoreResult};

/// What the API shows in place of a secret, and accepts back as "unchanged".
pub const MASK: &str = "********";

/// A secret value. It cannot be serialised, its `Debug` shows nothing, and its memory is wiped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value that must not be shown.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// An encrypted secret as it is stored: bound to its agent and name, so that it opens nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The setting's name, such as `OPENAI_API_KEY`.
    pub name: String,
    /// Format version, key id, nonce and ciphertext.
    pub sealed: Vec<u8>,
}

/// Why the vault could not do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, derive_more::Display, derive_more::Error)]
pub enum VaultError {
    /// Another key, another agent or name, or damaged bytes.
    #[display("the secret cannot be decrypted with this server's key")]
    CannotOpen,
    /// The system gave no randomness, or the value is larger than the cipher takes.
    #[display("the secret cannot be encrypted")]
    CannotSeal,
}

/// A given secret, with regard to the form in which elizaOS shows and stores secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElizaOsSecret {
    /// It was in that form, and this is what is inside.
    Opened(Secret),
    /// It has that form, but no salt that is known here opens it.
    Locked,
    /// It has not that form, and is the secret itself.
    Plain,
}

/// Encrypts and decrypts secrets. Does no I/O; the repository keeps what it returns.
pub trait Vault: Send + Sync {
    /// Encrypts a secret for one agent.
    fn seal(&self, agent: AgentId, name: &str, secret: &Secret) -> Result<SealedSecret, VaultError>;

    /// Decrypts a secret of one agent.
    fn open(&self, agent: AgentId, sealed: &SealedSecret) -> Result<Secret, VaultError>;

    /// Whether a secret is encrypted with the key that encrypts now.
    fn is_current(&self, sealed: &SealedSecret) -> bool;

    /// Reads a secret that may come from an elizaOS server, by its `SECRET_SALT` where that is known, or by the default
    /// one (contract §8.4).
    fn read_elizaos(&self, given: &Secret) -> ElizaOsSecret;
}

/// What a write does to one of an agent's secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretChange {
    /// Keep this value under its name.
    Put(SealedSecret),
    /// Forget the secret of this name.
    Remove(String),
}

/// Where sealed secrets are kept. They are written together with their agent (`AgentRepository`).
#[async_trait]
pub trait SecretRepository: Send + Sync {
    /// All secrets of an agent, by name; empty for an unknown agent.
    async fn list(&self, agent: AgentId) -> StoreResult<Vec<SealedSecret>>;

    /// Secrets of all agents, by agent and name, behind the one of this agent and name.
    async fn page(&self, after: Option<(AgentId, String)>, limit: u32) -> StoreResult<Vec<(AgentId, SealedSecret)>>;

    /// Replaces a secret by itself in another encryption, if it still is what it was; returns whether it was.
    async fn reseal(&self, agent: AgentId, was: SealedSecret, now: Vec<u8>) -> StoreResult<bool>;
}

/// Where the key is kept that encrypts secrets. Both fail with [`ServiceError::Unavailable`](crate::ServiceError::Unavailable) where it
/// cannot be written now, and with [`ServiceError::Conflict`](crate::ServiceError::Conflict) where what is there is not the server's.
#[async_trait]
pub trait SealingKey: Send + Sync {
    /// Makes a new key, which encrypts from now on and is kept beside the ones before, which still decrypt. `false`, and nothing
    /// changes, where the key is not for the server to make.
    async fn renew(&self) -> ServiceResult<bool>;

    /// Forgets the keys before, with which nothing is encrypted any more. What somebody else keeps beside them stays.
    async fn forget_old(&self) -> ServiceResult<()>;
}

/// What became of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Whether there is a new key. Without one, what an earlier key encrypted is encrypted with the present one.
    pub new_key: bool,
    /// How many secrets were encrypted anew.
    pub resealed: u64,
}

/// What a transport can ask about secrets as a whole. All of it is the owner's.
#[async_trait]
pub trait SecretService: Send + Sync {
    /// Makes a new key and encrypts all secrets of agents with it, while agents go on using them. Cut short, it can be repeated.
    async fn rotate(&self, caller: &Caller) -> ServiceResult<Rotation>;
}
