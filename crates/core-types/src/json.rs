//! JSON that we keep and hand on without looking into it.

use std::borrow::Cow;
use std::{fmt, io};

use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
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
        serde_json::from_str(self.entries().get(key)?).ok()
    }

    /// The entries of an object as they are written; none where it is no object.
    pub fn entries(&self) -> Entries<'_> {
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

/// The entries of an object, in order, as they are written: a key that is repeated is here twice, and its last value counts.
/// Objects here are small, and a list of few is searched sooner than a tree is made.
#[derive(Debug, Clone, Default)]
pub struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Entries<'a> {
    /// The text of the value under a key.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.raw(key).map(RawValue::get)
    }

    /// The value under a key, to be written as it is.
    pub fn raw(&self, key: &str) -> Option<&'a RawValue> {
        self.0.iter().rfind(|(known, _)| known == key).map(|(_, value)| *value)
    }

    /// Keeps those whose key and text of the value fit.
    pub fn retain(&mut self, mut fits: impl FnMut(&str, &str) -> bool) {
        self.0.retain(|(key, value)| fits(key, value.get()));
    }

    /// Puts other entries in the place of those with their keys, or behind all.
    pub fn replace(&mut self, others: Self) {
        self.0.retain(|(key, _)| others.get(key).is_none());
        self.0.extend(others.0);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((Key(key), value)) = map.next_entry()? {
            entries.push((key, value));
        }
        Ok(Entries(entries))
    }
}

/// A key, borrowed where it is written without escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

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

/// Whether the character U+0000 is anywhere in a value. Neither PostgreSQL's text nor its JSON can hold it, so nobody may send it.
pub fn has_nul(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(entries) => object_has_nul(entries),
    }
}

/// Whether it is anywhere in an object, keys included.
pub fn object_has_nul(object: &JsonObject) -> bool {
    object.iter().any(|(key, value)| key.contains('\0') || has_nul(value))
}

/// Whether a value has no more than so many bytes as JSON. It is measured without a copy.
pub fn fits(value: &impl Serialize, bytes: usize) -> bool {
    serde_json::to_writer(Room(bytes), value).is_ok()
}

/// How large a value is as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// The bytes of its text, without spaces.
    pub bytes: usize,
    /// The entries of objects and the items of lists in it, at any depth. In memory each costs many times the two bytes that it may have
    /// as text.
    pub values: usize,
}

/// How large a value is. It is measured without a copy; what cannot be written as JSON is larger than everything.
pub fn extent(value: &impl Serialize) -> Extent {
    let (mut room, mut values) = (Room(usize::MAX), 0);
    let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut room, Counting(&mut values)));
    match written {
        Ok(()) => Extent { bytes: usize::MAX - room.0, values },
        Err(_) => Extent { bytes: usize::MAX, values: usize::MAX },
    }
}

/// The most values that a JSON text of a client may have: the body of a request, or what comes over a socket. A character has at most
/// 50,000, and nothing has more.
pub const MAX_VALUES: usize = 65_536;

/// Whether a JSON text has more than so many values, counted as in [`Extent`]. It is looked at once and nothing is made of it, so that
/// what would take long to be read is refused before. What is no JSON has never fewer than a reader makes of it until it notices.
pub fn has_more_values(text: &[u8], most: usize) -> bool {
    // Each has two bytes at least: one of its own, and the one before it.
    text.len() / 2 > most && values_of(text, most) > most
}

/// How many values a JSON text has; where it has more than so many, some number above that.
fn values_of(text: &[u8], most: usize) -> usize {
    let mut bytes = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let (mut values, mut is_opened) = (0, false);
    while let Some(byte) = bytes.next() {
        // There is one behind every comma, and one behind every bracket that is not closed at once.
        let is_first = is_opened && !matches!(byte, b']' | b'}');
        values += usize::from(is_first || byte == b',');
        if values > most {
            break;
        }
        is_opened = matches!(byte, b'[' | b'{');
        if byte == b'"' {
            pass_text(&mut bytes);
        }
    }
    values
}

/// Goes behind the end of a text within quotes. A quote behind a backslash is none.
fn pass_text(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

/// Writes without spaces, and counts entries and items.
struct Counting<'a>(&'a mut usize);

impl Counting<'_> {
    fn one_more<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        *self.0 += 1;
        if first { Ok(()) } else { writer.write_all(b",") }
    }
}

impl serde_json::ser::Formatter for Counting<'_> {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.one_more(writer, first)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.one_more(writer, first)
    }
}

/// Takes so many bytes, which go nowhere.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(piece.len()).ok_or(io::ErrorKind::WriteZero)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same value with the keys of its objects in the order of the alphabet, so that their order says nothing.
#[must_use]
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<(String, Value)> = entries.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            entries.into_iter().collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
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
    fn entries_keep_their_order_and_the_last_of_a_key_counts() {
        let object = Json::parse(r#"{"b": 1, "a": [ ], "b": 2, "c": null}"#.to_owned()).unwrap();
        assert_eq!((object.get::<u32>("b"), object.get::<u32>("d")), (Some(2), None));
        let other = Json::parse(r#"{"\u0061": 3}"#.to_owned()).unwrap();
        let mut entries = object.entries();
        entries.retain(|_, value| value != "null");
        entries.replace(other.entries());
        assert_eq!(serde_json::to_string(&entries).unwrap(), r#"{"b":1,"b":2,"a":3}"#);
        assert!(Json::from(json!([1])).entries().is_empty());
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

    #[test]
    fn the_order_of_keys_says_nothing_and_that_of_items_does() {
        let one: Value = serde_json::from_str(r#"{"b": [1, {"y": 1, "x": 2}], "a": null}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"a": null, "b": [1, {"x": 2, "y": 1}]}"#).unwrap();
        assert_eq!(sorted(&one).to_string(), sorted(&other).to_string());
        assert_ne!(sorted(&json!([1, 2])).to_string(), sorted(&json!([2, 1])).to_string());
    }

    #[test]
    fn a_value_is_as_large_as_its_text_and_all_in_it_is_counted() {
        for (value, values) in [
            (json!("a \"text\" é\n"), 0),
            (json!([]), 0),
            (json!([0, [], {}]), 3),
            (json!({"a": {"b": [1.5, null], "c": ""}, "d": true}), 6),
        ] {
            let bytes = value.to_string().len();
            assert_eq!(extent(&value), Extent { bytes, values }, "{value}");
            assert!(fits(&value, bytes) && !fits(&value, bytes - 1), "{value}");
        }
        let no_json: std::collections::BTreeMap<Option<u8>, u8> = [(None, 0)].into();
        assert_eq!(extent(&no_json), Extent { bytes: usize::MAX, values: usize::MAX });
    }

    #[test]
    fn values_are_counted_in_a_text_without_reading_it() {
        let brackets = format!("[\"{}\"]", "[{,".repeat(1_000));
        for (text, values) in [
            ("", 0),
            ("1", 0),
            ("\"a, [b]\"", 0),
            ("[]", 0),
            ("[ \n]", 0),
            ("{}", 0),
            ("[[]]", 1),
            ("[ 1 , [], {} ]", 3),
            ("[[[1,2],[3]],4]", 7),
            (r#"{"a": {"b": [1.5, null], "c": ""}, "d": true}"#, 6),
            (r#"["a\", [1, \"", 2]"#, 2),
            (r#"["a\\", "b\\\"", "[,"]"#, 3),
            (r#"{"\",\"": "\u0022,\u0022"}"#, 1),
            (brackets.as_str(), 1),
            ("[\"[,[,[,", 1),
        ] {
            assert_eq!(values_of(text.as_bytes(), usize::MAX), values, "{text}");
        }
    }

    #[test]
    fn a_text_may_have_as_many_values_as_it_may_and_no_more() {
        for (item, most) in [("[]", 1_000), ("1", 1_000), ("[[[]]]", 3_000), ("{\"a\":\"[]\"}", 2_000)] {
            let list = |items: usize| format!("[{}]", vec![item; items].join(","));
            assert!(!has_more_values(list(1_000).as_bytes(), most), "{item}");
            assert!(has_more_values(list(1_001).as_bytes(), most), "{item}");
        }
        assert!(has_more_values("[1,".repeat(10).as_bytes(), 10), "what is no JSON is counted all the same");
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::from), "\\PC{0,8}".prop_map(Value::from)];
        leaf.prop_recursive(4, 48, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("\\PC{0,4}", inner), 0..5).prop_map(|entries| entries.into_iter().collect::<Value>()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_text_has_as_many_values_as_what_is_read_from_it(value in any_value()) {
            let Extent { values, .. } = extent(&value);
            prop_assert_eq!(values_of(value.to_string().as_bytes(), usize::MAX), values);
            prop_assert_eq!(values_of(format!("{value:#}").as_bytes(), usize::MAX), values);
            let text = value.to_string();
            prop_assert!(!has_more_values(text.as_bytes(), values));
        }

        #[test]
        fn whatever_can_be_read_has_no_more_values_than_were_counted(text in r#"[\[{" ,:1a\\\]}]{0,24}"#) {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert!(values_of(text.as_bytes(), usize::MAX) >= extent(&value).values, "{}", text);
            }
        }
    }

    #[test]
    fn a_nul_is_found_wherever_it_is() {
        for with in [json!("a\0"), json!([[1, "\0"]]), json!({"a": {"\0": 1}}), json!({"a": [{"b": "\0b"}]})] {
            assert!(has_nul(&with), "{with}");
        }
        assert!(!has_nul(&json!({"a": ["\u{1}", 0, null, true]})));
    }
}
