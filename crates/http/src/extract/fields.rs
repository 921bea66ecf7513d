//! Reading the fields of a body: every spelling that a client may use, checked once.

use std::str::FromStr;

use core_types::messaging::METADATA_BYTES;
use core_types::{JsonObject, Timestamp, json};
use serde_json::{Number, Value};

use crate::errors::{ApiError, ApiResult, Code};

/// A whole number from 0. Some clients have no others than floating-point numbers, and write `5.0`.
pub(crate) fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| number.to_string().strip_suffix(".0")?.parse().ok())
}

/// The fields of a JSON object, taken out one by one. Each reader takes the spellings of one field, the preferred one
/// first: the first that is there and not `null` counts, and errors speak of it by the preferred one.
pub(crate) struct Fields(JsonObject);

impl Fields {
    /// The fields of a body.
    pub(crate) const fn new(body: JsonObject) -> Self {
        Self(body)
    }

    /// Whether a field is there, in this spelling.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A field of any type.
    pub(crate) fn value(&mut self, names: &[&str]) -> Option<Value> {
        names.iter().find(|name| self.0.get(**name).is_some_and(|value| !value.is_null())).and_then(|name| self.0.swap_remove(*name))
    }

    /// A field of any type but an empty text.
    fn filled(&mut self, names: &[&str]) -> Option<Value> {
        self.value(names).filter(|value| value.as_str() != Some(""))
    }

    /// An id; an empty text counts as absent.
    pub(crate) fn id<T: FromStr>(&mut self, names: &[&str]) -> ApiResult<Option<T>> {
        self.filled(names).map(|value| parse_id(&value, label(names))).transpose()
    }

    /// An id that must be there.
    pub(crate) fn required_id<T: FromStr>(&mut self, names: &[&str]) -> ApiResult<T> {
        self.id(names)?.ok_or_else(|| missing(names))
    }

    /// A list of ids.
    pub(crate) fn ids<T: FromStr>(&mut self, names: &[&str], most: usize) -> ApiResult<Option<Vec<T>>> {
        match self.value(names) {
            None => Ok(None),
            Some(Value::Array(items)) if items.len() > most => {
                Err(ApiError::bad_request(format!("{} has more than {most} entries", label(names))))
            }
            Some(Value::Array(items)) => items.iter().map(|item| parse_id(item, label(names))).collect::<ApiResult<_>>().map(Some),
            Some(_) => Err(ApiError::bad_request(format!("{} must be an array of ids", label(names)))),
        }
    }

    /// A text; an empty one counts as absent.
    pub(crate) fn text(&mut self, names: &[&str], most: usize) -> ApiResult<Option<String>> {
        match self.value(names) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) if is_longer(&text, most) => {
                Err(ApiError::bad_request(format!("{} has more than {most} characters", label(names))))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::bad_request(format!("{} must be a string", label(names)))),
        }
    }

    /// A text that must be there and not empty.
    pub(crate) fn required_text(&mut self, names: &[&str], most: usize) -> ApiResult<String> {
        self.text(names, most)?.ok_or_else(|| missing(names))
    }

    /// A whole number from 0; what is too large is the largest. Text of digits counts too.
    pub(crate) fn count(&mut self, names: &[&str]) -> ApiResult<Option<u32>> {
        let number = |value: Value| match value {
            Value::Number(number) => whole(&number),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let bad = || ApiError::bad_request(format!("{} must be a whole number from 0", label(names)));
        self.value(names).map(|value| number(value).map(|count| u32::try_from(count).unwrap_or(u32::MAX)).ok_or_else(bad)).transpose()
    }

    /// A moment: epoch milliseconds or ISO 8601; an empty text counts as absent.
    pub(crate) fn moment(&mut self, names: &[&str]) -> ApiResult<Option<Timestamp>> {
        let moment = |value: Value| match value {
            Value::Number(number) => whole(&number).and_then(|millis| Timestamp::parse(&millis.to_string())),
            Value::String(text) => Timestamp::parse(&text),
            _ => None,
        };
        let bad = || ApiError::bad_request(format!("{} must be epoch milliseconds or an ISO 8601 time", label(names)));
        self.filled(names).map(|value| moment(value).ok_or_else(bad)).transpose()
    }

    /// A list of objects, each as fields of its own.
    pub(crate) fn objects(&mut self, names: &[&str], most: usize) -> ApiResult<Option<Vec<Self>>> {
        let not_objects = || ApiError::bad_request(format!("{} must be an array of objects", label(names)));
        match self.value(names) {
            None => Ok(None),
            Some(Value::Array(items)) if items.len() > most => {
                Err(ApiError::bad_request(format!("{} has more than {most} entries", label(names))))
            }
            Some(Value::Array(items)) => {
                let fields = |item| if let Value::Object(object) = item { Ok(Self(object)) } else { Err(not_objects()) };
                items.into_iter().map(fields).collect::<ApiResult<_>>().map(Some)
            }
            Some(_) => Err(not_objects()),
        }
    }

    /// An object.
    pub(crate) fn object(&mut self, names: &[&str]) -> ApiResult<Option<JsonObject>> {
        match self.value(names) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(ApiError::bad_request(format!("{} must be an object", label(names)))),
        }
    }

    /// The metadata of something that lists show whole.
    pub(crate) fn metadata(&mut self) -> ApiResult<Option<JsonObject>> {
        let metadata = self.object(&["metadata"])?;
        if let Some(metadata) = &metadata {
            check_metadata(metadata)?;
        }
        Ok(metadata)
    }
}

/// Refuses metadata that are too large for lists.
pub(crate) fn check_metadata(metadata: &JsonObject) -> ApiResult<()> {
    if json::fits(metadata, METADATA_BYTES) {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("metadata has more than {METADATA_BYTES} bytes as JSON")))
}

fn label<'a>(names: &[&'a str]) -> &'a str {
    names.first().copied().unwrap_or_default()
}

fn missing(names: &[&str]) -> ApiError {
    ApiError::bad_request(format!("Missing required field: {}", label(names)))
}

fn parse_id<T: FromStr>(value: &Value, label: &str) -> ApiResult<T> {
    let id = value.as_str().and_then(|text| text.parse().ok());
    id.ok_or_else(|| ApiError::new(Code::InvalidId, format!("Invalid {label} format")))
}

fn is_longer(text: &str, most: usize) -> bool {
    // A character has at least one byte, so most texts need no count.
    text.len() > most && text.chars().count() > most
}
