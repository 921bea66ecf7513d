//! Reading an agent's file.

use std::io::{BufRead, Read as _};

use core_types::character;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::bounds;
use super::lines::{AGENT, AgentLine, End, Header, Line, VERSION};
use super::{Kind, MovingError, MovingIn};

/// The most bytes of a line: no memory is larger.
const MAX_LINE: u64 = 64 << 20;

/// Whether a file that begins with these bytes says of itself that `doolittle export` wrote it.
pub fn is_export(beginning: &[u8]) -> bool {
    beginning.trim_ascii_start().starts_with(br#"{"doolittle":"#)
}

/// The lines of a file, one at a time.
struct Lines<R> {
    reader: R,
    line: u64,
    bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The next line as what it stands for; `None` where the file ends.
    fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, MovingError> {
        self.bytes.clear();
        let read = (&mut self.reader).take(MAX_LINE + 1).read_until(b'\n', &mut self.bytes)?;
        if read == 0 {
            return Ok(None);
        }
        if self.bytes.last() != Some(&b'\n') {
            // A line without its end is half a line, even where that is JSON by chance; so is one that is too long.
            let too_long = u64::try_from(read).is_ok_and(|read| read > MAX_LINE);
            return Err(if too_long { self.beyond(format!("it has more than {MAX_LINE} bytes")) } else { self.cut_off() });
        }
        self.line += 1;
        let parsed = serde_json::from_slice(&self.bytes);
        parsed.map(Some).map_err(|error| MovingError::Line { line: self.line, reason: error.to_string() })
    }

    fn wrong(&self, reason: impl Into<String>) -> MovingError {
        MovingError::Line { line: self.line, reason: reason.into() }
    }

    fn beyond(&self, reason: String) -> MovingError {
        MovingError::Line { line: self.line + 1, reason }
    }

    const fn cut_off(&self) -> MovingError {
        MovingError::CutOff { line: self.line }
    }
}

impl MovingIn {
    /// Takes in the agent of a file that `doolittle export` wrote. Where the file is not whole, everything before the last whole
    /// batch is stored.
    pub async fn file(&mut self, reader: impl BufRead + Send) -> Result<(), MovingError> {
        let mut lines = Lines { reader, line: 0, bytes: Vec::new() };
        let header = header(&mut lines)?;
        let Some(Line::Agent(agent)) = lines.next()? else {
            return Err(if lines.line < 2 { lines.cut_off() } else { lines.wrong("the second line must be the agent") });
        };
        let id = header.agent_id;
        let AgentLine { character, enabled, created_at, updated_at } = agent;
        let parsed = character::parse(&Value::Object(character)).map_err(|error| lines.wrong(error.to_string()))?;
        self.agent(id, parsed, enabled, (created_at, updated_at)).await?.map_err(|why| lines.wrong(why))?;
        self.tell(Kind::Agents);
        let mut counted = End::default();
        loop {
            let Some(line) = lines.next::<Line>()? else {
                self.batch.clear();
                return Err(lines.cut_off());
            };
            if let Line::End(end) = line {
                if end != counted {
                    return Err(lines.wrong("the file has other lines than its end says"));
                }
                break;
            }
            let Some(thing) = line.into_belonging(id) else { return Err(lines.wrong("there is one agent in a file")) };
            bounds::check(&thing).map_err(|why| lines.wrong(why))?;
            counted.count(&thing);
            self.belonging(thing).await?;
        }
        if lines.next::<Value>()?.is_some() {
            return Err(lines.wrong("nothing comes after the end"));
        }
        self.flush().await?;
        self.looked_back([id]).await?;
        for secret in header.secrets {
            self.report.note(format!("{}: the secret `{secret}` does not travel; set it again", header.name));
        }
        Ok(())
    }
}

/// The header, if this program understands what it announces.
fn header<R: BufRead>(lines: &mut Lines<R>) -> Result<Header, MovingError> {
    let Some(value) = lines.next::<Value>()? else { return Err(lines.cut_off()) };
    if value.get("doolittle").and_then(Value::as_str) != Some(AGENT) {
        return Err(lines.wrong("this is no agent that `doolittle export` wrote"));
    }
    match value.get("version").and_then(Value::as_u64) {
        Some(VERSION) => serde_json::from_value(value).map_err(|error| lines.wrong(error.to_string())),
        Some(version) if version > VERSION => Err(MovingError::Newer { version, known: VERSION }),
        _ => Err(lines.wrong("the version of the format must be a number from 1 on")),
    }
}
