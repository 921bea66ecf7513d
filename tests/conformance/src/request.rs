//! From a step to the bytes that are sent.

use serde_json::Value;
use testkit::caller::Request;

use crate::case::{Expect, Part, Step, Target, sample};
use crate::scope::Scope;

/// Separates the parts of a form; no sample has it.
const BOUNDARY: &str = "----conformance-7f3a9c";

/// Method and path of a step, filled.
pub fn line(step: &Step, scope: &Scope) -> Result<(String, String), String> {
    let line = scope.text(&step.request)?;
    let (method, path) = line.split_once(' ').ok_or_else(|| format!("{line:?} is no method and path"))?;
    Ok((method.to_owned(), path.to_owned()))
}

/// The request of a step, to this path.
pub fn build(step: &Step, method: &str, path: &str, scope: &Scope) -> Result<Request, String> {
    let mut request = Request::new(method, path);
    for (name, value) in &step.headers {
        request = request.header(name, &scope.text(value)?);
    }
    if let Some(body) = &step.body {
        let body = scope.fill(body)?.to_string();
        let is_typed = step.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
        return Ok(if is_typed { request.body(body) } else { request.json_bytes(body) });
    }
    if let Some(raw) = &step.raw {
        return Ok(request.body(scope.text(raw)?));
    }
    if !step.form.is_empty() {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        return Ok(request.header("content-type", &kind).body(form(&step.form, scope)?));
    }
    // Clients say that an empty body is empty; some servers wait for one otherwise.
    Ok(if matches!(method, "POST" | "PATCH" | "PUT") { request.header("content-length", "0") } else { request })
}

fn form(parts: &[Part], scope: &Scope) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for part in parts {
        let filename = part.filename.as_ref().map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        let kind = part.kind.as_ref().map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{}\"{filename}\r\n{kind}\r\n", part.name);
        bytes.extend(head.into_bytes());
        match (&part.sample, &part.value) {
            (Some(name), _) => bytes.extend_from_slice(sample(name).ok_or_else(|| format!("there is no sample {name}"))?),
            (None, value) => bytes.extend(scope.text(value.as_deref().unwrap_or_default())?.into_bytes()),
        }
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    Ok(bytes)
}

/// Everything of a step that may name variables, as far as the target is asked it.
pub fn texts(step: &Step, target: Target) -> Vec<Value> {
    let Expect { headers, data, body, error, lacks, .. } = step.expected(target);
    let mut texts: Vec<Value> = vec![step.request.clone().into()];
    texts.extend(step.headers.values().cloned().map(Value::from));
    texts.extend(step.form.iter().filter_map(|part| part.value.clone()).map(Value::from));
    texts.extend(step.raw.clone().map(Value::from));
    texts.extend(lacks.iter().cloned().map(Value::from));
    texts.extend([&step.body, &step.tries, data, body, error].into_iter().flatten().cloned());
    texts.extend(headers.values().cloned());
    texts
}

/// An expectation without variables.
pub fn filled(expect: &Expect, scope: &Scope) -> Result<Expect, String> {
    let fill = |value: &Option<Value>| value.as_ref().map(|value| scope.fill(value)).transpose();
    Ok(Expect {
        headers: expect.headers.iter().map(|(name, pattern)| Ok((name.clone(), scope.fill(pattern)?))).collect::<Result<_, String>>()?,
        data: fill(&expect.data)?,
        body: fill(&expect.body)?,
        error: fill(&expect.error)?,
        lacks: expect.lacks.iter().map(|text| scope.text(text)).collect::<Result<_, _>>()?,
        ..expect.clone()
    })
}
