//! What agents remember, their rooms and their documents, over the whole server.

use serde_json::{Value, json};
use testkit::caller::{Caller, Request};
use testkit::house::PATIENCE;
use testkit::scripted::{Reply, ScriptedModel};

use crate::media::form;
use crate::support::{
    ANN, BEN, NOTHING, create_agent, create_channel, dm, exchange, open, refused, running_agent, saying, snapshot, speaking, speaking_with,
    text,
};

fn memories_of(agent: &str) -> String {
    format!("/api/memory/agents/{agent}/memories")
}

/// The texts of what a path lists.
async fn texts(caller: &Caller, path: &str) -> Vec<String> {
    let listed = caller.get(path).await.data(200);
    listed["memories"].as_array().unwrap().iter().map(|memory| text(&memory["content"]["text"])).collect()
}

/// The texts of what a search finds.
async fn found(caller: &Caller, agent: &str, body: &Value) -> Vec<String> {
    let found = caller.post(&format!("/api/memory/agents/{agent}/search"), body).await.data(200);
    found["memories"].as_array().unwrap().iter().map(|memory| text(&memory["content"]["text"])).collect()
}

#[tokio::test]
async fn both_sides_of_a_conversation_are_remembered_found_and_explained() {
    let model = saying("pong about bicycles").await;
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    exchange(&ann, &channel, "ping the tandem", "http").await.data(201);
    let path = memories_of(&agent);
    assert_eq!(texts(&ann, &path).await, ["pong about bicycles", "ping the tandem"]);
    assert_eq!(texts(&ann, &format!("/api/memory/{agent}/memories?channelId={channel}&limit=1")).await, ["pong about bicycles"]);
    assert_eq!(texts(&ann, &format!("/api/agents/{agent}/rooms/{channel}/memories")).await.len(), 2);
    assert_eq!(texts(&ann, &format!("{path}?table=facts")).await, [""; 0]);
    assert_eq!(texts(&ann, &format!("{path}?entityId={ANN}")).await, ["ping the tandem"]);
    assert_eq!(texts(&ann, &format!("{path}?type=message&offset=1")).await, ["ping the tandem"]);

    assert_eq!(found(&ann, &agent, &json!({"query": "a bicycle"})).await, ["pong about bicycles"]);
    assert_eq!(found(&ann, &agent, &json!({"query": "tandem", "entityId": agent})).await, [""; 0]);
    assert_eq!(found(&ann, &agent, &json!({"query": "tandem", "metadata": {"type": "message"}, "limit": 1})).await, ["ping the tandem"]);
    let searched = ann.post(&format!("/api/memory/agents/{agent}/search"), &json!({"query": "\"tandem\" OR *"})).await.data(200);
    let first = &searched["memories"][0];
    assert_eq!((&searched["search"], &first["foundBy"], &first["score"]), (&json!("keyword"), &json!(["keyword"]), &json!(1.0)));

    let memory = text(&first["id"]);
    let why = ann.get(&format!("{path}/{memory}/why")).await.data(200);
    let message = &why["message"];
    assert_eq!((&why["authorId"], &why["channelId"], &why["trust"]), (&json!(ANN), &json!(channel), &json!("participant")));
    assert_eq!((&message["content"], why["messageId"].is_string()), (&json!("ping the tandem"), true));
    let run = text(&ann.get(&format!("/api/agents/{agent}/runs")).await.data(200)["runs"][0]["runId"]);
    assert_eq!(why["runId"], run);
}

#[tokio::test]
async fn everything_of_one_message_author_or_run_can_be_forgotten() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    let path = memories_of(&agent);
    let first = exchange(&ann, &channel, "one", "http").await.data(201);
    exchange(&ann, &channel, "two", "http").await.data(201);
    let other = create_channel(&ann, "DM", &[BEN, &agent]).await;
    let body = json!({"author_id": BEN, "content": "three", "transport": "http", "metadata": {"isDm": true}});
    ann.post(&format!("/api/messaging/channels/{other}/messages"), &body).await.data(201);
    assert_eq!(texts(&ann, &path).await, ["pong", "three", "pong", "two", "pong", "one"]);

    let message = text(&first["userMessage"]["id"]);
    assert_eq!(ann.delete(&format!("{path}?source=message:{message}")).await.data(200)["deleted"], 2);
    assert_eq!(texts(&ann, &path).await, ["pong", "three", "pong", "two"]);
    let newest = text(&ann.get(&format!("/api/agents/{agent}/runs")).await.data(200)["runs"][0]["runId"]);
    assert_eq!(ann.delete(&format!("{path}?source=run:{newest}")).await.data(200)["deleted"], 2);
    assert_eq!(texts(&ann, &path).await, ["pong", "two"]);
    assert_eq!(ann.delete(&format!("/api/memory/{agent}/memories?source=author:{BEN}")).await.data(200)["deleted"], 0);
    assert_eq!(ann.delete(&format!("{path}?source=author:{ANN}")).await.data(200)["deleted"], 2);
    assert_eq!(texts(&ann, &path).await, [""; 0]);
    assert_eq!(found(&ann, &agent, &json!({"query": "pong one two three"})).await, [""; 0]);
}

#[tokio::test]
async fn an_edited_memory_is_found_by_what_it_says_now() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    exchange(&ann, &channel, "about walruses", "http").await.data(201);
    let path = memories_of(&agent);
    let memory = text(&ann.get(&format!("{path}?entityId={ANN}")).await.data(200)["memories"][0]["id"]);
    let one = format!("{path}/{memory}");
    ann.patch(&one, &json!({"content": {"text": "about penguins"}, "metadata": {"type": "custom", "edited": true}})).await.data(200);
    let shown = ann.get(&one).await.data(200);
    assert_eq!((&shown["content"], &shown["metadata"]["edited"]), (&json!({"text": "about penguins"}), &json!(true)));
    assert_eq!(found(&ann, &agent, &json!({"query": "walrus"})).await, [""; 0]);
    assert_eq!(found(&ann, &agent, &json!({"query": "penguin", "metadata": {"edited": true}})).await, ["about penguins"]);
    // What was said in the channel stays.
    let messages = ann.get(&format!("/api/messaging/channels/{channel}/messages")).await.data(200).to_string();
    assert!(messages.contains("about walruses"), "{messages}");
    ann.delete(&one).await.data(200);
    ann.delete(&one).await.error(404, "MEMORY_NOT_FOUND");
    ann.delete(&format!("/api/memory/{agent}/memories/{memory}")).await.data(200);
    assert_eq!(ann.delete(&format!("/api/agents/{agent}/memories")).await.data(200)["deleted"], 1);
    assert_eq!(texts(&ann, &path).await, [""; 0]);
}

#[tokio::test]
async fn nobody_reaches_another_agents_memory_room_or_document() {
    let (server, ann) = open().await;
    let (alice, bob) = (running_agent(&ann, "Alice").await, running_agent(&ann, "Bob").await);
    server.record().name(&alice, "alice");
    let document = ann.post(&format!("/api/memory/agents/{alice}/documents"), &json!({"content": "secret"})).await.data(201);
    let document = text(&document["document"]["id"]);
    let room = text(&ann.post(&format!("/api/agents/{alice}/rooms"), &json!({"name": "R"})).await.data(201)["id"]);
    let of_bob = |rest: &str| format!("/api/memory/agents/{bob}/{rest}");
    let change = json!({"content": {"text": "mine"}});
    let name = json!({"name": "mine"});
    let cases = [
        (Request::get(&of_bob(&format!("memories/{document}"))), 404, "MEMORY_NOT_FOUND"),
        (Request::get(&of_bob(&format!("memories/{document}/why"))), 404, "MEMORY_NOT_FOUND"),
        (Request::new("PATCH", &of_bob(&format!("memories/{document}"))).json(&change), 404, "MEMORY_NOT_FOUND"),
        (Request::new("DELETE", &of_bob(&format!("memories/{document}"))), 404, "MEMORY_NOT_FOUND"),
        (Request::get(&of_bob(&format!("documents/{document}"))), 404, "DOCUMENT_NOT_FOUND"),
        (Request::new("DELETE", &of_bob(&format!("documents/{document}"))), 404, "DOCUMENT_NOT_FOUND"),
        (Request::get(&format!("/api/agents/{bob}/rooms/{room}")), 404, "ROOM_NOT_FOUND"),
        (Request::new("PATCH", &format!("/api/agents/{bob}/rooms/{room}")).json(&name), 404, "ROOM_NOT_FOUND"),
        (Request::new("DELETE", &format!("/api/agents/{bob}/rooms/{room}")), 404, "ROOM_NOT_FOUND"),
        (Request::post(&format!("/api/agents/{bob}/rooms"), &json!({"name": "x", "worldId": alice})), 404, "WORLD_NOT_FOUND"),
        (Request::get(&format!("/api/memory/agents/{NOTHING}/memories")), 404, "AGENT_NOT_FOUND"),
        (Request::post(&format!("/api/memory/agents/{NOTHING}/documents"), &json!({"content": "x"})), 404, "AGENT_NOT_FOUND"),
        (Request::post(&format!("/api/memory/groups/{NOTHING}"), &json!({"agentIds": [NOTHING]})), 404, "AGENT_NOT_FOUND"),
    ];
    refused(&ann, cases).await;
    // On the paths of released servers the other agent's memory is as if it were not there, and stays as it is.
    ann.patch(&format!("/api/memory/{bob}/memories/{document}"), &change).await.data(200);
    ann.delete(&format!("/api/memory/{bob}/memories/{document}")).await.data(200);
    ann.delete(&format!("/api/memory/{bob}/memories/all/{alice}")).await.empty(204);
    assert_eq!(found(&ann, &bob, &json!({"query": "secret", "table": "documents"})).await, [""; 0]);
    assert_eq!(texts(&ann, &format!("/api/memory/{bob}/memories?table=documents&roomId={alice}")).await, [""; 0]);
    let shown = ann.get(&format!("/api/memory/agents/{alice}/documents/{document}")).await.data(200);
    assert_eq!(shown["content"]["text"], "secret");
}

#[tokio::test]
async fn a_document_is_split_recalled_and_taken_away_whole() {
    let model = ScriptedModel::answering(|_| Reply::text("pong")).await.expect("a model");
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    let documents = format!("/api/memory/agents/{agent}/documents");
    let page = format!(
        "<html><head><title>Opening hours</title></head><body><h1>The gate</h1><p>The drawbridge is lowered at nine.</p><p>{}</p></body></html>",
        "Other things are written here. ".repeat(100)
    );
    let body = json!({"content": page, "contentType": "text/html", "metadata": {"shelf": "a"}});
    let added = ann.post(&documents, &body).await;
    let document = added.data(201)["document"].clone();
    assert_eq!((&document["metadata"]["title"], &document["metadata"]["fragments"]), (&json!("Opening hours"), &json!(4)));
    let id = text(&document["id"]);
    let again = ann.post(&documents, &body).await.data(200);
    assert_eq!((&again["document"]["id"], &again["existing"]), (&document["id"], &json!(true)));
    assert_eq!(ann.get(&documents).await.data(200)["documents"].as_array().unwrap().len(), 1);

    let fragments = ann.get(&format!("/api/memory/{agent}/memories?table=knowledge")).await.data(200);
    let positions: Vec<_> = fragments["memories"].as_array().unwrap().iter().map(|memory| memory["metadata"]["position"].clone()).collect();
    assert_eq!(positions, [json!(3), json!(2), json!(1), json!(0)]);
    let hits = found(&ann, &agent, &json!({"query": "drawbridges", "table": "knowledge", "metadata": {"documentId": id}})).await;
    assert!(hits.len() == 1 && hits[0].contains("lowered at nine"), "{hits:?}");

    exchange(&ann, &channel, "When is the drawbridge lowered?", "http").await.data(201);
    let asked = |model: &ScriptedModel| model.requests().last().map(|request| request.body.to_string()).unwrap_or_default();
    let request = asked(&model);
    assert!(request.contains("lowered at nine") && request.contains("Opening hours"), "{request}");

    ann.delete(&format!("{documents}/{id}")).await.empty(204);
    ann.delete(&format!("{documents}/{id}")).await.error(404, "DOCUMENT_NOT_FOUND");
    assert_eq!(texts(&ann, &format!("/api/memory/{agent}/memories?table=knowledge")).await, [""; 0]);
    exchange(&ann, &channel, "And when is the drawbridge raised?", "http").await.data(201);
    let request = asked(&model);
    assert!(!request.contains("Opening hours"), "{request}");
    ann.post(&documents, &body).await.data(201);
    for empty in ["<script>x</script>", "<p> </p>"] {
        ann.post(&documents, &json!({"content": empty, "contentType": "text/html"})).await.error(400, "BAD_REQUEST");
    }
    ann.post(&documents, &json!({"content": " \n"})).await.error(400, "BAD_REQUEST");
}

#[tokio::test]
async fn what_a_character_knows_follows_the_character() {
    let (_server, ann) = open().await;
    let character = |knowledge: Value| json!({"characterJson": {"name": "Alice", "bio": "b", "knowledge": knowledge}});
    let known = json!(["The gate opens at nine.", "Bread is baked daily.", {"path": "x.md"}]);
    let agent = text(&ann.post("/api/agents", &character(known)).await.data(201)["id"]);
    let fragments = format!("/api/memory/{agent}/memories?table=knowledge");
    assert_eq!(texts(&ann, &fragments).await, [""; 0]);
    for _ in 0..2 {
        ann.post(&format!("/api/agents/{agent}/start"), &json!({})).await.data(200);
        let mut taken_in = texts(&ann, &fragments).await;
        taken_in.sort_unstable();
        assert_eq!(taken_in, ["Bread is baked daily.", "The gate opens at nine."]);
    }
    let own = ann.post(&format!("/api/memory/agents/{agent}/documents"), &json!({"content": "Bread is baked daily."})).await;
    assert_eq!(own.data(201)["existing"], false);
    ann.patch(&format!("/api/agents/{agent}"), &json!({"knowledge": ["The gate opens at nine.", "Tea is served."]})).await.data(200);
    let mut now = texts(&ann, &fragments).await;
    now.sort_unstable();
    // What was handed in as a document is not the character's, and stays.
    assert_eq!(now, ["Bread is baked daily.", "Tea is served.", "The gate opens at nine."]);
    assert_eq!(found(&ann, &agent, &json!({"query": "tea", "table": "knowledge"})).await, ["Tea is served."]);
}

#[tokio::test]
async fn rooms_and_groups_come_and_go_with_what_is_remembered_of_them() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    exchange(&ann, &channel, "ping", "http").await.data(201);
    let rooms = format!("/api/agents/{agent}/rooms");
    let made = ann.post(&rooms, &json!({"name": "Hall", "metadata": {"k": "v"}})).await;
    let id = text(&made.data(201)["id"]);
    server.record().name(&id, "hall");
    server.record().name(&text(&made.data(201)["worldId"]), "world");
    snapshot!("room_created", made);
    let listed = ann.get(&rooms).await.data(200);
    let names: Vec<_> = listed["rooms"].as_array().unwrap().iter().map(|room| text(&room["name"])).collect();
    assert_eq!(names, ["Alice", "the DM", "Hall"]);
    let of_channel = listed["rooms"].as_array().unwrap().iter().find(|room| room["channelId"] == *channel).unwrap().clone();
    assert_eq!((&of_channel["type"], &of_channel["serverId"]), (&json!("DM"), &json!("00000000-0000-0000-0000-000000000000")));
    ann.patch(&format!("{rooms}/{id}"), &json!({"name": "Porch"})).await.data(200);
    assert_eq!(ann.get(&format!("/api/memory/{agent}/rooms/{id}")).await.data(200)["name"], "Porch");
    ann.delete(&format!("{rooms}/{id}")).await.empty(204);
    ann.get(&format!("{rooms}/{id}")).await.error(404, "ROOM_NOT_FOUND");
    ann.delete(&format!("{rooms}/{}", text(&of_channel["id"]))).await.empty(204);
    assert_eq!(texts(&ann, &memories_of(&agent)).await, [""; 0]);

    let bob = create_agent(&ann, "Bob").await;
    let group = format!("/api/memory/groups/{NOTHING}");
    let answer = ann.post(&group, &json!({"agentIds": [agent, bob, NOTHING], "name": "Team"})).await;
    assert_eq!((answer.status, &answer.json()["errors"][0]["agentId"]), (207, &json!(NOTHING)));
    let whole = ann.post(&group, &json!({"agentIds": [agent, bob], "name": "Other"})).await.data(201);
    assert_eq!((whole.as_array().unwrap().len(), &whole[0]["name"], &whole[0]["type"]), (2, &json!("Team"), &json!("API")));
    assert_eq!(ann.get(&format!("/api/agents/{bob}/rooms")).await.data(200)["rooms"].as_array().unwrap().len(), 1);
    ann.delete(&format!("{group}/memories")).await.empty(204);
    ann.delete(&group).await.empty(204);
    assert_eq!(ann.get(&format!("/api/agents/{bob}/rooms")).await.data(200)["rooms"], json!([]));
    ann.delete(&group).await.empty(204);
}

#[tokio::test]
async fn an_agent_that_does_not_run_remembers_all_the_same() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    exchange(&ann, &channel, "ping", "http").await.data(201);
    ann.post(&format!("/api/agents/{agent}/stop"), &json!({})).await.data(200);
    assert_eq!(texts(&ann, &memories_of(&agent)).await, ["pong", "ping"]);
    assert_eq!(found(&ann, &agent, &json!({"query": "ping"})).await, ["ping"]);
    ann.delete(&format!("/api/memory/{agent}/memories/all/{channel}")).await.empty(204);
    assert_eq!(texts(&ann, &memories_of(&agent)).await, [""; 0]);
}

/// Waits until every memory of an agent that can have a vector has one, in the database and in memory.
async fn embedded(caller: &Caller, agent: &str) -> Value {
    let path = format!("/api/memory/agents/{agent}/embeddings");
    let waiting = async {
        loop {
            let progress = caller.get(&path).await.data(200);
            if progress["pending"] == json!(0) && progress["embedded"] != json!(0) {
                return progress;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("vectors are made")
}

#[tokio::test]
async fn what_means_the_same_is_found_in_other_words() {
    let model = saying("pong").await;
    let (server, ann) = speaking_with(&model, &[("EMBEDDING_PROVIDER", "static")]).await;
    let (agent, channel) = dm(&server, &ann).await;
    for text in ["My vehicle stopped working.", "The physician gave me medicine.", "There is a downpour outside."] {
        exchange(&ann, &channel, text, "http").await.data(201);
    }
    let progress = embedded(&ann, &agent).await;
    let space = json!({"model": "static/en", "dimension": 128, "version": "1", "memories": 6, "current": true, "searchable": true});
    assert_eq!(
        (&progress["model"], &progress["total"], &progress["spaces"], &progress["rateLimit"]),
        (&json!("static/en"), &json!(6), &json!([space]), &json!(200))
    );
    let search = |body: Value| {
        let (ann, path) = (ann.clone(), format!("/api/memory/agents/{agent}/search"));
        async move { ann.post(&path, &body).await.data(200) }
    };
    let waiting = async {
        loop {
            // What has just been stored is in memory a moment later.
            let found = search(json!({"query": "The car broke down", "entityId": ANN})).await;
            if found["memories"].as_array().is_some_and(|memories| !memories.is_empty()) {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, waiting).await.expect("it is found");
    let first = &found["memories"][0];
    assert_eq!((&found["search"], &first["content"]["text"]), (&json!("hybrid"), &json!("My vehicle stopped working.")));
    assert_eq!((&first["foundBy"], first["similarity"].as_f64() > Some(0.4)), (&json!(["vector"]), true));
    let both = search(json!({"query": "heavy rain and a downpour"})).await;
    assert_eq!(both["memories"][0]["foundBy"], json!(["keyword", "vector"]));
    assert_eq!(search(json!({"query": "The car broke down", "table": "facts"})).await["memories"], json!([]));
    ann.get(&format!("/api/memory/agents/{NOTHING}/embeddings")).await.error(404, "AGENT_NOT_FOUND");
}

#[tokio::test]
async fn documents_reach_the_model_by_what_they_mean() {
    let model = saying("pong").await;
    let (server, ann) = speaking_with(&model, &[("EMBEDDING_PROVIDER", "static")]).await;
    let (agent, channel) = dm(&server, &ann).await;
    let documents = format!("/api/memory/agents/{agent}/documents");
    for content in ["Physicians prescribe medicine to sick patients.", "Locomotives run on rails between stations."] {
        ann.post(&documents, &json!({"content": content})).await.data(201);
    }
    embedded(&ann, &agent).await;
    let told = |request: Value| request["messages"][0]["content"].as_str().unwrap_or_default().to_owned();
    let waiting = async {
        loop {
            exchange(&ann, &channel, "Which doctor can treat my illness?", "http").await.data(201);
            let system = told(model.requests().last().unwrap().body.clone());
            if system.contains("Physicians prescribe") {
                return system;
            }
        }
    };
    let system = tokio::time::timeout(PATIENCE, waiting).await.expect("it is recalled");
    assert!(!system.contains("Locomotives"), "{system}");
}

#[tokio::test]
async fn a_slow_embedding_server_holds_up_neither_search_nor_reply() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let silent = Arc::new(AtomicBool::new(false));
    let hears = Arc::clone(&silent);
    let embeddings = ScriptedModel::answering(move |body| {
        if hears.load(Ordering::SeqCst) { Reply::Silence } else { Reply::Plain(testkit::scripted::vectors(body, 16)) }
    });
    let embeddings = embeddings.await.unwrap();
    let model = saying("pong").await;
    let own = [
        ("EMBEDDING_PROVIDER", "openai"),
        ("OPENAI_EMBEDDING_URL", embeddings.base_url()),
        ("OPENAI_EMBEDDING_MODEL", "m"),
        ("EMBEDDING_QUERY_TIMEOUT_MS", "100"),
    ];
    let (server, ann) = speaking_with(&model, &own).await;
    let (agent, channel) = dm(&server, &ann).await;
    ann.post(&format!("/api/memory/agents/{agent}/documents"), &json!({"content": "Trains are fast."})).await.data(201);
    let progress = embedded(&ann, &agent).await;
    assert_eq!((&progress["model"], &progress["spaces"][0]["dimension"]), (&json!("openai/m"), &json!(16)));
    silent.store(true, Ordering::SeqCst);
    let began = std::time::Instant::now();
    exchange(&ann, &channel, "How fast are trains?", "http").await.data(201);
    let answer = ann.post(&format!("/api/memory/agents/{agent}/search"), &json!({"query": "trains", "table": "knowledge"})).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    let found = answer.data(200);
    assert_eq!((&found["search"], found["memories"].as_array().map(Vec::len)), (&json!("keyword"), Some(1)));
    let warning = text(&answer.json()["warnings"][0]);
    assert!(warning.contains("words alone"), "{warning}");
}

#[tokio::test]
async fn a_document_comes_as_a_form_too_and_a_bad_one_changes_nothing() {
    let (_server, ann) = open().await;
    let agent = create_agent(&ann, "Alice").await;
    let path = format!("/api/memory/agents/{agent}/documents");
    let long = "x".repeat(513);
    let markdown = ("hours.md", "application/octet-stream", "\u{feff}# Hours\n\nThe gate opens at nine.".as_bytes());
    let cases = [
        (form(&path, ("x.exe", "application/octet-stream", b"MZ"), &[]), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (form(&path, ("", "image/png", b"x"), &[]), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (form(&path, ("x.txt", "text/plain", b""), &[]), 400, "INVALID_REQUEST"),
        (form(&path, ("x.txt", "text/plain", b" \n"), &[]), 400, "BAD_REQUEST"),
        (form(&path, ("x.txt", "text/plain", b"\xff\xfe"), &[]), 400, "BAD_REQUEST"),
        (form(&path, markdown, &[("title", &long)]), 400, "INVALID_REQUEST"),
        (form(&path, markdown, &[("metadata", "[1]")]), 400, "INVALID_REQUEST"),
        (form(&path, markdown, &[("title", "a\0b")]), 400, "INVALID_REQUEST"),
        (form(&path, markdown, &[("metadata", "{\"a\": [{\"b\\u0000\": 1}]}")]), 400, "INVALID_REQUEST"),
        (Request::new("GET", &format!("/api/agents/{agent}/logs?type=a%00b")), 400, "BAD_REQUEST"),
        (form(&format!("/api/memory/agents/{NOTHING}/documents"), markdown, &[]), 404, "AGENT_NOT_FOUND"),
        (Request::new("POST", &path).header("content-type", "multipart/form-data").body(b"x".to_vec()), 400, "INVALID_REQUEST"),
        (
            Request::new("POST", &path).header("content-type", "multipart/form-data; boundary=edge").body(b"--edge--\r\n".to_vec()),
            400,
            "INVALID_REQUEST",
        ),
        (Request::post(&path, &json!({"content": "x", "contentType": "application/pdf"})), 415, "UNSUPPORTED_MEDIA_TYPE"),
    ];
    refused(&ann, cases).await;
    assert_eq!(ann.get(&path).await.data(200)["documents"], json!([]));
    let added = ann.send(form(&path, markdown, &[("metadata", "{\"k\": 1}")])).await.data(201)["document"].clone();
    let shown = (text(&added["content"]["text"]), text(&added["metadata"]["title"]), added["metadata"]["k"].clone());
    assert_eq!(shown, ("# Hours\n\nThe gate opens at nine.".to_owned(), "hours.md".to_owned(), json!(1)));
    assert_eq!(added["metadata"]["contentType"], "text/markdown");
    assert_eq!(ann.send(form(&path, markdown, &[("title", "Other")])).await.data(200)["existing"], true);
}
