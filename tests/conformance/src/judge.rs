//! Whether an answer is as expected.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::case::{Expect, Target, sample};
use crate::pattern::{check, check_called, shown};

/// How much of a body is shown beside a status that was not expected.
const SHOWN: usize = 400;

/// What was asked, as far as it bears on the answer.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Whom.
    pub target: Target,
    /// The path and query.
    pub path: &'a str,
}

/// Says what is wrong with an answer; `expect` has no variables left.
pub fn judge(asked: Asked<'_>, expect: &Expect, answer: &Answer) -> Result<(), String> {
    if !expect.status.is_empty() && !expect.status.contains(&answer.status) {
        let wanted: Vec<String> = expect.status.iter().map(u16::to_string).collect();
        return Err(format!("status {} was expected, and {} came: {}", wanted.join(" or "), answer.status, beginning(&answer.text())));
    }
    for (name, pattern) in &expect.headers {
        let found = answer.header(name).map(Value::from);
        check_called(&format!("header {name}"), &as_header(pattern), found.as_ref())?;
    }
    if expect.empty && !answer.bytes.is_empty() {
        return Err(format!("no body was expected, and this came: {}", beginning(&answer.text())));
    }
    if let Some(name) = &expect.sample
        && sample(name) != Some(answer.bytes.as_slice())
    {
        return Err(format!("the bytes of {name} were expected, and {} others came", answer.bytes.len()));
    }
    if let Some(pattern) = &expect.body {
        check(pattern, answer.json.as_ref())?;
    }
    if let Some(pattern) = &expect.data {
        check(&json!({"success": true, "data": pattern}), answer.json.as_ref())?;
    }
    if let Some(pattern) = &expect.error {
        error(asked.target, pattern, answer)?;
    }
    if let Some(text) = expect.lacks.iter().find(|text| answer.text().contains(*text)) {
        return Err(format!("the body must not have {text:?}: {}", beginning(&answer.text())));
    }
    if asked.target == Target::Ours { always(asked, expect, answer) } else { Ok(()) }
}

/// What holds for every answer of ours.
fn always(asked: Asked<'_>, expect: &Expect, answer: &Answer) -> Result<(), String> {
    let is_of_api = asked.path.to_lowercase().starts_with("/api");
    if is_of_api && answer.status >= 400 && expect.body.is_none() && !expect.empty {
        envelope(answer)?;
    }
    let json = answer.json.as_ref();
    let succeeds = json.and_then(|json| json.get("success")) == Some(&Value::Bool(true));
    if succeeds && json.and_then(|json| json.get("data")).is_none() {
        return Err(format!("success is true, and there is no data: {}", shown(json)));
    }
    Ok(())
}

/// The error envelope: a code in capitals, a message, and nothing of the inside.
fn envelope(answer: &Answer) -> Result<(), String> {
    let pattern = json!({"success": false, "error": {"code": {"<regex>": "^[A-Z][A-Z0-9_]*$"}, "message": "<text>", "stack": "<absent>"}});
    check(&pattern, answer.json.as_ref())
}

fn error(target: Target, pattern: &Value, answer: &Answer) -> Result<(), String> {
    let patterns = match pattern {
        Value::String(_) => json!({"code": pattern}),
        other => other.clone(),
    };
    let body = answer.json.as_ref().ok_or_else(|| format!("an error was expected, and no JSON came: {}", beginning(&answer.text())))?;
    let read = match target {
        Target::Ours => {
            envelope(answer)?;
            body.get("error").cloned().unwrap_or_default()
        }
        Target::Reference => as_the_reference_says(&patterns, body)?,
    };
    check_called("error", &patterns, Some(&read))
}

/// Reads an error of the reference, where it may be a text, have a number as its code, or have its message beside it. What
/// is not there to be compared is taken to be as expected (contract §1.2).
fn as_the_reference_says(patterns: &Value, body: &Value) -> Result<Value, String> {
    let error = body.get("error").ok_or_else(|| format!("an error was expected, and this came: {}", shown(Some(body))))?;
    let text =
        error.as_str().or_else(|| error.get("message").and_then(Value::as_str)).or_else(|| body.get("message").and_then(Value::as_str));
    let text = text.ok_or_else(|| format!("an error with a message was expected, and this came: {}", shown(Some(body))))?;
    let Some(wanted) = patterns.get("code") else { return Ok(json!({"message": text})) };
    let code = match (error.get("code").filter(|code| code.is_string()), wanted.as_str()) {
        (Some(code), Some(wanted)) if code == "NOT_FOUND" && wanted.ends_with("_NOT_FOUND") => wanted.into(),
        (Some(code), _) => code.clone(),
        (None, Some(wanted)) => wanted.into(),
        // Any code of the list will do; the first is as good as another.
        (None, None) => wanted.get("<oneOf>").and_then(|list| list.get(0)).cloned().unwrap_or_default(),
    };
    Ok(json!({"message": text, "code": code}))
}

/// Headers are texts, whatever a number in the pattern says.
fn as_header(pattern: &Value) -> Value {
    if pattern.is_number() { pattern.to_string().into() } else { pattern.clone() }
}

fn beginning(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Asked, judge};
    use crate::answer::Answer;
    use crate::case::{Expect, Target};

    fn expecting(written: Value) -> Expect {
        Expect::written(written).unwrap()
    }

    fn judged(target: Target, expect: Value, status: u16, body: Value) -> bool {
        let asked = Asked { target, path: "/api/agents" };
        judge(asked, &expecting(expect), &Answer::made(status, body)).is_ok()
    }

    #[test]
    fn statuses_are_compared() {
        for (expect, fits) in
            [(json!(200), true), (json!([200, 201]), true), (json!({"status": [201]}), false), (json!(404), false), (json!({}), true)]
        {
            assert_eq!(judged(Target::Ours, expect.clone(), 200, json!({})), fits, "{expect}");
        }
    }

    #[test]
    fn data_are_those_of_a_success() {
        let expect = json!({"data": {"a": 1}});
        assert!(judged(Target::Ours, expect.clone(), 200, json!({"success": true, "data": {"a": 1}})));
        for body in
            [json!({"data": {"a": 1}}), json!({"success": false, "data": {"a": 1}}), json!({"success": true, "data": {}}), json!({"a": 1})]
        {
            assert!(!judged(Target::Ours, expect.clone(), 200, body.clone()), "{body}");
        }
    }

    #[test]
    fn an_error_of_ours_is_the_envelope() {
        let whole = json!({"success": false, "error": {"code": "BAD_REQUEST", "message": "no"}});
        assert!(judged(Target::Ours, json!({"error": "BAD_REQUEST"}), 400, whole.clone()));
        assert!(judged(Target::Ours, json!({"error": {"message": {"<contains>": "n"}}}), 400, whole.clone()));
        assert!(!judged(Target::Ours, json!({"error": "INVALID_ID"}), 400, whole));
        for broken in [
            json!({"success": false, "error": "no"}),
            json!({"success": false, "error": {"code": 400, "message": "no"}}),
            json!({"success": false, "error": {"code": "bad", "message": "no"}}),
            json!({"success": false, "error": {"code": "BAD_REQUEST", "message": ""}}),
            json!({"success": false, "error": {"code": "BAD_REQUEST", "message": "no", "stack": "at x"}}),
            json!({"error": {"code": "BAD_REQUEST", "message": "no"}}),
        ] {
            assert!(!judged(Target::Ours, json!({"error": {}}), 400, broken.clone()), "{broken}");
            assert!(!judged(Target::Ours, json!(400), 400, broken.clone()), "{broken} without a word about it");
        }
    }

    #[test]
    fn an_error_of_the_reference_is_read_in_its_shapes() {
        let expect = json!({"error": "AGENT_NOT_FOUND"});
        for (body, fits) in [
            (json!({"success": false, "error": "Agent not found"}), true),
            (json!({"error": "x", "message": "y"}), true),
            (json!({"error": {"code": "NOT_FOUND", "message": "no"}}), true),
            (json!({"error": {"code": 404, "message": "no"}}), true),
            (json!({"error": {"code": "INVALID_ID", "message": "no"}}), false),
            (json!({"error": {"code": "NOT_FOUND"}}), false),
            (json!({"message": "no"}), false),
        ] {
            assert_eq!(judged(Target::Reference, expect.clone(), 404, body.clone()), fits, "{body}");
        }
        let listed = json!({"error": {"code": {"<oneOf>": ["A", "B"]}}});
        assert!(judged(Target::Reference, listed.clone(), 404, json!({"error": "x"})));
        assert!(!judged(Target::Reference, listed, 404, json!({"error": {"code": "C", "message": "x"}})));
    }

    #[test]
    fn bodies_that_should_not_be_there_are_seen() {
        let mut empty = Answer::made(204, json!(null));
        empty.bytes.clear();
        let asked = Asked { target: Target::Ours, path: "/api" };
        assert!(judge(asked, &expecting(json!({"empty": true})), &empty).is_ok());
        assert!(!judged(Target::Ours, json!({"empty": true}), 200, json!({})));
        assert!(judged(Target::Ours, json!({"lacks": ["secret"]}), 200, json!({"a": "b"})));
        assert!(!judged(Target::Ours, json!({"lacks": ["secret"]}), 200, json!({"a": "a secret"})));
        assert!(!judged(Target::Ours, json!({"sample": "png"}), 200, json!({})));
        assert!(!judged(Target::Ours, json!(200), 200, json!({"success": true})), "a success has data");
        assert!(judged(Target::Reference, json!(200), 200, json!({"success": true})));
    }

    #[test]
    fn headers_are_texts() {
        let answer = Answer::made(200, json!({})).with_header("x-limit", Some("7"));
        let asked = Asked { target: Target::Ours, path: "/" };
        for (pattern, fits) in [(json!("7"), true), (json!(7), true), (json!("8"), false), (json!("<absent>"), false)] {
            assert_eq!(judge(asked, &expecting(json!({"headers": {"X-Limit": pattern.clone()}})), &answer).is_ok(), fits, "{pattern}");
        }
        assert!(judge(asked, &expecting(json!({"headers": {"x-other": "<absent>"}})), &answer).is_ok());
    }
}
