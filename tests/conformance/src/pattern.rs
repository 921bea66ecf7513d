//! Patterns of JSON: the language is described in the documentation of the crate.

mod words;

#[cfg(test)]
mod tests;

use serde_json::Value;

/// How much of a value is shown where it does not fit.
const SHOWN: usize = 300;

/// Whether a body fits a pattern; says where and why not. `None` is the absence of a value.
pub fn check(pattern: &Value, found: Option<&Value>) -> Result<(), String> {
    check_called("", pattern, found)
}

/// The same for a value that is called something in what is said.
pub fn check_called(name: &str, pattern: &Value, found: Option<&Value>) -> Result<(), String> {
    let nothing = Value::Null;
    let root = found.unwrap_or(&nothing);
    Look { root, beside: root, path: name.to_owned() }.check(pattern, found)
}

/// Words in angle brackets that are none, and uses of words that mean nothing.
pub fn problems(pattern: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    match pattern {
        Value::String(text) if is_word(text) && !words::is_plain(text) => problems.push(format!("{text} is not a word")),
        Value::Array(items) => problems.extend(items.iter().flat_map(self::problems)),
        Value::Object(fields) => {
            let (mut words, mut others) = (0, 0);
            for (key, value) in fields {
                if is_word(key) {
                    words += 1;
                    problems.extend(words::problems(key, value));
                } else {
                    others += 1;
                    problems.extend(self::problems(value));
                }
            }
            if words > 0 && others > 0 {
                problems.push(format!("words and fields in one object: {pattern}"));
            }
        }
        _ => {}
    }
    problems
}

/// The value at a path such as `data.messages.0.id`.
pub fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').filter(|step| !step.is_empty()).try_fold(value, |value, step| match value {
        Value::Array(items) => step.parse().ok().and_then(|index: usize| items.get(index)),
        other => other.get(step),
    })
}

/// A value as messages show it.
pub fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn is_word(text: &str) -> bool {
    text.len() > 2
        && text.starts_with('<')
        && text.ends_with('>')
        && text.bytes().skip(1).all(|byte| byte == b'>' || byte.is_ascii_alphabetic())
}

/// Where one is in a body.
#[derive(Clone)]
struct Look<'v> {
    root: &'v Value,
    /// The object that holds the value.
    beside: &'v Value,
    path: String,
}

impl<'v> Look<'v> {
    fn check(&self, pattern: &Value, found: Option<&'v Value>) -> Result<(), String> {
        match pattern {
            Value::String(word) if is_word(word) => self.want(words::plain(word, found), pattern, found),
            Value::Object(words) if words.keys().any(|key| is_word(key)) => {
                words.iter().try_for_each(|(word, operand)| self.word(word, operand, found))
            }
            Value::Object(fields) => {
                let object = found.filter(|found| found.is_object()).ok_or_else(|| self.mismatch(pattern, found))?;
                fields.iter().try_for_each(|(key, pattern)| self.into(key, object).check(pattern, object.get(key)))
            }
            Value::Array(patterns) => {
                let items = self.array(found, pattern)?;
                self.want(items.len() == patterns.len(), pattern, found)?;
                patterns.iter().zip(items).enumerate().try_for_each(|(index, (pattern, item))| self.element(index, pattern, item))
            }
            literal => self.want(found.is_some_and(|found| words::equal(literal, found)), pattern, found),
        }
    }

    fn into(&self, key: &str, beside: &'v Value) -> Look<'v> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Look { root: self.root, beside, path }
    }

    fn element(&self, index: usize, pattern: &Value, item: &'v Value) -> Result<(), String> {
        self.into(&index.to_string(), item).check(pattern, Some(item))
    }

    fn fits(&self, pattern: &Value, item: &'v Value) -> bool {
        self.element(0, pattern, item).is_ok()
    }

    fn array(&self, found: Option<&'v Value>, wanted: &Value) -> Result<&'v Vec<Value>, String> {
        found.and_then(Value::as_array).ok_or_else(|| self.mismatch(wanted, found))
    }

    /// What a value is compared with: itself, the field beside it, or one from the top.
    fn operand<'o>(&'o self, operand: &'o Value) -> &'o Value {
        let named = operand.as_str().and_then(|text| {
            let from_top = text.strip_prefix("@@").map(|path| at(self.root, path));
            from_top.or_else(|| text.strip_prefix('@').map(|name| self.beside.get(name)))
        });
        match named {
            Some(found) => found.unwrap_or(&Value::Null),
            None => operand,
        }
    }

    fn want(&self, fits: bool, pattern: &Value, found: Option<&Value>) -> Result<(), String> {
        if fits { Ok(()) } else { Err(self.mismatch(pattern, found)) }
    }

    fn mismatch(&self, pattern: &Value, found: Option<&Value>) -> String {
        let place = if self.path.is_empty() { "the body" } else { &self.path };
        format!("{place}: {} was expected, and {} came", shown(Some(pattern)), shown(found))
    }
}
