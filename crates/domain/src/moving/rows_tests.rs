use serde_json::json;

use super::*;

const AGENT: &str = "5c3cb098-d52d-0b3f-a7e9-7b7fba960c4c";
const ROOM: &str = "463831e6-22cb-0725-a7a5-af2b08693a0e";
const CHANNEL: &str = "72c18645-9024-4437-8ba5-c9535f384a8e";
const PERSON: &str = "11111111-1111-4111-8111-111111111111";

fn row(value: Value) -> Row {
    match value {
        Value::Object(row) => Row::new(row),
        other => panic!("{other} is no row"),
    }
}

#[test]
fn times_are_read_with_and_without_an_offset() {
    for (text, millis) in [
        ("2026-11-26T14:50:47.277", 1_795_704_647_277),
        ("2026-11-26T14:50:47.277123", 1_795_704_647_277),
        ("2026-11-26T14:50:47", 1_795_704_647_000),
        ("2026-11-26T14:50:47.277+00:00", 1_795_704_647_277),
        ("2026-11-26T15:50:47.277+01:00", 1_795_704_647_277),
    ] {
        assert_eq!(row(json!({"t": text})).time("t"), Ok(Timestamp::from_millis(millis)), "{text}");
    }
    assert_eq!(row(json!({"t": "soon"})).time("t"), Err("`t` is no time".to_owned()));
    assert_eq!(row(json!({"t": null})).time("t"), Err("`t` is missing".to_owned()));
}

#[test]
fn an_agents_own_room_leads_to_no_channel() {
    let at = "2026-11-26T14:50:47";
    for (id, channel, server, expected) in [
        (AGENT, json!(AGENT), json!(AGENT), (None, None)),
        (ROOM, json!(ROOM), json!(null), (None, None)),
        (ROOM, json!("discord-7"), json!("00000000-0000-0000-0000-000000000000"), (None, Some(MessageServerId::DEFAULT))),
        (ROOM, json!(CHANNEL), json!("00000000-0000-0000-0000-000000000000"), (Some(CHANNEL), None)),
    ] {
        let mut given = row(json!({"id": id, "agent_id": AGENT, "channel_id": channel, "message_server_id": server, "type": "DM",
            "source": "x", "created_at": at, "metadata": null, "world_id": null, "name": null}));
        let read = room(&mut given).unwrap();
        assert_eq!((read.channel_id.map(|id| id.to_string()).as_deref(), read.server_id), expected, "{id} {channel}");
        assert_eq!((read.world_id.to_string().as_str(), read.name.as_str(), read.kind.as_str()), (AGENT, "DM", "DM"));
        assert_eq!(given.rest().count(), 0);
    }
}

#[test]
fn whom_another_agent_met_first_is_known_to_this_one_too() {
    let given = |owner: &str, entity: &str| {
        row(
            json!({"id": ROOM, "room_id": ROOM, "room_agent_id": AGENT, "entity_id": entity, "entity_agent_id": owner, "entity_names": ["Lin"],
            "entity_metadata": {"a": 1}, "room_state": "MUTED"}),
        )
    };
    let things: [Belonging; 2] = participant(&mut given(PERSON, PERSON)).unwrap().try_into().unwrap();
    let [Belonging::Entity(entity), Belonging::Participant(somebody)] = things else { panic!("other things") };
    assert_eq!((entity.names, entity.agent_id.to_string().as_str()), (vec!["Lin".to_owned()], AGENT));
    assert_eq!(somebody.state, None, "only the agent itself stands to the room");
    let things: [Belonging; 1] = participant(&mut given(AGENT, AGENT)).unwrap().try_into().unwrap();
    let [Belonging::Participant(itself)] = things else { panic!("other things") };
    assert_eq!(itself.state, Some(RoomState::Muted));
}

#[test]
fn memories_know_their_documents_and_messages() {
    let of = |metadata: Value| {
        memory(&mut row(json!({"id": ROOM, "type": "knowledge", "created_at": "2026-11-26T14:50:47", "content": {"text": "t"},
            "entity_id": PERSON, "agent_id": AGENT, "room_id": null, "world_id": null, "unique": false, "metadata": metadata})))
        .unwrap()
    };
    let fragment = of(json!({"type": "fragment", "documentId": CHANNEL, "position": 0}));
    assert_eq!(
        (fragment.document_id.unwrap().to_string().as_str(), fragment.table.as_str(), fragment.unique),
        (CHANNEL, "knowledge", false)
    );
    assert_eq!((fragment.room_id.to_string().as_str(), fragment.origin), (AGENT, Origin::default()));
    let said = of(json!({"type": "message", "sourceId": CHANNEL, "documentId": CHANNEL}));
    assert_eq!((said.document_id, said.origin.message.unwrap().to_string().as_str()), (None, CHANNEL));
    assert_eq!(said.origin.author.unwrap().to_string(), PERSON);
}

#[test]
fn messages_have_the_names_of_their_authors() {
    for (metadata, raw, name) in [
        (json!({"user_display_name": "Lin"}), json!({"senderName": "L"}), Some("Lin")),
        (json!({"agentName": "Ada"}), json!(null), Some("Ada")),
        (json!(null), json!({"senderName": "L"}), Some("L")),
        (json!(null), json!("{\"senderName\": \"L\"}"), Some("L")),
        (json!(null), json!("plain"), None),
    ] {
        let mut given =
            row(json!({"id": ROOM, "channel_id": CHANNEL, "author_id": PERSON, "content": "hi", "raw_message": raw, "metadata": metadata,
            "created_at": "2026-11-26T14:50:47", "updated_at": "2026-11-26T14:50:48", "in_reply_to_root_message_id": "not ours"}));
        let read = message(&mut given).unwrap();
        assert_eq!((read.draft.author_name.as_deref(), read.draft.in_reply_to), (name, None), "{raw}");
        assert_eq!(given.lost().collect::<Vec<_>>(), ["in_reply_to_root_message_id"]);
        assert_eq!((read.updated_at.millis() - read.created_at.millis(), given.rest().count()), (1_000, 0));
    }
    let wrong = message(&mut row(json!({"id": "7", "metadata": null})));
    assert_eq!(wrong.unwrap_err(), "`id` is not what it should be");
}

#[test]
fn participants_that_are_no_ids_are_lost_and_told() {
    let mut given = row(json!({"id": CHANNEL, "message_server_id": ROOM, "name": "n", "type": "GROUP", "metadata": "odd",
        "participants": [PERSON, "discord-7"], "created_at": "2026-11-26T14:50:47", "updated_at": "2026-11-26T14:50:47"}));
    let (_, participants) = channel(&mut given).unwrap();
    assert_eq!(participants.iter().map(ToString::to_string).collect::<Vec<_>>(), [PERSON]);
    assert_eq!(given.lost().collect::<Vec<_>>(), ["participants", "metadata"]);
}

#[test]
fn metadata_that_there_is_no_room_for_are_lost_and_told_and_the_rest_stays() {
    for (bytes, lost) in [(METADATA_BYTES, vec![]), (METADATA_BYTES + 1, vec!["metadata"])] {
        let metadata = json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
        let mut given =
            row(json!({"id": ROOM, "agent_id": AGENT, "name": "Lobby", "metadata": metadata, "created_at": "2026-11-26T14:50:47"}));
        let read = world(&mut given).unwrap();
        assert_eq!((read.name.as_str(), read.metadata.is_empty()), ("Lobby", !lost.is_empty()), "{bytes}");
        assert_eq!(given.lost().collect::<Vec<_>>(), lost, "{bytes}");
    }
}
