//! Decoding of event streams, after "Server-sent events" in the HTML standard.

use std::collections::VecDeque;

use derive_more::{Display, Error};

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its type; `message` where the stream names none.
    pub event: String,
    /// Its data, lines joined by `\n`.
    pub data: String,
    /// The id last given by the stream; empty before the first.
    pub id: String,
}

/// One event is larger than the decoder holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, Error)]
#[display("an event of the stream is too long")]
pub struct EventTooLong;

/// Takes the bytes of a stream in any portions and gives its events. Bytes that are not UTF-8 are replaced.
#[derive(Debug)]
pub struct EventDecoder {
    line: Vec<u8>,
    after_carriage_return: bool,
    first_line: bool,
    event: String,
    data: String,
    id: String,
    ready: VecDeque<Event>,
    limit: usize,
}

impl EventDecoder {
    /// A decoder that holds at most `limit` bytes of an unfinished event.
    pub const fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            after_carriage_return: false,
            first_line: true,
            event: String::new(),
            data: String::new(),
            id: String::new(),
            ready: VecDeque::new(),
            limit,
        }
    }

    /// Reads on. Take out the events after every call; an event that the stream leaves unfinished is never given.
    ///
    /// # Errors
    /// [`EventTooLong`]; the stream cannot be read on after that.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), EventTooLong> {
        for &byte in bytes {
            match byte {
                b'\n' if self.after_carriage_return => self.after_carriage_return = false,
                b'\n' | b'\r' => {
                    self.after_carriage_return = byte == b'\r';
                    self.end_line();
                }
                _ => {
                    self.after_carriage_return = false;
                    if self.line.len() + self.data.len() + self.event.len() >= self.limit {
                        return Err(EventTooLong);
                    }
                    self.line.push(byte);
                }
            }
        }
        Ok(())
    }

    /// The oldest event that is complete.
    pub fn next_event(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = if std::mem::take(&mut self.first_line) { text.strip_prefix('\u{feff}').unwrap_or(&text) } else { &text };
        if text.is_empty() {
            self.end_event();
        } else {
            // A comment has an empty field name and falls through.
            let (field, value) = text.split_once(':').unwrap_or((text, ""));
            self.take_field(field, value.strip_prefix(' ').unwrap_or(value));
        }
        // Keep the room for the next line.
        self.line = line;
        self.line.clear();
    }

    fn take_field(&mut self, field: &str, value: &str) {
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            _ => {}
        }
    }

    fn end_event(&mut self) {
        let event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        // Every line of data left a line feed, so without one there was none.
        if data.pop().is_none() {
            return;
        }
        let event = if event.is_empty() { "message".to_owned() } else { event };
        self.ready.push_back(Event { event, data, id: self.id.clone() });
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
