//! What agents remember: what handlers pass on, and what they make of the answers.

use core_types::memory::{MemoryChange, MemoryFilter, MemorySearch, Source};
use core_types::{Page, ServiceError, Thing, Timestamp};
use serde_json::{Value, json};

use crate::fakes::{AGENT, CHANNEL, Call, MESSAGE, NOW, REPLY, ROOM, RUN, USER, WORLD, object};
use crate::support::Api;

/// The path of the reference, and those of released servers.
fn paths() -> [String; 3] {
    ["/api/memory/agents/", "/api/agents/", "/api/memory/"].map(|prefix| format!("{prefix}{AGENT}/memories"))
}

fn shown(created_at: &Value) -> Value {
    json!({
        "id": REPLY, "type": "messages", "content": {"text": "pong"}, "entityId": AGENT, "agentId": AGENT, "roomId": ROOM,
        "unique": true, "metadata": {"type": "message"}, "createdAt": created_at,
    })
}

fn iso() -> Value {
    shown(&json!("2024-01-01T00:00:00.007Z"))
}

fn messages() -> MemoryFilter {
    MemoryFilter::table("messages")
}

#[actix_web::test]
async fn a_list_that_was_not_counted_says_nothing_of_its_length() {
    let api = Api::open();
    let documents = format!("/api/memory/agents/{AGENT}/documents");
    for path in paths().into_iter().chain([documents]) {
        for (total, told) in [(1_000, Some("1000")), (1_001, None)] {
            *api.fakes.total.lock().unwrap() = total;
            assert_eq!(api.get(&path).await.header("x-total-count"), told, "{path}");
        }
    }
}

#[actix_web::test]
async fn each_path_has_its_form_of_times_and_its_page() {
    for (path, expected, limit) in paths()
        .into_iter()
        .zip([iso(), shown(&json!(NOW)), shown(&json!(NOW))])
        .zip([50, 1_000, 1_000])
        .map(|((path, shown), limit)| (path, shown, limit))
    {
        let api = Api::open();
        let answer = api.get(&path).await;
        assert_eq!(answer.data(200), json!({"memories": [expected]}), "{path}");
        assert_eq!(answer.header("x-total-count"), Some("1"));
        assert_eq!(api.fakes.calls(), [Call::Memories(messages(), Page { offset: 0, limit })], "{path}");
    }
}

#[actix_web::test]
async fn a_list_is_narrowed_by_what_its_query_says() {
    let page = Page { offset: 3, limit: 1_000 };
    for path in paths() {
        let api = Api::open();
        let query = format!(
            "{path}?limit=99999&offset=3&table=facts&channelId={CHANNEL}&entityId={USER}&worldId={WORLD}&type=custom&from=5&to=2024-01-01T00:00:00.007Z"
        );
        assert_eq!(api.get(&query).await.status, 200);
        let filter = MemoryFilter {
            tables: vec!["facts".to_owned()],
            rooms: vec![ROOM.parse().unwrap()],
            entity: Some(USER.parse().unwrap()),
            world: Some(WORLD.parse().unwrap()),
            from: Some(Timestamp::from_millis(5)),
            to: Some(Timestamp::from_millis(NOW)),
            metadata: vec![("type".to_owned(), json!("custom"))],
            ..MemoryFilter::default()
        };
        assert_eq!(api.fakes.calls(), [Call::Memories(filter, page)], "{path}");
        let in_room = api.get(&format!("{path}?tableName=x&roomId={USER}&channelId={CHANNEL}&limit=0")).await;
        assert_eq!(in_room.status, 200);
        let filter = MemoryFilter::table("x").in_room(USER.parse().unwrap());
        assert_eq!(api.fakes.calls().pop(), Some(Call::Memories(filter, Page { offset: 0, limit: 0 })));
    }
}

#[actix_web::test]
async fn bad_lists_are_refused_as_each_path_refuses() {
    for (path, status, code) in paths()
        .into_iter()
        .zip([(422, "UNPROCESSABLE_ENTITY"), (400, "BAD_REQUEST"), (400, "BAD_REQUEST")])
        .map(|(path, (status, code))| (path, status, code))
    {
        let long = "x".repeat(257);
        for query in ["limit=-1", "limit=abc", "offset=-1", "from=then", "to=now", &format!("table={long}")] {
            let api = Api::open();
            api.get(&format!("{path}?{query}")).await.error(status, code);
            assert_eq!(api.fakes.calls(), [], "{path}?{query}");
        }
        Api::open().get(&format!("{path}?table=%00")).await.error(400, "BAD_REQUEST");
        for query in ["roomId=zz", "channelId=zz", "entityId=1", "worldId=1"] {
            Api::open().get(&format!("{path}?{query}")).await.error(400, "INVALID_ID");
        }
        let api = Api::open();
        api.fakes.fail_with(ServiceError::NotFound(Thing::Agent));
        api.get(&path).await.error(404, "AGENT_NOT_FOUND");
    }
}

#[actix_web::test]
async fn a_room_is_named_by_its_own_id_or_by_its_channels() {
    let api = Api::open();
    for prefix in ["/api/agents", "/api/memory"] {
        let answer = api.get(&format!("{prefix}/{AGENT}/rooms/{CHANNEL}/memories?before=5&tableName=facts")).await;
        assert_eq!(answer.data(200), json!({"memories": [shown(&json!(NOW))]}));
        let filter = MemoryFilter {
            rooms: vec![ROOM.parse().unwrap(), CHANNEL.parse().unwrap()],
            to: Some(Timestamp::from_millis(5)),
            ..MemoryFilter::table("facts")
        };
        assert_eq!(api.fakes.calls().pop(), Some(Call::Memories(filter, Page { offset: 0, limit: 20 })));
        assert_eq!(api.delete(&format!("{prefix}/{AGENT}/memories/all/{CHANNEL}")).await.status, 204);
        let rooms = vec![ROOM.parse().unwrap(), CHANNEL.parse().unwrap()];
        assert_eq!(api.fakes.calls().pop(), Some(Call::ClearMemories(rooms)));
    }
    api.get(&format!("/api/agents/{AGENT}/rooms/zz/memories")).await.error(400, "INVALID_ID");
    api.delete(&format!("/api/agents/{AGENT}/memories/all/zz")).await.error(400, "INVALID_ID");
}

#[actix_web::test]
async fn a_search_says_how_well_each_fits_and_what_found_it() {
    let api = Api::open();
    let path = format!("/api/memory/agents/{AGENT}/search");
    let mut found = iso();
    found["similarity"] = json!(0.5);
    found["score"] = json!(1.0);
    found["foundBy"] = json!(["keyword"]);
    let answer = api.post(&path, json!({"query": "pong"})).await;
    assert_eq!(answer.data(200), json!({"memories": [found], "search": "keyword"}));
    let warnings = &answer.json()["warnings"];
    assert!(warnings[0].as_str().is_some_and(|text| text.contains("words alone")) && warnings[1].is_null(), "{warnings}");
    let whole = json!({
        "query": "pong", "table": "facts", "limit": 1000, "threshold": 0.25, "roomId": ROOM, "entityId": USER, "worldId": WORLD,
        "type": "custom", "metadata": {"n": 1, "_on": true}, "from": 5, "to": "2024-01-01T00:00:00.007Z",
    });
    assert_eq!(api.post(&path, whole).await.status, 200);
    let plain = MemorySearch { text: "pong".to_owned(), filter: messages(), limit: 10, threshold: None };
    let narrow = MemorySearch {
        text: "pong".to_owned(),
        filter: MemoryFilter {
            rooms: vec![ROOM.parse().unwrap()],
            entity: Some(USER.parse().unwrap()),
            world: Some(WORLD.parse().unwrap()),
            from: Some(Timestamp::from_millis(5)),
            to: Some(Timestamp::from_millis(NOW)),
            metadata: vec![("type".to_owned(), json!("custom")), ("n".to_owned(), json!(1)), ("_on".to_owned(), json!(true))],
            ..MemoryFilter::table("facts")
        },
        limit: 100,
        threshold: Some(0.25),
    };
    assert_eq!(api.fakes.calls(), [Call::SearchMemories(plain), Call::SearchMemories(narrow)]);
}

#[actix_web::test]
async fn the_making_of_vectors_tells_how_far_it_has_come() {
    let api = Api::open();
    let answer = api.get(&format!("/api/memory/agents/{AGENT}/embeddings")).await;
    let space = json!({"model": "a/model", "dimension": 3, "version": "", "memories": 7, "current": true, "searchable": true});
    let expected = json!({
        "model": "a/model", "total": 10, "embedded": 7, "pending": 2, "spaces": [space], "loaded": true, "rate": 12.3, "rateLimit": 200,
        "problem": null,
    });
    assert_eq!(answer.data(200), expected);
}

#[actix_web::test]
async fn a_search_that_makes_no_sense_is_refused() {
    let path = format!("/api/memory/agents/{AGENT}/search");
    for body in [json!({}), json!({"query": ""}), json!({"query": "  "}), json!({"query": 7}), json!({"query": "x".repeat(8_193)})] {
        Api::open().post(&path, body).await.error(400, "BAD_REQUEST");
    }
    let many: serde_json::Map<String, Value> = (0..17).map(|number| (format!("k{number}"), json!(1))).collect();
    for (key, value) in [
        ("limit", json!(-1)),
        ("limit", json!("many")),
        ("limit", json!(1.5)),
        ("table", json!(7)),
        ("threshold", json!(2)),
        ("threshold", json!("0.5")),
        ("from", json!("then")),
        ("metadata", json!([])),
        ("metadata", json!({"a b": 1})),
        ("metadata", json!({"a\"b": 1})),
        ("metadata", json!({"$.a": 1})),
        ("metadata", json!({"1a": 1})),
        ("metadata", json!({"": 1})),
        ("metadata", json!({"a": null})),
        ("metadata", json!({"a": {}})),
        ("metadata", Value::Object(many)),
    ] {
        let api = Api::open();
        let message = api.post(&path, json!({"query": "x", key: value})).await.error(422, "UNPROCESSABLE_ENTITY");
        assert!(message.contains(key), "{message}");
        assert_eq!(api.fakes.calls(), []);
    }
    Api::open().post(&path, json!({"query": "x", "roomId": "zz"})).await.error(400, "INVALID_ID");
}

#[actix_web::test]
async fn one_memory_is_shown_changed_and_deleted() {
    let api = Api::open();
    let id = REPLY.parse().unwrap();
    let [reference, agents, memory] = paths().map(|path| format!("{path}/{REPLY}"));
    assert_eq!(api.get(&reference).await.data(200), iso());
    assert_eq!(api.fakes.calls(), [Call::Memory(id)]);
    let change = MemoryChange { content: Some(object(json!({"text": "edited"}))), metadata: Some(object(json!({"k": 1}))) };
    for path in [&reference, &agents, &memory] {
        let body = json!({"content": {"text": "edited"}, "metadata": {"k": 1}, "embedding": [0.5], "id": USER});
        let updated = json!({"id": REPLY, "message": "Memory updated successfully"});
        assert_eq!(api.patch(path, body).await.data(200), updated);
        assert_eq!(api.fakes.calls().pop(), Some(Call::UpdateMemory(id, change.clone())));
        let deleted = json!({"id": REPLY, "message": "Memory deleted successfully"});
        assert_eq!(api.delete(path).await.data(200), deleted);
        assert_eq!(api.fakes.calls().pop(), Some(Call::RemoveMemory(id)));
        for body in [json!({"content": "x"}), json!({"content": {"text": 7}}), json!({"metadata": []})] {
            api.patch(path, body).await.error(400, "BAD_REQUEST");
        }
        api.patch(&path.replace(REPLY, "zz"), json!({})).await.error(400, "INVALID_ID");
        api.delete(&path.replace(REPLY, "zz")).await.error(400, "INVALID_ID");
    }
}

#[actix_web::test]
async fn an_unknown_memory_is_an_error_on_the_path_of_the_reference_alone() {
    let [reference, agents, memory] = paths().map(|path| format!("{path}/{REPLY}"));
    let missing = || {
        let api = Api::open();
        api.fakes.fail_with(ServiceError::NotFound(Thing::Memory));
        api
    };
    missing().get(&reference).await.error(404, "MEMORY_NOT_FOUND");
    missing().get(&format!("{reference}/why")).await.error(404, "MEMORY_NOT_FOUND");
    missing().patch(&reference, json!({})).await.error(404, "MEMORY_NOT_FOUND");
    missing().delete(&reference).await.error(404, "MEMORY_NOT_FOUND");
    for path in [agents, memory] {
        missing().patch(&path, json!({})).await.data(200);
        missing().delete(&path).await.data(200);
        let api = Api::open();
        api.fakes.fail_with(ServiceError::NotFound(Thing::Agent));
        api.delete(&path).await.error(404, "AGENT_NOT_FOUND");
    }
}

#[actix_web::test]
async fn a_memory_says_why_it_is_there() {
    let api = Api::open();
    let expected = json!({
        "memoryId": REPLY, "messageId": MESSAGE, "authorId": USER, "channelId": CHANNEL, "runId": RUN, "trust": "agent",
        "documentId": null, "message": {"content": "pong", "createdAt": "2024-01-01T00:00:00.007Z"},
    });
    assert_eq!(api.get(&format!("{}/{REPLY}/why", paths()[0])).await.data(200), expected);
}

#[actix_web::test]
async fn memories_are_forgotten_together_or_by_their_origin() {
    let [reference, agents, memory] = paths();
    let cleared = json!({"deleted": 7, "message": "Memories deleted successfully"});
    for path in [&agents, &memory] {
        let api = Api::open();
        assert_eq!(api.delete(path).await.data(200), cleared);
        assert_eq!(api.fakes.calls(), [Call::ClearMemories(Vec::new())]);
    }
    for path in [&reference, &agents, &memory] {
        for (named, source) in [
            (format!("message:{MESSAGE}"), Source::Message(MESSAGE.parse().unwrap())),
            (format!("author:{USER}"), Source::Author(USER.parse().unwrap())),
            (format!("run:{RUN}"), Source::Run(RUN.parse().unwrap())),
        ] {
            let api = Api::open();
            assert_eq!(api.delete(&format!("{path}?source={named}")).await.data(200), cleared);
            assert_eq!(api.fakes.calls(), [Call::Revert(source)]);
        }
    }
    for bad in ["message", "run:zz", "channel:1", &format!("MESSAGE:{MESSAGE}"), MESSAGE] {
        for (path, status, code) in [(&reference, 422, "UNPROCESSABLE_ENTITY"), (&agents, 400, "BAD_REQUEST")] {
            let api = Api::open();
            api.delete(&format!("{path}?source={bad}")).await.error(status, code);
            assert_eq!(api.fakes.calls(), [], "{bad}");
        }
    }
    Api::open().delete(&reference).await.error(422, "UNPROCESSABLE_ENTITY");
}
