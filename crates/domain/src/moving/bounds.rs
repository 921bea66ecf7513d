//! How large what moves in may be: as large as the API lets it become, or there were rows that nothing here can deal with. So what this
//! server has exported comes in again, but for a biography or a template that was kept before there were rules for them.

use core_types::JsonObject;
use core_types::json::{extent, fits};
use core_types::knowledge::TEXT_LIMIT;
use core_types::memory::{Entity, Memory, Room};
use core_types::messaging::{METADATA_BYTES, NAME_CHARS};
use core_types::moving::Belonging;
use core_types::worlds::World;
use serde_json::Value;

/// The most names of an entity.
const NAMES: usize = 1_000;
/// The most bytes as JSON of what a memory's content has beside its text, and of its metadata: a request has no more.
const MEMORY_BYTES: usize = 2 << 20;

/// Refuses what is larger than it may be. Says what of it is, and the bound.
pub(super) fn check(thing: &Belonging) -> Result<(), String> {
    match thing {
        Belonging::World(World { name, metadata, .. }) => {
            check_name("name", name)?;
            check_object("metadata", metadata, METADATA_BYTES)
        }
        Belonging::Entity(Entity { names, metadata, .. }) => {
            if names.len() > NAMES {
                return Err(format!("`names` has more than {NAMES} entries"));
            }
            names.iter().try_for_each(|name| check_name("names", name))?;
            check_object("metadata", metadata, METADATA_BYTES)
        }
        Belonging::Room(Room { name, kind, source, metadata, .. }) => {
            check_name("name", name)?;
            check_name("kind", kind)?;
            check_name("source", source)?;
            check_object("metadata", metadata, METADATA_BYTES)
        }
        Belonging::Participant(_) => Ok(()),
        Belonging::Memory(memory) => check_memory(memory),
    }
}

/// A document has a text that is longer than a request, and has it in one memory.
fn check_memory(memory: &Memory) -> Result<(), String> {
    check_name("table", &memory.table)?;
    let text = memory.content.get("text");
    if text.and_then(Value::as_str).is_some_and(|text| text.len() > TEXT_LIMIT) {
        return Err(format!("`content.text` has more than {TEXT_LIMIT} bytes"));
    }
    let of_text = text.filter(|text| text.is_string()).map_or(0, |text| extent(text).bytes);
    if extent(&memory.content).bytes.saturating_sub(of_text) > MEMORY_BYTES {
        return Err(format!("`content` has more than {MEMORY_BYTES} bytes as JSON beside its text"));
    }
    check_object("metadata", &memory.metadata, MEMORY_BYTES)
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.chars().count() > NAME_CHARS {
        return Err(format!("`{what}` has more than {NAME_CHARS} characters"));
    }
    if name.contains('\0') { Err(format!("`{what}` contains the character U+0000")) } else { Ok(()) }
}

fn check_object(what: &str, object: &JsonObject, bytes: usize) -> Result<(), String> {
    if fits(object, bytes) { Ok(()) } else { Err(format!("`{what}` has more than {bytes} bytes as JSON")) }
}

#[cfg(test)]
mod tests {
    use core_types::memory::Origin;
    use core_types::{AgentId, EntityId, MemoryId, RoomId, Timestamp, WorldId};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn object(value: Value) -> JsonObject {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is no object"),
        }
    }

    fn memory(table: &str, content: Value, metadata: Value) -> Belonging {
        Belonging::Memory(Box::new(Memory {
            id: MemoryId::new(Uuid::nil()),
            agent_id: AgentId::new(Uuid::nil()),
            table: table.to_owned(),
            room_id: RoomId::new(Uuid::nil()),
            world_id: None,
            entity_id: EntityId::new(Uuid::nil()),
            content: object(content),
            metadata: object(metadata),
            unique: true,
            created_at: Timestamp::from_millis(1),
            origin: Origin::default(),
            document_id: None,
        }))
    }

    fn room(name: &str, kind: &str, source: &str, metadata: Value) -> Belonging {
        Belonging::Room(Room {
            id: RoomId::new(Uuid::nil()),
            agent_id: AgentId::new(Uuid::nil()),
            world_id: WorldId::new(Uuid::nil()),
            channel_id: None,
            name: name.to_owned(),
            kind: kind.to_owned(),
            source: source.to_owned(),
            server_id: None,
            metadata: object(metadata),
            created_at: Timestamp::from_millis(1),
        })
    }

    fn world(name: &str) -> Belonging {
        Belonging::World(World {
            id: WorldId::new(Uuid::nil()),
            agent_id: AgentId::new(Uuid::nil()),
            name: name.to_owned(),
            server_id: None,
            metadata: JsonObject::new(),
            created_at: Timestamp::from_millis(1),
        })
    }

    fn entity(names: Vec<String>) -> Belonging {
        let id = EntityId::new(Uuid::nil());
        Belonging::Entity(Entity { id, agent_id: AgentId::new(Uuid::nil()), names, metadata: JsonObject::new() })
    }

    #[test]
    fn what_is_as_large_as_it_may_be_comes_in_and_what_is_larger_is_refused_with_the_bound() {
        let (fits, long) = ("é".repeat(256), "é".repeat(257));
        let of_bytes = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
        let text = |bytes: usize| json!({"text": "x".repeat(bytes), "source": "s"});
        let keys: JsonObject = (0..300_000).map(|number| (format!("k{number}"), json!(0))).collect();
        for (thing, refused) in [
            (world(&fits), None),
            (world(&long), Some("`name` has more than 256 characters")),
            (world("a\0"), Some("`name` contains the character U+0000")),
            (entity(vec![fits.clone(); 1_000]), None),
            (entity(vec!["Lin".to_owned(), long.clone()]), Some("`names` has more than 256 characters")),
            (entity(vec![String::new(); 1_001]), Some("`names` has more than 1000 entries")),
            (room(&fits, &fits, &fits, of_bytes(16_384)), None),
            (room(&long, "", "", json!({})), Some("`name` has more than 256 characters")),
            (room("", &long, "", json!({})), Some("`kind` has more than 256 characters")),
            (room("", "", &long, json!({})), Some("`source` has more than 256 characters")),
            (room("", "", "", of_bytes(16_385)), Some("`metadata` has more than 16384 bytes as JSON")),
            (memory(&fits, text(4_194_304), of_bytes(2_097_152)), None),
            (memory(&long, json!({}), json!({})), Some("`table` has more than 256 characters")),
            (memory("t", text(4_194_305), json!({})), Some("`content.text` has more than 4194304 bytes")),
            (memory("t", of_bytes(2_097_153), json!({})), Some("`content` has more than 2097152 bytes as JSON beside its text")),
            (
                memory("t", json!({"text": ["x".repeat(2_097_152)]}), json!({})),
                Some("`content` has more than 2097152 bytes as JSON beside its text"),
            ),
            (memory("t", json!({}), of_bytes(2_097_153)), Some("`metadata` has more than 2097152 bytes as JSON")),
            (memory("t", json!({}), Value::Object(keys)), Some("`metadata` has more than 2097152 bytes as JSON")),
        ] {
            assert_eq!(check(&thing).err().as_deref(), refused);
        }
    }
}
