//! Sending a recorded request again, and judging the answer.

use std::time::{Duration, Instant};

use core_types::Clock as _;
use doolittle::clock::SystemClock;
use regex_lite::Regex;
use serde_json::{Value, json};
use testkit::caller::{Answer, Caller, Request};

use super::Recording;
use super::compare::differences;
use super::exceptions::Exceptions;
use super::names::Names;
use crate::case::sample;

/// How long a read may have to wait for what agents do in the background.
const PATIENCE: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(50);

/// Longer than any answer takes.
const UNTIL_ANSWERED: Duration = Duration::from_mins(1);

/// The boundary of the recorded forms.
const BOUNDARY: &str = "----goldenboundary7MA4YWxk";

/// What came of one exchange.
#[derive(Debug)]
pub struct Replayed {
    /// Its name.
    pub name: String,
    /// Whether ours holds.
    pub verdict: Verdict,
}

/// Whether an answer of ours holds against the recorded one.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Same,
    /// It does not, as an exception says.
    Excepted,
    /// It is not asked.
    LeftOut,
    /// It does not, or an exception is not needed.
    Failed(String),
}

/// Sends an exchange again. A read whose answer does not hold is asked again for a while, since agents take their time.
pub async fn replay(caller: &Caller, name: &str, recording: &Recording, names: &mut Names, exceptions: &Exceptions) -> Replayed {
    if exceptions.is_left_out(name) {
        return Replayed { name: name.to_owned(), verdict: Verdict::LeftOut };
    }
    let request = match request(recording, names) {
        Ok(request) => request,
        Err(why) => return Replayed { name: name.to_owned(), verdict: Verdict::Failed(why) },
    };
    let begun = Instant::now();
    loop {
        let answer = match caller.attempt(request.clone(), UNTIL_ANSWERED).await {
            Ok(answer) => answer,
            Err(unanswered) => return Replayed { name: name.to_owned(), verdict: Verdict::Failed(unanswered.to_string()) },
        };
        let ours = body(answer.header("content-type"), &answer.body);
        let verdict = judged(name, recording, &answer, &ours, exceptions);
        let may_change = recording.method == "GET" && begun.elapsed() < PATIENCE;
        if matches!(verdict, Verdict::Failed(_)) && may_change {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        names.learn_from(&body(recording.content_type.as_deref(), recorded_text(recording).as_bytes()), &ours);
        return Replayed { name: name.to_owned(), verdict };
    }
}

fn judged(name: &str, recording: &Recording, answer: &Answer, ours: &Value, exceptions: &Exceptions) -> Verdict {
    if exceptions.is_not_yet(name) {
        let succeeds = recording.status < 400 && answer.status < 400;
        return if succeeds { Verdict::Failed("is said not to be there yet, and is".to_owned()) } else { Verdict::Excepted };
    }
    let same_class = recording.status / 100 == answer.status / 100;
    if let Some(status) = exceptions.status(name) {
        return match (answer.status == status, same_class) {
            (true, false) => refused(answer, ours).map_or(Verdict::Excepted, Verdict::Failed),
            (true, true) => Verdict::Failed(format!("{status} is no exception to {}", recording.status)),
            (false, _) => Verdict::Failed(format!("{} and not {status}: {}", answer.status, shown(answer))),
        };
    }
    if !same_class {
        return Verdict::Failed(format!("{} and not {}: {}", answer.status, recording.status, shown(answer)));
    }
    if answer.status >= 400 {
        return refused(answer, ours).map_or(Verdict::Same, Verdict::Failed);
    }
    let found = differing(recording, answer, ours);
    let allowed = exceptions.places(name);
    let unexplained: Vec<&String> = found.iter().filter(|difference| !allowed.iter().any(|place| is_at(difference, place))).collect();
    let unneeded: Vec<&&str> = allowed.iter().filter(|place| !found.iter().any(|difference| is_at(difference, place))).collect();
    if !unexplained.is_empty() {
        return Verdict::Failed(format!("{unexplained:?}: {}", shown(answer)));
    }
    if !unneeded.is_empty() {
        return Verdict::Failed(format!("is as it was recorded at {unneeded:?}, so that is no exception"));
    }
    if allowed.is_empty() { Verdict::Same } else { Verdict::Excepted }
}

/// How a success differs. Of files and sounds the type and the length must be the same, since their bytes are.
fn differing(recording: &Recording, answer: &Answer, ours: &Value) -> Vec<String> {
    let plain = |kind: Option<&str>| kind.and_then(|kind| kind.split(';').next()).map(str::to_owned);
    let (then, now) = (plain(recording.content_type.as_deref()), plain(answer.header("content-type")));
    if then.is_some() && then != now {
        return vec![format!("the content type is {now:?} and not {then:?}")];
    }
    match recording.answer.get("bytes").and_then(Value::as_u64) {
        Some(bytes) if usize::try_from(bytes) != Ok(answer.body.len()) => {
            vec![format!("the length is {} and not {bytes}", answer.body.len())]
        }
        Some(_) => Vec::new(),
        None => differences(&body(recording.content_type.as_deref(), recorded_text(recording).as_bytes()), ours),
    }
}

/// Whether a difference is at a place, or below it where the place ends with `.*`.
fn is_at(difference: &str, place: &str) -> bool {
    place.strip_suffix('*').map_or_else(|| difference.starts_with(&format!("{place} is ")), |above| difference.starts_with(above))
}

/// What is wrong with an error of ours: whatever the real server sends, ours has one envelope.
fn refused(answer: &Answer, ours: &Value) -> Option<String> {
    if answer.status < 400 {
        return None;
    }
    let is_text = |pointer: &str| ours.pointer(pointer).is_some_and(|text| text.as_str().is_some_and(|text| !text.is_empty()));
    let whole = ours.get("success") == Some(&json!(false)) && is_text("/error/code") && is_text("/error/message");
    // A request that is no HTTP is answered by the HTTP library, and a head has no body.
    (!whole && !answer.body.is_empty()).then(|| format!("no envelope: {}", shown(answer)))
}

fn shown(answer: &Answer) -> String {
    answer.text().chars().take(600).collect()
}

fn recorded_text(recording: &Recording) -> String {
    match &recording.answer {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A body as JSON. A stream of events is an object with the first of each kind; what is neither is its length.
fn body(content_type: Option<&str>, bytes: &[u8]) -> Value {
    if content_type.is_some_and(|kind| kind.starts_with("text/event-stream")) {
        let text = String::from_utf8_lossy(bytes);
        let events = text.split("\n\n").filter_map(|event| {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
            Some((field("event:")?.to_owned(), serde_json::from_str(field("data:")?).ok()?))
        });
        let mut kinds = serde_json::Map::new();
        for (kind, data) in events {
            kinds.entry(kind).or_insert(data);
        }
        return Value::Object(kinds);
    }
    if bytes.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(bytes).unwrap_or_else(|_| json!({"binary": true, "bytes": bytes.len()}))
}

/// The recorded request with our names, and with times that have not passed.
fn request(recording: &Recording, names: &Names) -> Result<Request, String> {
    let path = moved(&names.translated(&recording.path))?;
    let mut request = Request::new(&recording.method, &path);
    for (header, value) in &recording.headers {
        request = request.header(header, value.as_str().unwrap_or_default());
    }
    Ok(match &recording.body {
        // Clients say that an empty body is empty; some servers wait for one otherwise.
        None if recording.method == "GET" || recording.method == "HEAD" => request,
        None => request.header("content-length", "0"),
        Some(Value::String(raw)) => request.body(raw.clone()),
        Some(Value::Object(whole)) if whole.contains_key("multipart") => request.body(form(&whole["multipart"])),
        Some(json) => request.json_bytes(spelt_out(&names.translated(&json.to_string()))?),
    })
}

/// `before` was a time of then; now it is a minute from now.
fn moved(path: &str) -> Result<String, String> {
    let times = Regex::new(r"before=(\d{13}|\d{4}-[0-9T:.-]+Z)").map_err(|error| error.to_string())?;
    let later = SystemClock.now().plus_millis(60_000).millis();
    Ok(times.replace_all(path, format!("before={later}").as_str()).into_owned())
}

/// `{x * 5}` was written for five of `x`.
fn spelt_out(text: &str) -> Result<String, String> {
    let repeated = Regex::new(r"\{(.) \* (\d+)\}").map_err(|error| error.to_string())?;
    let all = |found: &regex_lite::Captures<'_>| found[1].repeat(found[2].parse().unwrap_or_default());
    Ok(repeated.replace_all(text, all).into_owned())
}

fn form(multipart: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in multipart["fields"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        bytes.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").into_bytes());
    }
    for file in multipart["file"].as_array().into_iter().flatten() {
        let text = |key: &str| file[key].as_str().unwrap_or_default();
        let (field, filename, kind) = (text("field"), text("filename"), text("type"));
        let head = format!("Content-Disposition: form-data; name=\"{field}\"; filename=\"{filename}\"\r\nContent-Type: {kind}\r\n\r\n");
        bytes.extend(format!("--{BOUNDARY}\r\n{head}").into_bytes());
        bytes.extend(content(filename, usize::try_from(file["bytes"].as_u64().unwrap_or_default()).unwrap_or_default()));
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    bytes
}

/// A file of this length: of pictures and sounds the beginning of one, so that it is what it is called.
fn content(filename: &str, length: usize) -> Vec<u8> {
    let ending = filename.rsplit('.').next().unwrap_or_default();
    let mut bytes = sample(ending).unwrap_or(b"<script>alert(1)</script>").to_vec();
    bytes.resize(length, b'x');
    bytes
}
