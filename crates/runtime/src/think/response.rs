//! Reading an answer leniently: we never ask for XML, but characters carry templates that do, and then the answer begins
//! with `<response>` and holds `<thought>`, `<actions>` and `<text>` (contract §6.4). Anything else is plain text.

use core_types::models::TextSink;
use parking_lot::Mutex;

const OPEN: &str = "<response>";
const TEXT_OPEN: &str = "<text>";
/// What ends the text; models forget the first now and then.
const CLOSES: [&str; 2] = ["</text>", "</response>"];
/// The longest entity that is un-escaped, `&quot;`.
const ENTITY: usize = 6;

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Response {
    pub(super) text: String,
    pub(super) thought: Option<String>,
    /// In upper case.
    pub(super) actions: Vec<String>,
}

/// Passes on the visible text of an answer while it is made.
pub(super) struct ResponseReader<'a> {
    shown: &'a dyn TextSink,
    state: Mutex<Reading>,
}

#[derive(Default)]
struct Reading {
    /// What has not been passed on.
    held: String,
    mode: Mode,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Too little has come to tell.
    #[default]
    Undecided,
    Plain,
    /// In a `<response>`, before its `<text>`.
    BeforeText,
    InText,
    AfterText,
}

impl<'a> ResponseReader<'a> {
    /// A reader that passes visible text on to `shown`.
    pub(super) fn new(shown: &'a dyn TextSink) -> Self {
        Self { shown, state: Mutex::new(Reading::default()) }
    }

    /// Passes on what was held back and reads the whole answer.
    pub(super) fn finish(self, whole: &str) -> Response {
        let mut reading = self.state.into_inner();
        let rest = std::mem::take(&mut reading.held);
        match reading.mode {
            Mode::Undecided | Mode::Plain => self.shown.push(&rest),
            Mode::InText => self.shown.push(&unescape(text_before_close(&rest))),
            Mode::BeforeText | Mode::AfterText => {}
        }
        read(whole)
    }
}

impl TextSink for ResponseReader<'_> {
    fn push(&self, piece: &str) {
        let visible = self.state.lock().take(piece);
        if !visible.is_empty() {
            self.shown.push(&visible);
        }
    }
}

impl Reading {
    /// Takes a piece in; returns what can be shown for sure.
    fn take(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        loop {
            match self.mode {
                Mode::Undecided => {
                    let start = self.held.trim_start();
                    if start.starts_with(OPEN) {
                        self.mode = Mode::BeforeText;
                    } else if OPEN.starts_with(start) {
                        return String::new();
                    } else {
                        self.mode = Mode::Plain;
                    }
                }
                Mode::Plain => return std::mem::take(&mut self.held),
                Mode::BeforeText => {
                    let Some((_, text)) = self.held.split_once(TEXT_OPEN) else { return String::new() };
                    self.held = text.to_owned();
                    self.mode = Mode::InText;
                }
                Mode::InText => {
                    let text = text_before_close(&self.held);
                    if text.len() < self.held.len() {
                        let visible = unescape(text);
                        self.held.clear();
                        self.mode = Mode::AfterText;
                        return visible;
                    }
                    let held = self.held.split_off(sure(&self.held));
                    return unescape(&std::mem::replace(&mut self.held, held));
                }
                Mode::AfterText => {
                    self.held.clear();
                    return String::new();
                }
            }
        }
    }
}

/// How many bytes can be neither the beginning of a closing tag nor a piece of an entity.
fn sure(held: &str) -> usize {
    let begins = |close: &str| (1..close.len()).rev().find(|length| close.get(..*length).is_some_and(|start| held.ends_with(start)));
    let tag = CLOSES.iter().filter_map(|close| begins(close)).max();
    let sure = held.len() - tag.unwrap_or(0);
    match held.get(..sure).and_then(|text| text.rfind('&')) {
        Some(entity) if sure - entity < ENTITY && !held.get(entity..sure).is_some_and(|tail| tail.contains(';')) => entity,
        _ => sure,
    }
}

/// Reads a whole answer.
fn read(whole: &str) -> Response {
    if !whole.trim_start().starts_with(OPEN) {
        return Response { text: whole.to_owned(), ..Response::default() };
    }
    let text = whole.split_once(TEXT_OPEN).map(|(_, rest)| unescape(text_before_close(rest))).unwrap_or_default();
    let actions = child(whole, "actions").unwrap_or_default();
    Response {
        text,
        thought: child(whole, "thought").filter(|thought| !thought.is_empty()),
        actions: actions.split(',').map(|name| name.trim().to_uppercase()).filter(|name| !name.is_empty()).collect(),
    }
}

/// The `<action>` of a decision in a `<response>`.
pub(super) fn action(whole: &str) -> Option<String> {
    whole.contains(OPEN).then(|| child(whole, "action")).flatten()
}

fn text_before_close(rest: &str) -> &str {
    let end = CLOSES.iter().filter_map(|close| rest.find(close)).min().unwrap_or(rest.len());
    rest.get(..end).unwrap_or(rest)
}

fn child(whole: &str, name: &str) -> Option<String> {
    let (_, rest) = whole.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    Some(unescape(inside).trim().to_owned())
}

fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    // Last, so that `&amp;lt;` becomes `&lt;` and no further.
    text.replace("&amp;", "&")
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
