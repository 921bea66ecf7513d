//! Where ours differs from the recordings on purpose.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One reason, and what it explains.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// Why ours is otherwise.
    why: String,
    /// Our status for each named exchange.
    #[serde(default)]
    status: BTreeMap<String, u16>,
    /// For each named exchange the places of its body that are otherwise, as a difference begins.
    #[serde(default)]
    places: BTreeMap<String, Vec<String>>,
    /// Exchanges that cannot be asked of ours.
    #[serde(default)]
    not_asked: Vec<String>,
}

/// All exceptions.
#[derive(Debug, Clone)]
pub struct Exceptions(Vec<Reason>);

impl Exceptions {
    /// Those of `golden/exceptions.json`.
    pub fn read() -> Result<Self, String> {
        Self::parse(include_str!("../../golden/exceptions.json"))
    }

    /// Those of a text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let reasons: Vec<Reason> = serde_json::from_str(text).map_err(|error| format!("exceptions: {error}"))?;
        match reasons.iter().find(|reason| reason.why.is_empty()) {
            Some(_) => Err("exceptions: one has no reason".to_owned()),
            None => Ok(Self(reasons)),
        }
    }

    /// The status that ours has for an exchange, where it is of another class.
    pub fn status(&self, name: &str) -> Option<u16> {
        self.0.iter().find_map(|reason| reason.status.get(name).copied())
    }

    /// Whether an exchange is not asked.
    pub fn is_left_out(&self, name: &str) -> bool {
        self.0.iter().any(|reason| reason.not_asked.iter().any(|left| left == name))
    }

    /// The places of an exchange's body that may be otherwise.
    pub fn places(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter_map(|reason| reason.places.get(name)).flatten().map(String::as_str).collect()
    }

    /// All names that occur.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|reason| reason.status.keys().chain(reason.places.keys()).chain(&reason.not_asked).map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::Exceptions;

    #[test]
    fn an_exception_has_a_reason_and_explains_a_status_or_places() {
        let text = r#"[{"why": "because", "status": {"a/b": 201}, "places": {"a/c": ["data.x"]}, "not_asked": ["a/d"]}]"#;
        let exceptions = Exceptions::parse(text).unwrap();
        assert_eq!((exceptions.status("a/b"), exceptions.status("a/c")), (Some(201), None));
        assert_eq!(exceptions.places("a/c"), ["data.x"]);
        assert!(exceptions.is_left_out("a/d") && !exceptions.is_left_out("a/b"));
        assert_eq!(exceptions.names().collect::<Vec<_>>(), ["a/b", "a/c", "a/d"]);
        assert!(Exceptions::parse(r#"[{"why": ""}]"#).is_err());
        assert!(Exceptions::parse(r#"[{"why": "x", "stat": {}}]"#).is_err());
    }
}
