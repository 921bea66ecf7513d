use async_trait::async_trait;
use core_types::keys::{ApiKey, KeyService, NewKey};
use core_types::{KeyId, Secret};

use super::*;

#[async_trait]
impl KeyService for Fakes {
    async fn create(&self, _: &Caller, key: NewKey) -> ServiceResult<(ApiKey, Secret)> {
        self.note(Call::Other("create a key"))?;
        let made = ApiKey {
            id: KeyId::new(core_types::ids::string_to_uuid("a key")),
            tenant: core_types::Tenant::new(&key.name).unwrap(),
            name: key.name,
            permissions: key.permissions,
            servers: key.servers,
            hash: [0; 32],
            created_at: Timestamp::from_millis(NOW),
            expires_at: key.expires_at,
            last_used_at: None,
        };
        Ok((made, Secret::new("the key")))
    }

    async fn list(&self, _: &Caller) -> ServiceResult<Vec<ApiKey>> {
        self.note(Call::Other("list keys")).map(|()| Vec::new())
    }

    async fn revoke(&self, _: &Caller, _: KeyId) -> ServiceResult<()> {
        self.note(Call::Other("revoke a key"))
    }
}

#[async_trait]
impl core_types::secrets::SecretService for Fakes {
    async fn rotate(&self, _: &Caller) -> ServiceResult<core_types::secrets::Rotation> {
        self.note(Call::Other("rotate")).map(|()| core_types::secrets::Rotation { new_key: true, resealed: 2 })
    }
}
