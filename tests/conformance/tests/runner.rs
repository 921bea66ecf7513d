//! The runner does what a case says, and every kind of step can fail: tried on a server whose every answer is known.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test, what must work and does not is a failure")]

use std::sync::atomic::{AtomicUsize, Ordering};

use conformance::case::{Area, Target};
use conformance::suite::{self, Selection, Verdict};
use conformance::world::World;
use serde_json::{Value, json};
use testkit::scripted::{Recorded, Reply, ScriptedModel};

/// A server that counts how often `/count` is asked for, has messages 1 to 5, and tells what it was sent.
async fn server() -> ScriptedModel {
    let count = AtomicUsize::new(0);
    ScriptedModel::on_port(0, move |request| answer(request, &count)).await.unwrap()
}

fn answer(request: &Recorded, count: &AtomicUsize) -> Reply {
    let (path, query) = request.path.split_once('?').unwrap_or((request.path.as_str(), ""));
    let body = match path {
        "/count" => json!({"n": count.fetch_add(1, Ordering::SeqCst) + 1}),
        "/echo" => {
            json!({"query": query, "body": request.body, "key": request.header("x-api-key"), "bearer": request.header("authorization")})
        }
        "/messages" => json!({"success": true, "data": {"messages": page(query)}}),
        "/good" => json!({"success": true, "data": [1]}),
        "/api/bad" => return Reply::status(400, r#"{"success":false,"error":{"code":"BAD_REQUEST","message":"no"}}"#),
        "/api/odd" => return Reply::status(400, r#"{"success":false,"error":"no"}"#),
        "/events" => {
            let event = |name: &str, data: &Value| format!("event: {name}\ndata: {data}\n\n").into_bytes();
            return Reply::Portions(vec![
                event("chunk", &json!({"chunk": "po"})),
                event("chunk", &json!({"chunk": "ng"})),
                event("done", &json!({})),
            ]);
        }
        _ => return Reply::status(404, "{}"),
    };
    Reply::Plain(body)
}

/// Two messages before a time, of the times 5 to 1.
fn page(query: &str) -> Vec<Value> {
    let before = query.split('&').find_map(|part| part.strip_prefix("before=")).map_or(6, |before| before.parse().unwrap_or(0));
    (1..before).rev().take(2).map(|time: u64| json!({"createdAt": time.to_string()})).collect()
}

fn case(case: Value) -> Area {
    let mut case = case;
    case["id"] = json!("T-1");
    case["title"] = json!("it does what it says");
    serde_json::from_value(json!({"area": "tried", "about": "the runner", "cases": [case]})).unwrap_or_else(|error| panic!("{error}"))
}

async fn verdict_of(target: Target, written: Value) -> Verdict {
    let server = server().await;
    let mut world = World::at(server.base_url().trim_end_matches("/v1"), target).await.unwrap();
    world.key = Some("the key".to_owned());
    let outcomes = suite::run(&world, &[case(written)], &Selection::default(), 4, |_| {}).await;
    outcomes.first().map(|outcome| outcome.verdict.clone()).unwrap()
}

#[track_caller]
fn assert_failed(verdict: &Verdict, why: &str) {
    let Verdict::Failed(said) = verdict else { panic!("{verdict:?}") };
    assert!(said.contains(why), "{why:?} should be said: {said}");
}

/// Steps that hold and steps that do not, the latter with what is said of them.
async fn tried(good: Value, bad: impl IntoIterator<Item = (Value, &str)>) {
    assert_eq!(verdict_of(Target::Ours, json!({"steps": good})).await, Verdict::Passed, "{good}");
    for (steps, why) in bad {
        assert_failed(&verdict_of(Target::Ours, json!({"steps": steps})).await, why);
    }
}

#[tokio::test]
async fn a_status_and_a_body_are_compared() {
    tried(
        json!([{"do": "GET /good", "expect": {"status": 200, "data": [1]}}, {"do": "GET /nowhere", "expect": 404}]),
        [
            (json!([{"do": "GET /good", "expect": 201}]), "step 1, GET /good: status 201 was expected, and 200 came"),
            (
                json!([{"do": "GET /good", "expect": 200}, {"do": "GET /good", "expect": {"data": [2]}}]),
                "step 2, GET /good: data.0: 2 was expected, and 1 came",
            ),
            (json!([{"do": "GET /api/odd", "expect": 400}]), "error"),
            (json!([{"do": "GET", "expect": 200}]), "no method and path"),
            (json!([{"do": "GET /$nobody", "expect": 200}]), "$nobody is not known"),
        ],
    )
    .await;
}

#[tokio::test]
async fn bodies_keys_and_variables_are_sent() {
    tried(
        json!([
            {"do": "POST /echo?n=$n", "body": {"id": "$X", "text": "x$fill(3)"}, "expect": {"body": {"query": "n=$n", "body": {"id": "$X", "text": "xxxx"}, "key": "the key", "bearer": null}}},
            {"do": "POST /echo", "raw": "[1]", "key": "none", "expect": {"body": {"body": [1], "key": null}}},
            {"do": "POST /echo", "key": "bearer", "expect": {"body": {"bearer": "Bearer $key"}}},
            {"do": "POST /echo", "key": "wrong", "expect": {"body": {"key": {"<not>": "$key"}}}}
        ]),
        [(json!([{"do": "POST /echo", "body": {"id": "$X"}, "expect": {"body": {"body": {"id": "$U"}}}}]), "body.id")],
    )
    .await;
}

#[tokio::test]
async fn an_answer_is_waited_for_as_long_as_the_case_says() {
    tried(
        json!([{"do": "GET /count", "expect": {"within": 10, "body": {"n": 3}}}]),
        [
            (json!([{"do": "GET /count", "expect": {"body": {"n": 3}}}]), "3 was expected, and 1 came"),
            (json!([{"do": "GET /good", "expect": {"within": 0.1, "data": [2]}}]), "still after 0.1 s"),
        ],
    )
    .await;
}

#[tokio::test]
async fn something_is_tried_as_often_as_the_case_says() {
    tried(
        json!([{"do": "GET /count", "tries": 3, "expect": {"body": {"n": 3}}}]),
        [
            (json!([{"do": "GET /count", "tries": 3, "expect": {"body": {"n": 4}}}]), "still after 3 tries: n: 4 was expected, and 3 came"),
            (json!([{"do": "GET /count", "tries": "many", "expect": 200}]), "tries takes a number"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_repetition_holds_each_time() {
    tried(
        json!([{"do": "GET /count", "repeat": 3, "expect": {"body": {"n": "$i"}}}, {"do": "GET /good", "together": 3, "expect": {"status": 200, "same": ["data"]}}]),
        [
            (json!([{"do": "GET /count", "repeat": 2, "expect": {"body": {"n": 1}}}]), "1 was expected, and 2 came"),
            (json!([{"do": "GET /count", "together": 3, "expect": {"same": ["n"]}}]), "n should be the same in all answers"),
            (json!([{"do": "GET /count", "together": 3, "expect": {"body": {"n": {"<atMost>": 2}}}}]), "came"),
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_kept_is_there_in_the_next_step() {
    tried(
        json!([
            {"do": "GET /count", "expect": 200, "keep": {"n1": "n", "type": "header content-type"}},
            {"do": "GET /echo?$n1", "expect": {"body": {"query": "1"}}},
            {"do": "GET /good", "expect": {"headers": {"content-type": "$type"}}}
        ]),
        [(json!([{"do": "GET /count", "expect": 200, "keep": {"x": "no.such"}}]), "there is no no.such to keep")],
    )
    .await;
}

#[tokio::test]
async fn loops_helpers_and_streams_are_read_as_the_case_says() {
    let pages = json!({"messages": [{"createdAt": "5"}, {"createdAt": "4"}, {"createdAt": "3"}, {"createdAt": "2"}, {"createdAt": "1"}], "requests": 4});
    let events = json!({"events": {"<first>": {"event": "chunk"}, "<last>": {"event": "done"}, "<length>": 3}, "chunks": "pong"});
    tried(
        json!([
            {"do": "GET /messages", "read": "pages", "limit": 2, "expect": {"body": pages}},
            {"do": "GET /good", "read": "call", "expect": {"body": {"returned": [1], "thrown": "<absent>"}}},
            {"do": "GET /api/bad", "read": "call", "expect": {"body": {"thrown": "no", "returned": "<absent>"}}},
            {"do": "GET /events", "read": "events", "expect": {"status": 200, "headers": {"content-type": "text/event-stream"}, "body": events}}
        ]),
        [
            (json!([{"do": "GET /messages", "read": "pages", "limit": 2, "expect": {"body": {"requests": 3}}}]), "requests: 3 was expected, and 4 came"),
            (json!([{"do": "GET /good", "read": "call", "expect": {"body": {"thrown": "<any>"}}}]), "thrown"),
            (json!([{"do": "GET /events", "read": "events", "expect": {"body": {"chunks": "ping"}}}]), "chunks"),
            (json!([{"do": "GET /nowhere", "read": "events", "expect": 200}]), "404 came"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_reference_is_judged_by_what_it_does() {
    let otherwise = json!({"target": "ours", "reference": "no envelope", "steps": [
        {"do": "GET /api/odd", "expect": {"status": 400, "error": "BAD_REQUEST"}, "reference": {"status": 400, "error": {"message": "no"}}},
        {"do": "GET /good", "only": "ours", "expect": {"data": [1]}}
    ]});
    assert_eq!(verdict_of(Target::Reference, otherwise.clone()).await, Verdict::Passed);
    assert_failed(&verdict_of(Target::Ours, otherwise).await, "step 1");
    let not_asked = json!({"target": "ours", "reference": "it would hang", "steps": [{"do": "GET /good", "only": "ours", "expect": 200}]});
    assert_eq!(verdict_of(Target::Reference, not_asked).await, Verdict::Skipped("it would hang".to_owned()));
}

#[tokio::test]
async fn what_is_for_later_fails_until_then_and_does_not_pass_unseen() {
    let later = |expect: u16| json!({"later": "media", "steps": [{"do": "GET /good", "expect": expect}]});
    assert_eq!(verdict_of(Target::Ours, later(201)).await, Verdict::NotYet("media".to_owned()));
    assert_failed(&verdict_of(Target::Ours, later(200)).await, "remove the mark");
    assert_eq!(verdict_of(Target::Reference, later(200)).await, Verdict::Passed);
    assert_failed(&verdict_of(Target::Reference, later(201)).await, "status");
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let needing = |need: &str| json!({"needs": [need], "steps": [{"do": "GET /good", "expect": 200}]});
    assert!(matches!(verdict_of(Target::Ours, needing("model")).await, Verdict::Skipped(_)));
    assert!(matches!(verdict_of(Target::Ours, needing("limit")).await, Verdict::Skipped(_)));
    assert_eq!(verdict_of(Target::Ours, needing("key")).await, Verdict::Passed);
    assert_failed(&verdict_of(Target::Ours, json!({"given": ["$A"], "steps": [{"do": "GET /good", "expect": 200}]})).await, "a fixture");
}

#[tokio::test]
async fn a_server_that_is_not_there_fails_every_case() {
    let world = World::at("http://127.0.0.1:1", Target::Ours).await.unwrap();
    let areas = [case(json!({"steps": [{"do": "GET /good", "expect": 200}]}))];
    let outcomes = suite::run(&world, &areas, &Selection::default(), 1, |_| {}).await;
    assert_failed(&outcomes[0].verdict, "no server at 127.0.0.1:1");
    for wrong in ["https://127.0.0.1", "127.0.0.1:1", "http://127.0.0.1/api"] {
        assert!(World::at(wrong, Target::Ours).await.is_err(), "{wrong}");
    }
}
