//! Agents' worlds, runs and logs.

use serde_json::json;
use testkit::caller::Request;

use crate::support::{DEFAULT, NOTHING, create_agent, dm, exchange, open, refused, running_agent, saying, snapshot, speaking, text};

#[tokio::test]
async fn ann_makes_a_world_and_finds_it_beside_the_agents_own() {
    let (server, ann) = open().await;
    let agent = running_agent(&ann, "Alice").await;
    server.record().name(&agent, "alice");
    let worlds = format!("/api/agents/{agent}/worlds");
    let created = ann.post(&worlds, &json!({"name": "W1", "messageServerId": DEFAULT, "metadata": {"k": "v"}})).await;
    let world = text(&created.data(201)["world"]["id"]);
    server.record().name(&world, "world");
    snapshot!("world_created", created);
    let changed = ann.patch(&format!("{worlds}/{world}"), &json!({"name": "W2", "metadata": {"z": 1}})).await;
    assert_eq!(changed.data(200)["world"]["metadata"], json!({"k": "v", "z": 1}));
    assert_eq!(ann.get(&format!("{worlds}/{world}")).await.data(200)["world"], changed.data(200)["world"]);
    let listed = ann.get(&worlds).await;
    snapshot!("worlds_listed", listed);
    assert_eq!(ann.get("/api/agents/worlds").await.body, listed.body, "no other agent runs");
    let second = ann.get(&format!("{worlds}?limit=1&offset=1")).await;
    assert_eq!(second.header("x-total-count"), Some("2"));
    assert_eq!(second.data(200)["worlds"][0]["name"], "W2");
}

#[tokio::test]
async fn worlds_made_in_one_moment_are_apart() {
    let (_server, ann) = open().await;
    let worlds = format!("/api/agents/{}/worlds", create_agent(&ann, "Alice").await);
    let body = json!({"name": "W"});
    let made = futures_util::future::join_all((0..8).map(|_| ann.post(&worlds, &body))).await;
    let mut ids: Vec<_> = made.iter().map(|answer| text(&answer.data(201)["id"])).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8);
}

#[tokio::test]
async fn nobody_reaches_another_agents_world() {
    let (_server, ann) = open().await;
    let (alice, bob) = (running_agent(&ann, "Alice").await, running_agent(&ann, "Bob").await);
    let of_alice = format!("/api/agents/{bob}/worlds/{alice}");
    let body = json!({"name": "x"});
    let cases = [
        (Request::get(&of_alice), 404, "WORLD_NOT_FOUND"),
        (Request::new("PATCH", &of_alice).json(&body), 404, "WORLD_NOT_FOUND"),
        (Request::get(&format!("/api/agents/{NOTHING}/worlds")), 404, "AGENT_NOT_FOUND"),
        (Request::post(&format!("/api/agents/{NOTHING}/worlds"), &body), 404, "AGENT_NOT_FOUND"),
        (Request::post(&format!("/api/agents/{alice}/worlds"), &json!({})), 400, "BAD_REQUEST"),
        (Request::get(&format!("/api/agents/{alice}/worlds?limit=-1")), 422, "UNPROCESSABLE_ENTITY"),
    ];
    refused(&ann, cases).await;
}

#[tokio::test]
async fn ann_sees_what_an_agent_did() {
    let model = saying("pong").await;
    let (server, ann) = speaking(&model).await;
    let (agent, channel) = dm(&server, &ann).await;
    exchange(&ann, &channel, "ping", "http").await.data(201);
    let runs = ann.get(&format!("/api/agents/{agent}/runs")).await.data(200);
    assert_eq!((&runs["total"], &runs["hasMore"], &runs["runs"][0]["status"]), (&json!(1), &json!(false), &json!("completed")));
    assert_eq!(runs["runs"][0]["counts"]["modelCalls"], 1);
    let run = text(&runs["runs"][0]["runId"]);
    let detail = ann.get(&format!("/api/agents/{agent}/runs/{run}")).await.data(200);
    let kinds: Vec<_> = detail["events"].as_array().unwrap().iter().map(|event| text(&event["type"])).collect();
    assert_eq!(kinds, ["RUN_STARTED", "MODEL_USED", "RUN_ENDED"]);
    assert_eq!(ann.get(&format!("/api/agents/{agent}/runs?status=error")).await.data(200)["total"], 0);

    let logs = format!("/api/agents/{agent}/logs");
    let before = ann.get(&logs).await.data(200);
    let newest = text(&before[0]["id"]);
    for _ in 0..2 {
        ann.delete(&format!("{logs}/{newest}")).await.empty(204);
    }
    let after = ann.get(&logs).await.data(200);
    assert_eq!(after.as_array().unwrap()[..], before.as_array().unwrap()[1..]);
    let other = create_agent(&ann, "Bob").await;
    ann.delete(&format!("/api/agents/{other}/logs/{}", text(&after[0]["id"]))).await.empty(204);
    assert_eq!(ann.get(&logs).await.data(200), after, "another agent's log is not touched");
}
