//! The lines of an export file: JSON objects, the header first (docs/operations.md, "Moving in").

use core_types::agents::Agent;
use core_types::memory::{Entity, Memory, Origin, Room, RoomState, Trust};
use core_types::moving::{Belonging, Participant};
use core_types::worlds::World;
use core_types::{AgentId, ChannelId, EntityId, JsonObject, MemoryId, MessageId, MessageServerId, RoomId, RunId, Timestamp, WorldId};
use serde::{Deserialize, Serialize};

/// What the header of an agent's file says under `doolittle`.
pub(super) const AGENT: &str = "agent";

/// The version of the format. It changes when a file has something that earlier programs would not understand.
pub(super) const VERSION: u64 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Header {
    /// What the file is: [`AGENT`].
    pub(super) doolittle: String,
    /// [`VERSION`].
    pub(super) version: u64,
    /// When it was written, as ISO 8601.
    pub(super) written_at: String,
    /// Which version of the program wrote it.
    pub(super) written_by: String,
    /// The agent.
    pub(super) agent_id: AgentId,
    /// Its name, for whoever looks at the file.
    pub(super) name: String,
    /// The names of its secrets, which the file does not have.
    pub(super) secrets: Vec<String>,
}

/// Every line after the header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line {
    /// The second line.
    Agent(AgentLine),
    World(WorldLine),
    Entity(EntityLine),
    Room(RoomLine),
    Participant(ParticipantLine),
    Memory(Box<MemoryLine>),
    /// The last line, without which the file is not whole.
    End(End),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AgentLine {
    /// The character as the API shows it, without secrets.
    pub(super) character: JsonObject,
    pub(super) enabled: bool,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WorldLine {
    id: WorldId,
    name: String,
    server_id: Option<MessageServerId>,
    metadata: JsonObject,
    created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EntityLine {
    id: EntityId,
    names: Vec<String>,
    metadata: JsonObject,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RoomLine {
    id: RoomId,
    world_id: WorldId,
    channel_id: Option<ChannelId>,
    name: String,
    kind: String,
    source: String,
    server_id: Option<MessageServerId>,
    metadata: JsonObject,
    created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ParticipantLine {
    room_id: RoomId,
    entity_id: EntityId,
    state: Option<RoomState>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MemoryLine {
    id: MemoryId,
    table: String,
    room_id: RoomId,
    world_id: Option<WorldId>,
    entity_id: EntityId,
    content: JsonObject,
    metadata: JsonObject,
    unique: bool,
    created_at: Timestamp,
    origin: OriginLine,
    document_id: Option<MemoryId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OriginLine {
    message: Option<MessageId>,
    author: Option<EntityId>,
    channel: Option<ChannelId>,
    run: Option<RunId>,
    trust: Option<Trust>,
}

/// How many lines of each kind there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct End {
    pub(super) worlds: u64,
    pub(super) entities: u64,
    pub(super) rooms: u64,
    pub(super) participants: u64,
    pub(super) memories: u64,
}

impl End {
    /// Counts one more.
    pub(super) const fn count(&mut self, thing: &Belonging) {
        match thing {
            Belonging::World(_) => self.worlds += 1,
            Belonging::Entity(_) => self.entities += 1,
            Belonging::Room(_) => self.rooms += 1,
            Belonging::Participant(_) => self.participants += 1,
            Belonging::Memory(_) => self.memories += 1,
        }
    }
}

impl AgentLine {
    /// Fails only where a character cannot be written as JSON, which is a defect.
    pub(super) fn of(agent: &Agent) -> serde_json::Result<Self> {
        let character = match serde_json::to_value(&agent.character)? {
            serde_json::Value::Object(character) => character,
            _ => JsonObject::new(),
        };
        Ok(Self { character, enabled: agent.enabled, created_at: agent.created_at, updated_at: agent.updated_at })
    }
}

impl From<Belonging> for Line {
    fn from(thing: Belonging) -> Self {
        match thing {
            Belonging::World(World { id, agent_id: _, name, server_id, metadata, created_at }) => {
                Self::World(WorldLine { id, name, server_id, metadata, created_at })
            }
            Belonging::Entity(Entity { id, agent_id: _, names, metadata }) => Self::Entity(EntityLine { id, names, metadata }),
            Belonging::Room(Room { id, agent_id: _, world_id, channel_id, name, kind, source, server_id, metadata, created_at }) => {
                Self::Room(RoomLine { id, world_id, channel_id, name, kind, source, server_id, metadata, created_at })
            }
            Belonging::Participant(Participant { agent_id: _, room_id, entity_id, state }) => {
                Self::Participant(ParticipantLine { room_id, entity_id, state })
            }
            Belonging::Memory(memory) => Self::Memory(Box::new(MemoryLine::from(*memory))),
        }
    }
}

impl From<Memory> for MemoryLine {
    fn from(memory: Memory) -> Self {
        let Memory { id, agent_id: _, table, room_id, world_id, entity_id, content, metadata, unique, created_at, origin, document_id } =
            memory;
        let Origin { message, author, channel, run, trust } = origin;
        let origin = OriginLine { message, author, channel, run, trust };
        Self { id, table, room_id, world_id, entity_id, content, metadata, unique, created_at, origin, document_id }
    }
}

impl Line {
    /// The line as something of this agent's; `None` for the lines that are none.
    pub(super) fn into_belonging(self, agent_id: AgentId) -> Option<Belonging> {
        Some(match self {
            Self::Agent(_) | Self::End(_) => return None,
            Self::World(WorldLine { id, name, server_id, metadata, created_at }) => {
                Belonging::World(World { id, agent_id, name, server_id, metadata, created_at })
            }
            Self::Entity(EntityLine { id, names, metadata }) => Belonging::Entity(Entity { id, agent_id, names, metadata }),
            Self::Room(RoomLine { id, world_id, channel_id, name, kind, source, server_id, metadata, created_at }) => {
                Belonging::Room(Room { id, agent_id, world_id, channel_id, name, kind, source, server_id, metadata, created_at })
            }
            Self::Participant(ParticipantLine { room_id, entity_id, state }) => {
                Belonging::Participant(Participant { agent_id, room_id, entity_id, state })
            }
            Self::Memory(line) => {
                let MemoryLine { id, table, room_id, world_id, entity_id, content, metadata, unique, created_at, origin, document_id } =
                    *line;
                let OriginLine { message, author, channel, run, trust } = origin;
                let origin = Origin { message, author, channel, run, trust };
                Belonging::Memory(Box::new(Memory {
                    id,
                    agent_id,
                    table,
                    room_id,
                    world_id,
                    entity_id,
                    content,
                    metadata,
                    unique,
                    created_at,
                    origin,
                    document_id,
                }))
            }
        })
    }
}
