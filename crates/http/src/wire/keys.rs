//! API keys on the wire.

use core_types::keys::{ApiKey, MAX_KEY_NAME_CHARS, MAX_KEY_SERVERS, NewKey};
use core_types::{JsonObject, KeyId, MessageServerId, Permission, Secret, Tenant, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::errors::{ApiError, ApiResult};
use crate::extract::Fields;
use crate::wire::messages::Iso;

/// A key to be made.
#[derive(ToSchema)]
#[schema(as = NewKey)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "the schema of what `new_key` reads")]
pub(crate) struct NewKeyBody {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100, example = "the web shop")]
    name: String,
    /// Whose things are its own: keys of one tenant see the same. The name where absent.
    #[schema(max_length = 255, example = "shop")]
    tenant: Option<String>,
    /// What it lets its bearer do.
    #[schema(min_items = 1)]
    scopes: Vec<Scope>,
    /// Message servers that it shares: it sees all that is on them, but not what two say to each other.
    #[schema(value_type = Option<Vec<Uuid>>, max_items = 100)]
    servers: Option<()>,
    /// From when on it does not count: ISO 8601 or epoch milliseconds, in the future; never where absent.
    #[schema(value_type = Option<String>, example = "2099-01-31T12:00:00.000Z")]
    expires_at: Option<()>,
}

/// What a key may let its bearer do.
#[derive(ToSchema)]
#[schema(as = Scope)]
#[expect(dead_code, reason = "the schema of `Permission`")]
pub(crate) enum Scope {
    #[serde(rename = "agents:read")]
    AgentsRead,
    #[serde(rename = "agents:write")]
    AgentsWrite,
    #[serde(rename = "messages:read")]
    MessagesRead,
    #[serde(rename = "messages:write")]
    MessagesWrite,
    #[serde(rename = "memories:read")]
    MemoriesRead,
    #[serde(rename = "memories:write")]
    MemoriesWrite,
    #[serde(rename = "system:read")]
    SystemRead,
}

/// Reads a key to be made.
pub(crate) fn new_key(body: JsonObject) -> ApiResult<NewKey> {
    let mut fields = Fields::new(body);
    let name = fields.required_text(&["name"], MAX_KEY_NAME_CHARS)?;
    let tenant = fields
        .text(&["tenant"], Tenant::MAX_BYTES)?
        .map(|name| Tenant::new(&name).ok_or_else(|| ApiError::bad_request(format!("tenant must have 1 to {} bytes", Tenant::MAX_BYTES))));
    let permissions = match fields.value(&["scopes", "scope"]) {
        Some(Value::Array(scopes)) if !scopes.is_empty() => {
            scopes.iter().map(|scope| permission(scope.as_str())).collect::<ApiResult<_>>()?
        }
        _ => return Err(no_scope()),
    };
    let servers = fields.ids::<MessageServerId>(&["servers"], MAX_KEY_SERVERS)?.unwrap_or_default();
    let expires_at = fields.moment(&["expiresAt", "expires_at"])?;
    Ok(NewKey { name, tenant: tenant.transpose()?, permissions, servers, expires_at })
}

fn permission(scope: Option<&str>) -> ApiResult<Permission> {
    scope.and_then(Permission::of_scope).ok_or_else(no_scope)
}

fn no_scope() -> ApiError {
    let scopes: Vec<String> = Permission::GRANTABLE.iter().map(Permission::to_string).collect();
    ApiError::bad_request(format!("scopes must be an array of one or more of {}", scopes.join(", ")))
}

/// The keys.
#[derive(Serialize, ToSchema)]
#[schema(as = Keys)]
pub(crate) struct KeysWire<'a> {
    keys: Vec<KeyWire<'a>>,
}

impl<'a> KeysWire<'a> {
    /// These keys, as they are now.
    pub(crate) fn of(keys: &'a [ApiKey], now: Timestamp) -> Self {
        Self { keys: keys.iter().map(|key| KeyWire::of(key, now)).collect() }
    }
}

/// A key, without what must be shown.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Key)]
pub(crate) struct KeyWire<'a> {
    #[schema(value_type = Uuid)]
    id: KeyId,
    #[schema(example = "the web shop")]
    name: &'a str,
    #[schema(example = "shop")]
    tenant: &'a str,
    #[schema(value_type = Vec<Scope>)]
    scopes: Vec<String>,
    #[schema(value_type = Vec<Uuid>)]
    servers: &'a [MessageServerId],
    created_at: Iso,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Iso>,
    /// When it was shown last.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Iso>,
    /// Whether its time is over.
    expired: bool,
}

impl<'a> KeyWire<'a> {
    fn of(key: &'a ApiKey, now: Timestamp) -> Self {
        Self {
            id: key.id,
            name: &key.name,
            tenant: key.tenant.as_str(),
            scopes: key.permissions.iter().map(Permission::to_string).collect(),
            servers: &key.servers,
            created_at: Iso(key.created_at),
            expires_at: key.expires_at.map(Iso),
            last_used_at: key.last_used_at.map(Iso),
            expired: key.expires_at.is_some_and(|end| end <= now),
        }
    }
}

/// A key that was just made, with what must be shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct MadeKey<'a> {
    #[serde(flatten)]
    made: KeyWire<'a>,
    /// What must be shown: as `X-API-KEY`, as `Authorization: Bearer`, or as `auth.apiKey` of a socket. It cannot be told again.
    #[schema(example = "doolittle_00000000000000000000000000000000")]
    key: &'a str,
}

impl<'a> MadeKey<'a> {
    /// This key.
    pub(crate) fn of(key: &'a ApiKey, text: &'a Secret) -> Self {
        Self { made: KeyWire::of(key, key.created_at), key: text.reveal() }
    }
}
