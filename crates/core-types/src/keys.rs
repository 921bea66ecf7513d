//! API keys: what lets somebody in who is not the owner.

use async_trait::async_trait;

use crate::{Caller, KeyId, MessageServerId, Permission, Secret, ServiceResult, StoreResult, Tenant, Timestamp};

/// The most keys that there may be.
pub const MAX_KEYS: u32 = 10_000;
/// The most characters of a key's name.
pub const MAX_KEY_NAME_CHARS: usize = 100;
/// What begins the names of tenants that are subjects of tokens, and no name of a key's tenant.
pub const SUBJECTS: &str = "subject:";
/// The most message servers that a key shares.
pub const MAX_KEY_SERVERS: usize = 100;

/// An API key as it is stored: without what must be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id, which is no secret.
    pub id: KeyId,
    /// What it is for, for a person.
    pub name: String,
    /// Whose things are its own. Keys of one tenant see the same.
    pub tenant: Tenant,
    /// What it lets its bearer do; not empty.
    pub permissions: Vec<Permission>,
    /// The message servers that it shares.
    pub servers: Vec<MessageServerId>,
    /// SHA-256 of the whole key. A key is random, so that no slower hash is needed.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it does not count; for ever where absent.
    pub expires_at: Option<Timestamp>,
    /// When it was shown last, to within a minute.
    pub last_used_at: Option<Timestamp>,
}

/// What became of adding a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAdded {
    /// It is stored.
    Yes,
    /// A message server that it should share does not exist. Nothing was written.
    NoServer(MessageServerId),
    /// There are [`MAX_KEYS`]. Nothing was written.
    Full,
}

/// Where keys are kept. Every method is one transaction.
#[async_trait]
pub trait KeyRepository: Send + Sync {
    /// Stores a key.
    async fn add(&self, key: ApiKey) -> StoreResult<KeyAdded>;

    /// All keys, oldest first.
    async fn list(&self) -> StoreResult<Vec<ApiKey>>;

    /// Forgets a key; `false` where there is none.
    async fn remove(&self, id: KeyId) -> StoreResult<bool>;

    /// Notes when keys were shown last; an earlier time changes nothing.
    async fn used(&self, uses: Vec<(KeyId, Timestamp)>) -> StoreResult<()>;
}

/// A key that the owner wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What it is for; 1 to [`MAX_KEY_NAME_CHARS`] characters.
    pub name: String,
    /// Whose things are its own; the name's where absent.
    pub tenant: Option<Tenant>,
    /// What it lets its bearer do; not empty.
    pub permissions: Vec<Permission>,
    /// The message servers that it shares, at most [`MAX_KEY_SERVERS`].
    pub servers: Vec<MessageServerId>,
    /// From when on it does not count; in the future.
    pub expires_at: Option<Timestamp>,
}

/// What a transport can ask about keys. All of it is the owner's.
#[async_trait]
pub trait KeyService: Send + Sync {
    /// Makes a key. It counts at once, and is shown this one time.
    async fn create(&self, caller: &Caller, key: NewKey) -> ServiceResult<(ApiKey, Secret)>;

    /// All keys, oldest first.
    async fn list(&self, caller: &Caller) -> ServiceResult<Vec<ApiKey>>;

    /// Revokes a key. It does not count from now on, on no transport.
    async fn revoke(&self, caller: &Caller, id: KeyId) -> ServiceResult<()>;
}
