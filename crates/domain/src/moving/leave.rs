//! Writing an agent's file.

use std::io::Write;

use core_types::moving::Belonging;
use core_types::{AgentId, Timestamp};
use serde::Serialize;

use super::lines::{AGENT, AgentLine, End, Header, Line, VERSION};
use super::{Kind, MovingError, MovingPorts, Progress};

/// So many things are read at once.
const PAGE: u32 = 200;

/// What a file has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    /// The names of the agent's secrets, which it has not.
    pub secrets: Vec<String>,
    /// How many memories.
    pub memories: u64,
    /// How many worlds, entities, rooms and participants.
    pub others: u64,
}

/// Writes an agent with all that is its own, but for its secrets. The server must not work meanwhile, or pages would be of
/// different moments.
pub async fn leave(
    ports: &MovingPorts,
    agent: AgentId,
    (now, program): (Timestamp, &str),
    out: &mut (impl Write + Send),
    progress: &Progress,
) -> Result<Left, MovingError> {
    let stored = ports.agents.find(agent).await?.ok_or(MovingError::NoAgent)?;
    let secrets: Vec<String> = ports.secrets.list(agent).await?.into_iter().map(|secret| secret.name).collect();
    let header = Header {
        doolittle: AGENT.to_owned(),
        version: VERSION,
        written_at: now.iso(),
        written_by: program.to_owned(),
        agent_id: agent,
        name: stored.character.name.clone(),
        secrets: secrets.clone(),
    };
    write(out, &header)?;
    write(out, &Line::Agent(AgentLine::of(&stored).map_err(std::io::Error::from)?))?;
    let mut writer = Writer { out, end: End::default(), progress };
    writer.pages(ports, agent).await?;
    let end = writer.end;
    write(out, &Line::End(end))?;
    out.flush()?;
    let others = end.worlds + end.entities + end.rooms + end.participants;
    Ok(Left { secrets, memories: end.memories, others })
}

fn write(out: &mut impl Write, line: &impl Serialize) -> Result<(), MovingError> {
    serde_json::to_writer(&mut *out, line).map_err(std::io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}

/// Writes things and counts them.
struct Writer<'w, W> {
    out: &'w mut W,
    end: End,
    progress: &'w Progress,
}

impl<W: Write + Send> Writer<'_, W> {
    fn put(&mut self, things: impl IntoIterator<Item = Belonging>) -> Result<(), MovingError> {
        for thing in things {
            self.end.count(&thing);
            write(self.out, &Line::from(thing))?;
        }
        Ok(())
    }

    async fn pages(&mut self, ports: &MovingPorts, agent: AgentId) -> Result<(), MovingError> {
        let own = &ports.belongings;
        let mut after = None;
        loop {
            let page = own.worlds(agent, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            self.put(page.into_iter().map(Belonging::World))?;
        }
        let mut after = None;
        loop {
            let page = own.entities(agent, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            self.put(page.into_iter().map(Belonging::Entity))?;
        }
        let mut after = None;
        loop {
            let page = own.rooms(agent, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            self.put(page.into_iter().map(Belonging::Room))?;
        }
        let mut after = None;
        loop {
            let page = own.participants(agent, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some((last.room_id, last.entity_id));
            self.put(page.into_iter().map(Belonging::Participant))?;
        }
        let mut after = 0;
        loop {
            let page = own.memories(agent, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            self.put(page.into_iter().map(|(_, memory)| Belonging::Memory(Box::new(memory))))?;
            (self.progress)(Kind::Memories, self.end.memories);
        }
        Ok(())
    }
}
