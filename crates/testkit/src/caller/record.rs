//! What callers received, and how it is shown in snapshots.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Everything that a server's callers received, byte for byte, and the names of the ids that a test knows. Clones are the
/// same record.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    received: Vec<u8>,
    names: Vec<(String, String)>,
    secrets: Vec<String>,
}

/// The shortest secret that is looked for: less may stand anywhere by chance.
const SHORTEST_SECRET: usize = 8;

impl Record {
    /// Takes in what a caller received.
    ///
    /// # Panics
    /// Where a secret is in it.
    pub(super) fn hear(&self, bytes: &[u8]) {
        let told = {
            let mut state = self.locked();
            // What came before may be the beginning of a secret.
            let longest = state.secrets.iter().map(String::len).max().unwrap_or_default();
            let from = state.received.len().saturating_sub(longest);
            state.received.extend_from_slice(bytes);
            let heard = String::from_utf8_lossy(state.received.get(from..).unwrap_or_default());
            state.secrets.iter().any(|secret| heard.contains(secret))
        };
        assert!(!told, "an answer tells a secret: {}", String::from_utf8_lossy(bytes));
    }

    /// From now on no caller may receive this.
    pub fn keep_secret(&self, secret: &str) {
        if secret.len() >= SHORTEST_SECRET {
            self.locked().secrets.push(secret.to_owned());
        }
    }

    /// Gives an id a name, under which snapshots show it.
    pub fn name(&self, id: &str, name: &str) {
        self.locked().names.push((id.to_ascii_lowercase(), name.to_owned()));
    }

    /// Heads and bodies of all answers so far, in order, with the framing of streams.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.locked().received).into_owned()
    }

    /// A text without what differs from run to run: known ids by their names, others as `[id1]`, `[id2]`, ... in order
    /// of appearance, ids of files as `[file]`, ISO times as `[time]`, epoch milliseconds and durations as `[ms]`, ports of this machine as `[port]`.
    pub(super) fn redacted(&self, text: &str) -> String {
        let names = &self.locked().names;
        let mut redactor = Redactor { names, others: Vec::new() };
        redactor.redact(text)
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Redactor<'n> {
    names: &'n [(String, String)],
    others: Vec<String>,
}

impl Redactor<'_> {
    fn redact(&mut self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            // What comes before says of some numbers what they are.
            let measured = MEASURED.iter().find(|(before, _)| shown.ends_with(before)).map(|(_, name)| (*name).to_owned());
            let in_a_word = shown.ends_with(|last: char| last.is_ascii_alphanumeric());
            let (replaced, length) = match rest {
                _ if in_a_word => (None, 0),
                _ if measured.is_some() && digits(rest) > 0 => (measured, digits(rest)),
                _ if rest.get(..36).is_some_and(is_uuid) => (rest.get(..36).map(|id| self.named(id)), 36),
                _ if rest.get(..32).is_some_and(is_file_id) => (Some("[file]".to_owned()), 32),
                _ if rest.get(..24).is_some_and(is_iso) => (Some("[time]".to_owned()), 24),
                _ if is_millis(rest) => (Some("[ms]".to_owned()), 13),
                _ => (None, 0),
            };
            if let Some(replaced) = replaced {
                shown.push_str(&replaced);
                rest = rest.get(length..).unwrap_or_default();
            } else {
                shown.push(next);
                rest = rest.get(next.len_utf8()..).unwrap_or_default();
            }
        }
        shown
    }

    fn named(&mut self, id: &str) -> String {
        if id == "00000000-0000-0000-0000-000000000000" {
            return "[default-server]".to_owned();
        }
        if let Some((_, name)) = self.names.iter().find(|(known, _)| *known == id) {
            return format!("[{name}]");
        }
        let number = self.others.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.others.push(id.to_owned());
            self.others.len() - 1
        });
        format!("[id{}]", number + 1)
    }
}

/// What stands before a number that differs from run to run, and how the number is shown.
const MEASURED: [(&str, &str); 4] =
    [("\"duration\": ", "[ms]"), ("\"timeRemaining\": ", "[ms]"), ("\"processingTimeMs\": ", "[ms]"), ("http://127.0.0.1:", "[port]")];

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Lower case only: an id that the server spells otherwise shall be seen.
fn is_uuid(text: &str) -> bool {
    fits(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
}

/// The id of a file is nothing but digits.
fn is_file_id(text: &str) -> bool {
    fits(text, &"x".repeat(32))
}

fn is_iso(text: &str) -> bool {
    fits(text, "dddd-dd-ddTdd:dd:dd.dddZ")
}

/// Thirteen digits and no more: any moment from 2001 to 2286.
fn is_millis(text: &str) -> bool {
    text.get(..13).is_some_and(|text| fits(text, "ddddddddddddd") && text.starts_with('1'))
        && !text.get(13..).is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
}

fn fits(text: &str, pattern: &str) -> bool {
    text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
        b'd' => byte.is_ascii_digit(),
        b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        other => byte == other,
    })
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    #[should_panic(expected = "an answer tells a secret")]
    fn a_secret_is_heard_though_it_comes_in_two_pieces() {
        let record = Record::default();
        record.keep_secret("a-canary-of-this-test");
        record.hear(b"nothing, and then: a-canary-of-");
        record.hear(b"this-test");
    }

    #[test]
    fn ids_and_times_are_redacted_and_nothing_else() {
        let record = Record::default();
        record.name("550E8400-e29b-41d4-a716-446655440000", "alice");
        let (alice, bob, eve) =
            ("550e8400-e29b-41d4-a716-446655440000", "650e8400-e29b-41d4-a716-446655440000", "750e8400-e29b-41d4-a716-446655440000");
        let text =
            format!("{bob} {alice} \"{eve}\" {bob} 2024-01-01T00:00:00.007Z, 1704067200007; 17040672000071 ü {}", bob.to_uppercase());
        assert_eq!(record.redacted("/0f8e2d5c9b3a47168e5d2c1b0a9f8e7d.png 0f8e2d5c"), "/[file].png 0f8e2d5c");
        let expected = format!("[id1] [alice] \"[id2]\" [id1] [time], [ms]; 17040672000071 ü {}", bob.to_uppercase());
        assert_eq!(record.redacted(&text), expected);
        assert_eq!(
            record.redacted(r#""duration": 12, "http://127.0.0.1:4567/v1", 12"#),
            r#""duration": [ms], "http://127.0.0.1:[port]/v1", 12"#
        );
    }
}
