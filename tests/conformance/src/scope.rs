//! Variables and functions in the texts of a step.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::derive::string_to_uuid;

/// The largest text that `$fill` and `$nest` make.
const MOST: usize = 10_000_000;

const FUNCTIONS: [&str; 6] = ["id", "upper", "lesser", "greater", "fill", "nest"];

/// The variables of a case.
#[derive(Debug, Clone, Default)]
pub struct Scope(BTreeMap<String, Value>);

/// A piece of a text.
enum Piece<'t> {
    Plain(&'t str),
    Variable(&'t str),
    Call(&'t str, &'t str),
}

impl Scope {
    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A value with everything in its texts replaced.
    pub fn fill(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => self.fill_text(text)?,
            Value::Array(items) => Value::Array(items.iter().map(|item| self.fill(item)).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(key, value)| Ok((key.clone(), self.fill(value)?))).collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    /// A text with everything in it replaced.
    pub fn text(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        for piece in pieces(text)? {
            match piece {
                Piece::Plain(plain) => filled.push_str(plain),
                Piece::Variable(name) => filled.push_str(&as_text(self.known(name)?)),
                Piece::Call(function, operand) => filled.push_str(&call(function, &self.text(operand)?)?),
            }
        }
        Ok(filled)
    }

    fn fill_text(&self, text: &str) -> Result<Value, String> {
        match pieces(text)?.as_slice() {
            [Piece::Variable(name)] => self.known(name).cloned(),
            _ => self.text(text).map(Value::String),
        }
    }

    fn known(&self, name: &str) -> Result<&Value, String> {
        self.get(name).ok_or_else(|| format!("${name} is not known"))
    }
}

/// The names of the variables in the texts of a value.
pub fn names(value: &Value, found: &mut BTreeSet<String>) -> Result<(), String> {
    match value {
        Value::String(text) => names_in_text(text, found),
        Value::Array(items) => items.iter().try_for_each(|item| names(item, found)),
        Value::Object(fields) => fields.values().try_for_each(|value| names(value, found)),
        _ => Ok(()),
    }
}

/// The names of the variables in a text.
pub fn names_in_text(text: &str, found: &mut BTreeSet<String>) -> Result<(), String> {
    for piece in pieces(text)? {
        match piece {
            Piece::Plain(_) => {}
            Piece::Variable(name) => {
                found.insert(name.to_owned());
            }
            Piece::Call(_, operand) => names_in_text(operand, found)?,
        }
    }
    Ok(())
}

/// A text as it is, anything else as JSON.
fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once('$') {
        let name_end = after.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(after.len());
        let (name, behind) = after.split_at(name_end);
        let dollar = plain.len();
        if let Some((name, behind)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            pieces.extend([Piece::Plain(plain), Piece::Variable(name)]);
            rest = behind;
        } else if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            // A dollar that begins no name is a dollar: regular expressions end with it.
            let (taken, behind) = rest.split_at(dollar + 1);
            pieces.push(Piece::Plain(taken));
            rest = behind;
        } else if let Some(operand) = behind.strip_prefix('(').filter(|_| FUNCTIONS.contains(&name)) {
            let end = closing(operand).ok_or_else(|| format!("{text:?} has a ( without its )"))?;
            let (operand, behind) = operand.split_at(end);
            pieces.extend([Piece::Plain(plain), Piece::Call(name, operand)]);
            rest = behind.get(1..).unwrap_or_default();
        } else {
            pieces.extend([Piece::Plain(plain), Piece::Variable(name)]);
            rest = behind;
        }
    }
    pieces.push(Piece::Plain(rest));
    pieces.retain(|piece| !matches!(piece, Piece::Plain("")));
    Ok(pieces)
}

/// Where the parenthesis that was opened before is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (index, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(index),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn call(function: &str, operand: &str) -> Result<String, String> {
    let two = || operand.split_once(',').ok_or_else(|| format!("${function} takes two texts: {operand:?}"));
    let count = || {
        let count = operand.parse().ok().filter(|count: &usize| *count <= MOST);
        count.ok_or_else(|| format!("${function} takes a number up to {MOST}: {operand:?}"))
    };
    Ok(match function {
        "id" => derived(operand),
        "upper" => operand.to_uppercase(),
        "lesser" => two().map(|(one, other)| one.min(other).to_owned())?,
        "greater" => two().map(|(one, other)| one.max(other).to_owned())?,
        "fill" => "x".repeat(count()?),
        "nest" => format!("{}{}", "[".repeat(count()?), "]".repeat(count()?)),
        other => return Err(format!("there is no function ${other}")),
    })
}

/// An agent is itself to itself; anything else is derived.
fn derived(text: &str) -> String {
    match text.split_once(':') {
        Some((base, agent)) if base == agent => agent.to_owned(),
        _ => string_to_uuid(text),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::{Scope, names};

    fn scope() -> Scope {
        let mut scope = Scope::default();
        for (name, value) in [("n", json!("abc")), ("limit", json!(7)), ("U", json!("b")), ("U2", json!("a")), ("list", json!(["p"]))] {
            scope.set(name, value);
        }
        scope
    }

    #[test]
    fn variables_are_replaced_with_their_type_where_they_are_alone() {
        let scope = scope();
        for (text, filled) in [
            (json!("x $n y$n"), json!("x abc yabc")),
            (json!("${n}x"), json!("abcx")),
            (json!("$limit"), json!(7)),
            (json!("at $limit"), json!("at 7")),
            (json!(["$list", {"a": "$n"}]), json!([["p"], {"a": "abc"}])),
            (json!("^a$"), json!("^a$")),
            (json!("$5 and $"), json!("$5 and $")),
            (json!(1), json!(1)),
        ] {
            assert_eq!(scope.fill(&text), Ok(filled), "{text}");
        }
    }

    #[test]
    fn functions_are_called() {
        let scope = scope();
        for (text, filled) in [
            ("$id(Eliza)!", "b850bc30-45f8-0041-a00a-83df46d8555d!"),
            ("$id(user-1:b850bc30-45f8-0041-a00a-83df46d8555d)", "53f4979a-5a36-08d1-b15f-120ecb19064c"),
            ("$id($n:$n)", "abc"),
            ("$id(it's (ok)*~!)", "585a8063-948b-0eb1-9655-c25180707b72"),
            ("$upper($n)", "ABC"),
            ("$lesser($U,$U2)-$greater($U,$U2)", "a-b"),
            ("$fill(3)", "xxx"),
            ("$nest(2)", "[[]]"),
        ] {
            assert_eq!(scope.text(text), Ok(filled.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_said() {
        let scope = scope();
        for wrong in ["$nobody", "$id($nobody)", "$id(open", "$lesser($U)", "$fill(many)", "$fill(100000000)"] {
            assert!(scope.text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_found_wherever_they_are() {
        let mut found = BTreeSet::new();
        names(&json!({"a": ["$A/x", "$id($D:$AR)"], "b": {"c": "${n}$"}}), &mut found).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["A", "AR", "D", "n"]);
    }
}
