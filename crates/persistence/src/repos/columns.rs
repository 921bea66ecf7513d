//! What a column holds, in Rust. How each database stores it is in its `types.rs`.

use core_types::messaging::PAGE_BYTES;
use core_types::{JsonObject, Listed, Page, Tenant, Timestamp};
use derive_more::{Display, Error};
use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::memories::within;
use super::types::{IdSql, JsonSql};
use crate::error::Fault;

/// Any id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = IdSql)]
pub(super) struct Id(pub(super) Uuid);

impl<T: Into<Uuid>> From<T> for Id {
    fn from(id: T) -> Self {
        Self(id.into())
    }
}

impl Id {
    /// The id as what it names.
    pub(super) fn to<T: From<Uuid>>(self) -> T {
        T::from(self.0)
    }
}

/// Any JSON value.
#[derive(Debug, Clone, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = JsonSql)]
pub(super) struct Json(pub(super) Value);

/// A JSON object.
#[derive(Debug, Clone, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = JsonSql)]
pub(super) struct Object(pub(super) JsonObject);

/// A JSON object where what is stored is one, and nothing where it is not: for whoever works through many rows, and must not stop at one
/// that is damaged.
#[derive(Debug, Clone, PartialEq, FromSqlRow)]
pub(super) struct MaybeObject(pub(super) Option<JsonObject>);

impl MaybeObject {
    /// The same with an empty object in place of nothing.
    pub(super) fn or_empty(self) -> JsonObject {
        self.0.unwrap_or_default()
    }
}

/// Stored JSON cannot be read. What is stored there nobody is told, and `serde_json` would quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Error)]
#[display("{}, at line {line}, column {column}", self.what())]
pub(super) struct UnreadableJson {
    category: Category,
    line: usize,
    column: usize,
}

impl UnreadableJson {
    /// Whether it is JSON all the same.
    pub(super) fn is_data(&self) -> bool {
        self.category == Category::Data
    }

    fn what(&self) -> &'static str {
        if self.is_data() { "not the JSON that belongs there" } else { "no JSON" }
    }
}

impl From<serde_json::Error> for UnreadableJson {
    fn from(error: serde_json::Error) -> Self {
        Self { category: error.classify(), line: error.line(), column: error.column() }
    }
}

/// JSON that nobody looks into here.
#[derive(Debug, Clone, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = JsonSql)]
pub(super) struct Opaque(pub(super) core_types::Json);

/// The `text` of a JSON object, without the rest; empty where there is none.
#[derive(Debug, Clone, PartialEq, Eq, FromSqlRow)]
pub(super) struct TextOf(pub(super) String);

impl TextOf {
    pub(super) fn read(json: &str) -> Result<Self, UnreadableJson> {
        #[derive(serde::Deserialize)]
        struct Content<'j> {
            #[serde(borrow)]
            text: Option<&'j RawValue>,
        }
        let content: Content<'_> = serde_json::from_str(json)?;
        let text = content.text.and_then(|text| serde_json::from_str(text.get()).ok());
        Ok(Self(text.unwrap_or_default()))
    }
}

/// A stored time.
pub(super) const fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A stored owner. What cannot be one is nobody's: no tenant sees it.
pub(super) fn owner(name: Option<&str>) -> Option<Tenant> {
    name.and_then(Tenant::new)
}

/// An owner, to be stored.
pub(super) fn owned(owner: Option<&Tenant>) -> Option<String> {
    owner.map(Tenant::to_string)
}

/// How many of so many a tenant may have.
pub(super) fn part_of(most: u32) -> i64 {
    let part = usize::try_from(most).map(Tenant::part_of);
    part.ok().and_then(|part| i64::try_from(part).ok()).unwrap_or(i64::MAX)
}

/// A stored word as what it stands for.
pub(super) fn word<T: std::str::FromStr>(column: &'static str, word: &str) -> Result<T, Fault> {
    word.parse().map_err(|_| Fault::Meaningless { column, row: None })
}

/// Stored JSON as what it stands for. Why it stands for nothing is not told: that would quote it.
pub(super) fn meaning<T: serde::de::DeserializeOwned>(column: &'static str, Json(value): Json) -> Result<T, Fault> {
    serde_json::from_value(value).map_err(|_| Fault::Meaningless { column, row: None })
}

/// What is to be stored, as JSON.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<Json, Fault> {
    serde_json::to_value(value).map(Json).map_err(|error| Fault::Defect(format!("a value cannot be stored as JSON: {error}")))
}

/// How many entries a list has, where its page shows that; `None` where they must be counted.
pub(super) fn known_total(page: Page, shown: usize) -> Option<i64> {
    let shown = u32::try_from(shown).ok()?;
    let is_last = shown < page.limit && (shown > 0 || page.offset == 0);
    is_last.then(|| i64::from(page.offset) + i64::from(shown))
}

/// How many entries of a page are shown, by their sizes: as many as come to [`PAGE_BYTES`], and one at least.
pub(super) fn fitting(sizes: &[i64]) -> i64 {
    i64::try_from(within(sizes.iter().copied(), PAGE_BYTES)).unwrap_or(i64::MAX)
}

/// A page of a list.
pub(super) fn listed<R, T: From<R>>(rows: impl IntoIterator<Item = R>, total: i64) -> Listed<T> {
    Listed { items: rows.into_iter().map(T::from).collect(), total: u64::try_from(total).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use core_types::JsonObject;

    use super::{TextOf, UnreadableJson};

    #[test]
    fn of_an_object_the_text_is_read_and_the_rest_is_not() {
        for (json, text) in [
            (r#"{"a":{"text":"no"},"text":"caf\u00e9 \"x\"","b":[1]}"#, "caf\u{e9} \"x\""),
            (r#"{"text":5}"#, ""),
            (r#"{"text":null}"#, ""),
            ("{}", ""),
        ] {
            assert_eq!(TextOf::read(json).unwrap(), TextOf(text.to_owned()), "{json}");
        }
        assert!(TextOf::read("{").is_err());
    }

    #[test]
    fn why_json_cannot_be_read_is_told_without_what_it_says() {
        for (json, told) in [
            (r#""hunter2""#, "not the JSON that belongs there, at line 1, "),
            (r#"["hunter2"]"#, "not the JSON that belongs there, at line 1, "),
            (r#"{"a":hunter2}"#, "no JSON, at line 1, "),
            (r#"{"hunter2""#, "no JSON, at line 1, "),
        ] {
            let error = serde_json::from_str::<JsonObject>(json).map_err(UnreadableJson::from).unwrap_err();
            assert!(error.to_string().starts_with(told), "{json}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        assert!(!TextOf::read(r#""hunter2""#).unwrap_err().to_string().contains("hunter2"));
    }
}
