//! The secrets of agents as a whole: encrypting them with another key.

use std::sync::Arc;

use async_trait::async_trait;
use core_types::error::chain;
use core_types::secrets::{Rotation, SealedSecret, SealingKey, Secret, SecretRepository, SecretService, Vault};
use core_types::{AgentId, Caller, Permission, ServiceError, ServiceResult};
use tokio::sync::{Mutex, RwLock, RwLockReadGuard};

use crate::permission::require;
use crate::whole::whole;

/// Secrets that are looked at together.
const PAGE: u32 = 100;
/// So often all are looked at again, since some were written meanwhile with the key before.
const ROUNDS: u32 = 10;

/// Who encrypts secrets at present. Until they are kept, no rotation finds them, and a key that one forgets meanwhile is missing for ever.
#[derive(Debug, Clone, Default)]
pub struct Sealing(Arc<RwLock<()>>);

impl Sealing {
    /// To be held from before secrets are encrypted until they are kept.
    pub(crate) async fn begin(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read().await
    }

    /// Resolves once all is kept that was encrypted before.
    async fn settled(&self) {
        drop(self.0.write().await);
    }
}

/// Encrypts the secrets of agents with another key.
#[derive(Clone)]
pub struct Secrets {
    /// Where they are kept.
    pub secrets: Arc<dyn SecretRepository>,
    /// What encrypts them.
    pub vault: Arc<dyn Vault>,
    /// Where its key is kept.
    pub key: Arc<dyn SealingKey>,
    /// Who else encrypts them.
    pub sealing: Sealing,
    /// One rotation at a time.
    pub turn: Arc<Mutex<()>>,
}

#[async_trait]
impl SecretService for Secrets {
    async fn rotate(&self, caller: &Caller) -> ServiceResult<Rotation> {
        require(caller, Permission::SystemManage)?;
        let secrets = self.clone();
        whole(async move { secrets.renew().await }).await
    }
}

impl Secrets {
    async fn renew(&self) -> ServiceResult<Rotation> {
        let _turn = self.turn.try_lock().map_err(|_| ServiceError::conflict("The secrets are being encrypted anew already"))?;
        self.check().await?;
        let new_key = self.key.renew().await?;
        self.sealing.settled().await;
        let mut resealed = 0;
        for _ in 0..ROUNDS {
            let (done, missed) = self.round().await?;
            resealed += done;
            if done == 0 && missed == 0 {
                // Nothing needs the keys before any more.
                self.key.forget_old().await?;
                return Ok(Rotation { new_key, resealed });
            }
        }
        Err(ServiceError::conflict("The secrets are being changed all the time; the keys before are kept: try again later"))
    }

    /// Refuses where a secret cannot be read, before there is one more key for the others.
    async fn check(&self) -> ServiceResult<()> {
        let mut after = None;
        loop {
            let page = self.next(&mut after).await?;
            if page.is_empty() {
                return Ok(());
            }
            for (agent, sealed) in page {
                self.open(agent, &sealed)?;
            }
        }
    }

    /// The secrets after the last one that was seen; none at the end.
    async fn next(&self, seen: &mut Option<(AgentId, String)>) -> ServiceResult<Vec<(AgentId, SealedSecret)>> {
        let page = self.secrets.page(seen.take(), PAGE).await?;
        *seen = page.last().map(|(agent, last)| (*agent, last.name.clone()));
        Ok(page)
    }

    fn open(&self, agent: AgentId, sealed: &SealedSecret) -> ServiceResult<Secret> {
        self.vault.open(agent, sealed).map_err(|error| {
            log::error!("the secret {} of the agent {agent} cannot be read: {}", sealed.name, chain(&error));
            let name = &sealed.name;
            ServiceError::conflict(format!(
                "No key opens the secret {name} of the agent {agent}: set it again or remove it, then repeat this"
            ))
        })
    }

    /// Encrypts anew what an earlier key encrypted; how many were, and how many were changed by others meanwhile.
    async fn round(&self) -> ServiceResult<(u64, u64)> {
        let (mut done, mut missed, mut after) = (0, 0, None);
        loop {
            let page = self.next(&mut after).await?;
            if page.is_empty() {
                return Ok((done, missed));
            }
            for (agent, sealed) in page {
                if self.vault.is_current(&sealed) {
                    continue;
                }
                let secret = self.open(agent, &sealed)?;
                let anew = self.vault.seal(agent, &sealed.name, &secret).map_err(|error| ServiceError::Internal(Box::new(error)))?;
                if self.secrets.reseal(agent, sealed, anew.sealed).await? { done += 1 } else { missed += 1 }
            }
        }
    }
}
