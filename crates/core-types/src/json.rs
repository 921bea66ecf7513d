//! JSON that we keep and hand on without looking into it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::JsonObject;

/// A JSON value as its text. What clients store with a message is written and read far more often than it is looked into,
/// and this costs neither a parse nor a tree. Two are equal if their values are, however they are spelled.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Takes a text over; fails where it is not JSON.
    pub fn parse(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The value as a tree.
    pub fn to_value(&self) -> Value {
        self.read().unwrap_or_default()
    }

    /// The value as an object; empty where it is none.
    pub fn to_object(&self) -> JsonObject {
        self.read().unwrap_or_default()
    }

    /// What an object has under a key; `None` where it has not, or where that is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        // Most objects lack most keys, and a look at the text says so.
        if !self.may_have(key) {
            return None;
        }
        serde_json::from_str(self.entries().get(key)?.get()).ok()
    }

    /// The entries of an object as they are written; none where it is no object.
    pub fn entries(&self) -> BTreeMap<Cow<'_, str>, &RawValue> {
        serde_json::from_str(self.as_str()).unwrap_or_default()
    }

    /// Whether an object may have this key, at the cost of a look at the text.
    pub fn may_have(&self, key: &str) -> bool {
        // A key with an escape in it may be spelled in many ways.
        self.as_str().contains(key) || self.as_str().contains('\\')
    }

    fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.as_str()).ok()
    }
}

/// An empty object.
impl Default for Json {
    fn default() -> Self {
        JsonObject::new().into()
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        // A tree is always valid JSON; `null` stands in for the defect that this would be.
        Self::parse(value.to_string()).unwrap_or_else(|_| Self(RawValue::NULL.to_owned()))
    }
}

impl From<JsonObject> for Json {
    fn from(object: JsonObject) -> Self {
        Value::Object(object).into()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str() || self.to_value() == other.to_value()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_kept_as_it_came_and_must_be_json() {
        let text = r#"{ "b": 1, "a": [1.50, "\u00e9"] }"#;
        let kept = Json::parse(text.to_owned()).unwrap();
        assert_eq!((kept.as_str(), serde_json::to_string(&kept).unwrap().as_str()), (text, text));
        assert_eq!(kept, Json::from(json!({"a": [1.5, "é"], "b": 1})));
        assert_ne!(kept, Json::default());
        for bad in ["", "{", "{} {}", "{\"a\":}", "nul"] {
            assert!(Json::parse(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_found_however_it_is_spelled_and_only_where_it_is() {
        let object = Json::parse(r#"{"\u0061b": 7, "deep": {"c": 1}, "text": "d"}"#.to_owned()).unwrap();
        assert_eq!(object.get::<u32>("ab"), Some(7));
        assert_eq!(object.get::<String>("ab"), None);
        assert_eq!((object.get::<u32>("c"), object.get::<String>("d")), (None, None));
        assert_eq!(object.get::<JsonObject>("deep").map(|deep| deep.len()), Some(1));
        assert_eq!(Json::from(json!(["ab"])).get::<u32>("ab"), None);
        assert_eq!((Json::from(json!([])).to_object(), Json::default().to_value()), (JsonObject::new(), json!({})));
    }
}
