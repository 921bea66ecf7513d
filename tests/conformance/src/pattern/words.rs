//! What the words in angle brackets mean.

use core_types::Timestamp;
use serde_json::Value;

use super::Look;
use crate::derive::is_uuid;

/// Words that stand alone.
const PLAIN: [&str; 12] =
    ["<any>", "<absent>", "<string>", "<text>", "<number>", "<integer>", "<boolean>", "<array>", "<object>", "<uuid>", "<iso>", "<millis>"];

/// Words that take one pattern, a list of patterns, or a value.
const OF_A_PATTERN: [&str; 7] = ["<not>", "<each>", "<some>", "<none>", "<first>", "<last>", "<length>"];
const OF_PATTERNS: [&str; 4] = ["<oneOf>", "<all>", "<set>", "<inOrder>"];
const OF_A_VALUE: [&str; 3] = ["<equal>", "<atLeast>", "<atMost>"];
const OF_A_TEXT: [&str; 6] = ["<contains>", "<starts>", "<prefixOf>", "<millisOf>", "<regex>", "<descending>"];

pub(super) fn is_plain(word: &str) -> bool {
    PLAIN.contains(&word)
}

/// What is wrong with a word and what it takes.
pub(super) fn problems(word: &str, operand: &Value) -> Vec<String> {
    let wrong = |what: &str| vec![format!("{word} takes {what}: {operand}")];
    match operand {
        _ if OF_A_PATTERN.contains(&word) => super::problems(operand),
        Value::Array(patterns) if OF_PATTERNS.contains(&word) => patterns.iter().flat_map(super::problems).collect(),
        _ if OF_PATTERNS.contains(&word) => wrong("a list of patterns"),
        _ if OF_A_VALUE.contains(&word) => Vec::new(),
        Value::String(pattern) if word == "<regex>" && regex_lite::Regex::new(pattern).is_err() => wrong("a regular expression"),
        Value::String(_) if OF_A_TEXT.contains(&word) => Vec::new(),
        _ if OF_A_TEXT.contains(&word) => wrong("a text"),
        Value::Object(fields) if word == "<count>" && fields.len() == 2 && fields.contains_key("of") && fields.contains_key("is") => {
            fields.values().flat_map(super::problems).collect()
        }
        Value::Object(fields)
            if word == "<ordered>" && fields.get("by").is_some_and(Value::is_string) && fields.get("as").is_some_and(Value::is_array) =>
        {
            Vec::new()
        }
        _ => wrong("something else, or is not a word"),
    }
}

/// Whether a value is what a word that stands alone says.
pub(super) fn plain(word: &str, found: Option<&Value>) -> bool {
    let Some(value) = found else { return word == "<absent>" };
    match word {
        "<any>" => true,
        "<string>" => value.is_string(),
        "<text>" => value.as_str().is_some_and(|text| !text.is_empty()),
        "<number>" => value.is_number(),
        "<integer>" => value.is_i64() || value.is_u64(),
        "<boolean>" => value.is_boolean(),
        "<array>" => value.is_array(),
        "<object>" => value.is_object(),
        "<uuid>" => value.as_str().is_some_and(is_uuid),
        "<iso>" => value.as_str().is_some_and(is_iso),
        "<millis>" => value.as_i64().is_some_and(|millis| (1_000_000_000_000..10_000_000_000_000).contains(&millis)),
        _ => false,
    }
}

/// Whether two values are the same; 1 and 1.0 are.
pub(super) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(_), Value::Number(_)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other)),
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => one == other,
    }
}

fn is_iso(text: &str) -> bool {
    text.len() == 24 && Timestamp::parse(text).is_some_and(|moment| moment.iso() == text)
}

/// Numbers by size, texts by the alphabet; nothing else has an order.
fn ordering(one: &Value, other: &Value) -> Option<std::cmp::Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64()?.partial_cmp(&other.as_f64()?),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

impl<'v> Look<'v> {
    /// Whether a value is what a word says of its operand.
    pub(super) fn word(&self, word: &str, operand: &Value, found: Option<&'v Value>) -> Result<(), String> {
        let wanted = serde_json::json!({ word: operand });
        let holds = |holds: bool| self.want(holds, &wanted, found);
        let patterns = operand.as_array().map(Vec::as_slice).unwrap_or_default();
        let text = found.and_then(Value::as_str);
        let named = self.operand(operand);
        match word {
            "<not>" => holds(self.check(operand, found).is_err()),
            "<oneOf>" => holds(patterns.iter().any(|pattern| self.check(pattern, found).is_ok())),
            "<all>" => patterns.iter().try_for_each(|pattern| self.check(pattern, found)),
            "<equal>" => holds(found.is_some_and(|found| equal(named, found))),
            "<atLeast>" => holds(found.and_then(|found| ordering(found, named)).is_some_and(std::cmp::Ordering::is_ge)),
            "<atMost>" => holds(found.and_then(|found| ordering(found, named)).is_some_and(std::cmp::Ordering::is_le)),
            "<regex>" => holds(text.is_some_and(|text| matches(operand, text))),
            "<contains>" => holds(text.zip(named.as_str()).is_some_and(|(text, part)| text.contains(part))),
            "<starts>" => holds(text.zip(named.as_str()).is_some_and(|(text, part)| text.starts_with(part))),
            "<prefixOf>" => holds(text.zip(named.as_str()).is_some_and(|(text, whole)| whole.starts_with(text))),
            "<millisOf>" => {
                let moment = named.as_str().and_then(Timestamp::parse).map(Timestamp::millis);
                holds(moment.is_some() && found.and_then(Value::as_i64) == moment)
            }
            _ => self.word_of_arrays(word, operand, self.array(found, &wanted)?, &wanted),
        }
    }

    fn word_of_arrays(&self, word: &str, operand: &Value, items: &'v [Value], wanted: &Value) -> Result<(), String> {
        let found = Value::Array(items.to_vec());
        let holds = |holds: bool| self.want(holds, wanted, Some(&found));
        let patterns = operand.as_array().map(Vec::as_slice).unwrap_or_default();
        let fitting = |pattern: &Value| items.iter().filter(|item| self.fits(pattern, item)).count();
        match word {
            "<each>" => items.iter().enumerate().try_for_each(|(index, item)| self.element(index, operand, item)),
            "<some>" => holds(fitting(operand) > 0),
            "<none>" => holds(fitting(operand) == 0),
            "<first>" => items.first().map_or_else(|| holds(false), |item| self.element(0, operand, item)),
            "<last>" => items.last().map_or_else(|| holds(false), |item| self.element(items.len() - 1, operand, item)),
            "<length>" => holds(super::check(operand, Some(&items.len().into())).is_ok()),
            "<count>" => {
                let count = operand.get("of").map(fitting).unwrap_or_default();
                let is = operand.get("is").unwrap_or(&Value::Null);
                super::check(is, Some(&count.into())).map_err(|_| format!("{} ({count} fit)", self.mismatch(wanted, Some(&found))))
            }
            "<set>" => holds(items.len() == patterns.len() && self.pair(patterns, &items.iter().collect::<Vec<_>>())),
            "<inOrder>" => {
                let mut rest = items.iter();
                holds(patterns.iter().all(|pattern| rest.any(|item| self.fits(pattern, item))))
            }
            "<ordered>" => holds(is_ordered(operand, items)),
            "<descending>" => {
                let field = |item: &'v Value| operand.as_str().and_then(|name| item.get(name));
                let falls = |pair: &'v [Value]| {
                    let [one, next] = pair else { return false };
                    field(one).zip(field(next)).and_then(|(one, next)| ordering(one, next)).is_some_and(std::cmp::Ordering::is_gt)
                };
                holds(items.windows(2).all(falls) && items.iter().all(|item| field(item).is_some()))
            }
            other => Err(format!("{other} is not a word of patterns")),
        }
    }

    /// Whether each pattern finds an element of its own.
    fn pair(&self, patterns: &[Value], items: &[&'v Value]) -> bool {
        let Some((pattern, others)) = patterns.split_first() else { return true };
        (0..items.len()).any(|index| {
            let mut left = items.to_vec();
            self.fits(pattern, left.swap_remove(index)) && self.pair(others, &left)
        })
    }
}

fn matches(pattern: &Value, text: &str) -> bool {
    pattern.as_str().and_then(|pattern| regex_lite::Regex::new(pattern).ok()).is_some_and(|regex| regex.is_match(text))
}

/// Whether the fields that `by` names come in the order of the list `as`, which has all of them.
fn is_ordered(operand: &Value, items: &[Value]) -> bool {
    let (by, order) = (operand.get("by").and_then(Value::as_str), operand.get("as").and_then(Value::as_array));
    let Some((by, order)) = by.zip(order) else { return false };
    let places: Option<Vec<usize>> =
        items.iter().map(|item| item.get(by).and_then(|value| order.iter().position(|known| known == value))).collect();
    places.is_some_and(|places| places.is_sorted())
}
