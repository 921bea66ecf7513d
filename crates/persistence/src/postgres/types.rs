//! How PostgreSQL stores what columns hold: ids as `uuid`, JSON as `json`, which keeps it as it came.

use std::io::Write as _;

use diesel::deserialize::{self, FromSql};
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, IsNull, Output, ToSql};

use super::columns::{Id, Json, MaybeObject, Object, Opaque, TextOf, UnreadableJson};

/// The SQL type of ids.
pub(crate) type IdSql = diesel::sql_types::Uuid;
/// The SQL type of JSON.
pub(crate) type JsonSql = diesel::sql_types::Json;

impl ToSql<IdSql, Pg> for Id {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.0.as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<IdSql, Pg> for Id {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(uuid::Uuid::from_slice(value.as_bytes())?))
    }
}

impl ToSql<JsonSql, Pg> for Json {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        serde_json::to_writer(out, &self.0)?;
        Ok(IsNull::No)
    }
}

impl FromSql<JsonSql, Pg> for Json {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_slice(value.as_bytes()).map_err(UnreadableJson::from)?))
    }
}

impl ToSql<JsonSql, Pg> for Object {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        serde_json::to_writer(out, &self.0)?;
        Ok(IsNull::No)
    }
}

impl FromSql<JsonSql, Pg> for Object {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_slice(value.as_bytes()).map_err(UnreadableJson::from)?))
    }
}

impl FromSql<JsonSql, Pg> for MaybeObject {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_slice(value.as_bytes()).ok()))
    }
}

impl ToSql<JsonSql, Pg> for Opaque {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        out.write_all(self.0.as_str().as_bytes())?;
        Ok(IsNull::No)
    }
}

impl FromSql<JsonSql, Pg> for Opaque {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let text = std::str::from_utf8(value.as_bytes())?.to_owned();
        Ok(Self(core_types::Json::parse(text).map_err(UnreadableJson::from)?))
    }
}

impl FromSql<JsonSql, Pg> for TextOf {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self::read(std::str::from_utf8(value.as_bytes())?)?)
    }
}
