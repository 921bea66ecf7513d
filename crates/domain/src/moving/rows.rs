//! What rows of an elizaOS database mean here.

use std::str::FromStr;

use core_types::json::fits;
use core_types::memory::{Entity, MEMORIES, Memory, Origin, Room, RoomState};
use core_types::messaging::{Channel, METADATA_BYTES, MessageDraft, MessageServer};
use core_types::moving::{Belonging, Participant, PastMessage};
use core_types::worlds::World;
use core_types::{AgentId, EntityId, Json, JsonObject, MemoryId, MessageServerId, RoomId, Timestamp, WorldId};
use serde_json::Value;

/// A row whose columns are taken one by one; what is left at the end is not understood.
pub(super) struct Row {
    columns: JsonObject,
    /// Columns that say something, but nothing that has a place here.
    lost: Vec<&'static str>,
}

/// What is wrong with a row.
pub(super) type Wrong = String;

impl Row {
    pub(super) const fn new(columns: JsonObject) -> Self {
        Self { columns, lost: Vec::new() }
    }

    /// A column's value; nothing where the column is null or not there.
    pub(super) fn take(&mut self, column: &str) -> Option<Value> {
        self.columns.swap_remove(column).filter(|value| !value.is_null())
    }

    /// An id, or another word that is read as it is.
    fn maybe<T: FromStr>(&mut self, column: &str) -> Result<Option<T>, Wrong> {
        let Some(value) = self.take(column) else { return Ok(None) };
        let read = value.as_str().and_then(|text| text.parse().ok());
        read.map(Some).ok_or_else(|| format!("`{column}` is not what it should be"))
    }

    pub(super) fn must<T: FromStr>(&mut self, column: &str) -> Result<T, Wrong> {
        self.maybe(column)?.ok_or_else(|| format!("`{column}` is missing"))
    }

    /// The same where it may be something else, which has no place here.
    fn perhaps<T: FromStr>(&mut self, column: &'static str) -> Option<T> {
        let value = self.take(column)?;
        let read = value.as_str().and_then(|text| text.parse().ok());
        if read.is_none() {
            self.lost.push(column);
        }
        read
    }

    pub(super) fn text(&mut self, column: &str) -> Option<String> {
        match self.take(column)? {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }

    fn object(&mut self, column: &'static str) -> JsonObject {
        match self.take(column) {
            Some(Value::Object(object)) => return object,
            Some(_) => self.lost.push(column),
            None => {}
        }
        JsonObject::new()
    }

    /// The metadata of a world, a room or somebody. What is larger than there is room for has no place here.
    fn small_object(&mut self, column: &'static str) -> JsonObject {
        let object = self.object(column);
        if fits(&object, METADATA_BYTES) {
            return object;
        }
        self.lost.push(column);
        JsonObject::new()
    }

    pub(super) fn flag(&mut self, column: &str, default: bool) -> bool {
        self.take(column).and_then(|value| value.as_bool()).unwrap_or(default)
    }

    pub(super) fn time(&mut self, column: &str) -> Result<Timestamp, Wrong> {
        let text = self.text(column).ok_or_else(|| format!("`{column}` is missing"))?;
        // What has no offset is in UTC.
        let read = Timestamp::parse(&text).or_else(|| Timestamp::parse(&format!("{text}Z")));
        read.ok_or_else(|| format!("`{column}` is no time"))
    }

    /// The columns that say something and have no place here, at least in part.
    pub(super) fn lost(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.lost.iter().copied()
    }

    /// The columns that nobody has taken and that say something.
    pub(super) fn rest(self) -> impl Iterator<Item = String> {
        self.columns.into_iter().filter(|(_, value)| !value.is_null()).map(|(column, _)| column)
    }
}

pub(super) fn server(row: &mut Row) -> Result<MessageServer, Wrong> {
    Ok(MessageServer {
        id: row.must("id")?,
        name: row.text("name").unwrap_or_default(),
        source_type: row.text("source_type").unwrap_or_default(),
        source_id: row.text("source_id"),
        metadata: row.object("metadata"),
        owner: None,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

pub(super) fn world(row: &mut Row) -> Result<World, Wrong> {
    let agent_id: AgentId = row.must("agent_id")?;
    // An agent's own world stands for no server, where elizaOS writes the agent.
    let server: Option<MessageServerId> = row.maybe("message_server_id")?;
    Ok(World {
        id: row.must("id")?,
        agent_id,
        name: row.text("name").unwrap_or_default(),
        server_id: server.filter(|server| server.uuid() != agent_id.uuid()),
        metadata: row.small_object("metadata"),
        created_at: row.time("created_at")?,
    })
}

pub(super) fn entity(row: &mut Row) -> Result<Entity, Wrong> {
    row.take("created_at");
    Ok(Entity {
        id: row.must("id")?,
        agent_id: row.must("agent_id")?,
        names: names(row.take("names")),
        metadata: row.small_object("metadata"),
    })
}

fn names(value: Option<Value>) -> Vec<String> {
    let Some(Value::Array(names)) = value else { return Vec::new() };
    names.into_iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

pub(super) fn room(row: &mut Row) -> Result<Room, Wrong> {
    let (id, agent_id): (RoomId, AgentId) = (row.must("id")?, row.must("agent_id")?);
    // elizaOS writes the room itself, or the agent, where no channel leads.
    let channel_id = row
        .perhaps("channel_id")
        .filter(|channel: &core_types::ChannelId| channel.uuid() != id.uuid() && channel.uuid() != agent_id.uuid());
    let server: Option<MessageServerId> = row.maybe("message_server_id")?;
    let kind = row.text("type").unwrap_or_default();
    Ok(Room {
        id,
        agent_id,
        world_id: row.maybe("world_id")?.unwrap_or(WorldId::new(agent_id.uuid())),
        channel_id,
        name: row.text("name").unwrap_or_else(|| kind.clone()),
        kind,
        source: row.text("source").unwrap_or_default(),
        // A channel's room has the server of its world.
        server_id: server.filter(|server| channel_id.is_none() && server.uuid() != agent_id.uuid()),
        metadata: row.small_object("metadata"),
        created_at: row.time("created_at")?,
    })
}

/// Somebody in a room; and the entity that its agent knows by that, where elizaOS keeps it with another agent: it has each once,
/// with whoever met it first.
pub(super) fn participant(row: &mut Row) -> Result<Vec<Belonging>, Wrong> {
    for column in ["id", "created_at", "agent_id"] {
        row.take(column);
    }
    let (agent_id, entity_id): (AgentId, EntityId) = (row.must("room_agent_id")?, row.must("entity_id")?);
    let state: Option<RoomState> = row.perhaps("room_state");
    let state = state.filter(|_| entity_id.as_agent() == agent_id);
    let (known, metadata) = (names(row.take("entity_names")), row.small_object("entity_metadata"));
    let owner: Option<AgentId> = row.perhaps("entity_agent_id");
    let participant = Belonging::Participant(Participant { agent_id, room_id: row.must("room_id")?, entity_id, state });
    Ok(match owner {
        Some(owner) if owner != agent_id => {
            vec![Belonging::Entity(Entity { id: entity_id, agent_id, names: known, metadata }), participant]
        }
        _ => vec![participant],
    })
}

pub(super) fn memory(row: &mut Row) -> Result<Memory, Wrong> {
    let agent_id: AgentId = row.must("agent_id")?;
    let entity_id = row.maybe("entity_id")?.unwrap_or(EntityId::from(agent_id));
    let content = match row.take("content") {
        Some(Value::Object(content)) => content,
        Some(Value::String(text)) => JsonObject::from_iter([("text".to_owned(), Value::String(text))]),
        _ => return Err("`content` is missing".to_owned()),
    };
    let metadata = row.object("metadata");
    let of = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
    let is = |kind: &str| metadata.get("type").and_then(Value::as_str) == Some(kind);
    let document_id: Option<MemoryId> = of("documentId").filter(|_| is("fragment")).and_then(|id| id.parse().ok());
    let message = of("sourceId").filter(|_| is("message")).and_then(|id| id.parse().ok());
    Ok(Memory {
        id: row.must("id")?,
        agent_id,
        table: row.text("type").unwrap_or_else(|| MEMORIES.to_owned()),
        room_id: row.maybe("room_id")?.unwrap_or(RoomId::new(agent_id.uuid())),
        world_id: row.maybe("world_id")?,
        entity_id,
        content,
        unique: row.flag("unique", true),
        created_at: row.time("created_at")?,
        origin: Origin { message, author: message.map(|_| entity_id), ..Origin::default() },
        document_id,
        metadata,
    })
}

/// A channel with those who take part and can: elizaOS takes any text for an id.
pub(super) fn channel(row: &mut Row) -> Result<(Channel, Vec<EntityId>), Wrong> {
    let given = match row.take("participants") {
        Some(Value::Array(ids)) => ids,
        _ => Vec::new(),
    };
    let participants: Vec<EntityId> = given.iter().filter_map(|id| id.as_str()?.parse().ok()).collect();
    if participants.len() < given.len() {
        row.lost.push("participants");
    }
    let channel = Channel {
        id: row.must("id")?,
        server_id: row.must("message_server_id")?,
        name: row.text("name").unwrap_or_default(),
        kind: row.text("type").unwrap_or_default(),
        source_type: row.text("source_type"),
        source_id: row.text("source_id"),
        topic: row.text("topic"),
        metadata: row.object("metadata"),
        owner: None,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    };
    Ok((channel, participants))
}

pub(super) fn message(row: &mut Row) -> Result<PastMessage, Wrong> {
    let metadata = row.object("metadata");
    let raw = row.take("raw_message").map(|raw| match raw {
        // Older rows have it as a text.
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    });
    let named = ["user_display_name", "agentName", "entityName"];
    let author_name = named.iter().find_map(|key| metadata.get(*key)?.as_str()).map(str::to_owned);
    let author_name = author_name.or_else(|| Some(raw.as_ref()?.get("senderName")?.as_str()?.to_owned()));
    Ok(PastMessage {
        draft: MessageDraft {
            id: row.must("id")?,
            channel_id: row.must("channel_id")?,
            author_id: row.must("author_id")?,
            author_name,
            content: row.text("content").unwrap_or_default(),
            raw: raw.map(Json::from),
            source_type: row.text("source_type"),
            source_id: row.text("source_id"),
            metadata: metadata.into(),
            in_reply_to: row.perhaps("in_reply_to_root_message_id"),
        },
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

#[cfg(test)]
#[path = "rows_tests.rs"]
mod tests;
