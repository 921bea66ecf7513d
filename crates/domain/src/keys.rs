//! API keys: made, listed, revoked. All of it is the owner's.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use auth::Keyring;
use core_types::keys::{ApiKey, KeyAdded, KeyRepository, KeyService, MAX_KEY_NAME_CHARS, MAX_KEY_SERVERS, MAX_KEYS, NewKey, SUBJECTS};
use core_types::{
    Caller, Clock, Ids, InvalidCode, KeyId, MessageServerId, Permission, Randomness, Secret, ServiceError, ServiceResult, StoreResult,
    Tenant, Thing,
};
use tokio::sync::Mutex;

use crate::permission::require;

/// What keys begin with, so that one that leaked is found by whoever looks for it.
const PREFIX: &str = "doolittle_";

/// Makes, lists and revokes keys.
pub struct Keys {
    /// Where keys are kept.
    pub keys: Arc<dyn KeyRepository>,
    /// What verifies them.
    pub keyring: Keyring,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where new ids come from.
    pub ids: Arc<dyn Ids>,
    /// Where keys come from.
    pub randomness: Arc<dyn Randomness>,
    /// One change after the other, so that none is kept and revoked, and then taken in.
    pub changes: Mutex<()>,
}

impl Keys {
    /// Hands all keys that are kept to what verifies them, as at a start.
    pub async fn load(&self) -> StoreResult<usize> {
        let keys = self.keys.list().await?;
        for key in &keys {
            self.keyring.take_in(key);
        }
        Ok(keys.len())
    }

    /// Writes down when keys were shown last.
    pub async fn note_uses(&self) -> StoreResult<()> {
        let uses = self.keyring.uses();
        if uses.is_empty() { Ok(()) } else { self.keys.used(uses).await }
    }

    /// A new key: 256 random bits.
    fn text(&self) -> ServiceResult<Secret> {
        let bits = || self.randomness.bits().map_err(ServiceError::Internal);
        Ok(Secret::new(format!("{PREFIX}{:032x}{:032x}", bits()?, bits()?)))
    }
}

#[async_trait]
impl KeyService for Keys {
    async fn create(&self, caller: &Caller, new: NewKey) -> ServiceResult<(ApiKey, Secret)> {
        require(caller, Permission::SystemManage)?;
        let tenant = check(&new)?;
        let now = self.clock.now();
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(invalid("The key would be over already: the time must be in the future"));
        }
        let text = self.text()?;
        let mut seen = HashSet::new();
        let permissions = new.permissions.into_iter().filter(|permission| seen.insert(*permission)).collect();
        let key = ApiKey {
            id: KeyId::new(self.ids.uuid()),
            name: new.name,
            tenant,
            permissions,
            servers: new.servers,
            hash: auth::hash(text.reveal()),
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
        };
        let _change = self.changes.lock().await;
        match self.keys.add(key.clone()).await? {
            KeyAdded::Yes => {
                self.keyring.take_in(&key);
                Ok((key, text))
            }
            KeyAdded::NoServer(_) => Err(ServiceError::NotFound(Thing::Server)),
            KeyAdded::Full => Err(ServiceError::conflict(format!("There are {MAX_KEYS} keys, the most that there may be: revoke some"))),
        }
    }

    async fn list(&self, caller: &Caller) -> ServiceResult<Vec<ApiKey>> {
        require(caller, Permission::SystemManage)?;
        self.note_uses().await?;
        Ok(self.keys.list().await?)
    }

    async fn revoke(&self, caller: &Caller, id: KeyId) -> ServiceResult<()> {
        require(caller, Permission::SystemManage)?;
        let _change = self.changes.lock().await;
        // Out of use first: better a key that is kept and does not count than the other way round.
        self.keyring.forget(id);
        if self.keys.remove(id).await? { Ok(()) } else { Err(ServiceError::NotFound(Thing::Key)) }
    }
}

/// Refuses a key that cannot be, and says whose the things of its bearer are.
fn check(new: &NewKey) -> ServiceResult<Tenant> {
    if new.name.trim().is_empty() || new.name.chars().count() > MAX_KEY_NAME_CHARS {
        return Err(invalid(&format!("A key has a name of 1 to {MAX_KEY_NAME_CHARS} characters")));
    }
    if new.permissions.is_empty() || new.permissions.contains(&Permission::SystemManage) {
        let scopes: Vec<String> = Permission::GRANTABLE.iter().map(Permission::to_string).collect();
        return Err(invalid(&format!("A key has one or more of the scopes {}", scopes.join(", "))));
    }
    if new.servers.len() > MAX_KEY_SERVERS {
        return Err(invalid(&format!("A key shares at most {MAX_KEY_SERVERS} message servers")));
    }
    if new.servers.contains(&MessageServerId::DEFAULT) {
        return Err(invalid("The default message server is everybody's, and cannot be shared by a key"));
    }
    let tenant = new.tenant.clone().or_else(|| Tenant::new(&new.name));
    tenant
        .filter(|tenant| !tenant.as_str().starts_with(SUBJECTS))
        .ok_or_else(|| invalid(&format!("The tenant's name has 1 to {} bytes and does not begin with {SUBJECTS}", Tenant::MAX_BYTES)))
}

fn invalid(message: &str) -> ServiceError {
    ServiceError::invalid(InvalidCode::Request, message)
}
