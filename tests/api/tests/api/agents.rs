//! Creating, showing, changing and deleting agents.

use core_types::AgentId;
use serde_json::{Value, json};
use testkit::caller::Request;
use testkit::house::PATIENCE;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Duration, sleep, timeout};

use crate::support::{NOTHING, create_agent, open, refused, running_agent, snapshot, text, with, world};

fn character(character: Value) -> Value {
    Value::Object([("characterJson".to_owned(), character)].into_iter().collect())
}

#[tokio::test]
async fn whoever_starts_a_new_server_finds_eliza_running() {
    let (_server, ann) = with(&[("DEFAULT_AGENT", "true")]).await;
    snapshot!("agents_of_a_new_server", ann.get("/api/agents").await);
}

#[tokio::test]
async fn ann_creates_agents_in_the_three_ways_of_the_reference() {
    let (server, ann) = open().await;
    let by_json = json!({"characterJson": {
        "name": "Bob", "bio": ["A specialized assistant"], "lore": ["Background story"],
        "settings": {"secrets": {"openai_api_key": "sk-..."}, "voice": {"model": "en_US-hfc_female-medium"}},
    }});
    let file = json!({"name": "Carol", "bio": "From a file", "topics": ["files"]});
    let path = server.characters().join("carol.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let by_path = json!({"characterPath": path});
    let by_agent = json!({"agent": {"name": "Dan", "bio": ["A specialized assistant"]}});

    let bob = ann.post("/api/agents", &by_json).await;
    snapshot!("agent_created_by_json", bob);
    snapshot!("agent_created_by_path", ann.post("/api/agents", &by_path).await);
    snapshot!("agent_created_by_object", ann.post("/api/agents", &by_agent).await);
    let id = text(&bob.data(201)["id"]);
    ann.post(&format!("/api/agents/{id}/start"), &json!({})).await.data(200);
    snapshot!("agents_listed", ann.get("/api/agents").await);
    snapshot!("agent_shown", ann.get(&format!("/api/agents/{id}")).await);
    assert_eq!(ann.post("/api/agents", &json!({"characterPath": "carol"})).await.data(201)["existing"], true);
}

#[tokio::test]
async fn a_long_bio_is_listed_by_its_beginning_and_shown_as_a_whole() {
    let (_server, ann) = open().await;
    let bio = "é".repeat(1_500);
    let id = text(&ann.post("/api/agents", &character(json!({"name": "Long", "bio": bio}))).await.data(201)["id"]);
    let listed = ann.get("/api/agents").await.data(200);
    assert_eq!(listed["agents"][0]["bio"], format!("{}…", "é".repeat(1_000)));
    assert_eq!(ann.get(&format!("/api/agents/{id}")).await.data(200)["bio"], bio);
}

#[tokio::test]
async fn an_agents_id_is_its_own_or_follows_from_its_name() {
    let (_server, ann) = open().await;
    let derived = create_agent(&ann, "Conf one").await;
    assert_eq!(derived, AgentId::of_name("Conf one").to_string());
    let chosen = character(json!({"id": NOTHING.to_uppercase(), "name": "Conf two", "bio": ["x"]}));
    let data = ann.post("/api/agents", &chosen).await.data(201);
    assert_eq!((&data["id"], &data["character"]["id"]), (&json!(NOTHING), &json!(NOTHING)));
}

#[tokio::test]
async fn a_creation_that_is_repeated_changes_nothing_and_says_so() {
    let (_server, ann) = open().await;
    let id = create_agent(&ann, "Twice").await;
    let before = world(&ann).await;
    let again = ann.post("/api/agents", &character(json!({"name": "Twice", "bio": ["other"]}))).await.data(201);
    assert_eq!((&again["id"], &again["existing"]), (&json!(id), &json!(true)));
    assert_eq!(world(&ann).await, before);
    let racing = (0..5).map(|_| create_agent(&ann, "Racing"));
    let ids = futures_util::future::join_all(racing).await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn keys_of_older_releases_are_accepted_with_a_warning() {
    let (_server, ann) = open().await;
    let body = character(json!({"name": "Old", "bio": "b", "clients": [], "modelProvider": "openai", "lore": "long ago"}));
    snapshot!("agent_created_with_warnings", ann.post("/api/agents", &body).await);
}

#[tokio::test]
async fn what_is_no_character_is_refused_with_the_reason() {
    let (server, ann) = open().await;
    std::fs::write(server.characters().join("broken.json"), "{CANARY-IN-A-FILE").unwrap();
    std::fs::write(server.directory().join("outside.json"), r#"{"name":"Outside","bio":"CANARY-IN-A-FILE"}"#).unwrap();
    let outside = server.directory().join("outside.json");
    let cases = [
        (json!({}), "configuration"),
        (json!({"characterJson": null, "characterPath": "", "agent": null}), "configuration"),
        (json!({"characterJson": "text"}), "object"),
        (json!({"characterJson": []}), "object"),
        (json!({"agent": 7}), "object"),
        (json!({"characterPath": 7}), "string"),
        (json!({"characterPath": "no/such/file.json"}), "no such file"),
        (json!({"characterPath": "../outside.json"}), "no such file"),
        (json!({"characterPath": outside}), "no such file"),
        (json!({"characterPath": "/etc/passwd"}), "no such file"),
        (json!({"characterPath": "broken.json"}), "not JSON"),
        (json!({"characterPath": "http://127.0.0.1:9/x.json"}), "network"),
        (character(json!({"bio": ["b"]})), "name"),
        (character(json!({"name": "", "bio": ["b"]})), "name"),
        (character(json!({"name": 7, "bio": ["b"]})), "name"),
        (character(json!({"name": "x".repeat(129), "bio": ["b"]})), "name"),
        (character(json!({"name": "a\nb", "bio": ["b"]})), "name"),
        (character(json!({"name": "N"})), "bio"),
        (character(json!({"name": "N", "bio": 7})), "bio"),
        (character(json!({"name": "N", "bio": ["b", 7]})), "bio"),
        (character(json!({"name": "N", "bio": vec!["b"; 1001]})), "bio"),
        (character(json!({"name": "N", "bio": "b", "notAField": 1})), "notAField"),
        (character(json!({"name": "N", "bio": "b", "id": "not-a-uuid"})), "id"),
        (character(json!({"name": "N", "bio": "b", "settings": []})), "settings"),
        (character(json!({"name": "N", "bio": "b", "settings": {"secrets": {"K": {}}}})), "secrets"),
        (character(json!({"name": "N", "bio": "b", "plugins": "p"})), "plugins"),
        (character(json!({"name": "N", "bio": "b", "style": {"all": "loud"}})), "style"),
        (character(json!({"name": "N", "bio": "b", "messageExamples": [[{"name": "x"}]]})), "messageExamples"),
        (character(json!({"name": "N", "bio": "b", "knowledge": [{}]})), "knowledge"),
    ];
    let before = world(&ann).await;
    for (body, named) in cases {
        let message = ann.post("/api/agents", &body).await.error(400, "CREATE_ERROR");
        assert!(message.contains(named), "{named} is not named for {body:.200}: {message}");
        assert_eq!(world(&ann).await, before, "{body:.200}");
    }
    let said = server.record().text();
    let directory = server.directory().to_str().unwrap();
    assert!(!said.contains("CANARY-IN-A-FILE") && !said.contains(directory), "neither a file's content nor a path is told");
}

#[tokio::test]
async fn ann_changes_an_agent_as_the_reference_shows() {
    let (_server, ann) = open().await;
    let id = running_agent(&ann, "Bob").await;
    let path = format!("/api/agents/{id}");
    let body = json!({
        "name": "Bob Updated", "bio": ["An updated assistant"], "settings": {"secrets": {"openai_api_key": "sk-new-key"}},
    });
    snapshot!("agent_changed", ann.patch(&path, &body).await);
    assert_eq!(ann.get(&path).await.data(200)["settings"]["secrets"], json!({"openai_api_key": "********"}));
}

#[tokio::test]
async fn settings_merge_and_other_columns_replace() {
    let (_server, ann) = open().await;
    let path = format!("/api/agents/{}", create_agent(&ann, "Merged").await);
    let settings = |answer: Value| answer["settings"].clone();
    let first = ann.patch(&path, &json!({"settings": {"a": 1, "b": {"c": 2, "d": 3}}, "topics": ["x", "y"]})).await.data(200);
    assert_eq!(settings(first), json!({"a": 1, "b": {"c": 2, "d": 3}, "secrets": {}}));
    let second = ann.patch(&path, &json!({"settings": {"b": {"c": null}}, "topics": ["z"]})).await.data(200);
    assert_eq!((&second["topics"], settings(second.clone())), (&json!(["z"]), json!({"a": 1, "b": {"d": 3}, "secrets": {}})));
    assert_eq!(ann.get(&path).await.data(200), second);
    let nothing = ann.patch(&path, &json!({})).await.data(200);
    assert_eq!(nothing, second, "an empty patch does not even move updatedAt");
}

#[tokio::test]
async fn what_is_not_anns_to_set_is_ignored() {
    let (_server, ann) = open().await;
    let id = create_agent(&ann, "Fixed").await;
    let before = world(&ann).await;
    let body = json!({"id": NOTHING, "createdAt": 0, "updatedAt": 0, "status": "active", "server_id": NOTHING, "nonsense": [1]});
    assert_eq!(ann.patch(&format!("/api/agents/{id}"), &body).await.data(200)["id"], id);
    assert_eq!(world(&ann).await, before);
}

#[tokio::test]
async fn a_change_that_leaves_no_character_is_refused() {
    let (_server, ann) = open().await;
    let path = format!("/api/agents/{}", create_agent(&ann, "Kept").await);
    let bad = [
        json!({"name": ""}),
        json!({"name": null}),
        json!({"name": ["x"]}),
        json!({"bio": 7}),
        json!({"bio": null}),
        json!({"plugins": "x"}),
        json!({"settings": []}),
        json!({"settings": "x"}),
        json!({"enabled": "yes"}),
        json!({"secrets": []}),
        json!({"settings": {"secrets": {"K": ["v"]}}}),
        json!({"name": "Half", "bio": 7}),
    ];
    let cases = bad.iter().map(|body| (Request::new("PATCH", &path).json(body), 400, "UPDATE_ERROR"));
    refused(&ann, cases).await;
}

#[tokio::test]
async fn an_agent_grows_up_to_a_bound_however_many_changes_there_are() {
    let (_server, ann) = open().await;
    let path = format!("/api/agents/{}", create_agent(&ann, "Growing").await);
    let settings = |key: &str, bytes: usize| json!({"settings": {key: "v".repeat(bytes)}});
    ann.patch(&path, &settings("k0", 1_900_000)).await.data(200);
    let message = ann.patch(&path, &settings("k1", 300_000)).await.error(400, "UPDATE_ERROR");
    assert_eq!(message, "character: must have at most 2097152 bytes as JSON, all its settings and texts together");
    ann.patch(&path, &settings("k0", 1_000)).await.data(200);
    let changed = ann.patch(&path, &settings("k1", 300_000)).await.data(200);
    assert_eq!(changed["settings"]["k1"].as_str().map(str::len), Some(300_000), "there is room again");

    let many = json!({"list": vec![0; 60_000]});
    for (answer, code) in [
        (ann.patch(&path, &json!({"settings": many})).await, "UPDATE_ERROR"),
        (ann.post("/api/agents", &character(json!({"name": "Many", "bio": "b", "settings": many}))).await, "CREATE_ERROR"),
    ] {
        let message = answer.error(400, code);
        assert_eq!(message, "character: must have at most 50000 values, all its settings and lists together");
    }
    assert_eq!(ann.get(&path).await.data(200), changed);
}

#[tokio::test]
async fn an_agents_secrets_are_bounded_however_many_changes_there_are() {
    let (_server, ann) = open().await;
    let named = |numbers: std::ops::Range<usize>, bytes: usize| -> Value {
        Value::Object(numbers.map(|number| (format!("S{number}"), json!("v".repeat(bytes)))).collect())
    };
    let body = character(json!({"name": "Keeper", "bio": "b", "secrets": named(0..1_000, 8)}));
    let path = format!("/api/agents/{}", text(&ann.post("/api/agents", &body).await.data(201)["id"]));
    let new = json!({"NEW_TOKEN": "v"});
    for patch in [json!({"secrets": new}), json!({"settings": {"secrets": new}}), json!({"settings": new})] {
        let message = ann.patch(&path, &patch).await.error(400, "UPDATE_ERROR");
        assert_eq!(message, "secrets: must have at most 1000 entries in all", "{patch}");
    }
    ann.patch(&path, &json!({"secrets": {"S0": "other"}})).await.data(200);
    let changed = ann.patch(&path, &json!({"secrets": {"S0": null, "NEW": "v"}})).await.data(200);
    let kept = changed["settings"]["secrets"].as_object().unwrap();
    assert!(kept.len() == 1_000 && kept.contains_key("NEW") && !kept.contains_key("S0"));

    let too_large = "secrets: must have at most 1048576 bytes in all, with their names and encrypted";
    let body = |secrets: Value| character(json!({"name": "Large", "bio": "b", "settings": {"secrets": secrets}}));
    assert_eq!(ann.post("/api/agents", &body(named(0..700, 1_900))).await.error(400, "CREATE_ERROR"), too_large);
    let path = format!("/api/agents/{}", text(&ann.post("/api/agents", &body(named(0..500, 1_900))).await.data(201)["id"]));
    assert_eq!(ann.patch(&path, &json!({"secrets": named(500..600, 1_900)})).await.error(400, "UPDATE_ERROR"), too_large);
    ann.patch(&path, &json!({"secrets": null, "settings": {"secrets": {"ONLY": "v"}}})).await.data(200);
    let changed = ann.patch(&path, &json!({"secrets": named(500..600, 1_900)})).await.data(200);
    assert_eq!(changed["settings"]["secrets"].as_object().map(serde_json::Map::len), Some(101));
}

#[tokio::test]
async fn a_deleted_agent_is_gone_from_every_route() {
    let (_server, ann) = open().await;
    let id = running_agent(&ann, "Gone").await;
    create_agent(&ann, "Left").await;
    let path = format!("/api/agents/{id}");
    let answer = ann.delete(&path).await;
    answer.empty(204);
    let gone = |method: &str, rest: &str| (Request::new(method, &format!("{path}{rest}")), 404, "AGENT_NOT_FOUND");
    let routes = [("GET", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/stop"), ("POST", "/restart"), ("GET", "/logs")];
    refused(&ann, routes.map(|(method, rest)| gone(method, rest))).await;
    refused(&ann, [(Request::new("PATCH", &path).json(&json!({"name": "n"})), 404, "AGENT_NOT_FOUND")]).await;
    snapshot!("agent_not_found", ann.get(&path).await);
    let left = ann.get("/api/agents").await.data(200);
    assert_eq!(left["agents"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_id_in_upper_case_is_the_same_id() {
    let (_server, ann) = open().await;
    let id = running_agent(&ann, "Loud").await;
    let shown = ann.get(&format!("/api/agents/{id}")).await.data(200);
    let loud = id.to_uppercase();
    assert_eq!(ann.get(&format!("/api/agents/{loud}")).await.data(200), shown);
    let changed = ann.patch(&format!("/api/agents/{loud}"), &json!({"bio": "b"})).await.data(200);
    assert_eq!((&changed["id"], &changed["status"]), (&json!(id), &json!("active")));
    ann.delete(&format!("/API/Agents/{loud}/")).await.empty(204);
}

#[tokio::test]
async fn running_agents_come_first_and_names_are_in_the_order_of_a_dictionary() {
    let (_server, ann) = open().await;
    for name in ["ccc", "Bbb", "aaa", "zoe"] {
        create_agent(&ann, name).await;
    }
    let last = running_agent(&ann, "zzz").await;
    let listed = ann.get("/api/agents").await.data(200);
    let names: Vec<_> = listed["agents"].as_array().unwrap().iter().map(|agent| text(&agent["name"])).collect();
    assert_eq!(names, ["zzz", "aaa", "Bbb", "ccc", "zoe"]);
    ann.post(&format!("/api/agents/{last}/stop"), &json!({})).await.data(200);
    let listed = ann.get("/api/agents").await.data(200);
    assert_eq!(listed["agents"][4]["name"], "zzz");
}

#[tokio::test]
async fn agents_survive_a_restart_as_they_were() {
    let (mut server, ann) = open().await;
    let body = character(json!({
        "name": "Durable", "bio": ["b1", "b2"], "settings": {"a": {"b": [1, 2.5, null]}, "secrets": {"K": "v"}}, "lore": ["l"],
        "messageExamples": [[{"name": "{{user1}}", "content": {"text": "hi", "custom": true}}]], "knowledge": ["k", {"path": "p"}],
    }));
    let id = text(&ann.post("/api/agents", &body).await.data(201)["id"]);
    running_agent(&ann, "Running").await;
    let before = world(&ann).await;
    server.restart().await;
    assert_eq!(world(&server.caller()).await, before);
    let shown = server.caller().get(&format!("/api/agents/{id}")).await.data(200);
    assert_eq!(shown["settings"], json!({"a": {"b": [1, 2.5, null]}, "secrets": {"K": "********"}}));
    assert_eq!(shown["lore"], json!(["l"]));
}

#[tokio::test]
async fn an_agent_is_restarted_whole_though_nobody_waits_for_it() {
    let (server, ann) = open().await;
    let mut agents = Vec::new();
    for number in 0..24 {
        let agent = running_agent(&ann, &format!("Agent {number}")).await;
        let request = format!("POST /api/agents/{agent}/restart HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        let mut connection = TcpStream::connect(server.address()).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        sleep(Duration::from_micros(number * 200)).await;
        agents.push(agent);
    }
    for agent in agents {
        let runs = async { while ann.get(&format!("/api/agents/{agent}")).await.data(200)["status"] != "active" {} };
        timeout(PATIENCE, runs).await.expect("an agent that was restarted runs");
    }
}
