//! API keys.

use async_trait::async_trait;
use core_types::keys::{ApiKey, KeyAdded, KeyRepository, MAX_KEYS};
use core_types::{KeyId, MessageServerId, Permission, StoreResult, Tenant, Timestamp};
use diesel::prelude::*;

use super::columns::{Id, Json, json, meaning, time};
use super::schema::api_keys;
use super::{Conn, Db, RunQueryDsl, queue};
use crate::error::{Fault, Undo, settled};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = api_keys, treat_none_as_default_value = false)]
pub(super) struct KeyRow {
    id: Id,
    name: String,
    tenant: String,
    permissions: String,
    servers: Json,
    hash: Vec<u8>,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl KeyRow {
    fn new(key: &ApiKey) -> Result<Self, Fault> {
        let scopes: Vec<String> = key.permissions.iter().map(Permission::to_string).collect();
        Ok(Self {
            id: key.id.into(),
            name: key.name.clone(),
            tenant: key.tenant.to_string(),
            permissions: scopes.join(" "),
            servers: json(&key.servers)?,
            hash: key.hash.to_vec(),
            created_at: key.created_at.millis(),
            expires_at: key.expires_at.map(Timestamp::millis),
            last_used_at: key.last_used_at.map(Timestamp::millis),
        })
    }

    pub(super) fn into_key(self) -> Result<ApiKey, Fault> {
        let row = Some(self.id.0);
        let meaningless = |column: &'static str| Fault::Meaningless { column, row };
        Ok(ApiKey {
            id: self.id.to(),
            name: self.name,
            tenant: Tenant::new(&self.tenant).ok_or_else(|| meaningless("api_keys.tenant"))?,
            // A scope that this version does not know allows nothing.
            permissions: self.permissions.split(' ').filter_map(Permission::of_scope).collect(),
            servers: meaning("api_keys.servers", self.servers).map_err(|fault| fault.of(self.id.0))?,
            hash: self.hash.try_into().map_err(|_| meaningless("api_keys.hash"))?,
            created_at: time(self.created_at),
            expires_at: self.expires_at.map(time),
            last_used_at: self.last_used_at.map(time),
        })
    }
}

work! {
    fn add(conn: &mut Conn, key: ApiKey) -> Result<KeyAdded, Undo<KeyAdded>> {
        for server in &key.servers {
            if !run!(queue::hold_server(conn, Id::from(*server)))? {
                return Err(Undo::Answer(KeyAdded::NoServer(MessageServerId::clone(server))));
            }
        }
        run!(queue::lock_number_of(conn, "doolittle.api_keys"))?;
        let there: i64 = run!(api_keys::table.count().get_result(conn))?;
        if there >= i64::from(MAX_KEYS) {
            return Err(Undo::Answer(KeyAdded::Full));
        }
        run!(diesel::insert_into(api_keys::table).values(&KeyRow::new(&key)?).execute(conn))?;
        Ok(KeyAdded::Yes)
    }
}

work! {
    fn list(conn: &mut Conn) -> Result<Vec<ApiKey>, Fault> {
        let rows: Vec<KeyRow> =
            run!(api_keys::table.order(api_keys::ordinal).limit(MAX_KEYS.into()).select(KeyRow::as_select()).load(conn))?;
        rows.into_iter().map(KeyRow::into_key).collect()
    }
}

work! {
    fn remove(conn: &mut Conn, id: Id) -> Result<bool, Fault> {
        Ok(run!(diesel::delete(api_keys::table.find(id)).execute(conn))? > 0)
    }
}

work! {
    fn used(conn: &mut Conn, uses: Vec<(KeyId, Timestamp)>) -> Result<(), Fault> {
        for (id, at) in uses {
            let at = at.millis();
            let earlier = api_keys::last_used_at.is_null().or(api_keys::last_used_at.lt(at).assume_not_null());
            let key = api_keys::table.find(Id::from(id)).filter(earlier);
            run!(diesel::update(key).set(api_keys::last_used_at.eq(at)).execute(conn))?;
        }
        Ok(())
    }
}

#[async_trait]
impl KeyRepository for Db {
    async fn add(&self, key: ApiKey) -> StoreResult<KeyAdded> {
        settled(in_tx!(self, |conn| add(conn, key)))
    }

    async fn list(&self) -> StoreResult<Vec<ApiKey>> {
        Ok(in_read!(self, |conn| list(conn))?)
    }

    async fn remove(&self, id: KeyId) -> StoreResult<bool> {
        Ok(in_tx!(self, |conn| remove(conn, id.into()))?)
    }

    async fn used(&self, mut uses: Vec<(KeyId, Timestamp)>) -> StoreResult<()> {
        // In one order, as rows are locked everywhere.
        uses.sort_unstable();
        Ok(in_passing_tx!(self, |conn| used(conn, uses))?)
    }
}
