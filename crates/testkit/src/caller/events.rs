//! Reading a stream of server-sent events.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::Record;
use super::wire::{Connection, Head};
use crate::house::PATIENCE;

/// One event. It displays as a line of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// From where a reader resumes.
    pub id: Option<i64>,
    /// Its data.
    pub data: Value,
}

/// A stream of events that is being read. Dropping it leaves.
pub struct Events {
    connection: Connection,
    head: Head,
    record: Record,
    buffer: Vec<u8>,
    retry: Option<u64>,
    comments: usize,
}

impl Events {
    pub(super) const fn new(connection: Connection, head: Head, record: Record) -> Self {
        Self { connection, head, record, buffer: Vec::new(), retry: None, comments: 0 }
    }

    /// A header of the answer, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// How long to wait before connecting again, in milliseconds, where the server has said so.
    pub const fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// The comments so far, which keep a silent stream alive.
    pub const fn comments(&self) -> usize {
        self.comments
    }

    /// The next event; `None` at the end of the stream. Panics if neither comes, or a frame is not well-formed.
    pub async fn next(&mut self) -> Option<Event> {
        self.attempt(PATIENCE).await.unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// The next event; `None` at the end of the stream. Says what is wrong if neither comes in time, or a frame is not
    /// well-formed.
    pub async fn attempt(&mut self, patience: Duration) -> Result<Option<Event>, String> {
        timeout(patience, self.read()).await.unwrap_or_else(|_| Err(format!("nothing more happens on the stream within {patience:?}")))
    }

    /// The next event of this name; what comes before it is passed over. Panics at the end of the stream.
    pub async fn until(&mut self, name: &str) -> Event {
        loop {
            let Some(event) = self.next().await else { panic!("the stream ends without {name}") };
            if event.name == name {
                return event;
            }
        }
    }

    /// All events up to the end of the stream.
    pub async fn all(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// How events look in a snapshot: a line each, without what differs from run to run.
    pub fn shown(record: &Record, events: &[Event]) -> String {
        let line = |event: &Event| {
            let id = event.id.map(|id| format!("#{id}")).unwrap_or_default();
            format!("{}{id} {}", event.name, event.data)
        };
        record.redacted(&events.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// Where snapshots get the names of ids from.
    pub const fn record(&self) -> &Record {
        &self.record
    }

    async fn read(&mut self) -> Result<Option<Event>, String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let frame = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default()).into_owned();
                self.buffer.drain(..end + 2);
                if let Some(event) = self.frame(&frame)? {
                    return Ok(Some(event));
                }
            } else if let Some(chunk) = self.connection.chunk().await {
                self.buffer.extend(chunk);
            } else if self.buffer.is_empty() {
                return Ok(None);
            } else {
                return Err(format!("the stream ends within a frame: {:?}", String::from_utf8_lossy(&self.buffer)));
            }
        }
    }

    fn frame(&mut self, frame: &str) -> Result<Option<Event>, String> {
        if frame.starts_with(':') {
            self.comments += 1;
            return Ok(None);
        }
        if let Some(millis) = frame.strip_prefix("retry: ") {
            self.retry = millis.parse().ok();
            return Ok(None);
        }
        parsed(frame).map(Some).ok_or_else(|| format!("this is no event: {frame:?}"))
    }
}

fn parsed(frame: &str) -> Option<Event> {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name));
    let id = match field("id: ") {
        Some(id) => Some(id.parse().ok()?),
        None => None,
    };
    Some(Event { name: field("event: ")?.to_owned(), id, data: serde_json::from_str(field("data: ")?).ok()? })
}
