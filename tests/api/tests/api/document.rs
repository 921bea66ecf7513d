//! The OpenAPI document and its reader. That answers are as documented is checked wherever a test gets one.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use testkit::caller::{Caller, Request};
use testkit::server::TestServer;
use testkit::spec::{self, DOCUMENT, Operation, operations};

use crate::routes::{ROUTES, Route};
use crate::support::{ANN, DEFAULT, open, running_agent, saying_aloud, talking, text};

#[test]
fn every_route_is_documented_and_nothing_else() {
    let by_routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|Route(method, path)| {
            let found = Operation::of(method, &format!("/api{path}"));
            found.unwrap_or_else(|| panic!("{method} {path} is not documented")).pointer()
        })
        .collect();
    let documented: BTreeSet<_> = operations().filter(|operation| operation.path.starts_with("/api/")).map(Operation::pointer).collect();
    assert_eq!(documented, by_routes);
}

#[test]
fn every_operation_has_its_own_name_a_summary_and_its_errors() {
    let mut names = BTreeSet::new();
    for operation in operations() {
        let value = operation.value();
        assert!(names.insert(value["operationId"].as_str().unwrap()), "{operation:?}");
        assert!(value["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{operation:?}");
        assert!(value["responses"].get("500").is_some(), "{operation:?}");
        let is_open = value.get("security").is_some();
        assert_eq!(value["responses"].get("401").is_none(), is_open, "{operation:?}");
    }
}

#[test]
fn every_example_is_what_its_schema_describes() {
    let mut count = 0;
    for operation in operations() {
        let value = operation.value();
        let body = value.pointer("/requestBody/content/application~1json");
        let answers = value["responses"].as_object().into_iter().flat_map(|responses| responses.values());
        for content in answers.filter_map(|answer| answer.pointer("/content/application~1json")).chain(body) {
            let problems = spec::mismatches(&content["schema"], &content["example"]);
            assert!(problems.is_empty(), "{operation:?}: {problems:#?} {}", content["example"]);
            count += 1;
        }
    }
    for (code, example) in DOCUMENT["components"]["examples"].as_object().unwrap() {
        let problems = spec::mismatches(&DOCUMENT["components"]["schemas"]["Error"], &example["value"]);
        assert!(problems.is_empty() && example["value"]["error"]["code"] == *code, "{code}: {problems:#?}");
    }
    assert!(count > 60, "{count} examples");
}

/// What the document says of bodies is what the server reads: with a value that a property's schema does not allow the
/// request is refused, and that is the only reason, since the same body without it is accepted.
#[tokio::test]
async fn documented_bodies_are_what_is_read() {
    let model = saying_aloud("text").await;
    let (_server, caller) = talking(&model, &[("TEE_MODE", "simulator")]).await;
    let ids = things(&caller).await;
    let mut tried = 0;
    for operation in operations() {
        let Some(schema) = spec::body_schema(operation) else { continue };
        let path = ids.iter().fold(operation.path.to_owned(), |path, (name, id)| path.replace(&format!("{{{name}}}"), id));
        let (properties, required) = spec::properties(schema);
        let send = async |body: &Value| caller.send(Request::new(&operation.method.to_uppercase(), &path).json(body)).await;
        let good = smallest(operation, &required, &ids);
        let answer = send(&good).await;
        assert!(answer.status < 300, "{operation:?} refuses {good}: {answer}");
        for (name, schema) in properties {
            for value in bad_values(schema, required.contains(name)) {
                // Of several characters only one counts.
                let mut body = if operation.path == "/api/agents" { json!({}) } else { good.clone() };
                body[name] = value.clone();
                let answer = send(&body).await;
                let shown: String = value.to_string().chars().take(80).collect();
                assert!(matches!(answer.status, 400 | 422), "{operation:?} takes {shown} for {name}: {answer}");
                tried += 1;
            }
        }
    }
    assert!(tried > 300, "{tried} bad bodies");
}

/// A moment in a query is documented as one, and read in each of its forms and in no other.
#[tokio::test]
async fn documented_moments_in_queries_are_what_is_read() {
    const FORMS: [&str; 4] = ["1769860800000", "2026-01-31T12:00:00.000Z", "2026-01-31", ""];
    let (_server, caller) = open().await;
    let ids = things(&caller).await;
    let mut read = BTreeSet::new();
    for operation in operations().filter(|operation| operation.method == "get") {
        let path = ids.iter().fold(operation.path.to_owned(), |path, (name, id)| path.replace(&format!("{{{name}}}"), id));
        for parameter in operation.value()["parameters"].as_array().into_iter().flatten() {
            let is_said = parameter["description"].as_str().is_some_and(|description| description.contains("ISO 8601"));
            let is_moment = parameter["schema"].to_string().contains("date-time");
            if parameter["in"] != "query" || !(is_said || is_moment) {
                continue;
            }
            let name = parameter["name"].as_str().unwrap();
            assert!(is_moment, "{operation:?} has {name} as plain text");
            for form in FORMS {
                let answer = caller.get(&format!("{path}?{name}={form}")).await;
                assert_eq!(answer.status, 200, "{operation:?} refuses {form:?} for {name}: {answer}");
            }
            let answer = caller.get(&format!("{path}?{name}=text")).await;
            assert!(matches!(answer.status, 400 | 422), "{operation:?} takes a text for {name}: {answer}");
            read.insert((operation.path, name));
        }
    }
    for name in ["before", "after"] {
        assert!(read.contains(&("/api/messaging/sessions/{session_id}/messages", name)), "{read:?}");
    }
}

/// One of each thing that paths name, by the names of the parameters; and values for what bodies name.
async fn things(caller: &Caller) -> Vec<(&'static str, String)> {
    let agent = running_agent(caller, "Reader").await;
    let made = async |path: &str, body: Value| text(&caller.post(path, &body).await.data(201)["id"]);
    let channel = json!({"message_server_id": DEFAULT, "name": "c", "participantCentralUserIds": [ANN, agent]});
    let channel = made("/api/messaging/central-channels", channel).await;
    let message = json!({"author_id": ANN, "content": "hi"});
    let message = made(&format!("/api/messaging/central-channels/{channel}/messages"), message).await;
    let world = made(&format!("/api/agents/{agent}/worlds"), json!({"name": "w"})).await;
    let room = made(&format!("/api/agents/{agent}/rooms"), json!({"name": "r"})).await;
    let documents = format!("/api/memory/agents/{agent}/documents");
    let document = caller.post(&documents, &json!({"content": "a document"})).await.data(201);
    let document = text(&document["document"]["id"]);
    let server = made("/api/messaging/central-servers", json!({"name": "s", "sourceType": "test"})).await;
    let session = json!({"agentId": agent, "userId": ANN});
    let session = text(&caller.post("/api/messaging/sessions", &session).await.json()["sessionId"]);
    vec![
        ("session_id", session),
        ("userId", ANN.to_owned()),
        ("agent_id", agent),
        ("channel_id", channel),
        ("message_id", message),
        ("world_id", world),
        ("room_id", room),
        ("memory_id", document),
        ("server_id", server),
        ("author_id", ANN.to_owned()),
        ("message_server_id", DEFAULT.to_owned()),
    ]
}

/// The smallest body that an operation accepts.
fn smallest(operation: Operation, required: &BTreeSet<&str>, ids: &[(&str, String)]) -> Value {
    if operation.path == "/api/agents" {
        return json!({"characterJson": {"name": "Nobody", "bio": []}});
    }
    let of = |name: &str| match ids.iter().find(|(known, _)| *known == name || name == "agentId" && *known == "agent_id") {
        Some((_, id)) => json!(id),
        None if name == "raw_message" || operation.path.ends_with("/environment") => json!({}),
        None if name == "channels" => json!([]),
        None if name == "scopes" => json!(["agents:read"]),
        None if name == "agentIds" => json!([ids.iter().find(|(known, _)| *known == "agent_id").map(|(_, agent)| agent)]),
        None => json!("text"),
    };
    let mut body: Map<String, Value> = required.iter().map(|name| ((*name).to_owned(), of(name))).collect();
    if operation.path.ends_with("/messages") {
        body.insert("author_id".to_owned(), json!(ANN));
    }
    Value::Object(body)
}

/// Values that a property's schema does not allow. A number beyond a `maximum` is the largest that is allowed.
fn bad_values(schema: &'static Value, required: bool) -> Vec<Value> {
    let stated = schema.to_string();
    let bound = |name: &str| usize::try_from(schema[name].as_u64()?).ok();
    let long = bound("maxLength").map(|most| json!("x".repeat(most + 1)));
    let many = bound("maxItems").map(|most| json!(vec![ANN; most + 1]));
    let no_id = stated.contains("\"uuid\"").then(|| json!("not an id"));
    let null = required.then_some(Value::Null);
    let typed = [json!(true), json!(1), json!(-1), json!("text"), json!([]), json!([1]), json!({})];
    let empty = schema.get("minLength").map(|_| json!(""));
    let disallowed = typed.into_iter().chain(empty).filter(|value| !spec::mismatches(schema, value).is_empty());
    disallowed.chain(long).chain(many).chain(no_id).chain(null).collect()
}

#[tokio::test]
async fn the_document_and_its_reader_need_no_key_and_nothing_from_elsewhere() {
    let server = TestServer::keyed().await;
    let caller = server.caller();
    let document = caller.get("/api/openapi.json").await;
    assert_eq!((document.status, &document.json()), (200, &*DOCUMENT));
    let moved = caller.get("/api/docs").await;
    assert_eq!((moved.status, moved.header("location")), (308, Some("/api/docs/index.html")));
    let page = caller.get("/api/docs/index.html").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    let text = page.text();
    let links: Vec<_> = text.split(['"', '\'']).filter(|part| part.starts_with("./")).collect();
    assert!(links.len() >= 4 && !text.contains("//"), "{text}");
    for link in links {
        let file = caller.get(&format!("/api/docs/{}", &link[2..])).await;
        assert!(file.status == 200 && !file.body.is_empty(), "{link}: {}", file.status);
    }
    let start = caller.get("/api/docs/swagger-initializer.js").await.text();
    assert!(start.contains("/api/openapi.json"), "{start}");
    caller.get("/api/docs/nothing.js").await.error(404, "NOT_FOUND");
}

#[tokio::test]
async fn the_document_and_its_reader_are_sent_compressed_to_whoever_takes_that() {
    let (_server, caller) = open().await;
    for (name, holds) in [
        ("openapi.json", "Doolittle"),
        ("docs/swagger-ui-bundle.js", "SwaggerUIBundle"),
        ("docs/swagger-ui.css", ".swagger-ui"),
        ("docs/index.html", "swagger-ui"),
    ] {
        let asked = |accepted: &str| Request::get(&format!("/api/{name}")).header("accept-encoding", accepted);
        let plain = caller.send(asked("identity")).await;
        assert!(plain.status == 200 && plain.header("content-encoding").is_none() && plain.text().contains(holds), "{name}");
        assert_eq!(caller.send(asked("br, gzip;q=0")).await.body, plain.body, "{name}");
        let packed = caller.send(asked("gzip, deflate, br")).await;
        assert_eq!((packed.status, packed.header("content-encoding"), packed.header("vary")), (200, Some("gzip"), Some("accept-encoding")));
        assert_eq!(packed.header("content-type"), plain.header("content-type"));
        // A gzip file begins with its magic number and ends with the length of what is in it (RFC 1952).
        let length = u32::try_from(plain.body.len()).unwrap().to_le_bytes();
        assert!(packed.body.starts_with(&[0x1f, 0x8b]) && packed.body.ends_with(&length) && packed.body.len() < plain.body.len(), "{name}");
    }
}

#[tokio::test]
async fn the_first_page_says_how_the_server_is() {
    let (_server, caller) = open().await;
    let page = caller.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("no agent runs") && page.text().contains("href=\"/api/docs\""), "{}", page.text());
    assert_eq!(page.header("content-security-policy").map(|policy| policy.contains("unsafe")), Some(false));
    running_agent(&caller, "One").await;
    assert!(caller.get("/").await.text().contains("one agent runs"));
    assert_eq!(caller.get("/home.css").await.header("content-type"), Some("text/css; charset=utf-8"));
}
